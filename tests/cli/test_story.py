"""The story of docs/how-to/three-months.md, typed from its first line to its last."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from sites import REPOSITORY
from story import Typed, matches, run, steps

STORY = REPOSITORY / "docs" / "how-to" / "three-months.md"


@pytest.mark.long
def test_every_command_of_the_story_does_what_the_page_says(tmp_path: Path) -> None:
    """Two requests are written, approved, run for three months, read, rotated, recalled; shortcuts are refused."""
    for part in ("policies", "samples"):
        shutil.copytree(REPOSITORY / part, tmp_path / part, ignore=shutil.ignore_patterns("*.dsse.json"))
    told = list(steps(STORY.read_text()))
    refused = [step for step in told if isinstance(step, Typed) and step.code]
    assert len(refused) > 15
    for step in told:
        assert (fault := run(step, tmp_path, {"DEID_PASSPHRASE": "of the story"})) is None, fault


@pytest.mark.parametrize(
    ("expected", "printed", "is_same"),
    [
        (("a", "b"), "a\nb\n", True),
        (("a",), "a\nb\n", False),
        ((), "a\n", False),
        (("…",), "a\nb\n", True),
        (("…", "b"), "b\n", True),
        (("key …, 1",), "key 0f3c, 1\n", True),
        (("key …, 1",), "key 0f3c\n, 1\n", False),
        (("a.b",), "axb\n", False),
    ],
)
def test_what_is_printed_is_held_against_the_page(expected: tuple[str, ...], printed: str, is_same: bool) -> None:
    """A line more, a line less, or another character is a fault, save where the page leaves out."""
    assert matches(expected, printed) is is_same
