"""Runs a checker in a process of its own, with a time limit, because a checker may hang or crash.

A *checker* is an object whose methods judge texts (`checkers`). Its *state* after a prefix is the values of
its attributes, as bytes of pickle. The *worker process* keeps one copy of the checker. Each call sends a
method's name, its argument and a state, and returns the answer and the state after it. For example, the call
("viable", b"{", None) returns (True, state).
"""

from __future__ import annotations

import copy
import pickle
from functools import partialmethod
from typing import Any, Final, Literal, Self

from structgen.asking.processes.worker_process import LateError, WorkerProcess
from structgen.base.errors import StructgenError
from structgen.base.language import checks
from structgen.decoding.samplers.checkers import Checker
from structgen.decoding.samplers.constraints import copy_checker, methods_of, name_of

MOST_STATE: Final = 1 << 16
"""The most bytes of a checker's state after a prefix: the 16,384 prefixes that a run remembers then take at
most 1 GiB."""
_LATE: Final = 'Increase the limit of InProcess, or set on_timeout="refuse" to count it as False.'


class InProcess:
    """A checker that runs in a process of its own. Use it in place of the checker.

    The process starts at the first call. It ends with the run of `sg.sample`, with `close()`, when the object
    is deleted, or when this Python process ends. If the checker exceeds its limit, or Ctrl-C interrupts a
    call, the process is ended at once; the next call starts another. On Linux the process is a fork of this
    one; elsewhere it is a new Python process, and the checker must be picklable.

    A checker's state is sent there and back with each call, so the values of its attributes must be
    picklable, at most `MOST_STATE` bytes in all: a state that has grown larger is an error. If its `copy`
    returns itself it has no state, and calls are faster. Cost: about 0.1 ms a call.
    """

    def __init__(
        self, checker: Checker, seconds: float = 1.0, *, on_timeout: Literal["raise", "refuse"] = "raise"
    ) -> None:
        """`seconds` is the limit of one call. A late answer is an error with `on_timeout="raise"`. With
        "refuse" it counts as False; then the speed of the machine decides which texts are valid.

        Raises OptionError for an object that is no checker, and for a wrong limit.
        """
        checks.ChoiceCheck(("raise", "refuse"))("on_timeout", on_timeout)
        checks.check_number("seconds", seconds, 1e-6, 1e9, "a number of seconds above 0")
        own_checker, self.asks = methods_of(checker, "checker")
        self._seconds = seconds
        self._on_timeout = on_timeout
        self.is_repeatable = on_timeout == "raise"
        """Whether the same call always has the same answer."""
        self._checker = own_checker
        self._server = _CheckerServer(own_checker)
        self._worker = WorkerProcess(self._server, f"checker {self.__name__}", "checkers")
        self._state: bytes | None = None
        """The checker's state after the prefix; None: its initial state."""

    @property
    def __name__(self) -> str:
        """The name of the checker in messages."""
        return name_of(self._checker)

    @property
    def fingerprint(self) -> Any:
        """The checker's own fingerprint. Raises AttributeError if it has none."""
        return self._checker.fingerprint

    def copy(self) -> Self:
        """Return a checker with the same state, in the same process."""
        if not self._server.has_state:
            return self
        return copy.copy(self)

    def close(self) -> None:
        """End the process; the next call starts another."""
        self._worker.end()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _ask_or_refuse(self, method: str, argument: Any) -> Any:
        """Return the answer of a method; False for a late one with `on_timeout="refuse"`."""
        try:
            return self._ask_process(method, argument)
        except LateError:
            if self._on_timeout == "refuse":
                return False
            raise

    def _ask_process(self, method: str, argument: Any) -> Any:
        """Return the answer of a method in the process, and store the state after it. Raises LateError after
        the time limit, and StructgenError for a state that is too large."""
        request = method, argument, self._state
        answer, self._state = self._worker.call_function(request, self._seconds, method, _LATE)
        if self._state is not None and len(self._state) > MOST_STATE:
            raise StructgenError(
                f"The checker {self.__name__} keeps {len(self._state):,} bytes of state for one "
                f"prefix; the limit is {MOST_STATE:,}.",
                where="checkers",
                cure="Keep only what the next call needs in its attributes, and what all prefixes "
                "share outside.",
            )
        return answer

    viable = partialmethod(_ask_or_refuse, "viable")
    closed = partialmethod(_ask_or_refuse, "closed")
    final = partialmethod(_ask_or_refuse, "final")
    mask = partialmethod(_ask_process, "mask")
    weigh = partialmethod(_ask_process, "weigh")
    guess = partialmethod(_ask_process, "guess")
    """The checker's methods, called in the process. A late answer of the last three is always an error,
    because it cannot count as False."""


class _CheckerServer:
    """The function that the worker process runs. It takes a method's name, its argument and the checker's
    state, and returns the answer and the state after it (None: the checker has no state)."""

    def __init__(self, checker: Any) -> None:
        self._checker = checker
        own = getattr(checker, "copy", None)
        self.has_state = own is None or own() is not checker

    def __call__(self, method: str, argument: Any, state: bytes | None) -> tuple[Any, bytes | None]:
        restored = _restore_checker(self._checker, state) if self.has_state else self._checker
        answer = getattr(restored, method)(argument)
        return answer, _state_of(restored) if self.has_state else None


def _restore_checker(checker: Any, state: bytes | None) -> Any:
    """Return a copy of the checker with a given state; None: the initial state."""
    if state is None:
        return copy_checker(checker)
    attributes = pickle.loads(state)
    if not hasattr(checker, "__dict__"):
        return attributes
    restored = copy.copy(checker)
    vars(restored).clear()
    vars(restored).update(attributes)
    return restored


def _state_of(checker: Any) -> bytes:
    """Return the state of a checker as bytes. Raises StructgenError if it cannot be pickled."""
    try:
        # Pickle the attributes only, if there are any: instances of local classes cannot be pickled.
        return pickle.dumps(vars(checker) if hasattr(checker, "__dict__") else checker)
    except Exception as error:
        raise StructgenError(
            f"The state of the checker {type(checker).__name__} cannot be sent to another process: {error}.",
            where="checkers",
            cure="Keep plain values in its attributes. If it has no state, define a method copy "
            "that returns self.",
        ) from error
