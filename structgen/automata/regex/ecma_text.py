"""Writes syntax trees of regular expressions as ECMA-262 patterns (flag u): tree -> text.

A *tree* is a pattern without capturing groups and flags (`syntax_tree`). A *form* is a Python pattern with
neither A nor U, whose `\\d`, `\\s` and `\\w` mean ASCII. For example, the form `\\d+` becomes `^(?:[0-9]+)$`.

A formula (`structgen.base.language.ir.Pattern`) names a pattern by its ECMA-262 text: it is equal when the
text is, it can be shown to a person, and it is the `pattern` of a JSON Schema for the same texts.
"""

from __future__ import annotations

import re
from typing import Final

from structgen.automata.regex.look_behinds import remove_look_aheads
from structgen.automata.regex.python_syntax import parse_form
from structgen.automata.regex.syntax_tree import (
    EMPTY,
    Alternation,
    CharacterClass,
    Concatenation,
    LookAround,
    Node,
    Repetition,
    TextEnd,
    TextStart,
)
from structgen.automata.unicode.charsets import SURROGATES, Ranges, complement, union

_CODE_POINT: Final = re.compile(r"\\u\{([0-9a-f]+)\}")


def ecma_of_form(pattern: str, flags: int = 0) -> str:
    """Return an ECMA-262 pattern for the texts that a form matches as a whole (`parse_form`).

    A search for the result succeeds in exactly these texts. If the flags have A or U, they are the texts that
    re.fullmatch accepts.

    Errors and cost: those of `parse_form` and `look_behinds.remove_look_aheads`.
    """
    node = remove_look_aheads(parse_form(pattern, flags, where="pattern")[0], "pattern")
    return f"^(?:{ecma_text(node)})$"


def ecma_text(node: Node) -> str:
    """Return a tree as an ECMA-262 pattern.

    Repetitions of optional repetitions become one: `(x{0,m}){k,n}` is `x{0,mn}`.
    """
    match node:
        case CharacterClass(ranges):
            return _class_text(ranges)
        case Concatenation(parts):
            # A bar would divide the whole sequence: alternatives stand in a group.
            return "".join(
                f"(?:{ecma_text(part)})" if isinstance(part, Alternation) else ecma_text(part)
                for part in parts
            )
        case Alternation(parts):
            return "|".join(map(ecma_text, parts))
        case Repetition():
            return _repetition_text(node)
        case TextStart():
            return "^"
        case TextEnd():
            return "$"
        case LookAround(ahead, holds, of):
            direction = "" if ahead else "<"
            sign = "=" if holds else "!"
            return f"(?{direction}{sign}{ecma_text(of)})"
    raise AssertionError(f"{type(node).__name__} is ECMA-262's own, and no node of Python's patterns")


def portable_text(node: Node) -> str:
    """Return a tree as a pattern that ECMA-262, Python's re and Rust's regex read alike, if the tree has no
    assertions."""
    return _CODE_POINT.sub(_portable_character, ecma_text(node))


def _portable_character(escape_match: re.Match[str]) -> str:
    """Return a code point as a character or an escape that all three dialects read alike."""
    char = chr(int(escape_match[1], 16))
    if char in "^$\\.*+?()[]{}|":
        return f"\\{char}"
    # A dash would be a range inside a class; `\u` has four digits, and no sign of a larger code point.
    is_plain = char > "\uffff" or (char.isprintable() and char != "-")
    return char if is_plain else f"\\u{ord(char):04x}"


def _repetition_text(node: Repetition) -> str:
    """Return a repetition as a pattern; counts of counts become one."""
    of = node.of
    min_count = node.min_count
    max_count = node.max_count
    # Copies of optional copies: every number up to the product is possible, so one count is enough.
    while isinstance(of, Repetition) and of.min_count == 0:
        inner: Repetition = of
        of = inner.of
        min_count = 0
        if 0 in (max_count, inner.max_count):
            return ""
        max_count = None if max_count is None or inner.max_count is None else max_count * inner.max_count
    if max_count == 0 or of == EMPTY:
        return ""
    if (min_count, max_count) == (1, 1):
        return f"(?:{ecma_text(of)})" if isinstance(of, Alternation) else ecma_text(of)
    body = ecma_text(of) if isinstance(of, CharacterClass) else f"(?:{ecma_text(of)})"
    if max_count is None:
        return body + {0: "*", 1: "+"}.get(min_count, f"{{{min_count},}}")
    if (min_count, max_count) == (0, 1):
        return body + "?"
    return f"{body}{{{min_count}}}" if min_count == max_count else f"{body}{{{min_count},{max_count}}}"


def _class_text(ranges: Ranges) -> str:
    """Return a class as a pattern, without surrogates: no text in UTF-8 has them, and more classes become
    equal."""
    ranges = complement(union((*complement(ranges), SURROGATES)))
    if len(ranges) == 1 and ranges[0][0] == ranges[0][1]:
        return code_point(ranges[0][0])
    items = [
        code_point(low) if low == high else f"{code_point(low)}-{code_point(high)}"  # one, or a range
        for low, high in ranges
    ]
    return f"[{''.join(items)}]"


def code_point(point: int) -> str:
    """Return a code point as a pattern: a letter or digit of ASCII itself, another one as `\\u{...}`."""
    char = chr(point)
    if char.isascii() and char.isalnum():
        return char
    return f"\\u{{{point:x}}}"
