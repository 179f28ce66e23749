"""`sg.read_request`: tools and their choice, from a request in OpenAI's shape."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from structgen.errors import OptionError, UnsupportedError, options_named
from structgen.text_grammars.text_grammar import TextGrammar
from structgen.tool_calls.tool_choices import ToolChoice, read_choice
from structgen.tool_calls.tool_definitions import Tool, read_tools
from structgen.tool_calls.tool_grammar import tools as grammar_of


@dataclass(frozen=True, slots=True)
class ToolRequest:
    """What a request says of tools. Made by `read_request`."""

    tools: tuple[Tool, ...]
    tool_choice: Any
    parallel: bool
    choice: ToolChoice
    """Both, read: which tools may be called, and how often."""

    def grammar(self, format: Any, **options: Any) -> TextGrammar:
        """Return the grammar of replies; the options are those of `sg.tools`."""
        return grammar_of(
            self.tools, format=format, tool_choice=self.tool_choice, parallel=self.parallel, **options
        )


@options_named('sg.read_request({"tools": [...]})')
def read_request(request: Mapping[str, Any]) -> ToolRequest:
    """Return what a request (a dict, of chat completions or of responses) says of tools: its `tools`,
    `tool_choice` and `parallel_tool_calls`. Its other members are left to others.

    Errors: `OptionError` and `UnsupportedError`, with their places in the request.
    """
    if not isinstance(request, Mapping):
        raise OptionError(
            f"A request is a dict, not a {type(request).__name__}.", where="request", cure="Pass the dict."
        )
    old = next((name for name in ("functions", "function_call") if request.get(name) is not None), None)
    if old is not None:
        raise UnsupportedError(
            f"{old} is the form of before tools.",
            keyword=old,
            where=old,
            cure="Write tools and tool_choice in its place.",
        )
    parallel = request.get("parallel_tool_calls")
    if parallel is None:
        parallel = True
    if not isinstance(parallel, bool):
        raise OptionError(
            f"It is {parallel!r}.", where="parallel_tool_calls", cure="Give true or false, or leave it out."
        )
    given = request.get("tools")
    tools = read_tools(() if given is None else given)
    said = request.get("tool_choice")
    return ToolRequest(tools, said, parallel, read_choice(tools, said, parallel))
