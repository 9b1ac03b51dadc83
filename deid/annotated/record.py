"""What the record of a document's patient would hold, as pairs of a kind and its text."""

from __future__ import annotations

from collections.abc import Iterable

from deid.annotated.filling import Piece
from deid.annotated.scene import Scene

PATIENT = "a"
# How often a record holds what its note says, by slot: tables know numbers better than people.
_HELD: dict[str, tuple[str, float]] = {
    "MRN": ("mrn", 0.9),
    "ACCOUNT": ("account_number", 0.8),
    "MEMBER": ("member_id", 0.8),
    "MBI": ("member_id", 0.9),
    "SSN": ("ssn", 0.9),
    "NPI": ("npi", 0.7),
    "LICENSE": ("license_number", 0.6),
    "DEVICE": ("device_id", 0.6),
    "UDI": ("device_id", 0.6),
    "VIN": ("vehicle_id", 0.3),
    "CLAIM": ("claim_id", 0.8),
    "ENCOUNTER": ("encounter_id", 0.9),
    "PHONE": ("phone", 0.6),
    "FAX": ("fax", 0.4),
    "EMAIL": ("email", 0.7),
    "FACILITY": ("facility_name", 0.7),
    "STREET": ("street_address", 0.5),
    "ZIP": ("zip_code", 0.6),
}
_PLACES = {"street": "street_address", "city": "city", "zip": "zip_code"}


def identifiers(scene: Scene, pieces: Iterable[Piece]) -> tuple[tuple[str, str], ...]:
    """The identifiers of the patient, and of those who care for them, that tables beside the note would hold.

    The patient's own name, birth date and address are always among them; others' names, numbers and days for the most
    part.
    """
    dice = scene.dice
    found: dict[tuple[str, str], None] = {}
    patient = scene.kept.get(("person", PATIENT))
    if patient is not None:
        found["person_name", f"{patient.given} {patient.middle + ' ' if patient.middle else ''}{patient.last}"] = None
        found["birth_date", patient.born.isoformat()] = None
    for what, kind in _PLACES.items():
        value = scene.kept.get((what, PATIENT))
        if value:
            found[kind, " ".join(value.split())] = None
    for who in scene.others:
        if dice.random() < 0.6:
            found["provider_name", f"{who.given} {who.last}"] = None
    for day in scene.days:
        if dice.random() < 0.6:
            found["service_date", day.isoformat()] = None
    for text, _, slot in pieces:
        held = _HELD.get(slot)
        if held is not None and dice.random() < held[1]:
            found[held[0], " ".join(text.split())] = None
    return tuple(found)
