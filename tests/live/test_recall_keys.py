"""A recall where keys live in a token and in a key service: what was open ends, and finishing needs no memory."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from key_services import fresh, moto  # noqa: F401  # a fixture
from recalling import Recalling

from deid.errors import KeyFaultError
from deid.opening import open_with
from deid.recall.run import finish
from deid.release.manifest import RECALL

pytestmark = pytest.mark.live


@pytest.mark.parametrize("scheme", ["pkcs11", "aws_kms"])
def test_a_recall_ends_what_is_open(scheme: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """Whoever reads by the provider that shredded reads nothing more, of this release and of the one derived."""
    site = Recalling(tmp_path / "site")
    site.site = replace(site.site, provider=fresh(scheme, tmp_path, "site", request))
    site.world.site = site.site
    folders = site.series("r1", "r2")
    opened = [open_with(folder, [], provider=site.site.provider) for folder in folders]
    assert [reader.read("patients").num_rows for reader in opened] == [2, 2]
    done = site.recall(folders[0])
    assert done.shredded == (("r1", 1), ("r2", 1))
    for reader, folder in zip(opened, folders, strict=True):
        with pytest.raises(KeyFaultError):
            reader.read("patients")
        (folder / RECALL).unlink()
        with pytest.raises(KeyFaultError):
            open_with(folder, [], provider=site.site.provider)
    (again,) = finish(site.site.site, site.site.provider, site.log, site.trust)
    assert (again.shredded, again.failed, len(again.notified)) == ((), (), 2)
