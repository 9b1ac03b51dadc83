"""CMS Research Identifiable Files: beneficiaries and inpatient, outpatient and carrier claims, one row for each line.

The layout brings its own hazards: a byte order mark, `|` between cells, `dd-Mon-yyyy`, a blank for null, codes without
dots, ZIP codes as numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from deid.synthetic import reference
from deid.synthetic.people import LAST_DAY
from deid.synthetic.population import Population
from deid.synthetic.writers.delimited import DelimitedFile, Dialect
from deid.synthetic.writers.tables import beside, laid_out, mapped

Known = dict[str, pa.Array | pa.ChunkedArray | str]
_CLAIMS = {
    "inpatient": ("inpatient",),
    "outpatient": ("emergency", "outpatient"),
    "carrier": ("ambulatory", "virtual", "home"),
}
_RECORD_TYPES = {"inpatient": ("V", "60"), "outpatient": ("W", "40"), "carrier": ("O", "71")}
_MOST_CODES = {"inpatient": 25, "outpatient": 25, "carrier": 12}
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEPT", "OCT", "NOV", "DEC")
_RACES = {"white": "1", "black": "2", "other": "3", "asian": "4", "hawaiian": "4", "native": "6"}
_MEDICARE_DAYS = int(65 * 365.2425)
_BLANK_COLUMNS = ("UPIN", "_E_CD", "_E_VRSN", "CLM_MCO", "NCH_PRMRY", "V_DOD", "HPSA")
_DESCRIPTION = "dataset: cms-rif-sample\nformat: cms_rif\nconfirmed: true\n"


def write_cms_rif(population: Population, folder: Path, *, year: int = 2025) -> None:
    """Write those of a population who are 65 or older, with their claims and a `dataset.yaml`, into `folder`.

    `year` is the year of reference of the beneficiary file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    people = population.patients
    people = people.filter(pc.less(people["birth_date"].cast(pa.int32()), LAST_DAY - _MEDICARE_DAYS))
    dialect = Dialect(delimiter="|", has_bom=True)
    with DelimitedFile(folder / "beneficiary.csv", dialect) as file:
        file.append(_blanked(_beneficiaries(people, year)))
    for name, classes in _CLAIMS.items():
        stays = population.encounters
        chosen = pc.and_(
            pc.is_in(stays["encounter_class"], value_set=pa.array(classes)),
            pc.is_in(stays["patient_id"], value_set=people["patient_id"].combine_chunks()),
        )
        with DelimitedFile(folder / f"{name}.csv", dialect) as file:
            file.append(_blanked(_claims(name, population, people, stays.filter(chosen))))
    (folder / "dataset.yaml").write_text(_DESCRIPTION, encoding="utf-8")


def _blanked(table: pa.Table) -> pa.Table:
    """Return the table with the nulls of some columns written as a blank, as CMS does."""
    for at, name in enumerate(table.column_names):
        if any(part in name for part in _BLANK_COLUMNS):
            table = table.set_column(at, name, pc.fill_null(table[name], " "))
    return table


def _day(days: pa.Array | pa.ChunkedArray) -> pa.Array:
    return pc.strftime(days.cast(pa.timestamp("s")), "%d-%b-%Y")


def _beneficiary_id(people: pa.Table) -> pa.Array:
    """Return negative numbers, by which CMS marks made-up beneficiaries."""
    return pc.binary_join_element_wise("-1", people["mrn"], "")


def _beneficiaries(people: pa.Table, year: int) -> pa.Table:
    fips = {(entry.state, entry.county): entry.fips for entry in reference.places()}
    where = zip(people["state"].to_pylist(), people["county"].to_pylist(), strict=True)
    county = pa.array([fips[state, name] for state, name in where], pa.string())
    ssa = mapped(people["state"], {name: state.ssa for name, state in reference.states().items()})
    age = pc.subtract(year, pc.year(people["birth_date"]))
    known: Known = {
        "DML_IND": "INSERT",
        "BENE_ID": _beneficiary_id(people),
        "STATE_CODE": ssa,
        "BENE_COUNTY_CD": pc.binary_join_element_wise(ssa, pc.utf8_slice_codeunits(county, 2, 5), ""),
        "BENE_ZIP_CD": pc.replace_substring_regex(pc.replace_substring(people["zip_code"], "-", ""), "^0+", ""),
        "BENE_BIRTH_DT": _day(people["birth_date"]),
        "BENE_SEX_IDENT_CD": mapped(people["sex"], {"M": "1", "F": "2"}),
        "BENE_RACE_CD": pc.fill_null(mapped(people["race"], _RACES), "0"),
        "BENE_MDCR_STATUS_CD": "10",
        "BENE_CRNT_HIC_NUM": pc.binary_join_element_wise("T", people["mrn"], "A", ""),
        "BENE_SRNM_NAME": people["last_name"],
        "BENE_GVN_NAME": people["first_name"],
        "BENE_MDL_NAME": people["middle_name"],
        "MBI_NUM": pc.replace_substring(people["member_id"], "-", ""),
        "DEATH_DT": _day(people["death_date"]),
        "RFRNC_YR": str(year),
        "ENRL_SRC": "CME",
        "AGE": age,
        "DRVD_LINE_1_ADR": people["street_address"],
        "CITY_NAME": people["city"],
        "STATE_CD": people["state"],
    }
    known |= dict.fromkeys(("BENE_ENTLMT_RSN_ORIG", "BENE_ENTLMT_RSN_CURR", "BENE_ESRD_IND"), "0")
    known |= dict.fromkeys(("BENE_PTA_TRMNTN_CD", "BENE_PTB_TRMNTN_CD", "BUYIN_MO_CNT", "HMO_MO_CNT"), "0")
    known |= dict.fromkeys(("A_MO_CNT", "B_MO_CNT", "PLAN_CVRG_MO_CNT"), "12")
    known |= {f"FIPS_STATE_CNTY_{month}_CD": county for month in _MONTHS}
    known |= {f"MDCR_STUS_{month}_CD": "10" for month in _MONTHS}
    known |= {f"META_DUAL_ELGBL_STUS_{month}_CD": "NA" for month in _MONTHS}
    return laid_out("rif/beneficiary", len(people), known)


def _claims(name: str, population: Population, people: pa.Table, stays: pa.Table) -> pa.Table:
    lines = population.procedures
    lines = lines.filter(pc.is_in(lines["encounter_id"], value_set=stays["encounter_id"].combine_chunks()))
    at = pc.index_in(lines["encounter_id"], value_set=stays["encounter_id"].combine_chunks())
    known: Known = {}
    for column, value in _claim(name, population, people, stays).items():
        known[column] = value if isinstance(value, str) else value.take(at)
    parts = {"inpatient": _facility_lines, "outpatient": _outpatient_lines, "carrier": _carrier_lines}
    known |= parts[name](lines, stays.take(at))
    return laid_out(f"rif/{name}", len(lines), known)


def _claim(name: str, population: Population, people: pa.Table, stays: pa.Table) -> Known:
    """Return the columns that are the same in every line of a claim, one row for each claim."""
    record, kind = _RECORD_TYPES[name]
    number = pc.utf8_slice_codeunits(stays["account_number"], 1)
    processed = pc.add(stays["discharge_date"].cast(pa.timestamp("s")), np.timedelta64(7 * 86_400, "s"))
    known: Known = {
        "DML_IND": "INSERT",
        "BENE_ID": _beneficiary_id(beside(stays, people, "patient_id")),
        "CLM_ID": pc.binary_join_element_wise("-1", number, ""),
        "CLM_GRP_ID": pc.binary_join_element_wise("-2", number, ""),
        "FINAL_ACTION": "F",
        "NCH_NEAR_LINE_REC_IDENT_CD": record,
        "NCH_CLM_TYPE_CD": kind,
        "CLM_FROM_DT": _day(stays["admit_date"]),
        "CLM_THRU_DT": _day(stays["discharge_date"]),
        "NCH_WKLY_PROC_DT": _day(processed),
        "CLM_PMT_AMT": stays["total_charge"],
    }
    known |= _codes(population.diagnoses, stays, _MOST_CODES[name], with_presence=name == "inpatient")
    if name != "carrier":
        known |= _facility(population, stays)
    if name == "inpatient":
        known |= {
            "CLM_ADMSN_DT": _day(stays["admit_date"]),
            "NCH_BENE_DSCHRG_DT": _day(stays["discharge_date"]),
            "CLM_DRG_CD": stays["drg"],
            "CLM_IP_ADMSN_TYPE_CD": "1",
            "ADMTG_DGNS_CD": known["PRNCPAL_DGNS_CD"],
            "ADMTG_DGNS_VRSN_CD": "0",
        }
    return known


def _facility(population: Population, stays: pa.Table) -> Known:
    known: Known = {
        "PRVDR_NUM": pc.binary_join_element_wise("22", pc.utf8_slice_codeunits(stays["facility_id"], 1), ""),
        "PRVDR_STATE_CD": "22",
        "CLM_FREQ_CD": "1",
        "CLM_FAC_TYPE_CD": "1",
        "ORG_NPI_NUM": stays["npi"],
        "AT_PHYSN_NPI": stays["npi"],
        "PTNT_DSCHRG_STUS_CD": stays["discharge_status"],
        "CLM_TOT_CHRG_AMT": stays["total_charge"],
        "FI_DOC_CLM_CNTL_NUM": stays["account_number"],
    }
    acts = population.procedures
    acts = acts.filter(pc.is_valid(acts["icd10pcs"]))
    for at, nth in enumerate(_nth_rows(acts, stays), start=1):
        known[f"ICD_PRCDR_CD{at}"] = nth["icd10pcs"]
        known[f"ICD_PRCDR_VRSN_CD{at}"] = mapped(pc.is_valid(nth["icd10pcs"]).cast(pa.string()), {"true": "0"})
        known[f"PRCDR_DT{at}"] = _day(nth["procedure_date"])
    return known


def _nth_rows(table: pa.Table, stays: pa.Table, most: int = 6) -> list[pa.Table]:
    """Return, for n from 1 to `most`, the nth row of `table` that each stay has; null where it has fewer."""
    codes = table["encounter_id"].combine_chunks().dictionary_encode().indices.to_numpy()
    starts = np.flatnonzero(np.r_[True, codes[1:] != codes[:-1]]) if len(codes) else np.zeros(0, dtype=np.int64)
    ordinal = np.arange(len(codes)) - np.repeat(starts, np.diff(np.r_[starts, len(codes)]))
    return [beside(stays, table.filter(pa.array(ordinal == at)), "encounter_id") for at in range(most)]


def _codes(diagnoses: pa.Table, stays: pa.Table, most: int, *, with_presence: bool) -> Known:
    known: Known = {}
    for number in range(1, most + 1):
        nth = beside(stays, diagnoses.filter(pc.equal(diagnoses["sequence"], number)), "encounter_id")
        code = pc.replace_substring(nth["icd10cm"], ".", "")
        known[f"ICD_DGNS_CD{number}"] = code
        known[f"ICD_DGNS_VRSN_CD{number}"] = mapped(pc.is_valid(code).cast(pa.string()), {"true": "0"})
        if with_presence:
            known[f"CLM_POA_IND_SW{number}"] = nth["present_on_admission"]
    return known | {"PRNCPAL_DGNS_CD": known["ICD_DGNS_CD1"], "PRNCPAL_DGNS_VRSN_CD": "0"}


def _facility_lines(lines: pa.Table, stays: pa.Table) -> Mapping[str, pa.Array | pa.ChunkedArray | str]:
    return {
        "CLM_LINE_NUM": lines["line"],
        "REV_CNTR": lines["revenue_code"],
        "HCPCS_CD": lines["cpt"],
        "REV_CNTR_UNIT_CNT": lines["units"],
        "REV_CNTR_TOT_CHRG_AMT": lines["charge"],
        "RNDRNG_PHYSN_NPI": stays["npi"],
    }


def _outpatient_lines(lines: pa.Table, stays: pa.Table) -> Mapping[str, pa.Array | pa.ChunkedArray | str]:
    return {
        **_facility_lines(lines, stays),
        "REV_CNTR_DT": _day(lines["procedure_date"]),
        "HCPCS_1ST_MDFR_CD": lines["modifier"],
    }


def _carrier_lines(lines: pa.Table, stays: pa.Table) -> Mapping[str, pa.Array | pa.ChunkedArray | str]:
    return {
        "CARR_CLM_CNTL_NUM": stays["account_number"],
        "RFR_PHYSN_NPI": stays["npi"],
        "LINE_NUM": lines["line"],
        "PRF_PHYSN_NPI": stays["npi"],
        "ORG_NPI_NUM": stays["npi"],
        "PRVDR_STATE_CD": "22",
        "PRVDR_SPCLTY": "01",
        "LINE_SRVC_CNT": lines["units"],
        "LINE_PLACE_OF_SRVC_CD": stays["place_of_service"],
        "LINE_1ST_EXPNS_DT": _day(lines["procedure_date"]),
        "LINE_LAST_EXPNS_DT": _day(lines["procedure_date"]),
        "HCPCS_CD": lines["cpt"],
        "HCPCS_1ST_MDFR_CD": lines["modifier"],
        "LINE_SBMTD_CHRG_AMT": lines["charge"],
        "LINE_ALOWD_CHRG_AMT": lines["charge"],
    }
