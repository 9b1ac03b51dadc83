"""Every way around a recall: notices and certificates that do not hold, and a recall undone by hand."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from recalling import HOW, Recalling
from sites import PASSPHRASE
from tiny_sources import LIMITED

from deid.audit.events import EventKind
from deid.audit.site import audit_folder, record, renew
from deid.documents.policy import load_policy
from deid.errors import DeidError, DocumentError, KeyFaultError, ReleaseError, StorageError, TrustError
from deid.keys.officers import SigningKey
from deid.opening import open_with
from deid.papers.signing import sign_document, statement_path
from deid.papers.trust import DESTRUCTION, RESUMPTION, add_person, load_trust
from deid.recall.gate import refuse_recalled_release
from deid.recall.holdings import holdings
from deid.recall.papers import Destruction, Notice, Resumption, digest_of, do_of, encode, load
from deid.recall.resuming import resume
from deid.recall.run import finish
from deid.release.manifest import RECALL, RECALL_STATEMENT


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Recalling:
    """One site for all tests of this file; each has a request of its own."""
    return Recalling(tmp_path_factory.mktemp("recall") / "site")


def _changed(path: Path, **fields: Any) -> Path:
    """Change fields of a document and leave its statement as it is."""
    content = json.loads(path.read_bytes()) | fields
    path.write_bytes(msgspec.json.format(msgspec.json.encode(content, order="sorted"), indent=2) + b"\n")
    return path


def _require_untouched(site: Recalling, folder: Path) -> None:
    """Hold that nothing was done to a release."""
    assert not (folder / RECALL).exists()
    assert open_with(folder, [], provider=site.site.provider).read("patients").num_rows == 2
    refuse_recalled_release(folder, site.site.site, site.log)
    assert not [path for path in (site.site.site.state / "recalls").iterdir() if folder.parent.name in path.name]


@pytest.mark.parametrize("how", ["unsigned", "recipient", "altered", "other spelling", "other release", "other notice"])
def test_a_notice_that_does_not_hold_does_nothing(site: Recalling, how: str) -> None:
    """Without an officer's signature over these very bytes, no key is destroyed and nothing is marked."""
    (folder,) = site.series("r1")
    (other,) = site.series("r1")
    notice = site.draft(folder)
    path = site.sign(notice, site.recipient if how == "recipient" else None)
    if how == "unsigned":
        statement_path(path).unlink()
    elif how == "altered":
        _changed(path, why="Somebody else says why this release has to go.")
    elif how == "other spelling":
        path.write_bytes(path.read_bytes() + b" ")
    elif how == "other release":
        _changed(path, request=other.parent.name)
    elif how == "other notice":
        shutil.copyfile(statement_path(site.sign(site.draft(other))), statement_path(path))
    with pytest.raises((TrustError, DocumentError)):
        site.run(path)
    _require_untouched(site, folder)
    _require_untouched(site, other)


def test_a_notice_cannot_leave_out_what_is_derived(site: Recalling) -> None:
    """Signed or not, a notice from which a later release was cut, or that came before one, is refused whole."""
    request = site.request(profile="columns")
    first, _ = site.export(request, "r1", "r2")
    notice = site.draft(first)
    cut = msgspec.structs.replace(notice, releases=notice.releases[:1])
    with pytest.raises(ReleaseError, match="lacks r2"):
        site.run(site.sign(cut))
    (third,) = site.export(request, "r3")
    with pytest.raises(ReleaseError, match="lacks r3"):
        site.run(site.sign(notice))
    for folder in (first, third):
        _require_untouched(site, folder)


def test_a_notice_is_about_releases_of_this_site(site: Recalling, tmp_path: Path) -> None:
    """A notice with another manifest's digest, or another name for it, is refused though an officer signed it."""
    (folder,) = site.series("r1")
    notice = site.draft(folder)
    for change in ({"manifest_sha256": "ab" * 32}, {"release": "r2"}):
        other = msgspec.structs.replace(notice.releases[0], **change)
        with pytest.raises(ReleaseError, match="does not know"):
            site.run(site.sign(msgspec.structs.replace(notice, releases=(other,))))
    with pytest.raises(ReleaseError, match="another site"):
        site.run(site.sign(msgspec.structs.replace(notice, site="elsewhere")))
    with pytest.raises(ReleaseError, match="another party"):
        site.run(site.sign(msgspec.structs.replace(notice, party="somebody")))
    _require_untouched(site, folder)


def test_a_draft_that_was_changed_before_it_was_signed_is_refused(site: Recalling) -> None:
    """A notice that tells another form, other recipients or another's key for a name is refused with its signature."""
    request = site.request(profile="columns")
    first, second = site.export(request, "r1", "r2")
    notice = site.draft(first)
    one, two = notice.releases
    for changed in ({"profile": "portable"}, {"recipients": ()}):
        releases = (msgspec.structs.replace(one, **changed), two)
        done = msgspec.structs.replace(notice, releases=releases, do=do_of(releases))
        with pytest.raises(ReleaseError, match="other than it lies there"):
            site.run(site.sign(done))
    releases = (msgspec.structs.replace(one, because="later"), msgspec.structs.replace(two, because="named"))
    site.export(request, "r3")
    with pytest.raises(ReleaseError, match="lacks r3"):
        site.run(site.sign(msgspec.structs.replace(notice, releases=releases)))
    asks = (msgspec.structs.replace(notice.asks[0], keyid=site.other.keyid),)
    notice = msgspec.structs.replace(site.draft(second), asks=asks)
    with pytest.raises(TrustError, match="is not theirs"):
        site.run(site.sign(notice))
    _require_untouched(site, first)
    _require_untouched(site, second)


def test_a_mark_put_there_by_hand_destroys_no_key(tmp_path: Path) -> None:
    """A notice written into the state stops its series; without a signature nothing more comes of it, others go on."""
    site = Recalling(tmp_path / "site")
    request = site.request(profile="columns")
    (folder,) = site.export(request, "r1")
    notice = site.draft(folder)
    forged = site.site.site.state / "recalls" / notice.recall
    forged.mkdir(parents=True)
    (forged / "notice.json").write_bytes(encode(notice))
    (other,) = site.series("zz", request="zz")
    site.recall(other)
    (other / "RECALLED.json").unlink()
    mine, right = finish(site.site.site, site.site.provider, site.log, site.trust)
    assert right.notified == (other,)
    assert (mine.is_accepted, mine.shredded, mine.notified) == (False, (), ())
    assert "not signed" in mine.failed[0].message
    path = site.sign(notice, site.recipient)
    shutil.copyfile(statement_path(path), forged / "notice.json.dsse.json")
    (fault,) = finish(site.site.site, site.site.provider, site.log, site.trust)[0].failed
    assert isinstance(fault, TrustError)
    assert "may not sign" in fault.message
    assert open_with(folder, [], provider=site.site.provider).read("patients").num_rows == 2
    with pytest.raises(ReleaseError, match="stands still"):
        site.export(request, "r2")


def test_a_recall_outlives_the_state_it_was_marked_in(tmp_path: Path) -> None:
    """Recalls put back as they were before, then the log too, then the notice removed: each is refused by the next."""
    site = Recalling(tmp_path / "site")
    request = site.request(profile="columns")
    (folder,) = site.export(request, "r1")
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    state, before = site.site.site.state, tmp_path / "before"
    shutil.copytree(state, before)
    site.recall(folder)

    shutil.rmtree(state / "recalls")
    for release in (folder, copy):
        with pytest.raises(ReleaseError, match="the audit log says so"):
            refuse_recalled_release(release, site.site.site, site.log)
    with pytest.raises(ReleaseError, match="gone from the site's state"):
        site.export(request, "r2")
    assert [one.recall for one in holdings(site.site.site, site.site.provider, site.known)] == [
        "named by the audit log, and gone from the state"
    ]

    shutil.rmtree(state)
    shutil.copytree(before, state)
    with pytest.raises(ReleaseError, match="gone from the site's state"):
        site.export(request, "r2")

    (folder / RECALL).unlink()
    (folder / RECALL_STATEMENT).unlink()
    for release in (folder, copy):
        with pytest.raises(KeyFaultError, match="no guard key"):
            open_with(release, [], provider=site.site.provider)


def test_a_renewed_log_forgets_no_release_and_no_recall(tmp_path: Path) -> None:
    """After another log was begun: who had what is listed, what was moved away is recalled, and what was stays so."""
    site = Recalling(tmp_path / "site")
    (moved,) = site.series("a")
    first, second = site.series("a", "b", profile="portable")
    known = next(one for one in site.known.releases if one.request == moved.parent.name)
    place = {"manifest_sha256": known.sha256, "place": "s3://bucket/prefix"}
    record(site.log, EventKind.DELIVERY_STARTED, known.subject, **place)
    moved.rename(tmp_path / "moved")
    copy = shutil.copytree(first, tmp_path / "copy")
    recalled = site.recall(second)
    renew(site.site.site, site.site.provider)
    listed = next(
        one for one in holdings(site.site.site, site.site.provider, site.known) if one.request == moved.parent.name
    )
    assert (listed.party, listed.keys, listed.places) == (known.party, "stand", (("s3://bucket/prefix", False),))
    assert site.recall(moved).shredded == (("a", 1),)
    # The mark is lost too, and the copy is of what was not taken back; its series is.
    shutil.rmtree(recalled.mark.folder)
    refuse_recalled_release(copy, site.site.site, site.log)
    (second / "RECALLED.json").unlink()
    with pytest.raises(ReleaseError, match="was recalled: the audit log says so"):
        refuse_recalled_release(second, site.site.site, site.log)


def test_a_mark_restored_without_its_statement_is_told_and_stops_no_other(tmp_path: Path) -> None:
    """What is in the log stays taken back; the notice of another recall is brought all the same."""
    site = Recalling(tmp_path / "site")
    (one,) = site.series("a", request="aa")
    (two,) = site.series("b", request="bb")
    bare = site.recall(one).mark
    site.recall(two)
    (bare.folder / "notice.json.dsse.json").unlink()
    (two / "RECALLED.json").unlink()
    told, done = finish(site.site.site, site.site.provider, site.log, site.trust)
    assert "not signed" in told.failed[0].message
    assert done.notified == (two,)


def test_a_mark_that_cannot_be_read_stops_everything(tmp_path: Path) -> None:
    """A recall that is damaged, or lies under another name, may be about any release: nothing opens until it is mended."""
    site = Recalling(tmp_path / "site")
    first, other = site.series("r1")[0], site.series("r1")[0]
    mark = site.recall(first).mark
    whole = mark.path.read_bytes()
    mark.path.write_bytes(whole[:-20])
    request = site.request()
    with pytest.raises(StorageError, match="cannot be read"):
        refuse_recalled_release(other, site.site.site, site.log)
    with pytest.raises(StorageError, match="cannot be read"):
        site.export(request, "r1")
    mark.path.write_bytes(whole)
    renamed = mark.folder.rename(mark.folder.with_name("renamed"))
    with pytest.raises(StorageError, match="cannot be read"):
        site.export(request, "r1")
    renamed.rename(mark.folder)
    assert site.export(request, "r1")


def test_a_recall_outlives_its_officer(tmp_path: Path) -> None:
    """An officer who left the trust root brings no release back, and what was begun on their word is finished."""
    site = Recalling(tmp_path / "site")
    (folder,) = site.series("r1")
    mark = site.recall(folder).mark
    trust = tmp_path / "site" / "keys" / "later.yaml"
    site.person("Successor", "privacy_officer")
    add_person(trust, name="Successor", role="privacy_officer", key=tmp_path / "site" / "keys" / "successor.pub")
    with pytest.raises(ReleaseError, match="was recalled by"):
        refuse_recalled_release(folder, site.site.site, site.log)
    (folder / RECALL).unlink()
    (again,) = finish(site.site.site, site.site.provider, site.log, load_trust(trust))
    assert (again.mark.digest, again.notified) == (mark.digest, (folder,))


def _signed(site: Recalling, paper: Destruction, key: SigningKey) -> Path:
    """Write a certificate and sign it, whatever it says."""
    path, data = site.site.folder / "certificate.json", encode(paper)
    path.write_bytes(data)
    sign_document(
        path, key, DESTRUCTION, data_digest=digest_of(data), name=paper.recall, version="1", signed_at=datetime.now(UTC)
    )
    return path


def test_a_certificate_by_somebody_else_does_not_count(site: Recalling) -> None:
    """A recipient whom the notice does not ask, the officer, and a stranger certify nothing."""
    (folder,) = site.series("r1", profile="portable")
    done = site.recall(folder)
    paper, _ = load(site.certificate(done), Destruction)
    with pytest.raises(TrustError, match="does not ask"):
        site.certificate(done, site.other)
    for key, told in ((site.other, "nobody whom the notice asks"), (site.site.officer, "may not sign"), (SigningKey(bytes(32)), "signed by nobody")):  # fmt: skip
        with pytest.raises(TrustError, match=told):
            site.certify(_signed(site, paper, key))
    _require_uncertified(site, folder)


def _require_uncertified(site: Recalling, folder: Path) -> None:
    """Hold that nothing of a release counts as destroyed."""
    held = holdings(site.site.site, site.site.provider, site.known)
    assert {one.certified for one in held if one.request == folder.parent.name} == {None}


def test_a_certificate_is_about_one_notice(site: Recalling) -> None:
    """Altered, of another notice, over other releases or keys, or about a day to come, it does not count."""
    (folder,) = site.series("r1", profile="portable")
    done, other = site.recall(folder), site.recall(site.series("r1", profile="portable")[0])
    paper, _ = load(site.certificate(done), Destruction)
    foreign, _ = load(site.certificate(other), Destruction)
    with pytest.raises(TrustError):
        site.certify(_changed(site.certificate(done), how="Everything is gone, believe me, really everything."))
    tomorrow = paper.destroyed_on + timedelta(days=2)
    for change in (
        {"notice_sha256": "ab" * 32},
        {"recall": foreign.recall},
        {"releases": foreign.releases},
        {"recipients": ("ab" * 32,)},
        {"recipients": ()},
        {"destroyed_on": tomorrow},
    ):
        with pytest.raises(TrustError):
            site.certify(_signed(site, msgspec.structs.replace(paper, **change), site.recipient))
    _require_uncertified(site, folder)


def test_a_certificate_without_its_entry_counts_for_nothing(site: Recalling) -> None:
    """One that somebody put into the state, though well signed, or changed there later, is not listed."""
    (folder,) = site.series("r1", profile="portable")
    done = site.recall(folder)
    path = site.certificate(done)
    data = path.read_bytes()
    kept = done.mark.folder / "certificates" / f"{digest_of(data)[:32]}.json"
    kept.parent.mkdir()
    shutil.copyfile(path, kept)
    shutil.copyfile(statement_path(path), statement_path(kept))
    _require_uncertified(site, folder)
    site.certify(path)
    _changed(kept, how=HOW + " And more.")
    _require_uncertified(site, folder)


@pytest.mark.parametrize("how", ["recipient", "altered", "other recall", "unsigned"])
def test_a_resumption_that_does_not_hold_resumes_nothing(site: Recalling, how: str) -> None:
    """Only somebody who may, about this very recall, lets a series go on."""
    request = site.request(profile="columns")
    mark = site.recall(*site.export(request, "r1")).mark
    policy, now = load_policy(site.world.named_policy(LIMITED)), datetime.now(UTC)
    why = "The rows were taken out of the source, and two people looked."
    with pytest.raises(TrustError, match="may not say"):
        resume(site.site.site, mark.notice.recall, policy, site.recipient, site.trust, how=why, at=now)
    resume(site.site.site, mark.notice.recall, policy, site.site.officer, site.trust, how=why, at=now)
    path = mark.folder / "resumption.json"
    if how == "recipient":
        data = path.read_bytes()
        sign_document(
            path, site.recipient, RESUMPTION, data_digest=digest_of(data), name=mark.notice.recall, version="1",
            signed_at=now,
        )  # fmt: skip
    elif how == "altered":
        _changed(path, how=why + " And a third.")
    elif how == "other recall":
        paper = msgspec.structs.replace(load(path, Resumption)[0], notice_sha256="ab" * 32)
        path.write_bytes(encode(paper))
    else:
        statement_path(path).unlink()
    with pytest.raises((TrustError, ReleaseError)):
        site.export(request, "r2")


def test_a_second_notice_does_not_take_the_place_of_the_first(site: Recalling) -> None:
    """Under the name of a recall that was begun nothing else is marked; its resumption does not serve the next one."""
    request = site.request(profile="columns")
    first, second = site.export(request, "r1", "r2")
    mark = site.recall(second).mark
    same = msgspec.structs.replace(site.draft(first), recall=mark.notice.recall)
    with pytest.raises(ReleaseError, match="was begun before"):
        site.run(site.sign(same))
    assert load(mark.path, Notice)[0].digests == mark.notice.digests
    policy = load_policy(site.world.named_policy(LIMITED))
    why = "The rows were taken out of the source, and two people looked."
    resume(
        site.site.site, mark.notice.recall, policy, site.site.officer, site.trust, how=why, at=datetime.now(UTC)
    )  # fmt: skip
    site.recall(first, recall=f"{mark.notice.recall}-2")
    with pytest.raises(ReleaseError, match="stands still"):
        site.export(request, "r3")


def test_no_fault_quotes_a_reason(site: Recalling) -> None:
    """What an officer wrote may name somebody: no fault and no entry of the log repeats it."""
    said = "Quixwerble of Ward 7 was in it, and must not have been."
    (folder,) = site.series("r1")
    path = site.sign(site.draft(folder, why=said), site.recipient)
    told: list[DeidError] = []
    try:
        site.run(path)
    except TrustError as fault:
        told.append(fault)
    site.recall(folder, why=said)
    for action in (lambda: refuse_recalled_release(folder, site.site.site, site.log), lambda: site.run(path)):
        try:
            action()
        except DeidError as fault:
            told.append(fault)
    assert len(told) == 3
    assert "Quixwerble" not in "".join(map(str, told))
    assert all(b"Quixwerble" not in segment.read_bytes() for segment in audit_folder(site.site.site).glob("segment-*"))
    assert PASSPHRASE not in path.read_bytes()
