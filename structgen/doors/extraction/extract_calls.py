"""`sg.extract` and `sg.aextract`: everything that a type asks for, from documents of any length."""

from __future__ import annotations

import asyncio
import logging
import sys
import time
import warnings
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, Never, TypeAlias, TypeVar, Unpack, overload

from structgen.asking.documents.documents import TextDocument, documents_of
from structgen.asking.documents.page_cuts import cut
from structgen.base.errors import OptionError, ShortenedWarning, options_named, warning_level
from structgen.base.system.html_pages import counted
from structgen.base.system.progress import progress
from structgen.doors.extraction.extract_options import (
    EXTRACT_DEFAULTS,
    NAMED_IN_OTHERS,
    OWN_OPTIONS,
    ExtractOptions,
    ExtractProgress,
    ExtractSettings,
)
from structgen.doors.extraction.extraction import Extraction, extraction_of
from structgen.doors.extraction.page_asking import Page, PageQuestion
from structgen.doors.extraction.page_runs import Line, all_failed, page_lines
from structgen.doors.typed.run import AnyModel

T = TypeVar("T")
MANY: Final = 100
"""Standard error has a line about more requests than these, before the first one."""
_log = logging.getLogger("structgen")

if TYPE_CHECKING:
    from typing_extensions import TypeForm

    from structgen.asking.request_reading.targets import AnyTarget
    from structgen.base.language.wrong_arguments import ArgumentMissing, FineIf, NotAnOption, Wrong
    from structgen.decoding.engine.requests import Sampling
    from structgen.decoding.engine.strategies.strategy import Strategy
    from structgen.decoding.engine.thinking import Thinking
    from structgen.decoding.speculation.speculation_options import Speculation

    Documents: TypeAlias = str | Path | Mapping[str, str | Path] | Iterable[Any]


@overload
def extract(
    model: AnyModel, document: Documents, target: TypeForm[Iterator[T]], **options: Unpack[ExtractOptions]
) -> Extraction[list[T]]: ...
@overload
def extract(
    model: AnyModel, document: Documents, target: TypeForm[T], **options: Unpack[ExtractOptions]
) -> Extraction[T]: ...
@overload
def extract(
    model: AnyModel, document: Documents, target: AnyTarget, **options: Unpack[ExtractOptions]
) -> Extraction[Any]: ...
@overload  # takes no call: for messages about wrong ones
def extract(
    model: FineIf[AnyModel, Never],
    document: Documents | Wrong,
    target: TypeForm[Any] | AnyTarget | Wrong,
    *,
    # the options, by scripts/call_options.py
    sampling: Sampling | Wrong | None = ...,
    strategy: Strategy | Sequence[Strategy] | Wrong = ...,
    max_tokens: int | Wrong | None = ...,
    attempts: int | Wrong = ...,
    outline: bool | Wrong | None = ...,
    chat: bool | Wrong | None = ...,
    timeout: float | Wrong | None = ...,
    policies: Mapping[str, Any] | Wrong | None = ...,
    speculation: str | Speculation | Wrong = ...,
    canonical: bool | Wrong = ...,
    healing: bool | Wrong = ...,
    wrap: bool | Wrong | None = ...,
    choices: str | Wrong = ...,
    thinking: Thinking | bool | Literal["auto"] | Wrong | None = ...,
    prompt: str | Wrong | None = ...,
    examples: Iterable[tuple[Any, Any]] | Path | Wrong | None = ...,
    page: int | Wrong | None = ...,
    overlap: int | Wrong | None = ...,
    merge: str | Wrong = ...,
    least_confidence: float | Wrong = ...,
    grounded: bool | Wrong = ...,
    quotes: bool | Wrong = ...,
    unverified: bool | Wrong = ...,
    at_once: int | Wrong = ...,
    max_requests: int | Wrong = ...,
    out: str | Path | Wrong | None = ...,
    formulas: bool | Wrong = ...,
    start_over: bool | Wrong = ...,
    workers: int | Wrong | None = ...,
    progress: bool | Callable[[ExtractProgress], None] | Wrong = ...,
    **unknown: NotAnOption,
) -> Any: ...
@overload
def extract(model: ArgumentMissing, document: Any = ..., **options: Any) -> Any: ...
@options_named(  # type: ignore[misc]  # the last two overloads take what it refuses
    'sg.extract("structgen/extract", Path("people.txt"), list[Person])',
    NAMED_IN_OTHERS,
    options=ExtractOptions,
    defaults=EXTRACT_DEFAULTS,
)
def extract(model: AnyModel, document: Documents, target: Any, **options: Any) -> Any:
    """Return what a model finds in documents of any length: an `Extraction`. A document is cut into pages,
    the model is asked about each, and its answers are put together.

    `document`: a text, a `Path` (text, Markdown, HTML, PDF, or a folder of these), a list of these, or a dict
    of them by name.
    `target`: `list[T]` or `Iterator[T]` for all items of a document; any other type or JSON Schema for one
    object a document, whose fields may stand on different pages.

    What is asked. `prompt`: the words before each page, by default made of the type's name. `examples`: pairs
    of a text and its items, or its object. `grounded`: numbers, dates and the like are those that the page
    states; `quotes`: strings are words of the page, but those of a field with `sg.Inferred`. `unverified`: a
    page that only looks as if it stated a required value, in a form that is not read, is asked too; such
    values are marked (`is_unverified`).

    Pages. `page`: the most tokens of one, at most what the model's context leaves; `overlap`: an item of so
    many tokens stands whole in one page. `merge`: "places", items of two pages are one where their quotes
    overlap or their fields with `sg.Key()` are equal; "none", all items of all pages. `least_confidence`: the
    product of the probabilities of an item's values is at least this, or it is one of `doubtful`; the items
    of a server, which tells none, are not doubtful.

    The work. `at_once`: pages that are asked at a time. `max_requests`: after so many requests no further
    page is asked, and a remark says how many are left. `out`: a file of results: JSON lines, or .csv, or
    .html. The answer to each page is in `OUT.pages` as soon as it is there, and the same call goes on where
    one was stopped; `start_over` deletes these answers. `formulas`: texts of a .csv that a spreadsheet could
    compute stay as they are, without an apostrophe in front. `workers`: on Ray, by so many; 0: one for each
    GPU or processor. `progress`: whether it is told on standard error; or a function of an `ExtractProgress`.
    The other options are those of `sg.run`.

    Ctrl-C ends the call with what there is (`is_complete` is then False). A document that cannot be read and
    a page that fails three times are each one of `failed`. Errors: those of `sg.run` for the model, the type
    and the options; OptionError where no document can be read, and for `out` with answers of another call;
    the error of the first page where all pages fail.
    """
    return _prepared(model, document, target, options)(Future())


@overload
def aextract(
    model: AnyModel, document: Documents, target: TypeForm[Iterator[T]], **options: Unpack[ExtractOptions]
) -> Coroutine[Any, Any, Extraction[list[T]]]: ...
@overload
def aextract(
    model: AnyModel, document: Documents, target: TypeForm[T], **options: Unpack[ExtractOptions]
) -> Coroutine[Any, Any, Extraction[T]]: ...
@overload
def aextract(
    model: AnyModel, document: Documents, target: AnyTarget, **options: Unpack[ExtractOptions]
) -> Coroutine[Any, Any, Extraction[Any]]: ...
@overload  # takes no call: for messages about wrong ones
def aextract(
    model: FineIf[AnyModel, Never],
    document: Documents | Wrong,
    target: TypeForm[Any] | AnyTarget | Wrong,
    *,
    # the options, by scripts/call_options.py
    sampling: Sampling | Wrong | None = ...,
    strategy: Strategy | Sequence[Strategy] | Wrong = ...,
    max_tokens: int | Wrong | None = ...,
    attempts: int | Wrong = ...,
    outline: bool | Wrong | None = ...,
    chat: bool | Wrong | None = ...,
    timeout: float | Wrong | None = ...,
    policies: Mapping[str, Any] | Wrong | None = ...,
    speculation: str | Speculation | Wrong = ...,
    canonical: bool | Wrong = ...,
    healing: bool | Wrong = ...,
    wrap: bool | Wrong | None = ...,
    choices: str | Wrong = ...,
    thinking: Thinking | bool | Literal["auto"] | Wrong | None = ...,
    prompt: str | Wrong | None = ...,
    examples: Iterable[tuple[Any, Any]] | Path | Wrong | None = ...,
    page: int | Wrong | None = ...,
    overlap: int | Wrong | None = ...,
    merge: str | Wrong = ...,
    least_confidence: float | Wrong = ...,
    grounded: bool | Wrong = ...,
    quotes: bool | Wrong = ...,
    unverified: bool | Wrong = ...,
    at_once: int | Wrong = ...,
    max_requests: int | Wrong = ...,
    out: str | Path | Wrong | None = ...,
    formulas: bool | Wrong = ...,
    start_over: bool | Wrong = ...,
    workers: int | Wrong | None = ...,
    progress: bool | Callable[[ExtractProgress], None] | Wrong = ...,
    **unknown: NotAnOption,
) -> Any: ...
@overload
def aextract(model: ArgumentMissing, document: Any = ..., **options: Any) -> Any: ...
@options_named(  # type: ignore[misc]  # the last two overloads take what it refuses
    'await sg.aextract("structgen/extract", Path("people.txt"), list[Person])',
    NAMED_IN_OTHERS,
    options=ExtractOptions,
    defaults=EXTRACT_DEFAULTS,
)
def aextract(model: AnyModel, document: Documents, target: Any, **options: Any) -> Any:
    """Return a coroutine of what `sg.extract` returns. The work is done in a thread; where the waiting is
    cancelled, so is the work, and the answers that `out` has stay."""
    work = _prepared(model, document, target, options)

    async def waited() -> Extraction[Any]:
        stop: Future[None] = Future()
        working = asyncio.ensure_future(asyncio.to_thread(work, stop))
        try:
            return await asyncio.shield(working)
        except asyncio.CancelledError:
            stop.cancel()
            await asyncio.wait([working])  # until the next call may have its files
            working.exception()
            raise

    return waited()


def _prepared(
    model: Any, document: Any, target: Any, options: Mapping[str, Any]
) -> Callable[[Future[None]], Extraction[Any]]:
    """Return the work of a call, whose options are checked."""
    if not options.keys() <= ExtractOptions.__annotations__.keys():
        raise TypeError("an unknown option, which options_named names")
    how = ExtractSettings(**{name: value for name, value in options.items() if name in OWN_OPTIONS})
    said = {name: value for name, value in options.items() if name not in OWN_OPTIONS}
    said |= {"grounded": how.grounded, "quotes": how.quotes, "examples": how.examples}
    question = PageQuestion(model, target, how.prompt, said, at_once=how.at_once, unverified=how.unverified)
    _ = question.form
    if how.workers is not None and not isinstance(model, str | Path):
        cure = "Give the model's name, or its folder, which all machines have."
        raise OptionError("Each worker loads the model by its name.", where="workers", cure=cure)
    return partial(_done, question, how, document)


def _done(question: PageQuestion, how: ExtractSettings, document: Any, stop: Future[None]) -> Extraction[Any]:
    """Return what is found. To cancel `stop` ends the work: it raises CancelledError."""
    unread = dict[str, OptionError]()
    documents = documents_of(document, how.out, unread)
    most, question = question.page_size(how.page, how.overlap)
    pages = [page for text in documents for page in _pages_of(text, question, most)]
    if pages:
        question.check(pages[0].text)
    lines, failed = list[Line](), list[Line]()
    is_stopped = not _asked(question, how, pages, stop, lines, failed)
    if failed and not is_stopped and not any(line["requests"] for line in lines):
        raise all_failed(failed)
    made = extraction_of(
        question, documents, pages, [*lines, *failed], how.merge, how.least_confidence, unread
    )
    if made.is_stopped and not is_stopped:
        unasked = counted(len(pages) - len(lines) - len(failed), "page")
        remark = (
            f"max_requests={how.max_requests:,} ended the work: {unasked} of {len(pages):,} were not asked. "
            "Set it higher, or call again with the same out."
        )
        made = replace(made, is_limited=True, remarks=(remark, *made.remarks))
    if how.out is not None:
        made.write(how.out, formulas=how.formulas)
    if made.failed or made.is_stopped:
        what = made.told_missing()
        warnings.warn(ShortenedWarning(f"sg.extract: {what}"), stacklevel=warning_level())
    return made


def _asked(
    question: PageQuestion,
    how: ExtractSettings,
    pages: Sequence[Page],
    stop: Future[None],
    lines: list[Line],
    failed: list[Line],
) -> bool:
    """Ask for all pages, whose lines go to `lines` and `failed`. Return False where Ctrl-C ended the work."""
    rows = None if how.out is None else how.out.with_name(f"{how.out.name}.pages")
    begun, asked, items, tokens = time.monotonic(), 0, 0, 0
    most = 0

    def tell_requests(count: int) -> None:
        nonlocal most
        most = min(count, how.max_requests)
        what = f"extract: {counted(count, 'page')} to ask about, {counted(most, 'request')}"
        _log.info(what)
        if how.progress is True and count > MANY:
            print(what, file=sys.stderr, flush=True)

    answers = page_lines(
        question,
        pages,
        rows,
        stop,
        failed,
        tell_requests,
        max_requests=how.max_requests,
        start_over=how.start_over,
        workers=how.workers,
    )
    with _telling(how.progress) as tell, closing(answers):
        try:
            for line, is_new in answers:
                lines.append(line)
                asked += is_new
                tokens += is_new * line["tokens"]
                items += sum(len(question.value(part)) for part in line["parts"] if question.is_list)
                seconds = time.monotonic() - begun
                left = seconds / asked * (len(pages) - len(lines)) if asked else None
                tell(ExtractProgress(len(lines), len(pages), items, tokens, seconds, left, most))
        except KeyboardInterrupt:
            return False
    return True


def _pages_of(document: TextDocument, question: PageQuestion, most: int) -> Iterator[Page]:
    cuts = cut(document.text, question.count, most, question.overlap)
    for number, place in enumerate(cuts, 1):
        yield Page(document.name, number, place.start, place.end, document.text[place.start : place.end])


@contextmanager
def _telling(how: bool | Callable[[ExtractProgress], None]) -> Iterator[Callable[[ExtractProgress], None]]:
    """Yield the function that is called with the progress."""
    if callable(how):
        yield how
    elif how:
        with progress("extract", "pages") as tell:
            yield lambda now: tell(now.pages, now.total, str(now))
    else:
        yield lambda now: None
