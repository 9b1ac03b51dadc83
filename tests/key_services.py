"""Real key services for tests: a SoftHSM2 token, and moto's server, which speaks the API of AWS KMS over HTTP."""

from __future__ import annotations

import atexit
import importlib.util
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from deid.errors import KeyFaultError
from deid.keys import make_provider, open_provider
from deid.keys.base import KeyProvider
from deid.keys.key_file import SMALLEST_N
from deid.keys.local import generate_provider

PASSPHRASE = b"correct horse battery"
PIN, WRONG_PIN = b"271828", b"314159"
_MODULES = (
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib64/softhsm/libsofthsm.so",
    "/opt/homebrew/lib/softhsm/libsofthsm2.so",
)
SCHEMES = [
    pytest.param("local", id="local"),
    pytest.param("pkcs11", id="pkcs11", marks=pytest.mark.live),
    pytest.param("aws_kms", id="aws_kms", marks=pytest.mark.live),
]


def softhsm() -> Path:
    """Return SoftHSM's module, or skip the test."""
    found = [Path(path) for path in _MODULES if Path(path).exists()]
    if not found or shutil.which("softhsm2-util") is None or importlib.util.find_spec("pkcs11") is None:
        pytest.skip("needs SoftHSM2 and python-pkcs11")
    return found[0]


def make_token(folder: Path, label: str = "deid") -> dict[str, str]:
    """Make a token in a folder of its own; return the environment in which SoftHSM finds it."""
    (folder / "tokens").mkdir(parents=True)
    configuration = folder / "softhsm2.conf"
    configuration.write_text(
        f"directories.tokendir = {folder / 'tokens'}\nobjectstore.backend = file\nlog.level = ERROR\n"
    )
    environment = {**os.environ, "SOFTHSM2_CONF": str(configuration)}
    command = ["softhsm2-util", "--init-token", "--free", "--label", label, "--so-pin", "999999", "--pin", PIN.decode()]
    subprocess.run(command, env=environment, check=True, capture_output=True)
    return environment


@cache
def token_of_this_process() -> str:
    """Make the one token of this process, once: PKCS #11 modules read their configuration when they are loaded."""
    module = softhsm()
    folder = Path(tempfile.mkdtemp(prefix="deid-softhsm-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    os.environ["SOFTHSM2_CONF"] = make_token(folder)["SOFTHSM2_CONF"]
    return f"?module-path={module}"


def token_uri(name: str) -> str:
    """Return the URI of the provider `name` in this process's token."""
    return f"pkcs11:token=deid;object={name}{token_of_this_process()}"


@dataclass
class Moto:
    """A running server."""

    process: subprocess.Popen[bytes]
    endpoint: str

    def uri(self, name: str, *, timeout: int = 10) -> str:
        """Return the URI of the provider `name` at this server."""
        return f"aws_kms:alias/{name}?region=us-east-1&endpoint={self.endpoint}&timeout={timeout}"


@contextmanager
def moto_server() -> Iterator[Moto]:
    """Run moto's server on a free port of this machine; skip the test without it."""
    if any(importlib.util.find_spec(name) is None for name in ("moto", "boto3", "flask")):
        pytest.skip("needs moto[server] and boto3")
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield Moto(process, _answering(f"http://127.0.0.1:{port}"))
    finally:
        process.kill()
        process.wait()


def _answering(endpoint: str) -> str:
    for _ in range(300):
        try:
            with urlopen(f"{endpoint}/moto-api/data.json", timeout=5):  # noqa: S310  # this machine, http
                return endpoint
        except OSError:
            time.sleep(0.1)
    raise AssertionError("moto's server did not come up")


@pytest.fixture(scope="session")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Moto]:
    """One server for all tests of a process, with credentials that only it takes."""
    with pytest.MonkeyPatch.context() as patch, moto_server() as server:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "testing")
        for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
            patch.setenv(name, str(tmp_path_factory.getbasetemp() / "none"))
        yield server


def fresh(scheme: str, folder: Path, name: str, request: pytest.FixtureRequest) -> KeyProvider:
    """Make a provider of a scheme, with keys of its own, and open it again through the registry."""
    if scheme == "local":
        generate_provider(folder / f"{name}.key", PASSPHRASE, scrypt_n=SMALLEST_N)
        return open_provider(f"local:{name}.key", lambda: PASSPHRASE, folder=folder)
    unique = f"{name.replace('.', '-')}-{os.urandom(4).hex()}"
    uri = token_uri(unique) if scheme == "pkcs11" else request.getfixturevalue("moto").uri(unique)
    make_provider(uri, lambda: PIN)
    return open_provider(uri, lambda: PIN)


class Counting:
    """A provider whose calls are counted; it may be told to deny one group, or to fail from some call on."""

    def __init__(self, inner: KeyProvider, *, denied: str = "", failing: str = "") -> None:
        self.inner, self.denied, self.failing = inner, denied, failing
        self.calls: Counter[str] = Counter()

    def __getattr__(self, name: str) -> Any:
        """Pass on, and count what is called."""
        found = getattr(self.inner, name)
        if not callable(found):
            return found

        def call(*arguments: Any, **named: Any) -> Any:
            self.calls[name] += 1
            if name == self.failing or (name == "unwrap_under" and self.denied and f"/{self.denied}/" in arguments[1]):
                raise KeyFaultError("denied", hint="ask")
            return found(*arguments, **named)

        return call
