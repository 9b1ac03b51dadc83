"""The small records of a ledger's head: what is frozen, what each release did, and what could be joined.

Fields that version 1 had not are left out of what is written where nothing is known of them: a book of that version
says the same bytes as ever, so that its newest release knows it by its digest.
"""

from __future__ import annotations

from datetime import date

import msgspec
from msgspec import UNSET, UnsetType

from deid.ledger.arrivals import Movement
from deid.observing.controls import Chosen, Place

NEWEST = "deid-ledger/2"
READ = ("deid-ledger/1", NEWEST)  # versions that are read


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One released column and the rule that made it, as a policy writes it."""

    table: str
    column: str
    kind: str
    rule: str


class Frozen(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the first release fixed for its series.

    `limits_sha256`: of the policy's limits. `code_lists`: name of a list of codes -> version. `places`: the columns of
    the vector, in the order of the values; `chosen`: the rungs that were found. `asked`: what the request asks for
    beside columns, by name, as SHA-256 (deid.ledger.freezing); unset in books of version 1.
    """

    mode: str
    k: int
    columns: tuple[Rule, ...]
    limits_sha256: str
    code_lists: dict[str, str] = {}
    places: tuple[Place, ...] = ()
    chosen: tuple[Chosen, ...] = ()
    asked: dict[str, str] | UnsetType = UNSET


class JoinFigure(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How surely the patients of a release could be joined to another series of the site by what both tell.

    `exact`: the share of them whose content both have alike, and who are unique by it in either. `at_most`: the share
    who are in both, and unique in this release by the kinds that tell of what both have, whatever the rules.
    `is_own`: both series lie with one party. `among_few`: the share who are in both, and of whom fewer than k share
    what both tell. `joint_few`: of those in both, the share in classes, here and there together, of fewer than k.
    """

    request: str
    party: str
    kinds: tuple[str, ...]
    patients_in_both: int
    exact: float
    at_most: float
    is_own: bool | UnsetType = UNSET
    among_few: float | UnsetType = UNSET
    joint_few: float | UnsetType = UNSET


class ReleaseEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One release: its number from 1 on, its name, the SHA-256 of its manifest, whether it surely was published.

    `codes_union`: the largest mean chance by known codes over all releases up to this one.
    """

    number: int
    release: str
    manifest_sha256: str
    confirmed: bool
    created: date
    period: str | None
    movement: Movement
    joint_k: int
    joins: tuple[JoinFigure, ...] = ()
    codes_union: float | UnsetType = UNSET


class MapHead(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a code map says beside its codes."""

    kind: str
    otherwise: str
    declared: tuple[str, ...]
    declared_at: str


class Head(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The head of a ledger; `readers`: SHA-256 (hex) of every public key that a release was sealed to."""

    format: str
    request: str
    party: str
    frozen: Frozen
    releases: tuple[ReleaseEntry, ...]
    prints: tuple[str, ...]
    maps: tuple[MapHead, ...]
    readers: tuple[str, ...] | UnsetType = UNSET
