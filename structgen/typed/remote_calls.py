"""Calls of a model on a server: what is sent in OpenAI's shape, and how what comes back is read.

The answer's `tool_calls` become a part of its text, in `NATIVE`, a format of our own: so streams are texts,
and one parser reads them all. A server without a parser of calls sends them as the model wrote them; such a
text is read in the format that is named, or in the first one of those known that finds calls of the tools.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from structgen.errors import StructgenError
from structgen.json_grammars.schema_grammar import unwarned_schema
from structgen.schema.reading.openai import check_subset
from structgen.tool_calls.call_parsing import parse_calls
from structgen.tool_calls.call_texts import begun, searcher
from structgen.tool_calls.format_rows import ROWS
from structgen.tool_calls.tool_definitions import Tool
from structgen.tool_calls.tool_format import ToolFormat
from structgen.tool_calls.tool_replies import Reply
from structgen.typed.server_replies import thoughts_apart
from structgen.typed.tool_use import ToolUse

PARALLEL: Final = "parallel_tool_calls"
"""The field that says whether there may be several calls."""
NATIVE: Final = ToolFormat(
    "chat_completions",
    '<tool_call id="$id" name="$name">$arguments</tool_call>',
    trigger='<tool_call id="',
    history="text",
)
"""How calls that a server sends apart stand in the text of a result."""


def fields_of(use: ToolUse) -> dict[str, Any]:
    """Return the fields of a request that are of tools, in the shape of chat completions. Of a choice among
    some of the tools, these alone are sent, for few servers know `allowed_tools`."""
    choice = use.choice
    listed = use.tools if choice.mode in ("forced", "none") else choice.tools
    if not listed:
        return {}
    said: Any = choice.mode
    if choice.mode == "forced":
        said = {"type": "function", "function": {"name": choice.tools[0].name}}
    found = {"tools": list(map(_sent, listed)), "tool_choice": said}
    return {**found, PARALLEL: False} if choice.most == 1 else found


def _sent(tool: Tool) -> dict[str, Any]:
    """Return a tool in OpenAI's shape, strict where its schema is in the subset that is held to."""
    made = tool.openai()
    function = {**made["function"], "parameters": tool.closed_schema}
    try:
        check_subset(unwarned_schema(tool.closed_schema).schema)
    except StructgenError:
        return {**made, "function": function}
    return {**made, "function": {**function, "strict": True}}


@dataclass(slots=True)
class _SentCall:
    id: str = ""
    name: str = ""
    arguments: str = ""

    def text(self, *, closed: bool) -> str:
        begin, _, end = NATIVE.calls[0].partition("$arguments")
        begin = begin.replace("$id", self.id).replace("$name", self.name)
        return begin + (self.arguments or "{}" * closed) + end * closed


class SentCalls:
    """The calls of an answer, whole or in pieces."""

    def __init__(self) -> None:
        self._calls: dict[int, _SentCall] = {}

    def add(self, sent: Any) -> None:
        """Take the `tool_calls` of a message or of a delta; None is none."""
        for at, one in enumerate(sent or ()):
            index = getattr(one, "index", None)
            index = at if index is None else index
            call = self._calls.setdefault(index, _SentCall(f"call_{index}"))
            call.id = getattr(one, "id", None) or call.id
            function = getattr(one, "function", None)
            call.name += getattr(function, "name", None) or ""
            call.arguments += getattr(function, "arguments", None) or ""

    def text(self, *, ended: bool) -> str:
        """Return all calls so far in `NATIVE`; the last one open, where more may come."""
        calls = [self._calls[index] for index in sorted(self._calls)]
        return "".join(one.text(closed=ended or one is not calls[-1]) for one in calls)


def read_reply(use: ToolUse, text: str, *, ended: bool) -> Reply:
    """Return what an answer consists of, whole or so far."""
    parts = thoughts_apart(text)
    thoughts, rest = (text, "") if parts is None else parts
    found = next(_readings(use, rest, ended))
    return replace(found, thinking=thoughts) if thoughts else found


def _readings(use: ToolUse, text: str, ended: bool) -> Iterator[Reply]:
    """Yield what a text may be read as, the best first."""
    tools: Sequence[Tool] = use.choice.tools
    is_native = _begins_call(NATIVE, text)
    if use.format is not None and not is_native:
        yield parse_calls(text, use.format, tools=tools, thinking=False, ended=ended)
    if not ended and not is_native and tools:
        yield from _arriving(text, tools)
    native = parse_calls(text, NATIVE, tools=tools, thinking=False, ended=ended)
    if is_native or not ended or not tools:
        yield native
    doubtful = []
    for row in ROWS:
        if row.text or not _begins_call(row, text):
            continue
        try:
            reply = parse_calls(text, row, tools=tools, thinking=False)
        except StructgenError:  # this format cannot write the arguments of one of the tools
            continue
        if reply.calls and not reply.problems:
            yield reply
        elif reply.calls:
            doubtful.append(reply)
    yield from doubtful
    yield native


def _arriving(text: str, tools: Sequence[Tool]) -> Iterator[Reply]:
    """Yield what a text that goes on may be read as, where it holds a call in one of the known formats, or
    ends in what may be the beginning of one: that is no text yet."""
    rows = [row for row in ROWS if not row.text and _begins_call(row, text)]
    known = {tool.name for tool in tools}
    waiting = []
    for row in rows:
        reply = parse_calls(text, row, tools=tools, thinking=False, ended=False)
        calls = [*reply.calls, *([] if reply.partial is None else [reply.partial])]
        if calls and all(call.name in known for call in calls):
            yield reply
        elif not calls and reply.pending:
            waiting.append(reply)
    yield from waiting
    end = begun(text, tuple(one for row in ROWS if not row.text for one in row.triggers))
    if end < len(text):
        yield parse_calls(text[:end], NATIVE, tools=tools, thinking=False, ended=False)


def _begins_call(row: ToolFormat, text: str) -> bool:
    return searcher(row.triggers).search(text) is not None
