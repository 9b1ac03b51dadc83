"""Histories in the form that disclosure control measures: entries, trees of codes, classes of patients."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from deid.codes import CODE_SYSTEMS
from deid.disclosure.coded import Coded, CodeTree
from deid.disclosure.dated import Tied
from deid.known_codes.entries import Entries
from deid.synthetic.histories import Histories, Mentions

Numbers = npt.NDArray[np.int32]
LEVELS = ("code", "category", "block", "ccsr", "chapter")
# What stands for each level in a system that has other names, None where it has nothing.
_NAMES: dict[str, tuple[str | None, ...]] = {
    "icd10cm": ("code", "category", "block", "ccsr", "chapter"),
    "icd9cm": ("code", "category", None, None, "chapter"),
    "cpt": ("code", None, "subsection", None, "section"),
    "ndc": ("code", "product", None, None, None),
}
# Categories of twenty phenotypes that epidemiologists count.
PHENOTYPES = (
    "I10", "I11", "I12", "I13", "E78", "E11", "I50", "I48", "I25", "J44", "J45", "N18", "F32", "F33", "F41", "C50",
    "C61", "I63", "E03", "G40", "M05", "M06", "F20", "M17", "B20", "Z21",
)  # fmt: skip


def coded_histories(
    histories: Histories, klass: Numbers, declared: Collection[str] = PHENOTYPES
) -> tuple[Coded, CodeTree]:
    """Return entries and tree of all kinds of codes together; `declared` are categories of diagnoses."""
    patients, codes, mentions, visits, trees = [], [], [], [], []
    first, begun = 0, 0
    for number, each in enumerate(histories.mentions):
        used, tree = _tree(each, number, declared)
        patient = histories.patient[each.visit].astype(np.int64)
        code = np.searchsorted(used, each.code) + first
        found, entry, count = np.unique((patient << 32) | code, return_inverse=True, return_counts=True)
        patients.append(found >> 32)
        codes.append(found & 0xFFFFFFFF)
        mentions.append(count)
        visits.append(np.stack([entry + begun, each.visit], axis=1))
        trees.append(tree)
        first += len(used)
        begun += len(found)
    return _joined(klass, patients, codes, mentions, visits), _joined_tree(trees)


def dated_histories(histories: Histories, coded: Coded, days: int, *, moved: bool = False) -> Tied:
    """Return the codes of `coded` with the dates of their visits, in units of so many days, or shifted days."""
    seen = np.zeros((0, 2), np.int32) if coded.visits is None else coded.visits
    patient, code = coded.patient[seen[:, 0]], coded.code[seen[:, 0]]
    unit = (histories.day[seen[:, 1]] // days).astype(np.int64)
    found, compound = np.unique((code.astype(np.int64) << 32) | unit, return_inverse=True)
    entries = Entries()
    entries.add(patient, compound.astype(np.int32), seen[:, 1])
    of_code, dates = (found >> 32).astype(np.int32), (found & 0xFFFFFFFF).astype(np.int32)
    tied = entries.coded(len(coded.klass)).released(coded.klass)
    if moved:
        return Tied(tied, of_code, np.zeros(len(dates), np.int32), np.zeros(1, np.uint64), dates)
    return Tied(tied, of_code, dates, np.arange(int(dates.max(initial=0)) + 1, dtype=np.uint64))


def _joined(
    klass: Numbers, patients: list[Numbers], codes: list[Numbers], mentions: list[Numbers], visits: list[Numbers]
) -> Coded:
    patient, code = np.concatenate(patients), np.concatenate(codes)
    order = np.lexsort((code, patient))
    number = np.empty(len(order), np.int64)
    number[order] = np.arange(len(order))
    seen = np.concatenate(visits)
    seen = np.stack([number[seen[:, 0]], seen[:, 1]], axis=1)
    seen = seen[np.argsort(seen[:, 1], kind="stable")]
    return Coded(
        klass.astype(np.int32),
        patient[order].astype(np.int32),
        code[order].astype(np.int32),
        np.concatenate(mentions)[order].astype(np.int32),
        seen.astype(np.int32),
    )


def _tree(
    mentions: Mentions, number: int, declared: Collection[str]
) -> tuple[npt.NDArray[np.int64], tuple[list[pa.Array], npt.NDArray[np.int16], npt.NDArray[np.bool_]]]:
    """Return the codes that are used, and for each level what they become, null where there is no such level."""
    used = np.unique(mentions.code)
    texts = pa.array([mentions.codes[at] for at in used], pa.string())
    system = CODE_SYSTEMS[mentions.kind]
    columns = []
    for name in _NAMES[mentions.kind]:
        rolled = pa.nulls(len(texts), pa.string()) if name is None else system.roll_up(texts, name)
        if name not in ("code", "category"):  # a category of one code is that code
            rolled = pc.binary_join_element_wise(mentions.kind, name or "", rolled, " ")
        columns.append(rolled)
    if columns[-1].null_count:
        columns[-1] = pa.array([f"{mentions.kind} any"] * len(texts))
    category = columns[1] if mentions.kind.startswith("icd") else pa.nulls(len(texts), pa.string())
    told = pc.is_in(category, value_set=pa.array(sorted(declared), pa.string())).to_numpy(zero_copy_only=False)
    return used.astype(np.int64), (columns, np.full(len(used), number, np.int16), np.asarray(told, bool))


def _joined_tree(trees: list[tuple[list[pa.Array], npt.NDArray[np.int16], npt.NDArray[np.bool_]]]) -> CodeTree:
    columns = [pa.concat_arrays([tree[0][level] for tree in trees]) for level in range(len(LEVELS))]
    named = pa.concat_arrays(columns).dictionary_encode()
    items = pc.fill_null(named.indices, -1).to_numpy(zero_copy_only=False).reshape(len(LEVELS), -1).T
    return CodeTree(
        np.ascontiguousarray(items, np.int32),
        LEVELS,
        np.concatenate([tree[1] for tree in trees]),
        np.concatenate([tree[2] for tree in trees]),
    )


def classes(*columns: npt.NDArray[np.generic], k: int = 11) -> Numbers:
    """Return the class of each patient by equal values in all columns, -1 where fewer than k share them."""
    rows = np.stack([column.astype(np.int64) for column in columns], axis=1)
    _, klass, count = np.unique(rows, axis=0, return_inverse=True, return_counts=True)
    kept = count >= k
    number = np.where(kept, np.cumsum(kept) - 1, -1)
    return number[klass.ravel()].astype(np.int32)
