"""An object in a process of its own, asked with a time limit: for code that may hang or crash.

On Linux the process is a fork of this one; elsewhere it is a new Python process, and the object must be
picklable. Cost: about 0.1 ms a question.
"""

from __future__ import annotations

import copy
import os
import pickle
import signal
import sys
import threading
import weakref
from collections.abc import Callable
from typing import Any, Final

from structgen.errors import StructgenError

_START: Final = 60.0
"""Seconds for the process to start. They do not count against the limit of a question."""


class LateError(StructgenError):
    """An object in another process did not answer in time."""


class NotStartedError(StructgenError):
    """The other process could not be started."""


class WorkerProcess:
    """The process of one object. It starts at the first question, and ends with `end`, with this object, or
    with this Python process."""

    def __init__(
        self, asked: Any, noun: str, where: str, cure: str, begin: Callable[[], None] | None = None
    ) -> None:
        """`noun` and `where` name the object in messages; `cure`: what to do if it is late. `begin` is called
        in the process before its first answer."""
        self._asked, self._noun, self._where, self._cure, self._begin = asked, noun, where, cure, begin
        copied = getattr(asked, "copy", None)
        self.has_state = copied is None or copied() is not asked
        """Whether the state of the object goes along with each question and answer."""
        self._lock = threading.Lock()
        self._process: Any = None
        self._connection: Any = None
        self._end: weakref.finalize[..., Any] | None = None

    @property
    def _name(self) -> str:
        return getattr(self._asked, "__name__", None) or type(self._asked).__name__

    def ask(self, method: str, argument: Any, state: bytes | None, seconds: float) -> tuple[Any, Any]:
        """Return the answer of a method, and the state after it. Errors of the object are raised here.

        Raises LateError after so many seconds, StructgenError if the process has ended by itself.
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
                raise LateError(
                    f"The {self._noun} {self._name} did not answer {method} within {seconds:g} seconds.",
                    where=self._where,
                    cure=self._cure,
                )
            error, answer, after = self._connection.recv()
        except (EOFError, BrokenPipeError, ConnectionResetError) as gone:
            self._process.join(1.0)
            raise StructgenError(
                f"The process of the {self._noun} {self._name} ended, with exit code "
                f"{self._process.exitcode}, when it was asked {method}.",
                where=self._where,
                cure="Look for what ends it: a crash in compiled code, os._exit, or too little memory.",
            ) from gone
        if error is not None:
            raise _AnswerError(error)
        return answer, after

    def _start(self) -> None:
        # start-up: few runs need another process
        import multiprocessing

        context: Any = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(
            target=_serve,
            args=(theirs, self._asked, self.has_state, self._begin, (self._noun, self._where)),
            daemon=True,
        )
        self._end = weakref.finalize(self, _ended, self._process, self._connection, os.getpid())
        try:
            self._process.start()
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise NotStartedError(
                f"The {self._noun} {self._name} cannot be sent to another process: {error}.",
                where=self._where,
                cure="Define it at the top of a module.",
            ) from error
        finally:
            theirs.close()
        if not self._connection.poll(_START):
            raise NotStartedError(
                f"The process of the {self._noun} {self._name} did not start.", where=self._where
            )
        self._connection.recv()

    def end(self) -> None:
        """End the process, if there is one, and wait until it is gone."""
        if self._end is not None:
            self._end()
        self._process = self._connection = self._end = None


class _AnswerError(Exception):
    """Carries an error of the object; the process continues."""

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


def _serve(
    connection: Any,
    given: Any,
    has_state: bool,
    begin: Callable[[], None] | None,
    named: tuple[str, str],
) -> None:
    """Answer calls until the connection closes. Runs in the other process."""
    # start-up: few runs need another process
    import multiprocessing

    # Ctrl-C reaches both processes; the parent decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_end_with, args=(multiprocessing.parent_process(),), daemon=True).start()
    if begin is not None:
        begin()
    connection.send("ready")
    while True:
        try:
            method, argument, state = connection.recv()
        except EOFError:
            return
        try:
            asked = _restored(given, state) if has_state else given
            answer = getattr(asked, method)(argument)
            reply = pickle.dumps((None, answer, _state_of(asked, *named) if has_state else None))
        except Exception as error:
            reply = _told(error)
        connection.send_bytes(reply)


def _end_with(parent: Any) -> None:
    """End this process when its parent ends, even if the object hangs."""
    parent.join()
    os._exit(1)


def _restored(given: Any, state: bytes | None) -> Any:
    """Return a copy of the object with a given state."""
    if state is None:
        copied = getattr(given, "copy", None)
        return copy.deepcopy(given) if copied is None else copied()
    found = pickle.loads(state)
    if not hasattr(given, "__dict__"):
        return found
    own = copy.copy(given)
    vars(own).clear()
    vars(own).update(found)
    return own


def _state_of(given: Any, noun: str, where: str) -> bytes:
    try:
        # Pickle the attributes only, if there are any: instances of local classes cannot be pickled.
        return pickle.dumps(vars(given) if hasattr(given, "__dict__") else given)
    except Exception as error:
        raise StructgenError(
            f"The state of the {noun} {type(given).__name__} cannot be sent to another process: {error}.",
            where=where,
            cure="Keep plain values in its attributes. Where it has no state, let it have a method copy that "
            "returns self.",
        ) from error


def _told(error: Exception) -> bytes:
    """Return a reply with the object's error; as a RuntimeError if it cannot be pickled."""
    try:
        reply = pickle.dumps((error, None, None))
        pickle.loads(reply)
    except Exception:
        reply = pickle.dumps((RuntimeError(f"{type(error).__name__}: {error}"), None, None))
    return reply
