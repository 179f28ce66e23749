"""The reader of Python's regular expressions: pattern and flags -> tree (`syntax_tree`).

Source: Python's library reference (re). re itself is asked which code points its classes and its case folding
match, so the answer is that of the running Python.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from importlib import import_module
from typing import Any, Final

from structgen.automata.regex.re_parse_tree import (
    category_letter,
    class_items,
    code_points,
    in_brackets,
    tree_of,
)
from structgen.automata.regex.regex_module import parse_regex_module
from structgen.automata.regex.syntax_tree import Node
from structgen.automata.unicode.cached_sets import cached
from structgen.automata.unicode.charsets import LAST, Ranges, complement, union

_compiler: Any = import_module("re._compiler")

REGEX_MODULE: Final = 1 << 24
"""A flag beside re's: the pattern is read as the `regex` module reads it (`regex_module`)."""


@functools.lru_cache(maxsize=4096)
def parse_python(pattern: str, flags: int = 0, *, where: str = "pattern") -> Node:
    """Return the tree of a pattern as re.compile(pattern, flags) reads it.

    Raises `RegexError` for what re refuses (with its words, line and column), for back-references and
    conditions, and for groups nested deeper than `DEPTH`. With the flag REGEX_MODULE the `regex` module's
    dialect is read. Cost: twice re's own parsing; the first pattern that ignores case costs some 15 ms more.
    """
    if flags & REGEX_MODULE:
        return parse_regex_module(pattern, flags & ~REGEX_MODULE, where)
    return tree_of(pattern, flags, where, "Write it as Python's re reads it.", _PythonSets())


class _PythonSets:
    """The sets of characters as re has them."""

    def category(self, letter: str, ascii_only: bool) -> Ranges:
        return _category(letter, ascii_only)

    def members(self, op: str, value: Any, flags: int) -> Ranges:
        return _members(op, value, flags)

    @property
    def inside_nothing(self) -> bool:
        return re.fullmatch(r"\B", "") is not None


@functools.lru_cache(maxsize=4096)
def _members(op: str, value: Any, flags: int) -> Ranges:
    """Return the code points that LITERAL, NOT_LITERAL or IN matches under flags (only I and A matter)."""
    negated, items = class_items(op, value)
    ranges = union(pair for item in items for pair in _of_item(item, bool(flags & re.ASCII)))
    plain = complement(ranges) if negated else ranges
    if not flags & re.IGNORECASE:
        return plain
    cased, points = cased_points()
    written = "".join(map(in_brackets, items))
    # re itself is asked about the characters that have case; the others match as they are written
    asked = _compiler.compile(f"[{'^' * negated}{written}]", flags & (re.ASCII | re.IGNORECASE))
    inside = union((ord(char), ord(char)) for char in asked.findall(points))
    return union((*_without(plain, cased), *inside))


def _of_item(item: Any, ascii_only: bool) -> Iterable[tuple[int, int]]:
    kind, value = item
    if kind == "LITERAL":
        return ((value, value),)
    if kind == "RANGE":
        return (value,)
    ranges = _category(category_letter(value), ascii_only)
    return complement(ranges) if "_NOT_" in value else ranges


def _without(ranges: Ranges, others: Ranges) -> Ranges:
    return complement(union((*complement(ranges), *others)))


@functools.lru_cache(maxsize=8)
def _category(letter: str, ascii_only: bool) -> Ranges:
    r"""Return the members of `\d`, `\s` or `\w`, asked of re.

    Unicode's take some 20 ms the first time ever (`cached_sets`).
    """
    flags, size = (re.ASCII, 0x80) if ascii_only else (re.UNICODE, LAST + 1)

    def asked() -> Ranges:
        found = re.compile(f"\\{letter}+", flags).finditer(code_points(0, size))
        return tuple((one.start(), one.end() - 1) for one in found)

    return asked() if ascii_only else cached(letter, asked)


@functools.lru_cache(maxsize=1)
def cased_points() -> tuple[Ranges, str]:
    """Return the code points that have case, as ranges and as a text; some 10 ms the first time ever.

    They are those that lower() or upper() changes: re folds no others.
    """

    def asked() -> Ranges:
        points: list[str] = []
        for block in range(0, LAST + 1, 4096):
            text = code_points(block, block + 4096)
            if text.lower() != text or text.upper() != text:
                points += [char for char in text if char.lower() != char or char.upper() != char]
        return union((ord(char), ord(char)) for char in points)

    ranges = cached("cased", asked)
    return ranges, "".join(code_points(low, high + 1) for low, high in ranges)
