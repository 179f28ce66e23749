"""`sg.parse_calls`: the texts, thoughts and calls of a reply."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from structgen.errors import GenerationError, OptionError, StructgenError, options_named
from structgen.text_grammars.composition.argument_grammar import plan_of
from structgen.text_grammars.composition.templates import TEXT, filled, pieces
from structgen.tool_calls.argument_reading import Arguments, MemberReader, read_json
from structgen.tool_calls.call_texts import (
    DifferentError,
    UnfinishedError,
    begun,
    matched,
    searcher,
    skipped,
)
from structgen.tool_calls.format_rows import format_of
from structgen.tool_calls.tool_definitions import Tool, read_tools
from structgen.tool_calls.tool_format import ToolFormat
from structgen.tool_calls.tool_replies import Call, Reply

_LONGEST_NAME: Final = 512
_SHOWN: Final = 40


@options_named('sg.parse_calls(text, "hermes")')
def parse_calls(
    text: str,
    format: str | ToolFormat | Any,
    *,
    tools: Iterable[Any] | None = None,
    thinking: bool | Literal["auto"] = "auto",
    ended: bool = True,
) -> Reply:
    """Return what a reply consists of, of one that no mask has seen too.

    `format` and `tools` are those of `sg.tools`. With tools, calls of unknown names have an `error`, values
    are read by the types of the schema, and `call.value()` validates. Without, a raw value is JSON if it
    reads as such, else a string.
    `thinking`: True, the reply begins inside thoughts, if the format's prompts open them; False, it does not;
    "auto", it does if their end comes without their beginning, before any call.
    `ended`: the reply is over. If not, the end of the text that may begin a call is `pending`, not text.

    White space of the format may be missing or more. What begins like a call and is none stays text, and is
    in `problems`. Cost: linear in the text, about a microsecond for ten characters; with formats whose values
    stand raw, some milliseconds for each new schema.
    """
    if not isinstance(text, str):
        raise OptionError(f"The reply is a {type(text).__name__}.", where="text", cure="Pass its text.")
    row = format_of(format)
    known = None if tools is None else {tool.name: tool for tool in read_tools(tools)}
    reader = _ReplyReader(text, row, known, ended)
    reader.run(thinking)
    return Reply(
        reader.calls,
        reader.texts,
        "".join(reader.thoughts) if reader.thoughts else None,
        reader.partial,
        reader.pending,
        reader.complete,
        reader.problems,
    )


@dataclass(slots=True)
class _Draft:
    """A call while it is being read."""

    name: str = ""
    id: str | None = None
    index: str | None = None
    arguments: Arguments | None = None
    at: int = 0


@dataclass(slots=True)
class _ReplyReader:
    text: str
    format: ToolFormat
    known: Mapping[str, Tool] | None
    ended: bool
    calls: list[Call] = field(default_factory=list)
    texts: list[str] = field(default_factory=lambda: [""])
    thoughts: list[str] = field(default_factory=list)
    problems: list[StructgenError] = field(default_factory=list)
    partial: Call | None = None
    pending: str = ""
    complete: bool = True

    def run(self, thinking: bool | str) -> None:
        at = 0
        if self.format.thinking and self.begins_inside(thinking):
            at = self.think(0)
        elif self.format.text and not self.format.blocks:
            begin = (self.format.thinking or self.format.text)[0], self.format.text[0]
            if not self.text.lstrip().startswith(begin):
                at = self.block(0)  # the prompt has opened it
        while at < len(self.text):
            at = self.step(at)

    def begins_inside(self, thinking: bool | str) -> bool:
        if thinking != "auto" or not self.format.opened:
            return thinking is True and self.format.opened
        begin, end = self.format.thinking
        found = self.text.find(end)
        first = searcher((begin, *self.format.triggers)).search(self.text)
        return found >= 0 and (first is None or first.start() > found)

    def step(self, at: int) -> int:
        """Read text up to the next thing of the format, and that; return where it ends."""
        row = self.format
        listed = list(row.triggers)
        if row.thinking and (row.blocks or not (self.text_so_far or self.calls)):
            listed.append(row.thinking[0])
        markers = [one for one in (*row.text, row.blocks, row.end) if one]
        found = searcher(tuple(sorted([*listed, *markers], key=len, reverse=True))).search(self.text, at)
        if found is None:
            self.add_text(self.text[at:], (*listed, *markers))
            return len(self.text)
        start = found.start()
        if row.thinking and row.thinking[0] in listed and self.text.startswith(row.thinking[0], start):
            if not row.blocks and self.text[at:start].strip():
                self.texts[-1] += self.text[at : start + 1]
                return start + 1
            return self.think(start + len(row.thinking[0]))
        if row.text and self.text.startswith(row.text[0], start):
            return self.block(start + len(row.text[0]))
        marker = next((one for one in markers if self.text.startswith(one, start)), None)
        self.texts[-1] += self.text[at:start]
        if marker is not None:
            return start + len(marker)
        return self.calling(start)

    @property
    def text_so_far(self) -> bool:
        return bool(self.texts[0].strip())

    def add_text(self, text: str, coming: tuple[str, ...]) -> None:
        if not self.ended:
            start = begun(text, coming)
            text, self.pending = text[:start], text[start:]
        self.texts[-1] += text

    def think(self, at: int) -> int:
        ends = (self.format.thinking[1], *(self.format.text[1:] if self.format.blocks else ()))
        found = searcher(ends).search(self.text, at)
        if found is None:
            self.complete = False
            self.thoughts.append(self.text[at:])
            return len(self.text)
        self.thoughts.append(self.text[at : found.start()])
        end = found.end()
        after = self.format.after_thinking
        return end + len(after) if self.text.startswith(after, end) else end

    def block(self, at: int) -> int:
        """Read text that is a block of its own."""
        ends = self.format.text[1:]
        found = searcher(ends).search(self.text, at)
        if found is None:
            self.complete = False
            self.add_text(self.text[at:], ends)
            return len(self.text)
        self.texts[-1] += self.text[at : found.start()]
        return found.end()

    # --- calls --------------------------------------------------------------------------------------------

    def calling(self, at: int) -> int:
        """Read what a trigger begins; where it is no call, its first character is text."""
        try:
            return self.section(at) if self.format.section[0] else self.call(at)
        except UnfinishedError:
            self.complete = False
            if self.partial is None:
                if self.ended:
                    self.problem(at, "A call breaks off before its name.")
                    self.texts[-1] += self.text[at:]
                else:
                    self.pending = self.text[at:]
            return len(self.text)
        except DifferentError as error:
            self.problem(at, f"What begins like a call is none: {error} does not stand where it should.")
            self.texts[-1] += self.text[at]
            return at + 1

    def problem(self, at: int, what: str) -> None:
        shown = self.text[at : at + _SHOWN]
        self.problems.append(
            GenerationError(
                f"{what} It reads {shown!r}.",
                text=self.text,
                where=f"character {at}",
                cure=f"Hold the model to sg.tools(..., format={self.format.name!r}), or name its format.",
            )
        )

    def section(self, at: int) -> int:
        begin, end = self.format.section
        before = len(self.calls)
        start = at
        at = matched(self.text, at, begin)
        while True:
            at = skipped(self.text, at)
            if at == len(self.text):
                self.complete = False
                if len(self.calls) == before:
                    raise UnfinishedError
                return at
            try:
                at = self.call(at)
                continue
            except DifferentError:
                pass
            try:
                return matched(self.text, at, end)
            except DifferentError as error:
                separator = self.format.separator.strip()
                if separator and len(self.calls) > before and self.text.startswith(separator, at):
                    at += len(separator)
                    continue
                if len(self.calls) == before:
                    raise
                self.problem(start, f"A section of calls is not closed: {error} does not follow.")
                return at

    def call(self, at: int) -> int:
        """Read a call in any of the ways in which it may be written."""
        halves: list[_Draft] = []
        reason = DifferentError("the call")
        assert isinstance(self.format.calls, tuple)
        for template in self.format.calls:
            draft = _Draft()
            try:
                self.fill(template, at, draft)
            except UnfinishedError:
                halves.append(draft)
            except DifferentError as error:
                reason = error
            else:
                self.calls.append(self.made(draft, complete=True))
                self.texts.append("")
                return draft.at
        if not halves:
            raise reason
        half = max(halves, key=lambda one: (one.arguments is not None, bool(one.name), one.at))
        if self.ended and half.arguments is not None and half.arguments.closed and not self.format.member:
            self.calls.append(self.made(half, complete=True))  # only what follows the arguments is missing
            self.texts.append("")
            return len(self.text)
        if half.name:
            self.partial = self.made(half, complete=False)
        raise UnfinishedError

    def fill(self, template: str, at: int, draft: _Draft) -> None:
        parts = pieces(template)
        loose = '{"' in template
        for index, (kind, said) in enumerate(parts):
            draft.at = at
            if kind == TEXT:
                at = matched(self.text, at, said, loose=loose)
            elif kind in ("gap", "line"):
                at = skipped(self.text, at)
            elif kind in ("arguments", "quoted"):
                at = skipped(self.text, self.arguments(at, draft))
            else:
                found, at = self.word(at, parts[index + 1 :])
                setattr(draft, kind, found)
        draft.at = at

    def arguments(self, at: int, draft: _Draft) -> int:
        if not self.format.member:
            draft.arguments = read_json(self.text, at)
        else:
            tool = (self.known or {}).get(draft.name)
            plan = None if tool is None else plan_of(tool.closed_schema, tool.policies)
            draft.arguments = MemberReader(self.text, self.format, plan).read(at)
        if not draft.arguments.closed:
            raise UnfinishedError
        return draft.arguments.end

    def word(self, at: int, parts: Sequence[tuple[str, str]]) -> tuple[str, int]:
        """Return a name or an id: what stands before the next text of the template."""
        stops = self.stops(parts)
        end = at
        while end < len(self.text) and self.text[end] not in stops and self.text[end] != "\n":
            end += 1
        if end == len(self.text) and end - at < _LONGEST_NAME:
            raise UnfinishedError
        found = self.text[at:end].strip()
        if not found or end - at >= _LONGEST_NAME:
            raise DifferentError("a name")
        return found, end

    def stops(self, parts: Sequence[tuple[str, str]]) -> str:
        """Return the characters that may follow a name."""
        found = ""
        for kind, said in parts:
            if kind == TEXT:
                return found + said.lstrip()[:1]
            if kind in ("arguments", "quoted"):
                first = (self.format.brackets or ("",))[0] or pieces(self.format.member or "{")[0][1]
                found += first[:1] + ('"' if not self.format.member else "")
                if not self.format.member or self.format.brackets:
                    return found
        return found

    def made(self, draft: _Draft, *, complete: bool) -> Call:
        index = draft.index if draft.index is not None else str(len(self.calls))
        identity = draft.id
        if identity is None:
            identity = filled(self.format.id, {"name": draft.name, "index": index})
        arguments = draft.arguments or Arguments({}, 0, "{}", complete)
        tool = None if self.known is None else self.known.get(draft.name)
        error: StructgenError | None = None
        names = ", ".join(self.known or ()) or "none"
        if self.known is not None and tool is None:
            error = GenerationError(
                f"The reply calls {draft.name!r}, which is none of the tools.",
                text=self.text,
                where=f"call {len(self.calls)}",
                cure=f"Say so by call.result(..., error=True); the tools are {names}.",
            )
        elif arguments.error:
            error = GenerationError(
                f"The arguments of {draft.name!r} cannot be read: {arguments.error}.",
                text=arguments.document,
                where=f"call {len(self.calls)}",
                cure="Say so by call.result(..., error=True), or hold the model to sg.tools(...).",
            )
        if error is not None and complete:
            self.problems.append(error)
        return Call(
            draft.name,
            arguments.value,
            identity,
            arguments.document if complete else json.dumps(arguments.value, ensure_ascii=False),
            complete,
            error,
            tool,
            self.format,
            self.begun(draft, complete),
        )

    def begun(self, draft: _Draft, complete: bool) -> str:
        """Return the beginning of a call's arguments that no further text changes."""
        if draft.arguments is None:
            return ""
        if complete or not self.format.member:
            return draft.arguments.document
        # a value that stands raw may lose its last line break: all but the last are sure
        sure = dict(list(draft.arguments.value.items())[:-1])
        return json.dumps(sure, ensure_ascii=False)[:-1] if sure else ""
