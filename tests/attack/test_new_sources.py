"""Hostile inputs of the formats that bring their own descriptions: what people type, and who is taken for whom."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import x12_claims
from attack.inputs import wide
from tiny_sources import EXPERT, LIMITED, SAFE, World, write_csv

from deid.errors import SourceError

# Typed where a code, a number of a provider or a town was asked for: none of it may leave under any policy.
CANARIES = ("SON JOHN", "QUIXWERBLE", "917-66-4242", "917664242", "5155550123", "12 ELM ROAD", "JOHN@EXAMPLE")
POLICIES = (SAFE, LIMITED, EXPERT)
Rows = dict[str, list[dict[str, Any]]]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """One site for the releases of this module."""
    return World(tmp_path_factory.mktemp("hostile") / "site")


@pytest.fixture
def released(world: World, tmp_path: Path) -> Any:
    """Describe what lies in a folder, release every described column but those named, and return the rows."""

    def release(policy: str, format_: str, *, tables: dict[str, list[str]] | None = None, **fields: Any) -> Rows:
        path = tmp_path / "dataset.yaml"
        path.write_text(json.dumps({"dataset": "hostile", "format": format_} | fields))
        asked = tables or {name: columns for name, columns in wide(path).items() if columns}
        return world.released(path, asked, policy=policy)

    return release


def cells(rows: Rows) -> Iterator[str]:
    """Yield every cell of a release as text, upper case."""
    for table in rows.values():
        for row in table:
            yield from (str(cell).upper().removesuffix(".0") for cell in row.values() if cell is not None)


def message(kind: str, control: int, *segments: str, facility: str = "HILL") -> str:
    """Return an HL7 v2 message."""
    return "\r".join([f"MSH|^~\\&|A|{facility}|R|R|20250301||{kind}|{control}|P|2.5.1", *segments]) + "\r"


def stay(number: str, name: str, visit: str, *, born: str = "19700102", facility: str = "HILL", extra: str = "") -> str:
    """Return the message that ends a stay, with what people type into places and numbers of providers."""
    location = "HOME - SON JOHN 5155550123"
    fields = {1: "1", 2: "I", 3: f"{location}^QUIXWERBLE^917-66-4242", 7: "917664242^VALE^IDA", 19: visit}
    fields |= {36: "01", 37: location, 39: "12 ELM ROAD", 44: "20250110", 45: "20250112"}
    pv1 = "|".join(["PV1", *(fields.get(n, "") for n in range(1, 46))])
    pid = f"PID|1||{number}||{name}||{born}|F|||12 ELM ROAD^^12 ELM ROAD AMES^IA^50010|12 ELM ROAD"
    return message("ADT^A03", 1, "EVN|A03|20250301", pid, pv1, *filter(None, [extra]), facility=facility)


ASKED_HL7 = {
    "patients": ["patient_id", "birth_date", "sex", "city", "county"],
    "encounters": ["patient_id", "encounter_id", "unit", "room", "bed", "discharged_to", "servicing_facility",
                   "attending_provider", "discharge_status"],
}  # fmt: skip


@pytest.mark.parametrize("policy", [SAFE, LIMITED])
def test_what_is_typed_into_hl7_places_and_numbers_stays(released: Any, tmp_path: Path, policy: str) -> None:
    """Destinations, beds, numbers of doctors and towns of HL7 v2 hold a name, a telephone number and a street: none leaves."""
    (tmp_path / "a.hl7").write_text(stay("1001^^^HILL^MR", "QUILL^OTTO", "V1"))
    found = released(policy, "hl7v2_messages", tables=ASKED_HL7)
    assert len(found["encounters"]) == 1
    assert [cell for cell in cells(found) if any(canary in cell for canary in CANARIES)] == []


def test_one_number_of_two_hospitals_is_refused(released: Any, tmp_path: Path) -> None:
    """Number 1001 of two facilities, neither of which names an authority, may be two people: never one patient."""
    (tmp_path / "a.hl7").write_text(stay("1001", "QUILL^OTTO", "V1") + stay("1001", "ROE^IDA", "V2", facility="DALE"))
    with pytest.raises(SourceError, match="MSH-4") as refused:
        released(LIMITED, "hl7v2_messages", tables=ASKED_HL7)
    assert not any(word in f"{refused.value} {refused.value.hint}" for word in ("1001", "HILL", "DALE"))
    (tmp_path / "a.hl7").write_text(stay("1001", "QUILL^OTTO", "V1") + stay("1002", "ROE^IDA", "V2", facility="DALE"))
    assert len(released(LIMITED, "hl7v2_messages", tables=ASKED_HL7)["patients"]) == 2


@pytest.mark.parametrize(("retired", "surviving"), [("2001", "2002^^^HILL^MR"), ("2001^^^HILL^MR", "2002")])
def test_a_merge_without_one_authority_still_merges(
    released: Any, tmp_path: Path, retired: str, surviving: str
) -> None:
    """Where a merge writes one number without its authority, the person does not become two patients."""
    text = stay("2001^^^HILL^MR", "GREY^EVE", "V1") + stay("2002^^^HILL^MR", "GREY^EVE", "V2")
    merge = message("ADT^A40", 9, "EVN|A40|20250401", f"PID|1||{surviving}||GREY^EVE", f"MRG|{retired}")
    (tmp_path / "a.hl7").write_text(text + merge)
    found = released(LIMITED, "hl7v2_messages", tables=ASKED_HL7)
    assert len({row["patient_id"] for row in found["encounters"]}) == 1
    assert len(found["encounters"]) == 2


def test_notes_are_searched_for_names_that_other_tables_tell(released: Any, tmp_path: Path) -> None:
    """A name from after a marriage, a relative's and a guarantor's are taken out, though the population holds none."""
    text = "patient quixwerble zandobrith came with oblomovsky and vrontide and fever"
    parts = []
    for number in range(11):
        who = f"{number}^^^HILL^MR"
        own = "NK1|1|OBLOMOVSKY^PIOTR|SPO\rGT1|1||VRONTIDE^LEX"
        parts.append(stay(who, "QUIXWERBLE^ANN", f"V{number}", extra=own))
        pid = f"PID|1||{who}||ZANDOBRITH^ANN||19700102|F"
        note = (f"PV1|1|I|||||||||||||||||V{number}", "TXA|1|DS|TX|20250111", f"OBX|1|TX|||{text}")
        parts.append(message("MDM^T02", 2, "EVN|T02|20250301", pid, *note))
    (tmp_path / "a.hl7").write_text("".join(parts))
    tables = {"patients": ["patient_id", "birth_date", "sex"], "documents": ["patient_id", "text"]}
    found = released(EXPERT, "hl7v2_messages", tables=tables)
    texts = [row["text"] for row in found["documents"]]
    assert len(texts) == 11
    assert all("fever" in note for note in texts)
    names = ("quixwerble", "zandobrith", "oblomovsky", "vrontide")
    assert [name for name in names if any(name in note for note in texts)] == []


def claim(*levels: str) -> str:
    """Return an interchange whose head and levels are followed by one claim each."""
    return x12_claims.interchange([*x12_claims.HEAD, *levels])


def test_dependents_who_repeat_the_subscribers_number_are_people_of_their_own(released: Any, tmp_path: Path) -> None:
    """A family whose children are sent under the subscriber's number is not one patient with one birth date."""
    one = [*x12_claims.CLAIM, *x12_claims.LINE]
    children = [x12_claims.dependent(3, name="QUILL*IDA"), x12_claims.dependent(4, name="QUILL*TOM", born="19300607")]
    for child in children:
        child[2] += "****MI*M-100 "
    family = [*x12_claims.subscriber(is_patient=False), *children[0], *one, *children[1], *one]
    parent = [*x12_claims.HEAD, *x12_claims.subscriber(), *one]
    (tmp_path / "a.txt").write_text(x12_claims.interchange([*x12_claims.HEAD, *family], parent))
    tables = {"patients": ["patient_id", "birth_date"], "claims": ["patient_id", "claim_id"]}
    found = released(LIMITED, "x12_837", files="*.txt", tables=tables)
    assert sorted(row["birth_date"].year for row in found["patients"]) == [1930, 1970, 2015]
    assert len({row["patient_id"] for row in found["claims"]}) == 3


def test_a_dependent_without_a_subscribers_number_keeps_its_own(tmp_path: Path) -> None:
    """A dependent's own number stands where the subscriber has none."""
    child = x12_claims.dependent(name="QUILL*IDA")
    child[2] += "****MI*M-7"
    body = [*x12_claims.subscriber(member="", is_patient=False), *child, *x12_claims.CLAIM, *x12_claims.LINE]
    found = x12_claims.rows(tmp_path, claim(*body), "claims", "patient_id")
    assert found == [{"patient_id": "M-7"}]


def test_what_is_typed_into_x12_numbers_stays(released: Any, tmp_path: Path) -> None:
    """A tax number that is a Social Security number, HIPPS codes and payers' numbers that are names leave nowhere."""
    head = [*x12_claims.HEAD, "REF*SY*917664242"]
    people = [part.replace("PAY1", "SON JOHN") for part in x12_claims.subscriber()]
    line = ("LX*1", "SV2*0022*HP:QUIXWERBLE*125.5*UN*917664242", "DTP*472*D8*20250214")
    place = "CLM*ACCT-17*917664242***11:A:1**A*Y*Y"
    (tmp_path / "a.txt").write_text(x12_claims.interchange([*head, *people, place, *line], guide=x12_claims.I))
    for policy in (SAFE, LIMITED):
        found = released(policy, "x12_837", files="*.txt")
        assert len(found["lines"]) == 1
        assert [cell for cell in cells(found) if any(canary in cell for canary in CANARIES)] == []


def two_years(patient: dict[str, Any]) -> list[dict[str, Any]]:
    """Return resources of one patient, in a year that is over and in the running one, told apart by their codes."""

    def code(system: str, value: str) -> dict[str, Any]:
        return {"coding": [{"system": system, "code": value}]}

    found = [patient]
    subject = {"reference": f"Patient/{patient['id']}"}
    for year, letter in ((2025, "A"), (2026, "B")):
        span = {"start": f"{year}-03-04", "end": f"{year}-03-04"}
        sick = [{"sequence": 1, "diagnosisCodeableConcept": code("http://hl7.org/fhir/sid/icd-10-cm", f"{letter}41.9")}]
        done = [
            {"sequence": 1, "procedureCodeableConcept": code("http://hl7.org/fhir/sid/icd-10-pcs", f"0DTJ0Z{letter}")}
        ]
        found.append({"resourceType": "Encounter", "id": f"e{year}", "subject": subject, "period": span})
        for type_ in ("Claim", "ExplanationOfBenefit"):
            told = {"patient": subject, "billablePeriod": span, "diagnosis": sick, "procedure": done}
            found.append({"resourceType": type_, "id": f"{type_[0]}{year}"} | told)
    return found


@pytest.mark.parametrize("format_", ["us_core_json", "carin_eob"])
def test_diagnoses_of_claims_of_the_running_year_wait(released: Any, tmp_path: Path, format_: str) -> None:
    """Parts of a claim that tell no day go with their claim: under Safe Harbor nothing of this year's is there."""
    entries = [
        {"resource": one} for one in two_years({"resourceType": "Patient", "id": "p", "birthDate": "1970-01-02"})
    ]
    (tmp_path / "b.json").write_text(json.dumps({"resourceType": "Bundle", "entry": entries}))
    found = released(SAFE, format_)
    parts = [name for name in found if name.endswith(("_diagnoses", "_procedures"))]
    assert len(parts) == {"us_core_json": 3, "carin_eob": 2}[format_]
    assert {name: len(found[name]) for name in parts} == dict.fromkeys(parts, 1)
    assert not any(cell.startswith(("B41", "0DTJ0ZB")) for cell in cells(found))


def write_omop(folder: Path) -> None:
    """Write one person with notes and episodes of a year that is over and of the running one."""
    tables = {
        "person": "person_id,gender_concept_id,year_of_birth,month_of_birth,day_of_birth,person_source_value;1,8532,1970,1,2,M1",
        "visit_occurrence": "visit_occurrence_id,person_id,visit_start_date,visit_end_date;1,1,2025-03-04,2025-03-05",
        "note": "note_id,person_id,note_date,visit_occurrence_id;11,1,2025-03-04,;12,1,2026-03-04,",
        "note_nlp": "note_nlp_id,note_id,note_nlp_concept_id,nlp_date;1,11,301,2026-03-04;2,12,302,2026-03-04",
        "episode": "episode_id,person_id,episode_start_date;21,1,2025-03-04;22,1,2026-03-04",
        "episode_event": "episode_id,event_id,episode_event_field_concept_id;21,1,401;22,2,402",
        "drug_exposure": "drug_exposure_id,person_id,drug_exposure_start_date,visit_occurrence_id,quantity,lot_number;"
        "1,1,2025-03-04,1,917664242,SON JOHN",
        "death": "person_id,death_date;1,2025-05-05",
    }
    for name, text in tables.items():
        write_csv(folder / f"{name}.csv", [line.split(",") for line in text.split(";")])


def test_what_is_linked_to_a_row_of_the_running_year_waits_with_it(released: Any, tmp_path: Path) -> None:
    """What was found in a note, and the parts of an episode, tell no day of their own and go with note and episode."""
    write_omop(tmp_path)
    asked = {"person": ["person_id"], "note_nlp": ["note_nlp_id", "note_nlp_concept_id"],
             "episode_event": ["episode_event_field_concept_id"]}  # fmt: skip
    found = released(SAFE, "omop_cdm", tables=asked)
    assert [row["note_nlp_concept_id"] for row in found["note_nlp"]] == ["301"]
    assert [row["episode_event_field_concept_id"] for row in found["episode_event"]] == ["401"]
    whole = released(LIMITED, "omop_cdm", tables=asked)
    assert (len(whole["note_nlp"]), len(whole["episode_event"])) == (2, 2)


@pytest.mark.parametrize("policy", [SAFE, LIMITED])
def test_what_is_typed_into_omop_lots_and_amounts_stays(released: Any, tmp_path: Path, policy: str) -> None:
    """A name in a lot number and a Social Security number in a quantity leave nowhere."""
    write_omop(tmp_path)
    tables = {"person": ["person_id"], "drug_exposure": ["person_id", "quantity", "lot_number"]}
    found = released(policy, "omop_cdm", tables=tables)
    assert found["drug_exposure"][0]["quantity"] is None
    assert [cell for cell in cells(found) if any(canary in cell for canary in CANARIES)] == []


def test_the_built_in_descriptions_call_a_code_of_death_one(tmp_path: Path) -> None:
    """Why Medicare ended may be a death, which k counts: RIF, Blue Button and the history of beneficiaries agree."""
    from deid.sources import load_dataset

    (tmp_path / "d.yaml").write_text("dataset: d\nformat: carin_eob\n")
    (tmp_path / "b.json").write_text('{"resourceType": "Patient", "id": "p"}')
    coverages = load_dataset(tmp_path / "d.yaml").table("coverages")
    assert coverages is not None
    ended = [column for column in coverages.columns if column.name.endswith("_termination")]
    assert [column.kind.name for column in ended] == ["deceased", "deceased"]
