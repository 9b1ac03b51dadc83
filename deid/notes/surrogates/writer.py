"""From the kind of an identifier and its text to the surrogate of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from deid.keys.prf import BatchCmac
from deid.notes.folding import fold
from deid.notes.surrogates import numbers, places
from deid.notes.surrogates.draws import Draws
from deid.notes.surrogates.names import Names
from deid.notes.writing import NAME_KINDS

Way = Callable[[Draws, str], str | None]

_WAYS: dict[str, Way] = {
    "phone": numbers.phone,
    "fax": numbers.phone,
    "facility_phone": numbers.phone,
    "email": numbers.email,
    "url": numbers.url,
    "ip_address": numbers.ip_address,
    "ssn": numbers.ssn,
    "zip_code": numbers.zip_code,
    "street_address": places.street,
    "facility_place": places.street,
    "city": places.city,
    "county": places.city,
    "birth_place": places.city,
    "facility_name": places.facility,
    "employer_name": places.facility,
}
# What is a code: digits become digits, letters letters.
_SHAPED = frozenset(
    {
        "mrn", "member_id", "account_number", "license_number", "vehicle_id", "device_id", "claim_id", "encounter_id",
        "patient_id", "unique_id", "npi", "provider_id", "facility_id", "precinct",
    }
)  # fmt: skip
SURROGATE_KINDS = NAME_KINDS | frozenset(_WAYS) | _SHAPED


class Surrogates:
    """The surrogates of one patient: the same text of a kind has the same surrogate in all of the patient's notes.

    `key`: 16 bytes or more, the patient's own, of this release alone. `values`: the patient's record, pairs of kind
    and text, none of which a surrogate holds. Raises KeyFaultError for a shorter key.
    """

    def __init__(self, key: bytes, values: Sequence[tuple[str, str]] = ()) -> None:
        self._draws = Draws.of(key, values)
        self._names = Names(self._draws, [value for kind, value in values if kind in NAME_KINDS])

    def __repr__(self) -> str:
        """Return nothing of the key or the record."""
        return "Surrogates()"

    def meet(self, names: Iterable[str]) -> None:
        """Take note of the names of a note, so that initials in it are those of their surrogates."""
        self._names.meet(fold(name).text for name in names)

    def write(self, kind: str, text: str) -> str | None:
        """Return the surrogate of an identifier; None where the kind has none, or none is free: write a tag then."""
        plain = fold(text).text
        if kind in NAME_KINDS:
            return self._names.write(plain)
        way = numbers.shaped if kind in _SHAPED else _WAYS.get(kind)
        return None if way is None else way(self._draws, plain)


def keys_of(mac: BatchCmac, patient: npt.NDArray[np.int32]) -> list[bytes]:
    """Return the key of each patient's surrogates, 16 bytes: the AES-CMAC of the patient's position in this run."""
    distinct, numbers_of = np.unique(patient, return_inverse=True)
    digests = mac.digest(pa.array(distinct.astype(str).tolist(), pa.string()))
    keys = [row.tobytes() for row in digests]
    return [keys[at] for at in numbers_of]
