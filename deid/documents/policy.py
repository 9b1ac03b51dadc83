"""A policy: one rule for each kind, the legal basis it claims, and its disclosure limits.

The document is specified in docs/formats/policy.md. A policy is signed by a privacy officer; see
deid/papers/signing.py.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

import msgspec

from deid.documents.limits import Limits
from deid.documents.reading import Document, load
from deid.documents.written_limits import RawLimits, read_limits
from deid.kinds import KINDS
from deid.schema import Column
from deid.segments.rules import ChoiceRules, Segments
from deid.segments.written import RawChoices, read_choices, read_segments
from deid.transforms import Transform, build
from deid.transforms.map_codes import MapCodes, levels_of


class Basis(StrEnum):
    """The legal bases on which data may leave."""

    SAFE_HARBOR = "safe_harbor"
    LIMITED_DATA_SET = "limited_data_set"
    EXPERT_DETERMINATION = "expert_determination"


@dataclass(frozen=True, slots=True)
class Policy:
    """A parsed policy; `digest` is the SHA-256 (hex) of its file, which signatures and manifests name."""

    name: str
    version: int
    basis: Basis
    rules: dict[str, Transform]
    columns: dict[str, Transform]
    limits: Limits
    path: Path
    digest: str
    segments: Segments = field(default_factory=Segments)
    choices: ChoiceRules = field(default_factory=ChoiceRules)

    def rule_for(self, table: str, column: str, kind: str) -> Transform | None:
        """Return the rule of one column: its own override, else its kind's; None means the policy has none."""
        return self.columns.get(f"{table}.{column}", self.rules.get(kind))


class _Policy(msgspec.Struct, forbid_unknown_fields=True):
    policy: str
    version: int
    basis: Basis
    rules: dict[str, Any]
    columns: dict[str, Any] = {}
    limits: RawLimits = msgspec.field(default_factory=RawLimits)
    description: str = ""
    segments: dict[str, Any] = {}
    choices: RawChoices = msgspec.field(default_factory=RawChoices)


def load_policy(path: Path) -> Policy:
    """Read the policy at `path`; raise DocumentError for an unknown kind, transform, option or limit."""
    document = load(path)
    raw = document.into(_Policy)
    for kind in raw.rules:
        if kind not in KINDS:
            raise document.fault(
                f"there is no kind {kind!r}", at=f"$.rules.{kind}", hint="docs/reference/kinds.md lists every kind"
            )
    policy = Policy(
        name=raw.policy,
        version=raw.version,
        basis=raw.basis,
        rules={kind: _rule(document, rule, f"$.rules.{kind}") for kind, rule in raw.rules.items()},
        columns={column: _rule(document, rule, f"$.columns.{column}") for column, rule in raw.columns.items()},
        limits=read_limits(document, raw.limits, lambda rule, at: _rule(document, rule, at)),
        path=path,
        digest=document.digest,
        segments=read_segments(document, raw.segments),
        choices=read_choices(document, raw.choices),
    )
    _check_maps(document, policy)
    return policy


def _check_maps(document: Document, policy: Policy) -> None:
    """Refuse a kind that is mapped without a ceiling, or that has a ceiling and is not mapped."""
    listed = policy.limits.codes.kinds if policy.limits.codes is not None else ()
    for kind, rule in policy.rules.items():
        if isinstance(rule, MapCodes) and kind not in listed:
            raise document.fault(
                f"{kind} is mapped, and limits.codes does not name it",
                at=f"$.rules.{kind}",
                hint=f"write `limits: {{codes: {{kinds: [{kind}]}}}}`; docs/formats/policy.md, section Codes",
            )
    for kind in listed:
        if levels_of(Column(kind, KINDS[kind])) is None:
            raise document.fault(
                f"no map serves {kind}", at="$.limits.codes.kinds", hint="name kinds of medical codes of a known system"
            )
        if not isinstance(policy.rules.get(kind), MapCodes):
            raise document.fault(
                f"limits.codes names {kind}, and its rule is not map_codes",
                at="$.limits.codes.kinds",
                hint=f"write `{kind}: map_codes` under `rules`",
            )


def _rule(document: Document, raw: Any, at: str) -> Transform:
    """Turn `keep`, or `{round: 10}`, or `{generalize_date: year, floor_age: 90}`, into a transform."""
    if isinstance(raw, str):
        name, options = raw, {}
    elif isinstance(raw, dict) and raw:
        (name, first), *rest = raw.items()
        options = dict(rest)
        if isinstance(first, dict):
            options |= first
        elif first is not None:
            options[""] = first  # the primary option; build() knows its name
    else:
        raise document.fault(
            "a rule is the name of a transform, or the name with its options",
            at=at,
            hint="write for instance `keep`, or `{generalize_date: year}`",
        )
    try:
        return build(str(name), options)
    except ValueError as error:
        raise document.fault(
            str(error), at=at, hint="docs/reference/transforms.md lists the transforms and their options"
        ) from None
