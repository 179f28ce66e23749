"""The threads of an engine that work for event loops: one takes steps, others read requests.

Whoever waits for a text takes steps until it is there (`Engine.drive`). An event loop must not wait, so the
driver takes steps for all texts that it was asked to `watch`. A step is the same call for everyone, under
the loop's lock. Each step is a task of the driver's thread, which sleeps in its queue when all texts are
done, and ends with the engine. When the engine is closed or the interpreter ends, the queue takes no more
tasks, and the driver ends the texts that are left.
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

    `most`: how many texts there may be, those that wait included; None: any number.
    """

    def __init__(self, loop: Loop, most: int | None) -> None:
        self._loop, self.most = loop, most
        self._begin()
        fork_locks.tell(self)

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._watched: list[Handle] = []
        self._entering = 0
        """How many texts requests will have that are being read."""
        self._is_driving = False
        self._has_failed = False
        """Whether the last step failed."""
        self._begin_threads()

    def _begin_threads(self) -> None:
        self._steps = ThreadPoolExecutor(1, "structgen-driver")
        # several: one grammar that takes long to compile does not hold up the others
        self._readers = ThreadPoolExecutor(4, "structgen-requests")

    # --- texts come in --------------------------------------------------------------------------------------

    def enter(self, count: int) -> None:
        """Count texts that are about to come, until `entered`. Raises BusyError where there are too many."""
        with self._lock:
            there = 0 if self.most is None else self._loop.count + self._entering
            if self.most is not None and there + count > self.most:
                raise BusyError(
                    f"{there:,} texts are being written or wait, and {self.most:,} may.",
                    where="max_waiting",
                    cure="Ask again later, or for fewer samples.",
                )
            self._entering += count

    def entered(self, count: int) -> None:
        """Note that texts have come, or will not."""
        with self._lock:
            self._entering -= count

    async def submitted(self, count: int, submit: Callable[[], list[Handle]]) -> list[Handle]:
        """Return the handles of a request of `count` texts that `submit` reads in a thread; they are watched.
        If the waiting is cancelled, so are they, and the reading ends at its next step. Raises what `submit`
        raises, and BusyError."""
        stop = Stop()

        def read() -> list[Handle]:
            try:
                handles = THIS_CALL.until(stop, submit)
            except StopIteration as error:  # no future of asyncio takes it: the caller would wait for ever
                raise RuntimeError("What reads the request raised StopIteration.") from error
            self.watch(handles)
            return handles

        self.enter(count)
        try:
            reading = self._readers.submit(read)
        except RuntimeError as error:
            self.entered(count)
            raise _closing() from error
        reading.add_done_callback(lambda _: self.entered(count))
        try:
            return await asyncio.wrap_future(reading)
        except asyncio.CancelledError:
            stop.set()
            reading.add_done_callback(_cancel)
            raise
        finally:
            # an error holds this frame: if the frame held the error, what was compiled would stay until
            # garbage is collected
            del reading

    # --- and are written ------------------------------------------------------------------------------------

    def watch(self, handles: Sequence[Handle]) -> None:
        """Take steps until these are done. Raises OptionError where they are none of this engine's."""
        held = self._loop.held(handles)
        if any(handle not in held and not handle.is_done for handle in handles):
            raise foreign_handle()
        with self._lock:
            if not self._is_driving:
                try:
                    self._steps.submit(self._step, self._steps)
                except RuntimeError as error:
                    for handle in handles:
                        handle.cancel()
                    raise _closing() from error
                self._is_driving = True
            self._watched += handles

    def _step(self, steps: ThreadPoolExecutor) -> None:
        """Take a step, and leave the next one to another task."""
        with self._lock:
            self._watched = self._loop.held(self._watched)
            if not self._watched:
                self._is_driving = False
                return
        try:
            self._loop.sweep()
            self._loop.step()
            self._has_failed = False
        except BaseException as error:  # nobody waits in this thread: it goes into results
            # once, the next step makes everything again from the decided tokens; not for ever
            if self._has_failed:
                self._loop.fail(error)
            self._has_failed = not self._has_failed
        try:
            steps.submit(self._step, steps)
        except RuntimeError:  # the engine is closed, or the interpreter ends
            self._end()

    def _end(self) -> None:
        """End the texts that are watched."""
        with self._lock:
            left, self._watched, self._is_driving = self._watched, [], False
        for handle in left:
            handle.cancel()
        self._loop.sweep()

    def close(self) -> None:
        """End the texts that are watched, and the threads. Later texts have threads of their own."""
        self._loop.check_driver()
        self._steps.shutdown()
        self._readers.shutdown(wait=False)
        with self._lock:
            self._begin_threads()

    def after_fork(self) -> None:
        """Forget the threads, and the texts that event loops of the parent wait for."""
        self._loop.after_fork(self._watched)
        self._begin()


def listening(handles: Sequence[Handle], *, pieces: bool) -> asyncio.Event:
    """Return an event of the running loop that is set at the end of each text and, with `pieces`, whenever a
    text or its thoughts have grown. With `pieces` it is set from the beginning: what was written before does
    not wait for the model's next token."""
    loop, woken = asyncio.get_running_loop(), asyncio.Event()

    def wake(piece: str | None) -> None:
        if pieces or piece is None:
            loop.call_soon_threadsafe(woken.set)

    for handle in handles:
        handle.listen(wake)
    if pieces:
        woken.set()
    return woken


def _cancel(reading: Future[list[Handle]]) -> None:
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


def _closing() -> StructgenError:
    return StructgenError(
        "No text can be begun: the engine is being closed, or the interpreter ends.",
        where="engine",
        cure="Ask earlier, or make another engine.",
    )
