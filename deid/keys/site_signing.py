"""The key by which a site signs what it wrote itself: heads of its audit log. `signing` in docs/formats/site.md."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from deid.errors import KeyFaultError
from deid.keys.officers import SigningKey, load_signing_key


def open_site_signer(uri: str, passphrase: Callable[[], bytes]) -> SigningKey:
    """Open the signing key that the site file names; raise KeyFaultError where it is missing, locked or elsewhere."""
    scheme, _, rest = uri.partition(":")
    if scheme != "file":
        raise KeyFaultError(
            "the site's signing key is of an unknown scheme", hint="write for instance `signing: file:keys/signing.key`"
        )
    return load_signing_key(Path(rest), passphrase)
