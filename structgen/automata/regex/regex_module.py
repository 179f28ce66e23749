r"""Regular expressions as the `regex` module reads them, as far as re has their syntax, and `\p{...}`.

The module compiles the pattern first, so errors are its own. Then private characters replace its properties
(`\p{L}`, `\P{Lu}`, `[[:alpha:]]`), and re's parser reads the rest. The module is asked which code points its
classes match, because it has a Unicode version of its own. Syntax that re does not have is refused by name.
"""

from __future__ import annotations

import functools
import re
from importlib import import_module
from typing import Any, Final

from structgen.automata.regex.re_parse_tree import (
    class_items,
    code_points,
    in_brackets,
    shown,
    tree_of,
)
from structgen.automata.regex.syntax_tree import Node
from structgen.automata.unicode.charsets import LAST, Ranges, complement, union
from structgen.errors import OptionError, RegexError

_CURE: Final = r"Of the syntax that only the regex module has, \p{...}, \P{...} and [[:name:]] may be used."
_PROPERTY: Final = re.compile(r"\{[^{}]*\}|[A-Za-z]")
_POSIX: Final = re.compile(r"\[:\^?\w+:\]")
_NAMED: Final = re.compile(r"\{[^{}]*\}")
_FUZZY: Final = re.compile(r"\{[0-9<=,+*\s]*[dise]")
_STAND_INS: Final = 0xF0000
"""Private characters from here on stand for properties."""


def regex_module() -> Any:
    """Return the `regex` module. Raises OptionError where it is not installed."""
    try:
        return import_module("regex")
    except ImportError:
        raise OptionError(
            "The regex module is not installed.", where="regex", cure="Install it: pip install regex."
        ) from None


def parse_regex_module(pattern: str, flags: int, where: str) -> Node:
    """Return the tree of a pattern as regex.compile(pattern, flags) reads it.

    Raises RegexError for patterns that the module refuses, and for syntax that re does not have. Cost: that
    of `parse_python`, and some 20 ms for each new class other than a list of characters.
    """
    module = regex_module()
    try:
        verbose = bool(module.compile(pattern, flags).flags & module.X)
    except (module.error, ValueError, RecursionError) as error:
        raise RegexError(
            f"The regex module refuses the pattern {shown(pattern)}: {error}.",
            where=where,
            cure="Write it as the regex module reads it.",
        ) from None
    marked, properties = _marked(pattern, verbose, where)
    return tree_of(marked, flags, where, _CURE, ModuleSets(properties, where))


def _marked(pattern: str, verbose: bool, where: str) -> tuple[str, dict[int, str]]:
    """Return a pattern with private characters in place of properties, and the property of each."""
    free = (point for point in range(_STAND_INS, LAST) if chr(point) not in pattern)
    stands: dict[str, int] = {}
    parts: list[str] = []
    at, set_begins = 0, -1
    """Where the members of the present set begin, -1 outside of sets."""
    while at < len(pattern):
        char, end = pattern[at], at + 1
        written = ""
        if char == "\\":
            letter, end = pattern[at + 1 : at + 2], at + 2
            more = {"p": _PROPERTY, "P": _PROPERTY, "N": _NAMED}.get(letter)
            found = None if more is None else more.match(pattern, end)
            if found is not None:
                end = found.end()
                written = pattern[at:end] if letter != "N" else ""
        elif set_begins >= 0:
            if (found := _POSIX.match(pattern, at)) is not None:
                end = found.end()
                written = pattern[at:end]
            elif char == "]" and at > set_begins:
                set_begins = -1
        elif char == "[":
            set_begins = at + 1 + pattern.startswith("^", at + 1)
            end = set_begins
            # a bracket right behind it is a member
        elif pattern.startswith("(?#", at) or (verbose and char == "#"):
            close = pattern.find(")" if char == "(" else "\n", at)
            end = len(pattern) if close < 0 else close + 1
        elif char == "{" and _FUZZY.match(pattern, at):
            raise RegexError(
                f"The pattern {shown(pattern)} matches fuzzily, which no automaton follows here.",
                where=where,
                cure="Write a bracket that is meant as such as \\{.",
            )
        if written:
            if written not in stands:
                stands[written] = next(free)
            parts.append(chr(stands[written]))
        else:
            parts.append(pattern[at:end])
        at = end
    return "".join(parts), {point: text for text, point in stands.items()}


class ModuleSets:
    """The character classes of one pattern in the module's dialect."""

    def __init__(self, properties: dict[int, str], where: str) -> None:
        """`properties`: private character -> the property that it replaces."""
        self._properties, self._where = properties, where

    def category(self, letter: str, ascii_only: bool) -> Ranges:
        r"""Return the members of `\d`, `\s` or `\w`."""
        return _asked(f"\\{letter}", re.ASCII if ascii_only else 0)

    @property
    def inside_nothing(self) -> bool:
        r"""Whether `\B` matches in the empty text."""
        return regex_module().fullmatch(r"\B", "") is not None

    def members(self, op: str, value: Any, flags: int) -> Ranges:
        """Return the code points that LITERAL, NOT_LITERAL or IN matches under flags."""
        negated, items = class_items(op, value)
        if flags & re.IGNORECASE:
            written = "".join(map(self._written, items))
            return _asked(f"[{'^' * negated}{written}]", flags & (re.ASCII | re.IGNORECASE))
        ranges = union(pair for item in items for pair in self._of_item(item, flags & re.ASCII))
        return complement(ranges) if negated else ranges

    def _of_item(self, item: Any, flags: int) -> Ranges:
        kind, value = item
        if kind == "RANGE" or (kind == "LITERAL" and value not in self._properties):
            self._written(item)
            return ((value, value),) if kind == "LITERAL" else (value,)
        return _asked(f"[{self._written(item)}]", flags)

    def _written(self, item: Any) -> str:
        """Return an item of a set as the module writes it inside brackets."""
        kind, value = item
        if kind == "LITERAL":
            return self._properties.get(value) or in_brackets(item)
        if kind == "RANGE" and not self._properties.keys().isdisjoint(value):
            raise RegexError(
                "A range of characters ends in a property.", where=self._where, cure="Escape the hyphen."
            )
        return in_brackets(item)


@functools.lru_cache(maxsize=1024)
def _asked(written: str, flags: int) -> Ranges:
    """Return the code points that a set matches, asked of the module; some 20 ms."""
    found = regex_module().compile(f"{written}+", flags).finditer(code_points(0, LAST + 1))
    return tuple((one.start(), one.end() - 1) for one in found)
