"""The automaton of a lattice: deterministic and minimal, with transitions labelled by token classes.

Tokens that lead every state to the same state are one class. In JSON a few hundred classes suffice; a class
of letters holds most of a vocabulary of 152,000 tokens. For forward-backward passes transitions are grouped
further: an *edge* is a pair of states with a token between them, and a *class set* labels an edge. Edges
share class sets, so that a pass sums each class set once per slot, not once per edge.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt

from structgen.core.dfa import Dfa, equivalent_states, representatives

DEAD: Final = -1

Ints = npt.NDArray[np.int32]
Words = npt.NDArray[np.uint64]


@dataclass(frozen=True, eq=False)
class TokenAutomaton:
    """A minimal deterministic automaton over token classes, with the arrays of the compiled passes."""

    start: int
    transitions: Ints
    """[states, classes]: the state after a token of a class, -1 where there is none."""
    accepting: npt.NDArray[np.bool_]
    """[states]"""
    token_class: Ints
    """[V]: the class of a token, -1 where it is allowed in no state."""
    class_start: Ints
    """[classes + 1]: where the tokens of a class begin in `class_tokens`."""
    class_tokens: Ints
    """Tokens ordered by class, then by id."""
    edge_start: Ints
    """[states + 1]: where the edges of a source state begin."""
    edges: Ints
    """[edges, 2]: the target state, and the class set that labels the edge."""
    set_start: Ints
    """[class sets + 1]: where the classes of a class set begin in `set_classes`."""
    set_classes: Ints
    set_bits: Words
    """[class sets, words]: the same as bits."""
    successors: Words
    """[states, words]: the states that some token leads to, as bits."""
    predecessors: Words
    """[states, words]: the states from which some token leads here."""

    @property
    def states(self) -> int:
        """How many states there are."""
        return len(self.transitions)

    @property
    def classes(self) -> int:
        """How many token classes there are."""
        return int(self.transitions.shape[1])

    @cached_property
    def state_words(self) -> int:
        """64-bit words of a set of states."""
        return int(self.successors.shape[1])

    @cached_property
    def class_words(self) -> int:
        """64-bit words of a set of classes."""
        return int(self.set_bits.shape[1])

    @cached_property
    def wide_class(self) -> int:
        """The class with more than a third of the vocabulary; -1 if there is none, the largest if there are
        two. For it a row of logits is read in order, which is faster than gathering its tokens."""
        sizes = np.diff(self.class_start)
        if not len(sizes) or 3 * int(sizes.max()) <= len(self.token_class):
            return -1
        return int(sizes.argmax())

    @cached_property
    def wide_tokens(self) -> npt.NDArray[np.uint8]:
        """[V]: 1 for the tokens of the wide class; empty if there is none."""
        if self.wide_class < 0:
            return np.empty(0, np.uint8)
        found: npt.NDArray[np.uint8] = (self.token_class == self.wide_class).astype(np.uint8)
        return found

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays."""
        return sum(one.nbytes for one in vars(self).values() if isinstance(one, np.ndarray))

    def accepts(self, tokens: list[int]) -> bool:
        """Return whether a sequence of tokens is a text of the language."""
        state = self.start
        for token in tokens:
            column = int(self.token_class[token])
            state = DEAD if column < 0 else int(self.transitions[state, column])
            if state < 0:
                return False
        return bool(self.accepting[state])


def token_automaton(dfa: Dfa) -> TokenAutomaton:
    """Return the automaton of an explicit one, with equivalent states and equal classes merged.

    Cost: a few passes over [states, classes] for each round of partition refinement. The rounds are at most
    the length of the longest shortest text that distinguishes two states.
    """
    chosen, blocks = representatives(equivalent_states(dfa.transitions, dfa.accepting))
    table = np.append(blocks, DEAD).astype(np.int32)[dfa.transitions[chosen]]
    columns, of_column = _unique_columns(table)
    token_class = np.append(of_column, DEAD).astype(np.int32)[dfa.token_class]
    return _indexed(int(blocks[dfa.start]), columns, dfa.accepting[chosen], token_class)


def marked_automaton(
    start: int, table: Ints, accepting: npt.NDArray[np.bool_], token_class: Ints, marks: int
) -> tuple[TokenAutomaton, list[int], int]:
    """Return the minimal automaton of a table whose last `marks` columns are *marks*: no token has them, and
    only slots fixed to them use them (`Lattice(columns=...)`). Also returns the marks' columns in
    the result: all but the last one, and the last one."""
    chosen, blocks = representatives(equivalent_states(table, accepting))
    merged = np.append(blocks, DEAD).astype(np.int32)[table[chosen]]
    columns, of_column = _unique_columns(merged[:, :-marks])
    classes = np.append(of_column, DEAD).astype(np.int32)[token_class]
    wide = np.ascontiguousarray(np.concatenate((columns, merged[:, -marks:]), axis=1))
    found = _indexed(int(blocks[start]), wide, accepting[chosen], classes, marks)
    at = list(range(columns.shape[1], wide.shape[1]))
    return found, at[:-1], at[-1]


def _unique_columns(table: Ints) -> tuple[Ints, npt.NDArray[np.int64]]:
    """Return the distinct columns that have a transition, and for each old column its number, -1 for none."""
    live = np.flatnonzero((table >= 0).any(axis=0))
    columns, inverse = np.unique(np.ascontiguousarray(table[:, live].T), axis=0, return_inverse=True)
    numbers = np.full(table.shape[1], DEAD, np.int64)
    numbers[live] = inverse.reshape(-1)
    return np.ascontiguousarray(columns.T), numbers


def _indexed(
    start: int, table: Ints, accepting: npt.NDArray[np.bool_], token_class: Ints, marks: int = 0
) -> TokenAutomaton:
    """Return the automaton with its edges, class sets and bits; edges do not include the last `marks`
    columns."""
    states, classes = table.shape
    order = np.argsort(token_class, kind="stable").astype(np.int32)
    order = order[np.searchsorted(token_class[order], 0) :]
    class_start = np.searchsorted(token_class[order], np.arange(classes + 1)).astype(np.int32)
    edge_start = np.zeros(states + 1, np.int32)
    targets: list[int] = []
    labels: list[int] = []
    known: dict[bytes, int] = {}
    members: list[Ints] = []
    for state in range(states):
        row = table[state, : classes - marks]
        by_target = np.argsort(row, kind="stable").astype(np.int32)
        by_target = by_target[np.searchsorted(row[by_target], 0) :]
        cuts = np.flatnonzero(np.diff(row[by_target])) + 1
        for group in np.split(by_target, cuts) if len(by_target) else []:
            label = known.setdefault(group.tobytes(), len(members))
            if label == len(members):
                members.append(group)
            targets.append(int(row[group[0]]))
            labels.append(label)
        edge_start[state + 1] = len(targets)
    set_start = np.zeros(len(members) + 1, np.int32)
    np.cumsum([len(one) for one in members], out=set_start[1:])
    set_bits = np.zeros((len(members), classes), np.bool_)
    for number, one in enumerate(members):
        set_bits[number, one] = True
    edges = np.ascontiguousarray(np.array([targets, labels], np.int32).T)
    to = edges[:, 0]
    sources = np.repeat(np.arange(states, dtype=np.int32), np.diff(edge_start))
    return TokenAutomaton(
        start,
        table,
        accepting,
        token_class,
        class_start,
        np.ascontiguousarray(order),
        edge_start,
        edges,
        set_start,
        np.concatenate(members) if members else np.empty(0, np.int32),
        packed(set_bits),
        _pairs(states, sources, to),
        _pairs(states, to, sources),
    )


def _pairs(states: int, rows: Ints, members: Ints) -> Words:
    """Return for each state the set of its partners in the pairs, as bits."""
    found = np.zeros((states, -(-states // 64)), np.uint64)
    np.bitwise_or.at(found, (rows, members >> 6), np.uint64(1) << (members & 63).astype(np.uint64))
    return found


def packed(rows: npt.NDArray[np.bool_]) -> Words:
    """Return rows of truth values as rows of 64-bit words; bit i of word w is value 64 w + i."""
    wide = -(-max(rows.shape[-1], 1) // 64) * 64
    padded = np.zeros((*rows.shape[:-1], wide), np.bool_)
    padded[..., : rows.shape[-1]] = rows
    return np.ascontiguousarray(np.packbits(padded, axis=-1, bitorder="little").view(np.uint64))


def unpacked(words: Words, count: int) -> npt.NDArray[np.bool_]:
    """Return the first `count` bits of rows of words as truth values."""
    bits = np.unpackbits(np.ascontiguousarray(words).view(np.uint8), axis=-1, bitorder="little")
    return bits[..., :count].view(np.bool_)
