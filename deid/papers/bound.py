"""What an approval is over: the digests of request, policy, description, plan and recipients, and a record of them.

docs/formats/approval.md, "What is bound", is the specification.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

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
}


def plan_entry(plan: Plan) -> dict[str, Any]:
    """Return what a plan does to every column, as plain JSON; no period, release or day is in it.

    One approval serves every release of a standing request.
    """
    return {
        "claims": plan.policy.basis.value,
        "tables": {
            planned.table.name: {step.column.name: _step_entry(step) for step in planned.steps}
            for planned in plan.tables
        },
    }


def plan_digest(plan: Plan) -> str:
    """Return the SHA-256 (hex) of what a plan does to every column.

    It changes with the program too: an approval given under one version does not cover what another makes of the same
    documents, if that differs.
    """
    return hashlib.sha256(_canonical(plan_entry(plan))).hexdigest()


def bound(plan: Plan, recipients: Sequence[Recipient]) -> dict[str, str]:
    """Return the digests (hex) that an approval of this plan for these recipients binds."""
    return {
        "request_sha256": plan.request.digest,
        "policy_sha256": plan.policy.digest,
        "dataset_sha256": plan.dataset.digest,
        "plan_sha256": plan_digest(plan),
        "recipients_sha256": recipients_digest(recipients),
    }


class Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What was approved, word for word, so that a later text can be compared with it; it holds no patient's data."""

    request: str
    policy: str
    dataset: str
    plan: dict[str, Any]
    recipients: list[str]


def record_of(plan: Plan, recipients: Sequence[Recipient]) -> bytes:
    """Return the record of a plan, as canonical JSON; raise DocumentError if a text changed since it was compiled."""
    request = _text(plan.request.path, plan.request.digest)
    policy = _text(plan.policy.path, plan.policy.digest)
    # Its digest covers the built-in description below it too, so that the text alone has none to be held against.
    dataset = _text(plan.request.dataset, None)
    keys = sorted(recipient.key for recipient in recipients)
    return _canonical(msgspec.to_builtins(Record(request, policy, dataset, plan_entry(plan), keys)))


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
