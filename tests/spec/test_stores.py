"""Places and settings of stores: what is taken from documents, what only from the environment, and what is never sent."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_sources import World

from deid.documents.site import load_site
from deid.errors import DocumentError, StoreError
from deid.sources import load_dataset
from deid.stores.faults import code_of_arrow, reason
from deid.stores.fetching import fetched
from deid.stores.place import Place, is_place, parse_place
from deid.stores.settings import settings

KEYS = {"AWS_ACCESS_KEY_ID": "me", "AWS_SECRET_ACCESS_KEY": "hidden"}
NOWHERE = {"AWS_SHARED_CREDENTIALS_FILE": "/nowhere", "AWS_CONFIG_FILE": "/nowhere"}


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("s3://bucket", Place("bucket")),
        ("s3://a.bucket-1/", Place("a.bucket-1")),
        ("s3://bucket/a/b=2026/_c.d-e", Place("bucket", "a/b=2026/_c.d-e")),
    ],
)
def test_a_place_is_a_bucket_and_names(text: str, place: Place) -> None:
    """What is written is what is meant, and is written again the same."""
    assert is_place(text)
    assert parse_place(text) == place
    assert parse_place(str(place)) == place


@pytest.mark.parametrize(
    "text",
    [
        "s3://key:hunter2@bucket/x",
        "s3://bucket/x?endpoint_override=hunter2",
        "s3://bucket/x#hunter2",
        "s3://bucket:9000/x",
        "s3://bucket/../hunter2",
        "s3://bucket/a/./b",
        "s3://bucket//a",
        "s3://bucket/a//",
        "s3://bucket/-a",
        "s3://bucket/a%2fb",
        "s3://bucket/a b",
        "s3://bucket/a\\b",
        "s3://bucket/a\nb",
        "s3://Bucket/a",
        "s3://b/a",
        "s3:/bucket/a",
        "S3://bucket/a",
        "gs://bucket/a",
        "https://hunter2/a",
        "file:///etc",
        "s3://bucket/" + "/".join("abcdefghijklmnopq"),
    ],
)
def test_a_place_holds_nothing_else(text: str) -> None:
    """Credentials, ports, queries, odd names and other schemes are refused, and are not repeated in the message."""
    assert is_place(text)
    with pytest.raises(DocumentError, match="not written as s3://") as told:
        parse_place(text)
    assert "hunter2" not in str(told.value)


def test_a_path_is_no_place() -> None:
    """What has no scheme is a path as ever."""
    assert not any(is_place(path) for path in ("releases/study/r1", "/data", ".", "a:b", "s3/x", "2026-10"))


@pytest.mark.parametrize(
    ("environment", "scheme", "host", "region"),
    [
        ({"AWS_REGION": "eu-central-1"}, "https", None, "eu-central-1"),
        ({"AWS_DEFAULT_REGION": "eu-west-3"}, "https", None, "eu-west-3"),
        (
            {"AWS_ENDPOINT_URL_S3": "https://s3.hospital.example:9000/"},
            "https",
            "s3.hospital.example:9000",
            "us-east-1",
        ),
        ({"AWS_ENDPOINT_URL": "https://a", "AWS_ENDPOINT_URL_S3": "https://b"}, "https", "b", "us-east-1"),
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:9000", "AWS_REGION": "here"}, "http", "127.0.0.1:9000", "here"),
        ({"AWS_ENDPOINT_URL": "http://[::1]:9000"}, "http", "[::1]:9000", "us-east-1"),
    ],
)
def test_the_environment_says_where_the_store_is(
    environment: dict[str, str], scheme: str, host: str | None, region: str
) -> None:
    """Endpoint and region by their usual names, the one for S3 before the one for all services."""
    found = settings(environment | KEYS)
    assert (found.scheme, found.host, found.region) == (scheme, host, region)
    assert "hidden" not in repr(found)


@pytest.mark.parametrize(
    ("environment", "why"),
    [
        (KEYS, "no store is configured"),
        ({"AWS_REGION": "eu-west-1"}, "no credentials"),
        ({"AWS_REGION": "eu-west-1", "AWS_EC2_METADATA_DISABLED": "true"}, "no credentials"),
        (KEYS | {"AWS_REGION": "eu-west-1;rm"}, "is no region"),
        (KEYS | {"AWS_ENDPOINT_URL": "http://s3.hospital.example"}, "begins with http:"),
        (KEYS | {"AWS_ENDPOINT_URL": "http://localhost.evil.example:9000"}, "begins with http:"),
        (KEYS | {"AWS_ENDPOINT_URL": "http://127.0.0.1.evil.example"}, "begins with http:"),
        (KEYS | {"AWS_ENDPOINT_URL": "https://me:hidden@host"}, "not the URL"),
        (KEYS | {"AWS_ENDPOINT_URL": "https://host/path"}, "not the URL"),
        (KEYS | {"AWS_ENDPOINT_URL": "ftp://host"}, "not the URL"),
        (KEYS | {"AWS_REGION": "eu-west-1", "HTTPS_PROXY": "me:hidden@proxy"}, "HTTPS_PROXY is not the URL"),
    ],
)
def test_a_store_that_is_not_fully_configured_is_refused(environment: dict[str, str], why: str) -> None:
    """Nothing is sent without endpoint or region, without credentials, or in clear over a network."""
    with pytest.raises(StoreError, match=why) as told:
        settings(NOWHERE | environment)
    assert "hidden" not in str(told.value)


def test_a_proxy_is_taken_but_for_hosts_that_are_excepted() -> None:
    """The usual variables in either case; its password is not shown."""
    environment = KEYS | {"AWS_REGION": "eu-west-1", "https_proxy": "http://me:hidden@proxy:3128"}
    found = settings(environment)
    assert found.proxy == "http://me:hidden@proxy:3128"
    assert "hidden" not in repr(found)
    assert settings(environment | {"NO_PROXY": "example.org,.amazonaws.com"}).proxy is None
    assert settings(environment | {"AWS_ENDPOINT_URL_S3": "http://localhost:9000"}).proxy is None


def test_a_credentials_file_is_enough(tmp_path: Path) -> None:
    """The file that the environment names, or that of the user."""
    file = tmp_path / "credentials"
    environment = NOWHERE | {"AWS_REGION": "eu-west-1", "AWS_SHARED_CREDENTIALS_FILE": str(file)}
    with pytest.raises(StoreError, match="no credentials"):
        settings(environment)
    file.write_text("[default]\n")
    assert settings(environment).region == "eu-west-1"


@pytest.mark.parametrize("field", ["state", "releases", "trust", "codes"])
def test_a_site_does_not_lie_in_a_store(tmp_path: Path, field: str) -> None:
    """What is locked, renamed and forced to disk is on this machine; the fault names the field."""
    path = tmp_path / "site.yaml"
    fields = {"site": "s", "keys": "local:k", "trust": "trust.yaml"} | {field: "s3://bucket/x"}
    path.write_text("".join(f"{name}: {value}\n" for name, value in fields.items()))
    with pytest.raises(DocumentError, match=f"{field} lies at a place in a store"):
        load_site(path)


def test_without_a_configured_store_nothing_is_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither for a description that names a place, nor for a release there; no socket is opened."""
    for name in list(os.environ):
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)

    def refuse(*_arguments: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", refuse)
    description = World(tmp_path / "site").source()
    description.write_text(re.sub("(?m)^root: .*\n|\\Z", "", description.read_text()) + "root: s3://bucket/x\n")
    with pytest.raises(StoreError, match="no store is configured"):
        load_dataset(description)
    with pytest.raises(StoreError, match="no store is configured"), fetched(Place("bucket"), cache=tmp_path):
        pass


def test_a_description_with_credentials_in_its_place_is_refused(tmp_path: Path) -> None:
    """The fault names the line, and not what stands there."""
    description = World(tmp_path / "site").source()
    text = re.sub("(?m)^root: .*\n", "", description.read_text())
    description.write_text(f"{text}root: s3://key:hunter2@bucket/x\n")
    with pytest.raises(DocumentError, match=r"yaml:\d+:.* not written as s3://") as told:
        load_dataset(description)
    assert "hunter2" not in str(told.value)


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("AccessDenied", "refuses these credentials"),
        ("ACCESSDENIED", "refuses these credentials"),
        ("403", "refuses these credentials"),
        ("SignatureDoesNotMatch", "does not take these credentials"),
        ("NoCredentialsError", "does not take these credentials"),
        ("NoSuchBucket", "no such bucket"),
        ("SlowDown", "fails or is busy"),
        ("InternalError", "fails or is busy"),
        ("599", "fails or is busy"),
        ("EndpointConnectionError", "cannot be reached"),
        ("ReadTimeoutError", "in time"),
        ("TeaPot", "it refused: TeaPot"),
        ("a patient's name", "it refused: an unknown reason"),
    ],
)
def test_a_refusal_is_told_in_words_of_ours(code: str, why: str) -> None:
    """By code, status or class of error; text of the store is not passed on."""
    assert why in reason(code)[0]


def test_of_what_pyarrow_says_only_the_code_is_taken() -> None:
    """A key, which may name a person, stands in its text."""
    said = "When reading information for key 'john-doe.csv' in bucket 'b': AWS Error ACCESS_DENIED during HeadObject"
    assert code_of_arrow(OSError(said)) == "ACCESSDENIED"
    assert code_of_arrow(OSError("AWS Error UNKNOWN (HTTP status 500) during X operation: john-doe")) == "500"
    assert code_of_arrow(OSError("Couldn't deserialize thrift: john-doe")) is None


def test_only_who_writes_to_a_store_needs_boto3() -> None:
    """It is an extra: neither reading from a store nor opening a release loads it."""
    check = "import sys, deid.stores.delivery, deid.stores.fetching; print('boto3' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "False"
