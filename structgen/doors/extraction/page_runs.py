"""Many pages at once: in this process or on Ray, with a line in a file for each page.

A *line* is the answer to a page. It is written, completely or not at all, when the page has an answer. A run
that goes on after a killed one asks about the pages that have no line. A page that failed has no line, so the
next run asks about it again.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from concurrent.futures import CancelledError, Future
from contextlib import closing, suppress
from functools import partial
from hashlib import blake2b
from math import inf
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Final, TypeAlias

from structgen.base.errors import GenerationError
from structgen.decoding.engine.bulk_runs import engine_parts, model_digest, own_parts
from structgen.decoding.runs.ray_workers import ray_answers
from structgen.decoding.runs.result_files import Answers, results_of
from structgen.doors.extraction.extract_options import ExtractSettings
from structgen.doors.extraction.page_asking import Page, PageQuestion
from structgen.doors.typed.local import Local
from structgen.doors.typed.signatures.call_options import WritingOptions

Line: TypeAlias = dict[str, Any]
FIRST_VERSION: Final = "0.9.0"
"""The first version whose answers a run goes on with. The file of a run names it in place of our own version.
It becomes ours when prompts, the cut of documents or the lines of answers change."""
_FAILURES: Final = 8
"""The number of failed pages that ends a run if no page has an answer."""
_OPTIONS: Final = (
    *(name for name in WritingOptions.__annotations__ if name not in ("strategy", "timeout", "speculation")),
    *("grounded", "quotes"),
)
"""The options of `TypedOptions` on which answers depend; the strategies are in the sampling."""


def page_lines(
    question: PageQuestion,
    settings: ExtractSettings,
    pages: Sequence[Page],
    stop: Future[None],
    failed_lines: list[Line],
    begin: Callable[[int], None],
) -> Generator[tuple[Line, bool], None, None]:
    """Yield the line of each page, and whether it is new. Lines of an earlier run come first, then the others
    as the pages are answered. Closing the generator cancels the pages under way.

    `settings`: with `out`, the lines are in the file `OUT.pages`. No page is asked about after `max_requests`
    requests; on Ray, it is the number of pages. `workers`: the number of actors on Ray, 0 for one a processor
    or GPU; None: in this process. `failed_lines`: the list to which failed pages are added; they are in no
    file. `begin`: is called before the first request, with the number of pages without a line.

    Raises the errors of `results_of`, `ray_answers` and `PageQuestion.answer_page`, and GenerationError if
    many pages fail and none has an answer.
    """

    has_answers = False
    """Whether some page has an answer, in this run or an earlier one."""

    def answer_pages(remaining: Sequence[Page]) -> Answers:
        begin(len(remaining))
        # the workers of Ray share no count of requests, so they get no more pages than that
        max_requests, workers = settings.max_requests, settings.workers
        if workers is None:
            stream = _answer_lines(question, stop, remaining, max_requests)
        else:
            make = partial(_ray_worker, question)
            remaining = remaining[:max_requests]
            stream = ray_answers(make, remaining, question.at_once, workers or None, gpu=None, at_once=2)
        with closing(stream):
            yield next(stream)
            for line in stream:
                if "error" in line:
                    failed_lines.append(line)
                    # eight failures and no answer have one cause: more requests would find nothing
                    if len(failed_lines) >= _FAILURES and not has_answers:
                        raise all_failed(failed_lines)
                else:
                    yield line

    def read_lines() -> Generator[tuple[Line, bool], None, None]:
        if settings.out is None:
            with closing(answer_pages(pages)) as new:
                next(new)
                yield from ((line, True) for line in new)
        else:
            tasks = {page.key: page for page in pages}
            run = partial(_run_of, question)
            results = settings.out.with_name(f"{settings.out.name}.pages")
            yield from results_of(
                results, tasks, answer_pages, run, start_over=settings.start_over, member="page"
            )

    with closing(read_lines()) as all_lines:
        for line, is_new in all_lines:
            has_answers |= line["requests"] > 0
            yield line, is_new


def all_failed(lines: Sequence[Line]) -> GenerationError:
    """Return the error of a run in which all pages fail. `lines`: the lines of failed pages."""
    message = (
        f"No piece has an answer: {len(lines):,} failed, the first one with: {lines[0]['error'].rstrip('.')}."
    )
    return GenerationError(message, attempts=len(lines), where="model", cure="Correct it, and call again.")


def _answer_lines(
    question: PageQuestion,
    stop: Future[None],
    pages: Sequence[Page],
    max_requests: float = inf,
) -> Answers:
    """Yield first the properties of the model on which answers depend, then the line of each page as it is
    answered."""
    writer = question.writer
    model = question.model
    if isinstance(writer, Local):
        # answers of another model must not go on in the same file
        yield own_parts(writer.engine)
    elif writer.kind == "server":
        yield engine_parts(str(model), "")
    else:
        name = str(model if isinstance(model, str | Path) else model.name)
        yield engine_parts(model_digest(name) if name else type(model.model).__qualname__, "")
    with closing(
        _answers_as_they_come(question.answer_page, pages, question.at_once, stop, max_requests)
    ) as lines:
        yield from lines


def _ray_worker(question: PageQuestion) -> Callable[[Sequence[Page]], Answers]:
    """Return the function that an actor on Ray runs: it answers the pages that it is given."""
    return partial(_answer_lines, question, Future())


def _answers_as_they_come(
    answer: Callable[[Page], Awaitable[Line]],
    pages: Sequence[Page],
    at_once: int,
    stop: Future[None],
    max_requests: float = inf,
) -> Generator[Line, None, None]:
    """Yield the answers to pages as they come, with `at_once` pages under way at a time.

    An event loop in a thread waits for the answers. Closing the generator cancels them, and waits for the
    thread. Raises CancelledError once `stop` is cancelled.

    The next page is asked about when the caller has taken an answer and wants the next one. So if the caller
    stops, at most `at_once - 1` pages are under way, and their answers are lost. A page under way counts as
    one request until its line has the real number, so that `max_requests` is never exceeded by a new page.
    """
    come = SimpleQueue[tuple[Line, asyncio.Event] | BaseException | None]()
    remaining = iter(pages)

    async def ask_pages() -> None:
        nonlocal max_requests
        while max_requests > 0 and (page := next(remaining, None)) is not None:
            max_requests -= 1
            line = await answer(page)
            taken_event = asyncio.Event()
            # the page was counted as one request while it was under way
            max_requests += 1 - line.get("requests", 1)
            come.put((line, taken_event))
            await taken_event.wait()

    async def all_of_them() -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(at_once):
                group.create_task(ask_pages())

    def run_loop() -> None:
        try:
            loop.run_until_complete(asking)
        except BaseExceptionGroup as errors:
            come.put(errors.exceptions[0])
        except BaseException as error:
            come.put(error)
        else:
            come.put(None)
        finally:
            loop.run_until_complete(loop.shutdown_default_executor())
            loop.close()

    loop = asyncio.new_event_loop()
    asking = loop.create_task(all_of_them())
    # the caller waits for the queue, so the cancellation is put into it
    stop.add_done_callback(lambda _: come.put(CancelledError()))
    thread = threading.Thread(target=run_loop, name="structgen-pages")
    thread.start()
    try:
        while (outcome := come.get()) is not None:
            if isinstance(outcome, BaseException):
                raise outcome
            line, taken_event = outcome
            yield line
            loop.call_soon_threadsafe(taken_event.set)
    finally:
        with suppress(RuntimeError):  # the loop is closed: all pages have ended
            loop.call_soon_threadsafe(asking.cancel)
        thread.join()


def _run_of(
    question: PageQuestion,
    of_model: Mapping[str, str],
    pages: Sequence[Page],
) -> dict[str, str]:
    """Return the parts by which `result_files` recognises a run: digests of all that its answers depend
    on."""
    grammar = question.page_form.grammar
    options = question.typed_options
    assert grammar is not None, "a form of free text was refused"
    parts: dict[str, object] = {
        "document, or cut of its pages": [(page.key, page.start, page.end, page.text) for page in pages],
        "type or schema": (grammar.fingerprint, question.is_list),
        "prompt": question.instruction,
        "examples": question.example_texts,
        "option": (
            question.overlap,
            question.unverified,
            [(name, getattr(options, name)) for name in _OPTIONS],
        ),
    }
    digests = {name: _digest_value(part) for name, part in parts.items()}
    return {**of_model, "version of structgen": FIRST_VERSION, **digests}


def _digest_value(value: object) -> str:
    return blake2b(repr(value).encode("utf-8", "replace"), digest_size=16).hexdigest()
