"""Signatures by a key of AWS KMS: securesystemslib's AWSSigner, bounded in time and plain in faults."""

from __future__ import annotations

from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_der_public_key
from securesystemslib.signer import AWSSigner, SSlibKey  # type: ignore[attr-defined]  # public, but no __all__

from deid.errors import KeyFaultError
from deid.keys.kms_calls import KmsCalls, KmsRefusedError
from deid.keys.officers import SigningKey, public_key_of
from deid.keys.uris import kms_place


class KmsSigner(AWSSigner):
    """securesystemslib's signer of AWS KMS, at the place that a URI names rather than the environment."""

    def __init__(self, calls: KmsCalls, public: SSlibKey) -> None:
        # Not AWSSigner's own: it would make a client of whatever region and endpoint the environment names.
        self.aws_key_id = calls.place.key
        self._public_key = public
        self.aws_algo = self.aws_algos[public.scheme]
        self.client = _Client(calls)


class _Client:
    """What AWSSigner asks of a client."""

    __slots__ = ("_calls",)

    def __init__(self, calls: KmsCalls) -> None:
        self._calls = calls

    def sign(self, **parameters: Any) -> dict[str, Any]:
        return _call(self._calls, "sign", **parameters)


def open_kms_signer(place: str) -> SigningKey:
    """Open the signing key behind an alias; raise KeyFaultError if it is gone, or of a kind that may not sign."""
    calls = KmsCalls(kms_place(place))
    answer = _call(calls, "get_public_key", KeyId=calls.place.key)
    try:
        public = public_key_of(load_der_public_key(answer["PublicKey"]))
    except (ValueError, UnsupportedAlgorithm):
        public = None
    if public is None or answer.get("KeyUsage") != "SIGN_VERIFY" or public.scheme not in KmsSigner.aws_algos:
        raise KeyFaultError(
            f"the key behind {calls.place.key} is of a kind that may not sign",
            hint="use a key of the usage SIGN_VERIFY and the spec ECC_NIST_P256",
        )
    return SigningKey(KmsSigner(calls, public))


def _call(calls: KmsCalls, operation: str, **parameters: Any) -> dict[str, Any]:
    try:
        return calls.call(operation, **parameters)
    except KmsRefusedError as refused:
        raise KeyFaultError(
            f"the key behind {calls.place.key} is not to be had: {refused.code}",
            hint="check the alias, and that the key is enabled",
        ) from None
