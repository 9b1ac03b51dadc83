"""Where master keys live. A new provider is one file here and one line in PROVIDERS."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from deid.errors import KeyFaultError
from deid.keys.base import KeyProvider
from deid.keys.local import LocalProvider, open_local

Passphrase = Callable[[], bytes]
Opener = Callable[[str, Path, Passphrase], KeyProvider]


def _local(place: str, folder: Path, passphrase: Passphrase) -> KeyProvider:
    return open_local(folder / place, passphrase)


PROVIDERS: dict[str, Opener] = {
    LocalProvider.scheme: _local,
}


def open_provider(uri: str, passphrase: Passphrase, *, folder: Path = Path()) -> KeyProvider:
    """Open the key provider named by a URI such as `local:keys/site.key`.

    A relative path is read from `folder`. `passphrase` is called only if the provider needs one.
    Raises KeyFaultError for an unknown scheme, a missing or damaged key, or a wrong passphrase.
    """
    scheme, colon, place = uri.partition(":")
    if not colon or not place or scheme not in PROVIDERS:
        raise KeyFaultError(
            f"cannot open the key provider {uri!r}: expected <scheme>:<place>, with a scheme of {', '.join(PROVIDERS)}",
            hint="for example local:keys/site.key, made by `deid keys generate`",
        )
    return PROVIDERS[scheme](place, folder, passphrase)
