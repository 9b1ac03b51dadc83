"""A release as tables of the OMOP Common Data Model 5.4, one Parquet file for each.

docs/formats/omop.md specifies what is written where; https://ohdsi.github.io/CommonDataModel/cdm54.html is the CDM.
"""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from deid.opening.in_clear import converted
from deid.opening.omop_domains import make_domains
from deid.opening.omop_facts import make_facts
from deid.opening.omop_fields import schema_of
from deid.opening.omop_people import make_actors, make_people, make_visits
from deid.opening.omop_tables import queries
from deid.opening.omop_told import left_out, metadata, source
from deid.opening.omop_vocabulary import resolve
from deid.opening.opened import OpenedRelease
from deid.opening.prepared import Prepared, prepared
from deid.sealing.private import make_folder, new_file, write_new

_VISITS = pa.schema([("visit_occurrence_id", pa.int64()), ("pseudonym", pa.string())])


def convert(release: OpenedRelease, target: Path, *, vocabulary: Path | None = None) -> None:
    """Write `target`/cdm/<table>.parquet and `target`/mapping; folders 0700, files 0600.

    `vocabulary` is a folder with the user's own CONCEPT.csv and CONCEPT_RELATIONSHIP.csv. Raises ReleaseError where the
    release holds no patient pseudonyms or no years of birth, or decryption fails; StorageError if `target` exists or
    the disk is full; then nothing is left.
    """
    with converted(target) as folder, prepared(release, folder.parent / f"{folder.name}.work", into="OMOP") as made:
        make_people(made)
        make_actors(made)
        make_visits(made)
        left = make_facts(made)
        version = resolve(made, vocabulary)
        make_domains(made)
        found = queries(made)
        found["cdm_source"] = source(release.manifest, version)
        found["metadata"] = metadata(release.manifest, made, found)
        cdm, mapping = make_folder(folder / "cdm"), make_folder(folder / "mapping")
        for table, query in found.items():
            _write(made, cdm / f"{table}.parquet", schema_of(table), query)
        _write(made, mapping / "visits.parquet", _VISITS, "SELECT id, visit FROM visited ORDER BY id")
        write_new(mapping / "left_out.json", left_out(made, left))


def _write(made: Prepared, path: Path, schema: pa.Schema, query: str) -> None:
    with pq.ParquetWriter(new_file(path), schema, compression="zstd") as writer:
        for batch in made.bench.batches(query):
            writer.write_batch(pa.RecordBatch.from_arrays(batch.columns, schema=schema))
