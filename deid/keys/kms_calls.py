"""Calls to AWS KMS, or to a service with its API: bounded in time, repeated where that is safe, plain in faults."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from deid.errors import KeyFaultError, KeyServiceError
from deid.keys.uris import KmsPlace

ATTEMPTS = 4
_CONNECT_SECONDS = 5
GONE = frozenset({"DisabledException", "KMSInvalidStateException", "NotFoundException"})
UNFIT = frozenset({"InvalidCiphertextException", "IncorrectKeyException", "KMSInvalidMacException"})
# What may be otherwise in a minute: the answers of a busy service, and the SDK's words for none.
_LATER = frozenset(
    {
        "DependencyTimeoutException", "KMSInternalException", "LimitExceededException", "ThrottlingException",
        "RequestTimeout", "ServiceUnavailable", "500", "502", "503", "504", "ConnectTimeoutError",
        "ConnectionClosedError", "EndpointConnectionError", "ReadTimeoutError",
    }
)  # fmt: skip


class KmsRefusedError(Exception):
    """What the service answered in place of a result: its code, such as `DisabledException`; caught on this shelf."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class KmsCalls:
    """A connection to the service; counts its calls by operation, and shows no credentials."""

    __slots__ = ("_once", "_repeated", "calls", "place")

    def __init__(self, place: KmsPlace) -> None:
        self.place = place
        self.calls: dict[str, int] = {}
        # At DEBUG the SDK logs what it sends and gets: keys in clear.
        for name in ("boto3", "botocore"):
            logging.getLogger(name).setLevel(max(logging.INFO, logging.getLogger(name).level))
        try:
            session = boto3.session.Session(profile_name=place.profile, region_name=place.region)
            self._repeated, self._once = (
                session.client("kms", endpoint_url=place.endpoint, config=_config(place, attempts))
                for attempts in (ATTEMPTS, 1)
            )
        except (BotoCoreError, ValueError) as error:
            raise self._fault("be set up", type(error).__name__) from None

    def call(self, operation: str, *, once: bool = False, **parameters: Any) -> dict[str, Any]:
        """Call an operation, such as `decrypt`; `once` where a repeated call would do the thing twice.

        Raises KmsRefusedError where a key is gone or bytes do not fit, KeyFaultError for everything else.
        """
        self.calls[operation] = self.calls.get(operation, 0) + 1
        client = self._once if once else self._repeated
        try:
            answer: dict[str, Any] = getattr(client, operation)(**parameters)
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", ""))
            if code in GONE or code in UNFIT:
                raise KmsRefusedError(code) from None
            raise self._fault(operation.replace("_", " "), code or "an error") from None
        except BotoCoreError as error:
            raise self._fault(operation.replace("_", " "), type(error).__name__) from None
        return answer

    def pages(self, operation: str, part: str) -> Iterator[dict[str, Any]]:
        """Yield the members of a listing, page by page."""
        marker: dict[str, Any] = {}
        while True:
            answer = self.call(operation, **marker)
            yield from answer[part]
            if not answer.get("Truncated"):
                return
            marker = {"Marker": answer["NextMarker"]}

    def _fault(self, what: str, why: str) -> KeyFaultError:
        # The SDK's own text may quote an endpoint with more than its name, or parts of a request.
        kind = KeyServiceError if why in _LATER else KeyFaultError
        return kind(
            f"the key service behind {self.place.key} could not {what}: {why}",
            hint="check that it runs and can be reached, the region, and what these credentials may do; "
            "nothing was published",
        )


def _config(place: KmsPlace, attempts: int) -> Config:
    return Config(
        connect_timeout=min(_CONNECT_SECONDS, place.timeout),
        read_timeout=place.timeout,
        retries={"mode": "standard", "total_max_attempts": attempts},
    )
