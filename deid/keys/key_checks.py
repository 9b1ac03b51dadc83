"""Pseudonym keys are held to what they were: a series never goes on under another key unnoticed.

A token that was put back from an older backup, or another provider in its place, would make a new key, and everybody
in the series a new person. So the site notes, sealed, what each key makes of one constant text when it is first used.
docs/formats/keys.md, "Subkeys and pseudonym keys", is the specification.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pyarrow as pa

from deid.errors import KeyFaultError
from deid.keys.base import KeyProvider, encode_context, seal, unseal
from deid.keys.files import folder_lock, read_private, replace_file, sweep_staged
from deid.keys.prf import BatchCmac
from deid.sealing.private import make_folder

FILE = "pseudonym-keys"
MAX_BYTES = 16 * 2**20
_CONSTANT = pa.array(["deid/key-check/v1"])
_SUBKEY = "key checks"
_CONTEXT = "deid/key-checks/v1"


def steady_cmac(provider: KeyProvider, folder: Path) -> Callable[..., BatchCmac]:
    """Return `provider.cmac`, refusing with KeyFaultError where a key is another than when it was first used.

    `folder`: the site's folder for it (state/keys), made where it is missing.
    """
    note = _Note(make_folder(folder) / FILE, provider.subkey(_SUBKEY), encode_context(_CONTEXT, provider.provider_id))

    def cmac(*context: str) -> BatchCmac:
        found = provider.cmac(*context)
        note.hold(context, found.digest(_CONSTANT).tobytes().hex())
        return found

    return cmac


@dataclass(frozen=True, slots=True)
class _Note:
    """The sealed file: by context (as hex), what its key made of the constant (as hex)."""

    path: Path
    key: bytes = field(repr=False)
    associated: bytes

    def hold(self, context: tuple[str, ...], value: str) -> None:
        """Note a value where there is none; raise KeyFaultError where it is another one."""
        name = encode_context(*context).hex()
        with folder_lock(self.path.parent):
            sweep_staged(self.path)
            known = self._read()
            if name not in known:
                text = msgspec.json.encode({**known, name: value})
                replace_file(self.path, seal(self.key, text, self.associated), mode=0o600)
            elif not hmac.compare_digest(known[name], value):
                raise KeyFaultError(
                    f"the key behind {', '.join(context)} is another one than when it was first used: "
                    "everybody in the series would be a new person",
                    hint="restore the newest backup of the token; if the old key is lost, begin another series",
                )

    def _read(self) -> dict[str, str]:
        if not self.path.exists():
            return {}
        text = unseal(self.key, read_private(self.path, limit=MAX_BYTES), self.associated)
        if text is None:
            raise KeyFaultError(
                f"what the site noted of its pseudonym keys ({self.path.parent.name}/{self.path.name}) does not open",
                hint="open the site with the key provider that its state belongs to, or restore the file from a backup",
            )
        return msgspec.json.decode(text, type=dict[str, str])
