"""Shapes of JSON objects as declarations, and the check of a value against one, at any depth.

    address: text url! detail
    part by type text
    text input_text: text text!
    image_url: text|address image_url!

A *shape* is the set of members that an object may have, with the type of each. The text above declares
shapes; it is read by `JsonShapes`.

- A line declares an object: its name, a colon, and its members. Each type comes before its members, and ";"
  separates types. `address: text url! detail` is an object with the texts `url` and `detail`.
- "!" after a member: it must be there. "*" as a member: all other members. "+shape" as a type: all members of
  that shape. A member that is null counts as missing.
- A *type* is one or more kinds with "|" between them. A *kind* is one of `_KINDS`, a text in quotes, `[kind]`
  for a list, `[kind+]` for a list that is not empty, or the name of a declared object.
- A block whose first line is `name by tag` declares an object of several shapes, one in each line. The text
  of the member `tag` tells which shape it has. After the tag comes the text that a missing tag means, if
  there is one. The line "*" is for all other texts.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from contextvars import ContextVar
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any, Final, NamedTuple, TypeAlias, cast

from structgen.base.errors import OptionError
from structgen.base.json_text.events import escape
from structgen.base.language.checks import show_value

Members: TypeAlias = Mapping[str, str]
"""Name of a member -> its type; "!" at the end of the type: the member must be there."""
UNKNOWN_MEMBERS: Final = ContextVar[list[str] | None]("unknown_members", default=None)
"""A list to which the places of members that are not known are added. They are then removed from their
objects. None: each of them is refused."""
_MOST_NAMED: Final = 30
"""An error lists the known members only if there are fewer than this number, and `UNKNOWN_MEMBERS` gets at
most so many places."""


def suggest_name(name: Any, names: Iterable[str]) -> str:
    """Return a sentence with the one of `names` that is most like `name`, and a space; "" where none is
    similar. For example, "Did you mean 'text'? "."""
    close = get_close_matches(str(name), names, 1, 0.6)
    return f"Did you mean {close[0]!r}? " if close else ""


def _is_whole(value: Any) -> bool:
    """Return whether a value is an int and not a bool."""
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    """Return whether a value is a number of JSON. Python's reader also accepts NaN and infinity, which JSON
    does not have."""
    return _is_whole(value) or (type(value) is float and math.isfinite(value))


_KINDS: Final[Mapping[str, tuple[str, Callable[[Any], bool]]]] = {
    "text": ("a text", lambda value: isinstance(value, str)),
    "word": (
        "a text that is not empty",
        lambda value: isinstance(value, str) and value != "",
    ),
    "flag": ("true or false", lambda value: isinstance(value, bool)),
    "integer": ("a whole number", _is_whole),
    "count": (
        "a whole number that is not negative",
        lambda value: _is_whole(value) and value >= 0,
    ),
    "number": ("a number", _is_number),
    "object": ("an object", lambda value: isinstance(value, Mapping)),
    "list": ("a list", lambda value: isinstance(value, list | tuple)),
    "none": ("an empty list", lambda value: value in ([], ())),
    "some": (
        "a list that is not empty",
        lambda value: isinstance(value, list | tuple) and bool(value),
    ),
    "any": ("any value", lambda value: True),
}
"""Kind -> (its name in messages, the test of a value). The parts of such values are not checked."""


class TaggedShapes(NamedTuple):
    """An object of several shapes, which the text of one member (the tag) tells apart."""

    tag: str
    """The name of the tag."""
    usual: str
    """The text that a missing tag means; "": the tag must be there."""
    shapes: Mapping[str, Members]
    """The text of the tag, or "*" for all others -> the members of the object."""


class JsonShapes:
    """The objects of some declarations, and the check of values against them."""

    def __init__(self, declarations: str, base: JsonShapes | None = None) -> None:
        """Read declarations (see the module). `base`: shapes whose objects may be used, too."""
        # An indented line continues the line above. The first block has the objects of one shape.
        joined_lines = re.sub(r"\n +", " ", declarations)
        plain, *union_blocks = joined_lines.strip().split("\n\n")
        self.objects: dict[str, Members] = {}
        """Name of an object -> its members."""
        self.unions: dict[str, TaggedShapes] = {}
        """Name of an object of several shapes -> its shapes."""
        if base is not None:
            self.objects |= base.objects
            self.unions |= base.unions
        for line in plain.splitlines():
            name, _, members = line.partition(":")
            self.objects[name] = self.members(members)
        for block in union_blocks:
            head, *lines = block.splitlines()
            name, _, tag, *usual = head.split()  # "NAME by TAG", and perhaps the text of a missing tag
            shapes: dict[str, Members] = {}
            for line in lines:
                names, _, members = line.partition(":")
                shape = self.members(f"text {tag}; {members}")
                shapes |= dict.fromkeys(names.split(), shape)
            self.unions[name] = TaggedShapes(tag, "".join(usual), MappingProxyType(shapes))

    def members(self, declarations: str) -> Members:
        """Return the members that the part of a line after the colon declares, with their types."""
        members: dict[str, str] = {}
        for words in filter(None, map(str.split, declarations.split(";"))):
            kind, *names = words
            if kind.startswith("+"):
                members |= self.objects[kind[1:]]
            for name in names:
                # the "!" is moved from the name to the type
                is_required = name.endswith("!")
                members[name.rstrip("!")] = f"{kind}!" if is_required else kind
        return MappingProxyType(members)

    def check(self, value: Any, kind: str, place: str) -> None:
        """Raise OptionError if a value is not of a type.

        `kind`: the type, such as "text|address". `place`: the place of the value; the error has it, and a
        JSON pointer from there to the fault. Where the type has several kinds that the value might be, the
        error is that of the kind whose fault comes latest in the value. Cost: linear.
        """
        faults: list[OptionError] = []
        for option in kind.rstrip("!").split("|"):
            _, has_outside = _json_kind(option)
            if not has_outside(value):
                continue
            try:
                return self._check_parts(value, option, place)
            except OptionError as error:
                faults.append(error)
        if not faults:
            raise _type_error(value, kind, place)
        # The kind whose fault comes latest was probably meant.
        raise max(faults, key=_fault_order)

    def _check_parts(self, value: Any, kind: str, place: str) -> None:
        """Raise OptionError if the items or members of a value are not those of a kind. The value itself is
        known to be a list or an object, as the kind asks."""
        if kind[0] == "[":
            item_kind = kind[1:-1].removesuffix("+")
            for at, item in enumerate(value):
                self.check(_plain_object(item), item_kind, f"{place}/{at}")
        elif kind in self.objects:
            self.check_members(value, self.objects[kind], place)
        elif kind in self.unions:
            tag, usual, shapes = self.unions[kind]
            part_kind = value.get(tag) or usual
            if value.get(tag) is None:  # the name of the tag may be misspelt: unknown names are refused
                known_names = {name for members in shapes.values() for name in members} - {"*"}
                self.check_members(value, dict.fromkeys(known_names, "any"), place)
            is_known = isinstance(part_kind, str) and (part_kind in shapes or "*" in shapes)
            if not is_known:
                fault = f"must be a known {tag}, got {show_value(part_kind)}."
                raise OptionError(
                    "is missing." if part_kind == "" else fault,
                    where=f"{place}/{tag}",
                    cure=f"{suggest_name(part_kind, shapes)}The known ones are {', '.join(shapes)}.",
                )
            self.check_members(value, shapes.get(part_kind) or shapes["*"], place)

    def check_members(self, value: Mapping[str, Any], members: Members, place: str) -> None:
        """Raise OptionError, as `check` does, if the members of an object are not those of a shape."""
        prefix = f"{place}/" if place else ""
        noted_places, unknown_names = UNKNOWN_MEMBERS.get(), list[str]()
        for name, member in value.items():
            if member is None:
                continue
            kind = members.get(name) or members.get("*")
            where = prefix + escape(str(name))
            if kind is None and noted_places is not None:
                noted_places += [where] * (len(noted_places) < _MOST_NAMED)
                unknown_names.append(name)
                continue
            if kind is None:
                known_names = (
                    f"The known members are {', '.join(sorted(members))}."
                    if len(members) < _MOST_NAMED
                    else ""
                )
                raise OptionError(
                    f"{show_value(name)} is not known here.",
                    where=where,
                    cure=suggest_name(name, members) + (known_names or "Remove it."),
                )
            self.check(_plain_object(member), kind, where)
        for name in unknown_names:
            del cast("dict[str, Any]", value)[name]
        for name, kind in members.items():
            if kind.endswith("!") and value.get(name) is None:
                raise OptionError("is missing.", where=prefix + name, cure=f"Add {name}.")


def _json_kind(kind: str) -> tuple[str, Callable[[Any], bool]]:
    """Return the name of a kind in messages, and the test of a value without its parts."""
    if kind[0] == "'":
        return kind, lambda value: bool(value == kind[1:-1])
    if kind[0] == "[":
        return _KINDS["some" if kind.endswith("+]") else "list"]
    return _KINDS[kind if kind in _KINDS else "object"]


def _fault_order(error: OptionError) -> list[int]:
    """Return a sort key for faults: their places in the value."""
    # Numbers are compared as numbers, since item 10 comes after item 9. Members of objects have no order.
    return [int(part) if part.isdecimal() else 0 for part in error.where.split("/")]


def _plain_object(value: Any) -> Any:
    """Return a value as plain JSON. It may be an object of a client's library, such as a message that the
    client received; then it is converted as the library would send it."""
    if hasattr(value, "model_dump"):
        return value.model_dump(exclude_unset=True, mode="json")
    return value


def _type_error(value: Any, kind: str, place: str) -> OptionError:
    """Return the error for a value that is of no kind of a type. `place`: the place of the value."""
    kinds = kind.rstrip("!").split("|")
    near = ""
    if isinstance(value, str):
        quoted_texts = [word[1:-1] for word in kinds if word[0] == "'"]
        near = suggest_name(value, quoted_texts)
    # several kinds may have one name (all objects have): each name is written once
    names = dict.fromkeys(_json_kind(option)[0] for option in kinds)
    kind_names = " or ".join(names)
    return OptionError(
        f"must be {kind_names}, got {show_value(value)}.",
        where=place,
        cure=near.strip(),
    )
