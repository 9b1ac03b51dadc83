"""Sources with opt-outs, consents and sensitive rows, and lists of choices on a test's site."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import yaml
from sites import TestSite
from tiny_sources import LIMITED, World

from deid.choices.lists import ChoiceList, ListKind
from deid.choices.store import ChoiceStore

LONG_AGO = date(2000, 1, 1)
KINDS = {
    "patients": {"ID": "patient_id", "BIRTH": "birth_date", "SEX": "sex", "STATE": "state"},
    "encounters": {"ENC": "encounter_id", "PATIENT": "patient_id", "START": "admit_date", "PROGRAM": "part2"},
    "diagnoses": {"PATIENT": "patient_id", "ENC": "encounter_id", "DX": "icd10cm", "DRG": "drg"},
    "drugs": {"PATIENT": "patient_id", "ENC": "encounter_id", "DRUG": "hcpcs"},
}
SOURCE = {
    "patients": """
        ID BIRTH      SEX STATE
        p1 1980-03-01 F   CA
        p2 1950-01-02 M   NY
        p3 1975-05-05 F   NY
        p4 2015-06-06 M   CA
        p5 1990-09-09 F   -
    """,
    "encounters": """
        ENC PATIENT START      PROGRAM
        e1  p1      2025-01-10 no
        e2  p1      2025-02-10 yes
        e3  p2      2025-01-11 no
        e4  p3      2025-03-01 yes
        e5  p4      2025-04-01 no
        e6  p5      2025-05-01 no
        e7  p5      2025-06-01 no
    """,
    "diagnoses": """
        PATIENT ENC DX     DRG
        p1      e1  E11.9  638
        p1      e2  F11.20 897
        p2      e3  I10    305
        p3      e4  F10.20 897
        p4      e5  J45.20 203
        p5      e6  B20    975
        p5      e7  Z00.00 951
    """,
    "drugs": """
        PATIENT ENC DRUG
        p1      e2  J2315
        p1      e1  A4250
        p5      e6  A9270
        p5      e7  A4250
    """,
}
ASKED = {
    "patients": ["ID", "BIRTH", "SEX"],
    "encounters": ["ENC", "PATIENT", "START"],
    "diagnoses": ["PATIENT", "ENC", "DX", "DRG"],
    "drugs": ["PATIENT", "ENC", "DRUG"],
}


def choose(site: TestSite, name: str, ids: Sequence[str], *, consent: bool = False, **fields: Any) -> ChoiceList:
    """Add numbers to a list of the site."""
    store = ChoiceStore.of(site.site, site.provider)
    since, until = fields.pop("since", LONG_AGO), fields.pop("until", None)
    found = store.find(name) or ChoiceList(name, ListKind.CONSENT if consent else ListKind.OPT_OUT, **fields)
    changed = found.added(ids, since, until)
    store.write(changed)
    return changed


def policy(world: World, segments: dict[str, Any] | None = None, *, base: str = LIMITED, **fields: Any) -> Path:
    """Write and sign one of the three policies with segments of our own, keeping numbers of visits."""
    content = yaml.safe_load(world.named_policy(base).read_text())
    if segments is not None:
        content["segments"] = segments
    return world.policy(content | fields)


def dates(rows: list[dict[str, Any]], column: str = "START") -> list[str]:
    """Return the days of released rows, sorted."""
    return sorted(str(row[column]) for row in rows)


def crowd(world: World, *, opted_out: int = 0, people: int = 60, dataset: str = "tiny") -> Path:
    """Write a source of patients, two thirds with a visit at a program, and let some opt out."""
    patients = "\n".join(f"q{n} {1950 + n % 3 * 20}-01-01 {'FM'[n % 2]} CA" for n in range(people))
    visits = "\n".join(
        f"v{n}-{m} q{n} 2025-0{1 + m}-10 {'yes' if n % 3 == m else 'no'}" for n in range(people) for m in range(2)
    )
    codes = "\n".join(f"q{n} v{n}-{m} {('I10', 'E11.9')[n % 2]} 305" for n in range(people) for m in range(2))
    tables = {"patients": f"ID BIRTH SEX STATE\n{patients}", "encounters": f"ENC PATIENT START PROGRAM\n{visits}",
              "diagnoses": f"PATIENT ENC DX DRG\n{codes}", "drugs": "PATIENT ENC DRUG"}  # fmt: skip
    choose(world.site, "opted-out", [f"q{n}" for n in range(opted_out)])
    return world.source_of(tables, KINDS, dataset=dataset)


def forget(world: World) -> World:
    """Remove every list of a site."""
    for place in ("choices", "state/choices"):
        shutil.rmtree(world.folder / place, ignore_errors=True)
    return world
