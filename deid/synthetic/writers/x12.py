"""X12 837P and 837I (005010X222A1, 005010X223A2): one file of professional and one of institutional claims.

The layout brings its own hazards: children are dependents of a subscriber who is named beside them, some claims replace
others, codes have no dots, admission dates have a time, notes stand in 80 characters.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from deid.synthetic.note_fields import facility_name
from deid.synthetic.population import Population
from deid.synthetic.text_arrays import Ints
from deid.synthetic.writers.x12_claims import Segments, claim, service_lines, subscriber

_PROFESSIONAL = ("ambulatory", "virtual", "home")
_GUIDES = {"professional": "005010X222A1", "institutional": "005010X223A2"}
_CLAIMS_IN_A_SET = 50
_SENDER, _RECEIVER = "DEIDSAMPLES", "NOBODY"
_DAY = "20261101"
_INSURED_BY_PARENTS = date(2007, 11, 1)  # who was born later
_DESCRIPTION = 'dataset: x12-837-sample\nformat: x12_837\nconfirmed: true\nfiles: "*.txt"\n'


def write_x12_837(population: Population, folder: Path) -> None:
    """Write a population's encounters as claims: `professional.txt`, `institutional.txt` and `dataset.yaml`."""
    folder.mkdir(parents=True, exist_ok=True)
    stays = population.encounters
    is_professional = pc.is_in(stays["encounter_class"], value_set=pa.array(_PROFESSIONAL))
    for number, (name, chosen) in enumerate(
        (("professional", is_professional), ("institutional", pc.invert(is_professional))), start=1
    ):
        with (folder / f"{name}.txt").open("w", encoding="utf-8", newline="") as file:
            file.writelines(interchange(population, stays.filter(chosen), kind=name, number=number))
    (folder / "dataset.yaml").write_text(_DESCRIPTION, encoding="utf-8")


def interchange(population: Population, stays: pa.Table, *, kind: str, number: int) -> Iterator[str]:
    """Yield the text of one interchange of `stays`; `kind` is professional or institutional, `number` its ISA13."""
    group = f"GS*HC*{_SENDER}*{_RECEIVER}*{_DAY}*1200*{number}*X*{_GUIDES[kind]}~\n"
    yield (
        f"ISA*00*{'':10}*00*{'':10}*ZZ*{_SENDER:15}*ZZ*{_RECEIVER:15}*{_DAY[2:]}*1200*^*00501*{number:09}*0*T*:~\n{group}"
    )
    yield from _sets(population, stays, kind)
    sets = -(-len(stays) // _CLAIMS_IN_A_SET)
    yield f"GE*{sets}*{number}~\nIEA*1*{number:09}~\n"


def _sets(population: Population, stays: pa.Table, kind: str) -> Iterator[str]:
    """Yield transaction sets; each has one billing provider, the facility of its first claim."""
    order = np.arange(len(stays)) % _CLAIMS_IN_A_SET
    body = Segments(len(stays))
    subscriber(body, population, stays, _levels(population, stays, order))
    claim(body, population, stays, institutional=kind == "institutional")
    lines, counts = service_lines(population, stays, institutional=kind == "institutional")
    texts = pc.binary_join_element_wise(body.text, lines, "")
    sizes = body.count + counts
    facilities = stays["facility_id"].to_pylist()
    for number, first in enumerate(range(0, len(stays), _CLAIMS_IN_A_SET), start=1):
        last = min(first + _CLAIMS_IN_A_SET, len(stays))
        head = _head(number, kind, facilities[first])
        size = head.count("~") + int(sizes[first:last].sum()) + 1
        yield head + "".join(texts[first:last].to_pylist()) + f"SE*{size}*{number:04}~\n"


def _levels(population: Population, stays: pa.Table, order: Ints) -> pa.Table:
    """Return the numbers (HL01) of each claim's subscriber and dependent; 1 is the billing provider."""
    minor = pc.is_in(stays["patient_id"], value_set=minors(population)).to_numpy(zero_copy_only=False)
    used = np.cumsum(1 + minor.astype(np.int64))
    before = np.r_[0, used[:-1]]
    start = before[np.arange(len(order)) - order]
    own = before - start + 2
    return pa.table({"subscriber": own, "dependent": pa.array(own + 1, mask=~minor)})


def minors(population: Population) -> pa.Array:
    """Return the keys of the patients who are insured through somebody else."""
    people = population.patients
    return people.filter(pc.greater(people["birth_date"], pa.scalar(_INSURED_BY_PARENTS)))[
        "patient_id"
    ].combine_chunks()


def _head(number: int, kind: str, facility: str) -> str:
    npi = f"{1_000_000_004 + int(facility[1:]) * 10}"
    name = facility_name(facility).upper()
    return (
        f"ST*837*{number:04}*{_GUIDES[kind]}~\nBHT*0019*00*{number:06}*{_DAY}*1200*CH~\n"
        f"NM1*41*2*DEID SAMPLES*****46*{_SENDER}~\nPER*IC*THE GENERATOR*TE*6175550100~\n"
        f"NM1*40*2*NOBODY AT ALL*****46*{_RECEIVER}~\nHL*1**20*1~\nPRV*BI*PXC*261QM1300X~\n"
        f"NM1*85*2*{name}*****XX*{npi}~\nN3*1 SAMPLE SQUARE~\nN4*BOSTON*MA*021180001~\nREF*EI*999999999~\n"
    )
