"""What billing and administrative codes tell of a visit, each with codes that tell it and others close by that do not."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from deid.codes import visit_flags

# flag | kind | codes that tell it | codes that do not, though they could have
TOLD = """
    telehealth | place_of_service | 02 10                                  | 11 12 0131
    telehealth | modifier         | 95 gt GQ G0 93 FQ                      | 25 59 GN
    telehealth | cpt              | 98000 98016 99441 99443 98966 G2010 G2012 g2252 Q3014 | 99213 99421 98017 G2013
    telehealth | hcpcs            | G0425 T1014                            | G0424 J1100
    telehealth | encounter_class  | VR virtual                             | AMB office
    emergency  | revenue_code     | 0450 450 0459 0981                     | 0456 0455 0510
    emergency  | cpt              | 99281 99285 G0380                      | 99280 99291 G0385
    emergency  | place_of_service | 23                                     | 20 22 0231
    emergency  | encounter_class  | EMER emergency E 9203                  | IMP urgent
    inpatient  | encounter_class  | IMP inpatient 60 61 I                  | AMB 40 emergency
    inpatient  | place_of_service | 21 51 61 111 0117 0411                 | 22 31 131 0121 1 1111
    inpatient  | revenue_code     | 0100 120 0219                          | 0099 0220 0450
"""
LINES = [[part.strip() for part in line.split("|")] for line in TOLD.strip().splitlines()]


def answers(flag: str, kind: str, codes: list[str | None]) -> list[tuple[bool, bool]]:
    """Return for each code, alone in its visit, whether the flag is told and whether it can be denied."""
    bits = visit_flags.table_of(kind).read(pa.array(codes, pa.string()))
    return list(zip(*(flags.tolist() for flags in visit_flags.told(flag, bits)), strict=True))


@pytest.mark.parametrize(("flag", "kind", "yes", "no"), LINES, ids=lambda part: part[:16])
def test_a_flag_is_told_by_its_codes_and_not_by_their_neighbors(flag: str, kind: str, yes: str, no: str) -> None:
    """A code that tells a flag tells it; one of the same kind that does not leaves it denied."""
    assert [told for told, _ in answers(flag, kind, [*yes.split()])] == [True] * len(yes.split())
    assert [told for told, _ in answers(flag, kind, [*no.split()])] == [False] * len(no.split())


def test_every_kind_that_can_tell_a_flag_stands_above() -> None:
    """No pair of flag and kind is without an example."""
    listed = {(flag, kind) for flag, kind, *_ in LINES} | {("emergency", "hcpcs")}
    assert listed == {
        (flag, kind) for flag, kinds in visit_flags.TELLING.items() if flag != "em_level" for kind in kinds
    }


def test_a_visit_without_a_code_that_could_tell_leaves_the_flag_unknown() -> None:
    """A null, a modifier asked for an emergency, and a cell that is no code deny nothing."""
    assert answers("telehealth", "place_of_service", [None, ""]) == [(False, False)] * 2
    assert answers("emergency", "modifier", ["25"]) == [(False, False)]
    assert answers("inpatient", "cpt", ["99213"]) == [(False, False)]
    assert answers("emergency", "revenue_code", ["Smith"]) == [(False, False)]


@pytest.mark.parametrize(
    ("codes", "level"),
    [
        (["99202"], 2), (["99215"], 5), (["99211"], 1), (["99223"], 3), (["99281", "99214"], 4), (["99310"], 4),
        (["99345"], 5), (["99347"], 1), (["99200", "99206", "99216", "99291", "99395", "G0463"], 0), ([], 0),
    ],
)  # fmt: skip
def test_the_level_is_the_highest_of_the_visit_by_its_place_in_its_family(codes: list[str], level: int) -> None:
    """Each family of evaluation and management codes counts its levels from one; other services have none."""
    bits = visit_flags.table_of("cpt").read(pa.array(codes, pa.string()))
    visit = np.bitwise_or.reduce(bits).reshape(1) if codes else np.zeros(1, np.uint64)
    assert visit_flags.highest_level(visit).tolist() == [level]
