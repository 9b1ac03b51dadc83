"""Names that stand twice in one object of JSON text.

JSON leaves open what a doubled name means, and decoders silently take the last; in FHIR names are unique (HL7 FHIR R4,
JSON Representation of Resources). A record that two readers read differently is a record about two patients, or one
whose modifier is seen by one reader only.
"""

from __future__ import annotations

import json
from typing import Any


class _DoubledNameError(ValueError):
    """Thrown through the decoder, which offers no other way to stop."""


def has_doubled_names(text: bytes) -> bool:
    """Return whether a name stands twice in one object, however its letters are written.

    Raises json.JSONDecodeError (which knows the line), UnicodeDecodeError, another ValueError or RecursionError where
    the text is not one whole JSON value in UTF-8. Memory is that of the text and of the largest single object in it.
    """
    try:
        _decode(text.decode())
    except _DoubledNameError:
        return True
    return False


def _refuse_doubled(pairs: list[tuple[str, Any]]) -> None:
    """Look at the names of one object and keep nothing of it."""
    if len(pairs) > 1 and len(dict(pairs)) != len(pairs):
        raise _DoubledNameError


def _refuse_constant(_: str) -> None:
    raise ValueError  # NaN and Infinity are no JSON


# A number is not needed, and a long one would take Python's time to compute.
_decode = json.JSONDecoder(
    object_pairs_hook=_refuse_doubled, parse_int=len, parse_float=len, parse_constant=_refuse_constant
).decode
