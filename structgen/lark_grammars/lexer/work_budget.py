"""The work budget of one call: a counter of steps that all parts of the call share.

The unit is the *step* of `limits.Limits.oracle_steps`, about 10 us of work in Python. Compiled code spends no
steps; its cost is the questions that it asks of Python. The second limit, `Limits.automaton_states`, counts
the states of the lexer."""

from __future__ import annotations

import sys
from types import FrameType
from typing import Final

from structgen.errors import LimitError
from structgen.limits import Limits

READ_STEPS: Final = 1
"""For a byte that the reader follows, for each configuration; one more for two of its slots."""
SEARCH_STEPS: Final = 1
"""For a configuration that a search expands."""
FOLLOW_STEPS: Final = 2
"""For a lexer state whose moves are followed for a text."""
ROW_STEPS: Final = 2
GUARDS_PER_STEP: Final = 4
"""The row of an item costs one step, one more for each part that differs, and in each part one for so many
guards."""
STATE_STEPS: Final = 4
NUMBERS_PER_STEP: Final = 8
"""A new lexer state costs one step, and one more for so many of its numbers."""
STATES_COUNTED: Final = 4
"""A lexer state counts as so many of `Limits.automaton_states`: it has several numbers for each class."""

_CURE: Final = "Have terminals look ahead less far (inside loops above all)"
_RULES: Final = (
    "Write the rules so that no text leads to where none goes on: `structgen explain --grammar` lists the "
    "conflicts that lark has resolved, after which a text may have no end"
)


class WorkBudget:
    """The steps left for a call. Use it as a context manager; a nested call spends from the outer one.
    Outside of calls there is no limit. Not thread-safe."""

    __slots__ = ("_depth", "_left", "_most", "_most_states", "_outermost", "looks_ahead")

    def __init__(self, limits: Limits | None = None) -> None:
        limits = Limits() if limits is None else limits
        self._depth = 0
        self._outermost: FrameType | None = None
        """The frame of the outermost call, if one is running."""
        self.looks_ahead = False
        """Whether some look-ahead was pending."""
        self._left = self._most = limits.oracle_steps
        self._most_states = limits.automaton_states // STATES_COUNTED

    def __enter__(self) -> None:
        if not self._depth or not self._is_inside():
            # an exception may have skipped the exit of an earlier call
            self._outermost = sys._getframe(1)
            self._left, self._depth = self._most, 0
        self._depth += 1

    def __exit__(self, *_raised: object) -> None:
        self._depth -= 1
        if not self._depth:
            self._outermost = None

    def _is_inside(self) -> bool:
        """Return whether the outermost call is still running."""
        frame: FrameType | None = sys._getframe(1)
        while frame is not None and frame is not self._outermost:
            frame = frame.f_back
        return frame is not None

    @property
    def spent(self) -> int:
        """The steps of this call so far, or of the last one."""
        return self._most - self._left

    @property
    def most(self) -> int:
        """The steps that a call may spend."""
        return self._most

    def spend(self, steps: int) -> None:
        """Spend some steps. Raises LimitError (oracle_steps) if none are left."""
        self._left -= steps
        if self._left < 0 and self._depth:
            advice = f"{_CURE}, or end where they can tell" if self.looks_ahead else _RULES
            raise LimitError(
                f"What may come here was not found out within {self._most:,} steps.",
                limit="oracle_steps",
                where="grammar",
                cure=f"{advice}; or raise it with limits=sg.Limits(oracle_steps=...).",
            )

    def check_states(self, states: int) -> None:
        """Raise LimitError (automaton_states) if a lexer has too many states."""
        if states > self._most_states and self._depth:
            advice = f"{_CURE}, or make" if self.looks_ahead else "Make"
            raise LimitError(
                f"The lexer of the terminals has more than {self._most_states:,} states.",
                limit="automaton_states",
                where="grammar",
                cure=f"{advice} the counts of their repetitions smaller; or raise it with "
                "limits=sg.Limits(automaton_states=...).",
            )
