"""How a refusal must be: one error with a hint, silent about cells, that leaves nothing behind."""

from __future__ import annotations

import logging
import re
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from tiny_sources import SENTINELS, World

from deid.errors import (
    DeidError,
    DocumentError,
    KeyFaultError,
    PlanError,
    ReleaseError,
    SourceError,
    StorageError,
    TrustError,
)

EXIT_CODES = {DocumentError: 11, PlanError: 12, SourceError: 13, TrustError: 14, KeyFaultError: 15, ReleaseError: 16, StorageError: 19}  # fmt: skip


def assert_silent(text: str) -> None:
    """Check that no sentinel stands in a text."""
    for sentinel in (*SENTINELS, "1987-02-30"):
        assert sentinel not in text


def assert_no_sentinel_on_disk(world: World) -> None:
    """Check that no sentinel stands in any byte of what was released, staged or kept."""
    for place in (world.site.site.releases, world.site.site.state):
        for file in place.rglob("*"):
            data = file.read_bytes() if file.is_file() else b""
            assert not [sentinel for sentinel in SENTINELS if sentinel.encode() in data], file.name


@contextmanager
def refused(world: World, expected: type[DeidError], pattern: str, caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Expect one error of a family, with a hint, silent about cells, that leaves nothing behind."""
    before = world.site.leftovers()
    caplog.set_level(logging.DEBUG)
    with pytest.raises(expected) as caught:
        yield
    error = caught.value
    assert type(error) is expected
    assert error.exit_code == EXIT_CODES[expected]
    assert re.search(pattern, error.message), error.message
    assert error.hint
    # The chain is what a traceback prints and what a logger would keep.
    for told in (str(error), repr(error), "".join(traceback.format_exception(error)), caplog.text):
        assert_silent(told)
    assert world.site.leftovers() == before
    assert not list(world.folder.rglob(".staging-*"))
    assert_no_sentinel_on_disk(world)
