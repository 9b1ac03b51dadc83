"""Carriers: texts with slots, read from `deid/annotated/carriers/*.txt` and compiled once.

A file holds carriers between lines of `---`; lines that begin with `%%` are comments, and first lines such as
`%use: sentence` and `%weight: 2` say what the file is. In a carrier `{NAME}` and `{NAME:a}` are slots (the letter names
one person or place of the document), `{one|two {CITY}|}` is a choice, and `{{` and `}}` are braces.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import NamedTuple

from deid.annotated.slots import MACROS, PLAIN, SLOTS
from deid.errors import DocumentError

USES = ("document", "sentence", "header", "tail", "negative", "plain")
_WITHOUT_IDENTIFIERS = frozenset({"negative", "plain"})  # "plain" are whole documents


class Slot(NamedTuple):
    """A place to be filled; `letter` is empty where nothing else in the document refers to it."""

    name: str
    letter: str
    label: str


class Choice(NamedTuple):
    """Alternatives, of which one is taken."""

    options: tuple[tuple[Part, ...], ...]


Part = str | Slot | Choice


@dataclass(frozen=True, slots=True)
class Carrier:
    """One compiled carrier and the line on which it begins."""

    parts: tuple[Part, ...]
    line: int


@dataclass(frozen=True, slots=True)
class Family:
    """The carriers of one file: what they are used as, and their share against other files of the same use."""

    name: str
    use: str
    weight: float
    carriers: tuple[Carrier, ...]


class _Reader:
    """One carrier, read from left to right."""

    __slots__ = ("_at", "_file", "_line", "_negative", "_text")

    def __init__(self, text: str, *, file: str, line: int, negative: bool) -> None:
        self._text, self._file, self._line, self._negative = text, file, line, negative
        self._at = 0

    def read(self) -> tuple[Part, ...]:
        parts = self._sequence(ends="")
        if self._at < len(self._text):
            raise self._fault("a closing brace that nothing opens", "write }} for a brace that stays in the text")
        return parts

    def _fault(self, what: str, hint: str) -> DocumentError:
        line = self._line + self._text.count("\n", 0, self._at)
        return DocumentError(f"carrier file {self._file}, line {line}: {what}", hint=hint)

    def _sequence(self, *, ends: str) -> tuple[Part, ...]:
        parts: list[Part] = []
        literal: list[str] = []
        text = self._text
        while self._at < len(text):
            mark = text[self._at]
            if self._doubled(ends):
                literal.append(mark)
                self._at += 2
                continue
            if mark == "}" or (mark == "|" and ends):
                break
            if mark == "{":
                if literal:
                    parts.append("".join(literal))
                    literal = []
                parts.extend(self._braced())
            else:
                literal.append(mark)
                self._at += 1
        if literal:
            parts.append("".join(literal))
        return tuple(parts)

    def _doubled(self, ends: str) -> bool:
        """Whether two braces stand here for one, and do not end two things or open a choice that begins with a slot."""
        pair = self._text[self._at : self._at + 2]
        if pair == "}}":
            return not ends
        if pair != "{{":
            return False
        closing = self._text.find("}", self._at)
        inner = self._text[self._at + 2 : closing].partition(":")[0]
        return inner not in SLOTS and inner not in MACROS

    def _braced(self) -> tuple[Part, ...]:
        opened = self._at
        self._at += 1
        options = [self._sequence(ends="|}")]
        while self._at < len(self._text) and self._text[self._at] == "|":
            self._at += 1
            options.append(self._sequence(ends="|}"))
        if self._at >= len(self._text):
            self._at = opened
            raise self._fault("an opening brace that nothing closes", "close it, or write {{ for a brace that stays")
        self._at += 1
        if len(options) > 1:
            if all(not option or option[0] in SLOTS for option in options):
                self._at = opened
                raise self._fault("a choice of bare slot names", "put each slot into braces of its own")
            return (Choice(tuple(options)),)
        only = options[0]
        if len(only) == 1 and isinstance(only[0], str):
            return self._slot(only[0], opened)
        self._at = opened
        raise self._fault("braces that hold neither a slot nor a choice", "name one slot, or part options by |")

    def _slot(self, text: str, opened: int) -> tuple[Part, ...]:
        name, _, letter = text.partition(":")
        if name in MACROS:
            inner = MACROS[name].replace(":?", f":{letter}" if letter else "")
            reader = _Reader(inner, file=f"{self._file} (macro {name})", line=1, negative=self._negative)
            return reader.read()
        if name not in SLOTS:
            self._at = opened
            raise self._fault(f"no slot is called {name[:20]!r}", "take a name out of deid/annotated/slots.py")
        if self._negative and SLOTS[name] not in PLAIN:
            self._at = opened
            raise self._fault(f"slot {name} identifies, and the file is negative", "use clinical slots only")
        return (Slot(name, letter, SLOTS[name]),)


def parse(text: str, *, file: str) -> Family:
    """Compile the text of a carrier file.

    Raises:
        DocumentError: an unknown slot or directive, or braces that do not match; with file and line.
    """
    use, weight = "sentence", 1.0
    carriers: list[Carrier] = []
    for line, block in _blocks(text):
        kept: list[str] = []
        begins = line
        for number, row in enumerate(block, line):
            if row.startswith("%%"):
                continue
            if row.startswith("%") and not kept and not carriers:
                use, weight = _directive(row, use, weight, where=f"carrier file {file}, line {number}")
                continue
            if not kept and not row.strip():
                continue
            if not kept:
                begins = number
            kept.append(row)
        body = "\n".join(kept).rstrip()
        if body:
            reader = _Reader(body, file=file, line=begins, negative=use in _WITHOUT_IDENTIFIERS)
            carriers.append(Carrier(reader.read(), begins))
    if not carriers:
        raise DocumentError(f"carrier file {file} holds no carrier", hint="write one, or remove the file")
    return Family(file.removesuffix(".txt"), use, weight, tuple(carriers))


def _blocks(text: str) -> list[tuple[int, list[str]]]:
    blocks: list[tuple[int, list[str]]] = [(1, [])]
    for number, row in enumerate(text.split("\n"), 1):
        if row.rstrip() == "---":
            blocks.append((number + 1, []))
        else:
            blocks[-1][1].append(row)
    return blocks


def _directive(row: str, use: str, weight: float, *, where: str) -> tuple[str, float]:
    name, _, value = row[1:].partition(":")
    value = value.strip()
    if name == "use" and value in USES:
        return value, weight
    if name == "weight":
        try:
            return use, float(value)
        except ValueError:
            pass
    raise DocumentError(f"{where}: a directive that is not known", hint=f"write %use: {'|'.join(USES)} or %weight: 1.5")


@cache
def families() -> tuple[Family, ...]:
    """Every carrier file of the package, by name."""
    folder = files("deid.annotated") / "carriers"
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".txt"))
    return tuple(parse((folder / name).read_text("utf-8"), file=name) for name in names)


def chosen_families(names: Collection[str] | None) -> tuple[Family, ...]:
    """The families of these names, or all.

    Raises:
        DocumentError: a name that no file has.
    """
    if names is None:
        return families()
    missing = sorted(set(names) - {family.name for family in families()})
    if missing:
        raise DocumentError(
            f"{len(missing)} of {len(names)} families of carriers are not there",
            hint="take names of files in deid/annotated/carriers, without .txt",
        )
    return tuple(family for family in families() if family.name in names)
