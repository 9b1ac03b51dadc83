"""What a judgment is: findings, each with the paragraph that decides, and the strongest basis they leave."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from deid.documents.policy import Basis

STRENGTH = (Basis.SAFE_HARBOR, Basis.LIMITED_DATA_SET, Basis.EXPERT_DETERMINATION)  # the strongest claim first


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found about a column or the request, with the paragraph of 45 CFR Part 164 that decides.

    `subject` is `table.column`, or `period`, `request.cohort`, `request.schedule` and the like.
    `breaks` holds the bases that cannot be claimed because of it; empty for a note that breaks none.
    """

    paragraph: str
    subject: str
    text: str
    breaks: frozenset[Basis]


@dataclass(frozen=True, slots=True)
class Judgment:
    """What plan and request earn together.

    `earned` is the strongest basis that may be claimed; `claimed` is what the policy claims.
    `needs_statement`: the officer must sign that nobody knows how the rest could identify a person, (b)(2)(ii).
    `needs_agreement`: a data-use agreement must be in force, (e)(4).
    """

    earned: Basis
    claimed: Basis
    findings: tuple[Finding, ...]
    needs_statement: bool
    needs_agreement: bool

    @property
    def headline(self) -> str:
        """The judgment in one sentence, which never says that a dataset is de-identified."""
        return NOTHING if self.earns_nothing else HEADLINES[self.earned]

    @property
    def earns_nothing(self) -> bool:
        """Whether every basis is broken: then `earned` reads "needs an expert", and no claim passes."""
        return self.earned is Basis.EXPERT_DETERMINATION and bool(self.breaking(Basis.EXPERT_DETERMINATION))

    @property
    def is_earned(self) -> bool:
        """Whether the policy claims no more than plan and request earn."""
        return not self.breaking(self.claimed)

    def breaking(self, basis: Basis) -> tuple[Finding, ...]:
        """Return the findings because of which `basis` cannot be claimed."""
        return tuple(finding for finding in self.findings if basis in finding.breaks)

    @property
    def notes(self) -> tuple[Finding, ...]:
        """The findings that break no basis."""
        return tuple(finding for finding in self.findings if not finding.breaks)


NOTHING = "earns no basis as it stands: not even an expert is asked before what is listed has been mended"
HEADLINES: dict[Basis, str] = {
    Basis.SAFE_HARBOR: (
        "meets the Safe Harbor list, 164.514(b)(2)(i); Safe Harbor also needs the officer's signed statement of no "
        "actual knowledge, 164.514(b)(2)(ii)"
    ),
    Basis.LIMITED_DATA_SET: (
        "a Limited Data Set, 164.514(e)(2): still protected health information, released only under a data-use "
        "agreement, 164.514(e)(4), for research, public health or health care operations, 164.514(e)(3)"
    ),
    Basis.EXPERT_DETERMINATION: (
        "needs an expert, 164.514(b)(1): this toolkit prepares the evidence and never says that a dataset is "
        "de-identified by Expert Determination; an expert signs that the risk is very small"
    ),
}


_LAST_NUMBER = re.compile(r"(.*?)(\d+)(\D*)", re.DOTALL)


def together(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Return findings with what was found alike of numbered columns, one after another, told as one.

    Its subject is `claims.DATE1 to DATE25`: a file of claims has hundreds of columns, and one reason for many.
    """
    found: list[Finding] = []
    first, name = "", ""  # the subject of the first of a series, and what its subjects have in common
    for finding in findings:
        number = _LAST_NUMBER.fullmatch(finding.subject)
        alike = f"{number[1]}#{number[3]}" if number is not None else ""
        before = found[-1] if found else None
        same = before is not None and (before.paragraph, before.text) == (finding.paragraph, finding.text)
        if same and alike and alike == name:
            found[-1] = replace(finding, subject=f"{first} to {finding.subject.rpartition('.')[2]}")
        else:
            found.append(finding)
            first, name = finding.subject, alike
    return tuple(found)


def strongest(findings: tuple[Finding, ...]) -> Basis:
    """Return the strongest basis that no finding breaks; what breaks every one still needs, at the least, an expert."""
    broken = {basis for finding in findings for basis in finding.breaks}
    return next((basis for basis in STRENGTH if basis not in broken), Basis.EXPERT_DETERMINATION)
