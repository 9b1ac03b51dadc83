"""A key service over HTTP (moto's server, and servers that fail): calls are few, bounded in time, and fail in words."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from key_services import PIN, Moto, moto, moto_server  # noqa: F401  # a fixture

from deid.errors import KeyFaultError
from deid.keys import make_provider, open_provider

pytestmark = pytest.mark.live
KEY = bytes(range(32))


def at(endpoint: str, timeout: int = 1) -> str:
    """Return the URI of a provider at an endpoint."""
    return f"aws_kms:alias/site?region=us-east-1&endpoint={endpoint}&timeout={timeout}"


def client(server: Moto) -> Any:
    """Return an administrator of the service."""
    return boto3.client("kms", region_name="us-east-1", endpoint_url=server.endpoint)


@contextmanager
def answering(reply: bytes | None) -> Iterator[tuple[str, list[float]]]:
    """Listen on this machine, give every connection one reply, or none at all; yield the endpoint and when it was met."""
    met: list[float] = []
    stopped = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.1)
        held = []

        def serve() -> None:
            while not stopped.is_set():
                try:
                    connection, _ = listener.accept()
                except TimeoutError:
                    continue
                met.append(time.monotonic())
                held.append(connection)
                if reply is not None:
                    connection.recv(65536)
                    connection.sendall(reply)
                    connection.close()

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}", met
        finally:
            stopped.set()
            thread.join()
            for connection in held:
                connection.close()


def test_master_keys_are_made_once(moto: Moto) -> None:  # noqa: F811
    """A second generation under one alias is refused; a provider that is opened is the one that was made."""
    made = make_provider(moto.uri("once"), lambda: PIN)
    assert open_provider(moto.uri("once"), lambda: PIN).provider_id == made.provider_id
    with pytest.raises(KeyFaultError, match="never overwritten"):
        make_provider(moto.uri("once"), lambda: PIN)
    with pytest.raises(KeyFaultError, match="is not there"):
        open_provider(moto.uri("absent"), lambda: PIN)


def test_a_shredded_key_is_disabled_and_deleted_by_the_service(moto: Moto) -> None:  # noqa: F811
    """The service itself says so: pending deletion, within seven days, and no alias is left."""
    provider = make_provider(moto.uri("gone"), lambda: PIN)
    guard = provider.create_guard(series="s/p", release="s.r")
    provider.destroy_guard(guard.id)
    metadata = client(moto).describe_key(KeyId=guard.id)["KeyMetadata"]
    assert metadata["KeyState"] == "PendingDeletion"
    assert (metadata["DeletionDate"] - datetime.now(UTC)).days <= 7
    assert not [a for a in client(moto).list_aliases()["Aliases"] if a.get("TargetKeyId") == guard.id]


def test_a_shred_that_was_cut_short_is_done_again(moto: Moto) -> None:  # noqa: F811
    """A guard key that is disabled and not yet scheduled for deletion is still listed, opens nothing, and can be shredded."""
    provider = make_provider(moto.uri("cut"), lambda: PIN)
    guard = provider.create_guard(series="s/p", release="s.r")
    wrapped = provider.wrap_under(guard.id, "n", KEY)
    client(moto).disable_key(KeyId=guard.id)
    again = open_provider(moto.uri("cut"), lambda: PIN)
    with pytest.raises(KeyFaultError, match="guard key"):
        again.unwrap_under(guard.id, "n", wrapped)
    assert guard in again.guards()
    again.destroy_guard(guard.id)
    assert again.guards() == ()


def test_a_key_of_somebody_else_is_never_destroyed(moto: Moto) -> None:  # noqa: F811
    """Asked to destroy a key of the account that guards no release, even the master, the provider refuses."""
    provider = make_provider(moto.uri("mine"), lambda: PIN)
    other = client(moto).create_key(Description="payroll")["KeyMetadata"]["KeyId"]
    master = client(moto).describe_key(KeyId="alias/mine")["KeyMetadata"]["KeyId"]
    for key in (other, master):
        with pytest.raises(KeyFaultError):
            provider.destroy_guard(key)
        assert client(moto).describe_key(KeyId=key)["KeyMetadata"]["KeyState"] == "Enabled"


def test_many_guard_keys_are_listed_page_by_page(moto: Moto) -> None:  # noqa: F811
    """A listing that the service gives in pages is read to its end."""
    provider: Any = make_provider(moto.uri("many"), lambda: PIN)
    made = {provider.create_guard(series="s/p", release=f"s.{number}") for number in range(60)}
    assert set(provider.guards()) == made


def test_a_service_that_went_away_is_one_clear_fault(moto: Moto) -> None:  # noqa: F811
    """Killed between two calls, the service gives a key fault for each use, with a remedy, within seconds."""
    with moto_server() as server:
        provider = make_provider(server.uri("away", timeout=1), lambda: PIN)
        guard = provider.create_guard(series="s/p", release="s.r").id
        wrapped = provider.wrap_under(guard, "n", KEY)
        server.process.kill()
        server.process.wait()
        begun = time.monotonic()
        for use in (
            lambda: provider.wrap("n", KEY),
            lambda: provider.unwrap_under(guard, "n", wrapped),
            lambda: provider.subkey("ledger"),
            lambda: provider.create_guard(series="s/p", release="s.r2"),
        ):
            with pytest.raises(KeyFaultError, match="could not") as caught:
                use()
            assert "nothing was published" in caught.value.hint
            assert caught.value.__suppress_context__
        assert time.monotonic() - begun < 60


def test_a_slow_service_is_not_waited_for_for_ever(moto: Moto) -> None:  # noqa: F811
    """A service that takes a connection and says nothing is asked four times with growing waits, then given up."""
    with answering(None) as (endpoint, met):
        begun = time.monotonic()
        with pytest.raises(KeyFaultError, match="ReadTimeoutError"):
            open_provider(at(endpoint), lambda: PIN)
        assert time.monotonic() - begun < 30
        assert len(met) == 4


def test_a_failing_service_is_asked_again_where_that_is_safe(moto: Moto) -> None:  # noqa: F811
    """An answer of 500 is tried four times for what can be repeated, and once for making a key, which cannot."""
    reply = b"HTTP/1.1 500 Oops\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"
    with answering(reply) as (endpoint, met):
        with pytest.raises(KeyFaultError):
            open_provider(at(endpoint), lambda: PIN)
        assert len(met) == 4
        from deid.keys.kms_calls import KmsCalls
        from deid.keys.uris import kms_place

        calls = KmsCalls(kms_place(at(endpoint).removeprefix("aws_kms:")))
        with pytest.raises(KeyFaultError):
            calls.call("create_key", once=True, Description="x")
        assert len(met) == 5


def test_without_credentials_nothing_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the SDK finds no credentials, that is the fault, and no connection is made."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, "/nonexistent")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with answering(None) as (endpoint, met):
        with pytest.raises(KeyFaultError, match="NoCredentialsError"):
            open_provider(at(endpoint), lambda: PIN)
        assert not met


def test_no_key_reaches_the_log(moto: Moto, caplog: pytest.LogCaptureFixture) -> None:  # noqa: F811
    """Even where everything is logged, neither what is wrapped nor the credentials stand in the log."""
    import base64

    caplog.set_level(logging.DEBUG)
    secret = b"CANARY-KEY-OF-32-BYTES-EXACTLY.."
    provider = make_provider(moto.uri("quiet"), lambda: PIN)
    guard = provider.create_guard(series="s/p", release="s.r").id
    assert provider.unwrap_under(guard, "n", provider.wrap_under(guard, "n", secret)) == secret
    text = caplog.text + repr(provider) + repr(provider.guards())
    for shown in ("CANARY", base64.b64encode(secret).decode(), "testing"):
        assert shown not in text
