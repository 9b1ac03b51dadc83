"""What is done with the guard keys of releases once they are published: rotated, destroyed, checked.

docs/formats/keys.md, "Rotation" and "Shredding", says what each of them reaches, and what it does not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from deid.errors import DeidError, KeyFaultError, ReleaseError
from deid.keys.base import Guard, KeyProvider
from deid.keys.files import folder_lock, read_public, replace_file, sweep_staged
from deid.keys.keys_file import KeysFile, encode_keys, open_kek, open_manifest_key, parse_keys, wrap_keys

KEYS = "keys.json"
MAX_BYTES = 4 * 2**20


@dataclass(frozen=True, slots=True)
class Shredded:
    """What was destroyed: the guard keys of one release, and what could still bring them back."""

    series: str
    release: str
    guards: tuple[str, ...]
    means: str


@dataclass(frozen=True, slots=True)
class Rotated:
    """A release whose keys lie under a new guard key; `destroyed` holds the ids of those it had before."""

    release: str
    guard: str
    destroyed: tuple[str, ...]


class State(StrEnum):
    """How the keys of a release stand."""

    OPENS = "opens"
    NO_GUARD = "no guard key: shredded, or lost"
    REFUSED = "does not open"


@dataclass(frozen=True, slots=True)
class Checked:
    """How the keys of one release stand, and why where they do not open."""

    folder: Path
    release: str
    state: State
    why: str = ""


def shred_release(provider: KeyProvider, release: str) -> Shredded:
    """Destroy the guard keys of the release with the id `release` (request.name); copies become unreadable too.

    Raises KeyFaultError if there is none, or if one stands after it was destroyed.
    """
    guards = [guard for guard in provider.guards() if guard.release == release]
    if not guards:
        raise KeyFaultError(
            f"there is no guard key of {release} to destroy",
            hint="it was shredded before, or it is portable: that cannot be taken back, see `deid recall`",
        )
    for guard in guards:
        provider.destroy_guard(guard.id)
    _see_them_gone(provider, guards)
    return _shredded(provider, guards)


def shred_series(provider: KeyProvider, series: str) -> tuple[Shredded, ...]:
    """Destroy the guard keys of every release of a series (request/party).

    Raises KeyFaultError if there is none, or where the provider fails on the way; the rest can be shredded again.
    """
    guards = [guard for guard in provider.guards() if guard.series == series]
    if not guards:
        raise KeyFaultError(
            f"there is no guard key of the series {series} to destroy",
            hint="it was shredded before, or its releases are portable: see `deid recall`",
        )
    for done, guard in enumerate(guards):
        try:
            provider.destroy_guard(guard.id)
        except KeyFaultError as fault:
            raise KeyFaultError(
                f"{done} of {len(guards)} guard keys of {series} were destroyed, then: {fault.message}",
                hint="shred the series again: what was shredded stays so",
            ) from None
    _see_them_gone(provider, guards)
    releases = dict.fromkeys(guard.release for guard in guards)
    return tuple(_shredded(provider, [guard for guard in guards if guard.release == one]) for one in releases)


def rotate_release(folder: Path, provider: KeyProvider, standing: Sequence[Guard] | None = None) -> Rotated:
    """Give a `columns` release a new guard key and a new keys.json; data files are not touched.

    Guard keys of this release that its keys.json does not name, which a killed rotation leaves, are destroyed as well.
    `standing`: the provider's guard keys, where they were listed before.
    """
    standing = provider.guards() if standing is None else standing
    # Beside the release, not in it: what a killed process leaves there would be a file that the manifest does not list.
    beside = folder.with_name(f"{folder.name}.{KEYS}")
    with folder_lock(folder):
        sweep_staged(beside)
        old = read_keys(folder)
        keks = {group: open_kek(provider, old, group) for group in old.groups}
        new = wrap_keys(
            provider, series=old.series, release=old.release, manifest_key=open_manifest_key(provider, old), keks=keks
        )
        try:
            replace_file(folder / KEYS, encode_keys(new), staged_as=beside)
        except DeidError:
            provider.destroy_guard(new.guard)
            raise
        stale = [guard.id for guard in standing if guard.release == old.release]
        for guard in stale:
            provider.destroy_guard(guard)
    return Rotated(old.release, new.guard, tuple(stale))


def check_release(folder: Path, provider: KeyProvider, standing: Sequence[Guard] | None = None) -> Checked:
    """Open every key of a `columns` release and forget it again; say how they stand; `standing` as for a rotation."""
    file = read_keys(folder)
    standing = provider.guards() if standing is None else standing
    if file.provider == provider.provider_id and all(guard.id != file.guard for guard in standing):
        return Checked(folder, file.release, State.NO_GUARD)
    try:
        open_manifest_key(provider, file)
        for group in file.groups:
            open_kek(provider, file, group)
    except KeyFaultError as fault:
        return Checked(folder, file.release, State.REFUSED, fault.message)
    return Checked(folder, file.release, State.OPENS)


def columns_releases(releases: Path) -> Iterator[Path]:
    """Yield the folders of `columns` releases below a site's releases (request/release)."""
    for path in sorted(releases.glob(f"*/*/{KEYS}")):
        if not path.parent.name.startswith("."):  # staging
            yield path.parent


def read_keys(folder: Path) -> KeysFile:
    """Return what keys.json of a release says; raise ReleaseError if there is none."""
    path = folder / KEYS
    if path.is_symlink() or not path.is_file():
        raise ReleaseError(
            f"there is no {KEYS} in {folder.name}",
            hint="a portable release has none: its recipients hold its key, for good; see `deid recall`",
        )
    return parse_keys(read_public(path, limit=MAX_BYTES))


def _see_them_gone(provider: KeyProvider, guards: Sequence[Guard]) -> None:
    gone = {guard.id for guard in guards}
    if any(guard.id in gone for guard in provider.guards()):  # believed only once it is seen
        raise KeyFaultError(
            f"a guard key of {guards[0].series} stands although it was destroyed",
            hint="run `deid keys check`, and do not rely on the shred",
        )


def _shredded(provider: KeyProvider, guards: Sequence[Guard]) -> Shredded:
    return Shredded(guards[0].series, guards[0].release, tuple(guard.id for guard in guards), provider.destroyed_means)
