"""`sg.extract` and `sg.aextract`: everything that a type asks for, from documents of any length.

A *document* is cut into *pages*; the model is asked about each. A *line* is the answer to one page.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from structgen.asking.documents.documents import TextDocument, documents_of
from structgen.asking.documents.page_cuts import cut_pages
from structgen.asking.pages.html_pages import format_count
from structgen.base.errors import OptionError, ShortenedWarning, options_named, warning_level
from structgen.decoding.runs.progress import open_progress
from structgen.doors.extraction.extract_options import (
    EXTRACT_DEFAULTS,
    NAMED_IN_OTHERS,
    OWN_OPTIONS,
    ExtractProgress,
    ExtractSettings,
)
from structgen.doors.extraction.extract_signatures import ExtractOptions
from structgen.doors.extraction.extraction import Extraction, extraction_of
from structgen.doors.extraction.page_asking import Page, PageQuestion
from structgen.doors.extraction.page_runs import Line, all_failed, page_lines

MANY: Final = 100
"""If more requests than this will be made, a line on standard error announces them before the first one."""
_log = logging.getLogger("structgen")

if TYPE_CHECKING:
    from structgen.doors.extraction.extract_signatures import AsyncExtractCalls, Documents, ExtractCalls
    from structgen.doors.typed.signatures.run_calls import AnyModel


@cast("Callable[[object], ExtractCalls]", lambda function: function)
@options_named(
    'sg.extract("structgen/extract", Path("people.txt"), list[Person])',
    NAMED_IN_OTHERS,
    options=ExtractOptions,
    defaults=EXTRACT_DEFAULTS,
)
def extract(
    model: AnyModel,
    document: Documents,
    target: Any,
    **options: Any,
) -> Any:
    """Return what a model finds in documents of any length: an `Extraction`. A document is cut into pieces,
    the model is asked about each, and its answers are put together.

    `document`: a text, a `Path` (text, Markdown, HTML, PDF, or a folder of these), a list of these, or a dict
    of them by name.
    `target`: `list[T]` or `Iterator[T]` for all items of a document; any other type or JSON Schema for one
    object a document, whose fields may stand in different pieces.

    What is asked. `prompt`: the words before each piece, by default made of the type's name. `examples`:
    pairs of a text and its items, or its object. `grounded`: numbers, dates and the like are those that the
    piece states; `quotes`: strings are words of the piece, but those of a field with `sg.Inferred`; "exact":
    in the letters of the piece even where a server writes other ones. `unverified`: a piece that only looks
    as if it stated a required value, in a form that is not read, is asked too; such values are marked
    (`is_unverified`).

    Pieces. `page`: the most tokens of one, at most what the model's context leaves; `overlap`: an item of so
    many tokens stands whole in one piece. `merge`: "places", items of two pieces are one where their quotes
    overlap or their fields with `sg.Key()` are equal; "none", all items of all pieces. `least_confidence`:
    the product of the probabilities of an item's values is at least this, or it is one of `doubtful`; the
    items of a server, which tells none, are not doubtful.

    The work. `at_once`: pieces that are asked at a time. `max_requests`: after so many requests no further
    piece is asked, and a remark says how many are left. `out`: a file of results: JSON lines, or .csv, or
    .html. The answer to each piece is in `OUT.pages` as soon as it is there, and the same call goes on where
    one was stopped; `start_over` deletes these answers. `formulas`: texts of a .csv that a spreadsheet could
    compute stay as they are, without an apostrophe in front. `workers`: on Ray, by so many; 0: one for each
    GPU or processor. `progress`: whether it is told on standard error; or a function of an `ExtractProgress`.
    The other options are those of `sg.run`.

    Ctrl-C ends the call with what there is (`is_complete` is then False). A document that cannot be read and
    a piece that fails three times are each one of `failed`. Errors: those of `sg.run` for the model, the type
    and the options; OptionError where no document can be read, and for `out` with answers of another call;
    the error of the first piece where all pieces fail.
    """
    return _prepare_call(model, document, target, options)(Future())


@cast("Callable[[object], AsyncExtractCalls]", lambda function: function)
@options_named(
    'await sg.aextract("structgen/extract", Path("people.txt"), list[Person])',
    NAMED_IN_OTHERS,
    options=ExtractOptions,
    defaults=EXTRACT_DEFAULTS,
)
def aextract(
    model: AnyModel,
    document: Documents,
    target: Any,
    **options: Any,
) -> Any:
    """Return a coroutine of what `sg.extract` returns. The work is done in a thread; where the waiting is
    cancelled, so is the work, and the answers that `out` has stay."""
    work = _prepare_call(model, document, target, options)

    async def run_in_thread() -> Extraction[Any]:
        stop: Future[None] = Future()
        working = asyncio.ensure_future(asyncio.to_thread(work, stop))
        try:
            return await asyncio.shield(working)
        except asyncio.CancelledError:
            # the thread sees this, and ends its pages
            stop.cancel()
            await asyncio.wait([working])  # until the next call may have its files
            working.exception()
            raise

    return run_in_thread()


def _prepare_call(
    model: Any,
    document: Any,
    target: Any,
    options: Mapping[str, Any],
) -> Callable[[Future[None]], Extraction[Any]]:
    """Check the arguments of a call, and return a function that does its work. The function takes a future;
    cancelling that future ends the work."""
    if not options.keys() <= ExtractOptions.__annotations__.keys():
        raise TypeError("an unknown option, which options_named names")
    # the others are those of sg.run, which each page is asked with
    page_options = dict(options)
    own_options = {name: page_options.pop(name) for name in OWN_OPTIONS if name in options}
    settings = ExtractSettings(**own_options)
    page_options |= {"grounded": settings.grounded, "quotes": settings.quotes, "examples": settings.examples}
    question = PageQuestion(
        model, target, settings.prompt, page_options, at_once=settings.at_once, unverified=settings.unverified
    )
    # reading the form refuses a target that cannot be asked for, before documents are read
    _ = question.form
    if settings.workers is not None and not isinstance(model, str | Path):
        cure = "Pass the model's name, or its folder, which all machines must have."
        raise OptionError("Each worker loads the model by its name.", where="workers", cure=cure)
    return partial(_run_extraction, question, settings, document)


def _run_extraction(
    question: PageQuestion,
    settings: ExtractSettings,
    document: Any,
    stop: Future[None],
) -> Extraction[Any]:
    """Ask about all pages of the documents, and return what is found. Raises CancelledError once `stop` is
    cancelled."""
    unread = dict[str, OptionError]()
    documents = documents_of(document, settings.out, unread)
    page_tokens, question = question.page_size(settings.page, settings.overlap)
    pages = [page for text in documents for page in _pages_of(text, question, page_tokens)]
    # the first page shows errors that all pages would have; documents without text have no page
    if pages:
        question.check_first_page(pages[0].text)
    lines = list[Line]()
    failed_lines = list[Line]()
    is_stopped = not _ask_pages(question, settings, pages, stop, lines, failed_lines)
    # if all pages fail, they have one cause, such as a server that is down: an error of the call
    if failed_lines and not is_stopped and not any(line["requests"] for line in lines):
        raise all_failed(failed_lines)
    extraction = extraction_of(question, documents, pages, [*lines, *failed_lines], settings, unread)
    if extraction.is_stopped and not is_stopped:
        unasked_pieces = len(pages) - len(lines) - len(failed_lines)
        remark = (
            f"max_requests={settings.max_requests:,} ended the run: {unasked_pieces:,} of "
            f"{len(pages):,} pieces were not processed. Increase it, or call again with the same out."
        )
        extraction = replace(extraction, is_limited=True, remarks=(remark, *extraction.remarks))
    if settings.out is not None:
        extraction.write(settings.out, formulas=settings.formulas)
    if extraction.failed or extraction.is_stopped:
        message = extraction.told_missing()
        warnings.warn(ShortenedWarning(f"sg.extract: {message}"), stacklevel=warning_level())
    return extraction


def _ask_pages(
    question: PageQuestion,
    settings: ExtractSettings,
    pages: Sequence[Page],
    stop: Future[None],
    lines: list[Line],
    failed_lines: list[Line],
) -> bool:
    """Ask about all pages. Append the lines of answered pages to `lines`, and those of failed pages to
    `failed_lines`. Return False if Ctrl-C ended the work, otherwise True."""
    start = time.monotonic()
    asked_count = 0
    items = 0
    tokens = 0
    request_count = 0

    def report_requests(count: int) -> None:
        nonlocal request_count
        # this is the number of requests if no page has to be asked again
        request_count = min(count, settings.max_requests)
        message = (
            f"extract: {format_count(count, 'piece')} to ask about, {format_count(request_count, 'request')}"
        )
        _log.info(message)
        if settings.progress is True and count > MANY:
            print(message, file=sys.stderr, flush=True)

    answers = page_lines(
        question,
        settings,
        pages,
        stop,
        failed_lines,
        report_requests,
    )
    with _progress_reporter(settings.progress) as report, closing(answers):
        try:
            for line, is_new in answers:
                lines.append(line)
                asked_count += is_new
                # tokens that an earlier run wrote do not count for the speed of this one
                tokens += is_new * line["tokens"]
                items += sum(len(question.read_value(part)) for part in line["parts"] if question.is_list)
                seconds = time.monotonic() - start
                seconds_left = seconds / asked_count * (len(pages) - len(lines)) if asked_count else None
                report(
                    ExtractProgress(
                        len(lines), len(pages), items, tokens, seconds, seconds_left, request_count
                    )
                )
        except KeyboardInterrupt:
            return False
    return True


def _pages_of(document: TextDocument, question: PageQuestion, page_tokens: int) -> Iterator[Page]:
    cuts = cut_pages(document.text, question.count_tokens, page_tokens, question.overlap)
    for number, span in enumerate(cuts, 1):
        text = document.text[span.start : span.end]
        yield Page(document.name, number, span.start, span.end, text)


@contextmanager
def _progress_reporter(
    option: bool | Callable[[ExtractProgress], None],
) -> Iterator[Callable[[ExtractProgress], None]]:
    """Yield the function that is called with the progress. `option`: the option `progress` of the call."""
    if callable(option):
        yield option
    elif option:
        with open_progress("extract", "pieces") as report:
            yield lambda now: report(now.pages, now.total, str(now))
    else:
        yield lambda now: None
