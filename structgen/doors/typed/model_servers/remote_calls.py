"""Calls of a model on a server: tools in OpenAI's shape, and the calls that a reply has.

The answer's `tool_calls` become a part of its text, in `NATIVE`, a format of our own. So streams are texts,
and one parser reads them all. A server without a parser of calls sends them as the model wrote them. Such a
text is read in the format that is named, or in the first one known that finds calls of the tools.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

from structgen.asking.tool_calls.call_reader import parse_calls
from structgen.asking.tool_calls.call_texts import find_partial_mark, marks_pattern
from structgen.asking.tool_calls.format_marks import marks_of
from structgen.asking.tool_calls.format_rows import ROWS
from structgen.asking.tool_calls.tool_definitions import Tool
from structgen.asking.tool_calls.tool_format import ToolFormat
from structgen.asking.tool_calls.tool_replies import Reply, without_repeats
from structgen.base.errors import StructgenError
from structgen.base.json_text.exact_json import JsonObject, write_canonical
from structgen.doors.typed.model_servers.server_replies import split_thoughts
from structgen.doors.typed.tool_use import ToolUse
from structgen.grammars.json_grammars.schema_grammar import unwarned_schema, without_grammars
from structgen.schema.reading.openai import check_subset
from structgen.schema.reading.string_grammars import OBJECT

NATIVE: Final = ToolFormat(
    "chat_completions",
    '<tool_call id="$id" name="$name">$arguments</tool_call>',
    trigger='<tool_call id="',
    history="text",
)
"""How calls that a server sends apart stand in the text of a result."""


def tool_fields(use: ToolUse, *, is_structgen: bool = False) -> JsonObject:
    """Return the fields of a request that are of tools, in the shape of chat completions. Of a choice among
    some of the tools, these alone are sent, for few servers know `allowed_tools`. `is_structgen`: whether the
    server reads `x-grammar`."""
    choice = use.choice
    sent_tools = use.tools if choice.mode in ("forced", "none") else choice.tools
    if not sent_tools:
        return {}
    tool_choice: Any = choice.mode
    if choice.mode == "forced":
        tool_choice = {"type": "function", "function": {"name": choice.tools[0].name}}
    request_fields = {
        "tools": [_openai_tool(tool, is_structgen) for tool in sent_tools],
        "tool_choice": tool_choice,
    }
    # without the field, some servers take "required" for exactly one call
    if choice.max_calls == 1 or choice.mode == "required":
        request_fields["parallel_tool_calls"] = choice.max_calls != 1
    return request_fields


def _openai_tool(tool: Tool, is_structgen: bool) -> JsonObject:
    """Return a tool in OpenAI's shape, for other servers than structgen's without `x-grammar`; strict where
    its schema is in the subset that servers hold a text to."""
    schema = json.loads(write_canonical(tool.schema_under({})[0]))  # `json.dumps` writes no exact numbers
    schema = without_grammars(schema, *((OBJECT,) if is_structgen else ()))
    definition, strict = tool.openai(), {"strict": True} if is_strict(schema) else {}
    return {**definition, "function": {**definition["function"], "parameters": schema, **strict}}


def is_strict(schema: JsonObject) -> bool:
    """Tell whether a schema is in the subset that OpenAI's servers hold a text to."""
    try:
        check_subset(unwarned_schema(schema).schema)
    except StructgenError:
        return False
    return True


class SentCalls:
    """The calls of an answer, whole or in pieces. The `index` of a piece, where a server sends it, says which
    call it continues. Another id beside a name begins a call whatever the index is. A name may come again."""

    def __init__(self) -> None:
        self._calls: list[dict[str, str]] = []
        """The `id`, the `name` and the `arguments` of each; "" for a member that has not been sent."""
        self._last: dict[int, dict[str, str]] = {}
        """The call of each index to which the next piece belongs."""

    def add_pieces(self, pieces: Any) -> None:
        """Add the `tool_calls` of a message or of a delta; None stands for no calls."""
        for position, piece in enumerate(pieces or ()):
            index, id = getattr(piece, "index", None), getattr(piece, "id", None) or ""
            index = position if index is None else index  # whole messages have no index
            function = getattr(piece, "function", None)
            name = getattr(function, "name", None) or ""
            call = self._last.get(index)
            if call is None or (name and id and call["id"] not in ("", id)):
                call = self._last[index] = dict.fromkeys(("id", "name", "arguments"), "")
                self._calls.append(call)
            call["id"] = id or call["id"]
            call["name"] += name if name != call["name"] else ""
            call["arguments"] += getattr(function, "arguments", None) or ""

    def text_so_far(self, *, is_complete: bool) -> str:
        """Return all calls so far in `NATIVE`; the last one stays open unless the answer is complete."""
        begin, _, end = NATIVE.calls[0].partition("$arguments")
        text = ""
        for position, call in enumerate(self._calls):
            is_closed = is_complete or position + 1 < len(self._calls)
            text += begin.replace("$id", call["id"] or f"call_{position}").replace("$name", call["name"])
            # a tool without parameters may be called without arguments
            text += (call["arguments"] or "{}" * is_closed) + end * is_closed
        return text


def read_reply(use: ToolUse, text: str, *, is_complete: bool) -> Reply:
    """Return the texts, thoughts and calls of an answer, whole or so far."""
    parts = split_thoughts(text)
    thoughts, rest = (text, "") if parts is None else parts
    reply = without_repeats(_read_calls(use, rest, is_complete))
    return replace(reply, thinking=thoughts) if thoughts else reply


def _read_calls(use: ToolUse, text: str, is_complete: bool) -> Reply:
    """Return the texts and calls of a text. Where no format is named, it is read in one of ROWS. At its end
    that is the first format in which it has calls and no problem. Before, it is the first whose calls are of
    the tools, or whose call may be beginning."""
    tools = use.choice.tools

    def parse_as(row: ToolFormat, text: str) -> Reply:
        return parse_calls(text, row, tools=tools, thinking=False, ended=is_complete)

    is_native = _begins_call(NATIVE, text)
    if is_native or use.format is not None or not tools:
        return parse_as(NATIVE if is_native or use.format is None else use.format, text)
    rows, replies = [row for row in ROWS if not row.text], list[Reply]()
    for row in rows:
        if _begins_call(row, text):
            with suppress(StructgenError):  # this format cannot write the arguments of one of the tools
                replies.append(parse_as(row, text))
    if is_complete:
        with_calls = [reply for reply in replies if reply.calls] or [parse_as(NATIVE, text)]
        return next((reply for reply in with_calls if not reply.problems), with_calls[0])
    # more may come: a name that is no tool's may be a text that only looks like a call
    tool_names = {tool.name for tool in tools}
    for reply in replies:
        calls = reply.begun_calls
        if calls and all(call.name in tool_names for call in calls):
            return reply
    waiting = [reply for reply in replies if not reply.begun_calls and reply.pending]
    # an opening mark that has come in part is no text yet
    end = find_partial_mark(text, tuple(opening for row in rows for opening in marks_of(row).openings))
    return waiting[0] if waiting else parse_as(NATIVE, text[:end])


def _begins_call(row: ToolFormat, text: str) -> bool:
    """Tell whether a text has an opening mark of a format."""
    return marks_pattern(marks_of(row).openings).search(text) is not None
