"""`sg.outcome_of`: the text of a model that somebody else calls, read as a typed function reads its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, Never, TypeAlias, TypeVar, overload

from structgen.asking.grounding.grounded_grammar import checked_texts, schema_grammar_of
from structgen.asking.grounding.stated_text import StatedText, stated_text
from structgen.base.errors import OptionError, options_named
from structgen.base.language.checks import check_quotes
from structgen.decoding.engine.requests import Result
from structgen.doors.typed.functions import judge_attempt, with_evidence
from structgen.doors.typed.model_servers.server_answers import Answer
from structgen.doors.typed.outcomes import Outcome
from structgen.doors.typed.partial import Partial, progress_of
from structgen.doors.typed.target_forms import form_of

T = TypeVar("T")

if TYPE_CHECKING:
    from typing_extensions import TypeForm

    from structgen.asking.request_reading.targets import AnyTarget, TextTarget
    from structgen.decoding.runs.wrong_arguments import FineIf, NotAnOption, Wrong

    Texts: TypeAlias = str | Mapping[str, str]
    Repairs: TypeAlias = bool | Literal["exact"]


@overload
def outcome_of(  # type: ignore[overload-overlap]
    text: str,
    target: TypeForm[T],
    *,
    cut: bool = False,
    grounded: Texts | None = None,
    quotes: Repairs = True,
) -> Outcome[T]: ...
@overload
def outcome_of(
    text: Iterable[str],
    target: TypeForm[T],
    *,
    cut: bool = False,
    grounded: Texts | None = None,
    quotes: Repairs = True,
) -> Iterator[Partial[T]]: ...
@overload
def outcome_of(  # type: ignore[overload-overlap]
    text: str, target: TextTarget, *, cut: bool = False
) -> Outcome[str]: ...
@overload
def outcome_of(  # type: ignore[overload-overlap]
    text: Iterable[str], target: TextTarget, *, cut: bool = False
) -> Iterator[Partial[str]]: ...
@overload
def outcome_of(  # type: ignore[overload-overlap]
    text: str, target: AnyTarget, *, cut: bool = False, grounded: Texts | None = None, quotes: Repairs = True
) -> Outcome[Any]: ...
@overload
def outcome_of(
    text: Iterable[str],
    target: AnyTarget,
    *,
    cut: bool = False,
    grounded: Texts | None = None,
    quotes: Repairs = True,
) -> Iterator[Partial[Any]]: ...
@overload  # takes no call: for messages about wrong ones
def outcome_of(
    text: Iterable[str] | Wrong,
    target: FineIf[TypeForm[Any] | AnyTarget, Never],
    *,
    cut: bool | Wrong = ...,
    grounded: Texts | Wrong | None = ...,
    quotes: Repairs | Wrong = ...,
    **unknown: NotAnOption,
) -> Any: ...
@options_named(  # type: ignore[misc]  # the last overload takes what it refuses
    'sg.outcome_of("Ada is 36.", Person)'
)
def outcome_of(
    text: Any,
    target: Any,
    *,
    cut: bool = False,
    grounded: Any = None,
    quotes: Any = True,
) -> Any:
    """Return the outcome of a model's text for a target: an `Outcome`, whose `value` is the object or raises
    the error that a typed function raises. Of an iterable of pieces, return an iterator of `Partial`s; the
    last one has the outcome. It is for those who call a model themselves.

    `text`
        the text, perhaps with more than the document: thoughts in `<think>` tags, a fence, sentences around
        an object (docs/typed-functions.md has the rules).
    `target`
        any target of `sg.run`.
    `cut`
        whether the model was stopped by its limit of tokens. That is an error, with the text so far.
    `grounded`
        a text, or texts by name. The `evidence` of the outcome has where they state each value.
    `quotes`
        which strings get the letters of these texts where they differ in typography alone (docs/right.md).
        True: all that are free; False: those with `sg.Quote`; "exact": none, and such places do not count.

    For example, `sg.outcome_of("<think>36?</think>36", int).value` is 36.

    Errors: those of `sg.run` for a target; UnsupportedError for a grammar that no schema says; OptionError
    for a `text` that is none, and for `grounded` beside a target that is no type or schema. Pieces raise
    GenerationError as soon as the type refuses a complete part, and at the end. Cost: that of compiling the
    schema, then linear in the text.
    """
    if isinstance(text, bytes) or not isinstance(text, Iterable):
        cure = "Pass a str: a message's content is None where the model refuses, or calls a tool."
        raise OptionError(f"must be a str, got {type(text).__name__}.", where="text", cure=cure)
    form = form_of(target)
    quotes = check_quotes("quotes", quotes)
    texts = checked_texts(False if grounded is None else grounded)
    if texts is True:
        raise OptionError("grounded=True needs a prompt.", where="grounded", cure="Pass the text itself.")
    stated = None if texts is False else stated_text(texts)
    if stated is not None:
        schema_grammar_of(form.grammar)  # raises for a target without a schema
        form = replace(form, quoted_text=None if quotes == "exact" else stated, quotes=bool(quotes))
    elif quotes is not True:
        raise OptionError("quotes needs a text.", where="quotes", cure="Pass grounded=text too.")
    answer = Answer(form, "text", reason="length" if cut else "stop")
    if not isinstance(text, str):
        return _stream_partials(text, answer, stated)
    answer.add_part(text)
    return _judge_answer(answer, answer.make_result(), stated)


def _judge_answer(answer: Answer, result: Result, stated: StatedText | None) -> Outcome[Any]:
    """Return the outcome of a result, with its evidence where texts were given."""
    outcome = judge_attempt(answer.form, result, 1, None)
    if stated is None or outcome.error is not None:
        return outcome
    return with_evidence(outcome, answer.form, stated)


def _stream_partials(
    pieces: Iterable[str], answer: Answer, stated: StatedText | None
) -> Iterator[Partial[Any]]:
    """Yield the result so far after each piece that adds to it; the last partial has the outcome."""
    progress = progress_of(answer.form)
    for piece in pieces:
        answer.add_part(piece)
        if new_text := answer.take_new_text():
            yield progress.add_piece(new_text)
    result = answer.make_result()
    if rest := answer.take_rest(result):
        yield progress.add_piece(rest)
    outcome = _judge_answer(answer, result, stated)
    _ = outcome.value  # its error is raised here
    yield Partial(progress, outcome)
