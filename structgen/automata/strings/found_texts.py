"""Strings that hold one of some texts, as the automaton of Aho and Corasick (1975).

A state is the longest suffix of the text so far that is a beginning of one of the texts; a complete one leads
to the state that accepts whatever comes. The row of a state is the row of its fallback, changed where a text
goes on. The complement is what a ban of the texts lets through.
"""

from __future__ import annotations

from collections import deque
from typing import Final

import numpy as np

from structgen.automata.regex.ecma_syntax import parse
from structgen.automata.regex.syntax_tree import Alternation, CharacterClass, Concatenation, Node
from structgen.automata.strings.alphabets import NUMBERS_OF_A_CHARACTER, of_letters
from structgen.automata.strings.automata import MOST_STATES, Automaton, minimal, refuse
from structgen.automata.strings.banned_patterns import minimal as shortest_texts
from structgen.automata.strings.kernels import TOO_MANY_STATES
from structgen.errors import RegexError
from structgen.system.public_calls import THIS_CALL, billed_cache

_MOST_TEXTS: Final = 1 << 15
"""The most texts that are read out of a pattern; a pattern that lists more texts has them all."""
_MOST_ALTERNATIVES: Final = 64
"""The most characters of a class that are read as one text each."""
_FEWEST_TEXTS: Final = 2
"""One text alone is a pattern like others."""


@billed_cache(64)
def texts_of(source: str) -> tuple[str, ...] | None:
    """Return the texts that a pattern matches, sorted, if it consists of texts and alternatives and no text
    holds another; else None."""
    try:
        tree = parse(source)
    except RegexError:
        return None
    return _texts_of(tree)


def _texts_of(tree: Node) -> tuple[str, ...] | None:
    found: list[str] = []
    most = max(_MOST_TEXTS, len(tree.parts) if isinstance(tree, Alternation) else 0)
    # each text so far, and the nodes that follow it, last first
    todo: list[tuple[str, tuple[Node, ...]]] = [("", (tree,))]
    while todo:
        text, rest = todo.pop()
        THIS_CALL.work(NUMBERS_OF_A_CHARACTER)
        if len(todo) + len(found) > most:
            return None
        if not rest:
            found.append(text)
            continue
        *below, part = rest
        if isinstance(part, CharacterClass):
            # the reader makes alternatives of one character a class
            if sum(high - low + 1 for low, high in part.ranges) > _MOST_ALTERNATIVES:
                return None
            chars = (chr(at) for low, high in part.ranges for at in range(low, high + 1))
            todo += [(text + char, tuple(below)) for char in chars]
        elif isinstance(part, Concatenation):
            todo.append((text, (*below, *reversed(part.parts))))
        elif isinstance(part, Alternation):
            todo += [(text, (*below, one)) for one in part.parts]
        else:
            return None
    texts = tuple(sorted(set(found)))
    lone = any("\ud800" <= char < "\ue000" for text in texts for char in text)
    return None if lone or not all(texts) or shortest_texts(texts) != texts else texts


def of_texts_in(tree: Node, most: int = MOST_STATES) -> Automaton | None:
    """Return the automaton of the strings in which a search finds a pattern that is two texts or more; None
    for other patterns."""
    if not isinstance(tree, (Alternation, Concatenation)):
        return None
    texts = _texts_of(tree)
    return None if texts is None or len(texts) < _FEWEST_TEXTS else holding(texts, most)


def holding(texts: tuple[str, ...], most: int = MOST_STATES) -> Automaton:
    """Return the automaton of the strings that hold one of some texts; none holds another, none is empty.

    Cost: some microseconds a character of the texts. Raises `LimitError` past `most` states.
    """
    THIS_CALL.work(2 * NUMBERS_OF_A_CHARACTER * sum(map(len, texts)))
    alphabet, kinds = of_letters(set().union(*texts))
    rows = [np.zeros(alphabet.width, np.int32)]
    ends: list[int] = []
    # a beginning of texts: its state, its fallback, its length, the texts
    todo: deque[tuple[int, int, int, tuple[str, ...]]] = deque([(0, 0, 0, texts)])
    while todo:
        state, back, size, held = todo.popleft()
        row = rows[state]
        row[:] = rows[back]  # the fallback is shorter, so its row is complete
        below: dict[str, list[str]] = {}
        for text in held:
            below.setdefault(text[size], []).append(text)
        for char, going in below.items():
            after, kind = len(rows), kinds[char]
            rows.append(np.zeros(alphabet.width, np.int32))
            if len(rows) > 4 * most:
                refuse(TOO_MANY_STATES, most)
            if len(going) == 1 and len(going[0]) == size + 1:
                rows[after][:] = after
                ends.append(after)
            else:
                fallback = int(rows[back][kind]) if size else 0
                todo.append((after, fallback, size + 1, tuple(going)))
            row[kind] = after
    accept = np.zeros(len(rows), np.int32)
    accept[ends] = 1
    made = minimal(alphabet, np.stack(rows), accept)
    return made if made.states <= most else refuse(TOO_MANY_STATES, most)
