"""Reads arguments that come in pieces: one JSON value, or one by one as a format's `member` says. What comes
out is JSON text, as it becomes sure. Nothing here recurses."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final, TypeVar

from structgen.errors import UnsupportedError
from structgen.json_text.events import EventLog, JsonError
from structgen.json_text.growing_json import MISSING, value_of
from structgen.json_text.raw_json import dumped
from structgen.language.ir import ValueMenu
from structgen.schema.meaning.formulas import number_meets
from structgen.text_grammars.composition.argument_grammar import ArgumentPlan, KnownMember, kinds_of
from structgen.text_grammars.composition.templates import BLANK, filled, first_text, pieces
from structgen.tool_calls.call_texts import DifferentError, Incoming, UnfinishedError, Wait, begun, searcher
from structgen.tool_calls.format_marks import FormatMarks
from structgen.tool_calls.tool_format import ToolFormat

A = TypeVar("A")
T = TypeVar("T")

_BARE: Final = ",]}"
_CLOSING: Final = "]} \t\n\r"
_LONGEST_KEY: Final = 1024
_TOKENS: Final = re.compile(
    r"""(?sx:(?P<json>(?:"(?:[^"\\\x00-\x1f]++|\\[^'\x00-\x1f])*+"|(?:true|false|null)(?![A-Za-z])|[^"'A-Za-z]){1,64}+)
    |(?P<word>[A-Za-z]+)|.)"""
)
"""Some 64 tokens of JSON as it is written, or one that may be another's spelling of it."""
_IN_STRING: Final = re.compile(r"""(?s:[^"'\\\x00-\x1f]+|\\.|[^\\])""")
_WORDS: Final = {"True": "true", "False": "false", "None": "null"}
HABITS: Final = "Its JSON has single quotes, words of Python, or control characters in strings"


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


_DECODER: Final = json.JSONDecoder(parse_constant=_no_number)


class LooseJson:
    """Takes a JSON value in pieces, with habits of models. One that is whole at once is read by `json`, in C,
    unless it is too deep for that."""

    def __init__(self) -> None:
        self._log = EventLog()
        self._quote = ""
        """What opened the string that is being read."""
        self.value: Any = MISSING
        """The value, once it is whole."""
        self.error = ""
        """Why it is no JSON."""
        self.is_respelled = self.is_whole = False

    def feed(self, text: str, at: int) -> tuple[int, str]:
        """Take what stands at a place, where that which the last one left goes on. Return where it ends, and
        the JSON text of it. What the end of the text may change is left."""
        sent = len(self._log.text)
        if not sent and not self.is_whole and text[at : at + 1] in ("{", "[", '"'):
            try:
                self.value, end = _DECODER.raw_decode(text, at)
            except (ValueError, RecursionError):
                pass  # it is not whole, or no JSON: read it in pieces
            else:
                self.is_whole = True
                return end, text[at:end]
        while at < len(text) and not self.is_whole and not self.error:
            token = (_IN_STRING if self._quote else _TOKENS).match(text, at)
            if token is None:
                break  # a backslash
            said = token[0]
            if not self._quote and token["word"] and token.end() == len(text) and len(said) < 6:
                break
            at += self._take(said, self._respelled(said))
        return at, self._log.text[sent:].decode("utf-8", "surrogatepass")

    def _respelled(self, said: str) -> str:
        """Return the JSON text of a token."""
        if said == self._quote or (not self._quote and said in ("'", '"')):
            self._quote = "" if self._quote else said
            return '"'
        if not self._quote:
            return _WORDS.get(said, said)
        if said in ("'", "\\'"):
            return "'"
        return json.dumps(said[-1])[1:-1] if said == '"' or said[-1] < " " else said

    def _take(self, said: str, piece: str) -> int:
        """Return how many characters of a token belong to the value."""
        self.is_respelled = self.is_respelled or piece != said
        before, data = len(self._log.text), piece.encode("utf-8", "surrogatepass")
        taken = len(said)
        try:
            end = self._log.write_document(data)
            self.is_whole = self._log.is_whole
            if self.is_whole:
                taken = len(data[:end].decode("utf-8", "surrogatepass")) if piece == said else taken
                self.value = value_of(self._log.text.decode("utf-8", "surrogatepass"))
        except JsonError as error:
            self.error = f"they are no JSON: {error.what}"
            end = max(0, error.at - before)
            taken = len(data[:end].decode("utf-8", "ignore")) if piece == said else 0
        return taken


@dataclass(slots=True)
class _Open:
    """An object or an array that is being read, `key` and `tail`: how it stands in the one around it."""

    known: Callable[[str], KnownMember | None]
    """What the value of a key may be; of an item too, whose key is ""."""
    is_array: bool = False
    key: str = ""
    tail: str = ""
    follows: tuple[str, ...] = ()
    """What stands before the values of the keys that it may have, in a format that quotes strings."""
    found: dict[str, bool] = field(default_factory=dict)
    """Whether each key's value counts, though its key comes again; of an array the places of its items."""


class MemberReader:
    """Reads arguments one by one, and writes them as JSON. `plan` says what each may be; None: told by how it
    is written. `write` takes the JSON text."""

    def __init__(
        self,
        source: Incoming,
        format: ToolFormat,
        marks: FormatMarks,
        plan: ArgumentPlan | None,
        write: Callable[[str], None],
    ) -> None:
        self.source, self.format, self.marks, self.plan, self._write = source, format, marks, plan, write
        self.note = self.error = self.lack = ""
        self.stops = format.stops or format.ends
        """Marks that end a string, or show that it is over."""
        self.stack: list[_Open] = []
        self.is_between = True
        """Whether no value is being read."""
        self.at = 0
        """Where the part begins that is being read."""
        self.in_string = self.is_json = False
        """Whether a string is being written; whether JSON is."""
        self._muted = 0
        """How deep the value stands that is read in vain, for its key is there already; 0: none is."""

    def read(self, at: int) -> Wait[int]:
        """Read the arguments that stand at `at`; return where they end. Raises `DifferentError` where they are
        none."""
        self.at = at
        root = self.opened(None if self.plan is None else self.plan.root)
        self.stack.append(root)
        at = yield from self.source.matched(at, self.brackets(root)[0])
        self._write("{")
        while self.stack:
            self.at = at
            at = yield from self.step(at)
        self._write("}")
        return at

    @property
    def is_over(self) -> bool:
        """Whether only what closes the arguments is missing, of which there are some."""
        return self.is_between and len(self.stack) == 1 and bool(self.stack[0].found) and not self.error

    def opened(self, members: tuple[KnownMember, ...] | None, key: str = "", tail: str = "") -> _Open:
        """Return an object that begins."""
        known = {member.key: member for member in members or ()}
        return _Open(known.get, False, key, tail, tuple(f"{self.format.between}{one}:" for one in known))

    def step(self, at: int) -> Wait[int]:
        """Read the end of the container on top of the stack, or the next of its values, or the beginning of
        one that holds others; return where it ends."""
        self.is_between = True
        source, top = self.source, self.stack[-1]
        open_, close = self.brackets(top)
        inside = -1
        if not (yield from self.ends(at, close)):
            before = at
            if top.found or open_:
                between = self.format.between if top.found else " "
                before = yield from source.matched(at, between)
            before = before if open_ else (yield from source.skipped(before))
            template = self.format.item if top.is_array else self.format.member
            if (behind := (yield from self.misplaced(before, top.tail))) > before:
                self.lack = "A mark is doubled, or stands in the place of another"
                return behind
            try:
                key, word, inside = yield from self.head(template, before)
            except DifferentError:
                if close:
                    raise
        if inside >= 0:
            tail = filled(template.partition("$value")[2], {"key": key})
            return (yield from self.value(inside, key, tail, word))
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
            yield from self.source.settled(at, self.stops)
            if searcher(self.stops).match(self.source.text, at) is None:
                raise
        self.lack = f"The mark {tail.strip()!r} is missing"
        return (yield from self.misplaced(at))

    def misplaced(self, at: int, tail: str | None = None) -> Wait[int]:
        """Return where a mark ends that stands at `at`, if arguments go on behind it, or the call ends there;
        else `at`. `tail`: there, this one or what closes the call may stand at `at`."""
        begins, close, source = self.marks.members, self.marks.close, self.source
        if not close:
            return at
        yield from source.settled(at, self.marks.all)
        found = searcher(self.marks.all).match(source.text, at)
        right = begins if tail is None else (*begins, close, *filter(None, (tail,)))
        if found is None or source.text.startswith(right, at):
            return at
        end = found.end()
        del found
        follows = yield from source.skipped(end)
        yield from source.settled(follows, (*begins, close))
        return end if source.text.startswith((*begins, close), follows) else at

    def brackets(self, of: _Open) -> tuple[str, str]:
        listed = self.format.brackets
        return (listed[2 * of.is_array], listed[2 * of.is_array + 1]) if listed else ("", "")

    def ends(self, at: int, close: str) -> Wait[bool]:
        if not close:
            return False
        at = yield from self.source.skipped(at)
        yield from self.source.char(at)
        return self.source.text.startswith(close, at)

    def head(self, template: str, at: int) -> Wait[tuple[str, str, int]]:
        """Return the key, the word for the type, and where the value begins."""
        parts = pieces(template.partition("$value")[0])
        at, words = yield from self.source.placed(parts, at, most=_LONGEST_KEY)
        key = words.get("key", "").strip(BLANK)
        if self.format.quote and len(key) > 1 and key[0] == key[-1] and key[0] in "\"'":
            key, self.note = key[1:-1], "Its keys are quoted"
        if "key" in words and re.fullmatch(self.format.keys, key, re.ASCII) is None:
            raise DifferentError("the name of an argument")
        return key, words.get("type", ""), at

    # --- values -------------------------------------------------------------------------------------------

    def write(self, said: str) -> None:
        """Write a part of a value, unless it is read in vain."""
        if not self._muted:
            self._write(said)

    def begin(self, key: str, said: str) -> None:
        """Write the beginning of a value, or all of it. Of two under one key the first counts, unless it is
        empty."""
        top = self.stack[-1]
        name = "" if top.is_array else f"{dumped(key)}: "
        key = str(len(top.found)) if top.is_array else key
        if key in top.found:
            self.lack = f"It has {key} twice"
        if top.found.get(key) and not self._muted:
            self._muted = len(self.stack)
        self.write(f"{', ' if top.found else ''}{name}{said}")
        top.found[key] = top.found.get(key, False) or said != '""'

    def done(self) -> None:
        """Take note that a value is over."""
        if self._muted == len(self.stack):
            self._muted = 0

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
        menu = self.planned(member, lambda plan, one: plan.menu(one.place, "#"))
        kinds = [kind for kind, said in self.format.types.items() if said == word] if word else []
        container = (yield from self.container(at, kinds, menu, tail)) if self.format.nested else None
        if container is not None:
            keys = None if menu is None else menu.object
            made = self.opened(self.planned(keys, lambda plan, one: plan.members(one, "#")), key, tail)
            if container == "array":
                item = self.items(menu)
                made = _Open(lambda _: item, True, key, tail)
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

    def planned(self, asked: A | None, tell: Callable[[ArgumentPlan, A], T]) -> T | None:
        """Return what the plan tells of something; None where that is not known, or depends on other
        values."""
        try:
            return None if asked is None or self.plan is None else tell(self.plan, asked)
        except UnsupportedError:
            return None

    def items(self, menu: ValueMenu | None) -> KnownMember | None:
        """Return what the items of an array may be, where they are all alike."""
        array = None if menu is None else menu.array
        found = self.planned(array, lambda plan, one: plan.items(one, "#"))
        if found is None or len(set(found[0])) != 1:
            return None
        return KnownMember("", found[0][0], True)

    def container(self, at: int, kinds: list[str], menu: ValueMenu | None, tail: str) -> Wait[str | None]:
        """Tell whether an object or an array stands there in the format's own way."""
        source = self.source
        at = yield from source.skipped(at)
        if self.format.brackets:
            one = yield from source.char(at)
            return {self.format.brackets[0]: "object", self.format.brackets[2]: "array"}.get(one)
        if kinds:
            return kinds[0] if kinds[0] in ("object", "array") else None
        if menu is not None and menu.object is None and menu.array is None:
            return None
        begin, item = first_text(self.format.member), first_text(self.format.item)
        yield from source.settled(at, (f"{begin}/", item, tail))
        is_begun = source.text.startswith(begin, at) and not source.text.startswith(f"{begin}/", at)
        is_empty = menu is not None and menu.string is None and source.text.startswith(tail, at)
        if not is_begun and not is_empty:
            return None
        if menu is not None and (menu.object is None or menu.array is None):
            return "object" if menu.array is None else "array"
        return "array" if source.text.startswith(item, at) else "object"

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
            return (yield from self.sure_json(at, key, HABITS))
        loose, end = LooseJson(), at
        while not loose.is_whole:
            end, _ = loose.feed(self.source.text, end)
            if loose.error or loose.is_respelled:
                return -1
            if not loose.is_whole:
                yield from self.source.more()
        try:
            follows = yield from self.source.skipped(end)
            yield from self.source.matched(follows, tail)
        except DifferentError:
            return -1
        self.begin(key, self.source.text[at:end])
        self.done()
        return end

    def sure_json(self, at: int, key: str, note: str) -> Wait[int]:
        """Read a value that is certainly JSON; return where it ends. `note` tells of its habits."""
        loose, self.is_json = LooseJson(), True
        self.begin(key, "")
        while not loose.is_whole:
            at, said = loose.feed(self.source.text, at)
            self.write(said)
            if loose.is_respelled or note != HABITS:
                self.note = note
            if loose.error:
                self.error = loose.error
                raise DifferentError(f"the value of {key}")
            if not loose.is_whole:
                yield from self.source.more()
        self.is_json = False
        self.done()
        return at

    def quoted(self, at: int, key: str, follows: tuple[str, ...]) -> Wait[int]:
        """Read a value in a format that quotes strings in its own way; return where it ends."""
        quote, source = self.format.quote, self.source
        at = yield from source.skipped(at)
        yield from source.settled(at, (quote,))
        first = yield from source.char(at)
        if source.text.startswith(quote, at):
            return (yield from self.quoted_string(at + len(quote), key, follows))
        if first in "\"'":
            return (yield from self.sure_json(at, key, f"Its strings stand in {first} in place of {quote}"))
        said = yield from source.word(at, _BARE)
        value = _scalar(said.strip())
        if isinstance(value, str):
            self.lack = f"The mark {quote!r} is missing"
        self.begin(key, dumped(value))
        self.done()
        return at + len(said)

    def quoted_string(self, begin: int, key: str, follows: tuple[str, ...]) -> Wait[int]:
        """Read a string behind its quote; return where it ends. One whose last quote is missing ends before
        what follows it, or with the call."""
        source, quote = self.source, self.format.quote
        more, sent, ends = -1, begin, (quote, *self.stops)

        def take(start: int, stop: int) -> None:
            nonlocal sent
            sure = len(source.text[start:stop].rstrip(_CLOSING))
            if sure and more < 0:
                self.string(key, source.text[sent : start + sure])
                sent = start + sure

        stop, said = yield from source.found((*ends, *follows), begin, take, exact=True)
        if said in follows:
            more = stop
            stop, said = yield from source.found(ends, stop + len(said), exact=True)
        if not said:
            raise UnfinishedError
        end = stop + len(said)
        is_whole = said == quote
        if is_whole and more >= 0 and source.text.endswith(follows, begin, stop):
            while end == len(source.text) and not source.ended:
                yield
            is_whole = source.text[end : end + 1] in tuple(_BARE)
        if not is_whole:
            stop = end = more if more >= 0 else begin + len(source.text[begin:stop].rstrip(_CLOSING))
            self.lack = f"The mark {quote!r} is missing"
        self.string(key, source.text[sent:stop])
        self.close(key)
        return end

    def raw(self, at: int, key: str, tail: str, kinds: list[str], menu: ValueMenu | None) -> Wait[int]:
        """Read a value that stands raw, up to its tail; return where it ends."""
        source, frame, ends = self.source, self.format.frame, (tail, *self.stops)
        is_string = (
            "string" in kinds if kinds else menu is not None and not kinds_of(menu, with_strings=False)
        )
        held = ""

        def take(start: int, stop: int) -> None:
            nonlocal held
            said = held + source.text[start:stop]
            stop = begun(said, (frame + "x",), exact=True) if frame else len(said)
            self.string(key, said[:stop])
            held = said[stop:]

        if is_string:
            yield from source.settled(at, (frame,))
            at += len(frame) * source.text.startswith(frame, at)
        end, mark = yield from source.found(ends, at, take if is_string else None, exact=True)
        if not mark:
            raise UnfinishedError
        said = source.text[at:end]
        if is_string:
            self.string(key, held.removesuffix(frame))
            self.close(key)
        elif said.strip(BLANK) or mark == tail:  # else what begins it stands there twice
            self.begin(key, dumped(self.decoded(said, kinds, menu)))
            self.done()
        return end

    def decoded(self, said: str, kinds: list[str], menu: ValueMenu | None) -> Any:
        """Return the value of what stands between the texts of a member, which may be no string."""
        if kinds:
            return _scalar(said)
        raw = said.removeprefix(self.format.frame).removesuffix(self.format.frame)
        try:
            value = value_of(said)
        except ValueError:
            return raw
        if menu is None:
            return raw if isinstance(value, str) else value
        return value if menu.string is None or _may_be(value, menu) else raw


def _scalar(said: str) -> Any:
    try:
        return value_of(said)
    except ValueError:
        return said


def _may_be(value: Any, menu: ValueMenu) -> bool:
    """Tell whether a value that is no string may stand there; of objects and arrays, whether one may."""
    if value is None or isinstance(value, bool):
        found = {None: menu.null, True: menu.true, False: menu.false}[value]
        return found is not None
    if isinstance(value, (int, float)):
        return menu.number is not None and number_meets(menu.number.formulas[0], Decimal(str(value)))
    if isinstance(value, (dict, list)):
        return (menu.object if isinstance(value, dict) else menu.array) is not None
    return False
