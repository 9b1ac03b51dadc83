"""The keys of a release as tasks have them: what encrypts its files, and nothing that proves or opens anything else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from deid.errors import KeyFaultError
from deid.keys import parquet_kms
from deid.keys.keys_file import Kek
from deid.keys.parquet_kms import FOOTER
from deid.sinks.release_keys import PORTABLE, ColumnKeys, ReleaseKeys


@dataclass(frozen=True, slots=True)
class TaskKeys:
    """What a task needs of `ReleaseKeys`: the release key (portable), or the key-encryption keys by group (columns).

    In the columns profile the manifest key stays with the driver.
    """

    release: str
    profile: str
    key: bytes = field(repr=False)
    keks: Mapping[str, Kek] = field(repr=False)
    groups: Mapping[str, str]
    series: str

    @classmethod
    def of(cls, keys: ReleaseKeys) -> TaskKeys:
        """Return what tasks get; every group's key is made here, so that no two tasks make one."""
        guards = keys.column_keys
        if keys.profile == PORTABLE or guards is None or guards.fresh is None:
            return cls(keys.release, keys.profile, keys.key, {}, {}, "")
        groups = dict(guards.groups)
        keks = {group: guards.fresh.for_writing(group) for group in (*dict.fromkeys(groups.values()), FOOTER)}
        return cls(keys.release, keys.profile, b"", keks, groups, guards.series)

    def opened(self) -> ReleaseKeys:
        """Return keys that a writer of part files takes."""
        if self.profile == PORTABLE:
            return ReleaseKeys(self.release, self.profile, self.key)
        factory = parquet_kms.crypto_factory(self.release, _Given(self.keks))
        # There is no provider in a task: nothing there wraps a key or makes keys.json.
        guards = ColumnKeys(None, factory, MappingProxyType({**self.groups}), self.series)  # type: ignore[arg-type]
        return ReleaseKeys(self.release, self.profile, b"", guards)


@dataclass(frozen=True, slots=True)
class _Given:
    """The key-encryption keys that the driver made."""

    keks: Mapping[str, Kek] = field(repr=False)

    def for_writing(self, group: str) -> Kek:
        """Return the key of a group; a task makes none of its own."""
        if group not in self.keks:
            raise KeyFaultError(f"no key was made for the column group {group!r}", hint="report this as a defect")
        return self.keks[group]

    def for_reading(self, group: str) -> Kek:
        """Return the key of a group."""
        return self.for_writing(group)
