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


def _is_number(value: Any) -> bool:
    """Return whether a value is a number of JSON: Python reads NaN and infinity, which are none."""
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
        # A line that is indented goes on with the one above. Plain objects stand in the first block.
        joined_lines = re.sub(r"\n +", " ", declarations)
        plain, *union_blocks = joined_lines.strip().split("\n\n")
        self.objects: dict[str, Members] = {}
        """The members of each object."""
        self.unions: dict[str, TaggedShapes] = {}
        """The objects of several shapes."""
        if base is not None:
            self.objects |= base.objects
            self.unions |= base.unions
        for line in plain.splitlines():
            name, _, members = line.partition(":")
            self.objects[name] = self.members(members)
        for block in union_blocks:
            head, *lines = block.splitlines()
            name, _, tag, *usual = head.split()  # "NAME by TAG", and perhaps what a missing tag means
            shapes: dict[str, Members] = {}
            for line in lines:
                names, _, members = line.partition(":")
                shape = self.members(f"text {tag}; {members}")
                shapes |= dict.fromkeys(names.split(), shape)
            self.unions[name] = TaggedShapes(tag, "".join(usual), MappingProxyType(shapes))

    def members(self, declarations: str) -> Members:
        """Return the members of declarations, with their types."""
        members: dict[str, str] = {}
        for words in filter(None, map(str.split, declarations.split(";"))):
            kind, *names = words
            if kind.startswith("+"):
                members |= self.objects[kind[1:]]
            for name in names:
                # the mark moves from the name to its type
                is_required = name.endswith("!")
                members[name.rstrip("!")] = f"{kind}!" if is_required else kind
        return MappingProxyType(members)

    def check(self, value: Any, kind: str, place: str) -> None:
        """Raise OptionError for a value that is not of a type, with the place of the fault: a JSON pointer
        behind `place`. Of the kinds that its outside fits, the one that gets furthest says what is wrong
        inside, the first of several. Cost: linear."""
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
        # The fault that comes latest in the text is that of the kind which was probably meant.
        raise max(faults, key=_fault_order)

    def _check_parts(self, value: Any, kind: str, place: str) -> None:
        """Raise OptionError for a part of a value that is not of the kind; its outside fits."""
        if kind[0] == "[":
            item_kind = kind[1:-1].removesuffix("+")
            for at, item in enumerate(value):
                self.check(_plain_object(item), item_kind, f"{place}/{at}")
        elif kind in self.objects:
            self.check_members(value, self.objects[kind], place)
        elif kind in self.unions:
            tag, usual, shapes = self.unions[kind]
            part_kind = value.get(tag) or usual
            if value.get(tag) is None:  # perhaps it is misspelt
                known_names = {name for members in shapes.values() for name in members} - {"*"}
                self.check_members(value, dict.fromkeys(known_names, "any"), place)
            is_known = isinstance(part_kind, str) and (part_kind in shapes or "*" in shapes)
            if not is_known:
                fault = f"It is {show_value(part_kind)}, and no {tag} that is known."
                raise OptionError(
                    "It is missing." if part_kind == "" else fault,
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
    """Return the name of a kind of value, and the test of the outside of a value."""
    if kind[0] == "'":
        return kind, lambda value: bool(value == kind[1:-1])
    if kind[0] == "[":
        return _KINDS["some" if kind.endswith("+]") else "list"]
    return _KINDS[kind if kind in _KINDS else "object"]


def _fault_order(error: OptionError) -> list[int]:
    """Return a key that orders the faults of one list by their places."""
    # As numbers, since item 10 comes behind item 9; members of objects have no order here.
    return [int(part) if part.isdecimal() else 0 for part in error.where.split("/")]


def _plain_object(value: Any) -> Any:
    """Return an object of a client's library, such as a message that it received, as what it sends."""
    if hasattr(value, "model_dump"):
        return value.model_dump(exclude_unset=True, mode="json")
    return value


def _type_error(value: Any, kind: str, place: str) -> OptionError:
    """Return the error for a value that no kind of a type fits."""
    kinds = kind.rstrip("!").split("|")
    near = ""
    if isinstance(value, str):
        quoted_texts = [word[1:-1] for word in kinds if word[0] == "'"]
        near = suggest_name(value, quoted_texts)
    # several kinds may be called alike (all objects are): each name is told once
    names = dict.fromkeys(_json_kind(option)[0] for option in kinds)
    kind_names = " or ".join(names)
    return OptionError(
        f"It is {show_value(value)}, and must be {kind_names}.",
        where=place,
        cure=f"{near}Give {kind_names}.",
    )
