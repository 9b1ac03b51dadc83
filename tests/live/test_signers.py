"""Signing keys that lie in a real token (SoftHSM2) or behind the API of AWS KMS (moto's server)."""

from __future__ import annotations

import hashlib
import os
import pickle
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner
from key_services import PIN, WRONG_PIN, Moto, make_token, moto, softhsm, token_uri
from securesystemslib.exceptions import UnverifiedSignatureError
from sites import REPOSITORY

from deid.cli import cli
from deid.errors import KeyFaultError
from deid.keys.officers import SigningKey, load_public_key, write_public_key
from deid.keys.signers import make_token_key, open_signer
from deid.papers.signing import sign_document, verify_document
from deid.papers.statements import read
from deid.papers.trust import add_person, load_trust

pytestmark = pytest.mark.live
DIGEST = "ab" * 32
__all__ = ["moto"]  # a fixture


def holds(folder: Path, key: SigningKey) -> tuple[str, ...]:
    """Trust the key's public half, sign with the key, verify, and return who signed."""
    write_public_key(folder / "k.pub", key)
    assert load_public_key(folder / "k.pub").keyid == key.keyid
    trust = add_person(folder / "trust.yaml", name="Ann", role="privacy_officer", key=folder / "k.pub")
    now = datetime.now(UTC)
    sign_document(folder / "p.yaml", key, "policy", data_digest=DIGEST, name="p", version="1", signed_at=now)
    return verify_document(folder / "p.yaml", DIGEST, trust, "policy", name="p", version="1", at=now).signers


def test_an_officer_signs_by_a_key_in_a_token(tmp_path: Path) -> None:
    """Made in the token once, opened again, it signs ECDSA P-256, and shows and gives away nothing."""
    uri = token_uri(f"officer-{os.urandom(4).hex()}")
    made = make_token_key(uri, lambda: PIN)
    key = open_signer(uri, lambda: PIN)
    assert (key.keyid, key.public.scheme) == (made.keyid, "ecdsa-sha2-nistp256")
    assert holds(tmp_path, key) == ("Ann",)
    assert repr(key) == f"SigningKey(keyid={key.keyid!r})"
    with pytest.raises(TypeError):
        pickle.dumps(key)
    with pytest.raises(KeyFaultError, match="holds a signing key"):
        make_token_key(uri, lambda: PIN)


def test_a_token_or_key_that_is_not_there_is_a_fault() -> None:
    """Another object, another token: nothing is signed."""
    uri = token_uri("absent")
    with pytest.raises(KeyFaultError, match="0 private and 0 public"):
        open_signer(uri, lambda: PIN)
    with pytest.raises(KeyFaultError, match="there is no token gone"):
        open_signer(uri.replace("token=deid", "token=gone"), lambda: PIN)


def test_a_wrong_pin_is_tried_once(tmp_path: Path) -> None:
    """In a process of its own, the token refuses the PIN, and the next try is refused before it."""
    environment = make_token(tmp_path)
    uri = f"pkcs11:token=deid;object=k?module-path={softhsm()}"
    code = (
        "import sys; from deid.errors import KeyFaultError; from deid.keys.signers import open_signer\n"
        "for _ in range(2):\n"
        "    try: open_signer(sys.argv[1], lambda: sys.argv[2].encode())\n"
        "    except KeyFaultError as fault: print(fault.message)\n"
    )
    command = [sys.executable, "-c", code, uri, WRONG_PIN.decode()]
    told = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout.splitlines()
    assert told[0] == "the PIN of the token deid is wrong; it was tried once"
    assert "was not tried" in told[1]


@pytest.mark.parametrize("spec", ["ECC_NIST_P256", "ECC_NIST_P384", "RSA_2048"])
def test_an_officer_signs_by_a_key_of_kms(tmp_path: Path, moto: Moto, spec: str) -> None:
    """Each kind of key that AWSSigner knows signs a digest, and its public half in PEM has the id of the signer's."""
    alias = made_in_kms(moto, spec, "SIGN_VERIFY")
    key = open_signer(moto.uri(alias).replace("aws_kms:", "awskms:"), lambda: b"")
    write_public_key(tmp_path / "k.pub", key)
    public = load_public_key(tmp_path / "k.pub")
    assert public.keyid == key.keyid
    assert repr(key) == f"SigningKey(keyid={key.keyid!r})"
    # moto hashes what it was sent as a digest once more, which AWS does not.
    digest = hashlib.new(public.get_hash_algorithm_name(), b"payload").digest()
    public.verify_signature(key.signer.sign(b"payload"), digest)
    with pytest.raises(UnverifiedSignatureError):
        public.verify_signature(key.signer.sign(b"other"), digest)


def test_a_key_of_kms_that_is_unfit_or_gone_is_a_fault(moto: Moto) -> None:
    """A curve of another use, and an alias that nobody made."""
    alias = made_in_kms(moto, "ECC_SECG_P256K1", "SIGN_VERIFY")
    with pytest.raises(KeyFaultError, match="of a kind that may not sign"):
        open_signer(moto.uri(alias).replace("aws_kms:", "awskms:"), lambda: b"")
    with pytest.raises(KeyFaultError, match="is not to be had"):
        open_signer(moto.uri("nobody").replace("aws_kms:", "awskms:"), lambda: b"")


def made_in_kms(moto: Moto, spec: str, usage: str) -> str:
    """Make a key at the server; return its alias."""
    boto3 = pytest.importorskip("boto3")
    client = boto3.client("kms", region_name="us-east-1", endpoint_url=moto.endpoint)
    key = client.create_key(KeySpec=spec, KeyUsage=usage)["KeyMetadata"]["KeyId"]
    alias = f"signer-{os.urandom(4).hex()}"
    client.create_alias(AliasName=f"alias/{alias}", TargetKeyId=key)
    return alias


def test_commands_make_and_sign_by_a_key_in_a_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`deid keys generate officer` and `deid policy sign` take the URI, and the PIN as a passphrase."""
    uri = token_uri(f"cli-{os.urandom(4).hex()}")
    monkeypatch.delenv("DEID_PASSPHRASE_FILE", raising=False)
    monkeypatch.setenv("DEID_PASSPHRASE", PIN.decode())
    trust, public = tmp_path / "trust.yaml", tmp_path / "ann.pub"
    made = CliRunner().invoke(
        cli, ["keys", "generate", "officer", uri, "--name", "Ann", "--out", str(public), "--trust", str(trust)]
    )
    assert made.exit_code == 0, made.output
    again = CliRunner().invoke(cli, ["keys", "public", "--key", uri, "--out", str(tmp_path / "again.pub")])
    assert again.exit_code == 0, again.output
    assert (tmp_path / "again.pub").read_bytes() == public.read_bytes()
    policy = Path(shutil.copy(REPOSITORY / "policies" / "safe-harbor.yaml", tmp_path))
    signed = CliRunner().invoke(cli, ["policy", "sign", str(policy), "--key", uri])
    assert signed.exit_code == 0, signed.output
    payload = read(policy.with_name("safe-harbor.yaml.dsse.json"), policy.name)[1]
    digest = hashlib.sha256(policy.read_bytes()).hexdigest()
    held = verify_document(
        policy, digest, load_trust(trust), "policy", name=payload.name, version=payload.version, at=datetime.now(UTC)
    )
    assert held.signers == ("Ann",)
