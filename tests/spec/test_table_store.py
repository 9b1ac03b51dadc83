"""What was published of a dataset cannot be made to be forgotten by whoever writes the state folder."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from deid.cli import cli
from deid.errors import StorageError
from deid.tables.document import load_tabulation
from deid.tables.run import store_of, tabulate
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
    loaded = load_tabulation(site.write(f"{name}.yaml", content))
    return tabulate(loaded, site.site, site.provider, progress=lambda _w, _n: None, name=release).folder


def _store(site: TestSite) -> Path:
    return site.site.state / "tables" / "tiny"


def _parts(site: TestSite) -> list[Path]:
    return sorted(path for path in _store(site).rglob("*") if path.is_file() and path.name != "LOCK")


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
    """The way back that messages tell: a damaged newest generation is set aside where the one before knows all."""
    store = store_of("tiny", site.site, site.provider)
    damaged = next(p for p in _parts(site) if p.parent.name == "generation-00000002" and p.name != "index")
    damaged.write_bytes(damaged.read_bytes()[:-1])
    with pytest.raises(StorageError, match="whole and knows every published table"):
        store.restore()  # the generation before does not know `second`
    shutil.move(site.site.releases / "second", site.folder / "withdrawn")
    monkeypatch.setenv("DEID_PASSPHRASE", PASSPHRASE.decode())
    options = ["tabulate", str(site.folder / "first.yaml"), "--site", str(site.folder / "site.yaml"), "--restore"]
    done = CliRunner().invoke(cli, options)
    assert done.exit_code == 0, done.output
    assert "generation 1" in done.output
    assert _publish(site, "third").is_dir()


def test_two_runs_over_one_dataset_do_not_meet(site: TestSite) -> None:
    """While one run makes tables another is refused, so that none publishes what no audit saw."""
    with store_of("tiny", site.site, site.provider).held(), pytest.raises(StorageError, match="another run"):
        _publish(site, "third")
    assert _publish(site, "third").is_dir()
