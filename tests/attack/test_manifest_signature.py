"""A release is taken only as its site signed it: no signature, a changed one, another site's or another release's."""

from __future__ import annotations

import hashlib
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner
from sites import PASSPHRASE, TEST_SCRYPT_N
from tiny_sources import World

from deid.cli import cli
from deid.errors import DeidError, TrustError
from deid.export import export
from deid.keys.officers import SigningKey, generate_signing_key
from deid.opening import verify_release
from deid.papers.signing import payload_of
from deid.papers.statements import seal
from deid.papers.trust import TrustRoot, add_person, load_trust, trust_in_site
from deid.release.manifest import MANIFEST, SIGNATURE


class Place:
    """A site that signs, with one small request."""

    def __init__(self, folder: Path) -> None:
        self.world = World(folder / "site")
        self.site = self.world.site.site
        self.signing = generate_signing_key(folder / "site-signing.key", PASSPHRASE, scrypt_n=TEST_SCRYPT_N)
        self.public = self.world.folder / "keys" / "site-signing.pub"
        shutil.copy(folder / "site-signing.pub", self.public)
        add_person(self.site.trust, name="Site", role="site", key=self.public)
        dataset = self.world.source_of({"patients": "ID SEX"}, {"patients": {"ID": "patient_id", "SEX": "sex"}})
        people = "".join(f"P-{n},{'FM'[n % 2]}\n" for n in range(30))
        (dataset.parent / "patients.csv").write_text("ID,SEX\n" + people)
        self.request = self.world.site.request(dataset, {"patients": ["ID", "SEX"]})

    def run(self, name: str, *, signing: bool = True) -> None:
        """Run the request."""
        key = self.signing if signing else None
        plan, provider = self.world.site.plan(self.request, name=name), self.world.site.provider
        export(plan, self.site, provider, progress=lambda *_: None, signing=key)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A site that signs, with the releases a and b, and c that it did not sign."""
    made = Place(tmp_path_factory.mktemp("place"))
    made.run("a")
    made.run("b")
    made.run("c", signing=False)
    return made


@pytest.fixture
def release(place: Place, tmp_path: Path) -> Path:
    """A copy of release a, as a recipient has it."""
    return Path(shutil.copytree(place.site.releases / "study" / "a", tmp_path / "a"))


def trusted(place: Place) -> TrustRoot:
    """The site's trust root, which names its signing key."""
    return load_trust(place.site.trust)


def forged(release: Path, key: SigningKey, *, name: str = "study", version: str = "study.a") -> None:
    """Put a statement over the release's manifest in place, about whatever is said."""
    digest = hashlib.sha256((release / MANIFEST).read_bytes()).hexdigest()
    seal(release / SIGNATURE, key, payload_of("manifest", name, version, digest, datetime.now(UTC), None, None))


def test_a_signed_release_names_its_site(place: Place, release: Path) -> None:
    """By a trust root or the site's public key alone, the signer is named; without either, nobody is asked."""
    assert verify_release(release, trust=trusted(place)).signers == ("Site",)
    assert verify_release(release, trust=trust_in_site(place.public)).signers == ("site-signing.pub",)
    assert verify_release(release).signers == ()


def test_a_release_without_a_signature_is_refused_where_one_is_asked_for(place: Place, release: Path) -> None:
    """Taken away or never made, it is missed; nothing else changes for who does not ask."""
    (release / SIGNATURE).unlink()
    for folder in (release, place.site.releases / "study" / "c"):
        assert verify_release(folder).is_sound
        with pytest.raises(DeidError, match="nobody signed for this release"):
            verify_release(folder, trust=trusted(place))


def test_a_signature_of_another_release_or_site_is_refused(place: Place, release: Path, tmp_path: Path) -> None:
    """Exchanged with release b's, made by a stranger's key, or over a manifest that was exchanged."""
    other = place.site.releases / "study" / "b"
    shutil.copy(other / SIGNATURE, release / SIGNATURE)
    with pytest.raises(TrustError, match="altered after it was signed"):
        verify_release(release, trust=trusted(place))
    forged(release, generate_signing_key(tmp_path / "stranger.key", PASSPHRASE, scrypt_n=TEST_SCRYPT_N))
    with pytest.raises(TrustError, match="signed by nobody"):
        verify_release(release, trust=trusted(place))
    shutil.copy(place.site.releases / "study" / "a" / SIGNATURE, release / SIGNATURE)
    shutil.copy(other / MANIFEST, release / MANIFEST)
    with pytest.raises(TrustError, match="altered after it was signed"):
        verify_release(release, trust=trusted(place))


def test_a_statement_about_another_series_or_by_an_officer_is_refused(place: Place, release: Path) -> None:
    """Name and version are those of the manifest, and officers do not sign for the machine."""
    forged(release, place.signing)
    assert verify_release(release, trust=trusted(place)).signers == ("Site",)
    for said in ({"name": "other"}, {"version": "study.b"}):
        forged(release, place.signing, **said)
        with pytest.raises(TrustError, match="is about"):
            verify_release(release, trust=trusted(place))
    forged(release, place.world.site.officer)
    with pytest.raises(TrustError, match="may not sign a manifest"):
        verify_release(release, trust=trusted(place))


def test_commands_demand_the_signature(place: Place, release: Path) -> None:
    """`deid verify --site-key` names the signer, and refuses the release when the signature is gone."""
    command = ["verify", str(release), "--site-key", str(place.public)]
    done = CliRunner().invoke(cli, command)
    assert done.exit_code == 0, done.output
    assert "signed by site-signing.pub" in done.output
    (release / SIGNATURE).unlink()
    assert isinstance(CliRunner().invoke(cli, command).exception, DeidError)
