"""What the lexer may cost: the steps of a call, and its states."""

from __future__ import annotations

from typing import Final

from structgen.base.errors import LimitError
from structgen.base.limits import Limits
from structgen.base.system.public_calls import THIS_CALL

NUMBERS_PER_STEP: Final = 24
"""A step is some 10 us of Python: a row of so many distinct columns, or a state of so many items."""
STATES_COUNTED: Final = 4
"""A lexer state counts as so many of `Limits.automaton_states`: it has several numbers for each class of
bytes."""
_CURE: Final = (
    "Use shorter look-aheads (above all in loops); or increase it with limits=sg.Limits(oracle_steps=...)."
)


def spend_steps(limits: Limits, numbers: int) -> None:
    """Count a step of this call, and one for so many numbers. Errors: `THIS_CALL.spend_steps`."""
    THIS_CALL.spend_steps(1 + numbers // NUMBERS_PER_STEP, limits, "What may come here", cure=_CURE)


def check_states(limits: Limits, states: int) -> None:
    """Raise LimitError (automaton_states) where a lexer has too many states, items or carries."""
    max_states = limits.automaton_states // STATES_COUNTED
    if states > max_states:
        raise LimitError(
            f"The lexer of the terminals has more than {max_states:,} states.",
            limit="automaton_states",
            where="grammar",
            cure="Reduce the counts of repetitions, and shorten look-aheads; or increase it with "
            "limits=sg.Limits(automaton_states=...).",
        )
