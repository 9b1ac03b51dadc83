"""The first line of a table's file: its names as the description spells them, and what is wrong with them."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from collections.abc import Set as AbstractSet

from deid.errors import SourceError
from deid.schema import Table
from deid.sources.base import listed
from deid.sources.files import DataFile

# Names that a message may quote: no date, number or several words of a row begins or goes on like this.
_COLUMN_NAME = re.compile(r"(?!.*\d[-./]\d)(?!.*\d{5})[^\W\d][\w .()/#-]{0,79}")


def as_described(table: Table, header: Sequence[str]) -> list[str]:
    """Return the names of a header, those that are described spelled as the description spells them.

    Two names that then are the same stand twice in the result, and `compare_header` refuses them.
    """
    if not table.any_case:
        return list(header)
    described = {column.name.lower(): column.name for column in table.columns}
    return [described.get(name.strip().lower(), name) for name in header]


def compare_header(table: Table, file: DataFile, header: Sequence[str], needed: Sequence[str]) -> list[str]:
    """Return what is wrong with the header of a file, in words; an empty list if nothing is.

    Names are quoted only where most of the header is as described: the first line of a file without a header, or
    read with the wrong delimiter, is a row of cells, and cells never stand in a message.
    """
    where = f"{table.name}: {file.name}"
    described = {column.name for column in table.columns}
    known = [name for name in header if name in described]
    if len(known) * 2 < len(header):
        if len(header) == 1 and len(described) > 1:
            return [f"{where}: the first line is one single column where {len(described)} are described"]
        found = f"{len(known)} of its {len(header)} names are described"
        return [f"{where}: the first line is not the described header: {found}"]
    problems = []
    doubled = sorted({name for name in known if header.count(name) > 1})
    if doubled:
        problems.append(f"{where}: named more than once: {listed(doubled)}")
    extra = [name for name in dict.fromkeys(header) if name not in described]
    present = set(header)
    must = needed if table.optional_columns else [column.name for column in table.columns]
    missing = [name for name in must if name not in present]
    spoken = _names_among(extra, _behind_the_header(header, described))
    for name in missing:
        close = difflib.get_close_matches(name.upper(), [other.upper() for other in spoken], n=1, cutoff=0.6)
        renamed = next((other for other in spoken if close and other.upper() == close[0]), None)
        problems.append(f"{where}: {name[:80]} is missing" + (f" (renamed to {renamed[:80]}?)" if renamed else ""))
    if spoken:
        problems.append(f"{where}: not described: {listed(spoken)}")
    if len(spoken) < len(extra):
        unspoken = f"{len(extra) - len(spoken)} more in the first line that may be cells"
        problems.append(f"{where}: not described: {unspoken} (is a line end or a quote lost?)")
    return problems


def _behind_the_header(header: Sequence[str], described: AbstractSet[str]) -> Sequence[str]:
    """Return the words of a header that are the first row, where the line end between the two was lost.

    The last name and the first cell are then one word, which begins with a described name that is not there.
    """
    behind = header[max((at for at, name in enumerate(header) if name in described), default=-1) + 1 :]
    is_joined = len(behind) > 1 and any(behind[0].startswith(name) for name in described - set(header))
    return behind if is_joined else ()


def _names_among(words: Sequence[str], cells: Sequence[str]) -> list[str]:
    """Return the words that may be spoken: they are no cells, and look like names of columns."""
    return [word for word in words if word not in cells and _COLUMN_NAME.fullmatch(word)]


def refuse_headers(problems: Sequence[str]) -> None:
    """Raise one SourceError for everything that is wrong with the headers; return if nothing is."""
    if problems:
        raise SourceError(
            "the source does not match its description:" + "".join(f"\n  - {problem}" for problem in problems),
            hint="describe every column (a column that nobody may have is `unneeded`), and check delimiter and path",
        )
