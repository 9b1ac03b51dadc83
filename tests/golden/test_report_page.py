"""A small report, as JSON and as the text of its page, that should not change unnoticed."""

from __future__ import annotations

import re
from pathlib import Path

from report_examples import full

from deid.reports import to_html, to_json

GOLDEN = Path(__file__).parent / "report"


def page(data: bytes) -> str:
    """Return a page without its style sheet, one element a line."""
    return re.sub(r"(?s)<style>.*?</style>", "", data.decode()).replace("><", ">\n<")


def test_the_report_is_as_it_was() -> None:
    """JSON and page of the full example equal the files in tests/golden/report; write them anew where meant."""
    assert to_json(full()).decode() == (GOLDEN / "report.json").read_text()
    assert page(to_html(full())) == (GOLDEN / "report.html").read_text()
