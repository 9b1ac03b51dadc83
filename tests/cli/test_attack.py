"""`deid attack`: what a privacy officer types before a release leaves."""

from __future__ import annotations

import json
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow.parquet as pq
import pytest
from sites import PASSPHRASE, TestSite, make_site

from deid.attacks import ATTACKERS
from deid.cli import main
from deid.keys.recipients import generate_identity
from deid.red_team.words import REMEDIES
from deid.reports import JSON, from_json
from deid.reports.merging import merged
from deid.reports.summary import summary
from deid.synthetic import generate, write_claims_parquet

TABLES = {
    "patients": ["patient_id", "birth_date", "sex", "race", "zip_code"],
    "encounters": ["patient_id", "encounter_id", "encounter_class", "admit_date"],
    "diagnoses": ["patient_id", "encounter_id", "icd10cm"],
}


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> tuple[TestSite, Path, Path]:
    """Return a site, a release of 300 patients and its request."""
    source = tmp_path_factory.mktemp("source")
    write_claims_parquet(generate(3, 300, notes=0.0), source)
    site = make_site(tmp_path_factory.mktemp("site") / "site")
    request = site.request(source / "dataset.yaml", TABLES, expires="2030-12-31")
    return site, site.run(request).folder, request


class Ended(NamedTuple):
    """How the command ended."""

    returncode: int
    stdout: str
    stderr: str


Deid = Callable[..., Ended]


@pytest.fixture
def deid(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Iterator[Deid]:
    """Return a function that runs `deid attack` in this process, as somebody at the site."""
    handlers = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]

    def run(site: TestSite, *arguments: str | Path) -> Ended:
        monkeypatch.setenv("DEID_SITE", str(site.folder / "site.yaml"))
        monkeypatch.setenv("DEID_PASSPHRASE", PASSPHRASE.decode())
        monkeypatch.setattr(sys, "argv", ["deid", "attack", *map(str, arguments)])
        code = 0
        try:
            main()
        except SystemExit as ended:
            code = int(ended.code or 0)
        return Ended(code, *capfd.readouterr())

    yield run
    for number, handler in zip((signal.SIGTERM, signal.SIGINT), handlers, strict=True):
        signal.signal(number, handler)


@pytest.fixture(scope="module")
def months(released: tuple[TestSite, Path, Path]) -> tuple[TestSite, Path, Path, Path]:
    """Return a site, its releases of two years of one series, and the request."""
    site, _, request = released
    dataset = dataset_of(site, request)
    yearly = site.request(dataset, TABLES, request="yearly", schedule="yearly", party="years")
    first, second = (site.run(yearly, period=year).folder for year in ("2024", "2025"))
    return site, first, second, yearly


def dataset_of(site: TestSite, request: Path) -> Path:
    """Return the description of a request's source."""
    return Path(site.plan(request).dataset.root) / "dataset.yaml"


def asked(site: TestSite, request: Path) -> tuple[str | Path, ...]:
    """Return the options that every run here has."""
    return ("--identity", site.researcher, "--request", request, "--targets", "100", "--seed", "4")


def test_attacks_are_told_for_reading_and_for_programs(deid: Deid, released: tuple[TestSite, Path, Path]) -> None:
    """Text has a line for every scenario; JSON the same figures, with every key of the specification."""
    site, folder, request = released
    quick = [part for name in ATTACKERS if name != "pseudonyms" for part in ("--only", name)]
    text = deid(site, folder, *asked(site, request), *quick)
    assert (text.returncode, text.stderr) == (0, "")
    told = json.loads(deid(site, folder, *asked(site, request), "--json").stdout)
    assert (told["format"], told["targets"], told["seed"]) == ("deid-attack/1", 100, 4)
    control = next(figure for figure in told["figures"] if figure["scenario"] == "voter list")
    assert control["expected"] >= 0.9
    assert {figure["attacker"] for figure in told["figures"]} >= {"pseudonyms", "acquaintance", "side_channels"}
    for figure in (one for one in told["figures"] if one["attacker"] != "pseudonyms"):
        assert figure["title"] in text.stdout


def test_few_people_are_shown_as_few(deid: Deid, released: tuple[TestSite, Path, Path]) -> None:
    """A count of 1 to 10 people is "1-10" in JSON, and no interval beside it tells the number."""
    site, folder, request = released
    told = json.loads(
        deid(site, folder, *asked(site, request)[:-3], "7", "--seed", "1", "--only", "acquaintance", "--json").stdout
    )
    few = [f for f in told["figures"] if f["attacker"] == "acquaintance"]
    assert {f["n"] for f in few} == {"1-10"}
    assert {f["certain"] for f in few} == {"1-10"}


def test_an_attacker_that_is_not_on_the_shelf_is_refused(deid: Deid, released: tuple[TestSite, Path, Path]) -> None:
    """`--only` names those there are."""
    site, folder, request = released
    ended = deid(site, folder, *asked(site, request), "--only", "telepathy")
    assert ended.returncode == 2
    assert "voter_list" in ended.stderr


def test_a_request_that_the_release_was_not_made_for_is_refused(
    deid: Deid, released: tuple[TestSite, Path, Path]
) -> None:
    """Ceilings and truth of another request would judge another release."""
    site, folder, request = released
    other = request.with_name("changed.yaml")
    shutil.copy(request, other)
    other.write_text(other.read_text(encoding="utf-8").replace("IRB-1", "IRB-2"), encoding="utf-8")
    ended = deid(site, folder, *asked(site, other))
    assert ended.returncode == 11
    assert "another request" in ended.stderr


def test_a_voter_list_without_births_is_refused(
    deid: Deid, released: tuple[TestSite, Path, Path], tmp_path: Path
) -> None:
    """Columns are named by kinds; without a birth date nobody is told."""
    site, folder, request = released
    voters = tmp_path / "voters.csv"
    voters.write_text("zip,sex\n02139,F\n", encoding="utf-8")
    ended = deid(site, folder, *asked(site, request), "--voters", voters)
    assert ended.returncode == 13
    assert "birth_date" in ended.stderr


def test_a_voter_list_makes_patients_harder_to_tell(
    deid: Deid, released: tuple[TestSite, Path, Path], tmp_path: Path
) -> None:
    """People beside the patients are as likely as they; patients who stand in the list are not counted twice."""
    site, folder, request = released
    voters = tmp_path / "voters.csv"
    source = Path(site.plan(request).dataset.root)
    people = pq.read_table(source / "patients.parquet").to_pylist()
    lines = [f"{p['birth_date']},{p['zip_code']},{p['sex']},{p['race'] or ''}" for p in people]
    voters.write_text("\n".join(["birth_date,zip_code,sex,race", *lines]), encoding="utf-8")
    told = json.loads(
        deid(site, folder, *asked(site, request), "--voters", voters, "--only", "voter_list", "--json").stdout
    )
    same = next(f for f in told["figures"] if f["scenario"] == "voter list")
    assert same["expected"] >= 0.99
    twins = [line.replace(",F,", ",X,").replace(",M,", ",F,").replace(",X,", ",M,") for line in lines]
    assert twins != lines
    voters.write_text("\n".join(["birth_date,zip_code,sex,race", *twins]), encoding="utf-8")
    told = json.loads(
        deid(site, folder, *asked(site, request), "--voters", voters, "--only", "voter_list", "--json").stdout
    )
    assert next(f for f in told["figures"] if f["scenario"] == "voter list")["expected"] == same["expected"]


def test_a_source_without_the_releases_patients_is_refused(
    deid: Deid, released: tuple[TestSite, Path, Path], tmp_path: Path
) -> None:
    """Where nobody of the source is in the release there is no truth, and no attack is judged."""
    site, folder, request = released
    source = Path(site.plan(request).dataset.root)
    other = tmp_path / "other"
    write_claims_parquet(generate(99, 20, notes=0.0), other)
    try:
        for name in ("patients", "encounters", "diagnoses"):
            shutil.copy(source / f"{name}.parquet", tmp_path / f"{name}.kept")
            shutil.copy(other / f"{name}.parquet", source / f"{name}.parquet")
        ended = deid(site, folder, *asked(site, request))
    finally:
        for name in ("patients", "encounters", "diagnoses"):
            shutil.copy(tmp_path / f"{name}.kept", source / f"{name}.parquet")
    assert ended.returncode == 17
    assert "nobody of the source" in ended.stderr


def figures(ended: Ended, attacker: str) -> dict[str, dict[str, Any]]:
    """Return the figures of one attacker by scenario."""
    return {f["scenario"]: f for f in json.loads(ended.stdout)["figures"] if f["attacker"] == attacker}


def test_an_earlier_month_tells_who_is_new(deid: Deid, months: tuple[TestSite, Path, Path, Path]) -> None:
    """`--earlier` lets the attacker of months loose, who tells newcomers from the others; without it there is none."""
    site, first, second, request = months
    options = (*asked(site, request), "--only", "months", "--json")
    assert figures(deid(site, second, *options), "months") == {}
    found = figures(deid(site, second, *options, "--earlier", first), "months")
    assert set(found) == {"arrival: new or not since the earlier month", "intersection: fits in both months"}
    assert found["intersection: fits in both months"]["expected"] >= 0.95  # a Limited Data Set: births and ZIP codes


def test_another_recipient_joins_by_content(deid: Deid, released: tuple[TestSite, Path, Path]) -> None:
    """`--other` joins a release of another party: pseudonyms differ, records of a Limited Data Set are the same."""
    site, folder, request = released
    theirs = site.request(dataset_of(site, request), TABLES, request="registry", party="registry")
    other = site.run(theirs).folder
    options = (*asked(site, request), "--only", "recipients", "--json", "--other", other, "--other-request", theirs)
    found = figures(deid(site, folder, *options), "recipients")
    assert (found["shared pseudonyms"]["found"], found["shared pseudonyms"]["verdict"]) == (0, "passed")
    assert found["everything that both show"]["expected"] >= 0.95


def test_what_is_to_be_done_is_told(deid: Deid, released: tuple[TestSite, Path, Path]) -> None:
    """The text ends with a verdict and a remedy: here no ceiling is broken, and nothing but a ceiling is missing."""
    site, folder, request = released
    text = deid(site, folder, *asked(site, request), "--only", "voter_list", "--only", "acquaintance").stdout
    assert "verdict  no ceiling: the policy bounds none of these attacks, so nothing was passed" in text
    assert "no ceiling voter_list: " in text
    assert "no ceiling acquaintance: " in text
    assert "demographics, 2 codes" in text
    assert "voters   none given: everybody is a patient of the site" in text


def test_what_was_printed_is_merged_into_the_report(deid: Deid, released: tuple[TestSite, Path, Path]) -> None:
    """Every figure stands in the release's report, under its title, with what was found where no share was measured."""
    site, folder, request = released
    printed = deid(site, folder, *asked(site, request), "--only", "acquaintance", "--only", "side_channels", "--json")
    report = merged(from_json((folder / JSON).read_bytes()), printed.stdout.encode())
    assert [one.measure for one in report.attacks] == [one["title"] for one in json.loads(printed.stdout)["figures"]]
    statistics = next(one for one in report.attacks if one.measure == "statistics")
    assert statistics.note.startswith("0 of ")
    assert any("side channels, statistics: 0 of " in line for line in summary(report))


def wrong_identity(site: TestSite, folder: Path, request: Path, scratch: Path) -> tuple[str | Path, ...]:
    """Give the key of somebody for whom the release was not sealed."""
    generate_identity(scratch / "stranger.key", scratch / "stranger.pub", None)
    return folder, "--identity", scratch / "stranger.key", "--request", request


def no_request(site: TestSite, folder: Path, request: Path, scratch: Path) -> tuple[str | Path, ...]:
    """Name a request that is not there."""
    return folder, "--identity", site.researcher, "--request", scratch / "none.yaml"


def no_release(site: TestSite, folder: Path, request: Path, scratch: Path) -> tuple[str | Path, ...]:
    """Name a release that is not there."""
    return scratch / "none", *asked(site, request)


def no_source(site: TestSite, folder: Path, request: Path, scratch: Path) -> tuple[str | Path, ...]:
    """Move the source away."""
    source = Path(site.plan(request).dataset.root)
    (source / "encounters.parquet").rename(source / "away")
    return folder, *asked(site, request)


def changed_policy(site: TestSite, folder: Path, request: Path, scratch: Path) -> tuple[str | Path, ...]:
    """Change the policy after the release was made."""
    policy = site.folder / "policies" / "limited-data-set.yaml"
    policy.write_text(policy.read_text(encoding="utf-8").replace("sex: keep", "sex: drop"), encoding="utf-8")
    return folder, *asked(site, request)


def earlier_of_another_request(site: TestSite, folder: Path, request: Path, scratch: Path) -> tuple[str | Path, ...]:
    """Give as an earlier month what belongs to another series."""
    theirs = site.request(dataset_of(site, request), TABLES, request="stranger", party="stranger")
    return folder, *asked(site, request), "--earlier", site.run(theirs).folder


def earlier_that_is_not(site: TestSite, folder: Path, request: Path, scratch: Path) -> tuple[str | Path, ...]:
    """Give the release itself as an earlier month."""
    return folder, *asked(site, request), "--earlier", folder


def other_that_is_the_same(site: TestSite, folder: Path, request: Path, scratch: Path) -> tuple[str | Path, ...]:
    """Give the release itself as another recipient's."""
    return folder, *asked(site, request), "--other", folder, "--other-request", request


@pytest.mark.parametrize(
    ("made", "code", "words"),
    [
        (wrong_identity, 15, "none of the private keys"),
        (no_request, 11, "none.yaml"),
        (no_release, 16, "none"),
        (no_source, 13, "encounters"),
        (changed_policy, 11, "another policy"),
        (earlier_of_another_request, 16, "another request"),
        (earlier_that_is_not, 16, "not earlier"),
        (other_that_is_the_same, 16, "is the one that is attacked"),
    ],
)
def test_bad_input_is_one_message_and_nothing_is_written(
    deid: Deid,
    released: tuple[TestSite, Path, Path],
    tmp_path: Path,
    made: Callable[..., tuple[str | Path, ...]],
    code: int,
    words: str,
) -> None:
    """The command ends with one error, its hint and its exit code; no file appears or changes, and no value is told."""
    site, folder, request = released
    source, policy = Path(site.plan(request).dataset.root), site.folder / "policies" / "limited-data-set.yaml"
    kept = policy.read_bytes()
    try:
        arguments = made(site, folder, request, tmp_path)
        before = standing(site.folder, source, tmp_path)
        ended = deid(site, *arguments)
        assert standing(site.folder, source, tmp_path) == before
    finally:
        policy.write_bytes(kept)
        if (source / "away").exists():
            (source / "away").rename(source / "encounters.parquet")
    assert (ended.returncode, ended.stdout) == (code, ""), ended.stderr
    assert words in ended.stderr
    assert ended.stderr.startswith("error: ")
    assert ended.stderr.count("error: ") == ended.stderr.count("hint: ") == 1
    identifiers = pq.read_table(source / "patients.parquet", columns=["patient_id"])["patient_id"].to_pylist()
    assert not [one for one in identifiers if one in ended.stderr]


def standing(*folders: Path) -> dict[Path, bytes]:
    """Return every file below these folders."""
    return {path: path.read_bytes() for folder in folders for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("targets", ["0", "-1", "many"])
def test_without_targets_nothing_is_attacked(deid: Deid, released: tuple[TestSite, Path, Path], targets: str) -> None:
    """At least one person is looked for."""
    site, folder, request = released
    ended = deid(site, folder, "--identity", site.researcher, "--request", request, "--targets", targets)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "--targets" in ended.stderr


def test_a_release_without_patients_is_refused(deid: Deid, released: tuple[TestSite, Path, Path]) -> None:
    """Where nobody was released there is nobody to look for, and no verdict."""
    site, _, request = released
    nobody = {"patients": {"any": [{"icd10cm": ["ZZ9"]}]}}
    empty = site.request(dataset_of(site, request), TABLES, request="empty", party="empty", cohort=nobody)
    ended = deid(site, site.run(empty).folder, *asked(site, empty))
    assert (ended.returncode, ended.stdout) == (17, "")
    assert "nobody is in this release" in ended.stderr


def test_every_attacker_has_a_remedy() -> None:
    """Whoever joins the shelf says what is done against it."""
    assert set(REMEDIES) == set(ATTACKERS)
