"""Reads the arguments of a call where a format writes them one by one, and returns them as JSON text.

A *member* is the text that a format writes for one argument, for example `<parameter=city>Paris</parameter>`.
Its *head* is the part before the value, its *tail* the part after it. A *container* is an object or an array
that is being read. The *plan* says what each argument may be, by the schema of the tool. A value is *raw*
where it stands without quotes: the plan then says whether `1` is a number or a string. JSON text is written
as soon as it cannot change any more. Nothing here recurses.
"""

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
    IncomingText,
    MismatchError,
    Wait,
    find_partial_mark,
)
from structgen.asking.tool_calls.format_marks import FormatMarks
from structgen.asking.tool_calls.tool_format import Texts, ToolFormat
from structgen.base.errors import UnsupportedError
from structgen.base.json_text.growing_json import value_of
from structgen.base.json_text.raw_json import dump_json
from structgen.base.language.ir import ValueMenu
from structgen.grammars.text_grammars.composition.argument_plan import ArgumentPlan, KnownMember, kinds_of
from structgen.grammars.text_grammars.composition.templates import BLANK, fill_template, first_text
from structgen.schema.meaning.formulas import number_meets

_BARE: Final = ",]}"
"""The characters that end a value without quotes, in a format that quotes strings."""
_CLOSING: Final = "]} \t\n\r"
"""The characters that may follow a value: closing brackets and white space."""


@dataclass(slots=True)
class _Container:
    """An object or an array that is being read."""

    find_member: Callable[[str], KnownMember | None]
    """Returns what the plan says of the value of a key, None where it says nothing. Items have the key ""."""
    is_array: bool = False
    tail: str = ""
    """The text that the format writes after this container, inside of the container around it."""
    key_texts: Texts = ()
    """The texts before the values of the possible keys, for example `,city:`; for formats that quote
    strings."""
    value_counts: dict[str, bool] = field(default_factory=dict)
    """Which keys have come (in an array: which indices). True: the value so far counts when the key comes
    again. False: it was an empty string, and a later value counts, too."""


@dataclass
class MemberReader:
    """Reads arguments one by one, and writes them as JSON into a draft.

    `plan` says what each argument may be. Without a plan the spelling decides: `1` is a number.
    """

    source: IncomingText
    format: ToolFormat
    marks: FormatMarks
    plan: ArgumentPlan | None
    draft: CallDraft
    stack: list[_Container] = field(default_factory=list)
    is_between: bool = True
    """Whether the reader stands between two values."""
    in_string: bool = False
    """Whether the beginning of a string was written to the draft, and its end was not."""
    is_json: bool = False
    """Whether a value that is certainly JSON is being read."""
    skip_depth: int = 0
    """The depth of a value that the reader skips because its key stood before; 0 where it skips nothing."""

    @property
    def string_ends(self) -> Texts:
        """The marks that end a string, or show that it is over."""
        return self.format.stops or self.format.ends

    def read_arguments(self, offset: int) -> Wait[int]:
        """Read the arguments that stand at `offset`; return where they end. Raises `MismatchError` where
        other text stands there."""
        root = self.open_object(None if self.plan is None else self.plan.root)
        self.stack.append(root)
        offset = yield from self.source.match_text(offset, self.brackets_of(root)[0])
        self.draft.write_json("{")
        while self.stack:
            self.draft.end = offset
            offset = yield from self.read_next(offset)
        self.draft.write_json("}")
        return offset

    @property
    def is_over(self) -> bool:
        """Whether there are arguments, and only the text that closes them is missing."""
        return self.is_between and len(self.stack) == 1 and bool(self.stack[0].value_counts)

    def open_object(self, members: tuple[KnownMember, ...] | None, tail: str = "") -> _Container:
        """Return an empty object. `members` is what the plan says of its keys, `tail` the text after it."""
        members_by_key = {member.key: member for member in members or ()}
        return _Container(
            members_by_key.get, False, tail, tuple(f"{self.format.between}{key}:" for key in members_by_key)
        )

    def read_next(self, offset: int) -> Wait[int]:
        """Read the next step of the container on top of the stack: its end, its next value, or the beginning
        of an inner container. Return where that ends."""
        self.is_between = True
        source = self.source
        top = self.stack[-1]
        open_, close = self.brackets_of(top)
        # a container without brackets of its own has no closing mark to look for
        if close:
            offset = yield from source.skip_characters(offset)
            yield from source.read_character(offset)
        if not close or not source.text.startswith(close, offset):
            start = offset
            # only the first value has no mark between values before it
            if top.value_counts:
                start = yield from source.match_text(offset, self.format.between)
            start = start if open_ and top.value_counts else (yield from source.skip_characters(start))
            # items of an array have no keys, and so a template of their own
            template = self.format.item if top.is_array else self.format.member
            if (after_mark := (yield from self.skip_misplaced_mark(start, top.tail))) > start:
                self.draft.notes["A mark is doubled, or stands in the place of another"] = False
                return after_mark
            head, _, tail = template.partition("$value")
            try:
                key, type_word, inside = yield from self.read_head(head, start)
            # with brackets a value must stand here; without them the container may simply be over
            except MismatchError:
                if close:
                    raise
            else:
                return (yield from self.read_value(inside, key, fill_template(tail, {"key": key}), type_word))
        offset = yield from source.match_text(offset, close)
        self.stack.pop()
        if self.stack:
            self.append_text("]" if top.is_array else "}")
            self.end_value()
            offset = yield from self.skip_tail(offset, top.tail)
        return offset

    def skip_tail(self, offset: int, tail: str) -> Wait[int]:
        """Return where the tail of a value ends. The tail may be missing, with a note, where another mark
        stands there: one in its place, or the next mark of the format."""
        offset = yield from self.source.skip_characters(offset)
        try:
            return (yield from self.source.match_text(offset, tail))
        except MismatchError:
            if not (yield from self.source.match_any(offset, self.string_ends)):
                raise
        # a reader that refused here would lose the call for one mark
        self.draft.notes[f"The mark {tail.strip()!r} is missing"] = False
        return (yield from self.skip_misplaced_mark(offset))

    def skip_misplaced_mark(self, offset: int, tail: str | None = None) -> Wait[int]:
        """Return where a misplaced mark at `offset` ends, or `offset` where there is none.

        A mark is misplaced where an argument, or the end of the call, follows it. `tail` is the tail of the
        container: with it, this tail or the closing mark of the call are right at `offset`.
        """
        begins = self.marks.members
        close = self.marks.close
        source = self.source
        if not close:
            return offset
        mark = yield from source.match_any(offset, self.marks.all)
        right = begins if tail is None else (*begins, close, *filter(None, (tail,)))
        # a mark that is right here is not misplaced
        if not mark or source.text.startswith(right, offset):
            return offset
        follows = yield from source.skip_characters(offset + len(mark))
        is_there = yield from source.match_any(follows, (*begins, close), exact=True)
        return offset + len(mark) if is_there else offset

    def brackets_of(self, container: _Container) -> tuple[str, str]:
        brackets = self.format.brackets
        return (
            (brackets[2 * container.is_array], brackets[2 * container.is_array + 1]) if brackets else ("", "")
        )

    def read_head(self, template: str, offset: int) -> Wait[tuple[str, str, int]]:
        """Read the head of a member; return the key, the word for the type ("": none), and the value's
        offset."""
        offset, words = yield from self.source.match_template(template, offset, max_length=LONGEST_NAME)
        key = words.get("key", "").strip(BLANK)
        # models put keys in quotes where the format has none
        if self.format.quote and len(key) > 1 and key[0] == key[-1] and key[0] in "\"'":
            key, self.draft.notes["Its keys are quoted"] = key[1:-1], True
        if "key" in words and re.fullmatch(self.format.keys, key, re.ASCII) is None:
            raise MismatchError("the name of an argument")
        return key, words.get("type", ""), offset

    # --- values -------------------------------------------------------------------------------------------

    def append_text(self, text: str) -> None:
        """Write a part of a value, unless the reader skips the value."""
        if not self.skip_depth:
            self.draft.write_json(text)

    def begin_value(self, key: str, text: str) -> None:
        """Write the key of a value and the beginning of the value, or all of it. Where a key comes twice, the
        first value counts, unless it is an empty string."""
        top = self.stack[-1]
        name = "" if top.is_array else f"{dump_json(key)}: "
        # an item counts by its index, so that no two items are one key
        key = str(len(top.value_counts)) if top.is_array else key
        if key in top.value_counts:
            self.draft.notes[f"It has {key} twice"] = False
        # the value is still read to its end, but nothing of it is written
        if top.value_counts.get(key) and not self.skip_depth:
            self.skip_depth = len(self.stack)
        self.append_text(f"{', ' if top.value_counts else ''}{name}{text}")
        top.value_counts[key] = top.value_counts.get(key, False) or text != '""'

    def write_value(self, key: str, text: str) -> None:
        """Write a whole value: `text` is its JSON text."""
        self.begin_value(key, text)
        self.end_value()

    def end_value(self) -> None:
        """End a value: after a skipped one, the next is written again."""
        if self.skip_depth == len(self.stack):
            self.skip_depth = 0

    def write_string(self, key: str, text: str) -> None:
        """Write more characters of a string, for example `Par` and then `is`."""
        if text:
            json_text = dump_json(text)[1:-1]
            self.append_text(json_text) if self.in_string else self.begin_value(key, f'"{json_text}')
            self.in_string = True

    def close_string(self, key: str) -> None:
        """Write the end of a string."""
        self.append_text('"') if self.in_string else self.begin_value(key, '""')
        self.in_string = False
        self.end_value()

    def read_value(
        self,
        offset: int,
        key: str,
        tail: str,
        type_word: str,
    ) -> Wait[int]:
        """Read a value with its tail, or the beginning of a container; return where that ends.

        `type_word` is the word of the format for the type of the value, "" for none.
        """
        self.is_between = False
        top = self.stack[-1]
        member = top.find_member(key)
        menu = None if member is None else self.look_up_plan("value_menu", member.place)
        type_words = (*self.format.types.items(), *self.format.open_types.items()) if type_word else ()
        kinds = [kind for kind, spelling in type_words if spelling == type_word]
        container_kind = (
            (yield from self.find_container_kind(offset, kinds, menu, tail)) if self.format.nested else None
        )
        if container_kind is not None:
            keys = None if menu is None else menu.object
            inner = self.open_object(
                None if keys is None else self.look_up_plan("object_members", keys), tail
            )
            # all items of an array have one place in the plan, whatever their index
            if container_kind == "array":
                item = self.item_member(menu)
                inner = _Container(lambda _: item, True, tail)
            offset = yield from self.source.skip_characters(offset)
            offset = yield from self.source.match_text(offset, self.brackets_of(inner)[0])
            self.begin_value(key, "[" if inner.is_array else "{")
            self.stack.append(inner)
            return offset
        if self.format.quote:
            end = yield from self.read_quoted(offset, key, top.key_texts)
        else:
            end = yield from self.read_json(offset, key, tail, kinds, menu)
            end = (yield from self.read_raw(offset, key, tail, kinds, menu)) if end < 0 else end
        return (yield from self.skip_tail(end, tail)) if tail else end

    def look_up_plan(self, question: str, subject: Any) -> Any:
        """Return the answer of the plan's method `question`, for example "value_menu", about `subject`. None
        where there is no answer, or where it depends on other values."""
        try:
            return None if self.plan is None else getattr(self.plan, question)(subject, "#")
        except UnsupportedError:
            return None

    def item_member(self, menu: ValueMenu | None) -> KnownMember | None:
        """Return what the items of an array may be, where the plan says the same of all; else None."""
        items = None if menu is None or menu.array is None else self.look_up_plan("array_items", menu.array)
        return KnownMember("", items[0][0], True) if items and len(set(items[0])) == 1 else None

    def find_container_kind(
        self,
        offset: int,
        kinds: list[str],
        menu: ValueMenu | None,
        tail: str,
    ) -> Wait[str | None]:
        """Return "object" or "array" where the format's own spelling of one stands at `offset`, else None.

        `kinds` are the types that the type word of the format names.
        """
        source = self.source
        offset = yield from source.skip_characters(offset)
        # the first bracket decides
        if self.format.brackets:
            char = yield from source.read_character(offset)
            return {self.format.brackets[0]: "object", self.format.brackets[2]: "array"}.get(char)
        if kinds:
            return kinds[0] if kinds[0] in ("object", "array") else None
        if menu is not None and menu.object is None and menu.array is None:
            return None
        begin = first_text(self.format.member)
        item = first_text(self.format.item)
        mark = yield from source.match_any(offset, (f"{begin}/", item, begin, tail), exact=True)
        is_empty = mark == tail and menu is not None and menu.string is None
        if mark not in (begin, item) and not is_empty:
            return None
        if menu is not None and (menu.object is None or menu.array is None):
            return "object" if menu.array is None else "array"
        return "array" if mark == item else "object"

    def read_json(
        self,
        offset: int,
        key: str,
        tail: str,
        kinds: list[str],
        menu: ValueMenu | None,
    ) -> Wait[int]:
        """Read an object or an array that is written as JSON; return where it ends, or -1 where none stands
        there. Its strings may hold the tail.

        Where the value may be a string, too, it counts as JSON only once its tail follows.
        """
        if kinds:
            may_be = "string" not in kinds
            is_doubtful = False
        else:
            may_be = menu is None or menu.object is not None or menu.array is not None
            is_doubtful = menu is None or menu.string is not None
        offset = (yield from self.source.skip_characters(offset)) if may_be else offset
        if not may_be or self.source.text[offset : offset + 1] not in ("{", "["):
            return -1
        # no string may stand here, so what is read may be written at once
        if not is_doubtful:
            return (yield from self.read_sure_json(offset, key))
        end, loose = yield from self.source.read_json(offset, is_strict=True)
        # JSON that is spelled loosely is more likely a string that looks like JSON
        if loose.error or loose.is_respelled:
            return -1
        try:
            follows = yield from self.source.skip_characters(end)
            yield from self.source.match_text(follows, tail)
        except MismatchError:
            return -1
        self.write_value(key, self.source.text[offset:end])
        return end

    def read_sure_json(self, offset: int, key: str) -> Wait[int]:
        """Read a value that is certainly JSON; return where it ends."""
        self.begin_value(key, "")
        self.is_json = True
        end, loose = yield from self.source.read_json(offset, self.append_text)
        if loose.is_respelled:
            self.draft.notes[HABITS] = True
        if loose.error:
            self.draft.error = loose.error
            raise MismatchError(f"the value of {key}")
        self.is_json = False
        self.end_value()
        return end

    def read_quoted(
        self,
        offset: int,
        key: str,
        follows: Texts,
    ) -> Wait[int]:
        """Read a value in a format that quotes strings in its own way; return where it ends."""
        quote = self.format.quote
        source = self.source
        offset = yield from source.skip_characters(offset)
        if (yield from source.match_any(offset, (quote,), exact=True)):
            return (yield from self.read_quoted_string(offset + len(quote), key, follows))
        first = yield from source.read_character(offset)
        if first in "\"'":
            self.draft.notes[f"Its strings stand in {first} in place of {quote}"] = True
            return (yield from self.read_sure_json(offset, key))
        text = yield from source.read_word(offset, _BARE)
        value = _read_scalar(text, text.strip())
        if isinstance(value, str):
            self.draft.notes[f"The mark {quote!r} is missing"] = False
        self.write_value(key, _json_text(value, text))
        return offset + len(text)

    def read_quoted_string(
        self,
        begin: int,
        key: str,
        follows: Texts,
    ) -> Wait[int]:
        """Read a string after its opening quote, at `begin`; return where it ends. Where the closing quote is
        missing, the string ends before one of the texts `follows`, or with the call."""
        source = self.source
        quote = self.format.quote
        ends = (quote, *self.string_ends)
        stop, mark, pending = yield from self.read_string(
            begin, key, (*ends, *follows), lambda said: len(said.rstrip(_CLOSING))
        )
        # the key of the next argument may also be a part of this string
        next_key = stop if mark in follows else -1
        if next_key >= 0:
            stop, mark = yield from source.find_text(ends, stop + len(mark), exact=True)
        end = stop + len(mark)
        is_whole = mark == quote
        if is_whole and next_key >= 0 and source.text.endswith(follows, begin, stop):
            # only the character after the quote shows whether the string ends with it
            while end == len(source.text) and not source.is_complete:
                yield
            is_whole = source.text[end : end + 1] in tuple(_BARE)
        if not is_whole:
            self.draft.notes[f"The mark {quote!r} is missing"] = False
            end = next_key if next_key >= 0 else stop - len(pending)
        elif next_key >= 0:
            pending += source.text[next_key:stop]
        self.write_string(key, pending if is_whole or next_key >= 0 else "")
        self.close_string(key)
        return end

    def read_string(
        self,
        offset: int,
        key: str,
        ends: Texts,
        sure: Callable[[str], int],
    ) -> Wait[tuple[int, str, str]]:
        """Write a string as it comes, up to one of the texts `ends`. Return the offset of that text, the
        text, and the characters of the string that are not written yet.

        `sure` returns how many characters of a text certainly belong to the string; the others wait.
        """
        pending: list[str] = []

        def take_text(start: int, stop: int) -> None:
            text = self.source.text[start:stop]
            if not pending or text.strip(_CLOSING):  # else a run of them would be read often
                text = "".join((*pending, text))
                self.write_string(key, text[: sure(text)])
                text = text[sure(text) :]
                pending.clear()
            pending.extend([text] * bool(text))

        end, mark = yield from self.source.find_text(ends, offset, take_text, exact=True)
        return end, mark, "".join(pending)

    def read_raw(
        self,
        offset: int,
        key: str,
        tail: str,
        kinds: list[str],
        menu: ValueMenu | None,
    ) -> Wait[int]:
        """Read a value without quotes, up to its tail; return where it ends."""
        frame = self.format.frame
        ends = (tail, *self.string_ends)
        # a value that can only be a string is written as it comes, others when they are whole
        if "string" in kinds if kinds else menu is not None and not kinds_of(menu, with_strings=False):
            if frame:
                offset += len((yield from self.source.match_any(offset, (frame,), exact=True)))
            open_ends = (f"{frame}x",) if frame else ()
            end, _, pending = yield from self.read_string(
                offset, key, ends, lambda said: find_partial_mark(said, open_ends, exact=True)
            )
            self.write_string(key, pending.removesuffix(frame))
            self.close_string(key)
            return end
        end, mark = yield from self.source.find_text(ends, offset, exact=True)
        text = self.source.text[offset:end]
        if text.strip(BLANK) or mark == tail:  # else the mark that begins the value stands there twice
            self.write_value(key, _json_text(self.decode_raw(text, kinds, menu), text))
        return end

    def decode_raw(
        self,
        text: str,
        kinds: list[str],
        menu: ValueMenu | None,
    ) -> Any:
        """Return the value of a raw text: a string, or the JSON value that the text is.

        For example `"12"` gives 12 where the plan allows a number, else "12".
        """
        raw = text.removeprefix(self.format.frame).removesuffix(self.format.frame)
        value = _read_scalar(text, text if kinds else raw)
        if kinds or (menu is not None and menu.string is None):
            return value
        return (
            raw if isinstance(value, str) or (menu is not None and not _allows_value(value, menu)) else value
        )


def _json_text(value: Any, text: str) -> str:
    """Return the JSON text of a value: of a string a new one, of other values `text` as it stands."""
    return dump_json(value) if isinstance(value, str) else text.strip(BLANK)


def _read_scalar(text: str, otherwise: str) -> Any:
    """Return the value of a JSON text, or `otherwise` where `text` is not JSON."""
    try:
        return value_of(text)
    except ValueError:
        return otherwise


def _allows_value(value: Any, menu: ValueMenu) -> bool:
    """Return whether a menu allows a value that is not a string. Of an object or array only its type
    counts."""
    # what is inside of it is judged when the call is whole
    if isinstance(value, (dict, list)):
        return (menu.object if isinstance(value, dict) else menu.array) is not None
    if value is None or isinstance(value, bool):
        return getattr(menu, dump_json(value)) is not None
    return menu.number is not None and number_meets(menu.number.formulas[0], Decimal(str(value)))
