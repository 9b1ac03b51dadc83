"""Cut medical codes to a prefix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa
import pyarrow.compute as pc

from deid.cells.buffers import over_dictionary
from deid.cells.domains import Matching
from deid.cells.shapes import SHAPES, TextShape, wellformed
from deid.errors import PlanError
from deid.schema import Column
from deid.transforms.base import Context, Output
from deid.transforms.options import whole


@dataclass(frozen=True, slots=True)
class GeneralizeCode:
    """Write the first `prefix` characters of a code, without its dot and in capitals.

    Contract:
    - accepts: medical code kinds;
    - output: string; shorter codes stay whole; nulls, and values that have not the shape of their kind, are null;
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
        pattern = f"{_characters(column)}{{1,{self.prefix}}}"
        return Output(pa.string(), Matching(pattern, words), f"first {self.prefix} characters")

    def apply(self, column: Column, values: pa.Array, context: Context) -> pa.Array:
        """Return the prefix of each code."""
        # Judged whole, before the cut: the first three characters of a name look like a code.
        codes = wellformed(column.kind, values)
        if isinstance(codes, pa.DictionaryArray):
            return over_dictionary(codes, self._cut)
        return self._cut(codes)

    def _cut(self, codes: pa.Array) -> pa.Array:
        bare = pc.utf8_trim_whitespace(pc.replace_substring(codes, ".", ""))
        cut = pc.utf8_trim_whitespace(pc.utf8_slice_codeunits(pc.utf8_upper(bare), 0, self.prefix))
        return pc.if_else(pc.equal(pc.binary_length(cut), 0), pa.scalar(None, cut.type), cut)


def _characters(column: Column) -> str:
    """Return the class of characters that a prefix of a well-formed code may have."""
    shape = SHAPES.get(column.kind.name)
    if not isinstance(shape, TextShape):  # codes of a local system, which may look like anything
        return "[^.a-z]"
    return "[0-9A-Z (),/&_+:;=-]" if shape.phrase else "[0-9A-Z*+†!-]"
