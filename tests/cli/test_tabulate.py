"""`deid tabulate` as a person types it: one folder, one summary; or one message, a hint, an exit code, and nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.sites import PASSPHRASE, REPOSITORY, TestSite, make_site

EXAMPLE = REPOSITORY / "exports" / "diabetes-by-county.yaml"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> TestSite:
    """A site with the policies signed."""
    return make_site(tmp_path_factory.mktemp("site"))


def _request(site: TestSite, name: str, **tabulate: Any) -> Path:
    content = yaml.safe_load(EXAMPLE.read_text())
    content |= {"request": name, "policy": str(site.folder / "policies" / "public-tables.yaml")}
    content["dataset"] = str(REPOSITORY / "samples" / "claims" / "dataset.yaml")
    content["tabulate"] |= tabulate
    return site.write(f"{name}.yaml", content)


def _deid(site: TestSite, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "DEID_PASSPHRASE": PASSPHRASE.decode(), "DEID_SITE": str(site.folder / "site.yaml")}
    command = [sys.executable, "-m", "deid", "tabulate", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=120)


def test_the_example_publishes_tables(site: TestSite) -> None:
    """The shipped request runs on the samples and says what it hid."""
    done = _deid(site, str(_request(site, "example")))
    assert done.returncode == 0, done.stderr
    assert "small cells" in done.stdout
    folder = site.site.releases / "example" / "all"
    audit = json.loads((folder / "audit.json").read_text())
    assert audit["narrowest_interval"]["public"] >= 10
    assert audit["narrowest_interval"]["informed"] >= 1
    assert audit["secondary"] <= 1.1 * audit["secondary_at_least"]
    assert {"README.md", "tables.json", "prevalence-by-county.csv"} <= {path.name for path in folder.iterdir()}
    again = _deid(site, str(site.folder / "example.yaml"))
    assert (again.returncode, "already there" in again.stderr) == (16, True)


def test_a_period_is_a_release_of_its_own(site: TestSite) -> None:
    """With --period only the tables whose periods lie in it are made; the summary for programs is JSON."""
    done = _deid(site, str(_request(site, "quarters")), "--period", "2024-Q2", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert list(told["tables"]) == ["visits-by-quarter"]
    assert told["release"].endswith("2024-Q2")


@pytest.mark.parametrize(
    ("fields", "code", "words"),
    [
        ({"ages": ["0-19", "10+"]}, 11, "overlap"),
        ({"tables": {"t": {"measure": "visits", "by": ["week"]}}}, 11, "no dimension 'week'"),
        ({"tables": {"t": {"measure": "visits", "by": ["month"]}}, "standard": None}, 12, "tell more than the rule"),
        ({"from": "2030-01-01", "to": "2031-12-31"}, 11, "whole period"),
        ({"denominators": "nowhere.csv"}, 11, "cannot read the denominators"),
    ],
)
def test_bad_requests_are_one_message_a_hint_and_nothing_else(
    site: TestSite, fields: dict[str, Any], code: int, words: str
) -> None:
    """The message names what is wrong, the hint what to do; no folder is left."""
    name = f"bad-{code}-{len(words)}"
    done = _deid(site, str(_request(site, name, **fields)))
    assert done.returncode == code
    assert words in done.stderr
    assert "hint: " in done.stderr
    assert done.stdout == ""
    assert not any((site.site.releases / name).glob("*")) if (site.site.releases / name).exists() else True


def test_an_unsigned_policy_makes_no_tables(site: TestSite) -> None:
    """Who has no officer's signature publishes nothing."""
    policy = site.folder / "policies" / "unsigned.yaml"
    policy.write_text((site.folder / "policies" / "public-tables.yaml").read_text() + "\n# changed\n")
    path = _request(site, "unsigned")
    path.write_text(path.read_text().replace("public-tables.yaml", "unsigned.yaml"))
    done = _deid(site, str(path))
    assert done.returncode == 14
    assert "hint: " in done.stderr
