"""What a run is about, as far as choices and segments care: an export, or tables that are counted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from deid.documents.policy import Policy
from deid.documents.request import Use
from deid.planning.needs import columns_needed
from deid.planning.plan import Plan
from deid.schema import DatasetDescription, Table
from deid.segments.rules import SegmentRule
from deid.segments.telling import VisitKey, columns_screened, joins_visits, rules_of, telling_columns, visit_keys


@dataclass(frozen=True, slots=True)
class Subject:
    """Request and release by name, the use, policy and dataset, and the tables that are read.

    `asked`: the tables whose rows are released or counted, beside the encounters table.
    """

    request: str
    release: str
    use: Use | None
    policy: Policy
    dataset: DatasetDescription
    asked: frozenset[str]
    read: frozenset[str]

    @classmethod
    def of_plan(cls, plan: Plan) -> Subject:
        """Return what a plan is about; raise PlanError where no table carries what selects rows."""
        asked, request = frozenset(planned.table.name for planned in plan.tables), plan.request
        read = frozenset(columns_needed(plan))
        return cls(request.name, plan.release, request.use, plan.policy, plan.dataset, asked, read)

    @property
    def rules(self) -> tuple[SegmentRule, ...]:
        """The rules by which rows are left out."""
        return rules_of(self.policy, self.dataset)

    def columns(self, table: Table) -> list[str]:
        """Return the columns by which rows of a table are left out, beside the patient key."""
        return columns_screened(self.policy, self.dataset, self.asked, table)

    def telling(self) -> Iterable[Table]:
        """Return the tables, other than the population's, that tell of a segment."""
        rules = self.rules
        return [t for t in self._others() if any(telling_columns(rule, t) for rule in rules)]

    def visited(self) -> Iterable[Table]:
        """Return the tables, other than the population's, whose rows may be left out or join two that are."""
        wanted = self.asked | {self.dataset.encounters} | {t.name for t in self.telling()}
        wanted |= {t.name for t in self._others() if joins_visits(self.dataset, t)}
        wanted |= {t.link.to for t in self.dataset.tables if t.link is not None and t.name in self.read | wanted}
        return [t for t in self._others() if t.name in wanted]

    def keys(self, table: Table) -> list[VisitKey]:
        """Return the columns that join rows of a table to others of their visit."""
        return visit_keys(self.dataset, table)

    def _others(self) -> list[Table]:
        return [t for t in self.dataset.tables if t.name != self.dataset.population]
