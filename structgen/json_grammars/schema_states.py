"""The states of a JSON Schema's machine, as `dfa.explicit` reads them.

A machine has many states more than the language needs. Two kinds would make explicit automata too large:

- Inside a numeral the state says how many digits may follow. Under `numbers="python"` that makes 3,000
  states, 170 of which are different, and they come again in every context: at depth 4 there are 121 contexts.
  For a minimal automaton that of the numerals is minimised by itself, as soon as the first of them is met.
- An object remembers the keys that it holds and the schema does not name, for none may come twice. That makes
  endlessly many states. With `repeated_keys` they are forgotten, and the automaton takes more texts; with
  `named_keys` objects of which the schema names keys have no others, and it takes fewer.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from structgen.core.dfa import equivalent_states, representatives
from structgen.json_machine.inspection import Inspection
from structgen.language.ir import DEAD


class SchemaStates:
    """States by number. The grammar's lock is held by the caller."""

    __slots__ = (
        "_machine",
        "_merged",
        "_merges",
        "_named_keys",
        "_repeated_keys",
        "may_end",
        "open_brackets",
    )

    def __init__(self, machine: Inspection, *, merges: bool, repeated_keys: bool, named_keys: bool) -> None:
        """`merges`: equivalent states of numerals are one; `repeated_keys`, `named_keys`: see above."""
        self._machine, self._merges = machine, merges
        self._repeated_keys, self._named_keys = repeated_keys, named_keys
        self._merged: npt.NDArray[np.int32] = np.full(1, DEAD, np.int32)
        """For each state of the automata of numerals the one that stands for its equivalence class."""
        self.may_end, self.open_brackets = machine.may_end, machine.open_brackets

    def followers(self, index: int) -> npt.NDArray[np.int64]:
        """Return int64[256]: the state after each byte, -1 where it is refused."""
        states = self._followers(index)
        if not self._merges:
            return states
        nodes, numerals = self._numerals(states)
        is_new = self._unmerged(numerals)
        if not is_new.any():
            return states
        for node, numeral in zip(nodes[is_new].tolist(), numerals[is_new].tolist(), strict=True):
            if self._unmerged(np.array([numeral])).all():
                self._merge(node)
        return self._followers(index)

    def _followers(self, index: int) -> npt.NDArray[np.int64]:
        return self._machine.after_all(
            index, self._merged, repeated_keys=self._repeated_keys, named_keys=self._named_keys
        )

    def _numerals(self, states: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        return self._machine.numerals(states[states >= 0])

    def _unmerged(self, numerals: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        """Return which states of the automata of numerals were not looked at."""
        inside = numerals < len(self._merged)
        found: npt.NDArray[np.bool_] = ~inside | (self._merged[np.where(inside, numerals, 0)] == DEAD)
        return found

    def _merge(self, node: int) -> None:
        """Minimise the automaton of the numerals that go on from a state inside one."""
        nodes, numerals = self._numerals(np.array([node]))
        pending, numbers = nodes.tolist(), {int(numerals[0]): 0}
        rows = []
        for at in pending:  # grows
            states = self._followers(at)
            after, numerals = self._numerals(states)
            row = np.full(256, DEAD, np.int32)
            inside = np.isin(states, after)
            for other, numeral in zip(after.tolist(), numerals.tolist(), strict=True):
                if numeral not in numbers:
                    numbers[numeral] = len(pending)
                    pending.append(other)
            row[inside] = [numbers[one] for one in numerals.tolist()]
            rows.append(row)
        states = np.fromiter(numbers, np.int64, len(numbers))
        blocks = equivalent_states(np.stack(rows), self._machine.numbers.outcome[states])
        first, blocks = representatives(blocks)
        size = max(len(self._merged), int(states.max()) + 1)
        merged = np.full(size, DEAD, np.int32)
        merged[: len(self._merged)] = self._merged
        merged[states] = states[first][blocks]
        self._merged = merged
