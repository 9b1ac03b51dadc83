"""The manifest of a release: what it holds, what was done to it, and under whose rules.

Terms and fields are those of docs/formats/release.md, which is the specification.
The manifest says nothing about single persons: counts of one to ten patients are written as "1-10".
These Structs are used both to write a manifest (deid.release.writing) and to read one (deid.opening).
"""

from __future__ import annotations

import re
from datetime import date
from typing import Literal

import msgspec

from deid.errors import ReleaseError
from deid.release.small_counts import Count, shown

FORMAT = "deid-release/1"
MANIFEST = "manifest.json"
MAC = "manifest.mac"
ENVELOPE = "envelope.age"
KEYS = "keys.json"
SIGNATURE = "manifest.dsse.json"
RECALL = "RECALLED.json"
RECALL_STATEMENT = "RECALLED.json.dsse.json"

# What may stand in a release folder beside the files and documents that its manifest lists: the manifest cannot hold
# its own digest, and signatures and recalls come after it.
UNLISTED = frozenset({MANIFEST, MAC, ENVELOPE, KEYS, SIGNATURE, RECALL, RECALL_STATEMENT})

MAX_BYTES = 64 * 1024 * 1024
RELEASE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
TABLE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
# `file` is what a file is called within its table: where that stands in folders, its folder too.
FILE_NAME = re.compile(
    r"data/(?P<table>[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})/"
    r"(?P<file>(?:by_(?P<column>[A-Za-z0-9_][A-Za-z0-9_.-]{0,63})=(?P<value>[A-Za-z0-9_][A-Za-z0-9_.-]{0,63})/)?"
    r"part-\d{5}\.parquet)"
)
# What Hive, Spark, pyarrow and DuckDB read as null: the folder of rows whose value has none of its own.
REST = "__HIVE_DEFAULT_PARTITION__"
DOCUMENT_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}\.[a-z]{2,5}")


class FileEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One file of a table: name relative to the release folder, SHA-256 in hex, size in bytes, rows, row groups."""

    name: str
    sha256: str
    bytes: int
    rows: Count
    row_groups: int


class DocumentEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One file beside the data, in the release folder itself: the codebook, the data package, a report."""

    name: str
    sha256: str
    bytes: int


class ColumnEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One column: what it was (`kind`), what was done (`transform`), what it may now hold, and why.

    `type` is the Arrow type as read from disk; `domain` describes the allowed values in words;
    `nulls` is the number of rows without a value, None where it was not counted.
    """

    name: str
    kind: str
    transform: str
    type: str
    domain: str
    meaning: str
    citation: str
    nulls: Count | None = None


class TableEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One table: its rows, its files in the order they were written, its columns in the order they stand.

    `partitioned_by`: the column whose values name the folders in which its files lie, None where they lie in one.
    """

    rows: Count
    files: tuple[FileEntry, ...]
    columns: tuple[ColumnEntry, ...]
    partitioned_by: str | None = None


class RecodedEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The rule that was chosen for a column: `rung`, counted from 1, of `rungs`, from the finest to the coarsest."""

    rule: str
    rung: int
    rungs: int


class Suppression(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What disclosure control did: the k that was asked for, and patients released and withheld.

    `patients_suppressed` is null in later releases of a series: month by month the count would tell who is new.

    `recoded`: by `table.column`, where the rule was chosen. `reduced`: by `table.column`, which of a patient's values
    stands for the patient. `loss`: of information, from 0 (the finest rungs, nobody withheld) to 1. `classes` of
    patients who share what they show, and the patients in the `smallest`.
    """

    patients_released: Count
    patients_suppressed: Count | None = 0
    k: int | None = None
    recoded: dict[str, RecodedEntry] = {}
    reduced: dict[str, str] = {}
    loss: float | None = None
    classes: int | None = None
    smallest: Count | None = None


class LedgerEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The generation of the series ledger that the release was entered in, and HMAC-SHA256 of it under a site's key."""

    generation: int
    sha256: str


class KnownCodes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What somebody gets who knows codes of a patient; shares from 0 to 1, over patients.

    `mean`: the chance to be identified; `below_k`, `unique`: the share of draws of codes with fewer candidates than k,
    and with one; `worst`: the mean over each patient's worst draw; `above`: patients whose own mean is over the
    ceiling, None where these or all others are few.
    """

    mean: float
    below_k: float
    unique: float
    worst: float
    above: float | None


class CodesEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What was done to codes under a ceiling, and what known codes tell all the same; docs/formats/release.md.

    `adversaries`: by how the codes are known, left out where few patients have such codes; each mean is at most the
    ceiling. `with_dates`: the same for who knows dates of visits beside, where the policy counts them. `three`: the
    mean for three codes drawn evenly. `thresholds`: the fewest patients of a code that stays. `mentions`: by code
    system, the share of the source's mentions of released patients at each level, `empty` among them.
    `declared_pooled`: the codes that the study declares and that went the way of rare codes.
    """

    ceiling: float
    known: int
    tells_visits: bool
    adversaries: dict[str, KnownCodes]
    thresholds: dict[str, int]
    mentions: dict[str, dict[str, float]]
    three: float | None = None
    with_dates: dict[str, KnownCodes] = {}
    declared_pooled: int = 0


class ExcludedEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What was left out by class and choice, in words and never in numbers; docs/formats/choices.md.

    `segments`: what was left out, by segment. `ranges`: version and SHA-256 of the ranges of codes. `part2_basis`: on
    what records of 42 CFR Part 2 are in. `consent_required`: only patients who consented are in.
    """

    segments: dict[str, str] = {}
    ranges: str | None = None
    part2_basis: str | None = None
    consent_required: bool = False


class StatementEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A signed statement that the run stood on: of which document, by whom, until when, on which conditions.

    `sha256`: of the document. `payload_sha256`: of what is under the signatures, which names this one signing.
    """

    type: str
    name: str
    version: str
    sha256: str
    payload_sha256: str
    signed_on: date
    signers: tuple[str, ...]
    expires: date | None = None
    conditions: str | None = None


class Versions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The software that made the release."""

    deid: str
    pyarrow: str


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A release, told in full; every digest is SHA-256 in hex, every date a calendar date without time of day.

    `aad` is the prefix that binds every file of a portable release to its place, None where the files carry none.
    `method` holds method codes of HL7 DARTS; `paragraphs` the paragraphs of 45 CFR that decided the legal basis.
    `source_hmac` is, per table of the source, HMAC-SHA256 over the digest of its bytes under a key of the site and
    this release: the site can prove what it read, and nobody else can test a guess.
    `malformed` counts the cells of a column that did not have the shape of their kind and were left empty; None where
    the count would tell a small one.
    `quarantined` counts rows set aside, `unread` parts of records that nobody described, `withheld` records that carry
    something that must be understood and is not described; the last two by path.
    `recipients` holds the fingerprint of each recipient's public key.
    """

    format: Literal["deid-release/1"]
    release: str
    profile: Literal["portable", "columns"]
    created: date
    request: str
    request_sha256: str
    policy: str
    policy_version: int
    policy_sha256: str
    dataset_sha256: str
    basis_claimed: str
    basis_earned: str
    tables: dict[str, TableEntry]
    disclosure: Suppression
    versions: Versions
    aad: str | None = None
    documents: tuple[DocumentEntry, ...] = ()
    paragraphs: tuple[str, ...] = ()
    method: tuple[str, ...] = ()
    period: str | None = None
    reference_date: date | None = None
    dates_treatment: str | None = None
    pseudonyms: str | None = None
    census_vintage: str | None = None
    census_sha256: str | None = None
    source_hmac: dict[str, str] = {}
    cohort: str | None = None
    malformed: dict[str, Count | None] = {}
    quarantined: dict[str, Count] = {}
    unread: dict[str, Count] = {}
    withheld: dict[str, Count] = {}
    recipients: tuple[str, ...] = ()
    ledger: LedgerEntry | None = None
    codes: CodesEntry | None = None
    excluded: ExcludedEntry | None = None
    statements: tuple[StatementEntry, ...] = ()
    notes: tuple[str, ...] = ()

    def files(self) -> tuple[FileEntry, ...]:
        """Return the files of every table, in order."""
        return tuple(file for table in self.tables.values() for file in table.files)


def to_bytes(manifest: Manifest) -> bytes:
    """Return the manifest as indented JSON with sorted keys; raise ReleaseError if it is unsound."""
    check(manifest)
    return msgspec.json.format(msgspec.json.encode(manifest, order="sorted"), indent=2) + b"\n"


def from_bytes(data: bytes) -> Manifest:
    """Return the manifest that `data` holds; raise ReleaseError for anything unknown, missing or out of its folder."""
    if len(data) > MAX_BYTES:
        raise ReleaseError(f"{MANIFEST} is larger than {MAX_BYTES:,} bytes", hint=_ASK_AGAIN)
    try:
        head = msgspec.json.decode(data, type=_Head)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise ReleaseError(f"{MANIFEST} is not the manifest of a release", hint=_ASK_AGAIN) from None
    if head.format != FORMAT:
        raise ReleaseError(
            f"{MANIFEST} is not of format {FORMAT}", hint="open it with the deid that made it, or a later one"
        )
    try:
        manifest = msgspec.json.decode(data, type=Manifest)
    except msgspec.MsgspecError as error:
        at = str(error).rpartition("`$")[2].rstrip("`")
        raise ReleaseError(f"{MANIFEST} does not follow its format at ${at}", hint=_ASK_AGAIN) from None
    check(manifest)
    return manifest


def check(manifest: Manifest) -> None:
    """Raise ReleaseError unless names stay inside the folder, stand once, and the counts of rows agree."""
    if not RELEASE_ID.fullmatch(manifest.release):
        raise ReleaseError(f"{MANIFEST} names no proper release", hint=_ASK_AGAIN)
    for name, table in manifest.tables.items():
        known = {None, *(column.name for column in table.columns)}
        for file in table.files:
            match = FILE_NAME.fullmatch(file.name)
            if match is None or match["table"] != name:
                raise ReleaseError(f"{MANIFEST} lists a file outside data/{name[:128]}", hint=_ASK_AGAIN)
            if match["column"] != table.partitioned_by or match["column"] not in known:
                raise ReleaseError(f"{MANIFEST} lists a file of {name[:128]} in another folder", hint=_ASK_AGAIN)
        told = [file.rows for file in table.files if isinstance(file.rows, int)]
        if len(told) == len(table.files) and table.rows not in (sum(told), shown(sum(told))):
            raise ReleaseError(f"{MANIFEST}: the files of {name} do not add up to its rows", hint=_ASK_AGAIN)
    for document in manifest.documents:
        if not DOCUMENT_NAME.fullmatch(document.name) or document.name in UNLISTED:
            raise ReleaseError(f"{MANIFEST} lists a document with an improper name", hint=_ASK_AGAIN)
    names = [file.name for file in manifest.files()] + [document.name for document in manifest.documents]
    if len(set(names)) != len(names):
        raise ReleaseError(f"{MANIFEST} lists a file twice", hint=_ASK_AGAIN)


class _Head(msgspec.Struct):
    format: str = ""


_ASK_AGAIN = "do not use this copy; ask the sending site for the release again"
