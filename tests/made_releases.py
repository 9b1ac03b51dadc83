"""Small, complete releases for tests: written by the real sink, sealed to a real recipient."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from pathlib import Path

import pyarrow as pa

from deid.keys.base import KeyProvider
from deid.keys.recipients import Identity, generate_identity, load_identity, load_recipient, seal_envelope
from deid.release.manifest import (
    ENVELOPE,
    KEYS,
    MAC,
    MANIFEST,
    ColumnEntry,
    DocumentEntry,
    Manifest,
    Suppression,
    TableEntry,
    Versions,
    to_bytes,
)
from deid.sinks.encrypted_parquet import Sizes, TableWriter, stored_schema
from deid.sinks.release_keys import ReleaseKeys

SIZES = Sizes(group_rows=40, file_rows=80)
# What a column is, by its name: a kind, or a kind and what was done to it. Others are indicators, kept.
KINDS = {"patient_id": "patient_id", "drg": "drg", "admit_date": "admit_date", "age": "age", "charge": "charge_amount"}
CANARY = "Xyzzyplugh"


@dataclass(frozen=True, slots=True)
class Made:
    """A release on disk, with everything a test may need to attack it."""

    folder: Path
    keys: ReleaseKeys
    manifest: Manifest
    identity: Identity
    identity_path: Path


def visits(rows: int = 100) -> pa.Table:
    """Return a table with a column of every type that a release holds, nulls among them."""
    return pa.table(
        {
            "patient_id": pa.array([f"P{i:07d}" for i in range(rows)], pa.string()),
            "drg": pa.array([None if i % 7 == 0 else ("470", "871", CANARY)[i % 3] for i in range(rows)], pa.string()),
            "admit_date": pa.array([date(2025, 1 + i % 12, 1) for i in range(rows)], pa.date32()),
            "age": pa.array([None if i % 11 == 0 else i % 90 for i in range(rows)], pa.int64()),
            "charge": pa.array([i * 1.25 for i in range(rows)], pa.float64()),
        }
    )


def tables() -> dict[str, pa.Table]:
    """Return the tables of the usual test release."""
    return {"encounters": visits(), "patients": visits(30).select(["patient_id", "age"])}


def make(
    folder: Path,
    keys: ReleaseKeys,
    content: dict[str, pa.Table] | None = None,
    sizes: Sizes = SIZES,
    kinds: Mapping[str, str | tuple[str, str]] = KINDS,
) -> Made:
    """Write a whole release into `folder` and return it with a fresh recipient's identity."""
    folder.mkdir(parents=True)
    entries = {}
    for name, table in (content or tables()).items():
        with TableWriter(folder, name, table.schema, keys, sizes=sizes) as writer:
            writer.write(table)
        files = tuple(file.entry() for file in writer.close())
        entries[name] = TableEntry(table.num_rows, files, _columns(table, kinds))
    codebook = b"# Codebook\n"
    (folder / "codebook.md").write_bytes(codebook)
    manifest = Manifest(
        format="deid-release/1",
        release=keys.release,
        profile="portable" if keys.profile == "portable" else "columns",
        created=date(2026, 11, 1),
        request="diabetes",
        request_sha256="0" * 64,
        policy="expert-k11",
        policy_version=1,
        policy_sha256="0" * 64,
        dataset_sha256="0" * 64,
        basis_claimed="expert_determination",
        basis_earned="expert_determination",
        tables=entries,
        disclosure=Suppression(patients_released=100, patients_suppressed="1-10", k=11),
        versions=Versions("0.1.0", pa.__version__),
        aad=keys.aad,
        documents=(DocumentEntry("codebook.md", sha256(codebook).hexdigest(), len(codebook)),),
    )
    publish(folder, keys, manifest)
    private, public = folder.parent / f"{folder.name}.key", folder.parent / f"{folder.name}.pub"
    generate_identity(private, public, None)
    (folder / ENVELOPE).write_bytes(seal_envelope(keys.payload(), [load_recipient(public)]))
    return Made(folder, keys, manifest, load_identity(private), private)


def publish(folder: Path, keys: ReleaseKeys, manifest: Manifest) -> None:
    """Write the manifest and its proof, as a holder of the keys can."""
    data = to_bytes(manifest)
    (folder / MANIFEST).write_bytes(data)
    (folder / MAC).write_text(keys.manifest_mac(data) + "\n")
    if keys.column_keys is not None:
        (folder / KEYS).write_bytes(keys.keys_file())


def portable(folder: Path, release: str = "r-2026-10") -> Made:
    """Return a portable release in `folder`."""
    return make(folder, ReleaseKeys.portable(release))


def columns(folder: Path, provider: KeyProvider, release: str = "r-2026-10") -> Made:
    """Return a `columns` release in `folder`, dates under a key group of their own."""
    return make(folder, ReleaseKeys.columns(provider, release, {"encounters.admit_date": "dates"}, series="made/test"))


def in_order(table: pa.Table) -> pa.Table:
    """Return the rows sorted by patient, because a release keeps no order."""
    return table.sort_by("patient_id")


def _columns(table: pa.Table, kinds: Mapping[str, str | tuple[str, str]]) -> tuple[ColumnEntry, ...]:
    schema = stored_schema(table.schema)
    told = {name: kind if isinstance(kind, tuple) else (kind, "keep") for name, kind in kinds.items()}
    return tuple(
        ColumnEntry(
            name=field.name,
            kind=told.get(field.name, ("indicator", "keep"))[0],
            transform=told.get(field.name, ("indicator", "keep"))[1],
            type=str(field.type),
            domain="any value of its type",
            meaning="as it was",
            citation="other",
            nulls=table.column(field.name).null_count,
        )
        for field in schema
    )
