"""HL7 v2 messages as a hospital's engine sends them: ADT, BAR, DFT and MDM, one file for each type.

The hazards of real feeds are in them: segments that end with CR, with LF and CRLF, MLLP frames, a batch envelope, other
delimiters, escapes, a Z-segment and local codes that hold identifiers, patients first known by another number.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from deid.synthetic.population import Population
from deid.synthetic.writers.fhir_terms import Case, Row, cases_of

_CLASSES = {"inpatient": "I", "emergency": "E"}
_RACES = {"white": "2106-3", "black": "2054-5", "asian": "2028-9", "native": "1002-5", "hawaiian": "2076-8"}
_ETHNICITIES = {"hispanic": "H", "nonhispanic": "N"}
_MERGED = 5  # of so many people one was first known by another number
_DESCRIPTION = "dataset: hl7v2-sample\nformat: hl7v2_messages\nconfirmed: true\n"


@dataclass(frozen=True, slots=True)
class Delimiters:
    """The five delimiters of a message, in the order of MSH-1 and MSH-2."""

    field: str = "|"
    component: str = "^"
    repetition: str = "~"
    escape: str = "\\"
    subcomponent: str = "&"

    def text(self, value: object) -> str:
        """Return data with every delimiter in it escaped (HL7 v2.8, chapter 2.7)."""
        signs = {self.field: "F", self.component: "S", self.repetition: "R", self.escape: "E", self.subcomponent: "T"}
        names = {ord(sign): f"{self.escape}{name}{self.escape}" for sign, name in signs.items()}
        return "" if value is None else str(value).translate(names)

    def parts(self, *values: object) -> str:
        """Return components."""
        return self.component.join(self.text(value) for value in values).rstrip(self.component)

    def repeated(self, *values: str) -> str:
        """Return repetitions, empty ones left out."""
        return self.repetition.join(value for value in values if value)

    def segment(self, name: str, fields: Mapping[int, str]) -> str:
        """Return a segment with these fields, by number."""
        values = [fields.get(number, "") for number in range(1, max(fields, default=0) + 1)]
        return self.field.join([name, *values]).rstrip(self.field)


PLAIN = Delimiters()
_OTHER = Delimiters("#", ":", "*", "!", "$")


def write_hl7v2(population: Population, folder: Path) -> None:
    """Write a population as files of messages, with its `dataset.yaml`, into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    cases = sorted(cases_of(population), key=lambda case: (case.stay["admit_date"], case.stay["encounter_id"]))
    notes = {row["encounter_id"]: row for row in population.notes.to_pylist()}
    adt = list(_admissions(cases))
    _write(folder / "adt.hl7", b"".join(_lines(message, b"\r") for message in adt))
    billed = [case for case in cases if case.stay["encounter_class"] in _CLASSES]
    framed = (b"\x0b" + _lines(_account(case), b"\r") + b"\x1c\r" for case in billed)
    _write(folder / "bar.hl7", b"".join(framed))
    charges = [_charges(case) for case in cases if case.lines]
    head = [PLAIN.segment("FHS", {1: "^~\\&"}), PLAIN.segment("BHS", {1: "^~\\&"})]
    tail = [PLAIN.segment("BTS", {1: str(len(charges))}), PLAIN.segment("FTS", {1: "1"})]
    _write(folder / "dft.hl7", b"".join(_lines(message, b"\n") for message in [head, *charges, tail]))
    documents = [_document(case, notes[key]) for case in cases if (key := case.stay["encounter_id"]) in notes]
    _write(folder / "mdm.hl7", b"".join(_lines(message, b"\r\n") for message in documents))
    _write(folder / "dataset.yaml", _DESCRIPTION.encode())


def _write(path: Path, data: bytes) -> None:
    path.write_bytes(data)


def _lines(segments: Iterable[str], end: bytes) -> bytes:
    return b"".join(segment.encode() + end for segment in segments)


def _time(day: date, hour: int) -> str:
    return f"{day:%Y%m%d}{hour:02}3000-0500"


def _number(person: Row, *, is_old: bool = False) -> str:
    """Return a patient's number, or the one by which some were known before."""
    return f"7{person['mrn'][1:]}-0" if is_old else person["mrn"]


def _has_old_number(person: Row) -> bool:
    return int(person["mrn"]) % _MERGED == 0


def _admissions(cases: list[Case]) -> Iterator[list[str]]:
    seen: set[str] = set()
    for case in cases:
        key, is_first = case.stay["patient_id"], case.stay["patient_id"] not in seen
        seen.add(key)
        is_old = is_first and _has_old_number(case.person)
        yield _registration(case, is_old=is_old)
        yield _discharge(case, is_old=is_old)
        if is_first:
            yield _update(case, is_old=is_old)
        if is_old:
            yield _merge(case)


def _head(case: Case, event: str, day: date, hour: int, signs: Delimiters = PLAIN) -> Iterator[str]:
    type_ = event.partition("^")[0]
    stay = case.stay
    control = f"{type_}{stay['encounter_id']}{event[-3:]}"
    yield signs.segment(
        "MSH",
        {
            1: f"{signs.component}{signs.repetition}{signs.escape}{signs.subcomponent}",
            2: type_,
            3: signs.text(stay["facility_id"]),
            6: _time(day, hour),
            8: event.replace("^", signs.component),
            9: control,
            10: "P",
            11: "2.5.1",
            17: "UNICODE UTF-8",
        },
    )
    yield signs.segment("EVN", {1: event[-3:], 2: _time(day, hour)})


def _identity(case: Case, signs: Delimiters = PLAIN, *, is_old: bool = False) -> str:
    person = case.person
    birth_name = signs.parts(person["maiden_name"], person["first_name"], "", "", "", "", "M")
    fields = {
        1: "1",
        3: signs.repeated(
            signs.parts(person["ssn"], "", "", "USSSA", "SS"),
            signs.parts(_number(person, is_old=is_old), "", "", "HOSP", "MR"),
            signs.parts(person["member_id"], "", "", "CMS", "MB"),
        ),
        5: signs.repeated(
            signs.parts(person["last_name"], person["first_name"], person["middle_name"], "", "", "", "L"),
            birth_name if person["maiden_name"] else "",
        ),
        7: f"{person['birth_date']:%Y%m%d}",
        8: person["sex"],
        10: signs.parts(_RACES[person["race"]], "", "CDCREC") if person["race"] in _RACES else "",
        11: signs.parts(
            person["street_address"], "", person["city"], person["state"], person["zip_code"], "USA", "H", "",
            person["county"],
        ),
        13: signs.repeated(
            signs.parts(person["phone"], "PRN", "PH") if person["phone"] else "",
            signs.parts("", "NET", "Internet", person["email"]) if person["email"] else "",
        ),
        15: signs.text(person["language"]),
        16: signs.text(person["marital_status"]),
        18: signs.parts(case.stay["account_number"], "", "", "BILL", "AN"),
        19: signs.text(person["ssn"].replace("-", "")),
        22: _ETHNICITIES.get(person["ethnicity"], ""),
        29: _time(person["death_date"], 23) if person["death_date"] else "",
        30: "Y" if person["death_date"] else "N",
    }  # fmt: skip
    return signs.segment("PID", fields)


def _visit(case: Case, signs: Delimiters = PLAIN, *, is_over: bool) -> str:
    stay = case.stay
    kind = _CLASSES.get(stay["encounter_class"], "O")
    fields = {
        1: "1",
        2: kind,
        3: signs.parts("W3", "214", "B", stay["facility_id"]),
        4: "E" if kind == "E" else "R",
        7: signs.parts(stay["npi"], "", "", "", "", "", "", "", "NPPES", "", "", "", "NPI"),
        10: "MED",
        19: signs.parts(stay["encounter_id"], "", "", "HOSP", "VN"),
        36: signs.text(stay["discharge_status"]) if is_over else "",
        44: _time(stay["admit_date"], 9),
        45: _time(stay["discharge_date"], 11) if is_over else "",
    }
    return signs.segment("PV1", fields)


def _relative(case: Case) -> str:
    given, _, family = case.person["contact_name"].partition(" ")
    return PLAIN.segment("NK1", {1: "1", 2: PLAIN.parts(family, given), 3: PLAIN.text(case.person["contact_relation"])})


def _registration(case: Case, *, is_old: bool) -> list[str]:
    event = "ADT^A01" if case.stay["encounter_class"] == "inpatient" else "ADT^A04"
    hidden = PLAIN.segment("ZPI", {1: "1", 2: PLAIN.parts(case.person["last_name"], case.person["first_name"])})
    head = _head(case, event, case.stay["admit_date"], 9)
    return [*head, _identity(case, is_old=is_old), _relative(case), _visit(case, is_over=False), hidden]


def _discharge(case: Case, *, is_old: bool) -> list[str]:
    head = _head(case, "ADT^A03", case.stay["discharge_date"], 11)
    visit = _visit(case, is_over=True)
    return [*head, _identity(case, is_old=is_old), visit, *_diagnoses(case), *_procedures(case)]


def _update(case: Case, *, is_old: bool) -> list[str]:
    head = _head(case, "ADT^A08", case.stay["discharge_date"], 12)
    return [*head, _identity(case, is_old=is_old), _visit(case, is_over=True)]


def _merge(case: Case) -> list[str]:
    prior = PLAIN.parts(_number(case.person, is_old=True), "", "", "HOSP", "MR")
    head = _head(case, "ADT^A40", case.stay["discharge_date"], 13)
    return [*head, _identity(case), PLAIN.segment("MRG", {1: prior})]


def _diagnoses(case: Case) -> Iterator[str]:
    for row in case.diagnoses:
        yield PLAIN.segment(
            "DG1",
            {
                1: str(row["sequence"]),
                3: PLAIN.parts(row["icd10cm"], "", "I10C"),
                5: f"{case.stay['admit_date']:%Y%m%d}",
                6: "F",
                15: str(row["sequence"]),
                26: PLAIN.text(row["present_on_admission"]),
            },
        )
    # A local list whose codes are the patient's own number: it must never be read.
    yield PLAIN.segment("DG1", {1: "99", 3: PLAIN.parts(case.person["mrn"], "see chart", "99CHART")})


def _procedures(case: Case) -> Iterator[str]:
    for row in case.lines:
        system = "C4" if row["cpt"][0].isdigit() else "HCPCS"
        fields = {1: str(row["line"]), 3: PLAIN.parts(row["cpt"], "", system), 5: f"{row['procedure_date']:%Y%m%d}"}
        if row["icd10pcs"] is not None:
            fields[3] = PLAIN.parts(row["icd10pcs"], "", "I10P", row["cpt"], "", system)
        yield PLAIN.segment("PR1", fields | ({16: PLAIN.text(row["modifier"])} if row["modifier"] else {}))


def _account(case: Case) -> list[str]:
    head = _head(case, "BAR^P01", case.stay["discharge_date"], 14)
    person = case.person
    insured = {
        1: "1",
        2: "MCR",
        4: "Medicare",
        16: PLAIN.parts(person["last_name"], person["first_name"]),
        17: "SEL",
        36: PLAIN.text(person["member_id"]),
    }
    guarantor = {1: "1", 3: PLAIN.parts(person["last_name"], person["first_name"]), 11: "SEL", 12: person["ssn"]}
    return [
        *head,
        _identity(case),
        _visit(case, is_over=True),
        *_diagnoses(case),
        *([PLAIN.segment("DRG", {1: PLAIN.text(case.stay["drg"])})] if case.stay["drg"] else []),
        PLAIN.segment("GT1", guarantor),
        PLAIN.segment("IN1", insured),
    ]


def _charges(case: Case) -> list[str]:
    head = _head(case, "DFT^P03", case.stay["discharge_date"], 15)
    return [*head, _identity(case), _visit(case, is_over=True), *(_charge(case, row) for row in case.lines)]


def _charge(case: Case, row: Row) -> str:
    system = "C4" if row["cpt"][0].isdigit() else "HCPCS"
    fields = {
        1: str(row["line"]),
        2: f"{case.stay['account_number']}-{row['line']}",
        4: f"{row['procedure_date']:%Y%m%d}",
        5: f"{case.stay['discharge_date']:%Y%m%d}",
        6: "CG",
        7: PLAIN.parts(f"CDM{case.person['mrn']}", "charge", "L"),
        10: str(row["units"]),
        11: f"{row['charge']}{PLAIN.subcomponent}USD",
        19: PLAIN.parts(case.diagnoses[0]["icd10cm"], "", "I10C") if case.diagnoses else "",
        20: PLAIN.parts(case.stay["npi"]),
        25: PLAIN.parts(row["cpt"], "", system),
        26: PLAIN.text(row["modifier"]),
    }
    return PLAIN.segment("FT1", fields)


def _document(case: Case, note: Row) -> list[str]:
    """Return a transcribed note, one OBX for each line of it, in other delimiters than everybody's."""
    signs = _OTHER
    lines = note["note_text"].split("\n")
    return [
        *_head(case, "MDM^T02", note["note_date"], 16, signs),
        _identity(case, signs),
        _visit(case, signs, is_over=True),
        signs.segment(
            "TXA", {1: "1", 2: "DS", 3: "TX", 4: _time(note["note_date"], 16), 12: note["note_id"], 17: "AU"}
        ),
        *(
            signs.segment("OBX", {1: str(number), 2: "TX", 3: signs.parts("18842-5", "", "LN"), 5: signs.text(line)})
            for number, line in enumerate(lines, start=1)
        ),
    ]
