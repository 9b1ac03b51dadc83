"""`deid tabulate` as a person types it: one folder, one summary; or one message, a hint, an exit code, and nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from deid.cli import cli
from deid.errors import DeidError, TrustError, WithdrawnError
from deid.papers.actual_knowledge import knowledge_path
from deid.papers.approval import approval_path, record_path
from deid.papers.signing import statement_path
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
    path = site.write(f"{name}.yaml", content)
    with suppress(DeidError):  # a test's request need not be one that can be approved
        site.ask_for_tables(path)
    return path


def _environment(site: TestSite) -> dict[str, str]:
    return {"DEID_PASSPHRASE": PASSPHRASE.decode(), "DEID_SITE": str(site.folder / "site.yaml")}


def _deid(site: TestSite, *words: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | _environment(site)
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
    assert "unsigned.yaml was altered after it was signed" in done.stderr or "is not signed" in done.stderr
    assert "hint: " in done.stderr


def test_from_a_request_for_tables_to_its_folder(site: TestSite) -> None:
    """Checked, signed and approved by the commands of every request; status and diff tell what lacks and changed."""

    def typed(command: str, *words: str) -> Result:
        return CliRunner().invoke(cli, [*command.split(), str(path), *words], env=_environment(site))

    path = _request(site, "typed")
    for signed in (statement_path(path), approval_path(path), record_path(path)):
        signed.unlink()
    asker, officer = (str(site.folder / "keys" / f"{name}.key") for name in ("requester", "officer"))
    plan = typed("request check").output
    assert "audience public: everybody may read these tables" in plan
    assert "by county: state under keep, county under keep" in plan
    assert "codes    diabetes: icd10cm E10, E11, E13" in plan
    assert "lacks   request" in typed("request status").output
    assert "typed.yaml is not signed" in str(typed("tabulate").exception)
    assert typed("request sign", "--key", asker).exit_code == 0
    refused = typed("tabulate").exception
    assert isinstance(refused, TrustError)
    assert "typed.yaml is not approved" in refused.message
    assert "deid request check typed.yaml" in refused.hint
    approved = typed("request approve", "--key", officer)
    assert "audience   public" in approved.output, approved.exception
    assert "approved by Officer" in approved.output
    assert typed("request status").exit_code == 0
    assert typed("request diff").output == "typed is as it was approved\n"
    path.write_text(path.read_text().replace("least_place: 100", "least_place: 20"))
    changed = typed("request diff")
    assert changed.exit_code == 14
    assert "the plan: least_place is 20, and was 100" in changed.output
    assert "the request: tabulate.least_place is 20, and was 100" in changed.output
    withdrawn = typed("request withdraw", "--key", officer, "--reason", "other")
    assert "the request typed.yaml is withdrawn" in withdrawn.output
    assert isinstance(typed("tabulate").exception, WithdrawnError)
    assert not (site.site.releases / "typed").exists()


def test_safe_harbor_tables_are_attested_for_everybody(site: TestSite) -> None:
    """The statement of no actual knowledge is signed over tables by the command that signs it over releases."""
    rules = {"service_date": {"generalize_date": "year"}, "sex": "keep"}
    site.sign(
        site.write("policies/safe.yaml", {"policy": "safe", "version": 1, "basis": "safe_harbor", "rules": rules})
    )
    block = {"tables": {"t": {"measure": "visits", "by": ["year", "sex"]}}, "standard": None, "denominators": None}
    path = _request(site, "safe", ages=[], codes={}, **block)
    path.write_text(path.read_text().replace("public-tables.yaml", "safe.yaml"))
    site.ask_for_tables(path)
    knowledge_path(path).unlink()
    officer = str(site.folder / "keys" / "officer.key")

    def typed(*words: str) -> Result:
        return CliRunner().invoke(cli, [*words], env=_environment(site))

    assert "lacks   no-actual-knowledge" in typed("request", "status", str(path)).output
    attested = typed("request", "attest", str(path), "--key", officer)
    assert "audience   public" in attested.output, attested.exception
    assert typed("request", "status", str(path)).exit_code == 0
    assert "published" in typed("tabulate", str(path)).output
