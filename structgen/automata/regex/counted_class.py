"""Patterns that count one class of characters, as a pattern that does not count and a length.

`^a[bc]{2,9}$` are the strings of `^a[bc]*$` with three to ten characters: all else in it has a fixed length.
"""

from __future__ import annotations

import functools
import re
from typing import Final

from structgen.automata.regex.ecma_syntax import parse
from structgen.automata.regex.syntax_tree import (
    Alternation,
    CharacterClass,
    Concatenation,
    Node,
    Repetition,
    TextEnd,
    TextStart,
    concatenated,
)
from structgen.language.ir import All, Formula, Length, Pattern

_QUANTIFIER: Final = re.compile(r"\{\d+,(\d+)\}")
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
    quantifiers = [found for found in _QUANTIFIER.finditer(source) if int(found[1]) >= _FEWEST_TO_SPLIT]
    if not quantifiers:
        return pattern
    tree = parse(source)
    parts = tree.parts if isinstance(tree, Concatenation) else ()
    counted = [at for at, part in enumerate(parts) if _is_counted_class(part)]
    if len(counted) != 1 or not isinstance(parts[0], TextStart) or not isinstance(parts[-1], TextEnd):
        return pattern
    (at,) = counted
    part = parts[at]
    assert isinstance(part, Repetition) and part.most is not None
    lengths = [_fixed_length(one) for one in (*parts[1:at], *parts[at + 1 : -1])]
    if None in lengths:
        return pattern
    fixed = sum(length or 0 for length in lengths)
    free = concatenated(*parts[:at], Repetition(part.of, 0, None, part.greedy), *parts[at + 1 :])
    for found in quantifiers:  # it may stand in a class of characters
        rest = source[: found.start()] + "*" + source[found.end() :]
        if parse(rest) == free:
            return All((Pattern(rest), Length(fixed + part.least, fixed + part.most)))
    return pattern


def _is_counted_class(node: Node) -> bool:
    """Return whether a node is a class of characters with an upper bound that is not its lower one."""
    if not isinstance(node, Repetition) or not isinstance(node.of, CharacterClass):
        return False
    return node.most is not None and node.least < node.most


def _fixed_length(node: Node) -> int | None:
    """Return how many characters every text of a node has; None if texts differ, or for an assertion."""
    if isinstance(node, CharacterClass):
        return 1
    if isinstance(node, Repetition):
        length = _fixed_length(node.of)
        return node.least * length if length is not None and node.least == node.most else None
    if isinstance(node, (Alternation, Concatenation)):
        lengths = [_fixed_length(part) for part in node.parts]
        if None in lengths or (isinstance(node, Alternation) and len(set(lengths)) > 1):
            return None
        return lengths[0] if isinstance(node, Alternation) else sum(length or 0 for length in lengths)
    return None
