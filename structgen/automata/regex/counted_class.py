"""Rewrites a pattern with one counted class as a pattern without a count and a condition on the length.

A *counted class* is a class of characters with a quantifier that allows several counts, such as `[bc]{2,9}`.
If all other parts of a pattern have a fixed length, the count follows from the length of the whole string:

    ^a[bc]{2,9}$  ->  ^a[bc]*$ and a length of 3 to 10 characters

A *loose* quantifier allows several counts: `*`, `+`, `?`, `{2,}` and `{2,9}` do, `{2}` does not.
"""

from __future__ import annotations

import functools
import re
from typing import Final

from structgen.automata.regex.ecma_syntax import parse_ecma
from structgen.automata.regex.syntax_tree import (
    Alternation,
    CharacterClass,
    Concatenation,
    Node,
    Repetition,
    TextEnd,
    TextStart,
    concatenate_nodes,
)
from structgen.base.language.ir import All, Formula, Length, Pattern

_QUANTIFIERS: Final = re.compile(
    r"\\.|\[(?:[^\]\\]|\\.)*\]|\{(\d+)(?:,\1)?\}\??|(?P<loose>[*+]|(?<!\()\?|\{\d+,(?P<most>\d*)\})\??",
    re.DOTALL,
)
"""Matches each quantifier of a pattern; the group `loose` has the ones with several counts, and `most` their
upper bound. Escapes and classes match as a whole, because signs of quantifiers are plain characters in
them."""
_FEWEST_TO_SPLIT: Final = 16
"""The least upper bound of a quantifier that is taken out. An automaton has a state for each count, so few
counts are cheaper than a separate condition on the length."""


@functools.lru_cache(maxsize=1024)
def without_count(pattern: Pattern) -> Formula:
    """Return a formula for the strings of a pattern: a pattern without the count, and a length.

    The pattern itself is returned if it is not anchored at both ends, has another part of several lengths,
    has assertions inside, or has a bound below _FEWEST_TO_SPLIT.
    """
    source = pattern.source
    loose = [match for match in _QUANTIFIERS.finditer(source) if match["loose"]]
    # The text alone refuses most patterns: reading one takes milliseconds.
    if len(loose) != 1:
        return pattern
    upper_bound = int(loose[0]["most"] or 0)  # 0: the quantifier has no upper bound
    if upper_bound < _FEWEST_TO_SPLIT:
        return pattern
    tree = parse_ecma(source)
    if not isinstance(tree, Concatenation) or len(tree.parts) < 3:
        return pattern
    first, *parts, last = tree.parts
    if not isinstance(first, TextStart) or not isinstance(last, TextEnd):
        return pattern
    lengths = [_fixed_length(part) for part in parts]
    if lengths.count(None) != 1:
        return pattern
    at = lengths.index(None)
    part = parts[at]
    if not isinstance(part, Repetition) or part.max_count is None:
        return pattern
    if not isinstance(part.of, CharacterClass):
        return pattern
    fixed_length = sum(length or 0 for length in lengths)
    parts[at] = Repetition(part.of, 0, None, part.greedy)
    free = concatenate_nodes(first, *parts, last)
    begin, end = loose[0].span("loose")
    rest = f"{source[:begin]}*{source[end:]}"
    # The quantifier was found in the text, the class in the tree: are they the same one?
    if parse_ecma(rest) != free:
        return pattern
    length = Length(fixed_length + part.min_count, fixed_length + part.max_count)
    return All((Pattern(rest), length))


def _fixed_length(node: Node) -> int | None:
    """Return how many characters every text of a node has; None if texts differ, or for an assertion."""
    if isinstance(node, CharacterClass):
        return 1
    if isinstance(node, Repetition):
        length = _fixed_length(node.of)
        if length is not None and node.min_count == node.max_count:
            return node.min_count * length
        return None
    if isinstance(node, (Alternation, Concatenation)):
        lengths = [_fixed_length(part) for part in node.parts]
        if None in lengths:
            return None
        if isinstance(node, Alternation):
            return lengths[0] if len(set(lengths)) == 1 else None
        return sum(length or 0 for length in lengths)
    return None
