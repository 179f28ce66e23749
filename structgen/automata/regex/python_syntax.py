r"""Python's regular expressions as trees: read by re's own parser, with sets of code points at the leaves.

What is written in many ways is one tree: groups, flags and names are gone; `^`, `$`, `\b` are put in terms
of the ends of the text and look-arounds; a possessive quantifier is an atomic group
of atomic copies. Order is kept: of the
parts of an `Alternation`, and of the counts of a `Repetition`, re tries the first first. Source: Python's
library reference (re); the case folding of a set is asked of re itself.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final, Protocol, TypeAlias, Union

import numpy as np

from structgen.automata.unicode.cached_sets import kept
from structgen.automata.unicode.charsets import ANY, LAST, Ranges, complement, union
from structgen.errors import RegexError

_parser: Any = import_module("re._parser")
_compiler: Any = import_module("re._compiler")

REGEX_MODULE: Final = 1 << 24
"""A flag beside re's: the pattern is read as the `regex` module reads it (`regex_module`)."""
DEPTH: Final = 100
"""Groups within groups; the passes over a tree recurse, and 100 is far beyond any pattern met in practice."""


@dataclass(frozen=True, slots=True)
class CharacterClass:
    """One code point out of a set; the empty set matches nothing."""

    ranges: Ranges


@dataclass(frozen=True, slots=True)
class Concatenation:
    """A concatenation; empty means the empty text."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Alternation:
    """An alternation of two parts at least; the first is tried first."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Repetition:
    """`least` to `most` copies (None: no bound).

    As many as can be are tried first where `greedy`, else as few. A copy beyond the `least` that is empty is
    the last: after it comes what follows the repeat.
    """

    of: Node
    least: int
    most: int | None
    greedy: bool


@dataclass(frozen=True, slots=True)
class Atomic:
    """The first way in which a node matches where it stands, whatever follows, and no other."""

    of: Node


@dataclass(frozen=True, slots=True)
class TextStart:
    """The start of the text."""


@dataclass(frozen=True, slots=True)
class TextEnd:
    """The end of the text."""


@dataclass(frozen=True, slots=True)
class LookAround:
    """A look-ahead, or a look-behind where `ahead` is false; `holds` is false for the negative ones."""

    ahead: bool
    holds: bool
    of: Node


Node: TypeAlias = Union[
    CharacterClass, Concatenation, Alternation, Repetition, Atomic, TextStart, TextEnd, LookAround
]

EMPTY: Final = Concatenation(())
NOTHING: Final = CharacterClass(())
_NEWLINE: Final = CharacterClass(((10, 10),))
_NOT_NEWLINE: Final = complement(((10, 10),))


@functools.lru_cache(maxsize=4096)
def parse_python(pattern: str, flags: int = 0, *, where: str = "pattern") -> Node:
    """Return the tree of a pattern as re.compile(pattern, flags) reads it.

    Raises `RegexError` for what re refuses (with its words, line and column), for back-references and
    conditions, and for groups nested deeper than `DEPTH`. Under the flag REGEX_MODULE it is the tree that the
    `regex` module reads. Cost: re's own reading and as much again, and the first time that letters without
    regard to case are met, some 15 ms.
    """
    if flags & REGEX_MODULE:
        from structgen.automata.regex.regex_module import read

        return read(pattern, flags & ~REGEX_MODULE, where)
    return tree_of(pattern, flags, where, "Write it as Python's re reads it.", _PythonSets())


class Sets(Protocol):
    """What the sets of characters in patterns match."""

    def category(self, letter: str, ascii_only: bool) -> Ranges: ...

    def members(self, op: str, value: Any, flags: int) -> Ranges: ...

    @property
    def inside_nothing(self) -> bool: ...


def tree_of(pattern: str, flags: int, where: str, cure: str, sets: Sets) -> Node:
    """Return the tree of a pattern as re's parser reads it, with the sets of characters that `sets` says;
    `cure` is the advice where it refuses. Errors: see `parse_python`."""
    try:
        tree = _parser.parse(pattern, flags)
        if "(?<" in pattern:
            _compiler.compile(pattern, flags)  # that look-behinds have one width is seen to here alone
    except re.error as error:
        place = f"{where}, line {error.lineno}, column {error.colno}" if error.pos is not None else where
        raise RegexError(
            f"{error.msg} in the pattern {shown(pattern)}.",
            where=place,
            cure=cure,
        ) from None
    except (OverflowError, ValueError, RecursionError) as error:
        raise RegexError(
            f"Python's re refuses the pattern {shown(pattern)}: {error}.",
            where=where,
            cure=cure,
        ) from None
    return _Reader(pattern, where, sets).items(tree, tree.state.flags, 0)


def nullable(node: Node) -> bool:
    """Return whether a node may match the empty text somewhere (assertions are taken to hold)."""
    match node:
        case CharacterClass():
            return False
        case Concatenation(parts):
            return all(map(nullable, parts))
        case Alternation(parts):
            return any(map(nullable, parts))
        case Repetition(of, least, _, _):
            return least == 0 or nullable(of)
        case Atomic(of):
            return nullable(of)
        case _:
            return True


def shown(pattern: str) -> str:
    """Return a pattern as errors show it."""
    return repr(pattern if len(pattern) <= 80 else pattern[:77] + "...")


class _Reader:
    """Turns what re's parser returns into nodes."""

    def __init__(self, pattern: str, where: str, sets: Sets) -> None:
        self.pattern, self.where, self.sets = pattern, where, sets

    def refusal(self, what: str, cure: str) -> RegexError:
        return RegexError(f"{what} in the pattern {shown(self.pattern)}.", where=self.where, cure=cure)

    def items(self, items: Iterable[tuple[Any, Any]], flags: int, depth: int) -> Node:
        """Return the concatenation of what was parsed."""
        if depth > DEPTH:
            raise self.refusal(f"Groups nested deeper than {DEPTH}", "Take the pattern apart.")
        parts: list[Node] = []
        for op, value in items:
            node = self.item(str(op), value, flags, depth)
            parts += node.parts if isinstance(node, Concatenation) else (node,)
        return parts[0] if len(parts) == 1 else Concatenation(tuple(parts))

    def item(self, op: str, value: Any, flags: int, depth: int) -> Node:
        match op:
            case "LITERAL":
                return CharacterClass(self.sets.members(op, value, flags))
            case "NOT_LITERAL" | "IN":
                return CharacterClass(self.sets.members(op, _frozen(value), flags))
            case "ANY":
                return CharacterClass(ANY if flags & re.DOTALL else _NOT_NEWLINE)
            case "BRANCH":
                return Alternation(tuple(self.items(part, flags, depth + 1) for part in value[1]))
            case "SUBPATTERN":
                _, added, removed, of = value
                return self.items(of, _compiler._combine_flags(flags, added, removed), depth + 1)
            case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
                least, most, of = value
                bound = None if most == _parser.MAXREPEAT else int(most)
                copy = self.items(of, flags, depth + 1)
                if op != "POSSESSIVE_REPEAT":
                    return Repetition(copy, int(least), bound, op == "MAX_REPEAT")
                # re takes back no copy, not only the last: (?:a|ab){2}+ does not match "abab"
                once = copy if isinstance(copy, CharacterClass) else Atomic(copy)
                return Atomic(Repetition(once, int(least), bound, True))
            case "ATOMIC_GROUP":
                return Atomic(self.items(value, flags, depth + 1))
            case "ASSERT" | "ASSERT_NOT":
                direction, of = value
                return LookAround(direction > 0, op == "ASSERT", self.items(of, flags, depth + 1))
            case "FAILURE":
                return NOTHING
            case "AT":
                return _assertion(str(value), flags, self.sets)
            case "GROUPREF" | "GROUPREF_EXISTS":
                what = "A back-reference" if op == "GROUPREF" else "A condition on a group"
                raise self.refusal(
                    f"{what} (group {value if op == 'GROUPREF' else value[0]})",
                    RegexError.BACK_REFERENCE_CURE,
                )
        raise self.refusal(
            f"{op}, which this version of Python has and is not known here,", "Write it otherwise."
        )


def _assertion(kind: str, flags: int, sets: Sets) -> Node:
    """Return what `^`, `$`, `\\A`, `\\Z`, `\\b` or `\\B` stands for."""
    match kind:
        case "AT_BEGINNING":
            return (
                Alternation((TextStart(), LookAround(False, True, _NEWLINE)))
                if flags & re.MULTILINE
                else TextStart()
            )
        case "AT_BEGINNING_STRING":
            return TextStart()
        case "AT_END":
            more: Node = _NEWLINE if flags & re.MULTILINE else Concatenation((_NEWLINE, TextEnd()))
            return Alternation((TextEnd(), LookAround(True, True, more)))
        case "AT_END_STRING":
            return TextEnd()
    word = CharacterClass(sets.category("w", bool(flags & re.ASCII)))
    before, after = (LookAround(False, True, word), LookAround(True, True, word))
    not_before, not_after = (LookAround(False, False, word), LookAround(True, False, word))
    if kind == "AT_BOUNDARY":
        return Alternation((Concatenation((before, not_after)), Concatenation((not_before, after))))
    inside: Node = Alternation((Concatenation((before, after)), Concatenation((not_before, not_after))))
    if not sets.inside_nothing:  # re's does not match in the empty text before 3.14
        anything = CharacterClass(ANY)
        return Concatenation(
            (Alternation((LookAround(False, True, anything), LookAround(True, True, anything))), inside)
        )
    return inside


# --- sets of code points ------------------------------------------------------------------------------------


def _frozen(value: Any) -> Any:
    """Return an operand of the parser's as a hashable value."""
    if type(value) is int:  # re's names are ints of a class of their own
        return value
    return tuple(map(_frozen, value)) if isinstance(value, (list, tuple)) else str(value)


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
    if op == "IN":
        negated = value[:1] == (("NEGATE", "None"),)
        items = value[negated:]
    else:
        negated, items = op == "NOT_LITERAL", (("LITERAL", value),)
    ranges = union(pair for item in items for pair in _of_item(item, bool(flags & re.ASCII)))
    plain = complement(ranges) if negated else ranges
    if not flags & re.IGNORECASE:
        return plain
    cased, points = _cased()
    written = "".join(map(_written, items))
    # what has no case is matched as it is written; of what has, re itself says
    asked = _compiler.compile(f"[{'^' * negated}{written}]", flags & (re.ASCII | re.IGNORECASE))
    inside = union((ord(char), ord(char)) for char in asked.findall(points))
    return union((*_without(plain, cased), *inside))


def _of_item(item: Any, ascii_only: bool) -> Iterable[tuple[int, int]]:
    kind, value = item
    if kind == "LITERAL":
        return ((value, value),)
    if kind == "RANGE":
        return (value,)
    letter = {"DIGIT": "d", "SPACE": "s", "WORD": "w"}[value.rpartition("_")[2]]
    ranges = _category(letter, ascii_only)
    return complement(ranges) if "_NOT_" in value else ranges


def _written(item: Any) -> str:
    """Return an item of a set as re writes it inside brackets."""
    kind, value = item
    if kind == "LITERAL":
        return f"\\U{value:08x}"
    if kind == "RANGE":
        return f"\\U{value[0]:08x}-\\U{value[1]:08x}"
    letter = {"DIGIT": "d", "SPACE": "s", "WORD": "w"}[value.rpartition("_")[2]]
    return "\\" + (letter.upper() if "_NOT_" in value else letter)


def _without(ranges: Ranges, others: Ranges) -> Ranges:
    return complement(union((*complement(ranges), *others)))


def code_points(start: int, end: int) -> str:
    """Return the text of all code points in a range."""
    return np.arange(start, end, dtype="<u4").tobytes().decode("utf-32-le", "surrogatepass")


@functools.lru_cache(maxsize=8)
def _category(letter: str, ascii_only: bool) -> Ranges:
    """Return the members of `\\d`, `\\s` or `\\w`, asked of re; Unicode's take some 20 ms the first time ever
    (`cached_sets`)."""
    flags, size = (re.ASCII, 0x80) if ascii_only else (re.UNICODE, LAST + 1)

    def asked() -> Ranges:
        found = re.compile(f"\\{letter}+", flags).finditer(code_points(0, size))
        return tuple((one.start(), one.end() - 1) for one in found)

    return asked() if ascii_only else kept(letter, asked)


@functools.lru_cache(maxsize=1)
def _cased() -> tuple[Ranges, str]:
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

    ranges = kept("cased", asked)
    return ranges, "".join(code_points(low, high + 1) for low, high in ranges)
