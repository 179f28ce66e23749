"""Make the automaton of the strings that contain one of several texts (Aho and Corasick, 1975).

It serves patterns that are plain texts, such as `cat|dog`. The *texts* are those that the pattern searches.
A *state* is the longest suffix of the string so far that is a beginning of a text: after "xca", with the text
"cat", it is "ca". The *fallback* of a state is the next shorter suffix that is a beginning of a text. The row
of a state is a copy of its fallback's row, changed for the letters with which a text goes on. A state that
ends with a text accepts every continuation.

Where the texts must stand at the start of the string, there are no fallbacks, and the states are a trie. A
*letter* of a text is a class of characters that the pattern does not tell apart.
"""

from __future__ import annotations

from collections import deque
from itertools import chain, dropwhile, groupby
from typing import Final, TypeAlias

import numpy as np

from structgen.automata.regex.syntax_tree import (
    TEXT_END,
    TEXT_START,
    Alternation,
    CharacterClass,
    Concatenation,
    Node,
    Repetition,
    descendants_of,
)
from structgen.automata.strings.alphabets import NUMBERS_OF_A_CHARACTER, Alphabet, divide_alphabet
from structgen.automata.strings.automata import (
    MOST_STATES,
    MOST_WORK,
    Automaton,
    minimal_automaton,
    raise_limit_error,
)
from structgen.automata.strings.kernels import TOO_MANY_STATES, TOO_MUCH_WORK
from structgen.automata.strings.threads import character_sets
from structgen.automata.unicode.charsets import Ranges
from structgen.base.system.public_calls import THIS_CALL

_MOST_TEXTS: Final = 1 << 15
"""The most texts, unless the pattern itself lists more alternatives."""
_MOST_CHARACTERS: Final = 16 * _MOST_TEXTS
"""The most characters of all texts together."""
_MOST_ALTERNATIVES: Final = 64
"""The most letters that a class of characters in the pattern may have: each becomes a text."""
_FEW_TEXTS: Final = 64
"""The most texts that parts after one another, such as `[ab][cd]`, are multiplied to. For more of them, the
construction by threads is faster."""
_Letters: TypeAlias = "dict[Ranges, list[str] | None]"
"""The letters of each set of characters in the pattern; None where they are too many."""


def _read_texts(node: Node, letters: _Letters) -> list[str] | None:
    """Return the texts of a node for which `_is_fixed` is true; None where they are too many.

    `letters`: the letters of each set of characters. Cost: some microseconds for each node, and one for each
    text.
    """
    if isinstance(node, CharacterClass):
        return letters[node.ranges]  # a class; the reader of patterns writes `a|b` as a class too
    if isinstance(node, Alternation):
        THIS_CALL.count_work(NUMBERS_OF_A_CHARACTER * len(node.parts))
        all_texts: list[str] = []
        for part in node.parts:
            texts = _read_texts(part, letters)
            if texts is None:
                return None
            # A pattern may list more alternatives than _MOST_TEXTS: they are in memory already.
            if len(all_texts) + len(texts) > max(_MOST_TEXTS, len(node.parts)):
                return None
            all_texts += texts
        return all_texts
    if isinstance(node, Repetition) and node.min_count <= _MOST_TEXTS:
        # The node is fixed: the least count is the only one.
        return _join_in_order([_read_texts(node.of, letters)] * node.min_count)
    if not isinstance(node, Concatenation):
        return None
    return _join_in_order([_read_texts(part, letters) for part in node.parts])


def _join_in_order(parts: list[list[str] | None]) -> list[str] | None:
    """Return all texts that are made of one text of each part, in order: [["a", "b"], ["c"]] -> ["ac", "bc"].

    Returns None where the texts of a part are not known (None), or where the result is too large.
    """
    THIS_CALL.count_work(NUMBERS_OF_A_CHARACTER * len(parts))
    known_parts = [part for part in parts if part is not None]
    if len(known_parts) < len(parts):
        return None
    if sum(map(len, chain.from_iterable(known_parts))) > _MOST_CHARACTERS:
        return None
    texts = [""]
    # neighbouring parts of one text each are joined first, which is cheaper than multiplying
    for is_text, run in groupby(known_parts, lambda part: len(part) == 1):
        joined_parts = list(run)
        if is_text:
            joined_parts = [["".join(chain.from_iterable(joined_parts))]]
        for part in joined_parts:
            # the characters of all results: each text is used once for each text of the other list
            size = len(part) * sum(map(len, texts)) + len(texts) * sum(map(len, part))
            count = len(texts) * len(part)
            multiplies = len(texts) > 1 and len(part) > 1
            if size > _MOST_CHARACTERS or (multiplies and count > _FEW_TEXTS):
                return None
            THIS_CALL.count_work(NUMBERS_OF_A_CHARACTER * count + size)
            texts = [head + after for head in texts for after in part]
    return texts


def automaton_of_found_texts(tree: Node, max_states: int = MOST_STATES) -> Automaton | None:
    """Return the automaton of the strings in which a search finds a pattern that is a list of texts.

    The texts may be anchored at the start (`^(?:a|b)`) or at the end, and may contain small sets of
    characters. Returns None for other patterns; `patterns.automaton_of` makes their automata.
    """
    parts = tree.parts if isinstance(tree, Concatenation) else (tree,)
    from_start = parts[:1] == (TEXT_START,)
    to_end = parts[-1:] == (TEXT_END,)
    # Remove the anchors at the ends: as an index, True is 1 and False is 0.
    parts = parts[from_start : len(parts) - to_end]
    # Remove optional parts at an end without anchor: the search finds the same strings without them.
    if not from_start:
        parts = tuple(dropwhile(_is_optional, parts))
    if not to_end:
        backwards = tuple(dropwhile(_is_optional, parts[::-1]))
        parts = backwards[::-1]
    text = Concatenation(parts)
    if not all(map(_is_fixed, descendants_of(text))):
        return None
    sets = character_sets(text)
    alphabet, member = divide_alphabet(sets)
    # For anchored patterns the construction by threads is fast, so few letters are taken here.
    most_letters = 1 if from_start else _MOST_ALTERNATIVES
    letters: _Letters = {}
    for ranges, row in zip(sets, member, strict=True):
        # A letter is `chr` of the number of its class, so a text of letters is a str.
        is_small = row.sum() <= most_letters
        letters[ranges] = list(map(chr, np.flatnonzero(row))) if is_small else None
    texts = _read_texts(text, letters)
    # None also for patterns that find the empty text: this construction has no use for it.
    if not texts or not all(texts):
        return None
    return _automaton_holding(sorted({*texts}), alphabet, from_start, to_end, max_states)


def _is_fixed(node: Node) -> bool:
    """Return whether a node may be a list of texts: it is no assertion, and its count is fixed."""
    if isinstance(node, Repetition):
        return node.min_count == node.max_count
    return isinstance(node, (CharacterClass, Alternation, Concatenation))


def _is_optional(node: Node) -> bool:
    """Return whether a node is a repetition that may be left out."""
    return isinstance(node, Repetition) and not node.min_count


def _automaton_holding(
    texts: list[str],
    alphabet: Alphabet,
    from_start: bool,
    to_end: bool,
    max_states: int,
) -> Automaton:
    """Return the automaton of the strings that contain one of `texts`.

    `texts`: sorted, none of them empty; each character is `chr` of a class of `alphabet`. `from_start`: the
    string must begin with the text. `to_end`: it must end with the text. Cost: some microseconds for each
    character of the texts. Raises `LimitError` past `max_states` states.
    """
    THIS_CALL.count_work(2 * NUMBERS_OF_A_CHARACTER * sum(map(len, texts)))
    nothing = np.full(alphabet.width, -1, np.int32)
    rows = [nothing.copy() if from_start else np.zeros(alphabet.width, np.int32)]
    ends: set[int] = set()
    # Each entry is a beginning of texts: (its state, the state of its fallback, its length, the texts that
    # go on from it).
    todo: deque[tuple[int, int, int, list[str]]] = deque([(0, 0, 0, texts)])
    while todo:
        state, back, size, texts_beyond = todo.popleft()
        row = rows[state]
        # Breadth first: the fallback is shorter, so its row is complete already.
        row[:] = nothing if from_start else rows[back]
        below: dict[str, list[str]] = {}
        for text in texts_beyond:
            below.setdefault(text[size], []).append(text)
        for char, going in below.items():
            after = len(rows)
            kind = ord(char)
            fallback = int(rows[back][kind]) if size and not from_start else 0
            # Limits are checked before the row is made, so that memory is bounded, too.
            if after == 4 * max_states:
                raise_limit_error(TOO_MANY_STATES, max_states)
            if after * alphabet.width > MOST_WORK:
                raise_limit_error(TOO_MUCH_WORK)
            rows.append(np.full(alphabet.width, after, np.int32))
            is_whole = len(going[0]) == size + 1
            if is_whole or fallback in ends:
                ends.add(after)
            # After a text was found, every continuation is accepted, unless the text must be at the end.
            if to_end or after not in ends:
                # The texts are sorted, so a text that ends here is the first: the slice leaves it out.
                todo.append((after, fallback, size + 1, going[is_whole:]))
            row[kind] = after
    accept = np.zeros(len(rows), np.int32)
    accept[list(ends)] = 1
    automaton = minimal_automaton(alphabet, np.stack(rows), accept)
    if automaton.states > max_states:
        raise_limit_error(TOO_MANY_STATES, max_states)
    return automaton
