"""Runs strings through the automaton of some formulas."""

from __future__ import annotations

from structgen.automata.strings.string_pool import StringPool
from structgen.language.ir import DEAD, UNKNOWN, Formula, Spec
from structgen.limits import Limits


class StringReader:
    """One spec in a pool of its own; rows are filled as texts ask for them."""

    def __init__(self, *formulas: Formula, limits: Limits | None = None) -> None:
        self.pool = StringPool(limits or Limits())
        numbers: dict[frozenset[int], int] = {}
        self.start = self.pool.start(Spec(formulas), lambda met: numbers.setdefault(met, len(numbers)))

    def state(self, text: str | bytes) -> int:
        """Return the state after a text, or DEAD."""
        state = self.start
        for byte in text.encode() if isinstance(text, str) else text:
            if state == DEAD:
                return DEAD
            if int(self.pool.trans[state, byte]) == UNKNOWN:
                self.pool.expand(state, byte)
            state = int(self.pool.trans[state, byte])
        return state

    def accepts(self, text: str) -> bool:
        state = self.state(text)
        return state != DEAD and int(self.pool.outcome[state]) >= 0
