"""The shelf of transforms: one file each, one visible registry."""

from __future__ import annotations

import dataclasses
from typing import Any

from deid.transforms.base import Context, Output, Transform
from deid.transforms.code_limits import BottomCode, TopCode
from deid.transforms.drop import Drop
from deid.transforms.generalize_age import GeneralizeAge
from deid.transforms.generalize_code import GeneralizeCode
from deid.transforms.generalize_date import GeneralizeDate
from deid.transforms.generalize_zip import GeneralizeZip
from deid.transforms.keep import Keep
from deid.transforms.map_codes import MapCodes
from deid.transforms.pseudonymize import Pseudonymize
from deid.transforms.redact_note import RedactNote
from deid.transforms.roll_up import RollUp
from deid.transforms.round_number import Round
from deid.transforms.shift_date import ShiftDate

__all__ = [
    "TRANSFORMS",
    "BottomCode",
    "Context",
    "Drop",
    "GeneralizeAge",
    "GeneralizeCode",
    "GeneralizeDate",
    "GeneralizeZip",
    "Keep",
    "MapCodes",
    "Output",
    "Pseudonymize",
    "RedactNote",
    "RollUp",
    "Round",
    "ShiftDate",
    "TopCode",
    "Transform",
    "build",
]

TRANSFORMS: dict[str, type[Transform]] = {
    cls.name: cls
    for cls in (
        Keep,
        Drop,
        Pseudonymize,
        ShiftDate,
        GeneralizeDate,
        GeneralizeAge,
        GeneralizeZip,
        GeneralizeCode,
        RollUp,
        MapCodes,
        TopCode,
        BottomCode,
        Round,
        RedactNote,
    )
}


def build(name: str, options: dict[str, Any]) -> Transform:
    """Return the transform `name` with `options`, of which "" is the primary one; raise ValueError if it cannot be."""
    transform = TRANSFORMS.get(name)
    if transform is None:
        raise ValueError(f"there is no transform {name!r}")
    if "" in options:
        if transform.primary is None:
            raise ValueError(f"{name} takes no value")
        options = {transform.primary: options[""], **{key: value for key, value in options.items() if key}}
    fields = dataclasses.fields(transform)  # type: ignore[arg-type]
    known = {field.name for field in fields}
    if unknown := sorted(set(options) - known, key=str):
        raise ValueError(f"{name} has no option {unknown[0]!r}")
    needed = {field.name for field in fields if field.default is dataclasses.MISSING}
    if missing := sorted(needed - set(options)):
        raise ValueError(f"{name} needs {', '.join(missing)}")
    return transform(**options)
