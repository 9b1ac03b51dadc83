"""Standing requests: which periods are due, made each once, and what becomes of those that fail.

calendar.py is the block `schedule` of a request, read by `deid.documents.request`; standing.py finds the requests of a
site; record.py is what was done when; witnesses.py says what counts as run; due.py puts them together, and running.py
makes what is due by `deid.export`; units.py writes what starts it. `deid.cli` calls the last three.
docs/formats/schedule.md is the specification.
"""
