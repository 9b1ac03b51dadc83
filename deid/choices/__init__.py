"""Patients' choices and sensitive classes: who and what must not leave, taken for absent before anything is decided.

`store.py` keeps the sealed lists of a site, for the command and for a run. `deid.export` asks `screening.screened`
for the `Screen` of a plan before it observes; `deid.observing.rows` drops by it whatever is left out; `checking.py`
holds the released rows against lists and segments once more, and `bias.py` writes for the site what was left out of
whom. docs/formats/choices.md is the specification, ADR 0026 the reason.
"""

from __future__ import annotations
