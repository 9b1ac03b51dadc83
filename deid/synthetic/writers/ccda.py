"""C-CDA R2.1 documents: a Continuity of Care Document for each patient, a Discharge Summary for each inpatient stay.

The hazards of real documents are in them: a stylesheet, comments, three encodings, Social Security numbers before the
hospital's own, codes that stand in translations beside local ones made of the patient's number, denied allergies,
planned procedures, refused vaccinations, a father's history, and narratives that name the patient.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from deid.synthetic.population import Population
from deid.synthetic.writers.ccda_parts import (
    ENTRY,
    HL7,
    LOCAL,
    MRN,
    SYSTEMS,
    VISIT,
    coded,
    doctor,
    moment,
    number,
    place,
    relative,
    span,
    story,
    tag,
    target,
    template,
    text,
    visit_time,
)
from deid.synthetic.writers.fhir_terms import Case, Row, cases_of

_DESCRIPTION = "dataset: ccda-sample\nformat: ccda_r21\nconfirmed: true\n"
_NAMESPACES = {
    "xmlns": "urn:hl7-org:v3",
    "xmlns__sdtc": "urn:hl7-org:sdtc",
    "xmlns__xsi": "http://www.w3.org/2001/XMLSchema-instance",
}
_CLASSES = {"inpatient": "IMP", "emergency": "EMER", "virtual": "VR", "home": "HH"}
_STYLESHEET = '<?xml-stylesheet type="text/xsl" href="CDA.xsl"?>\n<!-- Nobody here ever lived. -->\n'
_ENCODINGS: tuple[tuple[str, Callable[[str], bytes]], ...] = (
    ("UTF-8", lambda text: text.encode()),
    ("UTF-16", lambda text: codecs.BOM_UTF16_LE + text.encode("utf-16-le")),
    ("ISO-8859-1", lambda text: text.encode("latin-1", "xmlcharrefreplace")),
    ("utf-8", lambda text: codecs.BOM_UTF8 + text.encode()),
)


def write_ccda(population: Population, folder: Path) -> None:
    """Write the documents of a population, with a `dataset.yaml`, into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    cases: dict[str, list[Case]] = {}
    for case in cases_of(population):
        cases.setdefault(case.stay["patient_id"], []).append(case)
    drugs, notes = _grouped(population.drugs.to_pylist()), _grouped(population.notes.to_pylist())
    for at, (_, own) in enumerate(sorted(cases.items())):
        visits = [case for case in own if case.stay["encounter_class"] != "inpatient"]
        stays = [case for case in own if case.stay["encounter_class"] == "inpatient"]
        _write(folder / f"ccd-{at + 1:02}.xml", _summary(own[0].person, visits, drugs, notes), at)
        for number_, stay in enumerate(stays, start=1):
            _write(folder / f"discharge-{at + 1:02}-{number_}.xml", _discharge(stay, drugs, notes), at)
    (folder / "dataset.yaml").write_text(_DESCRIPTION, encoding="utf-8")


def _grouped(rows: Iterable[Row]) -> dict[str, list[Row]]:
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row["encounter_id"], []).append(row)
    return groups


def _write(path: Path, document: str, at: int) -> None:
    name, encode = _ENCODINGS[at % len(_ENCODINGS)]
    lines = document.replace("><entry", ">\n<entry").replace("><section", ">\n<section").replace("><rec", ">\n<rec")
    path.write_bytes(encode(f'<?xml version="1.0" encoding="{name}"?>\n{_STYLESHEET}{lines}\n'))


def _document(
    person: Row, last: str, loinc: str, key: str, day: str, header: Iterable[str], body: Iterable[str]
) -> str:
    parts = (
        tag("realmCode", code="US"),
        tag("templateId", root=f"{HL7}.10.20.22.1.{last}", extension="2015-08-01"),
        number(f"{LOCAL}.7", key),
        coded("code", "loinc", loinc),
        text("title", f"Record of {person['first_name']} {person['last_name']}"),
        tag("effectiveTime", value=day),
        tag("languageCode", code="en-US"),
        target(person),
        *header,
    )
    sections = (tag("component", one) for one in body if one)
    return tag("ClinicalDocument", *parts, tag("component", tag("structuredBody", *sections)), **_NAMESPACES)


def _summary(person: Row, visits: list[Case], drugs: dict[str, list[Row]], notes: dict[str, list[Row]]) -> str:
    last = max((case.stay["discharge_date"] for case in visits), default=person["birth_date"])
    taken = [row for case in visits for row in drugs.get(case.stay["encounter_id"], [])]
    body = (
        _section("46240-8", (_visit(case) for case in visits), story(visits[0]) if visits else ""),
        _section("47519-4", (entry for case in visits for entry in _procedures(case))),
        _section("10160-0", (_medication(row) for row in taken)),
        _section("48765-2", [_allergy(person)]),
        _section("11369-6", _vaccinations(last)),
        _section("8716-3", [_vitals(person, last)]),
        _section("10157-6", [_father()]),
        _section("48768-6", [_policy(person)]),
        *(_note(row) for case in visits for row in notes.get(case.stay["encounter_id"], [])),
    )
    header = (_author(visits[0].stay["npi"], last) if visits else "", relative(person))
    return _document(person, "2", "34133-9", f"C{person['patient_id']}", moment(last, 18), header, body)


def _discharge(case: Case, drugs: dict[str, list[Row]], notes: dict[str, list[Row]]) -> str:
    stay, person = case.stay, case.person
    facility, name = place(stay)
    visit = tag(
        "encompassingEncounter",
        number(VISIT, stay["encounter_id"]),
        coded("code", "act", "IMP"),
        visit_time(stay),
        coded("dischargeDispositionCode", "discharge", stay["discharge_status"]) if stay["discharge_status"] else "",
        doctor("encounterParticipant", stay["npi"]),
        tag("location", tag("healthCareFacility", facility, tag("location", name))),
    )
    diagnoses = (_problem(case, row) for row in case.diagnoses)
    held = tag("act", template("33"), coded("code", "loinc", "11535-2"), *map(_related, diagnoses), moodCode="EVN")
    body = (
        _section("11535-2", [held], story(case)),
        _section("47519-4", _procedures(case)),
        _section("10183-2", (_medication(row) for row in drugs.get(stay["encounter_id"], []))),
        *(_note(row) for row in notes.get(stay["encounter_id"], [])),
    )
    header = (_author(stay["npi"], stay["discharge_date"]), relative(person), tag("componentOf", visit))
    key = f"D{stay['encounter_id']}"
    return _document(person, "8", "18842-5", key, moment(stay["discharge_date"], 18), header, body)


def _author(npi: str, day: object) -> str:
    entity = tag("assignedAuthor", number(f"{HL7}.4.6", npi))
    return tag("author", tag("time", value=f"{day:%Y%m%d}"), entity)


def _section(loinc: str, entries: Iterable[str], narrative: str = "") -> str:
    held = [tag("entry", entry) for entry in entries if entry]
    return tag("section", coded("code", "loinc", loinc), narrative, *held) if held or narrative else ""


def _related(entry: str) -> str:
    return tag("entryRelationship", entry, typeCode="SUBJ")


def _problem(case: Case, row: Row) -> str:
    own = tag("translation", code=case.person["mrn"], codeSystem=LOCAL, displayName="see chart")
    named = text("originalText", f"{case.person['last_name']}: see chart")
    # Every other diagnosis is coded as a translation of something that could not be coded.
    if row["sequence"] % 2:
        value = coded("value", "icd10cm", row["icd10cm"], named, own, xsi__type="CD")
    else:
        inner = coded("translation", "icd10cm", row["icd10cm"])
        value = tag("value", named, own, inner, xsi__type="CD", nullFlavor="OTH")
    key = number(LOCAL, f"{row['encounter_id']}-d{row['sequence']}")
    when = span(f"{case.stay['admit_date']:%Y%m%d}")
    done = tag("statusCode", code="completed")
    return tag("observation", template("4"), key, done, when, value, classCode="OBS", moodCode="EVN")


def _visit(case: Case) -> str:
    stay = case.stay
    facility, name = place(stay)
    held = tag("act", template("80"), *(_related(_problem(case, row)) for row in case.diagnoses), moodCode="EVN")
    role = tag("participantRole", facility, tag("playingEntity", name))
    return tag(
        "encounter",
        template("49"),
        number(VISIT, stay["encounter_id"]),
        coded("code", "act", _CLASSES.get(stay["encounter_class"], "AMB")),
        visit_time(stay),
        doctor("performer", stay["npi"]),
        tag("participant", role, typeCode="LOC"),
        _related(held),
        classCode="ENC",
        moodCode="EVN",
    )


def _procedures(case: Case) -> Iterator[str]:
    for row in case.lines:
        system = "cpt" if row["cpt"][0].isdigit() else "hcpcs"
        own = tag("translation", code=f"CDM{case.person['mrn']}", codeSystem=LOCAL)
        inpatient = coded("translation", "icd10pcs", row["icd10pcs"]) if row["icd10pcs"] else ""
        key = number(LOCAL, f"{row['encounter_id']}-p{row['line']}")
        when = tag("effectiveTime", value=moment(row["procedure_date"], 10))
        code = coded("code", system, row["cpt"], own, inpatient)
        done = tag("statusCode", code="completed")
        yield tag("procedure", template("14"), key, code, done, when, classCode="PROC", moodCode="EVN")
    if case.lines:
        planned = coded("code", "cpt", "45378")
        yield tag("procedure", template("14"), planned, classCode="PROC", moodCode="RQO")


def _material(code: str) -> str:
    return tag("consumable", tag("manufacturedProduct", tag("manufacturedMaterial", code)))


def _medication(row: Row) -> str:
    code = tag("code", coded("translation", "ndc", row["ndc"]), nullFlavor="UNK")
    when = span(f"{row['fill_date']:%Y%m%d}")
    key = number(LOCAL, f"{row['encounter_id']}-m{row['ndc']}-{row['fill_date']:%Y%m%d}")
    return tag("substanceAdministration", template("16"), key, when, _material(code), moodCode="INT")


def _allergy(person: Row) -> str:
    """Return an allergy to penicillin, or for every other person that there is none to anything."""
    key = number(LOCAL, f"{person['mrn']}-a")
    if int(person["mrn"]) % 2:
        value = coded("value", "snomed", "419199007", xsi__type="CD")
        return tag("observation", template("7"), key, value, moodCode="EVN", negationInd="true")
    value = coded("value", "snomed", "416098002", xsi__type="CD")
    substance = tag("playingEntity", coded("code", "rxnorm", "7980"))
    to = tag("participant", tag("participantRole", substance), typeCode="CSM")
    return tag("observation", template("7"), key, value, to, moodCode="EVN", negationInd="false")


def _vaccinations(day: object) -> Iterator[str]:
    when = tag("effectiveTime", value=f"{day:%Y%m%d}")
    yield tag("substanceAdministration", template("52"), when, _material(coded("code", "cvx", "141")), moodCode="EVN")
    reason = coded("code", "refusal", "PATOBJ")
    because = tag("entryRelationship", tag("observation", template("53"), reason, moodCode="EVN"), typeCode="RSON")
    refused = (template("52"), when, _material(coded("code", "cvx", "33")), because)
    yield tag("substanceAdministration", *refused, moodCode="EVN", negationInd="true")


def _vitals(person: Row, day: object) -> str:
    when = tag("effectiveTime", value=f"{day:%Y%m%d}")
    weight = 50 + int(person["mrn"]) % 50
    found = (("29463-7", str(weight), "kg"), ("8302-2", str(100 + weight), "cm"), ("8480-6", "120", "mm[Hg]"))
    signs = (
        tag(
            "observation",
            template("27"),
            coded("code", "loinc", loinc),
            when,
            tag("value", xsi__type="PQ", value=value, unit=unit),
            moodCode="EVN",
        )
        for loinc, value, unit in found
    )
    return tag("organizer", template("26"), *(tag("component", sign) for sign in signs), moodCode="EVN")


def _father() -> str:
    about = tag("subject", tag("relatedSubject", coded("code", "relation", "FTH"), classCode="PRS"))
    value = coded("value", "icd10cm", "C61", xsi__type="CD")
    observed = tag("observation", template("46"), template("4"), value, moodCode="EVN")
    return tag("organizer", template("45"), about, tag("component", observed), moodCode="EVN")


def _policy(person: Row) -> str:
    named = tag("assignedPerson", text("name", person["contact_name"]))
    guarantor = tag("assignedEntity", number(MRN, person["mrn"]), named)
    paying = tag("performer", tag("templateId", root=f"{ENTRY}.88"), guarantor)
    covered = tag("participant", tag("participantRole", number(LOCAL, person["member_id"])), typeCode="COV")
    policy = tag("act", template("61"), number(LOCAL, person["member_id"]), paying, covered, moodCode="EVN")
    return tag("act", template("60"), tag("entryRelationship", policy, typeCode="COMP"), moodCode="EVN")


def _note(row: Row) -> str:
    lines = (text("paragraph", line) for line in row["note_text"].split("\n"))
    told = (tag("templateId", root=f"{HL7}.10.20.22.2.65"), number(LOCAL, row["note_id"]))
    return tag("section", *told, tag("code", code="11506-3", codeSystem=SYSTEMS["loinc"]), tag("text", *lines))
