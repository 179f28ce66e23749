"""Tools to read a reply that comes in pieces: find texts of a format, read loosely written JSON, draft a
call.

A *text of a format*, or *mark*, is for example `<tool_call>`. It is matched with any white space where the
format has some. *Loose JSON* is JSON as models write it: with single quotes, with words of Python (`True`),
with control characters in strings. For example `{'a': True}` is read as `{"a": true}`. A *draft*
(`CallDraft`) is a call while it is being read.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Generator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final, TypeAlias, TypeVar

from structgen.asking.tool_calls.format_marks import Way
from structgen.asking.tool_calls.tool_format import Texts
from structgen.base.json_text.events import EventLog, JsonError
from structgen.base.json_text.growing_json import MISSING, value_of
from structgen.grammars.text_grammars.composition.templates import BLANK, TEXT, template_pieces

T = TypeVar("T")
Wait: TypeAlias = Generator[None, None, T]
"""What waits for more text wherever it yields, and returns a T."""
LONGEST_NAME: Final = 512
"""Characters of the name of a tool, of a member or of an argument, at most. Until so many have come, what may
be a call waits."""
_BETWEEN: Final = 80
"""The longest text that stands between a name and arguments in place of the format's: until it has come, what
may be a call waits."""
_TAG: Final = re.compile(r"(?:<[^<>]+>|\[[^\[\]]+\])$")
_TOKENS: Final = re.compile(r"""(?s:(?P<json>[^"'A-Za-z]{1,64})|(?P<word>[A-Za-z]+)|.)""")
_IN_STRING: Final = re.compile(r"""(?s:[^"'\\\x00-\x1f]+|\\.|[^\\])""")
_WORDS: Final = {"True": "true", "False": "false", "None": "null"}
HABITS: Final = "Its JSON has single quotes, words of Python, or control characters in strings"


_DECODER: Final = json.JSONDecoder(parse_constant=value_of)
"""A reader of JSON. It gives NaN and the infinities to `value_of`, which refuses them."""


class LooseJson:
    """Takes a JSON value in pieces. One that is whole at once is read by `json`, in C, unless it is too deep
    for that."""

    def __init__(self) -> None:
        self._log = EventLog()
        self._quote = ""
        """What opened the string that is being read."""
        self.value: Any = MISSING
        """The value, once it is whole."""
        self.error = ""
        """Why it is no JSON."""
        self.is_respelled = self.is_whole = False

    def feed(
        self,
        text: str,
        offset: int,
        stop: int,
    ) -> tuple[int, str]:
        """Take what stands between two places; at the first, that which the last one left goes on. Return
        where it ends, and the JSON text of it. What the rest of the text may change is left."""
        sent = len(self._log.text)
        if (
            not sent
            and not self.is_whole
            and stop == len(text)
            and text[offset : offset + 1] in ("{", "[", '"')
        ):
            with suppress(ValueError, RecursionError):  # it is not whole, or no JSON
                self.value, end = _DECODER.raw_decode(text, offset)
                self.is_whole = True
                return end, text[offset:end]
        while offset < stop and not self.is_whole and not self.error:
            token = (_IN_STRING if self._quote else _TOKENS).match(text, offset, stop)
            if token is None:
                break  # a backslash
            # the word may go on: Fal is no word yet
            if token.lastgroup == "word" and token.end() == stop and len(token[0]) < len("false "):
                break
            offset += self._take_token(token[0])
        return offset, self._log.text[sent:].decode("utf-8", "surrogatepass")

    def _take_token(self, token: str) -> int:
        """Take a token; return how many of its characters belong to the value."""
        piece = token
        # single quotes become double ones
        if token == self._quote or (not self._quote and token in ("'", '"')):
            self._quote = "" if self._quote else token
            piece = '"'
        elif not self._quote:
            piece = _WORDS.get(token, token)
        elif token == "\\'":
            piece = "'"
        elif token == '"' or token[-1] < " ":
            piece = json.dumps(token[-1])[1:-1]
        self.is_respelled = self.is_respelled or piece != token
        sent = len(self._log.text)
        data = piece.encode("utf-8", "surrogatepass")
        try:
            end = self._log.write_document(data)
            if self._log.is_whole:
                self.value = value_of(self._log.text.decode("utf-8", "surrogatepass"))
                self.is_whole = True
        except JsonError as error:
            self.error, end = f"they are no JSON: {error.fault}", max(0, error.at - sent)
        # the log counts bytes, the reader characters
        return len(token) if end == len(data) else len(data[:end].decode("utf-8", "ignore"))


class UnfinishedError(Exception):
    """The text is over before what is being read."""


class MismatchError(Exception):
    """Something else stands there; the message says what was looked for."""


class HeadError(MismatchError):
    """The head of a call names none of the tools, or more than one; up to `end` it begins no other call."""

    def __init__(self, fault: str, end: int) -> None:
        self.end = end
        super().__init__(fault)


class IncomingText:
    """A text that comes in pieces.

    Its methods are generators: they wait (`yield`) where the text so far ends, so that what they return does
    not depend on the pieces. They raise `UnfinishedError` where the text is over too early. Cost: linear in
    the text.
    """

    def __init__(self) -> None:
        self.text = ""
        self.is_complete = False

    def wait_for_text(self) -> Wait[None]:
        """Wait for more text."""
        if self.is_complete:
            raise UnfinishedError
        yield

    def read_character(self, offset: int) -> Wait[str]:
        """Return the character at a place."""
        while offset >= len(self.text):
            yield from self.wait_for_text()
        return self.text[offset]

    def skip_characters(self, offset: int, skipped_characters: str = BLANK) -> Wait[int]:
        """Return the place of the next character that is none of some, white space usually, or of the end."""
        while True:
            while self.text[offset : offset + 1] in skipped_characters and offset < len(self.text):
                offset += 1
            if offset < len(self.text) or self.is_complete:
                return offset
            yield

    def match_text(
        self,
        offset: int,
        text: str,
        *,
        quotes: bool = False,
    ) -> Wait[int]:
        """Return where a text of the format ends that stands at `offset`. For white space in it any may stand
        there, or none; with `quotes`, single quotes for double ones. Raises `MismatchError`."""
        for index, char in enumerate(text):
            # white space of a format stands for any, or for none
            if char in BLANK:
                offset = yield from self.skip_characters(offset)
                continue
            actual = yield from self.read_character(offset)
            if actual != char and not (quotes and char == '"' and actual == "'"):
                raise MismatchError(f"{text[index : index + 20]!r}")
            offset += 1
        return offset

    def read_word(
        self,
        offset: int,
        stops: str,
        max_length: int = sys.maxsize,
        expected: str = "",
    ) -> Wait[str]:
        """Return what stands before one of some characters. Raises `MismatchError` of `expected` where that
        has `max_length` characters."""
        inside = re.compile(f"[^{re.escape(stops)}]*")
        end = offset
        while (end := inside.match(self.text, end).end()) == len(self.text) < offset + max_length:  # type: ignore[union-attr]
            yield from self.wait_for_text()
        if end - offset >= max_length:
            raise MismatchError(expected)
        return self.text[offset:end]

    def match_any(
        self,
        offset: int,
        marks: Texts,
        *,
        exact: bool = False,
    ) -> Wait[str]:
        """Return the one of some texts of the format that stands at `offset`, as it is written; "" for
        none."""
        while not self.is_complete and find_partial_mark(self.text, marks, offset, exact=exact) == offset:
            yield
        match = marks_pattern(marks, exact=exact).match(self.text, offset)
        return "" if match is None else match[0]

    def read_json(
        self,
        offset: int,
        write: Callable[[str], None] | None = None,
        max_length: int = sys.maxsize,
        *,
        is_strict: bool = False,
    ) -> Wait[tuple[int, LooseJson]]:
        """Return where a JSON value ends, and what is read of it. Reading ends behind `max_length`
        characters, at what is no JSON, and, if `is_strict`, at what is not written as JSON. `write` takes its
        JSON text."""
        loose = LooseJson()
        begin = offset
        while True:
            offset, json_text = loose.feed(self.text, offset, min(len(self.text), begin + max_length))
            if write is not None:
                write(json_text)
            is_over = loose.is_whole or loose.error or (is_strict and loose.is_respelled)
            if is_over or len(self.text) > begin + max_length:
                return offset, loose
            yield from self.wait_for_text()

    def match_template(
        self,
        template: str,
        offset: int,
        stops: str = "",
        max_length: int = sys.maxsize,
        *,
        is_loose: bool = False,
    ) -> Wait[tuple[int, dict[str, str]]]:
        """Read texts of the format, and the words in places between them: before the text behind, and before
        some characters. Return where they end, and the words. `is_loose`: in place of the last text another
        may stand that ends in the same tag, or none; it is "between". Raises `MismatchError`, for a longer
        word too."""
        placeholders: dict[str, str] = {}
        parts = template_pieces(template)
        for index, (kind, text) in enumerate(parts):
            if kind in ("gap", "line"):
                offset = yield from self.skip_characters(offset)
            elif kind != TEXT:
                offset = yield from self.skip_characters(offset)
                next_character = (*parts, (TEXT, ""))[index + 1][1].lstrip()[:1]
                ends = stops + ("\"'" if next_character == '"' else next_character)
                placeholders[kind] = yield from self.read_word(offset, ends, max_length, f"${kind}")
                offset = yield from self.skip_characters(offset + len(placeholders[kind]))
            elif not is_loose or index < len(parts) - 1:
                offset = yield from self.match_text(offset, text, quotes=True)
            else:
                word = yield from self.read_word(offset, "{", _BETWEEN, repr(text[:20]))
                tag = _TAG.search(text.strip())
                actual = word.strip()
                is_tagged = (
                    tag is not None and actual.endswith(tag[0]) and not actual.startswith(text.strip())
                )
                if actual and not is_tagged:
                    raise MismatchError(repr(text[:20]))
                placeholders["between"], offset = actual, offset + len(word)
        return offset, placeholders

    def find_text(
        self,
        marks: Texts,
        offset: int,
        take: Callable[[int, int], None] | None = None,
        *,
        exact: bool = False,
    ) -> Wait[tuple[int, str]]:
        """Return where the first of some texts of the format stands, the longest there, and how it is
        written. Where the text is over before, return the end and ""; with `exact` that is an error. `take`
        gets what stands before it, as it comes: where that begins and ends. With `exact` it does not get the
        beginning of one in which the text is over."""
        while True:
            mark = marks_pattern(marks, exact=exact).search(self.text, offset)
            is_over = self.is_complete and (mark is not None or not exact)
            # what may begin a mark is not given out before it is decided
            stop = len(self.text) if is_over else find_partial_mark(self.text, marks, offset, exact=exact)
            word = mark[0] if mark is not None and mark.start() < stop else ""
            stop = mark.start() if mark is not None and word else stop
            del mark  # it holds the text, which grows
            if take is not None and stop > offset:
                take(offset, stop)
            if word:
                return stop, word
            if self.is_complete and exact:
                raise UnfinishedError
            if self.is_complete:
                return len(self.text), ""
            offset = stop
            yield


@lru_cache(maxsize=1024)
def marks_pattern(marks: Texts, *, exact: bool = False) -> re.Pattern[str]:
    """Return the pattern that finds the first of some texts of a format, the longest there. They are taken
    with any white space in them, and single quotes for double ones, or as they are (`exact`)."""
    longest_first = sorted(marks, key=len, reverse=True)
    return re.compile("|".join("".join(_character_patterns(text, exact)) for text in longest_first) or "(?!)")


def _character_patterns(mark: str, exact: bool) -> list[str]:
    """Return the patterns of the characters of a text, or of its white space, as models write it."""
    if exact:
        return list(map(re.escape, mark))
    parts = re.findall(r"\s+|\S", mark.lstrip())
    return [r"\s{0,64}" if part.isspace() else "[\"']" if part == '"' else re.escape(part) for part in parts]


def find_partial_mark(
    text: str,
    marks: Texts,
    offset: int = 0,
    *,
    exact: bool = False,
) -> int:
    """Return where the longest end of a text begins, behind `offset`, that is a beginning of one of some
    texts. They are taken with white space and single quotes in them, or as they are (`exact`)."""
    pattern, longest = _partial_marks_pattern(marks, exact)
    return pattern.search(text, max(offset, len(text) - longest)).start()  # type: ignore[union-attr]


@lru_cache(maxsize=1024)
def _partial_marks_pattern(marks: Texts, exact: bool) -> tuple[re.Pattern[str], int]:
    """Return the pattern that finds the beginnings of some texts at the end of another one, "" at least, and
    how long they may be."""
    patterns = []
    for text in marks:
        parts = _character_patterns(text, exact)
        del parts[len(parts) - (exact or not text[-1:].isspace()) :]  # more white space belongs to a text
        patterns.append("(?:".join(parts) + ")?" * max(0, len(parts) - 1))
    # each white space of a mark may be 64 characters in the text
    longest = max((len(text) + 64 * len(text.split()) for text in marks), default=0)
    return re.compile(rf"(?:{'|'.join(filter(None, patterns))})\Z|\Z" if any(patterns) else r"\Z"), longest


@dataclass(slots=True)
class CallDraft:
    """A call while it is being read."""

    way: Way
    is_held: bool = False
    """Whether it is told only once it is whole."""
    listener: Callable[[str], None] | None = None
    """Takes more of its arguments, once it is told."""
    name: str = ""
    id: str | None = None
    index: str | None = None
    begin: int = -1
    """Where the arguments begin; -1 until it is certain that it is a call."""
    end: int = 0
    """Where they end, so far."""
    json_parts: list[str] = field(default_factory=list)
    """The JSON text of the arguments, which only grows."""
    is_closed: bool = False
    """Whether they are written to their end."""
    error: str = ""
    """Why they are no arguments."""
    members: Any = None
    """The `MemberReader` of its arguments, if they stand one by one."""
    keys: list[str] = field(default_factory=list)
    """The members of a call that is one JSON object, so far."""
    notes: dict[str, bool] = field(default_factory=dict)
    """What is not written as the format writes it; False: a mark is missing, or another."""

    @property
    def is_call(self) -> bool:
        return self.begin >= 0 and bool(self.name)

    def write_json(self, text: str) -> None:
        """Take more of the JSON text of the arguments."""
        self.json_parts.append(text)
        if self.listener is not None and text:
            self.listener(text)
