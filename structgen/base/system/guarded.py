"""Code of a caller's that may fail, while what asks it goes on."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Any, Final

SLOW: Final = 5.0
"""Seconds of a call of a drafter, or of a scheduler of infilling, that are too many: all texts of the batch
wait for it."""


class GuardedCall:
    """A function of a caller's: it may raise, take too long, or return what was not asked for.

    A call returns what the function returns. Where the function fails, the call returns what `on_fault`
    makes of the error, so nothing of the function's reaches who asks; what `on_fault` raises does. Nothing
    here ends a function that hangs: give one that asks a `WorkerProcess`, which has a limit of its own.

    Cost: about 1 us a call.
    """

    __slots__ = ("_call", "_is_warned", "_on_fault", "_seconds")

    def __init__(
        self,
        call: Callable[..., Any],
        seconds: float,
        on_fault: Callable[[Exception], Any],
    ) -> None:
        """`call` raises an error for a wrong answer. A call of more than so many `seconds` is a TimeoutError
        from the second one on: the first may have loaded code or read a long text."""
        self._call = call
        self._seconds = seconds
        self._on_fault = on_fault
        self._is_warned = False

    def __call__(self, *arguments: Any) -> Any:
        """Call the function with these arguments."""
        began = perf_counter()
        try:
            answer = self._call(*arguments)
            took = perf_counter() - began
            if took > self._seconds:
                if self._is_warned:
                    raise TimeoutError(f"a call took {took:.0f} seconds")
                self._is_warned = True
        except Exception as error:  # any error of code that is not ours
            return self._on_fault(error)
        return answer
