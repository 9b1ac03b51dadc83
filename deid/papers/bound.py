"""What an approval is over: the digests of request, policy, description, plan and recipients, and a record of them.

A request for a release and one for tables are bound alike; the first names who will have it, the second is for
everybody. docs/formats/approval.md, "What is bound", is the specification.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import msgspec

from deid.documents.policy import Policy
from deid.errors import DocumentError
from deid.keys.recipients import Recipient, recipients_digest
from deid.planning.plan import Plan, Step
from deid.transforms.words import rule_text

# Term of the statement -> what it is called in messages, in the order in which they are told.
BOUND = {
    "request_sha256": "the request",
    "policy_sha256": "the policy",
    "dataset_sha256": "the dataset description",
    "plan_sha256": "the plan",
    "recipients_sha256": "the recipients' keys",
    "audience": "whom it is for",
}
PUBLIC = "public"  # the audience of what everybody may read; no party of a request is spelled in this term
APPROVED = (
    "I have read the request, the policy, the description of the dataset and the plan that comes of them, and approve "
    "releases to these recipients."
)
APPROVED_TABLES = (
    "I have read the request, the policy, the description of the dataset and the plan of the tables that comes of "
    "them, and approve that these tables are published, for everybody to read."
)


class AskedFor(Protocol):
    """A document in which somebody asks: a request for a release, or one for tables."""

    @property
    def name(self) -> str:
        """The name of the request."""
        ...

    @property
    def path(self) -> Path:
        """Where it lies."""
        ...

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of its bytes."""
        ...


@dataclass(frozen=True, slots=True)
class Proposal:
    """What an approval is over: what is asked for, under which policy, of which data, what comes of it, and for whom.

    `dataset`: where the description lies; `dataset_sha256`: its digest (docs/formats/dataset.md). `plan`: what will be
    done, as plain JSON without period, release or day. `recipients`: None where it is for everybody.
    """

    asked: AskedFor
    policy: Policy
    dataset: Path
    dataset_sha256: str
    plan: Mapping[str, Any]
    recipients: tuple[Recipient, ...] | None

    @property
    def is_public(self) -> bool:
        """Whether everybody may read what comes of it."""
        return self.recipients is None

    @property
    def statement(self) -> str:
        """The sentence that is signed."""
        return APPROVED_TABLES if self.is_public else APPROVED

    @property
    def shown_by(self) -> str:
        """The command by which an officer reads the plan."""
        return f"deid request check {self.asked.path.name}" if self.is_public else f"deid plan {self.asked.path.name}"


def propose(plan: Plan, recipients: Sequence[Recipient]) -> Proposal:
    """Return what an approval of a plan for these recipients is over."""
    request = plan.request
    return Proposal(request, plan.policy, request.dataset, plan.dataset.digest, plan_entry(plan), tuple(recipients))


def plan_entry(plan: Plan) -> dict[str, Any]:
    """Return what a plan does to every column, as plain JSON; no period, release or day is in it.

    One approval serves every release of a standing request.
    """
    entry = {
        "claims": plan.policy.basis.value,
        "tables": {
            planned.table.name: {step.column.name: _step_entry(step) for step in planned.steps}
            for planned in plan.tables
        },
    }
    folders = folder_entries(plan)
    return entry | {"folders": folders} if folders else entry


def folder_entries(plan: Plan) -> dict[str, dict[str, Any]]:
    """Return, by table, what names of folders may tell everybody; tables that stand in none are left out."""
    return {t.table.name: msgspec.to_builtins(t.folders) for t in plan.tables if t.folders is not None}


def plan_digest(plan: Mapping[str, Any]) -> str:
    """Return the SHA-256 (hex) of the plan of a proposal.

    It changes with the program too: an approval given under one version does not cover what another makes of the same
    documents, if that differs.
    """
    return hashlib.sha256(_canonical(plan)).hexdigest()


def bound(proposal: Proposal) -> dict[str, str]:
    """Return the digests (hex) that an approval binds, and whom it is for."""
    terms = {
        "request_sha256": proposal.asked.digest,
        "policy_sha256": proposal.policy.digest,
        "dataset_sha256": proposal.dataset_sha256,
        "plan_sha256": plan_digest(proposal.plan),
    }
    if proposal.recipients is None:
        return terms | {"audience": PUBLIC}
    return terms | {"recipients_sha256": recipients_digest(proposal.recipients)}


class Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What was approved, word for word, so that a later text can be compared with it; it holds no patient's data."""

    request: str
    policy: str
    dataset: str
    plan: dict[str, Any]
    recipients: list[str]


def record_of(proposal: Proposal) -> bytes:
    """Return the record of a proposal, as canonical JSON; raise DocumentError if a text changed since it was read."""
    request = _text(proposal.asked.path, proposal.asked.digest)
    policy = _text(proposal.policy.path, proposal.policy.digest)
    # Its digest covers the built-in description below it too, so that the text alone has none to be held against.
    dataset = _text(proposal.dataset, None)
    keys = sorted(recipient.key for recipient in proposal.recipients or ())
    return _canonical(msgspec.to_builtins(Record(request, policy, dataset, dict(proposal.plan), keys)))


def _step_entry(step: Step) -> dict[str, Any]:
    output = step.output
    return {
        "kind": step.column.kind.name,
        "rule": rule_text(step.transform),
        "type": str(output.type) if output is not None else None,
        "values": output.domain.describe() if output is not None else None,
        "rungs": [rule_text(rule) for rule, _ in step.rungs],
        "reduced": step.take.value if step.take is not None else None,
        "derived": step.measure is not None,
    }


def _text(path: Path, digest: str | None) -> str:
    try:
        data = path.read_bytes()
        if digest is None or hashlib.sha256(data).hexdigest() == digest:
            return data.decode("utf-8-sig")
        why = "it changed while it was read"
    except OSError as error:
        why = str(error.strerror)
    except UnicodeDecodeError:
        why = "it is not UTF-8"
    raise DocumentError(f"cannot record {path.name}: {why}", hint="try again when nobody writes to it")


def _canonical(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode("ascii")
