"""The ledgers of a site: the one of a plan, and those of its other series."""

from __future__ import annotations

from deid.errors import DeidError, DisclosureError
from deid.keys.base import KeyProvider
from deid.ledger import Ledger, Series
from deid.ledger.book import Book
from deid.ledger.run import SeriesRun
from deid.ledger.store import open_ledger
from deid.plan import Plan
from deid.site import Site

SUBKEY = "ledger"


def series_of(site: Site, provider: KeyProvider, request: str, party: str) -> Series:
    """Return a series of the site."""
    return Series.of(request, party, state=site.state, releases=site.releases, key=provider.subkey(SUBKEY))


def series_run(plan: Plan, site: Site, provider: KeyProvider) -> SeriesRun | None:
    """Open the ledger of a plan whose policy has a k; None for one that has none.

    Raises DisclosureError where the ledger is lost, rolled back or forked, where the plan would not keep to the first
    release, and where the policy has no k any more and the series has; StorageError where the ledger is damaged.
    """
    series = series_of(site, provider, plan.request.name, plan.request.party)
    if plan.policy.limits.k is None:
        if any(series.folder.glob("generation-*")) and open_ledger(series).book is not None:
            raise DisclosureError(
                f"request {plan.request.name} has releases under k, and policy {plan.policy.name} has none: beside "
                "them this one would tell who is who",
                hint="keep to a policy with k, or begin a new series: a request of another name",
            )
        return None
    others = _others(site, provider, series, must=plan.policy.limits.risk.join is not None)
    return SeriesRun(plan, Ledger.open(series), provider.subkey(SUBKEY), others)


def names(site: Site) -> list[tuple[str, str]]:
    """Return request and party of every series that has a ledger, in order."""
    home = site.state / "ledger"
    found = (path.parent for path in home.glob("*/*/CURRENT")) if home.is_dir() else iter(())
    return sorted((path.parent.name, path.name) for path in found)


def _others(site: Site, provider: KeyProvider, own: Series, *, must: bool) -> list[Book]:
    """Return the books of the other series; a damaged one stops the run where the policy limits joins."""
    books = []
    for request, party in names(site):
        if (request, party) == (own.request, own.party):
            continue
        try:
            book = open_ledger(series_of(site, provider, request, party)).book
        except DeidError:
            if must:
                raise
            continue
        books += [book] if book is not None else []
    return books
