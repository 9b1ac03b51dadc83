"""What other requests have published of the same data, in the terms of this one: tables are read side by side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from deid.errors import DisclosureError
from deid.tables.cube import Address, Earlier
from deid.tables.tabulation import Tabulation

NO_WASHOUT = -1  # of a request that tells no incidence
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
    washout: int


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one request has published; `releases`: SHA-256 of the `tables.json` of each."""

    terms: Terms
    releases: dict[str, list[str]]
    labels: dict[str, list[str]]
    cells: list[Cell]


def terms_of(asked: Tabulation, method: str, base: int) -> Terms:
    """Return what may not change while a request goes on publishing; tables and periods may be added."""
    groups = {name: {k: sorted(codes) for k, codes in sorted(kinds.items())} for name, kinds in asked.groups.items()}
    ages = [band.label for band in asked.bands]
    # Without a table of incidence the days of washout mean nothing, so that they may be changed.
    washout = asked.washout if asked.tells_incidence else NO_WASHOUT
    return Terms(repr(asked.cohort), ages, asked.level, groups, method, base, washout)


def carried(terms: Terms, before: Terms) -> Terms | None:
    """Return the terms of a request that goes on, None where they have changed; incidence may come and go."""
    washout = before.washout if terms.washout == NO_WASHOUT else terms.washout
    if before.washout not in (NO_WASHOUT, washout):
        return None
    found = msgspec.structs.replace(terms, washout=washout)
    return found if msgspec.structs.replace(before, washout=washout) == found else None


def cells_beside(own: Terms, others: Mapping[str, Section], name: str) -> Iterator[tuple[Address, Cell]]:
    """Yield the cells of other requests under the addresses that they have among those of this one, `name`.

    Raise DisclosureError for a request whose cells cannot be told in these terms: other cohorts, bands, methods, or
    another washout where both tell incidence.
    """
    for request, section in sorted(others.items()):
        by_age = {bool(cell.address[Address._fields.index("age")]) for cell in section.cells}
        other_ages = section.terms.ages != own.ages and own.ages and True in by_age
        alike = (section.terms.cohort, section.terms.method, section.terms.base) == (own.cohort, own.method, own.base)
        other_washout = own.washout != section.terms.washout and NO_WASHOUT not in (own.washout, section.terms.washout)
        if other_ages or other_washout or not alike:
            raise DisclosureError(
                f"request {request} has published tables of the same dataset with other age bands, another cohort, "
                "another washout or another way of protection: no audit holds for both together",
                hint=f"take those of {request}; or let the privacy officer weigh both, write "
                f"`weighed_beside: {{{name}: [{request}]}}` under limits.tables of the policy, and sign it",
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
