"""A patient's own numbers stand outside of k because they group nobody; where they group families, nothing leaves."""

from __future__ import annotations

from typing import Any

import pytest
from recodings import recoding_policy
from tiny_sources import World

from deid.errors import DisclosureError

KINDS = {
    "patients": {"ID": "patient_id", "SEX": "sex", "PLAN": "member_id"},
    "encounters": {"ENC": "encounter_id", "PATIENT": "patient_id", "START": "admit_date", "ACCT": "account_number"},
}
NUMBERS = {"member_id": {"pseudonymize": "keyed"}, "account_number": {"pseudonymize": "keyed"}}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Return one site for all."""
    return World(tmp_path_factory.mktemp("numbers") / "site")


def released(world: World, tables: dict[str, list[str]], *, plans: str, accounts: str, k: int | None = 3) -> Any:
    """Run over six patients with these member numbers, each with a visit under these account numbers; `-` for none."""
    people = [f"p{n} {'FM'[n % 2]} {plan}" for n, plan in enumerate(plans.split())]
    visits = [f"e{n} p{n} 2025-01-01 {account}" for n, account in enumerate(accounts.split())]
    drawn = {
        "patients": "\n".join(["ID SEX PLAN", *people]),
        "encounters": "\n".join(["ENC PATIENT START ACCT", *visits]),
    }
    source = world.source_of(drawn, KINDS, population="patients", encounters="encounters")
    no_k = {"k": None, "recoding": None, "suppression": None, "quasi_identifiers": None} if k is None else {}
    recoding = {} if k is None else {"recoding": None, "quasi_identifiers": ["sex"]}
    policy = recoding_policy(world, rules=NUMBERS, **(no_k | recoding))
    return world.released(source, tables, policy=policy, agreement=None)


ALL = {"patients": ["ID", "SEX", "PLAN"], "encounters": ["PATIENT", "ACCT"]}
OWN, FAMILY = "a b c d e f", "a a a d e f"


def test_numbers_of_one_patient_each_leave(world: World) -> None:
    """Also where they repeat with their patient, or where several patients have none."""
    found = released(world, ALL, plans="a b c d - -", accounts="v w x y z -")
    assert len(found["patients"]) == len(found["encounters"]) == 6


@pytest.mark.parametrize(
    ("tables", "plans", "accounts", "where"),
    [
        (ALL, FAMILY, OWN, "patients.PLAN"),
        ({"patients": ["SEX", "PLAN"]}, FAMILY, OWN, "patients.PLAN"),
        (ALL, OWN, FAMILY, "encounters.ACCT"),
    ],
)
def test_a_number_that_patients_share_stops_the_release(
    world: World, tables: dict[str, list[str]], plans: str, accounts: str, where: str
) -> None:
    """Who belongs together is told by a shared pseudonym, in the population without its key and beside visits too."""
    with pytest.raises(DisclosureError, match=rf"numbers of {where} are shared: .* 1-10 patients"):
        released(world, tables, plans=plans, accounts=accounts)


def test_without_k_nothing_is_promised(world: World) -> None:
    """A policy that counts nobody lets families be told, as its basis allows."""
    assert len(released(world, ALL, plans=FAMILY, accounts=FAMILY, k=None)["patients"]) == 6
