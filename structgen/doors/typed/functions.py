"""What the decorator makes of a function: something to call, to stream from, to ask in batches.

One core of coroutines asks; functions without an event loop have its results by `waiting.now` and `each`.
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
    GenerationError,
    NotStatedError,
    OptionError,
    ShortenedWarning,
    StructgenError,
    UnsupportedError,
    ValidatorError,
    options_named,
    warning_level,
    within,
)
from structgen.base.json_text.exact_json import read as read_json
from structgen.base.language.checks import number, whole
from structgen.base.system.progress import progress
from structgen.base.system.telemetry import CallSpan, call_span
from structgen.decoding.engine.requests import FinishReason, Result, Usage
from structgen.decoding.engine.searches.confidence import confidences_of, probabilities_of
from structgen.doors.typed.local import Local
from structgen.doors.typed.options import NAMED_ELSEWHERE, FunctionOptions, TypedOptions
from structgen.doors.typed.outcomes import Outcome
from structgen.doors.typed.partial import Partial, Progress, progress_of
from structgen.doors.typed.prompts import (
    AskedText,
    PromptSource,
    Template,
    not_asked,
    source_of,
    stated_of,
    wanted_of,
)
from structgen.doors.typed.typed_draws import Sampler, check_names, drawn
from structgen.doors.typed.waiting import each, now
from structgen.doors.typed.wanted_forms import WantedForm, WantedText, failed
from structgen.doors.typed.worked.fitting import FieldThreshold, Fitted, fitted
from structgen.doors.typed.worked.scores import ScoredPair, ScoreTable, accepted, scored_pair
from structgen.doors.typed.worked.worked_examples import Examples, Spelling, WrittenValue, written_pairs
from structgen.doors.typed.wrapping import unwrapped
from structgen.doors.typed.writers import Writer

if TYPE_CHECKING:
    from typing import Self

    from structgen.decoding.samplers.sample import TypedSampleOptions
    from structgen.decoding.samplers.samples import Samples

MOST_TOGETHER = 32
"""Calls that are written together where pairs are scored."""
AnyPairs: TypeAlias = Iterable[tuple[Any, Any]] | Path
P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")
S = TypeVar("S")


@dataclass(eq=False)
class Asking:
    """What is asked of a model, by a function or by one call: its form, its model and its options."""

    name: str
    """Of the function, for errors and warnings."""
    read_form: Callable[[], WantedForm]
    model: Callable[[], Writer]
    options: TypedOptions
    waits: bool
    """Whether the caller waits in an event loop."""
    function: Any = None
    template: Template | None = None
    """Of the docstring of a function."""
    has_warned: bool = False
    least: Mapping[str, float] = field(default_factory=dict)
    """The least confidence of a field that is accepted, where the function was fitted to an error."""
    changed: Callable[[Mapping[str, Any]], Asking] | None = None
    """Of a function: returns what it asks under other options."""

    @cached_property
    def form(self) -> WantedForm:
        """What is wanted; read at the first call where its names were not known before."""
        try:
            return self.read_form()
        except NameError as error:
            raise UnsupportedError(
                f"{self.name} returns a type in which {error.name!r} is not defined.",
                keyword="type",
                where="return",
                cure="Define it at the top of the module, before the first call.",
            ) from error

    @cached_property
    def wanted(self) -> WantedText:
        """What the model is asked for."""
        return WantedText(self.form, self.options, self.waits, self.name)

    @cached_property
    def examples(self) -> list[WrittenValue]:
        """What the model shall write for the values of the examples. Errors: OptionError for one that is none
        of what is wanted."""
        return written_pairs(self.form, self.options.examples)

    async def _writer(self) -> Writer:
        """Return the model; for one call in an event loop it is loaded in a thread."""
        is_apart = self.waits and self.function is None
        return await asyncio.to_thread(self.model) if is_apart else self.model()

    async def result(self, source: PromptSource, *, detailed: bool = False) -> Any:
        """Return the object; with `detailed`, its outcome."""
        writer = await self._writer()
        outcome = await obtained(writer, self.wanted, source, detailed=detailed)
        if detailed:
            least = self.least
            return (
                replace(outcome, accepted=accepted(outcome, Spelling(self.form), least)) if least else outcome
            )
        self.warn_if_shortened(outcome.result)
        return outcome.value

    async def partials(
        self, source: PromptSource, document: Progress | None = None, *, detailed: bool = False
    ) -> AsyncGenerator[Partial[Any], None]:
        """Yield what there is after each piece of text; the last partial has the outcome. There is one
        attempt. `document` follows the text, where its items are handed out.

        Errors: GenerationError as soon as a part that closes is refused by its type, and at the end. With
        `detailed` the outcome has it, and the partials end before it.
        """
        writer, wanted = await self._writer(), self.wanted
        if document is not None:
            wanted = replace(wanted, waits=self.waits or self.form.asynchronous)
        progress = document or progress_of(self.form, functools.partial(writer.read, wanted))
        ended, is_refused = list[Result](), False
        try:
            held = wanted_of(wanted, source)
        except NotStatedError as error:
            if not detailed:
                raise
            yield Partial(progress, judged(self.form, not_asked(error), 1, None))
            return
        with span_of(writer, held, source, is_stream=True) as span:
            async with aclosing(span.around(writer.stream(held, source, ended.append))) as pieces:
                async for piece in pieces:
                    if is_refused:
                        continue
                    try:
                        partial = progress.add(piece)
                    except GenerationError:
                        if not detailed:
                            raise
                        is_refused = True
                    else:
                        yield partial
            outcome = judged(self.form, ended[0], 1, None)
            tell(span, outcome)
        if detailed:
            outcome = with_details(outcome, writer, wanted, source)
        else:
            self.warn_if_shortened(ended[0])
            _ = outcome.value  # its error is raised here
        yield Partial(progress, outcome)

    async def items(self, source: PromptSource) -> AsyncGenerator[Any, None]:
        """Yield the items of a list as they close."""
        document, known = progress_of(self.form), 0
        async with aclosing(self.partials(source, document)) as partials:
            async for _ in partials:
                items, known = document.closed_items(known)
                for item in items:
                    yield item

    def warn_if_shortened(self, result: Result) -> None:
        """Warn, once for the function, whoever gets a value alone of a text that its budget shortened. The
        warning names the first caller outside of this package."""
        if self.has_warned or result.error is not None:
            return  # the error tells more
        told, bound = list[str](), self.model().bound
        if result.usage.outline:
            cure = "Shorten the prompt, or lower max_tokens=; outline=False leaves the outline out."
            told.append(f"{result.usage.outline} {cure}")
        cure = f"Raise {bound}=; `finish_reason` of a detailed result says whether it is enough."
        match result.finish_reason:
            case FinishReason.STEERED:
                told.append(f"The document was closed early, so that it ends within {bound}. {cure}")
            case FinishReason.MAX_TOKENS:
                told.append(f"The text was cut off at {bound}. {cure}")
            case FinishReason.REPETITION:
                cure = (
                    "`usage.closed` of a detailed result tells it; sg.Sampling(repetition=None) closes none."
                )
                closed = "; ".join(result.usage.closed)
                told.append(f"The document has a value that was closed early: {closed}. {cure}")
        for text in told:
            warnings.warn(ShortenedWarning(f"{self.name}: {text}"), stacklevel=warning_level())
        self.has_warned = bool(told)


def judged(form: WantedForm, tried: Result, attempts: int, best: GenerationError | None) -> Outcome[Any]:
    """Return an attempt's outcome: its object, or the error of the best attempt so far."""
    tried = form.said(tried)
    if isinstance(tried.error, NotStatedError):
        return Outcome(tried, 0, tried.error, None)
    if tried.error is not None and not isinstance(tried.error, ValidatorError):
        error = failed(tried.error.what, tried.text, attempts, tried.error.where, tried.error.cure)
        error.__cause__ = tried.error
        return Outcome(tried, attempts, error, None)
    try:
        if tried.error is not None:
            raise tried.error
        return Outcome(tried, attempts, None, form.read(tried))
    except ValidatorError as refusal:
        error = failed(refusal.what, tried.text, attempts, refusal.where)
        error.__cause__ = refusal
        known = getattr(best, "__cause__", None)
        if best is not None and isinstance(known, ValidatorError) and known.count <= refusal.count:
            error = failed(best.what, best.text, attempts, best.where)
            error.__cause__ = known
        return Outcome(tried, attempts, error, None)


def span_of(writer: Writer, wanted: WantedText, source: PromptSource, *, is_stream: bool = False) -> CallSpan:
    """Return the span of a call that begins now."""
    how, form = wanted.options, wanted.form
    span = call_span(
        "chat",
        writer.name,
        {
            "gen_ai.output.type": "text" if form.grammar is None else "json" if form.schema else None,
            "gen_ai.request.max_tokens": how.max_tokens,
            "gen_ai.request.temperature": how.sampling.temperature,
            "gen_ai.request.top_p": how.sampling.top_p,
            "gen_ai.request.seed": how.sampling.seed,
            "gen_ai.request.stream": is_stream or None,
            "code.function.name": wanted.name or None,
            **getattr(writer, "traced", {}),
        },
        "CLIENT" if writer.kind == "server" else "INTERNAL",
    )
    span.asked(source.prompt)
    return span


def tell(span: CallSpan, outcome: Outcome[Any]) -> None:
    """Have a span tell what became of its call."""
    if span.is_open:
        span.set({"structgen.attempts": outcome.attempts})
        span.answered(outcome.usage, [(outcome.text, outcome.finish_reason.value)], outcome.error)


async def obtained(
    writer: Writer,
    wanted: WantedText,
    source: PromptSource,
    first: Result | None = None,
    *,
    detailed: bool = False,
    begun: CallSpan | None = None,
) -> Outcome[Any]:
    """Return the outcome of a call: attempts until an object comes of one. A later one is asked with the
    refused answer and what the validators said. `first` is an attempt that was made. `detailed`: whether the
    outcome also tells its prompt, which is made again, and how sure an engine's model was. `begun`: the span
    of the call, where it has begun."""
    form, options = wanted.form, wanted.options
    best: GenerationError | None = None
    usages = list[Usage]()
    with begun or span_of(writer, wanted, source) as span, span.current():
        for attempt in range(options.attempts):
            tried = first
            if attempt or tried is None:
                (tried,) = await written(writer, wanted, [source], attempt)
            usages.append(tried.usage)
            outcome = judged(form, tried, attempt + 1, best)
            best = outcome.error
            refusal = getattr(best, "__cause__", None)
            if not isinstance(refusal, ValidatorError):
                break
            if attempt + 1 < options.attempts:
                source = replace(source, refused=(tried.text, str(refusal)))
        outcome = replace(outcome, usages=tuple(usages))
        tell(span, outcome)
    return with_details(outcome, writer, wanted, source) if detailed else outcome


async def written(
    writer: Writer, wanted: WantedText, sources: Sequence[PromptSource], attempt: int = 0
) -> list[Result]:
    """Return a text for each source, written together. Where the texts of a prompt do not state what is
    required, the model is not asked, and the result is an error."""
    asked, results = list[AskedText](), list[Result | None]()
    for source in sources:
        try:
            asked.append(AskedText(wanted_of(wanted, source), source))
            results.append(None)
        except NotStatedError as error:
            results.append(not_asked(error))
    texts = iter(await writer.write(asked, attempt) if asked else ())
    return [next(texts) if result is None else result for result in results]


def with_evidence(outcome: Outcome[Any], form: WantedForm, stated: StatedText) -> Outcome[Any]:
    """Return an outcome that tells where texts state the values of its document."""
    # start-up: few answers are grounded
    from structgen.asking.grounding.evidence import evidence_of

    text = outcome.text
    document = text if form.is_said else read_json(unwrapped(text) if form.is_wrapped else text)
    return replace(outcome, evidence=evidence_of(document, stated))


def with_details(
    outcome: Outcome[Any], writer: Writer, wanted: WantedText, source: PromptSource
) -> Outcome[Any]:
    """Return an outcome that also tells its prompt, which is made again, and how sure an engine's model
    was."""
    if isinstance(outcome.error, NotStatedError):
        return outcome
    wanted = wanted_of(wanted, source, is_again=True)
    form, prompt = wanted.form, writer.prompt(wanted, source)
    if form.whole is not None and outcome.error is None:
        outcome = with_evidence(outcome, form, stated_of(wanted, source))
    if not isinstance(writer, Local) or wanted.options.sampling.strategies or outcome.reply is not None:
        return replace(outcome, prompt=prompt)
    result, tokenizer = outcome.result, writer.engine.tokenizer
    return replace(
        outcome,
        probabilities=probabilities_of(result, form.grammar),
        confidences=confidences_of(result, form.grammar, tokenizer, form.holder),
        prompt=prompt,
    )


class _Common(Generic[P, R]):
    """What synchronous and asynchronous functions share."""

    def __init__(self, asked: Asking, bound: tuple[object, ...] = ()) -> None:
        self._asked, self._bound = asked, bound
        self._examples: Examples | None = None
        """Those that stand before its questions, once they are made."""
        functools.update_wrapper(cast("Callable[..., Any]", self), asked.function)
        signature = inspect.signature(asked.function)
        parameters = list(signature.parameters.values())[len(bound) :]
        self.__signature__ = signature.replace(parameters=parameters)
        self._whole = signature
        self._parameters = parameters
        self._said = f"{asked.name}{self.__signature__}"

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._said}>"

    def __reduce__(self) -> Any:
        """Pickle by name, as Python's functions are: whoever loads it imports the module. A method's instance
        goes along. Raises PicklingError for a function inside another one; so does `pickle` for one that its
        module does not have under its name."""
        function = self._asked.function
        if self._bound:
            return getattr, (self._bound[0], function.__name__)
        if "<locals>" in function.__qualname__:
            raise pickle.PicklingError(
                f"{function.__qualname__} cannot be pickled. Define it at the top of a module."
            )
        return function.__qualname__

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON Schema of the documents, a copy; {} where the text is free."""
        return copy.deepcopy(self._asked.form.schema) or {}

    @property
    def lost(self) -> tuple[str, ...]:
        """The guarantees that are lost because of where the model runs: () for an engine of this process."""
        return self._asked.model().lost

    @options_named("using(target=int)", NAMED_ELSEWHERE, "using", FunctionOptions)
    def using(self, **changes: Unpack[FunctionOptions]) -> Self:
        """Return the function with other options of `sg.generate`, those that are not given as they were. So
        a call may have a type, or tools, that exist only now. For type checkers it returns what its
        annotation says.

        `target`: any target of `sg.run`; None for the annotation. Errors: those of `sg.generate`. Cost: that
        of reading the type and the tools.
        """
        assert self._asked.changed is not None, "it asks for a function"
        return type(self)(self._asked.changed(changes), self._bound)

    def _of(self, instance: object) -> _Common[Any, R]:
        """Return the method of an instance; the function itself, asked of its class."""
        return self if instance is None else type(self)(self._asked, (instance,))

    # --- the core -------------------------------------------------------------------------------------------

    async def _source(self, call: Call) -> PromptSource:
        """Return the source of a call, with its examples."""
        source = await self._filled(call)
        pairs = self._asked.options.examples
        if not pairs:
            return source
        if self._examples is None:
            asked = []
            for pair in pairs:
                with within(pair.where):
                    asked.append(await self._filled(pair.call))
            documents = [example.document for example in self._asked.examples]
            self._examples = Examples(asked, documents, pairs.max_told)
        return self._examples.beside(source)

    async def _filled(self, call: Call) -> PromptSource:
        """Return the source of a call: what the body returns, or the docstring."""
        arguments, named = call
        try:
            returned = self._asked.function(*self._bound, *arguments, **named)
            if self._asked.waits:
                returned = await returned
        except FilledPrompt as filled:
            returned = filled.prompt
        bound = self._whole.bind(*self._bound, *arguments, **named)
        bound.apply_defaults()
        return source_of(returned, self._asked.template, bound.arguments)

    async def _value(self, call: Call) -> Any:
        """Return the object of a call, or the iterator of its items."""
        asked, source = self._asked, await self._source(call)
        if asked.form.items:
            items = asked.items(source)
            return items if asked.waits or asked.form.asynchronous else each(items)
        return await asked.result(source)

    async def _outcome(self, call: Call) -> Outcome[R]:
        outcome: Outcome[R] = await self._asked.result(await self._source(call), detailed=True)
        return outcome

    async def _prompt(self, call: Call) -> str:
        source = await self._source(call)
        return self._asked.model().prompt(self._asked.wanted, source)

    async def _draws(self, how: Mapping[str, Any], call: Call) -> Samples[R]:
        asked, source = self._asked, await self._source(call)
        given = asked.model(), asked.wanted, source, how
        return await asyncio.to_thread(drawn, *given) if asked.waits else drawn(*given)

    async def _together(self, calls: Sequence[Call], *, detailed: bool = False) -> list[Outcome[R]]:
        """Return the outcomes of calls that are written together."""
        asked = self._asked
        sources = [await self._source(call) for call in calls]
        writer, wanted = asked.model(), asked.wanted
        outcomes = list[Outcome[R]]()
        with ExitStack() as spans:
            begun = [spans.enter_context(span_of(writer, wanted, source)) for source in sources]
            firsts = await written(writer, wanted, sources)
            for span, source, first in zip(begun, sources, firsts, strict=True):
                outcomes.append(await obtained(writer, wanted, source, first, detailed=detailed, begun=span))
        return outcomes

    async def _each_tried(self, calls: Sequence[Call]) -> list[Outcome[R] | StructgenError]:
        """Return the outcomes of calls; where one cannot be asked, its error."""
        try:
            return [*await self._together(calls, detailed=True)]
        except StructgenError as error:
            if len(calls) == 1:
                return [error]
        return [outcome for call in calls for outcome in await self._each_tried([call])]

    async def _scored(self, pairs: Any) -> ScoreTable:
        """Return what `score` returns, in an event loop too."""
        pairs = self._pairs(pairs)
        spelling, wanted = Spelling(self._asked.form), written_pairs(self._asked.form, pairs)
        scored = list[ScoredPair]()
        with progress("score", "pairs") as tell:
            for first in range(0, len(pairs), MOST_TOGETHER):
                calls = [pair.call for pair in pairs[first : first + MOST_TOGETHER]]
                for outcome in await self._each_tried(calls):
                    scored.append(scored_pair(wanted[len(scored)].value, spelling, outcome))
                tell(len(scored), len(pairs))
        return ScoreTable(scored)

    async def _fitted(self, pairs: Any, error: float | None, held_out: float, seed: int) -> Fitted[Self]:
        """Return what `fit` returns, in an event loop too. Errors: OptionError."""
        if error is not None:
            error = number("error", error, 1e-6, 0.999, "a share of wrong answers between 0 and 1")
            if not isinstance(self._asked.model(), Local):
                what = "This model tells nothing of how sure it is."
                raise OptionError(what, where="error", cure="Leave it out, or ask an engine.")
        held_out = number("held_out", held_out, 0.0, 1.0, "a share of the pairs from 0 to 1")
        return await fitted(self, self._pairs(pairs), error, held_out, whole("seed", seed, 0))

    def _pairs(self, given: Any) -> Pairs:
        """Return pairs of this function's arguments and values. Errors: OptionError."""
        pairs = read_pairs(given, "pairs")
        if not pairs:
            raise OptionError("There are no pairs.", where="pairs", cure="Give at least one.")
        check_calls(pairs, self.__signature__)
        return pairs

    def _accepting(self, thresholds: Mapping[str, FieldThreshold]) -> Self:
        """Return the function, whose outcomes accept what reaches these thresholds."""
        least = {name: of.threshold for name, of in thresholds.items() if of.threshold is not None}
        return type(self)(replace(self._asked, least=least), self._bound)

    def _sampler(self, draws: Callable[..., Any], n: int, options: Mapping[str, Any]) -> Any:
        """Return what draws, or, of a function without parameters, what it returns."""
        check_names(options)
        how = {**options, "n": n}
        sampler: Sampler[..., Any] = Sampler(lambda *args, **kwargs: draws(how, (args, kwargs)), self._said)
        return sampler if self._parameters else sampler()

    @staticmethod
    def _calls_of(calls: Iterable[Any]) -> list[Call]:
        """Return the calls of a batch. Errors: OptionError for what is one call, or no iterable."""
        single = isinstance(calls, str | bytes | bytearray | Mapping)
        if single or not isinstance(calls, Iterable):
            raise OptionError(
                f"A {type(calls).__name__} is {'one call' if single else 'no list'}: batch takes many calls.",
                where="calls",
                cure="Write batch([call]), with one item for each call.",
            )
        return [call_of(call) for call in calls]


class FilledPrompt(Exception):
    """Raised by `sg.filled()`, and caught by the decorator: the prompt that was given, if any."""

    def __init__(self, prompt: object = None) -> None:
        super().__init__("sg.filled() stands in the body of a function that sg.generate decorates.")
        self.prompt = prompt


class TypedFunction(_Common[P, R]):
    """A function that a model answers. Made by `sg.generate`."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Return the object; where the annotation is Iterator[T], items as they close.

        Errors: GenerationError, with the text so far, where the engine failed or the type's validators
        refused every attempt; OptionError for a prompt that cannot be made; BudgetError where no document
        fits.
        """
        return cast("R", now(self._value((args, kwargs))))

    def detailed(self, *args: P.args, **kwargs: P.kwargs) -> Outcome[R]:
        """Return the object with its text, finish reason, usage and attempts; a failure is its `error`.

        Of Iterator[T], the value is the list of all items.
        """
        return now(self._outcome((args, kwargs)))

    def stream(self, *args: P.args, **kwargs: P.kwargs) -> Iterator[Partial[R]]:
        """Yield what there is after each piece of text; the last one has the result.

        Errors: GenerationError as soon as a part that closes is refused by its type; there is one attempt.
        """
        return each(self._asked.partials(now(self._source((args, kwargs)))))

    @overload
    def batch(self, calls: Iterable[Any], *, errors: Literal["raise"] = "raise") -> list[R]: ...
    @overload
    def batch(self, calls: Iterable[Any], *, errors: Literal["return"]) -> list[R | GenerationError]: ...
    def batch(self, calls: Iterable[Any], *, errors: str = "raise") -> Any:
        """Return the objects of many calls, in order, written together.

        A call is its one argument, or a tuple of arguments, or a dict of named ones. `errors`: "raise" the
        first error once all are done, or "return" errors in the places of objects.
        """
        outcomes = now(self._together(self._calls_of(calls)))
        for outcome in outcomes:
            self._asked.warn_if_shortened(outcome.result)
        if errors == "return":
            return [outcome.error if outcome.error is not None else outcome.value for outcome in outcomes]
        return [outcome.value for outcome in outcomes]

    def score(self, pairs: AnyPairs) -> ScoreTable:
        """Return how many fields are right of the calls of some pairs, a table: by field, and by pair, with
        its object or its error. `pairs` are those of `examples=`. A call that fails has no field right.
        Progress is told on standard error."""
        return now(self._scored(pairs))

    def fit(
        self, pairs: AnyPairs, *, error: float | None = None, held_out: float = 0.5, seed: int = 0
    ) -> Fitted[Self]:
        """Return the function with the worked examples that do best, and a report. Half of the pairs are
        examples. On the others (`held_out`), which `seed` chooses, each candidate is scored: none, the first
        1, 2, 4, 8, and the 2 or 4 most like each question. The one with the fewest wrong fields is taken.

        `error`: the share of wrong answers that a person allows among accepted ones. Half of the pairs that
        are held out then give each field the least confidence for it (`fitting` has the method).
        `.detailed(...)` tells what is `accepted`, and what is for `review`. Nothing is written to disk.
        Errors: OptionError for too few pairs, or where the model tells no confidences."""
        return now(self._fitted(pairs, error, held_out, seed))

    def prompt(self, *args: P.args, **kwargs: P.kwargs) -> str:
        """Return the prompt that a call would send, as text, the outline and the chat template applied."""
        return now(self._prompt((args, kwargs)))

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
        return self._sampler(lambda *call: now(self._draws(*call)), n, options)

    @overload
    def __get__(self, instance: None, owner: type) -> TypedFunction[P, R]: ...
    @overload
    def __get__(
        self: TypedFunction[Concatenate[S, Q], R], instance: S, owner: type | None = None
    ) -> TypedFunction[Q, R]: ...
    def __get__(self, instance: object, owner: type | None = None) -> Any:
        """Return the method of an instance."""
        return self._of(instance)


class AsyncTypedFunction(_Common[P, R]):
    """A coroutine function that a model answers. Made by `sg.generate`."""

    async def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Return the object, as `TypedFunction.__call__` does; other calls share its batches."""
        return cast("R", await self._value((args, kwargs)))

    async def detailed(self, *args: P.args, **kwargs: P.kwargs) -> Outcome[R]:
        """Return the object with its text, finish reason, usage and attempts; a failure is its `error`."""
        return await self._outcome((args, kwargs))

    async def stream(self, *args: P.args, **kwargs: P.kwargs) -> AsyncIterator[Partial[R]]:
        """Yield what there is after each piece of text; the last one has the result."""
        source = await self._source((args, kwargs))
        async with aclosing(self._asked.partials(source)) as partials:
            async for partial in partials:
                yield partial

    async def batch(self, calls: Iterable[Any]) -> list[R]:
        """Return the objects of many calls, in order; calls are as in `TypedFunction.batch`."""
        prepared = self._calls_of(calls)
        return list(await asyncio.gather(*(self(*args, **named) for args, named in prepared)))

    async def score(self, pairs: AnyPairs) -> ScoreTable:
        """Return how many fields are right, as `TypedFunction.score` does."""
        return await self._scored(pairs)

    async def fit(
        self, pairs: AnyPairs, *, error: float | None = None, held_out: float = 0.5, seed: int = 0
    ) -> Fitted[Self]:
        """Return the function with the worked examples that do best, as `TypedFunction.fit` does."""
        return await self._fitted(pairs, error, held_out, seed)

    async def prompt(self, *args: P.args, **kwargs: P.kwargs) -> str:
        """Return the prompt that a call would send, as text."""
        return await self._prompt((args, kwargs))

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
        return self._sampler(self._draws, n, options)

    @overload
    def __get__(self, instance: None, owner: type) -> AsyncTypedFunction[P, R]: ...
    @overload
    def __get__(
        self: AsyncTypedFunction[Concatenate[S, Q], R], instance: S, owner: type | None = None
    ) -> AsyncTypedFunction[Q, R]: ...
    def __get__(self, instance: object, owner: type | None = None) -> Any:
        """Return the method of an instance."""
        return self._of(instance)


__all__ = ["AsyncTypedFunction", "FilledPrompt", "TypedFunction"]
