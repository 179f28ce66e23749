"""Formulas of regular languages: how they are spelled, and how they are built from words.

A *formula* describes a set of texts: a pattern, some words, a length, or a combination (not, all, any). A
*word* is a plain text. For example, the formula of the texts with the word `ab` is the pattern
`^[\\s\\S]*(?:ab)[\\s\\S]*$`. The *body* of a pattern `^(?:x)$` is `x`. An *assertion* is a node of a pattern
that reads no character: `^`, `$`, `\\b`, or a look-around such as `(?=a)`.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from functools import lru_cache
from typing import Final

from structgen.automata.regex import ecma_syntax
from structgen.automata.regex.syntax_tree import (
    Alternation,
    CharacterClass,
    Concatenation,
    LookAround,
    Node,
    Repetition,
    TextEnd,
    TextStart,
    descendants_of,
)
from structgen.base.language import checks
from structgen.base.language.ir import All, Any_, Format, Formula, Length, Not, Pattern, Words

ANY: Final = r"[\s\S]*"
"""A pattern of any text."""


def containing_words(words: Sequence[str]) -> Formula:
    """Return the formula of the texts that contain at least one of `words`."""
    return Pattern(f"^{ANY}(?:{any_of(words)}){ANY}$")


@lru_cache(maxsize=16)
def only_writable(missing: frozenset[int]) -> Formula:
    """Return the formula of the texts without the bytes `missing`."""
    import numpy as np  # start-up: few vocabularies lack bytes

    # start-up, too
    from structgen.automata.strings.alphabets import pattern_of_characters

    # start-up, too
    from structgen.schema.reading.missing_bytes import characters_without

    characters = characters_without(missing)  # a flag for each code point: True where it may stand
    # the code points at which a range begins or has ended
    changes = np.diff(characters, prepend=False, append=False)
    return Pattern(pattern_of_characters(np.flatnonzero(changes)))


def show_words(words: Sequence[str]) -> str:
    """Return words for a message: the first four, and `...` if there are more."""
    shown_words = [repr(word) for word in words[:4]]
    if len(words) > 4:
        shown_words.append("...")
    return ", ".join(shown_words)


def any_of(words: Collection[str]) -> str:
    """Return a pattern that matches exactly `words`: of `a.` and `b` it is `a\\u{2e}|b`. Raises `OptionError`
    where a word cannot be written in UTF-8."""
    for word in words:
        checks.check_encodable("texts", word)
    patterns = ["".join(map(_escape_text, word)) for word in sorted(words)]
    return "|".join(patterns)


def _escape_text(char: str) -> str:
    """Return a character as a pattern of it: letters and digits of ASCII as they are, others by their
    code."""
    return char if char.isascii() and char.isalnum() else f"\\u{{{ord(char):x}}}"


def spell_formula(formula: Formula) -> str:
    """Return a formula as a text that is the same for equal formulas in every process, such as
    `not(/^a$/)`."""
    match formula:
        case Pattern(source):
            return f"/{source}/"
        case Words():
            return json.dumps(sorted(formula.of))
        case Format(name):
            return f"format({json.dumps(name)})"
        case Length():
            return f"length({formula.minimum},{formula.maximum})"
        case Not():
            return f"not({spell_formula(formula.of)})"
        case All() | Any_():
            name = "all" if isinstance(formula, All) else "any"
            return f"{name}({','.join(map(spell_formula, formula.of))})"
    raise AssertionError(f"{type(formula).__name__} is not a formula of texts")


def body_of(formula: Formula) -> tuple[str | None, int]:
    """Return the body of a formula, and its size once its counts are written out (`written_out`).

    The body may stand inside another pattern, since its meaning does not depend on the text around it. The
    result is (None, 0) where the formula is not a pattern `^(?:...)$`, or has an assertion inside. For
    example, of `^(?:a{3})$` the result is ("a{3}", 3).
    """
    if not isinstance(formula, Pattern):
        return None, 0
    opening, closing = "^(?:", ")$"
    if not (formula.source.startswith(opening) and formula.source.endswith(closing)):
        return None, 0
    body = formula.source[len(opening) : -len(closing)]
    tree = ecma_syntax.parse_ecma(f"(?:{body})")
    return (None, 0) if has_assertion(tree) else (body, written_out(tree))


def wrap_pattern(body: str) -> str:
    """Return a pattern as a part of a concatenation: in brackets if it has a `|`. The tree cannot show this,
    because the parser turns `a|b` into a set of characters."""
    return f"(?:{body})" if "|" in body else body


def asserted_at_ends(tree: Node) -> tuple[tuple[Node, ...], Node, tuple[Node, ...]]:
    """Split the tree of a pattern of whole texts into three: assertions, the rest, assertions.

    The first part has the assertions before the first node that reads a character, without `^`. The last has
    those after the last such node, without `$` (also that of Python). Assertions between nodes stay in the
    middle. For example, `^(?!a)b(?<=b)$` is split into `(?!a)`, `b` and `(?<=b)`.
    """
    parts = [tree]
    for _ in range(2):  # twice: the text between `^(?:` and `)$` may be several parts itself
        flat: list[Node] = []
        for part in parts:
            flat += part.parts if isinstance(part, Concatenation) else (part,)
        parts = flat
    # the parts from the first to the last that read a character; assertions between them stay there
    reading = [index for index, part in enumerate(parts) if not _is_assertion(part)]
    first = reading[0] if reading else 0
    end = reading[-1] + 1 if reading else 0
    nodes_before = tuple(node for node in parts[:first] if not _asserts_end(node, TextStart))
    nodes_after = tuple(node for node in parts[end:] if not _asserts_end(node, TextEnd))
    return nodes_before, Concatenation(tuple(parts[first:end])), nodes_after


def _is_assertion(node: Node) -> bool:
    """Return whether a node reads no character."""
    if isinstance(node, (Concatenation, Alternation)):
        return all(map(_is_assertion, node.parts))
    return isinstance(node, (TextStart, TextEnd, LookAround))


def _asserts_end(node: Node, end: type[Node]) -> bool:
    """Return whether a node asserts an end of the text. `end`: `TextStart` or `TextEnd`.

    Python's `$` is such a node too: it is an alternation of the end and a look-around.
    """
    alternatives = node.parts if isinstance(node, Alternation) else (node,)
    kinds = set(map(type, alternatives))
    return end in kinds and kinds <= {end, LookAround}


def written_out(node: Node) -> int:
    """Return the number of character classes in a pattern once its counts are written out: `(?:ab){3}` has
    6. A count without an upper bound is taken at its minimum, but at least 1."""
    if isinstance(node, Repetition):
        return written_out(node.of) * max(node.min_count, node.max_count or 1)
    if isinstance(node, (Concatenation, Alternation)):
        return sum(map(written_out, node.parts))
    return 1


def has_assertion(node: Node) -> bool:
    """Return whether a tree has an assertion, so that its matches depend on the text around them."""
    plain = (CharacterClass, Concatenation, Alternation, Repetition)
    return not all(isinstance(inner, plain) for inner in descendants_of(node))
