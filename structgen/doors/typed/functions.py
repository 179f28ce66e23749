"""What the decorator makes of a function: something to call, to stream from, to ask in batches.

One core of coroutines asks the model. A function without an event loop has its results at once, by
`waiting.run_coroutine` and `run_generator`.
"""

from __future__ import annotations

import asyncio
import copy
import functools
import inspect
import pickle
import warnings
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Callable,
    Coroutine,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import ExitStack, aclosing
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import (
    TYPE_CHECKING,
    Any,
    Concatenate,
    Generic,
    Literal,
    ParamSpec,
    TypeAlias,
    TypeVar,
    Unpack,
    cast,
    overload,
)

from structgen.asking.grounding.stated_text import StatedText
from structgen.asking.request_reading.example_pairs import Call, Pairs, call_of, check_calls, read_pairs
from structgen.base.errors import (
    AdviceWarning,
    GenerationError,
    NotStatedError,
    OptionError,
    ShortenedWarning,
    StructgenError,
    UnsupportedError,
    ValidatorError,
    options_named,
    prefix_place,
    warning_level,
)
from structgen.base.json_text.exact_json import read_exact as read_json
from structgen.base.language.checks import check_number, check_whole
from structgen.decoding.engine.requests import FinishReason, Result, Usage
from structgen.decoding.engine.searches.confidence import confidences_of, probabilities_of
from structgen.decoding.runs.progress import open_progress
from structgen.decoding.runs.telemetry import CallSpan, call_span
from structgen.doors.typed.local import Local
from structgen.doors.typed.options import NAMED_ELSEWHERE, TypedOptions
from structgen.doors.typed.outcomes import Outcome
from structgen.doors.typed.partial import Partial, Progress, progress_of
from structgen.doors.typed.prompts import (
    PromptSource,
    Template,
    TextRequest,
    narrow_task,
    source_of_call,
    unasked_result,
)
from structgen.doors.typed.signatures.call_options import FunctionOptions
from structgen.doors.typed.target_forms import TargetForm, WritingTask, generation_error
from structgen.doors.typed.typed_draws import Sampler, check_names, draw_samples
from structgen.doors.typed.waiting import run_coroutine, run_generator
from structgen.doors.typed.worked.fitting import FieldThreshold, Fitted, fit_function
from structgen.doors.typed.worked.scores import ScoredPair, ScoreTable, accepted_fields, score_pair
from structgen.doors.typed.worked.worked_examples import Examples, Spelling, WrittenValue, write_pair_values
from structgen.doors.typed.wrapping import unwrap_document
from structgen.doors.typed.writers import Writer

if TYPE_CHECKING:
    from typing import Self

    from structgen.decoding.samplers.sample import TypedSampleOptions
    from structgen.decoding.samplers.samples import Samples

MANY_PROMPTS = 20
"""The number of different prompts after which a single label of all of them looks like a habit."""
MOST_TOGETHER = 32
"""Calls that are written together where pairs are scored."""
AnyPairs: TypeAlias = Iterable[tuple[Any, Any]] | Path
P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")
S = TypeVar("S")


@dataclass(eq=False)
class CallSpec:
    """What a function, or one call, asks of a model: the form of the result, the model and the options."""

    name: str
    """Of the function, for errors and warnings."""
    read_form: Callable[[], TargetForm]
    model: Callable[[], Writer]
    options: TypedOptions
    is_async: bool
    """Whether the caller waits in an event loop."""
    function: Any = None
    template: Template | None = None
    """Of the docstring of a function."""
    has_warned: bool = False
    labels: dict[str, str] = field(default_factory=dict)
    """The labels of the first different prompts, by the prompt."""
    min_confidences: Mapping[str, float] = field(default_factory=dict)
    """The least confidence of a field that is accepted, where the function was fitted to an error."""
    with_options: Callable[[Mapping[str, Any]], CallSpec] | None = None
    """Of a function: returns its specification under other options."""

    @cached_property
    def form(self) -> TargetForm:
        """The form of the result; read at the first call where its names were not known before."""
        try:
            return self.read_form()
        except NameError as error:
            raise UnsupportedError(
                f"The return type of {self.name} uses {error.name!r}, which is not defined.",
                keyword="type",
                where="return",
                cure="Define it at the top of the module, before the first call.",
            ) from error

    @cached_property
    def task(self) -> WritingTask:
        """The task of the writer, before the texts of a prompt narrow it."""
        return WritingTask(self.form, self.options, self.is_async, self.name)

    @cached_property
    def examples(self) -> list[WrittenValue]:
        """What the model shall write for the values of the examples. Errors: OptionError for a value that the
        form refuses."""
        return write_pair_values(self.form, self.options.examples)

    async def _load_writer(self) -> Writer:
        """Return the model; for one call in an event loop it is loaded in a thread."""
        # loading takes seconds, in which `arun` must not block its event loop
        is_apart = self.is_async and self.function is None
        return await asyncio.to_thread(self.model) if is_apart else self.model()

    async def write_result(self, source: PromptSource, *, detailed: bool = False) -> Any:
        """Return the object; with `detailed`, its outcome."""
        writer = await self._load_writer()
        outcome = await obtain_outcome(writer, self.task, source, detailed=detailed)
        self.compare_labels(source, outcome)
        if detailed:
            if self.min_confidences:
                pointers = accepted_fields(outcome, Spelling(self.form), self.min_confidences)
                outcome = replace(outcome, accepted=pointers)
            return outcome
        self.warn_if_shortened(outcome.result)
        return outcome.value

    async def stream_partials(
        self, source: PromptSource, document: Progress | None = None, *, detailed: bool = False
    ) -> AsyncGenerator[Partial[Any], None]:
        """Yield what there is after each piece of text; the last partial has the outcome. There is one
        attempt. `document` follows the text, where its items are handed out.

        Errors: GenerationError as soon as a part that closes is refused by its type, and at the end. With
        `detailed` the outcome has it, and the partials end before it.
        """
        writer, task = await self._load_writer(), self.task
        if document is not None:  # a plain function may be annotated AsyncIterator[T]: its items are awaited
            task = replace(task, is_async=self.is_async or self.form.asynchronous)
        final_results, is_refused = list[Result](), False
        text_request = TextRequest.narrow(task, source)
        read_reply = functools.partial(writer.read_reply, text_request.task)
        progress = document or progress_of(self.form, read_reply)
        if (error := text_request.error) is not None:
            if not detailed:
                raise error
            yield Partial(progress, judge_attempt(self.form, unasked_result(error), 1, None))
            return
        with open_span(writer, text_request.task, source, is_stream=True) as span:
            text_pieces = writer.stream_text(text_request, final_results.append)
            async with aclosing(span.wrap_items(text_pieces)) as pieces:
                async for piece in pieces:
                    if is_refused:
                        continue  # the stream is read to its end all the same: the outcome has the usage
                    try:
                        partial = progress.add_piece(piece)
                    except GenerationError:
                        if not detailed:
                            raise
                        is_refused = True
                    else:
                        yield partial
            outcome = judge_attempt(self.form, final_results[0], 1, None)
            record_outcome(span, outcome)
        if detailed:
            outcome = with_details(outcome, writer, text_request)
        else:
            self.warn_if_shortened(final_results[0])
            _ = outcome.value  # its error is raised here
        yield Partial(progress, outcome)

    async def stream_items(self, source: PromptSource) -> AsyncGenerator[Any, None]:
        """Yield the items of a list as they close."""
        document, part_count = progress_of(self.form), 0
        async with aclosing(self.stream_partials(source, document)) as partials:
            async for _ in partials:
                items, part_count = document.closed_items(part_count)
                for item in items:
                    yield item

    def warn_if_shortened(self, result: Result) -> None:
        """Warn, once for the function, whoever gets a value alone of a text that its budget shortened. The
        warning names the first caller outside of this package."""
        if self.has_warned or result.error is not None:
            return  # the error tells more
        messages, bound = list[str](), self.model().bound
        if result.usage.outline:
            cure = "Shorten the prompt, or reduce max_tokens=; outline=False omits the outline."
            messages.append(f"{result.usage.outline} {cure}")
        cure = f"Increase {bound}=; `finish_reason` of a detailed result shows whether it is enough."
        match result.finish_reason:
            case FinishReason.STEERED:
                messages.append(f"The document was truncated to fit {bound}. {cure}")
            case FinishReason.MAX_TOKENS:
                messages.append(f"The text was truncated at {bound}. {cure}")
            case FinishReason.REPETITION:
                cure = (
                    "`usage.closed` of a detailed result tells it; sg.Sampling(repetition=None) closes none."
                )
                closed_values = "; ".join(result.usage.closed)
                messages.append(f"The document has a truncated value: {closed_values}. {cure}")
        for message in messages:
            warnings.warn(ShortenedWarning(f"{self.name}: {message}"), stacklevel=warning_level())
        self.has_warned = bool(messages)

    def compare_labels(self, source: PromptSource, outcome: Outcome[Any]) -> None:
        """Warn, once for the function, where the first 20 different prompts have all got one of several
        labels: the model may prefer it whatever the text says. Only whole labels count."""
        is_compared = any(step.state for step in outcome.result.steps)
        if not is_compared or self.options.choices != "whole" or len(self.labels) == MANY_PROMPTS:
            return
        self.labels[repr(source.prompt)] = outcome.text
        if len(self.labels) == MANY_PROMPTS and len({*self.labels.values()}) == 1:
            warning = (
                f"{self.name}: {MANY_PROMPTS} different prompts have all got the label {outcome.text}. If "
                'the model prefers it whatever the text says, write choices="calibrated".'
            )
            warnings.warn(AdviceWarning(warning), stacklevel=warning_level())


def judge_attempt(
    form: TargetForm,
    result: Result,
    attempts: int,
    best: GenerationError | None,
) -> Outcome[Any]:
    """Return an attempt's outcome: its object, or the error of the best attempt so far.

    `attempts`: how many were made, with this one; `best`: the error of the best one before it. For example,
    `judge_attempt(form, result, 1, None)` judges the only attempt of a stream.
    """
    result = form.unwrap_result(result)
    fault = result.error
    if isinstance(fault, NotStatedError):  # the model was not asked: that is no attempt
        return Outcome(result, 0, fault, None)
    if fault is not None and not isinstance(fault, ValidatorError):
        error = generation_error(fault.what, result.text, attempts, fault.where, fault.cure)
        error.__cause__ = fault
        return Outcome(result, attempts, error, None)
    try:
        if fault is not None:
            raise fault
        return Outcome(result, attempts, None, form.read_value(result), _json=form.read_json(result))
    except ValidatorError as refusal:
        error = generation_error(refusal.what, result.text, attempts, refusal.where)
        error.__cause__ = refusal
        best_refusal = getattr(best, "__cause__", None)
        if best is not None and isinstance(best_refusal, ValidatorError):
            # an earlier attempt with fewer faults, or as many, is shown in place of this one
            if best_refusal.count <= refusal.count:
                error = generation_error(best.what, best.text, attempts, best.where)
                error.__cause__ = best_refusal
        return Outcome(result, attempts, error, None)


def open_span(
    writer: Writer,
    task: WritingTask,
    source: PromptSource,
    *,
    is_stream: bool = False,
) -> CallSpan:
    """Return the span of a call that begins now, such as `with open_span(writer, task, source) as span:`.
    `is_stream`: whether the text comes in pieces. The attributes are those of OpenTelemetry's conventions."""
    options, form = task.options, task.form
    span = call_span(
        "chat",
        writer.name,
        {
            "gen_ai.output.type": "text" if form.grammar is None else "json" if form.schema else None,
            "gen_ai.request.max_tokens": options.max_tokens,
            "gen_ai.request.temperature": options.sampling.temperature,
            "gen_ai.request.top_p": options.sampling.top_p,
            "gen_ai.request.seed": options.sampling.seed,
            "gen_ai.request.stream": is_stream or None,
            "code.function.name": task.name or None,
            **getattr(writer, "span_attributes", {}),  # a server's address and provider
        },
        "CLIENT" if writer.kind == "server" else "INTERNAL",
    )
    span.record_prompt(source.prompt)
    return span


def record_outcome(span: CallSpan, outcome: Outcome[Any]) -> None:
    """Write into a span what became of its call."""
    if span.is_open:  # else nobody traces
        span.set_attributes({"structgen.attempts": outcome.attempts})
        span.record_answer(outcome.usage, [(outcome.text, outcome.finish_reason.value)], outcome.error)


async def obtain_outcome(
    writer: Writer,
    task: WritingTask,
    source: PromptSource,
    first: Result | None = None,
    *,
    detailed: bool = False,
    running_span: CallSpan | None = None,
) -> Outcome[Any]:
    """Return the outcome of a call: attempts are made until an object comes of one. A later attempt reads the
    refused answer and the messages of the validators.

    `first`: the result of an attempt that was made, with other calls; `running_span`: the span of the call,
    where it has begun. `detailed`: whether the outcome also has its prompt, and how sure an engine's model
    was. For example, `await obtain_outcome(writer, task, source)` makes all attempts.
    """
    form, options = task.form, task.options
    best: GenerationError | None = None
    usages = list[Usage]()
    with running_span or open_span(writer, task, source) as span, span.make_current():
        for attempt in range(options.attempts):
            text_request = TextRequest.narrow(task, source, is_again=attempt > 0 or first is not None)
            attempt_result = first
            if attempt or attempt_result is None:
                (attempt_result,) = await write_texts(writer, [text_request], attempt)
            usages.append(attempt_result.usage)
            outcome = judge_attempt(form, attempt_result, attempt + 1, best)
            best = outcome.error
            refusal = getattr(best, "__cause__", None)
            if not isinstance(refusal, ValidatorError):
                break  # an object, or an error that another attempt does not mend
            if attempt + 1 < options.attempts:
                source = replace(source, refused_attempt=(attempt_result.text, str(refusal)))
        outcome = replace(outcome, usages=tuple(usages))
        record_outcome(span, outcome)
    return with_details(outcome, writer, text_request) if detailed else outcome


async def write_texts(writer: Writer, text_requests: Sequence[TextRequest], attempt: int = 0) -> list[Result]:
    """Return the results of texts that are written together. Where a request has an error, the model is not
    asked, and the result has it. `attempt`: its number, from 0."""
    requests = [text_request for text_request in text_requests if text_request.error is None]
    results = iter(await writer.write_texts(requests, attempt) if requests else ())
    errors = (text_request.error for text_request in text_requests)
    return [next(results) if error is None else unasked_result(error) for error in errors]


def with_evidence(outcome: Outcome[Any], form: TargetForm, stated: StatedText) -> Outcome[Any]:
    """Return an outcome that tells where texts state the values of its document."""
    # start-up: few answers are grounded
    from structgen.asking.grounding.evidence import evidence_of

    text = outcome.text
    document: Any = text
    if outcome.reply is not None:
        document = [read_json(call.document) for call in outcome.calls]
    elif not form.is_text_in_string:
        document = read_json(unwrap_document(text) if form.is_wrapped else text)
    is_exact = form.quotes and form.quoted_text is None
    evidence = evidence_of(document, stated, outcome.result.repairs, is_exact=is_exact)
    return replace(outcome, evidence=evidence)


def with_details(
    outcome: Outcome[Any],
    writer: Writer,
    text_request: TextRequest,
) -> Outcome[Any]:
    """Return an outcome with its prompt as text, and with how sure an engine's model was. `text_request`: the
    request for the text of the last attempt."""
    if isinstance(outcome.error, NotStatedError):
        return outcome
    task, prompt = text_request.task, writer.prompt_text(text_request)
    form = task.form
    if task.stated is not None and outcome.error is None:
        outcome = with_evidence(outcome, form, task.stated)
    # servers send no probabilities; a strategy changes them, and a reply is no document
    if not isinstance(writer, Local) or task.options.sampling.strategies or outcome.reply is not None:
        return replace(outcome, prompt=prompt)
    result, tokenizer = outcome.result, writer.engine.tokenizer
    confidences = confidences_of(result, form.grammar, tokenizer, form.value_pointer)
    shares = {path: confidence.probability for path, confidence in confidences.items()}
    return replace(
        outcome,
        probabilities=probabilities_of(result, form.grammar),
        plain_probabilities=probabilities_of(result, form.grammar, is_plain=True),
        confidences=confidences,
        evidence=outcome.evidence and replace(outcome.evidence, confidences=shares),
        prompt=prompt,
    )


class _FunctionBase(Generic[P, R]):
    """What synchronous and asynchronous functions share."""

    def __init__(self, spec: CallSpec, bound: tuple[object, ...] = ()) -> None:
        self._spec, self._bound_arguments = spec, bound
        self._examples: Examples | None = None
        """The examples before its questions; None until the first call makes them."""
        functools.update_wrapper(cast("Callable[..., Any]", self), spec.function)
        signature = inspect.signature(spec.function)
        parameters = list(signature.parameters.values())[len(bound) :]  # without `self` of a method
        self.__signature__ = signature.replace(parameters=parameters)
        self._full_signature = signature
        self._parameters = parameters
        self._signature_text = f"{spec.name}{self.__signature__}"

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._signature_text}>"

    def __reduce__(self) -> Any:
        """Pickle by name, as Python's functions are: whoever loads it imports the module. A method's instance
        goes along. Raises PicklingError for a function inside another one; so does `pickle` for one that its
        module does not have under its name."""
        function = self._spec.function
        if self._bound_arguments:
            return getattr, (self._bound_arguments[0], function.__name__)
        if "<locals>" in function.__qualname__:
            raise pickle.PicklingError(
                f"{function.__qualname__} cannot be pickled. Define it at the top of a module."
            )
        return function.__qualname__

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON Schema of the documents, a copy; {} where the text is free."""
        return copy.deepcopy(self._spec.form.schema) or {}

    @property
    def lost(self) -> tuple[str, ...]:
        """The guarantees that are lost because of where the model runs: () for an engine of this process."""
        return self._spec.model().lost

    @options_named("using(target=int)", NAMED_ELSEWHERE, "using", FunctionOptions)
    def using(self, **changes: Unpack[FunctionOptions]) -> Self:
        """Return the function with other options of `sg.generate`, those that are not given as they were. So
        a call may have a type, or tools, that exist only now. For type checkers it returns what its
        annotation says.

        `target`: any target of `sg.run`; None for the annotation. Errors: those of `sg.generate`. Cost: that
        of reading the type and the tools.
        """
        assert self._spec.with_options is not None, "it asks for a function"
        return type(self)(self._spec.with_options(changes), self._bound_arguments)

    def _bind_to(self, instance: object) -> _FunctionBase[Any, R]:
        """Return the method of an instance; the function itself, asked of its class."""
        return self if instance is None else type(self)(self._spec, (instance,))

    # --- the core -------------------------------------------------------------------------------------------

    async def _make_source(self, call: Call) -> PromptSource:
        """Return the source of a call, with its examples."""
        source = await self._fill_source(call)
        pairs = self._spec.options.examples
        if not pairs:
            return source
        if self._examples is None:
            example_sources = []
            for pair in pairs:
                with prefix_place(pair.where):
                    example_sources.append(await self._fill_source(pair.call))
            documents = [example.document for example in self._spec.examples]
            self._examples = Examples(example_sources, documents, pairs.max_told)
        return self._examples.add_examples(source)

    async def _fill_source(self, call: Call) -> PromptSource:
        """Return the source of a call: what the body returns, or the docstring."""
        arguments, keywords = call
        try:
            prompt = self._spec.function(*self._bound_arguments, *arguments, **keywords)
            if self._spec.is_async:
                prompt = await prompt
        except FilledPrompt as signal:  # the body said `sg.filled()`
            prompt = signal.prompt
        bound = self._full_signature.bind(*self._bound_arguments, *arguments, **keywords)
        bound.apply_defaults()
        return source_of_call(prompt, self._spec.template, bound.arguments)

    async def _obtain_value(self, call: Call) -> Any:
        """Return the object of a call, or the iterator of its items."""
        spec, source = self._spec, await self._make_source(call)
        if spec.form.items:
            items = spec.stream_items(source)
            return items if spec.is_async or spec.form.asynchronous else run_generator(items)
        return await spec.write_result(source)

    async def _obtain_outcome(self, call: Call) -> Outcome[R]:
        source = await self._make_source(call)
        outcome: Outcome[R] = await self._spec.write_result(source, detailed=True)
        return outcome

    async def _make_prompt(self, call: Call) -> str:
        source = await self._make_source(call)
        return self._spec.model().prompt_text(TextRequest(narrow_task(self._spec.task, source), source))

    async def _draw_samples(self, sample_options: Mapping[str, Any], call: Call) -> Samples[R]:
        spec, source = self._spec, await self._make_source(call)
        draw_arguments = spec.model(), spec.task, source, sample_options
        if spec.is_async:
            return await asyncio.to_thread(draw_samples, *draw_arguments)
        return draw_samples(*draw_arguments)

    async def _obtain_outcomes(self, calls: Sequence[Call], *, detailed: bool = False) -> list[Outcome[R]]:
        """Return the outcomes of calls that are written together."""
        spec = self._spec
        sources = [await self._make_source(call) for call in calls]
        writer, task = spec.model(), spec.task
        outcomes = list[Outcome[R]]()
        with ExitStack() as spans:
            call_spans = [spans.enter_context(open_span(writer, task, source)) for source in sources]
            text_requests = [TextRequest.narrow(task, source) for source in sources]
            first_results = await write_texts(writer, text_requests)
            for span, source, first in zip(call_spans, sources, first_results, strict=True):
                outcome: Outcome[R] = await obtain_outcome(
                    writer, task, source, first, detailed=detailed, running_span=span
                )
                spec.compare_labels(source, outcome)
                outcomes.append(outcome)
        return outcomes

    async def _outcomes_or_errors(self, calls: Sequence[Call]) -> list[Outcome[R] | StructgenError]:
        """Return the outcomes of calls; where one cannot be asked, its error."""
        try:
            return [*await self._obtain_outcomes(calls, detailed=True)]
        except StructgenError as error:
            if len(calls) == 1:
                return [error]
        # one of them cannot be asked: each is asked by itself, so that the others have their outcomes
        return [outcome for call in calls for outcome in await self._outcomes_or_errors([call])]

    async def _score_pairs(self, pairs: Any) -> ScoreTable:
        """Return what `score` returns, in an event loop too."""
        pairs = self._read_pairs(pairs)
        spelling, expected_values = Spelling(self._spec.form), write_pair_values(self._spec.form, pairs)
        scored_pairs = list[ScoredPair]()
        with open_progress("score", "pairs") as report:
            for first in range(0, len(pairs), MOST_TOGETHER):
                calls = [pair.call for pair in pairs[first : first + MOST_TOGETHER]]
                for outcome in await self._outcomes_or_errors(calls):
                    expected = expected_values[len(scored_pairs)].value
                    scored_pairs.append(score_pair(expected, spelling, outcome))
                report(len(scored_pairs), len(pairs))
        return ScoreTable(scored_pairs)

    async def _fit_pairs(
        self,
        pairs: Any,
        error: float | None,
        held_out: float,
        seed: int,
    ) -> Fitted[Self]:
        """Return what `fit` returns, in an event loop too. Errors: OptionError."""
        if error is not None:
            error = check_number("error", error, 1e-6, 0.999, "a share of wrong answers between 0 and 1")
            if not isinstance(self._spec.model(), Local):
                fault = "This model reports no confidences."
                raise OptionError(fault, where="error", cure="Remove it, or use an engine.")
        held_out = check_number("held_out", held_out, 0.0, 1.0, "a share of the pairs from 0 to 1")
        seed = check_whole("seed", seed, 0)
        return await fit_function(self, self._read_pairs(pairs), error, held_out, seed)

    def _read_pairs(self, pairs_like: Any) -> Pairs:
        """Return pairs of this function's arguments and values. Errors: OptionError."""
        pairs = read_pairs(pairs_like, "pairs")
        if not pairs:
            raise OptionError("is empty.", where="pairs", cure="Pass at least one pair.")
        check_calls(pairs, self.__signature__)
        return pairs

    def _with_thresholds(self, thresholds: Mapping[str, FieldThreshold]) -> Self:
        """Return the function with these thresholds: its outcomes accept the fields that reach them."""
        confidences = {name: field_threshold.threshold for name, field_threshold in thresholds.items()}
        # a field without a threshold is never accepted
        min_confidences = {name: bound for name, bound in confidences.items() if bound is not None}
        return type(self)(replace(self._spec, min_confidences=min_confidences), self._bound_arguments)

    def _make_sampler(self, draws: Callable[..., Any], n: int, options: Mapping[str, Any]) -> Any:
        """Return a `Sampler` that takes the arguments; of a function without parameters, its draws."""
        check_names(options)
        sample_options = {**options, "n": n}
        sampler: Sampler[..., Any] = Sampler(
            lambda *args, **kwargs: draws(sample_options, (args, kwargs)), self._signature_text
        )
        return sampler if self._parameters else sampler()

    @staticmethod
    def _read_calls(calls: Iterable[Any]) -> list[Call]:
        """Return the calls of a batch. Errors: OptionError for what is one call, or no iterable."""
        is_single = isinstance(calls, str | bytes | bytearray | Mapping)
        if is_single or not isinstance(calls, Iterable):
            raise OptionError(
                f"batch() expects a list of calls, got {type(calls).__name__}.",
                where="calls",
                cure="Write batch([call]), with one item for each call.",
            )
        return [call_of(call) for call in calls]


class FilledPrompt(Exception):
    """Raised by `sg.filled()`, and caught by the decorator: the prompt that was given, if any."""

    def __init__(self, prompt: object = None) -> None:
        super().__init__("sg.filled() may only be used in the body of a function that sg.generate decorates.")
        self.prompt = prompt


class TypedFunction(_FunctionBase[P, R]):
    """A function that a model answers. Made by `sg.generate`."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Return the object; where the annotation is Iterator[T], items as they close.

        Errors: GenerationError, with the text so far, where the engine failed or the type's validators
        refused every attempt; OptionError for a prompt that cannot be made; BudgetError where no document
        fits.
        """
        return cast("R", run_coroutine(self._obtain_value((args, kwargs))))

    def detailed(self, *args: P.args, **kwargs: P.kwargs) -> Outcome[R]:
        """Return the object with its text, finish reason, usage and attempts; a failure is its `error`.

        Of Iterator[T], the value is the list of all items.
        """
        return run_coroutine(self._obtain_outcome((args, kwargs)))

    def stream(self, *args: P.args, **kwargs: P.kwargs) -> Iterator[Partial[R]]:
        """Yield what there is after each piece of text; the last one has the result.

        Errors: GenerationError as soon as a part that closes is refused by its type; there is one attempt.
        """
        return run_generator(self._spec.stream_partials(run_coroutine(self._make_source((args, kwargs)))))

    @overload
    def batch(self, calls: Iterable[Any], *, errors: Literal["raise"] = "raise") -> list[R]: ...
    @overload
    def batch(self, calls: Iterable[Any], *, errors: Literal["return"]) -> list[R | GenerationError]: ...
    def batch(self, calls: Iterable[Any], *, errors: str = "raise") -> Any:
        """Return the objects of many calls, in order, written together.

        A call is its one argument, or a tuple of arguments, or a dict of named ones. `errors`: "raise" the
        first error once all are done, or "return" errors in the places of objects.
        """
        outcomes = run_coroutine(self._obtain_outcomes(self._read_calls(calls)))
        for outcome in outcomes:
            self._spec.warn_if_shortened(outcome.result)
        if errors == "return":
            return [outcome.error if outcome.error is not None else outcome.value for outcome in outcomes]
        return [outcome.value for outcome in outcomes]

    def score(self, pairs: AnyPairs) -> ScoreTable:
        """Return how many fields are right of the calls of some pairs, a table: by field, and by pair, with
        its object or its error. `pairs` are those of `examples=`. A call that fails has no field right.
        Progress is told on standard error."""
        return run_coroutine(self._score_pairs(pairs))

    def fit(
        self,
        pairs: AnyPairs,
        *,
        error: float | None = None,
        held_out: float = 0.5,
        seed: int = 0,
    ) -> Fitted[Self]:
        """Return the function with the worked examples that do best, and a report. Half of the pairs are
        examples. On the others (`held_out`), which `seed` chooses, each candidate is scored: none, the first
        1, 2, 4, 8, and the 2 or 4 most like each question. The one with the fewest wrong fields is taken.

        `error`: the share of wrong answers that a person allows among accepted ones. Half of the pairs that
        are held out then give each field the least confidence for it (`fitting` has the method).
        `.detailed(...)` tells what is `accepted`, and what is for `review`. Nothing is written to disk.
        Errors: OptionError for too few pairs, or where the model tells no confidences."""
        return run_coroutine(self._fit_pairs(pairs, error, held_out, seed))

    def prompt(self, *args: P.args, **kwargs: P.kwargs) -> str:
        """Return the prompt that a call would send, as text, the outline and the chat template applied."""
        return run_coroutine(self._make_prompt((args, kwargs)))

    # of the two overloads, which meet in functions without parameters, the first is meant
    @overload
    def sample(  # type: ignore[overload-overlap]
        self: TypedFunction[[], R], n: int, **options: Unpack[TypedSampleOptions]
    ) -> Samples[R]: ...
    @overload
    def sample(self, n: int, **options: Unpack[TypedSampleOptions]) -> Sampler[P, Samples[R]]: ...
    def sample(self, n: int, **options: Any) -> Any:
        """Return draws from the model's own distribution, given that the type accepts the document.

        Of a function without parameters these are the draws: `verdict.sample(100)`. Of any other it is what
        takes the arguments: `person.sample(100, method="cars")("Ada Lovelace, 36")`. So no option of the
        sampler can be taken for a parameter of the function. The options are those of `sg.sample`, but for
        what is said of the model; `max_tokens` is by default that of a call. The decorator's `sampling` is of
        calls, and not used here.

        Errors: those of `sg.sample`; UnsupportedError for a model on a server, whose distribution cannot be
        asked for, for `Iterator[T]`, and for free text.
        """
        return self._make_sampler(lambda *call: run_coroutine(self._draw_samples(*call)), n, options)

    @overload
    def __get__(self, instance: None, owner: type) -> TypedFunction[P, R]: ...
    @overload
    def __get__(
        self: TypedFunction[Concatenate[S, Q], R], instance: S, owner: type | None = None
    ) -> TypedFunction[Q, R]: ...
    def __get__(self, instance: object, owner: type | None = None) -> Any:
        """Return the method of an instance."""
        return self._bind_to(instance)


class AsyncTypedFunction(_FunctionBase[P, R]):
    """A coroutine function that a model answers. Made by `sg.generate`."""

    async def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Return the object, as `TypedFunction.__call__` does; other calls share its batches."""
        return cast("R", await self._obtain_value((args, kwargs)))

    async def detailed(self, *args: P.args, **kwargs: P.kwargs) -> Outcome[R]:
        """Return the object with its text, finish reason, usage and attempts; a failure is its `error`."""
        return await self._obtain_outcome((args, kwargs))

    async def stream(self, *args: P.args, **kwargs: P.kwargs) -> AsyncIterator[Partial[R]]:
        """Yield what there is after each piece of text; the last one has the result."""
        source = await self._make_source((args, kwargs))
        async with aclosing(self._spec.stream_partials(source)) as partials:
            async for partial in partials:
                yield partial

    async def batch(self, calls: Iterable[Any]) -> list[R]:
        """Return the objects of many calls, in order; calls are as in `TypedFunction.batch`."""
        read_calls = self._read_calls(calls)
        values = (self(*arguments, **keywords) for arguments, keywords in read_calls)
        return list(await asyncio.gather(*values))

    async def score(self, pairs: AnyPairs) -> ScoreTable:
        """Return how many fields are right, as `TypedFunction.score` does."""
        return await self._score_pairs(pairs)

    async def fit(
        self,
        pairs: AnyPairs,
        *,
        error: float | None = None,
        held_out: float = 0.5,
        seed: int = 0,
    ) -> Fitted[Self]:
        """Return the function with the worked examples that do best, as `TypedFunction.fit` does."""
        return await self._fit_pairs(pairs, error, held_out, seed)

    async def prompt(self, *args: P.args, **kwargs: P.kwargs) -> str:
        """Return the prompt that a call would send, as text."""
        return await self._make_prompt((args, kwargs))

    @overload
    def sample(  # type: ignore[overload-overlap]
        self: AsyncTypedFunction[[], R], n: int, **options: Unpack[TypedSampleOptions]
    ) -> Coroutine[Any, Any, Samples[R]]: ...
    @overload
    def sample(
        self, n: int, **options: Unpack[TypedSampleOptions]
    ) -> Sampler[P, Coroutine[Any, Any, Samples[R]]]: ...
    def sample(self, n: int, **options: Any) -> Any:
        """Return what gives draws once it is awaited, as `TypedFunction.sample` does: `await size.sample(9)`,
        or `await size.sample(9)("Ada")`. The draws are made in a thread."""
        return self._make_sampler(self._draw_samples, n, options)

    @overload
    def __get__(self, instance: None, owner: type) -> AsyncTypedFunction[P, R]: ...
    @overload
    def __get__(
        self: AsyncTypedFunction[Concatenate[S, Q], R], instance: S, owner: type | None = None
    ) -> AsyncTypedFunction[Q, R]: ...
    def __get__(self, instance: object, owner: type | None = None) -> Any:
        """Return the method of an instance."""
        return self._bind_to(instance)


__all__ = ["AsyncTypedFunction", "FilledPrompt", "TypedFunction"]
