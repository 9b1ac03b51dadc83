"""Replace an identifier by a pseudonym."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa

from deid.cells.domains import Base32
from deid.errors import PlanError
from deid.keys.prf import PSEUDONYM_LENGTH
from deid.schema import Column
from deid.transforms.base import Context, Output
from deid.transforms.options import choice

METHODS = ("random", "keyed")


@dataclass(frozen=True, slots=True)
class Pseudonymize:
    """Write 16 characters of [a-z2-7], 80 bits, the same for the same identifier within a series and party.

    Contract:
    - accepts: kinds that stand for one person, event or provider (`Kind.is_identifier_code`);
    - output: string; nulls stay null;
    - key: `random` none, the crosswalk holds CSPRNG values; `keyed` AES-CMAC under a subkey per series, party and kind;
    - linkable: within one series and receiving party only;
    - reversible: `random` by whoever holds the crosswalk; `keyed` by whoever holds the key and can list identifiers;
    - source: 45 CFR 164.514(c) for `random`; a keyed code is derived from the individual and needs an expert.
    """

    method: str
    name: ClassVar[str] = "pseudonymize"
    primary: ClassVar[str | None] = "method"

    def __post_init__(self) -> None:
        choice("pseudonymize", self.method, METHODS)

    @property
    def derived(self) -> bool:
        """Whether the output is computed from the identifier with a key."""
        return self.method == "keyed"

    def output(self, column: Column) -> Output:
        """Return the form of a pseudonym; raise PlanError for a kind that is no identifier."""
        if not column.kind.is_identifier_code:
            raise PlanError(
                f"pseudonymize cannot serve kind {column.kind.name}",
                hint="pseudonyms stand for identifiers of patients, encounters, claims and providers; drop the column",
            )
        return Output(pa.string(), Base32(PSEUDONYM_LENGTH), f"{self.method} pseudonym")

    def apply(self, column: Column, values: pa.Array, context: Context) -> pa.Array:
        """Return the pseudonym of each identifier."""
        return context.pseudonym(column.kind.name, values)
