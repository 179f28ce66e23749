"""A reply that comes in pieces. Texts of a format in it are matched with any white space where the format has
some. JSON is read as models write it: with single quotes, words of Python, control characters in strings. A
call has a draft while it is being read."""

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
from structgen.grammars.text_grammars.composition.templates import BLANK, TEXT, pieces

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

    def feed(self, text: str, at: int, stop: int) -> tuple[int, str]:
        """Take what stands between two places; at the first, that which the last one left goes on. Return
        where it ends, and the JSON text of it. What the rest of the text may change is left."""
        sent = len(self._log.text)
        if not sent and not self.is_whole and stop == len(text) and text[at : at + 1] in ("{", "[", '"'):
            with suppress(ValueError, RecursionError):  # it is not whole, or no JSON
                self.value, end = _DECODER.raw_decode(text, at)
                self.is_whole = True
                return end, text[at:end]
        while at < stop and not self.is_whole and not self.error:
            token = (_IN_STRING if self._quote else _TOKENS).match(text, at, stop)
            if token is None:
                break  # a backslash
            if token.lastgroup == "word" and token.end() == stop and len(token[0]) < len("false "):
                break
            at += self._take(token[0])
        return at, self._log.text[sent:].decode("utf-8", "surrogatepass")

    def _take(self, said: str) -> int:
        """Take a token; return how many of its characters belong to the value."""
        piece = said
        if said == self._quote or (not self._quote and said in ("'", '"')):
            self._quote, piece = "" if self._quote else said, '"'
        elif not self._quote:
            piece = _WORDS.get(said, said)
        elif said == "\\'":
            piece = "'"
        elif said == '"' or said[-1] < " ":
            piece = json.dumps(said[-1])[1:-1]
        self.is_respelled = self.is_respelled or piece != said
        before, data = len(self._log.text), piece.encode("utf-8", "surrogatepass")
        try:
            end = self._log.write_document(data)
            if self._log.is_whole:
                self.value = value_of(self._log.text.decode("utf-8", "surrogatepass"))
                self.is_whole = True
        except JsonError as error:
            self.error, end = f"they are no JSON: {error.what}", max(0, error.at - before)
        return len(said) if end == len(data) else len(data[:end].decode("utf-8", "ignore"))


class UnfinishedError(Exception):
    """The text is over before what is being read."""


class DifferentError(Exception):
    """Something else stands there; the message says what was looked for."""


class HeadError(DifferentError):
    """The head of a call names none of the tools, or more than one; up to `end` it begins no other call."""

    def __init__(self, what: str, end: int) -> None:
        self.end = end
        super().__init__(what)


class Incoming:
    """A text that comes in pieces. What it reads waits at its end, and depends on the text alone, not on the
    pieces; where the text is over, `UnfinishedError` is raised. Cost: linear in the text."""

    def __init__(self) -> None:
        self.text = ""
        self.ended = False

    def more(self) -> Wait[None]:
        """Wait for more text."""
        if self.ended:
            raise UnfinishedError
        yield

    def char(self, at: int) -> Wait[str]:
        """Return the character at a place."""
        while at >= len(self.text):
            yield from self.more()
        return self.text[at]

    def skipped(self, at: int, over: str = BLANK) -> Wait[int]:
        """Return the place of the next character that is none of some, white space usually, or of the end."""
        while True:
            while self.text[at : at + 1] in over and at < len(self.text):
                at += 1
            if at < len(self.text) or self.ended:
                return at
            yield

    def matched(self, at: int, said: str, *, quotes: bool = False) -> Wait[int]:
        """Return where a text of the format ends that stands at `at`. For white space in it any may stand
        there, or none; with `quotes`, single quotes for double ones. Raises `DifferentError`."""
        for index, char in enumerate(said):
            if char in BLANK:
                at = yield from self.skipped(at)
                continue
            there = yield from self.char(at)
            if there != char and not (quotes and char == '"' and there == "'"):
                raise DifferentError(f"{said[index : index + 20]!r}")
            at += 1
        return at

    def word(self, at: int, stops: str, most: int = sys.maxsize, what: str = "") -> Wait[str]:
        """Return what stands before one of some characters. Raises `DifferentError` of `what` where that has
        `most` characters."""
        inside, end = re.compile(f"[^{re.escape(stops)}]*"), at
        while (end := inside.match(self.text, end).end()) == len(self.text) < at + most:  # type: ignore[union-attr]
            yield from self.more()
        if end - at >= most:
            raise DifferentError(what)
        return self.text[at:end]

    def follows(self, at: int, said: Texts, *, exact: bool = False) -> Wait[str]:
        """Return the one of some texts of the format that stands at `at`, as it is written; "" for none."""
        while not self.ended and begun(self.text, said, at, exact=exact) == at:
            yield
        there = searcher(said, exact=exact).match(self.text, at)
        return "" if there is None else there[0]

    def json(
        self,
        at: int,
        write: Callable[[str], None] | None = None,
        most: int = sys.maxsize,
        *,
        is_strict: bool = False,
    ) -> Wait[tuple[int, LooseJson]]:
        """Return where a JSON value ends, and what is read of it. Reading ends behind `most` characters, at
        what is no JSON, and, if `is_strict`, at what is not written as JSON. `write` takes its JSON text."""
        loose, begin = LooseJson(), at
        while True:
            at, said = loose.feed(self.text, at, min(len(self.text), begin + most))
            if write is not None:
                write(said)
            is_over = loose.is_whole or loose.error or (is_strict and loose.is_respelled)
            if is_over or len(self.text) > begin + most:
                return at, loose
            yield from self.more()

    def placed(
        self, template: str, at: int, stops: str = "", most: int = sys.maxsize, *, is_loose: bool = False
    ) -> Wait[tuple[int, dict[str, str]]]:
        """Read texts of the format, and the words in places between them: before the text behind, and before
        some characters. Return where they end, and the words. `is_loose`: in place of the last text another
        may stand that ends in the same tag, or none; it is "between". Raises `DifferentError`, for a longer
        word too."""
        words: dict[str, str] = {}
        parts = pieces(template)
        for index, (kind, said) in enumerate(parts):
            if kind in ("gap", "line"):
                at = yield from self.skipped(at)
            elif kind != TEXT:
                at = yield from self.skipped(at)
                behind = (*parts, (TEXT, ""))[index + 1][1].lstrip()[:1]
                ends = stops + ("\"'" if behind == '"' else behind)
                words[kind] = yield from self.word(at, ends, most, f"${kind}")
                at = yield from self.skipped(at + len(words[kind]))
            elif not is_loose or index < len(parts) - 1:
                at = yield from self.matched(at, said, quotes=True)
            else:
                word = yield from self.word(at, "{", _BETWEEN, repr(said[:20]))
                tag, there = _TAG.search(said.strip()), word.strip()
                is_tagged = tag is not None and there.endswith(tag[0]) and not there.startswith(said.strip())
                if there and not is_tagged:
                    raise DifferentError(repr(said[:20]))
                words["between"], at = there, at + len(word)
        return at, words

    def found(
        self,
        said: Texts,
        at: int,
        take: Callable[[int, int], None] | None = None,
        *,
        exact: bool = False,
    ) -> Wait[tuple[int, str]]:
        """Return where the first of some texts of the format stands, the longest there, and how it is
        written. Where the text is over before, return the end and ""; with `exact` that is an error. `take`
        gets what stands before it, as it comes: where that begins and ends. With `exact` it does not get the
        beginning of one in which the text is over."""
        while True:
            mark = searcher(said, exact=exact).search(self.text, at)
            is_over = self.ended and (mark is not None or not exact)
            stop = len(self.text) if is_over else begun(self.text, said, at, exact=exact)
            word = mark[0] if mark is not None and mark.start() < stop else ""
            stop = mark.start() if mark is not None and word else stop
            del mark  # it holds the text, which grows
            if take is not None and stop > at:
                take(at, stop)
            if word:
                return stop, word
            if self.ended and exact:
                raise UnfinishedError
            if self.ended:
                return len(self.text), ""
            at = stop
            yield


@lru_cache(maxsize=1024)
def searcher(said: Texts, *, exact: bool = False) -> re.Pattern[str]:
    """Return the pattern that finds the first of some texts of a format, the longest there. They are taken
    with any white space in them, and single quotes for double ones, or as they are (`exact`)."""
    listed = sorted(said, key=len, reverse=True)
    return re.compile("|".join("".join(_parts(text, exact)) for text in listed) or "(?!)")


def _parts(said: str, exact: bool) -> list[str]:
    """Return the patterns of the characters of a text, or of its white space, as models write it."""
    if exact:
        return list(map(re.escape, said))
    parts = re.findall(r"\s+|\S", said.lstrip())
    return [r"\s{0,64}" if part.isspace() else "[\"']" if part == '"' else re.escape(part) for part in parts]


def begun(text: str, said: Texts, at: int = 0, *, exact: bool = False) -> int:
    """Return where the longest end of a text begins, behind `at`, that is a beginning of one of some texts.
    They are taken with white space and single quotes in them, or as they are (`exact`)."""
    pattern, longest = _beginnings(said, exact)
    return pattern.search(text, max(at, len(text) - longest)).start()  # type: ignore[union-attr]


@lru_cache(maxsize=1024)
def _beginnings(said: Texts, exact: bool) -> tuple[re.Pattern[str], int]:
    """Return the pattern that finds the beginnings of some texts at the end of another one, "" at least, and
    how long they may be."""
    patterns = []
    for text in said:
        parts = _parts(text, exact)
        del parts[len(parts) - (exact or not text[-1:].isspace()) :]  # more white space belongs to a text
        patterns.append("(?:".join(parts) + ")?" * max(0, len(parts) - 1))
    longest = max((len(text) + 64 * len(text.split()) for text in said), default=0)
    return re.compile(rf"(?:{'|'.join(filter(None, patterns))})\Z|\Z" if any(patterns) else r"\Z"), longest


@dataclass(slots=True)
class CallDraft:
    """A call while it is being read."""

    way: Way
    is_held: bool = False
    """Whether it is told only once it is whole."""
    tell: Callable[[str], None] | None = None
    """Takes more of its arguments, once it is told."""
    name: str = ""
    id: str | None = None
    index: str | None = None
    begin: int = -1
    """Where the arguments begin; -1 until it is certain that it is a call."""
    end: int = 0
    """Where they end, so far."""
    written: list[str] = field(default_factory=list)
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

    def write(self, said: str) -> None:
        """Take more of the JSON text of the arguments."""
        self.written.append(said)
        if self.tell is not None and said:
            self.tell(said)
