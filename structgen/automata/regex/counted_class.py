"""Patterns that count one class of characters, as a pattern that does not count and a length.

`^a[bc]{2,9}$` are the strings of `^a[bc]*$` with three to ten characters: all else in it has a fixed length.
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
"""The quantifiers of a pattern, the `loose` ones with several counts; and parts in which a sign of theirs is
a character."""
_FEWEST_TO_SPLIT: Final = 16
"""The least upper bound of a quantifier that is taken out. `^[0-9]{1,5}$` has a state for each count, fewer
than are visited to measure the distances that a bound beside an automaton needs."""


@functools.lru_cache(maxsize=1024)
def without_count(pattern: Pattern) -> Formula:
    """Return the conjunction of an anchored pattern without its one counted class and a length.

    The pattern itself if it is another one: not anchored at both ends, with other parts of several lengths,
    with assertions, or with a bound below _FEWEST_TO_SPLIT.
    """
    source = pattern.source
    loose = [match for match in _QUANTIFIERS.finditer(source) if match["loose"]]
    # The text alone refuses most patterns: reading one takes milliseconds.
    if len(loose) != 1:
        return pattern
    upper_bound = int(loose[0]["most"] or 0)
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
