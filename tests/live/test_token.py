"""Keys in a real PKCS #11 token (SoftHSM2): they never leave it, and everything that can go wrong with it is a fault."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from key_services import PIN, WRONG_PIN, make_token, softhsm, token_uri

from deid.errors import KeyFaultError
from deid.keys import make_provider, open_provider
from deid.keys.prf import BatchCmac

pytestmark = pytest.mark.live
VALUES = pa.array(["", "a", "b" * 15, "c" * 16, "d" * 17, "e" * 255, "f" * 256, "g" * 257, "h" * 5000, None] * 3)


@pytest.fixture(scope="module")
def provider() -> Any:
    """A provider in this process's token, after it made keys of every sort."""
    uri = token_uri(f"sorts-{os.urandom(4).hex()}")
    made: Any = make_provider(uri, lambda: PIN)
    made.create_guard(series="s/p", release="s.r")
    made.cmac("s", "p", "patient_id")
    made.cmac("s", "p", "encounter_id")
    return made


def test_the_token_computes_what_software_computes(provider: Any) -> None:
    """For one key, pseudonyms from the token equal AES-CMAC in software, for values of every number of blocks."""
    from pkcs11 import Attribute, KeyType, ObjectClass

    from deid.keys.token import TokenCipher

    known = bytes(range(32))
    key = provider._token._session.create_object(
        {
            Attribute.CLASS: ObjectClass.SECRET_KEY,
            Attribute.KEY_TYPE: KeyType.AES,
            Attribute.VALUE: known,
            Attribute.ENCRYPT: True,
            Attribute.TOKEN: False,
        }
    )
    inside, software = BatchCmac(TokenCipher(provider._token, key)), BatchCmac(known)
    rng = np.random.default_rng(7)
    many = pa.array([bytes(rng.bytes(int(size))) for size in rng.integers(0, 300, 5000)], pa.binary())
    for values in (VALUES, many, many.dictionary_encode(), pa.array(["x" * 12] * 70_000)):
        assert np.array_equal(inside.digest(values), software.digest(values))


def test_no_key_can_leave_the_token(provider: Any) -> None:
    """Every key is sensitive, was never extractable, can do one thing only, and gives its value to nobody."""
    from pkcs11 import Attribute
    from pkcs11.exceptions import PKCS11Error

    name = provider._token.place.name
    mine = [key for key in provider._token.find() if key.label.startswith(f"{name} ")]
    assert len(mine) == 5
    for key in mine:
        assert (key[Attribute.SENSITIVE], key[Attribute.ALWAYS_SENSITIVE]) == (True, True)
        assert (key[Attribute.EXTRACTABLE], key[Attribute.NEVER_EXTRACTABLE]) == (False, True)
        assert (key[Attribute.LOCAL], key[Attribute.PRIVATE]) == (True, True)
        assert not any(key[Attribute[use]] for use in ("WRAP", "UNWRAP", "DERIVE"))
        with pytest.raises(PKCS11Error):
            key[Attribute.VALUE]
        for change in ({Attribute.EXTRACTABLE: True}, {Attribute.SENSITIVE: False}):
            with pytest.raises(PKCS11Error):
                key.__setitem__(*next(iter(change.items())))
    pseudonyms = [key for key in mine if " pseudonym " in key.label]
    assert len(pseudonyms) == 2  # one for each kind of this series and party
    assert not any(key[Attribute.DECRYPT] for key in pseudonyms)


def test_a_key_that_could_leave_is_not_used(provider: Any) -> None:
    """A pseudonym key that somebody brought in from outside is refused, and so are two of one name."""
    from pkcs11 import Attribute, KeyType

    session = provider._token._session
    inside = provider.cmac("s", "outside", "k")
    key = next(key for key in provider._token.find() if key.label.endswith("pseudonym s outside k"))
    place, label = key.id, key.label
    copy = session.generate_key(KeyType.AES, 256, id=place, label=label, store=True)
    with pytest.raises(KeyFaultError, match="2 keys"):
        provider.cmac("s", "outside", "k")
    key.destroy()
    copy.destroy()
    template = {Attribute.EXTRACTABLE: True, Attribute.SENSITIVE: False}
    loose = session.generate_key(KeyType.AES, 256, id=place, label=label, store=True, template=template)
    with pytest.raises(KeyFaultError, match="give away"):
        provider.cmac("s", "outside", "k")
    loose.destroy()
    with pytest.raises(KeyFaultError, match="destroyed while it was in use"):
        inside.digest(VALUES)


def test_master_keys_are_made_once(provider: Any) -> None:
    """A second generation under one name is refused, and another name in the token has no keys yet."""
    uri = token_uri(provider._token.place.name)
    with pytest.raises(KeyFaultError, match="never overwritten"):
        make_provider(uri, lambda: PIN)
    with pytest.raises(KeyFaultError, match="no master keys"):
        open_provider(token_uri("absent"), lambda: PIN)
    assert open_provider(uri, lambda: PIN).provider_id == provider.provider_id


@pytest.mark.parametrize(
    ("uri", "found"),
    [
        ("pkcs11:token=absent;object=site?module-path={module}", "no token"),
        ("pkcs11:token=deid;object=site?module-path=/nowhere/lib.so", "cannot be used"),
        ("pkcs11:token=deid;object=site;serial=0000?module-path={module}", "no token"),
    ],
)
def test_what_is_not_there_is_a_key_fault(provider: Any, uri: str, found: str) -> None:
    """A missing token, serial number or module is told before a PIN is asked for."""
    with pytest.raises(KeyFaultError, match=found):
        open_provider(uri.format(module=softhsm()), lambda: pytest.fail("the PIN was asked for"))


def run(code: str, environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python in a process of its own, which loads the module afresh."""
    program = f"from deid.keys import make_provider, open_provider\nimport sys\n{textwrap.dedent(code)}"
    command = [sys.executable, "-c", program, *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


OPEN = """
from deid.errors import KeyFaultError
asked = []
def pin():
    asked.append(1)
    return sys.argv[2].encode()
try:
    open_provider(sys.argv[1], pin)
    print("open", len(asked))
except KeyFaultError as fault:
    print(fault.message, len(asked))
"""


def test_a_wrong_pin_costs_one_try(tmp_path: Path) -> None:
    """It is tried once; from then on not even the right one is, until the token's own tool has cleared the count."""
    environment = make_token(tmp_path)
    uri = f"pkcs11:token=deid;object=site?module-path={softhsm()}"
    made = run("make_provider(sys.argv[1], lambda: sys.argv[2].encode())", environment, uri, PIN.decode())
    assert made.returncode == 0, made.stderr
    first = run(OPEN, environment, uri, WRONG_PIN.decode())
    assert "is wrong; it was tried once 1" in first.stdout
    for pin in (WRONG_PIN, WRONG_PIN, PIN):
        later = run(OPEN, environment, uri, pin.decode())
        assert "was not tried: a wrong PIN was given" in later.stdout
        assert later.stdout.strip().endswith(" 0")
    for result in (first, later):
        assert WRONG_PIN.decode() not in result.stdout + result.stderr
    login = "import pkcs11; pkcs11.lib(sys.argv[1]).get_token(token_label='deid').open(user_pin=sys.argv[2])"
    assert run(login, environment, str(softhsm()), PIN.decode()).returncode == 0
    assert run(OPEN, environment, uri, PIN.decode()).stdout == "open 1\n"


def test_a_token_that_goes_away_is_a_key_fault(tmp_path: Path) -> None:
    """Removed in the middle of a run, the token gives one clear fault for each use, and no wrong pseudonym."""
    environment = make_token(tmp_path)
    code = """
    import shutil
    import pyarrow as pa
    from deid.errors import KeyFaultError
    make_provider(sys.argv[1], lambda: sys.argv[2].encode())
    provider = open_provider(sys.argv[1], lambda: sys.argv[2].encode())
    guard = provider.create_guard(series="s/p", release="s.r").id
    wrapped = provider.wrap_under(guard, "n", bytes(32))
    cmac = provider.cmac("s", "p", "k")
    shutil.rmtree(sys.argv[3])
    uses = {
        "pseudonyms": lambda: cmac.digest(pa.array(["a"] * 100)),
        "new pseudonyms": lambda: provider.cmac("s", "p", "other"),
        "wrap": lambda: provider.wrap("n", bytes(32)),
        "unwrap": lambda: provider.unwrap_under(guard, "n", wrapped),
        "subkey": lambda: provider.subkey("ledger"),
        "guard": lambda: provider.create_guard(series="s/p", release="s.r2"),
    }
    for name, use in uses.items():
        try:
            use()
            print(name, "went through")
        except KeyFaultError as fault:
            assert fault.hint
            print(name, "fault")
    """
    uri = f"pkcs11:token=deid;object=site?module-path={softhsm()}"
    ended = run(code, environment, uri, PIN.decode(), str(tmp_path / "tokens"))
    assert ended.returncode == 0, ended.stderr
    assert "went through" not in ended.stdout, ended.stdout
    assert ended.stdout.count("fault") == 6


def test_processes_agree_on_a_new_pseudonym_key(tmp_path: Path) -> None:
    """Several processes that need a key of one series at once, none of which found it, end with the same one.

    SoftHSM refuses some of them a session while another writes; those ask again, as `deid run-due` does.
    """
    environment = make_token(tmp_path)
    uri = f"pkcs11:token=deid;object=site?module-path={softhsm()}"
    made = run("make_provider(sys.argv[1], lambda: sys.argv[2].encode())", environment, uri, PIN.decode())
    assert made.returncode == 0, made.stderr
    code = (
        "import sys, time, pyarrow as pa; from deid.errors import KeyServiceError; from deid.keys import open_provider\n"
        "for attempt in range(20):\n"
        "    try: p = open_provider(sys.argv[1], lambda: sys.argv[2].encode()); break\n"
        "    except KeyServiceError: time.sleep(0.2)\n"
        "for n in range(8): print(p.cmac('s', 'p', str(n)).digest(pa.array(['patient'])).tobytes().hex())\n"
    )
    command = [sys.executable, "-c", code, uri, PIN.decode()]
    running = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    answers = {process.communicate()[0] for process in running}
    assert [process.returncode for process in running] == [0] * 4
    assert len(answers) == 1
    assert len(set(answers.pop().split())) == 8
