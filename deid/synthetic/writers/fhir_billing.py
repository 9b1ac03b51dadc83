"""FHIR Claim and CARIN Blue Button ExplanationOfBenefit."""

from __future__ import annotations

from collections.abc import Iterator

from deid.synthetic.writers.fhir_terms import (
    CPT,
    HL7,
    ICD10,
    NUBC,
    Case,
    Resource,
    Row,
    act_code,
    coded,
    doctor,
    facility,
    moment,
    money,
)

_PCS = "http://www.cms.gov/Medicare/Coding/ICD10"
_POS = "https://www.cms.gov/Medicare/Coding/place-of-service-codes/Place_of_Service_Code_Set"
_DRG = (
    "https://www.cms.gov/Medicare/Payment/Medicare-Fee-for-Service-Payment/AcuteInpatientPPS/"
    "MS-DRG-Classifications-and-Software"
)


def _billed(case: Case, kind: str) -> Resource:
    stay = case.stay
    institutional = stay["encounter_class"] in ("inpatient", "emergency", "outpatient")
    period = {"start": stay["admit_date"].isoformat(), "end": stay["discharge_date"].isoformat()}
    return {
        "resourceType": kind,
        "identifier": [{"system": "http://payer.example.org/claim", "value": stay["account_number"]}],
        "status": "active",
        "type": coded(f"{HL7}/claim-type", "institutional" if institutional else "professional"),
        "use": "claim",
        "patient": {"reference": f"Patient/{stay['patient_id']}"},
        "billablePeriod": period,
        "created": moment(stay["discharge_date"], hour=17),
        "provider": doctor(stay["npi"]),
        "facility": facility(stay),
    }


def _items(case: Case) -> Iterator[Resource]:
    for row in case.lines:
        item: Resource = {
            "sequence": row["line"],
            "revenue": coded(f"{NUBC}/RevenueCodes", row["revenue_code"]),
            "productOrService": act_code(row),
            "servicedDate": row["procedure_date"].isoformat(),
            "quantity": {"value": row["units"]},
            "net": money(row["charge"]),
            "encounter": [{"reference": f"Encounter/{row['encounter_id']}"}],
        }
        if row["modifier"] is not None:
            item["modifier"] = [coded(CPT, row["modifier"])]
        yield item


def claims(cases: list[Case]) -> Iterator[Resource]:
    """Yield a Claim for each encounter."""
    for case in cases:
        yield _billed(case, "Claim") | {
            "id": f"{case.stay['encounter_id']}-c",
            "diagnosis": [
                {"sequence": row["sequence"], "diagnosisCodeableConcept": coded(ICD10, row["icd10cm"])}
                for row in case.diagnoses
            ],
            "item": list(_items(case)),
            "total": money(case.stay["total_charge"]),
        }


def explanations(cases: list[Case]) -> Iterator[Resource]:
    """Yield an ExplanationOfBenefit for each encounter, with what an inpatient stay adds."""
    for case in cases:
        submitted = coded(f"{HL7}/adjudication", "submitted")
        where = {"locationCodeableConcept": coded(_POS, case.stay["place_of_service"])}
        items = [
            item | where | {"adjudication": [{"category": submitted, "amount": item["net"]}]} for item in _items(case)
        ]
        acts = [row for row in case.lines if row["icd10pcs"] is not None]
        yield _billed(case, "ExplanationOfBenefit") | {
            "id": f"{case.stay['encounter_id']}-e",
            "claim": {"reference": f"Claim/{case.stay['encounter_id']}-c"},
            "outcome": "complete",
            "supportingInfo": list(_supporting(case)),
            "diagnosis": [_explained(row) for row in case.diagnoses],
            "procedure": [
                {"sequence": at, "date": moment(row["procedure_date"]),
                 "procedureCodeableConcept": coded(_PCS, row["icd10pcs"])}
                for at, row in enumerate(acts, start=1)
            ],
            "item": items,
            "total": [{"category": submitted, "amount": money(case.stay["total_charge"])}],
        }  # fmt: skip


def _explained(row: Row) -> Resource:
    type_ = "principal" if row["sequence"] == 1 else "secondary"
    diagnosis = {
        "sequence": row["sequence"],
        "diagnosisCodeableConcept": coded(ICD10, row["icd10cm"]),
        "type": [coded(f"{HL7}/ex-diagnosistype", type_)],
    }
    if row["present_on_admission"] is not None:
        diagnosis["onAdmission"] = coded(f"{NUBC}/PresentOnAdmissionIndicator", row["present_on_admission"])
    return diagnosis


def _supporting(case: Case) -> Iterator[Resource]:
    stay = case.stay
    if stay["encounter_class"] != "inpatient":
        return
    category = "http://hl7.org/fhir/us/carin-bb/CodeSystem/C4BBSupportingInfoType"
    period = {"start": stay["admit_date"].isoformat(), "end": stay["discharge_date"].isoformat()}
    yield {"sequence": 1, "category": coded(category, "admissionperiod"), "timingPeriod": period}
    yield {"sequence": 2, "category": coded(category, "drg"), "code": coded(_DRG, stay["drg"])}
    status = coded(f"{NUBC}/PatDischargeStatus", stay["discharge_status"])
    yield {"sequence": 3, "category": coded(category, "discharge-status"), "code": status}
