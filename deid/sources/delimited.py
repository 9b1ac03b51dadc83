"""Delimited text: any delimiter, quoting and encoding, plain or compressed with gzip or zstd.

pyarrow parses; its messages quote rows and cells, so none of them is ever passed on.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa
from pyarrow import csv as arrow_csv

from deid.errors import SourceError
from deid.kinds import Value
from deid.schema import Column, Table
from deid.sources.base import FileSource, listed
from deid.sources.files import DataFile
from deid.sources.headers import as_described, compare_header, refuse_headers
from deid.sources.splits import SPLIT_BYTES, Split, can_be_cut, cuts_of, identity_of, require_same_file
from deid.sources.streams import Pace, TextFile, compression, head_of

BLOCK_BYTES = 8 << 20  # what is parsed at a time, whatever the number of columns; also the longest possible row
_HEAD_BYTES = 1 << 20
_DAY_LENGTH = 11  # `01-Jan-2026`; longer dates carry a time, and times hardly repeat
_REPEATING = frozenset({"zip_code", "state", "county", "country", "city", "facility_state"})
_LINE_BREAK = re.compile(b"\n")
_COLUMN_NUMBER = re.compile(r"CSV column #(\d+)")


class DelimitedSource(FileSource):
    """A folder of delimited text files; see deid/sources/base.py for the interface."""

    def check(self, tables: Mapping[str, Sequence[str]]) -> None:
        """See Source."""
        problems: list[str] = []
        for name, columns in tables.items():
            table = self._table(name, columns)
            for file in self._files(table):
                problems += compare_header(table, file, as_described(table, open_head(table, file).names), columns)
        refuse_headers(problems)

    def splits(self, table: str) -> tuple[Split, ...]:
        """See Source; a plain file is cut between rows, what is compressed or of a wider encoding is one split."""
        described = self._table(table, ())
        found: list[Split] = []
        digests: list[str] = []
        for number, file in enumerate(self._files(described)):
            identity = identity_of(file)
            is_plain = compression(file) is None and can_be_cut(described.text.encoding)
            # A cell cut in two is noticed by the number of cells, which takes two columns.
            size = SPLIT_BYTES if is_plain and len(open_head(described, file).names) > 1 else sys.maxsize
            cuts, digest = cuts_of(file, described.text.quote.encode(), size)
            digests.append(digest)
            for start, stop in zip([0, *cuts], [*cuts, None], strict=True):
                found.append(Split(table, len(found), number, start, stop, identity))
        self._record(table, digests)
        return tuple(found)

    def read(self, table: str, columns: Sequence[str], split: Split | None = None) -> Iterator[pa.RecordBatch]:
        """See Source."""
        described = self._table(table, columns)
        digests: list[str] = []
        if split is not None and split.file is not None:
            file = self._files(described)[split.file]
            require_same_file(split, file)
            yield from _read_file(described, file, columns, digests, split)
            require_same_file(split, file)
            return
        for file in self._files(described):
            yield from _read_file(described, file, columns, digests)
        self._record(table, digests)


@dataclass(frozen=True, slots=True)
class Head:
    """The names in the first line of a file, and the cells of the first row below it (empty if there is none).

    Its `repr` shows neither: the first line of a file without a header is a row too.
    """

    names: list[str] = field(repr=False)
    first_row: list[str] = field(repr=False)


def open_head(table: Table, file: DataFile) -> Head:
    """Return the head of a delimited file; raise SourceError if it holds no text."""
    head = head_of(file, _HEAD_BYTES)
    if not head.strip(b"\xef\xbb\xbf \t\r\n"):
        raise SourceError(f"{table.name}: {file.name} is empty", hint="a transfer may have failed: fetch it again")
    # Only the names are judged here; a bad byte below them is reported by the parser, which knows its column.
    decoder = codecs.getincrementaldecoder(table.text.encoding)(errors="replace")
    text = decoder.decode(head).removeprefix("\ufeff")
    rows = csv.reader(
        io.StringIO(text, newline=""),
        delimiter=table.text.delimiter,
        quotechar=table.text.quote or None,
        quoting=csv.QUOTE_MINIMAL if table.text.quote else csv.QUOTE_NONE,
    )
    try:
        names = next((row for row in rows if row), [])
    except csv.Error:
        raise SourceError(
            f"{table.name}: the first line of {file.name} is not a header", hint="check `delimiter` and `quote`"
        ) from None
    if any("\ufffd" in name for name in names):
        raise _not_text(table, file)
    try:
        return Head(names, next((row for row in rows if row), []))
    except csv.Error:  # a row with a very long cell: there is a row, and that is all that matters here
        return Head(names, [""])


def _read_file(
    table: Table, file: DataFile, columns: Sequence[str], digests: list[str], split: Split | None = None
) -> Iterator[pa.RecordBatch]:
    head = open_head(table, file)
    # The header is compared again: the file may have been exchanged since `check`.
    refuse_headers(compare_header(table, file, as_described(table, head.names), columns))
    ragged = [0]
    # pyarrow takes a ragged row that is no UTF-8 for a defect, and prints a traceback that holds a byte of it.
    is_utf8 = table.text.encoding in ("utf-8", "utf8")
    start, stop = (split.start, split.stop) if split is not None else (0, None)
    with TextFile(file, quote=table.text.quote.encode(), utf8=is_utf8, start=start, stop=stop) as stream:
        try:
            for batch in _batches(table, stream, columns, head, ragged, is_begun=start > 0):
                named = batch.rename_columns(list(columns))
                _refuse_line_breaks(table, file, named)
                yield named
        except (pa.ArrowException, OSError, UnicodeError, ValueError) as error:
            raise _translated(table, file, head.names, str(error)) from None
        digests.append(stream.finish())
        _refuse_damage(table, stream, len(head.names), ragged[0])


def _batches(
    table: Table, stream: TextFile, columns: Sequence[str], head: Head, ragged: list[int], *, is_begun: bool
) -> Iterator[pa.RecordBatch]:
    def count(_: object) -> str:
        ragged[0] += 1
        return "skip"

    if not head.first_row:  # a header alone, perhaps without its line end, which pyarrow takes for an empty file
        return
    written = dict(zip(as_described(table, head.names), head.names, strict=True))
    cells = dict(zip(head.names, head.first_row, strict=False))
    described = {written[column.name]: column for column in table.columns if column.name in set(columns)}
    pace = stream.pace = Pace()
    reader = arrow_csv.open_csv(
        pa.PythonFile(stream, mode="r"),
        read_options=arrow_csv.ReadOptions(
            block_size=BLOCK_BYTES,
            encoding=table.text.encoding,
            column_names=head.names if is_begun else None,  # below the first line there is no header
        ),
        parse_options=arrow_csv.ParseOptions(
            delimiter=table.text.delimiter,
            quote_char=table.text.quote or False,
            newlines_in_values=True,  # costs nothing measurable, and a quoted line break never splits a row
            invalid_row_handler=count,
        ),
        convert_options=arrow_csv.ConvertOptions(
            include_columns=[written[name] for name in columns],
            column_types={name: _type(column, cells.get(name, "")) for name, column in described.items()},
            null_values=list(table.text.nulls),
            strings_can_be_null=True,
            quoted_strings_can_be_null=True,
        ),
    )
    try:
        for batch in reader:
            pace.made()
            yield batch
            pace.await_batch()
    finally:
        pace.end()
        reader.close()


def _type(column: Column, first_cell: str) -> pa.DataType:
    """Return dictionary<int32, string> where values repeat, so that every later step works on distinct values only."""
    kind = column.kind
    # Birthdays hardly repeat within a block; days of service do.
    days = kind.value is Value.DATE and kind.name != "birth_date" and len(first_cell) <= _DAY_LENGTH
    if days or kind.value in (Value.CODE, Value.INTEGER) or kind.name in _REPEATING:
        return pa.dictionary(pa.int32(), pa.string())
    return pa.string()


def _refuse_line_breaks(table: Table, file: DataFile, batch: pa.RecordBatch) -> None:
    """Refuse a line break in a cell that is no free text: a stray quote has swallowed the rows that follow it."""
    for name, values in zip(batch.schema.names, batch.columns, strict=True):
        column = table.column(name)
        if column is None or column.kind.value is Value.NOTE:
            continue
        plain = values.dictionary if isinstance(values, pa.DictionaryArray) else values
        content = plain.buffers()[2]
        if content is not None and _LINE_BREAK.search(memoryview(content)):
            raise SourceError(
                f"{table.name}: {file.name}: a line break inside a cell of {name}, which is not free text",
                hint="a quote is not closed: mend the file, write `quote: none` if quotes are plain characters, "
                "or describe the column as free_text",
            )


def _refuse_damage(table: Table, stream: TextFile, width: int, ragged: int) -> None:
    """Raise SourceError for what only shows when the whole file has gone by."""
    where = f"{table.name}: {stream.path.name}"
    if stream.nuls and not table.text.encoding.startswith(("utf-16", "utf-32")):
        raise SourceError(f"{where} holds {stream.nuls} NUL bytes", hint="the file is damaged or not text: fetch again")
    if stream.quotes % 2 and table.text.quote:
        # An open quote at the end swallows every row after it, and a parser sees nothing wrong.
        raise SourceError(
            f"{where} holds an odd number of quotes, so one is not closed",
            hint="mend the file, or write `quote: none` if quotes are plain characters",
        )
    if ragged:
        # Never quarantined: in a ragged row cells stand under wrong names, and perhaps in rows that look whole.
        raise SourceError(
            f"{where} has {ragged} rows with more or fewer cells than its {width} columns",
            hint="check `delimiter` and `quote`, and ask the sender to quote cells that hold the delimiter",
        )


def _not_text(table: Table, file: DataFile, column: str | None = None) -> SourceError:
    where = f"column {listed([column])} of {file.name}" if column is not None else file.name
    return SourceError(
        f"{table.name}: {where} is not {table.text.encoding} text",
        hint="save the file as UTF-8, or write its `encoding` in the description",
    )


def _translated(table: Table, file: DataFile, names: Sequence[str], said: str) -> SourceError:
    """Return our words for what pyarrow said; its own quote the row."""
    lowered = said.lower()
    if "utf8" in lowered or "utf-8" in lowered or "codec" in lowered or "decode" in lowered:
        found = _COLUMN_NUMBER.search(said)
        at = int(found[1]) if found else len(names)
        return _not_text(table, file, names[at] if at < len(names) else None)
    if "straddling" in lowered or "out of sync" in lowered:
        return SourceError(
            f"{table.name}: {file.name} has a row longer than {BLOCK_BYTES >> 20} MiB, or a quote that is not closed",
            hint="mend the file, or write `quote: none` if quotes are plain characters",
        )
    return SourceError(
        f"{table.name}: {file.name} could not be parsed as delimited text", hint="check `delimiter` and `quote`"
    )
