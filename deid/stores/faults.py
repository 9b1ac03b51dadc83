"""What a store's refusal means, in words of ours: what it wrote itself may quote keys, requests and more."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from deid.errors import StoreError
from deid.stores.settings import ATTEMPTS

if TYPE_CHECKING:
    from deid.stores.settings import Settings

_RIGHTS = "check the rights of these credentials on the bucket; docs/formats/stores.md lists those that are needed"
_KEYS = "check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, or AWS_PROFILE and its file"
_REACH = "check the endpoint, the network and, with AWS_CA_BUNDLE, the certificates"
_LATER = "try again later; what lies there already is not sent again"
# Codes of S3, their letters alone, in lower case: pyarrow spells ACCESS_DENIED what boto3 spells AccessDenied.
_KNOWN: dict[str, tuple[str, str]] = (
    dict.fromkeys(("accessdenied", "forbidden", "403", "allaccessdisabled"), ("it refuses these credentials", _RIGHTS))
    | dict.fromkeys(
        (
            "invalidaccesskeyid",
            "signaturedoesnotmatch",
            "invalidclienttokenid",
            "expiredtoken",
            "invalidtoken",
            "invalidsignature",
            "authfailure",
            "nocredentials",
            "partialcredentials",
            "unrecognizedclient",
        ),
        ("it does not take these credentials", _KEYS),
    )
    | dict.fromkeys(("nosuchbucket",), ("there is no such bucket", "check the place, the endpoint and the region"))
    | dict.fromkeys(
        (
            "slowdown",
            "serviceunavailable",
            "internalfailure",
            "internal",
            "internalserver",
            "throttling",
            "500",
            "502",
            "503",
        ),
        (f"it fails or is busy, {ATTEMPTS} times in a row", _LATER),
    )
    | dict.fromkeys(
        ("networkconnection", "endpointconnection", "connecttimeout", "connectionclosed", "sslerror", "ssl"),
        ("it cannot be reached, or does not answer in time", _REACH),
    )
    | dict.fromkeys(
        ("requesttimeout", "readtimeout", "504"), (f"it did not answer in time, {ATTEMPTS} times in a row", _LATER)
    )
)
_ARROW = re.compile(r"AWS Error ([A-Z_]{2,60})\b")
_STATUS = re.compile(r"\(?HTTP status (\d{3})")
_CODE = re.compile(r"[A-Za-z0-9]{1,60}")


def reason(code: str) -> tuple[str, str]:
    """Return why a call failed and the remedy, by the code of S3 or the class of an error."""
    plain = re.sub(r"[^a-z0-9]|error$|exception$", "", code.lower())
    if plain in _KNOWN:
        return _KNOWN[plain]
    if plain.isdigit() and plain.startswith("5"):
        return _KNOWN["503"]
    told = code if _CODE.fullmatch(code) else "an unknown reason"
    return f"it refused: {told}", "look into the store's own log; nothing of its answer is shown here"


def code_of_arrow(error: Exception) -> str | None:
    """Return the code that pyarrow took from the store's answer, or its status, from an error's text; else None."""
    text = str(error)
    found = _ARROW.search(text)
    status = _STATUS.search(text)
    if found is not None and found[1] != "UNKNOWN":
        return found[1].replace("_", "")
    return status[1] if status is not None else found and "unknown"


def store_fault(settings: Settings, doing: str, code: str | None) -> StoreError:
    """Return the error to raise; `doing` names the operation and the bucket."""
    why, hint = reason(code or "unknown")
    return StoreError(f"the store {settings.name}: cannot {doing}: {why}", hint=hint)
