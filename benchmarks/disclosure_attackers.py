"""What attackers get of releases: every attacker of `deid attack` against every policy, on two populations.

`--page` writes docs/reference/attacks.md and the table of the README.
`k of demographics alone` is what tools do that stop at k: the same k as
expert-k11, codes at their categories and quarters for days, and nothing that bounds what codes tell.
"""

from __future__ import annotations

import argparse
import platform
import re
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import yaml
from pyarrow import csv

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from sites import SHARED, TestSite, answering_for_rejoins, make_site  # noqa: E402

import deid  # noqa: E402
from deid.attacks import ATTACKERS  # noqa: E402
from deid.errors import DeidError  # noqa: E402
from deid.red_team import Figure, Other, attack  # noqa: E402
from deid.red_team.run import Scored  # noqa: E402
from deid.release.small_counts import shown  # noqa: E402
from deid.synthetic import generate_chunks, write_claims_parquet  # noqa: E402
from deid.synthetic.people import draw_people  # noqa: E402

SEED = 20
PAGE = ROOT / "docs" / "reference" / "attacks.md"
README_ROWS = frozenset(
    {"voter list: voter list", "acquaintance: 0d0c", "acquaintance: 3d0c", "acquaintance: 0d1c", "acquaintance: 0d2c",
     "acquaintance: 0d3c", "acquaintance: 2d2c", "recipients: codes", "pseudonyms: dictionary"}
)  # fmt: skip
_MARKED = re.compile(r"(<!-- attacks:begin -->\n).*?(<!-- attacks:end -->)", re.DOTALL)
SYNPUF = SHARED / "reference" / "desynpuf_sample1"
POLICIES = ("limited-data-set", "safe-harbor", "k-alone", "expert-k11")
TITLES = {
    "limited-data-set": "Limited Data Set",
    "safe-harbor": "Safe Harbor",
    "k-alone": "before: k of demographics alone",
    "expert-k11": "after: expert-k11",
}
ROWS = (
    ("voter_list", "voter list"),
    *(("acquaintance", f"{d}d{c}c") for c in range(3) for d in range(4)),
    ("acquaintance", "0d3c"),
    ("acquaintance", "one visit, two codes"),
    ("acquaintance", "one visit, its day and two codes"),
    ("months", "arrival: new or not since the earlier month"),
    ("months", "intersection: fits in both months"),
    ("recipients", "everything that both show"),
    ("recipients", "codes"),
    ("pseudonyms", "dictionary"),
    ("offsets", "weekdays of routine visits"),
    ("notes", "full name in a note"),
    ("parrot", "missed names in notes.note_text"),
)
NEVER = ("row_order", "side_channels", "small_cells")  # what they find must be nothing: told in one row
WITH_NOTES = ("k-alone", "expert-k11")  # policies that release notes, redacted
K_ALONE: dict[str, Any] = {
    "policy": "k-alone",
    "version": 1,
    "basis": "expert_determination",
    "rules": {
        "patient_id": {"pseudonymize": "keyed"},
        "encounter_id": {"pseudonymize": "keyed"},
        "claim_id": {"pseudonymize": "keyed"},
        "birth_date": {"generalize_date": {"to": "year", "width": 20, "floor_age": 90}},
        "admit_date": {"generalize_date": "quarter", "floor_age": 90},
        "sex": "keep",
        "race": "keep",
        "encounter_class": "keep",
        "charge_amount": {"round": 100},
        "clinical_note": "redact_note",
        "icd10cm": {"roll_up": "category"},
        "icd_any": {"roll_up": "category"},
        "icd9cm": {"roll_up": "category"},
    },
    "limits": {"k": 11, "quasi_identifiers": ["birth_date", "sex", "race"], "suppression": 0.05},
}


@dataclass(frozen=True)
class Data:
    """A source and what is asked of it: columns of patients by policy, of visits and codes, and of notes if it has any.

    `years`: the two periods of a series of patients and visits, for the attack on two months.
    """

    name: str
    dataset: Path
    patients: tuple[str, dict[str, list[str]]]
    others: dict[str, list[str]]
    voters: pa.Table | None
    years: tuple[str, str]
    notes: dict[str, list[str]]


def main() -> None:
    """Run the benchmark and print or write its tables."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--patients", type=int, default=50_000)
    options.add_argument("--voters", type=int, default=5_000_000)
    options.add_argument("--targets", type=int, default=2_000)
    options.add_argument("--page", action="store_true", help=f"write {PAGE.relative_to(ROOT)} and the README")
    told = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="deid-attackers-") as folder:
        sections = [_section(data, Path(folder), told.targets) for data in _data(Path(folder), told)]
    page = "\n".join([_HEAD, *sections, _foot(told)])
    if told.page:
        PAGE.write_text(page, encoding="utf-8")
        _into_readme(sections[0])
    print(page)


def _into_readme(section: str) -> None:
    """Write the rows that tell most into the README, between its two marks."""
    lines = section.splitlines()
    head = next(at for at, line in enumerate(lines) if line.startswith("|"))
    rows = [line for line in lines[head + 2 :] if line.startswith("|") and line.split("|")[1].strip() in README_ROWS]
    readme = ROOT / "README.md"
    told = "\n".join([*lines[head : head + 2], *rows, ""])
    text = _MARKED.sub(lambda found: found[1] + told + found[2], readme.read_text(encoding="utf-8"))
    readme.write_text(text, encoding="utf-8")


def _data(folder: Path, told: argparse.Namespace) -> list[Data]:
    source = folder / "generated"
    write_claims_parquet(generate_chunks(SEED, told.patients, notes=0.002), source)
    full = ["patient_id", "birth_date", "sex", "race", "zip_code"]
    demographics = dict.fromkeys(POLICIES, full) | dict.fromkeys(("k-alone", "expert-k11"), full[:-1])
    found = [
        Data(
            f"{told.patients:,} generated patients",
            source / "dataset.yaml",
            ("patients", demographics),
            {
                "encounters": ["patient_id", "encounter_id", "encounter_class", "admit_date"],
                "diagnoses": ["patient_id", "encounter_id", "icd10cm"],
            },
            _voters(source, told.voters),
            ("2024", "2025"),
            {"notes": ["patient_id", "note_text"]},
        )
    ]
    if SYNPUF.is_dir():
        full = ["patient_id", "birth_date", "sex", "race", "state", "county"]
        demographics = {"limited-data-set": full, "safe-harbor": full[:-1]}
        demographics |= dict.fromkeys(("k-alone", "expert-k11"), full[:-2])
        found.append(
            Data(
                "10,000 beneficiaries of DE-SynPUF sample 1, inpatient claims",
                _synpuf(folder / "desynpuf"),
                ("beneficiaries", demographics),
                {
                    "claims": ["patient_id", "claim_id", "admit_date"],
                    "diagnoses": ["patient_id", "claim_id", "icd9cm"],
                },
                None,
                ("2008", "2009"),
                {},
            )
        )
    return found


def _synpuf(folder: Path) -> Path:
    """Write DE-SynPUF with one code a row, since a row of ten tells their order, and return its description."""
    folder.mkdir()
    text = csv.ConvertOptions(
        column_types={"BENE_BIRTH_DT": pa.string(), "CLM_ADMSN_DT": pa.string(), "CLM_ID": pa.string()}
        | {name: pa.string() for n in range(1, 11) for name in (f"ICD9_DGNS_CD_{n}",)}
        | {name: pa.string() for name in ("BENE_SEX_IDENT_CD", "BENE_RACE_CD", "SP_STATE_CODE", "BENE_COUNTY_CD")},
        strings_can_be_null=True,
    )
    people = csv.read_csv(SYNPUF / "DE1_0_2008_Beneficiary_Summary_File_Sample_1.csv", convert_options=text)
    claims = csv.read_csv(SYNPUF / "DE1_0_2008_to_2010_Inpatient_Claims_Sample_1.csv", convert_options=text)
    names = ["DESYNPUF_ID", "BENE_BIRTH_DT", "BENE_SEX_IDENT_CD", "BENE_RACE_CD", "SP_STATE_CODE", "BENE_COUNTY_CD"]
    kinds = ["patient_id", "birth_date", "sex", "race", "state", "county"]
    own = claims.filter(pc.is_in(claims["DESYNPUF_ID"], value_set=people["DESYNPUF_ID"]))
    keys = own.select(["DESYNPUF_ID", "CLM_ID"]).rename_columns(["patient_id", "claim_id"])
    coded = [keys.append_column("icd9cm", own[f"ICD9_DGNS_CD_{n}"]) for n in range(1, 11)]
    whole = pa.concat_tables(coded)
    tables = {
        "beneficiaries": people.select(names).rename_columns(kinds),
        "claims": keys.append_column("admit_date", own["CLM_ADMSN_DT"]).group_by("claim_id").aggregate(
            [("patient_id", "min"), ("admit_date", "min")]
        ).rename_columns(["claim_id", "patient_id", "admit_date"]),
        "diagnoses": whole.filter(pc.is_valid(whole["icd9cm"])),
    }  # fmt: skip
    described: dict[str, Any] = {
        "dataset": "desynpuf-long", "format": "parquet", "population": "beneficiaries", "encounters": "claims",
        "date_format": "%Y%m%d", "tables": {},
    }  # fmt: skip
    for name, table in tables.items():
        pq.write_table(table, folder / f"{name}.parquet")
        columns = {column: column for column in table.column_names}
        described["tables"][name] = {"path": f"{name}.parquet", "patient": "patient_id", "columns": columns}
    path = folder / "dataset.yaml"
    path.write_text(yaml.safe_dump(described, sort_keys=False), encoding="utf-8")
    return path


def _voters(source: Path, count: int) -> pa.Table:
    """Return people who live where the patients live, in numbers that leave each ZIP3 a town's worth of them."""
    rng = np.random.default_rng(SEED)
    patients = pq.read_table(source / "patients.parquet", columns=["zip_code", "race"])
    people = draw_people(rng, 0, 100_000)
    who, like = rng.integers(0, len(people.born), count), rng.integers(0, len(patients), count)
    born = people.born[who] + rng.integers(-180, 180, count)
    return pa.table(
        {
            "birth_date": pa.array(born.astype(np.int32), pa.int32()).cast(pa.date32()),
            "zip_code": patients["zip_code"].combine_chunks().take(pa.array(like)),
            "sex": pa.array(np.array(["F", "M"])[people.is_male[who].astype(int)]),
            "race": patients["race"].combine_chunks().take(pa.array(rng.permutation(like))),
        }
    )


def _section(data: Data, folder: Path, targets: int) -> str:
    site = make_site(folder / f"site-{len(list(folder.iterdir()))}")
    site.sign(site.write("policies/k-alone.yaml", K_ALONE))
    if data.notes:
        expert = site.folder / "policies" / "expert-k11.yaml"
        noted = {"columns": {"notes.note_text": "redact_note"}}  # who signs this answers for notes beside codes
        site.sign(site.write("policies/expert-k11.yaml", yaml.safe_load(expert.read_text()) | noted))
    for policy in WITH_NOTES:  # one site has several releases of each, for attackers who have two of them
        answering_for_rejoins(site, policy)
    scored: dict[str, Scored | str] = {}
    seconds: dict[str, float] = {}
    for policy in POLICIES:
        start = time.perf_counter()
        try:
            found = _attacked(site, data, policy, targets)
            scored[policy] = replace(found, figures=(*found.figures, *_months(site, data, policy, targets)))
        except DeidError as error:
            scored[policy] = error.message
        seconds[policy] = time.perf_counter() - start
        print(f"{data.name}: {policy} {seconds[policy]:.1f} s", file=sys.stderr)
    return _table(data, scored)


def _attacked(site: TestSite, data: Data, policy: str, targets: int) -> Scored:
    population, columns = data.patients
    tables = {population: columns[policy], **data.others, **(data.notes if policy in WITH_NOTES else {})}
    asked = _asked(site, policy)
    mine = site.request(data.dataset, tables, request=f"{policy}-one", **asked)
    structured = {name: names for name, names in tables.items() if name not in data.notes}
    theirs = site.request(data.dataset, structured, request=f"{policy}-two", party="registry", **asked)
    opened, other = site.open(site.run(mine)), site.open(site.run(theirs))
    return attack(
        opened,
        site.plan(mine),
        site.site,
        site.provider,
        progress=lambda _what, _rows: None,
        targets=targets,
        seed=SEED,
        voters=data.voters,
        other=Other(other, site.plan(theirs)),
    )


def _months(site: TestSite, data: Data, policy: str, targets: int) -> tuple[Figure, ...]:
    """Return what two years of a series of patients and visits tell together; nothing where it is refused."""
    population, columns = data.patients
    visits = next(iter(data.others))
    tables = {population: columns[policy], visits: data.others[visits]}
    series = site.request(data.dataset, tables, request=f"{policy}-series", schedule="yearly", **_asked(site, policy))
    first, second = data.years
    try:
        earlier, later = (site.open(site.run(series, period=year)) for year in (first, second))
    except DeidError as error:
        print(f"{data.name}: series under {policy}: {error.message}", file=sys.stderr)
        return ()
    return attack(
        later,
        site.plan(series, period=second),
        site.site,
        site.provider,
        progress=lambda _what, _rows: None,
        targets=targets,
        seed=SEED,
        earlier=earlier,
        attackers=[ATTACKERS["months"]],
    ).figures


def _asked(site: TestSite, policy: str) -> dict[str, Any]:
    """Return the fields of a request under a policy."""
    agreement = "DUA-1" if policy == "limited-data-set" else None
    return {"policy": str(site.folder / "policies" / f"{policy}.yaml"), "agreement": agreement, "window": None}


def _table(data: Data, scored: dict[str, Scored | str]) -> str:
    lines = [f"## {data.name}", "", "| attack | " + " | ".join(TITLES[p] for p in POLICIES) + " |"]
    lines.append("|---|" + "---:|" * len(POLICIES))
    for row in ROWS:
        cells = [_cell(scored[policy], *row) for policy in POLICIES]
        lines.append(f"| {row[0].replace('_', ' ')}: {row[1]} | " + " | ".join(cells) + " |")
    cells = [_bad(scored[policy]) for policy in POLICIES]
    never = ", ".join(name.replace("_", " ") for name in NEVER)
    lines.append(f"| {never}: what failed | " + " | ".join(cells) + " |")
    cells = [f"{sum(s.seconds.values()):.1f} s" if isinstance(s := scored[p], Scored) else "" for p in POLICIES]
    lines.append("| all attackers | " + " | ".join(cells) + " |")
    refused = [f"{TITLES[p]}: refused, {told}." for p, told in scored.items() if isinstance(told, str)]
    return "\n".join([*lines, "", *refused, ""])


def _cell(scored: Scored | str, attacker: str, scenario: str) -> str:
    if isinstance(scored, str):
        return "refused"
    found = [f for f in scored.figures if (f.attacker, f.scenario) == (attacker, scenario)]
    return _shares(found[0]) if found else ""


def _shares(figure: Figure) -> str:
    if figure.found is not None:
        return f"{shown(figure.found)} of {shown(figure.n)}"
    if figure.expected is None or not figure.n:
        return ""
    if figure.left is not None:
        return f"{figure.left:,.0f} of {figure.possible} left"
    certain = f" ({100 * figure.certain / figure.n:.1f})" if figure.certain is not None else ""
    digits = 3 if figure.expected < 0.001 else 1
    return f"{100 * figure.expected:.{digits}f}{certain}"


def _bad(scored: Scored | str) -> str:
    if isinstance(scored, str):
        return "refused"
    bad = [f.scenario for f in scored.figures if f.attacker in NEVER and f.verdict == "failed"]
    return "; ".join(bad) or "none"


def _foot(told: argparse.Namespace) -> str:
    made = datetime.now(UTC).date()
    return (
        f"Made on {made} with deid {deid.__version__}, numpy {np.__version__}, pyarrow {pa.__version__}, Python "
        f"{platform.python_version()}, seed {SEED}, {told.targets:,} targets, {told.voters:,} further voters.\n"
    )


_HEAD = """# Attacks, measured

What the attackers of [`deid attack`](../formats/attack.md) get of a release under each policy.
Each cell: the mean chance of naming the right patient in %, and in brackets the share of patients
named with certainty and rightly.
`2d1c` is an acquaintance who knows that the patient is in the release, the demographics, two days of
visits and one code.
`months` joins two years of a series of patients and visits; `parrot` tells of how many patients with redacted notes a
part of the own name stands where names stood, hits by chance among them.
An empty cell: the attack has nothing to work on (no days are shifted here; only the last two policies release
notes, `expert-k11` beside codes by naming their column, and DE-SynPUF has none), or nobody to look for.
Everybody in these data is made up: figures compare policies, they do not estimate a site.
Written by `python benchmarks/disclosure_attackers.py --page`.
"""

if __name__ == "__main__":
    main()
