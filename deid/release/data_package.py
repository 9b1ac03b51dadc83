"""A Data Package (https://datapackage.org, frictionless) of a release, or of a folder that was opened from one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from deid.release.manifest import TableEntry

PACKAGE = "datapackage.json"
_TYPES = {"int32": "integer", "int64": "integer", "double": "number", "date32[day]": "date", "string": "string"}
_MEDIA = {"parquet": "application/vnd.apache.parquet", "csv": "text/csv"}


def data_package(
    tables: Mapping[str, TableEntry], *, name: str, title: str, form: str = "parquet", is_encrypted: bool = False
) -> bytes:
    """Return datapackage.json: schemas and digests of files, `form` being parquet or csv, of all tables.

    Names of files are relative to the folder in which it will lie. Schemas are those of the decrypted tables; where
    files are encrypted, digests are those of the encrypted files.
    """
    resources: list[dict[str, Any]] = []
    names: set[str] = set()
    for entry in tables.values():
        fields = [
            {
                "name": column.name,
                "type": _TYPES.get(column.type, "any"),
                "description": f"{column.meaning}; {column.transform}",
            }
            for column in entry.columns
        ]
        for file in entry.files:
            resource = {
                "name": _unused(file.name, names),
                "path": file.name,
                "format": form,
                "mediatype": _MEDIA[form],
                "bytes": file.bytes,
                "hash": f"sha256:{file.sha256}",
                "schema": {"fields": fields},
            }
            if is_encrypted:
                resource["encryption"] = "Parquet modular encryption, AES-256-GCM"
            resources.append(resource)
    package = {"name": name, "title": title, "profile": "data-package", "resources": resources}
    return msgspec.json.format(msgspec.json.encode(package), indent=2) + b"\n"


def _unused(file: str, names: set[str]) -> str:
    """Return the name of a file's resource: small letters, as the specification asks, so two tables' could be one."""
    stem = file.removeprefix("data/").rpartition(".")[0].replace("/", "-").replace("=", "-").lower()
    name, number = stem, 1
    while name in names:
        number += 1
        name = f"{stem}-{number}"
    names.add(name)
    return name
