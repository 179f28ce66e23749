"""`sg.parse_calls`: the texts, thoughts and calls of a reply."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from structgen.errors import (
    GenerationError,
    LooseCallError,
    OptionError,
    StructgenError,
    UnsupportedError,
    options_named,
)
from structgen.json_text.raw_json import dumped
from structgen.text_grammars.composition.argument_grammar import ArgumentPlan, plan_of
from structgen.text_grammars.composition.templates import TEXT, Piece, filled, first_text, pieces
from structgen.tool_calls.argument_reading import Arguments, MemberReader, read_json, read_value
from structgen.tool_calls.call_texts import (
    DifferentError,
    UnfinishedError,
    begun,
    matched,
    searcher,
    skipped,
    word_end,
)
from structgen.tool_calls.format_marks import FormatMarks, marks_of
from structgen.tool_calls.format_rows import format_of
from structgen.tool_calls.tool_definitions import Tool, read_tools
from structgen.tool_calls.tool_format import ToolFormat
from structgen.tool_calls.tool_replies import Call, Reply

_LONGEST_NAME: Final = 512
_SHOWN: Final = 40
_BETWEEN: Final = 80
"""The longest text that stands between a name and arguments in place of the format's."""
_TAG: Final = re.compile(r"(?:<[^<>]+>|\[[^\[\]]+\])$")
_ARGUMENTS: Final = ("arguments", "parameters", "args", "input")
"""Names under which models write arguments."""
_MORE_DIGITS: Final = re.compile(r"(?<=[0-9])[-+.0-9eE]*")
_EXTRA: Final = re.compile(r"[\]}]+")
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
    reader = _ReplyReader(text, row, marks_of(row), known, ended)
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

    strict: bool = False
    """Whether only the format's own texts stand between its name and its arguments."""
    is_doubtful: bool = False
    """Whether nothing but its name and its arguments can say that it is a call."""
    name: str = ""
    id: str | None = None
    index: str | None = None
    arguments: Arguments | None = None
    """None until it is certain that it is a call."""
    begin: int = 0
    """Where the arguments begin."""
    at: int = 0
    keys: list[str] = field(default_factory=list)
    """The members of a call that is one JSON object, so far."""
    notes: list[str] = field(default_factory=list)
    """Its marks that are missing, or others."""
    habits: list[str] = field(default_factory=list)
    """What else is not written as the format writes it."""


@dataclass(slots=True)
class _ReplyReader:
    """Reads a reply. What is called a call, text or thoughts at one end of the text is called so at every
    later one: a call is one as soon as its arguments begin, and what may become something else is
    `pending`."""

    text: str
    format: ToolFormat
    marks: FormatMarks
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
    """How many characters were read again behind broken calls, and what was none."""
    far: int = 0
    """Where the last member of a JSON object ends."""

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
        opens = self.marks.openings
        listed = [*opens, *self.marks.doubtful]
        if row.thinking and (row.blocks or not (self.has_text or self.calls)):
            listed.append(row.thinking[0])
        begins = [one for one in (row.text[0] if row.text else "", row.preamble) if one]
        markers = [one for one in (*row.text[1:], row.blocks, row.end) if one]
        coming = (*listed, *begins, *markers)
        found = searcher(tuple(sorted(coming, key=len, reverse=True))).search(self.text, at)
        if found is None:
            rest = self.rest(at, (*coming, *row.thinking))
            if self.is_between(rest) and not self.ended:
                self.pending = self.text[at:]
            self.add_text("" if self.is_between(rest) else rest, at)
            return len(self.text)
        start = found.start()
        begin = row.thinking[0] if row.thinking else ""
        thinks = searcher((begin,)).match(self.text, start) if begin in listed else None
        if thinks is not None and not row.blocks and self.text[at:start].strip():
            self.add_text(self.text[at : start + 1], at)
            return start + 1
        self.add_text("" if self.is_between(self.text[at:start]) else self.text[at:start], at)
        left = self.text[start : start + max(map(len, (*begins, begin)))]
        if not self.ended and any(one != left and one.startswith(left) for one in (*begins, begin)):
            return self.wait(start)
        if thinks is not None:
            return self.think(start + len(begin) if self.text.startswith(begin, start) else thinks.end())
        for marker in (*begins, *markers):
            if self.text.startswith(marker, start):
                return self.block(start + len(marker)) if marker in begins else start + len(marker)
        return self.calling(start, is_sure=searcher(opens).match(self.text, start) is not None)

    def is_between(self, text: str) -> bool:
        """Tell whether a text only separates blocks."""
        return bool(self.format.blocks) and not text.strip()

    def add_text(self, text: str, at: int) -> None:
        """Add text that stands at `at`; marks of calls in it are told, if nothing else was."""
        self.texts[-1].append(text)
        self.has_text = self.has_text or bool(text.strip())
        self.tell_marks(at, at + len(text), "A mark of a call stands in a text.")

    def tell_marks(self, at: int, end: int, what: str) -> None:
        """Tell of marks in a part of the reply, and of one in which it ends."""
        marks = self.marks.strays
        found = None
        if marks and not self.problems:
            found = searcher(marks).search(self.text, at, end + max(map(len, marks)) - 1)
        if found is not None and found.start() < end:
            self.problem(found.start(), what)

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
            self.tell_marks(at, len(self.text), "Thoughts do not end, and a mark of a call stands in them.")
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
        opens = self.marks.openings if self.format.never else ()
        found = searcher((*ends, *opens)).search(self.text, at)
        self.complete = self.complete and found is not None
        stop = len(self.text) if found is None else found.start()
        self.add_text(self.rest(at, (*ends, *opens)) if found is None else self.text[at:stop], at)
        if found is None or searcher(ends).match(self.text, stop) is not None:
            return stop if found is None else found.end()
        self.problem(stop, "A text does not end before a call.", LooseCallError)
        return stop

    # --- calls --------------------------------------------------------------------------------------------

    def calling(self, at: int, *, is_sure: bool) -> int:
        """Read what begins a call; where it is none, its first character is text. `is_sure`: only a call
        begins so."""
        row = self.format
        if not is_sure and self.reread > _REREAD * (at + 1):
            self.add_text(self.text[at], at)
            return at + 1
        try:
            if not is_sure and self.marks.has_tags:
                return self.untagged(at)
            end = (self.section if row.section[0] else self.call)(at, is_sure=is_sure)
        except UnfinishedError:
            self.complete = False
            if not self.ended:
                return len(self.text) if self.partial is not None else self.wait(at)
            if self.partial is None and not is_sure:
                self.reread += len(self.text) - at
                self.add_text(self.text[at], at)
                return at + 1
            told = "before" if self.partial is None else "inside of"
            kind = GenerationError if self.partial is None else LooseCallError
            self.problem(at, f"A call breaks off {told} its arguments.", kind)
            if self.partial is None:
                self.add_text(self.text[at:], at)
            return len(self.text)
        except DifferentError as error:
            if is_sure:
                self.problem(at, f"What begins like a call is none: {error} does not stand where it should.")
            else:
                self.reread += self.far - at
            self.add_text(self.text[at], at)
            return at + 1
        extra = _EXTRA.match(self.text, end) if self.marks.is_open_ended else None
        if extra is None:
            return end
        self.problem(end, "More brackets close a call than open it.", LooseCallError)
        return extra.end()

    def problem(
        self, at: int, what: str, kind: type[GenerationError] = GenerationError, *, is_habit: bool = False
    ) -> None:
        """Tell a problem. Only a habit leaves a reply complete."""
        self.complete = self.complete and is_habit
        shown = self.text[at : at + _SHOWN]
        self.problems.append(
            kind(
                f"{what} It reads {shown!r}.",
                text=self.text,
                where=f"character {at}",
                cure=f"Hold the model to sg.tools(..., format={self.format.name!r}), or name its format.",
            )
        )

    def section(self, at: int, *, is_sure: bool) -> int:
        begin, end = self.format.section
        before, start = len(self.calls), at
        try:
            at = matched(self.text, at, begin, quotes=True)
        except DifferentError:  # perhaps a call
            at = self.call(at, is_sure=is_sure)
            self.problem(start, "The mark that opens a section of calls is missing.", LooseCallError)
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

    def untagged(self, at: int) -> int:
        """Read a call whose opening mark is missing: what closes a call must follow it."""
        draft = _Draft(is_doubtful=True)
        self.fill(self.marks.untagged, at, draft)
        end, closing = skipped(self.text, draft.at), self.marks.closing
        if (mark := searcher(closing).match(self.text, end)) is None:
            is_open = not begun(self.text[end : end + _BETWEEN], closing) and not self.ended
            raise UnfinishedError if is_open else DifferentError("the mark that closes a call")
        draft.notes.append("Its opening mark is missing")
        return self.add(at, draft, mark.end())

    def call(self, at: int, *, is_sure: bool = True) -> int:
        """Read a call in any of the ways in which it may be written."""
        halves: list[_Draft] = []
        broken: list[_Draft] = []
        reason = DifferentError("the call")
        for strict, parts, lack in self.marks.ways:
            if not strict and (halves or broken):
                break
            draft = _Draft(strict, not is_sure, notes=[lack] if lack else [])
            try:
                self.fill(parts, at, draft)
            except UnfinishedError:
                halves.append(draft)
            except DifferentError as error:
                reason = error
                if draft.arguments is not None and draft.name:
                    broken.append(draft)
            else:
                return self.add(at, draft, draft.at)
        if halves:
            half = max(halves, key=lambda one: (one.arguments is not None, bool(one.name), one.at))
            arguments = half.arguments if half.name else None
            if arguments is not None and self.ended and self.is_over(arguments):
                if not self.format.blocks or self.text[arguments.end :].strip():  # else it ends the reply too
                    half.notes.append("Its closing mark is missing")
                document = arguments.document if arguments.closed else dumped(arguments.value)
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
        if re.fullmatch(self.format.names, draft.name) is None:
            draft.notes.append(f"Its name is {draft.name[:_SHOWN]!r}")
        if not (draft.index or "0").isdecimal():
            draft.notes.append(f"Its number is {draft.index!r}")
        for note in dict.fromkeys((*draft.notes, *draft.habits)):
            told = f"A call is not written as its format writes it: {note}."
            self.problem(at, told, LooseCallError, is_habit=note in draft.habits)
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
        draft.arguments, self.complete = arguments, False
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

    def fill(self, parts: Sequence[Piece], at: int, draft: _Draft) -> None:
        for index, (kind, _) in enumerate(parts):
            draft.at = at
            if kind == TEXT:
                at = self.said(parts, index, at, draft)
            elif kind in ("gap", "line"):
                at = skipped(self.text, at)
            elif kind == "object":
                at = self.object(at, draft)
                self.finished(draft, at)
            elif kind in ("arguments", "quoted"):
                at = skipped(self.text, self.arguments(at, draft, parts[index - 1][0] == TEXT))
            elif draft.is_doubtful and self.text[at : at + 1].isspace():
                raise DifferentError("a name")
            else:
                found, at = self.word(at, parts[index + 1 :])
                setattr(draft, kind, found)
        draft.arguments = draft.arguments or Arguments({}, at, "{}", True)
        draft.at = at

    # --- calls that are one JSON object -------------------------------------------------------------------

    def object(self, at: int, draft: _Draft) -> int:
        """Read a JSON object with the members of a call, in any order; return where it ends."""
        at = matched(self.text, skipped(self.text, at), "{")
        is_first = True
        while not self.text.startswith("}", at := skipped(self.text, at)):
            at = at if is_first else skipped(self.text, matched(self.text, at, ","))
            is_first = False
            if self.text[at : at + 1] not in ("", '"', "'"):
                raise DifferentError("the name of a member")
            key, at = self.value(at, draft)
            at = skipped(self.text, matched(self.text, skipped(self.text, at), ":"))
            at = draft.at = self.far = self.member(key, at, draft)
        return at + 1

    def member(self, key: str, at: int, draft: _Draft) -> int:
        """Read the value of a member; return where it ends."""
        shape = self.marks.object
        assert shape is not None
        if key in _ARGUMENTS and key not in shape.members and shape.arguments not in draft.keys:
            draft.habits.append(f"Its {shape.arguments} are called {key}")
            key = shape.arguments
        place = shape.members.get(key)
        if place is not None and key in draft.keys:
            (draft.notes if place else draft.habits).append(f"It has {key} twice")
            place = None
        else:
            draft.keys.append(key)
        start = self.text[at : at + 1]
        if start == "{" and (place == "object" or key == "function"):
            return self.object(at, draft)
        if place in ("arguments", "quoted") and start in ("", "{", '"', "'", "["):
            return self.arguments(at, draft, True)
        value, at = self.value(at, draft)
        if place in ("arguments", "quoted"):
            if value is not None:
                raise DifferentError("the arguments")
            draft.arguments = Arguments({}, at, "{}", True)
            draft.habits.append("Its arguments are null")
        elif place in ("name", "id", "index"):
            if not isinstance(value, str | int) or value == "":
                raise DifferentError(f"the {place}")
            setattr(draft, place, str(value))
        return at

    def value(self, at: int, draft: _Draft) -> tuple[Any, int]:
        """Return a JSON value, and where it ends. What may be no call has none that is long before its name
        and its arguments are there."""
        is_short = draft.is_doubtful and not (draft.name and draft.arguments)
        text = self.text[at : at + _LONGEST_NAME] if is_short else self.text
        found = read_value(text, 0 if is_short else at)
        self.far = at + len(text) if is_short else found.end
        if found.error:
            raise DifferentError("a member")
        if not found.closed or _MORE_DIGITS.fullmatch(text, found.end):
            raise DifferentError("a member") if is_short and len(text) == _LONGEST_NAME else UnfinishedError
        if found.note:
            draft.habits.append(found.note)
        return found.value, found.end + (at if is_short else 0)

    def finished(self, draft: _Draft, at: int) -> None:
        """Tell what differs in an object that is read. Raises `DifferentError` where it is no call."""
        shape = self.marks.object
        assert shape is not None
        if not draft.name:
            raise DifferentError("the name")
        if draft.arguments is None:
            if draft.is_doubtful or not (self.marks.has_tags or draft.name in (self.known or ())):
                raise DifferentError("the arguments")
            draft.arguments = Arguments({}, at, "{}", True)
        known = [key for key in draft.keys if key in shape.members]
        if missing := sorted(shape.needed - set(known)):
            draft.notes.append(f"It has no {' and no '.join(missing)}")
        if known != [key for key in shape.members if key in known]:
            draft.habits.append("Its members stand in another order")
        if more := [key for key in draft.keys if key not in shape.members]:
            draft.habits.append(f"It has more members: {', '.join(more)}")

    # --- parts of calls -----------------------------------------------------------------------------------

    def said(self, parts: Sequence[Piece], index: int, at: int, draft: _Draft) -> int:
        """Return where a text of the format ends. Between the name and JSON arguments another one may stand,
        or none, as models write."""
        said = parts[index][1]
        try:
            end = matched(self.text, at, said, quotes=True)
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
            if end < 0 or not (not between or (tag and between.endswith(tag[0]))):
                raise
            draft.notes.append(f"{between!r} stands before its arguments in place of {said!r}")
            return end
        if "'" in self.text[at:end] and "'" not in said:
            draft.habits.append("Its quotes are single ones")
        return end

    def arguments(self, at: int, draft: _Draft, behind_text: bool) -> int:
        """Read arguments. It is a call where they begin: behind a text of the format at once."""
        draft.begin = at
        if not self.format.member:
            arguments = read_json(self.text, at)
        else:
            tool = (self.known or {}).get(draft.name)
            arguments = MemberReader(self.text, self.format, self.marks, _plan(tool), ended=self.ended).read(
                at
            )
            begin = self.format.brackets[0] if self.format.brackets else first_text(self.format.member)
            is_begun = self.text.startswith(begin, skipped(self.text, at))
            if not behind_text and not arguments.closed and not is_begun:
                raise UnfinishedError if not arguments.error else DifferentError("the arguments")
        draft.arguments = arguments
        draft.habits += [arguments.note] if arguments.note else []
        draft.notes += [arguments.lack] if arguments.lack else []
        if arguments.error:
            raise DifferentError(arguments.error)
        if not arguments.closed:
            raise UnfinishedError
        return arguments.end

    def word(self, at: int, parts: Sequence[Piece]) -> tuple[str, int]:
        """Return a name or an id: what stands before the next text of the template."""
        end = word_end(self.text, at, self.stops(parts) + "\n", _LONGEST_NAME, "a name")
        found = self.text[at:end].strip()
        if not found:
            raise DifferentError("a name")
        return found, end

    def stops(self, parts: Sequence[Piece]) -> str:
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
            may_follow = any("$id" in one for one in self.format.calls)
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
        document = arguments.document if complete else dumped(arguments.value)
        shown = draft.name, arguments.value, identity, document, complete, error, tool, self.format
        return Call(*shown, arguments.document)


def _plan(tool: Tool | None) -> ArgumentPlan | None:
    """Return what the arguments of a tool may be, where its schema says it of each."""
    try:
        return None if tool is None else plan_of(tool.closed_schema, tool.policies)
    except UnsupportedError:
        return None
