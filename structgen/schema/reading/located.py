"""Schemas where they stand: the places of a document, and what of them is refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from structgen.schema.reading.json_text import escape
from structgen.schema.reading.model import Schema

if TYPE_CHECKING:
    from structgen.schema.reading.references import Scope

_NO_MEMBERS: Mapping[str, Any] = MappingProxyType({})


def _with_class_defaults(cls: type[SchemaPlace]) -> type[SchemaPlace]:
    """Return the class with the fields' defaults as class attributes, which hide the base class's slots."""
    for item in fields(Schema):
        if item.default is not MISSING:
            setattr(cls, item.name, item.default)
        elif item.default_factory is not MISSING:
            setattr(cls, item.name, _NO_MEMBERS)
    return cls


@_with_class_defaults
class SchemaPlace(Schema):
    """A `Schema` that stands in a document.

    Only fields that a keyword sets are stored, all others are class attributes: a subschema has 40 fields and
    sets two or three, and filling in the others was half of the time that reading a small schema takes.
    """

    __slots__ = ("__dict__", "at", "raw", "scope", "up")

    scope: Scope
    """The resource that it stands in."""
    raw: dict[str, Any] | bool | None
    """Its JSON value; None for a place that the network made up."""
    up: SchemaPlace | None
    """The place around it; None where `at` is the whole place."""
    at: Any
    """The segments from `up` to here, or `#...`."""

    @property
    def pointer(self) -> str:
        """The place as `#/properties/a`: a JSON pointer behind "#" (behind a URI in another document).

        Spelled out when asked, since deep schemas would need quadratic memory; "#" alone is the root.
        """
        place, parts = self, []
        while place.up is not None:
            parts.append("".join(["/" + escape(segment) for segment in place.at]))
            place = place.up
        parts.append(place.at)
        return "".join(reversed(parts))

    @pointer.setter
    def pointer(self, value: str) -> None:
        self.up, self.at = None, value


@dataclass(frozen=True, slots=True)
class KeywordRefusal:
    """A keyword that is not handled, at a place that the root reaches."""

    pointer: str
    """The place of the schema that holds the keyword."""
    keyword: str
    what: str
    cure: str = ""
