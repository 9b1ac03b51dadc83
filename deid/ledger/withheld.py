"""Pairs of class and code that a series withholds: once withheld, always withheld."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

_SEPARATOR = "\x1f"
SCHEMA = pa.schema([("class", pa.int32()), ("kind", pa.string()), ("code", pa.string()), ("shown", pa.bool_())])


@dataclass(frozen=True, slots=True)
class Withheld:
    """Every (class, kind, code) that a release has met, and whether it was shown; string and int32 arrays (n,)."""

    klass: pa.Array = field(repr=False)
    kind: pa.Array = field(repr=False)
    code: pa.Array = field(repr=False)
    shown: npt.NDArray[np.bool_] = field(repr=False)

    @classmethod
    def nothing(cls) -> Withheld:
        """Return the pairs of a series that withholds none."""
        return cls.of(SCHEMA.empty_table())

    @classmethod
    def of(cls, table: pa.Table) -> Withheld:
        """Return the pairs of a table of `SCHEMA`."""
        klass, kind, code = (table[name].combine_chunks() for name in ("class", "kind", "code"))
        return cls(klass, kind, code, table["shown"].to_numpy().astype(np.bool_))

    def table(self) -> pa.Table:
        """Return the pairs as a table of `SCHEMA`."""
        return pa.table([self.klass, self.kind, self.code, pa.array(self.shown)], schema=SCHEMA)

    def __len__(self) -> int:
        """How many pairs are known."""
        return len(self.shown)

    @property
    def count(self) -> int:
        """How many pairs are withheld."""
        return int((~self.shown).sum())

    def settle(
        self, klass: pa.Array, kind: pa.Array, code: pa.Array, patients: npt.NDArray[np.int64], *, least: int
    ) -> tuple[npt.NDArray[np.bool_], Withheld]:
        """Decide which of these distinct pairs are shown, bool (m,), and return what the series knows afterwards.

        `patients`: how many have each, int64 (m,). A known pair stays what it is, however many have it by now: what
        crosses from withheld to shown tells the difference. A new one is shown where at least `least` have it.
        """
        at = pc.index_in(_keys(klass, kind, code), _keys(self.klass, self.kind, self.code))
        known = at.is_valid().to_numpy(zero_copy_only=False)
        place = at.fill_null(0).to_numpy(zero_copy_only=False)
        before = self.shown[place] if len(self) else np.zeros(len(known), np.bool_)
        shown = np.where(known, before, patients >= least)
        fresh = pa.array(np.flatnonzero(~known))
        klass, kind, code = (
            pa.concat_arrays([old.cast(type_), new.cast(type_).take(fresh)])
            for old, new, type_ in (
                (self.klass, klass, pa.int32()),
                (self.kind, kind, pa.string()),
                (self.code, code, pa.string()),
            )
        )
        return shown, Withheld(klass, kind, code, np.concatenate([self.shown, shown[~known]]))


def _keys(klass: pa.Array, kind: pa.Array, code: pa.Array) -> pa.Array:
    return pc.binary_join_element_wise(klass.cast(pa.string()), kind, code, _SEPARATOR)
