"""Texts of a format inside a reply that comes in pieces: matched with any white space where the format has
some."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Generator, Sequence
from functools import lru_cache
from itertools import zip_longest
from typing import Final, TypeAlias, TypeVar

from structgen.text_grammars.composition.templates import BLANK, TEXT, Piece

T = TypeVar("T")
Wait: TypeAlias = Generator[None, None, T]
"""What waits for more text wherever it yields, and returns a T."""
BETWEEN: Final = "between"
"""In place of a text of the format: another one may stand there."""
_BETWEEN: Final = 80
"""The longest text that stands there."""
_TAG: Final = re.compile(r"(?:<[^<>]+>|\[[^\[\]]+\])$")


class UnfinishedError(Exception):
    """The text is over before what is being read."""


class DifferentError(Exception):
    """Something else stands there; the message says what was looked for."""


class HeadError(DifferentError):
    """The head of a call names none of the tools."""


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

    def settled(self, at: int, listed: tuple[str, ...]) -> Wait[None]:
        """Wait as long as what stands at `at` may become one of some texts."""
        while not self.ended and any(
            one.startswith(rest) and one != rest for one in listed for rest in [self.text[at : at + len(one)]]
        ):
            yield

    def follows(self, at: int, said: tuple[str, ...]) -> Wait[str]:
        """Return the one of some texts of the format that stands at `at`, as it is written; "" for none."""
        while not self.ended and begun(self.text, said, at) == at:
            yield
        there = searcher(said).match(self.text, at)
        return "" if there is None else there[0]

    def placed(
        self, parts: Sequence[Piece], at: int, stops: str = "", most: int = sys.maxsize
    ) -> Wait[tuple[int, dict[str, str]]]:
        """Read texts of the format, and the words in places between them: before the text behind, and before
        some characters. Return where they end, and the words. Between a name and arguments another text may
        stand that ends in the same tag, or none. Raises `DifferentError`, for a longer word too."""
        found: dict[str, str] = {}
        for (kind, said), (_, behind) in zip_longest(parts, parts[1:], fillvalue=(TEXT, "")):
            if kind == TEXT:
                at = yield from self.matched(at, said, quotes=True)
            elif kind in ("gap", "line"):
                at = yield from self.skipped(at)
            else:
                first = behind.lstrip()[:1]
                ends = "{" if kind == BETWEEN else stops + ("\"'" if first == '"' else first)
                word = yield from self.word(at, ends, _BETWEEN if kind == BETWEEN else most, f"${kind}")
                tag, there = _TAG.search(said.strip()), word.strip()
                if (
                    kind == BETWEEN
                    and there
                    and (not tag or not there.endswith(tag[0]) or there.startswith(said.strip()))
                ):
                    raise DifferentError(repr(said[:20]))
                found[kind], at = word, at + len(word)
        return at, found

    def found(
        self,
        said: tuple[str, ...],
        at: int,
        take: Callable[[int, int], None] | None = None,
        *,
        exact: bool = False,
    ) -> Wait[tuple[int, str]]:
        """Return where the first of some texts of the format stands, the longest there, and how it is
        written; the end and "" where the text is over before. `take` gets what stands before it, as it comes:
        where that begins and ends; with `exact` not the beginning of one in which the text is over."""
        while True:
            found = searcher(said, exact=exact).search(self.text, at)
            is_over = self.ended and (found is not None or not exact)
            stop = len(self.text) if is_over else begun(self.text, said, at, exact=exact)
            word = found[0] if found is not None and found.start() < stop else ""
            stop = found.start() if found is not None and word else stop
            del found  # it holds the text, which grows
            if take is not None and stop > at:
                take(at, stop)
            if word or self.ended:
                return stop if word else len(self.text), word
            at = stop
            yield


@lru_cache(maxsize=1024)
def searcher(said: tuple[str, ...], *, exact: bool = False) -> re.Pattern[str]:
    """Return the pattern that finds the first of some texts of a format, the longest there, with any white
    space in them, and single quotes for double ones; or as they are."""
    listed = sorted(said, key=len, reverse=True)
    return re.compile("|".join("".join(_parts(one, exact)) for one in listed) or "(?!)")


def _parts(said: str, exact: bool) -> list[str]:
    """Return the patterns of the characters of a text, or of its white space, as models write it."""
    if exact:
        return list(map(re.escape, said))
    likes = {'"': "[\"']"}
    return [
        r"\s{0,64}" if part.isspace() else likes.get(part, re.escape(part))
        for part in re.findall(r"\s+|\S", said.lstrip())
    ]


def begun(text: str, said: tuple[str, ...], at: int = 0, *, exact: bool = False) -> int:
    """Return where the longest end of a text begins, behind `at`, that is a beginning of one of some texts,
    with white space and single quotes in them or as they are."""
    pattern, longest = _beginnings(said, exact)
    return pattern.search(text, max(at, len(text) - longest)).start()  # type: ignore[union-attr]


@lru_cache(maxsize=1024)
def _beginnings(said: tuple[str, ...], exact: bool) -> tuple[re.Pattern[str], int]:
    """Return the pattern that finds the beginnings of some texts at the end of another one, "" at least, and
    how long they may be."""
    found = []
    for one in said:
        parts = _parts(one, exact)[:-1]
        found.append("(?:".join(parts) + ")?" * max(0, len(parts) - 1))
    longest = max((len(one) + 64 * len(one.split()) for one in said), default=0)
    return re.compile(rf"(?:{'|'.join(filter(None, found))})\Z|\Z" if any(found) else r"\Z"), longest
