"""The ledgers of a site: the one of a plan, and those of its other series."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from msgspec import UNSET

from deid.documents.site import Site
from deid.errors import DisclosureError
from deid.keys.base import KeyProvider
from deid.keys.recipients import Recipient
from deid.ledger import Ledger, Series
from deid.ledger.beside import Beside, require_known, require_same_request
from deid.ledger.run import SeriesRun
from deid.ledger.store import open_ledger
from deid.planning.plan import Plan

SUBKEY = "ledger"


def series_of(site: Site, provider: KeyProvider, request: str, party: str) -> Series:
    """Return a series of the site."""
    return Series.of(request, party, state=site.state, releases=site.releases, key=provider.subkey(SUBKEY))


def series_run(plan: Plan, site: Site, provider: KeyProvider, recipients: Sequence[Recipient]) -> SeriesRun | None:
    """Open the ledger of a plan whose policy has a k; None for one that has none.

    `recipients`: the keys that the release will be sealed to.
    Raises DisclosureError where the ledger is lost, rolled back or forked, or that of another series whose releases
    these recipients can read; where the plan would not keep to the first release; and where the policy has no k any
    more and the series has. StorageError where the ledger is damaged.
    """
    series = series_of(site, provider, plan.request.name, plan.request.party)
    limits = plan.policy.limits
    if limits.k is None:
        if any(series.folder.glob("generation-*")) and open_ledger(series).book is not None:
            raise DisclosureError(
                f"request {plan.request.name} has releases under k, and policy {plan.policy.name} has none: beside "
                "them this one would tell who is who",
                hint="keep to a policy with k: those releases stay with the party",
            )
        return None
    readers = tuple(hashlib.sha256(recipient.key.encode()).hexdigest() for recipient in recipients)
    ledger = Ledger.open(series)
    if ledger.book is not None and ledger.book.frozen.asked is UNSET:
        require_same_request(series, ledger.book, plan.request.digest)
    home = site.state / "ledger"
    is_bound = limits.risk.join is not None or (limits.risk.rejoin is not None and limits.risk.rejoin < 1)
    if is_bound:
        require_known(home, site.releases, readers)
    beside = Beside(home, series, lambda request, party: series_of(site, provider, request, party), must=is_bound)
    return SeriesRun(plan, ledger, provider.subkey(SUBKEY), beside, readers)
