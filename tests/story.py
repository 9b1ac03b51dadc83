"""Runs a page of documentation: its files are written, its commands typed, and what they print held against the page.

A block of YAML whose first line is a comment with a path is a file. In a block `console`, `$ ` begins a command, `> `
goes on with it, and what follows is what it prints; `…` stands for anything within a line, and alone for any lines.
`# exit code N` behind a command is the code with which it must end, 0 where nothing is said.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

_BLOCK = re.compile(r"^```(console|yaml)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"\s+# exit code (\d+)$")


@dataclass(frozen=True, slots=True)
class Written:
    """A file of the page."""

    path: str
    text: str


@dataclass(frozen=True, slots=True)
class Typed:
    """A command of the page, the lines that it must print, and the code with which it must end."""

    command: str
    printed: tuple[str, ...]
    code: int


def steps(page: str) -> Iterator[Written | Typed]:
    """Yield what a page tells, in its order."""
    for block in _BLOCK.finditer(page):
        kind, text = block.groups()
        if kind == "console":
            yield from _typed(text)
        elif text.startswith("# "):
            yield Written(text.splitlines()[0].removeprefix("# "), text)


def run(step: Written | Typed, folder: Path, environment: Mapping[str, str]) -> str | None:
    """Do a step in a folder; return what is not as the page says, None where all is. `environment` is added."""
    if isinstance(step, Written):
        (folder / step.path).parent.mkdir(parents=True, exist_ok=True)
        (folder / step.path).write_text(step.text)
        return None
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["/bin/bash", "-c", step.command],
        cwd=folder,
        env=os.environ | {"PATH": programs} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=120,
    )
    if done.returncode == step.code and matches(step.printed, done.stdout):
        return None
    return f"$ {step.command}\nended with {done.returncode} for {step.code} and printed\n{done.stdout}"


def matches(expected: tuple[str, ...], printed: str) -> bool:
    """Whether a text is what a page says, where `…` stands for anything."""
    wanted = "".join(r"(?:.*\n)*" if line == "…" else f"{_inside(line)}\n" for line in expected)
    text = printed if printed.endswith("\n") or not printed else f"{printed}\n"
    return re.fullmatch(wanted, text) is not None


def _inside(line: str) -> str:
    return ".*".join(re.escape(part) for part in line.split("…"))


def _typed(text: str) -> Iterator[Typed]:
    lines = text.splitlines()
    starts = [place for place, line in enumerate(lines) if line.startswith("$ ")]
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        last = start + 1
        while last < end and lines[last].startswith("> "):
            last += 1
        command = "\n".join(line[2:] for line in lines[start:last])
        code = _CODE.search(command)
        printed = tuple(lines[last:end])
        yield Typed(_CODE.sub("", command), printed, int(code.group(1)) if code else 0)
