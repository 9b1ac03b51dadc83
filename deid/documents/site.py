"""A site: where one installation keeps its keys, its trust root, its state and its releases.

The document `site.yaml` is specified in docs/formats/site.md. Its folders hold only encrypted files, public ones, and
lists of codes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import msgspec

from deid.documents.reading import load
from deid.stores.place import is_place


@dataclass(frozen=True, slots=True)
class Site:
    """A parsed site file; every path is absolute.

    `keys` is the key provider's URI, with its path made absolute for the `local` scheme.
    `state` holds the crosswalk, quarantined rows and, during a run, sealed spill; `releases` what was published;
    `codes` the lists of codes that the site has added, which need not be there. `population`: a table of the people
    among whom the patients live, or how many they are (deid.population.table). `signing`: the URI of the key that
    signs heads of the audit log, its path absolute for the `file` scheme; None where nothing is signed. `choices`: the
    sealed lists of patients' choices, which need not be there. `agreements`: the signed data-use agreements.
    `memory_mib`: what a run may hold in memory, in MiB; None where nothing bounds it. `spark`: settings of Spark by
    name, for `deid export --engine spark`; none of them is a secret.
    """

    name: str
    keys: str
    trust: Path
    state: Path
    releases: Path
    codes: Path
    population: Path | int | None = None
    signing: str | None = None
    choices: Path = Path("choices")
    agreements: Path = Path("agreements")
    memory_mib: int | None = None
    spark: Mapping[str, str] = field(default_factory=dict)


class _Site(msgspec.Struct, forbid_unknown_fields=True):
    site: str
    keys: str
    trust: str
    state: str = "state"
    releases: str = "releases"
    codes: str = "codes"
    population: str | int | None = None
    signing: str | None = None
    choices: str = "choices"
    agreements: str = "agreements"
    memory_mib: Annotated[int, msgspec.Meta(ge=1)] | None = None
    spark: dict[str, str] = {}


def load_site(path: Path) -> Site:
    """Read the site file at `path`; raise DocumentError."""
    document = load(path)
    raw = document.into(_Site)
    here = path.resolve().parent
    scheme, colon, rest = raw.keys.partition(":")
    if not colon or not rest:
        raise document.fault(
            "keys is not the URI of a key provider", at="$.keys", hint="write for instance `keys: local:keys/site.key`"
        )
    for name, value in msgspec.structs.asdict(raw).items():
        if name not in {"site", "keys", "signing"} and isinstance(value, str) and is_place(value):
            raise document.fault(
                f"{name} lies at a place in a store, where nothing can be locked or renamed",
                at=f"$.{name}",
                hint="name a folder or file of this machine; a finished release goes to a store by `deid deliver`",
            )
    keys = f"{scheme}:{here / rest}" if scheme == "local" else raw.keys
    signing = raw.signing
    if signing is not None and signing.startswith("file:"):
        signing = f"file:{here / signing.removeprefix('file:')}"
    people = here / raw.population if isinstance(raw.population, str) else raw.population
    folders = (here / raw.trust, here / raw.state, here / raw.releases, here / raw.codes)
    return Site(
        raw.site,
        keys,
        *folders,
        people,
        signing,
        here / raw.choices,
        here / raw.agreements,
        raw.memory_mib,
        raw.spark,
    )
