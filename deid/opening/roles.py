"""What each column of a release is to a converter, told from the manifest alone: keys, days, codes, values, words.

A release tells kinds, not roles: which of two dates begins a row, which column tells the revision of a code. Roles are
worked out here once, from kinds and from the parts of column names, never from data. docs/formats/meds.md, "Roles".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from deid.kinds import KINDS, Group
from deid.opening.names import Col, in_sets, is_pair, nearest, number, parts
from deid.release.manifest import ColumnEntry, TableEntry


class Use(StrEnum):
    """What the cells of a column become."""

    CODE = "code"
    WORD = "word"
    NUMBER = "number"
    LAB = "result"
    TEXT = "text"
    DATE = "date"
    BIRTH = "birth"
    DEATH = "death"
    CLASS = "class of a visit"


@dataclass(frozen=True, slots=True)
class Cell:
    """One column whose cells become events, with what stands beside them in the row.

    `version` tells the revision of an ICD code; `value` is the result that a code names; `day` is a day of its own.
    """

    column: Col
    use: Use
    version: Col | None = None
    value: Col | None = None
    unit: Col | None = None
    modifiers: tuple[Col, ...] = ()
    present: Col | None = None
    day: Col | None = None


@dataclass(frozen=True, slots=True)
class Roles:
    """The roles of one table's columns.

    `starts` and `ends`: the columns of which the first filled one tells when the row began, and ended.
    `is_person`: it tells who patients are and nothing of a visit, so that its facts have no time.
    `left_out`: why a column becomes nothing, by its name.
    """

    name: str
    number: int
    columns: tuple[Col, ...]
    patient: Col | None
    encounter: Col | None
    claim: Col | None
    starts: tuple[Col, ...]
    ends: tuple[Col, ...]
    is_person: bool
    is_visit: bool
    cells: tuple[Cell, ...] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)

    @property
    def key(self) -> Col | None:
        """The column that tells the visit: an encounter's number, else a claim's."""
        return self.encounter or self.claim

    def of(self, *kinds: str) -> tuple[Col, ...]:
        """Return the columns of these kinds, in the order of the table."""
        return tuple(column for column in self.columns if column.kind in kinds)


_VISIT = frozenset({"encounter_class", "admit_date", "discharge_date"})
_PERSON = frozenset({"birth_date", "death_date", "sex", "race", "ethnicity", "marital_status", "language", "deceased"})
_DAYS = ("admit_date", "service_date", "discharge_date", "record_date", "year")
_OWN_DAYS = frozenset({"admit_date", "service_date", "discharge_date"})
_ENDS = frozenset(
    {"stop", "end", "thru", "through", "to", "last", "until", "discharge", "dschrg", "finish", "abatement", "resolved"}
)
_OTHERS = frozenset({"preceding", "previous", "prior", "parent", "replaced", "related", "orig", "original"})
_CODES = frozenset({"icd10cm", "icd10pcs", "icd10", "icd9cm", "icd_any", "cpt", "hcpcs", "ndc", "rxnorm", "cvx",
                    "loinc", "snomed", "drg", "revenue_code", "betos", "omop_concept", "local_code"})  # fmt: skip
_DIAGNOSES = frozenset({"icd10cm", "icd10", "icd9cm", "icd_any"})
_SERVICES = frozenset({"cpt", "hcpcs"})
# Not CPT or HCPCS: on claims a result stands beside the drug or dialysis that it justifies.
_NAMES_RESULTS = ("loinc", "snomed", "omop_concept", "local_code")
_TEXTS = frozenset({"clinical_note", "free_text", "code_description"})


def roles_of(tables: Mapping[str, TableEntry]) -> tuple[Roles, ...]:
    """Return the roles of every table of a manifest, in its order."""
    first = [_keys(place, name, entry.columns) for place, (name, entry) in enumerate(tables.items())]
    # Claims stand in for visits only where there are none: an encounter and its claim are one visit.
    has_encounters = any(roles.is_visit and roles.encounter for roles in first)
    return tuple(
        _filled(roles, is_visit=roles.is_visit and not (has_encounters and not roles.encounter)) for roles in first
    )


def _keys(place: int, name: str, entries: Iterable[ColumnEntry]) -> Roles:
    columns = tuple(
        Col(index, entry.name, entry.kind, entry.type, entry.transform, entry.meaning)
        for index, entry in enumerate(entries)
    )
    kinds = {column.kind for column in columns}
    encounter, claim = _key(columns, "encounter_id"), _key(columns, "claim_id")
    is_person = bool(kinds & _PERSON) and not kinds & _OWN_DAYS and encounter is None and claim is None
    starts, ends = ((), ()) if is_person else _days(columns)
    return Roles(
        name=name,
        number=place,
        columns=columns,
        patient=_first(columns, "patient_id"),
        encounter=encounter,
        claim=claim,
        starts=starts,
        ends=ends,
        is_person=is_person,
        is_visit=bool(kinds & _VISIT) and not is_person,
    )


def _days(columns: Sequence[Col]) -> tuple[tuple[Col, ...], tuple[Col, ...]]:
    """Return the columns that may tell when a row began, and when it ended, each with the best first.

    A day of writing or billing comes after every day of the row's own.
    """
    born = _births(columns)
    dated = [
        column
        for kind in _DAYS
        for column in columns
        if column.kind == kind and column not in born and not _is_numbered(column, columns)
    ]
    starts = sorted(dated, key=lambda column: (column.kind not in _OWN_DAYS, _is_end(column)))
    ends = [column for column in dated if column.kind in _OWN_DAYS and _is_end(column)]
    return tuple(starts), tuple(sorted(ends, key=lambda column: column.kind != "discharge_date"))


def _is_end(column: Col) -> bool:
    return column.kind == "discharge_date" or bool(_ENDS & parts(column))


def _is_numbered(column: Col, columns: Sequence[Col]) -> bool:
    """Whether a date is one of several that are numbered as the codes beside them: PRCDR_DT1, PRCDR_DT2."""
    return number(column) is not None and any(is_pair(column, code) for code in columns if code.kind in _CODES)


def _filled(roles: Roles, *, is_visit: bool) -> Roles:
    cells, left_out = [], {}
    beside = _Beside(roles)
    for column in roles.columns:
        why = _left_out(column, roles, beside)
        use = None if why else _use(column, roles, is_visit=is_visit)
        if use is not None:
            cells.append(beside.cell(column, use))
        else:
            left_out[column.name] = why or "tells when the row began"
    return replace(roles, is_visit=is_visit, cells=tuple(cells), left_out=left_out)


def _left_out(column: Col, roles: Roles, beside: _Beside) -> str | None:
    kind = KINDS.get(column.kind)
    if column in (roles.patient, roles.encounter, roles.claim):
        return "the patient" if column == roles.patient else "the visit"
    if column in _births(roles.columns)[1:]:
        return "told by the first birth date"
    if kind is not None and (kind.group is Group.IDENTIFIER or kind.is_identifier_code):
        return "a number of a person, record or provider"
    return _UNTOLD.get(column.kind) or beside.taken.get(column.name)


_UNTOLD = {
    "icd_version": "tells the vocabulary of the code beside it",
    "sequence_number": "a position, which means nothing without its row",
}


def _use(column: Col, roles: Roles, *, is_visit: bool) -> Use | None:
    if column in births_of(roles):
        return Use.BIRTH
    if column.kind in _DAYS:
        is_told = column in roles.starts[:1] or (is_visit and column in roles.ends[:1])
        return None if is_told else Use.DATE
    if column.kind == "encounter_class" and is_visit:
        return Use.CLASS
    return _of_kind(column)


def _of_kind(column: Col) -> Use:
    kind = KINDS.get(column.kind)
    if column.kind in ("death_date", "lab_value"):
        return Use.DEATH if column.kind == "death_date" else Use.LAB
    if column.is_number:
        return Use.NUMBER
    if column.kind in _CODES:
        return Use.CODE
    is_text = column.kind in _TEXTS or (kind is not None and kind.group is Group.TEXT)
    return Use.TEXT if is_text else Use.WORD


def births_of(roles: Roles) -> tuple[Col, ...]:
    """Return the columns that tell when the patient was born, the best first: dates, then years that say so."""
    return _births(roles.columns)


def _births(columns: Sequence[Col]) -> tuple[Col, ...]:
    dates = [column for column in columns if column.kind == "birth_date"]
    return (*dates, *(column for column in columns if column.kind == "year" and "birth" in parts(column)))


class _Beside:
    """What stands beside each code of a table; `taken` names the columns that are told with another one."""

    def __init__(self, roles: Roles) -> None:
        self._of = roles.of
        self.taken: dict[str, str] = {}
        self._sets = sets = in_sets(roles.columns)  # by their numbers nothing belongs to these
        alone = [column for column in roles.columns if column not in sets]
        services = [column for column in roles.columns if column.kind in _SERVICES]
        self._modifiers = roles.of("modifier") if len(services) == 1 else ()
        results = roles.of("lab_value")
        named = next((c for kind in _NAMES_RESULTS for c in roles.of(kind) if c not in sets), None)
        self._named = {named: results[0]} if named is not None and len(results) == 1 else {}
        self._valued = (*results, *roles.of("count"))
        self._units = {value: unit for value in self._valued if (unit := nearest(value, roles.of("unit"))) is not None}
        self._present = {
            code: present
            for code in alone
            if code.kind in _DIAGNOSES and (present := nearest(code, roles.of("present_on_admission"))) is not None
        }
        self._days = {
            code: nearest(code, days)
            for code in alone
            if code.kind in _CODES and (days := [day for day in roles.of(*_OWN_DAYS) if is_pair(day, code)])
        }
        for day in self._days.values():
            if day is not None:
                self.taken[day.name] = "tells when the code beside it was"
        for column in (*self._modifiers, *self._named.values(), *self._units.values(), *self._present.values()):
            self.taken[column.name] = "told with the code or value beside it"

    def cell(self, column: Col, use: Use) -> Cell:
        """Return the column with what stands beside it."""
        value = self._named.get(column)
        versions = [version for version in self._of("icd_version") if not (column in self._sets and number(version))]
        return Cell(
            column=column,
            use=use,
            version=nearest(column, versions) if column.kind == "icd_any" else None,
            value=value,
            unit=self._units.get(value or column),
            modifiers=self._modifiers if column.kind in _SERVICES else (),
            present=self._present.get(column),
            day=self._days.get(column),
        )


def _first(columns: Sequence[Col], kind: str) -> Col | None:
    return next((column for column in columns if column.kind == kind), None)


def _key(columns: Sequence[Col], kind: str) -> Col | None:
    """Return the first column of a kind of key that is not about another visit, as the one before."""
    keys = [column for column in columns if column.kind == kind]
    return min(keys, key=lambda column: bool(_OTHERS & parts(column)), default=None)
