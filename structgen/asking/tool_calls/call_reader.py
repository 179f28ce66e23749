"""Reads calls, text and thoughts out of a reply of a model: `CallReader` in pieces, `sg.parse_calls` at once.

A *format* is the way in which a model writes calls (`ToolFormat`). A *mark* is a text of the format, for
example `<tool_call>`. A *section* is the part of a reply that holds all calls. A *block* is a stretch of
thoughts, of text or of calls between marks. A *way* is one of the spellings of a call that the reader tries.
A *draft* is a call that is being read. A *habit* is a deviation that models often write; the reader accepts
it with a *note*. What is wrong in a reply is a *problem*. For example, in the format `hermes`

    Hello.<tool_call>{"name": "add", "arguments": {"a": 1}}</tool_call>

is the text `Hello.` and a call of `add`. Every `read_*` method takes an offset and returns the offset at
which its part ends. It is a generator that waits (`yield`) where the text so far ends.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from structgen.asking.tool_calls.argument_reader import MemberReader
from structgen.asking.tool_calls.call_texts import (
    HABITS,
    LONGEST_NAME,
    CallDraft,
    HeadError,
    IncomingText,
    LooseJson,
    MismatchError,
    UnfinishedError,
    Wait,
    find_partial_mark,
    marks_pattern,
)
from structgen.asking.tool_calls.format_marks import marks_of
from structgen.asking.tool_calls.format_rows import format_of, siblings_of
from structgen.asking.tool_calls.tool_definitions import Tool, read_tools
from structgen.asking.tool_calls.tool_format import Texts, ToolFormat
from structgen.asking.tool_calls.tool_replies import Call, Reply
from structgen.base.errors import (
    GenerationError,
    LooseCallError,
    OptionError,
    StructgenError,
    UnsupportedError,
    options_named,
)
from structgen.base.json_text.events import JsonError
from structgen.base.json_text.growing_json import GrowingJson, GrowingString
from structgen.base.json_text.raw_json import dump_json
from structgen.base.language.checks import show_value
from structgen.grammars.text_grammars.composition.argument_plan import ArgumentPlan, plan_of
from structgen.grammars.text_grammars.composition.templates import BLANK, first_text

_STOPS: Final = "\n<[{\"'"
"""The characters that no name and no id holds; a name is read up to one of them."""
_ARGUMENTS: Final = ("arguments", "parameters", "args", "input")
"""The keys under which models of any format write the arguments of a call."""
_REREAD: Final = 8
"""How much text may be read twice, as a multiple of the text before it. After a broken call the next call is
searched from the beginning of the broken one's arguments. The bound keeps reading linear."""


@options_named('sg.parse_calls(text, "hermes")')
def parse_calls(
    text: str,
    format: str | ToolFormat | Any,
    *,
    tools: Iterable[Any] | None = None,
    thinking: bool | Literal["auto"] = "auto",
    ended: bool = True,
) -> Reply:
    """Return the calls, the text and the thoughts of a reply. The reply may come from any model, with or
    without a mask.

    `format` and `tools` are those of `sg.tools`. With tools, calls of unknown names have an `error`, values
    are read by the types of the schema, and `call.value()` validates. Without tools, a value that stands
    without quotes is read as JSON where it is JSON, else as a string. `thinking`: True, the reply begins
    inside thoughts, if the format's prompts open them; False, it does not. "auto": the reply begins so if the
    end of thoughts comes without their beginning, before any call. `ended`: the reply is over. If it is not,
    text at its end that may begin a call is `pending`, not text.

    White space of the format may be missing, or there may be more. Habits of models are read with a note.
    With tools, two more kinds of calls are read with a note: one whose head is lost, and one that is written
    in a format of the same family. Text that begins like a call and is not a call stays text. Notes and such
    texts are in `problems`.

    When the same reply is longer later, everything that was read stays: calls with their names and ids, text,
    thoughts. Arguments only grow. Cost: linear in the text, a microsecond for three to eight characters.
    Where values stand without quotes, each new schema takes some milliseconds more.
    """
    if not isinstance(text, str):
        raise OptionError(
            f"The reply must be a str, got {type(text).__name__}.", where="text", cure="Pass its text."
        )
    row = format_of(format)
    reader = CallReader(row, None if tools is None else read_tools(tools), thinking)
    reader.read_piece(text, is_last=ended)
    return reader.build_reply()


EventKind: TypeAlias = Literal["text", "thoughts", "call", "arguments", "end", "note", "problem"]


class ReplyEvent(NamedTuple):
    """One piece of news about a reply: for example `("call", "add", 0)` where the first call begins."""

    kind: EventKind
    text: str = ""
    """The content, which depends on `kind`: characters of text or thoughts; the name of a call that begins; a
    piece of the JSON text of its arguments; the message of a note or a problem. "" for "end"."""
    call: int = 0
    """The number of the call that the event belongs to: how many calls began before it."""


class CallReader(IncomingText):
    """Reads a reply that comes in pieces of any size, and returns what is new in it as events.

    What an event has named as a call, text or thoughts stays so. A call has its first event as soon as its
    arguments begin. Where its marks are in doubt, it has none before it is whole. Text that may still become
    something else waits.

    `tools` and `thinking` are those of `parse_calls`. Cost: constant for each character.
    """

    def __init__(
        self,
        format: ToolFormat,
        tools: Sequence[Tool] | None = None,
        thinking: bool | Literal["auto"] = "auto",
    ) -> None:
        super().__init__()
        self.format = self.row = format
        self.marks = marks_of(format)
        self.tools_by_name = None if tools is None else {tool.name: tool for tool in tools}
        marks = self.marks
        self.opening_marks = (*marks.openings, *marks.doubtful, *marks.lost)
        """The marks that may begin a call."""
        texts = (
            *format.thinking,
            *format.text,
            format.preamble,
            format.blocks,
            format.end,
            *self.opening_marks,
        )
        self.beginnings = tuple(filter(None, texts))
        """The marks that may begin anything but text: thoughts, a block of text, or a call."""
        self._reading = self.read_reply(thinking)
        self.events: list[ReplyEvent] = []
        self.calls: list[Call] = []
        self.texts: list[list[str]] = [[]]
        self.thoughts: list[str] = []
        self.problems: list[tuple[int, str, type[GenerationError]] | StructgenError] = []
        """The faults so far: each an offset, a message and a class of errors, or the error of a call."""
        self.partial: CallDraft | None = None
        self.pending_start = 0
        """The offset after which nothing of the reply is certain yet: it may be text, or begin a call."""
        self.gap: int | None = None
        """The offset of white space that may separate two blocks; None: the reader is not between blocks."""
        self.is_well = True
        """Whether no mark of the reply so far was missing, doubled or in the place of another."""
        self.is_inside = False
        """Whether a call, a block or thoughts are being read, whose end has not come yet."""
        self.is_doubtful = False
        """Whether the mark alone does not show a call (`{`): its name and arguments must show it."""
        self.has_text = False
        """Whether there is text, other than white space."""
        self.reread = 0
        """How many characters were read twice: after broken calls, and where no call had begun after all."""
        self.open_end = -1
        """The end of the last call without a closing mark, whose tag may hold more calls; -1: there is
        none."""
        self.member_end = 0
        """The offset at which the last member of a JSON object ended."""

    def read_piece(self, piece: str, *, is_last: bool = False) -> list[ReplyEvent]:
        """Take the next piece of the reply; return the events that it brings. `is_last`: nothing follows
        it."""
        # without a second reference to the text Python can extend it in place
        text = self.text
        self.text = ""
        text += piece  # no copy, since nothing else refers to it
        self.text = text
        self.is_complete = is_last
        del text
        # the generator stops where it needs more text
        next(self._reading, None)
        events = self.events
        self.events = []
        return events

    def build_reply(self) -> Reply:
        """Return what the reply consists of so far."""
        return Reply(
            [*self.calls],
            ["".join(parts) for parts in self.texts],
            "".join(self.thoughts) if self.thoughts else None,
            None if self.partial is None else self.build_call(self.partial),
            self.text[self.pending_start :] if self.partial is None else "",
            self.is_well and not self.is_inside,
            [
                self.problem_error(*problem) if isinstance(problem, tuple) else problem
                for problem in self.problems
            ],
        )

    def add_event(self, kind: EventKind, text: str = "") -> None:
        self.events.append(ReplyEvent(kind, text, len(self.calls)))

    # --- texts and thoughts -------------------------------------------------------------------------------

    def read_reply(self, thinking: bool | str) -> Wait[None]:
        """Read the whole reply: first thoughts, or a block that the prompt has opened; then one part after
        another. `thinking` is as in `parse_calls`."""
        offset = 0
        row = self.format
        mark = ""
        is_inside = thinking is True and row.opened
        # the prompt may have opened the thoughts: then their end comes first
        if thinking == "auto" and row.opened and row.thinking:
            _, mark = yield from self.find_text((*row.thinking, *row.triggers, *row.text), 0)
        if row.thinking and (is_inside or mark == row.thinking[1]):
            offset = yield from self.read_thoughts(0)
        elif row.text and not row.blocks:
            start = yield from self.skip_characters(0)
            if not (yield from self.match_any(start, (*row.thinking[:1], row.text[0]))):
                offset = yield from self.read_block(0)  # the prompt has opened it
        while offset < len(self.text) or not self.is_complete:
            offset = yield from self.read_part(offset)

    def read_part(self, offset: int) -> Wait[int]:
        """Read text up to the next mark, and the thoughts, block or calls that it begins; return their
        end."""
        row = self.format
        self.gap = offset if row.blocks else None
        start, mark = yield from self.read_text(offset, self.beginnings)
        self.pending_start = end = start + len(mark)
        if marks_pattern(row.thinking[:1]).fullmatch(mark) and (
            row.blocks or not (self.has_text or self.calls)
        ):
            return (yield from self.read_thoughts(end))
        if mark and mark in (*row.text[:1], row.preamble):
            return (yield from self.read_block(end))
        if marks_pattern(self.opening_marks).match(mark):
            return (yield from self.read_calls(start, mark))
        return end if mark in (*row.text[1:], row.blocks, row.end, "") else self.add_character(start)

    def read_text(self, offset: int, ends: Texts) -> Wait[tuple[int, str]]:
        """Read text up to one of the marks `ends`; return the offset of the mark, and the mark ("": none
        came).

        A mark that belongs inside of calls is reported as a problem, and read as text.
        """
        while True:
            start, mark = yield from self.find_text((*ends, *self.marks.strays), offset, self.add_text)
            if not mark or marks_pattern(ends).match(mark):
                return start, mark
            self.report_stray_mark(start)
            offset = self.add_character(start)

    def add_text(
        self,
        offset: int,
        end: int,
        kind: Literal["text", "thoughts"] = "text",
    ) -> None:
        """Add `self.text[offset:end]` to the text of the reply, or to its thoughts."""
        piece = self.text[offset:end]
        # white space between blocks is a part of a text only where more text follows
        if self.gap is not None and kind == "text":
            if not piece.strip():
                return
            piece = self.text[self.gap : end]
            self.gap = None
        self.pending_start = end
        (self.texts[-1] if kind == "text" else self.thoughts).append(piece)
        self.has_text = self.has_text or (kind == "text" and bool(piece.strip()))
        self.add_event(kind, piece)

    def add_character(self, offset: int) -> int:
        """Add the character at an offset to the text of the reply; return the offset after it."""
        self.add_text(offset, offset + 1)
        return offset + 1

    def report_stray_mark(self, offset: int, fault: str = "A text contains a mark of a call.") -> None:
        """Report the first mark after an offset that belongs inside of calls. Nothing is reported where an
        earlier problem may explain the mark."""
        mark = marks_pattern(self.marks.strays).search(self.text, offset)
        # a fault that is known already explains the mark
        if mark is not None and not self.problems:
            self.report_problem(mark.start(), fault)

    def read_thoughts(self, offset: int) -> Wait[int]:
        """Read thoughts up to their closing mark, and the text that the format writes after them. Return the
        end."""
        row = self.format
        text_after = self.format.after_thinking
        self.is_inside = True
        self.thoughts.append("")
        ends = (row.thinking[1], *row.text[1 : len(row.blocks)])
        end, mark = yield from self.find_text(ends, offset, partial(self.add_text, kind="thoughts"))
        if not mark:
            self.report_stray_mark(offset, "The thoughts do not end, and contain a mark of a call.")
            return end
        self.pending_start = end + len(mark)
        self.is_inside = False
        self.pending_start += (
            len((yield from self.match_any(self.pending_start, (text_after,), exact=True)))
            if text_after
            else 0
        )
        return self.pending_start

    def read_block(self, offset: int) -> Wait[int]:
        """Read a block of text; return the offset of the mark that ends it."""
        ends = self.format.text[1:]
        opens = self.marks.openings if self.format.never else ()
        self.is_inside = True
        self.gap = None
        # a call may begin though the block was not closed
        end, mark = yield from self.read_text(offset, (*ends, *opens))
        self.is_inside = not mark
        if mark and mark not in ends:
            self.report_problem(end, "A text before a call does not end.", LooseCallError)
        return end

    # --- calls --------------------------------------------------------------------------------------------

    def read_calls(self, offset: int, mark: str) -> Wait[int]:
        """Try to read calls that begin with `mark` at `offset`; return where they end.

        Where there is no call, the first character, or all of a broken head, is added as text.
        """
        marks = self.marks
        is_sure = marks_pattern(marks.openings).match(mark) is not None
        self.is_doubtful = not is_sure and marks_pattern(marks.doubtful).match(mark) is not None
        # braces in a long text would be tried as calls again and again
        if self.is_doubtful and self.reread > _REREAD * (offset + 1):
            return self.add_character(offset)
        self.pending_start = offset
        self.is_inside = True
        try:
            end = yield from self.read_any_call(offset)
        except (MismatchError, UnfinishedError) as error:
            self.is_inside, is_over = False, isinstance(error, UnfinishedError)
            if self.partial is not None:
                # events have named its arguments already, so that it stays a call
                self.report_problem(offset, "A call ends inside its arguments.", LooseCallError)
                return len(self.text)
            if is_over and is_sure:
                self.report_problem(offset, "A call ends before its arguments.")
                self.add_text(offset, len(self.text))
                return len(self.text)
            if isinstance(error, HeadError):
                self.report_problem(offset, f"A text begins like a call, but is not one: {error}.")
                self.add_text(offset, error.end)
                return error.end
            if is_sure:
                self.report_problem(
                    offset, f"A text begins like a call, but is not one: {error} is misplaced."
                )
            else:
                self.is_well = self.is_well and not is_over
                self.reread += (len(self.text) if is_over else self.member_end) - offset
                if marks_pattern(marks.strays).match(mark):
                    self.report_stray_mark(offset)
            return self.add_character(offset)
        finally:
            self.row = self.format
            self.marks = marks
        self.is_inside = False
        self.pending_start = (yield from self.skip_characters(end, "]}")) if marks.is_open_ended else end
        if self.pending_start > end:
            self.report_problem(end, "A call has more closing brackets than opening ones.", LooseCallError)
        return self.pending_start

    def read_any_call(self, offset: int) -> Wait[int]:
        """Read a call, or a section of calls: as the format writes it, or else as its siblings write it.

        Raises the last `MismatchError` or `UnfinishedError` where no way fits.
        """
        if self.is_doubtful and self.marks.has_tags:
            return (yield from self.read_untagged(offset))
        reason: Exception = MismatchError("the call")
        for row in (
            self.format,
            *siblings_of(self.format) * bool(self.tools_by_name and not self.is_doubtful),
        ):
            self.row, self.marks = row, marks_of(row)
            try:
                return (yield from (self.read_section if row.section[0] else self.read_call)(offset))
            except (MismatchError, UnfinishedError) as error:
                if self.partial is not None:
                    raise
                # the error of the format itself tells more than those of its siblings
                reason = error if row is self.format or isinstance(error, HeadError) else reason
        raise reason

    def report_problem(
        self,
        offset: int,
        fault: str,
        kind: type[GenerationError] = GenerationError,
        *,
        is_habit: bool = False,
    ) -> None:
        """Add a problem, or a note (`kind` LooseCallError), with its event. `is_habit`: models often write it
        so, and the reply still counts as complete."""
        self.is_well = self.is_well and is_habit
        self.problems.append((offset, fault, kind))
        self.add_event("note" if kind is LooseCallError else "problem", fault)

    def problem_error(
        self,
        offset: int,
        fault: str,
        kind: type[GenerationError],
    ) -> GenerationError:
        """Return the error of a problem."""
        return kind(
            f"{fault} The text there is {show_value(self.text[offset : offset + LONGEST_NAME])}.",
            text=self.text,
            where=f"character {offset}",
            cure=f"Constrain the model with sg.tools(..., format={self.format.name!r}), or pass the "
            "name of its format.",
        )

    def read_section(self, offset: int) -> Wait[int]:
        """Read a section of calls, or a call without a section; return where it ends."""
        begin, end = self.row.section
        call_count = len(self.calls)
        start = offset
        separator = self.row.separator.strip()
        try:
            offset = yield from self.match_text(offset, begin, quotes=True)
        except MismatchError:  # perhaps a call without its section
            offset = yield from self.read_call(offset)
            self.report_problem(start, "The mark that opens a section of calls is missing.", LooseCallError)
        while True:
            offset = yield from self.skip_characters(offset)
            if has_calls := len(self.calls) > call_count:
                self.pending_start = offset
            try:
                offset = yield from self.read_call(offset)
                continue
            except (MismatchError, UnfinishedError):
                mark = yield from self.match_any(offset, (end,))
                if self.partial is not None or not (mark or has_calls):
                    raise
            # models write the separator after the last call, too
            if has_calls and separator and not mark and self.text.startswith(separator, offset):
                offset += len(separator)
                continue
            if not mark or not has_calls:
                fault = f"A section of calls {('is not closed' if has_calls else 'is empty')}."
                self.report_problem(start, fault, LooseCallError)
            others = self.marks.edges[1]
            # the reply is over in the middle of a closing mark
            is_cut = (
                not (mark or (yield from self.match_any(offset, others)))
                and find_partial_mark(self.text, others, offset) == offset
            )
            return len(self.text) if is_cut else offset + len(mark)

    def read_untagged(self, offset: int) -> Wait[int]:
        """Read a call without an opening mark; return where it ends. It counts as a call where a closing mark
        follows, or where a call without a closing mark came just before."""
        draft = CallDraft(self.marks.untagged, is_held=True, notes={"Its opening mark is missing": False})
        end = yield from self.read_call_parts(offset, draft)
        end = yield from self.skip_characters(end)
        mark = yield from self.match_any(end, self.marks.closing)
        if mark or (self.open_end >= 0 and not self.text[self.open_end : offset].strip(f"{BLANK},")):
            self.open_end = end
            return self.add_call(offset, draft, end + len(mark))
        raise MismatchError("the mark that closes a call")

    def read_call(self, offset: int) -> Wait[int]:
        """Read a call in the first way that fits; return where it ends. Raises the error of the ways where
        none does."""
        reason: Exception = MismatchError("the call")
        for way in self.marks.ways:
            # a head can only be read where the names of tools are known
            if way.is_lost and not self.tools_by_name:
                continue
            draft = CallDraft(
                way, way.is_lost or self.row is not self.format, notes={way.lack: False} if way.lack else {}
            )
            try:
                end = yield from self.read_call_parts(offset, draft)
            except UnfinishedError as error:
                # everything but the closing mark has come
                if draft.is_call and self.lacks_closing_mark(draft):
                    return self.add_call(offset, draft, len(self.text))
                if draft.listener is not None:
                    raise
                reason = reason if way.is_loose else error
            except MismatchError as error:
                if draft.is_call:
                    return (yield from self.add_broken_call(offset, draft, error))
                if isinstance(reason, MismatchError) and (not way.is_lost or isinstance(error, HeadError)):
                    reason = error
            else:
                return self.add_call(offset, draft, end)
        raise reason

    def lacks_closing_mark(self, draft: CallDraft) -> bool:
        """Return whether the reply ends in a call of which only the closing mark is missing. Note it if
        so."""
        # arguments that are not closed can only miss their last brackets
        if not draft.is_closed:
            if draft.members is None or self.row.brackets or not draft.members.is_over:
                return False
            draft.write_json("}")
        if not self.format.blocks or self.text[draft.end :].strip():  # else it ends the reply too
            draft.notes["Its closing mark is missing"] = False
        return True

    def add_call(
        self,
        offset: int,
        draft: CallDraft,
        end: int,
    ) -> int:
        """Add a call that was read to the calls of the reply; return `end`, the offset after it.

        Raises `HeadError` for a guessed call whose name is not a tool, or whose arguments cannot be read.
        """
        is_unknown = self.tools_by_name is not None and draft.name not in self.tools_by_name
        if self.row is not self.format:
            draft.notes[f"It is written as {self.row.name} writes calls"] = False
        # a guess counts only where a tool has the name and the arguments can be read
        if (draft.way.is_lost or self.row is not self.format) and (is_unknown or draft.error):
            raise HeadError(
                draft.error or f"its head names {draft.name!r}, which is not one of the tools", offset + 1
            )
        if re.fullmatch(self.row.names, draft.name) is None:
            draft.notes[f"Its name is {show_value(draft.name)}"] = False
        if not (draft.index or "0").isdecimal():
            draft.notes[f"Its number is {draft.index!r}"] = False
        draft.is_held = False
        self.report_call(draft)
        for note, is_habit in draft.notes.items():
            message = f"A call does not follow its format: {note}."
            self.report_problem(offset, message, LooseCallError, is_habit=is_habit)
        self.partial = None
        self.pending_start = end
        call = self.build_call(draft)
        if call.error is not None:
            self.problems.append(call.error)
            self.add_event("problem", call.error.what)
        self.add_event("end")
        self.calls.append(call)
        self.texts.append([])
        return end

    def add_broken_call(
        self,
        offset: int,
        draft: CallDraft,
        reason: MismatchError,
    ) -> Wait[int]:
        """Add a call with other text inside of its arguments, or just after them. Return where the call ends:
        after its closing mark, or where the next call begins.

        `reason` names the text that was expected. It is raised where the call is a guess only.
        """
        closing, others = self.marks.edges
        if draft.is_closed and not draft.error:
            start = yield from self.skip_characters(draft.end)
            mark = yield from self.match_any(start, (*closing, *others))
            is_mark = marks_pattern(closing).match(mark) is not None
            if mark or not self.row.member or self.row.brackets:
                note = (
                    "Another text than the format's closes it" if is_mark else "Its closing mark is missing"
                )
                draft.notes[note] = False
                self.open_end = draft.end
                return self.add_call(offset, draft, start + len(mark) if is_mark else draft.end)
            # the arguments are whole, but what follows belongs to no call
            draft.error = f"{reason} does not follow"
        if draft.is_held:
            raise reason
        self.is_well = False
        # once too much was read twice, the search goes on after the broken call
        start = draft.end if self.reread > _REREAD * draft.end else draft.begin
        self.reread += draft.end - draft.begin
        end, mark = yield from self.find_text((*closing, *others), start)
        return self.add_call(
            offset, draft, end + len(mark) * (marks_pattern(closing).match(mark) is not None)
        )

    # --- parts of calls -----------------------------------------------------------------------------------

    def read_call_parts(self, offset: int, draft: CallDraft) -> Wait[int]:
        """Read a call in the way of the draft: the text before it, its name and arguments, the text after it.
        Return where it ends."""
        way = draft.way
        start = offset
        if way.is_lost:
            offset = yield from self.read_head(offset, draft)
        else:
            offset, placeholders = yield from self.match_template(
                way.prefix, offset, _STOPS, LONGEST_NAME, is_loose=way.is_loose
            )
            # another text than the format's stands before the arguments
            if "between" in placeholders:
                draft.notes[f"{placeholders.pop('between')!r} stands before its arguments"] = False
            for kind, word in placeholders.items():
                if not word.strip() or (self.is_doubtful and word[0].isspace()):
                    raise MismatchError("a name")
                setattr(draft, kind, word.strip())
            if self.tools_by_name and self.row.heads and re.fullmatch(self.row.names, draft.name) is None:
                raise MismatchError("a name")
            if "'" in self.text[start:offset] and "'" not in way.prefix:
                draft.notes["Its quotes are single ones"] = True
        if way.kind == "object":
            offset = yield from self.read_object(offset, draft)
            self.check_object(draft, offset)
        elif way.kind:
            offset = yield from self.read_arguments(offset, draft, not way.prefix.endswith("$name"))
            offset = yield from self.skip_characters(offset)
        else:
            self.set_no_arguments(draft, offset)
        draft.end = offset
        end, _ = yield from self.match_template(way.suffix, offset)
        draft.begin = offset if draft.begin < 0 else draft.begin
        return end

    def read_head(self, offset: int, draft: CallDraft) -> Wait[int]:
        """Read a head that names a known tool in another way than the format does; return where it ends.

        Raises `HeadError` where the head names none of the tools, or several.
        """
        begin, _, mark = draft.way.prefix.partition("$name")
        start = yield from self.match_text(offset, begin)
        # the head ends where the format's own text goes on
        while (end := self.text.find(mark, start, start + LONGEST_NAME)) < 0:
            if self.is_complete or len(self.text) >= start + LONGEST_NAME:
                raise MismatchError("a name")
            yield
        head = self.text[start:end]
        if "{" in head or ("<" in begin and begin in head):
            raise MismatchError("a name")
        names = {name: re.escape(name) for name in self.tools_by_name or ()}
        like = self.row.head.replace
        fits = (name for name, pattern in names.items() if re.fullmatch(like("$name", pattern), head))
        draft.name = max(fits, key=len, default="")
        if not draft.name:
            several = sum(re.search(rf"\b{pattern}\b", head) is not None for pattern in names.values()) > 1
            raise HeadError(f"its head, {head!r}, does not name a tool", end if several else offset + 1)
        draft.notes[f"Its head is {head!r}"] = False
        return end + len(mark)

    # --- calls that are one JSON object -------------------------------------------------------------------

    def read_object(self, offset: int, draft: CallDraft) -> Wait[int]:
        """Read a call that is one JSON object, with its members in any order; return where it ends."""
        offset = yield from self.skip_characters(offset)
        offset = yield from self.match_text(offset, "{")
        is_first = True
        while True:
            offset = yield from self.skip_characters(offset)
            if (yield from self.read_character(offset)) == "}":
                return offset + 1
            if not is_first:
                offset = yield from self.match_text(offset, ", ")
            is_first = False
            if (yield from self.read_character(offset)) not in "\"'":
                raise MismatchError("the name of a member")
            offset, key = yield from self.read_value(offset, draft)
            offset = yield from self.match_text(offset, " : ")
            offset = self.member_end = yield from self.read_member(key, offset, draft)

    def read_member(
        self,
        key: str,
        offset: int,
        draft: CallDraft,
    ) -> Wait[int]:
        """Read the value of the member `key` of such an object into the draft; return where it ends."""
        shape = self.marks.object
        assert shape is not None
        # models name the arguments after other formats
        if key in _ARGUMENTS and key not in shape.members and shape.arguments_key not in draft.keys:
            draft.notes[f"Its {shape.arguments_key} are called {key}"] = True
            key = shape.arguments_key
        # a member that comes again is read and does not count
        placeholder = None if key in draft.keys else shape.members.get(key)
        is_inner = placeholder == "object" or (key == "function" and key not in draft.keys)
        draft.keys.append(key)
        start = yield from self.read_character(offset)
        # formats put name and arguments into an object of their own
        if start == "{" and is_inner:
            return (yield from self.read_object(offset, draft))
        if placeholder in ("arguments", "quoted"):
            return (yield from self.read_arguments(offset, draft, True))
        is_short = self.is_doubtful and not draft.is_call
        offset, value = yield from self.read_value(offset, draft, LONGEST_NAME if is_short else sys.maxsize)
        if placeholder in ("name", "id", "index"):
            if not isinstance(value, str | int) or value == "":
                raise MismatchError(f"the {placeholder}")
            setattr(draft, placeholder, str(value))
            self.report_call(draft)
        return offset

    def read_value(
        self,
        offset: int,
        draft: CallDraft,
        max_length: int = LONGEST_NAME,
    ) -> Wait[tuple[int, Any]]:
        """Return where a JSON value ends, and the value.

        Raises `MismatchError` where there is no value, or one of more than `max_length` characters. In a
        doubtful call only short values may come before its name and its arguments.
        """
        end, loose = yield from self.read_json(offset, max_length=max_length)
        if not loose.is_whole:
            raise MismatchError("a member")
        if loose.is_respelled:
            draft.notes[HABITS] = True
        return end, loose.value

    def check_object(self, draft: CallDraft, offset: int) -> None:
        """Note how an object differs from a call of the format. Raises `MismatchError` where it is not a
        call."""
        shape = self.marks.object
        assert shape is not None
        if not draft.name:
            raise MismatchError("the name")
        if draft.begin < 0:
            if self.is_doubtful or not (self.marks.has_tags or draft.name in (self.tools_by_name or ())):
                raise MismatchError("the arguments")
            self.set_no_arguments(draft, offset)
        is_complete = shape.required_keys <= set(draft.keys)
        if not is_complete or draft.keys != [key for key in shape.members if key in draft.keys]:
            is_again = any(draft.keys.count(key) > 1 for key, place in shape.members.items() if place)
            draft.notes[f"Its members are {', '.join(draft.keys)}"] = is_complete and not is_again

    # --- arguments ----------------------------------------------------------------------------------------

    def report_call(self, draft: CallDraft) -> None:
        """Add the event of a call, once its name is known and its arguments have begun."""
        if draft.is_call and not draft.is_held and draft.listener is None:
            self.partial, draft.listener = draft, partial(self.add_event, "arguments")
            self.add_event("call", draft.name)
            self.add_event("arguments", "".join(draft.json_parts))

    def set_no_arguments(self, draft: CallDraft, offset: int) -> None:
        """Write `{}` as the arguments of a call that has none; they begin and end at `offset`."""
        draft.begin = offset
        draft.end = offset
        draft.is_closed = True
        self.report_call(draft)
        draft.write_json("{}")

    def read_arguments(
        self,
        offset: int,
        draft: CallDraft,
        behind_text: bool,
    ) -> Wait[int]:
        """Read arguments; return where they end. From their beginning on the draft certainly is a call.

        `behind_text`: a text of the format stands before them, so that they begin at once. Raises
        `MismatchError` where there are no arguments, or something else inside of them.
        """
        start = yield from self.skip_characters(offset)
        if self.row.member:
            first = self.row.brackets[:1] or (first_text(self.row.member),)
            is_begun = behind_text or bool((yield from self.match_any(start, first, exact=True)))
        elif (yield from self.read_character(start)) in "{[\"'":
            is_begun = True
        else:
            offset, loose = yield from self.read_json(start, max_length=LONGEST_NAME)
            # null stands for no arguments; any other value is none
            if loose.value is not None:
                raise MismatchError("the arguments")
            self.set_no_arguments(draft, start)
            draft.notes["Its arguments are null"] = True
            return offset
        if is_begun:
            draft.begin = offset
            self.report_call(draft)
        if not self.row.member:
            offset = yield from self.read_object_text(start, draft)
        else:
            tool = (self.tools_by_name or {}).get(draft.name)
            draft.members = MemberReader(self, self.row, self.marks, _argument_plan(tool), draft)
            try:
                offset = yield from draft.members.read_arguments(offset)
            except MismatchError as different:
                if not is_begun:
                    raise MismatchError("the arguments") from None
                draft.error = draft.error or f"{different} does not stand where it should"
                raise MismatchError(draft.error) from None
        draft.end = offset
        draft.is_closed = True
        return offset

    def read_object_text(self, offset: int, draft: CallDraft) -> Wait[int]:
        """Read arguments that are one JSON object, or a JSON string that holds one. Return where they end.

        Loose spellings of JSON, such as single quotes, are read and noted.
        """
        inner = LooseJson()
        characters = GrowingString()
        rest = ""
        begins = is_quoted = self.text[offset] in "\"'"

        def take_unquoted(text: str) -> None:
            nonlocal rest, begins
            rest += characters.feed(text[begins:])
            rest = rest if draft.json_parts else rest.lstrip(BLANK)
            end, text = inner.feed(rest, 0, len(rest))
            rest = rest[end:]
            begins = False
            if text:
                draft.write_json(text)

        offset, outer = yield from self.read_json(offset, take_unquoted if is_quoted else draft.write_json)
        draft.end = offset
        inner = inner if is_quoted else outer
        if outer.is_respelled or inner.is_respelled:
            draft.notes[HABITS] = True
        if is_quoted and not outer.error and not draft.json_parts and not rest:
            draft.notes["Its arguments are an empty text"] = True
            draft.write_json("{}")
            return offset
        draft.error = outer.error or inner.error
        if not draft.error and (not inner.is_whole or rest.strip()):
            draft.error = "their text does not end with the object"
        elif not draft.error and not isinstance(inner.value, dict):
            draft.error = "they are no object"
        if draft.error:
            raise MismatchError(draft.error)
        return offset

    def build_call(self, draft: CallDraft) -> Call:
        """Return the `Call` of a draft, as far as it is read; its number is that of the next call."""
        number = len(self.calls)
        is_whole = draft is not self.partial
        json_text = "".join(draft.json_parts)
        loose = LooseJson()
        loose.feed(json_text, 0, len(json_text))
        value = loose.value
        if not loose.is_whole:
            growing = GrowingJson()
            with suppress(JsonError):  # broken JSON: the value stays what it was before the fault
                growing.feed(json_text)
                if (draft.error or (draft.members and not draft.members.is_json)) and not growing.in_string:
                    growing.feed(" ")  # a blank ends a numeral
            value = growing.value
        value = value if isinstance(value, dict) else {}
        identity = draft.id
        if identity is None:
            may_follow = any("$id" in template for template in self.format.calls)
            index = int(draft.index) if draft.index and draft.index.isdecimal() else number
            identity = "" if may_follow and not is_whole else self.format.counted_id(draft.name, index)
        tool = None if self.tools_by_name is None else self.tools_by_name.get(draft.name)
        fault = cure = ""
        # an unknown tool explains more than faults of its arguments
        if self.tools_by_name is not None and tool is None:
            fault = f"The reply calls {draft.name!r}, which is not one of the tools."
            names = ", ".join(self.tools_by_name) or "none"
            cure = f"Report it with call.result(..., error=True); the tools are {names}."
        elif draft.error:
            fault = f"The arguments of {draft.name!r} cannot be read: {draft.error}."
            cure = "Report it with call.result(..., error=True), or constrain the model with sg.tools(...)."
        reply_text = self.text if self.tools_by_name and tool is None else json_text
        error = GenerationError(fault, text=reply_text, where=f"call {number}", cure=cure) if fault else None
        document = json_text if is_whole else dump_json(value)
        return Call(draft.name, value, identity, document, is_whole, error, tool, self.format, json_text)


def _argument_plan(tool: Tool | None) -> ArgumentPlan | None:
    """Return the plan of a tool's arguments, or None where its schema does not describe each of them."""
    try:
        return None if tool is None else plan_of(*tool.schema_under({}))
    except UnsupportedError:
        return None
