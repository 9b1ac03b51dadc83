"""Sections that people answer for: conditions, determination, provenance."""

from __future__ import annotations

from deid.reports.markup import Html, facts, join, paragraph, tag, words
from deid.reports.model import RiskReport


def conditions(report: RiskReport) -> Html:
    """Conditions of use, what the figures leave open, and until when they hold."""
    return join(
        (
            tag("ul", *(tag("li", sentence) for sentence in report.conditions)),
            tag("h3", "What the figures leave open"),
            tag("ul", *(tag("li", sentence) for sentence in report.limitations)),
            tag("h3", "Until when"),
            paragraph(
                f"The release expires on {report.about.expires}. Risk changes with what others publish: it is weighed "
                "anew before a renewal, and where conditions of use, recipients or outside data change."
            ),
        )
    )


def determination(report: RiskReport) -> Html:
    """Slots for the expert."""
    found = report.determination
    if not found.statement:
        basis = words(report.about.basis_claimed)
        return paragraph(f"The release is made on {basis}; no determination by an expert is asked for.", class_="none")
    slots = (
        ("Name", found.expert),
        ("Qualifications", found.qualifications),
        ("Date", found.date),
        ("Signature", found.signature),
    )
    lines = [tag("div", *([tag("b", value)] if value else []), name) for name, value in slots]
    return join(
        (
            paragraph(tag("strong", found.statement)),
            paragraph(
                "I have read this report, the policy and the plan, and determine that the risk is very small that the "
                "information could be used, alone or in combination with other reasonably available information, by "
                "the anticipated recipient to identify an individual who is a subject of the information."
            ),
            tag("div", *lines, class_="slots"),
        )
    )


def provenance(report: RiskReport) -> Html:
    """Names, digests and versions."""
    about = report.about
    series = f"{about.schedule}, {about.series}" + (f", period {about.period}" if about.period else "")
    listing = facts(
        (
            ("release", about.release),
            ("request", join((about.request, " ", tag("code", about.request_sha256)))),
            ("receiving party", f"{about.party}, {about.recipients} public key{'' if about.recipients == 1 else 's'}"),
            ("protocol", about.protocol or "none"),
            ("schedule and series", series),
            ("cohort", about.cohort or "everybody"),
            ("policy", join((f"{about.policy}, version {about.policy_version} ", tag("code", about.policy_sha256)))),
            ("dataset description", tag("code", about.dataset_sha256)),
            ("legal basis", f"claims {words(about.basis_claimed)}, earns {words(about.basis_earned)}"),
            ("deciding paragraphs", ", ".join(about.paragraphs) or "none"),
            ("made", f"on {about.created} by deid {about.deid}"),
        )
    )
    versions = tag("ul", *(tag("li", version) for version in report.versions))
    return join(
        (
            listing,
            tag("h3", "Lists that rules and rungs rest on"),
            versions if report.versions else paragraph("None.", class_="none"),
        )
    )
