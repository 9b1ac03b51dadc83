"""A recall and the copies in an object store: the notice follows, nothing else does, and the list tells where it lies."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from recalling import Recalling
from stores import Fault, Store, store  # noqa: F401  # a fixture

from deid.errors import ReleaseError
from deid.recall.holdings import holdings
from deid.release.manifest import RECALL, RECALL_STATEMENT
from deid.stores.delivery import Delivered
from deid.stores.place import parse_place
from deid.stores.sending import deliver

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Recalling:
    """One site for all tests of this file; each has a request of its own."""
    return Recalling(tmp_path_factory.mktemp("recall") / "site")


def _deliver(site: Recalling, request: Path, bucket: str) -> Delivered | None:
    """Deliver the release r1 of a request."""
    return deliver(
        request,
        "r1",
        parse_place(f"s3://{bucket}"),
        site.site.site,
        site.site.provider,
        progress=lambda _what, _objects: None,
        now=datetime.now(UTC),
    )


def _places(site: Recalling, folder: Path) -> list[bool]:
    """Return for each place of a release whether the notice lies there."""
    held = holdings(site.site.site, site.site.provider, site.known)
    return [told for one in held if one.request == folder.parent.name for _, told in one.places]


def test_the_notice_follows_a_release_to_its_places(site: Recalling, store: Store) -> None:  # noqa: F811
    """Delivered again, a recalled release brings notice and signature, and from then on the list says so."""
    request, bucket = site.request(profile="columns"), store.bucket()
    (folder,) = site.export(request, "r1")
    assert _deliver(site, request, bucket) is not None
    site.recall(folder)
    assert _places(site, folder) == [False]
    before = set(store.keys(bucket))
    assert _deliver(site, request, bucket) is None
    place = f"{folder.parent.name}/r1"
    assert set(store.keys(bucket)) - before == {f"{place}/{RECALL}", f"{place}/{RECALL_STATEMENT}"}
    assert store.get(bucket, f"{place}/{RECALL}") == (folder / RECALL).read_bytes()
    assert _places(site, folder) == [True]


def test_what_is_marked_is_not_delivered(site: Recalling, store: Store) -> None:  # noqa: F811
    """Between the mark and the notice, as after it, nothing of a recalled release is sent."""
    request, bucket = site.request(profile="columns"), store.bucket()
    (folder,) = site.export(request, "r1")
    site.recall(folder)
    (folder / RECALL).unlink()
    with pytest.raises(ReleaseError, match="was recalled by"):
        _deliver(site, request, bucket)
    assert store.keys(bucket) == []


def test_a_recall_during_a_delivery_is_told_at_its_end(site: Recalling, store: Store) -> None:  # noqa: F811
    """A release that is recalled while it is sent is on record as delivered, and the delivery ends with a fault."""
    request, bucket = site.request(profile="columns"), store.bucket()
    (folder,) = site.export(request, "r1")
    notice = site.sign(site.draft(folder))

    def recalled(method: str, _path: str, _number: int) -> Fault | None:
        if method == "PUT" and not (folder / RECALL).exists():
            site.run(notice)
        return None

    with store.failing(recalled), pytest.raises(ReleaseError, match="was recalled by"):
        _deliver(site, request, bucket)
    assert _places(site, folder) == [False]
    assert _deliver(site, request, bucket) is None
    assert _places(site, folder) == [True]
