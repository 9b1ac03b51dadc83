"""Lists of codes that a site adds: what is read, refused and kept, and what they change."""

from __future__ import annotations

import hashlib
import json
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from deid.cells.days import NO_DAY, number_of
from deid.cli import cli
from deid.codes import CODE_SYSTEMS
from deid.codes.added import systems_with
from deid.codes.adding import add_list
from deid.codes.base import CodeSystem, Status
from deid.codes.list_reader import Layout
from deid.errors import DeidError, DocumentError, SourceError, StorageError

NAMES = {status.name: status for status in Status}


def added(
    folder: Path,
    text: str | bytes,
    *,
    system: str = "cpt",
    release: str = "2026",
    first: str = "2026-01-01",
    **more: Any,
) -> Path:
    """Write `text` as a file beside `folder` and add its codes; return the list's path."""
    file = folder.parent / "source.txt"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    last = more.pop("last", None)
    partial = more.pop("partial", False)
    path, _ = add_list(
        folder,
        file,
        system=system,
        release=release,
        first=date.fromisoformat(first),
        last=date.fromisoformat(last) if last else None,
        layout=Layout(**more),
        partial=partial,
    )
    return path


def verdicts(system: CodeSystem, codes: list[str | None], day: str | None = None) -> list[str]:
    """Return the verdicts on codes, all on one day or without one; dictionary and plain agree."""
    on = np.full(len(codes), NO_DAY if day is None else number_of(date.fromisoformat(day)), np.int32)
    plain = system.validate(pa.array(codes, pa.string()), None if day is None else on)
    coded = system.validate(pa.array(codes, pa.string()).dictionary_encode(), on)
    assert plain.tolist() == coded.tolist()
    return [Status(verdict).name for verdict in plain]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a site's folder of lists, which is not there yet."""
    return tmp_path / "codes"


def test_a_list_holds_codes_and_nothing_else_of_the_file(folder: Path) -> None:
    """Codes are kept in normal form, once and in order, with source and digest; descriptors are not in the file."""
    text = 'code,descriptor\n99213,"Office visit, 20 minutes"\n 0075t ,Stent\n99213,Office again\n,nothing\n'
    path = added(folder, text, code="code")
    table = pq.read_table(path)
    assert table["code"].to_pylist() == ["0075T", "99213"]
    assert table["billable"].to_pylist() == [None, None]
    facts = json.loads(table.schema.metadata[b"deid"])
    assert facts == {
        "format": "deid-code-list/1",
        "system": "cpt",
        "release": "2026",
        "source": "source.txt",
        "source_sha256": hashlib.sha256(text.encode()).hexdigest(),
        "first": "2026-01-01",
        "last": None,
        "complete": True,
        "codes": 2,
    }
    assert b"Office" not in path.read_bytes()
    assert [child.name for child in path.parent.iterdir()] == ["2026.parquet"]


@pytest.mark.parametrize(
    ("text", "layout"),
    [
        ("99213\n99214\r\n\n", {}),
        (b"\xef\xbb\xbf99213\n99214", {}),
        ("00001  99213 1 Visit\n00002  99214 1 \xe9t\xe9".encode("latin-1"), {"code": "8-12"}),
        ("a|code\n1|99213\n2|99214\n", {"code": "code", "delimiter": "|"}),
        (b'\xef\xbb\xbf"code"\tb\n"99213"\t"two\nlines"\n99214\tc', {"code": "code", "delimiter": "\t"}),
        ("Release 2026\nx,99213\ny,99214\n", {"code": "2", "skip": 1}),
    ],
)
def test_files_are_read_in_every_layout(folder: Path, text: str | bytes, layout: dict[str, Any]) -> None:
    """Bare, fixed and delimited files, with BOM, quotes and any line ends, give the same codes."""
    assert pq.read_table(added(folder, text, **layout))["code"].to_pylist() == ["99213", "99214"]


@pytest.mark.parametrize(
    ("text", "more", "error", "said"),
    [
        ("99213\nJohn Smith\n9921\n", {}, SourceError, "malformed as CPT: 2, "),
        ("99213\nJohn Smith\n", {}, SourceError, "the first in line 2"),
        ("0002821501\n", {"system": "ndc"}, SourceError, "malformed as National Drug Code: 1, "),
        ("", {}, SourceError, "holds no code"),
        ("code\n99213\n", {"code": "CPT"}, SourceError, "does not name the column CPT once"),
        ("code,code\n99213,99213\n", {"code": "code"}, SourceError, "does not name the column code once"),
        ("a,b\n99213\n", {"code": "2"}, SourceError, "line 2 has too few columns"),
        ("PK\x03\x04\0\0", {}, SourceError, "line 1 holds a NUL byte"),
        ("9" * (1 << 20) + "9\n", {}, SourceError, "line 1 has more than 1 MiB"),
        ("code,flag\n99213,yes\n", {"code": "code", "billable": "flag"}, SourceError, "line 2 holds neither 1 nor 0"),
        ("99213\n", {"release": "../2026"}, DocumentError, "a release is named by"),
        ("99213\n", {"release": ".hidden"}, DocumentError, "a release is named by"),
        ("99213\n", {"last": "2025-12-31"}, DocumentError, "before its first"),
        ("99213\n", {"system": "icd11"}, DocumentError, "no code system"),
        ("99213\n", {"delimiter": "::"}, DocumentError, "a delimiter is one character"),
        ("99213\n", {"billable": "2"}, DocumentError, "--billable needs"),
        ("99213\n", {"code": "5-1"}, DocumentError, "characters run from"),
    ],
)
def test_what_cannot_be_a_list_is_refused(
    folder: Path, text: str, more: dict[str, Any], error: type[DeidError], said: str
) -> None:
    """A file with malformed codes, without codes or of another layout is refused with counts, and leaves nothing."""
    with pytest.raises(error, match=said) as fault:
        added(folder, text, **more)
    assert "John" not in str(fault.value)
    assert not folder.exists()


def test_a_release_is_not_overwritten(folder: Path) -> None:
    """A release that is there stays as it was."""
    path = added(folder, "99213\n")
    before = path.read_bytes()
    with pytest.raises(StorageError, match="already there"):
        added(folder, "99214\n")
    assert path.read_bytes() == before


def test_without_lists_the_registry_is_as_it_was(folder: Path) -> None:
    """A folder that is not there changes no system, and the registry that comes back cannot be changed."""
    systems = systems_with(folder)
    assert dict(systems) == CODE_SYSTEMS
    with pytest.raises(TypeError):
        systems["cpt"] = CODE_SYSTEMS["ndc"]  # type: ignore[index]


def test_releases_are_judged_on_their_days(folder: Path) -> None:
    """A code is valid while a release that holds it is in force, retired after it and not yet valid before it."""
    added(folder, "1234\n0450\n0510\n", system="revenue_code", release="a", first="2024-01-01")
    added(folder, "450\n0510\n0900\n", system="revenue_code", release="b", first="2025-01-01", last="2025-12-31")
    system = systems_with(folder)["revenue_code"]
    codes = ["1234", "450", "0900", "0999", "45X", None]
    assert verdicts(system, codes, "2024-12-31") == ["VALID", "VALID", "NOT_YET", "UNKNOWN", "MALFORMED", "ABSENT"]
    assert verdicts(system, codes, "2025-01-01") == ["RETIRED", "VALID", "VALID", "UNKNOWN", "MALFORMED", "ABSENT"]
    assert verdicts(system, codes, "2020-01-01") == verdicts(system, codes, "2024-01-01")
    assert verdicts(system, codes, "2030-01-01") == verdicts(system, codes, "2025-12-31")
    assert verdicts(system, codes) == ["VALID", "VALID", "VALID", "UNKNOWN", "MALFORMED", "ABSENT"]
    assert [(each.release, each.last) for each in system.lists] == [
        ("UB-04 revenue code a", number_of(date(2024, 12, 31))),
        ("UB-04 revenue code b", number_of(date(2025, 12, 31))),
    ]
    assert system.roll_up(pa.array(["450"]), "category").to_pylist() == ["045X"]


def test_a_partial_list_leaves_the_rest_to_the_shelf(folder: Path) -> None:
    """What a partial list does not hold is judged as without it; what it holds is valid."""
    added(folder, "30\n10\n", system="place_of_service", release="own", first="2020-01-01", partial=True)
    shipped, system = CODE_SYSTEMS["place_of_service"], systems_with(folder)["place_of_service"]
    codes = ["02", "30", "10", "28", "11"]
    assert verdicts(system, codes, "2021-06-01") == ["VALID", "VALID", "VALID", "UNKNOWN", "VALID"]
    assert verdicts(system, codes, "2016-01-01") == verdicts(shipped, codes, "2016-01-01")
    assert verdicts(system, codes, "2016-01-01")[0] == "NOT_YET"


def test_a_complete_list_stands_before_the_shipped_one(folder: Path) -> None:
    """On its days a complete release decides: a code that only the shipped list has is retired, or not yet valid."""
    added(folder, "11\n30\n", system="place_of_service", release="2021", first="2021-01-01", last="2021-12-31")
    system = systems_with(folder)["place_of_service"]
    codes = ["11", "30", "12", "10", "28"]
    assert verdicts(system, codes, "2021-06-01") == ["VALID", "VALID", "RETIRED", "NOT_YET", "UNKNOWN"]
    assert verdicts(system, codes, "2022-01-01") == ["VALID", "UNKNOWN", "VALID", "VALID", "UNKNOWN"]
    assert verdicts(system, codes) == ["VALID", "VALID", "VALID", "VALID", "UNKNOWN"]


def test_headings_are_not_billable(folder: Path) -> None:
    """A code that the list flags 0 is not billable, and so is one flagged in no line with 1."""
    text = "0450 1\n045  0\n0451 0\n0451 1\n"
    added(folder, text, system="revenue_code", code="1-4", billable="6-6")
    system = systems_with(folder)["revenue_code"]
    assert verdicts(system, ["0450", "0045", "0451"], "2026-06-01") == ["VALID", "NOT_BILLABLE", "VALID"]
    assert verdicts(system, ["0450", "0045", "0451"]) == ["VALID", "NOT_BILLABLE", "VALID"]


def test_cpt_and_hcpcs_lists_each_judge_their_own_codes(folder: Path) -> None:
    """A CPT list makes no HCPCS code unknown in a common column, nor calls itself complete there; both together do."""
    added(folder, "99213\n")
    alone = systems_with(folder)
    assert verdicts(alone["cpt"], ["99213", "99999", "J1885"], "2026-06-01") == ["VALID", "UNKNOWN", "UNKNOWN"]
    assert not any(each.complete for each in alone["cpt"].lists)
    assert alone["hcpcs"] is CODE_SYSTEMS["hcpcs"]
    added(folder, "J1885\n", system="hcpcs")
    both = systems_with(folder)
    assert verdicts(both["cpt"], ["99213", "99999", "J1885", "J9999"], "2026-06-01") == ["VALID", "UNKNOWN"] * 2
    assert all(each.complete for each in both["cpt"].lists)
    assert verdicts(both["hcpcs"], ["J1885", "J9999"], "2026-06-01") == ["VALID", "UNKNOWN"]


def test_spoiled_lists_are_refused(folder: Path) -> None:
    """A file that is no list, is another list, or holds what is no code in normal form is refused when loaded."""
    path = added(folder, "99213\n99214\n")
    good, table = path.read_bytes(), pq.read_table(path)
    spoiled = {
        "no Parquet": b"codes\n",
        "cut": good[:-9],
        "no facts": table.replace_schema_metadata(None),
        "out of order": table.take([1, 0]),
        "missing rows": table.slice(0, 1),
        "no code": table.set_column(0, "code", pa.array(["99213", "John Smith"])).cast(table.schema),
        "not normal": table.set_column(0, "code", pa.array(["99213", "j1885"])).cast(table.schema),
        "descriptors": table.append_column("name", pa.array(["a", "b"])),
    }
    for what, content in spoiled.items():
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            pq.write_table(content, path)
        with pytest.raises(DocumentError) as fault:
            systems_with(folder)
        assert "John" not in str(fault.value), what
    path.write_bytes(good)
    assert verdicts(systems_with(folder)["cpt"], ["99213"]) == ["VALID"]
    path.rename(path.with_name("2027.parquet"))
    with pytest.raises(DocumentError, match="not the list that its name says"):
        systems_with(folder)


def test_commands_add_and_list(tmp_path: Path) -> None:
    """`deid codes add` writes into the folder that the site names, and `deid codes list` shows it."""
    (tmp_path / "site.yaml").write_text("site: s\nkeys: local:k\ntrust: t.yaml\ncodes: lists\n")
    (tmp_path / "order.txt").write_text("00001 99213 1 Office visit\n")
    site = ["--site", str(tmp_path / "site.yaml")]
    command = ["codes", "add", str(tmp_path / "order.txt"), *site, "--system", "cpt", "--release", "2026"]
    run = CliRunner().invoke(cli, [*command, "--first", "2026-01-01", "--column", "7-11"], catch_exceptions=False)
    assert run.output == f"wrote {tmp_path / 'lists' / 'cpt' / '2026.parquet'}: 1 codes\n"
    shown = CliRunner().invoke(cli, ["codes", "list", *site], catch_exceptions=False).output
    assert "CPT 2026: 1 codes, from 2026-01-01, partial" in shown
    told = json.loads(CliRunner().invoke(cli, ["codes", "list", *site, "--json"]).output)
    assert [entry["system"] for entry in told] == list(CODE_SYSTEMS)
    assert [each["first"] for entry in told if entry["system"] == "cpt" for each in entry["lists"]] == ["2026-01-01"]
