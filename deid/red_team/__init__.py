"""The side of a red team that knows the truth: it draws what outsiders know, lets attackers loose and judges them."""

from __future__ import annotations

from deid.red_team.run import Other, attack
from deid.red_team.score import Figure, Verdict

__all__ = ["Figure", "Other", "Verdict", "attack"]
