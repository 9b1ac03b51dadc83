"""Sensitive segments: which rows are on substance use, HIV, mental or reproductive health, of minors, or of Part 2.

`rules.py` is what a policy asks for, read by `written.py` for `deid.documents.policy`; `ranges.py` holds the ranges of
codes in `deid/data/segments.csv`; `telling.py` says which columns of a table tell of a segment, and which rows they
tell, for `deid.planning.needs` and `deid.choices`; `obstacles.py` says to `deid.planning.compiler` what a description
cannot tell. docs/reference/segments.md lists the segments.
"""

from __future__ import annotations
