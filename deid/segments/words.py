"""What a release says of what was left out of it, and the notice that goes with records of 42 CFR Part 2."""

from __future__ import annotations

from deid.documents.policy import Basis
from deid.planning.plan import Plan
from deid.release.manifest import ExcludedEntry
from deid.segments.ranges import VERSION, digest, segments
from deid.segments.rules import MINORS, Part2Basis, SegmentRule, Unit
from deid.segments.telling import rules_of

NOTICE = "PART2-NOTICE.txt"
_STATEMENT = "42 CFR part 2 prohibits unauthorized use or disclosure of these records."  # 42 CFR 2.32(a)(2)
_GROUNDS = {
    Part2Basis.RESEARCH: "scientific research, 42 CFR 2.52",
    Part2Basis.AUDIT: "audit and evaluation, 42 CFR 2.53",
    Part2Basis.CONSENT: "the written consent of each patient, 42 CFR 2.31",
}
_COPY = """
A disclosure by consent is accompanied by a copy of the consent or a clear explanation of its scope (42 CFR 2.32). The
site that made this release gives it to the recipient beside this file.
"""


def excluded_entry(plan: Plan) -> ExcludedEntry | None:
    """Return what the manifest tells of segments, consent and Part 2, None where there is nothing to tell."""
    rules = rules_of(plan.policy, plan.dataset)
    basis = plan.policy.segments.part2_basis
    consent = plan.policy.choices.consent_is_required
    if not rules and basis is None and not consent:
        return None
    by_codes = any(rule.name in segments() for rule in rules)
    return ExcludedEntry(
        segments={rule.name: rule_words(rule) for rule in rules},
        ranges=f"{VERSION} sha256:{digest()}" if by_codes else None,
        part2_basis=basis.value if basis is not None else None,
        consent_required=consent,
    )


def excluded_lines(plan: Plan) -> list[str]:
    """Return what the codebook tells of it, lines of Markdown."""
    entry = excluded_entry(plan)
    if entry is None:
        return []
    lines = [f"- Left out: segment {name}, {words}" for name, words in entry.segments.items()]
    lines += ["- Only patients who consented are in"] if entry.consent_required else []
    lines += [f"- Records of 42 CFR Part 2 are in: {entry.part2_basis}"] if entry.part2_basis else []
    return lines


def rule_words(rule: SegmentRule) -> str:
    """Return what a rule leaves out, for people."""
    what = "patients with a row" if rule.exclude is Unit.PATIENTS else "visits with a row"
    words = f"visits under {rule.under}" if rule.name == MINORS and rule.exclude is Unit.VISITS else what
    if rule.name == MINORS and rule.exclude is Unit.PATIENTS:
        words = f"patients with a visit under {rule.under}"
    if rule.is_by_consent:
        words = "visits with a row, of patients who did not consent"
    return f"{words}, in {', '.join(rule.states)}" if rule.states else words


def notices(plan: Plan) -> dict[str, bytes]:
    """Return, by file name, what goes with Part 2 records that are not de-identified; nothing without them."""
    basis = plan.policy.segments.part2_basis
    if basis is None or plan.policy.basis is not Basis.LIMITED_DATA_SET or basis is Part2Basis.DEIDENTIFIED:
        return {}
    lines = f"{_STATEMENT}\n\nThey are released as a Limited Data Set (45 CFR 164.514(e)) for {_GROUNDS[basis]}.\n"
    return {NOTICE: (lines + (_COPY if basis is Part2Basis.CONSENT else "")).encode()}
