r"""Python's own parse tree of a regular expression -> tree (`syntax_tree`).

re's parser reads the pattern, so its errors are re's. Groups, flags and names are resolved; `^`, `$`, `\b`
become ends of the text and look-arounds; a possessive quantifier becomes an atomic group of atomic copies.
The two dialects on this parser (`python_syntax`, `regex_module`) differ in their sets of code points.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib import import_module
from typing import Any, Final, Protocol

import numpy as np

from structgen.automata.regex.syntax_tree import (
    DEPTH,
    NOTHING,
    Alternation,
    Atomic,
    CharacterClass,
    Concatenation,
    LookAround,
    Node,
    Repetition,
    TextEnd,
    TextStart,
)
from structgen.automata.unicode.charsets import ANY, Ranges, complement
from structgen.errors import RegexError

_parser: Any = import_module("re._parser")
_compiler: Any = import_module("re._compiler")

_NEWLINE: Final = CharacterClass(((10, 10),))
_NOT_NEWLINE: Final = complement(((10, 10),))


class CharacterSets(Protocol):
    """The code points of character classes: those of `re` and of the `regex` module differ."""

    def category(self, letter: str, ascii_only: bool) -> Ranges:
        r"""Return the members of `\d`, `\s` or `\w`."""

    def members(self, op: str, value: Any, flags: int) -> Ranges:
        """Return the code points that LITERAL, NOT_LITERAL or IN matches under flags."""

    @property
    def inside_nothing(self) -> bool:
        r"""Whether `\B` matches in the empty text."""


def tree_of(pattern: str, flags: int, where: str, cure: str, sets: CharacterSets) -> Node:
    """Return the tree of a pattern that re's parser reads; `sets` says which code points its classes match.

    `cure` is the advice where re refuses the pattern. Errors: see `python_syntax.parse_python`.
    """
    try:
        tree = _parser.parse(pattern, flags)
        if "(?<" in pattern:
            _compiler.compile(pattern, flags)  # only the compiler checks that a look-behind has one width
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


def shown(pattern: str) -> str:
    """Return a pattern as errors show it."""
    return repr(pattern if len(pattern) <= 80 else pattern[:77] + "...")


class _Reader:
    """Turns re's parse tree into nodes."""

    def __init__(self, pattern: str, where: str, sets: CharacterSets) -> None:
        self.pattern, self.where, self.sets = pattern, where, sets

    def refusal(self, what: str, cure: str) -> RegexError:
        return RegexError(f"{what} in the pattern {shown(self.pattern)}.", where=self.where, cure=cure)

    def items(self, items: Iterable[tuple[Any, Any]], flags: int, depth: int) -> Node:
        """Return the concatenation of parsed items."""
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


def _assertion(kind: str, flags: int, sets: CharacterSets) -> Node:
    """Return `^`, `$`, `\\A`, `\\Z`, `\\b` or `\\B` in terms of the ends of the text and look-arounds."""
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


def _frozen(value: Any) -> Any:
    """Return an operand of re's parse tree as a hashable value."""
    if type(value) is int:  # re's names are ints of a class of their own
        return value
    return tuple(map(_frozen, value)) if isinstance(value, (list, tuple)) else str(value)


def code_points(start: int, end: int) -> str:
    """Return the text of all code points in a range."""
    return np.arange(start, end, dtype="<u4").tobytes().decode("utf-32-le", "surrogatepass")


def in_brackets(item: Any) -> str:
    """Return an item of a class as re writes it inside brackets."""
    kind, value = item
    if kind == "LITERAL":
        return f"\\U{value:08x}"
    if kind == "RANGE":
        return f"\\U{value[0]:08x}-\\U{value[1]:08x}"
    letter = category_letter(value)
    return "\\" + (letter.upper() if "_NOT_" in value else letter)


def category_letter(name: str) -> str:
    """Return the letter of the escape of a category of re's parse tree, in lower case."""
    return {"DIGIT": "d", "SPACE": "s", "WORD": "w"}[name.rpartition("_")[2]]


def class_items(op: str, value: Any) -> tuple[bool, Any]:
    """Return whether LITERAL, NOT_LITERAL or IN is negated, and its items."""
    if op == "IN":
        negated = value[:1] == (("NEGATE", "None"),)
        return negated, value[negated:]
    return op == "NOT_LITERAL", (("LITERAL", value),)
