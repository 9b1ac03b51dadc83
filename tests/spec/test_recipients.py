"""Recipients' keys, and envelopes that open for exactly those who were named."""

from __future__ import annotations

import base64
import hmac
import os
import pickle
from pathlib import Path

import pyrage
import pytest
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from hypothesis import given, settings
from hypothesis import strategies as st

from deid.errors import KeyFaultError, ReleaseError
from deid.keys.recipients import (
    Identity,
    Recipient,
    count_stanzas,
    generate_identity,
    load_identity,
    load_recipient,
    open_envelope,
    seal_envelope,
)
from deid.keys.stanzas import read_stanzas

# The recipient whose point is zero: everybody knows the secret it leads to.
ZERO = "age1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq5cu47z"
PAYLOAD = b"release key of 32 bytes, or so.."


def people(folder: Path, *names: str) -> tuple[list[Recipient], list[Identity]]:
    """Make a recipient and an identity for each name, and load both from their files."""
    recipients, identities = [], []
    for name in names:
        generate_identity(folder / f"{name}.key", folder / f"{name}.pub", None)
        recipients.append(load_recipient(folder / f"{name}.pub"))
        identities.append(load_identity(folder / f"{name}.key"))
    return recipients, identities


@pytest.mark.parametrize("number", [1, 2, 5])
def test_each_recipient_opens_and_each_has_one_stanza(tmp_path: Path, number: int) -> None:
    """Everybody named opens the envelope alone, and the header counts them."""
    recipients, identities = people(tmp_path, *(f"p{i}" for i in range(number)))
    envelope = seal_envelope(PAYLOAD, recipients)
    assert count_stanzas(envelope) == number
    assert all(open_envelope(envelope, [identity]) == PAYLOAD for identity in identities)
    assert PAYLOAD not in envelope


def test_a_stranger_does_not_open(tmp_path: Path) -> None:
    """The wrong private key, or none, is a key fault that quotes nothing."""
    recipients, identities = people(tmp_path, "one", "two")
    envelope = seal_envelope(PAYLOAD, recipients[:1])
    for wrong in (identities[1:], []):
        with pytest.raises(KeyFaultError, match="none of the private keys") as caught:
            open_envelope(envelope, wrong)
        assert caught.value.exit_code == 15
        assert "AGE-SECRET" not in str(caught.value)


def test_no_recipient_or_the_same_twice_is_refused(tmp_path: Path) -> None:
    """An envelope for nobody, and two files with one key (in either case of letters), are refused."""
    recipients, _ = people(tmp_path, "one")
    with pytest.raises(KeyFaultError, match="needs a recipient"):
        seal_envelope(PAYLOAD, [])
    copy = tmp_path / "copy.pub"
    copy.write_text(f"# a copy\n{recipients[0].key}\n")
    with pytest.raises(KeyFaultError, match="copy and one are the same key"):
        seal_envelope(PAYLOAD, [*recipients, load_recipient(copy)])
    with pytest.raises(KeyFaultError):
        seal_envelope(PAYLOAD, [*recipients, Recipient("loud", recipients[0].key.upper())])


def test_grease_is_not_counted(tmp_path: Path) -> None:
    """The filler stanza that the library adds belongs to nobody; over many envelopes the count stays right."""
    recipients, _ = people(tmp_path, "one", "two")
    seen = [read_stanzas(seal_envelope(PAYLOAD, recipients)) for _ in range(50)]
    assert {stanzas.count("X25519") for stanzas in seen} == {2}
    assert any("grease" in stanzas for stanzas in seen)


def header(*stanzas: bytes) -> bytes:
    """An age header of these stanzas; nothing but the header is sound."""
    return b"age-encryption.org/v1\n" + b"".join(stanzas) + b"--- " + b"A" * 43 + b"\n" + bytes(32)


GOOD = b"-> X25519 " + b"A" * 43 + b"\n" + b"B" * 43 + b"\n"
GREASE = b"-> x-grease a b\n" + b"C" * 64 + b"\n" + b"\n"


def test_header_reader_accepts_what_the_specification_writes() -> None:
    """Recipients in any number and one filler, whose body may be empty or end on a full line."""
    assert read_stanzas(header(GOOD)) == ("X25519",)
    assert read_stanzas(header(GOOD, GREASE, GOOD)) == ("X25519", "grease", "X25519")
    assert read_stanzas(header(GOOD, b"-> -grease\n\n")) == ("X25519", "grease")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"age-encryption.org/v1",
        header(),
        header(GREASE),
        header(GOOD, GREASE, GREASE),
        header(GOOD, b"-> scrypt " + b"A" * 22 + b" 18\n" + b"B" * 43 + b"\n"),
        header(GOOD, b"-> piv-p256 AAAA " + b"A" * 44 + b"\n" + b"B" * 43 + b"\n"),
        header(GOOD, b"-> ssh-ed25519 AAAA " + b"A" * 43 + b"\n" + b"B" * 43 + b"\n"),
        header(GOOD, b"-> mlkem768x25519 " + b"A" * 43 + b"\n" + b"B" * 43 + b"\n"),
        header(GOOD, b"-> X25519 " + b"A" * 43 + b" more\n" + b"B" * 43 + b"\n"),
        header(GOOD, b"-> X25519\n" + b"B" * 43 + b"\n"),
        header(GOOD, b"-> x25519 " + b"A" * 43 + b"\n" + b"B" * 43 + b"\n"),
        header(GOOD, b"-> grease\n\n"),
        header(GOOD, b"->  x-grease\n\n"),
        header(GOOD, b"-> x-grease\n" + b"C" * 65 + b"\n"),
        header(GOOD, b"-> x-grease\n" + b"C" * 64 + b"\n"),
        header(GOOD, b"stray\n"),
        header(GOOD, b"\n"),
        header(GOOD.replace(b"\n", b"\r\n")),
        header(GOOD).replace(b"--- " + b"A" * 43, b"---"),
        header(GOOD)[:80],
        b"age-encryption.org/v2" + header(GOOD)[21:],
        b"-----BEGIN AGE ENCRYPTED FILE-----\n",
        b"PAR1" + bytes(100),
    ],
)
def test_any_other_header_is_refused(data: bytes) -> None:
    """A passphrase, a plugin, a malformed or cut header: refused on counting and on opening, as release damage."""
    for read in (count_stanzas, lambda data: open_envelope(data, [])):
        with pytest.raises(ReleaseError):
            read(data)


def test_an_envelope_of_another_kind_is_refused(tmp_path: Path) -> None:
    """A real age file under a passphrase's work, and one in armor, are not envelopes."""
    recipients, identities = people(tmp_path, "one")
    armored = pyrage.encrypt(PAYLOAD, [pyrage.x25519.Recipient.from_str(recipients[0].key)], armored=True)
    with pytest.raises(ReleaseError):
        open_envelope(bytes(armored), identities)


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, Identity]:
    """One envelope and the identity that opens it."""
    recipients, identities = people(tmp_path_factory.mktemp("age"), "one")
    return seal_envelope(PAYLOAD, recipients), identities[0]


@settings(max_examples=200)
@given(st.data())
def test_no_bit_of_an_envelope_can_be_changed(sealed: tuple[bytes, Identity], data: st.DataObject) -> None:
    """Every flip of a bit and every cut is found."""
    envelope, identity = sealed
    changed = bytearray(envelope)
    if data.draw(st.booleans()):
        bit = data.draw(st.integers(0, len(envelope) * 8 - 1))
        changed[bit // 8] ^= 1 << bit % 8
    else:
        changed = changed[: data.draw(st.integers(0, len(envelope) - 1))]
    with pytest.raises((KeyFaultError, ReleaseError)):
        open_envelope(bytes(changed), [identity])


@given(st.binary(max_size=300))
def test_junk_is_never_an_envelope(junk: bytes) -> None:
    """Arbitrary bytes behind a good first line never count as a header."""
    with pytest.raises(ReleaseError):
        count_stanzas(b"age-encryption.org/v1\n" + junk)


def test_files_have_their_modes_and_are_never_overwritten(tmp_path: Path) -> None:
    """The private file is 0600, the public one 0644; if either exists, neither is written."""
    people(tmp_path, "one")
    assert (tmp_path / "one.key").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "one.pub").stat().st_mode & 0o777 == 0o644
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    for private, public in (("one.key", "x.pub"), ("x.key", "one.pub")):
        with pytest.raises(KeyFaultError, match="already exists"):
            generate_identity(tmp_path / private, tmp_path / public, None)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_an_identity_open_to_others_is_refused(tmp_path: Path) -> None:
    """A private key that the group may read is refused with the command to type."""
    people(tmp_path, "one")
    (tmp_path / "one.key").chmod(0o640)
    with pytest.raises(KeyFaultError, match="chmod 600"):
        load_identity(tmp_path / "one.key")


def test_an_identity_shows_only_its_public_half(tmp_path: Path) -> None:
    """Text of an identity holds no secret, and it can be neither pickled nor searched by attribute."""
    (recipient,), (identity,) = people(tmp_path, "one")
    assert recipient.key in repr(identity)
    assert "SECRET" not in repr(identity) + str(identity) + str([identity])
    assert not hasattr(identity, "__dict__")
    with pytest.raises(TypeError):
        pickle.dumps(identity)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# only a comment\n",
        "age1\n",
        "age1qqqq\n",
        ZERO,
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHsKLqeplhpW+uObz5dvMgjz1OxfM/XXUB+VHtZ6isGN\n",
        "age1yubikey1qwt50d05nh5vutpdzmlg5wn80xq5negm4uj9ghv0snvdd3yysf5yw3rhl3t\n",
        "\ud800",
    ],
)
def test_files_that_hold_no_recipient_are_refused(tmp_path: Path, text: str) -> None:
    """Empty, short, foreign, low-order and non-UTF-8 files are refused by name."""
    path = tmp_path / "r.pub"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(KeyFaultError, match=r"r\.pub"):
        load_recipient(path)


def test_a_key_of_low_order_is_never_sealed_to() -> None:
    """A recipient made by hand is checked again before anything is encrypted."""
    with pytest.raises(KeyFaultError):
        seal_envelope(PAYLOAD, [Recipient("zero", ZERO)])


def test_a_changed_letter_and_a_second_key_are_refused(tmp_path: Path) -> None:
    """The checksum finds a typing error; a file of two keys is refused."""
    (one, two), _ = people(tmp_path, "one", "two")
    path = tmp_path / "r.pub"
    path.write_text(one.key[:-1] + ("q" if one.key[-1] != "q" else "p"))
    with pytest.raises(KeyFaultError):
        load_recipient(path)
    path.write_text(f"{one.key}\n{two.key}\n")
    with pytest.raises(KeyFaultError, match="on one line"):
        load_recipient(path)
    path.write_text(f"\n# ours\r\n  {one.key}  \r\n")
    assert load_recipient(path) == Recipient("r", one.key)


def test_a_private_key_given_as_a_public_one_is_not_quoted(tmp_path: Path) -> None:
    """Mixing the two files up is explained without showing the private key; the reverse is refused too."""
    people(tmp_path, "one")
    with pytest.raises(KeyFaultError, match="holds a private key") as caught:
        load_recipient(tmp_path / "one.key")
    assert "AGE-SECRET" not in str(caught.value)
    (tmp_path / "one.pub").chmod(0o600)
    with pytest.raises(KeyFaultError, match="identity"):
        load_identity(tmp_path / "one.pub")


def locked(plaintext: bytes, passphrase: bytes, log_n: int) -> bytes:
    """An age file under a passphrase, written by hand from the age v1 specification."""

    def hkdf(key: bytes, salt: bytes, info: bytes) -> bytes:
        return hmac.digest(hmac.digest(salt, key, "sha256"), info + b"\x01", "sha256")

    def text(data: bytes) -> bytes:
        return base64.b64encode(data).rstrip(b"=")

    file_key, salt, nonce = os.urandom(16), os.urandom(16), os.urandom(16)
    wrap = Scrypt(salt=b"age-encryption.org/v1/scrypt" + salt, length=32, n=2**log_n, r=8, p=1).derive(passphrase)
    body = ChaCha20Poly1305(wrap).encrypt(bytes(12), file_key, None)
    head = b"age-encryption.org/v1\n-> scrypt %b %d\n%b\n---" % (text(salt), log_n, text(body))
    mac = hmac.digest(hkdf(file_key, b"", b"header"), head, "sha256")
    payload = ChaCha20Poly1305(hkdf(file_key, nonce, b"payload")).encrypt(bytes(11) + b"\x01", plaintext, None)
    return head + b" " + text(mac) + b"\n" + nonce + payload


def test_a_locked_identity_opens_with_its_passphrase_only(tmp_path: Path) -> None:
    """A file that follows the age specification opens with its passphrase, less one line end, and with no other."""
    (recipient,), _ = people(tmp_path, "one")
    path = tmp_path / "locked.key"
    path.write_bytes(locked((tmp_path / "one.key").read_bytes(), b"four words or more", 10))
    path.chmod(0o600)
    assert load_identity(path, lambda: b"four words or more\n").public == recipient.key
    with pytest.raises(KeyFaultError, match="locked"):
        load_identity(path)
    with pytest.raises(KeyFaultError, match="passphrase") as caught:
        load_identity(path, lambda: b"sentinel")
    assert "sentinel" not in str(caught.value)


def test_a_passphrase_locks_a_new_identity(tmp_path: Path) -> None:
    """With a passphrase, nothing of the private key stands on disk in clear."""
    recipient = generate_identity(tmp_path / "k", tmp_path / "p", b"four words or more\n")
    data = (tmp_path / "k").read_bytes()
    assert data.startswith(b"age-encryption.org/v1\n-> scrypt ")
    assert b"SECRET" not in data
    assert recipient.key.encode() not in data
    assert (tmp_path / "k").stat().st_mode & 0o777 == 0o600


@pytest.mark.long  # age chooses its work by the machine's speed: seconds and a gigabyte, twice
def test_a_new_locked_identity_opens(tmp_path: Path) -> None:
    """What was locked on generation opens with the passphrase it was given."""
    recipient = generate_identity(tmp_path / "k", tmp_path / "p", b"four words or more\n")
    assert load_identity(tmp_path / "k", lambda: b"four words or more").public == recipient.key


@pytest.mark.parametrize("passphrase", [b"", b"\n", b"\xff"])
def test_bad_passphrases_make_no_file(tmp_path: Path, passphrase: bytes) -> None:
    """An empty passphrase, or one that is not text, is refused before anything is written."""
    with pytest.raises(KeyFaultError):
        generate_identity(tmp_path / "k", tmp_path / "p", passphrase)
    assert not list(tmp_path.iterdir())


def test_a_locked_identity_cannot_ask_for_endless_work(tmp_path: Path) -> None:
    """A work factor beyond the bound, or another kind of lock, is refused before the passphrase is asked."""
    path = tmp_path / "k"
    for stanza in (b"-> scrypt " + b"A" * 22 + b" 23\n", b"-> scrypt " + b"A" * 22 + b" 99\n", GOOD):
        path.write_bytes(header(stanza + b"B" * 43 + b"\n"))
        path.chmod(0o600)
        with pytest.raises(KeyFaultError, match="scrypt"):
            load_identity(path, lambda: pytest.fail("the passphrase was asked for"))
