"""Coding quality: what is wrong with the codes of a source, counted and never shown; see docs/formats/quality.md."""
