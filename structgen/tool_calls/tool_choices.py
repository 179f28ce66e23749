"""`tool_choice` and `parallel`: which tools may be called, whether one must be, and how often."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from structgen.errors import OptionError
from structgen.text_grammars.composition.tag_fields import fields, member
from structgen.tool_calls.tool_definitions import Tool

_KINDS = "function", "custom"
_FORMS = '"auto", "required", "none", a name, or a dict of OpenAI\'s'


@dataclass(frozen=True, slots=True)
class ToolChoice:
    """What a reply may call."""

    tools: tuple[Tool, ...]
    mode: Literal["auto", "required", "forced", "none"]
    """"forced": exactly one call, of the one tool."""
    most: int | None
    """The most calls; None: any number."""


def read_choice(tools: Sequence[Tool], tool_choice: Any, parallel: Any) -> ToolChoice:
    """Return a choice: "auto", "required", "none", the name of a tool, or OpenAI's dicts, those of chat
    completions and of responses: `{"type": "function", ...}`, `{"type": "allowed_tools", ...}`.

    Errors: `OptionError` for other forms, for tools that are not there, for `required` without tools.
    """
    if isinstance(parallel, bool):
        most = None if parallel else 1
    elif isinstance(parallel, int) and parallel > 0:
        most = parallel
    else:
        raise OptionError(
            f"parallel is {parallel!r}.",
            where="parallel",
            cure="Give True, False, or the most calls: 1, 2, ...",
        )
    taken = {tool.name: tool for tool in tools}
    if tool_choice is None:
        tool_choice = "auto"
    if isinstance(tool_choice, str):
        if tool_choice == "none":
            return ToolChoice((), "none", 0)
        if tool_choice in ("auto", "required"):
            return _of_mode(tuple(tools), tool_choice, most, "tool_choice")
        return ToolChoice((_named(taken, tool_choice, "tool_choice"),), "forced", 1)
    if isinstance(tool_choice, Mapping):
        said = dict(tool_choice)
        if said.get("type") in _KINDS:
            return ToolChoice((_named(taken, _name_in(said, "tool_choice"), "tool_choice"),), "forced", 1)
        if said.get("type") == "allowed_tools":
            return _allowed(taken, said, most)
    raise OptionError(f"It is {str(tool_choice)[:60]!r}.", where="tool_choice", cure=f"Give {_FORMS}.")


def _of_mode(tools: tuple[Tool, ...], mode: Any, most: int | None, where: str) -> ToolChoice:
    if mode not in ("auto", "required"):
        raise OptionError(f"The mode is {mode!r}.", where=where, cure='Write "auto" or "required".')
    if not tools and mode == "required":
        raise OptionError(
            "A call is required, and there are no tools.", where=where, cure='Give tools, or write "auto".'
        )
    return ToolChoice(tools, mode if tools else "none", most)


def _allowed(taken: Mapping[str, Tool], said: dict[str, Any], most: int | None) -> ToolChoice:
    where = "tool_choice"
    if "allowed_tools" in said:  # chat completions have it one dict deeper
        fields(said, {"type", "allowed_tools"}, where)
        where = "tool_choice/allowed_tools"
        said = fields(said["allowed_tools"], {"mode", "tools"}, where)
    else:
        fields(said, {"type", "mode", "tools"}, where)
    listed = member(said, "tools", where)
    if not isinstance(listed, list) or not listed:
        raise OptionError("It lists no tool.", where=f"{where}/tools", cure="Name one at least.")
    chosen: dict[str, Tool] = {}
    for index, one in enumerate(listed):
        place = f"{where}/tools/{index}"
        tool = _named(taken, _name_in(one, place), place)
        chosen[tool.name] = tool
    return _of_mode(tuple(chosen.values()), member(said, "mode", where), most, f"{where}/mode")


def _name_in(said: Any, where: str) -> Any:
    """Return the name in `{"type": "function", "name": ...}`, or one dict deeper."""
    fields(said, {"type", *_KINDS, "name"}, where)
    kind = said.get("type", "function")
    if kind not in _KINDS:
        raise OptionError(
            f"The type {kind!r} is not offered.", where=f"{where}/type", cure='Write "function".'
        )
    if kind in said:
        return member(fields(said[kind], {"name"}, f"{where}/{kind}"), "name", f"{where}/{kind}")
    return member(said, "name", where)


def _named(taken: Mapping[str, Tool], name: Any, where: str) -> Tool:
    if not isinstance(name, str) or name not in taken:
        raise OptionError(
            f"No tool is called {name!r}.",
            where=where,
            cure=f"The tools are {', '.join(taken) or 'none'}; or give {_FORMS}.",
        )
    return taken[name]
