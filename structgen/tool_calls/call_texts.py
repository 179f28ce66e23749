"""Texts of a format inside a reply: matched with any white space where the format has some."""

from __future__ import annotations

import re
from functools import lru_cache

from structgen.text_grammars.composition.templates import BLANK


class UnfinishedError(Exception):
    """The text ends before what is being read."""


class DifferentError(Exception):
    """Something else stands there; the message says what was looked for."""


def skipped(text: str, at: int) -> int:
    """Return the place of the next character that is no white space."""
    while at < len(text) and text[at] in BLANK:
        at += 1
    return at


def matched(text: str, at: int, said: str, *, quotes: bool = False) -> int:
    """Return where a text of the format ends that stands at `at`. For white space in it any may stand there,
    or none; with `quotes`, single quotes for double ones.

    Raises `UnfinishedError` where the text ends inside it, `DifferentError` where it does not stand there.
    """
    index = 0
    while index < len(said):
        char = said[index]
        if char in BLANK:
            at, index = skipped(text, at), index + 1
            continue
        if at == len(text):
            raise UnfinishedError
        if text[at] != char and not (quotes and char == '"' and text[at] == "'"):
            raise DifferentError(f"{said[index : index + 20]!r}")
        at, index = at + 1, index + 1
    return at


def word_end(text: str, at: int, stops: str, most: int, what: str) -> int:
    """Return where a word ends: before one of some characters. Raises `UnfinishedError` where it may go on,
    `DifferentError` of `what` where it has `most` characters."""
    end = at
    while end < len(text) and end - at < most and text[end] not in stops:
        end += 1
    if end - at >= most:
        raise DifferentError(what)
    if end == len(text):
        raise UnfinishedError
    return end


@lru_cache(maxsize=1024)
def searcher(said: tuple[str, ...], *, exact: bool = False) -> re.Pattern[str]:
    """Return the pattern that finds the first of some texts of a format, with any white space in them, and
    single quotes for double ones; or as they are."""
    return re.compile("|".join(map(re.escape if exact else _pattern, said)))


def _pattern(said: str) -> str:
    return "".join(map(_like, re.findall(r"\s+|\S", said.lstrip())))


def _like(part: str) -> str:
    """Return the pattern of a character, or of white space, as models write it."""
    return r"\s*" if part.isspace() else "[\"']" if part == '"' else re.escape(part)


def begun(text: str, said: tuple[str, ...], *, blanks: bool = True) -> int:
    """Return where the longest end of a text begins that is a beginning of one of some texts, with any white
    space and single quotes in them (`blanks`) or as they are."""
    return _beginnings(said, blanks).search(text).start()  # type: ignore[union-attr]


@lru_cache(maxsize=1024)
def _beginnings(said: tuple[str, ...], blanks: bool) -> re.Pattern[str]:
    """Return the pattern that finds the beginnings of some texts at the end of another one, "" at least."""
    found = []
    for one in said:
        parts = re.findall(r"\s+|\S", one.lstrip()) if blanks else list(one)
        listed = [_like(part) if blanks else re.escape(part) for part in parts[:-1]]
        found.append("(?:".join(listed) + ")?" * max(0, len(listed) - 1))
    return re.compile(rf"(?:{'|'.join(filter(None, found))})\Z|\Z" if any(found) else r"\Z")
