r"""The reader of Python's regular expressions: pattern and flags -> tree (`syntax_tree`).

re's own parser reads the pattern, so its errors are re's. Groups, flags and names are resolved; `^`, `$` and
`\b` become ends of the text and look-arounds. Atomic groups and possessive quantifiers are refused: their
matches depend on the order in which ways are tried. Source: Python's library reference (re).
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final

from structgen.automata.regex.python_sets import category_members, members_of
from structgen.automata.regex.syntax_tree import (
    DEPTH,
    NOTHING,
    Alternation,
    CharacterClass,
    Concatenation,
    LookAround,
    Node,
    Repetition,
    TextEnd,
    TextStart,
    concatenate_nodes,
    word_boundary,
)
from structgen.automata.unicode.charsets import ANY, complement
from structgen.base.errors import RegexError
from structgen.base.language import checks

_parser: Any = import_module("re._parser")
_compiler: Any = import_module("re._compiler")

_NEWLINE: Final = CharacterClass(((10, 10),))
_NOT_NEWLINE: Final = complement(((10, 10),))


def parse_python(pattern: str, flags: int = 0, *, where: str = "pattern") -> Node:
    """Return the tree of a pattern as re.compile(pattern, flags) reads it.

    Raises `RegexError` for what re refuses (with its words, line and column), for back-references,
    conditions, atomic groups and possessive quantifiers, and for groups nested deeper than `DEPTH`. Cost:
    twice re's own parsing; the first pattern that ignores case costs some 15 ms more.
    """
    return _read_tree(pattern, flags, where, False)[0]


def parse_form(pattern: str, flags: int, *, where: str = "pattern") -> tuple[Node, bool]:
    r"""Return the tree of a pattern as people write it for a form, and whether it has a class or a boundary
    that is ASCII's for that reason alone.

    It is Python's, but where neither the flags nor the pattern ask for A or U: there `\d`, `\w`, `\s`, `\b`
    and their negations are ASCII's, and the case of letters is as `python_sets` says. Errors and cost: those
    of `parse_python`.
    """
    return _read_tree(pattern, flags, where, True)


@functools.lru_cache(maxsize=4096)
def _read_tree(pattern: str, flags: int, where: str, form: bool) -> tuple[Node, bool]:
    """Return the tree, and whether it has a class that is ASCII's by the rule of a form alone: of `\\d`, with
    `form`, True. The parameters are those of `parse_python` and `parse_form`."""
    cure = "Use the syntax of Python's re."
    try:
        tree = _parser.parse(pattern, flags)
        if "(?<" in pattern:
            _compiler.compile(pattern, flags)  # only the compiler checks that a look-behind has one width
    except re.error as error:
        place = f"{where}, line {error.lineno}, column {error.colno}" if error.pos is not None else where
        raise RegexError(
            f"{error.msg} in the pattern {checks.show_value(pattern)}.",
            where=place,
            cure=cure,
        ) from None
    except (OverflowError, ValueError, RecursionError) as error:
        raise RegexError(
            f"Python's re rejects the pattern {checks.show_value(pattern)}: {error}.",
            where=where,
            cure=cure,
        ) from None
    tree_flags = tree.state.flags
    if form and not (flags & re.UNICODE or _asks_unicode(pattern, flags)):
        tree_flags &= ~re.UNICODE  # which re adds where A is not given
    reader = _Reader(pattern, where)
    return reader.concatenate_items(tree, tree_flags, 0), reader.has_plain_classes


def _asks_unicode(pattern: str, flags: int) -> bool:
    """Return whether a pattern, which `re` accepts, begins with a group of flags that has u."""
    try:
        _parser.parse(pattern, flags | re.ASCII)
    except ValueError:  # A and U exclude one another
        return True
    return False


@dataclass(eq=False)
class _Reader:
    """Turns re's parse tree into nodes."""

    pattern: str
    where: str
    has_plain_classes: bool = False
    """Whether a class or a word boundary was read under neither A nor U."""

    def regex_error(self, fault: str, cure: str) -> RegexError:
        """Return the error for a fault in the pattern."""
        return RegexError(
            f"{fault} in the pattern {checks.show_value(self.pattern)}.",
            where=self.where,
            cure=cure,
        )

    def note_class(self, flags: int) -> None:
        self.has_plain_classes |= not flags & (re.ASCII | re.UNICODE)

    def concatenate_items(self, items: Iterable[tuple[Any, Any]], flags: int, depth: int) -> Node:
        """Return the concatenation of parsed items."""
        if depth > DEPTH:
            raise self.regex_error(f"Groups nested deeper than {DEPTH}", "Split the pattern.")
        # `str`: the names of re's operations are ints of a class of their own
        nodes = [self.node_of_item(str(op), value, flags, depth) for op, value in items]
        return concatenate_nodes(*nodes)

    def node_of_item(self, op: str, value: Any, flags: int, depth: int) -> Node:
        """Return the node of one parsed item, such as ("LITERAL", 97), under flags."""
        match op:
            case "LITERAL":
                return CharacterClass(members_of(op, value, flags))
            case "NOT_LITERAL" | "IN":
                operand = _freeze_operand(value)
                if op == "IN" and any(kind == "CATEGORY" for kind, _ in operand):
                    self.note_class(flags)
                return CharacterClass(members_of(op, operand, flags))
            case "ANY":
                return CharacterClass(ANY if flags & re.DOTALL else _NOT_NEWLINE)
            case "BRANCH":
                _, branches = value
                nodes = [self.concatenate_items(branch, flags, depth + 1) for branch in branches]
                return Alternation(tuple(nodes))
            case "SUBPATTERN":
                _, added_flags, removed_flags, of = value
                group_flags = _compiler._combine_flags(flags, added_flags, removed_flags)
                return self.concatenate_items(of, group_flags, depth + 1)
            case "MAX_REPEAT" | "MIN_REPEAT":
                min_count, max_count, of = value
                bound = None if max_count == _parser.MAXREPEAT else int(max_count)
                copy = self.concatenate_items(of, flags, depth + 1)
                return Repetition(copy, int(min_count), bound, op == "MAX_REPEAT")
            case "POSSESSIVE_REPEAT" | "ATOMIC_GROUP":
                raise self.regex_error(
                    "A possessive quantifier" if op == "POSSESSIVE_REPEAT" else "An atomic group",
                    "Use a plain quantifier or group, and exclude what must not follow by a look-ahead.",
                )
            case "ASSERT" | "ASSERT_NOT":
                direction, of = value
                body = self.concatenate_items(of, flags, depth + 1)
                return LookAround(direction > 0, op == "ASSERT", body)
            case "FAILURE":
                return NOTHING
            case "AT":
                if "BOUNDARY" in str(value):
                    self.note_class(flags)
                return _assertion_node(str(value), flags)
            case "GROUPREF" | "GROUPREF_EXISTS":
                construct = "A back-reference" if op == "GROUPREF" else "A condition on a group"
                raise self.regex_error(
                    f"{construct} (group {value if op == 'GROUPREF' else value[0]})",
                    RegexError.BACK_REFERENCE_CURE,
                )
        raise self.regex_error(
            f"{op}, which this version of Python has and structgen does not support,",
            "Rewrite the pattern without it.",
        )


def _assertion_node(kind: str, flags: int) -> Node:
    """Return `^`, `$`, `\\A`, `\\Z`, `\\b` or `\\B` in terms of the ends of the text and look-arounds."""
    match kind:
        case "AT_BEGINNING":
            if flags & re.MULTILINE:
                return Alternation((TextStart(), LookAround(False, True, _NEWLINE)))
            return TextStart()
        case "AT_BEGINNING_STRING":
            return TextStart()
        case "AT_END":
            # Without the flag m, `$` holds before a last newline, too (Python's library reference).
            last_newline = Concatenation((_NEWLINE, TextEnd()))
            line_end: Node = _NEWLINE if flags & re.MULTILINE else last_newline
            return Alternation((TextEnd(), LookAround(True, True, line_end)))
        case "AT_END_STRING":
            return TextEnd()
    boundary = word_boundary(category_members("w", not flags & re.UNICODE), kind == "AT_BOUNDARY")
    if kind != "AT_BOUNDARY" and re.fullmatch(r"\B", "") is None:  # before Python 3.14
        anything = CharacterClass(ANY)
        # `\B` does not match the empty text there: some character must stand before or behind.
        is_after = LookAround(False, True, anything)
        is_before = LookAround(True, True, anything)
        some = Alternation((is_after, is_before))
        return Concatenation((some, boundary))
    return boundary


def _freeze_operand(value: Any) -> Any:
    """Return an operand of re's parse tree as a hashable value."""
    if type(value) is int:  # re's names are ints of a class of their own
        return value
    if isinstance(value, (list, tuple)):
        return tuple(map(_freeze_operand, value))
    return str(value)
