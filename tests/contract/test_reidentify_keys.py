"""Orders of reidentification under every key provider: what is keyed there is led back there, and nowhere else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from key_services import SCHEMES, fresh, moto  # noqa: F401  # a fixture
from reidentifying import Officers
from tiny_sources import LIMITED, SAFE

from deid.errors import KeyFaultError
from deid.reidentify.answers import Found
from deid.sealing.private import make_folder


@pytest.mark.parametrize("scheme", SCHEMES)
def test_pseudonyms_are_led_back_wherever_their_key_lives(
    scheme: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Keyed and random ones lead back by the provider they were made with; another one is refused."""
    officers = Officers(tmp_path / "site")
    providers = [fresh(scheme, make_folder(tmp_path / name), name, request) for name in ("ours", "theirs")]
    officers.site = replace(officers.site, provider=providers[0])
    for policy in (LIMITED, SAFE):
        asked, done = officers.release(policy=policy)
        order = officers.sign(officers.order(done, [officers.pseudonyms(done)["SENTINEL-PAT-2"]]))
        told = officers.answers(order, asked)
        assert [(answer.identifier, answer.outcome) for answer in told] == [("SENTINEL-PAT-2", Found.TOLD)]
    officers.site = replace(officers.site, provider=providers[1])
    with pytest.raises(KeyFaultError):
        officers.answers(order, asked)
