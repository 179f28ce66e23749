"""The parts of a reply, whole or so far: thoughts, text, and calls of tools."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from structgen.engine.requests import FinishReason, Result
from structgen.tool_calls.call_parsing import parse_calls
from structgen.tool_calls.custom_tools import INPUT
from structgen.tool_calls.tool_definitions import Tool
from structgen.tool_calls.tool_format import ToolFormat
from structgen.tool_calls.tool_replies import Reply, without_repeats

_READ_AGAIN: Final = 64
"""A reply with calls is read again once it grew by such a part: reading all of it stays linear."""
PartKind: TypeAlias = Literal["thoughts", "text", "function", "custom"]
"""The last two are calls: of a function, and of a custom tool."""


@dataclass(slots=True)
class ReplyPart:
    """A part of a reply, as far as it is written."""

    kind: PartKind
    place: int
    """How many parts began before it."""
    text: str = ""
    """Of a call its arguments as JSON text, or the input of a custom tool."""
    name: str = ""
    """Of a call the tool's; its `call` is how many calls began before it."""
    id: str = ""
    call: int = 0


class Delta(NamedTuple):
    """What is new in a part, whose text has it already. The first one of a call is empty."""

    part: ReplyPart
    text: str


@dataclass
class ReplyParts:
    """One reply while it is being written. `format`: how calls are written in it; None: it has none."""

    format: ToolFormat | None = None
    tools: tuple[Tool, ...] = ()
    opening: str = ""
    """What a model may write itself before its thoughts."""
    begun: str = ""
    """The beginning of the text, which is left out. Calls are whole."""
    stops: tuple[str, ...] = ()
    """Texts of which the first that stands outside of a call ends the reply before it."""
    stopped_by: str = ""
    """The one that did."""
    parts: dict[str | int, ReplyPart] = field(default_factory=dict)
    """As they began: "thoughts", "text", and the calls by their numbers."""
    read: int = 0
    """How many characters were read last."""

    def grown(self, written: str, thoughts: str) -> Iterator[Delta]:
        """Yield what is new in a text that goes on, and in the thoughts before it."""
        if thoughts:
            yield from self._thought(thoughts, are_over=bool(written))
        if self.format is None:
            yield from self._grown("text", written, "text")
        elif len(written) > self.read + self.read // _READ_AGAIN:
            yield from self._parsed(written, ended=False)

    def ended(self, result: Result) -> Iterator[Delta]:
        """Yield what is new in the whole text. A reply without calls has a text, if an empty one."""
        yield from self._thought(result.thoughts, are_over=True)
        if self.format is None:
            yield from self._grown("text", result.text, "text")
        else:
            yield from self._parsed(result.text, ended=True)
        if "text" not in self.parts and not self.calls:
            self.parts["text"] = ReplyPart("text", len(self.parts))
            yield Delta(self.parts["text"], "")

    @property
    def calls(self) -> list[ReplyPart]:
        """The calls that have begun."""
        return [part for part in self.parts.values() if part.id]

    def text(self, key: str) -> str:
        """Return the "thoughts" or the "text"; "" where there are none."""
        return self.parts[key].text if key in self.parts else ""

    def _thought(self, thoughts: str, *, are_over: bool) -> Iterator[Delta]:
        thoughts = thoughts.strip()
        if self.opening.startswith(thoughts) and not are_over:
            return  # perhaps the opening, half written
        yield from self._grown("thoughts", thoughts.removeprefix(self.opening).strip(), "thoughts")

    def _parsed(self, written: str, *, ended: bool) -> Iterator[Delta]:
        assert self.format is not None
        self.read = len(written)
        read = parse_calls(written, self.format, tools=self.tools, thinking=False, ended=ended)
        reply = self._stopped(without_repeats(read))
        text = reply.text
        if not (ended or self.stopped_by or reply.partial):  # its end may begin a stop
            held = min(max(map(len, self.stops), default=1) - 1, len(reply.texts[-1]))
            text = text[: len(text) - held]
        yield from self._grown("text", text.strip(), "text")  # formats put line breaks before calls
        for number, call in enumerate([*reply.calls, *([] if reply.partial is None else [reply.partial])]):
            is_custom = call.tool is not None and call.tool.custom
            text = str(call.arguments.get(INPUT, "")) if is_custom else call.begun
            yield from self._grown(number, text, "custom" if is_custom else "function", call.name)

    def _stopped(self, reply: Reply) -> Reply:
        """Return a reply up to the first stop in its text outside of calls."""
        for number, text in enumerate(reply.texts):
            found = [(at, one) for one in self.stops if (at := text.find(one)) >= 0]
            if found:
                end, self.stopped_by = min(found)
                texts = [*reply.texts[:number], text[:end]]
                return replace(reply, calls=reply.calls[:number], texts=texts, partial=None)
        return reply

    def _grown(self, key: str | int, text: str, kind: PartKind, name: str = "") -> Iterator[Delta]:
        """Yield what is new in a part. Thoughts and text begin with their first character."""
        if kind == "text" and self.begun:
            begun = self.begun if self.format is None else self.begun.lstrip()
            text = text.removeprefix(begun[: len(text)])
        part = self.parts.get(key)
        if part is None:
            if isinstance(key, str) and not text:
                return
            part = self.parts[key] = ReplyPart(kind, len(self.parts), name=name)
            if isinstance(key, int):
                part.id, part.call = f"call_{secrets.token_hex(12)}", key
                yield Delta(part, "")
        piece = text[len(part.text) :]
        if piece:
            part.text = text
            yield Delta(part, piece)

    def reason(self, result: Result) -> str:
        """Return the reason of the end in OpenAI's words. A document that the budget closed is complete."""
        if result.finish_reason is FinishReason.MAX_TOKENS:
            return "length"
        return "tool_calls" if self.calls else "stop"


def usage_of(results: Sequence[Result]) -> dict[str, Any]:
    """Return the tokens of a request: of its prompts, each counted once, and of all its texts."""
    asked = sum(one.usage.prompt_tokens for one in results if one.sample == 0)
    thought = sum(one.usage.thought_tokens for one in results)
    written = thought + sum(one.usage.tokens for one in results)
    return {
        "prompt_tokens": asked,
        "completion_tokens": written,
        "total_tokens": asked + written,
        "completion_tokens_details": {"reasoning_tokens": thought},
    }
