"""`deid due`, `deid run-due` and `deid schedule`: what they print, and how they end."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from schedules import Clinic, make_clinic, month
from sites import PASSPHRASE

from deid.cli import cli
from deid.errors import DocumentError, ScheduleError
from deid.schedule.record import Happened, What, append
from deid.schedule.units import Start, crontab, service


@pytest.fixture
def clinic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Clinic:
    """Return a site with one standing request, named by the environment."""
    made = make_clinic(tmp_path)
    made.standing("heart")
    monkeypatch.setenv("DEID_SITE", str(made.world.folder / "site.yaml"))
    monkeypatch.setenv("DEID_PASSPHRASE", PASSPHRASE.decode())
    return made


def run(*words: str) -> Result:
    """Run a command."""
    return CliRunner().invoke(cli, words, catch_exceptions=True)


def test_what_is_due_is_shown_made_and_no_longer_due(clinic: Clinic) -> None:
    """As JSON and as text; requests without a schedule in the folder are passed over."""
    clinic.world.site.request(clinic.dataset, {"patients": ["ID"]}, request="exports/by-hand")
    (clinic.exports / "table.yaml").write_text("request: tables\ntabulate: {}\n")
    shown = json.loads(run("due", "--json").output)
    assert shown["standing"] == 1
    assert [(each["request"], each["period"], each["state"]) for each in shown["due"]] == [("heart", month(1), "due")]
    made = run("run-due", "--json")
    assert made.exception is None
    assert [each["state"] for each in json.loads(made.output)["due"]] == ["published"]
    assert run("due").output == "1 standing requests, 0 periods due\n"


def test_what_fails_ends_with_an_alert_that_quotes_no_cell(clinic: Clinic) -> None:
    """The file, the JSON and the error name series, month and remedy."""
    clinic.standing("bad", recipients=["nobody.pub"])
    alerts = clinic.world.folder / "alerts.json"
    ended = run("run-due", "--alerts", str(alerts))
    assert isinstance(ended.exception, ScheduleError)
    assert ended.exception.exit_code == 24
    assert f"bad/{month(1)}" in ended.exception.message
    problems = json.loads(alerts.read_text())["problems"]
    assert [(each["request"], each["error"], each["exit_code"]) for each in problems] == [("bad", "KeyFaultError", 15)]
    assert clinic.made() == [f"heart/{month(1)}"]
    assert "Quixwerble" not in alerts.read_text() + ended.output + ended.exception.message


def test_an_instant_that_has_not_come_or_has_no_offset_is_refused(clinic: Clinic) -> None:
    """A time needs its offset; a future one is refused by both commands."""
    assert run("due", "--as-of", "2026-11-01T00:00:00").exit_code == 2
    assert run("due", "--as-of", "yesterday").exit_code == 2
    for command in ("due", "run-due"):
        assert isinstance(run(command, "--as-of", "2099-01-01").exception, ScheduleError)
    assert clinic.made() == []


def test_units_are_what_systemd_takes(clinic: Clinic, tmp_path: Path) -> None:
    """`systemd-analyze verify` has nothing to say, whatever stands in a path; the command in them is the right one."""
    odd = tmp_path / "a %b $c 'd\" e"
    odd.mkdir()
    (odd / "pass").write_text("x")
    clinic.releases.mkdir()
    clinic.runs.parent.mkdir()
    ended = run(
        "schedule", "systemd", str(odd), "--out", str(tmp_path / "units"), "--passphrase-file", str(odd / "pass"),
        "--alerts", str(odd / "alerts.json"), "--user", "root",
    )  # fmt: skip
    assert ended.exception is None, ended.output
    units = sorted((tmp_path / "units").iterdir())
    assert [unit.name for unit in units] == ["deid-run-due.service", "deid-run-due.timer"]
    text = units[0].read_text()
    assert PASSPHRASE.decode() not in text
    assert f"ReadWritePaths={clinic.world.site.site.state}" in text
    if shutil.which("systemd-analyze") is None:
        pytest.skip("needs systemd-analyze")
    found = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *map(str, units)], capture_output=True, text=True, check=False
    )
    assert (found.returncode, found.stdout + found.stderr) == (0, "")


def test_a_unit_that_could_never_start_is_not_written(clinic: Clinic, tmp_path: Path) -> None:
    """A folder that it may write to has to be there, as that of the alerts: systemd would end with a namespace error."""
    out, alerts = tmp_path / "units", tmp_path / "none" / "alerts.json"
    ended = run("schedule", "systemd", "--out", str(out), "--alerts", str(alerts))
    assert isinstance(ended.exception, DocumentError)
    assert str(alerts.parent) in ended.exception.message
    assert not out.exists()


def test_a_crontab_line_says_the_same_to_a_shell(clinic: Clinic, tmp_path: Path) -> None:
    """Once cron has taken off its backslashes, a shell reads the words that were meant."""
    odd = tmp_path / "a %b $c 'd"
    line = run("schedule", "crontab", str(odd), "--minute", "5").output.rstrip("\n")
    assert line.startswith("5 * * * * umask 077; ")
    words = shlex.split(line.removeprefix("5 * * * * umask 077; ").replace("\\%", "%"))
    assert words[1:] == ["run-due", str(odd), "--site", str(clinic.world.folder / "site.yaml")]


def test_a_line_break_in_a_path_begins_no_other_setting(clinic: Clinic) -> None:
    """It is refused, in a unit and in a crontab."""
    site = clinic.world.site.site
    start = Start(Path("/bin/deid"), Path("/a\nExecStart=/bin/sh/site.yaml"), site, ())
    with pytest.raises(DocumentError, match="line break"):
        service(start, user="root")
    with pytest.raises(DocumentError, match="line break"):
        crontab(start)


def test_a_run_that_could_not_begin_replaces_the_alert_of_the_one_before(clinic: Clinic) -> None:
    """Where the clock was moved back nothing is run, and the file says so instead of what held earlier."""
    alerts = clinic.world.folder / "alerts.json"
    assert run("run-due", "--alerts", str(alerts)).exception is None
    assert json.loads(alerts.read_text())["problems"] == []
    append(clinic.runs, "heart", Happened(datetime(2099, 1, 1, tzinfo=UTC), month(1), What.PUBLISHED))
    assert run("run-due", "--alerts", str(alerts)).exception is not None
    (problem,) = json.loads(alerts.read_text())["problems"]
    assert (problem["error"], problem["exit_code"]) == ("ScheduleError", 24)
