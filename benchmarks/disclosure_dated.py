"""What it costs that codes are known with the dates they are tied to: mentions in full, demographics, time, memory.

Run `python benchmarks/disclosure_dated.py [patients]`, 20,000 without a number, on the ICD-10 model of
deid.synthetic.histories: recoding and map chosen together, with and without dates, by what the release ties together;
then the map beside sex alone.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from disclosure_codes import klass_of

from deid.disclosure.code_maps import MapFound, search_map
from deid.disclosure.code_nodes import NodeChoice, search_node
from deid.disclosure.dated import Tied
from deid.disclosure.pairs import attack
from deid.documents.limits import Adversary, CodeLimits
from deid.errors import DisclosureError
from deid.synthetic.histories import draw_histories
from deid.synthetic.histories_coded import coded_histories, dated_histories

LADDER = (("k11", 0.25), ("age10sex", 0.4), ("age20sex", 0.5), ("sex", 0.75), ("age20", 0.78), ("none", 1.0))
SETS = CodeLimits(0.09, ("icd10cm",))
VISITS = replace(SETS, adversaries=(*SETS.adversaries, Adversary.VISIT))
CASES = (
    ("sets of the patient", SETS, 0),
    ("sets, years in the rows", SETS, 365),
    ("visits", VISITS, 0),
    ("visits with years", VISITS, 365),
    ("visits with quarters", VISITS, 91),
)


def main() -> None:
    """Print a line for each case."""
    model = draw_histories(int(sys.argv[1]) if len(sys.argv) > 1 else 20_000)
    coded, tree = coded_histories(model, klass_of(model, "none"))
    nodes = [NodeChoice(at, klass_of(model, name), loss) for at, (name, loss) in enumerate(LADDER)]
    sex = coded.released(klass_of(model, "sex"))
    ties = {days: dated_histories(model, coded, days) for _, _, days in CASES if days}
    age = klass_of(model, "age20sex")
    blind = search_map(coded.released(age), tree, SETS, k=11)
    told = attack(
        coded.released(age), blind.items, draws=(*SETS.adversaries, Adversary.DATED), declared=tree.declared,
        tied=ties[365].released(age),
    )  # fmt: skip
    print(f"two codes with their years, on the map that knows of none, age20sex: {_figures(told.mean)}")
    for name, limits, days in CASES:
        tied = ties.get(days)
        asked = replace(limits, adversaries=(*limits.adversaries, Adversary.DATED)) if tied is not None else limits
        grouped = limits is VISITS

        def chosen(asked: CodeLimits = asked, tied: Tied | None = tied, grouped: bool = grouped) -> str:
            found = search_node(lambda: nodes, coded, tree, asked, k=11, grouped=grouped, tied=tied)
            return f"{LADDER[found.number][0]}, loss {found.loss:.2f}, {_told(found.found)}"

        def beside(asked: CodeLimits = asked, tied: Tied | None = tied, grouped: bool = grouped) -> str:
            own = tied.released(sex.klass) if tied is not None else None
            return _told(search_map(sex, tree, asked, k=11, grouped=grouped, tied=own))

        print(f"{name}\n  chosen together: {_timed(chosen)}\n  beside sex: {_timed(beside)}", flush=True)
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB")


def _timed(run: Callable[[], str]) -> str:
    started = time.perf_counter()
    try:
        told = run()
    except DisclosureError as error:
        told = f"refused: {error.message}; {error.hint}"
    return f"{told}, {time.perf_counter() - started:.1f} s"


def _told(found: MapFound) -> str:
    means = ", ".join(f"{risk.adversary} {_figures(risk.mean)}" for risk in found.risk.by)
    return f"{_figures(found.full_share)} in full, {_figures(found.shares[1])} at category ({means})"


def _figures(share: float) -> str:
    return f"{100 * np.float64(share):.1f} %"


if __name__ == "__main__":
    main()
