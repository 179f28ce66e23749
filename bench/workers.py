"""Tasks in processes of their own, several at a time: one that hangs or dies is told, the next goes on."""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from structgen.maskbench.runner import as_done
from structgen.system.worker_process import WorkerProcess

Task = TypeVar("Task")


def answered(
    make: Callable[[], Callable[[Task], Any]],
    tasks: Iterable[Task],
    jobs: int,
    seconds: Callable[[Task], float],
    *,
    is_fresh: bool = True,
) -> Iterator[tuple[Task, Any]]:
    """Yield tasks as they are done, each with its answer, or with the error that came: of `make()(task)`,
    LateError after so many seconds, EndedError where the process died. `is_fresh`: the processes are new ones
    of Python, to which what `make` returns is sent, and no forks."""
    workers = [WorkerProcess(make(), "bench", "", is_fresh=is_fresh) for _ in range(jobs)]
    free: queue.SimpleQueue[WorkerProcess] = queue.SimpleQueue()
    for worker in workers:
        free.put(worker)

    def ask(task: Task) -> tuple[Task, Any]:
        own = free.get()
        try:
            return task, own.ask((task,), seconds(task), "of a task", "Give it more time.")
        except Exception as error:
            return task, error
        finally:
            free.put(own)

    try:
        yield from as_done(ask, tasks, jobs)
    finally:
        for worker in workers:
            worker.end()
