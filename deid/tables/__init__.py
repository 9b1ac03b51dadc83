"""Public-health tables: counts of patients and visits, small cells hidden so that nobody can work them out.

In the order in which data move:
`tabulation`, `document` what is asked ·
`counting`, `code_groups`, `coverage`, `people`, `pairs`, `incidence`, `tallies`, `counted` from rows to counts ·
`cube`, `relations`, `aging`, `unseen`, `linking` cells and what ties them ·
`system`, `audit`, `insiders`, `secondary`, `rounding`, `protect` what is hidden, and the proof ·
`store`, `published`, `beside` what was published before ·
`denominators`, `rates`, `shown`, `sheets`, `page`, `release` what is written.
docs/formats/tabulate.md is the specification.
"""
