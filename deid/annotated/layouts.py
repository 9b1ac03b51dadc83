"""Documents inside other formats: quoted, in tables, in markup, in JSON, in fields of a message."""

from __future__ import annotations

from typing import NamedTuple

from deid.annotated.dice import Dice
from deid.annotated.filling import Piece


class _Layout(NamedTuple):
    """What stands before, between the lines, and after; and how marks are written inside."""

    head: str
    line: str
    foot: str
    escapes: tuple[tuple[str, str], ...] = ()


_MARKUP = (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"))
_JSON = (("\\", "\\\\"), ('"', '\\"'), ("\t", "\\t"))
_HL7 = (("\\", "\\E\\"), ("|", "\\F\\"), ("^", "\\S\\"), ("&", "\\T\\"))
_CSV = (('"', '""'),)

_LAYOUTS = (
    _Layout("> ", "\n> ", ""),
    _Layout(">> ", "\n>> ", "\n"),
    _Layout("| ", " |\n| ", " |"),
    _Layout("", "\n\n", ""),
    _Layout("", " ", ""),
    _Layout("    ", "\n    ", ""),
    _Layout("\t", "\n\t", ""),
    _Layout("- ", "\n- ", ""),
    _Layout("# ", "\n# ", ""),
    _Layout("// ", "\n// ", ""),
    _Layout("* ", " *\n* ", " *"),
    _Layout("", "\r\n", ""),
    _Layout("", " / ", ""),
    _Layout("", " | ", ""),
    _Layout("```\n", "\n", "\n```"),
    _Layout("<note>", "\n", "</note>", _MARKUP),
    _Layout("<text>", "<br/>", "</text>", _MARKUP),
    _Layout("<p>", "</p>\n<p>", "</p>", _MARKUP),
    _Layout("<div class='note'>", "<br>", "</div>", _MARKUP),
    _Layout("<table><tr><td>", "</td></tr><tr><td>", "</td></tr></table>", _MARKUP),
    _Layout("<li>", "</li>\n<li>", "</li>", _MARKUP),
    _Layout("<![CDATA[", "\n", "]]>"),
    _Layout('{"note": "', "\\n", '"}', _JSON),
    _Layout('{"type": "progress", "text": "', "\\n", '"}', _JSON),
    _Layout('"', "\\n", '"', _JSON),
    _Layout('["', '", "', '"]', _JSON),
    _Layout("OBX|1|TX|||", "\\.br\\", "||||||F", _HL7),
    _Layout("NTE|1||", "~", "", _HL7),
    _Layout('"', "\n", '"', _CSV),
    _Layout("note,", "; ", ""),
    _Layout("{\\rtf1 ", "\\par ", "}"),
    _Layout("", "\\n", ""),
    _Layout("1. ", "\n1. ", ""),
    _Layout("***", "***\n***", "***"),
    _Layout("[", "]\n[", "]"),
)


def laid_out(dice: Dice, pieces: list[Piece]) -> list[Piece]:
    """`pieces` in another format; an identifier of several lines becomes one of each line."""
    layout = dice.pick(_LAYOUTS)
    made = [Piece(layout.head)]
    for text, label, slot in pieces:
        for at, row in enumerate(text.split("\n")):
            if at:
                made.append(Piece(layout.line))
            if row:
                made.append(Piece(_escaped(row, layout.escapes), label, slot))
    made.append(Piece(layout.foot))
    return made


def _escaped(text: str, escapes: tuple[tuple[str, str], ...]) -> str:
    for mark, written in escapes:
        if mark in text:
            text = text.replace(mark, written)
    return text
