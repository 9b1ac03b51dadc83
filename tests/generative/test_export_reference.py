"""The law of an export: it releases the rows that a naive reading of the policy and the request gives, order aside.

The reference is written for reading, one row at a time, with nothing of the toolkit but the site's subkeys.
"""

from __future__ import annotations

import base64
import csv
import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.cmac import CMAC
from hypothesis import HealthCheck, Phase, event, given, settings
from hypothesis import strategies as st
from sites import REPOSITORY, TODAY
from tiny_sources import EXPERT, LIMITED, SAFE, World, write_csv

from deid.errors import DisclosureError

EXAMPLES = int(os.environ.get("DEID_EXAMPLES", "25"))
EXPIRES = date(2027, 6, 15)
FLOOR_YEAR = 2027 - 90
LAST_COMPLETE_DAY = date(TODAY.year - 1, 12, 31)
LAST_DAY = date(TODAY.year - 1, 12, 31)
K, SUPPRESSION = 2, 0.5
INPATIENT = ("INPATIENT", "IMP", "ACUTE", "NONAC", "INP")
KINDS = {
    "patients": {"ID": "patient_id", "BIRTH": "birth_date", "SEX": "sex", "ZIP": "zip_code", "INCOME": "income"},
    "encounters": {
        "ENC": "encounter_id",
        "PATIENT": "patient_id",
        "START": "admit_date",
        "STOP": "discharge_date",
        "CLASS": "encounter_class",
        "COST": "charge_amount",
    },
    "diagnoses": {"PATIENT": "patient_id", "ENC": "encounter_id", "DX": "icd10cm", "SEQ": "sequence_number"},
}
# What tells the rows of a table apart in a release with random pseudonyms; unique in every drawn source.
MARKS = {"patients": "INCOME", "encounters": "COST", "diagnoses": "SEQ"}
DERIVED = ["age_at_visit", "length_of_stay", "readmitted_30d"]

Row = dict[str, Any]
Tables = dict[str, list[Row]]


# Drawing


@dataclass(frozen=True)
class Case:
    """One drawn source, policy and cohort."""

    tables: dict[str, list[list[str]]]
    policy: str
    cohort: dict[str, Any] | None
    dates: bool

    @property
    def derived(self) -> list[str]:
        """The measures: beside dates that are generalized, none that would tell the dates."""
        return ["age_at_visit"] if self.dates and self.policy != LIMITED else DERIVED

    @property
    def columns(self) -> dict[str, list[str]]:
        """The columns asked for, by table."""
        hidden = () if self.dates else ("START", "STOP")
        return {name: [column for column in kinds if column not in hidden] for name, kinds in KINDS.items()}


DATES = st.dates(date(2023, 11, 1), date(2024, 5, 1)).map(str) | st.sampled_from(
    ["1969-12-20", "1970-01-05", "1936-07-01", "2025-12-31", "2026-01-01"]
)
BIRTHS = st.sampled_from(["1937-06-15", "1937-06-16", "1938-01-01", "1910-03-03", "2000-02-29"]) | st.dates(
    date(1930, 1, 1), date(2020, 1, 1)
).map(str)
CLASSES = st.sampled_from(["inpatient", "imp", "emergency", "Ambulatory", ""])
CODES = st.sampled_from(["E11.9", "e1165", "E10", "I10", "S72.001A", "", "Z99.89"])
ZIPS = st.sampled_from(["02139", "10001", "03601", "82190", ""])


@st.composite
def sources(draw: st.DrawFn) -> dict[str, list[list[str]]]:
    """Draw a population of at most eight, at most twenty encounters, and a few bad rows among them."""
    people = [f"p{i}" for i in range(draw(st.integers(1, 8)))]
    somebody = st.sampled_from(people * 4 + ["px", ""])
    bad = st.sampled_from([False] * 12 + [True])
    births = [draw(BIRTHS | st.just("")) if not draw(bad) else "1987-02-30" for _ in people]
    patients = [
        [p, birth, draw(st.sampled_from(["F", "M", ""])), draw(ZIPS), str(1000 + i)]
        for i, (p, birth) in enumerate(zip(people, births, strict=True))
    ]
    if draw(bad):
        patients.append([draw(st.sampled_from(people)), "1990-01-01", "F", "02139", "2000"])
    encounters = []
    for i in range(draw(st.integers(0, 20))):
        start = draw(DATES | st.just(""))
        stay = draw(st.integers(-1, 12) | st.just(90))
        end = str(date.fromisoformat(start) + timedelta(days=stay)) if start and draw(st.integers(0, 9)) else ""
        start = "2024-13-01" if draw(bad) else start
        encounters.append([f"e{i}", draw(somebody), start, end, draw(CLASSES), str(100 * i + 50 * draw(st.booleans()))])
    numbers = [row[0] for row in encounters] + ["e99", ""]
    diagnoses = [
        [draw(somebody), draw(st.sampled_from(numbers)), draw(CODES), str(i)] for i in range(draw(st.integers(0, 8)))
    ]
    drawn = {"patients": patients, "encounters": encounters, "diagnoses": diagnoses}
    return {name: [list(KINDS[name]), *rows] for name, rows in drawn.items()}


PREDICATES = (
    {"encounter_class": ["inpatient", "EMERG*"]},
    {"service_date": {"from": "2024-01-01", "to": "2024-12-31"}},
    {"service_date": {"to": "2023-12-31"}},
    {"age": {"from": 40}},
    {"icd10cm": ["E11"]},
    {"sex": ["f"]},
)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Draw a source, one of the three policies, and a cohort that its basis allows."""
    policy = draw(st.sampled_from([LIMITED, SAFE, EXPERT]))
    unit = draw(st.sampled_from(["patients", "rows", None]))
    # An age in a cohort is refused under Safe Harbor, and one table must carry all that chooses rows.
    able = [p for p in (PREDICATES[:4] if unit == "rows" else PREDICATES) if policy != SAFE or "age" not in p]
    chosen = draw(st.lists(st.sampled_from(able), min_size=1, max_size=3, unique_by=str))
    cohort = {unit: {draw(st.sampled_from(["any", "all"])): chosen}} if unit else None
    return Case(draw(sources()), policy, cohort, draw(st.booleans()))


# The reference


def day(text: str) -> date | None:
    """Return a date, None for an empty cell; raise ValueError for an impossible one."""
    return date.fromisoformat(text) if text else None


def age(birth: date | None, on: date | None) -> int | None:
    """Return completed years."""
    if birth is None or on is None or on < birth:
        return None
    return on.year - birth.year - ((on.month, on.day) < (birth.month, birth.day))


class Reference:
    """One case, worked out row by row."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.births: dict[str, date | None] = {}
        self.bad: Counter[str] = Counter()
        self.good: Tables = {name: self.sound_rows(name) for name in KINDS}
        self.people = {row["ID"] for row in self.good["patients"]}

    def sound_rows(self, name: str) -> list[Row]:
        """Return the rows of a table that can be read and belong to a patient; the population is asked first."""
        sound = []
        header, *rows = self.case.tables[name]
        for cells in rows:
            row: Row = dict(zip(header, cells, strict=True))
            key = row["ID" if name == "patients" else "PATIENT"]
            try:
                row |= {column: day(row[column]) for column in ("BIRTH", "START", "STOP") if column in row}
                is_bad = not key or (key in self.births) == (name == "patients")
            except ValueError:
                is_bad = True
            if is_bad:
                self.bad[name] += 1
                continue
            if name == "patients":
                self.births[key] = row["BIRTH"]
            sound.append(row)
        return sound

    def meets(self, predicate: dict[str, Any], name: str, row: Row) -> bool:
        """Say whether a row meets a predicate that its table carries."""
        ((kind, wanted),) = predicate.items()
        if kind == "age":
            years = age(self.births[row["PATIENT"]], row["START"]) if name == "encounters" else None
            return years is not None and years >= wanted["from"]
        if kind == "service_date":
            start = row.get("START")
            low, high = (date.fromisoformat(wanted.get(end, default)) for end, default in (("from", "0001-01-01"), ("to", "9999-01-01")))  # fmt: skip
            return start is not None and low <= start <= high
        column = {"encounter_class": "CLASS", "icd10cm": "DX", "sex": "SEX"}[kind]
        cell = row.get(column, "").upper().replace(".", "")
        if kind == "icd10cm":
            return any(cell.startswith(code) for code in wanted)
        return any(cell.startswith(c[:-1].upper()) if c.endswith("*") else cell == c.upper() for c in wanted)

    def may_leave(self, row: Row) -> bool:
        """Say whether a visit may leave: under Safe Harbor nothing of a year that is not over."""
        return self.case.policy != SAFE or (row["START"] is not None and row["START"] <= LAST_COMPLETE_DAY)

    def chosen(self) -> tuple[set[str], set[tuple[str, str]] | None]:
        """Return the patients of the cohort and, where visits are chosen, those by patient and number."""
        visits = [row for row in self.good["encounters"] if self.may_leave(row)]
        people = set(self.people)
        ((unit, inner),) = (self.case.cohort or {"nobody asked": {"all": []}}).items()
        ((combine, predicates),) = inner.items()
        join: Callable[[list[bool]], bool] = any if combine == "any" else all
        if unit == "patients":
            rows = self.good | {"encounters": visits}
            met = [
                {
                    row["ID" if name == "patients" else "PATIENT"]
                    for name in KINDS
                    for row in rows[name]
                    if self.meets(predicate, name, row)
                }
                for predicate in predicates
            ]
            people = {person for person in people if join([person in some for some in met])}
        if unit == "rows":
            visits = [row for row in visits if join([self.meets(p, "encounters", row) for p in predicates])]
        if unit != "rows" and self.case.policy != SAFE:
            return people, None
        return people & {row["PATIENT"] for row in visits}, {(row["PATIENT"], row["ENC"]) for row in visits}

    def readmitted(self, row: Row) -> str | None:
        """Say whether another inpatient stay of the patient began one to thirty days after the row's."""
        if row["CLASS"].upper() not in INPATIENT or not row["START"] or not row["STOP"] or row["STOP"] < row["START"]:
            return None
        others = [
            r for r in self.good["encounters"] if r["PATIENT"] == row["PATIENT"] and r["CLASS"].upper() in INPATIENT
        ]
        soon = [r for r in others if r["START"] and 1 <= (r["START"] - row["STOP"]).days <= 30]
        return "yes" if soon else "no"

    def released(self) -> Tables:
        """Return the rows before identifiers are replaced; raise DisclosureError where k cannot be had."""
        people, encounters = self.chosen()
        rows = {
            "patients": [row for row in self.good["patients"] if row["ID"] in people],
            "encounters": [r for r in self.good["encounters"] if r["PATIENT"] in people],
            "diagnoses": [r for r in self.good["diagnoses"] if r["PATIENT"] in people],
        }
        if encounters is not None:
            for name in ("encounters", "diagnoses"):
                rows[name] = [row for row in rows[name] if (row["PATIENT"], row["ENC"]) in encounters]
        rows["encounters"] = [
            row
            | {
                "age_at_visit": age(self.births[row["PATIENT"]], row["START"]),
                "length_of_stay": self.nights(row),
                "readmitted_30d": self.readmitted(row),
            }
            for row in rows["encounters"]
        ]
        asked = {column for columns in self.case.columns.values() for column in columns} | set(self.case.derived)
        rows = {name: [{c: row[c] for c in row if c in asked} for row in rows[name]] for name in rows}
        recode = {LIMITED: self.limited, SAFE: self.safe, EXPERT: self.expert}[self.case.policy]
        recoded = {name: [recode(row) for row in rows[name]] for name in rows}
        return self.k_anonymous(recoded) if self.case.policy == EXPERT else recoded

    def nights(self, row: Row) -> int | None:
        """Return the length of a stay."""
        known = row["START"] and row["STOP"] and row["START"] <= row["STOP"]
        return (row["STOP"] - row["START"]).days if known else None

    def limited(self, row: Row) -> Row:
        """Recode a row under the Limited Data Set policy: nothing but identifiers changes."""
        return {column: nothing_for_empty(cell) for column, cell in row.items()}

    def safe(self, row: Row) -> Row:
        """Recode a row under the Safe Harbor policy."""
        out = self.limited(row)
        old = self.is_aged(row.get("ID") or row["PATIENT"])
        for column in {"BIRTH", "START", "STOP"} & set(out):
            if out[column] is not None:
                floored = max(out[column].year, FLOOR_YEAR)
                out[column] = FLOOR_YEAR if column == "BIRTH" and old else floored
        if out.get("age_at_visit") is not None:
            out["age_at_visit"] = 90 if old or out["age_at_visit"] >= 90 else out["age_at_visit"]
        if out.get("ZIP") is not None:
            out["ZIP"] = out["ZIP"][:3] if population_of(out["ZIP"][:3]) > 20_000 else "000"
        return out

    def expert(self, row: Row) -> Row:
        """Recode a row under the expert's policy."""
        out = self.limited(row)
        for column in ("ZIP", "INCOME", "age_at_visit"):
            out.pop(column, None)
        if out.get("BIRTH") is not None:
            old = self.is_aged(row["ID"])
            out["BIRTH"] = (FLOOR_YEAR if old else max(out["BIRTH"].year, FLOOR_YEAR)) // 20 * 20
        for column in {"START", "STOP"} & set(out):
            if out[column] is not None:
                shown = max(out[column], date(FLOOR_YEAR, 12, 28)) if out[column].year <= FLOOR_YEAR else out[column]
                out[column] = f"{shown.year}-Q{(shown.month + 2) // 3}"
        if out.get("length_of_stay") is not None:
            out["length_of_stay"] = min(out["length_of_stay"], 60)
        if out.get("DX") is not None:
            out["DX"] = out["DX"].replace(".", "").upper()[:3]
        if out.get("COST") is not None:
            out["COST"] = str((int(out["COST"]) + 50) // 100 * 100)
        return out

    def is_aged(self, person: str) -> bool:
        """Say whether a patient is 90 or older on the day the release expires."""
        return (age(self.births[person], EXPIRES) or 0) >= 90

    def k_anonymous(self, rows: Tables) -> Tables:
        """Withhold the patients whose class is smaller than k."""
        classes = Counter((row["BIRTH"], row["SEX"]) for row in rows["patients"])
        withheld = {row["ID"] for row in rows["patients"] if classes[row["BIRTH"], row["SEX"]] < K}
        if withheld and len(withheld) > SUPPRESSION * len(rows["patients"]):
            raise DisclosureError("beyond the share", hint="")
        return {
            name: [row for row in rows[name] if row["ID" if name == "patients" else "PATIENT"] not in withheld]
            for name in rows
        }


def nothing_for_empty(cell: Any) -> Any:
    """Return None for an empty cell."""
    return None if cell == "" else cell


def population_of(prefix: str) -> int:
    """Return the census population of a ZIP prefix."""
    table = (REPOSITORY / "deid" / "data" / "zip3_population_2020.csv").read_text().splitlines()
    rows = csv.DictReader(line for line in table if not line.startswith("#"))
    return sum(int(row["population"]) for row in rows if row["zip3"] == prefix)


def keyed(key: bytes, identifier: str) -> str:
    """Return a keyed pseudonym by the library's own CMAC."""
    mac = CMAC(AES(key))
    mac.update(identifier.encode())
    return base64.b32encode(mac.finalize()[:10]).decode().lower()


# The law


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Return one site, with the expert's policy brought down to populations of eight, and nothing to choose.

    The choice among rules is held to a reference of its own, test_recoding_reference.py, and so are maps of codes.
    """
    made = World(tmp_path_factory.mktemp("reference") / "site")
    policy = yaml.safe_load(made.named_policy(EXPERT).read_text())
    kinds = policy["limits"]["quasi_identifiers"]
    policy["limits"] = {"k": K, "suppression": SUPPRESSION, "quasi_identifiers": kinds}
    mapped = [kind for kind, rule in policy["rules"].items() if rule == "map_codes"]
    policy["rules"] |= dict.fromkeys(mapped, "drop") | {"icd10cm": {"roll_up": "category"}}
    made.named_policy(EXPERT).write_text(yaml.safe_dump(policy, sort_keys=False))
    made.site.sign(made.named_policy(EXPERT))
    return made


@given(case=cases())
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    report_multiple_bugs=False,
    phases=[Phase.explicit, Phase.generate, *([Phase.shrink] if "DEID_EXAMPLES" in os.environ else [])],
    derandomize="DEID_EXAMPLES" not in os.environ,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
def test_an_export_releases_what_the_reference_does(world: World, case: Case) -> None:
    """Cohort, period of stay, recoding, suppression and quarantine agree with a naive reading, for every policy."""
    dataset = world.source_of(dict.fromkeys(KINDS, "X"), KINDS)
    for name, rows in case.tables.items():
        write_csv(dataset.parent / f"{name}.csv", rows)
    fields: dict[str, Any] = {"derive": case.derived, "expires": str(EXPIRES), "on_bad_row": "quarantine"}
    request = world.request(
        dataset, case.columns, policy=case.policy, **fields, **({"cohort": case.cohort} if case.cohort else {})
    )
    reference = Reference(case)
    try:
        expected = reference.released()
    except DisclosureError:
        with pytest.raises(DisclosureError):
            world.site.run(request)
        event("refused by k")
        return
    done = world.site.run(request)
    opened = world.site.open(done)
    found = {name: opened.read(name).to_pylist() for name in opened.tables}
    assert done.quarantined == {name: count for name, count in reference.bad.items() if count}
    event(f"{case.policy}: {sum(map(len, found.values())) and 'rows'}")
    if case.policy == SAFE:
        expected = with_random_pseudonyms(expected, found)
    else:
        expected = with_keyed_pseudonyms(world, request, expected)
    for name in KINDS:
        assert multiset(found[name]) == multiset(as_typed(expected[name])), name


def with_keyed_pseudonyms(world: World, request: Path, tables: Tables) -> Tables:
    """Return the rows with identifiers replaced by keyed pseudonyms."""
    keys = {
        kind: world.site.provider.subkey("pseudonym", request.stem, "outcomes", kind)
        for kind in ("patient_id", "encounter_id")
    }
    return {
        name: [
            {c: keyed(keys[k], row[c]) if (k := KINDS[name].get(c, "")) in keys and row[c] else row[c] for c in row}
            for row in rows
        ]
        for name, rows in tables.items()
    }


def with_random_pseudonyms(tables: Tables, found: Tables) -> Tables:
    """Return the rows with the release's own pseudonyms, after checking that they are one to one with identifiers."""
    pairs: set[tuple[str, str, str]] = set()
    for name, rows in tables.items():
        released = {str(int(row[MARKS[name]])): row for row in found[name]}
        for row in rows:
            for column, kind in KINDS[name].items():
                other = released.get(row[MARKS[name]])
                if kind in ("patient_id", "encounter_id") and row[column] and other is not None:
                    pairs.add((kind, row[column], other[column]))
    assert len({(kind, identifier) for kind, identifier, _ in pairs}) == len(pairs)
    assert len({pseudonym for _, _, pseudonym in pairs}) == len(pairs)
    codes = {(kind, identifier): pseudonym for kind, identifier, pseudonym in pairs}
    return {
        name: [
            {c: codes.get((KINDS[name].get(c, ""), cell), cell) if isinstance(cell, str) else cell for c, cell in row.items()}
            for row in rows
        ]
        for name, rows in tables.items()
    }  # fmt: skip


def as_typed(rows: list[Row]) -> list[Row]:
    """Return the rows with numbers as numbers."""
    numbers = {"COST": float, "INCOME": float, "SEQ": int}
    return [
        {c: numbers[c](cell) if c in numbers and cell is not None else cell for c, cell in row.items()} for row in rows
    ]


def multiset(rows: list[Row]) -> Counter[tuple[tuple[str, Any], ...]]:
    """Return rows without their order."""
    return Counter(tuple(sorted(row.items())) for row in rows)
