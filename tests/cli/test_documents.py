"""What the documents say is what the program does: commands, examples, links and reference pages."""

from __future__ import annotations

import contextlib
import io
import re
from math import comb
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from deid.annotated.carriers import parse
from deid.cli import COMMANDS, cli

ROOT = Path(__file__).resolve().parents[2]
HOW = "docs/reference/notes-how-it-works.md"
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


def blocks(page: str, language: str) -> list[str]:
    """Return the blocks of one language of a page."""
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / page).read_text(), flags=re.DOTALL)


def test_the_note_of_the_readme_is_redacted_as_shown() -> None:
    """`deid redact` prints the line under it in the README for the note that the README gives."""
    text = (ROOT / "README.md").read_text()
    note, shown = re.search(r"That note was `(.+?)`", text), re.search(r"\$ deid redact < note\.txt\n(.+)\n", text)
    assert note is not None
    assert shown is not None
    run = CliRunner().invoke(cli, ["redact"], input=note[1])
    assert run.exit_code == 0
    assert run.stdout == shown[1]


def test_the_example_for_presidio_prints_what_is_shown() -> None:
    """The Python block of the page on Presidio runs, and prints the block that follows it."""
    (code,), (shown,) = blocks("docs/reference/presidio.md", "python"), blocks("docs/reference/presidio.md", "text")
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, "presidio.md", "exec"), {})  # noqa: S102 - a page of this repository
    assert printed.getvalue() == shown


def test_the_carriers_of_the_page_on_training_are_carriers() -> None:
    """The file shown there is read as one: three sentences with the weight that it says."""
    (shown,) = blocks("docs/reference/training.md", "text")
    family = parse(shown, file="shown.txt")
    assert (family.use, family.weight, len(family.carriers)) == ("sentence", 1.5, 3)


def test_the_limits_for_samples_are_exact() -> None:
    """Each limit of the table is the share at which so few faulty notes, or fewer, come in one sample of twenty."""
    rows = re.findall(r"^\| ([\d,]+)((?: \| [\d.]+ %)+) \|$", (ROOT / HOW).read_text(), flags=re.MULTILINE)
    assert len(rows) == 5
    for read, cells in rows:
        notes, limits = int(read.replace(",", "")), [float(cell) / 100 for cell in re.findall(r"[\d.]+", cells)]
        for left, limit in zip((0, 1, 2, 5), limits, strict=True):
            half = 0.000_051  # of the last digit shown
            assert at_most(left, notes, limit + half) < 0.05 < at_most(left, notes, limit - half)


def at_most(count: int, notes: int, share: float) -> float:
    """Return the chance of `count` faulty notes or fewer among `notes`, where `share` of all are faulty."""
    return sum(comb(notes, k) * share**k * (1 - share) ** (notes - k) for k in range(count + 1))
