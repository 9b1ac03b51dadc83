"""What was published of a dataset cannot be made to be forgotten by whoever writes the state folder."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from deid.audit.site import renew, site_log, verify_site
from deid.cli import cli
from deid.errors import AuditError, StorageError
from deid.tables.entries import PublicationEntries
from deid.tables.run import store_of
from deid.tables.store import KEPT
from tests.sites import PASSPHRASE, TestSite, make_site
from tests.spec.test_table_counts import BLOCK, DESCRIPTION, _source

TABLES = {"t": {"measure": "visits", "by": ["year", "state"]}}


@pytest.fixture
def site(tmp_path: Path) -> TestSite:
    """A site that has published tables of `tiny` under two requests."""
    made = make_site(tmp_path)
    _source(made.folder / "tiny", 1, people=80, visits=300)
    for name in ("first", "second"):
        _publish(made, name)
    return made


def _publish(site: TestSite, name: str, *, release: str = "all", measure: str = "visits") -> Path:
    described = site.write("tiny/dataset.yaml", {**DESCRIPTION, "dataset": "tiny"})
    tables = {"t": {"measure": measure, "by": ["year", "state"]}}
    content: dict[str, Any] = {
        "request": name,
        "requester": "Somebody",
        "purpose": "A test",
        "policy": str(site.folder / "policies" / "public-tables.yaml"),
        "dataset": str(described),
        "expires": "2027-12-31",
        "tabulate": {**BLOCK, "tables": tables},
    }
    return site.tabulate(site.write(f"{name}.yaml", content), name=release).folder


def _store(site: TestSite) -> Path:
    return site.site.state / "tables" / "tiny"


def _parts(site: TestSite) -> list[Path]:
    return sorted(path for path in _store(site).rglob("*") if path.is_file() and path.name != "LOCK")


def _entered(site: TestSite) -> list[tuple[str, dict[str, Any]]]:
    """Return kind and details of the log's entries about tables."""
    found: list[tuple[str, dict[str, Any]]] = []
    site_log(site.site, site.provider).verify(
        seen=lambda entry, _: found.append((entry.kind, dict(entry.details))) if "tables-" in entry.kind else None
    )
    return found


def _copy(path: Path, to: Path) -> None:
    if to.is_dir():
        shutil.rmtree(to)
    to.parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(path, to) if path.is_dir() else shutil.copyfile(path, to)


def _copied(site: TestSite) -> Path:
    """Keep the store and every published folder as they are now; return where."""
    older = site.folder / "older"
    _copy(_store(site), older / "store")
    _copy(site.site.releases, older / "releases")
    return older


def _put_back(site: TestSite, older: Path) -> None:
    _copy(older / "store", _store(site))
    _copy(older / "releases", site.site.releases)


def _killed_before_the_log(site: TestSite, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make tables by a run that ends when the store remembers them and the log does not name it yet."""

    class Killed(BaseException):
        pass

    def killed(*_words: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(PublicationEntries, "prepared", killed)
        with pytest.raises(Killed):
            _publish(site, "killed")


def _restore(site: TestSite, monkeypatch: pytest.MonkeyPatch) -> Result:
    monkeypatch.setenv("DEID_PASSPHRASE", PASSPHRASE.decode())
    options = ["tabulate", str(site.folder / "first.yaml"), "--site", str(site.folder / "site.yaml"), "--restore"]
    return CliRunner().invoke(cli, options)


def test_a_lost_store_stops_every_request_over_the_dataset(site: TestSite) -> None:
    """Nothing is forgotten by removing the store and asking under a new name."""
    shutil.rmtree(_store(site))
    for name in ("first", "third"):
        with pytest.raises(StorageError, match="is gone") as fault:
            _publish(site, name, release="again")
        assert "--restore" in fault.value.hint
        assert "backup" in fault.value.hint
        assert not (site.site.releases / name / "again").exists()


def test_an_older_copy_that_was_put_back_is_refused(site: TestSite) -> None:
    """A store that is whole and sealed, and from before the last publication, is told by what it does not know."""
    older = site.folder / "older"
    shutil.copytree(_store(site), older)
    _publish(site, "third")
    shutil.rmtree(_store(site))
    shutil.copytree(older, _store(site))
    with pytest.raises(StorageError, match="an older copy was put back"):
        _publish(site, "fourth")


def test_every_file_of_the_store_is_sealed(site: TestSite) -> None:
    """One bit anywhere in the current generation, or a part of another dataset's, stops the run; nothing is in clear."""
    current = [p for p in _parts(site) if p.parent.name in ("tiny", "generation-00000002")]
    assert len(current) == 3
    for path in current:
        kept = path.read_bytes()
        assert b"prevalence" not in kept
        assert b"visits" not in kept
        path.write_bytes(kept[:-1] + bytes([kept[-1] ^ 1]))
        with pytest.raises(StorageError) as fault:
            _publish(site, "third")
        assert "--restore" in fault.value.hint
        path.write_bytes(kept)
    assert _publish(site, "third").is_dir()


def test_tables_that_were_changed_or_that_two_stores_made_are_refused(site: TestSite) -> None:
    """The store knows tables by their bytes: a fork, or a changed count, is not what it was audited with."""
    path = site.site.releases / "first" / "all" / "tables.json"
    path.chmod(0o600)
    path.write_text(path.read_text().replace("Somebody", "Somebody else"))
    with pytest.raises(StorageError, match="does not hold the tables first/all"):
        _publish(site, "third")
    path.write_text("{")
    with pytest.raises(StorageError, match="cannot be read"):
        _publish(site, "third")


def test_restore_takes_a_generation_that_knows_every_published_table(
    site: TestSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The way back that messages tell: what a killed run left damaged is set aside where the one before knows all."""
    _killed_before_the_log(site, monkeypatch)
    damaged = next(p for p in _parts(site) if p.parent.name == "generation-00000003" and p.name != "index")
    damaged.write_bytes(damaged.read_bytes()[:-1])
    with pytest.raises(StorageError):
        _publish(site, "third")
    done = _restore(site, monkeypatch)
    assert done.exit_code == 0, done.output
    assert "generation 2" in done.output
    assert _publish(site, "third").is_dir()


def test_restore_forgets_nothing_that_the_log_names(site: TestSite, monkeypatch: pytest.MonkeyPatch) -> None:
    """Moving a published folder away does not make the generation before it good enough."""
    damaged = next(p for p in _parts(site) if p.parent.name == "generation-00000002" and p.name != "index")
    damaged.write_bytes(damaged.read_bytes()[:-1])
    shutil.move(site.site.releases / "second", site.folder / "taken-away")
    done = _restore(site, monkeypatch)
    assert isinstance(done.exception, StorageError)
    assert "the one that the audit log names" in done.exception.message


def test_a_store_that_was_put_back_with_its_folders_is_refused(site: TestSite) -> None:
    """Store and releases fit each other, as they were; the log names a later generation, and stays."""
    older = _copied(site)
    _publish(site, "third")
    _put_back(site, older)
    with pytest.raises(StorageError, match="generation 2, and the audit log names generation 3"):
        _publish(site, "third")
    assert not (site.site.releases / "third").exists()


def test_a_store_that_went_on_from_an_older_copy_is_refused(site: TestSite) -> None:
    """As many generations as the log names, and folders that fit: the last one is not the one that the log names."""
    log = site.site.state / "audit"
    older = _copied(site)
    for path in (log, log.with_name("audit.head")):
        _copy(path, older / path.name)
    _publish(site, "third")
    kept = site.folder / "kept"
    for path in (log, log.with_name("audit.head")):
        _copy(path, kept / path.name)
    _put_back(site, older)
    for path in (log, log.with_name("audit.head")):
        _copy(older / path.name, path)
    _publish(site, "other")
    for path in (log, log.with_name("audit.head")):
        _copy(kept / path.name, path)
    with pytest.raises(StorageError, match="does not follow the generation that the audit log names"):
        _publish(site, "fourth")


def test_renewing_the_log_does_not_forget_the_store(site: TestSite) -> None:
    """What a log that was set aside names is known on, so that an older copy is refused under the new one too."""
    older = _copied(site)
    _publish(site, "third")
    renew(site.site, site.provider)
    _put_back(site, older)
    with pytest.raises(StorageError, match="the audit log names generation 3"):
        _publish(site, "fourth")


def test_a_run_that_was_killed_between_store_and_log_goes_on(site: TestSite, monkeypatch: pytest.MonkeyPatch) -> None:
    """The store is further than the log; the next run enters what it finds, and an older copy is refused from then on."""
    older = _copied(site)
    _killed_before_the_log(site, monkeypatch)
    assert not (site.site.releases / "killed" / "all").exists()
    assert _publish(site, "killed").is_dir()
    kinds = [kind for kind, _ in _entered(site)]
    assert kinds[-3:] == ["tables-remembered", "tables-prepared", "tables-published"]
    _put_back(site, older)
    with pytest.raises(StorageError, match="generation 2, and the audit log names generation 4"):
        _publish(site, "third")


def test_a_run_that_was_killed_twice_goes_on(site: TestSite, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each try enters what the one before left, so that no number of them leads away from the log."""
    for _ in range(KEPT + 1):
        _killed_before_the_log(site, monkeypatch)
    assert _publish(site, "third").is_dir()


def test_a_publication_is_entered_with_its_store(site: TestSite) -> None:
    """Both entries name dataset, generation and digest of the store, and the first one every statement it stood on."""
    (_, before), (_, after) = [entry for entry in _entered(site) if entry[0] != "tables-remembered"][-2:]
    index = (_store(site) / "CURRENT").read_bytes()
    store = {"dataset": "tiny", "store": 2, "store_sha256": hashlib.sha256(index).hexdigest()}
    assert {name: after[name] for name in store} == store
    assert {name: before[name] for name in store} == store
    stood = dict(each.split(":") for each in before["statements"].split(","))
    assert sorted(stood) == ["approval", "expert-determination", "policy", "request"]
    record = json.loads((site.site.releases / "second" / "all" / "tables.json").read_text())
    assert {made["type"]: made["statement"] for made in record["statements"]} == stood
    assert "Officer" not in json.dumps(record["statements"])


def test_a_dataset_of_any_name_is_bound_to_the_log(site: TestSite) -> None:
    """A name that the log does not take stands there as a digest, and an older store of it is refused all the same."""
    name = "Claims, Mrs. Quixwerble's clinic"
    shutil.copytree(site.folder / "tiny", site.folder / "odd")
    content = yaml.safe_load((site.folder / "first.yaml").read_text())
    content |= {"request": "odd", "dataset": str(site.write("odd/dataset.yaml", {**DESCRIPTION, "dataset": name}))}
    path = site.write("odd.yaml", content)
    older = site.folder / "older-odd"
    store = store_of(name, site.site, site.provider).folder
    site.tabulate(path, name="one")
    _copy(store, older)
    site.tabulate(path, name="two")
    shutil.rmtree(site.site.releases / "odd" / "two")
    _copy(older, store)
    with pytest.raises(StorageError, match="generation 1, and the audit log names generation 2"):
        site.tabulate(path, name="three")
    assert "Quixwerble" not in json.dumps(_entered(site))


def test_verification_holds_tables_against_the_log(site: TestSite) -> None:
    """Tables that were changed, or that no run made, are told; those that lay there when a log began are known to it."""
    key = site.provider.subkey("audit")
    assert verify_site(site.site, key, []).unpublished == ()
    renew(site.site, site.provider)
    verify_site(site.site, key, [])
    path = site.site.releases / "first" / "all" / "tables.json"
    kept = path.read_bytes()
    path.chmod(0o600)
    path.write_bytes(kept.replace(b"Somebody", b"Nobody"))
    with pytest.raises(AuditError, match="tables first/all lie there with bytes that it does not name"):
        verify_site(site.site, key, [])
    path.write_bytes(kept)
    _copy(path.parent, site.site.releases / "first" / "again")
    with pytest.raises(AuditError, match="tables first/again lie there"):
        verify_site(site.site, None, [])


def test_tables_prepared_and_not_published_are_told(site: TestSite, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that ended between its two entries is listed until tables of that name are published."""

    def killed(*_words: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(PublicationEntries, "published", killed)
        with pytest.raises(KeyboardInterrupt):
            _publish(site, "third")
    key = site.provider.subkey("audit")
    assert verify_site(site.site, key, []).unpublished == ("third/all",)
    shutil.rmtree(site.site.releases / "third")
    _publish(site, "third")
    assert verify_site(site.site, key, []).unpublished == ()


def test_two_runs_over_one_dataset_do_not_meet(site: TestSite) -> None:
    """While one run makes tables another is refused, so that none publishes what no audit saw."""
    with store_of("tiny", site.site, site.provider).held(), pytest.raises(StorageError, match="another run"):
        _publish(site, "third")
    assert _publish(site, "third").is_dir()
