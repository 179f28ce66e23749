"""`CallReader`: the texts, thoughts and calls of a reply that comes in pieces. `sg.parse_calls`: those of one
that is whole."""

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
    DifferentError,
    HeadError,
    Incoming,
    LooseJson,
    UnfinishedError,
    Wait,
    begun,
    searcher,
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
from structgen.base.json_text.raw_json import dumped
from structgen.base.language.checks import shown
from structgen.grammars.text_grammars.composition.argument_plan import ArgumentPlan, plan_of
from structgen.grammars.text_grammars.composition.templates import BLANK, first_text

_STOPS: Final = "\n<[{\"'"
"""What no name and no id holds."""
_ARGUMENTS: Final = ("arguments", "parameters", "args", "input")
"""Names under which models write arguments."""
_REREAD: Final = 8
"""Behind a broken call the next one is looked for from where its arguments begin. This is not done for more
than so many times the text before: so reading stays linear."""


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
    `thinking`: True, the reply begins inside thoughts, if the format's prompts open them; False, it does not.
    "auto": it does if their end comes without their beginning, before any call.
    `ended`: the reply is over. If not, the end of the text that may begin a call is `pending`, not text.

    White space of the format may be missing or more, and habits of models are read with a note. With tools,
    so is a call of one of them whose head is lost, or that a format of the same family writes so. What begins
    like a call and is none stays text. Both are in `problems`. Of a text that goes on, what is read stays:
    calls with their names and ids, text, thoughts; arguments grow. Cost: linear in the text, a microsecond
    for three to eight characters; with formats whose values stand raw, some milliseconds for each new schema.
    """
    if not isinstance(text, str):
        raise OptionError(f"The reply is a {type(text).__name__}.", where="text", cure="Pass its text.")
    row = format_of(format)
    reader = CallReader(row, None if tools is None else read_tools(tools), thinking)
    reader.feed(text, ended=ended)
    return reader.reply()


EventKind: TypeAlias = Literal["text", "thoughts", "call", "arguments", "end", "note", "problem"]


class ReplyEvent(NamedTuple):
    """What is new in a reply."""

    kind: EventKind
    text: str = ""
    """Characters of text or thoughts; the name of a call that begins; a piece of the JSON text of its
    arguments; what a note or a problem says."""
    call: int = 0
    """How many calls began before this one."""


class CallReader(Incoming):
    """Reads a reply that comes in pieces of any size, and tells what is new in it. What is called a call,
    text or thoughts stays so. A call is one as soon as its arguments begin, or, where its marks are in doubt,
    once it is whole. What may become something else waits.

    `tools`, `thinking`: those of `parse_calls`. Cost: constant for each character.
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
        self.known = None if tools is None else {tool.name: tool for tool in tools}
        marks = self.marks
        self.opening = (*marks.openings, *marks.doubtful, *marks.lost)
        """The texts that may begin calls; and those that end a text, too."""
        listed = (*format.thinking, *format.text, format.preamble, format.blocks, format.end, *self.opening)
        self.coming = tuple(filter(None, listed))
        self._run = self.run(thinking)
        self.events: list[ReplyEvent] = []
        self.calls: list[Call] = []
        self.texts: list[list[str]] = [[]]
        self.thoughts: list[str] = []
        self.problems: list[tuple[int, str, type[GenerationError]] | StructgenError] = []
        """Where something is wrong, what, and of which kind; or the error of a call."""
        self.partial: CallDraft | None = None
        self.held = 0
        """Where the text begins of which nothing is known yet."""
        self.gap: int | None = None
        """Where white space begins that may separate blocks."""
        self.is_well, self.is_inside = True, False
        """Whether no mark was missing or another; whether a thing is being read that has an end."""
        self.is_doubtful = False
        """Whether nothing but its name and its arguments can say that what is being read is a call."""
        self.has_text = False
        """Whether there is text, other than white space."""
        self.reread = 0
        """How many characters were read again behind broken calls, and what was none."""
        self.open_end = -1
        """Where the last call ends whose closing mark is missing; more may follow it in its tag."""
        self.far = 0
        """Where the last member of a JSON object ends."""

    def feed(self, piece: str, *, ended: bool = False) -> list[ReplyEvent]:
        """Take a piece of the reply, the last one or not; return what is new."""
        text, self.text = self.text, ""
        text += piece  # nothing else holds it: it grows in its place
        self.text, self.ended = text, ended
        del text
        next(self._run, None)
        events, self.events = self.events, []
        return events

    def reply(self) -> Reply:
        """Return what the reply consists of so far."""
        return Reply(
            [*self.calls],
            ["".join(parts) for parts in self.texts],
            "".join(self.thoughts) if self.thoughts else None,
            None if self.partial is None else self.made(self.partial),
            self.text[self.held :] if self.partial is None else "",
            self.is_well and not self.is_inside,
            [self.told(*problem) if isinstance(problem, tuple) else problem for problem in self.problems],
        )

    def tell(self, kind: EventKind, text: str = "") -> None:
        self.events.append(ReplyEvent(kind, text, len(self.calls)))

    # --- texts and thoughts -------------------------------------------------------------------------------

    def run(self, thinking: bool | str) -> Wait[None]:
        """Read the reply: thoughts that it begins with, a block that the prompt has opened, then one thing
        after another."""
        at, row, said = 0, self.format, ""
        is_inside = thinking is True and row.opened
        if thinking == "auto" and row.opened and row.thinking:
            _, said = yield from self.found((*row.thinking, *row.triggers, *row.text), 0)
        if row.thinking and (is_inside or said == row.thinking[1]):
            at = yield from self.think(0)
        elif row.text and not row.blocks:
            start = yield from self.skipped(0)
            if not (yield from self.follows(start, (*row.thinking[:1], row.text[0]))):
                at = yield from self.block(0)  # the prompt has opened it
        while at < len(self.text) or not self.ended:
            at = yield from self.step(at)

    def step(self, at: int) -> Wait[int]:
        """Read text up to the next thing of the format, and that; return where it ends."""
        row = self.format
        self.gap = at if row.blocks else None
        start, said = yield from self.stretch(at, self.coming)
        self.held = end = start + len(said)
        if searcher(row.thinking[:1]).fullmatch(said) and (row.blocks or not (self.has_text or self.calls)):
            return (yield from self.think(end))
        if said and said in (*row.text[:1], row.preamble):
            return (yield from self.block(end))
        if searcher(self.opening).match(said):
            return (yield from self.calling(start, said))
        return end if said in (*row.text[1:], row.blocks, row.end, "") else self.plain(start)

    def stretch(self, at: int, ends: Texts) -> Wait[tuple[int, str]]:
        """Read text up to one of some marks; one that only stands in calls is told."""
        while True:
            start, said = yield from self.found((*ends, *self.marks.strays), at, self.say)
            if not said or searcher(ends).match(said):
                return start, said
            self.stray(start)
            at = self.plain(start)

    def say(self, at: int, end: int, kind: Literal["text", "thoughts"] = "text") -> None:
        """Add text, or thoughts."""
        piece = self.text[at:end]
        if self.gap is not None and kind == "text":
            if not piece.strip():
                return
            piece, self.gap = self.text[self.gap : end], None
        self.held = end
        (self.texts[-1] if kind == "text" else self.thoughts).append(piece)
        self.has_text = self.has_text or (kind == "text" and bool(piece.strip()))
        self.tell(kind, piece)

    def plain(self, at: int) -> int:
        """Add as text the first character of what is nothing else; return where it ends."""
        self.say(at, at + 1)
        return at + 1

    def stray(self, at: int, what: str = "A mark of a call stands in a text.") -> None:
        """Tell of a mark behind a place that stands in calls alone, unless something else was told."""
        mark = searcher(self.marks.strays).search(self.text, at)
        if mark is not None and not self.problems:
            self.problem(mark.start(), what)

    def think(self, at: int) -> Wait[int]:
        """Read thoughts, and what follows them."""
        row, after = self.format, self.format.after_thinking
        self.is_inside = True
        self.thoughts.append("")
        ends = (row.thinking[1], *row.text[1 : len(row.blocks)])
        end, said = yield from self.found(ends, at, partial(self.say, kind="thoughts"))
        if not said:
            self.stray(at, "Thoughts do not end, and a mark of a call stands in them.")
            return end
        self.held, self.is_inside = end + len(said), False
        self.held += len((yield from self.follows(self.held, (after,), exact=True))) if after else 0
        return self.held

    def block(self, at: int) -> Wait[int]:
        """Read text that is a block of its own; return where what ends it stands."""
        ends, opens = self.format.text[1:], self.marks.openings if self.format.never else ()
        self.is_inside, self.gap = True, None
        end, said = yield from self.stretch(at, (*ends, *opens))
        self.is_inside = not said
        if said and said not in ends:
            self.problem(end, "A text does not end before a call.", LooseCallError)
        return end

    # --- calls --------------------------------------------------------------------------------------------

    def calling(self, at: int, said: str) -> Wait[int]:
        """Read what begins a call; where it is none, its first character is text."""
        marks = self.marks
        is_sure = searcher(marks.openings).match(said) is not None
        self.is_doubtful = not is_sure and searcher(marks.doubtful).match(said) is not None
        if self.is_doubtful and self.reread > _REREAD * (at + 1):
            return self.plain(at)
        self.held, self.is_inside = at, True
        try:
            end = yield from self.any_call(at)
        except (DifferentError, UnfinishedError) as error:
            self.is_inside, is_over = False, isinstance(error, UnfinishedError)
            if self.partial is not None:
                self.problem(at, "A call breaks off inside of its arguments.", LooseCallError)
                return len(self.text)
            if is_over and is_sure:
                self.problem(at, "A call breaks off before its arguments.")
                self.say(at, len(self.text))
                return len(self.text)
            if isinstance(error, HeadError):
                self.problem(at, f"What begins like a call is none: {error}.")
                self.say(at, error.end)
                return error.end
            if is_sure:
                self.problem(at, f"What begins like a call is none: {error} does not stand where it should.")
            else:
                self.is_well = self.is_well and not is_over
                self.reread += (len(self.text) if is_over else self.far) - at
                if searcher(marks.strays).match(said):
                    self.stray(at)
            return self.plain(at)
        finally:
            self.row, self.marks = self.format, marks
        self.is_inside = False
        self.held = (yield from self.skipped(end, "]}")) if marks.is_open_ended else end
        if self.held > end:
            self.problem(end, "More brackets close a call than open it.", LooseCallError)
        return self.held

    def any_call(self, at: int) -> Wait[int]:
        """Read a call, or a section of them, in the ways of the format, and then of its siblings."""
        if self.is_doubtful and self.marks.has_tags:
            return (yield from self.untagged(at))
        reason: Exception = DifferentError("the call")
        for row in (self.format, *siblings_of(self.format) * bool(self.known and not self.is_doubtful)):
            self.row, self.marks = row, marks_of(row)
            try:
                return (yield from (self.section if row.section[0] else self.call)(at))
            except (DifferentError, UnfinishedError) as error:
                if self.partial is not None:
                    raise
                reason = error if row is self.format or isinstance(error, HeadError) else reason
        raise reason

    def problem(
        self, at: int, what: str, kind: type[GenerationError] = GenerationError, *, is_habit: bool = False
    ) -> None:
        """Tell a problem. Only a habit leaves a reply complete."""
        self.is_well = self.is_well and is_habit
        self.problems.append((at, what, kind))
        self.tell("note" if kind is LooseCallError else "problem", what)

    def told(self, at: int, what: str, kind: type[GenerationError]) -> GenerationError:
        """Return the error of a problem."""
        return kind(
            f"{what} It reads {shown(self.text[at : at + LONGEST_NAME])}.",
            text=self.text,
            where=f"character {at}",
            cure=f"Hold the model to sg.tools(..., format={self.format.name!r}), or name its format.",
        )

    def section(self, at: int) -> Wait[int]:
        """Read a section of calls, or a call without one; return where it ends."""
        begin, end = self.row.section
        before, start, separator = len(self.calls), at, self.row.separator.strip()
        try:
            at = yield from self.matched(at, begin, quotes=True)
        except DifferentError:  # perhaps a call
            at = yield from self.call(at)
            self.problem(start, "The mark that opens a section of calls is missing.", LooseCallError)
        while True:
            at = yield from self.skipped(at)
            if has_calls := len(self.calls) > before:
                self.held = at
            try:
                at = yield from self.call(at)
                continue
            except (DifferentError, UnfinishedError):
                said = yield from self.follows(at, (end,))
                if self.partial is not None or not (said or has_calls):
                    raise
            if has_calls and separator and not said and self.text.startswith(separator, at):
                at += len(separator)
                continue
            if not said or not has_calls:
                what = f"A section of calls {'is not closed' if has_calls else 'holds none'}."
                self.problem(start, what, LooseCallError)
            others = self.marks.edges[1]
            is_cut = (
                not (said or (yield from self.follows(at, others))) and begun(self.text, others, at) == at
            )
            return len(self.text) if is_cut else at + len(said)

    def untagged(self, at: int) -> Wait[int]:
        """Read a call without an opening mark: what closes one follows it, or an unclosed one precedes it."""
        draft = CallDraft(self.marks.untagged, is_held=True, notes={"Its opening mark is missing": False})
        end = yield from self.fill(at, draft)
        end = yield from self.skipped(end)
        mark = yield from self.follows(end, self.marks.closing)
        if mark or (self.open_end >= 0 and not self.text[self.open_end : at].strip(f"{BLANK},")):
            self.open_end = end
            return self.add(at, draft, end + len(mark))
        raise DifferentError("the mark that closes a call")

    def call(self, at: int) -> Wait[int]:
        """Read a call in any of the ways in which it may be written."""
        reason: Exception = DifferentError("the call")
        for way in self.marks.ways:
            if way.is_lost and not self.known:
                continue
            draft = CallDraft(
                way, way.is_lost or self.row is not self.format, notes={way.lack: False} if way.lack else {}
            )
            try:
                end = yield from self.fill(at, draft)
            except UnfinishedError as error:
                if draft.is_call and self.unclosed(draft):
                    return self.add(at, draft, len(self.text))
                if draft.tell is not None:
                    raise
                reason = reason if way.is_loose else error
            except DifferentError as error:
                if draft.is_call:
                    return (yield from self.broken(at, draft, error))
                if isinstance(reason, DifferentError) and (not way.is_lost or isinstance(error, HeadError)):
                    reason = error
            else:
                return self.add(at, draft, end)
        raise reason

    def unclosed(self, draft: CallDraft) -> bool:
        """Tell whether only the closing mark is missing of a call in which the reply ends."""
        if not draft.is_closed:
            if draft.members is None or self.row.brackets or not draft.members.is_over:
                return False
            draft.write("}")
        if not self.format.blocks or self.text[draft.end :].strip():  # else it ends the reply too
            draft.notes["Its closing mark is missing"] = False
        return True

    def add(self, at: int, draft: CallDraft, end: int) -> int:
        """Add a call that was read; return where it ends. Raises `DifferentError` for one in doubt that calls
        no tool, or that has no arguments."""
        is_unknown = self.known is not None and draft.name not in self.known
        if self.row is not self.format:
            draft.notes[f"It is written as {self.row.name} writes calls"] = False
        if (draft.way.is_lost or self.row is not self.format) and (is_unknown or draft.error):
            raise HeadError(
                draft.error or f"its head names {draft.name!r}, which is none of the tools", at + 1
            )
        if re.fullmatch(self.row.names, draft.name) is None:
            draft.notes[f"Its name is {shown(draft.name)}"] = False
        if not (draft.index or "0").isdecimal():
            draft.notes[f"Its number is {draft.index!r}"] = False
        draft.is_held = False
        self.begun(draft)
        for note, is_habit in draft.notes.items():
            told = f"A call is not written as its format writes it: {note}."
            self.problem(at, told, LooseCallError, is_habit=is_habit)
        self.partial, self.held = None, end
        call = self.made(draft)
        if call.error is not None:
            self.problems.append(call.error)
            self.tell("problem", call.error.what)
        self.tell("end")
        self.calls.append(call)
        self.texts.append([])
        return end

    def broken(self, at: int, draft: CallDraft, reason: DifferentError) -> Wait[int]:
        """Add a call behind whose arguments, or inside of them, something else stands. Return where it ends:
        at its closing mark, or where the next call begins."""
        closing, others = self.marks.edges
        if draft.is_closed and not draft.error:
            start = yield from self.skipped(draft.end)
            said = yield from self.follows(start, (*closing, *others))
            is_mark = searcher(closing).match(said) is not None
            if said or not self.row.member or self.row.brackets:
                what = (
                    "Another text than the format's closes it" if is_mark else "Its closing mark is missing"
                )
                draft.notes[what] = False
                self.open_end = draft.end
                return self.add(at, draft, start + len(said) if is_mark else draft.end)
            draft.error = f"{reason} does not follow"
        if draft.is_held:
            raise reason
        self.is_well = False
        start = draft.end if self.reread > _REREAD * draft.end else draft.begin
        self.reread += draft.end - draft.begin
        end, said = yield from self.found((*closing, *others), start)
        return self.add(at, draft, end + len(said) * (searcher(closing).match(said) is not None))

    # --- parts of calls -----------------------------------------------------------------------------------

    def fill(self, at: int, draft: CallDraft) -> Wait[int]:
        """Read a call; return where it ends."""
        way, start = draft.way, at
        if way.is_lost:
            at = yield from self.head(at, draft)
        else:
            at, words = yield from self.placed(way.before, at, _STOPS, LONGEST_NAME, is_loose=way.is_loose)
            if "between" in words:
                draft.notes[f"{words.pop('between')!r} stands before its arguments"] = False
            for kind, said in words.items():
                if not said.strip() or (self.is_doubtful and said[0].isspace()):
                    raise DifferentError("a name")
                setattr(draft, kind, said.strip())
            if self.known and self.row.heads and re.fullmatch(self.row.names, draft.name) is None:
                raise DifferentError("a name")
            if "'" in self.text[start:at] and "'" not in way.before:
                draft.notes["Its quotes are single ones"] = True
        if way.kind == "object":
            at = yield from self.object(at, draft)
            self.finished(draft, at)
        elif way.kind:
            at = yield from self.arguments(at, draft, not way.before.endswith("$name"))
            at = yield from self.skipped(at)
        else:
            self.empty(draft, at)
        draft.end = at
        end, _ = yield from self.placed(way.after, at)
        draft.begin = at if draft.begin < 0 else draft.begin
        return end

    def head(self, at: int, draft: CallDraft) -> Wait[int]:
        """Read what names a tool of those known in another way than the format's; return where it ends."""
        begin, _, mark = draft.way.before.partition("$name")
        start = yield from self.matched(at, begin)
        while (end := self.text.find(mark, start, start + LONGEST_NAME)) < 0:
            if self.ended or len(self.text) >= start + LONGEST_NAME:
                raise DifferentError("a name")
            yield
        said = self.text[start:end]
        if "{" in said or ("<" in begin and begin in said):
            raise DifferentError("a name")
        names = {name: re.escape(name) for name in self.known or ()}
        like = self.row.head.replace
        fits = (name for name, own in names.items() if re.fullmatch(like("$name", own), said))
        draft.name = max(fits, key=len, default="")
        if not draft.name:
            several = sum(re.search(rf"\b{own}\b", said) is not None for own in names.values()) > 1
            raise HeadError(f"its head, {said!r}, names none of the tools", end if several else at + 1)
        draft.notes[f"Its head is {said!r}"] = False
        return end + len(mark)

    # --- calls that are one JSON object -------------------------------------------------------------------

    def object(self, at: int, draft: CallDraft) -> Wait[int]:
        """Read a JSON object with the members of a call, in any order; return where it ends."""
        at = yield from self.skipped(at)
        at = yield from self.matched(at, "{")
        is_first = True
        while True:
            at = yield from self.skipped(at)
            if (yield from self.char(at)) == "}":
                return at + 1
            if not is_first:
                at = yield from self.matched(at, ", ")
            is_first = False
            if (yield from self.char(at)) not in "\"'":
                raise DifferentError("the name of a member")
            at, key = yield from self.value(at, draft)
            at = yield from self.matched(at, " : ")
            at = self.far = yield from self.member(key, at, draft)

    def member(self, key: str, at: int, draft: CallDraft) -> Wait[int]:
        """Read the value of a member; return where it ends."""
        shape = self.marks.object
        assert shape is not None
        if key in _ARGUMENTS and key not in shape.members and shape.arguments not in draft.keys:
            draft.notes[f"Its {shape.arguments} are called {key}"] = True
            key = shape.arguments
        place = None if key in draft.keys else shape.members.get(key)
        is_inner = place == "object" or (key == "function" and key not in draft.keys)
        draft.keys.append(key)
        start = yield from self.char(at)
        if start == "{" and is_inner:
            return (yield from self.object(at, draft))
        if place in ("arguments", "quoted"):
            return (yield from self.arguments(at, draft, True))
        is_short = self.is_doubtful and not draft.is_call
        at, value = yield from self.value(at, draft, LONGEST_NAME if is_short else sys.maxsize)
        if place in ("name", "id", "index"):
            if not isinstance(value, str | int) or value == "":
                raise DifferentError(f"the {place}")
            setattr(draft, place, str(value))
            self.begun(draft)
        return at

    def value(self, at: int, draft: CallDraft, most: int = LONGEST_NAME) -> Wait[tuple[int, Any]]:
        """Return where a JSON value ends, and the value. Raises `DifferentError` for none and for one of more
        than `most` characters. What may be no call has none that is long before its name and its arguments
        are there."""
        end, loose = yield from self.json(at, most=most)
        if not loose.is_whole:
            raise DifferentError("a member")
        if loose.is_respelled:
            draft.notes[HABITS] = True
        return end, loose.value

    def finished(self, draft: CallDraft, at: int) -> None:
        """Tell what differs in an object that is read. Raises `DifferentError` where it is no call."""
        shape = self.marks.object
        assert shape is not None
        if not draft.name:
            raise DifferentError("the name")
        if draft.begin < 0:
            if self.is_doubtful or not (self.marks.has_tags or draft.name in (self.known or ())):
                raise DifferentError("the arguments")
            self.empty(draft, at)
        is_complete = shape.needed <= set(draft.keys)
        if not is_complete or draft.keys != [key for key in shape.members if key in draft.keys]:
            is_again = any(draft.keys.count(key) > 1 for key, place in shape.members.items() if place)
            draft.notes[f"Its members are {', '.join(draft.keys)}"] = is_complete and not is_again

    # --- arguments ----------------------------------------------------------------------------------------

    def begun(self, draft: CallDraft) -> None:
        """Tell of a call whose name and arguments have begun."""
        if draft.is_call and not draft.is_held and draft.tell is None:
            self.partial, draft.tell = draft, partial(self.tell, "arguments")
            self.tell("call", draft.name)
            self.tell("arguments", "".join(draft.written))

    def empty(self, draft: CallDraft, at: int) -> None:
        """Take note that a call has no arguments."""
        draft.begin, draft.end, draft.is_closed = at, at, True
        self.begun(draft)
        draft.write("{}")

    def arguments(self, at: int, draft: CallDraft, behind_text: bool) -> Wait[int]:
        """Read arguments; return where they end. It is a call where they begin: behind a text of the format
        at once."""
        place = yield from self.skipped(at)
        if self.row.member:
            first = self.row.brackets[:1] or (first_text(self.row.member),)
            is_begun = behind_text or bool((yield from self.follows(place, first, exact=True)))
        elif (yield from self.char(place)) in "{[\"'":
            is_begun = True
        else:
            at, loose = yield from self.json(place, most=LONGEST_NAME)
            if loose.value is not None:
                raise DifferentError("the arguments")
            self.empty(draft, place)
            draft.notes["Its arguments are null"] = True
            return at
        if is_begun:
            draft.begin = at
            self.begun(draft)
        if not self.row.member:
            at = yield from self.object_text(place, draft)
        else:
            tool = (self.known or {}).get(draft.name)
            draft.members = MemberReader(self, self.row, self.marks, _plan(tool), draft)
            try:
                at = yield from draft.members.read(at)
            except DifferentError as different:
                if not is_begun:
                    raise DifferentError("the arguments") from None
                draft.error = draft.error or f"{different} does not stand where it should"
                raise DifferentError(draft.error) from None
        draft.end, draft.is_closed = at, True
        return at

    def object_text(self, at: int, draft: CallDraft) -> Wait[int]:
        """Read arguments that are one JSON object, or a JSON string that holds one; what models write in
        place of JSON is read, and noted. Return where they end."""
        inner, characters, rest = LooseJson(), GrowingString(), ""
        begins = is_quoted = self.text[at] in "\"'"

        def unquoted(said: str) -> None:
            nonlocal rest, begins
            rest += characters.feed(said[begins:])
            rest = rest if draft.written else rest.lstrip(BLANK)
            end, said = inner.feed(rest, 0, len(rest))
            rest, begins = rest[end:], False
            if said:
                draft.write(said)

        at, outer = yield from self.json(at, unquoted if is_quoted else draft.write)
        draft.end, inner = at, inner if is_quoted else outer
        if outer.is_respelled or inner.is_respelled:
            draft.notes[HABITS] = True
        if is_quoted and not outer.error and not draft.written and not rest:
            draft.notes["Its arguments are an empty text"] = True
            draft.write("{}")
            return at
        draft.error = outer.error or inner.error
        if not draft.error and (not inner.is_whole or rest.strip()):
            draft.error = "their text does not end with the object"
        elif not draft.error and not isinstance(inner.value, dict):
            draft.error = "they are no object"
        if draft.error:
            raise DifferentError(draft.error)
        return at

    def made(self, draft: CallDraft) -> Call:
        """Return a call that comes next, as it is read so far."""
        number, is_whole = len(self.calls), draft is not self.partial
        written, loose = "".join(draft.written), LooseJson()
        loose.feed(written, 0, len(written))
        value = loose.value
        if not loose.is_whole:
            growing = GrowingJson()
            with suppress(JsonError):  # it has an error, and the value stays what it was
                growing.feed(written)
                if (draft.error or (draft.members and not draft.members.is_json)) and not growing.in_string:
                    growing.feed(" ")  # no numeral goes on
            value = growing.value
        value = value if isinstance(value, dict) else {}
        identity = draft.id
        if identity is None:
            may_follow = any("$id" in template for template in self.format.calls)
            index = int(draft.index) if draft.index and draft.index.isdecimal() else number
            identity = "" if may_follow and not is_whole else self.format.counted_id(draft.name, index)
        tool = None if self.known is None else self.known.get(draft.name)
        what = cure = ""
        if self.known is not None and tool is None:
            what = f"The reply calls {draft.name!r}, which is none of the tools."
            cure = f"Say so by call.result(..., error=True); the tools are {', '.join(self.known) or 'none'}."
        elif draft.error:
            what = f"The arguments of {draft.name!r} cannot be read: {draft.error}."
            cure = "Say so by call.result(..., error=True), or hold the model to sg.tools(...)."
        said = self.text if self.known and tool is None else written
        error = GenerationError(what, text=said, where=f"call {number}", cure=cure) if what else None
        document = written if is_whole else dumped(value)
        return Call(draft.name, value, identity, document, is_whole, error, tool, self.format, written)


def _plan(tool: Tool | None) -> ArgumentPlan | None:
    """Return what the arguments of a tool may be, where its schema says it of each."""
    try:
        return None if tool is None else plan_of(tool.closed_schema, tool.policies)
    except UnsupportedError:
        return None
