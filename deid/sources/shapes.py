"""What is decoded of a record: the members that paths pass through, and none beside them.

A shape is the tree of all steps of all paths. It becomes a msgspec Struct for each object in it, so that members
nobody asked for are skipped in the bytes and never become values. A place where paths only pass through is decoded
as an object or a list of objects, as FHIR has them; a record that is built in another way is refused by that decoder
and taken up by `loosely`, which reads any JSON into the same Structs.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import msgspec

_SCALAR = str | int | float | bool | None


@dataclass(slots=True)
class Shape:
    """One place in a record. `ends`: a path ends here. `members`: where paths go on, None where none does.

    `type` is the Struct of an object at this place, and `empty` one without any member; both are set by `seal`.
    """

    ends: bool = False
    members: dict[str, Shape] | None = None
    type: type[msgspec.Struct] = msgspec.Struct
    empty: msgspec.Struct | None = field(default=None, repr=False)

    def add(self, names: Iterable[str], *, ends: bool = True) -> Shape:
        """Add the place that these members lead to, and return it."""
        place = self
        for name in names:
            if place.members is None:
                place.members = {}
            place = place.members.setdefault(name, Shape())
        if ends:
            place.ends = True
        elif place.members is None:
            place.members = {}
        return place

    def field(self, name: str) -> str:
        """Return the attribute of `type` that holds a member; members may be called `class` or `__init__`."""
        return f"m{list(self.members or ()).index(name)}"

    def seal(self) -> None:
        """Make the Structs, once every path has been added."""
        for inner in (self.members or {}).values():
            inner.seal()
        if self.members is not None:
            self.type = struct_of({name: inner.annotation for name, inner in self.members.items()})
            self.empty = self.type()

    @property
    def annotation(self) -> Any:
        """The type that the fast decoder expects at this place."""
        if self.members is None:
            return Any
        struct: Any = self.type
        if self.ends:
            return struct | list[struct | _SCALAR] | _SCALAR
        return struct | list[struct] | None

    def loosely(self, value: Any) -> Any:
        """Return a decoded JSON value of whatever build as this place's Structs.

        Where paths only pass through, what is no object leads nowhere; in a list it still counts as an element.
        """
        if self.members is None:
            return value
        if isinstance(value, list):
            return [one if self.ends and not isinstance(one, dict) else self._object(one) for one in value]
        return value if self.ends and not isinstance(value, dict) else self._object(value, None)

    def _object(self, value: Any, otherwise: Any = ...) -> Any:
        if not isinstance(value, dict):
            return self.empty if otherwise is ... else otherwise
        inner = (self.members or {}).items()
        return self.type(*(shape.loosely(value.get(name)) for name, shape in inner))


def struct_of(members: dict[str, Any], *, closed: bool = False) -> type[msgspec.Struct]:
    """Return a Struct with these members, each None where it is absent; `closed`: any other member is an error."""
    names = {f"m{at}": name for at, name in enumerate(members)}
    fields = [(f"m{at}", kind, None) for at, kind in enumerate(members.values())]
    # Without gc: these trees have no cycles, and millions of them would be visited by the collector for nothing.
    # A record is cells: what prints it prints how it is called.
    silent = {"__repr__": lambda _: "Part()"}
    return msgspec.defstruct("Part", fields, rename=names, forbid_unknown_fields=closed, gc=False, namespace=silent)
