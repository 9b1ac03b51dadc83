"""The shelf of transforms: one file each, one visible registry."""

from __future__ import annotations

import dataclasses
from typing import Any

from deid.transforms.base import Context, Output, Transform
from deid.transforms.drop import Drop
from deid.transforms.keep import Keep

__all__ = ["TRANSFORMS", "Context", "Output", "Transform", "build"]

TRANSFORMS: dict[str, type[Transform]] = {cls.name: cls for cls in (Keep, Drop)}


def build(name: str, options: dict[str, Any]) -> Transform:
    """Return the transform `name` with `options`; the key "" holds the primary option; raise ValueError if it cannot be."""
    transform = TRANSFORMS.get(name)
    if transform is None:
        raise ValueError(f"there is no transform {name!r}")
    if "" in options:
        if transform.primary is None:
            raise ValueError(f"{name} takes no value")
        options = {transform.primary: options[""], **{key: value for key, value in options.items() if key}}
    known = {field.name for field in dataclasses.fields(transform)}  # type: ignore[arg-type]
    if unknown := sorted(set(options) - known):
        raise ValueError(f"{name} has no option {unknown[0]!r}")
    try:
        return transform(**options)
    except TypeError:
        raise ValueError(f"{name} needs {', '.join(sorted(known - set(options)))}") from None
