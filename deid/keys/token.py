"""A PKCS #11 token as this project uses one: logged in once, keys found by id, faults in plain words.

Nothing here ever asks a token for the value of a key, and a key that could be asked for it is refused.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pkcs11
from pkcs11 import Attribute, KeyType, Mechanism, ObjectClass, TokenFlag
from pkcs11.exceptions import (
    DeviceError,
    FunctionFailed,
    GeneralError,
    NoSuchToken,
    ObjectHandleInvalid,
    PinIncorrect,
    PinLenRange,
    PinLocked,
    PKCS11Error,
    UserAlreadyLoggedIn,
)

from deid.errors import KeyFaultError, KeyServiceError
from deid.keys.files import clean_passphrase
from deid.keys.prf import BLOCK
from deid.keys.uris import TokenPlace

CHUNK = 1 << 20  # bytes of blocks in one call; SoftHSM takes 20 ns a block there, and 27 with four times as much
_WAITS = (0.1, 0.5, 2.0)  # seconds between attempts to find a token: no PIN is tried there
_TRIED = {
    TokenFlag.USER_PIN_COUNT_LOW: "a wrong PIN was given since the last right one",
    TokenFlag.USER_PIN_FINAL_TRY: "one more wrong PIN would lock it",
    TokenFlag.USER_PIN_LOCKED: "its PIN is locked",
}
_NEVER_OUT: Mapping[Attribute, Any] = {
    Attribute.PRIVATE: True,
    Attribute.SENSITIVE: True,
    Attribute.EXTRACTABLE: False,
    Attribute.WRAP: False,
    Attribute.UNWRAP: False,
    Attribute.DERIVE: False,
    Attribute.VERIFY: False,
}
WRAPPING: Mapping[Attribute, Any] = {Attribute.ENCRYPT: True, Attribute.DECRYPT: True, Attribute.SIGN: False}
PSEUDONYMS: Mapping[Attribute, Any] = {Attribute.ENCRYPT: True, Attribute.DECRYPT: False, Attribute.SIGN: False}
DERIVING: Mapping[Attribute, Any] = {Attribute.ENCRYPT: False, Attribute.DECRYPT: False, Attribute.SIGN: True}


class Token:
    """A token that this process is logged in to; one call at a time, as PKCS #11 sessions want it."""

    __slots__ = ("_lock", "_session", "place")

    def __init__(self, place: TokenPlace, session: Any) -> None:
        self.place = place
        self._session = session
        self._lock = threading.RLock()

    def find(self, **criteria: Any) -> list[Any]:
        """Return the secret keys with these attributes, for instance `id` or `label`."""
        wanted = {Attribute[name.upper()]: value for name, value in criteria.items()}
        with self.calling("look for a key"):
            return list(self._session.get_objects({Attribute.CLASS: ObjectClass.SECRET_KEY, **wanted}))

    def one(self, what: str, **criteria: Any) -> Any | None:
        """Return the one key with these attributes, or None; raise KeyFaultError for two, or for one that can leave."""
        found = self.find(**criteria)
        if len(found) > 1:
            raise KeyFaultError(
                f"the token {self.place.token} holds {len(found)} keys where there must be one: {what}",
                hint="two machines made it at once, or it was copied: keep the one that was used, destroy the other",
            )
        if found:
            self._check(found[0], what)
        return found[0] if found else None

    def generate(self, *, id: bytes, label: str, use: Mapping[Attribute, Any]) -> Any:  # noqa: A002
        """Make a 256-bit key that cannot leave the token: AES, or for HMAC where `use` is DERIVING."""
        kind, mechanism = KeyType.AES, Mechanism.AES_KEY_GEN
        if use is DERIVING:
            kind, mechanism = KeyType.GENERIC_SECRET, Mechanism.GENERIC_SECRET_KEY_GEN
        template = {**_NEVER_OUT, **use}
        with self.calling("make a key"):
            key = self._session.generate_key(
                kind, 256, id=id, label=label, store=True, mechanism=mechanism, template=template
            )
        self._check(key, label)
        return key

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Hold a lock that all users of this module on this machine share: what is absent is made once."""
        handle = os.open(self.place.module, os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    @contextmanager
    def calling(self, what: str) -> Iterator[None]:
        """Make a call to the token; raise KeyFaultError in plain words where it fails."""
        with self._lock:
            try:
                yield
            except ObjectHandleInvalid:
                raise KeyFaultError(
                    f"the token {self.place.token} could not {what}: the key was destroyed while it was in use",
                    hint="nothing was published; run `deid keys check`",
                ) from None
            except PKCS11Error as error:
                raise KeyFaultError(
                    f"the token {self.place.token} could not {what}: {type(error).__name__}",
                    hint="check that the token is there and its service runs; nothing was published",
                ) from None

    def _check(self, key: Any, what: str) -> None:
        with self.calling("tell of a key"):
            kept = key[Attribute.SENSITIVE] and not key[Attribute.EXTRACTABLE] and key[Attribute.NEVER_EXTRACTABLE]
        if not kept:
            raise KeyFaultError(
                f"the token {self.place.token} would give away a key: {what}",
                hint="keys are made in the token by deid, and cannot leave it; this one came from elsewhere",
            )


class TokenCipher:
    """AES under a key in a token, for BatchCmac: blocks go in and come out, the key stays."""

    __slots__ = ("_key", "_token")

    def __init__(self, token: Token, key: Any) -> None:
        self._token = token
        self._key = key

    def each(self, blocks: memoryview) -> bytes:
        """Return every block encrypted by itself."""
        with self._token.calling("compute pseudonyms"):
            return b"".join(
                self._key.encrypt(bytes(blocks[start : start + CHUNK]), mechanism=Mechanism.AES_ECB)
                for start in range(0, len(blocks), CHUNK)
            )

    def chained(self, blocks: memoryview) -> bytes:
        """Return the last block of CBC."""
        with self._token.calling("compute pseudonyms"):
            out: bytes = self._key.encrypt(bytes(blocks), mechanism=Mechanism.AES_CBC, mechanism_param=bytes(BLOCK))
        return out[-BLOCK:]


def open_token(place: TokenPlace, pin: Callable[[], bytes]) -> Token:
    """Log in to the token; `pin` is asked for once, and a wrong one is never tried twice.

    Raises KeyFaultError if module or token are missing, the PIN is wrong, or a wrong one was tried before.
    """
    found = _found(place)
    for flag, why in _TRIED.items():
        if flag in found.flags:
            raise KeyFaultError(
                f"the token {place.token} was not tried: {why}",
                hint="log in once with the right PIN by the token's own tool, then again here",
            )
    return Token(place, _log_in(place, found, pin))


def _found(place: TokenPlace) -> Any:
    """Return the token; modules that read files while another process writes them are asked again after a moment."""
    for wait in (*_WAITS, None):
        try:
            library = pkcs11.lib(str(place.module))
            return library.get_token(token_label=place.token, **_serial(place))
        except NoSuchToken:
            # SoftHSM reads what tokens there are once, and passes over one whose files are being written. Beginning
            # anew ends the sessions of this process: they belong to a command that ends if the token is not there.
            library.reinitialize()
            if wait is None:
                raise KeyFaultError(
                    f"there is no token {place.token}",
                    hint="check its label, and that it is plugged in or its service runs",
                ) from None
        except (PKCS11Error, RuntimeError, AttributeError) as error:
            if wait is None or not isinstance(error, PKCS11Error):
                raise KeyFaultError(
                    f"the PKCS #11 module {place.module.name} cannot be used: {type(error).__name__}",
                    hint="give the token maker's module as module-path, for instance /usr/lib/softhsm/libsofthsm2.so",
                ) from None
        time.sleep(wait)
    raise AssertionError("the last attempt has no wait")


def _log_in(place: TokenPlace, found: Any, pin: Callable[[], bytes]) -> Any:
    try:
        text = clean_passphrase(pin()).decode("utf-8")
    except UnicodeDecodeError:
        raise KeyFaultError("the PIN is not UTF-8", hint="PINs are text") from None
    try:
        return found.open(rw=True, user_pin=text)
    except UserAlreadyLoggedIn:  # a login holds for the process: a second provider on one token shares it
        return found.open(rw=True)
    except (PinIncorrect, PinLenRange):
        raise KeyFaultError(
            f"the PIN of the token {place.token} is wrong; it was tried once",
            hint="log in once with the right PIN by the token's own tool: until then it is not tried again from here",
        ) from None
    except PinLocked:
        raise KeyFaultError(
            f"the PIN of the token {place.token} is locked", hint="its security officer unlocks it"
        ) from None
    except PKCS11Error as error:
        # What a busy token says; a wrong PIN was told apart above, so that trying later tries none again.
        kind = KeyServiceError if isinstance(error, (GeneralError, DeviceError, FunctionFailed)) else KeyFaultError
        raise kind(
            f"the token {place.token} refused a session: {type(error).__name__}",
            hint="check that the token is there and its service runs, and run this again",
        ) from None


def _serial(place: TokenPlace) -> dict[str, bytes]:
    return {"token_serial": place.serial.encode()} if place.serial is not None else {}
