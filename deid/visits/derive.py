"""Measures that researchers would otherwise need raw dates or full codes for, computed before these are generalized.

Each is a column of the encounters table with a kind of its own, so that a policy must have a rule for it. A request
names single measures, or a group that stands for several.

docs/reference/derived.md is made from this registry.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass

from deid.codes import visit_flags
from deid.codes.comorbidity import charlson_table
from deid.codes.conditions import AHRQ_CONDITIONS
from deid.schema import DatasetDescription
from deid.visits import evidence
from deid.visits.diagnoses import diagnoses

# The first and the last day of a visit, whichever kinds say them; see deid.observing.selection.
FIRST_DAY, LAST_DAY = "admit_date|service_date", "discharge_date|service_date"


@dataclass(frozen=True, slots=True)
class Measure:
    """One derived measure: its name, its kind, the kinds it needs in the encounters table, and its definition.

    `family` is what codes tell of a visit (see deid.visits.evidence), None for measures of dates; `kinds` are the
    columns of codes it is read from, one of which must be there; `needs_present` that it is told only beside an
    indicator of presence on admission. `source` is where the definition is published.
    """

    name: str
    kind: str
    needs: tuple[str, ...]
    meaning: str
    family: str | None = None
    kinds: tuple[str, ...] = ()
    needs_present: bool = False
    source: str = ""


_QUAN = "Quan 2005, Med Care 43:1130-9"
_AHRQ = "AHRQ, Elixhauser Comorbidity Software Refined for ICD-10-CM, v2026.1"
_NO_DIAGNOSIS = "null where no diagnosis tells"
_NO_INDICATOR = "null where no diagnosis tells, or none has an indicator"
_NO_CODE = "null where the visit has no code that could tell"
_ORIGINAL, _UPDATED = "Charlson 1987, J Chronic Dis 40:373-83", "Quan 2011, Am J Epidemiol 173:676-82"


def _dated() -> Iterator[Measure]:
    yield Measure("age_at_visit", "age", (FIRST_DAY,), "whole years from birth to the first day of the visit")
    yield Measure(
        "length_of_stay", "length_of_stay", (FIRST_DAY, LAST_DAY), "days from the first to the last day of the visit"
    )
    yield Measure(
        "readmitted_30d",
        "readmission",
        (FIRST_DAY, LAST_DAY, "encounter_class"),
        "whether another inpatient stay of the patient began within 30 days after this inpatient stay ended; "
        "null for visits that are not inpatient stays",
    )


def _comorbidities() -> Iterator[Measure]:
    for name, condition in charlson_table().conditions.items():
        yield _coded(
            f"charlson_{name}",
            "comorbidity",
            f"whether a diagnosis of the visit shows {condition.words}{_unless(condition.name)}; {_NO_DIAGNOSIS} "
            "(Quan 2005)",
            evidence.CHARLSON,
            source=_QUAN,
        )
    for name, weights in (("charlson_score", _ORIGINAL), ("charlson_score_2011", _UPDATED)):
        yield _coded(
            name,
            "comorbidity_score",
            "sum of the weights of Charlson's conditions that the visit shows, without points for age "
            f"({weights}; conditions by Quan 2005); {_NO_DIAGNOSIS}",
            evidence.CHARLSON,
            source=f"{_QUAN}; {weights}",
        )
    for name, condition in AHRQ_CONDITIONS.items():
        present = " that was present on admission" if condition.needs_present else ""
        yield _coded(
            f"elixhauser_{name}",
            "comorbidity",
            f"whether a secondary diagnosis of the visit{present} shows {condition.words}{_unless_elixhauser(name)}; "
            f"{_NO_INDICATOR if condition.needs_present else _NO_DIAGNOSIS} (AHRQ v2026.1)",
            evidence.ELIXHAUSER,
            needs_present=condition.needs_present,
            source=_AHRQ,
        )


def _unless(name: str) -> str:
    return _except([c.words for c in charlson_table().conditions.values() if name in c.milder])


def _unless_elixhauser(name: str) -> str:
    return _except([condition.words for condition in AHRQ_CONDITIONS.values() if name in condition.milder])


def _except(severer: list[str]) -> str:
    return f"; no where it also shows {' or '.join(severer)}" if severer else ""


def _of_visits() -> Iterator[Measure]:
    meanings = {
        visit_flags.TELEHEALTH: "whether a code of the visit says that care was given by telecommunication",
        visit_flags.EMERGENCY: "whether a code of the visit says that care was given in an emergency department",
        visit_flags.INPATIENT: "whether a code of the visit says that it was, or was during, an inpatient stay",
    }
    for name, meaning in meanings.items():
        yield _coded(
            name,
            "visit_flag",
            f"{meaning}; {_NO_CODE}",
            evidence.FLAGS,
            visit_flags.TELLING[name],
            source="CMS, NUBC and CPT numbers, as listed below",
        )
    yield _coded(
        "em_level",
        "em_level",
        "highest level among the evaluation and management services of the visit, each by its place in its family of "
        "codes; null where it has none",
        evidence.FLAGS,
        visit_flags.TELLING["em_level"],
        source="CPT, numeric ranges",
    )
    yield _coded(
        "specialty",
        "provider_specialty",
        "specialty that all rows of the visit share: CMS's code, or NUCC's without area of specialization; null where "
        "there are several, or none",
        evidence.SPECIALTY,
        source="CMS specialty codes; NUCC taxonomy, level II",
    )


def _coded(
    name: str,
    kind: str,
    meaning: str,
    family: str,
    kinds: tuple[str, ...] = (),
    *,
    needs_present: bool = False,
    source: str,
) -> Measure:
    return Measure(name, kind, (), meaning, family, kinds or evidence.kinds_of(family), needs_present, source)


DERIVED: dict[str, Measure] = {m.name: m for m in (*_dated(), *_comorbidities(), *_of_visits())}

GROUPS: dict[str, tuple[str, ...]] = {
    "charlson": tuple(f"charlson_{name}" for name in charlson_table().conditions),
    "elixhauser": tuple(f"elixhauser_{name}" for name in AHRQ_CONDITIONS),
    "elixhauser_without_poa": tuple(f"elixhauser_{n}" for n, c in AHRQ_CONDITIONS.items() if not c.needs_present),
}


def measures_of(name: str) -> tuple[Measure, ...]:
    """Return the measures that a name in a request stands for; empty for a name that stands for none."""
    if name in GROUPS:
        return tuple(DERIVED[member] for member in GROUPS[name])
    return (DERIVED[name],) if name in DERIVED else ()


def unreadable(name: str, dataset: DatasetDescription) -> str | None:
    """Return what stands in the way of a name in `derive`: there is no such measure, or no codes to read it from."""
    measures = measures_of(name)
    if not measures:
        return f"derive: there is no measure {name[:80]} ({_hint(name)})"
    family, kinds = measures[0].family, measures[0].kinds
    if family is None:
        return None
    witnesses = evidence.witnesses(dataset, (family,))
    read = {column.name for table in witnesses for column in table.of_kind(*kinds)}
    key = evidence.visit_key_kind(dataset)
    where = f"in {dataset.encounters}" + (f" or in a table with its {key}" if key else "")
    if not any(read.intersection(evidence.columns(table, (family,))) for table in witnesses):
        return f"derive: {name} needs a column of kind {' or '.join(kinds)} {where}"
    marked = any(diagnosis.present is not None for table in witnesses for diagnosis in diagnoses(table))
    if marked or not any(measure.needs_present for measure in measures):
        return None
    others = "; ask for elixhauser_without_poa, the conditions that need none" if len(measures) > 1 else ""
    return f"derive: {name} needs a column of kind present_on_admission beside the diagnoses {where}{others}"


def _hint(name: str) -> str:
    names = [*GROUPS, *DERIVED]
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.6)
    # A condition is often asked for by its own name, without that of the measure.
    near = near or [other for other in names if len(name) > 3 and name in other][:3]
    if near:
        return f"did you mean {' or '.join(near)}?"
    alone = (other for other, measure in DERIVED.items() if measure.kind != "comorbidity")
    return f"there are {', '.join([*GROUPS, *alone])}, and single conditions"
