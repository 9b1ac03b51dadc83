"""ECDSA P-256 signatures by a key in a PKCS #11 token, as securesystemslib's HSMSigner makes them.

HSMSigner itself takes its module from the environment and logs in for each signature, which a token refuses where the
site's key provider is logged in to it; here the login is shared, and a wrong PIN is tried once. docs/adr/0031.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key
from pkcs11 import Attribute, KeyType, Mechanism, ObjectClass
from pkcs11.util.ec import encode_ec_public_key, encode_ecdsa_signature, encode_named_curve_parameters
from securesystemslib.signer import HSMSigner, Signature  # type: ignore[attr-defined]  # public, but no __all__

from deid.errors import KeyFaultError
from deid.keys.officers import SigningKey, public_key_of
from deid.keys.token import Token, open_token
from deid.keys.uris import token_place

_ID_BYTES = 16
_PRIVATE = {
    Attribute.PRIVATE: True,
    Attribute.SENSITIVE: True,
    Attribute.EXTRACTABLE: False,
    Attribute.SIGN: True,
    Attribute.DECRYPT: False,
    Attribute.UNWRAP: False,
    Attribute.DERIVE: False,
}


class TokenSigner(HSMSigner):
    """securesystemslib's signer of tokens, over a token that this process is logged in to."""

    def __init__(self, token: Token, key: Any, public: EllipticCurvePublicKey) -> None:
        known = public_key_of(public)
        assert known is not None  # the curve was checked
        super().__init__(0, known, _no_pin, token.place.token)
        self._held, self._key = token, key

    def sign(self, payload: bytes) -> Signature:
        """Return the signature; raise KeyFaultError where the token does not give one."""
        with self._held.calling("sign"):
            raw = self._key.sign(hashlib.sha256(payload).digest(), mechanism=Mechanism.ECDSA)
        return Signature(self.public_key.keyid, encode_ecdsa_signature(raw).hex())


def open_token_signer(place: str, pin: Callable[[], bytes]) -> SigningKey:
    """Open the signing key that what follows `pkcs11:` names; raise KeyFaultError if it is not there, or two."""
    token = open_token(token_place(place), pin)
    private, public = _objects(token, ObjectClass.PRIVATE_KEY), _objects(token, ObjectClass.PUBLIC_KEY)
    if (len(private), len(public)) != (1, 1):
        raise KeyFaultError(
            f"the token {token.place.token} holds {len(private)} private and {len(public)} public EC keys named "
            f"{token.place.name}; one of each is needed",
            hint="make one with `deid keys generate officer pkcs11:...`, or check the URI's object",
        )
    return _signing_key(token, private[0], public[0])


def make_token_signer(place: str, pin: Callable[[], bytes]) -> SigningKey:
    """Make an ECDSA P-256 key in the token; raise KeyFaultError if there is one of this name."""
    token = open_token(token_place(place), pin)
    with token.alone():
        if _objects(token, ObjectClass.PRIVATE_KEY) or _objects(token, ObjectClass.PUBLIC_KEY):
            raise KeyFaultError(
                f"the token {token.place.token} holds a signing key named {token.place.name}",
                hint="choose another object= name; keys are never overwritten",
            )
        with token.calling("make a signing key"):
            curve = {Attribute.EC_PARAMS: encode_named_curve_parameters("secp256r1")}
            parameters = token._session.create_domain_parameters(KeyType.EC, curve, local=True)  # noqa: SLF001
            public, private = parameters.generate_keypair(
                id=os.urandom(_ID_BYTES),
                label=token.place.name,
                store=True,
                mechanism=Mechanism.EC_KEY_PAIR_GEN,
                private_template=_PRIVATE,
            )
    return _signing_key(token, private, public)


def _objects(token: Token, kind: ObjectClass) -> list[Any]:
    wanted = {Attribute.CLASS: kind, Attribute.KEY_TYPE: KeyType.EC, Attribute.LABEL: token.place.name}
    with token.calling("look for a signing key"):
        return list(token._session.get_objects(wanted))  # noqa: SLF001


def _signing_key(token: Token, private: Any, public: Any) -> SigningKey:
    token._check(private, token.place.name)  # noqa: SLF001
    with token.calling("tell of a signing key"):
        together = private.id == public.id
        known = load_der_public_key(encode_ec_public_key(public))
    if not together or not isinstance(known, EllipticCurvePublicKey) or not isinstance(known.curve, SECP256R1):
        raise KeyFaultError(
            f"the key {token.place.name} of the token {token.place.token} is no pair of keys on the curve P-256",
            hint="make one with `deid keys generate officer pkcs11:...`",
        )
    return SigningKey(TokenSigner(token, private, known))


def _no_pin(_what: str) -> str:
    raise AssertionError("the token is logged in to already")
