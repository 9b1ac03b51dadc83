"""The key by which a site signs what it wrote: heads of its log, manifests. `signing` in docs/formats/site.md."""

from __future__ import annotations

from collections.abc import Callable

from deid.errors import KeyFaultError
from deid.keys.officers import SigningKey
from deid.keys.signers import SCHEMES, open_signer


def open_site_signer(uri: str, passphrase: Callable[[], bytes]) -> SigningKey:
    """Open the signing key that the site file names; raise KeyFaultError where it is missing, locked or elsewhere."""
    if uri.partition(":")[0] not in SCHEMES:
        raise KeyFaultError(
            "the site's signing key is of an unknown scheme", hint="write for instance `signing: file:keys/signing.key`"
        )
    return open_signer(uri, passphrase)
