"""The inputs of the leak test: how each is described to the product, and how the scanner reads it for itself."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.csv as pcsv
import pyarrow.parquet as pq
import yaml
from attack.leaks import Basis, Found, cells, known_of, scan, scan_bytes
from attack.raw_ccda import collect_ccda
from attack.raw_hl7v2 import collect_hl7v2
from attack.raw_sources import (
    CLAIMS,
    OMOP,
    RIF,
    SYNTHEA,
    Raw,
    collect_fhir,
    collect_omop,
    collect_text,
    header_of,
)
from attack.raw_x12 import collect_x12
from sites import POLICIES, REPOSITORY, SHARED, TestSite

from deid.export import Exported
from deid.opening import CONVERTERS, OpenedRelease
from deid.sources.description import load_dataset
from deid.synthetic import Population

SAMPLES = REPOSITORY / "samples"
INPUTS = SHARED / "inputs"
REFERENCE = SHARED / "reference"


@dataclass(frozen=True)
class Input:
    """One source; `describe` writes its description below a site, `collect` reads what identifies its people.

    `left_out` are columns (table.column) that Safe Harbor refuses beside the others. `bad` says of how many rows of
    which table the source holds no patient, and `again` how many further rows of one patient its population holds.
    `unseen` says how many rows Safe Harbor leaves out, because nothing tells in which year they were. `title` is what
    docs/reference/real-inputs.md calls it.
    """

    name: str
    describe: Callable[[TestSite], Path]
    collect: Callable[[TestSite], Raw]
    left_out: frozenset[str] = frozenset()
    bad: Mapping[str, int] = field(default_factory=dict)
    again: Mapping[str, int] = field(default_factory=dict)
    unseen: Mapping[str, int] = field(default_factory=dict)
    title: str = ""


@dataclass(frozen=True)
class Run:
    """One release of an input, opened, with what to look for in it."""

    exported: Exported
    opened: OpenedRelease
    tables: dict[str, pa.Table]
    raw: Raw
    asked: int  # columns of the request
    population: str

    @property
    def patients(self) -> int:
        """How many patients were released."""
        return self.exported.rows[self.population]

    @property
    def rows(self) -> int:
        """How many rows all tables have together."""
        return sum(table.num_rows for table in self.tables.values())


def lenient(site: TestSite) -> str:
    """Write and sign the Limited Data Set policy with two kinds kept that have no shape: a wrong description shows.

    As the policies are, a column of any kind that is kept holds what has the shape of its kind. Return its name.
    """
    content = yaml.safe_load((POLICIES / "limited-data-set.yaml").read_text(encoding="utf-8"))
    content["rules"] |= {"local_code": "keep", "facility_name": "keep"}
    site.sign(site.write("policies/limited-lenient.yaml", content))
    return "limited-lenient"


def run(site: TestSite, source: Input, basis: Basis, **fields: Any) -> Run:
    """Release every described column of a source under a policy, and open it with the researcher's key."""
    dataset = source.describe(site)
    left_out = source.left_out if basis.name == "safe-harbor" else frozenset()
    tables = fields.pop("tables", None) or wide(dataset, left_out)
    request = site.request(
        dataset,
        tables,
        request=fields.pop("request", f"{source.name}-{basis.name}"),
        policy=str(site.folder / "policies" / f"{basis.name}.yaml"),
        agreement="DUA-1" if basis.name.startswith("limited") else None,
        on_bad_row="quarantine" if source.bad else None,
        **fields,
    )
    exported = site.run(request)
    opened = site.open(exported)
    read = {table: opened.read(table) for table in opened.tables}
    asked, population = sum(map(len, tables.values())), load_dataset(dataset).population
    return Run(exported, opened, read, source.collect(site), asked, population)


Release = Callable[[Input, Basis], Run]


def made_once(site: TestSite) -> Release:
    """Return what runs an input under a basis, each once."""
    made: dict[tuple[str, str], Run] = {}

    def release(source: Input, basis: Basis) -> Run:
        key = (source.name, basis.name)
        if key not in made:
            made[key] = run(site, source, basis)
        return made[key]

    return release


def searched(done: Run, basis: Basis, site: TestSite, notes: Iterable[str] = ()) -> Found:
    """Return what identifies a person of the source in the cells of a release, in its bytes and in the site's state."""
    known = known_of(done.raw)
    found = scan(done.tables, known, basis, notes=notes)
    return found + scan_bytes(done.exported.folder, known) + scan_bytes(site.site.state, known)


def wide(path: Path, left_out: frozenset[str] = frozenset()) -> dict[str, list[str]]:
    """Return every described column that is in the files, of every table about patients."""
    dataset = load_dataset(path)
    asked: dict[str, list[str]] = {}
    for table in dataset.tables:
        if table.patient is None and table.link is None:
            continue
        names = [column.name for column in table.columns]
        if table.resource is None:
            present = set(header_of(min(dataset.root.glob(table.path)), table.text.delimiter))
            names = [column.name for column in table.columns if {*(column.parts or [column.name])} <= present]
        asked[table.name] = [name for name in names if f"{table.name}.{name}" not in left_out]
    return asked


def converted(opened: OpenedRelease, folder: Path) -> dict[str, dict[str, pa.Table]]:
    """Convert a release to each form that keeps its tables, and read each with a reader that knows nothing of releases."""
    folder.mkdir(parents=True, exist_ok=True)
    forms: dict[str, dict[str, pa.Table]] = {"parquet": {}, "csv": {}, "duckdb": {}}
    for form in forms:
        CONVERTERS[form](opened, folder / form)
    with duckdb.connect(str(folder / "duckdb"), read_only=True) as connection:
        for table in opened.tables:
            forms["parquet"][table] = pq.read_table(folder / "parquet" / table)
            types = pcsv.ConvertOptions(
                column_types=forms["parquet"][table].schema,
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
                null_values=[""],
            )
            large = pcsv.ReadOptions(block_size=1 << 24)
            lines = pcsv.ParseOptions(newlines_in_values=True)
            forms["csv"][table] = pcsv.read_csv(folder / "csv" / f"{table}.csv", large, lines, types)
            forms["duckdb"][table] = connection.table(table).to_arrow_table()
    return forms


def named(folder: Path, tables: Any, ending: str = ".csv") -> dict[str, Path]:
    """Return the file of each table, where files are called as their tables."""
    return {table: next(iter(folder.glob(f"{table}{ending}*")), folder / table) for table in tables}


def built_in(name: str, format_: str, root: Path, **tables: str) -> Callable[[TestSite], Path]:
    """Return what describes a folder by a built-in description; `tables` gives the files that are called otherwise."""

    def describe(site: TestSite) -> Path:
        content: dict[str, Any] = {"dataset": name, "format": format_, "root": str(root)}
        if tables:
            content["tables"] = {table: {"path": path} for table, path in tables.items()}
        return site.write(f"datasets/{name}.yaml", content)

    return describe


RIF_FILES = {
    "beneficiaries": "beneficiary.csv",
    "inpatient_claims": "inpatient.csv",
    "outpatient_claims": "outpatient.csv",
    "carrier_claims": "carrier.csv",
    "snf_claims": "snf.csv",
    "hha_claims": "hha.csv",
    "hospice_claims": "hospice.csv",
    "dme_claims": "dme.csv",
    "part_d_events": "pde.csv",
    "beneficiary_history": "beneficiary_history.csv",
}


def collect_rif(root: Path, **other: str) -> Raw:
    """Collect from the files of CMS RIF in a folder; `other` gives those that are called otherwise."""
    return collect_text(RIF, {table: root / name for table, name in (RIF_FILES | other).items()}, "|")


# A number of days beside the dates of the stay: with two years, the days around a turn of the year.
STAYS = frozenset(
    f"{table}.{column}"
    for table in ("inpatient_claims", "snf_claims", "hospice_claims")
    for column in (
        "CLM_UTLZTN_DAY_CNT",
        "BENE_TOT_COINSRNC_DAYS_CNT",
        "BENE_LRD_USED_CNT",
        "CLM_NON_UTLZTN_DAYS_CNT",
    )
)


def _sample(
    name: str, folder: str, collect: Callable[[Path], Raw], left_out: frozenset[str] = frozenset(), **fields: Any
) -> Input:
    place = SAMPLES / folder
    title = f"`samples/{folder}`"
    return Input(
        f"sample-{name}", lambda _: place / "dataset.yaml", lambda _: collect(place), left_out, title=title, **fields
    )


SAMPLE_INPUTS = (
    _sample("claims", "claims", lambda place: collect_text(CLAIMS, named(place, CLAIMS))),
    _sample("synthea", "synthea", lambda place: collect_text(SYNTHEA, named(place, SYNTHEA))),
    _sample("rif", "cms_rif", collect_rif, STAYS),
    _sample("fhir", "fhir_bulk", collect_fhir),
    _sample("bundles", "fhir_json", collect_fhir),
    _sample("x12", "x12_837", collect_x12),
    _sample("hl7v2", "hl7v2", collect_hl7v2),
    _sample("ccda", "ccda", collect_ccda),
    _sample(
        "omop",
        "omop",
        lambda place: collect_omop(named(place, OMOP)),
        frozenset({"drug_exposure.days_supply"}),
        again={"location": 10},
    ),
)


def generated(folder: Path) -> Input:
    """Return the input of a generated population in the native layout, written to `folder`."""
    return Input(
        "generated",
        lambda _: folder / "dataset.yaml",
        lambda _: collect_text(CLAIMS, named(folder, CLAIMS)),
        title="generated population with notes",
    )


def texts_of(table: pa.Table) -> dict[str, Counter[str]]:
    """Return how often each text stands in each column."""
    return {column: counted for column, (_, counted) in cells(table).items()}


def smallest_class(patients: pa.Table, quasi_identifiers: list[str]) -> int:
    """Return how many patients share the rarest vector of quasi-identifiers, nulls as a value of their own."""
    vectors = zip(*(patients[name].to_pylist() for name in quasi_identifiers), strict=True)
    return min(Counter(vectors).values())


def spans_of(made: Population, *, without: frozenset[str] = frozenset()) -> list[tuple[str, list[tuple[int, int]]]]:
    """Return each generated note with the spans of its identifiers, kinds in `without` left out."""
    spans: dict[str, list[tuple[int, int]]] = defaultdict(list)
    columns = (made.note_spans[name].to_pylist() for name in ("note_id", "start", "end", "kind"))
    for note, start, end, kind in zip(*columns, strict=True):
        if kind not in without:
            spans[note].append((start, end))
    return [
        (text, spans[note])
        for note, text in zip(made.notes["note_id"].to_pylist(), made.notes["note_text"].to_pylist(), strict=True)
    ]
