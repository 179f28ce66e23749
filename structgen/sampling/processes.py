"""A checker in a process of its own, with a time limit: for predicates that may hang or crash."""

from __future__ import annotations

import copy
import os
import pickle
import signal
import sys
import threading
import weakref
from typing import Any, Final, Literal, Self

from structgen.engine import checks
from structgen.errors import OptionError, StructgenError
from structgen.sampling.checkers import Checker, Closed, Written
from structgen.sampling.constraints import methods_of

_START: Final = 60.0
"""Seconds for the process to start. They do not count against the checker's limit."""
_REASONS: Final = ("raise", "refuse")


class InProcess:
    """A checker that runs in a process of its own. Use it in place of the checker.

    The process starts at the first call. It ends with the run of `sg.sample`, with `close()`, when the object
    is deleted, or when this Python process ends. If the checker exceeds its limit, or Ctrl-C interrupts a
    call, the process is ended at once; the next call starts another. On Linux the process is a fork of this
    one; elsewhere it is a new Python process, and the checker must be picklable.

    A checker's state is sent there and back with each call, so the values of its attributes must be
    picklable. If its `copy` returns itself it has no state, and calls are faster. Cost: about 0.1 ms a call.
    """

    def __init__(
        self, checker: Checker, seconds: float = 1.0, *, on_timeout: Literal["raise", "refuse"] = "raise"
    ) -> None:
        """`seconds` is the limit of one call. A late answer is an error with `on_timeout="raise"`. With
        "refuse" it counts as False; then the speed of the machine decides which texts are valid.

        Raises OptionError for an object that is no checker, and for a wrong limit.
        """
        if on_timeout not in _REASONS:
            raise OptionError(
                f"on_timeout={on_timeout!r} is not known.",
                where="on_timeout",
                cure=f"Choose from {', '.join(_REASONS)}.",
            )
        checks.number("seconds", seconds, 1e-6, 1e9, "a number of seconds above 0")
        wrapped, self.asks = methods_of(checker, "checker")
        self._seconds, self._on_timeout = seconds, on_timeout
        self.is_repeatable = on_timeout == "raise"
        """Whether the same call always has the same answer."""
        self._checker, self._worker = wrapped, _Worker(wrapped)
        self._state: bytes | None = None
        """The checker's state after the prefix; None: its initial state."""

    @property
    def __name__(self) -> str:
        """The name of the checker in messages."""
        return getattr(self._checker, "__name__", None) or type(self._checker).__name__

    @property
    def fingerprint(self) -> Any:
        """The checker's own fingerprint. Raises AttributeError if it has none."""
        return self._checker.fingerprint

    def viable(self, prefix: bytes) -> bool:
        """Call the checker."""
        return self._answer("viable", prefix)

    def closed(self, event: Closed) -> bool:
        """Call the checker."""
        return self._answer("closed", event)

    def final(self, value: Any) -> bool:
        """Call the checker."""
        return self._answer("final", value)

    def mask(self, state: Written) -> Any:
        """Call the checker; a late answer is always an error."""
        return self._asked("mask", state)

    def copy(self) -> Self:
        """Return a checker with the same state, in the same process."""
        if not self._worker.has_state:
            return self
        return copy.copy(self)

    def close(self) -> None:
        """End the process; the next call starts another."""
        self._worker.end()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _answer(self, method: str, argument: Any) -> bool:
        try:
            answer: bool = self._asked(method, argument)
            return answer
        except _LateError:
            if self._on_timeout == "refuse":
                return False
            raise

    def _asked(self, method: str, argument: Any) -> Any:
        answer, self._state = self._worker.ask(method, argument, self._state, self._seconds)
        return answer


class _LateError(StructgenError):
    """A checker did not answer in time."""


class _Worker:
    """The process of one checker, shared by the copies of its `InProcess`."""

    def __init__(self, checker: Any) -> None:
        self._checker = checker
        copied = getattr(checker, "copy", None)
        self.has_state = copied is None or copied() is not checker
        self._lock = threading.Lock()
        self._process: Any = None
        self._connection: Any = None
        self._end: weakref.finalize[..., Any] | None = None

    @property
    def _name(self) -> str:
        return getattr(self._checker, "__name__", None) or type(self._checker).__name__

    def ask(self, method: str, argument: Any, state: bytes | None, seconds: float) -> tuple[Any, Any]:
        """Return the answer of a method, and the state after it. Errors of the checker are raised here.

        Raises _LateError after so many seconds, StructgenError if the process has ended by itself.
        """
        with self._lock:
            try:
                return self._ask(method, argument, state, seconds)
            except _AnswerError as raised:
                raise raised.error from None
            except BaseException:
                # After any interruption the process is in an unknown state.
                self.end()
                raise

    def _ask(self, method: str, argument: Any, state: bytes | None, seconds: float) -> tuple[Any, Any]:
        if self._process is None:
            self._start()
        try:
            self._connection.send((method, argument, state))
            if not self._connection.poll(seconds):
                raise _LateError(
                    f"The checker {self._name} did not answer {method} within {seconds:g} seconds.",
                    where="checkers",
                    cure='Give InProcess a larger limit, or on_timeout="refuse" to count it as False.',
                )
            error, answer, after = self._connection.recv()
        except (EOFError, BrokenPipeError, ConnectionResetError) as gone:
            self._process.join(1.0)
            raise StructgenError(
                f"The process of the checker {self._name} ended, with exit code {self._process.exitcode}, "
                f"when it was asked {method}.",
                where="checkers",
                cure="Look for what ends it: a crash in compiled code, os._exit, or too little memory.",
            ) from gone
        if error is not None:
            raise _AnswerError(error)
        return answer, after

    def _start(self) -> None:
        # start-up: few runs have a checker in a process of its own
        import multiprocessing

        context: Any = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(
            target=_serve, args=(theirs, self._checker, self.has_state), daemon=True
        )
        self._end = weakref.finalize(self, _ended, self._process, self._connection, os.getpid())
        try:
            self._process.start()
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise StructgenError(
                f"The checker {self._name} cannot be sent to another process: {error}.",
                where="checkers",
                cure="Define it at the top of a module.",
            ) from error
        finally:
            theirs.close()
        if not self._connection.poll(_START):
            raise _LateError(f"The process of the checker {self._name} did not start.", where="checkers")
        self._connection.recv()

    def end(self) -> None:
        """End the process, if there is one, and wait until it is gone."""
        if self._end is not None:
            self._end()
        self._process = self._connection = self._end = None


class _AnswerError(Exception):
    """Carries an error of the checker; the process continues."""

    def __init__(self, error: BaseException) -> None:
        self.error = error
        super().__init__()


def _ended(process: Any, connection: Any, owner: int) -> None:
    # A fork of the owner has this object too; only the owner may end the process.
    if os.getpid() == owner:
        if process.pid is not None:
            process.kill()
            process.join()
        process.close()
    connection.close()


def _serve(connection: Any, checker: Any, has_state: bool) -> None:
    """Answer calls until the connection closes. Runs in the checker's process."""
    # start-up: few runs have a checker in a process of its own
    import multiprocessing

    # Ctrl-C reaches both processes; the parent decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_end_with, args=(multiprocessing.parent_process(),), daemon=True).start()
    connection.send("ready")
    while True:
        try:
            method, argument, state = connection.recv()
        except EOFError:
            return
        try:
            asked = _restored(checker, state) if has_state else checker
            answer = getattr(asked, method)(argument)
            reply = pickle.dumps((None, answer, _state_of(asked) if has_state else None))
        except Exception as error:
            reply = _told(error)
        connection.send_bytes(reply)


def _end_with(parent: Any) -> None:
    """End this process when its parent ends, even if a checker hangs."""
    parent.join()
    os._exit(1)


def _restored(checker: Any, state: bytes | None) -> Any:
    """Return a copy of the checker with a given state."""
    if state is None:
        copied = getattr(checker, "copy", None)
        return copy.deepcopy(checker) if copied is None else copied()
    found = pickle.loads(state)
    if not hasattr(checker, "__dict__"):
        return found
    own = copy.copy(checker)
    vars(own).clear()
    vars(own).update(found)
    return own


def _state_of(checker: Any) -> bytes:
    try:
        # Pickle the attributes only, if there are any: instances of local classes cannot be pickled.
        return pickle.dumps(vars(checker) if hasattr(checker, "__dict__") else checker)
    except Exception as error:
        raise StructgenError(
            f"The state of the checker {type(checker).__name__} cannot be sent to another process: {error}.",
            where="checkers",
            cure="Keep plain values in its attributes. Where it has no state, let it have a method copy that "
            "returns self.",
        ) from error


def _told(error: Exception) -> bytes:
    """Return a reply with the checker's error; as a RuntimeError if it cannot be pickled."""
    try:
        reply = pickle.dumps((error, None, None))
        pickle.loads(reply)
    except Exception:
        reply = pickle.dumps((RuntimeError(f"{type(error).__name__}: {error}"), None, None))
    return reply
