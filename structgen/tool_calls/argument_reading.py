"""Reads arguments: one JSON object, or one by one as a format's `member` says. Nothing here recurses."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final, NamedTuple, TypeVar

from structgen.errors import UnsupportedError
from structgen.json_text.events import JsonError
from structgen.json_text.growing_json import MISSING, GrowingJson, value_of
from structgen.json_text.raw_json import dumped
from structgen.language.ir import ValueMenu
from structgen.schema.meaning.formulas import number_meets
from structgen.text_grammars.composition.argument_grammar import ArgumentPlan, KnownMember, kinds_of
from structgen.text_grammars.composition.templates import BLANK, TEXT, filled, first_text, pieces
from structgen.tool_calls.call_texts import (
    DifferentError,
    UnfinishedError,
    begun,
    matched,
    searcher,
    skipped,
    word_end,
)
from structgen.tool_calls.format_marks import FormatMarks
from structgen.tool_calls.tool_format import ToolFormat

A = TypeVar("A")
T = TypeVar("T")

_BARE: Final = re.compile(r"[^,\]}]*")
_CLOSING: Final = "]} \t\n\r"
_LONGEST_KEY: Final = 1024
_TOKENS: Final = re.compile(
    r"""(?sx:
    (?P<json>(?:"(?:[^"\\\x00-\x1f]++|\\[^'\x00-\x1f])*+"|(?:true|false|null)(?![A-Za-z])|[^"'A-Za-z]){1,64}+)
    |"(?:[^"\\]++|\\.)*+(?P<end>"?)|'(?:[^'\\]++|\\.)*+(?P<other>'?)|[A-Za-z]+)""",
)
"""Some 64 tokens of JSON as it is written, or one that may be another's spelling of it."""
_WORDS: Final = {"True": "true", "False": "false", "None": "null"}
_IN_STRING: Final = re.compile(r"""(?s:\\'|\\.|["\x00-\x1f])""")
_HABITS: Final = "Its JSON has single quotes, words of Python, or control characters in strings"


class Arguments(NamedTuple):
    """Arguments that were read, whole or in part; a JSON value, while they are being read."""

    value: Any
    """A dict."""
    end: int
    document: str
    """Their JSON text, so far; only more text behind it makes it longer."""
    closed: bool
    """Whether they are written to their end."""
    error: str = ""
    """Why they are no arguments."""
    note: str = ""
    """What was read leniently."""
    is_between: bool = False
    """Whether they end behind an argument, and not inside of one."""
    lack: str = ""
    """Which mark is missing in them."""


def read_json(text: str, at: int) -> Arguments:
    """Return the object whose JSON text stands at `at`, or the JSON string that holds one; what models write
    in place of JSON is read, and noted. Where the text cannot become JSON, there is an `error`.

    Raises `UnfinishedError` where nothing stands there yet, `DifferentError` where something else does.
    """
    at = skipped(text, at)
    if at == len(text):
        raise UnfinishedError
    if text[at] not in "{[\"'":
        raise DifferentError("the arguments")
    found = read_value(text, at)
    if text[at] in "\"'":
        said = found.value if isinstance(found.value, str) else ""
        inner = skipped(said, 0)
        if found.closed and not found.error and inner == len(said):
            return Arguments({}, found.end, "{}", True, note="Its arguments are an empty text")
        there = read_value(said, inner) if inner < len(said) else Arguments(MISSING, inner, "", False)
        error = found.error or there.error
        if found.closed and not error and (not there.closed or said[there.end :].strip()):
            error = "their text does not end with the object"
        note = found.note or there.note
        found = Arguments(there.value, found.end, there.document, found.closed, error, note)
    is_object = isinstance(found.value, dict)
    if found.closed and not found.error and not is_object:
        found = found._replace(error="they are no object")
    return found if is_object else found._replace(value={})


def read_value(text: str, at: int) -> Arguments:
    """Return what there is of a JSON value, with habits of models. One that is whole JSON is read by `json`,
    in C, unless it is too deep for that."""
    whole = _whole(text, at)
    if whole is not None:
        return Arguments(whole[0], whole[1], text[at : whole[1]], True)
    reader, note, end = GrowingJson(), "", at
    for begin, end, piece in _respelled(text, at):
        try:
            taken = reader.feed(piece)
        except JsonError as error:
            said = reader.text
            error_text = f"they are no JSON: {error.what} at byte {at + len(said)}"
            return Arguments(reader.value, begin, said, False, error_text, note)
        if piece[:taken] != text[begin : begin + taken]:
            note = _HABITS
        if reader.is_whole:
            end = end if taken == len(piece) else begin + taken
            return Arguments(reader.value, end, reader.text, True, "", note)
    return Arguments(reader.value, end, reader.text, False, "", note)


def _whole(text: str, at: int) -> tuple[Any, int] | None:
    try:
        return _DECODER.raw_decode(text, at)
    except (ValueError, RecursionError):
        return None


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


_DECODER: Final = json.JSONDecoder(parse_constant=_no_number)


def _respelled(text: str, at: int) -> Iterator[tuple[int, int, str]]:
    """Yield parts of a text with what JSON writes for single quotes, words of Python, and control characters
    in strings; with where each begins and ends. What the end of the text may change is left out."""
    for token in _TOKENS.finditer(text, at):
        written_so, (begin, end) = token[0], token.span()
        if token["json"]:
            yield begin, end, written_so
        elif written_so[0] in "\"'":
            closed = bool(token["end"] or token["other"])
            inner = _IN_STRING.sub(_escape, written_so[1 : -1 if closed else None])
            yield begin, end, f'"{inner}"' if closed else f'"{inner}'
            if not closed:
                return  # a backslash that ends the text may follow
        elif end < len(text):
            yield begin, end, _WORDS.get(written_so, written_so)


def _escape(found: re.Match[str]) -> str:
    one = found[0]
    if one == "\\'":
        return "'"
    return one if len(one) > 1 and one[1] >= " " else json.dumps(one[-1])[1:-1]


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
    found: list[tuple[str, Any]] = field(default_factory=list)
    places: dict[str, int] = field(default_factory=dict)
    """Where each key stands in them."""

    @property
    def value(self) -> Any:
        return [value for _, value in self.found] if self.is_array else dict(self.found)


class MemberReader:
    """Reads arguments one by one. `plan` says what each may be; None: told by how it is written."""

    def __init__(
        self, text: str, format: ToolFormat, marks: FormatMarks, plan: ArgumentPlan | None, *, ended: bool
    ) -> None:
        self.text, self.format, self.marks, self.plan, self.ended = text, format, marks, plan, ended
        self.note = self.error = self.lack = ""
        self.stops = format.stops or format.ends
        """Marks that end a string, or show that it is over."""
        self.is_between = True
        """Whether no value is being read."""

    def read(self, at: int) -> Arguments:
        """Return the arguments that stand at `at`, as many as there are. A value that stands raw may lose its
        last line break as long as its tail has not come: it is in no unfinished document."""
        root = self.opened(None if self.plan is None else self.plan.root)
        stack, error, closed = [root], "", False
        try:
            at = matched(self.text, at, self.brackets(root)[0])
            while stack:
                at = self.step(stack, at)
            closed = True
        except UnfinishedError:
            at = len(self.text)
        except DifferentError as different:
            error = self.error or f"{different} does not stand where it should"
        sure = root.found if closed else root.found[: -1 if len(stack) == 1 else None]
        for inner, around in zip(stack[:0:-1], stack[-2::-1], strict=True):
            around.found.append((inner.key, inner.value))
        document = "{" + ", ".join(f"{dumped(key)}: {dumped(value)}" for key, value in sure)
        document = document + "}" if closed else document if sure else ""
        is_between = len(stack) == 1 and self.is_between
        return Arguments(root.value, at, document, closed, error, self.note, is_between, self.lack)

    def opened(self, members: tuple[KnownMember, ...] | None, key: str = "", tail: str = "") -> _Open:
        """Return an object that begins."""
        known = {member.key: member for member in members or ()}
        return _Open(known.get, False, key, tail, tuple(f"{self.format.between}{one}:" for one in known))

    def step(self, stack: list[_Open], at: int) -> int:
        """Read the end of the container on top of the stack, or the next of its values, or the beginning of
        one that holds others; return where it ends."""
        self.is_between = True
        top = stack[-1]
        open_, close = self.brackets(top)
        key, word, inside = "", "", -1
        if not self.ends(at, close):
            before = at
            if top.found or open_:
                before = matched(self.text, at, self.format.between) if top.found else skipped(self.text, at)
            before = before if open_ else skipped(self.text, before)
            template = self.format.item if top.is_array else self.format.member
            if (behind := self.misplaced(before, top.tail)) > before:
                self.lack = "A mark is doubled, or stands in the place of another"
                return behind
            try:
                key, word, inside = self.head(template, before)
            except DifferentError:
                if close:
                    raise
        if inside >= 0:
            tail = filled(template.partition("$value")[2], {"key": key})
            return self.value(stack, inside, key, tail, word)
        at = matched(self.text, at, close)
        stack.pop()
        if stack:
            self.add(stack[-1], top.key, top.value)
            at = self.behind(at, top.tail)
        return at

    def behind(self, at: int, tail: str) -> int:
        """Return where what stands behind a value ends. Its tail may be missing, where another mark stands
        there: one in its place, or what comes next."""
        at = skipped(self.text, at)
        try:
            return matched(self.text, at, tail)
        except DifferentError:
            if not self.stops or searcher(self.stops).match(self.text, at) is None:
                self.awaited(at, self.stops or (tail,))
                raise
        self.lack = f"The mark {tail.strip()!r} is missing"
        return self.misplaced(at)

    def misplaced(self, at: int, tail: str | None = None) -> int:
        """Return where a mark ends that stands at `at`, if arguments go on behind it, or the call ends there;
        else `at`. `tail`: there, this one or what closes the call may stand at `at`."""
        begins, close = self.marks.members, self.marks.close
        if not close:
            return at
        self.awaited(at, self.marks.all)
        found = searcher(self.marks.all).match(self.text, at)
        right = begins if tail is None else (*begins, close, *filter(None, (tail,)))
        if found is None or self.text.startswith(right, at):
            return at
        follows = skipped(self.text, found.end())
        self.awaited(follows, (*begins, close))
        return found.end() if self.text.startswith((*begins, close), follows) else at

    def awaited(self, at: int, listed: tuple[str, ...]) -> None:
        """Raise `UnfinishedError` where the reply goes on, and may go on with one of some marks at `at`."""
        rest = self.text[at : at + max(map(len, listed))]
        if not self.ended and any(one.startswith(rest) and one != rest for one in listed):
            raise UnfinishedError

    def brackets(self, of: _Open) -> tuple[str, str]:
        listed = self.format.brackets
        return (listed[2 * of.is_array], listed[2 * of.is_array + 1]) if listed else ("", "")

    def ends(self, at: int, close: str) -> bool:
        if not close:
            return False
        if skipped(self.text, at) == len(self.text):
            raise UnfinishedError
        return self.text.startswith(close, skipped(self.text, at))

    def head(self, template: str, at: int) -> tuple[str, str, int]:
        """Return the key, the word for the type, and where the value begins."""
        key = word = ""
        parts = pieces(template)
        for index, (kind, said) in enumerate(parts):
            if kind == "value":
                break
            if kind == TEXT:
                at = matched(self.text, at, said, quotes=True)
            elif kind in ("gap", "line"):
                at = skipped(self.text, at)
            else:
                stop = parts[index + 1][1][:1]
                stops = "\"'" if stop == '"' else stop
                end = word_end(self.text, at, stops, _LONGEST_KEY, f"${kind}")
                if kind == "key":
                    key = self.text[at:end].strip(BLANK)
                    if self.format.quote and len(key) > 1 and key[0] == key[-1] and key[0] in "\"'":
                        key, self.note = key[1:-1], "Its keys are quoted"
                    if re.fullmatch(self.format.keys, key, re.ASCII) is None:
                        raise DifferentError("the name of an argument")
                else:
                    word = self.text[at:end]
                at = end
        return key, word, at

    # --- values -------------------------------------------------------------------------------------------

    def value(self, stack: list[_Open], at: int, key: str, tail: str, word: str) -> int:
        """Read a value, or open one that holds others; return where its tail ends, or its beginning."""
        self.is_between = False
        top = stack[-1]
        member = top.known(key)
        menu = self.planned(member, lambda plan, one: plan.menu(one.place, "#"))
        kinds = [kind for kind, said in self.format.types.items() if said == word] if word else []
        container = self.container(at, kinds, menu, tail) if self.format.nested else None
        if container is not None:
            keys = None if menu is None else menu.object
            made = self.opened(self.planned(keys, lambda plan, one: plan.members(one, "#")), key, tail)
            if container == "array":
                item = self.items(menu)
                made = _Open(lambda _: item, True, key, tail)
            at = matched(self.text, skipped(self.text, at), self.brackets(made)[0])
            stack.append(made)
            return at
        if self.format.quote:
            sofar, at, is_whole = self.quoted(skipped(self.text, at), top.follows)
        else:
            begin = at
            sofar, at, is_whole = self.json(begin, tail, kinds, menu)
            if sofar is MISSING:
                sofar, at, is_whole = self.raw(begin, tail, kinds, menu)
        if sofar is not MISSING:
            self.add(top, key, sofar)
        if self.error:
            raise DifferentError(f"the value of {key}")
        if not is_whole:
            raise UnfinishedError
        return self.behind(at, tail) if tail else at

    def add(self, top: _Open, key: str, value: Any) -> None:
        """Add a value; of two under one key the first counts, unless it is empty."""
        at = len(top.found) if top.is_array else top.places.setdefault(key, len(top.found))
        if at == len(top.found):
            top.found.append((key, value))
            return
        self.lack = f"It has {key} twice"
        if top.found[at][1] == "":
            top.found[at] = key, value

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

    def container(self, at: int, kinds: list[str], menu: ValueMenu | None, tail: str) -> str | None:
        """Tell whether an object or an array stands there in the format's own way. Raises `UnfinishedError`
        where that is not known yet."""
        at = skipped(self.text, at)
        if self.format.brackets:
            if at == len(self.text):
                raise UnfinishedError
            brackets = {self.format.brackets[0]: "object", self.format.brackets[2]: "array"}
            return next((kind for one, kind in brackets.items() if self.text.startswith(one, at)), None)
        if kinds:
            return kinds[0] if kinds[0] in ("object", "array") else None
        if menu is not None and menu.object is None and menu.array is None:
            return None
        begin, item = first_text(self.format.member), first_text(self.format.item)
        rest = self.text[at : at + len(item) + 1]
        if begin.startswith(rest):
            raise UnfinishedError
        is_begun = rest.startswith(begin) and not rest.startswith(f"{begin}/")
        is_empty = menu is not None and menu.string is None and self.text.startswith(tail, at)
        if not is_begun and not is_empty:
            return None
        if menu is not None and (menu.object is None or menu.array is None):
            return "object" if menu.array is None else "array"
        if is_begun and item.startswith(rest) and rest != item:
            raise UnfinishedError
        return "array" if rest.startswith(item) else "object"

    def json(self, at: int, tail: str, kinds: list[str], menu: ValueMenu | None) -> tuple[Any, int, bool]:
        """Return an object or an array as JSON, whose strings may hold the tail, where it ends, and whether
        it has; MISSING where none stands there. What may be a string too is none before its tail is there."""
        at = skipped(self.text, at)
        if kinds:
            may_be, doubtful = "string" not in kinds, False
        else:
            may_be = menu is None or menu.object is not None or menu.array is not None
            doubtful = menu is None or menu.string is not None
        if not may_be or self.text[at : at + 1] not in ("{", "["):
            return MISSING, at, False
        found = read_value(self.text, at)
        if not doubtful:
            self.error = found.error
            self.note = self.note or found.note
            return found.value, found.end, found.closed
        if found.error or found.note:
            return MISSING, at, False
        if not found.closed:
            raise UnfinishedError
        try:
            matched(self.text, skipped(self.text, found.end), tail)
        except DifferentError:
            return MISSING, at, False
        return found.value, found.end, True

    def quoted(self, at: int, follows: tuple[str, ...]) -> tuple[Any, int, bool]:
        """Return a value in a format that quotes strings in its own way, where it ends, and whether it has. A
        string whose last quote is missing ends before what follows it, or with the call."""
        quote = self.format.quote
        rest = self.text[at : at + len(quote)]
        if rest == quote:
            begin = at + len(quote)
            end = searcher((quote, *self.stops), exact=True).search(self.text, begin)
            inside = self.text[begin : end.start() if end else None]
            more = searcher(follows, exact=True).search(inside) if follows else None
            if end is not None and end[0] == quote:
                behind = self.text[end.end() : end.end() + 1]
                is_doubtful = more is not None and inside.endswith(follows)
                if not is_doubtful or (behind and behind in ",]}"):
                    return inside, end.end(), True
                end = end if behind or self.ended else None
            said = inside if end else self.cut(inside, quote, *self.stops, *follows)
            found = inside[: more.start()] if more else said.rstrip(_CLOSING)
            if end is None:
                return found, len(self.text), False
            self.lack = f"The mark {quote!r} is missing"
            return found, begin + len(found), True
        if quote.startswith(rest):  # the text ends in it, or before
            raise UnfinishedError
        if rest[0] in "\"'":
            self.note = f"Its strings stand in {rest[0]} in place of {quote}"
            read = read_value(self.text, at)
            self.error = read.error
            return read.value, read.end, read.closed
        bare = _BARE.match(self.text, at)
        assert bare is not None
        if bare.end() == len(self.text):
            raise UnfinishedError
        value = self.scalar(bare[0].strip())
        if isinstance(value, str):
            self.lack = f"The mark {quote!r} is missing"
        return value, bare.end(), True

    def scalar(self, said: str) -> Any:
        try:
            return value_of(said)
        except ValueError:
            return said

    def raw(self, at: int, tail: str, kinds: list[str], menu: ValueMenu | None) -> tuple[Any, int, bool]:
        """Return a value that stands raw, up to its tail, where it ends, and whether it has."""
        found = searcher((tail, *self.stops), exact=True).search(self.text, at)
        if found is None:
            return self.growing(self.text[at:], tail, kinds, menu), len(self.text), False
        if (
            found[0] != tail
            and self.growing("", tail, kinds, menu) is MISSING
            and found.start() == skipped(self.text, at)
        ):
            return MISSING, found.start(), True  # what begins it stands there twice
        return self.decoded(self.text[at : found.start()], kinds, menu), found.start(), True

    def decoded(self, said: str, kinds: list[str], menu: ValueMenu | None) -> Any:
        """Return the value of what stands between the texts of a member."""
        raw = self.unframed(said)
        if kinds:
            return raw if "string" in kinds else self.scalar(said)
        if menu is not None and not kinds_of(menu, with_strings=False):
            return raw
        try:
            value = value_of(said)
        except ValueError:
            return raw
        if menu is None:
            return raw if isinstance(value, str) else value
        return value if menu.string is None or _may_be(value, menu) else raw

    def unframed(self, said: str) -> str:
        frame = self.format.frame
        if frame and said.startswith(frame):
            said = said[len(frame) :]
        return said.removesuffix(frame) if frame else said

    def growing(self, said: str, tail: str, kinds: list[str], menu: ValueMenu | None) -> Any:
        """Return what there is of a value whose tail has not come: of a string its characters."""
        is_string = (
            "string" in kinds if kinds else menu is not None and not kinds_of(menu, with_strings=False)
        )
        if not is_string:
            return MISSING
        found = self.cut(said, tail, *self.stops)
        frame = self.format.frame
        if frame:
            found = self.cut(found.removeprefix(frame), frame + "x").removesuffix(frame)
        return found

    def cut(self, said: str, *stops: str) -> str:
        """Return a string without what may be the beginning of the text that ends it."""
        return said[: begun(said, stops, blanks=False)]


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
