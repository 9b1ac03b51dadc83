"""However many workers a run has, what it publishes is the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from spark_engine import InProcess, cut_small, on
from tiny_sources import EXPERT, LIMITED, REQUESTED, SAFE, World

from deid.crosswalks import lookup
from deid.crosswalks.lookup import DomainLookup
from deid.export import export
from deid.sinks import encrypted_parquet
from deid.sources import delimited
from deid.staged_tables import Run


def _many_rows(people: int) -> dict[str, str]:
    patients = [f"P{n} 19{50 + n % 40}-0{1 + n % 9}-11 Name 900-00-0001 {'FM'[n % 2]} 02139" for n in range(people)]
    visits = [
        f"E{n} P{n % people} 2024-0{1 + n % 9}-1{n % 9} 2024-0{1 + n % 9}-20 inpatient {n}" for n in range(5 * people)
    ]
    codes = [f"P{n % people} E{n} {('E11.9', 'I10', 'J45.909')[n % 3]}" for n in range(5 * people)]
    return {
        "patients": "\n".join(["ID BIRTH LAST SSN SEX ZIP", *patients]),
        "encounters": "\n".join(["ENC PATIENT START STOP CLASS COST", *visits]),
        "diagnoses": "\n".join(["PATIENT ENC DX", *codes]),
    }


@pytest.mark.in_one_process
@pytest.mark.parametrize("policy", [LIMITED, SAFE, EXPERT])
def test_a_release_is_the_same_with_any_number_of_workers(
    tmp_path: Path, policy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows, columns, row groups and counts are those of one worker, whatever was read ahead and written behind."""
    monkeypatch.setattr(delimited, "BLOCK_BYTES", 4096)
    monkeypatch.setattr(
        encrypted_parquet.TableWriter.__init__, "__kwdefaults__",
        encrypted_parquet.TableWriter.__init__.__kwdefaults__ | {"sizes": encrypted_parquet.Sizes(group_rows=300)},
    )  # fmt: skip
    world = World(tmp_path / "site")
    dataset = world.source(**_many_rows(400))
    request = world.request(dataset, REQUESTED, policy=policy)
    if policy == SAFE:
        world.site.attest(world.site.plan(request, name="w1"))
    found: dict[int, Any] = {}
    for workers in (1, 2, 3):
        plan = world.site.plan(request, name=f"w{workers}")
        done = export(plan, world.site.site, world.site.provider, progress=lambda _w, _r: None, workers=workers)
        opened = world.site.open(done)
        rows = {table: sorted(map(str, opened.read(table).to_pylist())) for table in opened.tables}
        files = json.loads((done.folder / "manifest.json").read_text())["tables"]
        found[workers] = done.rows, rows, [
            (file["name"], file["rows"], file["row_groups"]) for table in files.values() for file in table["files"]
        ]  # fmt: skip
    assert found[1] == found[2] == found[3]
    assert sum(groups for _, _, groups in found[1][2]) > 10


@pytest.mark.in_one_process
def test_pseudonyms_are_the_same_however_much_of_the_crosswalk_stays_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where partitions must be opened anew, batches are looked up together, and each row has the pseudonym it had."""
    monkeypatch.setattr(delimited, "BLOCK_BYTES", 4096)
    world = World(tmp_path / "site")
    request = world.request(world.source(**_many_rows(400)), REQUESTED, policy=SAFE)
    world.site.attest(world.site.plan(request, name="w1"))
    foreseen: list[int] = []
    known = DomainLookup.foresee
    monkeypatch.setattr(DomainLookup, "foresee", lambda self, *tags: (foreseen.append(1), known(self, *tags)))
    found = []
    for number, opened in enumerate((lookup._OPENED, 1 << 26), start=1):
        monkeypatch.setattr(lookup, "_OPENED", opened)
        for engine in (Run, on(InProcess())):
            plan = world.site.plan(request, name=f"w{number}{engine is Run}")
            with cut_small(4096):
                done = export(plan, world.site.site, world.site.provider, progress=lambda _w, _r: None, engine=engine)
            release = world.site.open(done)
            found.append({table: sorted(map(str, release.read(table).to_pylist())) for table in release.tables})
        assert bool(foreseen) is (number == 2)
    assert len(found) == 4
    assert all(rows == found[0] for rows in found)
