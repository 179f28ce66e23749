"""The work of one call: steps are counted, and past a named limit a LimitError ends the call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final
from weakref import ref

from structgen.errors import LimitError
from structgen.limits import Limits
from structgen.system.public_calls import Part

NUMBERS_PER_STEP: Final = 8
"""A step is some 10 us of Python: a row of so many distinct columns, or a state of so many items."""
STATES_COUNTED: Final = 4
"""A lexer state counts as so many of `Limits.automaton_states`: it has several numbers for each class of
bytes."""


class Effort:
    """The steps that are left of a call. Not thread-safe: the grammar's lock is held."""

    __slots__ = ("_left", "_part", "limits")

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._left = limits.oracle_steps
        self._part: Callable[[], Part | None] = lambda: None

    def begin(self) -> Part:
        """Return the context of a call; a call inside another spends from that one's steps."""
        part = self._part()
        if part is None:
            part = Part()
            self._part, self._left = ref(part), self.limits.oracle_steps
        return part

    def spend(self, numbers: int) -> None:
        """Spend one step, and one for so many numbers. Raises LimitError (oracle_steps)."""
        self._left -= 1 + numbers // NUMBERS_PER_STEP
        if self._left < 0:
            raise LimitError(
                f"What may come here was not found out within {self.limits.oracle_steps:,} steps.",
                limit="oracle_steps",
                where="grammar",
                cure="Have terminals look ahead less far (inside loops above all); or raise it with "
                "limits=sg.Limits(oracle_steps=...).",
            )

    def check_states(self, states: int) -> None:
        """Raise LimitError (automaton_states) where a lexer has too many states, items or carries."""
        most = self.limits.automaton_states // STATES_COUNTED
        if states > most:
            raise LimitError(
                f"The lexer of the terminals has more than {most:,} states.",
                limit="automaton_states",
                where="grammar",
                cure="Make the counts of repetitions smaller, and look-aheads shorter; or raise it with "
                "limits=sg.Limits(automaton_states=...).",
            )
