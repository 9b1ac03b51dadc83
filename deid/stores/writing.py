"""Writing to a store by boto3: an object where none is, one put in the place of another, and objects deleted.

pyarrow cannot write on a condition, and without one two writers would overwrite each other unnoticed.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from deid.errors import StoreError
from deid.stores.faults import store_fault
from deid.stores.settings import ATTEMPTS, CONNECT_SECONDS, READ_SECONDS, Settings, unasked

MOST = 5 * 2**30  # bytes that one request may write
_DELETED_AT_ONCE = 1000


class Writer:
    """A connection that writes; shows no credentials."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @cached_property
    def _client(self) -> Any:
        try:
            import boto3  # noqa: PLC0415 - an extra
            from botocore.config import Config  # noqa: PLC0415
            from botocore.exceptions import BotoCoreError  # noqa: PLC0415
        except ImportError:
            raise StoreError(
                "the package boto3 is not installed", hint='pip install "deid[aws]"; reading from a store needs it not'
            ) from None
        # At DEBUG the SDK logs what it sends, signatures among it.
        for name in ("boto3", "botocore"):
            logging.getLogger(name).setLevel(max(logging.INFO, logging.getLogger(name).level))
        config = Config(
            connect_timeout=CONNECT_SECONDS,
            read_timeout=READ_SECONDS,
            retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
            # Checksums in trailers are beyond many stores; every object is read back and compared instead.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            proxies={"https": self.settings.proxy} if self.settings.proxy else {},
            s3={"addressing_style": "path" if self.settings.host else "auto"},
        )
        try:
            with unasked():
                return boto3.session.Session().client(
                    "s3",
                    region_name=self.settings.region,
                    endpoint_url=self.settings.endpoint or f"https://s3.{self.settings.region}.amazonaws.com",
                    config=config,
                )
        except BotoCoreError as error:
            raise store_fault(self.settings, "write", type(error).__name__) from None

    def put_new(self, bucket: str, key: str, path: Path) -> bool:
        """Write a file as a new object; return False, with nothing written, where one lies there. Raise StoreError."""
        return self._put(bucket, key, path, IfNoneMatch="*")

    def replace(self, bucket: str, key: str, path: Path) -> None:
        """Write a file as an object, in the place of what lies there; raise StoreError."""
        self._put(bucket, key, path)

    def delete(self, bucket: str, keys: Sequence[str]) -> None:
        """Delete these objects; raise StoreError."""
        for start in range(0, len(keys), _DELETED_AT_ONCE):
            objects = [{"Key": key} for key in keys[start : start + _DELETED_AT_ONCE]]
            answer = self._call(
                "clean", bucket, "delete_objects", Bucket=bucket, Delete={"Objects": objects, "Quiet": True}
            )
            if errors := answer.get("Errors"):
                raise store_fault(self.settings, f"clean the bucket {bucket}", str(errors[0].get("Code", "")))

    def _put(self, bucket: str, key: str, path: Path, **condition: str) -> bool:
        if path.stat().st_size > MOST:
            raise StoreError(f"{path.name} is larger than one request may write", hint="make the release again")
        with path.open("rb") as body:
            answer = self._call(
                "write to", bucket, "put_object", Bucket=bucket, Key=key, Body=body,
                ContentType="application/octet-stream", **condition,
            )  # fmt: skip
        return bool(answer)

    def _call(self, doing: str, bucket: str, operation: str, **parameters: Any) -> dict[str, Any]:
        """Call an operation; the answer is empty where it met its condition's contrary."""
        client = self._client
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

        doing = f"{doing} the bucket {bucket}"
        try:
            answer: dict[str, Any] = getattr(client, operation)(**parameters)
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", ""))
            # A conflict is another writer under the same condition at this moment: one of the two is there, or none.
            if code in {"PreconditionFailed", "412", "ConditionalRequestConflict"}:
                return {}
            raise store_fault(self.settings, doing, code) from None
        except BotoCoreError as error:
            raise store_fault(self.settings, doing, type(error).__name__) from None
        return answer
