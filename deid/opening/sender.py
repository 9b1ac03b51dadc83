"""Who made a release: the site's signature over its manifest, held against a trust root of the recipient's own.

docs/formats/release.md, "Signature", is the specification.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path

from deid.errors import ReleaseError
from deid.opening.folder import read_small
from deid.papers.signing import Asked, verify
from deid.papers.trust import MANIFEST, TrustRoot
from deid.release.manifest import SIGNATURE, Manifest


def require_sender(folder: Path, data: bytes, manifest: Manifest, trust: TrustRoot) -> tuple[str, ...]:
    """Return who signed the manifest, as the trust root names them; raise TrustError unless they may.

    `data` are the bytes that `manifest` was read from. Raises ReleaseError where there is no signature.
    """
    try:
        read_small(folder, SIGNATURE)  # a plain file of ordinary size
    except ReleaseError as fault:
        raise ReleaseError(
            f"nobody signed for this release: {fault.message}",
            hint="ask the site for its signature; without --trust and --site-key, who sent it is not asked",
        ) from None
    digest = hashlib.sha256(data).hexdigest()
    asked = Asked(folder.name, MANIFEST, digest, manifest.request, manifest.release, datetime.now(UTC))
    return verify(folder / SIGNATURE, asked, trust).signers
