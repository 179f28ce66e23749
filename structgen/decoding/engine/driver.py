"""The threads of an engine that work for event loops (asyncio): one takes steps, others read requests.

A *step* of the engine writes the next token of each text. A caller that waits for a text takes the steps
itself (`Engine.drive`). An event loop must not wait, so the *driver* takes steps for it. A *watched* text is
one that the driver was asked to write (`watch_handles`).

Every step holds the loop's lock, whoever takes it. Each step is a task of the driver's thread. The thread
sleeps when all texts are done, and ends with the engine. When the engine is closed or the interpreter ends,
its queue takes no more tasks, and the driver ends the remaining texts.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from structgen.base.errors import BusyError, OptionError, StructgenError
from structgen.base.system import fork_locks
from structgen.base.system.public_calls import THIS_CALL, Stop
from structgen.decoding.engine.loop import Loop
from structgen.decoding.engine.requests import Handle


class Driver:
    """The threads of one engine. Thread-safe.

    `max_texts` is the most unfinished texts, including those that wait; None: any number.
    """

    def __init__(self, loop: Loop, max_texts: int | None) -> None:
        self._loop = loop
        self.max_texts = max_texts
        self._reset_state()
        fork_locks.notify_after_fork(self)

    def _reset_state(self) -> None:
        self._lock = threading.Lock()
        """The lock of the next three fields. No step runs while it is held."""
        self._watched_handles: list[Handle] = []
        self._entering = 0
        """The number of texts of the requests that are being read now."""
        self._is_driving = False
        self._has_failed = False
        """Whether the last step failed."""
        self._begin_threads()

    def _begin_threads(self) -> None:
        self._steps = ThreadPoolExecutor(1, "structgen-driver")
        # four threads, so that a grammar that takes long to compile does not delay the other requests
        self._readers = ThreadPoolExecutor(4, "structgen-requests")

    # --- texts come in --------------------------------------------------------------------------------------

    def announce_texts(self, count: int) -> None:
        """Count texts that are about to be submitted, until `confirm_texts` is called. Raises BusyError if
        there are too many."""
        with self._lock:
            # Texts are counted only if there is a bound, since the loop counts them one by one.
            unfinished_count = 0 if self.max_texts is None else self._loop.count + self._entering
            if self.max_texts is not None and unfinished_count + count > self.max_texts:
                raise BusyError(
                    f"The engine has {unfinished_count:,} unfinished texts; the limit is {self.max_texts:,}.",
                    where="max_waiting",
                    cure="Retry later, or request fewer samples.",
                )
            self._entering += count

    def confirm_texts(self, count: int) -> None:
        """Note that announced texts are in the loop now, or will not come."""
        with self._lock:
            self._entering -= count

    async def submit_in_thread(self, count: int, submit: Callable[[], list[Handle]]) -> list[Handle]:
        """Call `submit` in a thread, and return the handles of its `count` texts, which are then watched. If
        this coroutine is cancelled, the texts are cancelled too. Raises what `submit` raises, and
        BusyError."""
        stop = Stop()

        def read_request() -> list[Handle]:
            try:
                handles = THIS_CALL.run_until(stop, submit)
            except StopIteration as error:  # asyncio's futures refuse it: the caller would wait for ever
                raise RuntimeError("The reader of the request raised StopIteration.") from error
            self.watch_handles(handles)
            return handles

        self.announce_texts(count)
        try:
            reading = self._readers.submit(read_request)
        except RuntimeError as error:
            self.confirm_texts(count)
            raise _closing_error() from error
        reading.add_done_callback(lambda _: self.confirm_texts(count))
        try:
            return await asyncio.wrap_future(reading)
        except asyncio.CancelledError:
            stop.set()
            # whether the thread is done already or ends later, its texts are cancelled
            reading.add_done_callback(_cancel_read)
            raise
        finally:
            # An error refers to this frame. If the frame referred to the error, compiled grammars would stay
            # until garbage is collected.
            del reading

    # --- and are written ------------------------------------------------------------------------------------

    def watch_handles(self, handles: Sequence[Handle]) -> None:
        """Have the driver take steps until these texts are done. Raises OptionError for a handle of another
        engine."""
        open_handles = self._loop.unfinished_handles(handles)
        if any(handle not in open_handles and not handle.is_done for handle in handles):
            raise foreign_handle()
        with self._lock:
            if not self._is_driving:
                try:
                    self._steps.submit(self._take_step, self._steps)
                except RuntimeError as error:
                    for handle in handles:
                        handle.cancel()
                    raise _closing_error() from error
                self._is_driving = True
            self._watched_handles += handles

    def _take_step(self, steps: ThreadPoolExecutor) -> None:
        """Take a step, and queue another task for the next step."""
        with self._lock:
            self._watched_handles = self._loop.unfinished_handles(self._watched_handles)
            if not self._watched_handles:
                self._is_driving = False
                return
        try:
            self._loop.end_cancelled()
            self._loop.step()
            self._has_failed = False
        except BaseException as error:  # nobody waits in this thread, so the error goes into results
            # After the first failure the next step restores everything from the decided tokens. After a
            # second failure in a row the batch ends with the error.
            if self._has_failed:
                self._loop.fail_batch(error)
            self._has_failed = not self._has_failed
        try:
            steps.submit(self._take_step, steps)
        except RuntimeError:  # the engine is closed, or the interpreter ends
            self._end_watched()

    def _end_watched(self) -> None:
        """End the watched texts."""
        with self._lock:
            handles = self._watched_handles
            self._watched_handles = []
            self._is_driving = False
        for handle in handles:
            handle.cancel()
        self._loop.end_cancelled()

    def close(self) -> None:
        """End the watched texts, and stop the threads. Later texts start new threads."""
        self._loop.check_driver()
        self._steps.shutdown()
        self._readers.shutdown(wait=False)
        with self._lock:
            self._begin_threads()

    def after_fork(self) -> None:
        """In a forked child: forget the threads, and the texts that event loops of the parent wait for."""
        self._loop.after_fork(self._watched_handles)
        self._reset_state()


def event_of_handles(handles: Sequence[Handle], *, pieces: bool) -> asyncio.Event:
    """Return an asyncio event that is set at the end of each text.

    With `pieces` it is also set whenever a text or its thoughts have grown. It is then set from the
    beginning, so that the text so far need not wait for the model's next token.
    """
    loop = asyncio.get_running_loop()
    event = asyncio.Event()

    # This is called in the thread that takes steps. An asyncio event may be set only in its own loop.
    def wake_loop(piece: str | None) -> None:
        if pieces or piece is None:
            loop.call_soon_threadsafe(event.set)

    for handle in handles:
        handle.listen(wake_loop)
    if pieces:
        event.set()
    return event


def _cancel_read(reading: Future[list[Handle]]) -> None:
    """Cancel the texts of a request that a thread has read."""
    if not reading.cancelled() and reading.exception() is None:
        for handle in reading.result():
            handle.cancel()


def foreign_handle() -> OptionError:
    """Return the error for a handle of another engine."""
    return OptionError(
        "The handle belongs to another engine, so it would never finish here.",
        where="handles",
        cure="Drive the engine to which it was submitted.",
    )


def _closing_error() -> StructgenError:
    return StructgenError(
        "A new text cannot begin: the engine is being closed, or the interpreter ends.",
        where="engine",
        cure="Submit earlier, or make another engine.",
    )
