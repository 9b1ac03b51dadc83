"""Writes the table of kinds into docs/formats/audit.md: `python -m deid.audit.page`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from deid.audit.events import SCHEMAS, EventKind

PAGE = Path(__file__).parents[2] / "docs" / "formats" / "audit.md"
_BEGIN, _END = "<!-- kinds: begin; python -m deid.audit.page -->\n", "<!-- kinds: end -->"
_MEANING: Mapping[EventKind, tuple[str, str]] = {
    EventKind.LOG_BEGUN: ("`audit`", "a log begins; after another one that was set aside, with what still held of it"),
    EventKind.LOG_HEALED: ("`audit`", "a torn end was cut off"),
    EventKind.RELEASE_FOUND: ("release", "it lay there when the log began"),
    EventKind.HEAD_SIGNED: ("`audit`, or the release", "a receipt of this head was signed"),
    EventKind.DOCUMENT_SIGNED: ("request, or request and document", "something was let through on this statement"),
    EventKind.DOCUMENT_APPROVED: ("request", "something was let through on this approval"),
    EventKind.DOCUMENT_WITHDRAWN: ("document", "a withdrawal was made, or met by a run"),
    EventKind.RUN_STARTED: ("release", "an export begins"),
    EventKind.RUN_REFUSED: ("release", "it ended without a release; the class of the error, never its text"),
    EventKind.RELEASE_PREPARED: ("release", "a release is about to be renamed into its place; what its manifest tells"),
    EventKind.RELEASE_PUBLISHED: ("release", "it lies there"),
    EventKind.RELEASE_VERIFIED: ("release", "it was verified with the site's own keys"),
    EventKind.RELEASE_OPENED: ("release", "it was opened with the site's own keys"),
    EventKind.RELEASE_ATTACKED: ("release", "the red team attacked it"),
    EventKind.TABLES_PREPARED: (
        "publication",
        "tables are about to be renamed into their place; `sha256` of tables.json",
    ),
    EventKind.TABLES_PUBLISHED: ("publication", "they lie there"),
    EventKind.TABLES_FOUND: ("publication", "they lay there when the log began; `sha256` of tables.json"),
    EventKind.TABLES_REMEMBERED: (
        "dataset",
        "the store of what was published is found further than the log: a run was ended, or the log is new",
    ),
    EventKind.KEY_ROTATED: ("key, release or series", "keys were renewed"),
    EventKind.KEY_SHREDDED: ("release or series", "keys were destroyed"),
    EventKind.CROSSWALK_EXPORTED: ("`crosswalk`", "a copy was taken"),
    EventKind.CROSSWALK_RESTORED: ("`crosswalk`", "a copy was put back"),
    EventKind.REIDENTIFIED: ("request", "one pseudonym was, or was not, led back to its patient"),
    EventKind.RELEASE_RECALLED: ("release", "it was recalled"),
    EventKind.DESTRUCTION_RECEIVED: ("release", "a recipient certified that it was destroyed"),
    EventKind.CHOICES_CHANGED: ("list", "patients opted out, or back in; counts only"),
    EventKind.SCHEDULE_RUN: ("`schedule`", "what was due was run"),
    EventKind.DELIVERY_STARTED: ("release", "it is about to be copied to an object store"),
    EventKind.RELEASE_DELIVERED: ("release", "it lies there, complete"),
    EventKind.RECALL_DELIVERED: ("release", "its recall lies there"),
    EventKind.LEDGER_RESTORED: ("series", "an earlier generation of its ledger was made the current one"),
}


def table() -> str:
    """Return the table of kinds, as Markdown."""
    lines = ["| kind | subject | what happened | details |", "|---|---|---|---|"]
    for kind, schema in SCHEMAS.items():
        subject, what = _MEANING[kind]
        told = ", ".join(f"`{name}`{'?' if form.optional else ''} {form.words}" for name, form in schema.items())
        lines.append(f"| `{kind}` | {subject} | {what} | {told} |")
    return "\n".join(lines) + "\n"


def with_table(text: str) -> str:
    """Return the page with its table made anew."""
    before, _, rest = text.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    return f"{before}{_BEGIN}{table()}{_END}{after}"


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
