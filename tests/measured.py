"""Reads damaged sources each in a process of its own: how it ended, how long, how much memory, and what it touched.

`python tests/measured.py` answers one line of JSON for each line it is given. Processes are forked of one that has
imported everything and read nothing, so that a case takes no start, and the memory it adds is its own.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

# Where Python, its packages, the product and what these read of the system lie.
OWN = (sys.prefix, sys.base_prefix, Path(__file__).parents[1] / "deid", "/usr/share/zoneinfo")
HOMES = tuple(str(Path(place).resolve()) for place in OWN)


@dataclass(frozen=True)
class Measured:
    """How one reading ended: `said` is the class of what was raised (empty for rows), its code, message and hint.

    `seconds` are of computing, `megabytes` is what memory grew by, `touched` every file outside of the source's folder and every use of a socket.
    """

    said: str
    code: int
    message: str
    hint: str
    rows: Mapping[str, int]
    seconds: float
    megabytes: int
    touched: tuple[str, ...]


class Measurer:
    """A process that measures; a context manager."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate()

    def measure(self, description: Path, asked: Mapping[str, list[str]], *, deadline: int) -> Measured:
        """Read the asked tables of a source; after the deadline (seconds) the process is killed and TimeoutError raised."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(json.dumps([str(description), asked, deadline]) + "\n")
        stdin.flush()
        found: dict[str, Any] | None = json.loads(stdout.readline())
        if found is None:
            raise TimeoutError(f"not done in {deadline} seconds, or killed")
        return Measured(**(found | {"touched": tuple(found["touched"])}))


def _serve() -> None:
    import deid.sources

    assert deid.sources
    for line in sys.stdin:
        description, asked, deadline = json.loads(line)
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            signal.alarm(deadline)
            os.write(writing, json.dumps(_case(Path(description), asked)).encode())
            os._exit(0)
        os.close(writing)
        with os.fdopen(reading, "rb") as pipe:
            said = pipe.read()
        os.waitpid(child, 0)
        sys.stdout.write(f"{said.decode() or 'null'}\n")
        sys.stdout.flush()


def _case(description: Path, asked: Mapping[str, list[str]]) -> dict[str, Any]:
    from deid.errors import DeidError
    from deid.sources import load_dataset, open_source

    touched: set[str] = set()
    home = str(description.parent.resolve())

    def note(event: str, arguments: tuple[Any, ...]) -> None:
        if event.startswith("socket."):
            touched.add(event)
        elif event == "open" and isinstance(arguments[0], str | bytes):
            path = os.path.realpath(os.fsdecode(arguments[0]))
            if not path.startswith((home, *HOMES)):
                touched.add(path)

    sys.addaudithook(note)
    before, begun = _peak(), time.process_time()
    said, code, message, hint, rows = "", 0, "", "", {}
    try:
        source = open_source(load_dataset(description))
        source.check(asked)
        rows = {table: sum(b.num_rows for b in source.read(table, columns)) for table, columns in asked.items()}
    except DeidError as error:
        said, code, message, hint = type(error).__name__, error.exit_code, error.message, error.hint
    except BaseException as error:  # noqa: BLE001 - what this program is there to find
        said, code, message = type(error).__name__, 70, str(traceback.extract_tb(error.__traceback__)[-1])
    return {
        "said": said,
        "code": code,
        "message": message,
        "hint": hint,
        "rows": rows,
        "seconds": time.process_time() - begun,
        "megabytes": (_peak() - before) >> 10,
        "touched": sorted(touched),
    }


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    _serve()
