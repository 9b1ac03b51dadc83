"""The tables of docs/reference/real-inputs.md: what was measured, written between marks of the page.

`PYTHONPATH=tests python -m attack.page` measures all of it anew (some minutes) and writes it, or the tables that are
named after it; the tests that make the same releases hold the page to their own measurements.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from attack.inputs import SAMPLE_INPUTS, Input, Run, run, searched
from attack.leaks import EXPERT, LIMITED, SAFE_HARBOR, Found, known_of
from attack.real_inputs import FILES, LARGE, NOTES, REAL_INPUTS, Large, records_in
from sites import REPOSITORY, make_site

PAGE = REPOSITORY / "docs" / "reference" / "real-inputs.md"
_RELEASES = (
    "| input | policy | patients | rows in | bad | rows out | tables | columns asked for | columns out | identifiers | found |",
    "|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
)
_HEADS: dict[str, tuple[str, ...]] = {
    "releases": _RELEASES,
    "samples": _RELEASES,
    "large": _RELEASES,
    "classes": (
        "| input | quasi-identifiers, as they were recoded | patients | withheld | smallest class | mentions of codes in full | two codes of the record | two codes of a visit |",
        "|---|---|---:|---:|---:|---:|---:|---:|",
    ),
    "refused": ("| file | why |", "|---|---|"),
    "nobody": ("| file | what it is |", "|---|---|"),
    "files": ("| file | rows of its tables |", "|---|---|"),
}


def line_of(source: Input, policy: str, done: Run, found: Found) -> str:
    """Return the line of a release; `found` is what the search found in its cells and bytes."""
    exported = done.exported
    counts = (
        done.patients,
        sum(done.raw.rows.get(table, 0) for table in exported.rows),
        sum(exported.quarantined.values()),
        done.rows,
        len(done.tables),
        done.asked,
        sum(table.num_columns for table in done.tables.values()),
        known_of(done.raw).counts().total(),
        found.total(),
    )
    return f"| {source.title} | {policy} | " + " | ".join(f"{count:,}" for count in counts) + " |"


def class_line(large: Large) -> str:
    """Return the line of a run under k-anonymity and a ceiling on known codes."""
    share = 100 * large.withheld / large.patients
    return (
        f"| {large.source.title} | {large.vector} | {large.patients:,} | {large.withheld:,} ({share:.1f} %) "
        f"| {large.smallest} | {100 * large.codes.full:.1f} % | {100 * large.codes.record:.1f} % "
        f"| {100 * large.codes.visit:.1f} % |"
    )


def refused_lines() -> list[str]:
    """Return a line for each file that is refused."""
    return [f"| `{path}` | {fate.refused} |" for path, fate in FILES.items() if fate.refused]


def nobody_lines() -> list[str]:
    """Return a line for each file that is about no patient."""
    return [f"| `{path}` | {fate.nobody} |" for path, fate in FILES.items() if fate.nobody]


def file_line(path: str, rows: Mapping[str, int]) -> str:
    """Return the line of a file that is read."""
    told = ", ".join(f"{table} {count:,}" for table, count in rows.items() if count)
    return f"| `{path}` | {told} |"


def lines_in(name: str) -> list[str]:
    """Return the lines that a table of the page has, its head left out."""
    found = _table(name).search(PAGE.read_text(encoding="utf-8"))
    assert found is not None, f"the page has no table {name}"
    return found[2].strip().splitlines()[len(_HEADS[name]) :]


def write(tables: Mapping[str, Iterable[str]]) -> None:
    """Put these lines into the tables of the page."""
    text = PAGE.read_text(encoding="utf-8")
    for name, lines in tables.items():
        found = _table(name).search(text)
        assert found is not None, f"the page has no table {name}"
        content = "\n".join((*_HEADS[name], *lines))
        text = f"{text[: found.start(2)]}\n{content}\n\n{text[found.end(2) :]}"
    PAGE.write_text(text, encoding="utf-8")


def _table(name: str) -> re.Pattern[str]:
    return re.compile(rf"(<!-- measured: {name} -->\n)(.*?)<!-- end -->", re.DOTALL)


def _measured(sources: Iterable[Input], folder: Path) -> list[str]:
    site, lines = make_site(folder), []
    for source in sources:
        for basis in (SAFE_HARBOR, LIMITED):
            done = run(site, source, basis)
            lines.append(line_of(source, basis.name, done, searched(done, basis, site)))
    return lines


def _large(folder: Path) -> dict[str, list[str]]:
    site, lines, classes = make_site(folder / "site"), [], []
    for make in LARGE:
        large = make(site, folder)
        lines.append(line_of(large.source, large.basis.name, large.done, searched(large.done, EXPERT, site, NOTES)))
        classes.append(class_line(large))
    return {"large": lines, "classes": classes}


def main() -> None:
    """Measure everything, or the tables that are named, and write it."""
    asked = set(sys.argv[1:] or _HEADS)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        if "releases" in asked:
            write({"releases": _measured(REAL_INPUTS, folder / "real")})
        if "samples" in asked:
            write({"samples": _measured(SAMPLE_INPUTS, folder / "samples")})
        if {"large", "classes"} & asked:
            write(_large(folder / "large"))
    read = [path for path, fate in FILES.items() if fate.read]
    write(
        {
            "files": [file_line(path, records_in(path)) for path in read],
            "refused": refused_lines(),
            "nobody": nobody_lines(),
        }
    )


if __name__ == "__main__":
    main()
