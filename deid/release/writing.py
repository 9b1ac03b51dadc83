"""What a release says of itself to programs: manifest and packages, free of identifiers and of small cells."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

import pyarrow as pa
from msgspec import structs

import deid
from deid.cells import places
from deid.documents.policy import Basis
from deid.known_codes.code_sets import set_words
from deid.legal import Judgment
from deid.observing.decision import Decision
from deid.papers.signing import Statement
from deid.planning.plan import Plan, Step, TablePlan
from deid.release.code_words import codes_entry
from deid.release.croissant import CROISSANT, About, croissant
from deid.release.data_package import PACKAGE, data_package
from deid.release.manifest import (
    FILE_NAME,
    ColumnEntry,
    DocumentEntry,
    FileEntry,
    LedgerEntry,
    Manifest,
    StatementEntry,
    TableEntry,
    Versions,
)
from deid.release.small_counts import Count, shown
from deid.release.vector_words import suppression, taken_words
from deid.segments.words import excluded_entry
from deid.sources import Source
from deid.transforms.generalize_zip import GeneralizeZip
from deid.transforms.pseudonymize import Pseudonymize
from deid.transforms.words import rule_text

# Method codes of the HL7 De-identification, Anonymization, Redaction Toolkit Services guide.
METHODS = {
    Basis.SAFE_HARBOR: ("HHS_SAFE_HARBOR_DETERMINISTIC_METHOD",),
    Basis.EXPERT_DETERMINATION: ("HHS_EXPERT_DETERMINATION_METHOD",),
    Basis.LIMITED_DATA_SET: (),
}


@dataclass(frozen=True, slots=True)
class TableFacts:
    """What a run counted while it wrote one table; `nulls` and `malformed` per column, as they may be shown."""

    rows: int
    files: tuple[FileEntry, ...]
    nulls: Mapping[str, Count | None]
    malformed: Mapping[str, Count | None]


def build_manifest(
    plan: Plan,
    judgment: Judgment,
    decision: Decision,
    facts: Mapping[str, TableFacts],
    *,
    release: str,
    aad: str | None,
    created: date,
    source: Source,
    seal: Callable[[str], str],
    quarantined: Mapping[str, int],
    recipients: Sequence[str],
    documents: Sequence[DocumentEntry],
    ledger: LedgerEntry | None = None,
    statements: Sequence[Statement] = (),
) -> Manifest:
    """Return the manifest of what was really written."""
    uses_zip = bool(plan.steps_of(GeneralizeZip))
    methods = sorted({step.transform.method for _, step in plan.steps_of(Pseudonymize)})  # type: ignore[attr-defined]
    return Manifest(
        format="deid-release/1",
        release=release,
        profile=plan.request.profile.value,
        created=created,
        request=plan.request.name,
        request_sha256=plan.request.digest,
        policy=plan.policy.name,
        policy_version=plan.policy.version,
        policy_sha256=plan.policy.digest,
        dataset_sha256=plan.dataset.digest,
        basis_claimed=plan.policy.basis.value,
        basis_earned=judgment.earned.value,
        tables={planned.table.name: _table_entry(planned, facts[planned.table.name]) for planned in plan.tables},
        disclosure=suppression(plan, decision),
        versions=Versions(deid=deid.__version__, pyarrow=pa.__version__),
        aad=aad,
        documents=tuple(documents),
        paragraphs=tuple(dict.fromkeys(finding.paragraph for finding in judgment.findings)),
        method=METHODS[plan.policy.basis],
        period=plan.period.label if plan.period else None,
        reference_date=plan.reference_date,
        dates_treatment=dates_treatment(plan),
        pseudonyms=", ".join(methods) or None,
        census_vintage=places.CENSUS_VINTAGE if uses_zip else None,
        census_sha256=places.table_digest() if uses_zip else None,
        source_hmac={table: seal(digest) for table, digest in source.digests.items()},
        cohort=cohort_text(plan),
        quarantined={name: shown(rows) for name, rows in quarantined.items() if rows},
        malformed={
            f"{table}.{column}": count
            for table, fact in facts.items()
            for column, count in sorted(fact.malformed.items())
        },
        unread=_by_record(source.unread),
        withheld=_by_record(source.withheld),
        recipients=tuple(recipients),
        ledger=ledger,
        codes=codes_entry(decision.mapped),
        excluded=excluded_entry(plan),
        statements=tuple(map(_statement_entry, statements)),
    )


def _statement_entry(made: Statement) -> StatementEntry:
    return StatementEntry(
        type=made.type,
        name=made.name,
        version=made.version,
        sha256=made.sha256,
        payload_sha256=made.digest,
        signed_on=made.signed_at.date(),
        signers=made.signers,
        expires=made.expires,
        conditions=made.terms.get("conditions"),
    )


def quality_unit(plan: Plan) -> Literal["month", "year"]:
    """Return the periods of the report on coding quality: months where whole dates may leave, else years."""
    return "month" if plan.policy.basis is Basis.LIMITED_DATA_SET else "year"


def dates_treatment(plan: Plan) -> str:
    """Return in one line how dates were treated, for programs that must know whether they may subtract them."""
    ways = {
        rule_text(step.transform)
        for planned in plan.tables
        for step in planned.written
        if step.column.kind.name.endswith("_date") and step.measure is None
    }
    return "; ".join(sorted(ways)) or "no dates"


def cohort_text(plan: Plan) -> str | None:
    """Return the cohort in words, or None where everybody is in it."""
    cohort = plan.request.cohort
    if cohort is None:
        return None
    parts = []
    for predicate in cohort.predicates:
        if predicate.codes:
            parts.append(f"{predicate.kind} in {', '.join(predicate.codes)}")
        else:
            low, high = (str(end) if end is not None else "" for end in (predicate.low, predicate.high))
            parts.append(f"{predicate.kind} from {low or 'any'} to {high or 'any'}")
    return f"{cohort.unit.value} with {cohort.combine.value} of: {'; '.join(parts)}"


def _by_record(counts: Mapping[str, int]) -> dict[str, Count]:
    """Return counts by kind of record; the names of members stay inside, since a source may name them after people."""
    totals: Counter[str] = Counter()
    for path, count in counts.items():
        totals[path.partition(".")[0]] += count
    return {record: shown(count) for record, count in totals.items()}


def _table_entry(planned: TablePlan, fact: TableFacts) -> TableEntry:
    matches = (FILE_NAME.fullmatch(file.name) for file in fact.files)
    columns = [match["column"] for match in matches if match is not None and match["column"] is not None]
    return TableEntry(
        rows=shown(fact.rows),
        files=tuple(structs.replace(file, rows=shown(file.rows)) for file in fact.files if isinstance(file.rows, int)),
        columns=tuple(column_entry(planned, step, fact) for step in planned.written),
        partitioned_by=next(iter(columns), None),
    )


def column_entry(planned: TablePlan, step: Step, fact: TableFacts) -> ColumnEntry:
    """Return what is told of a column that is written."""
    output = step.output
    if output is None:
        raise AssertionError("a dropped column has no entry")
    meaning = step.measure.meaning if step.measure else step.column.kind.meaning
    return ColumnEntry(
        name=step.column.name,
        kind=step.column.kind.name,
        transform=rule_text(step.transform),
        type=str(output.type),
        domain=output.domain.describe(),
        meaning=f"{meaning}; {output.meaning}{taken_words(step)}{set_words(planned, step)}",
        citation=step.citation,
        nulls=fact.nulls.get(step.column.name, 0),
    )


def packages(
    plan: Plan, judgment: Judgment, facts: Mapping[str, TableFacts], *, release: str, created: date
) -> dict[str, bytes]:
    """Return, by file name, what tells programs of the release: a Data Package and Croissant metadata."""
    tables = {planned.table.name: _table_entry(planned, facts[planned.table.name]) for planned in plan.tables}
    told = About(
        request=plan.request.name,
        release=release,
        created=created,
        policy=plan.policy.name,
        policy_version=plan.policy.version,
        basis_claimed=plan.policy.basis.value,
        basis_earned=judgment.earned.value,
        dates=dates_treatment(plan),
        k=plan.policy.limits.k,
        purpose=plan.request.purpose,
    )
    name = f"{plan.request.name}-{release.lower()}"
    return {
        PACKAGE: data_package(tables, name=name, title=plan.request.purpose, is_encrypted=True),
        CROISSANT: croissant(told, tables, is_encrypted=True),
    }


def document_entry(name: str, data: bytes) -> DocumentEntry:
    """Return the manifest's entry for a document."""
    return DocumentEntry(name=name, sha256=hashlib.sha256(data).hexdigest(), bytes=len(data))
