"""Calls a function in another process, with a limit of time, because the function may hang or crash.

A `WorkerProcess` belongs to this process, its *owner* or *parent*. A *call* sends arguments to the other
process through a *connection*, a pipe. The *reply* is a pair (error, answer), of which one is None:
`(None, 3)` if the function returned 3.
"""

from __future__ import annotations

import os
import pickle
import signal
import threading
import weakref
from collections.abc import Callable
from typing import Any

from structgen.base.errors import StructgenError
from structgen.base.system.platforms import HAS_FORK
from structgen.base.system.waits import PATIENCE


class LateError(StructgenError):
    """The error of a call that was not answered in time. The process has been ended."""


class NotStartedError(StructgenError):
    """The error of a process that could not be started."""


class EndedError(StructgenError):
    """The error of a call whose process ended by itself."""

    code: int | None = None
    """The exit code of the process; -n: the signal n ended it."""


class WorkerProcess:
    """A process that answers calls of one function.

    The process starts at the first call. It ends with `end()`, when this object is deleted, or when this
    Python process ends. If a call exceeds its limit, or Ctrl-C interrupts it, the process is ended at once;
    the next call starts another process. On Linux the process is a fork of this one; elsewhere, and with
    `is_fresh`, it is a new Python process, and the function must be picklable. Cost: about 0.1 ms a call, and
    what is sent.
    """

    def __init__(
        self,
        answer: Callable[..., Any],
        name: str,
        where: str,
        begin: Callable[[], None] | None = None,
        *,
        is_fresh: bool = False,
    ) -> None:
        """Prepare the process; it starts at the first call.

        `answer`: the function. `name`: its name in messages, such as "checker f". `where`: the option that
        messages point to. `begin`: a function that is called in the process before the first answer.
        `is_fresh`: whether it is a new Python process on all platforms.
        """
        self._answer = answer
        self._name = name
        self._where = where
        self._begin = begin
        self._is_fresh = is_fresh
        self._is_asked = False
        """Whether a call is under way, or an exception has left its answer in the connection."""
        self._lock = threading.Lock()
        self._process: Any = None
        self._connection: Any = None
        self._end: weakref.finalize[..., Any] | None = None

    def call_function(self, arguments: tuple[Any, ...], seconds: float, question: str, cure: str) -> Any:
        """Return the result of the function for some arguments.

        `seconds`: the limit of time. `question`: what is asked, for messages, such as "to compile". `cure`:
        the advice of the LateError. Raises the error of the function; LateError after `seconds`;
        NotStartedError if the process cannot be started; EndedError if it has ended by itself.
        """
        with self._lock:
            if self._is_asked:
                self.end()
            try:
                self._is_asked = True
                error, answer = self._exchange_call(arguments, seconds, question, cure)
            except BaseException:
                # After any interruption the process is in an unknown state.
                self.end()
                raise
            self._is_asked = False
        if error is None:
            return answer
        try:
            raise error
        finally:
            del error  # otherwise it keeps this frame, and so this object, until garbage is collected

    def _exchange_call(
        self,
        arguments: tuple[Any, ...],
        seconds: float,
        question: str,
        cure: str,
    ) -> tuple[Exception | None, Any]:
        """Return the reply to one call. The arguments and errors are those of `call_function`. The caller
        holds the lock."""
        try:
            if self._process is None:
                self._start_process()
            self._connection.send(arguments)
            if not self._connection.poll(seconds):
                raise LateError(
                    f"The {self._name} did not answer {question} within {seconds:g} seconds.",
                    where=self._where,
                    cure=cure,
                )
            reply: tuple[Exception | None, Any] = self._connection.recv()
        except (EOFError, BrokenPipeError, ConnectionResetError) as gone:
            self._process.join(1.0)
            end_error = EndedError(
                f"The process of the {self._name} ended with exit code {self._process.exitcode} "
                f"when it was asked {question}.",
                where=self._where,
                cure="Check what ends it: a crash in compiled code, os._exit, or too little memory.",
            )
            end_error.code = self._process.exitcode
            raise end_error from gone
        return reply

    def _start_process(self) -> None:
        """Start the process, and wait until it has begun. Errors: NotStartedError."""
        # start-up: few runs have a process for a function
        import multiprocessing

        forks = HAS_FORK and not self._is_fresh
        context: Any = multiprocessing.get_context("fork" if forks else "spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(
            target=_serve_calls,
            args=(theirs, self._answer, self._begin),
            daemon=True,
        )
        self._end = weakref.finalize(self, _kill_process, self._process, self._connection, os.getpid())
        try:
            self._process.start()
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise NotStartedError(
                f"The {self._name} cannot be sent to another process: {error}.",
                where=self._where,
                cure="Define it at the top of a module.",
            ) from error
        finally:
            # With only one process at the other end, its end closes the connection, and we notice.
            theirs.close()
        if not self._connection.poll(PATIENCE):
            raise NotStartedError(f"The process of the {self._name} did not start.", where=self._where)
        self._connection.recv()

    @property
    def is_running(self) -> bool:
        """Whether there is a process already. If not, the next call starts one."""
        return self._process is not None

    def end(self) -> None:
        """End the process, if there is one, and wait until it is gone."""
        if self._end is not None:
            self._end()
        self._process = self._connection = self._end = None
        self._is_asked = False


def _kill_process(process: Any, connection: Any, owner: int) -> None:
    """End the process and close the connection. `owner`: the id of the only process that may end it."""
    # A fork of the owner has this object too; only the owner may end the process.
    if os.getpid() == owner:
        if process.pid is not None:
            process.kill()
            process.join()
        process.close()
    connection.close()


def _serve_calls(connection: Any, answer: Callable[..., Any], begin: Callable[[], None] | None) -> None:
    """Answer calls until the connection closes. Runs in the function's process."""
    # start-up: few runs have a process for a function
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
            arguments = connection.recv()
        except EOFError:
            return
        try:
            reply = pickle.dumps((None, answer(*arguments)))
        except Exception as error:
            reply = _pickle_error(error)
        connection.send_bytes(reply)


def _end_with(parent: Any) -> None:
    """End this process when its parent ends, even if the function hangs."""
    parent.join()
    os._exit(1)


def _pickle_error(error: Exception) -> bytes:
    """Return a reply with the function's error; as a RuntimeError if it cannot be pickled."""
    try:
        reply = pickle.dumps((error, None))
        # Some errors are pickled and cannot be read back: that must fail here, not in the other process.
        pickle.loads(reply)
    except Exception:
        reply = pickle.dumps((RuntimeError(f"{type(error).__name__}: {error}"), None))
    return reply
