"""The attack with known codes on all releases of a series together: one pseudonym joins them, one ceiling holds them.

An increment that keeps the ceiling by itself adds codes to patients whose others were told before; and whoever compares
two cumulative files sees what the newer one has more. The attack is that of deid.disclosure.pairs on everything that
was shown so far and what this release would add, under the frozen maps. Either way a release ties what it adds to its
period as a column of dates would: Adversary.DATED knows of each code the release that first showed it, and the dates
that its row shows. Without that the figure falls with every release, as candidates gain codes; with it, it grows.

What somebody knows is drawn from what was shown: two codes that became one item are one thing, which comes out slightly
higher than by codes, and what was left empty narrows nothing. Shifted days tell no date by themselves; the intervals
between them are attacked within each release, and not across: `added` would have to keep the days for that. Codes that
a later cumulative file lacks, since they were corrected, are taken to be shown still.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from deid.disclosure.code_risk import CodeRisk
from deid.disclosure.coded import Coded
from deid.disclosure.pairs import attack
from deid.documents.limits import Adversary
from deid.errors import DisclosureError
from deid.known_codes.code_decision import Mapped
from deid.known_codes.code_numbers import CodeItems
from deid.known_codes.entries import NO_VISIT
from deid.known_codes.mapped_codes import is_declared
from deid.ledger.book import Book
from deid.ledger.records import NEWEST
from deid.ledger.state import State
from deid.ledger.told import Told
from deid.observing.controls import CodeMap

Integers = npt.NDArray[np.int32]
Places = npt.NDArray[np.int64]


def require_known(book: Book, mapped: Mapped) -> None:
    """Raise DisclosureError where releases lie with the party of which nothing is known any more."""
    if book.version != NEWEST and mapped.limits.ceiling_over_time < 1:
        raise DisclosureError(
            f"the ledger of request {book.request} is of version 1 and does not say which codes its releases have "
            "shown, so they cannot be attacked together with another one",
            hint="a policy that answers for it sets limits.codes.over_time to 1; otherwise this series ends",
        )


def added(before: Told, mapped: Mapped, number: int, place: Places, *, is_increment: bool) -> Told:
    """Return what the series has shown with release `number`; `place`: int64 (patients of the run,), in the state.

    Of a cumulative file, what it has more than those before.
    """
    chosen = np.where(mapped.chosen < 0, len(mapped.items.texts), mapped.chosen)
    tied = mapped.tied
    if tied is not None and tied.day is None:
        coded, entry = tied.coded, tied.entry_of(mapped.coded)
        item, dates = chosen[tied.of_code[coded.code]], tied.prints[tied.unit[coded.code]]
        hidden = mapped.hidden[entry]
    else:
        coded, item = mapped.coded, chosen[mapped.coded.code]
        dates, hidden = np.zeros(len(item), np.uint64), mapped.hidden
    item = np.where(hidden, len(mapped.items.texts), item).astype(np.int32)
    at, visit, mentions = _by_visit(coded, kept=Adversary.VISIT in mapped.limits.adversaries)
    used, numbered = np.unique(item[at], return_inverse=True)
    after = before.with_release(
        number, place[coded.patient[at]].astype(np.int32), numbered.astype(np.int32), dates[at], visit, mentions,
        _items(mapped.items, used),
    )  # fmt: skip
    return after if is_increment else after.without_repeated(number)


def risk_of(told: Told, state: State, mapped: Mapped, maps: Mapping[str, CodeMap], k: int) -> CodeRisk:
    """Return the attack on everything that was shown of the patients of a series, under the limits of this release."""
    limits, empty = mapped.limits, told.items["text"].combine_chunks().is_null().to_numpy(zero_copy_only=False)
    draws = tuple(dict.fromkeys((*limits.adversaries, Adversary.DATED)))
    return attack(
        told.coded(state), np.where(empty, -1, np.arange(len(empty))).astype(np.int32), known=limits.known,
        draws=draws, declared=_declared(told, maps), grouped=mapped.grouped, k=k,
        ceiling=limits.ceiling_over_time, tied=told.tied(state, by_release=True),
    )  # fmt: skip


def hold(risk: CodeRisk, mapped: Mapped, request: str, releases: int) -> None:
    """Raise DisclosureError where known codes identify more over all releases than the policy allows."""
    ceiling = mapped.limits.ceiling_over_time
    if risk.bound <= ceiling:
        return
    raise DisclosureError(
        f"over all {releases} releases of request {request} together {mapped.limits.known} known codes, each with "
        f"its period, would identify {100 * risk.bound:.1f} % of the patients; limits.codes.over_time is "
        f"{100 * ceiling:g} %",
        hint="this series can go on under a policy, signed anew, whose limits.codes.over_time is "
        f"{math.ceil(1000 * risk.bound) / 1000:g} or more, and ends without one. A study that is not begun yet leaves "
        "room by longer periods and a lower ceiling at its first release; docs/adr/0018 has figures",
    )


def _by_visit(coded: Coded, *, kept: bool) -> tuple[Places, Integers, Integers]:
    """Return a row for each entry and visit: entry, visit, and the mentions of the entry in the first of its rows."""
    count = len(coded.patient)
    at, visit = np.arange(count), np.full(count, NO_VISIT, np.int32)
    if kept and coded.visits is not None:
        alone = np.setdiff1d(at, coded.visits[:, 0])
        at = np.concatenate([coded.visits[:, 0].astype(np.int64), alone])
        visit = np.concatenate([coded.visits[:, 1], np.full(len(alone), NO_VISIT, np.int32)])
    _, first = np.unique(at, return_index=True)
    mentions = np.zeros(len(at), np.int32)
    mentions[first] = coded.mentions[at[first]]
    return at, visit, mentions


def _items(items: CodeItems, used: npt.NDArray[np.integer]) -> pa.Table:
    is_item = used < len(items.texts)
    at = pa.array(used.astype(np.int64), mask=~is_item)
    owner = np.append(items.system_of_item, -1)[used]
    systems = pa.array(items.systems, pa.string()).take(pa.array(owner.astype(np.int64), mask=owner < 0)).fill_null("")
    return pa.table({"system": systems, "text": items.texts.take(at)})


def _declared(told: Told, maps: Mapping[str, CodeMap]) -> npt.NDArray[np.bool_]:
    """Return which items stand for codes that the study declares, bool (items,)."""
    systems, texts = told.items["system"].to_numpy(), told.items["text"].combine_chunks()
    found = np.zeros(len(systems), bool)
    for name, each in maps.items():
        own = np.flatnonzero(systems == name)
        shown = texts.take(pa.array(own))
        behind = each.items.filter(is_declared(name, each.declared, each.codes))
        either = pc.or_(is_declared(name, each.declared, shown), pc.is_in(shown, value_set=behind))
        found[own] = pc.and_(either, pc.is_valid(shown)).to_numpy(zero_copy_only=False)
    return found
