"""The parts of a reply, whole or so far: thoughts, text, and calls of tools."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple

from structgen.engine.requests import FinishReason, Result
from structgen.tool_calls.call_parsing import parse_calls
from structgen.tool_calls.custom_tools import INPUT
from structgen.tool_calls.tool_definitions import Tool
from structgen.tool_calls.tool_format import ToolFormat

_READ_AGAIN: Final = 64
"""A reply with calls is read again once it grew by such a part: reading all of it stays linear."""


class Delta(NamedTuple):
    """What is new in a reply."""

    kind: Literal["thoughts", "text", "call", "arguments"]
    text: str
    """Of a call its name."""
    call: int = 0
    """Of a call, and of arguments: which call of the reply."""


class WrittenCall(NamedTuple):
    """A call in a reply."""

    id: str
    name: str
    arguments: str
    """JSON text; of a custom tool its input."""
    is_custom: bool = False


@dataclass
class ReplyParts:
    """One reply while it is being written. `format`: how calls are written in it; None: it has none."""

    format: ToolFormat | None = None
    tools: tuple[Tool, ...] = ()
    opening: str = ""
    """What a model may write itself before its thoughts."""
    thoughts: str = ""
    text: str = ""
    calls: list[WrittenCall] = field(default_factory=list)
    read: int = 0
    """How many characters were read last."""

    def grown(self, written: str, thoughts: str) -> Iterator[Delta]:
        """Yield what is new in a text that goes on, and in the thoughts before it."""
        yield from self._thought(thoughts, are_over=bool(written))
        if self.format is None:
            yield from self._texts(written)
        elif len(written) > self.read + self.read // _READ_AGAIN:
            yield from self._parsed(written, ended=False)

    def ended(self, result: Result) -> Iterator[Delta]:
        """Yield what is new in the whole text."""
        yield from self._thought(result.thoughts, are_over=True)
        if self.format is None:
            yield from self._texts(result.text)
        else:
            yield from self._parsed(result.text, ended=True)

    def _thought(self, thoughts: str, *, are_over: bool) -> Iterator[Delta]:
        thoughts = thoughts.strip()
        if self.opening.startswith(thoughts) and not are_over:
            return  # perhaps the opening, half written
        thoughts = thoughts.removeprefix(self.opening).strip()
        piece = thoughts[len(self.thoughts) :]
        if piece:
            self.thoughts = thoughts
            yield Delta("thoughts", piece)

    def _texts(self, text: str) -> Iterator[Delta]:
        piece, self.text = text[len(self.text) :], text
        if piece:
            yield Delta("text", piece)

    def _parsed(self, written: str, *, ended: bool) -> Iterator[Delta]:
        assert self.format is not None
        self.read = len(written)
        reply = parse_calls(written, self.format, tools=self.tools, thinking=False, ended=ended)
        yield from self._texts(reply.text.strip())  # formats put line breaks between text and calls
        calls = [*reply.calls, *([] if reply.partial is None else [reply.partial])]
        for index, call in enumerate(calls):
            is_custom = call.tool is not None and call.tool.custom
            if index == len(self.calls):
                identity = f"call_{secrets.token_hex(12)}"
                self.calls.append(WrittenCall(identity, call.name, "", is_custom))
                yield Delta("call", call.name, index)
            known = self.calls[index]
            begun = str(call.arguments.get(INPUT, "")) if is_custom else call.begun
            piece = begun[len(known.arguments) :]
            if piece:
                self.calls[index] = known._replace(arguments=begun)
                yield Delta("arguments", piece, index)

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


def whole_of(parts: ReplyParts) -> Iterator[Delta]:
    """Yield all parts of a reply that has ended."""
    if parts.thoughts:
        yield Delta("thoughts", parts.thoughts)
    if parts.text or not parts.calls:
        yield Delta("text", parts.text)
    for index, call in enumerate(parts.calls):
        yield Delta("call", call.name, index)
        yield Delta("arguments", call.arguments, index)
