"""How many tokens write a text, at least: a dynamic program over byte steps, from the end."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from typing import Final

import numpy as np

from structgen.json_machine.masks.state_walk import IMPOSSIBLE, settle_costs
from structgen.native.raw_memory import address_of
from structgen.tokens.vocabulary import Vocabulary

_BLOCK: Final = 64
"""Bytes of a text that are entered at once, counted from its end: texts that end alike share them."""
_MOST_BYTES: Final = 1 << 21
"""Bytes of texts that are remembered."""


class TextCosts:
    """States by number, each with byte steps to others and the fewest tokens to number 0, the end."""

    __slots__ = ("_begin", "_chains", "_costs", "_end", "_labels", "_targets", "_vocabulary")

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self.clear()

    def clear(self) -> None:
        """Forget all states but the end."""
        # for each state: its cost, and its steps as a range of the other two
        self._costs, self._begin, self._end = array("i", (0,)), array("i", (0,)), array("i", (0,))
        self._labels, self._targets = array("i"), array("i")
        self._chains: dict[tuple[bytes, int], int] = {}

    @property
    def is_full(self) -> bool:
        """Whether it is time for `clear`."""
        return len(self._costs) > _MOST_BYTES

    def __getitem__(self, number: int) -> int:
        """Return the fewest tokens from a state to the end; IMPOSSIBLE where none write it."""
        return self._costs[number]

    def chain(self, text: bytes, start: int = 0) -> int:
        """Return the number of the state before text[start:], which is written byte by byte as it is. Cost:
        some 0.2 us a byte, less than 0.003 us a byte that is known."""
        chains, number, end = self._chains, 0, len(text)
        while end > start:
            head = max(start, end - _BLOCK)
            key = text[head:end], number
            known = chains.get(key)
            if known is None:
                first, count = self._cut(), end - head
                # the byte before the end has the lowest number
                labels, steps = len(self._labels), np.arange(count, dtype=np.int32)
                self._begin.frombytes((labels + steps).tobytes())
                self._end.frombytes((labels + 1 + steps).tobytes())
                self._labels.frombytes(np.frombuffer(key[0], np.uint8)[::-1].astype(np.int32).tobytes())
                self._targets.append(number)
                self._targets.frombytes((first + steps[:-1]).tobytes())
                self._settle(first, count)
                known = chains[key] = first + count - 1
            number, end = known, head
        return number

    def enter(self, states: Iterable[Iterable[tuple[int, int]]]) -> None:
        """Enter states, from number `next` on, each with its steps: bytes, ascending, and the numbers of
        states before it."""
        first = self._cut()
        for following in states:
            self._begin.append(len(self._labels))
            for byte, after in following:
                self._labels.append(byte)
                self._targets.append(after)
            self._end.append(len(self._labels))
        self._settle(first, len(self._end) - first)

    @property
    def next(self) -> int:
        """The number of the next state."""
        return len(self._costs)

    def _cut(self) -> int:
        """Return the number of the next state; what a call that was cut off has left behind it goes."""
        first = self.next
        del self._begin[first:], self._end[first:]
        last = self._end[-1]
        del self._labels[last:], self._targets[last:]
        return first

    def _settle(self, first: int, count: int) -> None:
        """Work out the costs of new states."""
        self._costs.extend(array("i", [IMPOSSIBLE]) * count)
        vocabulary, steps = self._vocabulary, (self._begin, self._end, self._labels, self._targets)
        settle_costs(
            address_of(vocabulary.nodes),
            address_of(vocabulary.first),
            *(values.buffer_info()[0] for values in steps),
            first,
            count,
            self._costs.buffer_info()[0],
        )
