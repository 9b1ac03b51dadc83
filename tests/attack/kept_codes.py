"""Which codes and amounts of each input must survive: in a release, each patient has those that the raw files hold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from attack.inputs import INPUTS, RIF_FILES, SAMPLE_INPUTS, SAMPLES, Input, Run
from attack.kept import lists, of_release, read_as
from attack.leaks import LIMITED, SAFE_HARBOR, Basis
from attack.raw_codes import (
    Pairs,
    codes_of_ccda,
    codes_of_explanations,
    codes_of_fhir,
    codes_of_hl7v2,
    codes_of_text,
    codes_of_x12,
)
from attack.raw_sources import rows_of
from attack.real_inputs import NAMED
from sites import TestSite

from deid.sources import load_dataset

SAMPLE = {source.name.removeprefix("sample-"): source for source in SAMPLE_INPUTS}
CSV, RIF, PUF, IDR = (INPUTS / name for name in ("synthea_csv", "cms_rif", "desynpuf", "cms_idr"))
_RIF_CODES = "*DGNS_CD* *PRCDR_CD* *HCPCS_CD* *DRG_CD REV_CNTR *NDC_CD *_AMT PROD_SRVC_ID"
_CSV_TABLES = "conditions procedures medications immunizations observations careplans encounters devices"


# Results may tell an age or a day, so Safe Harbor drops them.
DROPPED = ("observations.value", "vital_signs.value")


@dataclass(frozen=True)
class Case:
    """An input, what its raw files hold, and how many columns of codes and amounts must at least be compared.

    `malformed` are texts that stand where a code should and are none of its system: they become null, and are counted.
    """

    source: Input
    codes: Callable[[TestSite], Pairs]
    columns: int
    malformed: str = ""


def _rif(_: TestSite) -> Pairs:
    files = {
        table: (RIF / name, "BENE_ID") for table, name in RIF_FILES.items() if table.endswith(("claims", "events"))
    }
    return codes_of_text(files, _RIF_CODES, "|")


def _puf(_: TestSite) -> Pairs:
    """Leave out the claims of people who are not in the file of beneficiaries."""
    known = {row["DESYNPUF_ID"] for row in rows_of(PUF / "beneficiary_2008.csv")}
    found = codes_of_text({"inpatient": (PUF / "inpatient.csv", "DESYNPUF_ID")}, "*DGNS_CD* *PRCDR_CD* *DRG_CD *_AMT")
    return _of(known, found)


def _idr(_: TestSite) -> Pairs:
    """Compare lines and codes by their claims, and leave out the codes of a claim that is not there under its type."""
    key = "GEO_BENE_SK CLM_DT_SGNTR_SK CLM_TYPE_CD CLM_NUM_SK"
    names = {"claims": "CLM", "claim_lines": "CLM_LINE", "prescription_lines": "CLM_LINE_RX", "claim_codes": "CLM_PROD"}
    keys = {"claims": "BENE_SK", "claim_codes": key}
    files = {table: (IDR / f"SYNTHETIC_{name}.csv", keys.get(table, "CLM_UNIQ_ID")) for table, name in names.items()}
    known = {"/".join(row[part] for part in key.split()) for row in rows_of(files["claims"][0])}
    found = codes_of_text(files, "*DGNS_CD *PRCDR_CD *HCPCS_CD *NDC_CD *REV_CTR_CD *_AMT")
    return {
        place: _of(known, {place: pairs})[place] if "codes" in place[0] else pairs for place, pairs in found.items()
    }


def _of(known: set[str], found: Pairs) -> Pairs:
    return {place: [pair for pair in pairs if pair[0] in known] for place, pairs in found.items()}


def _csv(_: TestSite) -> Pairs:
    files = {table: (CSV / f"{table}.csv", "PATIENT") for table in _CSV_TABLES.split()}
    return codes_of_text(files | {"claims": (CSV / "claims.csv", "PATIENTID")}, "*CODE *COST DIAGNOSIS?")


REAL_CODES = (
    Case(NAMED["x12"], lambda site: codes_of_x12(site.folder / "x12"), 6),
    Case(NAMED["hl7v2"], lambda _: codes_of_hl7v2(INPUTS / "hl7v2"), 10, "7105"),
    Case(NAMED["ccda"], lambda _: codes_of_ccda(INPUTS / "ccda"), 5),
    Case(NAMED["fhir-bulk"], lambda _: codes_of_fhir(INPUTS / "fhir_bulk"), 4),
    Case(NAMED["synthea-bundle"], lambda _: codes_of_fhir(INPUTS / "synthea_fhir"), 10),
    Case(NAMED["carin-eob"], lambda _: codes_of_explanations(INPUTS / "fhir_carin_eob"), 5, "M55 M99 A05 000000000"),
    Case(NAMED["cms-rif-2015"], _rif, 200),
    Case(NAMED["cms-idr"], _idr, 30, "~"),
    Case(NAMED["desynpuf"], _puf, 20),
    Case(NAMED["synthea-csv"], _csv, 25, "DALY QALY QOLS"),
)
SAMPLE_CODES = (
    Case(SAMPLE["x12"], lambda _: codes_of_x12(SAMPLES / "x12_837"), 10),
    Case(SAMPLE["hl7v2"], lambda _: codes_of_hl7v2(SAMPLES / "hl7v2"), 6),
    Case(SAMPLE["ccda"], lambda _: codes_of_ccda(SAMPLES / "ccda"), 7),
    Case(SAMPLE["bundles"], lambda _: codes_of_fhir(SAMPLES / "fhir_json"), 5),
)


def different(case: Case, done: Run, site: TestSite, basis: Basis) -> list[str]:
    """Return the columns in which some patient, or claim, has other codes or amounts than in the raw files."""
    dataset = load_dataset(case.source.describe(site))
    unseen = case.source.unseen if basis is SAFE_HARBOR else {}
    found, compared = [], 0
    for (table, column), pairs in case.codes(site).items():
        pairs = [pair for pair in pairs if pair[1] not in case.malformed.split()]  # noqa: PLW2901
        is_dropped = basis is SAFE_HARBOR and f"{table}.{column}" in DROPPED
        if not pairs or table in unseen or is_dropped:
            continue
        described, content = dataset.table(table), done.tables[table]
        assert described is not None
        key = described.patient or (described.link.on if described.link else "")
        like = content.schema.field(column).type
        wanted = lists((owner, read_as(text, like)) for owner, text in pairs)
        kept = of_release(content, key, column)
        kept.pop((), None)  # who has no code of this kind
        compared += 1
        found += [f"{table}.{column}"] if kept != wanted else []
    assert compared >= (case.columns if basis is LIMITED else 3)
    return found
