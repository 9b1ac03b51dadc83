"""The global code map under a ceiling: what an adversary gains least by stays as it is, all other codes become a pool.

A code stays in full, or becomes its pool: its chapter, or CCSR category. Rare codes go all the way up, because a pool
of a few rare codes is itself rare: at one risk, full-or-chapter keeps far more than cuts at the nearest level. Declared
codes are no coarser than their category, where k patients have it. The map is one for everybody, so that it is
public, and frequencies and pairwise lifts of codes that stay are exact. No code of fewer than k patients stays in full,
whatever the ceiling, declared or not (deid.disclosure.declared).

First two thresholds are bisected, of patients a code needs to stay: candidate sets only grow where a threshold rises.
Then codes change places by what they cost and what they keep (deid.disclosure.map_refining). Whatever was found is
attacked once more.
"""

from __future__ import annotations

from deid.disclosure.coded import Coded, CodeTree
from deid.disclosure.dated import Tied
from deid.disclosure.map_found import MapFound
from deid.disclosure.map_refining import refined
from deid.disclosure.map_search import MapSearch
from deid.disclosure.part_search import search_of
from deid.disclosure.sampling import Dates
from deid.disclosure.strict_map import every_pair
from deid.documents.limits import CodeLimits

__all__ = ["MapFound", "MapSearch", "search_map"]


def search_map(
    coded: Coded,
    tree: CodeTree,
    limits: CodeLimits,
    *,
    k: int,
    grouped: bool = False,
    refine: bool = True,
    dates: Dates | None = None,
    tied: Tied | None = None,
) -> MapFound:
    """Return the map that keeps the most under `limits.ceiling`, to which every adversary of `limits` is held.

    `grouped`: the release keeps which codes stand in one visit. `dates`: as released, for `limits.known_dates`.
    `tied`: the codes with the dates that the release ties them to, for Adversary.DATED. `refine=False`: thresholds
    alone. Raises DisclosureError, with the nearest settings that would do, where even the coarsest map is over the
    ceiling.
    """
    return map_of(search_of(coded, tree, limits, k=k, grouped=grouped, dates=dates, tied=tied), refine=refine)


def map_of(search: MapSearch, *, refine: bool = True) -> MapFound:
    """Return the map that a search finds; see `search_map`."""
    if search.limits.strict:
        return search.found(*every_pair(search))
    if not refine:
        return search.found(search.two_level())
    near = search.near()
    return search.found(search.settled(refined(search, near), near))
