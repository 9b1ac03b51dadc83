"""What an identifier is recognized by: the first bytes of a keyed digest of it."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from deid.errors import DisclosureError
from deid.keys.prf import PSEUDONYM_BYTES, BatchCmac
from deid.patients.tags import first_words

Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Marks:
    """What is looked for: `wanted` are marks, uint8 (n, width), and `cmac` makes the digest that they begin."""

    cmac: BatchCmac = field(repr=False)
    wanted: Bytes = field(repr=False)

    def find(self, batches: Iterable[pa.Array]) -> list[str | None]:
        """Return the identifier of each mark, None where no batch has it; nothing else of the batches is kept.

        Raises DisclosureError where one mark fits two identifiers: telling either could name the wrong person.
        """
        found: list[str | None] = [None] * len(self.wanted)
        heads = first_words(self.wanted)
        order = np.argsort(heads)
        for batch in batches:
            ids = _distinct(batch)
            if not len(ids):
                continue
            digests = self.cmac.digest(ids)[:, : self.wanted.shape[1]]
            words = first_words(digests)
            at = np.minimum(np.searchsorted(heads, words, sorter=order), len(order) - 1)
            for row in np.flatnonzero(heads[order[at]] == words).tolist():
                text = ids[row].as_py()
                for number in np.flatnonzero((self.wanted == digests[row]).all(axis=1)).tolist():
                    if found[number] not in (None, text):
                        raise DisclosureError(
                            "two identifiers have one of the pseudonyms", hint="report this as a defect of deid"
                        )
                    found[number] = text
        return found


def surrogate_bytes(pseudonyms: Iterable[str]) -> Bytes:
    """Return the 10 bytes behind each pseudonym, uint8 (n, 10)."""
    raw = b"".join(base64.b32decode(text.upper()) for text in pseudonyms)
    return np.frombuffer(raw, np.uint8).reshape(-1, PSEUDONYM_BYTES)


def _distinct(batch: pa.Array) -> pa.Array:
    if isinstance(batch, pa.ChunkedArray):
        batch = batch.combine_chunks()
    if isinstance(batch, pa.DictionaryArray):
        batch = batch.dictionary_decode()
    return pc.unique(batch).drop_null()
