"""A document means the same by libyaml and by PyYAML's own parser: what an officer signs does not hang on a machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from deid.documents import reading
from deid.errors import DocumentError

REPOSITORY = Path(__file__).parents[2]
SHIPPED = sorted(
    path
    for folder in ("policies", "exports", "samples", "deid")
    for path in (REPOSITORY / folder).rglob("*.yaml")
    if path.stat().st_size < reading.MAX_BYTES
)
SCALARS = st.none() | st.booleans() | st.integers(-(10**17), 10**17) | st.dates().map(str) | st.text(max_size=12)
CONTENT = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
)
Meaning = tuple[Any, dict[str, tuple[int, int]]]


def meant(text: str, loader: Any) -> Meaning | None:
    """Return content and places of a document as a parser reads it, None where it is refused."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading, "_LOADER", loader)
        try:
            read = reading.parse(Path("a.yaml"), text.encode())
        except DocumentError:
            return None
    return read.content, read.places


def both(text: str) -> tuple[Meaning | None, Meaning | None]:
    """Return what the two parsers read."""
    return meant(text, yaml.CSafeLoader), meant(text, yaml.SafeLoader)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_documents_of_the_project_mean_one_thing(path: Path) -> None:
    """Content and places of every policy, request, description and list that is shipped."""
    fast, plain = both(path.read_text("utf-8"))
    assert fast is not None
    assert fast == plain


@given(CONTENT, st.booleans())
def test_what_is_written_out_means_one_thing(content: Any, flow: bool) -> None:
    """Whatever a program writes as YAML, in blocks or in braces, letters of any language among it."""
    fast, plain = both(yaml.safe_dump(content, default_flow_style=flow, allow_unicode=True))
    assert fast == plain


@given(st.text(alphabet="ab1 :-,[]{}#'\"\n?|>", max_size=24))
def test_what_a_hand_typed_means_one_thing_or_is_refused(text: str) -> None:
    """The two may differ in what they refuse, never in what they read."""
    fast, plain = both(text)
    assert fast is None or plain is None or fast[0] == plain[0]
