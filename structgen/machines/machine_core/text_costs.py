"""`TextCosts` finds the fewest tokens that write a text: a dynamic program from the end of the text.

- A *state* is a position before the rest of a text. State 0 is the end: nothing is left to write.
- A *step* leads from a state by one byte to another state. A state may have several steps.
- The *cost* of a state is the fewest tokens from it to the end; IMPOSSIBLE: no tokens write any rest.
- A *chain* is a run of states with one step each: the states of one fixed text.
- A *slot* is a row of the vocabulary: all tokens that have the same bytes.

For example, with the tokens `a`, `b` and `ab`, the state before "abb" has the cost 2: `ab`, then `b`.
"""

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
"""The cost of a state from which no tokens write the text."""

BLOCK: Final = 64
"""The bytes of a text that are entered at once, counted from its end. Texts that end alike share blocks."""
_MOST_BYTES: Final = 1 << 21
"""The number of states past which `TextCosts.is_full` is true."""


class _Steps(Block):
    """The addresses of the arrays of `TextCosts`, and of its vocabulary's trie.

    The steps of state s are the entries begin[s] to end[s] - 1 of `labels` and `targets`, by ascending label.
    """

    trie: Int64s
    """The nodes of the trie of tokens (`trie_nodes`)."""
    first: Int32s
    """The child of the trie's root for each byte; below 0: there is none."""
    begin: Int32s
    end: Int32s
    labels: Int32s
    """The byte of each step."""
    targets: Int32s
    """The state to which each step leads."""
    costs: Int32s
    """The cost of each state, in tokens."""
    slots: Int32s
    """For each state, the slot of the first token of a cheapest way, plus 1; 0: there is none."""


@jit
def step_by(c: _Steps, state: int, byte: int) -> int:
    """Return the first step of a state whose byte is `byte` or larger; `end[state]`: there is none."""
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
    """Find the costs and slots (`_Steps`) of `count` states, from `first_state` on. Returns 0.

    `steps`: the address of a `_Steps`. The steps of a state must lead to states with smaller numbers, whose
    costs are known by then. A state that no tokens bring to the end costs IMPOSSIBLE. Time: for each state,
    the nodes of the trie that lie along its texts.
    """
    c = _Steps(steps)
    # From each state the trie of tokens is walked along the texts of the state. Both arrays are by depth:
    # `path` has the state after the bytes of a node, `ends` the node after its subtree. A token has at most
    # 4,096 bytes, and depth 0 is the root: 4,097 entries.
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
                    # siblings ascend by byte: no step is left for this node or a later sibling
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
    """States by number, with their steps and costs (see the module). State 0 is the end."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self.clear_states()

    def clear_states(self) -> None:
        """Forget all states but the end."""
        self._chains: dict[tuple[bytes, int], int] = {}  # cleared first: its states go below
        """Some bytes, and the state after them -> the state before them."""
        self._costliest = {0: 0}
        """The state before a fixed text -> the greatest cost of any state on the way to its end."""
        # the arrays of `_Steps`: four by state, and two by step
        self._costs = array("i", (0,))
        self._slots = array("i", (0,))
        self._begin = array("i", (0,))
        self._end = array("i", (0,))
        self._labels = array("i")
        self._targets = array("i")

    @property
    def is_full(self) -> bool:
        """Whether there are so many states that the caller should call `clear_states`."""
        return len(self._costs) > _MOST_BYTES

    def __getitem__(self, number: int) -> int:
        """Return the cost of a state, by its number: the fewest tokens to the end, or IMPOSSIBLE."""
        return self._costs[number]

    def first_token(self, number: int) -> tuple[int, int, int]:
        """Return the first token of a cheapest way from a state of a chain to the end.

        Returns the id of the token, the number of its bytes, and the number of the state after it.
        """
        slot = self._slots[number] - 1
        vocabulary = self._vocabulary
        size = int(vocabulary.slot_len[slot])
        # Each state of a chain has one step: its first.
        for _ in range(size):
            number = self._targets[self._begin[number]]
        return int(vocabulary.slot_ids[vocabulary.slot_start[slot]]), size, number

    def chain_state(self, text: bytes, start: int = 0) -> int:
        """Return the number of the state before text[start:], a fixed text; states are made where needed.

        Cost: about 0.2 us a byte, and less than 0.003 us a byte where the states are known.
        """
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
        """Return the greatest cost of any end text[i:] of a text; IMPOSSIBLE where one cannot be written.

        A shorter end may cost more than the whole text: one token may write "abc" where "bc" takes two.
        Cost: as `chain_state`.
        """
        return self._costliest[self.chain_state(text)]

    def enter_state(self, steps: Iterable[tuple[int, int]]) -> int:
        """Add a state, and return its number.

        `steps`: the steps of the state, by ascending byte. A step is a pair of a byte and the number of the
        state after it.
        """
        number = self._drop_unfinished()
        self._begin.append(len(self._labels))
        for byte, after in steps:
            self._labels.append(byte)
            self._targets.append(after)
        self._end.append(len(self._labels))
        self._find_costs(number, 1)
        return number

    def _drop_unfinished(self) -> int:
        """Remove what a call left that an exception cut off; return the number of the next new state."""
        # A state is whole once it has a cost: that comes last.
        first = len(self._costs)
        del self._begin[first:], self._end[first:], self._slots[first:]
        last_label = self._end[-1]
        del self._labels[last_label:], self._targets[last_label:]
        return first

    def _find_costs(self, first: int, count: int) -> None:
        """Find the costs of the `count` new states from `first` on, whose steps are entered."""
        self._slots.extend(array("i", (0,)) * count)
        self._costs.extend(array("i", [IMPOSSIBLE]) * count)
        # the fields of `_Steps`, in their order
        trie = address_of(self._vocabulary.nodes), address_of(self._vocabulary.first)
        steps = self._begin, self._end, self._labels, self._targets, self._costs, self._slots
        block = np.array([*trie, *map(address_of_items, steps)], np.int64)
        find_costs(address_of(block), first, count)
