"""What a run lends to its observation: keys of the site, the crosswalk, and sealed places for what is noted."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from deid.crosswalks.crosswalk import Crosswalk
from deid.keys.prf import BatchCmac
from deid.ledger.run import SeriesRun
from deid.sealing.sealed import SealedMap, SealedRows

_SEALED = 24 * 2**20  # bytes that each sealed map or store may hold before it spills; docs/reference/memory.md


@dataclass(frozen=True, slots=True)
class Workshop:
    """What a run lends to its observation.

    `subkey`: from a context to a 32-byte key of the site, for what stays in this process.
    `cmac`: from a context to the function behind keyed pseudonyms and date offsets; its key may be in a token.
    `spill`: a private folder for sealed spill. `open` closes with the run. `series`: where the policy has a k.
    """

    subkey: Callable[..., bytes]
    cmac: Callable[..., BatchCmac]
    crosswalk: Crosswalk
    spill: Path
    open: ExitStack
    series: SeriesRun | None = None

    def sealed_map(self, **columns: pa.DataType) -> SealedMap:
        """Return a new sealed map from tags to these columns, which closes with the run."""
        return self.open.enter_context(SealedMap(pa.schema(list(columns.items())), folder=self.spill, budget=_SEALED))

    def sealed_rows(self, **columns: pa.DataType) -> SealedRows:
        """Return new sealed rows of these columns, which close with the run."""
        return self.open.enter_context(SealedRows(pa.schema(list(columns.items())), folder=self.spill, budget=_SEALED))

    def sealed_tags(self, **columns: pa.DataType) -> SealedRows:
        """Return new sealed rows under the crosswalk's tags, of 128 bits, which close with the run."""
        schema = pa.schema(list(columns.items()))
        return self.open.enter_context(SealedRows(schema, folder=self.spill, budget=_SEALED, bits=128))
