"""Releases that are sound in form and weak in one thing each, for attackers to succeed on; and who is who in them."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from hashlib import blake2b, sha256
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from made_releases import publish
from sites import TestSite

from deid.attacks.released import Released
from deid.keys.recipients import generate_identity, load_identity, load_recipient, seal_envelope
from deid.opening import OpenedRelease
from deid.opening.opened import open_with
from deid.red_team.identified import Population
from deid.red_team.population import read_population
from deid.red_team.run import Scored, let_loose
from deid.red_team.score import Figure
from deid.red_team.truth import Truth
from deid.release.manifest import (
    ENVELOPE,
    ColumnEntry,
    DocumentEntry,
    FileEntry,
    Manifest,
    Suppression,
    TableEntry,
    Versions,
)
from deid.sinks.encrypted_parquet import Sizes, TableWriter, stored_schema
from deid.sinks.release_keys import ReleaseKeys
from deid.synthetic import Population as People

RULES = {
    "patient_id": "pseudonymize: random",
    "encounter_id": "pseudonymize: random",
}


def silent(_what: str, _rows: int) -> None:
    """Show no progress."""


@dataclass(frozen=True)
class Target:
    """A source of 10,000 generated patients, its tables, and a plan over it."""

    site: TestSite
    source: Path
    people: People
    request: Path
    population: Population

    def loose(self, opened: OpenedRelease, pseudonym: Callable[[pa.Array], pa.Array], **options: object) -> Scored:
        """Attack a weak release, whose pseudonyms are this function of the source's keys."""
        release = Released(opened)
        truth = self.truth(release, pseudonym, options.pop("offset", None))  # type: ignore[arg-type]
        return let_loose(release, self.site.plan(self.request), self.population, truth, progress=silent, **options)  # type: ignore[arg-type]

    def truth(
        self, release: Released, pseudonym: Callable[[pa.Array], pa.Array], offset: np.ndarray | None = None
    ) -> Truth:
        """Return who is who."""
        told = pseudonym(self.population.people.ids)
        record = pc.fill_null(pc.index_in(told, value_set=release.patients), -1).to_numpy().astype(np.int64)
        person = np.full(len(release), -1, np.int64)
        person[record[record >= 0]] = np.flatnonzero(record >= 0)
        return Truth(record, person, offset)


def target(site: TestSite, source: Path, people: People, tables: dict[str, list[str]]) -> Target:
    """Return a target with what is known of its source."""
    request = site.request(source / "dataset.yaml", tables, request="weak")
    return Target(site, source, people, request, read_population(site.plan(request), silent))


def figure(scored: Scored, attacker: str, scenario: str) -> Figure:
    """Return the one figure of a scenario."""
    return next(one for one in scored.figures if (one.attacker, one.scenario) == (attacker, scenario))


def random_pseudonyms(seed: int = 5) -> Callable[[pa.Array], pa.Array]:
    """Return a function from identifiers to pseudonyms that tell nothing: their key is no word."""

    def made(ids: pa.Array) -> pa.Array:
        distinct = ids.cast(pa.string()).dictionary_encode()
        names = [_random(one, seed) for one in distinct.dictionary.to_pylist()]
        return pa.array(names, pa.string()).take(distinct.indices)

    return made


@cache
def _random(one: str, seed: int) -> str:
    return base64.b32encode(blake2b(one.encode(), digest_size=10, key=bytes([seed]) * 32).digest()).decode().lower()


def hashed(digest: Callable[[bytes], str]) -> Callable[[pa.Array], pa.Array]:
    """Return a function from identifiers to pseudonyms by hashing each."""
    return lambda ids: pa.array([digest(one.encode()) for one in ids.to_pylist()], pa.string())


def weak(
    folder: Path,
    tables: Mapping[str, pa.Table],
    kinds: Mapping[str, str | tuple[str, str]],
    *,
    statistics: bool = False,
    shuffle: bool = True,
    raw: bool = False,
    documents: Mapping[str, bytes] | None = None,
    period: str | None = None,
) -> OpenedRelease:
    """Write a release as given and open it; `kinds` by column: a kind, kept, or a kind with its rule.

    `statistics` are written where asked for, rows keep their order without `shuffle`, and with `raw` the Parquet library
    writes what it is given, dictionaries and all.
    """
    folder.mkdir(parents=True)
    keys = ReleaseKeys.portable(f"{folder.name}")
    entries = {}
    for name, table in tables.items():
        files = _raw(folder, name, table, keys) if raw else None
        if files is None:
            chosen = tuple(table.column_names) if statistics else ()
            with TableWriter(
                folder, name, table.schema, keys, statistics=chosen, shuffle=shuffle, sizes=Sizes()
            ) as writer:
                writer.write(table)
            files = tuple(file.entry() for file in writer.close())
        entries[name] = TableEntry(table.num_rows, files, _columns(table, kinds))
    listed = []
    for name, data in (documents or {}).items():
        (folder / name).write_bytes(data)
        listed.append(DocumentEntry(name, sha256(data).hexdigest(), len(data)))
    manifest = Manifest(
        format="deid-release/1", release=keys.release, profile="portable", created=date(2026, 11, 22), request="weak",
        request_sha256="0" * 64, policy="weak", policy_version=1, policy_sha256="0" * 64, dataset_sha256="0" * 64,
        basis_claimed="limited_data_set", basis_earned="limited_data_set", tables=entries,
        disclosure=Suppression(patients_released=100), versions=Versions("0", pa.__version__), aad=keys.aad,
        documents=tuple(listed), reference_date=date(2027, 12, 31), period=period,
    )  # fmt: skip
    publish(folder, keys, manifest)
    private, public = folder.parent / f"{folder.name}.key", folder.parent / f"{folder.name}.pub"
    generate_identity(private, public, None)
    (folder / ENVELOPE).write_bytes(seal_envelope(keys.payload(), [load_recipient(public)]))
    return open_with(folder, [load_identity(private)])


def _raw(folder: Path, name: str, table: pa.Table, keys: ReleaseKeys) -> tuple[FileEntry, ...]:
    path = folder / "data" / name / "part-00000.parquet"
    path.parent.mkdir(parents=True)
    properties = keys.file_encryption_properties(name, path.name, tuple(table.column_names))
    with pq.ParquetWriter(
        path, table.schema, encryption_properties=properties, data_page_version="1.0", write_statistics=False
    ) as writer:
        writer.write_table(table)
    data = path.read_bytes()
    return (FileEntry(f"data/{name}/{path.name}", sha256(data).hexdigest(), len(data), table.num_rows, 1),)


def _columns(table: pa.Table, kinds: Mapping[str, str | tuple[str, str]]) -> tuple[ColumnEntry, ...]:
    found = []
    for field in stored_schema(table.schema):
        told = kinds.get(field.name, field.name)
        kind, rule = told if isinstance(told, tuple) else (told, RULES.get(told, "keep"))
        found.append(ColumnEntry(field.name, kind, rule, str(field.type), "any", "as it was", "other", 0))
    return tuple(found)


def renamed(table: pa.Table, pseudonym: Callable[[pa.Array], pa.Array], columns: list[str]) -> pa.Table:
    """Return columns of a table with pseudonyms in the place of the source's keys."""
    table = table.select(columns).combine_chunks()
    for name in ("patient_id", "encounter_id"):
        if name in columns:
            given = pseudonym(table[name].combine_chunks())
            table = table.set_column(table.column_names.index(name), name, given)
    return table
