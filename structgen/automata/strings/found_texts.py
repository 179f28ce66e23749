"""Strings that hold one of some texts, as the automaton of Aho and Corasick (1975).

A state is the longest suffix of the text so far that is a beginning of one of the texts; one that ends with
a text accepts whatever comes. The row of a state is the row of its fallback, changed where a text goes on.
Where the texts must stand at the start, nothing falls back: their trie is left. The complement is what a ban
of the texts lets through. The letters of the texts are classes of characters that no part of the pattern
tells apart.
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
"""The most texts, of 16 characters on average; alternatives are read however many they are."""
_MOST_CHARACTERS: Final = 16 * _MOST_TEXTS
"""The most characters of all texts together."""
_MOST_ALTERNATIVES: Final = 64
"""The most letters of a class that are read as one text each."""
_FEW_TEXTS: Final = 64
"""The most texts to which parts in a row are multiplied: more of them are slower than threads."""
_Letters: TypeAlias = "dict[Ranges, list[str] | None]"


def _read_texts(node: Node, letters: _Letters) -> list[str] | None:
    """Return the texts of a node that `_is_fixed`; None where they are too many. `letters`: of a class of
    characters the texts, or None. Cost: some microseconds a node, and one a text."""
    if isinstance(node, CharacterClass):
        return letters[node.ranges]  # the reader makes alternatives of one character a class
    if isinstance(node, Alternation):
        THIS_CALL.count_work(NUMBERS_OF_A_CHARACTER * len(node.parts))
        all_texts: list[str] = []
        for part in node.parts:
            texts = _read_texts(part, letters)
            if texts is None:
                return None
            # alternatives that are written out may be more than _MOST_TEXTS: they are read already
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
    """Return the texts that are one of each part, one behind another; None where a part has none that are
    known, or where they are too many, or too long."""
    THIS_CALL.count_work(NUMBERS_OF_A_CHARACTER * len(parts))
    known_parts = [part for part in parts if part is not None]
    if len(known_parts) < len(parts):
        return None
    if sum(map(len, chain.from_iterable(known_parts))) > _MOST_CHARACTERS:
        return None
    texts = [""]
    # texts in a row are joined before anything is multiplied
    for is_text, run in groupby(known_parts, lambda part: len(part) == 1):
        joined_parts = list(run)
        if is_text:
            joined_parts = [["".join(chain.from_iterable(joined_parts))]]
        for part in joined_parts:
            # the characters of all products: each text comes once for each text of the other side
            size = len(part) * sum(map(len, texts)) + len(texts) * sum(map(len, part))
            count = len(texts) * len(part)
            multiplies = len(texts) > 1 and len(part) > 1
            if size > _MOST_CHARACTERS or (multiplies and count > _FEW_TEXTS):
                return None
            THIS_CALL.count_work(NUMBERS_OF_A_CHARACTER * count + size)
            texts = [head + after for head in texts for after in part]
    return texts


def automaton_of_found_texts(tree: Node, max_states: int = MOST_STATES) -> Automaton | None:
    """Return the automaton of the strings in which a search finds a pattern that is some texts, anywhere, at
    the start or at the end, or texts of classes of characters that are disjoint; None for other patterns."""
    parts = tree.parts if isinstance(tree, Concatenation) else (tree,)
    from_start = parts[:1] == (TEXT_START,)
    to_end = parts[-1:] == (TEXT_END,)
    # A flag counts as 1: the anchors at the ends go.
    parts = parts[from_start : len(parts) - to_end]
    # a search finds the same strings without what may be left out where a match begins or ends
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
    most_letters = 1 if from_start else _MOST_ALTERNATIVES  # threads that start at one place are fast
    letters: _Letters = {}
    for ranges, row in zip(sets, member, strict=True):
        # A letter is the number of a class as a character: texts of classes are strings, too.
        is_small = row.sum() <= most_letters
        letters[ranges] = list(map(chr, np.flatnonzero(row))) if is_small else None
    texts = _read_texts(text, letters)
    # a search for the empty text is left to others
    if not texts or not all(texts):
        return None
    return _automaton_holding(sorted({*texts}), alphabet, from_start, to_end, max_states)


def _is_fixed(node: Node) -> bool:
    """Return whether a node may be some texts: no assertion, and nothing of several counts."""
    if isinstance(node, Repetition):
        return node.min_count == node.max_count
    return isinstance(node, (CharacterClass, Alternation, Concatenation))


def _is_optional(node: Node) -> bool:
    return isinstance(node, Repetition) and not node.min_count


def _automaton_holding(
    texts: list[str],
    alphabet: Alphabet,
    from_start: bool,
    to_end: bool,
    max_states: int,
) -> Automaton:
    """Return the automaton of the strings that hold one of some texts, begin with one, or end with one. The
    texts are sorted, and none is empty; a character of theirs is the number of a class of the alphabet.

    Cost: some microseconds a character of the texts. Raises `LimitError` past `max_states` states.
    """
    THIS_CALL.count_work(2 * NUMBERS_OF_A_CHARACTER * sum(map(len, texts)))
    nothing = np.full(alphabet.width, -1, np.int32)
    rows = [nothing.copy() if from_start else np.zeros(alphabet.width, np.int32)]
    ends: set[int] = set()
    # a beginning of texts: its state, its fallback, its length, the texts that go on
    todo: deque[tuple[int, int, int, list[str]]] = deque([(0, 0, 0, texts)])
    while todo:
        state, back, size, texts_beyond = todo.popleft()
        row = rows[state]
        row[:] = nothing if from_start else rows[back]  # the fallback is shorter, so its row is complete
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
            # Behind a text that was found whatever comes is accepted, unless the text must be the last.
            if to_end or after not in ends:
                # The texts are sorted: one that ends here is the first of them.
                todo.append((after, fallback, size + 1, going[is_whole:]))
            row[kind] = after
    accept = np.zeros(len(rows), np.int32)
    accept[list(ends)] = 1
    automaton = minimal_automaton(alphabet, np.stack(rows), accept)
    if automaton.states > max_states:
        raise_limit_error(TOO_MANY_STATES, max_states)
    return automaton
