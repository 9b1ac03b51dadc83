"""What was left out of whom, for the site: by reason, and by age band and sex against those who are released.

It stays in the site's state, for the difference of two releases would tell who opted out. No cell of one to ten
patients is in it, and none can be worked out of it: small cells are pooled (deid.reports.small). Why there is one:
claims on substance use that were held back distorted the spending of a fifth of patients with serious mental illness
(PMC5441491).
"""

from __future__ import annotations

from datetime import date
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec
import numpy as np
import numpy.typing as npt

from deid.cells.days import NO_DAY, number_of
from deid.choices.screen import Screen
from deid.documents.request import NAME
from deid.documents.site import Site
from deid.errors import DocumentError
from deid.keys.files import replace_file
from deid.release.manifest import RELEASE_ID
from deid.release.small_counts import Count, shown
from deid.reports.small import pooled
from deid.sealing.private import FILE, make_folder

_BANDS = (0, 18, 45, 65)  # ages from which each band begins
_AGES = ("unknown", "0-17", "18-44", "45-64", "65 and over")
_SEXES = ("unknown or other", "female", "male")
_YEAR = 365.2425
_FEW, _NOBODY = "not shown: too few patients", "nobody"


class Group(msgspec.Struct, frozen=True):
    """Patients of one age band and sex, or of those pooled: who lost something, and who is released."""

    group: str
    lost: Count
    released: Count


class Reason(msgspec.Struct, frozen=True, omit_defaults=True):
    """What was left out for one reason.

    `patients` lost at least one row, `whole` of them everything. `rows` by table. `groups`: `why` says why there are
    none.
    """

    patients: Count
    whole: Count
    rows: dict[str, Count]
    groups: tuple[Group, ...] = ()
    why: str = ""


class BiasReport(msgspec.Struct, frozen=True):
    """The report of one release."""

    request: str
    release: str
    created: date
    released: Count
    reasons: dict[str, Reason]


def bias_report(screen: Screen, *, created: date) -> BiasReport:
    """Return the report of a screen whose release was verified."""
    if screen.released is None:
        raise AssertionError("a bias report was asked for before the release was read back")
    size = len(screen.patients)
    persons, released = screen.persons, screen.released
    cells = _cells(persons.birth[:size], persons.sex[:size], created)
    reasons = {}
    for reason in screen.reasons:
        bit = screen.bit(reason)
        whole = (persons.bits[:size] & bit) != 0
        lost = whole | ((persons.touched[:size] & bit) != 0)
        groups, why = _groups(cells, lost, released)
        reasons[reason] = Reason(
            shown(int(lost.sum())),
            shown(int(whole.sum())),
            {table: shown(counts[reason]) for table, counts in sorted(screen.rows.items()) if counts[reason]},
            groups,
            why,
        )
    about = screen.subject
    return BiasReport(about.request, about.release, created, shown(int(released.sum())), reasons)


class BiasFile:
    """Where the report of a release is written below the site's state; a context manager around its publication.

    Entered before the release is staged, so that it sees whether the release was published: where it was not, nothing
    is left.
    """

    def __init__(self, site: Site) -> None:
        self._home = site.state / "choices" / "reports"
        self._path: Path | None = None

    def write(self, report: BiasReport) -> None:
        """Write the report; raise StorageError."""
        self._path = make_folder(self._home / report.request) / f"{report.release}.json"
        replace_file(self._path, msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n", mode=FILE)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None and self._path is not None:
            self._path.unlink(missing_ok=True)


def read_bias_report(site: Site, request: str, release: str) -> BiasReport:
    """Read the report of a release by name; raise DocumentError where there is none."""
    if not NAME.fullmatch(request) or not RELEASE_ID.fullmatch(release):
        raise DocumentError("no release has such a name", hint="`ls` the site's releases")
    try:
        data = (site.state / "choices" / "reports" / request / f"{release}.json").read_bytes()
        return msgspec.json.decode(data, type=BiasReport)
    except (OSError, msgspec.MsgspecError):
        raise DocumentError(
            f"nothing is told of release {release} of {request}", hint="nothing could be left out of it, or it is gone"
        ) from None


def as_lines(report: BiasReport) -> list[str]:
    """Return a report as text."""
    lines = [f"{report.request}, release {report.release}: {report.released} patients released"]
    for name, reason in report.reasons.items():
        rows = ", ".join(f"{count} rows of {table}" for table, count in reason.rows.items()) or "no rows"
        lines.append(f"{name}: {reason.patients} patients lost rows, {reason.whole} of them all; {rows}")
        lines += [f"  {g.group}: {g.lost} lost rows, {g.released} are released" for g in reason.groups]
        lines += [f"  by age and sex {reason.why}"] if reason.why == _FEW else []
    return lines


def _cells(birth: npt.NDArray[np.int32], sex: npt.NDArray[np.int8], on: date) -> npt.NDArray[np.int64]:
    """Return the cell of each patient: age band by sex."""
    ages = (number_of(on) - birth.astype(np.int64)) / _YEAR
    bands = np.where(birth == NO_DAY, 0, np.searchsorted(_BANDS, ages, side="right"))
    return np.asarray(bands * len(_SEXES) + sex, np.int64)


def _groups(
    cells: npt.NDArray[np.int64], lost: npt.NDArray[np.bool_], released: npt.NDArray[np.bool_]
) -> tuple[tuple[Group, ...], str]:
    if not lost.any():
        return (), _NOBODY
    size = len(_AGES) * len(_SEXES)
    counts = np.stack([np.bincount(cells[who], minlength=size) for who in (lost, released)], axis=1).astype(np.int64)
    table = pooled(counts)
    if table is None or len(table.counts) < 2:
        return (), _FEW
    names = [f"{_AGES[cell // len(_SEXES)]}, {_SEXES[cell % len(_SEXES)]}" for cell in table.kept]
    names += ["all others"] if table.pool else []
    told = (Group(name, shown(int(row[0])), shown(int(row[1]))) for name, row in zip(names, table.counts, strict=True))
    return tuple(told), ""
