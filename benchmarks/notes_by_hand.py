r"""Make annotated notes written by hand, as JSON lines, from their marked-up sources.

Run `python benchmarks/notes_by_hand.py`. In a source a line `=== kind` begins a document, `[[NAME:...]]` marks an
identifier, and `[[~AGE:...]]` what Safe Harbor need not remove; `\u200b` and the like are the characters they name.
Outside documents without identifiers, clock times, weekdays, years, states and ages under 90 are of the latter sort
without a mark.

`notes_development` was written first, and what is missed in it has been read. `notes_unseen` was written by authors who
saw neither carriers nor other notes, and is the split that is looked at only at the end: what is missed in it is told
by counts alone. Nothing is trained on either.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
SETS = ("notes_development", "notes_unseen")
NEGATIVE = "negative"
LABELS = frozenset({"NAME", "LOCATION", "FACILITY", "DATE", "CONTACT", "ID", "AGE", "OTHER", "ORG"})

_MARK = re.compile(r"\[\[(~?)([A-Z]+):((?:(?!\]\]).)+)\]\]", re.DOTALL)
_ESCAPE = re.compile(r"\\u([0-9a-f]{4})")
_STATES = (
    "Alabama|Alaska|Arizona|Arkansas|California|Colorado|Connecticut|Delaware|Florida|Georgia|Hawaii|Idaho|Illinois|"
    "Indiana|Iowa|Kansas|Kentucky|Louisiana|Maine|Maryland|Massachusetts|Michigan|Minnesota|Mississippi|Missouri|"
    "Montana|Nebraska|Nevada|New Hampshire|New Jersey|New Mexico|New York|North Carolina|North Dakota|Ohio|Oklahoma|"
    "Oregon|Pennsylvania|Rhode Island|South Carolina|South Dakota|Tennessee|Texas|Utah|Vermont|Virginia|Washington|"
    "West Virginia|Wisconsin|Wyoming"
)
_CODES = (
    "AL|AK|AZ|AR|CA|CO|CT|DE|FL|GA|HI|ID|IL|IN|IA|KS|KY|LA|ME|MD|MA|MI|MN|MS|MO|MT|NE|NV|NH|NJ|NM|NY|NC|ND|OH|OK|OR|PA|"
    "PR|RI|SC|SD|TN|TX|UT|VT|VA|WA|WV|WI|WY"
)
_FREE = (
    ("TIME", re.compile(r"(?<![\d:])\d{1,2}:\d{2}(?::\d{2})?(?:\s?[ap]\.?m?\b\.?)?(?![\d:])", re.IGNORECASE)),
    ("TIME", re.compile(r"\b\d{1,2}\s?[ap]\.?m\b", re.IGNORECASE)),
    ("DATE", re.compile(r"\b(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)days?\b")),
    ("DATE", re.compile(r"(?<![\w./-])(?:19|20)\d\d(?![\w/-])")),
    ("LOCATION", re.compile(rf"\b(?:{_STATES})\b")),
    ("AGE", re.compile(r"\b[1-8]?\d(?=[- ]?(?:year|month|week|day)s?[- ]old\b|\s?y/?o\b|\s?y\.o\.)")),
    ("AGE", re.compile(r"(?<=[Aa]ged )[1-8]?\d\b|(?<=\bage )[1-8]?\d\b|(?<=\bAge )[1-8]?\d\b")),
    ("AGE", re.compile(r"\b[1-8]?\d ?[MF]\b")),
)
# Where people write 1305 for a time, a number of four digits that may be one is left out.
_BARE_TIME = re.compile(r"(?<![\w/.-])(?:[01]\d|2[0-3])[0-5]\d(?![\w/-])")
_OF_BARE_TIMES = frozenset({"handoff", "nursing", "ems", "phone", "message", "administrative", "form"})
_CODE_OF_STATE = re.compile(rf"\b(?:{_CODES})\b")
_BEFORE_CODE = re.compile(r"state\W{1,5}$", re.IGNORECASE)


def documents(source: str) -> Iterator[dict[str, Any]]:
    """Yield the documents of a marked-up source; ValueError where a mark is not one, by the document's number."""
    parts = re.split(r"^=== (\w+)\n", source, flags=re.MULTILINE)
    for number, (kind, body) in enumerate(zip(parts[1::2], parts[2::2], strict=True), 1):
        text, spans = _read(body.rstrip("\n"))
        if "[[" in text or "]]" in text or any(span["norm"] not in LABELS for span in spans):
            raise ValueError(f"document {number}: a mark that is none")
        if kind != NEGATIVE:
            spans = sorted(spans + _free(text, spans, kind), key=lambda span: int(span["start"]))
        yield {"id": f"{kind}-{number}", "text": text, "spans": spans, "meta": {"kind": kind}}


def _read(body: str) -> tuple[str, list[dict[str, Any]]]:
    text, spans, last = "", [], 0
    for mark in _MARK.finditer(body):
        text += _plain(body[last : mark.start()])
        inner = _plain(mark[3])
        spans.append(_span(text + inner, len(text), mark[2], counted=not mark[1]))
        text, last = text + inner, mark.end()
    return text + _plain(body[last:]), spans


def _plain(text: str) -> str:
    return _ESCAPE.sub(lambda found: chr(int(found[1], 16)), text)


def _span(text: str, start: int, label: str, *, counted: bool, end: int | None = None) -> dict[str, Any]:
    end = len(text) if end is None else end
    told = {"label": label, "text": text[start:end], "norm": label, "safe_harbor": counted}
    return {"start": start, "end": end} | told


def _free(text: str, spans: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    """Return what may stay or go without a mark saying so."""
    taken = [(span["start"], span["end"]) for span in spans]
    found = []
    bare = (("TIME", _BARE_TIME),) if kind in _OF_BARE_TIMES else ()
    for label, pattern in (*_FREE, *bare):
        for match in pattern.finditer(text):
            if not any(match.start() < end and match.end() > start for start, end in taken):
                taken.append(match.span())
                found.append(_span(text, match.start(), label, counted=False, end=match.end()))
    ends = {span["end"] for span in spans if span["norm"] == "LOCATION"}
    for match in _CODE_OF_STATE.finditer(text):
        beside = any(match.start() - gap in ends for gap in (1, 2))
        if beside or _BEFORE_CODE.search(text[max(0, match.start() - 10) : match.start()]):
            found.append(_span(text, match.start(), "LOCATION", counted=False, end=match.end()))
    return found


def made(name: str) -> str:
    """Return what the source of one of `SETS` makes, one JSON object a line."""
    read = documents((HERE / f"{name}.txt").read_text(encoding="utf-8"))
    return "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in read)


if __name__ == "__main__":
    for name in SETS:
        (HERE / f"{name}.jsonl").write_text(made(name), encoding="utf-8")
