"""Standing requests for tests: a site with visits in each of the last months, and a way to run what is due."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from tiny_sources import World

from deid.audit.site import audit_folder
from deid.audit.verifying import verify
from deid.errors import DeidError
from deid.schedule.calendar import Every, label_of
from deid.schedule.due import Checked, check
from deid.schedule.running import Keys, Runner

NOW = datetime.now(UTC)
COLUMNS = {
    "patients": {"ID": "patient_id", "LAST": "person_name", "SEX": "sex"},
    "encounters": {"ENC": "encounter_id", "PATIENT": "patient_id", "START": "admit_date", "CLASS": "encounter_class"},
}
TABLES = {"patients": ["ID", "SEX"], "encounters": ["ENC", "PATIENT", "START", "CLASS"]}
SENTINELS = (b"SENTINEL-PAT-", b"SENTINEL-ENC-", b"Quixwerble")


def month(ago: int) -> str:
    """Return the label of the month that lies so many months before this one."""
    day = NOW.date()
    for _ in range(ago):
        day = day.replace(day=1) - timedelta(days=1)
    return label_of(Every.MONTH, day).label


@dataclass
class Clinic:
    """A site with a source and standing requests; every patient has one visit in each of the last four months."""

    world: World
    dataset: Path
    patients: int = 5

    @property
    def releases(self) -> Path:
        """Where the site's releases lie."""
        return self.world.site.site.releases

    @property
    def runs(self) -> Path:
        """Where the site's records of runs lie."""
        return self.world.site.site.state / "runs"

    @property
    def exports(self) -> Path:
        """Where the standing requests lie."""
        return self.world.folder / "exports"

    def fill(self, *, more: tuple[str, ...] = ()) -> None:
        """Write the source; `more` are further encounters, as lines of CSV."""
        people = [f"SENTINEL-PAT-{i},Quixwerble{i},F\n" for i in range(self.patients)]
        visits = [
            f"SENTINEL-ENC-{i}-{ago},SENTINEL-PAT-{i},{month(ago)}-11,inpatient\n"
            for i in range(self.patients)
            for ago in range(1, 5)
        ]
        (self.dataset.parent / "patients.csv").write_text("".join(["ID,LAST,SEX\n", *people]))
        (self.dataset.parent / "encounters.csv").write_text("".join(["ENC,PATIENT,START,CLASS\n", *visits, *more]))

    def standing(self, name: str, *, ago: int = 1, series: str = "cumulative", **fields: Any) -> Path:
        """Write a monthly request whose first period was so many months ago; `fields` override and add."""
        schedule = {
            "every": "month",
            "first": month(ago),
            "time_zone": "UTC",
            "late": "next" if series == "cumulative" else "left_out",
        } | fields.pop("schedule", {})
        content = {
            "expires": str(date(NOW.year + 1, 12, 31)),
            "party": f"party-{name}",
            "series": series,
            "schedule": schedule,
        }
        written = self.world.site.request(self.dataset, TABLES, request=f"exports/{name}", **content | fields)
        text = written.read_text().replace(f"request: exports/{name}", f"request: {name}")
        written.write_text(text)
        with suppress(DeidError):  # a test's request need not be one that can run
            self.world.site.plan(written)  # which has it approved
        return written

    def runner(self, **options: Any) -> Runner:
        """Return a runner with the site's keys."""
        provider = options.pop("provider", lambda: self.world.site.provider)
        return Runner(self.world.site.site, Keys(provider), lambda _what, _rows: None, **options)

    def run(self, as_of: datetime | None = None, **options: Any) -> Checked:
        """Make what is due."""
        return self.runner(**options).run([self.exports], as_of)

    def due(self, as_of: datetime | None = None) -> list[tuple[str, str, str]]:
        """Return request, period and state of what is due."""
        now = datetime.now(UTC)
        return told(check(self.world.site.site, [self.exports], as_of or now, now=now))

    def made(self) -> list[str]:
        """Return the releases that lie there, as `request/name`."""
        return sorted(f"{p.parent.parent.name}/{p.parent.name}" for p in self.releases.glob("*/[!.]*/manifest.json"))

    def published(self) -> list[str]:
        """Return the releases that the audit log has, after verifying it whole."""
        found: list[str] = []
        verify(
            audit_folder(self.world.site.site),
            (),
            key=self.world.site.provider.subkey("audit"),
            seen=lambda entry, _hash: found.append(entry.subject) if entry.kind == "release-published" else None,
        )
        return sorted(found)

    def in_clear(self) -> list[str]:
        """Return the files below releases and state in which a cell stands in clear, or a name of staging."""
        places = (self.releases, self.world.site.site.state)
        return [
            str(path)
            for place in places
            for path in place.rglob("*")
            if path.is_file() and any(word in path.read_bytes() for word in SENTINELS)
        ]


def make_clinic(folder: Path) -> Clinic:
    """Make a site with a source and no request."""
    world = World(folder / "site")
    clinic = Clinic(world, world.source_of({"patients": "X", "encounters": "X"}, COLUMNS))
    clinic.fill()
    return clinic


def told(checked: Checked) -> list[tuple[str, str, str]]:
    """Return request, period and state of what is due."""
    return [(each.standing.name, each.period.label, each.state.value) for each in checked.due]


def faults(checked: Checked) -> list[tuple[str, str, str]]:
    """Return request, period and class of error of what stands in the way."""
    return [(each.request, each.period, type(each.fault).__name__) for each in checked.problems]
