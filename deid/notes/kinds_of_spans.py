"""Which kind of the vocabulary a class of the network is, by the form of what it found."""

from __future__ import annotations

import re

_KINDS = {
    "NAME": "person_name",
    "LOCATION": "city",
    "FACILITY": "facility_name",
    "DATE": "service_date",
    "CONTACT": "phone",
    "ID": "unique_id",
    "AGE": "age",
    "OTHER": "unique_id",
}
KINDS_OF_NETWORK = frozenset(_KINDS.values()) | {"street_address", "zip_code", "email", "url"}
_ZIP = re.compile(r"\d{5}(?:-\d{4})?")


def kind_of(found: str, text: str) -> str:
    """Return the kind of a span of class `found` whose characters are `text`."""
    if found == "LOCATION":
        if _ZIP.fullmatch(text):
            return "zip_code"
        return "street_address" if any(c.isdigit() for c in text) else "city"
    if found == "CONTACT":
        return "email" if "@" in text else "url" if "/" in text or "www" in text.lower() else "phone"
    return _KINDS[found]
