"""`deid report`: what a person reads of a release, and how damaged or foreign documents are met."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tiny_sources import REQUESTED, World

from deid.cli.report import report
from deid.errors import ReleaseError, StorageError
from deid.reports import from_json


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a small release."""
    world = World(tmp_path_factory.mktemp("report") / "site")
    return world.site.run(world.request(world.source(), REQUESTED)).folder


def run(*arguments: str | Path) -> Result:
    """Run the command; its errors are raised, as `deid` prints them elsewhere."""
    return CliRunner().invoke(report, [str(argument) for argument in arguments], catch_exceptions=False)


def failed(*arguments: str | Path) -> BaseException | None:
    """Run the command and return what it raised."""
    return CliRunner().invoke(report, [str(argument) for argument in arguments]).exception


def test_it_shows_the_first_figures(release: Path) -> None:
    """Party, policy, patients and figures stand on the terminal."""
    told = run(release).output
    assert "outcomes" in told
    assert "limited-data-set" in told
    assert "1\u201310 released" in told
    assert "SENTINEL" not in told


def test_json_is_the_report_of_the_release(release: Path) -> None:
    """--json prints report.json byte for byte."""
    assert run(release, "--json").output.encode() == (release / "report.json").read_bytes()


def test_both_documents_are_listed_with_their_digests(release: Path) -> None:
    """The manifest lists report.json and report.html."""
    manifest = json.loads((release / "manifest.json").read_bytes())
    assert {"report.json", "report.html"} <= {document["name"] for document in manifest["documents"]}


def test_a_changed_report_is_refused(release: Path, tmp_path: Path) -> None:
    """A report that is not what the manifest's digest says is neither shown nor rendered."""
    copy = tmp_path / "copy"
    shutil.copytree(release, copy)
    path = copy / "report.json"
    data = path.read_bytes().replace(b'"deid-report/1"', b'"deid-report/2"')
    path.chmod(0o600)
    path.write_bytes(data)
    assert isinstance(failed(copy), ReleaseError)
    (copy / "RECALLED.json").write_text("{}")
    assert "recalled" in str(failed(copy))


def test_a_release_without_a_report_says_so(release: Path, tmp_path: Path) -> None:
    """A folder that is no release is refused by name of what is missing."""
    error = failed(tmp_path)
    assert isinstance(error, ReleaseError)
    assert "manifest.json" in error.message


def test_a_page_is_written_once(release: Path, tmp_path: Path) -> None:
    """--html and --out write new files for this user alone, and never over another."""
    page, data = tmp_path / "r.html", tmp_path / "r.json"
    run(release, "--html", page, "--out", data)
    assert page.read_bytes() == (release / "report.html").read_bytes()
    assert from_json(data.read_bytes()) == from_json((release / "report.json").read_bytes())
    assert page.stat().st_mode & 0o777 == 0o600
    assert isinstance(failed(release, "--html", page), StorageError)


def test_an_attack_is_merged_outside_of_the_release(release: Path, tmp_path: Path) -> None:
    """The attack's figures stand in the new page; the release stays as it was."""
    before = (release / "report.html").read_bytes()
    about = json.loads((release / "report.json").read_bytes())["about"]
    result = tmp_path / "attack.json"
    figure = {"attacker": "voter_list", "scenario": "sex and birth date", "verdict": "failed", "expected": 0.95}
    record = {
        "format": "deid-attack/1",
        "release": about["release"],
        "policy_sha256": about["policy_sha256"],
        "figures": [figure],
    }
    result.write_text(json.dumps(record))
    page = tmp_path / "page.html"
    assert "voter list, sex and birth date: 95.00" in run(release, "--attack", result, "--html", page).output
    assert "sex and birth date" in page.read_text()
    assert (release / "report.html").read_bytes() == before
    result.write_text(json.dumps(record | {"release": "another"}))
    assert isinstance(failed(release, "--attack", result), ReleaseError)
    assert isinstance(failed(release, "--attack", tmp_path / "none.json"), StorageError)
