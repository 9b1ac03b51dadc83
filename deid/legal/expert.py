"""What no basis allows, Expert Determination among them: a direct identifier, or untouched free text, in the output.

The plan refuses these before; this is the second line. What an expert may accept beyond it is the expert's to say.
"""

from __future__ import annotations

from deid.kinds import Kind, Role, Value
from deid.transforms import Transform

PARAGRAPH = "164.514(b)(1)"


def breach(kind: Kind, transform: Transform) -> tuple[str, str] | None:
    """Return the paragraph that a column of `kind` breaks after `transform`, and why; None if it breaks none."""
    if transform.name == "drop":
        return None
    if kind.name == "unneeded":
        return PARAGRAPH, "the description says that this column is never to be released"
    if kind.role is Role.DIRECT and transform.name != "pseudonymize":
        return PARAGRAPH, "a direct identifier, or a part of one, would stand in the output"
    if kind.value is Value.NOTE and transform.name != "redact_note":
        return PARAGRAPH, "free text would stand in the output with the identifiers in it"
    return None
