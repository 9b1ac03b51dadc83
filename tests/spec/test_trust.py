"""The trust root: who may sign what, read strictly."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP521R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from deid.errors import DocumentError
from deid.keys.key_file import SMALLEST_N
from deid.keys.officers import SigningKey, generate_signing_key
from deid.papers.trust import (
    AUDIT_HEAD,
    DESTRUCTION,
    DETERMINATION,
    MANIFEST,
    REIDENTIFICATION,
    REQUEST,
    STATEMENT_TYPES,
    add_person,
    load_trust,
)


class Site:
    """A folder with a trust root and the keys of three people."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "keys").mkdir()
        self.path = folder / "trust.yaml"
        self.keys = {name: self._key(folder / "keys" / f"{name}.key") for name in ("ann", "bob", "eve")}

    @staticmethod
    def _key(path: Path) -> SigningKey:
        return generate_signing_key(path, b"pw", scrypt_n=SMALLEST_N)

    def person(self, name: str, role: str = "privacy_officer", /, **change: str) -> str:
        """One line of YAML for a person, with fields changed."""
        fields = {"name": name, "role": role, "keyid": self.keys[name].keyid, "key": f"keys/{name}.pub"} | change
        return "  - {" + ", ".join(f"{field}: {value}" for field, value in fields.items()) + "}\n"

    def write(self, *people: str, more: str = "", version: str = "1") -> Path:
        """Write the trust root and return its path."""
        self.path.write_text(f"trust: {version}\npeople:\n{''.join(people)}{more}")
        return self.path


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A fresh folder with three people's keys."""
    return Site(tmp_path)


def test_by_default_privacy_officers_sign_everything_alone(site: Site) -> None:
    """Without may_sign and threshold, one privacy officer signs each type but what is another's own, and nobody else any."""
    trust = load_trust(site.write(site.person("ann"), site.person("bob", "data_manager")))
    others = {
        AUDIT_HEAD,
        MANIFEST,
        DESTRUCTION,
        REQUEST,
        DETERMINATION,
    }  # of the site, a recipient, who asks, an expert
    assert [trust.signers_for(kind) for kind in others] == [[]] * len(others)
    for kind in set(STATEMENT_TYPES) - others:
        assert [key.keyid for key in trust.signers_for(kind)] == [site.keys["ann"].keyid]
        assert trust.threshold(kind) == (2 if kind == REIDENTIFICATION else 1)
    assert trust.signers_for("something-else") == []
    assert trust.digest == hashlib.sha256(site.path.read_bytes()).hexdigest()
    found = trust.person(site.keys["bob"].keyid)
    assert found is not None
    assert (found.name, found.role) == ("bob", "data_manager")
    assert trust.person("0" * 64) is None


def test_may_sign_replaces_the_default(site: Site) -> None:
    """Where may_sign is written, a type that it leaves out may be signed by nobody."""
    more = "may_sign: {policy: [data_manager, privacy_officer]}\nthreshold: {policy: 2}\n"
    trust = load_trust(site.write(site.person("ann"), site.person("bob", "data_manager"), more=more))
    assert len(trust.signers_for("policy")) == 2
    assert trust.threshold("policy") == 2
    assert trust.signers_for("no-actual-knowledge") == []


def other_key(site: Site) -> None:
    """Put an elliptic-curve key where an Ed25519 key is expected."""
    public = generate_private_key(SECP521R1()).public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (site.folder / "keys" / "ann.pub").write_bytes(pem)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"keyid": "f" * 64}, "not that of ann.pub"),
        ({"keyid": "abc"}, "64 hex digits"),
        ({"key": "keys/bob.pub"}, "not that of bob.pub"),
        ({"key": "keys/none.pub"}, "cannot read"),
        ({"key": "keys/ann.key"}, "does not hold an Ed25519 public key"),
        ({"key": "keys"}, "keys"),
        ({"key": '"keys/\\0.pub"'}, "outside"),
        ({"role": "Privacy Officer"}, "a role is"),
        ({"role": '""'}, "a role is"),
        ({"name": '" "'}, "not printable"),
        ({"name": '"a\\e[2Jb"'}, "not printable"),
        ({"nickname": "a"}, "unknown field"),
        ({"role": "[privacy_officer]"}, "Expected"),
    ],
)
def test_a_person_who_does_not_fit_is_refused(site: Site, change: dict[str, str], says: str) -> None:
    """Wrong ids, keys, roles, names and fields are refused with the line they stand on."""
    with pytest.raises(DocumentError, match=rf"trust\.yaml:\d+:\d+: .*{says}"):
        load_trust(site.write(site.person("ann", **change)))


@pytest.mark.parametrize("how", ["dots", "absolute", "link", "folder link"])
def test_a_key_that_climbs_out_of_the_folder_is_refused(
    site: Site, tmp_path_factory: pytest.TempPathFactory, how: str
) -> None:
    """A path with dots, an absolute path and a link to the outside are refused, though the key is the right one."""
    outside = tmp_path_factory.mktemp("outside")
    (outside / "ann.pub").write_bytes((site.folder / "keys" / "ann.pub").read_bytes())
    (site.folder / "link.pub").symlink_to(outside / "ann.pub")
    (site.folder / "away").symlink_to(outside)
    key = {
        "dots": f"../{outside.name}/ann.pub",
        "absolute": str(site.folder / "keys" / "ann.pub"),
        "link": "link.pub",
        "folder link": "away/ann.pub",
    }[how]
    with pytest.raises(DocumentError, match="outside the folder"):
        load_trust(site.write(site.person("ann", key=key)))


def test_a_key_of_another_algorithm_is_refused(site: Site) -> None:
    """A curve that is not listed is trusted with nothing."""
    other_key(site)
    with pytest.raises(DocumentError, match="Ed25519"):
        load_trust(site.write(site.person("ann")))


def test_nobody_counts_twice(site: Site) -> None:
    """One key under two names, and one name with two keys, are refused."""
    twice = [
        (site.person("ann"), site.person("ann", name="carol")),
        (site.person("ann"), site.person("bob", name="ANN")),
        (site.person("ann"), site.person("ann", role="data_manager")),
    ]
    for people in twice:
        with pytest.raises(DocumentError, match="stands twice"):
            load_trust(site.write(*people))


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ("threshold: {policy: 2}\n", "2 signatures; 1 people"),
        ("threshold: {policy: 0}\n", "0 signatures"),
        ("threshold: {policy: -1}\n", "-1 signatures"),
        ("threshold: {polcy: 1}\n", "not a type"),
        ("threshold: {policy: one}\n", "Expected"),
        ("may_sign: {polcy: [privacy_officer]}\n", "not a type"),
        ("may_sign: {policy: [privacy_oficer]}\n", "nobody holds"),
        ("may_sign: {policy: []}\nthreshold: {policy: 1}\n", "0 people"),
        ("more: 1\n", "unknown field"),
        ("people: []\n", "stands twice"),
    ],
)
def test_rules_that_cannot_hold_are_refused(site: Site, more: str, says: str) -> None:
    """Thresholds out of reach, misspelled types and roles, and unknown or doubled fields are refused."""
    with pytest.raises(DocumentError, match=says):
        load_trust(site.write(site.person("ann"), more=more))


@pytest.mark.parametrize("text", ["", "trust: 1\n", "trust: 1\npeople: []\n", "trust: 1\npeople: {}\n", "[]"])
def test_a_root_that_trusts_nobody_is_refused(site: Site, text: str) -> None:
    """An empty or half-written root is no root."""
    site.path.write_text(text)
    with pytest.raises(DocumentError):
        load_trust(site.path)


def test_another_version_is_refused(site: Site) -> None:
    """A later format is not guessed at."""
    with pytest.raises(DocumentError, match="version 1"):
        load_trust(site.write(site.person("ann"), version="2"))


def test_people_are_added_to_a_new_root(site: Site) -> None:
    """Adding makes the file, keeps what was there, and gives what loading gives."""
    public = site.folder / "keys"
    add_person(site.path, name='Ann: "the" officer #1 é', role="privacy_officer", key=public / "ann.pub")
    trust = add_person(site.path, name="Bob", role="data_manager", key=public / "bob.pub")
    assert {person.name: person.role for person in trust.people} == {
        'Ann: "the" officer #1 é': "privacy_officer",
        "Bob": "data_manager",
    }
    assert load_trust(site.path) == trust


def test_adding_keeps_comments_and_rules(site: Site) -> None:
    """The rest of a hand-written file stays to the letter, whatever its indentation and line ends."""
    person = site.person("ann").strip()
    for text in (
        f"# ours\ntrust: 1\npeople:\n    {person} # first\n# may\nmay_sign: {{policy: [privacy_officer]}}\n",
        f"threshold: {{policy: 1}}\npeople:\n{person}\ntrust: 1\n",
        f"trust: 1\r\npeople:\r\n  # comment\r\n  {person}\r\n",
        f"trust: 1\npeople:\n  - name: ann\n    keyid: {site.keys['ann'].keyid}\n    role: x\n    key: keys/ann.pub\n",
    ):
        site.path.write_bytes(text.encode())
        trust = add_person(site.path, name="Bob", role="data_manager", key=site.folder / "keys" / "bob.pub")
        assert sorted(person.name for person in trust.people) == ["Bob", "ann"]
        assert load_trust(site.path) == trust
        left = [line for line in site.path.read_bytes().decode().split("\n") if "Bob" not in line]
        assert "\n".join(left) == text


def test_what_cannot_be_added_changes_nothing(site: Site, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A known key, a bad role or name, a key elsewhere, and a file in flow style are refused and left as they were."""
    site.write(site.person("ann"))
    outside = tmp_path_factory.mktemp("outside") / "bob.pub"
    outside.write_bytes((site.folder / "keys" / "bob.pub").read_bytes())
    bob, ann = site.folder / "keys" / "bob.pub", site.folder / "keys" / "ann.pub"
    before = site.path.read_bytes()
    for name, role, key in (
        ("Ann", "privacy_officer", bob),
        ("Other", "privacy_officer", ann),
        ("Bob", "Officer", bob),
        ("B\x1bob", "privacy_officer", bob),
        ("B\udcffob", "privacy_officer", bob),
        ("Bob", "privacy_officer", outside),
        ("Bob", "privacy_officer", site.folder / "none.pub"),
    ):
        with pytest.raises(DocumentError):
            add_person(site.path, name=name, role=role, key=key)
        assert site.path.read_bytes() == before
    for flow in (
        f"trust: 1\npeople: [{site.person('ann').strip()[2:]}]\n",
        f"{{trust: 1, people: [{site.person('ann').strip()[2:]}]}}",
    ):
        site.path.write_text(flow)
        with pytest.raises(DocumentError, match="add"):
            add_person(site.path, name="Bob", role="privacy_officer", key=bob)
        assert site.path.read_text() == flow
