"""Orders of reidentification, docs/formats/reidentification.md: two people, a reason, an entry, and one reader."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from reidentifying import WHY, Officers
from tiny_sources import LIMITED, SAFE, SENTINELS

from deid.audit import Entry
from deid.audit.site import audit_folder, site_log
from deid.documents.request import load_request
from deid.errors import AuditError, DeidError, DocumentError, KeyFaultError, PlanError, ReleaseError, TrustError
from deid.keys.officers import SigningKey
from deid.keys.recipients import generate_identity, load_identity, open_envelope, seal_envelope
from deid.papers.register import register_without_keys
from deid.papers.signing import countersign, sign_document, statement_path
from deid.papers.trust import REIDENTIFICATION, load_trust
from deid.reidentify.answers import Answer, Found, read_answers, write_answers
from deid.reidentify.consent import require_consent
from deid.reidentify.order import load_order
from deid.reidentify.run import reidentify

UNKNOWN = "a" * 16


@pytest.fixture(scope="module")
def officers(tmp_path_factory: pytest.TempPathFactory) -> Officers:
    """A site with a privacy officer, a data steward, and somebody who may not sign."""
    return Officers(tmp_path_factory.mktemp("reidentify") / "site")


@pytest.fixture(scope="module")
def random_release(officers: Officers) -> tuple[Path, Any]:
    """A request and its release with random pseudonyms."""
    return officers.release(policy=SAFE)


def entries(officers: Officers) -> list[Entry]:
    """The entries of reidentification in the audit log, oldest first."""
    found: list[Entry] = []
    site_log(officers.site.site, officers.site.provider).verify(seen=lambda entry, _: found.append(entry))
    return [entry for entry in found if entry.kind == "reidentified"]


@pytest.mark.parametrize("policy", [SAFE, LIMITED])
def test_a_pseudonym_is_led_back_whatever_its_method(officers: Officers, policy: str) -> None:
    """Random and keyed ones lead to the patient they stand for, alone or in a list; others are unknown."""
    request, done = officers.release(policy=policy)
    given = officers.pseudonyms(done)
    for who, pseudonym in given.items():
        order = officers.sign(officers.order(done, [pseudonym]))
        assert [(a.identifier, a.outcome) for a in officers.answers(order, request)] == [(who, Found.TOLD)]
    reader = officers.site.researcher.with_suffix(".pub").read_text().strip()
    order = officers.sign(officers.order(done, [UNKNOWN, *given.values()], answer=reader))
    told = officers.answers(order, request)
    assert [answer.identifier for answer in told] == [None, *given]
    assert told[0].outcome is (Found.NEVER_GIVEN if policy == SAFE else Found.NOT_IN_SOURCE)


def test_encounters_are_led_back_too(officers: Officers, random_release: tuple[Path, Any]) -> None:
    """A pseudonym of another kind leads to an identifier of that kind, and not as one of a patient."""
    request, done = random_release
    visits = officers.site.open(done).read("encounters").column("ENC").to_pylist()
    found = [
        officers.answers(officers.sign(officers.order(done, [text], kind="encounter_id")), request)[0].identifier
        for text in visits
    ]
    assert sorted(map(str, found)) == ["SENTINEL-ENC-1", "SENTINEL-ENC-2"]
    as_patient = officers.answers(officers.sign(officers.order(done, visits[:1])), request)
    assert [answer.outcome for answer in as_patient] == [Found.NEVER_GIVEN]


def test_who_left_the_source_is_found_in_a_list(officers: Officers, tmp_path: Path) -> None:
    """A patient whom the source holds no more is told as such; an index of patients leads back to them."""
    request, done = officers.release(policy=SAFE)
    gone = officers.pseudonyms(done)["SENTINEL-PAT-2"]
    table = load_request(request).dataset.parent / "patients.csv"
    table.write_text("".join(table.read_text().splitlines(keepends=True)[:2]))
    order = officers.sign(officers.order(done, [gone]))
    assert officers.answers(order, request)[0].outcome is Found.NOT_IN_SOURCE
    index = tmp_path / "index.txt"
    index.write_text("SENTINEL-PAT-0\n\n  SENTINEL-PAT-2 \nSENTINEL-PAT-2\n")
    assert officers.answers(order, request, candidates=index)[0].identifier == "SENTINEL-PAT-2"
    assert [entry.details["outcome"] for entry in entries(officers)[-2:]] == ["unknown", "told"]


@pytest.mark.parametrize("method", ["keyed", "random"])
def test_offsets_are_told_where_the_order_asks(officers: Officers, method: str) -> None:
    """The true day is the released one minus the offset; without `dates` no offset is told."""
    window = {"from": "2025-01-01", "to": "2025-12-31"}
    tables = {"patients": ["ID", "BIRTH", "SEX", "ZIP"]}
    request, done = officers.release(policy=officers.shifting(method=method), window=window, tables=tables)
    births = {row["ID"]: row["BIRTH"] for row in officers.site.open(done).read("patients").to_pylist()}
    pseudonym = officers.pseudonyms(done)["SENTINEL-PAT-1"]
    asked = officers.answers(officers.sign(officers.order(done, [pseudonym], dates=True)), request)[0]
    assert asked.offset_days is not None
    assert births[pseudonym] - timedelta(days=asked.offset_days) == date(1987, 3, 29)
    assert officers.answers(officers.sign(officers.order(done, [pseudonym])), request)[0].offset_days is None


def test_one_person_is_never_enough(officers: Officers, random_release: tuple[Path, Any]) -> None:
    """No signature, one, the same person's twice, and one by somebody who may not are refused, and nothing is told."""
    request, done = random_release
    pseudonym = officers.pseudonyms(done)["SENTINEL-PAT-1"]

    def refused(*keys: SigningKey) -> None:
        order = officers.order(done, [pseudonym])
        for number, key in enumerate(keys):  # by hand: what `sign_order` would refuse
            if number:
                countersign(statement_path(order.path), key, data_digest=order.digest)
            else:
                week = datetime.now(UTC).date() + timedelta(days=7)
                sign_document(
                    order.path, key, REIDENTIFICATION, data_digest=order.digest, name=order.name, version="1",
                    signed_at=datetime.now(UTC), expires=week,
                )  # fmt: skip
        before = len(entries(officers))
        with pytest.raises(TrustError):
            officers.answers(order, request)
        told = entries(officers)[before:]
        assert [(entry.details["outcome"], entry.details["signers"]) for entry in told] == [("refused", "none")]

    refused()
    refused(officers.officer)
    refused(officers.steward)
    refused(officers.officer, officers.officer)
    refused(officers.officer, officers.stranger)
    with pytest.raises(TrustError, match="may not sign"):
        officers.sign(officers.order(done, [pseudonym]), officers.stranger)
    with pytest.raises(TrustError, match="has signed the order already"):
        officers.sign(officers.order(done, [pseudonym]), officers.officer, officers.officer)


def test_no_trust_root_asks_for_one(officers: Officers, tmp_path: Path) -> None:
    """A threshold of one is refused when the trust root is read; who may sign can be other people, two of them."""
    text = officers.site.site.trust.read_text()
    path = officers.site.folder / "other.yaml"
    path.write_text(f"{text}threshold: {{reidentification: 1}}\n")
    with pytest.raises(DocumentError, match="reidentification needs 1"):
        load_trust(path)
    path.write_text(f"{text}may_sign: {{reidentification: [requester]}}\n")
    assert load_trust(path).threshold(REIDENTIFICATION) == 2


def test_what_was_signed_is_what_is_answered(officers: Officers, random_release: tuple[Path, Any]) -> None:
    """Altered after it was signed, expired, dated ahead, or for longer than a month: refused."""
    request, done = random_release
    given = officers.pseudonyms(done)
    order = officers.sign(officers.order(done, [given["SENTINEL-PAT-1"]]))
    order.path.write_text(order.path.read_text().replace(given["SENTINEL-PAT-1"], given["SENTINEL-PAT-2"]))
    with pytest.raises(TrustError, match="altered"):
        officers.answers(load_order(order.path), request)
    order = officers.sign(officers.order(done, [given["SENTINEL-PAT-1"]]))
    assert officers.answers(order, request, at=datetime.now(UTC) + timedelta(days=6))
    with pytest.raises(TrustError, match="expired"):
        officers.answers(order, request, at=datetime.now(UTC) + timedelta(days=9))
    ahead = officers.sign(officers.order(done, [given["SENTINEL-PAT-1"]]), at=datetime.now(UTC) + timedelta(hours=1))
    with pytest.raises(TrustError, match="future"):
        officers.answers(ahead, request)
    for expires in (None, datetime.now(UTC).date() + timedelta(days=32)):
        long = officers.order(done, [given["SENTINEL-PAT-1"]])
        sign_document(
            long.path, officers.officer, REIDENTIFICATION, data_digest=long.digest, name=long.name, version="1",
            signed_at=datetime.now(UTC), expires=expires,
        )  # fmt: skip
        countersign(statement_path(long.path), officers.steward, data_digest=long.digest)
        with pytest.raises(TrustError, match="more than 31 days"):
            require_consent(long, officers.trust, register_without_keys(officers.world.site.site), at=datetime.now(UTC))


def test_release_and_policy_are_those_of_the_order(officers: Officers, random_release: tuple[Path, Any]) -> None:
    """Another manifest, no such release, another policy, and a kind without pseudonyms: refused, and entered so."""
    request, done = random_release
    other, _ = officers.release(policy=LIMITED)
    pseudonym = officers.pseudonyms(done)["SENTINEL-PAT-1"]
    cases: list[tuple[dict[str, Any], Path, type[DeidError]]] = [
        ({"manifest_sha256": "0" * 64}, request, ReleaseError),
        ({}, other, DocumentError),
        ({"kind": "claim_id"}, request, PlanError),
    ]
    for fields, asked, fault in cases:
        order = officers.sign(officers.order(done, [pseudonym], **fields))
        with pytest.raises(fault):
            officers.answers(order, asked)
        last = entries(officers)[-1].details
        assert last["outcome"] == "refused"
        assert last["signers"] == ",".join(sorted_keys(officers))


def sorted_keys(officers: Officers) -> list[str]:
    """The two signers' key ids."""
    return sorted((officers.officer.keyid, officers.steward.keyid))


def test_the_entry_is_there_before_anything_is_told(officers: Officers, random_release: tuple[Path, Any]) -> None:
    """One entry for each pseudonym, with digest, signers and reason, and no identifier, pseudonym or sentence."""
    request, done = random_release
    pseudonym = officers.pseudonyms(done)["SENTINEL-PAT-1"]
    order = officers.sign(officers.order(done, [pseudonym], reason="legal-duty"))
    before = len(entries(officers))
    seen: list[int] = []

    def tell(_order: object, _answers: object) -> None:
        seen.append(len(entries(officers)) - before)
        raise KeyFaultError("the terminal is gone", hint="")

    with pytest.raises(KeyFaultError):
        reidentify(order.path, request, officers.site.site, officers.site.provider, tell=tell)
    assert seen == [1]
    last = entries(officers)[-1]
    assert last.subject == order.request
    assert last.details | {"pseudonym": ""} == {
        "order_sha256": order.digest,
        "signers": ",".join(sorted_keys(officers)),
        "reason": "legal-duty",
        "outcome": "told",
        "pseudonym": "",
    }
    logged = b"".join(path.read_bytes() for path in audit_folder(officers.site.site).rglob("*") if path.is_file())
    for secret in (*SENTINELS, pseudonym, WHY):
        assert secret.encode() not in logged


def test_nothing_is_told_where_the_log_takes_no_entry(officers: Officers, random_release: tuple[Path, Any]) -> None:
    """A damaged audit log stops it before anything is searched."""
    request, done = random_release
    order = officers.sign(officers.order(done, [officers.pseudonyms(done)["SENTINEL-PAT-1"]]))
    segment = max(audit_folder(officers.site.site).glob("*"))
    good = segment.read_bytes()
    segment.write_bytes(good[: len(good) // 2])
    try:
        with pytest.raises(AuditError):
            officers.answers(order, request)
    finally:
        segment.write_bytes(good)


def test_only_the_named_reader_opens_the_answer(
    officers: Officers, random_release: tuple[Path, Any], tmp_path: Path
) -> None:
    """An answer in a file is sealed to the one key in the order, is for its owner alone, and replaces nothing."""
    request, done = random_release
    reader = generate_identity(tmp_path / "reader.key", tmp_path / "reader.pub", None)
    generate_identity(tmp_path / "other.key", tmp_path / "other.pub", None)
    given = officers.pseudonyms(done)
    order = officers.sign(officers.order(done, sorted(given.values()), answer=reader.key))
    out = tmp_path / "answer.age"

    def tell(asked: Any, answers: Any) -> None:
        write_answers(out, asked, answers)

    reidentify(order.path, request, officers.site.site, officers.site.provider, tell=tell)
    sealed = out.read_bytes()
    assert out.stat().st_mode & 0o077 == 0
    assert not any(text.encode() in sealed for text in (*SENTINELS, *given.values()))
    read = json.loads(open_envelope(sealed, [load_identity(tmp_path / "reader.key")]))
    assert {answer["identifier"]: answer["pseudonym"] for answer in read["answers"]} == given
    assert (read["format"], read["order_sha256"]) == ("deid-answer/1", order.digest)
    ours, others = load_identity(tmp_path / "reader.key"), load_identity(tmp_path / "other.key")
    assert {answer.identifier: answer.pseudonym for answer in read_answers(out, ours)} == given
    with pytest.raises(KeyFaultError):
        read_answers(out, others)
    for damaged in (sealed[:-1], sealed[:-9] + bytes(9), seal_envelope(b"{}", [reader])):
        (tmp_path / "damaged").write_bytes(damaged)
        with pytest.raises(ReleaseError):
            read_answers(tmp_path / "damaged", ours)
    with pytest.raises(KeyFaultError, match="already exists"):
        write_answers(out, order, [Answer(UNKNOWN, Found.NEVER_GIVEN)])
    assert "SENTINEL" not in repr(Answer(UNKNOWN, Found.TOLD, "SENTINEL-PAT-1", 3))


CHANGES: dict[str, Callable[[str], str]] = {
    "no reason": lambda text: text.replace('reason: "patient-safety"', 'reason: "curiosity"'),
    "no sentence": lambda text: text.replace(WHY, "because"),
    "what a terminal obeys": lambda text: text.replace(WHY, f"{WHY} \\u001b[2J"),
    "a pseudonym twice": lambda text: text.replace(f'["{UNKNOWN}"]', f'["{UNKNOWN}", "{UNKNOWN}"]'),
    "no pseudonym": lambda text: text.replace(f'["{UNKNOWN}"]', "[]"),
    "not a pseudonym": lambda text: text.replace(UNKNOWN, "SENTINEL-PAT-1"),
    "a list to a terminal": lambda text: text.replace(f'["{UNKNOWN}"]', f'["{UNKNOWN}", "{"b" * 16}"]'),
    "a kind without pseudonyms": lambda text: text.replace("patient_id", "person_name"),
    "offsets of encounters": lambda text: text.replace("patient_id", "encounter_id").replace("false", "true"),
    "no reader": lambda text: text.replace('"terminal"', '"age1nobody"'),
    "an unknown field": lambda text: f"{text}also: 1\n",
    "another version": lambda text: text.replace("reidentification: 1", "reidentification: 2"),
    "a path": lambda text: text.replace('release: "', 'release: "../'),
}


@pytest.mark.parametrize("change", CHANGES)
def test_an_order_that_does_not_hold_is_refused(
    officers: Officers, random_release: tuple[Path, Any], change: str
) -> None:
    """What an order must have it must have, and the message quotes nothing of it."""
    order = officers.order(random_release[1], [UNKNOWN])
    text = order.path.read_text()
    changed = CHANGES[change](text)
    assert changed != text
    order.path.write_text(changed)
    with pytest.raises(DocumentError) as fault:
        load_order(order.path)
    assert "SENTINEL" not in str(fault.value)
