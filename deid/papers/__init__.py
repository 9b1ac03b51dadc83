"""Papers: the signed statements that a run stands on, beside the policy's own signature.

`bound` says what an approval is over, `approval` signs and verifies request and approval, `determination` what an
expert signs, `agreement` the data-use agreement of a Limited Data Set, `withdrawal` takes any of them back, `changes`
tells in plain words what is no longer as it was approved. `deid.authorization` alone decides with them whether a plan
may run; `deid.cli.request` and `deid.cli.agreement` sign them. docs/formats/approval.md is the specification.
"""
