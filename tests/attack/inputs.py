"""The inputs of the leak test: how each is described to the product, and how the scanner reads it for itself."""

from __future__ import annotations

import shutil
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.csv as pcsv
import pyarrow.parquet as pq
from attack.leaks import Basis, cells
from attack.raw_sources import CLAIMS, DESYNPUF, RIF, SYNTHEA, Raw, collect_fhir, collect_text, header_of
from sites import REPOSITORY, SHARED, TestSite

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

    `left_out` are columns (table.column) that Safe Harbor refuses beside the others.
    """

    name: str
    describe: Callable[[TestSite], Path]
    collect: Callable[[TestSite], Raw]
    left_out: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Run:
    """One release of an input, opened, with what to look for in it."""

    exported: Exported
    opened: OpenedRelease
    tables: dict[str, pa.Table]
    raw: Raw

    @property
    def rows(self) -> int:
        """How many rows all tables have together."""
        return sum(table.num_rows for table in self.tables.values())


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
        agreement="DUA-1" if basis.name == "limited-data-set" else None,
        **fields,
    )
    exported = site.run(request)
    opened = site.open(exported)
    return Run(exported, opened, {table: opened.read(table) for table in opened.tables}, source.collect(site))


def wide(path: Path, left_out: frozenset[str] = frozenset()) -> dict[str, list[str]]:
    """Return every described column that is in the files, of every table about patients."""
    dataset = load_dataset(path)
    asked: dict[str, list[str]] = {}
    for table in dataset.tables:
        if table.patient is None and table.link is None:
            continue
        names = [column.name for column in table.columns]
        if table.resource is None:
            present = header_of(min(dataset.root.glob(table.path)), table.text.delimiter)
            names = [name for name in names if name in present]
        asked[table.name] = [name for name in names if f"{table.name}.{name}" not in left_out]
    return asked


def converted(opened: OpenedRelease, folder: Path) -> dict[str, dict[str, pa.Table]]:
    """Convert a release to each form, and read each with a reader that knows nothing of releases."""
    folder.mkdir(parents=True, exist_ok=True)
    for form, convert in CONVERTERS.items():
        convert(opened, folder / form)
    forms: dict[str, dict[str, pa.Table]] = {form: {} for form in CONVERTERS}
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


def _named(folder: Path, tables: Any, ending: str = ".csv") -> dict[str, Path]:
    return {table: next(iter(folder.glob(f"{table}{ending}*")), folder / table) for table in tables}


def _built_in(name: str, format_: str, root: Path, **tables: str) -> Callable[[TestSite], Path]:
    def describe(site: TestSite) -> Path:
        content: dict[str, Any] = {"dataset": name, "format": format_, "root": str(root)}
        if tables:
            content["tables"] = {table: {"path": path} for table, path in tables.items()}
        return site.write(f"datasets/{name}.yaml", content)

    return describe


_RIF_FILES = {
    "beneficiaries": "beneficiary.csv",
    "inpatient_claims": "inpatient.csv",
    "outpatient_claims": "outpatient.csv",
    "carrier_claims": "carrier.csv",
}


def _rif(root: Path, **other: str) -> Callable[[TestSite], Raw]:
    files = {table: root / name for table, name in (_RIF_FILES | other).items()}
    return lambda _: collect_text(RIF, files, "|")


# A number of days beside the dates of the stay: with two years, the days around a turn of the year.
_STAYS = frozenset(
    f"inpatient_claims.{column}"
    for column in (
        "CLM_UTLZTN_DAY_CNT",
        "BENE_TOT_COINSRNC_DAYS_CNT",
        "BENE_LRD_USED_CNT",
        "CLM_NON_UTLZTN_DAYS_CNT",
    )
)


def _sample(name: str) -> Callable[[TestSite], Path]:
    return lambda _: SAMPLES / name / "dataset.yaml"


SAMPLE_INPUTS = (
    Input("sample-claims", _sample("claims"), lambda _: collect_text(CLAIMS, _named(SAMPLES / "claims", CLAIMS))),
    Input("sample-synthea", _sample("synthea"), lambda _: collect_text(SYNTHEA, _named(SAMPLES / "synthea", SYNTHEA))),
    Input("sample-rif", _sample("cms_rif"), _rif(SAMPLES / "cms_rif"), _STAYS),
    Input("sample-fhir", _sample("fhir_bulk"), lambda _: collect_fhir(SAMPLES / "fhir_bulk")),
)


def _samhsa(site: TestSite) -> Path:
    """Bring the claims of one beneficiary together with a row for that beneficiary, which the extract lacks."""
    root = site.folder / "samhsa"
    if not root.exists():
        root.mkdir()
        for name in ("inpatient.txt", "carrier.txt"):
            shutil.copyfile(INPUTS / "cms_rif_samhsa" / name, root / name)
        columns = header_of(INPUTS / "cms_rif" / "beneficiary_2015.csv", "|")
        row = {
            "DML_IND": "INSERT",
            "BENE_ID": "567834",
            "BENE_BIRTH_DT": "04-JUL-1951",
            "BENE_SRNM_NAME": "Quillfeather",
            "BENE_GVN_NAME": "Ottoline",
            "BENE_ZIP_CD": "50309",
            "BENE_CRNT_HIC_NUM": "T55567834A",
            "MBI_NUM": "1S00E00QQ55",
            "RFRNC_YR": "2016",
            "AGE": "65",
        }
        cells = [row.get(column, "") for column in columns]
        (root / "beneficiary.csv").write_text("|".join(columns) + "\n" + "|".join(cells) + "\n")
    return _built_in("samhsa", "cms_rif", root, inpatient_claims="inpatient.txt", carrier_claims="carrier.txt")(site)


REAL_INPUTS = (
    Input(
        "synthea-csv",
        _built_in("synthea", "synthea_csv", INPUTS / "synthea_csv"),
        lambda _: collect_text(SYNTHEA, _named(INPUTS / "synthea_csv", SYNTHEA)),
    ),
    *(
        Input(
            f"cms-rif-{year}",
            _built_in(f"rif{year}", "cms_rif", INPUTS / "cms_rif", beneficiaries=f"beneficiary_{year}.csv"),
            _rif(INPUTS / "cms_rif", beneficiaries=f"beneficiary_{year}.csv"),
            _STAYS,
        )
        for year in (2015, 2020)
    ),
    Input(
        "cms-rif-samhsa",
        _samhsa,
        lambda site: _rif(site.folder / "samhsa", inpatient_claims="inpatient.txt", carrier_claims="carrier.txt")(site),
        _STAYS,
    ),
    Input(
        "fhir-bulk",
        _built_in("fhir", "us_core_bulk", INPUTS / "fhir_bulk"),
        lambda _: collect_fhir(INPUTS / "fhir_bulk"),
    ),
)

_FLAGS = "{ALZHDMTA,CHF,CHRNKIDN,CNCR,COPD,DEPRESSN,DIABETES,ISCHMCHT,OSTEOPRS,RA_OA,STRKETIA}"
_SUMS = (
    "{CLM_PMT_AMT,NCH_PRMRY_PYR_CLM_PD_AMT,CLM_PASS_THRU_PER_DIEM_AMT,NCH_BENE_IP_DDCTBL_AMT,"
    "NCH_BENE_PTA_COINSRNC_LBLTY_AM,NCH_BENE_BLOOD_DDCTBL_LBLTY_AM}"
)


def _desynpuf(site: TestSite) -> Path:
    beneficiary: dict[str, str] = {
        "DESYNPUF_ID": "patient_id",
        "BENE_BIRTH_DT": "birth_date",
        "BENE_DEATH_DT": "death_date",
        "BENE_SEX_IDENT_CD": "sex",
        "BENE_RACE_CD": "race",
        "BENE_ESRD_IND": "indicator",
        "SP_STATE_CODE": "state",
        "BENE_COUNTY_CD": "county",
        "BENE_{HI,SMI,HMO}_CVRAGE_TOT_MONS": "count",
        "PLAN_CVRG_MOS_NUM": "count",
        f"SP_{_FLAGS}": "indicator",
        "{MEDREIMB,BENRES,PPPYMT}_{IP,OP,CAR}": "charge_amount",
    }
    inpatient: dict[str, str] = {
        "DESYNPUF_ID": "patient_id",
        "CLM_ID": "claim_id",
        "SEGMENT": "sequence_number",
        "CLM_{FROM,THRU}_DT": "service_date",
        "PRVDR_NUM": "facility_id",
        _SUMS: "charge_amount",
        "{AT,OP,OT}_PHYSN_NPI": "npi",
        "CLM_ADMSN_DT": "admit_date",
        "ADMTNG_ICD9_DGNS_CD": "icd9cm",
        "CLM_UTLZTN_DAY_CNT": "length_of_stay",
        "NCH_BENE_DSCHRG_DT": "discharge_date",
        "CLM_DRG_CD": "drg",
        "ICD9_DGNS_CD_{1..10}": "icd9cm",
        "ICD9_PRCDR_CD_{1..6}": "icd9cm",
        "HCPCS_CD_{1..45}": "cpt",
    }
    content = {
        "dataset": "desynpuf",
        "format": "csv",
        "root": str(REFERENCE / "desynpuf_sample1"),
        "date_format": "%Y%m%d",
        "population": "beneficiaries",
        "encounters": "inpatient",
        "tables": {
            "beneficiaries": {
                "path": "DE1_0_2008_Beneficiary_Summary_File_Sample_1.csv",
                "patient": "DESYNPUF_ID",
                "columns": beneficiary,
            },
            "inpatient": {
                "path": "DE1_0_2008_to_2010_Inpatient_Claims_Sample_1.csv",
                "patient": "DESYNPUF_ID",
                "columns": inpatient,
            },
        },
    }
    return site.write("datasets/desynpuf.yaml", content)


def _desynpuf_raw(_: TestSite) -> Raw:
    folder = REFERENCE / "desynpuf_sample1"
    files = {
        "beneficiaries": folder / "DE1_0_2008_Beneficiary_Summary_File_Sample_1.csv",
        "inpatient": folder / "DE1_0_2008_to_2010_Inpatient_Claims_Sample_1.csv",
    }
    return collect_text(DESYNPUF, files)


DESYNPUF_INPUT = Input("desynpuf", _desynpuf, _desynpuf_raw)


def generated(folder: Path) -> Input:
    """Return the input of a generated population in the native layout, written to `folder`."""
    return Input("generated", lambda _: folder / "dataset.yaml", lambda _: collect_text(CLAIMS, _named(folder, CLAIMS)))


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
