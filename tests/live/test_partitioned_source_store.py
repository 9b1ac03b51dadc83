"""Folders of a lake in a bucket: the same rows and digests as on a disk, and the same refusals."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from lakes import SOME, lake
from spark_engine import InProcess, cut_small, outcome, twins
from stores import Store, store  # noqa: F401  # a fixture
from tiny_sources import LIMITED, World

from deid.errors import DocumentError
from deid.sources.description import load_dataset
from deid.staged_tables import Run

pytestmark = pytest.mark.live
ASKED = {"patients": ["SEX"], "visits": ["CLASS", "STATE"]}  # no pseudonyms: each run draws its own


def in_store(store: Store, folder: Path, bucket: str) -> Path:  # noqa: F811
    """Upload a lake and return a description of it there."""
    store.upload(folder, bucket, "lake")
    described = yaml.safe_load((folder / "dataset.yaml").read_text()) | {"root": f"s3://{bucket}/lake"}
    dataset = folder.parent / "in-store.yaml"
    dataset.write_text(yaml.safe_dump(described, sort_keys=False))
    return dataset


def test_a_lake_in_a_bucket_gives_the_release_of_one_on_a_disk(store: Store, tmp_path: Path) -> None:  # noqa: F811
    """By one process and by tasks: rows, digests of sources and the report are those of the folders on a disk."""
    world = World(tmp_path / "site")
    on_disk = lake(world.folder / "lake", SOME)
    there = in_store(store, on_disk.parent, store.bucket())
    local = outcome(world.site, world.request(on_disk, ASKED, policy=LIMITED), Run)
    with cut_small(1):
        alone, together = twins(world.site, world.request(there, ASKED, policy=LIMITED), InProcess())
    assert local.refusal is None
    assert sum(local.rows["visits"].values()) == len(SOME)
    assert alone.rows == together.rows == local.rows
    assert together.documents == alone.documents


@pytest.mark.parametrize(
    "key", ["STATE=NY/x.parquet", "STATE=NY/WARD=w1/DAY=SENTINEL/x.parquet", "MRN=SENTINEL/WARD=w1/x.parquet"]
)
def test_an_object_at_another_depth_or_name_is_refused(store: Store, tmp_path: Path, key: str) -> None:  # noqa: F811
    """An object that no folder of the table holds is never passed over, and its key is not told."""
    on_disk = lake(tmp_path / "lake", SOME)
    bucket = store.bucket()
    dataset = in_store(store, on_disk.parent, bucket)
    load_dataset(dataset)
    some = next(iter((tmp_path / "lake" / "visits").rglob("*.parquet")))
    store.put(bucket, f"lake/visits/{key}", some.read_bytes())
    with pytest.raises(DocumentError) as error:
        load_dataset(dataset)
    assert "SENTINEL" not in f"{error.value!s} {error.value!r}"
    assert error.value.hint
