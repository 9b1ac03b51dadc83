"""Invented names, places and numbers that stand in the place of a patient's, drawn under the patient's own key."""

from __future__ import annotations

from deid.notes.surrogates.draws import Draws
from deid.notes.surrogates.writer import Surrogates, keys_of

__all__ = ["Draws", "Surrogates", "keys_of"]
