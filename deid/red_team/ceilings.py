"""Which of a policy's ceilings an attack is held to, and what of it: the mean chance, or the greatest."""

from __future__ import annotations

from dataclasses import dataclass

from deid.attacks.base import Candidates
from deid.documents.limits import CodeLimits, Limits

_MEAN, _GREATEST = False, True


@dataclass(frozen=True, slots=True)
class Ceiling:
    """A ceiling of chances from 0 to 1, and where the policy writes it; `of_greatest`: it binds every single one."""

    value: float
    written: str
    of_greatest: bool


def of_candidates(limits: Limits, belief: Candidates, attacker: str) -> tuple[Ceiling, ...]:
    """Return what a policy says of somebody who knows what this attack knew."""
    found = []
    if not belief.codes and not belief.days and attacker != "notes":
        found += _single(limits, limits.risk.prosecutor, "prosecutor")
    codes = limits.codes
    # Codes of one visit count like any others: a release that tells which rows are of one is held to it.
    if codes is not None and (belief.codes or belief.days) and _knows_no_more(belief, codes):
        found.append(Ceiling(codes.ceiling, "limits.codes.ceiling", _MEAN))
    return tuple(found)


def _knows_no_more(belief: Candidates, codes: CodeLimits) -> bool:
    return belief.codes <= codes.known and belief.days <= codes.known_dates


def of_voters(limits: Limits) -> tuple[Ceiling, ...]:
    """Return what a policy says of somebody who compares released patients with everybody."""
    found = _single(limits, limits.risk.journalist, "journalist")
    if limits.risk.marketer is not None:
        found.append(Ceiling(limits.risk.marketer, "limits.risk.marketer", _MEAN))
    return tuple(found)


def of_recipients(limits: Limits) -> tuple[Ceiling, ...]:
    """Return what a policy says of two recipients who put their releases together."""
    return () if limits.risk.join is None else (Ceiling(limits.risk.join, "limits.risk.join", _MEAN),)


def of_one_recipient(limits: Limits, in_both: float) -> tuple[Ceiling, ...]:
    """Return what a policy says of one party with two releases, of whose patients a share `in_both` is in both.

    Of the patients of a release at most `rejoin` may be found among fewer than k; all others hide among k or more.
    """
    if limits.risk.rejoin is None or limits.k is None:
        return ()
    mean = limits.risk.rejoin / in_both + 1 / limits.k if in_both else 1.0
    return (Ceiling(min(1.0, mean), "limits.risk.rejoin", _MEAN),)


def _single(limits: Limits, risk: float | None, name: str) -> list[Ceiling]:
    """Return the ceilings of the chance for a single patient."""
    found = [] if limits.k is None else [Ceiling(1 / limits.k, "limits.k", _GREATEST)]
    return found if risk is None else [*found, Ceiling(risk, f"limits.risk.{name}", _GREATEST)]
