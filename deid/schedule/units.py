"""What starts `deid run-due` by itself: a service and a timer of systemd, or a line of a crontab.

Nothing is installed, and no passphrase is written: the service reads it as a credential (systemd.exec(5),
LoadCredential=) that no other process may read, and cron from a file for its user alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from shlex import quote

from deid.documents.site import Site
from deid.errors import DocumentError

NAME = "deid-run-due"
_CREDENTIAL = "deid-passphrase"


@dataclass(frozen=True, slots=True)
class Start:
    """What is to be started: the program, the site file and its site, what is looked at, and where the passphrase is.

    Paths are absolute. `passphrase`: None where the provider of keys needs none.
    """

    program: Path
    site_path: Path
    site: Site
    places: tuple[Path, ...]
    alerts: Path | None = None
    passphrase: Path | None = None

    def words(self) -> list[str]:
        """Return the command as words."""
        words = [str(self.program), "run-due", *map(str, self.places), "--site", str(self.site_path)]
        return words + (["--alerts", str(self.alerts)] if self.alerts is not None else [])


def service(start: Start, *, user: str) -> str:
    """Return the text of the service; raise DocumentError where a folder is missing, without which it never starts."""
    writable = [start.site.state, start.site.releases]
    scheme, _, key_file = start.site.keys.partition(":")
    writable += [Path(key_file).parent] if scheme == "local" else []  # the key store lies beside the key
    writable += [start.alerts.parent] if start.alerts is not None else []
    lines = [
        "[Unit]",
        "Description=Releases of deid that are due",
        "Documentation=man:systemd.service(5)",
        "Wants=network-online.target",
        "After=network-online.target",
        "",
        "[Service]",
        "Type=oneshot",
        f"User={_plain(user)}",
        f"ExecStart={' '.join(_quoted(word) for word in start.words())}",
    ]
    if start.passphrase is not None:
        lines += [
            f"LoadCredential={_CREDENTIAL}:{_path(start.passphrase)}",
            f"Environment=DEID_PASSPHRASE_FILE=%d/{_CREDENTIAL}",
        ]
    lines += [
        "UMask=0077",
        "LimitCORE=0",
        "MemorySwapMax=0",
        "NoNewPrivileges=yes",
        "PrivateTmp=yes",
        "ProtectSystem=strict",
        "ProtectKernelTunables=yes",
        "ProtectKernelModules=yes",
        "ProtectControlGroups=yes",
        "RestrictSUIDSGID=yes",
        "LockPersonality=yes",
        f"ReadWritePaths={' '.join(_quoted(str(path)) for path in dict.fromkeys(writable))}",
        "TimeoutStopSec=60",
        "",
    ]
    if missing := [path for path in writable if not path.is_dir()]:
        raise DocumentError(
            f"the service could not start: there is no folder {', '.join(map(str, missing))}",
            hint="systemd asks for every folder that it may write to; make it, for the service's user alone",
        )
    return "\n".join(lines)


def timer(*, on_calendar: str = "hourly") -> str:
    """Return the text of the timer; `on_calendar` as systemd.time(7) has it."""
    return "\n".join(
        [
            "[Unit]",
            "Description=Looks for releases of deid that are due",
            "",
            "[Timer]",
            f"OnCalendar={_plain(on_calendar)}",
            "RandomizedDelaySec=300",
            "Persistent=true",
            "",
            "[Install]",
            "WantedBy=timers.target",
            "",
        ]
    )


def crontab(start: Start, *, minute: int = 17) -> str:
    """Return one line for cron, that runs it once an hour; a bare percent sign would end the command there."""
    environment = f"DEID_PASSPHRASE_FILE={_shell(str(start.passphrase))} " if start.passphrase is not None else ""
    command = " ".join(_shell(word) for word in start.words())
    return f"{minute} * * * * umask 077; {environment}{command}".replace("%", r"\%")


def _quoted(word: str) -> str:
    """Return a word as a line of a unit has it, where `%`, `$`, quotes and backslashes mean something."""
    _plain(word)
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{escaped}"' if escaped != word or not word or any(c in word for c in " \t'") else word


def _path(path: Path) -> str:
    """Return a path as a setting that takes one as it is."""
    return _plain(str(path)).replace("%", "%%")


def _shell(word: str) -> str:
    return quote(_plain(word))


def _plain(word: str) -> str:
    if any(ord(character) < ord(" ") for character in word):
        raise DocumentError("a line break in a path or a name", hint="it would begin another setting: rename it")
    return word
