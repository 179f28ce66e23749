"""Splits a reply, whole or so far, into its parts: thoughts, text, and calls of tools.

A *part* is a stretch of a reply of one kind. A *delta* is what is new in a part since the last look. A *stop*
is a text that ends the reply before it. While a reply grows, its end is held back (`tail`) if it may begin a
stop.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from structgen.asking.tool_calls.call_reader import CallReader
from structgen.asking.tool_calls.custom_tools import INPUT
from structgen.asking.tool_calls.tool_definitions import Tool
from structgen.asking.tool_calls.tool_format import ToolFormat
from structgen.base.json_text.growing_json import GrowingString
from structgen.decoding.engine.requests import FinishReason, Result

_BEFORE_INPUT: Final = re.compile(rf'\s*\{{\s*"{INPUT}"\s*:\s*"')
PartKind: TypeAlias = Literal["thoughts", "text", "function", "custom"]
"""The kind of a part. The last two are calls: of a function, and of a custom tool."""


@dataclass(slots=True)
class ReplyPart:
    """A part of a reply, as far as it has been written."""

    kind: PartKind
    place: int
    """The number of parts that began before this one."""
    text: str = ""
    """The text of the part. For a call: its arguments as JSON text, or the input of a custom tool."""
    name: str = ""
    """The name of the tool, for a call. Its `call` is the number of calls that began before it."""
    id: str = ""
    call: int = 0
    tool: Tool | None = None
    """The tool that is called; None: a text, or a tool that is not known."""


class Delta(NamedTuple):
    """The text that is new in a part. (The part has it already.) The first delta of a call is empty."""

    part: ReplyPart
    text: str


@dataclass
class ReplyParts:
    """One reply while it is being written. `format`: how calls are written in it; None: it has no calls."""

    format: ToolFormat | None = None
    tools: tuple[Tool, ...] = ()
    opening: str = ""
    """The tag that a model may write before its thoughts. It is not a part of them."""
    answers: bool = False
    """Whether the reply may be a document in place of calls. Its strings may hold the marks of calls."""
    prefix: str = ""
    """A beginning of the text that is left out. Calls are never shortened."""
    stops: tuple[str, ...] = ()
    """The texts that end the reply: it ends before the first of them outside of a call."""
    stopped_by: str = ""
    """The text of `stops` that ended the reply; "" if none did."""
    earlier: int = 0
    """The number of calls that the conversation has before this reply."""
    parts: dict[str | int, ReplyPart] = field(default_factory=dict)
    """The parts in the order in which they began, by the key "thoughts", "text", or the number of a call."""
    read_count: int = 0
    """The number of characters that were read."""
    tail: str = ""
    """The end of the text that is held back, because it may begin a stop."""
    blank: str = ""
    """White space that is held back, because no text may follow it."""
    has_text: bool = False
    is_over: bool = False
    """Whether a stop, or a call that equals an earlier one, has ended the reply."""
    name: str = ""
    document: str = ""
    """The arguments of the last call so far; above, its name."""
    alike: list[str] = field(default_factory=list, init=False)
    """The arguments of earlier calls that begin as those of the last call do. It may repeat one of them."""
    input: GrowingString | None = None
    """The input of a custom tool, while its arguments are written."""
    reader: CallReader | None = None

    def __post_init__(self) -> None:
        if self.format is not None:
            self.reader = CallReader(self.format, self.tools, False)
            self.prefix = self.prefix.lstrip()

    def read_growth(self, text: str, thoughts: str) -> Iterator[Delta]:
        """Yield the deltas of a text that is not complete, and of the thoughts before it."""
        if thoughts:
            yield from self._read_thoughts(thoughts, are_over=bool(text))
        yield from self._read_text(text, is_last=False)

    def read_end(self, result: Result) -> Iterator[Delta]:
        """Yield the last deltas, from the complete text. A reply without calls gets a text, even if empty."""
        yield from self._read_thoughts(result.thoughts, are_over=True)
        yield from self._read_text(result.text, is_last=True)
        if "text" not in self.parts and not self.calls:
            self.parts["text"] = ReplyPart("text", len(self.parts))
            yield Delta(self.parts["text"], "")

    @property
    def calls(self) -> list[ReplyPart]:
        """The calls that have begun."""
        return [part for part in self.parts.values() if part.id]

    def part_text(self, key: str) -> str:
        """Return the "thoughts" or the "text"; "" where there are none."""
        return self.parts[key].text if key in self.parts else ""

    def _read_thoughts(self, thoughts: str, *, are_over: bool) -> Iterator[Delta]:
        """Yield what is new in the thoughts, without what opens them."""
        # the chat template writes white space around thoughts, so it is not a part of them
        thoughts = thoughts.strip()
        if self.opening.startswith(thoughts) and not are_over:
            return  # perhaps the opening, half written
        content = thoughts.removeprefix(self.opening).strip()
        yield from self._grow_part("thoughts", content[len(self.part_text("thoughts")) :])

    def _read_text(self, reply_text: str, *, is_last: bool) -> Iterator[Delta]:
        """Yield what is new in the text after the thoughts: text and calls, up to what ends the reply."""
        piece = reply_text[self.read_count :]
        self.read_count = len(reply_text)
        if self.reader is None:
            yield from self._add_text(piece)
            return
        for kind, content, number in self.reader.read_piece(piece, is_last=is_last):
            # text after the end of the reply is ignored
            if self.is_over:
                return
            # the whole reply is a document, so what looks like a call in it is text
            if kind == "text" and self.answers and self.reader.format.is_document(content):
                self.reader = None
                yield from self._add_text(reply_text.lstrip())
                return
            if kind == "text":
                yield from self._add_outside(content)
            elif kind == "thoughts":
                yield from self._grow_part("thoughts", content)
            elif kind == "call":
                yield from self._add_outside("", is_whole=True)
                self.name = content
                self.document = ""
                # a call is held back as long as it may repeat an earlier one
                self.alike = [call.document for call in self.reader.calls[:number] if call.name == content]
            elif kind == "arguments":
                self.alike = [text for text in self.alike if text.startswith(content, len(self.document))]
                self.document += content
                if not self.alike and not self.is_over:
                    yield from self._add_call(number, content)
            elif kind == "end":
                self.is_over = self.is_over or self.document in self.alike
                if not self.is_over:
                    yield from self._add_call(number, "")
                    part = self.parts[number]
                    rest = self._rest_of_input(part) if part.kind == "custom" else ""
                    yield from self._grow_part(number, rest)
        if is_last and not self.is_over:
            yield from self._add_outside("", is_whole=True)

    def _add_outside(self, text: str, *, is_whole: bool = False) -> Iterator[Delta]:
        """Yield text outside of calls, up to the first stop. Its end may begin one, unless it is whole."""
        self.tail += text
        stops = [(index, stop) for stop in self.stops if (index := self.tail.find(stop)) >= 0]
        held_back = 0 if is_whole else max(map(len, self.stops), default=1) - 1
        end = max(0, len(self.tail) - held_back)
        if stops:
            end, self.stopped_by = min(stops)
            self.is_over = True
        text = self.tail[:end]
        self.tail = self.tail[end:]
        text = self.blank + text if self.has_text else text.lstrip()  # formats put line breaks before calls
        self.has_text = self.has_text or bool(text)
        self.blank = text[len(text.rstrip()) :]
        yield from self._add_text(text.rstrip())

    def _add_text(self, piece: str) -> Iterator[Delta]:
        """Yield text without `prefix`, which may come in several pieces."""
        if piece.startswith(self.prefix):
            prefix_length = len(self.prefix)
        else:
            prefix_length = len(piece) if self.prefix.startswith(piece) else 0
        self.prefix = self.prefix[prefix_length:]
        yield from self._grow_part("text", piece[prefix_length:])

    def _add_call(self, number: int, text: str) -> Iterator[Delta]:
        """Yield the delta of a call that differs from all earlier ones; at its beginning, an empty one
        first."""
        if number not in self.parts:
            assert self.format is not None
            tool = next((tool for tool in self.tools if tool.name == self.name), None)
            is_custom = tool is not None and tool.custom
            part = ReplyPart(
                "custom" if is_custom else "function", len(self.parts), name=self.name, tool=tool
            )
            part.id = self.format.new_id(self.name, self.earlier + number)
            part.call = number
            self.parts[number] = part
            self.input = None
            text = self.document
            yield Delta(part, "")
        is_custom = self.parts[number].kind == "custom"
        yield from self._grow_part(number, self._custom_input(text) if is_custom else text)

    def _custom_input(self, text: str) -> str:
        """Return the text that a piece of a custom tool's arguments adds to its input."""
        if self.input is None:
            head = _BEFORE_INPUT.match(self.document)
            # the input of a custom tool has not begun
            if head is None:
                return ""
            self.input, text = GrowingString(), self.document[head.end() :]
        return self.input.feed(text)

    def _rest_of_input(self, part: ReplyPart) -> str:
        """Return the end of a custom tool's input that was not yielded yet."""
        assert self.reader is not None
        return str(self.reader.calls[part.call].arguments.get(INPUT, ""))[len(part.text) :]

    def _grow_part(self, key: str | int, piece: str) -> Iterator[Delta]:
        """Yield what is new in a part. Thoughts and text begin with their first character."""
        if not piece:
            return
        part = self.parts.get(key)
        if part is None:
            kind: PartKind = "text" if key == "text" else "thoughts"
            part = self.parts[key] = ReplyPart(kind, len(self.parts))
        part.text += piece
        yield Delta(part, piece)

    def end_reason(self, result: Result) -> str:
        """Return the reason of the end in OpenAI's words. A document that the budget closed is complete."""
        if result.finish_reason is FinishReason.MAX_TOKENS:
            return "length"
        return "tool_calls" if self.calls else "stop"


def usage_of(results: Sequence[Result]) -> dict[str, Any]:
    """Return the tokens of a request: of its prompts, each counted once, and of all its texts. The cached
    ones of the prompts were read for earlier requests."""
    firsts = [result.usage for result in results if result.sample == 0]
    prompt_tokens = sum(usage.prompt_tokens for usage in firsts)
    thought_tokens = sum(result.usage.thought_tokens for result in results)
    completion_tokens = thought_tokens + sum(result.usage.tokens for result in results)
    return {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
        "total_tokens": prompt_tokens + completion_tokens,
        "prompt_tokens_details": {"cached_tokens": sum(usage.cached_tokens for usage in firsts)},
        "completion_tokens_details": {"reasoning_tokens": thought_tokens},
    }
