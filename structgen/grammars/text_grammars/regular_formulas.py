"""Formulas of regular languages: their spelling, and patterns for words."""

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
    """Return the formula of texts that contain one of some words."""
    return Pattern(f"^{ANY}(?:{any_of(words)}){ANY}$")


@lru_cache(maxsize=16)
def only_writable(missing: frozenset[int]) -> Formula:
    """Return the formula of the texts that have none of some bytes."""
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
    """Return the first four words for a message."""
    shown_words = [repr(word) for word in words[:4]]
    if len(words) > 4:
        shown_words.append("...")
    return ", ".join(shown_words)


def any_of(words: Collection[str]) -> str:
    """Return a pattern of some words. Raises `OptionError` where one cannot be written in UTF-8."""
    for word in words:
        checks.check_encodable("texts", word)
    patterns = ["".join(map(_escape_text, word)) for word in sorted(words)]
    return "|".join(patterns)


def _escape_text(char: str) -> str:
    return char if char.isascii() and char.isalnum() else f"\\u{{{ord(char):x}}}"


def spell_formula(formula: Formula) -> str:
    """Return a formula as text, the same for equal formulas in every process."""
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
    raise AssertionError(f"{type(formula).__name__} is no formula of texts")


def body_of(formula: Formula) -> tuple[str | None, int]:
    """Return a pattern of the same texts whose meaning does not depend on the text around it, and how many
    characters it has once its counts are written out; (None, 0) where there is none."""
    if not isinstance(formula, Pattern):
        return None, 0
    opening, closing = "^(?:", ")$"
    if not (formula.source.startswith(opening) and formula.source.endswith(closing)):
        return None, 0
    body = formula.source[len(opening) : -len(closing)]
    tree = ecma_syntax.parse_ecma(f"(?:{body})")
    return (None, 0) if has_assertion(tree) else (body, written_out(tree))


def wrap_pattern(body: str) -> str:
    """Return a pattern as a part of a concatenation. Its tree does not say whether it needs brackets: the
    parser reads `a|b` as a set of characters."""
    return f"(?:{body})" if "|" in body else body


def asserted_at_ends(tree: Node) -> tuple[tuple[Node, ...], Node, tuple[Node, ...]]:
    """Return a pattern of whole texts in three parts: the look-arounds before the first node that reads (but
    `^`), the nodes that read, and the look-arounds after the last one (but Python's `$`)."""
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
    """Return whether a node reads nothing."""
    if isinstance(node, (Concatenation, Alternation)):
        return all(map(_is_assertion, node.parts))
    return isinstance(node, (TextStart, TextEnd, LookAround))


def _asserts_end(node: Node, end: type[Node]) -> bool:
    """Return whether a node asserts an end of the text, alone or beside look-arounds (Python's `$`)."""
    alternatives = node.parts if isinstance(node, Alternation) else (node,)
    kinds = set(map(type, alternatives))
    return end in kinds and kinds <= {end, LookAround}


def written_out(node: Node) -> int:
    """Return how many characters a pattern has once its counts are written out."""
    if isinstance(node, Repetition):
        return written_out(node.of) * max(node.min_count, node.max_count or 1)
    if isinstance(node, (Concatenation, Alternation)):
        return sum(map(written_out, node.parts))
    return 1


def has_assertion(node: Node) -> bool:
    """Return whether a tree has an assertion, so that its matches depend on the text around them."""
    plain = (CharacterClass, Concatenation, Alternation, Repetition)
    return not all(isinstance(inner, plain) for inner in descendants_of(node))
