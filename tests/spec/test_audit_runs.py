"""What runs enter in the site's audit log, and the receipts they leave beside releases."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sites import PASSPHRASE, TEST_SCRYPT_N
from tiny_sources import World

from deid.audit import EventKind, Fault
from deid.audit.events import FAULTS, INTERNAL, INTERRUPTED
from deid.audit.run import RunEntries, name_of
from deid.audit.site import audit_folder, known_receipts, manifest_digest, renew, site_log, verify_site
from deid.errors import AuditError, DeidError, DocumentError, KeyFaultError, TrustError
from deid.export import Exported, export
from deid.keys.officers import SigningKey, generate_signing_key
from deid.papers.trust import add_person, load_trust

KINDS = {"patients": {"ID": "patient_id", "SEX": "sex"}}


class Place:
    """A site that signs, with one small request."""

    def __init__(self, folder: Path) -> None:
        self.world = World(folder / "site")
        self.site = self.world.site.site
        self.signing: SigningKey = generate_signing_key(folder / "site-signing.key", PASSPHRASE, scrypt_n=TEST_SCRYPT_N)
        public = self.world.folder / "keys" / "site-signing.pub"
        shutil.copy(folder / "site-signing.pub", public)
        add_person(self.site.trust, name="Site", role="site", key=public)
        dataset = self.world.source_of({"patients": "ID SEX"}, KINDS)
        people = "".join(f"SECRET-{n},{'FM'[n % 2]}\n" for n in range(30))
        (dataset.parent / "patients.csv").write_text("ID,SEX\n" + people)
        self.request = self.world.site.request(dataset, {"patients": ["ID", "SEX"]})

    @property
    def key(self) -> bytes:
        """The key of the log."""
        return self.world.site.provider.subkey("audit")

    def run(self, name: str = "a", *, signing: bool = True) -> Exported:
        """Run the request."""
        plan = self.world.site.plan(self.request, name=name)
        provider = self.world.site.provider
        return export(plan, self.site, provider, progress=lambda *_: None, signing=self.signing if signing else None)

    def entries(self) -> list[tuple[str, str, dict[str, Any]]]:
        """Kind, subject and details of every entry."""
        found: list[tuple[str, str, dict[str, Any]]] = []
        log = site_log(self.site, self.world.site.provider)
        log.verify(seen=lambda entry, _: found.append((entry.kind, entry.subject, entry.details)))
        return found

    def receipts(self) -> list[Any]:
        """The receipts beside the releases."""
        return known_receipts(self.site, load_trust(self.site.trust))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A fresh site."""
    return Place(tmp_path)


def test_a_run_enters_what_it_was_given_what_it_wrote_and_that_it_lies_there(place: Place) -> None:
    """Started with the digests of its documents, prepared with its manifest's before the rename, published, signed."""
    done = place.run()
    begun, started, *papers, prepared, published, signed = place.entries()
    plan = place.world.site.plan(place.request)
    assert begun[0] == EventKind.LOG_BEGUN
    assert started[:2] == (EventKind.RUN_STARTED, "study/a")
    assert started[2]["policy_sha256"] == plan.policy.digest
    assert [(kind, details["type"]) for kind, _, details in papers] == [
        (EventKind.DOCUMENT_SIGNED, "policy"),
        (EventKind.DOCUMENT_SIGNED, "request"),
        (EventKind.DOCUMENT_APPROVED, "approval"),
        (EventKind.DOCUMENT_SIGNED, "agreement"),
    ]
    assert prepared[:2] == (EventKind.RELEASE_PREPARED, "study/a")
    stood_on = prepared[2].pop("statements").split(",")
    assert [each.partition(":")[0] for each in stood_on] == ["policy", "request", "approval", "agreement"]
    assert prepared[2] == {"manifest_sha256": manifest_digest(done.folder), "rows": 30, "suppressed_patients": 0}
    assert published[:2] == (EventKind.RELEASE_PUBLISHED, "study/a")
    assert signed[0] == EventKind.HEAD_SIGNED
    (receipt,) = place.receipts()
    assert (receipt.head.entries, receipt.signers, receipt.site) == (4 + len(papers), ("Site",), "test")
    assert verify_site(place.site, place.key, [receipt]).unpublished == ()


def test_a_refused_run_enters_the_class_of_its_error_and_no_text(place: Place) -> None:
    """What stopped a run stands as a class; the log holds neither message nor cell."""
    place.run()
    with pytest.raises(DeidError) as refused:
        place.run()  # its name is taken
    kind, subject, details = place.entries()[-1]
    assert (kind, subject) == (EventKind.RUN_REFUSED, "study/a")
    assert details == {"error": type(refused.value).__name__, "exit_code": refused.value.exit_code}
    text = b"".join(path.read_bytes() for path in audit_folder(place.site).iterdir())
    assert b"SECRET" not in text
    assert refused.value.message.encode() not in text


def test_a_site_whose_log_is_damaged_runs_nothing(place: Place) -> None:
    """No entry, no run: nothing is read or written before the log has taken the first one."""
    place.run()
    (segment,) = audit_folder(place.site).glob("segment-*")
    segment.write_bytes(segment.read_bytes().replace(b'"rows":30', b'"rows":31'))
    with pytest.raises(AuditError) as refused:
        place.run("b")
    assert refused.value.fault == Fault.EDITED
    assert not (place.site.releases / "study" / "b").exists()


def test_an_unsigned_policy_is_entered_as_refused(place: Place) -> None:
    """A run that trust stops is entered too."""
    (place.world.site.folder / "policies" / "limited-data-set.yaml.dsse.json").unlink()
    with pytest.raises(TrustError):
        place.run()
    assert place.entries()[-1][::2] == (EventKind.RUN_REFUSED, {"error": "TrustError", "exit_code": 14})


def test_a_release_that_the_log_does_not_know_is_found(place: Place) -> None:
    """A release that was put there, or whose manifest was exchanged, is told of by name."""
    done = place.run()
    verify_site(place.site, place.key, [])
    shutil.copytree(done.folder, done.folder.with_name("b"))
    with pytest.raises(AuditError, match="study/b") as found:
        verify_site(place.site, None, [])
    assert found.value.fault == Fault.UNKNOWN_RELEASE
    shutil.rmtree(done.folder.with_name("b"))
    manifest = done.folder / "manifest.json"
    manifest.write_bytes(manifest.read_bytes() + b" ")
    with pytest.raises(AuditError, match="study/a"):
        verify_site(place.site, place.key, [])


def test_an_older_release_of_the_same_name_is_found(place: Place) -> None:
    """Of a release that was made anew, only the newest manifest counts: the one before, put back, is told of."""
    done = place.run()
    old = place.world.folder / "old-one"
    done.folder.rename(old)
    place.run()
    verify_site(place.site, place.key, [])
    shutil.rmtree(done.folder)
    old.rename(done.folder)
    with pytest.raises(AuditError, match="study/a") as found:
        verify_site(place.site, place.key, [])
    assert found.value.fault == Fault.UNKNOWN_RELEASE


def test_what_fails_after_the_rename_is_entered_as_published(place: Place) -> None:
    """A release that lies there is never entered as refused, whatever fails behind it."""
    place.run()
    manifest = (place.site.releases / "study" / "a" / "manifest.json").read_bytes()
    log = site_log(place.site, place.world.site.provider)
    documents = dict.fromkeys(("request_sha256", "policy_sha256", "dataset_sha256"), "ab" * 32) | {"party": "p"}

    def fail(data: bytes) -> None:
        with RunEntries(log, place.site, "study", "a", documents=documents, signing=None) as entries:
            entries.prepared(data)
            raise DocumentError("the disk is full", hint="make room")

    with pytest.raises(DocumentError):
        fail(manifest)
    assert place.entries()[-1][0] == EventKind.RELEASE_PUBLISHED
    assert verify_site(place.site, place.key, []).unpublished == ()
    with pytest.raises(DocumentError):
        fail(b"another manifest")
    assert place.entries()[-1][0] == EventKind.RUN_REFUSED


def test_an_old_state_put_back_is_found_by_the_receipts_beside_releases(place: Place) -> None:
    """State as it was before the newest release: whole by itself, and shorter than the receipt of that release."""
    place.run("a")
    old = place.site.state.with_name("old")
    shutil.copytree(place.site.state, old)
    place.run("b")
    shutil.rmtree(place.site.state)
    old.rename(place.site.state)
    with pytest.raises(AuditError) as found:
        verify_site(place.site, place.key, place.receipts())
    assert found.value.fault == Fault.TRUNCATED
    with pytest.raises(AuditError, match="study/b"):
        verify_site(place.site, place.key, [])
    place.run("c")
    with pytest.raises(AuditError) as found:
        verify_site(place.site, place.key, place.receipts())
    assert found.value.fault == Fault.FORKED


def test_a_renewed_log_names_the_old_one_and_the_releases_that_lie_there(place: Place) -> None:
    """After a damaged log is set aside, the next one says what it follows, knows the releases, and takes runs."""
    place.run()
    (segment,) = audit_folder(place.site).glob("segment-*")
    lines = segment.read_bytes().splitlines(keepends=True)
    held = next(number for number, line in enumerate(lines) if b"quarantined" in line)
    lines[held] = lines[held].replace(b"quarantined", b"quarantine_")
    segment.write_bytes(b"".join(lines))
    log, aside = renew(place.site, place.world.site.provider)
    assert len(list(aside.glob("segment-*"))) == 1
    begun, found = place.entries()
    assert begun[2]["after_entries"] == held
    assert found[:2] == (EventKind.RELEASE_FOUND, "study/a")
    assert log.head.entries == 2
    (old,) = place.receipts()
    told = verify_site(place.site, place.key, [old])
    assert (told.receipts, told.older_receipts) == (0, 1)
    assert told.follows is not None
    assert (told.follows.log, told.follows.entries) == (old.head.log, held)
    with pytest.raises(AuditError) as other:
        verify_site(place.site, place.key, [replace(old, is_beside=False)])
    assert other.value.fault == Fault.OTHER_LOG
    renew(place.site, place.world.site.provider)
    assert verify_site(place.site, place.key, [old]).older_receipts == 1
    place.run("b")
    verify_site(place.site, place.key, [])


def test_a_log_that_began_by_itself_excuses_no_receipt(place: Place) -> None:
    """Whoever removes log and remembered head makes the site begin anew; the receipts beside releases tell of it."""
    place.run()
    shutil.rmtree(audit_folder(place.site))
    audit_folder(place.site).with_name("audit.head").unlink()
    place.run("b")
    with pytest.raises(AuditError) as found:
        verify_site(place.site, place.key, place.receipts())
    assert found.value.fault == Fault.OTHER_LOG


def test_a_kill_while_a_log_is_set_aside_loses_no_link(place: Place) -> None:
    """Killed before the next log begins, or between the two renames, it names the one that was set aside all the same."""
    place.run()
    folder, old = audit_folder(place.site), site_log(place.site, place.world.site.provider).head
    folder.with_name("audit.head").rename(folder.with_name("audit-set-aside-0001.head"))
    with pytest.raises(AuditError):
        place.run("b")
    folder.rename(folder.with_name("audit-set-aside-0001"))
    place.run("b")
    begun = place.entries()[0][2]
    assert (begun["after_log"], begun["after_entries"], begun["after_head"]) == (old.log, old.entries, old.hash)
    _, aside = renew(place.site, place.world.site.provider)
    assert aside.name == "audit-set-aside-0002"
    assert place.entries()[0][2]["after_log"] == begun["log"]


def test_a_log_that_was_moved_away_to_be_examined_leaves_its_number(place: Place) -> None:
    """The next log that is set aside takes a number of its own, and overwrites no other one's head."""
    place.run()
    state, provider = place.site.state, place.world.site.provider
    renew(place.site, provider)
    renew(place.site, provider)
    for name in ("audit-set-aside-0001", "audit-set-aside-0001.head"):
        (state / name).rename(state.parent / name)
    kept = (state / "audit-set-aside-0002.head").read_bytes()
    _, aside = renew(place.site, provider)
    assert aside.name == "audit-set-aside-0003"
    assert (state / "audit-set-aside-0002.head").read_bytes() == kept
    assert len(place.entries()) == 2


def test_a_log_of_a_lost_key_can_be_set_aside(place: Place) -> None:
    """A log whose key is gone, or whose first entry says so, stops no site for good."""
    place.run()
    (segment,) = audit_folder(place.site).glob("segment-*")
    first, rest = segment.read_bytes().split(b"\n", 1)
    begun = json.loads(first)
    begun["details"]["key_check"] = "0" * 32
    segment.write_bytes(json.dumps(begun, sort_keys=True, separators=(",", ":")).encode() + b"\n" + rest)
    with pytest.raises(KeyFaultError):
        place.run("b")
    renew(place.site, place.world.site.provider)
    assert "after_log" not in place.entries()[0][2]
    place.run("b")


@pytest.mark.parametrize("left", ["head", "empty segment", "nothing whole"])
def test_whatever_is_left_of_a_log_can_be_set_aside(place: Place, left: str) -> None:
    """A remembered head without segments, and segments without an entry, make way for another log."""
    place.run()
    (segment,) = audit_folder(place.site).glob("segment-*")
    segment.unlink() if left == "head" else segment.write_bytes(b"" if left == "empty segment" else b"x\ny\n")
    with pytest.raises(AuditError):
        place.run("b")
    renew(place.site, place.world.site.provider)
    place.run("b")
    verify_site(place.site, place.key, [])


def test_a_receipt_that_nobody_has_signed_is_never_left(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed between a receipt and its statement, the statement is there and the receipt is not."""

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("deid.audit.receipts.replace_file", killed)
        with pytest.raises(KeyboardInterrupt):
            place.run()
    assert place.receipts() == []
    verify_site(place.site, place.key, place.receipts())


def test_a_receipt_that_cannot_be_written_is_told_as_what_it_is(place: Place) -> None:
    """The release lies there by then, so the error says so, and the log has its manifest's digest."""
    elsewhere = replace(place.site, releases=place.site.releases)
    (elsewhere.releases / "study").mkdir(parents=True)
    (elsewhere.releases / "study" / "a.audit.json").mkdir()
    with pytest.raises(AuditError, match="study/a is published"):
        place.run()
    kinds = [kind for kind, _, _ in place.entries()]
    assert kinds[-1] == EventKind.RELEASE_PUBLISHED


def test_without_a_signing_key_no_receipt_is_left(place: Place) -> None:
    """A site that does not sign has a log all the same."""
    place.run(signing=False)
    assert place.receipts() == []
    assert [kind for kind, _, _ in place.entries()][-1] == EventKind.RELEASE_PUBLISHED


def test_every_error_has_a_name_in_the_log() -> None:
    """Classes of deid's errors by name; others only as what they are."""

    class OwnError(DocumentError):
        pass

    assert {name_of(kind) for kind in DeidError.__subclasses__() if kind.__module__ == "deid.errors"} <= set(FAULTS)
    assert name_of(OwnError) == "DocumentError"
    assert (name_of(ValueError), name_of(KeyboardInterrupt)) == (INTERNAL, INTERRUPTED)
