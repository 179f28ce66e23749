"""What one call may do under a Lark grammar: steps of work, counted down, whatever asks for them.

A step is about 10 us. Compiled code on its own takes none: what costs is what Python is asked.
"""

from __future__ import annotations

import sys
from types import FrameType
from typing import Final

from structgen.errors import LimitError
from structgen.limits import Limits

READ: Final = 1
"""Steps of a byte that the reader follows, for each configuration that is read on; one more for two of its
slots."""
TRIED: Final = 1
"""Steps of a configuration from which a search goes on."""
FOLLOWED: Final = 2
"""Steps of a state of a lexer whose moves are gone through for a text."""
MADE_ROW: Final = 2
GUARDS: Final = 4
"""Steps of what an item comes to with all classes of bytes; one more for each part of them that says
something else, and there for each so many look-aheads that the item waits for."""
WAITED: Final = 4
"""Of so many instructions at which an atomic group waits, with a class of bytes, one step more."""
MADE_STATE: Final = 4
"""Steps of a state of a lexer; one more for each WORDS of its numbers."""
WORDS: Final = 8
COUNTED: Final = 4
"""A state of a lexer counts as so many of `Limits.automaton_states`: it has a row of several numbers for each
class of bytes."""

_CURE: Final = "Have terminals look ahead less far (inside loops above all)"
_RULES: Final = (
    "Write the rules so that no text leads to where none goes on: `structgen explain --grammar` lists the "
    "conflicts that lark has resolved, after which a text may have no end"
)


class WorkBudget:
    """The steps that are left of a call; used as a context, in which another call counts as a part of it.
    Outside of calls nothing is bounded. Not thread-safe."""

    __slots__ = ("_depth", "_left", "_most", "_outermost", "_states", "looks_ahead")

    def __init__(self, limits: Limits | None = None) -> None:
        self._depth = 0
        self._outermost: FrameType | None = None
        """Whose call it is, while there is one."""
        self.looks_ahead = False
        """Whether some look-ahead had to be waited for."""
        limits = Limits() if limits is None else limits
        self._left = self._most = limits.oracle_steps
        self._states = limits.automaton_states // COUNTED

    def __enter__(self) -> None:
        if not self._depth or not self._is_inside():
            # an exception may have come when a call was left: then it has ended all the same
            self._outermost = sys._getframe(1)
            self._left, self._depth = self._most, 0
        self._depth += 1

    def __exit__(self, *_raised: object) -> None:
        self._depth -= 1
        if not self._depth:
            self._outermost = None

    def _is_inside(self) -> bool:
        """Return whether the outermost call is still under way."""
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
        """The steps of a call."""
        return self._most

    def spend(self, steps: int) -> None:
        """Count some steps. Raises LimitError where there are none left."""
        self._left -= steps
        if self._left < 0 and self._depth:
            advice = f"{_CURE}, or end where they can tell" if self.looks_ahead else _RULES
            raise LimitError(
                f"What may come here was not found out within {self._most:,} steps.",
                limit="oracle_steps",
                where="grammar",
                cure=f"{advice}; or raise it with limits=sg.Limits(oracle_steps=...).",
            )

    def hold(self, states: int) -> None:
        """Raise LimitError where a lexer has too many states."""
        if states > self._states and self._depth:
            advice = f"{_CURE}, or make" if self.looks_ahead else "Make"
            raise LimitError(
                f"The lexer of the terminals has more than {self._states:,} states.",
                limit="automaton_states",
                where="grammar",
                cure=f"{advice} the counts of their repetitions smaller; or raise it with "
                "limits=sg.Limits(automaton_states=...).",
            )
