"""Policies that recode, and sources of people for them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tiny_sources import World

AGES = [{"generalize_age": {"top": 90, "width": width}} for width in (5, 10, 20)]
BIRTHS = [{"generalize_date": {"to": "year", "width": width, "floor_age": 90}} for width in (5, 10, 20)]
RULES: dict[str, Any] = {
    "patient_id": {"pseudonymize": "keyed"},
    "encounter_id": {"pseudonymize": "keyed"},
    "birth_date": BIRTHS[2],
    "sex": "keep",
    "age": "drop",
    "zip_code": "drop",
    "payer": "keep",
    "drg": "keep",
    "encounter_class": "keep",
    "icd10cm": {"roll_up": "category"},
    "charge_amount": {"round": 100},
    "admit_date": {"generalize_date": {"to": "year", "floor_age": 90}},
    "discharge_date": "drop",
}
LADDERS: dict[str, Any] = {"birth_date": [*BIRTHS, "drop"], "sex": ["keep", "drop"]}


def recoding_policy(world: World, *, rules: dict[str, Any] | None = None, **limits: Any) -> Path:
    """Return a signed expert policy that recodes births and sexes, with other rules and limits laid over."""
    asked = {"k": 3, "quasi_identifiers": ["birth_date", "sex"], "recoding": LADDERS, "suppression": 0.0} | limits
    asked["risk"] = {"rejoin": 1.0} | (asked.get("risk") or {})  # each request of a test is a scene of its own
    content = {
        "policy": "own",
        "version": 1,
        "basis": "expert_determination",
        "rules": RULES | (rules or {}),
        "limits": {name: value for name, value in asked.items() if value is not None},
    }
    return world.policy(json.loads(json.dumps(content)))  # no object twice: YAML would write it as an anchor


def people(world: World, rows: list[tuple[str, str]], visits: str | None = None, **more: str) -> Path:
    """Return a source of patients p0, p1 ... of these (birth date, sex), `-` for none, with these visits.

    Without any each has one visit on 1 January 2025.
    """
    lines = [f"p{i} {birth} A 1 {sex} 02139" for i, (birth, sex) in enumerate(rows)]
    own = [f"e{i} p{i} 2025-01-01 2025-01-02 inpatient 100" for i in range(len(rows))]
    tables = {
        "patients": "\n".join(["ID BIRTH LAST SSN SEX ZIP", *lines]),
        "encounters": "\n".join(["ENC PATIENT START STOP CLASS COST", *(own if visits is None else [visits])]),
        "diagnoses": "PATIENT ENC DX",
    } | more
    return world.source(**tables)
