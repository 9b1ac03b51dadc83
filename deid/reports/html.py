"""`report.html`: one file that asks for nothing else, reads well on a screen and on paper, and runs no script."""

from __future__ import annotations

from dataclasses import dataclass

from deid.reports import further, sections_codes, sections_data, sections_risk, sections_sign
from deid.reports.markup import Html, join, paragraph, tag, words
from deid.reports.model import RiskReport
from deid.reports.style import CSS
from deid.reports.verdict_model import Result

# Nothing may be fetched, run, framed or sent, whatever a text might say.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


@dataclass(frozen=True, slots=True)
class Section:
    """A section of the page: its place, its heading, for whom it is, and what stands in it."""

    name: str
    title: str
    reader: str
    body: Html


def sections(report: RiskReport) -> tuple[Section, ...]:
    """Return the sections in their order; each is there in every report, and says so where it does not apply."""
    officer, expert, researcher = "For the privacy officer", "For the expert", "For the researcher"
    return (
        Section("ceilings", "Does it hold", officer, sections_risk.ceilings(report)),
        Section(
            "columns", "What was done to each column", f"{officer} and the researcher", sections_data.columns(report)
        ),
        Section("identifiers", "What could identify", expert, sections_risk.quasi_identifiers(report)),
        Section("classes", "Patients who are alike", expert, sections_risk.classes(report)),
        Section("further", "What one more thing tells", expert, further.known_more(report)),
        Section("codes", "What known codes and dates tell", expert, sections_codes.codes(report)),
        Section("ledger", "The series so far", f"{officer} and the expert", sections_codes.ledger(report)),
        Section("bias", "Who was withheld", f"{expert} and the researcher", sections_data.bias(report)),
        Section("utility", "What can still be done", researcher, sections_data.utility(report)),
        Section("quality", "How good the codes are", researcher, sections_data.quality(report)),
        Section("notes", "Notes", officer, sections_data.notes(report)),
        Section("attacks", "Attacks on the release", expert, sections_codes.attacks(report)),
        Section("conditions", "Conditions of use", "For everybody", sections_sign.conditions(report)),
        Section("determination", "Determination", expert, sections_sign.determination(report)),
        Section("provenance", "Where it comes from", officer, sections_sign.provenance(report)),
    )


def to_html(report: RiskReport) -> bytes:
    """Return the page as UTF-8."""
    about = report.about
    parts = sections(report)
    title = f"Report on release {about.release}"
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="referrer", content="no-referrer"),
        tag("title", title),
        tag("style", Html(CSS)),
    )
    header = tag(
        "header",
        paragraph(f"Risk, utility and quality of request {about.request}", class_="kicker"),
        tag("h1", title),
        paragraph(f"{about.purpose}. For {about.requester}.", class_="lead"),
        _verdict(report),
        sections_data.people(report),
    )
    links = [tag("li", tag("a", part.title, href=f"#{part.name}")) for part in parts]
    contents = tag("nav", tag("h2", "Contents"), tag("ol", *links), aria_label="Contents")
    body = tag(
        "main",
        *(
            tag("section", tag("h2", p.title, id=f"{p.name}-h"), paragraph(p.reader, class_="for"), p.body,
                id=p.name, aria_labelledby=f"{p.name}-h")
            for p in parts
        ),
    )  # fmt: skip
    footer = tag(
        "footer",
        paragraph(
            f"Made by deid {about.deid} on {about.created}. Aggregates only: the unit is the patient, and no count of "
            "one to ten patients is shown or can be derived."
        ),
    )
    page = tag("html", head, tag("body", header, contents, body, footer), lang="en")
    return f"<!DOCTYPE html>\n{page}\n".encode()


def _verdict(report: RiskReport) -> Html:
    """Return the first sentence: whether every figure that has a ceiling holds."""
    bound = [verdict for verdict in report.verdicts if verdict.ceiling is not None]
    failed = [verdict for verdict in bound if verdict.result is Result.FAILED]
    open_ = [verdict for verdict in bound if verdict.result is Result.NOT_MEASURED]
    basis = f"Claimed on {words(report.about.basis_claimed)}; the rules earn {words(report.about.basis_earned)}."
    expiry = f"The release expires on {report.about.expires}."
    attacked = sum(attack.result is Result.FAILED for attack in report.attacks)
    if attacked:
        kinds = f"{len(failed)} of {len(bound)} figures with a ceiling, and " if failed else ""
        first, state = f"Failed: {kinds}{attacked} of {len(report.attacks)} attacks on the release.", "failed"
    elif failed:
        first, state = f"{len(failed)} of {len(bound)} figures with a ceiling failed.", "failed"
    elif not bound:
        first, state = "The policy sets no ceilings, so nothing was held against any.", "open"
    else:
        held = len(bound) - len(open_)
        rest = f"; {len(open_)} not measured" if open_ else ""
        first, state = f"{held} of {len(bound)} figures with a ceiling passed{rest}.", "open" if open_ else "passed"
    left = ""
    if report.to_do:
        what = "one thing is" if len(report.to_do) == 1 else f"{len(report.to_do)} things are"
        left = paragraph(f"After the attacks on the release, {what} ", tag("a", "left to decide", href="#attacks"), ".")
        state = "failed" if state == "failed" else "open"
    told = (paragraph(tag("strong", first)), left, paragraph(join((basis, " ", expiry))))
    return tag("div", *told, class_=f"verdict {state}")
