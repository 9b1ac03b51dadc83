"""Which ZIP codes leave as what; 45 CFR 164.514(b)(2)(i)(B) with the 2020 Census."""

from __future__ import annotations

import csv
import hashlib
from pathlib import Path

import pyarrow as pa
import pytest

from deid.cells.places import CENSUS_VINTAGE, ZIP3_RELEASABLE, populations, table_digest, zip3, zip5

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / ".." / "shared" / "reference" / "zip3_population_2020.csv"
RESTRICTED = "036 059 102 202 203 204 205 369 556 692 753 772 821 823 878 879 884 893"
# As written | three digits | five digits; - is null.
CLEANED = """
33001       | 330 | 33001
 33001      | 330 | 33001
33001-1234  | 330 | 33001
33001 1234  | 330 | 33001
33001-      | 330 | 33001
330011234   | 330 | 33001
33001.0     | 330 | 33001
01730       | 017 | 01730
1730        | 017 | 01730
1730-1234   | 017 | 01730
17301234    | 017 | 01730
6390        | 063 | 06390
00901       | 009 | 00901
902         | 000 | -
606         | 000 | -
100         | 000 | -
902.0       | 000 | -
902-        | 000 | -
902-1234    | 000 | -
9021234     | 000 | -
501         | 000 | -
00501       | 000 | 00501
03601       | 000 | 03601
20301       | 000 | 20301
99501       | 995 | 99501
99999       | 000 | -
12          | 000 | -
330012      | 000 | -
33001-12    | 000 | -
33001-12345 | 000 | -
-33001      | 000 | -
3300l       | 000 | -
K1A 0B1     | 000 | -
٣٣٠٠١       | 000 | -
3300111111  | 000 | -
unknown     | 000 | -
"""


def read(text: str) -> list[list[str | None]]:
    """Return the cells of a drawn table; the first column keeps its leading blanks."""
    lines = [line.split("|") for line in text.strip("\n").splitlines()]
    return [[cells[0].rstrip(), *(None if c.strip() == "-" else c.strip() for c in cells[1:])] for cells in lines]


@pytest.mark.parametrize(("written", "three", "five"), read(CLEANED))
def test_zips_are_cleaned_as_drawn(written: str, three: str, five: str | None) -> None:
    """Each spelling in the table gives its prefix and its five digits, whatever stands beside it."""
    others = ["33001", None, "x", "330011234"]
    assert zip3(pa.array([written, *others])).to_pylist() == [three, "330", None, "000", "330"]
    assert zip5(pa.array([written, *others])).to_pylist() == [five, "33001", None, None, "33001"]


def test_every_prefix_is_released_or_withheld_as_the_census_says() -> None:
    """Of the 1,000 prefixes 876 leave as they are; 18 with too few people and 106 without any leave as 000."""
    prefixes = [f"{n:03d}" for n in range(1000)]
    out = zip3(pa.array([prefix + "01" for prefix in prefixes])).to_pylist()
    kept = {prefix for prefix, seen in zip(prefixes, out, strict=True) if seen == prefix != "000"}
    withheld = [prefix for prefix in prefixes if prefix not in kept]
    assert set(out) == kept | {"000"}
    assert kept == ZIP3_RELEASABLE
    assert len(kept) == 876
    assert [prefix for prefix in withheld if prefix in populations()] == RESTRICTED.split()
    assert len([prefix for prefix in withheld if prefix not in populations()]) == 106  # 000 itself is one of them


def test_the_line_is_more_than_twenty_thousand() -> None:
    """Every allowed prefix has more than 20,000 people, and every known withheld one at most that."""
    assert all((people > 20_000) == (prefix in ZIP3_RELEASABLE) for prefix, people in populations().items())
    assert populations()["576"] == 20_310


def test_the_table_is_the_2020_census() -> None:
    """894 prefixes and the whole population of the states, the District and Puerto Rico; the digest is the file's."""
    assert (len(populations()), sum(populations().values()), CENSUS_VINTAGE) == (894, 334_726_586, "2020")
    path = ROOT / "deid" / "data" / "zip3_population_2020.csv"
    assert table_digest() == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.skipif(not REFERENCE.exists(), reason="the shared reference folder is not here")
def test_the_table_agrees_with_the_reference() -> None:
    """Every population equals the reference table's."""
    with REFERENCE.open() as file:
        reference = {row["zip3"]: int(row["population_2020"]) for row in csv.DictReader(file)}
    assert reference == populations()


def test_dictionaries_and_slices_are_cleaned_alike() -> None:
    """A sliced dictionary gives the same prefixes, and keeps no entry of the rows that were cut off."""
    values = pa.array(["33001", "99501", None, "33002", "01730"])
    out = zip3(values.dictionary_encode()[1:4])
    assert out.to_pylist() == ["995", None, "330"]
    assert out.dictionary.to_pylist() == ["995", "330"]
    assert zip3(values[2:]).to_pylist() == [None, "330", "017"]
    assert zip3(values[:0]).to_pylist() == []
    assert zip5(values[:0]).to_pylist() == []


def test_three_digits_are_no_zip() -> None:
    """A source that holds prefixes already is told nothing, whichever prefix: 902 is Los Angeles or lost zeros."""
    prefixes = pa.array([f"{n:03d}" for n in range(1000)])
    assert set(zip3(prefixes).to_pylist()) == {"000"}
    assert set(zip5(prefixes).to_pylist()) == {None}
