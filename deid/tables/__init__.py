"""Public-health tables: counts of patients and visits, small cells hidden so that nobody can work them out.

In the order in which data move: `tabulation` what is asked · `dimensions`, `counting` from rows to counts · `cube` the
cells and what ties them · `system`, `audit`, `secondary`, `rounding` what is hidden, and the proof · `published` what
was published before · `denominators`, `rates` · `output`. docs/formats/tabulate.md is the specification.
"""
