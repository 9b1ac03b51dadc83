"""A recall: what is taken back with a release, what becomes unreadable, who is told, and what is refused afterwards."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import cast

import pytest
import yaml
from key_services import Counting
from recalling import WHY, Recalling
from sites import PASSPHRASE
from tiny_sources import EXPERT, LIMITED

from deid.audit.events import EventKind
from deid.audit.site import manifest_digest, record
from deid.documents.policy import load_policy
from deid.errors import DocumentError, KeyFaultError, ReleaseError, TrustError
from deid.export import export
from deid.keys.base import KeyProvider
from deid.keys.files import folder_lock
from deid.keys.local import open_local
from deid.keys.recipients import load_identity
from deid.opening import open_with
from deid.opening.folder import faults_in
from deid.recall.gate import SeriesGate, refuse_recalled_release
from deid.recall.holdings import holdings
from deid.recall.papers import encode
from deid.recall.resuming import resume
from deid.recall.run import finish, recall, verify_notice
from deid.release.manifest import MANIFEST, RECALL, RECALL_STATEMENT, from_bytes
from tests.spec.test_table_counts import BLOCK, DESCRIPTION, _source

HOW = "The rows were taken out of the source, and two people looked at the next release."


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Recalling:
    """One site for all tests of this file; each has a request of its own."""
    return Recalling(tmp_path_factory.mktemp("recall") / "site")


def test_a_columns_release_and_all_later_ones_become_unreadable(site: Recalling) -> None:
    """The guard keys of the recalled release and of every later one are destroyed; an earlier one still opens."""
    first, second, third = site.series("r1", "r2", "r3")
    done = site.recall(second)
    assert done.shredded == (("r2", 1), ("r3", 1))
    assert [(one.release, one.because) for one in done.mark.notice.releases] == [("r2", "named"), ("r3", "later")]
    assert open_with(first, [], provider=site.site.provider).read("patients").num_rows == 2
    for folder in (second, third):
        (folder / RECALL).unlink()  # the keys are gone whether the notice lies there or not
        with pytest.raises(KeyFaultError, match="no guard key"):
            open_with(folder, [], provider=site.site.provider)


def test_an_opened_reader_ends_with_its_kept_keys(site: Recalling) -> None:
    """Who opened a `columns` release before reads nothing of it after, though keys were kept; in a copy neither."""
    (folder,) = site.series("r1")
    copy = Path(shutil.copytree(folder, site.site.folder / "elsewhere" / "r1"))
    elsewhere = open_local(site.site.folder / "keys" / "site.key", lambda: PASSPHRASE)
    opened = [open_with(folder, [], provider=site.site.provider), open_with(copy, [], provider=elsewhere)]
    for reader in opened:
        assert reader.read("patients").num_rows == 2
    site.recall(folder)
    for reader in opened:
        with pytest.raises((KeyFaultError, ReleaseError)):
            reader.read("patients")
    with pytest.raises(KeyFaultError, match="no guard key"):
        open_with(copy, [], provider=elsewhere)


def test_a_portable_release_is_told_and_not_taken_back(site: Recalling) -> None:
    """The notice in it stops its recipient's deid, and asks for a certificate; no key is there to be destroyed."""
    (folder,) = site.series("r1", profile="portable")
    done = site.recall(folder)
    assert done.shredded == ()
    assert done.notified == (folder,)
    assert "cannot make it unreadable" in json.loads((folder / RECALL).read_bytes())["do"]["portable"]
    identity = load_identity(site.site.researcher)
    with pytest.raises(ReleaseError, match="was recalled"):
        open_with(folder, [identity])
    (folder / RECALL).unlink()  # what the documents say: without the notice it opens, for good
    assert open_with(folder, [identity]).read("patients").num_rows == 2


def test_what_the_notice_leaves_in_a_release_is_signed(site: Recalling) -> None:
    """The notice in the folder and its statement are those that the officer signed, and an auditor finds no stranger."""
    (folder,) = site.series("r1")
    done = site.recall(folder)
    assert (folder / RECALL).read_bytes() == done.mark.path.read_bytes()
    held = verify_notice(folder / RECALL, done.mark.digest, done.mark.notice.recall, site.trust, at=datetime.now(UTC))
    assert held.signers == ("Officer",)
    assert (folder / RECALL_STATEMENT).is_file()
    assert list(faults_in(folder, from_bytes((folder / MANIFEST).read_bytes()))) == []
    assert WHY not in str([entry.details for entry in site.entries("release-recalled")])


def test_the_log_tells_each_release_once(site: Recalling) -> None:
    """A recall enters every release with the digest of its notice; finishing it again enters nothing."""
    first, _ = site.series("r1", "r2")
    done = site.recall(first)
    finish(site.site.site, site.site.provider, site.log, site.trust)
    entries = [e for e in site.entries("release-recalled") if e.details["notice_sha256"] == done.mark.digest]
    assert [entry.subject.partition("/")[2] for entry in entries] == ["r1", "r2"]
    shreds = [e for e in site.entries("key-shredded") if e.subject.startswith(f"{first.parent.name}/")]
    assert [entry.details["keys"] for entry in shreds] == [1, 1]


def test_increments_are_not_derived(site: Recalling) -> None:
    """Where the officer says in the notice that releases hold only what is new, a later one is not taken back."""
    first, second = site.series("r1", "r2")
    done = site.recall(first, increments=True)
    assert [one.release for one in done.mark.notice.releases] == ["r1"]
    assert open_with(second, [], provider=site.site.provider).read("patients").num_rows == 2


@pytest.mark.parametrize("mode", ["cumulative", "increment"])
def test_a_ledger_says_what_is_derived(site: Recalling, mode: str) -> None:
    """By its ledger a cumulative series loses every later release, and cannot be called increments; increments do not."""
    months = [f"E{n}-{month} P{n} 2025-{month:02d}-04" for n in range(12) for month in (1, 2)]
    tables = {
        "patients": "\n".join(["ID SEX", *(f"P{n} {'FM'[n % 2]}" for n in range(12))]),
        "visits": "\n".join(["ENC PATIENT START", *months]),
    }
    visits = {"ENC": "encounter_id", "PATIENT": "patient_id", "START": "admit_date"}
    kinds = {"patients": {"ID": "patient_id", "SEX": "sex"}, "visits": visits}
    source = site.world.source_of(tables, kinds, encounters="visits")
    rules = {"patient_id": {"pseudonymize": "keyed"}, "sex": "keep", "admit_date": {"generalize_date": "year"}}
    limits = {"k": 2, "quasi_identifiers": ["sex"], "risk": {"rejoin": 1.0}}
    policy = site.world.policy(
        {"policy": "own", "version": 1, "basis": "expert_determination", "rules": rules, "limits": limits}
    )
    columns = {"patients": ["ID", "SEX"], "visits": ["PATIENT", "START"]}
    request = site.world.request(source, columns, policy=policy, series=mode, schedule="monthly")
    first, second = [site.site.run(request, period=period).folder for period in ("2025-01", "2025-02")]
    derived = [one.release for one in site.draft(first).releases]
    if mode == "increment":
        assert derived == [first.name]
        return
    assert derived == [first.name, second.name]
    with pytest.raises(ReleaseError, match="no increments"):
        site.draft(first, increments=True)


def test_the_series_stands_still_until_it_is_resumed(site: Recalling) -> None:
    """After a recall nothing more of the series leaves, until somebody who may says that it goes on, under a policy."""
    request = site.request(profile="columns")
    (first,) = site.export(request, "r1")
    mark = site.recall(first).mark
    with pytest.raises(ReleaseError, match="stands still"):
        site.export(request, "r2")
    policy = load_policy(site.world.named_policy(LIMITED))
    other = load_policy(site.world.named_policy(EXPERT))
    resume_as = partial(resume, site.site.site, mark.notice.recall, trust=site.trust, how=HOW, at=datetime.now(UTC))
    resume_as(other, site.site.officer)
    with pytest.raises(ReleaseError, match="under another policy"):
        site.export(request, "r2")
    resume_as(policy, site.site.officer, expires=datetime.now(UTC).date() - timedelta(days=1))
    with pytest.raises(TrustError, match="expired"):
        site.export(request, "r2")
    resume_as(policy, site.site.officer)
    (second,) = site.export(request, "r2")
    assert open_with(second, [], provider=site.site.provider).read("patients").num_rows == 2


def test_another_series_is_not_stopped(site: Recalling) -> None:
    """Requests of other names, and other parties of the same request, go on."""
    (first,) = site.series("r1")
    site.recall(first)
    assert len(site.series("r1")) == 1
    document = yaml.safe_load((site.site.folder / f"{first.parent.name}.yaml").read_text())
    path = site.site.write("other-party.yaml", document | {"party": "another"})
    assert len(site.export(path, "r2")) == 1


def test_a_run_that_was_under_way_is_refused_at_its_end(site: Recalling) -> None:
    """A recall that comes while a release is made stops it before its rename, and no guard key is left of it."""
    request = site.request(profile="columns")
    (first,) = site.export(request, "r1")
    notice = site.sign(site.draft(first))
    begun: list[str] = []

    def progress(_what: str, _rows: int) -> None:
        if not begun:
            begun.append(site.run(notice).mark.notice.recall)

    with pytest.raises(ReleaseError, match="stands still"):
        export(site.site.plan(request, name="r2"), site.site.site, site.site.provider, progress=progress)
    assert begun
    assert not (first.parent / "r2").exists()
    assert not [guard for guard in site.site.provider.guards() if guard.release == f"{first.parent.name}.r2"]


def test_a_recall_waits_for_a_release_that_is_being_renamed(site: Recalling) -> None:
    """From a run's last look to its rename no recall begins: it comes after, and finds the release."""
    (folder,) = site.series("r1")
    path = site.sign(site.draft(folder))
    with ThreadPoolExecutor(2) as pool:
        with gate_of(site, "unrelated") as gate:
            gate.close()
            running = [pool.submit(site.run, path) for _ in range(2)]
            time.sleep(0.2)
            assert not (folder / RECALL).exists()
        faults = [one.exception() for one in running]
    # Of two at once, one does it, and the other finds it begun.
    assert [type(fault) for fault in sorted(faults, key=str) if fault is not None] == [ReleaseError]
    assert (folder / RECALL).exists()


def test_a_certificate_is_on_record(site: Recalling) -> None:
    """What a recipient who is asked certifies is listed for their key, and entered in the log for each release."""
    first, _ = site.series("r1", "r2", profile="portable")
    done = site.recall(first)
    held = [one for one in holdings(site.site.site, site.site.provider, site.known) if one.recall]
    assert {one.certified for one in held if one.request == first.parent.name} == {None}
    certified = site.certify(site.certificate(done))
    assert certified.signers == (site.recipient.keyid,)
    site.certify(site.certificate(done))  # the same again: nothing new
    entered = [e for e in site.entries("destruction-received") if e.subject.startswith(f"{first.parent.name}/")]
    assert [entry.details["certificate_sha256"] for entry in entered] == [certified.digest] * 2
    held = [one for one in holdings(site.site.site, site.site.provider, site.known) if one.request == first.parent.name]
    assert [(one.release, one.key, one.keys, one.certified) for one in held] == [
        (name, site.fingerprint, "theirs", datetime.now(UTC).date()) for name in ("r1", "r2")
    ]


def test_holdings_are_listed_by_party_and_key(site: Recalling) -> None:
    """Every release stands under its party and recipient's key: its form, its keys, and whether it was recalled."""
    second = site.series("r1", "r2", party="holders")[1]
    site.recall(second)
    shutil.rmtree(second)  # what is known of it comes from log and notice
    held = [one for one in holdings(site.site.site, site.site.provider, site.known) if one.party == "holders"]
    assert [(one.release, one.form, one.keys, one.recall is not None) for one in held] == [
        ("r1", "columns", "stand", False),
        ("r2", "columns", "destroyed", True),
    ]
    assert {one.key for one in held} == {site.fingerprint}


def test_what_the_key_provider_refused_is_finished_later(site: Recalling) -> None:
    """Where keys cannot be destroyed, everything is refused and told all the same, and finishing destroys them."""
    (folder,) = site.series("r1")
    failing = cast("KeyProvider", Counting(site.site.provider, failing="destroy_guard"))
    path = site.sign(site.draft(folder))
    done = recall(path, site.site.site, failing, site.log, site.trust)
    assert [type(fault) for fault in done.failed] == [KeyFaultError]
    assert (folder / RECALL).exists()
    with pytest.raises(ReleaseError, match="was recalled by"):
        refuse_recalled_release(folder, site.site.site, site.log)
    (again,) = [
        one
        for one in finish(site.site.site, site.site.provider, site.log, site.trust)
        if one.mark.digest == done.mark.digest
    ]
    assert again.shredded == (("r1", 1),)


def test_tables_are_recalled_by_name(site: Recalling) -> None:
    """Tables lie in clear: their notice says that they cannot be taken back, and later ones of the request go with them."""
    made = [publish_tables(site, "counts", name) for name in ("2025", "2026")]
    (release,) = site.series("r1")
    done = site.recall(made[0])
    assert [(one.release, one.profile) for one in done.mark.notice.releases] == [("2025", "tables"), ("2026", "tables")]
    assert (made[1] / RECALL).exists()
    assert not (release / RECALL).exists()
    with pytest.raises(ReleaseError, match="stands still"), gate_of(site, "counts"):
        pass


def test_recalled_tables_are_not_made_again(site: Recalling) -> None:
    """Tables of a request that were taken back stand still, however well the next ones are signed and approved."""
    _source(site.site.folder / "tiny", 1, people=80, visits=300)
    rules = {"measure": "visits", "by": ["year", "state"]}
    content = {"request": "recounts", "requester": "Somebody", "purpose": "A test", "expires": "2027-12-31",
               "policy": str(site.site.folder / "policies" / "public-tables.yaml"),
               "dataset": str(site.site.write("tiny/dataset.yaml", DESCRIPTION)),
               "tabulate": {**BLOCK, "tables": {"t": rules}}}  # fmt: skip
    path = site.site.write("recounts.yaml", content)
    site.recall(site.site.tabulate(path, name="one").folder)
    with pytest.raises(ReleaseError, match="stands still"):
        site.site.tabulate(path, name="two")
    assert not (site.site.site.releases / "recounts" / "two").exists()


def test_a_copy_is_known_by_its_manifest(site: Recalling) -> None:
    """A copy of a recalled release, wherever it lies and whatever is missing in it, is refused with the site's keys."""
    (folder,) = site.series("r1")
    copy = Path(shutil.copytree(folder, site.site.folder / "copies" / "r1"))
    refuse_recalled_release(copy, site.site.site, site.log)
    site.recall(folder)
    with pytest.raises(ReleaseError, match="was recalled by"):
        refuse_recalled_release(copy, site.site.site, site.log)


def test_a_notice_is_about_one_party_of_one_request(site: Recalling) -> None:
    """Two requests do not stand in one notice, a release that was never made in none, and reasons are words."""
    first, second = site.series("r1")[0], site.series("r1")[0]
    with pytest.raises(DocumentError, match="one request"):
        site.draft(first, second)
    with pytest.raises(ReleaseError, match="knows no release"):
        site.draft(first.parent / "r9")
    with pytest.raises(DocumentError, match="may certify"):
        site.draft(first, asks=["Officer"])
    with pytest.raises(DocumentError, match="reason in words"):
        encode(site.draft(first, why="too short"))


def publish_tables(site: Recalling, request: str, name: str) -> Path:
    """Publish a folder as `deid tabulate` leaves it, entered in the log as it enters it."""
    folder = site.site.site.releases / request / name
    folder.mkdir(parents=True)
    data = json.dumps({"format": "deid-tables/1", "release": name, "dataset": "elsewhere"}).encode()
    (folder / "tables.json").write_bytes(data)
    told = {"request_sha256": "0" * 64, "sha256": hashlib.sha256(data).hexdigest()}
    record(site.log, EventKind.TABLES_PREPARED, f"{request}/{name}", **told)
    record(site.log, EventKind.TABLES_PUBLISHED, f"{request}/{name}", tables=1, **told)
    return folder


def gate_of(site: Recalling, request: str) -> SeriesGate:
    """Return the gate of a request's tables."""
    return SeriesGate(request, "", "0" * 64, site.site.site, site.trust, site.log, datetime.now(UTC))


def test_a_rotation_under_way_saves_no_key(site: Recalling) -> None:
    """While a rotation holds a release, its keys are not destroyed yet; once it is done, the new one is destroyed too."""
    (folder,) = site.series("r1")
    path = site.sign(site.draft(folder))
    with ThreadPoolExecutor(1) as pool:
        with folder_lock(folder):
            running = pool.submit(site.run, path)
            while site.known.notices.get(manifest_digest(folder)) is None:
                time.sleep(0.01)
            site.site.provider.create_guard(series="any", release=f"{folder.parent.name}.r1")
            assert not running.done()
        done = running.result()
    assert done.shredded == (("r1", 2),)
