"""The law of engines: tasks over the parts of a source give what one process gives that sees all of it, in any cutting.

Most cases are run by tasks in this process, sealed as on a cluster; some by a real Spark session, shared by this module.
"""

from __future__ import annotations

import base64
import gc
import importlib.util
import os
import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq
import pytest
import yaml
from hypothesis import HealthCheck, Phase, event, given, settings
from hypothesis import strategies as st
from spark_engine import InProcess, Outcome, cut_small, on, outcome, twins
from test_export_reference import EXPIRES, KINDS, Case, cases
from tiny_sources import EXPERT, LIMITED, SAFE, SENTINELS, World, write_csv

from deid.staged_tables import Run

EXAMPLES = int(os.environ.get("DEID_EXAMPLES", "20"))
needs_spark = pytest.mark.skipif(
    importlib.util.find_spec("pyspark") is None or shutil.which("java") is None, reason="Spark is not installed"
)
DRAWN = settings(
    max_examples=EXAMPLES,
    deadline=None,
    report_multiple_bugs=False,
    phases=[Phase.explicit, Phase.generate, *([Phase.shrink] if "DEID_EXAMPLES" in os.environ else [])],
    derandomize="DEID_EXAMPLES" not in os.environ,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Return one site, with the expert's policy brought down to populations of eight."""
    made = World(tmp_path_factory.mktemp("parity") / "site")
    policy = yaml.safe_load(made.named_policy(EXPERT).read_text())
    kinds = policy["limits"]["quasi_identifiers"]
    policy["limits"] = {"k": 2, "suppression": 0.5, "quasi_identifiers": kinds}
    mapped = [kind for kind, rule in policy["rules"].items() if rule == "map_codes"]
    policy["rules"] |= dict.fromkeys(mapped, "drop") | {"icd10cm": {"roll_up": "category"}}
    made.named_policy(EXPERT).write_text(yaml.safe_dump(policy, sort_keys=False))
    made.site.sign(made.named_policy(EXPERT))
    return made


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return where Spark keeps blocks, and where it writes its log of events."""
    return tmp_path_factory.mktemp("blocks"), tmp_path_factory.mktemp("events")


@pytest.fixture(scope="module")
def session(places: tuple[Path, Path]) -> Iterator[Any]:
    """Return a cluster of two threads on this machine."""
    from deid.spark.cluster import cluster

    kept = {"spark.local.dir": str(places[0]), "spark.eventLog.dir": places[1].as_uri()}
    said = {"spark.eventLog.enabled": "true", "spark.eventLog.compress": "false", "spark.driver.memory": "512m"}
    with cluster("local[2]", kept | said) as made:
        yield made
    with warnings.catch_warnings():  # PySpark leaves its sockets to the collector
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


def written(world: World, case: Case, form: str, repeats: str | None) -> Path:
    """Write a drawn source as CSV or Parquet, and return its description."""
    fields = {} if form == "csv" else {"format": form}
    dataset = world.source_of(dict.fromkeys(KINDS, "X"), KINDS, **fields)
    for name, rows in case.tables.items():
        path = write_csv(dataset.parent / f"{name}.csv", rows)
        if form == "parquet":
            texts = pc.ConvertOptions(column_types=dict.fromkeys(rows[0], pa.string()), strings_can_be_null=False)
            pq.write_table(pc.read_csv(path, convert_options=texts), path.with_suffix(".parquet"), row_group_size=3)
    described = yaml.safe_load(dataset.read_text())
    for name, table in described["tables"].items():
        table["path"] = f"{name}.{form}"
        if repeats is not None and name == "patients":
            table["repeats"] = repeats
    dataset.write_text(yaml.safe_dump(described, sort_keys=False))
    return dataset


def asked(world: World, case: Case, dataset: Path, on_bad_row: str) -> Path:
    """Write the request for a drawn case; where pseudonyms are random, a first run draws them for both engines."""
    fields: dict[str, Any] = {"derive": case.derived, "expires": str(EXPIRES), "on_bad_row": on_bad_row}
    request = world.request(
        dataset, case.columns, policy=case.policy, **fields, **({"cohort": case.cohort} if case.cohort else {})
    )
    if case.policy == SAFE:
        outcome(world.site, request, Run, name="before")
    return request


def require_equal(local: Outcome, spark: Outcome) -> None:
    """Hold what came of one engine to what came of the other."""
    assert spark.refusal == local.refusal
    assert spark.rows == local.rows
    assert spark.counts == local.counts
    assert spark.documents == local.documents


@given(
    case=cases(),
    form=st.sampled_from(["csv", "parquet"]),
    size=st.sampled_from([1, 60, 200]),
    on_bad_row=st.sampled_from(["quarantine", "refuse"]),
    repeats=st.sampled_from([None, "first"]),
)
@DRAWN
def test_tasks_give_what_one_process_gives(
    world: World, case: Case, form: str, size: int, on_bad_row: str, repeats: str | None
) -> None:
    """Rows, manifest, report and refusals agree for every policy, cohort, cutting, form of source and bad row."""
    request = asked(world, case, written(world, case, form, repeats), on_bad_row)
    with cut_small(size):
        local, spark = twins(world.site, request, InProcess())
    require_equal(local, spark)
    event(f"{case.policy} {form}: {'refused' if local.refusal else 'released'}")
    event(f"{min(spark.files, 12)} files")


@needs_spark
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@given(case=cases(), form=st.sampled_from(["csv", "parquet"]), on_bad_row=st.sampled_from(["quarantine", "refuse"]))
@settings(DRAWN, max_examples=max(4, EXAMPLES // 3))
def test_spark_gives_what_one_process_gives(world: World, session: Any, case: Case, form: str, on_bad_row: str) -> None:
    """The same holds where Spark runs the tasks, in worker processes of its own."""
    request = asked(world, case, written(world, case, form, None), on_bad_row)
    with cut_small(120):
        local, spark = twins(world.site, request, session)
    require_equal(local, spark)
    event(f"{case.policy} {form}: {'refused' if local.refusal else 'released'}")


@needs_spark
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_neither_key_nor_cell_stands_where_spark_keeps_or_tells_something(
    world: World, session: Any, places: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the ticket with the key is broadcast, no block on disk holds it; no event ever does."""
    from pyspark.core.broadcast import Broadcast

    key, looked, destroy = b"SENTINEL-ONE-TIME-KEY-OF-THE-RUN", [], Broadcast.destroy
    words = (key, key.hex().encode(), base64.b64encode(key)[:40], *(word.encode() for word in SENTINELS))

    def look(self: Any, blocking: bool = False) -> None:
        found = [path for path in places[0].rglob("*") if path.is_file() and path.stat().st_size]
        looked.append(len(found))
        assert not [path for path in found for word in words if word in path.read_bytes()]
        destroy(self, blocking)

    monkeypatch.setattr("deid.tasks.dispatch.fresh_key", lambda: key)
    monkeypatch.setattr(Broadcast, "destroy", look)
    request = world.request(world.source(), {"patients": ["ID", "SEX", "ZIP"]}, policy=LIMITED)
    assert outcome(world.site, request, on(session)).refusal is None
    assert looked
    assert min(looked) > 0
    events = b"".join(path.read_bytes() for path in places[1].rglob("events_*"))
    assert b"MapInArrow" in events
    assert not [word for word in words if word in events]


def test_the_law_can_fail(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the states of parts are not merged, the outcomes differ: the comparison sees what it must see."""
    monkeypatch.setattr("deid.release.empties.EmptyCells.merge", lambda _self, _state: None)
    request = world.request(world.source(), {"patients": ["ID", "SEX", "ZIP"]}, policy=LIMITED)
    with cut_small():
        local, spark = twins(world.site, request, InProcess())
    assert spark.rows == local.rows
    assert spark.documents != local.documents
