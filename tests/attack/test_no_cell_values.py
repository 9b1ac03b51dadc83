"""Nothing of a source's cells stands anywhere but in the encrypted columns: no file, log, printed object or message."""

from __future__ import annotations

import ast
import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from objects import deid_objects, shown
from refusals import assert_no_sentinel_on_disk, assert_silent
from sites import PASSPHRASE, REPOSITORY
from tiny_sources import EXPERT, LIMITED, REQUESTED, SAFE, SENTINELS, World

from deid.export import export
from deid.sources import load_dataset, open_source

NEXT_YEAR = str((datetime.now(UTC) + timedelta(days=365)).date())
CLEAR = ("manifest.json", "codebook.md", "datapackage.json", "manifest.mac", "envelope.age")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Return one site for all tests of this file."""
    return World(tmp_path_factory.mktemp("silent") / "site")


def crowded(world: World) -> Path:
    """Return a source with sentinels in which eleven patients share everything that k = 11 counts."""
    people = [f"SENTINEL-PAT-{i} 1987-03-29 Quixwerble 917-66-4242 F 02139" for i in range(1, 12)]
    visits = [f"SENTINEL-ENC-{i} SENTINEL-PAT-{i} 2025-07-23 2025-07-25 inpatient 100.5" for i in range(1, 12)]
    diagnoses = [f"SENTINEL-PAT-{i} SENTINEL-ENC-{i} E11.9" for i in range(1, 12)]
    return world.source(
        patients="\n".join(["ID BIRTH LAST SSN SEX ZIP", *people]),
        encounters="\n".join(["ENC PATIENT START STOP CLASS COST", *visits]),
        diagnoses="\n".join(["PATIENT ENC DX", *diagnoses]),
    )


@pytest.mark.parametrize("policy", [LIMITED, SAFE, EXPERT])
@pytest.mark.parametrize("profile", ["portable", "columns"])
def test_what_a_release_says_in_clear_holds_no_cell(
    world: World, caplog: pytest.LogCaptureFixture, policy: str, profile: str
) -> None:
    """Manifest, codebook, data package, logs and what is printed of a run hold no cell, whatever the policy keeps."""
    caplog.set_level(logging.DEBUG)
    dataset = crowded(world)
    bad = dataset.parent / "encounters.csv"
    bad.write_text(bad.read_text() + "SENTINEL-ENC-99,SENTINEL-PAT-1,2025-02-30,2025-07-23,inpatient,Quixwerble\n")
    tables = REQUESTED | {"patients": ["ID", "BIRTH", "SEX"]}
    study = world.request(dataset, tables, policy=policy, profile=profile, on_bad_row="quarantine")
    done = world.site.run(study)
    assert_no_sentinel_on_disk(world)
    for name in CLEAR:
        text = (done.folder / name).read_bytes().decode("latin-1")
        assert_silent(text)
        assert "2025-02-30" not in text
    assert_silent(caplog.text + repr(done) + str(done))


@pytest.mark.in_one_process
@pytest.mark.parametrize("policy", [LIMITED, *(pytest.param(one, marks=pytest.mark.long) for one in (SAFE, EXPERT))])
def test_no_object_prints_a_cell_at_any_moment_of_a_run(world: World, policy: str) -> None:
    """Whatever is alive while rows are observed, written and verified may land in a traceback or a debugger's log."""
    tables = REQUESTED | {"patients": ["ID", "BIRTH", "SEX"]}
    cohort = {"rows": {"any": [{"encounter_class": ["inpatient"]}]}}
    tables["encounters"] = ["ENC", "PATIENT", "CLASS"]  # no dates beside what is measured between them
    derive = ["length_of_stay", "readmitted_30d"]
    study = world.request(crowded(world), tables, policy=policy, cohort=cohort, derive=derive)
    plan = world.site.plan(study)
    if policy == SAFE:
        world.site.attest(plan)
    seen: set[str] = set()

    def look(_what: str, _rows: int) -> None:
        for thing in deid_objects():
            seen.add(type(thing).__name__)
            text = shown(thing)
            found = [sentinel for sentinel in SENTINELS if sentinel in text]
            assert not found, f"{type(thing).__module__}.{type(thing).__name__}"

    export(plan, world.site.site, world.site.provider, progress=look)
    assert {"TypedRows", "Patients", "Decision", "Plan", "TableWriter"} <= seen


@pytest.mark.parametrize("form", ["ccda", "claims", "cms_rif", "fhir_bulk", "fhir_json", "hl7v2", "omop", "x12_837"])
def test_no_object_of_a_reader_prints_a_patient_key_while_it_reads(form: str) -> None:
    """Paths, tables of references, parts of records: what a reader holds of a file says how it is called, and no more."""
    dataset = load_dataset(REPOSITORY / "samples" / form / "dataset.yaml")
    people = dataset.table(dataset.population)
    key = next(column.name for column in people.columns if column.kind.name == "patient_id")
    keys = {cell.as_py() for batch in open_source(dataset).read(people.name, [key]) for cell in batch.column(0)}
    keys = {str(cell) for cell in keys if cell is not None and len(str(cell)) > 5}
    assert keys, "keys of five characters or fewer may stand anywhere"
    wanted = {table.name: [column.name for column in table.columns] for table in dataset.tables}
    for table, _ in open_source(dataset).read_together(wanted):
        texts: dict[str, set[str]] = {}
        for thing in deid_objects("deid.sources"):
            texts.setdefault(f"{type(thing).__module__}.{type(thing).__name__}", set()).add(shown(thing))
        for kind, said in texts.items():
            text = "\n".join(said)
            assert not any(cell in text for cell in keys), f"{table}: {kind}"


WATCH = """
import json, os, sys
opened = []
def audit(what, arguments):
    if what == "open" and isinstance(arguments[0], (str, bytes)) and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
        opened.append(os.path.realpath(os.fsdecode(arguments[0])))
sys.addaudithook(audit)
from deid.cli import main
sys.argv = ["deid", *sys.argv[1:]]
try:
    main()
finally:
    import resource
    print(json.dumps({"opened": opened, "core": resource.getrlimit(resource.RLIMIT_CORE)}), file=sys.stderr)
"""


def test_an_export_writes_below_releases_and_state_and_nowhere_else(world: World, tmp_path: Path) -> None:
    """No temporary file, cache or core file: the folder for temporaries and the working folder stay empty."""
    here, temporaries, home = (tmp_path / name for name in ("here", "temporaries", "home"))
    for folder in (here, temporaries, home):
        folder.mkdir()
    study = world.request(crowded(world), REQUESTED, expires=NEXT_YEAR)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("DEID_", "XDG_"))}
    environment |= {"TMPDIR": str(temporaries), "HOME": str(home), "DEID_PASSPHRASE": PASSPHRASE.decode()}
    environment |= {"PYTHONDONTWRITEBYTECODE": "1", "DEID_SITE": str(world.folder / "site.yaml")}
    done = subprocess.run(
        [sys.executable, "-c", WATCH, "export", str(study)], cwd=here, env=environment, capture_output=True, text=True, check=True
    )  # fmt: skip
    told = json.loads(done.stderr.strip().splitlines()[-1])
    assert told["core"] == [0, 0]
    allowed = tuple(str(place.resolve()) for place in (world.site.site.releases, world.site.site.state))
    strange = [path for path in told["opened"] if not path.startswith(allowed) and path != "/dev/null"]
    assert strange == []
    assert any(path.endswith(".parquet") for path in told["opened"])
    for folder in (here, temporaries, home):
        assert list(folder.rglob("*")) == []


# Libraries whose messages quote cells, and what they raise.
QUOTING = ("pa.", "pyarrow", "duckdb", "msgspec", "ValueError", "UnicodeDecodeError", "UnicodeError", "Exception", "csv.Error", "KeyError", "yaml")  # fmt: skip


def handlers() -> Iterator[tuple[Path, ast.ExceptHandler]]:
    """Yield every handler of the toolkit that catches what quotes cells."""
    for file in sorted((REPOSITORY / "deid").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ExceptHandler) and node.type is not None:
                caught = ast.unparse(node.type)
                if any(name in caught for name in QUOTING):
                    yield file, node


def test_errors_that_quote_cells_are_never_chained() -> None:
    """`raise ... from None` cuts off the library's own words, which a traceback would print below ours."""
    chained = []
    for file, handler in handlers():
        for node in ast.walk(handler):
            if isinstance(node, ast.Raise) and node.exc is not None:
                is_cut = isinstance(node.cause, ast.Constant) and node.cause.value is None
                if not is_cut and not is_known(node.exc):
                    chained.append(f"{file.relative_to(REPOSITORY)}:{node.lineno}")
    assert chained == []


def is_known(raised: ast.expr) -> bool:
    """Say whether what is raised is an error of ours that was made elsewhere: `raise met[0]`, `raise fault`."""
    return isinstance(raised, (ast.Name, ast.Subscript))


def test_nothing_is_printed_or_logged_outside_the_command_line() -> None:
    """No module below deid/ but those of deid/cli, and programs that make data, calls print, uses logging or warnings, or shows a traceback."""
    found = []
    for file in sorted((REPOSITORY / "deid").rglob("*.py")):
        inside = file.relative_to(REPOSITORY / "deid")
        # The trainer prints its loss; what loads models and SDKs of others silences theirs.
        if inside.parts[0] in ("cli", "synthetic", "training", "__main__.py"):
            continue
        silences = inside.name.startswith("hub") or str(inside) in (
            "keys/kms_calls.py", "spark/cluster.py", "stores/writing.py",
        )  # fmt: skip
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in (
                "print",
                "traceback.print_exc",
                "warnings.warn",
            ):
                found.append(f"{inside}:{node.lineno}")
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                names = {alias.name for alias in node.names} | {getattr(node, "module", None)}
                found += [f"{inside}:{node.lineno}"] if names & {"logging", "warnings"} and not silences else []
    assert found == []
