"""Reads `tool_choice` and `parallel`: which tools may be called, whether one must be, and how often.

For example `tool_choice="required"` demands at least one call, and `parallel=False` allows at most one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from structgen.asking.tool_calls.tool_definitions import Tool
from structgen.asking.tool_calls.tool_shapes import TOOL_SHAPES
from structgen.base.errors import OptionError
from structgen.base.language.checks import option_error

_WHERE: Final = "tool_choice"
_FORMS = '"auto", "required", "none", a name, or a dict of OpenAI\'s'


@dataclass(frozen=True, slots=True)
class ToolChoice:
    """The tools that a reply may call, and how often."""

    tools: tuple[Tool, ...]
    mode: Literal["auto", "required", "forced", "none"]
    """"forced": exactly one call, of the one tool."""
    max_calls: int | None
    """The most calls; None: any number."""

    @property
    def must_call(self) -> bool:
        """Whether a reply must have a call."""
        return self.mode in ("required", "forced")

    @property
    def max_further_calls(self) -> int | None:
        """The most calls after the first one; None: any number."""
        return None if self.max_calls is None else self.max_calls - 1


NO_CALLS: Final = ToolChoice((), "none", 0)


def read_choice(tools: Sequence[Tool], tool_choice: Any, parallel: Any) -> ToolChoice:
    """Return a choice: "auto", "required" (or "any"), "none", the name of a tool, or OpenAI's dicts, of chat
    completions and of responses: `{"type": "function", ...}`, `{"type": "allowed_tools", ...}`. One that was
    read is returned as it is. `parallel`: whether there may be several calls, or the most; None: several, but
    one where a call is required.

    Errors: `OptionError` for other forms, for tools that are not there, for `required` without tools.
    """
    if isinstance(tool_choice, ToolChoice):
        return tool_choice
    if parallel is None:
        # without `parallel`, clients mean one call where a call is required
        choice = read_choice(tools, tool_choice, True)
        return replace(choice, max_calls=1) if choice.mode == "required" else choice
    if isinstance(parallel, bool):
        max_calls = None if parallel else 1
    elif isinstance(parallel, int) and parallel > 0:
        max_calls = parallel
    else:
        takes = "True, False, or the maximum number of calls: 1, 2, ..."
        raise option_error("parallel", parallel, takes)
    tools_by_name = {tool.name: tool for tool in tools}
    if tool_choice is None:
        tool_choice = "auto"
    # Mistral's word for a required call
    if tool_choice == "any" and "any" not in tools_by_name:
        tool_choice = "required"
    if isinstance(tool_choice, Mapping):
        return _read_dict(tools_by_name, tool_choice, max_calls)
    if not isinstance(tool_choice, str):
        raise option_error(_WHERE, tool_choice, _FORMS)
    if tool_choice == "none":
        return NO_CALLS
    if tool_choice in ("auto", "required"):
        return _choose_mode(tuple(tools), tool_choice, max_calls, _WHERE)
    return ToolChoice((_find_tool(tools_by_name, tool_choice, _WHERE),), "forced", 1)


def _choose_mode(
    tools: tuple[Tool, ...],
    mode: Any,
    max_calls: int | None,
    where: str,
) -> ToolChoice:
    """Return a choice among tools; without tools it is "none". Errors: OptionError."""
    if mode not in ("auto", "required"):
        raise option_error(where, mode, '"auto" or "required"')
    if not tools and mode == "required":
        raise OptionError(
            "A call is required, but no tools are given.", where=where, cure='Pass tools, or set "auto".'
        )
    return ToolChoice(tools, mode if tools else "none", max_calls)


def _read_dict(
    tools_by_name: Mapping[str, Tool], choice: Mapping[str, Any], max_calls: int | None
) -> ToolChoice:
    """Return the choice that one of OpenAI's dicts says. Errors: OptionError."""
    TOOL_SHAPES.check(choice, "tool_choice", _WHERE)
    if choice.get("type") != "allowed_tools":
        return ToolChoice((_find_tool(tools_by_name, choice, _WHERE),), "forced", 1)
    members = choice
    where = _WHERE
    if (inner := choice.get("allowed_tools")) is not None:  # chat completions have it one dict deeper
        members = inner
        where = f"{_WHERE}/allowed_tools"
    numbered_names = enumerate(members.get("tools") or ())
    chosen = dict.fromkeys(
        _find_tool(tools_by_name, name, f"{where}/tools/{index}").name for index, name in numbered_names
    )
    if not chosen:
        raise OptionError("The list of tools is empty.", where=f"{where}/tools", cure="Name at least one.")
    return _choose_mode(
        tuple(tools_by_name[name] for name in chosen), members.get("mode"), max_calls, f"{where}/mode"
    )


def _find_tool(tools_by_name: Mapping[str, Tool], name: Any, where: str) -> Tool:
    """Return the tool of a name, or of the one in `{"type": "function", "name": ...}`, or one dict deeper."""
    while isinstance(name, Mapping):
        inner = name.get("type") or "function"
        member = inner if name.get(inner) is not None else "name"
        name = name.get(member)
        where = f"{where}/{member}"
    if not isinstance(name, str) or name not in tools_by_name:
        raise OptionError(
            f"No tool has the name {name!r}.",
            where=where,
            cure=f"The tools are {', '.join(tools_by_name) or 'none'}; or pass {_FORMS}.",
        )
    return tools_by_name[name]
