"""`sg.run` and `sg.arun`: one call without a function."""

from __future__ import annotations

from collections.abc import Coroutine, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Never, Required, TypeAlias, TypeVar, Unpack, overload

from structgen.asking.request_reading.example_pairs import Pair
from structgen.asking.tool_calls.tool_replies import Call, Reply
from structgen.base.errors import OptionError, options_named, prefix_place
from structgen.base.language import checks
from structgen.decoding.engine.model_prompts import Message
from structgen.doors.typed.functions import CallSpec
from structgen.doors.typed.infilled import Infilling
from structgen.doors.typed.options import NAMED_ELSEWHERE, OPTION_DEFAULTS, TARGETS, CallOptions
from structgen.doors.typed.outcomes import Outcome
from structgen.doors.typed.partial import Partial
from structgen.doors.typed.prompts import PromptSource, source_of_prompt
from structgen.doors.typed.servers import Server
from structgen.doors.typed.waiting import AsyncStream, run_coroutine, run_generator
from structgen.doors.typed.worked.worked_examples import Examples
from structgen.doors.typed.writers import Preparation

T = TypeVar("T")

if TYPE_CHECKING:
    from typing_extensions import TypeForm
    from typing_extensions import TypeVar as DefaultTypeVar

    from structgen.asking.request_reading.targets import AnyTarget, TextTarget
    from structgen.asking.tool_calls.tool_definitions import Tools
    from structgen.asking.tool_calls.tool_format import ToolFormat
    from structgen.base.language.wrong_arguments import ArgumentMissing, FineIf, NotAnOption, Wrong
    from structgen.decoding.engine.engine import Engine
    from structgen.decoding.engine.requests import Sampling
    from structgen.decoding.engine.strategies.strategy import Strategy
    from structgen.decoding.engine.thinking import Thinking
    from structgen.decoding.speculation.speculation_options import Speculation

    CoroutineOf: TypeAlias = Coroutine[Any, Any, T]
    C = DefaultTypeVar("C", Reply, list[Call], default=Reply)
    S = DefaultTypeVar("S", default=str)

AnyModel: TypeAlias = "str | Path | Engine | Infilling | Server"
Prompt: TypeAlias = str | Sequence[Message]
_OTHER_NAMES = NAMED_ELSEWHERE | dict.fromkeys(TARGETS, "Pass it as the third argument, target")


def _make_spec(
    name: str,
    model: Any,
    prompt: Prompt,
    target: Any,
    tools: Any,
    options: Any,
    *,
    is_async: bool,
) -> tuple[CallSpec, PromptSource]:
    """Return the specification of one call, and the source of its prompt. `name`: that of the public
    function, for warnings; `is_async`: whether the caller waits in an event loop. For example, `sg.run`
    passes its own arguments on: `_make_spec("sg.run", model, prompt, target, tools, options,
    is_async=False)`. Errors: those of `run`, but for a model's own."""
    preparation = Preparation(model, tools, options)
    form = preparation.read_form(Reply if target is None and tools is not None else target)
    if form.items:
        raise OptionError(
            "Items one by one come from a function.",
            where="target",
            cure="Ask for list[T], with stream=True for what there is of it; or decorate a function.",
        )
    spec = CallSpec(name, lambda: form, preparation.writer, preparation.options, is_async)
    source = source_of_prompt(prompt)
    if pairs := preparation.options.examples:
        documents = [example.document for example in spec.examples]
        examples = Examples([_prompt_of(pair) for pair in pairs], documents, pairs.max_told)
        source = examples.add_examples(source)
    return spec, source


def _prompt_of(pair: Pair) -> PromptSource:
    """Return the source of an example's prompt. Errors: OptionError for what is no prompt."""
    arguments, keywords = pair.call
    if len(arguments) != 1 or keywords:
        cure = 'Write examples=[("Ada is 36.", Person(...)), ...].'
        raise OptionError("It has no prompt.", where=pair.where, cure=cure)
    with prefix_place(pair.where):
        return source_of_prompt(*arguments)


class ObjectOptions(CallOptions, total=False):
    """The options of a call that returns the object."""

    detailed: Literal[False]
    stream: Literal[False]


class TextOptions(ObjectOptions, total=False):
    """The same, without tools."""

    tools: None


class ObjectToolOptions(ObjectOptions, total=False):
    """The same, perhaps with tools."""

    tools: Tools | None


class DetailedOptions(CallOptions, total=False):
    """The options of a call that returns the outcome."""

    detailed: Required[Literal[True]]
    stream: Literal[False]


class DetailedTextOptions(DetailedOptions, total=False):
    """The same, without tools."""

    tools: None


class DetailedToolOptions(DetailedOptions, total=False):
    """The same, perhaps with tools."""

    tools: Tools | None


class StreamOptions(CallOptions, total=False):
    """The options of a call that returns a stream."""

    detailed: bool
    stream: Required[Literal[True]]


class StreamTextOptions(StreamOptions, total=False):
    """The same, without tools."""

    tools: None


class StreamToolOptions(StreamOptions, total=False):
    """The same, perhaps with tools."""

    tools: Tools | None


# no target, or a pattern or a grammar: the text
@overload
def run(  # type: ignore[overload-overlap]
    model: AnyModel, prompt: Prompt, target: TextTarget | None = None, **options: Unpack[TextOptions]
) -> str: ...
@overload
def run(  # type: ignore[overload-overlap]
    model: AnyModel, prompt: Prompt, target: TextTarget | None = None, **options: Unpack[DetailedTextOptions]
) -> Outcome[str]: ...
@overload
def run(  # type: ignore[overload-overlap]
    model: AnyModel, prompt: Prompt, target: TextTarget | None = None, **options: Unpack[StreamTextOptions]
) -> Iterator[Partial[str]]: ...
# tools alone: a reply, or calls
@overload
def run(
    model: AnyModel,
    prompt: Prompt,
    target: type[C] | None = None,
    *,
    tools: Tools | None,
    **options: Unpack[ObjectOptions],
) -> C: ...
@overload
def run(
    model: AnyModel,
    prompt: Prompt,
    target: type[C] | None = None,
    *,
    tools: Tools | None,
    **options: Unpack[DetailedOptions],
) -> Outcome[C]: ...
@overload
def run(
    model: AnyModel,
    prompt: Prompt,
    target: type[C] | None = None,
    *,
    tools: Tools | None,
    **options: Unpack[StreamOptions],
) -> Iterator[Partial[C]]: ...
# a type beside tools: its object, or a call
@overload
def run(
    model: AnyModel,
    prompt: Prompt,
    target: type[S] | TextTarget,
    *,
    tools: Tools | None,
    **options: Unpack[ObjectOptions],
) -> S | Call: ...
@overload
def run(
    model: AnyModel,
    prompt: Prompt,
    target: type[S] | TextTarget,
    *,
    tools: Tools | None,
    **options: Unpack[DetailedOptions],
) -> Outcome[S | Call]: ...
@overload
def run(
    model: AnyModel,
    prompt: Prompt,
    target: type[S] | TextTarget,
    *,
    tools: Tools | None,
    **options: Unpack[StreamOptions],
) -> Iterator[Partial[S | Call]]: ...
# a form of a type, such as a union
@overload
def run(model: AnyModel, prompt: Prompt, target: TypeForm[T], **options: Unpack[ObjectToolOptions]) -> T: ...
@overload
def run(
    model: AnyModel, prompt: Prompt, target: TypeForm[T], **options: Unpack[DetailedToolOptions]
) -> Outcome[T]: ...
@overload
def run(
    model: AnyModel, prompt: Prompt, target: TypeForm[T], **options: Unpack[StreamToolOptions]
) -> Iterator[Partial[T]]: ...
# any other target, such as a JSON Schema
@overload
def run(model: AnyModel, prompt: Prompt, target: AnyTarget, **options: Unpack[ObjectToolOptions]) -> Any: ...
@overload
def run(
    model: AnyModel, prompt: Prompt, target: AnyTarget, **options: Unpack[DetailedToolOptions]
) -> Outcome[Any]: ...
@overload
def run(
    model: AnyModel, prompt: Prompt, target: AnyTarget, **options: Unpack[StreamToolOptions]
) -> Iterator[Partial[Any]]: ...
@overload  # takes no call: for messages about wrong ones
def run(
    model: FineIf[AnyModel, Never],
    prompt: Prompt | Wrong,
    target: TypeForm[Any] | TextTarget | AnyTarget | Wrong | None = None,
    *,
    tools: Tools | Wrong | None = None,
    detailed: Literal[True] | Wrong = ...,
    stream: Literal[True] | Wrong = ...,
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
    stop: str | Sequence[str] | Wrong = ...,
    continue_final_message: bool | Wrong | None = ...,
    grounded: bool | str | Mapping[str, str] | Wrong = ...,
    quotes: bool | Wrong = ...,
    missing: str | Wrong = ...,
    examples: Iterable[tuple[Any, Any]] | Path | Wrong | None = ...,
    tool_choice: Any | Wrong = ...,
    parallel: bool | int | Wrong | None = ...,
    tool_format: str | ToolFormat | Any | Wrong = ...,
    **unknown: NotAnOption,
) -> Any: ...
@overload
def run(model: ArgumentMissing, **options: Any) -> Any: ...
@options_named(  # type: ignore[misc]  # the last two overloads take what it refuses
    'sg.run("structgen/extract", "Ada is 36.", Person)',
    _OTHER_NAMES,
    options=CallOptions,
    defaults=OPTION_DEFAULTS,
)
def run(
    model: AnyModel,
    prompt: Prompt,
    target: Any = None,
    *,
    tools: Tools | None = None,
    detailed: bool = False,
    stream: bool = False,
    **options: Unpack[CallOptions],
) -> Any:
    """Return a model's answer to a prompt: an object of the target, or with `detailed` its `Outcome`. With
    `stream` it is an iterator of `Partial`s: one after each piece of text. The last partial has the `outcome`
    and the `result`.

    `target` is a type, a grammar, a pattern (`re.compile(...)`), a JSON Schema (dict or boolean), OpenAI's
    `response_format`, vLLM's `structured_outputs`, or None for free text (`request_reading.grammar_forms` has
    all accepted dicts). For a schema, the object is the value that `json.loads` returns, with an int wherever
    only integers are valid (also for `1.0` and `-0.0`). For other grammars, it is the text. The prompt is
    text or chat messages; the other options are those of `sg.generate`.

    With `tools` the result is an `sg.Reply`: texts, thoughts, and calls, whose arguments follow the tools'
    schemas and types. With any other target, it is an object of the target or a `Call`, whichever the model
    writes. A union says it itself: `Person | Call`, `Person | list[Call]`, `str | list[Call]`; `Call` and
    `list[Call]` require a call. structgen calls no tool. `tool_choice` and `parallel` are those of
    `sg.tools`; `tool_format` is the format of calls. Its default comes from the model's chat template, which
    also describes the tools to the model.

    Errors: OptionError for a target of unknown shape, or with unknown keys; UnsupportedError for a target
    that is not supported; those of a typed function's call. A stream makes one attempt. It raises
    GenerationError as soon as the type refuses a complete part; with `detailed` its outcome has the error.
    """
    spec, source = _make_spec("sg.run", model, prompt, target, tools, options, is_async=False)
    if checks.check_switch("stream", stream):
        return run_generator(spec.stream_partials(source, detailed=detailed))
    return run_coroutine(spec.write_result(source, detailed=detailed))


# no target, or a pattern or a grammar: the text
@overload
def arun(  # type: ignore[overload-overlap]
    model: AnyModel, prompt: Prompt, target: TextTarget | None = None, **options: Unpack[TextOptions]
) -> CoroutineOf[str]: ...
@overload
def arun(  # type: ignore[overload-overlap]
    model: AnyModel, prompt: Prompt, target: TextTarget | None = None, **options: Unpack[DetailedTextOptions]
) -> CoroutineOf[Outcome[str]]: ...
@overload
def arun(  # type: ignore[overload-overlap]
    model: AnyModel, prompt: Prompt, target: TextTarget | None = None, **options: Unpack[StreamTextOptions]
) -> AsyncStream[Partial[str]]: ...
# tools alone: a reply, or calls
@overload
def arun(
    model: AnyModel,
    prompt: Prompt,
    target: type[C] | None = None,
    *,
    tools: Tools | None,
    **options: Unpack[ObjectOptions],
) -> CoroutineOf[C]: ...
@overload
def arun(
    model: AnyModel,
    prompt: Prompt,
    target: type[C] | None = None,
    *,
    tools: Tools | None,
    **options: Unpack[DetailedOptions],
) -> CoroutineOf[Outcome[C]]: ...
@overload
def arun(
    model: AnyModel,
    prompt: Prompt,
    target: type[C] | None = None,
    *,
    tools: Tools | None,
    **options: Unpack[StreamOptions],
) -> AsyncStream[Partial[C]]: ...
# a type beside tools: its object, or a call
@overload
def arun(
    model: AnyModel,
    prompt: Prompt,
    target: type[S] | TextTarget,
    *,
    tools: Tools | None,
    **options: Unpack[ObjectOptions],
) -> CoroutineOf[S | Call]: ...
@overload
def arun(
    model: AnyModel,
    prompt: Prompt,
    target: type[S] | TextTarget,
    *,
    tools: Tools | None,
    **options: Unpack[DetailedOptions],
) -> CoroutineOf[Outcome[S | Call]]: ...
@overload
def arun(
    model: AnyModel,
    prompt: Prompt,
    target: type[S] | TextTarget,
    *,
    tools: Tools | None,
    **options: Unpack[StreamOptions],
) -> AsyncStream[Partial[S | Call]]: ...
# a form of a type, such as a union
@overload
def arun(
    model: AnyModel, prompt: Prompt, target: TypeForm[T], **options: Unpack[ObjectToolOptions]
) -> CoroutineOf[T]: ...
@overload
def arun(
    model: AnyModel, prompt: Prompt, target: TypeForm[T], **options: Unpack[DetailedToolOptions]
) -> CoroutineOf[Outcome[T]]: ...
@overload
def arun(
    model: AnyModel, prompt: Prompt, target: TypeForm[T], **options: Unpack[StreamToolOptions]
) -> AsyncStream[Partial[T]]: ...
# any other target, such as a JSON Schema
@overload
def arun(
    model: AnyModel, prompt: Prompt, target: AnyTarget, **options: Unpack[ObjectToolOptions]
) -> CoroutineOf[Any]: ...
@overload
def arun(
    model: AnyModel, prompt: Prompt, target: AnyTarget, **options: Unpack[DetailedToolOptions]
) -> CoroutineOf[Outcome[Any]]: ...
@overload
def arun(
    model: AnyModel, prompt: Prompt, target: AnyTarget, **options: Unpack[StreamToolOptions]
) -> AsyncStream[Partial[Any]]: ...
@overload  # takes no call: for messages about wrong ones
def arun(
    model: FineIf[AnyModel, Never],
    prompt: Prompt | Wrong,
    target: TypeForm[Any] | TextTarget | AnyTarget | Wrong | None = None,
    *,
    tools: Tools | Wrong | None = None,
    detailed: Literal[True] | Wrong = ...,
    stream: Literal[True] | Wrong = ...,
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
    stop: str | Sequence[str] | Wrong = ...,
    continue_final_message: bool | Wrong | None = ...,
    grounded: bool | str | Mapping[str, str] | Wrong = ...,
    quotes: bool | Wrong = ...,
    missing: str | Wrong = ...,
    examples: Iterable[tuple[Any, Any]] | Path | Wrong | None = ...,
    tool_choice: Any | Wrong = ...,
    parallel: bool | int | Wrong | None = ...,
    tool_format: str | ToolFormat | Any | Wrong = ...,
    **unknown: NotAnOption,
) -> Any: ...
@overload
def arun(model: ArgumentMissing, **options: Any) -> Any: ...
@options_named(  # type: ignore[misc]  # the last two overloads take what it refuses
    'await sg.arun("structgen/extract", "Ada is 36.", Person)',
    _OTHER_NAMES,
    options=CallOptions,
    defaults=OPTION_DEFAULTS,
)
def arun(
    model: AnyModel,
    prompt: Prompt,
    target: Any = None,
    *,
    tools: Tools | None = None,
    detailed: bool = False,
    stream: bool = False,
    **options: Unpack[CallOptions],
) -> Any:
    """Return a coroutine of what `sg.run` returns: `await sg.arun(model, prompt, target)`; with `stream`, an
    asynchronous iterator: `async for partial in sg.arun(..., stream=True)`.

    The arguments are those of `sg.run`. Calls that wait at the same time share batches; a model by name is
    loaded in a thread. Errors: those of `sg.run`.
    """
    spec, source = _make_spec("sg.arun", model, prompt, target, tools, options, is_async=True)
    if checks.check_switch("stream", stream):
        return AsyncStream(spec.stream_partials(source, detailed=detailed))
    return spec.write_result(source, detailed=detailed)
