"""What the documents say is what the program does: commands, examples, links and reference pages."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from deid.cli import COMMANDS, cli

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(p for p in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), ROOT / "samples" / "README.md"])


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_and_is_documented(command: str) -> None:
    """Each command answers --help, and a page names it."""
    assert CliRunner().invoke(cli, [command, "--help"]).exit_code == 0
    assert any(f"deid {command}" in page.read_text() for page in PAGES)


def test_commands_of_the_readme_exist() -> None:
    """Every `deid …` line of the README names a command and options that the program has."""
    lines = re.findall(r"^\$ deid (.+)$", (ROOT / "README.md").read_text(), flags=re.MULTILINE)
    assert len(lines) >= 6
    for line in lines:
        words = line.split()
        command = [word for word in words[:2] if re.fullmatch("[a-z]+", word)]
        shown = CliRunner().invoke(cli, [*command, "--help"])
        assert shown.exit_code == 0, line
        for option in re.findall(r"--[a-z-]+", line):
            assert option in shown.output, line


def test_the_request_of_the_readme_is_the_export() -> None:
    """The request shown in the README says what exports/emergency-visits.yaml says, as far as it goes."""
    block = re.search(r"```yaml\n(.*?)```", (ROOT / "README.md").read_text(), flags=re.DOTALL)
    assert block is not None
    shown, held = yaml.safe_load(block[1]), yaml.safe_load((ROOT / "exports" / "emergency-visits.yaml").read_text())
    assert {key: held.get(key) for key in shown} == shown


def test_the_demo_of_the_readme_is_what_the_demo_prints(tmp_path: Path) -> None:
    """The end of `make demo` in the README is what the demo ends with, folders aside."""
    run = CliRunner().invoke(cli, ["demo", "--project", str(ROOT), "--folder", str(tmp_path / "demo")])
    assert run.exit_code == 0
    printed = run.output.replace(str(tmp_path / "demo"), "demo")
    block = re.search(r"```console\n(published demo/.*?)```", (ROOT / "README.md").read_text(), flags=re.DOTALL)
    assert block is not None
    for line in block[1].strip().splitlines():
        assert line in printed


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    """Every relative link of a page leads to a file."""
    prose = re.sub(r"`[^`\n]*`", "", page.read_text())
    for target in re.findall(r"\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)", prose):
        assert (page.parent / target).exists(), target
