"""The word by which a recalled series goes on; docs/formats/recall.md, "Resumption"."""

from __future__ import annotations

from datetime import date, datetime

from deid.documents.policy import Policy
from deid.documents.site import Site
from deid.errors import TrustError
from deid.keys.files import replace_file
from deid.keys.officers import SigningKey
from deid.papers.signing import sign_document
from deid.papers.trust import RESUMPTION, TrustRoot
from deid.recall.marks import Mark, alone, named
from deid.recall.papers import RESUMPTION_FILE, VERSION, Resumption, digest_of, encode
from deid.sealing.private import FILE


def resume(
    site: Site,
    recall: str,
    policy: Policy,
    key: SigningKey,
    trust: TrustRoot,
    *,
    how: str,
    at: datetime,
    expires: date | None = None,
) -> Mark:
    """Write and sign that the series of a recall goes on under a policy; raise TrustError for a key that may not."""
    if key.keyid not in {able.keyid for able in trust.signers_for(RESUMPTION)}:
        raise TrustError(
            "this key may not say that a recalled series goes on",
            hint=f"{trust.path.name} says who may: {', '.join(trust.may_sign.get(RESUMPTION, ())) or 'nobody'}",
        )
    with alone(site):
        mark = named(site, recall)
        paper = Resumption("deid-resumption/1", recall, mark.digest, mark.notice.request, policy.digest, how)
        data = encode(paper)
        path = mark.folder / RESUMPTION_FILE
        sign_document(
            path, key, RESUMPTION, data_digest=digest_of(data), name=recall, version=VERSION, signed_at=at,
            expires=expires,
        )  # fmt: skip
        replace_file(path, data, mode=FILE)
    return mark
