"""Calls functions of users of the package, which may fail, so that the work around them goes on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Final

SLOW: Final = 5.0
"""The most seconds for a call of a drafter, or of a scheduler of infilling: all texts of the batch wait for
it."""


@dataclass(eq=False, slots=True)
class GuardedCall:
    """A wrapper of a user's function, which may raise, take too long, or return a wrong value.

    A call returns the value of the function. If the function fails, the call returns the value of `on_fault`
    for the error; only errors of `on_fault` reach the caller. A function that hangs is not ended: for that,
    give a function that asks a `WorkerProcess`, which has a limit of its own.

    Cost: about 1 us a call.
    """

    _call: Callable[..., Any]
    """The function that judges a value. It raises an error for a wrong one."""
    _seconds: float
    """A longer call counts as a TimeoutError the second time; the first one may have loaded code or read a
    long text."""
    _on_fault: Callable[[Exception], Any]
    """A function from an error to the value of the call."""
    _is_warned: bool = False

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
