"""What all tests share; modules beside this file can be imported by every test.

A push runs the same generated examples every time, so that it fails only for what it changed; with DEID_EXPLORE in the
environment, as in `make test-all`, Hypothesis draws new ones. With DEID_BY_TASKS every export that a test runs is cut
into tasks, so that whatever holds for one process is asked of many.
"""

from __future__ import annotations

import os

from hypothesis import settings

settings.register_profile("steady", derandomize=True, deadline=None)
settings.register_profile("explore", derandomize=False, deadline=None, print_blob=True)
settings.load_profile("explore" if os.environ.get("DEID_EXPLORE") else "steady")

if os.environ.get("DEID_BY_TASKS"):
    from spark_engine import by_tasks

    by_tasks()
