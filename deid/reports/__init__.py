"""The report of a release on risk, utility and quality; docs/formats/report.md is the specification.

What reads a report is here. What makes one is in `deid.reports.build`, `source_side` and `release_side`.
"""

from deid.reports.html import to_html
from deid.reports.model import HTML, JSON, RiskReport, from_json, to_json

__all__ = ["HTML", "JSON", "RiskReport", "from_json", "to_html", "to_json"]
