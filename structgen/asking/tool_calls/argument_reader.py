"""Reads arguments that stand one by one, as the `member` of a format says; what comes out is JSON text, as it
becomes sure. Nothing here recurses."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from structgen.asking.tool_calls.call_texts import (
    HABITS,
    LONGEST_NAME,
    CallDraft,
    DifferentError,
    Incoming,
    Wait,
    begun,
)
from structgen.asking.tool_calls.format_marks import FormatMarks
from structgen.asking.tool_calls.tool_format import Texts, ToolFormat
from structgen.base.errors import UnsupportedError
from structgen.base.json_text.growing_json import value_of
from structgen.base.json_text.raw_json import dumped
from structgen.base.language.ir import ValueMenu
from structgen.grammars.text_grammars.composition.argument_plan import ArgumentPlan, KnownMember, kinds_of
from structgen.grammars.text_grammars.composition.templates import BLANK, filled, first_text
from structgen.schema.meaning.formulas import number_meets

_BARE: Final = ",]}"
"""The characters that end a value without quotes."""
_CLOSING: Final = "]} \t\n\r"
"""The characters that may follow a value: closing brackets and white space."""


@dataclass(slots=True)
class _Open:
    """An object or an array that is being read."""

    known: Callable[[str], KnownMember | None]
    """What the value of a key may be; of an item too, whose key is ""."""
    is_array: bool = False
    tail: str = ""
    """What stands behind it in the one around it."""
    follows: Texts = ()
    """What stands before the values of the keys that it may have, in a format that quotes strings."""
    found: dict[str, bool] = field(default_factory=dict)
    """Whether each key's value counts, though its key comes again; of an array the places of its items."""


@dataclass
class MemberReader:
    """Reads arguments one by one, and writes them as JSON into a draft. `plan` says what each may be; None:
    told by how it is written."""

    source: Incoming
    format: ToolFormat
    marks: FormatMarks
    plan: ArgumentPlan | None
    draft: CallDraft
    stack: list[_Open] = field(default_factory=list)
    is_between: bool = True
    """Whether no value is being read."""
    in_string: bool = False
    """Whether a string is being written."""
    is_json: bool = False
    """Whether JSON is being read."""
    muted: int = 0
    """How deep the value stands that is read in vain, for its key is there already; 0: none is."""

    @property
    def stops(self) -> Texts:
        """Marks that end a string, or show that it is over."""
        return self.format.stops or self.format.ends

    def read(self, at: int) -> Wait[int]:
        """Read the arguments that stand at `at`; return where they end. Raises `DifferentError` where they
        are none."""
        root = self.opened(None if self.plan is None else self.plan.root)
        self.stack.append(root)
        at = yield from self.source.matched(at, self.brackets(root)[0])
        self.draft.write("{")
        while self.stack:
            self.draft.end = at
            at = yield from self.step(at)
        self.draft.write("}")
        return at

    @property
    def is_over(self) -> bool:
        """Whether only what closes the arguments is missing, of which there are some."""
        return self.is_between and len(self.stack) == 1 and bool(self.stack[0].found)

    def opened(self, members: tuple[KnownMember, ...] | None, tail: str = "") -> _Open:
        """Return an object that begins."""
        known = {member.key: member for member in members or ()}
        return _Open(known.get, False, tail, tuple(f"{self.format.between}{key}:" for key in known))

    def step(self, at: int) -> Wait[int]:
        """Read the end of the container on top of the stack, the next of its values, or the beginning of one
        that holds others. Return where it ends."""
        self.is_between = True
        source, top = self.source, self.stack[-1]
        open_, close = self.brackets(top)
        if close:
            at = yield from source.skipped(at)
            yield from source.char(at)
        if not close or not source.text.startswith(close, at):
            before = at
            if top.found:
                before = yield from source.matched(at, self.format.between)
            before = before if open_ and top.found else (yield from source.skipped(before))
            template = self.format.item if top.is_array else self.format.member
            if (behind := (yield from self.misplaced(before, top.tail))) > before:
                self.draft.notes["A mark is doubled, or stands in the place of another"] = False
                return behind
            head, _, tail = template.partition("$value")
            try:
                key, word, inside = yield from self.head(head, before)
            except DifferentError:
                if close:
                    raise
            else:
                return (yield from self.value(inside, key, filled(tail, {"key": key}), word))
        at = yield from source.matched(at, close)
        self.stack.pop()
        if self.stack:
            self.write("]" if top.is_array else "}")
            self.done()
            at = yield from self.behind(at, top.tail)
        return at

    def behind(self, at: int, tail: str) -> Wait[int]:
        """Return where what stands behind a value ends. Its tail may be missing, where another mark stands
        there: one in its place, or what comes next."""
        at = yield from self.source.skipped(at)
        try:
            return (yield from self.source.matched(at, tail))
        except DifferentError:
            if not (yield from self.source.follows(at, self.stops)):
                raise
        self.draft.notes[f"The mark {tail.strip()!r} is missing"] = False
        return (yield from self.misplaced(at))

    def misplaced(self, at: int, tail: str | None = None) -> Wait[int]:
        """Return where a mark ends that stands at `at`, if arguments go on behind it, or the call ends there;
        else `at`. `tail`: there, this one or what closes the call may stand at `at`."""
        begins, close, source = self.marks.members, self.marks.close, self.source
        if not close:
            return at
        mark = yield from source.follows(at, self.marks.all)
        right = begins if tail is None else (*begins, close, *filter(None, (tail,)))
        if not mark or source.text.startswith(right, at):
            return at
        follows = yield from source.skipped(at + len(mark))
        is_there = yield from source.follows(follows, (*begins, close), exact=True)
        return at + len(mark) if is_there else at

    def brackets(self, of: _Open) -> tuple[str, str]:
        listed = self.format.brackets
        return (listed[2 * of.is_array], listed[2 * of.is_array + 1]) if listed else ("", "")

    def head(self, template: str, at: int) -> Wait[tuple[str, str, int]]:
        """Return the key, the word for the type, and where the value begins."""
        at, words = yield from self.source.placed(template, at, most=LONGEST_NAME)
        key = words.get("key", "").strip(BLANK)
        if self.format.quote and len(key) > 1 and key[0] == key[-1] and key[0] in "\"'":
            key, self.draft.notes["Its keys are quoted"] = key[1:-1], True
        if "key" in words and re.fullmatch(self.format.keys, key, re.ASCII) is None:
            raise DifferentError("the name of an argument")
        return key, words.get("type", ""), at

    # --- values -------------------------------------------------------------------------------------------

    def write(self, said: str) -> None:
        """Write a part of a value, unless it is read in vain."""
        if not self.muted:
            self.draft.write(said)

    def begin(self, key: str, said: str) -> None:
        """Write the beginning of a value, or all of it. Of two under one key the first counts, unless it is
        empty."""
        top = self.stack[-1]
        name = "" if top.is_array else f"{dumped(key)}: "
        key = str(len(top.found)) if top.is_array else key
        if key in top.found:
            self.draft.notes[f"It has {key} twice"] = False
        if top.found.get(key) and not self.muted:
            self.muted = len(self.stack)
        self.write(f"{', ' if top.found else ''}{name}{said}")
        top.found[key] = top.found.get(key, False) or said != '""'

    def whole(self, key: str, said: str) -> None:
        """Write a value."""
        self.begin(key, said)
        self.done()

    def done(self) -> None:
        """Take note that a value is over."""
        if self.muted == len(self.stack):
            self.muted = 0

    def string(self, key: str, said: str) -> None:
        """Write more of a string."""
        if said:
            written = dumped(said)[1:-1]
            self.write(written) if self.in_string else self.begin(key, f'"{written}')
            self.in_string = True

    def close(self, key: str) -> None:
        """Write the end of a string."""
        self.write('"') if self.in_string else self.begin(key, '""')
        self.in_string = False
        self.done()

    def value(self, at: int, key: str, tail: str, word: str) -> Wait[int]:
        """Read a value, or open one that holds others; return where its tail ends, or its beginning."""
        self.is_between = False
        top = self.stack[-1]
        member = top.known(key)
        menu = None if member is None else self.planned("menu", member.place)
        words = (*self.format.types.items(), *self.format.open_types.items()) if word else ()
        kinds = [kind for kind, said in words if said == word]
        container = (yield from self.container(at, kinds, menu, tail)) if self.format.nested else None
        if container is not None:
            keys = None if menu is None else menu.object
            made = self.opened(None if keys is None else self.planned("members", keys), tail)
            if container == "array":
                item = self.items(menu)
                made = _Open(lambda _: item, True, tail)
            at = yield from self.source.skipped(at)
            at = yield from self.source.matched(at, self.brackets(made)[0])
            self.begin(key, "[" if made.is_array else "{")
            self.stack.append(made)
            return at
        if self.format.quote:
            end = yield from self.quoted(at, key, top.follows)
        else:
            end = yield from self.json(at, key, tail, kinds, menu)
            end = (yield from self.raw(at, key, tail, kinds, menu)) if end < 0 else end
        return (yield from self.behind(end, tail)) if tail else end

    def planned(self, what: str, asked: Any) -> Any:
        """Return what the plan tells of something; None where that is not known, or depends on other
        values."""
        try:
            return None if self.plan is None else getattr(self.plan, what)(asked, "#")
        except UnsupportedError:
            return None

    def items(self, menu: ValueMenu | None) -> KnownMember | None:
        """Return what the items of an array may be, where they are all alike."""
        items = None if menu is None or menu.array is None else self.planned("items", menu.array)
        return KnownMember("", items[0][0], True) if items and len(set(items[0])) == 1 else None

    def container(self, at: int, kinds: list[str], menu: ValueMenu | None, tail: str) -> Wait[str | None]:
        """Tell whether an object or an array stands there in the format's own way."""
        source = self.source
        at = yield from source.skipped(at)
        if self.format.brackets:
            char = yield from source.char(at)
            return {self.format.brackets[0]: "object", self.format.brackets[2]: "array"}.get(char)
        if kinds:
            return kinds[0] if kinds[0] in ("object", "array") else None
        if menu is not None and menu.object is None and menu.array is None:
            return None
        begin, item = first_text(self.format.member), first_text(self.format.item)
        there = yield from source.follows(at, (f"{begin}/", item, begin, tail), exact=True)
        is_empty = there == tail and menu is not None and menu.string is None
        if there not in (begin, item) and not is_empty:
            return None
        if menu is not None and (menu.object is None or menu.array is None):
            return "object" if menu.array is None else "array"
        return "array" if there == item else "object"

    def json(self, at: int, key: str, tail: str, kinds: list[str], menu: ValueMenu | None) -> Wait[int]:
        """Read an object or an array as JSON, whose strings may hold the tail; return where it ends, -1 where
        none stands there. What may be a string too is none before its tail is there."""
        if kinds:
            may_be, is_doubtful = "string" not in kinds, False
        else:
            may_be = menu is None or menu.object is not None or menu.array is not None
            is_doubtful = menu is None or menu.string is not None
        at = (yield from self.source.skipped(at)) if may_be else at
        if not may_be or self.source.text[at : at + 1] not in ("{", "["):
            return -1
        if not is_doubtful:
            return (yield from self.sure_json(at, key))
        end, loose = yield from self.source.json(at, is_strict=True)
        if loose.error or loose.is_respelled:
            return -1
        try:
            follows = yield from self.source.skipped(end)
            yield from self.source.matched(follows, tail)
        except DifferentError:
            return -1
        self.whole(key, self.source.text[at:end])
        return end

    def sure_json(self, at: int, key: str) -> Wait[int]:
        """Read a value that is certainly JSON; return where it ends."""
        self.begin(key, "")
        self.is_json = True
        end, loose = yield from self.source.json(at, self.write)
        if loose.is_respelled:
            self.draft.notes[HABITS] = True
        if loose.error:
            self.draft.error = loose.error
            raise DifferentError(f"the value of {key}")
        self.is_json = False
        self.done()
        return end

    def quoted(self, at: int, key: str, follows: Texts) -> Wait[int]:
        """Read a value in a format that quotes strings in its own way; return where it ends."""
        quote, source = self.format.quote, self.source
        at = yield from source.skipped(at)
        if (yield from source.follows(at, (quote,), exact=True)):
            return (yield from self.quoted_string(at + len(quote), key, follows))
        first = yield from source.char(at)
        if first in "\"'":
            self.draft.notes[f"Its strings stand in {first} in place of {quote}"] = True
            return (yield from self.sure_json(at, key))
        said = yield from source.word(at, _BARE)
        value = _scalar(said, said.strip())
        if isinstance(value, str):
            self.draft.notes[f"The mark {quote!r} is missing"] = False
        self.whole(key, _written(value, said))
        return at + len(said)

    def quoted_string(self, begin: int, key: str, follows: Texts) -> Wait[int]:
        """Read a string behind its quote; return where it ends. One whose last quote is missing ends before
        what follows it, or with the call."""
        source, quote = self.source, self.format.quote
        ends = (quote, *self.stops)
        stop, said, held = yield from self.text(
            begin, key, (*ends, *follows), lambda said: len(said.rstrip(_CLOSING))
        )
        more = stop if said in follows else -1
        if more >= 0:
            stop, said = yield from source.found(ends, stop + len(said), exact=True)
        end, is_whole = stop + len(said), said == quote
        if is_whole and more >= 0 and source.text.endswith(follows, begin, stop):
            while end == len(source.text) and not source.ended:
                yield
            is_whole = source.text[end : end + 1] in tuple(_BARE)
        if not is_whole:
            self.draft.notes[f"The mark {quote!r} is missing"] = False
            end = more if more >= 0 else stop - len(held)
        elif more >= 0:
            held += source.text[more:stop]
        self.string(key, held if is_whole or more >= 0 else "")
        self.close(key)
        return end

    def text(self, at: int, key: str, ends: Texts, sure: Callable[[str], int]) -> Wait[tuple[int, str, str]]:
        """Write a string as it comes, up to one of some texts. Return where that stands, it, and what is not
        written: what stands behind the part of it that is `sure`."""
        held: list[str] = []

        def take(start: int, stop: int) -> None:
            said = self.source.text[start:stop]
            if not held or said.strip(_CLOSING):  # else a run of them would be looked at again and again
                said = "".join((*held, said))
                self.string(key, said[: sure(said)])
                said = said[sure(said) :]
                held.clear()
            held.extend([said] * bool(said))

        end, mark = yield from self.source.found(ends, at, take, exact=True)
        return end, mark, "".join(held)

    def raw(self, at: int, key: str, tail: str, kinds: list[str], menu: ValueMenu | None) -> Wait[int]:
        """Read a value that stands raw, up to its tail; return where it ends."""
        frame, ends = self.format.frame, (tail, *self.stops)
        if "string" in kinds if kinds else menu is not None and not kinds_of(menu, with_strings=False):
            if frame:
                at += len((yield from self.source.follows(at, (frame,), exact=True)))
            open_ends = (f"{frame}x",) if frame else ()
            end, _, held = yield from self.text(
                at, key, ends, lambda said: begun(said, open_ends, exact=True)
            )
            self.string(key, held.removesuffix(frame))
            self.close(key)
            return end
        end, mark = yield from self.source.found(ends, at, exact=True)
        said = self.source.text[at:end]
        if said.strip(BLANK) or mark == tail:  # else what begins it stands there twice
            self.whole(key, _written(self.decoded(said, kinds, menu), said))
        return end

    def decoded(self, said: str, kinds: list[str], menu: ValueMenu | None) -> Any:
        """Return the value of what stands between the texts of a member, which may be no string."""
        raw = said.removeprefix(self.format.frame).removesuffix(self.format.frame)
        value = _scalar(said, said if kinds else raw)
        if kinds or (menu is not None and menu.string is None):
            return value
        return raw if isinstance(value, str) or (menu is not None and not _may_be(value, menu)) else value


def _written(value: Any, said: str) -> str:
    """Return the JSON text of a value, numerals as they stand."""
    return dumped(value) if isinstance(value, str) else said.strip(BLANK)


def _scalar(said: str, otherwise: str) -> Any:
    """Return the value of a JSON text, or what else a text means."""
    try:
        return value_of(said)
    except ValueError:
        return otherwise


def _may_be(value: Any, menu: ValueMenu) -> bool:
    """Tell whether a value that is no string may stand there; of objects and arrays, whether one may."""
    if isinstance(value, (dict, list)):
        return (menu.object if isinstance(value, dict) else menu.array) is not None
    if value is None or isinstance(value, bool):
        return getattr(menu, dumped(value)) is not None
    return menu.number is not None and number_meets(menu.number.formulas[0], Decimal(str(value)))
