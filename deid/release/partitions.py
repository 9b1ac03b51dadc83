"""A table in folders by a coarse column: written as any other, then read back, split and written anew, all in staging.

Names of folders, and the sizes of what lies in them, are read by everybody. So a value has a folder of its own only
where enough patients have it, whatever is left stands in one folder that is as large and holds at least two values,
and both are counted again on what was written. docs/adr/0034-partitions-of-a-release.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from deid.cells.buffers import plain
from deid.documents.request import Series
from deid.errors import DEFECT, DisclosureError, VerificationError
from deid.observing.decision import Decision
from deid.patients.released import patient_pseudonym, pseudonym_tags
from deid.patients.tags import TagIndex
from deid.planning.plan import Folders, Plan, TablePlan
from deid.release.manifest import FILE_NAME, REST
from deid.sealing.private import sync_folder
from deid.sinks.encrypted_parquet import MIB, Sizes, TableWriter, WrittenFile
from deid.sinks.read_back import read_back
from deid.sinks.release_keys import ReleaseKeys

Numbers = npt.NDArray[np.int64]
Progress = Callable[[str, int], None]
_ROOM = 128 * MIB  # bytes of the row groups that all folders gather at once; docs/reference/memory.md
_LEAST_GROUP = 1 * MIB


def partitioned(
    plan: Plan,
    decision: Decision,
    folder: Path,
    written: Mapping[str, tuple[WrittenFile, ...]],
    keys: ReleaseKeys,
    progress: Progress,
) -> dict[str, tuple[WrittenFile, ...]]:
    """Return the files of all tables, those in folders written anew where the plan says so.

    `folder`: the staging folder. A table of which no value has enough patients stays as it is. Raises DisclosureError
    where a series goes on whose releases hold everything so far, VerificationError where what was written is not
    what was read.
    """
    refuse_growth(plan, folder, is_continued=decision.is_continued)
    tables = {planned.table.name: planned for planned in plan.tables}
    return {name: in_folders(tables[name], folder, files, keys, progress) for name, files in written.items()}


def refuse_growth(plan: Plan, folder: Path, *, is_continued: bool = False) -> None:
    """Raise DisclosureError for folders in a further release of everything so far: who compares both reads what came.

    `folder`: the staging folder, beside which the request's releases lie. `is_continued`: there were some, by a ledger.
    """
    if not plan.request.partition_by or plan.request.series is not Series.CUMULATIVE:
        return
    if is_continued or any(not path.name.startswith(".") for path in folder.parent.iterdir()):
        raise DisclosureError(
            "a release of this request is there already: by how much each folder grew would stand in clear",
            hint="release increments, or ask for no folders",
        )


def in_folders(
    planned: TablePlan, folder: Path, written: tuple[WrittenFile, ...], keys: ReleaseKeys, progress: Progress
) -> tuple[WrittenFile, ...]:
    """Return the files of one table, written anew in folders where its plan says so; the first ones are removed."""
    if planned.folders is None:
        return written
    return _Table(planned, planned.folders, folder, keys, progress).rewritten(written)


def choose(holders: Holders, least: int) -> tuple[int, ...]:
    """Return the numbers of the values that have a folder of their own, in order.

    Everything else stands in one folder more: it has at least `least` patients and two values, or is empty. The
    smallest folder is given up until that is so.
    """
    counts = holders.counts()
    own = {number: count for number, count in enumerate(counts[:-1]) if count >= least}
    rest = {number for number, count in enumerate(counts) if count and number not in own}
    while rest and own and (len(rest) < 2 or holders.of_any(rest) < least):
        smallest = min(own, key=lambda number: (own[number], number))
        rest.add(smallest)
        del own[smallest]
    return tuple(own)


class Holders:
    """Which patients have which values; 16 bytes for each patient beside the tag. `values`: at most 127."""

    def __init__(self, values: int) -> None:
        self._people = TagIndex()
        self._held = np.zeros((2, 0), np.uint64)  # a bit for each value of each patient
        self._counts = [0] * (values + 1)  # the last is for null and what is in no list

    def add(self, tags: npt.NDArray[np.uint64], numbers: Numbers) -> None:
        """Take rows: whose they are, and the number of the value of each."""
        positions, _ = self._people.add(tags)
        self._make_room(int(positions.max(initial=-1)) + 1)
        for number in np.unique(numbers).tolist():
            word, bit = self._held[number // 64], _bit(number)
            people = np.unique(positions[numbers == number])
            self._counts[number] += int((word[people] & bit == 0).sum())
            word[people] |= bit

    def counts(self) -> list[int]:
        """Return the patients of each value; those of none of the list come last."""
        return list(self._counts)

    def of_any(self, numbers: set[int]) -> int:
        """Return how many patients have any of these values."""
        masks = [np.uint64(0), np.uint64(0)]
        for number in numbers:
            masks[number // 64] |= _bit(number)
        return int(np.count_nonzero((self._held[0] & masks[0]) | (self._held[1] & masks[1])))

    def _make_room(self, people: int) -> None:
        if people > self._held.shape[1]:
            more = max(people, self._held.shape[1] * 9 // 8) - self._held.shape[1]
            self._held = np.concatenate([self._held, np.zeros((2, more), np.uint64)], axis=1)


def _bit(number: int) -> np.uint64:
    return np.uint64(1 << (number % 64))


@dataclass(frozen=True, slots=True)
class _Table:
    """One table on its way into folders."""

    planned: TablePlan
    folders: Folders
    folder: Path
    keys: ReleaseKeys
    progress: Progress

    @property
    def _name(self) -> str:
        return self.planned.table.name

    def rewritten(self, written: tuple[WrittenFile, ...]) -> tuple[WrittenFile, ...]:
        """Return the files in folders, or `written` where no value has enough patients."""
        own = choose(self._holders(written, f"counting {self._name}"), self.folders.least)
        if not own:
            return written
        files = self._split(written, own)
        self._check(files)
        if sum(file.rows for file in files) != sum(file.rows for file in written):
            raise VerificationError(f"the folders of {self._name} hold other rows than the table", hint=DEFECT)
        for file in written:
            (self.folder / file.name).unlink()
        sync_folder(self.folder / "data" / self._name)
        return files

    def _holders(self, files: Sequence[WrittenFile], doing: str) -> Holders:
        key = patient_pseudonym(self.planned)
        if key is None:
            raise AssertionError("a plan has no folders where patients cannot be counted")
        holders = Holders(len(self.folders.values))
        self.progress(doing, 0)
        for batch in read_back(self.folder, files, self.keys, columns=[self.folders.column, key.column.name]):
            holders.add(pseudonym_tags(batch.column(key.column.name)), self._numbers(batch))
            self.progress(doing, batch.num_rows)
        return holders

    def _numbers(self, batch: pa.RecordBatch) -> Numbers:
        """Return the number of each row's value; that of null and of what is not in the list comes last."""
        cells = plain(batch.column(self.folders.column))
        values = pa.array(self.folders.values, pa.string()).cast(cells.type)
        found = pc.fill_null(pc.index_in(cells, value_set=values), len(values))
        return np.asarray(found.to_numpy(zero_copy_only=False), np.int64)

    def _split(self, written: Sequence[WrittenFile], own: tuple[int, ...]) -> tuple[WrittenFile, ...]:
        """Write every row once more, into the folder of its value."""
        place = np.full(len(self.folders.values) + 1, len(own), np.int64)
        place[list(own)] = np.arange(len(own))
        sizes = Sizes(group_bytes=min(Sizes().group_bytes, max(_ROOM // (len(own) + 1), _LEAST_GROUP)))
        writers: dict[int, TableWriter] = {}
        doing = f"writing {self._name} in folders"
        self.progress(doing, 0)
        with ExitStack() as stack:
            for batch in read_back(self.folder, written, self.keys):
                places = place[self._numbers(batch)]
                for number in np.unique(places).tolist():
                    if number not in writers:
                        value = self.folders.values[own[number]] if number < len(own) else REST
                        within = f"by_{self.folders.column}={value}/"
                        writer = TableWriter(
                            self.folder, self._name, batch.schema, self.keys, sizes=sizes, within=within
                        )
                        writers[number] = stack.enter_context(writer)
                    writers[number].write(_rows(batch, places == number))
                self.progress(doing, batch.num_rows)
            return tuple(file for _, writer in sorted(writers.items()) for file in writer.close())

    def _check(self, files: Sequence[WrittenFile]) -> None:
        """Raise VerificationError unless each folder, read back, has its value alone, and patients enough."""
        by_value: dict[str, list[WrittenFile]] = {}
        for file in files:
            match = FILE_NAME.fullmatch(file.name)
            by_value.setdefault(match["value"] if match is not None else "", []).append(file)
        known = {value: {number} for number, value in enumerate(self.folders.values)}
        everything = set(range(len(self.folders.values) + 1))
        named = {number for value in by_value for number in known.get(value, ())}
        for value, own in by_value.items():
            holders = self._holders(own, f"verifying folders of {self._name}")
            holds = {number for number, count in enumerate(holders.counts()) if count}
            allowed = everything - named if value == REST else known.get(value, set())
            if not holds or not holds <= allowed or len(holds) < (2 if value == REST else 1):
                raise VerificationError(f"a folder of {self._name} does not hold what its name says", hint=DEFECT)
            if holders.of_any(holds) < self.folders.least:
                raise VerificationError(f"a folder of {self._name} has too few patients", hint=DEFECT)


def _rows(batch: pa.RecordBatch, chosen: npt.NDArray[np.bool_]) -> pa.RecordBatch:
    """Return some rows of a batch, with dictionaries no longer than they are, which writers weigh by their rows."""
    rows = batch.filter(pa.array(chosen))
    columns = [
        column.dictionary_decode().dictionary_encode()
        if isinstance(column, pa.DictionaryArray) and len(column.dictionary) > len(column)
        else column
        for column in rows.columns
    ]
    return pa.RecordBatch.from_arrays(columns, names=rows.schema.names)
