"""Cut medical codes to a prefix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa
import pyarrow.compute as pc

from deid.buffers import over_dictionary
from deid.errors import PlanError
from deid.schema import Column
from deid.transforms.base import Context, Output
from deid.transforms.domains import Matching
from deid.transforms.options import whole


@dataclass(frozen=True, slots=True)
class GeneralizeCode:
    """Write the first `prefix` characters of a code, without its dot and in capitals.

    Contract:
    - accepts: medical code kinds;
    - output: string; shorter codes stay whole; nulls, and codes with nothing beside dots and blanks, are null;
    - key: none; linkable wherever the code is known; not reversible;
    - source: an ICD-10-CM or ICD-9-CM code's first three characters are its category (E-codes of ICD-9: four).
    """

    prefix: int
    name: ClassVar[str] = "generalize_code"
    primary: ClassVar[str | None] = "prefix"

    def __post_init__(self) -> None:
        whole("prefix", self.prefix, low=1, high=20)

    @property
    def derived(self) -> bool:
        """Whether the output is computed from the person with a key: never."""
        return False

    def output(self, column: Column) -> Output:
        """Return the form of a prefix; raise PlanError for a kind that is no medical code."""
        if not column.kind.is_medical_code:
            raise PlanError(
                f"generalize_code cannot serve kind {column.kind.name}", hint="only medical codes have a hierarchy"
            )
        words = f"at most {self.prefix} characters, no dot, no small letter a-z"
        return Output(pa.string(), Matching(f"[^.a-z]{{1,{self.prefix}}}", words), f"first {self.prefix} characters")

    def apply(self, column: Column, values: pa.Array, context: Context) -> pa.Array:
        """Return the prefix of each code."""
        if isinstance(values, pa.DictionaryArray):
            return over_dictionary(values, self._cut)
        return self._cut(values)

    def _cut(self, codes: pa.Array) -> pa.Array:
        bare = pc.utf8_trim_whitespace(pc.replace_substring(codes, ".", ""))
        cut = pc.utf8_trim_whitespace(pc.utf8_slice_codeunits(pc.utf8_upper(bare), 0, self.prefix))
        return pc.if_else(pc.equal(pc.binary_length(cut), 0), pa.scalar(None, cut.type), cut)
