"""Texts of a format inside a reply that comes in pieces: matched with any white space where the format has
some."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Generator
from functools import lru_cache
from typing import Final, TypeAlias, TypeVar

from structgen.text_grammars.composition.templates import BLANK

T = TypeVar("T")
Wait: TypeAlias = Generator[None, None, T]
"""What waits for more text wherever it yields, and returns a T."""
_BLANKS: Final = re.compile(f"[{BLANK}]*")


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

    def skipped(self, at: int) -> Wait[int]:
        """Return the place of the next character that is no white space, or of the end."""
        while True:
            at = _BLANKS.match(self.text, at).end()  # type: ignore[union-attr]
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

    def follows(self, at: int, said: tuple[str, ...]) -> Wait[re.Match[str] | None]:
        """Return the one of some texts of the format that stands at `at`."""
        while not self.ended and begun(self.text, said, at) == at:
            yield
        return searcher(said).match(self.text, at)

    def found(
        self,
        said: tuple[str, ...],
        at: int,
        take: Callable[[int, int], None] | None = None,
        *,
        exact: bool = False,
    ) -> Wait[re.Match[str] | None]:
        """Return the first of some texts of the format, the longest there; None where the text is over
        before. `take` gets what stands before it, as it comes: where that begins and ends; with `exact` not
        the beginning of one in which the text is over."""
        while True:
            found = searcher(said, exact=exact).search(self.text, at)
            is_over = self.ended and (found is not None or not exact)
            stop = len(self.text) if is_over else begun(self.text, said, at, exact=exact)
            if found is not None and found.start() >= stop:
                found = None
            stop = stop if found is None else found.start()
            if take is not None and stop > at:
                take(at, stop)
            if found is not None or self.ended:
                return found
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
