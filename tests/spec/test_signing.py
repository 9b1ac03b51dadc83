"""Signed statements: what holds, and everything that does not."""

from __future__ import annotations

import base64
import hashlib
import json
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deid.errors import KeyFaultError, TrustError
from deid.keys.key_file import SMALLEST_N
from deid.keys.officers import SigningKey, generate_signing_key, load_public_key, load_signing_key
from deid.keys.recipients import Recipient, recipients_digest
from deid.papers.actual_knowledge import NO_KNOWLEDGE, sign_knowledge, verify_knowledge
from deid.papers.signing import CLOCK_SKEW, countersign, sign_document, statement_path, verify_document
from deid.papers.statements import MAX_BYTES, PAYLOAD_TYPE
from deid.papers.trust import TrustRoot, add_person, load_trust

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
OTHER = hashlib.sha256(b"other").hexdigest()


@dataclass
class Site:
    """A document, its digest, a trust root with two officers and a manager, and a stranger's key."""

    document: Path
    digest: str
    trust: TrustRoot
    keys: dict[str, SigningKey]

    def sign(self, who: str = "ann", statement_type: str = "policy", **change: Any) -> Path:
        """Sign the document, with arguments changed."""
        fields = {"data_digest": self.digest, "name": "safe-harbor", "version": "1", "signed_at": NOON} | change
        return sign_document(self.document, self.keys[who], statement_type, **fields)

    def verify(self, **change: Any) -> Any:
        """Verify the document as a policy at noon, with arguments changed."""
        fields = {"data_digest": self.digest, "trust": self.trust, "statement_type": "policy", "at": NOON}
        fields |= {"name": "safe-harbor", "version": "1"} | change
        return verify_document(self.document, **fields)

    def root(self, more: str) -> TrustRoot:
        """The trust root with other rules."""
        path = self.trust.path.with_name("other.yaml")
        path.write_text(self.trust.path.read_text() + more)
        return load_trust(path)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A site whose keys are made once."""
    folder = tmp_path_factory.mktemp("site")
    keys = {}
    for name in ("ann", "bob", "manager", "stranger"):
        keys[name] = generate_signing_key(folder / f"{name}.key", b"pw", scrypt_n=SMALLEST_N)
        role = "data_manager" if name == "manager" else "privacy_officer"
        if name != "stranger":
            trust = add_person(folder / "trust.yaml", name=name, role=role, key=folder / f"{name}.pub")
    document = folder / "policy.yaml"
    document.write_text("policy: safe-harbor\n")
    return Site(document, hashlib.sha256(document.read_bytes()).hexdigest(), trust, keys)


@pytest.fixture
def site(shared: Site, tmp_path: Path) -> Site:
    """The same keys over a fresh document."""
    document = tmp_path / "policy.yaml"
    document.write_bytes(shared.document.read_bytes())
    return Site(document, shared.digest, shared.trust, shared.keys)


def edit(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change the envelope's JSON in place."""
    content = json.loads(path.read_bytes())
    change(content)
    path.write_text(json.dumps(content))


def repack(path: Path, change: Callable[[dict[str, Any]], None], key: SigningKey | None = None) -> None:
    """Change the payload, spelled canonically; sign it anew if a key is given."""

    def repacked(content: dict[str, Any]) -> None:
        payload = json.loads(base64.b64decode(content["payload"]))
        change(payload)
        data = json.dumps(payload, sort_keys=True, separators=(",", ":")).encode()
        content["payload"] = base64.b64encode(data).decode()
        if key is not None:
            pae = b"DSSEv1 %d %b %d %b" % (len(PAYLOAD_TYPE), PAYLOAD_TYPE.encode(), len(data), data)
            signature = bytes.fromhex(key.signer.sign(pae).signature)
            content["signatures"] = [{"keyid": key.keyid, "sig": base64.b64encode(signature).decode()}]

    edit(path, repacked)


def test_a_signed_document_is_verified(site: Site) -> None:
    """What was signed comes back, with the name of who signed it."""
    terms = {"reviewed": "yes"}
    path = site.sign(expires=date(2027, 1, 1), terms=terms)
    assert path == statement_path(site.document)
    assert path.name == "policy.yaml.dsse.json"
    statement = site.verify()
    assert (statement.type, statement.name, statement.version) == ("policy", "safe-harbor", "1")
    assert (statement.sha256, statement.signed_at, statement.terms) == (site.digest, NOON, terms)
    assert (statement.expires, statement.signers) == (date(2027, 1, 1), ("ann",))


def test_the_envelope_is_plain_dsse(site: Site) -> None:
    """The file is DSSE as specified: Ed25519 over the pre-authentication encoding, checked here by hand."""
    path = site.sign()
    content = json.loads(path.read_bytes())
    payload = base64.b64decode(content["payload"])
    pae = b"DSSEv1 %d %b %d %b" % (len(PAYLOAD_TYPE), PAYLOAD_TYPE.encode(), len(payload), payload)
    public = site.keys["ann"].signer._private_key.public_key()  # type: ignore[attr-defined]
    public.verify(base64.b64decode(content["signatures"][0]["sig"]), pae)
    assert list(json.loads(payload)) == sorted(json.loads(payload))
    assert json.loads(payload)["signed_at"] == "2026-11-22T12:00:00Z"


def test_an_unsigned_document_is_refused(site: Site) -> None:
    """Without a statement the document does not run, and the hint says what to type."""
    with pytest.raises(TrustError, match="not signed") as caught:
        site.verify()
    assert caught.value.exit_code == 14
    assert "deid policy sign" in caught.value.hint


def test_an_altered_document_is_refused(site: Site) -> None:
    """The digest of what was read decides, not the file that lies there."""
    site.sign()
    with pytest.raises(TrustError, match="altered after it was signed"):
        site.verify(data_digest=OTHER)


@pytest.mark.parametrize("change", [{"name": "limited-data-set"}, {"version": "2"}, {"name": "", "version": ""}])
def test_a_statement_about_another_name_or_version_is_refused(site: Site, change: dict[str, str]) -> None:
    """An officer who signed these bytes as something else has not approved what was parsed from them."""
    site.sign(**change)
    with pytest.raises(TrustError, match="the document is 'safe-harbor' version '1'"):
        site.verify()
    assert site.verify(**change).signers == ("ann",)


def test_a_statement_from_the_future_is_refused(site: Site) -> None:
    """Five minutes are the clocks' own; a second more is a date that somebody chose."""
    site.sign(signed_at=NOON + timedelta(minutes=5))
    assert site.verify().signed_at == NOON + CLOCK_SKEW
    site.sign(signed_at=NOON + timedelta(minutes=5, seconds=1))
    with pytest.raises(TrustError, match="in the future"):
        site.verify()
    site.sign(signed_at=datetime(2026, 11, 22, 14, tzinfo=timezone(timedelta(hours=2))))
    assert site.verify().signed_at == NOON


def test_expiry_is_the_last_day_in_utc(site: Site) -> None:
    """The statement holds through its last day in UTC, wherever the clock stands."""
    site.sign(expires=date(2026, 11, 22))
    site.verify(at=datetime(2026, 11, 22, 23, 59, 59, tzinfo=UTC))
    site.verify(at=datetime(2026, 11, 23, 5, 0, tzinfo=timezone(timedelta(hours=9))))
    for late in (datetime(2026, 11, 23, tzinfo=UTC), datetime(2026, 11, 22, 20, tzinfo=timezone(timedelta(hours=-5)))):
        with pytest.raises(TrustError, match="expired on 2026-11-22"):
            site.verify(at=late)
    with pytest.raises(ValueError, match="time zone"):
        site.verify(at=datetime(2026, 11, 22))  # noqa: DTZ001


def test_a_stranger_and_a_wrong_role_are_refused(site: Site) -> None:
    """A key that the root does not know, and a person whose role may not sign, are told apart."""
    site.sign("stranger")
    with pytest.raises(TrustError, match=r"signed by nobody in trust\.yaml"):
        site.verify()
    site.sign("manager")
    with pytest.raises(TrustError, match="role data_manager, which may not sign a policy"):
        site.verify()


def test_a_type_that_nobody_may_sign_is_refused(site: Site) -> None:
    """An officer's signature does not hold for a type that the root leaves out."""
    site.sign(statement_type="no-actual-knowledge")
    with pytest.raises(TrustError, match="may not sign"):
        site.verify(statement_type="no-actual-knowledge", trust=site.root("may_sign: {policy: [privacy_officer]}\n"))


def test_a_statement_of_another_type_is_refused(site: Site) -> None:
    """A statement of no actual knowledge is no approval of a policy."""
    site.sign(statement_type="no-actual-knowledge")
    with pytest.raises(TrustError, match="of the type 'no-actual-knowledge'"):
        site.verify()


def test_a_threshold_needs_that_many_people(site: Site) -> None:
    """Two officers must sign where the root says two; a manager or the same officer again does not count."""
    trust = site.root("threshold: {policy: 2}\n")
    path = site.sign()
    with pytest.raises(TrustError, match="2 valid signature"):
        site.verify(trust=trust)
    for who in ("ann", "manager"):
        countersign(path, site.keys[who], data_digest=site.digest)
        with pytest.raises(TrustError, match="2 valid signature"):
            site.verify(trust=trust)
    countersign(path, site.keys["bob"], data_digest=site.digest)
    assert set(site.verify(trust=trust).signers) == {"ann", "bob"}


def test_one_signature_copied_under_another_id_does_not_count(site: Site) -> None:
    """A threshold cannot be met by repeating one signature."""
    path = site.sign()
    for keyid in (site.keys["ann"].keyid, site.keys["bob"].keyid):
        edit(path, lambda c, keyid=keyid: c["signatures"].append({"keyid": keyid, "sig": c["signatures"][0]["sig"]}))
        with pytest.raises(TrustError):
            site.verify(trust=site.root("threshold: {policy: 2}\n"))
        path = site.sign()


def test_further_signatures_do_no_harm(site: Site) -> None:
    """A stranger's signature beside an officer's changes nothing, before or after it."""
    path = site.sign("stranger")
    countersign(path, site.keys["ann"], data_digest=site.digest)
    assert site.verify().signers == ("ann",)
    path = site.sign("ann")
    countersign(path, site.keys["stranger"], data_digest=site.digest)
    assert site.verify().signers == ("ann",)


def test_countersigning_another_text_is_refused(site: Site) -> None:
    """Whoever countersigns names the text that they read, and a difference stops them."""
    path = site.sign()
    before = path.read_bytes()
    with pytest.raises(TrustError, match="altered"):
        countersign(path, site.keys["bob"], data_digest=OTHER)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("type", "no-actual-knowledge"),
        ("name", "other"),
        ("version", "2"),
        ("sha256", OTHER),
        ("signed_at", "2026-11-23T12:00:00Z"),
        ("expires", "2099-01-01"),
        ("expires", None),
        ("terms", {}),
        ("terms", {"k": "other"}),
    ],
)
def test_no_field_of_a_statement_can_be_altered(site: Site, field: str, value: object) -> None:
    """Every field of the payload is under the signature."""
    path = site.sign(expires=date(2027, 1, 1), terms={"k": "v"})
    repack(path, lambda payload: payload.update({field: value}))
    with pytest.raises(TrustError, match="valid signature"):
        site.verify(data_digest=OTHER if field == "sha256" else site.digest)


@pytest.mark.parametrize(
    "change",
    [
        lambda c: c.update(payloadType="application/json"),
        lambda c: c.update(signatures=[]),
        lambda c: c.update(signatures=c["signatures"] * 65),
        lambda c: c.update(signatures=c["signatures"] * 2),
        lambda c: c.update(signatures="x"),
        lambda c: c.update(payload="%%%"),
        lambda c: c.update(payload=1),
        lambda c: c.update(payload=""),
        lambda c: c.update(payload=base64.b64encode(b"[]").decode()),
        lambda c: c.update(payload=base64.b64encode(b"\xff\xfe").decode()),
        lambda c: c.update(payload=base64.b64encode(b"[" * 100_000).decode()),
        lambda c: c.update(more=1),
        lambda c: c.pop("payload"),
        lambda c: c.pop("payloadType"),
        lambda c: c.pop("signatures"),
        lambda c: c["signatures"][0].pop("sig"),
        lambda c: c["signatures"][0].pop("keyid"),
        lambda c: c["signatures"][0].update(keyid=1),
        lambda c: c["signatures"][0].update(sig="!"),
        lambda c: c["signatures"][0].update(sig=""),
        lambda c: c["signatures"][0].update(sig="AAAA"),
        lambda c: c["signatures"][0].update(keyid="0" * 64),
    ],
)
def test_malformed_envelopes_are_refused(site: Site, change: Callable[[dict[str, Any]], None]) -> None:
    """Anything but a well-formed envelope gives a TrustError, never another exception."""
    path = site.sign()
    edit(path, change)
    with pytest.raises(TrustError):
        site.verify()


@pytest.mark.parametrize(
    "change",
    [
        {"more": 1},
        {"type": 1},
        {"sha256": "x"},
        {"sha256": "A" * 64},
        {"signed_at": "yesterday"},
        {"signed_at": "2026-11-22T12:00:00+00:00"},
        {"expires": "never"},
        {"terms": {"a": 1}},
        {"terms": None},
    ],
)
def test_a_malformed_statement_is_refused_though_signed(site: Site, change: dict[str, object]) -> None:
    """An officer's signature over something else than a statement does not make it one."""
    path = site.sign()
    repack(path, lambda payload: payload.update(change), site.keys["ann"])
    with pytest.raises(TrustError):
        site.verify()


def test_another_spelling_is_refused_though_signed(site: Site) -> None:
    """A payload with a doubled key or a space could be read in two ways, and is not accepted even when signed."""
    for spell in (lambda data: data.replace(b"{", b"{ ", 1), lambda data: b'{"name":"x",' + data[1:]):
        path = site.sign()
        content = json.loads(path.read_bytes())
        data = spell(base64.b64decode(content["payload"]))
        pae = b"DSSEv1 %d %b %d %b" % (len(PAYLOAD_TYPE), PAYLOAD_TYPE.encode(), len(data), data)
        signature = base64.b64encode(bytes.fromhex(site.keys["ann"].signer.sign(pae).signature)).decode()
        content["payload"] = base64.b64encode(data).decode()
        content["signatures"][0]["sig"] = signature
        path.write_text(json.dumps(content))
        with pytest.raises(TrustError, match="well-formed"):
            site.verify()


def test_files_that_are_no_envelope_are_refused(site: Site) -> None:
    """Empty, huge, deep, binary and missing files, and a folder, give a TrustError."""
    path = statement_path(site.document)
    for data in (b"", b"null", b"\xff", b"[" * 100_000, b'{"a":' * 50_000, b" " * (MAX_BYTES + 1)):
        path.write_bytes(data)
        with pytest.raises(TrustError):
            site.verify()
    path.unlink()
    path.mkdir()
    with pytest.raises(TrustError, match="cannot read"):
        site.verify()


@settings(max_examples=200)
@given(st.data())
def test_no_flipped_bit_changes_a_statement(shared: Site, data: st.DataObject) -> None:
    """A flipped bit anywhere in the file is refused, or leaves the very same statement."""
    path = statement_path(shared.document)
    if not path.exists():
        shared.sign(expires=date(2027, 1, 1), terms={"k": "v"})
        path.rename(path.with_suffix(".whole"))
    whole = path.with_suffix(".whole").read_bytes()
    path.write_bytes(whole)
    expected = shared.verify()
    changed = bytearray(whole)
    bit = data.draw(st.integers(0, len(whole) * 8 - 1))
    changed[bit // 8] ^= 1 << bit % 8
    path.write_bytes(bytes(changed))
    try:
        assert shared.verify() == expected
    except TrustError:
        pass
    finally:
        path.unlink()
        path.write_bytes(whole)


def test_signing_replaces_and_leaves_no_other_file(site: Site) -> None:
    """A second signature takes the first one's place in one step; nothing but the statement appears."""
    site.sign("stranger")
    site.sign("ann")
    assert site.verify().signers == ("ann",)
    assert sorted(path.name for path in site.document.parent.iterdir()) == ["policy.yaml", "policy.yaml.dsse.json"]


def test_only_real_digests_and_types_are_signed(site: Site) -> None:
    """A type that is not in the list, and a digest that is none, are never signed."""
    for change in ({"statement_type": "polcy"}, {"data_digest": "x"}):
        with pytest.raises(TrustError):
            site.sign(**change)
    assert not statement_path(site.document).exists()


RESEARCHER = Recipient("researcher", "age1" + "q" * 58)
COLLEAGUE = Recipient("colleague", "age1" + "z" * 58)
BOUND: dict[str, Any] = {
    "name": "study",
    "request_sha256": hashlib.sha256(b"request").hexdigest(),
    "policy_sha256": hashlib.sha256(b"policy").hexdigest(),
    "dataset_sha256": hashlib.sha256(b"dataset").hexdigest(),
    "recipients": [RESEARCHER, COLLEAGUE],
}
OTHERS: dict[str, list[Any]] = {
    "name": ["other"],
    "request_sha256": [OTHER],
    "policy_sha256": [OTHER],
    "dataset_sha256": [OTHER],
    "recipients": [
        [RESEARCHER],
        [],
        [RESEARCHER, Recipient("colleague", "age1" + "x" * 58)],
        [RESEARCHER, COLLEAGUE, COLLEAGUE],
    ],
}


def test_no_actual_knowledge_binds_what_is_released_and_to_whom(site: Site) -> None:
    """The statement holds for the request, policy, description and keys that were signed, and for no others."""
    path = sign_knowledge(site.document, site.keys["ann"], signed_at=NOON, **BOUND)
    assert path.name == "policy.yaml.knowledge.dsse.json"
    statement = verify_knowledge(site.document, site.trust, at=NOON, **BOUND)
    assert statement.terms["statement"] == NO_KNOWLEDGE
    assert set(OTHERS) == set(BOUND)
    for field, others in OTHERS.items():
        for other in others:
            with pytest.raises(TrustError):
                verify_knowledge(site.document, site.trust, at=NOON, **(BOUND | {field: other}))


def test_recipients_are_bound_by_their_keys(site: Site) -> None:
    """Order and names of the key files do not matter; the digest is what docs/formats/trust.md says."""
    sign_knowledge(site.document, site.keys["ann"], signed_at=NOON, **BOUND)
    renamed = [COLLEAGUE, Recipient("moved", RESEARCHER.key)]
    verify_knowledge(site.document, site.trust, at=NOON, **(BOUND | {"recipients": renamed}))
    text = f"{RESEARCHER.key}\n{COLLEAGUE.key}\n"
    assert recipients_digest(renamed) == hashlib.sha256(text.encode()).hexdigest()


def test_no_actual_knowledge_is_an_officer_s_to_state(site: Site) -> None:
    """It is refused when absent, early, expired, from a manager, or when the sentence was left out."""
    with pytest.raises(TrustError, match="not signed"):
        verify_knowledge(site.document, site.trust, at=NOON, **BOUND)
    sign_knowledge(site.document, site.keys["manager"], signed_at=NOON, **BOUND)
    with pytest.raises(TrustError, match="may not sign"):
        verify_knowledge(site.document, site.trust, at=NOON, **BOUND)
    path = sign_knowledge(site.document, site.keys["ann"], signed_at=NOON, expires=NOON.date(), **BOUND)
    with pytest.raises(TrustError, match="in the future"):
        verify_knowledge(site.document, site.trust, at=NOON - timedelta(hours=1), **BOUND)
    with pytest.raises(TrustError, match="expired"):
        verify_knowledge(site.document, site.trust, at=NOON + timedelta(days=1), **BOUND)
    for term in ("statement", "recipients_sha256"):
        repack(path, lambda payload, term=term: payload["terms"].pop(term), site.keys["ann"])
        with pytest.raises(TrustError, match="another policy"):
            verify_knowledge(site.document, site.trust, at=NOON, **BOUND)
        sign_knowledge(site.document, site.keys["ann"], signed_at=NOON, **BOUND)


def test_signing_keys_are_private_and_silent(tmp_path: Path) -> None:
    """The private file is 0600 and sealed, the object shows its id only and cannot be pickled."""
    key = generate_signing_key(tmp_path / "officer.key", b"pw\n", scrypt_n=SMALLEST_N)
    assert (tmp_path / "officer.key").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "officer.pub").stat().st_mode & 0o777 == 0o644
    assert load_public_key(tmp_path / "officer.pub").keyid == key.keyid
    again = load_signing_key(tmp_path / "officer.key", lambda: b"pw")
    assert again.keyid == key.keyid
    seed = again.signer.private_bytes
    assert b"PRIVATE" not in (tmp_path / "officer.key").read_bytes()
    assert repr(again) == f"SigningKey(keyid='{key.keyid}')"
    assert seed.hex() not in repr(again)
    with pytest.raises(TypeError):
        pickle.dumps(again)
    with pytest.raises(KeyFaultError, match="passphrase"):
        load_signing_key(tmp_path / "officer.key", lambda: b"no")
    with pytest.raises(KeyFaultError, match="already exists"):
        generate_signing_key(tmp_path / "officer.key", b"pw", scrypt_n=SMALLEST_N)


def test_a_half_made_pair_is_never_begun(tmp_path: Path) -> None:
    """If a name is taken or the passphrase is empty, neither half is left behind."""
    (tmp_path / "officer.pub").write_text("taken")
    with pytest.raises(KeyFaultError, match=r"officer\.pub already exists"):
        generate_signing_key(tmp_path / "officer.key", b"pw", scrypt_n=SMALLEST_N)
    with pytest.raises(KeyFaultError, match="both halves"):
        generate_signing_key(tmp_path / "new.pub", b"pw", scrypt_n=SMALLEST_N)
    with pytest.raises(KeyFaultError, match="empty"):
        generate_signing_key(tmp_path / "new.key", b"\n", scrypt_n=SMALLEST_N)
    assert [path.name for path in tmp_path.iterdir()] == ["officer.pub"]
