"""The replacements of notes as operators of presidio-anonymizer, for those who run Presidio themselves.

    engine = AnonymizerEngine()
    for operator in OPERATORS:
        engine.add_anonymizer(operator)
    engine.anonymize(text, results, {"PERSON": OperatorConfig("deid_surrogate", {"key": key})})

Presidio's own names of entities are understood beside the kinds of docs/reference/kinds.md. The redactor calls the
same functions directly: Presidio copies and sorts what it is given for every note.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from presidio_anonymizer.entities import InvalidParamError
from presidio_anonymizer.operators import Operator, OperatorType

from deid.kinds import KINDS
from deid.notes.date_forms import moved, read
from deid.notes.folding import fold
from deid.notes.replacer import CAPPED_AGE, three_digits
from deid.notes.surrogates import Surrogates
from deid.notes.surrogates.draws import KEY_BYTES
from deid.notes.writing import tag

PRESIDIO_KINDS = {
    "PERSON": "person_name",
    "LOCATION": "city",
    "ORGANIZATION": "facility_name",
    "DATE_TIME": "service_date",
    "PHONE_NUMBER": "phone",
    "EMAIL_ADDRESS": "email",
    "URL": "url",
    "IP_ADDRESS": "ip_address",
    "US_SSN": "ssn",
    "US_ITIN": "ssn",
    "US_NPI": "npi",
    "US_MBI": "member_id",
    "US_DRIVER_LICENSE": "license_number",
    "US_PASSPORT": "license_number",
    "MEDICAL_LICENSE": "license_number",
    "US_BANK_NUMBER": "account_number",
    "CREDIT_CARD": "account_number",
    "IBAN_CODE": "account_number",
    "MAC_ADDRESS": "device_id",
    "AGE": "age",
    "ZIP_CODE": "zip_code",
}
_Params = dict[str, Any] | None


def kind_of(params: Mapping[str, Any] | None) -> str:
    """Return the kind that Presidio's entity type stands for: a kind of the vocabulary, else `unique_id`."""
    entity = str((params or {}).get("entity_type", ""))
    kind = PRESIDIO_KINDS.get(entity, entity.lower())
    return kind if kind in KINDS else "unique_id"


class _Replacement(Operator):  # type: ignore[misc,unused-ignore]
    name = ""

    def operate(self, text: str = "", params: _Params = None) -> str:
        """Return what stands in the place of `text`: a tag where nothing else may."""
        found = self.replaced(kind_of(params), text, params or {})
        return tag(kind_of(params)) if found is None else found

    def replaced(self, kind: str, text: str, params: dict[str, Any]) -> str | None:
        """Return the replacement, or None for a tag."""
        raise NotImplementedError

    def validate(self, params: _Params = None) -> None:
        """Raise InvalidParamError for parameters that are missing or of another type; it names no value."""

    def operator_name(self) -> str:
        """Return the name by which a configuration asks for the operator."""
        return self.name

    def operator_type(self) -> OperatorType:
        """Return that this anonymizes, and cannot be undone."""
        return OperatorType.Anonymize


class DeidTag(_Replacement):
    """`deid_tag`: the kind in brackets, such as [PERSON_NAME]."""

    name = "deid_tag"

    def replaced(self, kind: str, text: str, params: dict[str, Any]) -> str | None:
        """Return None: always the tag."""
        return None


class DeidSurrogate(_Replacement):
    """`deid_surrogate`: an invented name, place or number, the same for the same text under the same key.

    Parameters: `key`, 16 bytes or more of one patient and one release; `record`, pairs of kind and text that no
    surrogate may hold, none if left out.
    """

    name = "deid_surrogate"

    def replaced(self, kind: str, text: str, params: dict[str, Any]) -> str | None:
        """Return the surrogate, None where the kind has none."""
        return Surrogates(params["key"], tuple(params.get("record", ()))).write(kind, text)

    def validate(self, params: _Params = None) -> None:
        """Raise InvalidParamError without a key of 16 bytes."""
        key = (params or {}).get("key")
        if not isinstance(key, bytes) or len(key) < KEY_BYTES:
            raise InvalidParamError(f"deid_surrogate needs `key`: {KEY_BYTES} bytes or more")


class DeidDateShift(_Replacement):
    """`deid_date_shift`: the date some days later or earlier, in the form it had; a tag where it cannot be read.

    Parameters: `days`, a whole number; `near`, the `date` by which a date without a year gets one, optional;
    `latest_year`, the last year that a year of two digits may mean, that of the clock if left out.
    """

    name = "deid_date_shift"

    def replaced(self, kind: str, text: str, params: dict[str, Any]) -> str | None:
        """Return the moved date, None for what is no whole day."""
        near: date | None = params.get("near")
        latest: int = params.get("latest_year") or date.today().year  # noqa: DTZ011 - a year, not an instant
        written = read(fold(text).text.strip(), latest_year=latest)
        if written is None:
            return None
        day = written.near(near) if near is not None else written.on()
        new = moved(day, params["days"]) if day is not None else None
        return None if new is None else written.rewritten(new)

    def validate(self, params: _Params = None) -> None:
        """Raise InvalidParamError without a whole number of days, or for a `near` that is no date."""
        days, near = (params or {}).get("days"), (params or {}).get("near")
        if isinstance(days, bool) or not isinstance(days, int):
            raise InvalidParamError("deid_date_shift needs `days`: a whole number")
        if near is not None and not isinstance(near, date):
            raise InvalidParamError("deid_date_shift: `near` is a date")


class DeidAgeCap(_Replacement):
    """`deid_age_cap`: 90+ for an age that was found because it is over 89, 45 CFR 164.514(b)(2)(i)(C)."""

    name = "deid_age_cap"

    def replaced(self, kind: str, text: str, params: dict[str, Any]) -> str | None:
        """Return 90+, or the age itself where it is a number below 90."""
        plain = fold(text).text.strip()
        return plain if plain.isdigit() and int(plain) < 90 else CAPPED_AGE


class DeidZip(_Replacement):
    """`deid_zip`: three digits of a ZIP code where the 2020 Census allows them, else 000, 164.514(b)(2)(i)(B)."""

    name = "deid_zip"

    def replaced(self, kind: str, text: str, params: dict[str, Any]) -> str | None:
        """Return the three digits."""
        return three_digits(text)


OPERATORS: tuple[type[_Replacement], ...] = (DeidTag, DeidSurrogate, DeidDateShift, DeidAgeCap, DeidZip)
