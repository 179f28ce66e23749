"""The parts of a reply, whole or so far: thoughts, text, and calls of tools."""

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
    answers: bool = False
    """Whether the reply may be a document in the place of calls, whose strings may hold their marks."""
    begun: str = ""
    """The beginning of the text, which is left out. Calls are whole."""
    stops: tuple[str, ...] = ()
    """The reply ends before the first of these texts that stands outside of a call."""
    stopped_by: str = ""
    """The text of `stops` that ended the reply; "" where none did."""
    earlier: int = 0
    """How many calls the conversation has before."""
    parts: dict[str | int, ReplyPart] = field(default_factory=dict)
    """As they began: "thoughts", "text", and the calls by their numbers."""
    read: int = 0
    """How many characters were read."""
    tail: str = ""
    """The end of the text, which may begin a stop."""
    blank: str = ""
    """White space of which it is not known whether text follows it."""
    has_text: bool = False
    is_over: bool = False
    """Whether a stop, or a call that equals an earlier one, has ended the reply."""
    name: str = ""
    document: str = ""
    """The name of the last call, and its arguments so far."""
    alike: list[str] = field(default_factory=list, init=False)
    """The arguments of earlier calls that those of the last one may become."""
    input: GrowingString | None = None
    """The input of a custom tool."""
    reader: CallReader | None = None

    def __post_init__(self) -> None:
        if self.format is not None:
            self.reader, self.begun = CallReader(self.format, self.tools, False), self.begun.lstrip()

    def grown(self, written: str, thoughts: str) -> Iterator[Delta]:
        """Yield what is new in a text that goes on, and in the thoughts before it."""
        if thoughts:
            yield from self._thought(thoughts, are_over=bool(written))
        yield from self._read(written, ended=False)

    def ended(self, result: Result) -> Iterator[Delta]:
        """Yield what is new in the whole text. A reply without calls has a text, if an empty one."""
        yield from self._thought(result.thoughts, are_over=True)
        yield from self._read(result.text, ended=True)
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
        """Yield what is new in the thoughts, without what opens them."""
        thoughts = thoughts.strip()
        if self.opening.startswith(thoughts) and not are_over:
            return  # perhaps the opening, half written
        said = thoughts.removeprefix(self.opening).strip()
        yield from self._grown("thoughts", said[len(self.text("thoughts")) :])

    def _read(self, written: str, *, ended: bool) -> Iterator[Delta]:
        """Yield what is new in the text behind the thoughts: text and calls, up to what ends the reply."""
        piece, self.read = written[self.read :], len(written)
        if self.reader is None:
            yield from self._text(piece)
            return
        for kind, said, number in self.reader.read_piece(piece, is_last=ended):
            if self.is_over:
                return
            if kind == "text" and self.answers and self.reader.format.is_document(said):
                self.reader = None
                yield from self._text(written.lstrip())
                return
            if kind == "text":
                yield from self._outside(said)
            elif kind == "thoughts":
                yield from self._grown("thoughts", said)
            elif kind == "call":
                yield from self._outside("", is_whole=True)
                self.name, self.document = said, ""
                self.alike = [call.document for call in self.reader.calls[:number] if call.name == said]
            elif kind == "arguments":
                self.alike = [text for text in self.alike if text.startswith(said, len(self.document))]
                self.document += said
                if not self.alike and not self.is_over:
                    yield from self._called(number, said)
            elif kind == "end":
                self.is_over = self.is_over or self.document in self.alike
                if not self.is_over:
                    yield from self._called(number, "")
                    part = self.parts[number]
                    yield from self._grown(number, self._rest(part) if part.kind == "custom" else "")
        if ended and not self.is_over:
            yield from self._outside("", is_whole=True)

    def _outside(self, said: str, *, is_whole: bool = False) -> Iterator[Delta]:
        """Yield text outside of calls, up to the first stop. Its end may begin one, unless it is whole."""
        self.tail += said
        stops = [(at, stop) for stop in self.stops if (at := self.tail.find(stop)) >= 0]
        held = 0 if is_whole else max(map(len, self.stops), default=1) - 1
        end = max(0, len(self.tail) - held)
        if stops:
            end, self.stopped_by = min(stops)
            self.is_over = True
        said, self.tail = self.tail[:end], self.tail[end:]
        said = self.blank + said if self.has_text else said.lstrip()  # formats put line breaks before calls
        self.has_text = self.has_text or bool(said)
        self.blank = said[len(said.rstrip()) :]
        yield from self._text(said.rstrip())

    def _text(self, piece: str) -> Iterator[Delta]:
        """Yield text without what had begun it."""
        known = len(self.begun) if piece.startswith(self.begun) else len(piece) * self.begun.startswith(piece)
        self.begun = self.begun[known:]
        yield from self._grown("text", piece[known:])

    def _called(self, number: int, said: str) -> Iterator[Delta]:
        """Yield more of a call, which equals no earlier one; at first that it begins."""
        if number not in self.parts:
            assert self.format is not None
            is_custom = any(tool.custom for tool in self.tools if tool.name == self.name)
            part = ReplyPart("custom" if is_custom else "function", len(self.parts), name=self.name)
            part.id, part.call = self.format.new_id(self.name, self.earlier + number), number
            self.parts[number], self.input, said = part, None, self.document
            yield Delta(part, "")
        is_custom = self.parts[number].kind == "custom"
        yield from self._grown(number, self._input(said) if is_custom else said)

    def _input(self, said: str) -> str:
        """Return what a piece of a custom tool's arguments adds to its input."""
        if self.input is None:
            head = _BEFORE_INPUT.match(self.document)
            if head is None:
                return ""
            self.input, said = GrowingString(), self.document[head.end() :]
        return self.input.feed(said)

    def _rest(self, part: ReplyPart) -> str:
        """Return what is left of the input of a custom tool that is read to its end."""
        assert self.reader is not None
        return str(self.reader.calls[part.call].arguments.get(INPUT, ""))[len(part.text) :]

    def _grown(self, key: str | int, piece: str) -> Iterator[Delta]:
        """Yield what is new in a part. Thoughts and text begin with their first character."""
        if not piece:
            return
        part = self.parts.get(key)
        if part is None:
            kind: PartKind = "text" if key == "text" else "thoughts"
            part = self.parts[key] = ReplyPart(kind, len(self.parts))
        part.text += piece
        yield Delta(part, piece)

    def reason(self, result: Result) -> str:
        """Return the reason of the end in OpenAI's words. A document that the budget closed is complete."""
        if result.finish_reason is FinishReason.MAX_TOKENS:
            return "length"
        return "tool_calls" if self.calls else "stop"


def usage_of(results: Sequence[Result]) -> dict[str, Any]:
    """Return the tokens of a request: of its prompts, each counted once, and of all its texts."""
    asked = sum(result.usage.prompt_tokens for result in results if result.sample == 0)
    thought = sum(result.usage.thought_tokens for result in results)
    written = thought + sum(result.usage.tokens for result in results)
    return {
        "prompt_tokens": asked,
        "completion_tokens": written,
        "total_tokens": asked + written,
        "completion_tokens_details": {"reasoning_tokens": thought},
    }
