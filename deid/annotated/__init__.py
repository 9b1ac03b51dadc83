"""Annotated notes from a seed: what the network is trained on, and a bench that needs no one's records."""

from __future__ import annotations
