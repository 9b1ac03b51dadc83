"""Judges a policy alone: whether every rule, on whatever table, is allowed on the basis that the policy claims."""

from __future__ import annotations

from deid.documents.policy import Basis, Policy
from deid.errors import PlanError
from deid.kinds import KINDS
from deid.legal import Finding, verdict


def check_policy(policy: Policy) -> tuple[Finding, ...]:
    """Return the notes on a policy whose every rule is allowed; raise PlanError naming each rule that breaks its claim.

    Overrides of single columns are judged with each plan, because only a description tells the column's kind.
    """
    rules = list(policy.rules.items())
    rules += [(kind, rung) for kind, ladder in policy.limits.recoding.items() for rung in ladder]
    findings = [finding for kind, rule in rules for finding in verdict(KINDS[kind], rule, subject=kind)]
    broken = [finding for finding in findings if policy.basis in finding.breaks]
    if policy.basis is Basis.EXPERT_DETERMINATION and policy.limits.k is None:
        findings.append(
            Finding(
                "164.514(b)(1)",
                "limits",
                "no k is set: the expert must find the risk very small by other means",
                frozenset(),
            )
        )
    if broken:
        listed = "".join(f"\n  - {finding.subject}: {finding.text} ({finding.paragraph})" for finding in broken)
        claim = policy.basis.value.replace("_", " ")
        raise PlanError(
            f"policy {policy.name} claims {claim} and its rules do not earn that:{listed}",
            hint="mend the rules that are listed, or claim another basis; docs/reference/legal-table.md has every case",
        )
    return tuple(finding for finding in findings if not finding.breaks)
