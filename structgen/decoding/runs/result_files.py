"""Keeps the results of many tasks in a file of JSON lines, so that a run can go on after a kill.

A *task* is a value with a number or a name. A *line* is the JSON object of its answer; its first member names
the task: `{"line": 3, ...}`. A *run* is all that the answers depend on, as texts by names, such as
`{"model": "extract"}`. *Facts* are what an engine reports first, such as its version.

After a kill no line is lost or done twice. Lines are written in the order in which answers come; when the
last one is there, they are put in the order of the tasks. If a kill cut off the last line, the next run
removes it. A second file, `OUT.run`, says what run the results are of; another run is refused. The lock of a
third one, `OUT.lock`, keeps a second process out while one works; the system frees it when the process ends.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import closing, contextmanager, suppress
from contextvars import copy_context
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

from filelock import FileLock, Timeout

from structgen.base.errors import OptionError
from structgen.base.system.cache import open_output
from structgen.base.system.text_files import name_file_in_errors

T = TypeVar("T")
Done = TypeVar("Done")
Answers: TypeAlias = Generator[Any, None, None]
"""The answers of an engine or a worker to some tasks: first its facts, then a line for each task in any
order. Closing the generator cancels the tasks that are not done yet."""
_FORMAT = 3
"""The version of the layout of `OUT.run`."""


def results_of(
    results: Path,
    tasks: Mapping[Any, T],
    answers: Callable[[list[T]], Answers],
    run_of: Callable[[Any, list[T]], Mapping[str, str]],
    *,
    start_over: bool = False,
    member: str = "line",
) -> Generator[tuple[dict[str, Any], bool], None, None]:
    """Yield (line, whether it is new) for each task: first the lines of earlier runs, then each new line once
    it is written.

    `results`: the file. `tasks`: all tasks by number or name; more may be added in a later run. `answers`:
    the function that answers tasks. `run_of`: a function that returns the run, given the facts and some
    tasks. `start_over`: whether existing results are deleted. `member`: the first member of a line, which
    names its task, by a number if it is "line" and else by a text.

    Raises OptionError before anything is written: if existing results are of another run or not ours, or if
    another process writes to `results`. Raises OSError.
    """
    if results.exists() and not results.is_file():
        raise OptionError(
            "Results must be a plain file: they are read back when a run continues.",
            where=str(results),
            cure="Name a file.",
        )
    results = results.resolve() if results.is_symlink() else results  # one lock for all its names
    with _only_writer(results):
        old_lines = _whole_lines(results, member)
        if start_over:
            old_lines = []
        done = {number for number, _ in old_lines}
        end = sum(len(line) for _, line in old_lines)
        remaining_tasks = [task for number, task in tasks.items() if number not in done]
        with closing(answers(remaining_tasks)) as lines:
            run = partial(run_of, next(lines))
            # in this order: after a kill in between there are no results that another run could continue
            if not old_lines and results.exists():
                results.write_bytes(b"")
            _check_run(results, list(tasks.values()), run, is_new=not old_lines)
            yield from ((json.loads(line), False) for _, line in old_lines)
            with name_file_in_errors(results), results.open("ab") as out:
                if out.tell() > end:
                    out.truncate(end)  # a line that a kill cut off
                for line in lines:
                    out.write(as_line(line))
                    out.flush()
                    yield line, True
        lines_of = dict(_whole_lines(results, member))
        if len(lines_of) == len(tasks) and [*lines_of] != [*tasks]:
            with open_output(results, sync=True) as file:
                file.writelines(lines_of[name] for name in tasks)


def as_line(line: Mapping[str, Any]) -> bytes:
    """Return a line of results as bytes for the file. Lone surrogates are escaped."""
    return json.dumps(line, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n"


def as_done(
    work: Callable[[T], Done],
    tasks: Iterable[T],
    jobs: int,
    *,
    waits: bool = True,
) -> Iterator[Done]:
    """Yield the result of `work` for each task, in the order in which they are done.

    For example, `as_done(len, ["a", "bb"], 2)` yields 1 and 2 in any order. `jobs`: the number of threads,
    which work in the caller's context. A task is taken from `tasks` when a thread is free. `waits`: whether
    an early end waits for tasks that have begun. Errors: those of `work`.
    """
    source = iter(tasks)
    running = set[Future[Done]]()
    pool = ThreadPoolExecutor(jobs)
    try:
        while True:
            # A task is taken only where a thread is free: the source may be endless, or wait for its reader.
            for task in islice(source, jobs - len(running)):
                running.add(pool.submit(copy_context().run, work, task))
            if not running:
                return
            done, running = wait(running, return_when=FIRST_COMPLETED)
            yield from (future.result() for future in done)
    finally:
        pool.shutdown(wait=waits)


@contextmanager
def _only_writer(results: Path) -> Iterator[None]:
    """Hold the lock of some results during a block. Raises OptionError if another process holds it."""
    lock = results.with_name(f"{results.name}.lock")
    try:
        file_lock = FileLock(lock, timeout=0).acquire()
    except Timeout as error:
        raise OptionError(
            "Another process is writing to these results.",
            where=str(results),
            cure="Wait for it, or name another file.",
        ) from error
    with file_lock:
        try:
            yield
        finally:
            with suppress(OSError):  # a system may keep a file that is open
                lock.unlink()


def run_file(results: Path) -> Path:
    """Return the path of the file that describes the run of some results: `OUT.run`."""
    return results.with_name(f"{results.name}.run")


def _check_run(
    results: Path,
    tasks: Sequence[T],
    run_of: Callable[[Sequence[T]], Mapping[str, str]],
    *,
    is_new: bool,
) -> None:
    """Write the file that describes the run, or check that existing results are of the same run.

    `tasks`: all tasks, done or not; tasks that were added are recorded. `run_of`: a function that returns the
    run of some tasks. `is_new`: whether there are no results yet. Raises OptionError for another run.
    """
    path = run_file(results)
    if not is_new:
        try:
            record = json.loads(path.read_bytes())
            count = record["tasks"]
            parts = record["parts"]
            if record["format"] != _FORMAT or type(count) is not int or not isinstance(parts, dict):
                raise ValueError(path.name)
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            fault = f"{path.name}, which describes the run of the results, is missing or of another version."
            raise _run_error(results, fault) from error
        # if tasks are missing, the other differences follow from that: only the first one is named
        max_names = 1 if len(tasks) < count else None
        fault = run_difference(parts, run_of(tasks[:count]), max_names)
        if fault:
            raise _run_error(results, fault)
        if len(tasks) == count:
            return
    new_record = {"format": _FORMAT, "tasks": len(tasks), "parts": run_of(tasks)}
    with open_output(path, sync=True) as file:
        file.write(json.dumps(new_record, indent=1).encode() + b"\n")


def run_difference(
    old_parts: Mapping[str, str],
    new_parts: Mapping[str, str],
    max_names: int | None = None,
) -> str:
    """Return a sentence that names the parts in which two runs differ; "" if they are the same.

    `old_parts`: the run of existing results. `new_parts`: the run that would go on. `max_names`: the most
    parts that are named; None: all.
    """
    names = [name for name in new_parts if new_parts[name] != old_parts.get(name)]
    if not names:
        return ""
    # the text of a version is shown, because people can read it; digests of models or prompts are not
    descriptions = [
        f"{name} ({old_parts.get(name)})" if "version" in name else name for name in names[:max_names]
    ]
    return f"The results belong to another run, with another {' and '.join(descriptions)}."


def _run_error(results: Path, fault: str) -> OptionError:
    cure = f"Name another file for the results, or start over: delete {results} (or set start_over)."
    return OptionError(fault, where=str(results), cure=cure)


def _whole_lines(path: Path, member: str) -> list[tuple[Any, bytes]]:
    """Return (number or name of the task, line) for each complete line of results; `member`: as in
    `results_of`.

    Raises OptionError if a line is not ours. A last line that a kill cut off is left out.
    """
    kind = int if member == "line" else str
    data = path.read_bytes() if path.exists() else b""
    *lines, rest = data.split(b"\n")
    try:
        # a line that a kill cut off begins like any line of ours
        beginning = f'{{"{member}": '.encode()
        if not beginning.startswith(rest[: len(beginning)]):
            raise ValueError("the last line")
        return [(kind(json.loads(line)[member]), line + b"\n") for line in lines]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise OptionError(
            "The results contain a line that structgen did not write.",
            where=str(path),
            cure="Name another file, or move this one.",
        ) from error
