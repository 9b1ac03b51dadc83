"""A real store for tests: moto's server, which speaks the API of S3 over HTTP, and a proxy before it that makes faults."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from key_services import Moto, moto_server

_NOT_PASSED = {"transfer-encoding", "connection", "content-length"}


@dataclass
class Fault:
    """What the proxy does to a request: `status` is answered in its place, after `seconds`.

    `drop` takes a header off on its way; `then` is called when the store has done what was asked, before its answer,
    `edited`, comes back.
    """

    status: int | None = None
    code: str = "InternalError"
    seconds: float = 0
    drop: str = ""
    then: Callable[[], object] = lambda: None
    edited: Callable[[bytes], bytes] = lambda data: data


@dataclass
class Store:
    """A store behind a proxy; `faults` says for (method, path, number of the request) what happens to it."""

    moto: Moto
    endpoint: str
    faults: Callable[[str, str, int], Fault | None] = lambda _method, _path, _number: None
    met: list[tuple[str, str]] = field(default_factory=list)
    at: list[float] = field(default_factory=list)

    @cached_property
    def client(self) -> Any:
        """An administrator of the store, past the proxy."""
        import boto3  # here: tests of what needs no store import this module too
        from botocore.config import Config

        return boto3.client(
            "s3",
            endpoint_url=self.moto.endpoint,
            region_name="us-east-1",
            aws_access_key_id="testing",
            aws_secret_access_key="testing",  # what moto takes
            config=Config(request_checksum_calculation="when_required"),
        )

    def bucket(self) -> str:
        """Make a bucket of a new name."""
        name = f"deid-{os.urandom(6).hex()}"
        self.client.create_bucket(Bucket=name)
        return name

    def upload(self, folder: Path, bucket: str, prefix: str) -> None:
        """Write every file of a folder."""
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                self.client.put_object(
                    Bucket=bucket, Key=f"{prefix}/{path.relative_to(folder).as_posix()}", Body=path.read_bytes()
                )

    def keys(self, bucket: str) -> list[str]:
        """Return the keys of a bucket."""
        return [one["Key"] for one in self.client.list_objects_v2(Bucket=bucket).get("Contents", ())]

    def get(self, bucket: str, key: str) -> bytes:
        """Return the bytes of an object."""
        data: bytes = self.client.get_object(Bucket=bucket, Key=key)["Body"].read()
        return data

    def put(self, bucket: str, key: str, data: bytes) -> None:
        """Write an object over what lies there."""
        self.client.put_object(Bucket=bucket, Key=key, Body=data)

    @contextmanager
    def failing(self, faults: Callable[[str, str, int], Fault | None]) -> Iterator[Store]:
        """Make faults for a while; requests are counted from 1, and told in `met`."""
        self.met.clear()
        self.at.clear()
        before, self.faults = self.faults, faults
        try:
            yield self
        finally:
            self.faults = before


@contextmanager
def proxied(server: Moto) -> Iterator[Store]:
    """Stand before a server on a port of this machine."""
    behind = urlsplit(server.endpoint)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # headers and body go out in two pieces, and the second would wait 40 ms

        def handle_any(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            if "100-continue" in self.headers.get("Expect", "").lower():
                self.send_response_only(100)
                self.end_headers()
            body = self.rfile.read(length)
            stands.met.append((self.command, self.path))
            stands.at.append(time.monotonic())
            fault = stands.faults(self.command, self.path, len(stands.met)) or Fault()
            time.sleep(fault.seconds)
            if fault.status is not None:
                data = b"" if self.command == "HEAD" else f"<Error><Code>{fault.code}</Code></Error>".encode()
                self.answer(fault.status, {"Content-Type": "application/xml"}, data)
                return
            headers = {
                name: value
                for name, value in self.headers.items()
                if name.lower() not in {fault.drop.lower(), "expect", "connection"}
            }
            connection = HTTPConnection(behind.hostname or "", behind.port)
            connection.request(self.command, self.path, body=body, headers=headers)
            reply = connection.getresponse()
            told = {name: value for name, value in reply.getheaders() if name.lower() not in _NOT_PASSED}
            data = fault.edited(reply.read())
            fault.then()
            if self.command == "HEAD" and (size := reply.getheader("Content-Length")):
                told["Content-Length"] = size
            self.answer(reply.status, told, data)
            connection.close()

        def answer(self, status: int, headers: dict[str, str], data: bytes) -> None:
            self.send_response_only(status)
            for name, value in headers.items():
                self.send_header(name, value)
            if "Content-Length" not in headers:
                self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = do_CONNECT = handle_any  # noqa: N815

        def log_message(self, *_arguments: Any) -> None:
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_arguments: Any) -> None:
            """Say nothing: clients that give up are the test."""

    proxy = Server(("127.0.0.1", 0), Handler)
    stands = Store(server, f"http://127.0.0.1:{proxy.server_address[1]}")
    thread = threading.Thread(target=proxy.serve_forever, daemon=True)
    thread.start()
    try:
        yield stands
    finally:
        proxy.shutdown()
        proxy.server_close()


@contextmanager
def enforcing(monkeypatch: pytest.MonkeyPatch, *actions: str) -> Iterator[tuple[str, str]]:
    """Run a server that checks signatures and rights; yield a bucket, and what is wrong as a secret.

    The environment then names it, with credentials that may do these actions.
    """
    import boto3

    monkeypatch.setenv("INITIAL_NO_AUTH_ACTION_COUNT", "4")  # what follows here, as its administrator
    with moto_server() as server:

        def client(service: str) -> Any:
            return boto3.client(service, endpoint_url=server.endpoint, region_name="us-east-1")

        people = client("iam")
        people.create_user(UserName="courier")
        key = people.create_access_key(UserName="courier")["AccessKey"]
        allowed = {"Effect": "Allow", "Action": list(actions), "Resource": "*"}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
        people.put_user_policy(UserName="courier", PolicyName="deliver", PolicyDocument=policy)
        client("s3").create_bucket(Bucket="deid-partner")
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", server.endpoint)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])
        monkeypatch.setattr(boto3.session, "Session", type(boto3.session.Session()))
        yield "deid-partner", f"{key['SecretAccessKey'][:-1]}-"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """One store for the tests of a file, named by the environment with credentials that only it takes."""
    with pytest.MonkeyPatch.context() as patch, moto_server() as server, proxied(server) as made:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "testing")
        for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
            patch.setenv(name, str(tmp_path_factory.getbasetemp() / "none"))
        for name in (
            "AWS_ENDPOINT_URL",
            "AWS_REGION",
            "AWS_DEFAULT_REGION",
            "AWS_PROFILE",
            "AWS_CA_BUNDLE",
            "HTTP_PROXY",
            "http_proxy",
        ):
            patch.delenv(name, raising=False)
        patch.setenv("AWS_ENDPOINT_URL_S3", made.endpoint)
        import boto3

        session = boto3.session.Session()  # one for all: to read the SDK's model of S3 takes 0.2 s
        patch.setattr(boto3.session, "Session", lambda: session)
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield made
