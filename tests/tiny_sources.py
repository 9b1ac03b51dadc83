"""Tiny sources for tests: CSV tables drawn as text, with a description of the whole."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import yaml
from sites import make_site

LIMITED, SAFE, EXPERT = "limited-data-set", "safe-harbor", "expert-k11"

# Cells that a test looks for everywhere: none of them may leave the source but through a column that the policy keeps.
NAMES = ("Quixwerble", "Zandobrith")
SSN = "917-66-4242"
SENTINELS = (*NAMES, SSN, "SENTINEL-PAT-1", "SENTINEL-PAT-2", "SENTINEL-ENC-1", "1987-03-29", "2025-07-23")

PATIENTS = {
    "ID": "patient_id",
    "BIRTH": "birth_date",
    "LAST": "person_name",
    "SSN": "ssn",
    "SEX": "sex",
    "ZIP": "zip_code",
}
ENCOUNTERS = {
    "ENC": "encounter_id",
    "PATIENT": "patient_id",
    "START": "admit_date",
    "STOP": "discharge_date",
    "CLASS": "encounter_class",
    "COST": "charge_amount",
}
DIAGNOSES = {"PATIENT": "patient_id", "ENC": "encounter_id", "DX": "icd10cm"}

SOUND = {
    "patients": """
        ID             BIRTH      LAST       SSN         SEX ZIP
        SENTINEL-PAT-1 1987-03-29 Quixwerble 917-66-4242 F   02139
        SENTINEL-PAT-2 1950-01-02 Zandobrith 900-00-0001 M   94110
    """,
    "encounters": """
        ENC            PATIENT        START      STOP       CLASS      COST
        SENTINEL-ENC-1 SENTINEL-PAT-1 2025-07-23 2025-07-25 inpatient  100.5
        SENTINEL-ENC-2 SENTINEL-PAT-2 2025-01-10 2025-01-10 ambulatory 20
    """,
    "diagnoses": """
        PATIENT        ENC            DX
        SENTINEL-PAT-1 SENTINEL-ENC-1 E11.9
        SENTINEL-PAT-2 SENTINEL-ENC-2 I10
    """,
}
COLUMNS = {"patients": PATIENTS, "encounters": ENCOUNTERS, "diagnoses": DIAGNOSES}
REQUESTED = {
    "patients": ["ID", "BIRTH", "SEX", "ZIP"],
    "encounters": ["ENC", "PATIENT", "START", "STOP", "CLASS"],
    "diagnoses": ["PATIENT", "ENC", "DX"],
}


def rows_of(text: str) -> list[list[str]]:
    """Return the words of each line of a drawn table; a lone `-` is an empty cell."""
    lines = [line.split() for line in text.strip().splitlines()]
    return [["" if word == "-" else word for word in line] for line in lines]


def write_csv(path: Path, rows: list[list[str]]) -> Path:
    """Write rows, header first, as CSV."""
    path.write_text("".join(",".join(row) + "\n" for row in rows))
    return path


def write_source(
    folder: Path,
    tables: dict[str, str],
    columns: dict[str, dict[str, Any]] | None = None,
    **fields: Any,
) -> Path:
    """Write drawn tables and their description into `folder`; return the description's path.

    `columns` is the kinds of each table, those above by default; `fields` are laid over the document, and those of a
    table (`links`) over the table.
    """
    folder.mkdir(parents=True, exist_ok=True)
    links = fields.pop("links", {})
    described: dict[str, Any] = {}
    for name, text in tables.items():
        write_csv(folder / f"{name}.csv", rows_of(text))
        kinds = (columns or COLUMNS)[name]
        key = next((column for column, kind in kinds.items() if kind == "patient_id"), None)
        way = {"link": links[name]} if name in links else {"patient": key} if key else {"reference": True}
        described[name] = {"path": f"{name}.csv", **way, "columns": kinds}
    document = {"dataset": "tiny", "format": "csv", **fields, "tables": described}
    path = folder / "dataset.yaml"
    path.write_text(yaml.safe_dump(document, sort_keys=False))
    return path


def sound_source(folder: Path, **changed: str) -> Path:
    """Write the sound source with some of its drawn tables changed."""
    return write_source(folder, SOUND | changed)


class World:
    """One site for many tests: every run has a source folder and a request of its own."""

    def __init__(self, folder: Path) -> None:
        self.site = make_site(folder)
        self._runs = itertools.count(1)

    @property
    def folder(self) -> Path:
        """The site's folder."""
        return self.site.folder

    def policy(self, content: dict[str, Any]) -> Path:
        """Write and sign a policy of our own, of a higher version than those before: none is refused as older."""
        number = next(self._runs)
        return self.site.sign(self.site.write(f"policies/own{number}.yaml", content | {"version": number}))

    def named_policy(self, name: str) -> Path:
        """Return where one of the three policies lies."""
        return self.folder / "policies" / f"{name}.yaml"

    def source(self, **changed: str) -> Path:
        """Write the sound source, with some of its drawn tables changed, into a folder of its own."""
        return sound_source(self.folder / f"source{next(self._runs)}", **changed)

    def source_of(self, tables: dict[str, str], columns: dict[str, dict[str, Any]], **fields: Any) -> Path:
        """Write any source into a folder of its own."""
        return write_source(self.folder / f"source{next(self._runs)}", tables, columns, **fields)

    def request(
        self, dataset: Path, tables: dict[str, list[str]], *, policy: str | Path = LIMITED, **fields: Any
    ) -> Path:
        """Write a request under a new name, by default under the Limited Data Set policy."""
        path = self.named_policy(policy) if isinstance(policy, str) else policy
        return self.site.request(
            dataset, tables, policy=str(path), **({"request": f"study-{next(self._runs)}"} | fields)
        )

    def released(self, dataset: Path, tables: dict[str, list[str]], **fields: Any) -> dict[str, list[dict[str, Any]]]:
        """Run a request and return the rows that the researcher reads, by table."""
        options = {name: fields.pop(name) for name in ("period", "name") if name in fields}
        opened = self.site.tables(self.request(dataset, tables, **fields), **options)
        return {name: table.to_pylist() for name, table in opened.items()}
