"""Shapes of JSON objects as declarations, and the check of a value against one, at any depth.

    address: text url! detail
    part by type text
    text input_text: text text!
    image_url: text|address image_url!

A line declares an object: its name, and its members behind their types. A block whose head is `name by tag`
declares one of several objects, told apart by the text of a member; behind the tag stands what a missing one
means, and "*" heads the line for other texts. A type is kinds with "|" between them: one of `_KINDS`, a text
in quotes, `[kind]` for a list of such,
`[kind+]` for one that is not empty, or an object that is declared. "!" stands behind a member that must be
there, "*" for all others, and "+shape" for the members of a shape. A member that is null is not there.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any, Final, NamedTuple, TypeAlias

from structgen.base.errors import OptionError
from structgen.base.json_text.events import escape
from structgen.base.language.checks import show_value

Members: TypeAlias = Mapping[str, str]
"""The types of members; "!" stands behind that of one that must be there."""
_MOST_NAMED: Final = 30
"""An error names all members that are known where they are fewer."""


def suggest_name(name: Any, names: Iterable[str]) -> str:
    """Return a sentence with the known name that is most like another one, and a space; "" where none is."""
    close = get_close_matches(str(name), names, 1, 0.6)
    return f"Is {close[0]!r} meant? " if close else ""


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


_KINDS: Final[Mapping[str, tuple[str, Callable[[Any], bool]]]] = {
    "text": ("a text", lambda value: isinstance(value, str)),
    "word": ("a text that is not empty", lambda value: isinstance(value, str) and value != ""),
    "flag": ("true or false", lambda value: isinstance(value, bool)),
    "integer": ("a whole number", _is_whole),
    "count": ("a whole number that is not negative", lambda value: _is_whole(value) and value >= 0),
    "number": ("a number", lambda value: _is_whole(value) or (type(value) is float and math.isfinite(value))),
    "object": ("an object", lambda value: isinstance(value, Mapping)),
    "list": ("a list", lambda value: isinstance(value, list | tuple)),
    "none": ("an empty list", lambda value: value in ([], ())),
    "some": ("a list that is not empty", lambda value: isinstance(value, list | tuple) and bool(value)),
    "any": ("any value", lambda value: True),
}
"""Kinds of values without parts that are looked at: what each is called, and what is one."""


class TaggedShapes(NamedTuple):
    """Objects that are told apart by the text in one member."""

    tag: str
    usual: str
    """The text that a missing member stands for; "": it must be there."""
    shapes: Mapping[str, Members]


class JsonShapes:
    """Objects that are declared, with those of another one (`base`)."""

    def __init__(self, declarations: str, base: JsonShapes | None = None) -> None:
        plain, *several = re.sub(r"\n +", " ", declarations).strip().split("\n\n")
        self.objects: dict[str, Members] = {} if base is None else {**base.objects}
        """The members of each object."""
        self.unions: dict[str, TaggedShapes] = {} if base is None else {**base.unions}
        """The objects of several shapes."""
        for line in plain.splitlines():
            name, _, members = line.partition(":")
            self.objects[name] = self.members(members)
        for block in several:
            head, *lines = block.splitlines()
            name, _, tag, *usual = head.split()
            own: dict[str, Members] = {}
            for line in lines:
                names, _, members = line.partition(":")
                own |= dict.fromkeys(names.split(), self.members(f"text {tag}; {members}"))
            self.unions[name] = TaggedShapes(tag, "".join(usual), MappingProxyType(own))

    def members(self, declarations: str) -> Members:
        """Return the members of declarations, with their types."""
        members: dict[str, str] = {}
        for words in filter(None, map(str.split, declarations.split(";"))):
            if words[0][0] == "+":
                members |= self.objects[words[0][1:]]
            for name in words[1:]:
                members[name.rstrip("!")] = words[0] + "!" * name.endswith("!")
        return MappingProxyType(members)

    def check(self, value: Any, kind: str, place: str) -> None:
        """Raise OptionError for a value that is not of a type, with the place of the fault: a JSON pointer
        behind `place`. Of the kinds that its outside fits, the one that gets furthest says what is wrong
        inside, the first of several. Cost: linear."""
        faults: list[OptionError] = []
        for option in kind.rstrip("!").split("|"):
            if not _json_kind(option)[1](value):
                continue
            try:
                return self._check_parts(value, option, place)
            except OptionError as error:
                faults.append(error)
        raise max(faults, key=_fault_order) if faults else _type_error(value, kind, place)

    def _check_parts(self, value: Any, kind: str, place: str) -> None:
        if kind[0] == "[":
            for at, item in enumerate(value):
                self.check(_plain_object(item), kind[1:-1].removesuffix("+"), f"{place}/{at}")
        elif kind in self.objects:
            self.check_members(value, self.objects[kind], place)
        elif kind in self.unions:
            tag, usual, shapes = self.unions[kind]
            part_kind = value.get(tag) or usual
            if value.get(tag) is None:  # perhaps it is misspelt
                every = {name for members in shapes.values() for name in members} - {"*"}
                self.check_members(value, dict.fromkeys(every, "any"), place)
            if not isinstance(part_kind, str) or not (part_kind in shapes or "*" in shapes):
                raise OptionError(
                    f"It is {show_value(part_kind)}, and no {tag} that is known."
                    if part_kind != ""
                    else "It is missing.",
                    where=f"{place}/{tag}",
                    cure=f"{suggest_name(part_kind, shapes)}Known are {', '.join(shapes)}.",
                )
            self.check_members(value, shapes.get(part_kind) or shapes["*"], place)

    def check_members(self, value: Mapping[str, Any], members: Members, place: str) -> None:
        """Raise OptionError, as `check` does, for an object that has other members."""
        prefix = f"{place}/" if place else ""
        for name, member in value.items():
            if member is None:
                continue
            kind = members.get(name) or members.get("*")
            where = prefix + escape(str(name))
            if kind is None:
                known_names = f"Known are {', '.join(sorted(members))}." if len(members) < _MOST_NAMED else ""
                raise OptionError(
                    f"{show_value(name)} is not known here.",
                    where=where,
                    cure=suggest_name(name, members) + (known_names or "Leave it out."),
                )
            self.check(_plain_object(member), kind, where)
        for name, kind in members.items():
            if kind.endswith("!") and value.get(name) is None:
                raise OptionError("It is missing.", where=prefix + name, cure=f"Give {name}.")


def _json_kind(kind: str) -> tuple[str, Callable[[Any], bool]]:
    """Return what a kind of value is called, and what has its outside."""
    if kind[0] == "'":
        return kind, lambda value: bool(value == kind[1:-1])
    if kind[0] == "[":
        return _KINDS["some" if kind.endswith("+]") else "list"]
    return _KINDS[kind if kind in _KINDS else "object"]


def _fault_order(error: OptionError) -> list[int]:
    """Return what tells which of two faults in one list comes later."""
    return [int(part) if part.isdecimal() else 0 for part in error.where.split("/")]


def _plain_object(value: Any) -> Any:
    """Return an object of a client's library, such as a message that it received, as what it sends."""
    if hasattr(value, "model_dump"):
        return value.model_dump(exclude_unset=True, mode="json")
    return value


def _type_error(value: Any, kind: str, place: str) -> OptionError:
    kinds = kind.rstrip("!").split("|")
    near = (
        suggest_name(value, [word[1:-1] for word in kinds if word[0] == "'"])
        if isinstance(value, str)
        else ""
    )
    kind_names = " or ".join(dict.fromkeys(_json_kind(option)[0] for option in kinds))
    return OptionError(
        f"It is {show_value(value)}, and must be {kind_names}.",
        where=place,
        cure=f"{near}Give {kind_names}.",
    )
