"""The trust root: who may sign what. The document is specified in docs/formats/trust.md."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec
from securesystemslib.signer import Key, SSlibKey  # type: ignore[attr-defined]  # public, but not in an __all__

from deid.documents.reading import Document, load, parse
from deid.errors import DocumentError, KeyFaultError
from deid.keys.files import replace_file
from deid.keys.officers import load_public_key

POLICY = "policy"
NO_ACTUAL_KNOWLEDGE = "no-actual-knowledge"
AUDIT_HEAD = "audit-head"
REIDENTIFICATION = "reidentification"
RECALL, DESTRUCTION, RESUMPTION = "recall", "destruction", "resumption"
REQUEST, APPROVAL, WITHDRAWAL = "request", "approval", "withdrawal"
AGREEMENT, DETERMINATION = "agreement", "expert-determination"
MANIFEST = "manifest"
STATEMENT_TYPES = (
    POLICY, NO_ACTUAL_KNOWLEDGE, AUDIT_HEAD, REIDENTIFICATION, RECALL, DESTRUCTION, RESUMPTION,
    REQUEST, APPROVAL, WITHDRAWAL, AGREEMENT, DETERMINATION, MANIFEST,
)  # fmt: skip
PRIVACY_OFFICER = "privacy_officer"
SITE = "site"
DATA_STEWARD = "data_steward"
REQUESTER, RECIPIENT = "requester", "recipient"
EXPERT = "expert"
AT_LEAST = {REIDENTIFICATION: 2}  # nobody alone leads a pseudonym back; no trust root says less
_ROLE = re.compile(r"[a-z][a-z0-9_]{0,62}")
_KEYID = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who is trusted in a role, by one key."""

    name: str
    role: str
    key: SSlibKey


@dataclass(frozen=True, slots=True)
class TrustRoot:
    """A parsed trust root; `digest` is the SHA-256 (hex) of its file.

    `may_sign`: statement type to roles. `thresholds`: statement type to number of signers, 1 where absent.
    """

    people: tuple[Person, ...]
    may_sign: Mapping[str, tuple[str, ...]]
    thresholds: Mapping[str, int]
    path: Path
    digest: str

    def signers_for(self, statement_type: str) -> list[Key]:
        """Return the keys of everybody whose role may sign statements of this type; empty if nobody may."""
        roles = self.may_sign.get(statement_type, ())
        return [person.key for person in self.people if person.role in roles]

    def threshold(self, statement_type: str) -> int:
        """Return how many different people must have signed a statement of this type, at least 1."""
        return max(self.thresholds.get(statement_type, 1), AT_LEAST.get(statement_type, 1))

    def person(self, keyid: str) -> Person | None:
        """Return who holds the key `keyid`, or None if the trust root does not know it."""
        return next((person for person in self.people if person.key.keyid == keyid), None)


class _Person(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    role: str
    keyid: str
    key: str


class _Trust(msgspec.Struct, forbid_unknown_fields=True):
    trust: int
    people: list[_Person]
    may_sign: dict[str, list[str]] | None = None
    threshold: dict[str, int] = {}


def load_trust(path: Path) -> TrustRoot:
    """Read the trust root at `path` and the keys it names; raise DocumentError if anything in it does not hold."""
    return _build(load(path))


def trust_in_site(path: Path) -> TrustRoot:
    """Return the trust root of a recipient who has nothing but a site's public key, at `path`; it may sign manifests.

    Raises KeyFaultError for a file that is none.
    """
    return TrustRoot((Person(path.name, SITE, load_public_key(path)),), {MANIFEST: (SITE,)}, {}, path, "")


def add_person(path: Path, *, name: str, role: str, key: Path) -> TrustRoot:
    """Add a person to the trust root at `path`, which is made if it is absent, and return it as it now stands.

    `key` is the path of the public key; it must lie in the trust root's folder or below. Comments and the other
    fields of the file stay. Raises DocumentError if the person cannot be added or `people` is not written as a list
    with a dash per person; nothing is written then.
    """
    public = _load_key(path, key)
    inside = _relative(path.resolve().parent, key)
    if inside is None:
        raise DocumentError(
            f"the key {key.name} lies outside the folder of {path.name}", hint=f"copy it below {path.resolve().parent}"
        )
    # A JSON string is a YAML string too, quoted whatever it holds.
    fields = {"name": name, "role": role, "keyid": public.keyid, "key": inside.as_posix()}
    line = "- {" + ", ".join(f"{field}: {json.dumps(text, ensure_ascii=False)}" for field, text in fields.items()) + "}"
    text = _insert(load(path), line) if path.exists() else f"trust: 1\npeople:\n  {line}\n"
    data = text.encode("utf-8", "surrogateescape")
    trust = _build(parse(path, data))  # read back before it is written: a person who does not fit is refused here
    replace_file(path, data)
    return trust


def _insert(document: Document, line: str) -> str:
    """Return the document's text with `line` before its first person."""
    before = _build(document)
    with document.path.open(encoding="utf-8-sig", newline="") as file:
        lines = file.read().split("\n")
    row, column = document.places["$.people[0]"]
    first = lines[row - 1] if row <= len(lines) else ""  # YAML counts rarer line ends too
    dash = first[: column - 1].rstrip()
    if not re.fullmatch(r" *-", dash):
        raise document.fault(
            "cannot add a person: people is not written with a dash per person", at="$.people", hint=f"add: {line}"
        )
    lines.insert(row - 1, dash[:-1] + line)
    text = "\n".join(lines)
    after = _build(parse(document.path, text.encode("utf-8", "surrogateescape")))
    if after.people[1:] != before.people or (after.may_sign, after.thresholds) != (before.may_sign, before.thresholds):
        raise document.fault("cannot add a person without changing others", at="$.people", hint=f"add: {line}")
    return text


def _build(document: Document) -> TrustRoot:
    raw = document.into(_Trust)
    if raw.trust != 1:
        raise document.fault("this is not version 1 of the trust root", at="$.trust", hint="write `trust: 1`")
    if not raw.people:
        raise document.fault("nobody is trusted", at="$.people", hint="add a person; docs/formats/trust.md shows one")
    people = tuple(_person(document, raw.people, position) for position in range(len(raw.people)))
    if raw.may_sign is None:
        may_sign: dict[str, tuple[str, ...]] = dict.fromkeys(STATEMENT_TYPES, (PRIVACY_OFFICER,))
        may_sign[AUDIT_HEAD] = may_sign[MANIFEST] = (SITE,)  # a machine says what it wrote; nobody else can
        may_sign[REIDENTIFICATION] = (PRIVACY_OFFICER, DATA_STEWARD)
        may_sign[REQUEST] = (REQUESTER,)
        may_sign[APPROVAL] = (PRIVACY_OFFICER, DATA_STEWARD)
        may_sign[DETERMINATION] = (EXPERT,)  # who has the knowledge and experience of 164.514(b)(1), and nobody else
        may_sign[WITHDRAWAL] = (PRIVACY_OFFICER, DATA_STEWARD, EXPERT)
        may_sign[DESTRUCTION] = (REQUESTER, RECIPIENT)  # of their own copies; nobody else knows of them
    else:
        may_sign = {name: tuple(roles) for name, roles in raw.may_sign.items()}
        _check_may_sign(document, may_sign, {person.role for person in people})
    trust = TrustRoot(people, may_sign, dict(raw.threshold), document.path, document.digest)
    _check_thresholds(document, trust)
    return trust


def _person(document: Document, people: list[_Person], position: int) -> Person:
    raw, at = people[position], f"$.people[{position}]"
    if not raw.name.strip() or not raw.name.isprintable():
        raise document.fault("a person's name is empty or not printable", at=f"{at}.name", hint="write who it is")
    if not _ROLE.fullmatch(raw.role):
        raise document.fault("a role is lower-case letters, digits and _", at=f"{at}.role", hint="privacy_officer")
    for earlier in people[:position]:
        # One person with two entries would count twice towards a threshold.
        if earlier.keyid == raw.keyid or earlier.name.strip().casefold() == raw.name.strip().casefold():
            raise document.fault("a key or a name stands twice", at=at, hint="list each person and each key once")
    key = _named_key(document, raw, at)
    if raw.keyid != key.keyid:
        raise document.fault(
            f"the key id is not that of {Path(raw.key).name}",
            at=f"{at}.keyid",
            hint=f"check with {raw.name} which key is theirs; the id of the file is {key.keyid}",
        )
    return Person(raw.name, raw.role, key)


def _named_key(document: Document, raw: _Person, at: str) -> SSlibKey:
    if not _KEYID.fullmatch(raw.keyid):
        raise document.fault("a key id is 64 hex digits", at=f"{at}.keyid", hint="`deid keys generate` prints it")
    folder = document.path.resolve().parent
    if Path(raw.key).is_absolute() or _relative(folder, folder / raw.key) is None:
        raise document.fault(
            "the key file lies outside the folder of the trust root",
            at=f"{at}.key",
            hint="copy the public key beside the trust root and name it by a relative path",
        )
    try:
        return load_public_key(folder / raw.key)
    except KeyFaultError as error:
        raise document.fault(error.message, at=f"{at}.key", hint=error.hint) from None


def _relative(folder: Path, path: Path) -> Path | None:
    """Return `path` as seen from `folder`, links followed, or None if it lies outside or cannot be resolved."""
    try:
        return path.resolve().relative_to(folder)
    except (ValueError, OSError, RuntimeError):  # outside, a NUL, too long, a circle of links
        return None


def _load_key(path: Path, key: Path) -> SSlibKey:
    try:
        return load_public_key(key)
    except KeyFaultError as error:
        raise DocumentError(f"cannot add a person to {path.name}: {error.message}", hint=error.hint) from None


def _check_may_sign(document: Document, may_sign: Mapping[str, tuple[str, ...]], held: set[str]) -> None:
    for name, roles in may_sign.items():
        _check_type(document, name, at="$.may_sign")
        for role in roles:
            if role not in held:
                raise document.fault(
                    f"{name} may be signed by the role {role!r}, which nobody holds",
                    at=f"$.may_sign.{name}",
                    hint=f"the roles held are {', '.join(sorted(held))}",
                )


def _check_thresholds(document: Document, trust: TrustRoot) -> None:
    for name, count in trust.thresholds.items():
        _check_type(document, name, at="$.threshold")
        able = len(trust.signers_for(name))
        least = AT_LEAST.get(name, 1)
        if not least <= count <= able:
            raise document.fault(
                f"{name} needs {count} signatures; {able} people may sign it",
                at=f"$.threshold.{name}",
                hint=f"a threshold is at least {least} and at most the number of people who may sign",
            )


def _check_type(document: Document, name: str, *, at: str) -> None:
    if name not in STATEMENT_TYPES:
        raise document.fault(
            f"{name!r} is not a type of statement", at=f"{at}.{name}", hint=f"one of {', '.join(STATEMENT_TYPES)}"
        )
