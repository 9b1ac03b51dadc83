"""How a rule is told in words: as a policy writes it."""

from __future__ import annotations

import dataclasses

from deid.transforms.base import Transform


def rule_text(transform: Transform) -> str:
    """Return a transform as a policy writes it, on one line, options at their defaults left out."""
    options: list[str] = []
    for option in dataclasses.fields(transform):  # type: ignore[arg-type]
        value = getattr(transform, option.name)
        if option.name == transform.primary:
            options.insert(0, str(value))
        elif value is not None and value != option.default:
            options.append(f"{option.name}: {value}")
    return f"{transform.name}: {', '.join(options)}" if options else transform.name
