"""Laws of reading X12 claims: what was put into an interchange comes out of it, whatever its delimiters and cuts."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from x12_claims import HEAD, Marks, described, interchange, read

from deid.errors import SourceError
from deid.schema import DatasetDescription
from deid.sources.x12 import reader, utf8

TEXT = st.text(st.characters(codec="utf-8", categories=("L", "N")), min_size=1, max_size=6)
CODE = st.text("ABCXZ0179", min_size=3, max_size=7)
MONEY = st.decimals(0, 99_999, places=2).map(str)
DAY = st.dates(date(1900, 1, 1), date(2100, 1, 1)).map(lambda day: f"{day:%Y%m%d}")
SIGNS = st.permutations(list("~*:^|>!'\\?{}[]=;\x1c\x1d\x1e\x1f\t")).map(lambda p: Marks(*p[:4], between=""))


@dataclass(frozen=True)
class Line:
    """One service line as drawn."""

    code: str
    modifiers: list[str]
    charge: str
    day: str


@dataclass(frozen=True)
class Claim:
    """One claim as drawn."""

    account: str
    codes: list[str]
    lines: list[Line]
    note: str | None


@dataclass(frozen=True)
class Member:
    """One subscriber with claims of his own and of children (name, birth day, claims)."""

    number: str
    name: str
    born: str
    claims: list[Claim]
    children: list[tuple[str, str, list[Claim]]]


LINES = st.builds(Line, code=st.text("0123456789", min_size=5, max_size=5),
                  modifiers=st.lists(st.text("AZ059", min_size=2, max_size=2), max_size=4), charge=MONEY, day=DAY)  # fmt: skip
CLAIMS = st.lists(
    st.builds(Claim, account=TEXT, codes=st.lists(CODE, min_size=1, max_size=5), lines=st.lists(LINES, max_size=3),
              note=st.none() | TEXT), max_size=2)  # fmt: skip
MEMBERS = st.lists(
    st.builds(Member, number=TEXT, name=TEXT, born=DAY, claims=CLAIMS,
              children=st.lists(st.tuples(TEXT, DAY, CLAIMS), max_size=2)), min_size=1, max_size=3)  # fmt: skip
SETS = st.lists(MEMBERS, min_size=1, max_size=2)


def written(members: list[Member]) -> list[str]:
    """Return the segments of one transaction set."""
    body, number = list(HEAD), 1
    for member in members:
        number += 1
        above = number
        body += [
            f"HL*{number}*1*22*0",
            "SBR*P*18",
            f"NM1*IL*1*{member.name}*****MI*{member.number}",
            f"DMG*D8*{member.born}*F",
        ]
        body += [segment for claim in member.claims for segment in of_claim(claim)]
        for name, born, claims in member.children:
            number += 1
            body += [f"HL*{number}*{above}*23*0", "PAT*19", f"NM1*QC*1*{member.name}*{name}", f"DMG*D8*{born}*M"]
            body += [segment for claim in claims for segment in of_claim(claim)]
    return body


def of_claim(claim: Claim) -> list[str]:
    """Return the segments of one claim."""
    body = [f"CLM*{claim.account}*1***11:B:1", *([f"NTE*ADD*{claim.note}"] if claim.note else [])]
    body += [f"HI*{'*'.join(f'{mark}:{code}' for mark, code in zip(['ABK', *['ABF'] * 9], claim.codes, strict=False))}"]
    for at, line in enumerate(claim.lines, start=1):
        body += [
            f"LX*{at}",
            f"SV1*{':'.join(['HC', line.code, *line.modifiers])}*{line.charge}",
            f"DTP*472*D8*{line.day}",
        ]
    return body


def expected(sets: list[list[Member]]) -> list[tuple[str, str, str, list[str], list[Line], str | None]]:
    """Return, for each claim in order: birth day, name, account, codes, lines and note."""
    found = []
    for members in sets:
        for member in members:
            found += [(member.born, member.name, c.account, c.codes, c.lines, c.note) for c in member.claims]
            for name, born, claims in member.children:
                found += [(born, name, c.account, c.codes, c.lines, c.note) for c in claims]
    return found


@pytest.fixture(scope="module")
def described_folder(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, DatasetDescription]:
    """A folder for one file at a time, and its description, which is read once."""
    folder = tmp_path_factory.mktemp("laws")
    return folder / "claims.txt", described(folder)


@given(sets=SETS, marks=SIGNS, window=st.sampled_from([700, 1 << 20]))
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_claims_come_back_as_they_were_written(
    described_folder: tuple[Path, DatasetDescription], sets: list[list[Member]], marks: Marks, window: int
) -> None:
    """Every claim has its person, codes, lines and note, in order and under one key, and no other's."""
    path, dataset = described_folder
    path.write_bytes(interchange(*map(written, sets), marks=marks).encode())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reader, "WINDOW", window)
        patch.setattr(utf8, "CHUNK", window)
        claims = read(dataset, "claims", "claim_id", "account_number", "patient_id")
        people = read(dataset, "patients", "patient_id", "family_name", "given_name", "birth_date")
        codes = read(dataset, "diagnoses", "claim_id", "icd", "role", "sequence")
        lines = read(
            dataset,
            "lines",
            "claim_id",
            "cpt",
            "charge",
            "service_date",
            "line",
            *(f"modifier_{n}" for n in range(1, 5)),
        )
        notes = read(dataset, "notes", "claim_id", "note")
    wanted = expected(sets)
    assert len({row["claim_id"] for row in claims}) == len(claims) == len(wanted)
    for row, person, (born, name, account, icd, services, note) in zip(claims, people, wanted, strict=True):
        key = row["claim_id"]
        assert (row["account_number"], row["patient_id"]) == (account, person["patient_id"])
        assert (person["birth_date"], person["given_name"] or person["family_name"]) == (born, name)
        own = [c for c in codes if c["claim_id"] == key]
        assert [(c["icd"], c["role"]) for c in own] == [(c, "other" if at else "principal") for at, c in enumerate(icd)]
        assert [c["sequence"] for c in own] == [str(at + 1) for at in range(len(icd))]
        found = [
            Line(
                r["cpt"] or "",
                [m for n in range(1, 5) if (m := r[f"modifier_{n}"])],
                r["charge"] or "",
                r["service_date"] or "",
            )
            for r in lines
            if r["claim_id"] == key
        ]
        assert found == services
        assert [n["note"] for n in notes if n["claim_id"] == key] == ([note] if note else [])


@given(data=st.binary(max_size=400), at=st.integers(0, 2_000))
@settings(max_examples=60, deadline=None)
def test_damage_is_refused_or_read_and_never_a_crash(
    described_folder: tuple[Path, DatasetDescription], data: bytes, at: int
) -> None:
    """Whatever bytes stand in the middle of an interchange, the answer is rows or one SourceError."""
    path, dataset = described_folder
    text = interchange(written([Member("M-1", "ROE", "19700101", [Claim("A-1", ["I10"], [], None)], [])])).encode()
    path.write_bytes(text[:at] + data + text[at:])
    with suppress(SourceError):
        read(dataset, "diagnoses")
