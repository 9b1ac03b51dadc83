"""What nobody described of a document is counted: elements by their names, entries by their templates.

The topmost element that no path passes is counted, as `observation/methodCode: 3` or `template 2.16.…22.4.46: 2`; what
stands in it is not. Codes of systems that no path at their place names are counted by their element.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from deid.schema import Table
from deid.sources.ccda.cells import coded, spoken
from deid.sources.ccda.parsing import Element
from deid.sources.ccda.paths import Path, Place, Step, compile_each, compile_path
from deid.sources.ccda.rows import Row, children, fits, rows_of, templates_of
from deid.sources.ccda.vocabulary import FRAME, STRUCTURE, is_published

_MOST_NAMES = 200  # a description that leaves more than these unread has other worries; the rest is counted as one
_REST = "(other)"


class Unread:
    """Counts what no path of these tables reads, document by document."""

    def __init__(self, tables: Iterable[Table]) -> None:
        self.counts: Counter[str] = Counter()
        self._tables: list[tuple[tuple[Place, ...], list[Path]]] = [
            (compile_each(table.each) if table.each else (), [compile_path(c.path or "") for c in table.columns])
            for table in tables
        ]

    def count(self, document: Element) -> None:
        """Count what one document holds beside the described."""
        marks = _Marks()
        marks.passed.add(id(document))
        for each, paths in self._tables:
            for row in rows_of(document, each):
                marks.row(row, paths)
        self._walk(document, marks)
        for key, name in marks.codes.items():
            if key not in marks.read:
                self._note(f"{name} of a code system that is not described")

    def _walk(self, element: Element, marks: _Marks) -> None:
        if id(element) in marks.whole:
            return
        for child in children(element):
            if id(child) in marks.passed or child.name in FRAME:
                self._walk(child, marks)
            elif child.name not in STRUCTURE:
                self._note(_spoken(element, child))

    def _note(self, name: str) -> None:
        self.counts[name if name in self.counts or len(self.counts) < _MOST_NAMES else _REST] += 1


class _Marks:
    """Which elements of one document paths pass, by identity: it lives no longer than the document."""

    def __init__(self) -> None:
        self.passed: set[int] = set()
        self.whole: set[int] = set()  # all text in these is read
        self.read: set[int] = set()
        self.codes: dict[int, str] = {}

    def row(self, row: Row, paths: Iterable[Path]) -> None:
        self.passed.update(id(element) for element in (*row.around, row.element))
        for path in paths:
            for way in path.ways:
                start = row.nearest(way.around) if way.around else row.element
                if start is not None:
                    self._along(start, way.steps, whole=not way.attribute)

    def _along(self, element: Element, steps: tuple[Step, ...], *, whole: bool) -> None:
        if not steps:
            if whole:
                self.whole.add(id(element))
            return
        for child in children(element):
            if fits(child, steps[0]):
                self.passed.add(id(child))
                for selector in steps[0].selectors:
                    self._key(child, selector.names)
                if steps[0].systems is not None:
                    self._code(element, child, steps[0].systems)
                self._along(child, steps[1:], whole=whole)

    def _key(self, element: Element, names: tuple[str, ...]) -> None:
        for child in children(element):
            if names and child.name == names[0]:
                self.passed.add(id(child))
                self._key(child, names[1:])

    def _code(self, parent: Element, element: Element, systems: frozenset[str]) -> None:
        self.read.update(id(one) for one in coded(element, systems))
        for one in spoken(element):
            self.passed.add(id(one))
            if "code" in one.attributes:
                self.codes[id(one)] = f"{parent.name}/{element.name}"


def _spoken(parent: Element, element: Element) -> str:
    published = next((template for template in templates_of(element) if is_published(template)), None)
    return f"template {published}" if published else f"{parent.name}/{element.name}"
