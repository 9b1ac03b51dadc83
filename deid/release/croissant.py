"""What a release, or a folder that was opened from one, says of itself to programs that read Croissant metadata.

Croissant 1.1 with its vocabulary for responsible AI (http://mlcommons.org/croissant/1.1, .../RAI/1.0): files with
their digests, a record set for each table, a field for each column. The schema is that of the decrypted table; where
files are encrypted, digests are those of the encrypted files. Counts are not told, so that no small cell can be.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any
from urllib.parse import quote

import msgspec

from deid.kinds import KINDS, Group, Role
from deid.release.manifest import ColumnEntry, FileEntry, Manifest, TableEntry

CROISSANT = "croissant.json"
_PARQUET = [
    "application/vnd.apache.parquet",
    "application/x-parquet",
]  # the registered type, and what mlcroissant knows
_TYPES = {"date32[day]": "sc:Date", "double": "sc:Float", "float": "sc:Float", "bool": "sc:Boolean"}


@dataclass(frozen=True, slots=True)
class About:
    """What is said of the whole: names, the day it was made, how it was de-identified, and to what end where known."""

    request: str
    release: str
    created: date
    policy: str
    policy_version: int
    basis_claimed: str
    basis_earned: str
    dates: str | None
    k: int | None
    purpose: str | None = None


def about(manifest: Manifest) -> About:
    """Return what a manifest says of its release."""
    return About(
        request=manifest.request,
        release=manifest.release,
        created=manifest.created,
        policy=manifest.policy,
        policy_version=manifest.policy_version,
        basis_claimed=manifest.basis_claimed,
        basis_earned=manifest.basis_earned,
        dates=manifest.dates_treatment,
        k=manifest.disclosure.k,
    )


def croissant(told: About, tables: Mapping[str, TableEntry], *, is_encrypted: bool) -> bytes:
    """Return croissant.json; names of files are relative to the folder in which it will lie."""
    content = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": ["http://mlcommons.org/croissant/1.1", "http://mlcommons.org/croissant/RAI/1.0"],
        "name": f"{told.request}, release {told.release}",
        "description": _description(told, is_encrypted=is_encrypted),
        "version": "1.0.0",  # a release is never changed: another one has another name
        "datePublished": told.created.isoformat(),
        "license": _LICENSE,
        "citeAs": f"{told.request}, release {told.release}. De-identified data, made {told.created.year}.",
        "creator": {"@type": "sc:Organization", "name": "the site that made the release, which does not name it"},
        "rai:personalSensitiveInformation": [*_persons(told), *_sensitive(tables)],
        "rai:dataPreprocessingProtocol": [
            f"{table}.{column.name}: {column.transform}" for table, entry in tables.items() for column in entry.columns
        ],
        "rai:dataLimitations": list(_limitations(told)),
        "rai:dataReleaseMaintenancePlan": _MAINTENANCE,
        **({"rai:dataUseCases": [told.purpose]} if told.purpose else {}),
        "distribution": [part for name, entry in tables.items() for part in _distribution(name, entry, is_encrypted)],
        "recordSet": [_record_set(name, entry) for name, entry in tables.items()],
    }
    return msgspec.json.format(msgspec.json.encode(content), indent=2) + b"\n"


def _description(told: About, *, is_encrypted: bool) -> str:
    made = f"De-identified coded healthcare data, made under policy {told.policy}, version {told.policy_version}."
    if not is_encrypted:
        return f"{made} The files are in clear: they were opened from a release by one of its recipients."
    return (
        f"{made} The files are Parquet with modular encryption (AES-256-GCM) and open with a recipient's key only: "
        "`deid open --to parquet` makes files that Croissant tools can load. What is described are the decrypted "
        "tables; digests are those of the encrypted files."
    )


def _persons(told: About) -> Iterator[str]:
    yield (
        "The records are about patients. They were de-identified; the legal basis claimed is "
        f"{told.basis_claimed.replace('_', ' ')}, the one earned by the rules is {told.basis_earned.replace('_', ' ')}."
    )
    if told.basis_claimed == "limited_data_set":
        yield "A Limited Data Set is still protected health information (45 CFR 164.514(e))."
    if told.k is not None:
        yield f"At least {told.k} patients share every combination of the quasi-identifiers that the policy names."


def _sensitive(tables: Mapping[str, TableEntry]) -> Iterator[str]:
    """Yield what of persons is in the columns, by family of kinds, for readers who must decide about safeguards."""
    for group in Group:
        meanings = {
            kind.meaning
            for entry in tables.values()
            for column in entry.columns
            if (kind := KINDS.get(column.kind)) is not None and kind.group is group and kind.role is not Role.OTHER
        }
        if meanings:
            yield f"{group.value}: {'; '.join(sorted(meanings))} (as transformed)"


def _limitations(told: About) -> Iterator[str]:
    yield (
        "Values were removed, coarsened or replaced as rai:dataPreprocessingProtocol tells; "
        "missing values may be missing for that reason."
    )
    yield f"Dates: {told.dates or 'as released'}. A date that was coarsened is not a day."
    yield "Do not try to identify anyone."


def _distribution(name: str, entry: TableEntry, is_encrypted: bool) -> Iterator[dict[str, Any]]:
    for file in entry.files:
        yield {
            "@type": "cr:FileObject",
            "@id": quote(file.name),
            "name": file.name,
            "contentUrl": file.name,
            "contentSize": f"{file.bytes} B",
            "encodingFormat": _PARQUET,
            "sha256": file.sha256,
            **({"description": "encrypted (Parquet modular encryption)"} if is_encrypted else {}),
        }
    if len(entry.files) > 1:
        yield {
            "@type": "cr:FileSet",
            "@id": _files_of(name),
            "name": f"files of {name}",
            "encodingFormat": _PARQUET,
            "includes": f"{_folder(entry.files[0])}/*.parquet" if entry.partitioned_by is None else _in_folders(entry),
        }


def _record_set(name: str, entry: TableEntry) -> dict[str, Any]:
    source = (
        {"fileSet": {"@id": _files_of(name)}}
        if len(entry.files) > 1
        else {"fileObject": {"@id": quote(entry.files[0].name)}}
    )
    return {
        "@type": "cr:RecordSet",
        "@id": quote(name),
        "name": name,
        "field": [
            {
                "@type": "cr:Field",
                "@id": quote(f"{name}/{column.name}"),
                "name": column.name,
                "description": f"{column.meaning}; {column.transform}; may hold {column.domain}",
                "dataType": _type(column),
                "source": {**source, "extract": {"column": column.name}},
            }
            for column in entry.columns
        ],
    }


def _files_of(table: str) -> str:
    return f"files-of-{quote(table)}"


def _folder(file: FileEntry) -> str:
    return file.name.rpartition("/")[0]


def _in_folders(entry: TableEntry) -> str:
    """Return the pattern of the files of a table that stands in folders."""
    return f"{_folder(entry.files[0]).rpartition('/')[0]}/*/*.parquet"


def _type(column: ColumnEntry) -> str:
    if column.type.startswith(("int", "uint")):
        return "sc:Integer"
    return "sc:DateTime" if column.type.startswith("timestamp") else _TYPES.get(column.type, "sc:Text")


_LICENSE = (
    "No license is granted to the public. Recipients may use the data as the request they received it under, and any "
    "agreement with the site, allow."
)
_MAINTENANCE = (
    "A release is never changed or extended; later data come as another release. A recall is told by a file "
    "RECALLED.json in the release's folder."
)
# As https://docs.mlcommons.org/croissant/docs/croissant-spec-1.1.html gives it.
_CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "arrayShape": "cr:arrayShape",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "containedIn": "cr:containedIn",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "description": {"@container": "@language"},
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isArray": "cr:isArray",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "name": {"@container": "@language"},
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
