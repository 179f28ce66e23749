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
"""The type of a reading method: a generator that yields where it needs more text, and returns a T."""
LONGEST_NAME: Final = 512
"""The longest name of a tool, a member or an argument, in characters. A text that may begin a call waits
until so many characters have come."""
_BETWEEN: Final = 80
"""The longest text, in characters, that may stand between a name and arguments in place of the format's text.
A text that may begin a call waits until so many characters have come."""
_TAG: Final = re.compile(r"(?:<[^<>]+>|\[[^\[\]]+\])$")
_TOKENS: Final = re.compile(r"""(?s:(?P<json>[^"'A-Za-z]{1,64})|(?P<word>[A-Za-z]+)|.)""")
_IN_STRING: Final = re.compile(r"""(?s:[^"'\\\x00-\x1f]+|\\.|[^\\])""")
_WORDS: Final = {"True": "true", "False": "false", "None": "null"}
HABITS: Final = "Its JSON has single quotes, words of Python, or control characters in strings"


_DECODER: Final = json.JSONDecoder(parse_constant=value_of)
"""A reader of JSON. It gives NaN and the infinities to `value_of`, which refuses them."""


class LooseJson:
    """Reads a loosely written JSON value in pieces. For example the pieces `{'a'` and `: True}` give the
    value `{"a": True}`. A value that is whole at once is read by `json`, in C, unless it is too deep for
    that."""

    def __init__(self) -> None:
        self._log = EventLog()
        self._quote = ""
        """The quote that opened the string that is being read; "": none is being read."""
        self.value: Any = MISSING
        """The value, once it is whole."""
        self.error = ""
        """Why the text is not JSON; "": nothing is wrong so far."""
        self.is_respelled = self.is_whole = False

    def feed(
        self,
        text: str,
        offset: int,
        stop: int,
    ) -> tuple[int, str]:
        """Take `text[offset:stop]`. Return the offset up to which it was read, and the JSON text of that
        part.

        Characters at the end that later text may change are not read: the next call begins with them.
        """
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
                break  # the text ends in a backslash
            # the word may go on: `Fal` may become `False`
            if token.lastgroup == "word" and token.end() == stop and len(token[0]) < len("false "):
                break
            offset += self._take_token(token[0])
        return offset, self._log.text[sent:].decode("utf-8", "surrogatepass")

    def _take_token(self, token: str) -> int:
        """Take a token of JSON text; return how many of its characters belong to the value."""
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
    """The text is over, and the part that is being read is not complete."""


class MismatchError(Exception):
    """Other text stands there than was expected; the message names the expected text."""


class HeadError(MismatchError):
    """The head of a call names none of the tools, or more than one. No other call begins before `end`."""

    def __init__(self, fault: str, end: int) -> None:
        self.end = end
        super().__init__(fault)


class IncomingText:
    """A text that comes in pieces.

    Its reading methods are generators. They wait (`yield`) where the text so far ends, so that their results
    do not depend on the pieces. They raise `UnfinishedError` where the text is over too early. All offsets
    count characters of the whole text. Cost: linear in the text.
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
        """Return the character at an offset."""
        while offset >= len(self.text):
            yield from self.wait_for_text()
        return self.text[offset]

    def skip_characters(self, offset: int, skipped_characters: str = BLANK) -> Wait[int]:
        """Return the offset of the next character that is not one of `skipped_characters`, or the end."""
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
        """Return where a text of the format ends that stands at `offset`. Raises `MismatchError` where it
        does not stand there.

        White space in it matches any white space, or none. `quotes`: single quotes may stand for double ones.
        """
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
        """Return the text from `offset` to the next of the characters `stops`. Raises `MismatchError`, with
        `expected` as its message, where that text has `max_length` characters."""
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
        """Return the mark that stands at `offset`, as the reply writes it; "" where there is none of `marks`.
        `exact`: white space and quotes must be as in the format."""
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
        """Return where a JSON value ends, and its reader, which holds the value or an error.

        Reading ends after `max_length` characters, and at text that is not JSON. `is_strict`: it also ends at
        loose spellings. `write` is called with each piece of the JSON text.
        """
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
        """Match a template, for example `<call>$name:`, at `offset`. Return where it ends, and the word in
        each place: `{"name": "add"}`.

        A word ends before the next text of the template, or before one of the characters `stops`. Raises
        `MismatchError` where the template does not match, or a word is longer than `max_length`. `is_loose`:
        the last text may be missing, or another text may stand there that ends in the same tag. That text
        is returned as the word "between".
        """
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
        """Return the offset of the first mark after `offset`, and the mark as the reply writes it. Of several
        marks there the longest counts. Where none comes, return the end of the text and "".

        `take` is called with the begin and the end of each stretch before the mark, as it comes. `exact`: the
        marks must be written as in the format, and a missing mark is an `UnfinishedError`. Then `take` does
        not get the beginning of a mark in which the text ends.
        """
        while True:
            mark = marks_pattern(marks, exact=exact).search(self.text, offset)
            is_over = self.is_complete and (mark is not None or not exact)
            # an end of the text that may begin a mark is held back
            stop = len(self.text) if is_over else find_partial_mark(self.text, marks, offset, exact=exact)
            word = mark[0] if mark is not None and mark.start() < stop else ""
            stop = mark.start() if mark is not None and word else stop
            del mark  # a match refers to the text, which could not grow in place then
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
    """Return the pattern that finds the first of some marks, and the longest one at its offset. White space
    in a mark matches any, and single quotes match double ones. `exact`: marks match only as they are."""
    longest_first = sorted(marks, key=len, reverse=True)
    return re.compile("|".join("".join(_character_patterns(text, exact)) for text in longest_first) or "(?!)")


def _character_patterns(mark: str, exact: bool) -> list[str]:
    """Return a pattern for each character of a mark, and for each stretch of its white space."""
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
    """Return where the beginning of a mark starts with which a text ends; the text's length where there is
    none. For example 5 for `Hello<tool` and the mark `<tool_call>`.

    Only characters from `offset` on count. `exact` is as in `marks_pattern`.
    """
    pattern, longest = _partial_marks_pattern(marks, exact)
    return pattern.search(text, max(offset, len(text) - longest)).start()  # type: ignore[union-attr]


@lru_cache(maxsize=1024)
def _partial_marks_pattern(marks: Texts, exact: bool) -> tuple[re.Pattern[str], int]:
    """Return a pattern that finds the beginning of a mark at the end of a text, and its greatest length.

    The pattern matches "" where the text does not end in such a beginning.
    """
    patterns = []
    for text in marks:
        parts = _character_patterns(text, exact)
        del parts[len(parts) - (exact or not text[-1:].isspace()) :]  # after white space more of it may come
        patterns.append("(?:".join(parts) + ")?" * max(0, len(parts) - 1))
    # each white space of a mark may be 64 characters in the text
    longest = max((len(text) + 64 * len(text.split()) for text in marks), default=0)
    return re.compile(rf"(?:{'|'.join(filter(None, patterns))})\Z|\Z" if any(patterns) else r"\Z"), longest


@dataclass(slots=True)
class CallDraft:
    """A call while it is being read."""

    way: Way
    is_held: bool = False
    """Whether no event names the call before it is whole."""
    listener: Callable[[str], None] | None = None
    """The function that takes each new piece of its arguments, once an event has named the call."""
    name: str = ""
    id: str | None = None
    index: str | None = None
    begin: int = -1
    """The offset at which the arguments begin; -1 until the draft certainly is a call."""
    end: int = 0
    """The offset up to which the arguments are read."""
    json_parts: list[str] = field(default_factory=list)
    """The JSON text of the arguments, which only grows."""
    is_closed: bool = False
    """Whether the end of the arguments was read."""
    error: str = ""
    """Why the arguments cannot be read; "": nothing is wrong so far."""
    members: Any = None
    """The `MemberReader` of the arguments, where the format writes them one by one."""
    keys: list[str] = field(default_factory=list)
    """The keys so far of a call that is one JSON object."""
    notes: dict[str, bool] = field(default_factory=dict)
    """How the call differs from its format, as sentences for notes. True: a habit of models; False: a mark is
    missing, or another stands in its place."""

    @property
    def is_call(self) -> bool:
        return self.begin >= 0 and bool(self.name)

    def write_json(self, text: str) -> None:
        """Take more of the JSON text of the arguments."""
        self.json_parts.append(text)
        if self.listener is not None and text:
            self.listener(text)
