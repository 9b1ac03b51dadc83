"""Pseudonyms led back to the identifiers they stand for, on an order that two different people have signed.

order.py is the document, consent.py its signatures, marks.py and search.py how an identifier is found, answers.py what
is told and to whom; run.py wires them and enters every outcome in the audit log before anything is told. Only
`deid.cli.reidentify` calls it. docs/formats/reidentification.md is the specification.
"""
