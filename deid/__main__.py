"""`python -m deid` is the command `deid`."""

from deid.cli import main

main()
