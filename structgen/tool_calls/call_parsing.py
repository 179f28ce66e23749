"""`sg.parse_calls`: the texts, thoughts and calls of a reply."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any, Final, Literal

from structgen.core.rawjson import written
from structgen.errors import (
    GenerationError,
    LooseCallError,
    OptionError,
    StructgenError,
    UnsupportedError,
    options_named,
)
from structgen.text_grammars.composition.argument_grammar import ArgumentPlan, plan_of
from structgen.text_grammars.composition.templates import TEXT, filled, first_text, pieces
from structgen.tool_calls.argument_reading import Arguments, MemberReader, read_json
from structgen.tool_calls.call_texts import (
    DifferentError,
    UnfinishedError,
    begun,
    matched,
    searcher,
    skipped,
    word_end,
)
from structgen.tool_calls.format_rows import format_of
from structgen.tool_calls.tool_definitions import Tool, read_tools
from structgen.tool_calls.tool_format import ToolFormat
from structgen.tool_calls.tool_replies import Call, Reply

_LONGEST_NAME: Final = 512
_SHOWN: Final = 40
_BETWEEN: Final = 80
"""The longest text that stands between a name and arguments in place of the format's."""
_TAG: Final = re.compile(r"(?:<[^<>]+>|\[[^\[\]]+\])$")
_KEY: Final = re.compile(r"""["']\s*,\s*["'](?:arguments|parameters|args|input)["']\s*:""")
_REREAD: Final = 8
"""Behind a broken call the next one is looked for from where its arguments begin, unless that was done for so
many times the text before: so reading stays linear."""


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

    White space of the format may be missing or more, and habits of models are read with a note. What begins
    like a call and is none stays text. Both are in `problems`. Of a text that goes on, what is read stays:
    calls with their names and ids, text, thoughts; arguments grow. Cost: linear in the text, a microsecond
    for three to eight characters; with formats whose values stand raw, some milliseconds for each new schema.
    """
    if not isinstance(text, str):
        raise OptionError(f"The reply is a {type(text).__name__}.", where="text", cure="Pass its text.")
    row = format_of(format)
    known = None if tools is None else {tool.name: tool for tool in read_tools(tools)}
    reader = _ReplyReader(text, row, known, ended)
    reader.run(thinking)
    return Reply(
        reader.calls,
        ["".join(parts) for parts in reader.texts],
        "".join(reader.thoughts) if reader.thoughts else None,
        reader.partial,
        reader.pending,
        reader.complete,
        reader.problems,
    )


@dataclass(slots=True)
class _Draft:
    """A call while it is being read."""

    strict: bool
    """Whether only the format's own texts stand between its name and its arguments."""
    name: str = ""
    id: str | None = None
    index: str | None = None
    arguments: Arguments | None = None
    """None until it is certain that it is a call."""
    begin: int = 0
    """Where the arguments begin."""
    at: int = 0
    notes: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _ReplyReader:
    """Reads a reply. What is called a call, text or thoughts at one end of the text is called so at every
    later one: a call is one as soon as its arguments begin, and what may become something else is
    `pending`."""

    text: str
    format: ToolFormat
    known: Mapping[str, Tool] | None
    ended: bool
    calls: list[Call] = field(default_factory=list)
    texts: list[list[str]] = field(default_factory=lambda: [[]])
    thoughts: list[str] = field(default_factory=list)
    problems: list[StructgenError] = field(default_factory=list)
    partial: Call | None = None
    pending: str = ""
    complete: bool = True
    has_text: bool = False
    """Whether there is text before the calls, other than white space."""
    reread: int = 0
    """How many characters were read again behind broken calls."""

    def run(self, thinking: bool | str) -> None:
        at = 0
        inside = self.begins_inside(thinking) if self.format.thinking else False
        if inside is None:
            self.wait(0)
            return
        if inside:
            at = self.think(0)
        elif self.format.text and not self.format.blocks:
            begins = (self.format.thinking or self.format.text)[0], self.format.text[0]
            head = self.text.lstrip()
            if not self.ended and any(one.startswith(head) for one in begins):
                self.wait(0)
                return
            if not head.startswith(begins):
                at = self.block(0)  # the prompt has opened it
        while at < len(self.text):
            at = self.step(at)

    def wait(self, at: int) -> int:
        """Leave the rest of the text undecided."""
        self.complete, self.pending = False, self.text[at:]
        return len(self.text)

    def begins_inside(self, thinking: bool | str) -> bool | None:
        """Tell whether the reply begins inside of thoughts; None where that is not known yet."""
        if thinking != "auto" or not self.format.opened:
            return thinking is True and self.format.opened
        begin, end = self.format.thinking
        found = self.text.find(end)
        first = searcher((begin, *self.format.triggers, *self.format.text)).search(self.text)
        if found < 0 and first is None and not self.ended and self.text:
            return None
        return found >= 0 and (first is None or first.start() > found)

    def step(self, at: int) -> int:
        """Read text up to the next thing of the format, and that; return where it ends."""
        row = self.format
        listed = list(row.triggers)
        if row.thinking and (row.blocks or not (self.has_text or self.calls)):
            listed.append(row.thinking[0])
        markers = [one for one in (*row.text, row.blocks, row.end) if one]
        found = searcher(tuple(sorted([*listed, *markers], key=len, reverse=True))).search(self.text, at)
        if found is None:
            self.add_text(self.rest(at, (*listed, *markers, *row.thinking)))
            return len(self.text)
        start = found.start()
        begin = row.thinking[0] if row.thinking else ""
        opens = searcher((begin,)).match(self.text, start) if begin in listed else None
        if opens is not None:
            if not row.blocks and self.text[at:start].strip():
                self.add_text(self.text[at : start + 1])
                return start + 1
            self.add_text(self.text[at:start])
            if not self.ended and begin != self.text[start:] and begin.startswith(self.text[start:]):
                return self.wait(start)
            return self.think(start + len(begin) if self.text.startswith(begin, start) else opens.end())
        self.add_text(self.text[at:start])
        if row.text and self.text.startswith(row.text[0], start):
            return self.block(start + len(row.text[0]))
        marker = next((one for one in markers if self.text.startswith(one, start)), None)
        if marker is not None:
            return start + len(marker)
        return self.calling(start)

    def add_text(self, text: str) -> None:
        self.texts[-1].append(text)
        self.has_text = self.has_text or bool(text.strip())

    def rest(self, at: int, coming: tuple[str, ...]) -> str:
        """Return the rest of the text; what may be the beginning of something else is `pending`."""
        end = len(self.text) if self.ended else at + begun(self.text[at:], coming)
        self.pending = self.text[end:]
        return self.text[at:end]

    def think(self, at: int) -> int:
        ends = (self.format.thinking[1], *(self.format.text[1:] if self.format.blocks else ()))
        found = searcher(ends).search(self.text, at)
        if found is None:
            self.complete = False
            self.thoughts.append(self.rest(at, ends))
            return len(self.text)
        self.thoughts.append(self.text[at : found.start()])
        end, after = found.end(), self.format.after_thinking
        if not self.ended and after.startswith(self.text[end:]) and after != self.text[end:]:
            self.pending = self.text[end:]
            return len(self.text)
        return end + len(after) if self.text.startswith(after, end) else end

    def block(self, at: int) -> int:
        """Read text that is a block of its own."""
        ends = self.format.text[1:]
        found = searcher(ends).search(self.text, at)
        self.complete = self.complete and found is not None
        self.add_text(self.rest(at, ends) if found is None else self.text[at : found.start()])
        return len(self.text) if found is None else found.end()

    # --- calls --------------------------------------------------------------------------------------------

    def calling(self, at: int) -> int:
        """Read what a trigger begins; where it is no call, its first character is text."""
        try:
            return self.section(at) if self.format.section[0] else self.call(at)
        except UnfinishedError:
            self.complete = False
            if self.partial is None and not self.ended:
                return self.wait(at)
            if self.partial is None:
                self.problem(at, "A call breaks off before its name.")
                self.add_text(self.text[at:])
            return len(self.text)
        except DifferentError as error:
            self.problem(at, f"What begins like a call is none: {error} does not stand where it should.")
            self.add_text(self.text[at])
            return at + 1

    def problem(self, at: int, what: str, kind: type[GenerationError] = GenerationError) -> None:
        shown = self.text[at : at + _SHOWN]
        self.problems.append(
            kind(
                f"{what} It reads {shown!r}.",
                text=self.text,
                where=f"character {at}",
                cure=f"Hold the model to sg.tools(..., format={self.format.name!r}), or name its format.",
            )
        )

    def section(self, at: int) -> int:
        begin, end = self.format.section
        before, start = len(self.calls), at
        at = matched(self.text, at, begin, quotes=True)
        while True:
            at = skipped(self.text, at)
            has_calls = len(self.calls) > before
            try:
                if at == len(self.text):
                    raise UnfinishedError
                try:
                    at = self.call(at)
                    continue
                except DifferentError:
                    pass
                at = matched(self.text, at, end)
                if not has_calls:
                    self.problem(start, "A section of calls holds none.", LooseCallError)
                return at
            except UnfinishedError:
                if not has_calls or self.partial is not None:
                    raise
                if not self.ended:
                    return self.wait(at)
                self.problem(start, "A section of calls is not closed.", LooseCallError)
                return len(self.text)
            except DifferentError as error:
                separator = self.format.separator.strip()
                if separator and has_calls and self.text.startswith(separator, at):
                    at += len(separator)
                    continue
                if not has_calls:
                    raise
                self.problem(
                    start, f"A section of calls is not closed: {error} does not follow.", LooseCallError
                )
                return at

    def call(self, at: int) -> int:
        """Read a call in any of the ways in which it may be written."""
        halves: list[_Draft] = []
        broken: list[_Draft] = []
        reason = DifferentError("the call")
        assert isinstance(self.format.calls, tuple)
        for strict, template in product((True, False), self.format.calls):
            if not strict and (halves or broken):
                break
            draft = _Draft(strict)
            try:
                self.fill(template, at, draft)
            except UnfinishedError:
                halves.append(draft)
            except DifferentError as error:
                reason = error
                if draft.arguments is not None:
                    broken.append(draft)
            else:
                return self.add(at, draft, draft.at)
        if halves:
            half = max(halves, key=lambda one: (one.arguments is not None, bool(one.name), one.at))
            arguments = half.arguments
            if arguments is not None and self.ended and self.is_over(arguments):
                if not self.format.blocks:  # there the mark ends the reply too
                    half.notes.append("Its closing mark is missing")
                document = arguments.document if arguments.closed else written(arguments.value)
                half.arguments = arguments._replace(closed=True, document=document)
                return self.add(at, half, len(self.text))
            if arguments is not None:
                self.partial = self.made(half, complete=False)
            raise UnfinishedError
        if not broken:
            raise reason
        return self.broken(at, max(broken, key=lambda one: one.at), reason)

    def is_over(self, arguments: Arguments) -> bool:
        """Tell whether only the closing mark is missing of a call in which the reply ends."""
        if not self.format.member or self.format.brackets:
            return arguments.closed
        return arguments.closed or (bool(arguments.value) and not arguments.error and arguments.is_between)

    def add(self, at: int, draft: _Draft, end: int) -> int:
        """Add a call that was read; return where it ends."""
        for note in dict.fromkeys(draft.notes):
            self.problem(at, f"A call is not written as its format writes it: {note}.", LooseCallError)
        self.calls.append(self.made(draft, complete=True))
        self.texts.append([])
        return end

    def broken(self, at: int, draft: _Draft, reason: DifferentError) -> int:
        """Add a call behind whose arguments, or inside of them, something else stands; return where it ends:
        at its closing mark, or where the next call begins."""
        arguments = draft.arguments
        assert arguments is not None
        marks, others = self.edges()
        if arguments.closed and not arguments.error:
            follows = skipped(self.text, draft.at)
            if marks and (mark := searcher(marks).match(self.text, follows)) is not None:
                draft.notes.append("Another text than the format's closes it")
                return self.add(at, draft, mark.end())
            if not self.ended and not begun(self.text[follows : follows + _BETWEEN], (*marks, *others)):
                self.partial = self.made(draft, complete=False)
                raise UnfinishedError
            is_call = searcher(others).match(self.text, follows) if others else None
            if not self.format.member or self.format.brackets or is_call:
                draft.notes.append("Its closing mark is missing")
                return self.add(at, draft, draft.at)
            arguments = arguments._replace(error=f"{reason} does not follow")
        draft.arguments = arguments
        is_far = self.reread > _REREAD * arguments.end
        start = arguments.end if is_far else draft.begin
        self.reread += arguments.end - draft.begin
        found = searcher((*marks, *others)).search(self.text, start) if marks or others else None
        if found is None and not self.ended:
            self.partial = self.made(draft, complete=False)
            raise UnfinishedError
        is_mark = found is not None and bool(marks) and searcher(marks).match(self.text, found.start())
        end = len(self.text) if found is None else found.end() if is_mark else found.start()
        return self.add(at, draft, end)

    def edges(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return the marks that close calls, and the texts that begin what follows one."""
        row = self.format
        last = [pieces(one)[-1] for one in row.calls]
        marks = [said.split()[-1].lstrip("}]`") for kind, said in last if kind == TEXT and said.strip()]
        others = [*row.triggers, row.section[1], row.blocks, row.end]
        if row.section[0]:
            others += [first_text(one).strip() for one in row.calls]
        return tuple(dict.fromkeys(filter(None, marks))), tuple(dict.fromkeys(filter(None, others)))

    def fill(self, template: str, at: int, draft: _Draft) -> None:
        parts = pieces(template)
        loose = '{"' in template
        for index, (kind, _) in enumerate(parts):
            draft.at = at
            if kind == TEXT:
                at = self.said(parts, index, at, draft, loose=loose)
            elif kind in ("gap", "line"):
                at = skipped(self.text, at)
            elif kind in ("arguments", "quoted"):
                at = skipped(self.text, self.arguments(at, draft, parts[index - 1][0] == TEXT))
            else:
                found, at = self.word(at, parts[index + 1 :])
                setattr(draft, kind, found)
        draft.arguments = draft.arguments or Arguments({}, at, "{}", True)
        draft.at = at

    def said(
        self, parts: Sequence[tuple[str, str]], index: int, at: int, draft: _Draft, *, loose: bool
    ) -> int:
        """Return where a text of the format ends. Between the name and JSON arguments another one may stand,
        or none, as models write."""
        said = parts[index][1]
        try:
            end = matched(self.text, at, said, loose=loose, quotes=True)
        except DifferentError:
            kinds = [kind for kind, _ in parts[index + 1 :] if kind not in ("gap", "line")]
            is_behind_name = draft.name and kinds and kinds[0] in ("arguments", "quoted")
            if draft.strict or self.format.member or not is_behind_name:
                raise
            end = self.text.find("{", at, at + _BETWEEN)
            if end < 0 and len(self.text) < at + _BETWEEN and not self.ended:
                raise UnfinishedError from None
            tag = _TAG.search(said.strip())
            between = self.text[at:end].strip()
            if end < 0 or not (not between or _KEY.fullmatch(between) or (tag and between.endswith(tag[0]))):
                raise
            draft.notes.append(f"{between!r} stands before its arguments in place of {said!r}")
            return end
        if "'" in self.text[at:end] and "'" not in said:
            draft.notes.append("Its quotes are single ones")
        return end

    def arguments(self, at: int, draft: _Draft, behind_text: bool) -> int:
        """Read arguments. It is a call where they begin: behind a text of the format at once."""
        draft.begin = at
        if not self.format.member:
            arguments = read_json(self.text, at)
        else:
            tool = (self.known or {}).get(draft.name)
            arguments = MemberReader(self.text, self.format, _plan(tool)).read(at)
            begin = self.format.brackets[0] if self.format.brackets else first_text(self.format.member)
            is_begun = self.text.startswith(begin, skipped(self.text, at))
            if not behind_text and not arguments.closed and not is_begun:
                raise UnfinishedError if not arguments.error else DifferentError("the arguments")
        draft.arguments = arguments
        if arguments.note:
            draft.notes.append(arguments.note)
        if arguments.error:
            raise DifferentError(arguments.error)
        if not arguments.closed:
            raise UnfinishedError
        return arguments.end

    def word(self, at: int, parts: Sequence[tuple[str, str]]) -> tuple[str, int]:
        """Return a name or an id: what stands before the next text of the template."""
        end = word_end(self.text, at, self.stops(parts) + "\n", _LONGEST_NAME, "a name")
        found = self.text[at:end].strip()
        if not found:
            raise DifferentError("a name")
        return found, end

    def stops(self, parts: Sequence[tuple[str, str]]) -> str:
        """Return the characters that may follow a name."""
        found = "" if self.format.member else "{"
        for kind, said in parts:
            if kind == TEXT:
                first = said.lstrip()[:1]
                return found + ("\"'" if first == '"' else first)
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
            may_follow = any("$id" in one.partition("$arguments")[2] for one in self.format.calls)
            named = filled(self.format.id, {"name": draft.name, "index": index})
            identity = "" if may_follow and not complete else named
        arguments = draft.arguments
        assert arguments is not None
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
        document = arguments.document if complete else written(arguments.value)
        shown = draft.name, arguments.value, identity, document, complete, error, tool, self.format
        return Call(*shown, arguments.document)


def _plan(tool: Tool | None) -> ArgumentPlan | None:
    """Return what the arguments of a tool may be, where its schema says it of each."""
    try:
        return None if tool is None else plan_of(tool.closed_schema, tool.policies)
    except UnsupportedError:
        return None
