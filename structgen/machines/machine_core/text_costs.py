"""How many tokens write a text, at least: a dynamic program over byte steps, from the end."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from typing import Final

import numpy as np

from structgen.base.native.addresses import address_of, address_of_items
from structgen.base.native.jit import entry, jit
from structgen.base.native.typed_blocks import Block, Int32s, Int64s
from structgen.tokens.trie_nodes import byte_of, depth_of, end_of, slot_of
from structgen.tokens.vocabulary import Vocabulary

IMPOSSIBLE: Final = 1 << 30
"""In place of a cost: no tokens write the text."""

BLOCK: Final = 64
"""Bytes of a text that are entered at once, counted from its end: texts that end alike share them."""
_MOST_BYTES: Final = 1 << 21
"""Bytes of texts that are remembered."""


class _Steps(Block):
    """The arrays of `TextCosts` and of its vocabulary's trie, by address. State s has the byte steps begin[s]
    to end[s] of labels and targets, by ascending label."""

    trie: Int64s
    first: Int32s
    """The root's child for each byte."""
    begin: Int32s
    end: Int32s
    labels: Int32s
    targets: Int32s
    costs: Int32s
    slots: Int32s


@jit
def step_by(c: _Steps, state: int, byte: int) -> int:
    """Return the first step of a state by this byte or a later one; its end where there is none."""
    low, high = c.begin[state], c.end[state]
    while low < high:
        middle = (low + high) >> 1
        if c.labels[middle] < byte:
            low = middle + 1
        else:
            high = middle
    return low


@entry("int64(int64, int64, int64)")
def find_costs(steps: int, first_state: int, count: int) -> int:
    """Set costs[s] to the fewest tokens from s to a state of cost 0, and slots[s] to the slot of the first of
    them, plus one, for `count` states from the first on.

    The states to which a state's steps lead have their costs already, or come before it. Returns 0; a state
    that reaches none costs IMPOSSIBLE. Cost: the trie's nodes over the texts from each state.
    """
    c = _Steps(steps)
    # Each state walks the trie of tokens along its own texts. By depth, `path` has the state that the bytes
    # of a node lead to, `ends` the node after its subtree. 4,096 bytes are the longest token.
    trie = c.trie
    costs = c.costs
    path = np.zeros(4097, np.int64)
    ends = np.zeros(4097, np.int64)
    for start in range(first_state, first_state + count):
        lowest = IMPOSSIBLE
        best = 0
        path[0] = start
        for e in range(c.begin[start], c.end[start]):
            node = c.first[c.labels[e]]  # the child of the root by the byte of this step
            last = end_of(trie[node]) if node >= 0 else node
            while node < last:
                word = trie[node]
                depth = depth_of(word)
                byte = byte_of(word)
                close = end_of(word)
                step = e if depth == 1 else step_by(c, path[depth - 1], byte)
                if step == c.end[path[depth - 1]]:
                    # siblings ascend: none of them has a step
                    node = ends[depth - 1]
                    continue
                if c.labels[step] != byte:
                    node = close
                    continue
                path[depth] = c.targets[step]
                ends[depth] = close
                if slot_of(word) > 0 and costs[path[depth]] + 1 < lowest:
                    lowest = costs[path[depth]] + 1
                    best = slot_of(word)
                node += 1
        costs[start], c.slots[start] = lowest, best
    return 0


class TextCosts:
    """States by number, each with byte steps to others and the fewest tokens to number 0, the end."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self.clear_states()

    def clear_states(self) -> None:
        """Forget all states but the end."""
        self._chains: dict[tuple[bytes, int], int] = {}  # first: none is known of states that go
        """Bytes, and the state after them -> the state before them."""
        self._costliest = {0: 0}
        """Of the state before a text: the greatest cost of any end of that text."""
        # for each state: its cost, its first token, and its steps as a range of the other two
        self._costs = array("i", (0,))
        self._slots = array("i", (0,))
        self._begin = array("i", (0,))
        self._end = array("i", (0,))
        self._labels = array("i")
        self._targets = array("i")

    @property
    def is_full(self) -> bool:
        """Whether it is time for `clear_states`."""
        return len(self._costs) > _MOST_BYTES

    def __getitem__(self, number: int) -> int:
        """Return the fewest tokens from a state to the end; IMPOSSIBLE where none write it."""
        return self._costs[number]

    def first_token(self, number: int) -> tuple[int, int, int]:
        """Return a token with which the fewest begin that write a text, by the number of the state before it,
        the token's bytes, and the number after it."""
        slot = self._slots[number] - 1
        vocabulary = self._vocabulary
        size = int(vocabulary.slot_len[slot])
        # Only chains are asked, in which a state has one step: the first.
        for _ in range(size):
            number = self._targets[self._begin[number]]
        return int(vocabulary.slot_ids[vocabulary.slot_start[slot]]), size, number

    def chain_state(self, text: bytes, start: int = 0) -> int:
        """Return the number of the state before text[start:], which is written byte by byte as it is. Cost:
        some 0.2 us a byte, less than 0.003 us a byte that is known."""
        chains = self._chains
        number = 0
        end = len(text)
        while end > start:
            head = max(start, end - BLOCK)
            key = text[head:end], number
            state_known = chains.get(key)
            if state_known is None:
                first = self._drop_unfinished()
                count = end - head
                # the byte before the end has the lowest number
                labels = len(self._labels)
                steps = np.arange(count, dtype=np.int32)
                self._begin.frombytes((labels + steps).tobytes())
                self._end.frombytes((labels + 1 + steps).tobytes())
                reversed_bytes = np.frombuffer(key[0], np.uint8)[::-1]
                self._labels.frombytes(reversed_bytes.astype(np.int32).tobytes())
                self._targets.append(number)
                self._targets.frombytes((first + steps[:-1]).tobytes())
                self._find_costs(first, count)
                state_known = first + count - 1
                self._costliest[state_known] = max(self._costliest[number], *self._costs[first:])
                chains[key] = state_known
            number, end = state_known, head
        return number

    def costliest_end(self, text: bytes) -> int:
        """Return the fewest tokens of that end of a text which takes the most: one token may write more than
        what is left in the middle of it. IMPOSSIBLE where some end cannot be written. Cost: as
        `chain_state`."""
        return self._costliest[self.chain_state(text)]

    def enter_states(self, states: Iterable[Iterable[tuple[int, int]]]) -> None:
        """Enter states, from number `next` on, each with its steps: bytes, ascending, and the numbers of
        states before it."""
        first = self._drop_unfinished()
        for following in states:
            self._begin.append(len(self._labels))
            for byte, after in following:
                self._labels.append(byte)
                self._targets.append(after)
            self._end.append(len(self._labels))
        self._find_costs(first, len(self._end) - first)

    @property
    def next(self) -> int:
        """The number of the next state."""
        return len(self._costs)

    def _drop_unfinished(self) -> int:
        """Return the number of the next state; entries of a call that was cut off are removed."""
        # A state is whole once it has a cost: that comes last.
        first = self.next
        del self._begin[first:], self._end[first:], self._slots[first:]
        last_label = self._end[-1]
        del self._labels[last_label:], self._targets[last_label:]
        return first

    def _find_costs(self, first: int, count: int) -> None:
        """Work out the costs of new states."""
        self._slots.extend(array("i", (0,)) * count)
        self._costs.extend(array("i", [IMPOSSIBLE]) * count)
        # the fields of `_Steps`, in their order
        trie = address_of(self._vocabulary.nodes), address_of(self._vocabulary.first)
        steps = self._begin, self._end, self._labels, self._targets, self._costs, self._slots
        block = np.array([*trie, *map(address_of_items, steps)], np.int64)
        find_costs(address_of(block), first, count)
