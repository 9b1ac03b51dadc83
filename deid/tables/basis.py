"""Whether a policy lets tables be published, by 45 CFR 164.514; docs/adr/0019 argues it.

Tables are for everybody, so no agreement binds a reader. The policy's rule for a kind bounds what a dimension may tell.
"""

from __future__ import annotations

from deid.documents.policy import Basis, Policy
from deid.errors import PlanError
from deid.tables.people import kind_of
from deid.tables.tabulation import CODES, PERIODS, PLACES, Tabulation
from deid.transforms.base import Transform
from deid.transforms.drop import Drop
from deid.transforms.generalize_age import GeneralizeAge
from deid.transforms.generalize_date import GeneralizeDate
from deid.transforms.generalize_zip import GeneralizeZip

_SAFE_HARBOR = frozenset({"years", "year", "state", "zip3", "age", "sex", "race", "ethnicity", CODES})
SAFE_HARBOR_SMALLEST = 11


def require(asked: Tabulation, policy: Policy) -> None:
    """Raise PlanError, with the paragraph, for tables that the policy's basis or its rules do not allow."""
    if policy.basis is Basis.LIMITED_DATA_SET:
        raise PlanError(
            "a Limited Data Set goes to recipients under an agreement, and tables go to everybody, 164.514(e)(1)",
            hint="use a policy on the basis of safe_harbor or expert_determination",
        )
    limits = policy.limits.tables
    if limits.method == "round" and limits.base < limits.smallest:
        raise PlanError(
            f"multiples of {limits.base} show counts below {limits.smallest}, the least that the policy lets be shown",
            hint=f"set limits.tables.base to {limits.smallest} or more",
        )
    if policy.basis is Basis.SAFE_HARBOR:
        finer = sorted(asked.dimensions - _SAFE_HARBOR)
        if finer:
            raise PlanError(
                f"tables by {', '.join(finer)} tell places below a state or parts of a year, 164.514(b)(2)(i)(B), (C)",
                hint="take state or zip3, and years; or a policy on the basis of expert_determination",
            )
        if asked.bands and asked.bands[-1].low > 90:
            raise PlanError(
                "an age band begins above 90, 164.514(b)(2)(i)(C)", hint="let the last band be 90+ or wider"
            )
        if limits.smallest < SAFE_HARBOR_SMALLEST:
            raise PlanError("cells below 11 need an expert", hint="set limits.tables.smallest to 11 or more")
        if limits.protection < SAFE_HARBOR_SMALLEST - 1:
            raise PlanError(
                "marks that can be told to lie within less than 10 of each other need an expert",
                hint="set limits.tables.protection to 10 or more",
            )
    for dimension in sorted(asked.dimensions):
        _check_dimension(asked, policy, dimension)


def _check_dimension(asked: Tabulation, policy: Policy, dimension: str) -> None:
    for kind in kinds_of(asked, dimension):
        rule = policy.rules.get(kind)
        if rule is None or isinstance(rule, Drop):
            raise PlanError(
                f"policy {policy.name} lets nothing be told by {dimension}: its rule for {kind} is "
                f"{'missing' if rule is None else 'drop'}",
                hint="leave the dimension out, or ask the privacy officer for a rule",
            )
        if not _allows(rule, asked, dimension):
            raise PlanError(
                f"tables by {dimension} tell more than the rule of policy {policy.name} for {kind}",
                hint="take a coarser dimension, or ask the privacy officer for another rule",
            )


def kinds_of(asked: Tabulation, dimension: str) -> tuple[str, ...]:
    """Return the kinds of columns that a dimension of these tables tells of."""
    if dimension in PERIODS:
        return ("service_date",)
    if dimension == CODES:
        kinds = {kind for group in asked.groups.values() for kind in group}
        return tuple(sorted(kinds | ({asked.level[0]} if asked.level else set())))
    return ("state", "county") if dimension == "county" else (kind_of(dimension),)


def _allows(rule: Transform, asked: Tabulation, dimension: str) -> bool:
    """Whether a dimension tells no more than its rule would leave of each row."""
    if isinstance(rule, GeneralizeDate):
        return rule.to in PERIODS and rule.width == 1 and PERIODS.index(dimension) <= PERIODS.index(rule.to)
    if isinstance(rule, GeneralizeAge):
        widths = [band.high - band.low + 1 for band in asked.bands[:-1]]
        return all(width >= rule.width for width in widths) and asked.bands[-1].low <= rule.top
    if isinstance(rule, GeneralizeZip):
        return dimension in PLACES
    return True
