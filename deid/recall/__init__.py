"""A release taken back: marked, shredded, notified, and refused from then on.

papers.py are the three documents; register.py what the audit log knows of releases; marks.py what lies in the site's
state; drafting.py finds what is derived; run.py carries a notice out; gate.py refuses; certificates.py takes in what
recipients certify; holdings.py lists who has what. `deid.export` and `deid.tables` ask the gate, `deid.cli` the rest.
docs/formats/recall.md is the specification.
"""
