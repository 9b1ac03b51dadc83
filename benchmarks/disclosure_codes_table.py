"""The table of mechanisms against known codes: what each keeps, and what adversaries get; the page that states it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from deid.disclosure.code_maps import MapSearch, search_map
from deid.disclosure.code_risk import CodeRisk
from deid.disclosure.coded import Coded, CodeTree
from deid.disclosure.pairs import attack
from deid.disclosure.sampling import Dates
from deid.documents.limits import Adversary, CodeLimits, Rare
from deid.errors import DisclosureError
from deid.synthetic.histories import Histories

PAGE = Path(__file__).resolve().parents[1] / "docs/reference/code-risk.md"
_PAGE = Path(__file__).with_name("code-risk.template.md")
CEILING = 0.09
K = 11
USUAL = CodeLimits(CEILING, ("icd10cm",))
EVERYBODY = tuple(Adversary)


@dataclass(frozen=True, slots=True)
class Row:
    """One mechanism: what it keeps, in percent of mentions, and what adversaries get, or why it was refused."""

    title: str
    full: float = 0.0
    category: float = 0.0
    empty: float = 0.0
    risk: CodeRisk | None = None
    seconds: float = 0.0
    refused: str = ""

    def cells(self) -> list[str]:
        """Return the row as text."""
        if self.risk is None:
            return [self.title, self.refused, *[""] * 10]
        by = {each.adversary: each for each in self.risk.by}
        means = [f"{100 * by[a].mean:.1f}" if a in by else "" for a in EVERYBODY]
        first = by.get(Adversary.UNIFORM, self.risk.by[0])
        three = self.risk.three
        return [
            self.title, f"{100 * self.full:.1f}", f"{100 * self.category:.1f}", f"{100 * self.empty:.1f}", *means,
            f"{100 * first.below:.0f}", f"{100 * first.unique:.1f}", f"{100 * first.worst:.0f}",
            f"{100 * three.mean:.0f} ± {100 * three.error:.1f}" if three is not None else "",
        ]  # fmt: skip


HEADS = (
    "mechanism", "full", "category", "empty", "any two", "by mentions", "two declared", "one visit", "fewer than 11",
    "one", "worst", "three codes",
)  # fmt: skip
Run = Callable[[Coded, CodeTree], Row]


def mechanisms(*, ccsr: bool, everything: bool = True) -> Iterator[tuple[str, Run]]:
    """Yield every mechanism by its title."""
    yield "codes as they are", _level(0)
    yield "categories", _level(1)
    if everything:
        yield "categories, class x item below 11 empty", _level(1, below=K)
        if ccsr:
            yield "blocks", _level(2)
    yield "chapters", _level(-1)
    yield "two thresholds", _search(USUAL, refine=False)
    yield "**the default: thresholds, then exchanges**", _search(USUAL)
    if not everything:
        return
    if ccsr:
        yield "CCSR category for rare codes", _search(replace(USUAL, rare=Rare.CCSR))
    yield "class x item below 11 empty beside", _search(replace(USUAL, suppress_below=K))
    yield "visits told (encounter number beside codes)", _search(replace(USUAL, adversaries=EVERYBODY), grouped=True)
    if ccsr:
        yield "strict: every pair has 11", _search(replace(USUAL, strict=True))
        yield "three codes known to the ceiling", _search(replace(USUAL, known=3), refine=False)


def with_dates(histories: Histories) -> Iterator[tuple[str, Run]]:
    """Yield the default where dates are known beside codes, by how dates are released."""
    units = {"year": 365, "month": 30}
    for name, days in units.items():
        dates = _dates(histories, days)
        yield (
            f"one code and one {name}, thresholds",
            _search(replace(USUAL, known=1, known_dates=1), refine=False, dates=dates),
        )
    sampled = replace(USUAL, known_dates=2)
    yield "two codes and two years, thresholds", _search(sampled, refine=False, dates=_dates(histories, 365))
    moved = _dates(histories, 1, moved=True)
    yield "two codes and two shifted days, thresholds", _search(sampled, refine=False, dates=moved)


def rows(coded: Coded, tree: CodeTree, chosen: Iterator[tuple[str, Run]]) -> Iterator[Row]:
    """Yield the row of each mechanism."""
    for title, run in chosen:
        started = time.perf_counter()
        try:
            row = run(coded, tree)
        except DisclosureError as error:
            row = Row(title, refused=f"refused: {error.message.partition(' of the patients')[0]}")
        yield replace(row, title=title, seconds=time.perf_counter() - started)


def markdown(found: Sequence[Row]) -> list[str]:
    """Return rows as a table."""
    return [
        f"| {' | '.join(HEADS)} |",
        f"|---|{'---:|' * (len(HEADS) - 1)}",
        *(f"| {' | '.join(row.cells())} |" for row in found),
    ]


def _level(level: int, below: int | None = None) -> Run:
    def run(coded: Coded, tree: CodeTree) -> Row:
        search = MapSearch(coded, tree, replace(USUAL, suppress_below=below), k=K)
        levels = np.full(len(tree.declared), level % len(tree.levels), np.int8)
        items = search.items(levels)
        hidden = search.hidden(items)
        shares = search.shares(levels, hidden)
        risk = attack(coded, items, draws=EVERYBODY, declared=tree.declared, hidden=hidden, k=K, ceiling=CEILING)
        return Row("", shares[0], shares[1], shares[-1], risk)

    return run


def _search(limits: CodeLimits, *, refine: bool = True, grouped: bool = False, dates: Dates | None = None) -> Run:
    def run(coded: Coded, tree: CodeTree) -> Row:
        found = search_map(coded, tree, limits, k=K, refine=refine, grouped=grouped, dates=dates)
        # The same adversaries for every mechanism: also who knows a visit that the release does not tell.
        hidden = None
        if len(found.suppressed):
            width = int(found.items.max()) + 1
            keys = coded.klass[coded.patient].astype(np.int64) * width + found.items[coded.code]
            hidden = np.isin(keys, found.suppressed[:, 0].astype(np.int64) * width + found.suppressed[:, 1])
        risk = found.dated or attack(
            coded, found.items, known=limits.known, draws=EVERYBODY, declared=tree.declared, grouped=grouped,
            hidden=hidden, k=K, ceiling=CEILING,
        )  # fmt: skip
        return Row("", found.shares[0], found.shares[1], found.shares[-1], risk)

    return run


def _dates(histories: Histories, days: int, *, moved: bool = False) -> Dates:
    """Return the visits' dates in units of so many days, or days as intervals."""
    unit = histories.day.astype(np.int64) // days
    found = np.unique(histories.patient.astype(np.int64) << 32 | (unit - unit.min()))
    return Dates((found >> 32).astype(np.int32), (found & 0xFFFFFFFF).astype(np.int32), moved)


def write_page(told: str) -> None:
    """Write the page from what the parts printed, each under its heading."""
    parts = {part.partition("\n")[0]: part.partition("\n")[2] for part in told.split("## ")[1:]}
    tables = {
        name: "\n".join(line for line in part.splitlines() if line.startswith("|")) for name, part in parts.items()
    }
    text = _PAGE.read_text(encoding="utf-8")
    for name, lines in tables.items():
        text = text.replace(f"{{{name}}}", lines)
    PAGE.write_text(text, encoding="utf-8")
