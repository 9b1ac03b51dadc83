"""Notes in a release, from source to recipient: tags under the shipped policy, surrogates beside shifted dates."""

from __future__ import annotations

import csv
import re
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sites import REPOSITORY, TestSite, make_site

from deid.export import export
from deid.notes import KnownIdentifiers, leaks
from deid.notes.surrogates.people import WOMEN

PEOPLE = 24
GIVEN = ("Maria", "Ingrid", "Yolanda", "Priscilla", "Beatrice", "Wilma")
FAMILY = ("Vandermolen", "Okonkwo", "Thorndike", "Quintanilla")
KINDS = {
    "patients": {
        "pid": "patient_id",
        "first": "person_name",
        "last": "person_name",
        "mrn": "mrn",
        "born": "birth_date",
    },
    "visits": {"pid": "patient_id", "vid": "encounter_id", "start": "service_date"},
    "notes": {"pid": "patient_id", "vid": "encounter_id", "text": "clinical_note"},
}
TABLES = {"patients": ["pid", "born"], "visits": ["pid", "vid", "start"], "notes": ["pid", "vid", "text"]}
WINDOW = {"from": "2019-01-01", "to": "2024-12-31"}
DATES = ("birth_date", "service_date")


def person(n: int) -> tuple[str, str, str, date]:
    """Return given name, family name, record number and birth day of patient `n`."""
    return GIVEN[n % 6], FAMILY[n // 6], f"{90_417_733 + 1_001 * n}", date(1950, 1, 2) + timedelta(days=31 * n)


def day_of(n: int, visit: int) -> date:
    """Return the day of a visit."""
    return date(2021, 3, 9) + timedelta(days=17 * n + 40 * visit)


def note(n: int, visit: int) -> str:
    """Return the note of a visit: the days in three forms, the name in three."""
    first, last, mrn, born = person(n)
    day, before = day_of(n, visit), day_of(n, 0)
    return (
        f"Patient Name: {first} {last}\nMRN: {mrn}\nDOB: {born:%m/%d/%Y}\nAdmitted {day:%m/%d/%Y}.\n"
        f"Mrs. {last.upper()} was first seen {before:%Y-%m-%d}, takes metoprolol 25 mg and denies chest pain. "
        f"{last}, {first} will return on {day + timedelta(days=9):%B %d, %Y}."
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> TestSite:
    """Return one site for all tests of this file."""
    return make_site(tmp_path_factory.mktemp("notes") / "site")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the description of the patients, their visits and their notes."""
    folder = tmp_path_factory.mktemp("source")
    visits = [(n, visit) for n in range(PEOPLE) for visit in (0, 1)]
    cells: dict[str, list[list[str]]] = {
        "patients": [[f"p{n}", *map(str, person(n))] for n in range(PEOPLE)],
        "visits": [[f"p{n}", f"v{n}-{visit}", str(day_of(n, visit))] for n, visit in visits],
        "notes": [[f"p{n}", f"v{n}-{visit}", note(n, visit)] for n, visit in visits],
    }
    for table, lines in cells.items():
        with (folder / f"{table}.csv").open("w", newline="") as file:
            csv.writer(file).writerows([list(KINDS[table]), *lines])
    described = {t: {"path": f"{t}.csv", "patient": "pid", "columns": columns} for t, columns in KINDS.items()}
    import yaml

    document = {
        "dataset": "notes",
        "format": "csv",
        "confirmed": True,
        "population": "patients",
        "encounters": "visits",
    }
    (folder / "dataset.yaml").write_text(yaml.safe_dump(document | {"tables": described}, sort_keys=False))
    return folder / "dataset.yaml"


def policy(site: TestSite, name: str, dates: dict[str, Any], notes: Any) -> Path:
    """Return a signed expert policy with one rule for all dates, and one for notes."""
    rules: dict[str, Any] = {"patient_id": {"pseudonymize": "keyed"}, "encounter_id": {"pseudonymize": "keyed"}}
    rules |= {kind: dict(dates) for kind in DATES} | {"clinical_note": notes}
    document = {"policy": name, "version": 1, "basis": "expert_determination", "rules": rules}
    return site.sign(site.write(f"own/{name}.yaml", document))


def released(
    site: TestSite, source: Path, policy: Path, request: str, **fields: Any
) -> dict[str, list[dict[str, Any]]]:
    """Run a request; return its tables as rows, and hold its notes against names and numbers of all patients."""
    path = site.request(source, TABLES, request=request, policy=str(policy), agreement=None, **fields)
    exported = site.run(path)
    assert exported.withheld_notes == 0
    opened = site.open(exported)
    found = {table: opened.read(table).to_pylist() for table in opened.tables}
    values = [("person_name", name) for name in FAMILY] + [("mrn", person(n)[2]) for n in range(PEOPLE)]
    known = KnownIdentifiers(values)
    assert sum(leaks(row["text"], known) for row in found["notes"]) == 0
    assert all("metoprolol 25 mg and denies chest pain" in row["text"] for row in found["notes"])
    return found


@pytest.fixture(scope="module")
def surrogates(site: TestSite, source: Path) -> dict[str, list[dict[str, Any]]]:
    """Return a release with surrogates, and dates shifted by few days, so that some patients' offset is zero."""
    own = policy(site, "shifting", {"shift_date": 2}, {"redact_note": {"replace": "surrogates", "dates": "shift"}})
    return released(site, source, own, "shifted", window=WINDOW)


def dates_of(text: str) -> list[date]:
    """Return the four dates of a note, each in the form it was written in."""
    found = re.search(
        r"DOB: (\d\d/\d\d/\d{4})\nAdmitted (\d\d/\d\d/\d{4}).\n.* seen (\d{4}-\d\d-\d\d), .* on (\w+ \d{1,2}, \d{4})",
        text,
    )
    assert found, text
    forms = ("%m/%d/%Y", "%m/%d/%Y", "%Y-%m-%d", "%B %d, %Y")
    return [datetime.strptime(piece, form).date() for piece, form in zip(found.groups(), forms, strict=True)]  # noqa: DTZ007


def test_dates_in_text_and_tables_agree(surrogates: dict[str, list[dict[str, Any]]]) -> None:
    """Births, visits and days between them: what the note says is what the tables show, for whoever's offset is zero too."""
    births = {row["pid"]: row["born"] for row in surrogates["patients"]}
    visits = {row["vid"]: row["start"] for row in surrogates["visits"]}
    first: dict[str, date] = {}
    for row in surrogates["visits"]:
        first[row["pid"]] = min(row["start"], first.get(row["pid"], row["start"]))
    assert len(surrogates["notes"]) == 2 * PEOPLE
    for row in surrogates["notes"]:
        born, admitted, seen, again = dates_of(row["text"])
        assert born == births[row["pid"]]
        assert admitted == visits[row["vid"]]
        assert seen == first[row["pid"]]
        assert again - admitted == timedelta(days=9)
    true = {person(n)[3] for n in range(PEOPLE)}
    assert 0 < sum(born in true for born in births.values()) < PEOPLE  # no offset of zero would prove nothing


def test_a_patient_is_one_person_in_all_notes(surrogates: dict[str, list[dict[str, Any]]]) -> None:
    """Name, capitals and reversed order agree within and across the patient's notes, and the number keeps its shape."""
    people: dict[str, set[tuple[str, ...]]] = {}
    for row in surrogates["notes"]:
        found = re.search(
            r"Name: (\w+) (\w+)\nMRN: (\d{8})\n(?:.*\n){2}Mrs\. (\w+) was[^\n]*pain\. (\w+), (\w+) will", row["text"]
        )
        assert found, row["text"]
        first, last, mrn, capitals, last_again, first_again = found.groups()
        assert (capitals, last_again, first_again) == (last.upper(), last, first)
        assert first in WOMEN
        people.setdefault(row["pid"], set()).add((first, last, mrn))
    assert all(len(names) == 1 for names in people.values())
    assert len({next(iter(names)) for names in people.values()}) == PEOPLE


def test_two_releases_share_no_surrogates(
    site: TestSite, source: Path, surrogates: dict[str, list[dict[str, Any]]]
) -> None:
    """The same notes for the same party under the same policy: other names and numbers, so that nothing joins them."""
    again = released(site, source, site.folder / "own" / "shifting.yaml", "shifted-again", window=WINDOW)
    numbers = [{re.findall(r"MRN: (\d+)", row["text"])[0] for row in found["notes"]} for found in (surrogates, again)]
    assert len(numbers[0]) == PEOPLE
    assert not numbers[0] & numbers[1]


def test_coarse_dates_agree_with_the_tables(site: TestSite, source: Path) -> None:
    """Tags for names, and for each date the month that the table shows."""
    own = policy(site, "months", {"generalize_date": "month"}, {"redact_note": {"dates": "month"}})
    found = released(site, source, own, "months")
    visits = {row["vid"]: row["start"] for row in found["visits"]}
    for row in found["notes"]:
        assert f"Admitted {visits[row['vid']]}.\nMrs. [PERSON_NAME] was" in row["text"]
        assert not re.search(r"\d{1,2}/\d{1,2}/\d{2}|\d{4}-\d\d-\d\d", row["text"])


def test_several_processes_write_what_one_writes(site: TestSite, source: Path) -> None:
    """How many processes search the notes changes nothing in a release."""
    own = policy(site, "tags", {"generalize_date": "year"}, "redact_note")
    texts = []
    for processes in (1, 2):
        path = site.request(source, TABLES, request=f"tags-{processes}", policy=str(own), agreement=None)
        plan = site.plan(path)
        done = export(plan, site.site, site.provider, progress=lambda _what, _rows: None, workers=processes)
        assert done.withheld_notes == 0
        texts.append(sorted(row["text"] for row in site.open(done).read("notes").to_pylist()))
    assert len(texts[0]) == 2 * PEOPLE
    assert texts[0] == texts[1]


def test_the_shipped_policy_writes_tags(site: TestSite) -> None:
    """The samples' notes under expert-k11: tags for names and dates, and nothing of the sample's people."""
    tables = {"patients": ["patient_id", "sex"], "notes": ["patient_id", "note_text"]}
    path = site.request(
        REPOSITORY / "samples" / "claims" / "dataset.yaml",
        tables,
        request="sample",
        policy=str(site.folder / "policies" / "expert-k11.yaml"),
        agreement=None,
    )
    exported = site.run(path)
    texts = [text for text in site.open(exported).read("notes")["note_text"].to_pylist() if text]
    assert len(texts) > 20
    assert exported.withheld_notes <= len(texts) // 20
    joined = "\n".join(texts)
    assert {"[PERSON_NAME]", "[MRN]"} <= set(re.findall(r"\[[A-Z_]+\]", joined))
    assert not re.search(r"\b\d{1,2}/\d{1,2}/\d{4}\b|\b\d{4}-\d\d-\d\d\b", joined)
