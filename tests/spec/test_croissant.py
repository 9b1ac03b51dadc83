"""Croissant metadata and Data Packages: valid by their own tools, true of what lies there, silent about counts."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import frictionless
import mlcroissant as mlc
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from full_releases import limited, safe_harbor
from made_releases import make
from sites import make_site

from deid.errors import ReleaseError
from deid.opening import CONVERTERS, OpenedRelease, open_with
from deid.release.croissant import CROISSANT, about, croissant
from deid.release.data_package import PACKAGE, data_package
from deid.release.manifest import ColumnEntry, FileEntry, TableEntry
from deid.sinks.release_keys import ReleaseKeys

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> OpenedRelease:
    """Return a Safe Harbor release of the claims sample."""
    return safe_harbor(make_site(tmp_path_factory.mktemp("croissant") / "site"))


@pytest.fixture(scope="module")
def plain(released: OpenedRelease, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the release, opened to Parquet."""
    folder = tmp_path_factory.mktemp("plain") / "opened"
    CONVERTERS["parquet"](released, folder)
    return folder


def issues(path: Path) -> tuple[list[str], list[str]]:
    """Return the errors and warnings of the reference implementation."""
    found = mlc.Dataset(jsonld=path).metadata.ctx.issues
    return sorted(found.errors), sorted(found.warnings)


def test_a_release_carries_valid_croissant_metadata(released: OpenedRelease) -> None:
    """The reference implementation finds no error and nothing to warn about, in version 1.1 and with the vocabulary for responsible AI."""
    path = released.folder / CROISSANT
    assert issues(path) == ([], [])
    content = json.loads(path.read_bytes())
    assert content["conformsTo"] == ["http://mlcommons.org/croissant/1.1", "http://mlcommons.org/croissant/RAI/1.0"]
    assert content["@context"] == {**mlc.Metadata(name="x", ctx=mlc.Context(conforms_to=content["conformsTo"][0])).ctx.rdf.context, **content["@context"]}  # fmt: skip
    metadata = mlc.Dataset(jsonld=path).metadata
    assert metadata.data_use_cases == ["research on outcomes"]
    assert "45 CFR" not in " ".join(metadata.personal_sensitive_information)
    assert any("safe harbor" in sentence for sentence in metadata.personal_sensitive_information)


def test_it_is_listed_and_true_of_the_files(released: OpenedRelease) -> None:
    """The manifest lists it; files, digests, sizes and columns are those of the manifest."""
    assert CROISSANT in {document.name for document in released.manifest.documents}
    content = json.loads((released.folder / CROISSANT).read_bytes())
    files = {part["contentUrl"]: (part["sha256"], part["contentSize"]) for part in content["distribution"]}
    assert files == {file.name: (file.sha256, f"{file.bytes} B") for file in released.manifest.files()}
    columns = {records["name"]: [field["name"] for field in records["field"]] for records in content["recordSet"]}
    assert columns == {name: [c.name for c in entry.columns] for name, entry in released.manifest.tables.items()}


def test_it_tells_no_counts_and_no_day_in_a_name(released: OpenedRelease) -> None:
    """No number of rows, patients or nulls stands there, so no small cell can; names tell no part of a year."""
    content = json.loads((released.folder / CROISSANT).read_bytes())
    told = json.dumps({key: value for key, value in content.items() if key not in ("distribution", "datePublished")})
    counts = {str(entry.rows) for entry in released.manifest.tables.values()}
    counts |= {
        str(column.nulls) for entry in released.manifest.tables.values() for column in entry.columns if column.nulls
    }
    assert not counts & set(re.findall(r"\d+", told))
    assert "1-10" not in told
    assert not re.search(r"20\d\d-\d\d", content["name"] + content["citeAs"])


def test_a_broken_description_is_not_valid(released: OpenedRelease, tmp_path: Path) -> None:
    """The check can fail: a field of a file that is not there is found."""
    content = json.loads((released.folder / CROISSANT).read_bytes())
    content["recordSet"][0]["field"][0]["source"]["fileObject"]["@id"] = "nowhere"
    (tmp_path / "broken.json").write_text(json.dumps(content))
    with pytest.raises(mlc.ValidationError):
        mlc.Dataset(jsonld=tmp_path / "broken.json")


@pytest.mark.parametrize("table", ["patients", "encounters"])
def test_opened_tables_load_through_mlcroissant(plain: Path, table: str) -> None:
    """What a Croissant reader loads from the opened folder is what the Parquet files hold, digests and all."""
    assert issues(plain / CROISSANT) == ([], [])
    records = mlc.Dataset(jsonld=plain / CROISSANT).records(table)
    expected = pq.read_table(plain / table)
    found = [{name.partition("/")[2]: shown(value) for name, value in record.items()} for record in records]
    assert len(found) > 3_000
    assert found == expected.to_pylist()


def shown(value: Any) -> Any:
    """Return a value of mlcroissant as Arrow has it: text is text."""
    if isinstance(value, bytes):
        return value.decode()
    return None if isinstance(value, float) and math.isnan(value) else value


def test_dates_amounts_and_several_files_load_too(tmp_path: Path) -> None:
    """A table of two files is one record set; dates are dates, nulls are nulls, odd names are names."""
    table = pa.table(
        {
            "patient_id": [f"p{i}" for i in range(100)],
            "it's 100 % / odd": [None if i % 3 else f"x{i}" for i in range(100)],
            "on": [date(2024, 1, 1 + i % 28) for i in range(100)],
            "paid": [i / 4 for i in range(100)],
        }
    )
    made = make(tmp_path / "r", ReleaseKeys.portable("r1"), {"odd.table-1": table})
    CONVERTERS["parquet"](open_with(made.folder, [made.identity]), tmp_path / "out")
    assert len(list((tmp_path / "out" / "odd.table-1").iterdir())) == 2
    assert issues(tmp_path / "out" / CROISSANT) == ([], [])
    records = list(mlc.Dataset(jsonld=tmp_path / "out" / CROISSANT).records("odd.table-1"))
    found = Counter(tuple(shown(value) for value in record.values()) for record in records)
    assert {(a, b, c.date(), d) for a, b, c, d in found} == {tuple(row.values()) for row in table.to_pylist()}
    assert found.total() == 100


def test_an_exchanged_file_is_found_by_its_digest(plain: Path) -> None:
    """The digests of the opened folder are those of its files."""
    content = json.loads((plain / CROISSANT).read_bytes())
    package = json.loads((plain / PACKAGE).read_bytes())
    told = {part["contentUrl"]: f"sha256:{part['sha256']}" for part in content["distribution"]}
    assert told == {resource["path"]: resource["hash"] for resource in package["resources"]}
    assert frictionless.Package(plain / PACKAGE).to_descriptor()["resources"][0]["hash"] in told.values()
    for name, digest in told.items():
        assert digest == f"sha256:{frictionless_hash(plain / name)}"


def frictionless_hash(path: Path) -> str:
    """Return the SHA-256 that frictionless finds."""
    resource = frictionless.Resource(path=path.name, basepath=str(path.parent), format="bin")
    resource.infer(stats=True)
    return str(resource.hash).removeprefix("sha256:")


def test_opened_csv_is_a_valid_data_package(tmp_path: Path) -> None:
    """Every row fits the schema that lies beside it, as frictionless reads them, and a row that breaks it is found."""
    release = limited(make_site(tmp_path / "site"), "fhir_bulk")
    CONVERTERS["csv"](release, tmp_path / "csv")
    report = frictionless.validate(str(tmp_path / "csv" / PACKAGE))
    assert report.valid, report.flatten(["type", "message"])
    assert {task.name: task.stats["rows"] for task in report.tasks} == {
        table.lower(): len(release.read(table)) for table in release.tables
    }
    path = tmp_path / "csv" / "patients.csv"
    path.write_text(path.read_text().replace("-", "/"))
    assert not frictionless.validate(str(tmp_path / "csv" / PACKAGE)).valid


def entry(name: str) -> TableEntry:
    """Return a table of one file and one column."""
    column = ColumnEntry("x", "indicator", "keep", "string", "any value", "a flag", "none")
    return TableEntry("1-10", (FileEntry(f"data/{name}/part-00000.parquet", "0" * 64, 9, "1-10", 1),), (column,))


def test_tables_whose_names_differ_in_capitals_stay_apart() -> None:
    """Names of resources are in small letters, so two tables could become one; they do not."""
    package = json.loads(data_package({name: entry(name) for name in ("Visits", "visits")}, name="n", title="t"))
    assert [resource["name"] for resource in package["resources"]] == ["visits-part-00000", "visits-part-00000-2"]


def test_a_table_named_as_a_document_is_refused(tmp_path: Path) -> None:
    """Its folder would stand where the document must; the error says so, and nothing is left."""
    made = make(tmp_path / "r", ReleaseKeys.portable("r1"), {CROISSANT: pa.table({"patient_id": ["a"]})})
    before = sorted(path.name for path in tmp_path.iterdir())
    with pytest.raises(ReleaseError, match="named croissant") as caught:
        CONVERTERS["parquet"](open_with(made.folder, [made.identity]), tmp_path / "out")
    assert caught.value.hint
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_a_limited_data_set_says_that_it_is_protected(released: OpenedRelease) -> None:
    """What a release is by law stands where a reader of responsible-AI metadata looks."""
    told = about(released.manifest)
    limited_set = type(told)(
        **{name: getattr(told, name) for name in told.__slots__} | {"basis_claimed": "limited_data_set"}
    )
    content = json.loads(croissant(limited_set, released.manifest.tables, is_encrypted=True))
    assert any("still protected health information" in text for text in content["rai:personalSensitiveInformation"])
