"""How cells are read: which texts are dates, numbers and codes, which are null and which are bad."""

from __future__ import annotations

import datetime as dt
import decimal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deid.cells.values import parse
from deid.errors import DocumentError, SourceError
from deid.kinds import KINDS
from deid.schema import Column

# Kind, date format, cell (in quotes, as it stands in the file) and value; - is null, ! is bad.
CELLS = """
service_date | iso      | '2020-01-31'                    | 2020-01-31
service_date | iso      | ' 2020-01-31 '                  | 2020-01-31
service_date | iso      | '2020-02-29'                    | 2020-02-29
service_date | iso      | '2020-01-31T23:59:59Z'          | 2020-01-31
service_date | iso      | '2020-01-31 23:59'              | 2020-01-31
service_date | iso      | '2020-01-31T23:30:00-05:00'     | 2020-01-31
service_date | iso      | '2020-01-31T00:30:00.123+14:00' | 2020-01-31
service_date | iso      | ''                              | -
service_date | iso      | '  '                            | -
service_date | iso      | '2023-02-29'                    | !
service_date | iso      | '2023-02-30'                    | !
service_date | iso      | '2023-04-31'                    | !
service_date | iso      | '1900-02-29'                    | !
service_date | iso      | '2023-00-10'                    | !
service_date | iso      | '2023-13-10'                    | !
service_date | iso      | '2023-01-00'                    | !
service_date | iso      | '2020-1-31'                     | !
service_date | iso      | '20200131'                      | !
service_date | iso      | '2020'                          | !
service_date | iso      | '2020-01'                       | !
service_date | iso      | '2020-01-31T25:00:00Z'          | !
service_date | iso      | '2020-01-31 and more'           | !
service_date | iso      | '2020/01/31'                    | !
service_date | iso      | '1800-01-01'                    | 1800-01-01
service_date | iso      | '2200-12-31'                    | 2200-12-31
service_date | iso      | '1799-12-31'                    | !
service_date | iso      | '2201-01-01'                    | !
service_date | iso      | '\u0662020-01-31'                    | !
birth_date   | %d-%b-%Y | '31-Jan-1944'                   | 1944-01-31
birth_date   | %d-%b-%Y | '31-JAN-1944'                   | 1944-01-31
birth_date   | %d-%b-%Y | '1-dec-1944'                    | 1944-12-01
birth_date   | %d-%b-%Y | '30-Feb-1944'                   | !
birth_date   | %d-%b-%Y | '01-Mai-1944'                   | !
birth_date   | %d-%b-%Y | '1944-01-31'                    | !
birth_date   | %Y%m%d   | '20200131'                      | 2020-01-31
birth_date   | %Y%m%d   | '2020131'                       | !
birth_date   | %Y%m%d   | '20201301'                      | !
birth_date   | %m/%d/%Y | '01/31/2020'                    | 2020-01-31
birth_date   | %m/%d/%Y | '1/5/2020'                      | 2020-01-05
birth_date   | %m/%d/%Y | '31/01/2020'                    | !
birth_date   | %m/%d/%Y | '1/5/20'                        | !
birth_date   | %d.%m.%Y %H:%M | '31.01.2020 10:11'        | 2020-01-31
birth_date   | %d.%m.%Y %H:%M | '31.01.2020'              | !
age          | iso      | '42'                            | 42
age          | iso      | ' 042 '                         | 42
age          | iso      | '+0'                            | 0
age          | iso      | '-3'                            | -3
age          | iso      | '42.0'                          | 42
age          | iso      | ''                              | -
age          | iso      | '42.5'                          | !
age          | iso      | '0x1F'                          | !
age          | iso      | '1,234'                         | !
age          | iso      | '1e3'                           | !
age          | iso      | '--1'                           | !
age          | iso      | 'NaN'                           | !
age          | iso      | '999999999999999999'            | 999999999999999999
age          | iso      | '1000000000000000000'           | !
charge_amount | iso     | '1234.50'                       | 1234.5
charge_amount | iso     | '+1'                            | 1
charge_amount | iso     | '-.5'                           | -0.5
charge_amount | iso     | '1e3'                           | 1000
charge_amount | iso     | '1,234.50'                      | !
charge_amount | iso     | '$5'                            | !
charge_amount | iso     | 'NaN'                           | !
charge_amount | iso     | 'inf'                           | !
charge_amount | iso     | '1e400'                         | !
charge_amount | iso     | '1 000'                         | !
charge_amount | iso     | '.'                             | !
icd10cm      | iso      | ' E11.9 '                       | E11.9
icd10cm      | iso      | ' '                             | -
patient_id   | iso      | '-10000010254618'               | -10000010254618
patient_id   | iso      | '007'                           | 007
"""
TEXTS = (
    st.text(max_size=12)
    | st.dates(dt.date(1790, 1, 1), dt.date(2210, 1, 1)).map(str)
    | st.integers(-5_700_000_000, 7_600_000_000).map(lambda s: f"{np.datetime64(s, 's')}Z")
    | st.integers(-(10**20), 10**20).map(str)
    | st.floats().map(str)
    | st.sampled_from([line.split("'")[1] for line in CELLS.strip().splitlines()])
)
KIND_NAMES = ["service_date", "age", "charge_amount", "icd10cm", "person_name", "clinical_note"]


def column(kind: str, date_format: str = "iso") -> Column:
    """Return a column of one kind."""
    return Column("c", KINDS[kind], date_format)


def shown(column: Column, values: pa.Array) -> list[object]:
    """Parse and return each value, None for null, "!" for bad; a bad cell must be null too."""
    parsed, bad = parse(column, values)
    assert len(parsed) == len(bad) == len(values)
    assert not pc.any(parsed.filter(pa.array(bad)).is_valid()).as_py()
    return ["!" if flag else value for value, flag in zip(parsed.to_pylist(), bad.tolist(), strict=True)]


@pytest.mark.parametrize("line", CELLS.strip().splitlines())
def test_cells_are_read_as_drawn(line: str) -> None:
    """Each cell of the table is read as the value beside it."""
    kind, date_format, cell, value = (part.strip() for part in line.split("|"))
    texts = pa.array([cell[1:-1]])
    (found,) = shown(column(kind, date_format), texts)
    if value in ("!", "-"):
        assert found == (None if value == "-" else "!")
    elif isinstance(found, float):
        assert found == float(value)
    else:
        assert str(found) == value


@given(kind=st.sampled_from(KIND_NAMES), cells=st.lists(st.none() | TEXTS, max_size=12), cut=st.integers(0, 3))
def test_a_cell_is_read_alike_whatever_stands_beside_it(kind: str, cells: list[str | None], cut: int) -> None:
    """Fast paths, dictionary encoding, wide offsets and slices give what each cell gives alone."""
    alone = [shown(column(kind), pa.array([cell], pa.string()))[0] for cell in cells][cut:]
    texts = pa.array(cells, pa.string())
    assert shown(column(kind), texts[cut:]) == alone
    assert shown(column(kind), texts.cast(pa.large_string())[cut:]) == alone
    assert shown(column(kind), texts.dictionary_encode()[cut:]) == alone
    assert shown(column(kind), texts.cast(pa.large_string()).dictionary_encode()[cut:]) == alone


@pytest.mark.parametrize("date_format", ["iso", "%Y%m%d", "%m/%d/%Y", "%d-%b-%Y"])
def test_every_day_of_four_centuries_is_read_back(date_format: str) -> None:
    """All 146,462 days from 1800 to 2200, written in a layout, are read as themselves, fast or by position."""
    days = [dt.date(1800, 1, 1) + dt.timedelta(days=n) for n in range(146_462)]
    assert days[-1] == dt.date(2200, 12, 31)
    written = [day.strftime("%Y-%m-%d" if date_format == "iso" else date_format) for day in days]
    for texts in (written, [*written, ""]):  # the empty cell keeps Arrow's own reader out
        parsed, bad = parse(column("service_date", date_format), pa.array(texts))
        assert not bad.any()
        assert parsed[: len(days)].equals(pa.array(days))


def test_native_types_of_parquet_are_read() -> None:
    """Dates, timestamps, numbers and booleans of a Parquet file are read by value."""
    day, date = dt.date(2020, 1, 31), column("service_date")
    late = pa.array(["2020-01-31T23:30:00", None])
    assert shown(date, pa.array([day, None])) == [day, None]
    assert shown(date, pa.array([day]).cast(pa.date64())) == [day]
    assert shown(date, late.cast(pa.timestamp("ns"))) == [day, None]
    assert shown(date, pa.array(["2020-02-01T04:30:00Z"]).cast(pa.timestamp("us", "America/New_York"))) == [day]
    assert shown(column("service_date", "%Y%m%d"), pa.array([20200131, 20200231])) == [day, "!"]
    assert shown(column("service_date", "%Y%m%d"), pa.array([20200131.0, float("nan")])) == [day, None]
    assert shown(date, pa.array([dt.date(1700, 1, 1)])) == ["!"]
    assert shown(column("age"), pa.array([3.0, 3.5, float("nan"), float("inf"), None])) == [3, "!", None, "!", None]
    assert shown(column("age"), pa.array([1, 2**63], pa.uint64())) == [1, "!"]
    assert shown(column("age"), pa.array([True, None])) == [1, None]
    assert shown(column("age"), pa.array([decimal.Decimal("3.00"), decimal.Decimal("3.50")])) == [3, "!"]
    assert shown(column("charge_amount"), pa.array([decimal.Decimal("3.50")])) == [3.5]
    assert shown(column("charge_amount"), pa.array([2**60 + 1])) == [float(2**60)]
    assert shown(column("charge_amount"), pa.array([1.5, float("nan"), float("-inf")])) == [1.5, None, "!"]
    assert shown(column("icd9cm"), pa.array([250.0, 401.9, None])) == ["250", "401.9", None]
    assert shown(column("patient_id"), pa.array([7, None])) == ["7", None]
    assert shown(column("deceased"), pa.array([True, False])) == ["true", "false"]
    assert shown(column("sex"), pa.nulls(2)) == [None, None]
    assert shown(column("age"), pa.array([7, 7, 9]).dictionary_encode()) == [7, 7, 9]


def test_types_are_those_that_transforms_take() -> None:
    """Text, date, integer and decimal kinds give string, date32, int64 and float64, for an empty batch too."""
    expected = dict(zip(KIND_NAMES, [pa.date32(), pa.int64(), pa.float64(), *[pa.string()] * 3], strict=True))
    for kind, wanted in expected.items():
        for values in (pa.array([], pa.string()), pa.nulls(3), pa.array([None, ""], pa.string())):
            assert parse(column(kind), values)[0].type == wanted
    assert parse(column("icd10cm"), pa.array(["a"]).dictionary_encode())[0].type == pa.dictionary(
        pa.int32(), pa.string()
    )


def test_dictionaries_lose_entries_without_rows_and_double_entries() -> None:
    """Entries that differ by blanks become one, and an entry of no row is not carried on."""
    values = pa.DictionaryArray.from_arrays(pa.array([0, 1, 2, None], pa.int8()), pa.array([" E11", "E11 ", "", "Z99"]))
    parsed, _ = parse(column("icd10cm"), values)
    assert parsed.to_pylist() == ["E11", "E11", None, None]
    assert parsed.dictionary.to_pylist() == ["E11"]


def test_notes_keep_their_blanks() -> None:
    """A note is left as it is, because spans found in it are positions; a blank note is null."""
    assert shown(column("clinical_note"), pa.array([" a \n", " \n ", None])) == [" a \n", None, None]


def test_cells_that_are_not_utf8_are_bad() -> None:
    """Bytes that are no UTF-8 are one bad cell; their neighbors are read."""
    raw = pa.array([b"E11", b"\xff\xfe", None], pa.binary())
    disguised = pa.StringArray.from_buffers(3, raw.buffers()[1], raw.buffers()[2], raw.buffers()[0])
    for values in (raw, disguised, raw.cast(pa.large_binary())):
        assert shown(column("icd10cm"), values) == ["E11", "!", None]
        assert shown(column("service_date"), values) == ["!", "!", None]
        assert shown(column("age"), values) == ["!", "!", None]


@pytest.mark.parametrize("kind", KIND_NAMES)
def test_a_column_of_the_wrong_type_is_refused_without_its_values(kind: str) -> None:
    """A list column cannot be any kind; the message names the column and type and holds no cell."""
    with pytest.raises(SourceError) as caught:
        parse(column(kind), pa.array([["Smithson"]]))
    assert "column c" in str(caught.value)
    assert "Smithson" not in str(caught.value)


@pytest.mark.parametrize("date_format", ["%Q", "%m/%d", "%m/%d/%y", "yyyy-mm-dd", ""])
def test_a_date_format_that_says_no_day_is_refused(date_format: str) -> None:
    """A pattern without a day or with a two-digit year, which would move births by a century, is an error."""
    with pytest.raises(DocumentError, match="date format"):
        parse(column("birth_date", date_format), pa.array(["01/02/35"]))


def test_bad_is_a_plain_flag_array() -> None:
    """The mask is a numpy boolean array of the rows."""
    _, bad = parse(column("age"), pa.array(["1", "x", None]).dictionary_encode())
    assert bad.dtype == np.bool_
    assert bad.tolist() == [False, True, False]
