"""Which public keys a trust root takes, and the one scheme that each signs by."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from deid.errors import KeyFaultError
from deid.keys.officers import SigningKey, load_public_key, write_public_key


def written(path: Path, key: PublicKeyTypes) -> Path:
    """Write a key in PEM."""
    path.write_bytes(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return path


def test_the_scheme_follows_from_the_key(tmp_path: Path) -> None:
    """Each type of key has one scheme, and no two have the same id."""
    keys: dict[str, PublicKeyTypes] = {
        "ed25519": ed25519.Ed25519PrivateKey.generate().public_key(),
        "ecdsa-sha2-nistp256": ec.generate_private_key(ec.SECP256R1()).public_key(),
        "ecdsa-sha2-nistp384": ec.generate_private_key(ec.SECP384R1()).public_key(),
        "rsassa-pss-sha256": rsa.generate_private_key(65537, 2048).public_key(),
    }
    assert {scheme: load_public_key(written(tmp_path / scheme, key)).scheme for scheme, key in keys.items()} == {
        scheme: scheme for scheme in keys
    }


@pytest.mark.parametrize("curve", [ec.SECP256K1(), ec.SECP521R1()], ids=lambda curve: curve.name)
def test_other_curves_are_refused(tmp_path: Path, curve: ec.EllipticCurve) -> None:
    """A curve that is not listed signs nothing."""
    with pytest.raises(KeyFaultError, match="does not hold"):
        load_public_key(written(tmp_path / "k.pub", ec.generate_private_key(curve).public_key()))


def test_short_rsa_is_refused(tmp_path: Path) -> None:
    """RSA of fewer than 2,048 bits signs nothing."""
    with pytest.raises(KeyFaultError, match="2048"):
        load_public_key(written(tmp_path / "k.pub", rsa.generate_private_key(65537, 1024).public_key()))  # noqa: S505  # what is refused


def test_a_written_public_half_is_read_as_the_same_key_and_never_overwritten(tmp_path: Path) -> None:
    """The id survives the file."""
    key = SigningKey(bytes(range(32)))
    write_public_key(tmp_path / "k.pub", key)
    assert load_public_key(tmp_path / "k.pub").keyid == key.keyid
    with pytest.raises(KeyFaultError):
        write_public_key(tmp_path / "k.pub", key)
