"""A publication of tables that is killed on its way: nothing is forgotten, nothing half lies there, and the next goes on."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from deid.audit.site import site_log, verify_site
from tests.sites import PASSPHRASE, TestSite, make_site
from tests.spec.test_table_counts import BLOCK, DESCRIPTION, _source

# Makes the tables of a request, and ends by SIGKILL as soon as the function that is named would be called.
CHILD = """
import importlib, os, signal, sys
from pathlib import Path
module, name = sys.argv[1].rsplit(":", 1)
owner = importlib.import_module(module)
*within, last = name.split(".")
for each in within:
    owner = getattr(owner, each)
setattr(owner, last, lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL))
from deid.documents.site import load_site
from deid.keys import open_provider
from deid.tables.document import load_tabulation
from deid.tables.run import tabulate
site = load_site(Path(sys.argv[2]))
provider = open_provider(site.keys, lambda: sys.argv[4].encode())
tabulate(load_tabulation(Path(sys.argv[3])), site, provider, progress=lambda _what, _rows: None)
"""


def _request(site: TestSite, name: str) -> Path:
    content: dict[str, Any] = {
        "request": name,
        "requester": "Somebody",
        "purpose": "A test",
        "policy": str(site.folder / "policies" / "public-tables.yaml"),
        "dataset": str(site.write("tiny/dataset.yaml", {**DESCRIPTION, "dataset": "tiny"})),
        "expires": "2027-12-31",
        "tabulate": {**BLOCK, "tables": {"t": {"measure": "visits", "by": ["year", "state"]}}},
    }
    path = site.write(f"{name}.yaml", content)
    site.ask_for_tables(path)
    return path


@pytest.mark.long
@pytest.mark.parametrize(
    ("at", "lies_there", "remembered"),
    [
        ("deid.tables.store:Store.commit", False, False),
        ("deid.tables.entries:PublicationEntries.prepared", False, True),
        ("deid.release.staging:_publish", False, False),
        ("deid.tables.entries:PublicationEntries.published", True, False),
    ],
    ids=["before the store", "between store and log", "between log and rename", "after the rename"],
)
def test_a_killed_publication_is_gone_on_with(tmp_path: Path, at: str, *, lies_there: bool, remembered: bool) -> None:
    """Wherever it was killed, the next publication comes, the log is whole, and it enters a store that was further."""
    site = make_site(tmp_path)
    _source(site.folder / "tiny", 1, people=80, visits=300)
    site.tabulate(_request(site, "first"))
    killed = _request(site, "killed")
    arguments = [at, str(site.folder / "site.yaml"), str(killed), PASSPHRASE.decode()]
    done = subprocess.run([sys.executable, "-c", CHILD, *arguments], capture_output=True, check=False, timeout=120)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    assert (site.site.releases / "killed" / "all").exists() is lies_there
    assert site.tabulate(_request(site, "next")).folder.is_dir()
    if not lies_there:
        assert site.tabulate(killed).folder.is_dir()
    kinds: list[str] = []
    site_log(site.site, site.provider).verify(seen=lambda entry, _: kinds.append(entry.kind))
    assert ("tables-remembered" in kinds) is remembered
    unpublished = verify_site(site.site, site.provider.subkey("audit"), []).unpublished
    assert unpublished == (("killed/all",) if lies_there else ())
    assert [path for path in site.leftovers() if "staging" in path or "spill" in path] == []
