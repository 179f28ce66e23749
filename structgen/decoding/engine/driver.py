"""The threads of an engine that work for event loops: one takes steps, others read requests.

Whoever waits for a text takes steps until it is there (`Engine.drive`). An event loop must not wait, so the
driver takes steps for all texts that it was asked to watch (`watch_handles`). A step is the same call for
everyone, under the loop's lock. Each step is a task of the driver's thread, which sleeps in its queue when
all texts are done, and ends with the engine. When the engine is closed or the interpreter ends, the queue
takes no more tasks, and the driver ends the remaining texts.
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

    `max_texts`: how many texts there may be, those that wait included; None: any number.
    """

    def __init__(self, loop: Loop, max_texts: int | None) -> None:
        self._loop = loop
        self.max_texts = max_texts
        self._reset_state()
        fork_locks.notify_after_fork(self)

    def _reset_state(self) -> None:
        self._lock = threading.Lock()
        """Guards the next three fields. No step runs under it."""
        self._watched_handles: list[Handle] = []
        self._entering = 0
        """How many texts the requests will have that are being read now."""
        self._is_driving = False
        self._has_failed = False
        """Whether the last step failed."""
        self._begin_threads()

    def _begin_threads(self) -> None:
        self._steps = ThreadPoolExecutor(1, "structgen-driver")
        # several: one grammar that takes long to compile does not hold up the others
        self._readers = ThreadPoolExecutor(4, "structgen-requests")

    # --- texts come in --------------------------------------------------------------------------------------

    def announce_texts(self, count: int) -> None:
        """Count texts that are about to come, until `confirm_texts`. Raises BusyError where there are too
        many."""
        with self._lock:
            # texts are counted only where they are bounded: the loop counts them one by one
            unfinished_count = 0 if self.max_texts is None else self._loop.count + self._entering
            if self.max_texts is not None and unfinished_count + count > self.max_texts:
                raise BusyError(
                    f"{unfinished_count:,} texts are being written or wait, and {self.max_texts:,} may.",
                    where="max_waiting",
                    cure="Ask again later, or for fewer samples.",
                )
            self._entering += count

    def confirm_texts(self, count: int) -> None:
        """Note that texts have come, or will not."""
        with self._lock:
            self._entering -= count

    async def submit_in_thread(self, count: int, submit: Callable[[], list[Handle]]) -> list[Handle]:
        """Return the handles of a request of `count` texts that `submit` reads in a thread; they are watched.
        If the waiting is cancelled, so are they, and the reading ends at its next step. Raises what `submit`
        raises, and BusyError."""
        stop = Stop()

        def read_request() -> list[Handle]:
            try:
                handles = THIS_CALL.run_until(stop, submit)
            except StopIteration as error:  # no future of asyncio takes it: the caller would wait for ever
                raise RuntimeError("What reads the request raised StopIteration.") from error
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
            # the thread may be done already, or end later: in both cases its texts are cancelled
            reading.add_done_callback(_cancel_read)
            raise
        finally:
            # an error holds this frame: if the frame held the error, compiled grammars would stay until
            # garbage is collected
            del reading

    # --- and are written ------------------------------------------------------------------------------------

    def watch_handles(self, handles: Sequence[Handle]) -> None:
        """Take steps until these are done. Raises OptionError where they are none of this engine's."""
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
        """Take a step, and leave the next one to another task."""
        with self._lock:
            self._watched_handles = self._loop.unfinished_handles(self._watched_handles)
            if not self._watched_handles:
                self._is_driving = False
                return
        try:
            self._loop.end_cancelled()
            self._loop.step()
            self._has_failed = False
        except BaseException as error:  # nobody waits in this thread: it goes into results
            # once, the next step makes everything again from the decided tokens; not for ever
            if self._has_failed:
                self._loop.fail_batch(error)
            self._has_failed = not self._has_failed
        try:
            steps.submit(self._take_step, steps)
        except RuntimeError:  # the engine is closed, or the interpreter ends
            self._end_watched()

    def _end_watched(self) -> None:
        """End the texts that are watched."""
        with self._lock:
            handles = self._watched_handles
            self._watched_handles = []
            self._is_driving = False
        for handle in handles:
            handle.cancel()
        self._loop.end_cancelled()

    def close(self) -> None:
        """End the texts that are watched, and the threads. Later texts have threads of their own."""
        self._loop.check_driver()
        self._steps.shutdown()
        self._readers.shutdown(wait=False)
        with self._lock:
            self._begin_threads()

    def after_fork(self) -> None:
        """Forget the threads, and the texts that event loops of the parent wait for."""
        self._loop.after_fork(self._watched_handles)
        self._reset_state()


def event_of_handles(handles: Sequence[Handle], *, pieces: bool) -> asyncio.Event:
    """Return an event of the running loop that is set at the end of each text and, with `pieces`, whenever a
    text or its thoughts have grown. With `pieces` it is set from the beginning: the text so far does not
    wait for the model's next token."""
    loop = asyncio.get_running_loop()
    event = asyncio.Event()

    # called in the thread that takes steps: an event of asyncio may be set in its own loop alone
    def wake_loop(piece: str | None) -> None:
        if pieces or piece is None:
            loop.call_soon_threadsafe(event.set)

    for handle in handles:
        handle.listen(wake_loop)
    if pieces:
        event.set()
    return event


def _cancel_read(reading: Future[list[Handle]]) -> None:
    """Cancel the texts of a request that was read."""
    if not reading.cancelled() and reading.exception() is None:
        for handle in reading.result():
            handle.cancel()


def foreign_handle() -> OptionError:
    """Return the error for a handle of another engine."""
    return OptionError(
        "A handle of another engine would never be done here.",
        where="handles",
        cure="Drive the engine that it was submitted to.",
    )


def _closing_error() -> StructgenError:
    return StructgenError(
        "No text can be begun: the engine is being closed, or the interpreter ends.",
        where="engine",
        cure="Ask earlier, or make another engine.",
    )
