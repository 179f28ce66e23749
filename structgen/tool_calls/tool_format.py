"""`ToolFormat`: how a model writes calls, thoughts and text, as data."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

from structgen.errors import OptionError
from structgen.tool_calls.templates import first_text, pieces, places

JSON_TYPES = ("string", "number", "integer", "boolean", "null", "object", "array")


@dataclass(frozen=True, slots=True)
class ToolFormat:
    """How a model writes calls. Texts may have places: `$name` (of the tool), `$arguments`, `$id` or `$index`
    (of the call), `$gap` (white space, usually none) and `$line` (white space, usually a line break).

    Most formats need `name` and `calls` alone: `ToolFormat("mine", '<call>$name: $arguments</call>')`.
    """

    name: str
    calls: tuple[str, ...] | str
    """How a call is written, first the usual way. One without `$arguments` writes a call that has none. With
    `$quoted` in place of `$arguments` these are JSON text in a JSON string."""
    section: tuple[str, str] = ("", "")
    """What stands around all calls."""
    separator: str = ""
    """What stands between the calls of a section."""
    trigger: str = ""
    """The beginning of a section, or of a call where there is none, that no free text may hold; "": what
    stands before the first white space or place."""
    lead: str = ""
    """What a reply begins with that must call."""
    thinking: tuple[str, ...] = ()
    """What stands before and behind thoughts."""
    opened: bool = True
    """The prompt has opened the thoughts, where there must be some: the reply begins inside of them."""
    after_thinking: str = ""
    """What follows the thoughts."""
    never: tuple[str, ...] = ()
    """More texts that neither free text nor thoughts may hold. With some, thoughts hold no trigger either."""
    text: tuple[str, ...] = ()
    """Where free text stands in a block of its own: its beginning, its end, and other ends."""
    blocks: str = ""
    """What separates blocks that come in any order: thoughts, text, calls."""
    end: str = ""
    """What ends a reply whose text is a block; it follows the calls."""
    names: str = r"[A-Za-z0-9_.\-]{1,128}"
    """A pattern (`re`) of the names of tools that can be written."""
    ids: str = r"[A-Za-z0-9_\-]{1,64}"
    """A pattern of `$id`."""
    id: str = "call_$index"
    """The id of a call that is written without one; `$index` counts the calls of a reply from 0."""

    # arguments that are not one JSON object
    member: str = ""
    """One argument: `<parameter=$key>$value</parameter>`, and `$type` where its type is told. "": the
    arguments are one JSON object."""
    item: str = ""
    """One item of an array. With it, or with `brackets`, arrays and objects inside arguments are written in
    the same way; without, they are JSON."""
    brackets: tuple[str, str, str, str] | tuple[()] = ()
    """What stands around an object and around an array."""
    between: str = "\n"
    """What is written between arguments; any white space may stand there if this is white space, or none."""
    quote: str = ""
    """What stands around strings; "": strings stand raw, up to what follows `$value`."""
    stops: tuple[str, ...] = ()
    """Texts that no string may hold, those inside JSON neither; (): a raw string may not hold what follows
    `$value`, a quoted one not `quote`."""
    frame: str = ""
    """What is usually written on both sides of a value, and belongs to no string."""
    blanks: bool = True
    """White space may stand around values that are no strings."""
    types: Mapping[str, str] = field(default_factory=dict, hash=False)
    """The word for `$type` of each of JSON Schema's types."""
    keys: str = r"[^\s\"'<>=&,:{}\[\]|]{1,256}"
    """A pattern of the names of arguments that can be written."""

    # messages
    role: str = "tool"
    """The role of a message that brings a result."""
    history: Literal["object", "text"] = "object"
    """Whether the chat template wants the arguments of earlier calls as an object or as JSON text."""
    signs: tuple[str, ...] = ()
    """Texts that all stand in chat templates of this format."""

    def __post_init__(self) -> None:
        calls = (self.calls,) if isinstance(self.calls, str) else tuple(self.calls)
        object.__setattr__(self, "calls", calls)
        if not self.name or not isinstance(self.name, str):
            raise OptionError(f"Its name is {self.name!r}.", where="ToolFormat", cure="Give it a name.")
        for template in calls or ("",):
            self._check_call(template)
        if self.member:
            self._check_member()
        if self.blocks and not self.text:
            raise self._wrong("blocks", "Blocks need a text that is one.", "Give text=(begin, end).")
        if self.thinking and (len(self.thinking) != 2 or not all(self.thinking)):
            raise self._wrong("thinking", "Thoughts have a beginning and an end.", "Give both texts.")
        if not self.blocks:
            for one in self.triggers:
                other = next((two for two in self.triggers if two != one and two in one), None)
                if not one or other is not None:
                    raise self._wrong(
                        "trigger",
                        f"{one!r} contains {other!r}, which would come first."
                        if other
                        else "Nothing tells where a call begins.",
                        "Let each call begin with a text, and none of these be part of another.",
                    )

    def _wrong(self, field: str, what: str, cure: str) -> OptionError:
        return OptionError(what, where=f"ToolFormat {self.name}, {field}", cure=cure)

    def _check_call(self, template: str) -> None:
        found = [kind for kind, _ in pieces(template)]
        known = {"name", "id", "index", "arguments", "quoted", "gap", "line"}
        if "name" not in found or places(template) - known:
            raise self._wrong("calls", f"{template!r} does not say where the name stands.", "Write $name.")
        twice = next((kind for kind in known - {"gap", "line"} if found.count(kind) > 1), None)
        if twice or {"arguments", "quoted"} <= set(found):
            raise self._wrong("calls", f"{template!r} has ${twice or 'quoted'} twice.", "Write it once.")
        held = {"name", "id", "index"}
        for kind, following in pairwise(found):
            if kind in held and following in held:
                raise self._wrong(
                    "calls", f"Nothing separates ${kind} and ${following}.", "Put a text between them."
                )
        if "quoted" in found and self.member:
            raise self._wrong("calls", "Only JSON is quoted.", "Leave member out, or write $arguments.")
        if self.trigger and not (self.section[0] or first_text(template)).startswith(self.trigger):
            raise self._wrong(
                "trigger", f"{self.trigger!r} begins no call.", "Give the beginning of the section or call."
            )

    def _check_member(self) -> None:
        for name, template in (("member", self.member), ("item", self.item or "$value")):
            found = [kind for kind, _ in pieces(template)]
            if found.count("value") != 1 or (name == "member") != ("key" in found):
                raise self._wrong(name, f"{template!r} has not the places it needs.", "See its docstring.")
            if "type" in found and set(JSON_TYPES) - self.types.keys():
                raise self._wrong("types", "Some types have no word.", f"Name {', '.join(JSON_TYPES)}.")
        if not self.brackets and not first_text(self.member):
            raise self._wrong("member", "Nothing says where an argument begins.", "Write a text before $key.")
        if not self.quote and pieces(self.member)[-1][0] == "value":
            raise self._wrong("member", "Nothing says where a raw string ends.", "Write a text after $value.")
        end = self.quote or self.member.partition("$value")[2].partition("$")[0]
        if any(end.startswith(end[at:]) for at in range(1, len(end))):
            raise self._wrong(
                "quote" if self.quote else "member",
                f"The end of strings, {end!r}, ends as it begins, so that it can overlap itself.",
                "Choose another text.",
            )

    @property
    def nested(self) -> bool:
        """Whether arrays and objects inside arguments are written as the arguments are."""
        return bool(self.item or self.brackets)

    @property
    def spaced(self) -> bool:
        """Whether white space may stand between arguments."""
        return not self.between.strip() and not self.brackets

    @property
    def triggers(self) -> tuple[str, ...]:
        """The texts that begin calls, which no free text holds."""
        if self.trigger:
            return (self.trigger,)
        begins = [self.section[0]] if self.section[0] else [first_text(one) for one in self.calls]
        return tuple(dict.fromkeys(re.split(r"(?<=\S)\s", one, maxsplit=1)[0] for one in begins))
