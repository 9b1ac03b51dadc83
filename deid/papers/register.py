"""What the audit log knows of documents: which were let through, and which were withdrawn.

The log is the one memory of both; docs/adr/0030 says why, and what counts as superseded.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from deid.audit.entries import Entry
from deid.audit.events import Event, EventKind
from deid.audit.log import AuditLog
from deid.audit.segments import segments
from deid.audit.site import audit_folder, set_aside_entries
from deid.audit.verifying import verify
from deid.documents.site import Site
from deid.errors import SupersededError, WithdrawnError
from deid.papers.signing import Statement
from deid.papers.statements import spelled
from deid.papers.trust import AGREEMENT, APPROVAL, DETERMINATION, NO_ACTUAL_KNOWLEDGE, POLICY, REQUEST, TrustRoot
from deid.papers.withdrawal import COME_BACK, Held, Withdrawal, takes_back

_OF_REQUEST = frozenset({REQUEST, APPROVAL, NO_ACTUAL_KNOWLEDGE})
_ONE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_OF_DOCUMENTS = frozenset({EventKind.DOCUMENT_SIGNED, EventKind.DOCUMENT_APPROVED, EventKind.DOCUMENT_WITHDRAWN})
_PREPARED = frozenset({EventKind.RELEASE_PREPARED, EventKind.TABLES_PREPARED})
_TAKEN_WITH: Mapping[str, tuple[str, ...]] = {
    REQUEST: (REQUEST, APPROVAL, NO_ACTUAL_KNOWLEDGE),
    AGREEMENT: (AGREEMENT,),
}
_Scope = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Register:
    """What a whole log, and those set aside before it, tell of documents.

    `withdrawn`: type and digest of what was taken back -> the latest instant at which it was. `newest`: what a
    statement is about -> the latest instant of one that was let through, or at which one was taken back. `highest`:
    request and policy -> the highest version that was let through; `policies`: version -> digest of those under which
    something was published, or about to be. `let_through`: request and digest of what was signed.
    """

    withdrawn: Mapping[tuple[str, str], str]
    newest: Mapping[_Scope, str]
    highest: Mapping[tuple[str, str], int]
    policies: Mapping[tuple[str, str], Mapping[int, str]]
    let_through: frozenset[tuple[str, str]]

    def knowing(self, met: Iterable[Withdrawal]) -> Register:
        """Return the same with withdrawals that lie beside documents, whether they were entered or not."""
        walk = _Walk(dict(self.withdrawn), dict(self.newest))
        for found in met:
            made = found.statement
            walk.take_back(found.of, named(made.name), made.sha256, spelled(made.signed_at))
        return replace(self, withdrawn=walk.withdrawn, newest=walk.newest)

    def refuse_withdrawn(self, held: Held, made: Statement | None) -> None:
        """Raise WithdrawnError for a document that the log calls withdrawn, whatever lies beside it.

        `made`: the statement that it stands on, where one holds.
        """
        instant = self.withdrawn.get((held.type, held.digest))
        if instant is not None and takes_back(held, instant, made):
            raise WithdrawnError(
                f"{held.words} was withdrawn on {instant[:10]}: the audit log says so, and no withdrawal lies there",
                hint=COME_BACK[held.type],
            )

    def refuse_superseded(self, request: str, made: Statement) -> None:
        """Raise SupersededError for a statement in whose place the log knows a newer one, for this request."""
        newest = self.newest.get(_scope(request, made.type, made.name, made.sha256), "")
        if spelled(made.signed_at) < newest:
            raise SupersededError(
                f"the {made.type} {made.name} is superseded: it was signed at {spelled(made.signed_at)}, and one of "
                f"{newest} has been let through, or was withdrawn, since",
                hint=f"put the newer one back, or have this one signed anew: {_ANEW.get(made.type, _ANEW[REQUEST])}",
            )
        if made.type == POLICY:
            self._refuse_policy(request, made)

    def _refuse_policy(self, request: str, made: Statement) -> None:
        key, version = (request, named(made.name)), int(made.version)
        versions, highest = self.policies.get(key, {}), self.highest.get(key, 0)
        if version < highest:
            raise SupersededError(
                f"version {version} of policy {made.name} is superseded: request {request} has been let through under "
                f"version {highest}",
                hint=f"put version {highest} back; who wants the earlier rules gives them a higher version, "
                f"then: {_ANEW[POLICY]}",
            )
        if versions.get(version, made.sha256) != made.sha256:
            raise SupersededError(
                f"request {request} has been published under another text of policy {made.name} version {version}",
                hint=f"put that text back, or raise `version` in this one, then: {_ANEW[POLICY]}",
            )


@dataclass(slots=True)
class _Walk:
    withdrawn: dict[tuple[str, str], str] = field(default_factory=dict)
    newest: dict[_Scope, str] = field(default_factory=dict)
    highest: dict[tuple[str, str], int] = field(default_factory=dict)
    policies: dict[tuple[str, str], dict[int, str]] = field(default_factory=dict)
    let_through: set[tuple[str, str]] = field(default_factory=set)
    _texts: dict[tuple[str, str], tuple[str, int, str]] = field(default_factory=dict)

    def see(self, entry: Entry, _hash: str) -> None:
        """Take an entry."""
        if entry.kind in _PREPARED:
            self._prepared(entry)
        if entry.kind not in _OF_DOCUMENTS:
            return
        told = {name: str(value) for name, value in entry.details.items()}
        kind, sha256, signed = (told.get(name, "") for name in ("type", "sha256", "signed"))
        if entry.kind == EventKind.DOCUMENT_WITHDRAWN:
            self.take_back(kind, entry.subject, sha256, signed)
            return
        request, _, name = entry.subject.partition("/")
        self._note(_scope(request, kind, name, sha256), signed)
        self.let_through.add((request, told.get("statement", "")))
        if kind == POLICY and (version := told.get("version", "")).isdecimal():
            self.highest[request, name] = max(self.highest.get((request, name), 0), int(version))
            self._texts[request, told.get("statement", "")] = name, int(version), sha256

    def _prepared(self, entry: Entry) -> None:
        """Take what is about to be published: the first text of a version that anything came of is that version's."""
        request = entry.subject.partition("/")[0]
        for stood in str(entry.details.get("statements", "")).split(","):
            kind, _, statement = stood.partition(":")
            if kind == POLICY and (text := self._texts.get((request, statement))) is not None:
                name, version, sha256 = text
                self.policies.setdefault((request, name), {}).setdefault(version, sha256)

    def take_back(self, kind: str, name: str, sha256: str, signed: str) -> None:
        """Take a withdrawal, which was signed at an instant."""
        self.withdrawn[kind, sha256] = max(self.withdrawn.get((kind, sha256), ""), signed)
        # What was signed before under its name goes too: an older text, that nothing newer was let through after.
        for each in _TAKEN_WITH.get(kind, ()):
            self._note(_scope(name, each, name, sha256), signed)

    def _note(self, scope: _Scope, signed: str) -> None:
        self.newest[scope] = max(self.newest.get(scope, ""), signed)

    def register(self) -> Register:
        """Return what was gathered."""
        return Register(self.withdrawn, self.newest, self.highest, self.policies, frozenset(self.let_through))


def register(log: AuditLog, site: Site) -> Register:
    """Walk the whole log, which has to hold, and those set aside; raise AuditError where it is damaged."""
    walk = _begun(site)
    log.verify(seen=walk.see)
    return walk.register()


def register_without_keys(site: Site) -> Register:
    """Return the same for whoever has no key of the site: by the chain alone, and nothing where no log has begun."""
    walk = _begun(site)
    if segments(audit_folder(site)):
        verify(audit_folder(site), key=None, seen=walk.see)
    return walk.register()


def _begun(site: Site) -> _Walk:
    walk = _Walk()
    for entry in set_aside_entries(site):
        walk.see(entry, "")
    return walk


def enter(log: AuditLog, request: str, statements: Sequence[Statement], trust: TrustRoot, known: Register) -> None:
    """Enter what a run of a request was let through on, as far as the log has not got it."""
    new = [made for made in statements if (request, made.digest) not in known.let_through]
    if new:
        log.append_all([_event(request, made, trust) for made in new])


def enter_withdrawal(log: AuditLog, found: Withdrawal, held: Held, trust: TrustRoot, known: Register) -> None:
    """Enter a withdrawal, if the log has not got it; `held` is the document that it lies beside."""
    made = found.statement
    if (held.type, made.sha256) not in known.withdrawn:
        details = _details(made, trust) | {"type": held.type, "reason": found.reason}
        log.append(Event(datetime.now(UTC), EventKind.DOCUMENT_WITHDRAWN, named(made.name), details))


def named(name: str) -> str:
    """Return a document's name as the log takes it: of one that holds other characters, a digest."""
    return name if _ONE_NAME.fullmatch(name) else f"sha256-{hashlib.sha256(name.encode()).hexdigest()[:32]}"


def _event(request: str, made: Statement, trust: TrustRoot) -> Event:
    kind = EventKind.DOCUMENT_APPROVED if made.type == APPROVAL else EventKind.DOCUMENT_SIGNED
    subject = request if made.type in _OF_REQUEST else f"{request}/{named(made.name)}"
    return Event(datetime.now(UTC), kind, subject, {"type": made.type} | _details(made, trust))


def _details(made: Statement, trust: TrustRoot) -> dict[str, str]:
    keys = sorted(person.key.keyid for person in trust.people if person.name in made.signers)
    return {
        "sha256": made.sha256,
        "version": made.version,
        "statement": made.digest,
        "signed": spelled(made.signed_at),
        "signers": ",".join(keys[:32]),
    }


def _scope(request: str, kind: str, name: str, sha256: str) -> _Scope:
    """Return among which statements the latest counts."""
    if kind in _OF_REQUEST:
        return kind, request
    # One agreement of a name; of a policy, and the determination over it, each text by itself.
    return (kind, named(name)) if kind == AGREEMENT else (kind, sha256)


_ANEW: Mapping[str, str] = {
    POLICY: "`deid policy sign`, and `deid request approve`",
    REQUEST: "`deid request sign`",
    APPROVAL: "remove it, then `deid request approve`",
    AGREEMENT: "`deid agreement sign`",
    DETERMINATION: "`deid policy determine`",
    NO_ACTUAL_KNOWLEDGE: "`deid request attest`",
}
