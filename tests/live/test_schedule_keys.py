"""Scheduled runs with keys in a key service (moto's server): late answers, none at all, and a key revoked in between."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest
from key_services import PIN, Moto, moto, moto_server
from schedules import Clinic, faults, make_clinic, month, told

from deid.keys import make_provider, open_provider
from deid.keys.base import Guard, KeyProvider

pytestmark = pytest.mark.live
__all__ = ["moto"]


def clinic_at(folder: Path, uri: str) -> Clinic:
    """Make a site with one standing request whose keys are at a service, under column keys."""
    made = make_clinic(folder)
    make_provider(uri, lambda: PIN)
    made.standing("heart", profile="columns")
    return made


def test_a_service_that_answers_late_is_asked_again(tmp_path: Path) -> None:
    """Stopped while the run begins, it answers after the second pause: the month is made, once."""
    with pytest.MonkeyPatch.context() as patch, moto_server() as server:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "testing")
        uri = server.uri("late", timeout=1)
        clinic = clinic_at(tmp_path, uri)
        pauses: list[float] = []

        def pause(seconds: float) -> None:
            pauses.append(seconds)
            if len(pauses) == 2:
                server.process.send_signal(signal.SIGCONT)

        server.process.send_signal(signal.SIGSTOP)
        done = clinic.run(provider=lambda: open_provider(uri, lambda: PIN), sleep=pause)
    assert faults(done) == []
    assert len(pauses) == 2
    assert clinic.made() == [f"heart/{month(1)}"]


def test_a_service_that_goes_in_mid_run_leaves_nothing(tmp_path: Path) -> None:
    """It ends while rows are written: nothing is published, nothing lies in clear, and the fault is told as its."""
    with pytest.MonkeyPatch.context() as patch, moto_server() as server:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "testing")
        uri = server.uri("gone", timeout=1)
        clinic = clinic_at(tmp_path, uri)
        provider = open_provider(uri, lambda: PIN)
        runner = clinic.runner(provider=lambda: provider, sleep=lambda _seconds: None)

        def progress(what: str, _rows: int) -> None:
            if what.startswith("observing"):
                server.process.kill()

        runner.progress = progress
        done = runner.run([clinic.exports])
    # The log, whose key is the service's too, cannot say what was run.
    assert faults(done) == [("heart", month(1), "KeyServiceError"), ("", "", "KeyServiceError")]
    assert told(done) == [("heart", month(1), "failed")]
    assert clinic.made() == []
    assert clinic.in_clear() == []


class Revoking:
    """A provider each of whose new guard keys somebody destroys at the service before it is used."""

    def __init__(self, inner: KeyProvider) -> None:
        self.inner = inner

    def __getattr__(self, name: str) -> Any:
        """Pass on."""
        return getattr(self.inner, name)

    def create_guard(self, **told: str) -> Guard:
        """Make a key at the service, and destroy it there."""
        guard = self.inner.create_guard(**told)
        self.inner.destroy_guard(guard.id)
        return guard


def test_a_key_that_is_revoked_in_mid_run_leaves_nothing(tmp_path: Path, moto: Moto) -> None:
    """The run ends without a release and is not repeated at once; with keys that stay, the month is made once."""
    uri = moto.uri("revoked", timeout=2)
    clinic = clinic_at(tmp_path, uri)
    provider = open_provider(uri, lambda: PIN)
    pauses: list[float] = []
    done = clinic.run(provider=lambda: Revoking(provider), sleep=pauses.append)
    assert told(done) == [("heart", month(1), "failed")]
    assert faults(done) == [("heart", month(1), "KeyFaultError")], done.problems[0].fault
    assert pauses == []
    assert clinic.made() == []
    assert clinic.in_clear() == []
    again = clinic.run(provider=lambda: provider, again=True)
    assert told(again) == [("heart", month(1), "published")]
    assert clinic.made() == [f"heart/{month(1)}"]
