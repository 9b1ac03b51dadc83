"""How the splits of a table are shared out among tasks: large enough that a file tells of no small part of the source.

A lake may hold a file for each ward and month. Were each of them a file of the release, their rows would stand together
there, and how many they are would be seen; so small ones are read by one task, which shuffles their rows (ADR 0008).
"""

from __future__ import annotations

from collections.abc import Iterable

from deid.sources.splits import SPLIT_BYTES, Split

TASK_BYTES = SPLIT_BYTES
_MOST_GROUPS = 1 << 15  # of a Parquet file, which holds no more; beyond it a place is one of bytes


def grouped(splits: Iterable[Split], enough: int | None = None) -> list[tuple[Split, ...]]:
    """Return consecutive splits in groups of at least `enough` bytes, but where all of them are fewer.

    Nothing where the table is one split that covers everything, which no task can be given a part of.
    """
    enough = TASK_BYTES if enough is None else enough
    groups: list[list[Split]] = []
    room = 0
    for split in splits:
        if split.file is None:
            return []
        if room <= 0:
            groups.append([])
            room = enough
        groups[-1].append(split)
        room -= _bytes(split)
    if len(groups) > 1 and room > 0:
        last = groups.pop()
        groups[-1] += last
    return [tuple(group) for group in groups]


def _bytes(split: Split) -> int:
    """Return about how many bytes of its file a split takes; where it counts row groups, those of the file."""
    size = next((part for part in split.identity if isinstance(part, int)), SPLIT_BYTES)
    is_text = max(split.start, split.stop or 0) > _MOST_GROUPS
    return (split.stop or size) - split.start if is_text else size
