"""What a conversion says of itself: CDM_SOURCE, METADATA, and what of the release has no place in the CDM."""

# ruff: noqa: S608 - names in statements are ours or numbered, and every text is quoted by `literal`

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

import deid
from deid.kinds import KINDS, Group
from deid.opening.names import Col
from deid.opening.omop_concepts import CDM_5_4, NONE
from deid.opening.omop_facts import Left, is_cdm
from deid.opening.omop_fields import CDM, listed
from deid.opening.prepared import Prepared
from deid.opening.roles import Roles
from deid.opening.workbench import literal
from deid.release.manifest import Manifest

_ABOUT = (
    "De-identified data: persons and visits are numbered anew, and person_source_value is the released pseudonym. "
    "A date is the first day of the day, week, month, quarter or year that was released: see METADATA, 'date "
    "precision'. A year of birth that was released as a band is the band's middle year, and the earliest year stands "
    "for itself or earlier. Visits and events without a day are left out, and persons without a year of birth with all "
    "that is theirs: METADATA counts them."
)


def source(manifest: Manifest, version: str | None) -> str:
    """Return the query of CDM_SOURCE; `version` of the vocabularies, None where none were at hand."""
    codes = f"vocabularies {version}" if version else "no vocabulary was at hand, so that codes have concept 0"
    return _values(
        "cdm_source",
        {
            "cdm_source_name": f"{manifest.request}, release {manifest.release}",
            "cdm_source_abbreviation": manifest.request,
            "cdm_holder": "the recipient of the release",
            "source_description": f"{_ABOUT} Dates: {manifest.dates_treatment or 'as released'}. Legal basis claimed: "
            f"{manifest.basis_claimed.replace('_', ' ')}. Codes: {codes}.",
            "source_documentation_reference": "codebook.md of the release",
            "cdm_etl_reference": f"deid {deid.__version__}, docs/formats/omop.md",
            "source_release_date": manifest.created,
            "cdm_release_date": manifest.created,
            "cdm_version": "5.4",
            "cdm_version_concept_id": CDM_5_4,
            "vocabulary_version": version or "none",
        },
    )


def metadata(manifest: Manifest, made: Prepared, queries: Mapping[str, str]) -> str:
    """Return the query of METADATA: what was left out, and how precise dates are."""
    told: list[tuple[str, str | None, int | None]] = [
        ("count of removed persons", "no year of birth", _count(made, "subjects") - _count(made, "persons")),
        ("count of removed visits", "no day", _count(made, "visits") - _count(made, "visited")),
        ("count of removed events", "no day", _count(made, "facts WHERE day IS NULL")),
        ("count of removed costs", "no event or visit", _count(made, "costs") - _count(made, f"({queries['cost']})")),
    ]
    for table in made.tables:
        if not table.is_person:
            found = made.bench.rows(f"SELECT DISTINCT time_precision FROM r{table.number} ORDER BY 1")
            told.append((f"date precision: {table.name}", ", ".join(str(precision) for (precision,) in found), None))
    rows = " UNION ALL ".join(
        _values(
            "metadata",
            {
                "metadata_id": number,
                "metadata_concept_id": NONE,
                "metadata_type_concept_id": NONE,
                "name": name,
                "value_as_string": text,
                "value_as_number": value,
                "metadata_date": manifest.created,
            },
        )
        for number, (name, text, value) in enumerate(told, start=1)
    )
    return f"SELECT * FROM ({rows}) ORDER BY metadata_id"


def left_out(made: Prepared, left: Sequence[Left]) -> bytes:
    """Return what of the release has no place in the CDM, as JSON: why, by table and column."""
    told = dict.fromkeys(made.unreached, "a table without a pseudonym of a patient or visit")
    for table in made.tables:
        told |= {f"{table.name}.{column.name}": _NO_FIELD for column in _without_field(table)}
    told |= {f"{one.table}.{one.column}": one.why for one in left}
    return msgspec.json.format(msgspec.json.encode(told, order="sorted"), indent=2) + b"\n"


_NO_FIELD = "the CDM has no field for it"


def _without_field(table: Roles) -> list[Col]:
    if is_cdm(table):
        fields = {field.name for field in CDM[table.name]}
        return [column for column in table.columns if column.name not in fields]
    providers = (*table.of("npi"), *table.of("provider_id"))
    used = (table.patient, table.key, *table.of("facility_id")[:1], *providers[:1])
    lost = [column for column in table.columns if column.name in table.left_out and column not in used]
    return [column for column in lost if column.kind in _UNTOLD or _is_identifier(column)]


_UNTOLD = frozenset({"sequence_number", "present_on_admission"})


def _is_identifier(column: Col) -> bool:
    kind = KINDS.get(column.kind)
    return kind is not None and (kind.group is Group.IDENTIFIER or kind.is_identifier_code)


def _count(made: Prepared, table: str) -> int:
    ((found,),) = made.bench.rows(f"SELECT count(*) FROM {table}")
    return int(str(found))


def _values(table: str, given: Mapping[str, object]) -> str:
    told = {name: "NULL" if value is None else literal(str(value)) for name, value in given.items()}
    return f"SELECT {listed(table, told)}"
