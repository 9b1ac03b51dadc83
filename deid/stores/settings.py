"""Where the store answers and whose credentials are used: from the environment, and from nowhere else."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from deid.errors import StoreError

ATTEMPTS = 5  # of a call, with growing pauses
CONNECT_SECONDS, READ_SECONDS = 5, 20
ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
REGIONS = ("AWS_REGION", "AWS_DEFAULT_REGION")
_ANY_REGION = "us-east-1"  # what stores other than Amazon's take, or overlook
_ENDPOINT = re.compile(r"(https?)://((?:[A-Za-z0-9.-]+|\[[0-9a-fA-F:]+\])(?::\d{1,5})?)/?")
_PROXY = re.compile(r"https?://([^@/\s]+@)?[A-Za-z0-9.-]+:\d{1,5}/?")
_REGION = re.compile(r"[a-z0-9-]{1,40}")
_HERE = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])(:\d+)?")
_CREDENTIALS = (
    "AWS_ACCESS_KEY_ID",
    "AWS_PROFILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)
_METADATA = "AWS_EC2_METADATA_DISABLED"
_FILES = {"AWS_SHARED_CREDENTIALS_FILE": "~/.aws/credentials", "AWS_CONFIG_FILE": "~/.aws/config"}


@dataclass(frozen=True, slots=True)
class Settings:
    """A store: how it is reached. `host`: None for Amazon S3. `ca`: a file of certificates. `proxy`: a URL."""

    scheme: Literal["http", "https"]
    host: str | None
    region: str
    ca: str | None = None
    proxy: str | None = field(default=None, repr=False)  # it may hold a password

    @property
    def endpoint(self) -> str | None:
        """The URL of the store, None for Amazon S3."""
        return f"{self.scheme}://{self.host}" if self.host else None

    @property
    def name(self) -> str:
        """What messages call the store."""
        return self.host or f"Amazon S3 in {self.region}"


def settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """Return what the environment says; raise StoreError where it names no store, no credentials, or one without TLS.

    Credentials themselves are read by the libraries that use them, and are in no object here.
    """
    endpoint = next((environment[name] for name in ENDPOINTS if environment.get(name)), None)
    region = next((environment[name] for name in REGIONS if environment.get(name)), None)
    if endpoint is None and region is None:
        raise StoreError(
            "a place in a store is named, and no store is configured",
            hint=f"set {ENDPOINTS[0]} to the store's https URL or, for Amazon S3, {REGIONS[0]}; nothing was sent",
        )
    if region is not None and not _REGION.fullmatch(region):
        raise StoreError(f"{REGIONS[0]} is no region", hint="for instance eu-central-1")
    if not _has_credentials(environment):
        raise StoreError(
            "a place in a store is named, and there are no credentials for it",
            hint="set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE; for those of the machine itself "
            "AWS_EC2_METADATA_DISABLED=false; nothing was sent",
        )
    ca = environment.get("AWS_CA_BUNDLE") or None
    if endpoint is None:
        return _behind_proxy(Settings("https", None, region or _ANY_REGION, ca), environment)
    match = _ENDPOINT.fullmatch(endpoint)
    if match is None:
        raise StoreError(
            f"{ENDPOINTS[0]} is not the URL of a store", hint="write https://host or https://host:port, and no more"
        )
    if match[1] == "http":
        if not _HERE.fullmatch(match[2]):
            raise StoreError(
                "the store's URL begins with http: what is sent there could be read and changed on its way",
                hint="use https; http is for a store on this machine alone",
            )
        return Settings("http", match[2], region or _ANY_REGION, ca)  # and no proxy: it would be sent there in clear
    return _behind_proxy(Settings("https", match[2], region or _ANY_REGION, ca), environment)


def _behind_proxy(found: Settings, environment: Mapping[str, str]) -> Settings:
    """Return the settings with the proxy that the environment names for https, if it is for this host."""
    values = {name.lower(): value for name, value in environment.items() if value}
    proxy = values.get("https_proxy")
    host = re.sub(r":\d+$", "", found.host or f"s3.{found.region}.amazonaws.com")
    excepted = [entry.strip().lstrip(".") for entry in values.get("no_proxy", "").split(",") if entry.strip()]
    if proxy is None or any(one in ("*", host) or host.endswith(f".{one}") for one in excepted):
        return found
    if _PROXY.fullmatch(proxy) is None:
        raise StoreError("HTTPS_PROXY is not the URL of a proxy", hint="write http://host:port, and the port too")
    return replace(found, proxy=proxy)


@contextmanager
def unasked() -> Iterator[None]:
    """Keep libraries that are set up meanwhile from asking the machine's own service, unless the environment lets them.

    They would ask it for credentials and region over the network, and wait where nobody answers.
    """
    if _METADATA in os.environ:
        yield
        return
    os.environ[_METADATA] = "true"
    try:
        yield
    finally:
        del os.environ[_METADATA]


def _has_credentials(environment: Mapping[str, str]) -> bool:
    """Whether credentials are named or lie in a file; without, libraries would ask whatever answers as a cloud's."""
    if any(environment.get(name) for name in _CREDENTIALS):
        return True
    if environment.get(_METADATA, "").lower() == "false":
        return True
    return any(Path(environment.get(name) or usual).expanduser().is_file() for name, usual in _FILES.items())
