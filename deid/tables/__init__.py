"""Public-health tables: counts of patients and visits, small cells hidden so that nobody can work them out.

In the order in which data move: `tabulation` what is asked · `people`, `counting`, `tallies` from rows to counts ·
`cube`, `relations`, `unseen`, `linking` cells and what ties them · `system`, `audit`, `secondary`, `rounding`,
`protect` what is hidden, and the proof · `published`, `beside` what was published before · `denominators`, `rates`,
`shown`, `release` what is written. docs/formats/tabulate.md is the specification.
"""
