"""Papers: the signed statements that a run stands on, beside the policy's own signature.

`bound` says what an approval is over, be it a release or tables, `approval` signs and verifies both, `determination`
what an expert signs, `agreement` the data-use agreement of a Limited Data Set, `withdrawal` takes any of them back.
`register` tells by the audit log which were let through and which were taken back, `paper` holds a statement against
both; `changes` tells in plain words what is no longer as it was approved. `deid.papers.authorization` alone decides
with them whether something may run; `deid.cli` signs and withdraws them. docs/formats/approval.md and trust.md specify
them.
"""
