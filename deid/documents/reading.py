"""Read a YAML document safely: no tags, anchors or duplicate keys, bounded size, errors with line and column."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import yaml

from deid.errors import DocumentError

MAX_BYTES = 1_000_000
MAX_DEPTH = 32
MAX_DIGITS = 18
T = TypeVar("T")
# libyaml where PyYAML was built with it, as its wheels are: a tenth of the time, and every command reads descriptions.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_OPENING = (
    yaml.FlowSequenceStartToken,
    yaml.FlowMappingStartToken,
    yaml.BlockSequenceStartToken,
    yaml.BlockMappingStartToken,
)
_CLOSING = (yaml.FlowSequenceEndToken, yaml.FlowMappingEndToken, yaml.BlockEndToken)
_WORD = re.compile(r"(?:[\w.-]|\{[\w.,-]*\}){1,80}")  # names, kinds, and patterns of column names
_QUOTED = re.compile(r"`([^`]*)`|'([^']*)'")


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed YAML file: its content as plain lists, maps and scalars, and where each part stands.

    `digest` is the SHA-256 (hex) of the file's bytes, which is what signatures are over.
    `places` maps a JSON path such as `$.rules.sex` to (line, column), both from 1.
    """

    path: Path
    content: Any
    digest: str
    places: dict[str, tuple[int, int]]

    def fault(self, message: str, *, at: str = "$", hint: str) -> DocumentError:
        """Return an error that names the file, the nearest known place to the path `at`, and the remedy."""
        line, column = self._nearest(at)
        return DocumentError(f"{self.path.name}:{line}:{column}: {message}", hint=hint)

    def into(self, kind: type[T]) -> T:
        """Convert the content to a msgspec Struct type; raise DocumentError with the place of what does not fit."""
        try:
            return msgspec.convert(self.content, kind)
        except msgspec.ValidationError as error:
            text, _, path = str(error).partition(" - at `")
            raise self.fault(
                _plain(text), at=path.rstrip("`") or "$", hint="docs/formats describes every field of this file"
            ) from None

    def _nearest(self, path: str) -> tuple[int, int]:
        while path and path not in self.places:
            cut = max(path.rfind("."), path.rfind("["))
            path = path[:cut] if cut > 0 else ""
        return self.places.get(path, (1, 1))


def load(path: Path) -> Document:
    """Read and parse the YAML file at `path`; raise DocumentError for anything but plain, bounded data."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)  # a whole source may have been named by mistake
    except OSError as error:
        raise DocumentError(
            f"cannot read {path.name}: {error.strerror}", hint="check the path and that this user may read it"
        ) from None
    if len(data) > MAX_BYTES:
        raise DocumentError(f"{path.name} is larger than {MAX_BYTES:,} bytes", hint="split it; documents are small")
    return parse(path, data)


def parse(path: Path, data: bytes) -> Document:
    """Parse the bytes of a YAML document; `path` is only used in messages."""
    digest = hashlib.sha256(data).hexdigest()
    places: dict[str, tuple[int, int]] = {}
    try:
        text = data.decode("utf-8-sig")
        _refuse_bombs(path, text)
        node = yaml.compose(text, Loader=_LOADER)
    except UnicodeDecodeError:
        raise DocumentError(f"{path.name} is not UTF-8", hint="save it as UTF-8") from None
    except (yaml.YAMLError, RecursionError) as error:
        raise _syntax_fault(path, error) from None
    if node is None:
        raise DocumentError(f"{path.name} is empty", hint="docs/formats shows an example of every document")
    content = _build(path, node, "$", places, 0)
    return Document(path, content, digest, places)


def _refuse_bombs(path: Path, text: str) -> None:
    """Refuse anchors, aliases, tags and deep nesting while tokens are scanned, before anything is built of them."""
    depth = 0
    for token in yaml.scan(text, Loader=_LOADER):
        line, column = token.start_mark.line + 1, token.start_mark.column + 1
        if isinstance(token, (yaml.AnchorToken, yaml.AliasToken, yaml.TagToken)):
            raise DocumentError(
                f"{path.name}:{line}:{column}: anchors, aliases and tags are not allowed",
                hint="write the value out where it is needed",
            )
        depth += isinstance(token, _OPENING) - isinstance(token, _CLOSING)
        if depth > MAX_DEPTH:
            raise _too_deep(path, line, column)


def _too_deep(path: Path, line: int, column: int) -> DocumentError:
    return DocumentError(f"{path.name}:{line}:{column}: nested more than {MAX_DEPTH} deep", hint="flatten it")


def _syntax_fault(path: Path, error: Exception) -> DocumentError:
    mark = getattr(error, "problem_mark", None)
    where = f":{mark.line + 1}:{mark.column + 1}" if mark is not None else ""
    problem = getattr(error, "problem", None) or "nested too deeply or not YAML"
    return DocumentError(f"{path.name}{where}: {problem}", hint="mend the YAML there; indent with spaces")


def _build(path: Path, node: yaml.Node, at: str, places: dict[str, tuple[int, int]], depth: int) -> Any:
    line, column = node.start_mark.line + 1, node.start_mark.column + 1
    places[at] = (line, column)
    if depth > MAX_DEPTH:
        raise _too_deep(path, line, column)
    if isinstance(node, yaml.SequenceNode):
        return [_build(path, child, f"{at}[{i}]", places, depth + 1) for i, child in enumerate(node.value)]
    if isinstance(node, yaml.MappingNode):
        return _build_map(path, node, at, places, depth)
    return _scalar(path, node, line, column)


def _build_map(
    path: Path, node: yaml.MappingNode, at: str, places: dict[str, tuple[int, int]], depth: int
) -> dict[str, Any]:
    content: dict[str, Any] = {}
    for key_node, value_node in node.value:
        line, column = key_node.start_mark.line + 1, key_node.start_mark.column + 1
        if not isinstance(key_node, yaml.ScalarNode):
            raise DocumentError(f"{path.name}:{line}:{column}: a key must be a word", hint="quote or rename the key")
        key = str(key_node.value)
        if key in content:
            raise DocumentError(
                f"{path.name}:{line}:{column}: the key {_named(key)} stands twice", hint="remove one of them"
            )
        content[key] = _build(path, value_node, f"{at}.{key}", places, depth + 1)
        places[f"{at}.{key}"] = (line, column)
    return content


def _scalar(path: Path, node: yaml.Node, line: int, column: int) -> Any:
    text = str(node.value)
    if node.tag in ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float") and len(text) > MAX_DIGITS:
        raise DocumentError(
            f"{path.name}:{line}:{column}: a number of more than {MAX_DIGITS} characters",
            hint="quote it if it is a code, shorten it if it is a number",
        )
    if node.tag == "tag:yaml.org,2002:timestamp":  # a date stays text; msgspec turns it into the type that is asked for
        return text
    try:
        return yaml.constructor.SafeConstructor().construct_object(node)
    except (yaml.YAMLError, ValueError):
        raise DocumentError(f"{path.name}:{line}:{column}: not a plain value", hint="quote the text") from None


def _named(word: str) -> str:
    """Return a word of a document as a message may quote it.

    A source named in the place of a document is read as YAML until it fails, and its cells stand in no message.
    """
    return f"'{word}'" if _WORD.fullmatch(word) else "that is no plain word"


def _plain(text: str) -> str:
    text = _QUOTED.sub(lambda quoted: _named(quoted[1] or quoted[2] or ""), text)
    return text.replace("Object contains", "there is an").replace("Object missing", "missing")
