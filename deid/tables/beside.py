"""What other requests have published of the same data, in the terms of this one: tables are read side by side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from deid.errors import DisclosureError
from deid.tables.cube import Address, Earlier
from deid.tables.tabulation import Tabulation

Codes = Mapping[str, Mapping[str, tuple[str, ...]]]


class Cell(msgspec.Struct, frozen=True, array_like=True):
    """A published cell as the store keeps it; the repr holds no count."""

    address: tuple[str, ...]
    count: int
    patients: int
    hidden: bool
    shown: int

    def __repr__(self) -> str:
        return "Cell()"

    @property
    def earlier(self) -> Earlier:
        """The cell as a later run finds it."""
        return Earlier(self.count, self.patients, self.hidden)


class Terms(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What gives the cells of one request their meaning, and how they were protected."""

    cohort: str
    ages: list[str]
    level: tuple[str, str] | None
    groups: dict[str, dict[str, list[str]]]
    method: str
    base: int


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one request has published."""

    terms: Terms
    releases: list[str]
    labels: dict[str, list[str]]
    cells: list[Cell]


def terms_of(asked: Tabulation, method: str, base: int) -> Terms:
    """Return what may not change while a request goes on publishing; tables and periods may be added."""
    groups = {name: {k: sorted(codes) for k, codes in sorted(kinds.items())} for name, kinds in asked.groups.items()}
    return Terms(repr(asked.cohort), [band.label for band in asked.bands], asked.level, groups, method, base)


def cells_beside(own: Terms, others: Mapping[str, Section]) -> Iterator[tuple[Address, Cell]]:
    """Yield the cells of other requests under the addresses that they have among this one's.

    Raise DisclosureError for a request whose cells cannot be told in these terms: other cohorts, bands or methods.
    """
    for request, section in sorted(others.items()):
        by_age = {bool(cell.address[Address._fields.index("age")]) for cell in section.cells}
        other_ages = section.terms.ages != own.ages and own.ages and True in by_age
        alike = (section.terms.cohort, section.terms.method, section.terms.base) == (own.cohort, own.method, own.base)
        if other_ages or not alike:
            raise DisclosureError(
                f"request {request} has published tables of the same dataset with other age bands, another cohort or "
                "another way of protection: no audit holds for both together",
                hint=f"take those of {request}; or, if the officer has weighed both, write "
                f"`weighed_beside: [{request}]` in the request",
            )
        for cell in section.cells:
            address = Address(*cell.address)
            yield address._replace(group=_group(own, section.terms, request, address.group)), cell


def groups_beside(own: Terms, others: Mapping[str, Section]) -> Codes:
    """Return the codes of the groups of other requests, by the names that they have beside this one's."""
    return {
        _group(own, section.terms, request, name): {kind: tuple(codes) for kind, codes in kinds.items()}
        for request, section in sorted(others.items())
        for name, kinds in section.terms.groups.items()
    }


def _group(own: Terms, terms: Terms, request: str, name: str) -> str:
    """Return the name of this request for a group of another: that of the same codes, else one that is not in use."""
    if not name:
        return name
    if name in terms.groups:
        same = (mine for mine, codes in own.groups.items() if codes == terms.groups[name])
        return next(same, f"{request}/{name}")
    return name if terms.level == own.level else f"{request}/{name}"
