"""The search: cheap scans for anchors, and the expressions of the rules only where an anchor concerns them.

Work is linear in the text: each anchor costs at most a constant, because every expression is bounded.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from deid.notes.folding import fold_lower
from deid.notes.patterns.rule import LOWER, Anchor, Rule
from deid.notes.patterns.stops import trimmed
from deid.notes.span import Find, Mark

_DIGITS = re.compile(Anchor.NUMBER.value)
_NAMED = re.compile(r"\(\?P<v>")
_LONGEST_CODE = 40


@dataclass(frozen=True, slots=True, eq=False)
class _Ready:
    """A rule with its expression compiled."""

    rule: Rule
    at: Callable[..., re.Match[str] | None]


@dataclass(frozen=True, slots=True, eq=False)
class _Group:
    """Rules of one anchor and one mark; where one expression for all does not match, none of them does."""

    first: Callable[..., re.Match[str] | None]
    ready: tuple[_Ready, ...]


class Finder:
    """Searches texts by a set of rules; building one compiles them."""

    __slots__ = ("_anchored", "_by_word", "_codes", "_numbers", "_words")

    def __init__(self, rules: Iterable[Rule]) -> None:
        groups: dict[Anchor, list[_Ready]] = defaultdict(list)
        self._by_word: dict[str, list[_Ready]] = defaultdict(list)
        for rule in rules:
            expression = re.compile(rule.expression, re.IGNORECASE)
            ready = _Ready(rule, expression.search if rule.back else expression.match)
            if isinstance(rule.at, Anchor):
                groups[rule.at].append(ready)
            else:
                for word in rule.at.split():
                    self._by_word[word].append(ready)
        self._numbers = _grouped(groups.pop(Anchor.NUMBER, []))
        self._codes = _grouped(groups.pop(Anchor.CODE, []))
        self._anchored = [(re.compile(anchor.value), anchor in LOWER, ready) for anchor, ready in groups.items()]
        self._words = re.compile(rf"(?<![^\W_]){alternation(self._by_word)}(?![^\W\d_])") if self._by_word else None

    def find(self, text: str) -> list[Find]:
        """Return the finds in a folded text by their start; those inside a sure one are left out."""
        lower = fold_lower(text)
        search = _Search(text)
        if self._words is not None:
            for place in self._words.finditer(lower):
                search.try_rules(self._by_word[place.group()], place.start())
        for anchor, in_lower, ready in self._anchored:
            for place in anchor.finditer(lower if in_lower else text):
                search.try_rules(ready, place.start())
        search.try_digits(self._numbers, self._codes)
        return outermost(search.found.values())


class _Search:
    """One text while it is searched: what was found, and how far each rule that looks back has come."""

    __slots__ = ("found", "passed", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.found: dict[tuple[int, int, str], Find] = {}
        self.passed: dict[_Ready, int] = {}

    def try_digits(self, numbers: Sequence[_Group], codes: Sequence[_Group]) -> None:
        """Try rules at every number, and at every code that holds one."""
        text, last = self.text, -1
        for digits in _DIGITS.finditer(text):
            at = digits.start()
            before = text[at - 1] if at else "\n"
            if not before.isalpha():
                self._try_groups(numbers, at)
                if before in "(+":
                    self._try_groups(numbers, at - 1)
            if before == "-" or before.isalpha():
                start = _start_of_code(text, at)
                if start > last:
                    self._try_groups(codes, start)
                last = start

    def _try_groups(self, groups: Sequence[_Group], at: int) -> None:
        for group in groups:
            match = group.first(self.text, at)
            if match is not None:
                # The rule that matched first tells that those before it do not.
                self.try_rules(group.ready[(match.lastindex or 1) - 1 :], at)

    def try_rules(self, rules: Iterable[_Ready], at: int) -> None:
        """Try rules at an anchor."""
        for ready in rules:
            if ready.rule.back:
                self._look_back(ready, at)
            else:
                match = ready.at(self.text, at)
                if match is not None:
                    self._keep(ready.rule, match)

    def _look_back(self, ready: _Ready, at: int) -> None:
        # What stands before the last anchor was searched from there, so that no stretch is searched twice.
        start = max(0, at - ready.rule.back, self.passed.get(ready, 0))
        end = at + (ready.rule.ahead or ready.rule.back)
        self.passed[ready] = at + 1
        match = ready.at(self.text, start, end)
        while match is not None and match.start() <= at:
            self._keep(ready.rule, match)
            match = ready.at(self.text, match.end(), end) if match.start() < match.end() <= at else None

    def _keep(self, rule: Rule, match: re.Match[str]) -> None:
        sure = rule.sure if rule.verdict is None else rule.verdict(match)
        if sure is None:
            return
        start, end = match.span("v") if "v" in match.re.groupindex else match.span()
        if rule.stop:
            start, end = trimmed(self.text, start, end)
        kind = rule.kind if rule.tells is None else rule.tells(match)
        if start < end and (sure or (start, end, kind) not in self.found):
            self.found[start, end, kind] = Find(start, end, kind, rule.title, rule.mark, sure)


def _grouped(ready: Iterable[_Ready]) -> list[_Group]:
    by_mark: dict[Mark, list[_Ready]] = defaultdict(list)
    for one in ready:
        by_mark[one.rule.mark].append(one)
    return [
        _Group(
            re.compile("|".join(f"({_NAMED.sub('(?:', one.rule.expression)})" for one in of_mark), re.IGNORECASE).match,
            tuple(of_mark),
        )
        for of_mark in by_mark.values()
    ]


def _start_of_code(text: str, at: int) -> int:
    start = at
    while start > 0 and at - start < _LONGEST_CODE and (text[start - 1].isalnum() or text[start - 1] == "-"):
        start -= 1
    return start


def outermost(finds: Iterable[Find]) -> list[Find]:
    """Return finds by start, without those that lie inside a sure one, or inside a longer one when none is sure."""
    kept: list[Find] = []
    reach = sure_reach = -1
    for find in sorted(finds, key=lambda f: (f.start, -f.end, not f.sure, f.rule)):
        if find.end <= sure_reach or (not find.sure and find.end <= reach):
            continue
        kept.append(find)
        reach = max(reach, find.end)
        sure_reach = max(sure_reach, find.end) if find.sure else sure_reach
    return kept


def alternation(words: Iterable[str]) -> str:
    """Return an expression for any of the words that shares their beginnings, the longest word first."""
    tree: dict[str, dict[str, object]] = {}
    for word in words:
        node: dict[str, dict[str, object]] = tree
        for character in [*word, ""]:
            node = node.setdefault(character, {})  # type: ignore[assignment]
    return _expression(tree)


def _expression(tree: dict[str, dict[str, object]]) -> str:
    branches = [
        re.escape(character) + _expression(rest)  # type: ignore[arg-type]
        for character, rest in sorted(tree.items(), reverse=True)
        if character
    ]
    if not branches:
        return ""
    inner = branches[0] if len(branches) == 1 and "" not in tree else f"(?:{'|'.join(branches)})"
    return f"{inner}?" if "" in tree else inner
