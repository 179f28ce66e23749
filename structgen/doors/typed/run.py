"""`sg.run` and `sg.arun`: one call without a function."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Coroutine, Iterator
from typing import TYPE_CHECKING, Any, Unpack, cast

from structgen.asking.request_reading.example_pairs import Pair
from structgen.asking.tool_calls.tool_replies import Reply
from structgen.base.errors import OptionError, options_named, prefix_place, warning_level
from structgen.base.language import checks
from structgen.doors.typed.functions import CallSpec
from structgen.doors.typed.options import NAMED_ELSEWHERE, OPTION_DEFAULTS, TARGETS
from structgen.doors.typed.outcomes import Outcome
from structgen.doors.typed.partial import Partial
from structgen.doors.typed.prompts import PromptSource, source_of_prompt
from structgen.doors.typed.signatures.call_options import CallOptions
from structgen.doors.typed.waiting import AsyncStream, run_coroutine, run_generator
from structgen.doors.typed.worked.worked_examples import Examples
from structgen.doors.typed.writers import Preparation

if TYPE_CHECKING:
    from structgen.asking.tool_calls.tool_definitions import Tools
    from structgen.doors.typed.signatures.run_calls import AnyModel, AsyncCalls, Calls, Prompt


_OTHER_NAMES = NAMED_ELSEWHERE | dict.fromkeys(TARGETS, "Pass it as the third argument, target")
_METHOD_NAMES = _OTHER_NAMES | dict.fromkeys(
    ("detailed", "stream"), "Leave it out: .stream(...) returns a stream, .detailed(...) an outcome"
)
_EXAMPLE = '("structgen/extract", "Ada is 36.", Person)'


def _ask_model(
    name: str,
    model: Any,
    prompt: Prompt,
    target: Any,
    tools: Any,
    options: Any,
    *,
    detailed: bool,
    is_stream: bool = False,
) -> Any:
    """Return what the public function `name` returns, `sg.run` or `sg.arun`: the object or, with `detailed`,
    its outcome; with `is_stream` the iterator of partials. For example, `sg.run` passes its own arguments on:
    `_ask_model("sg.run", model, prompt, target, tools, options, detailed=False)`. Errors: those of `run`."""
    preparation = Preparation(model, tools, options)
    form = preparation.read_form(Reply if target is None and tools is not None else target)
    if form.items:
        raise OptionError(
            "Single items are only available from a function.",
            where="target",
            cure="Use list[T], with sg.run.stream(...) for a part of it; or decorate a function.",
        )
    detailed, is_async = checks.check_switch("detailed", detailed), name == "sg.arun"
    spec = CallSpec(name, lambda: form, preparation.writer, preparation.options, is_async)
    source = source_of_prompt(prompt)
    if pairs := preparation.options.examples:
        documents = [example.document for example in spec.examples]
        examples = Examples([_prompt_of(pair) for pair in pairs], documents, pairs.max_told)
        source = examples.add_examples(source)
    if is_stream:
        partials = spec.stream_partials(source, detailed=detailed)
        return AsyncStream(partials) if is_async else run_generator(partials)
    answer = spec.write_result(source, detailed=detailed)
    return answer if is_async else run_coroutine(answer)


def _prompt_of(pair: Pair) -> PromptSource:
    """Return the source of an example's prompt. Errors: OptionError for what is no prompt."""
    arguments, keywords = pair.call
    if len(arguments) != 1 or keywords:
        cure = 'Write examples=[("Ada is 36.", Person(...)), ...].'
        raise OptionError("The call has no prompt.", where=pair.where, cure=cure)
    with prefix_place(pair.where):
        return source_of_prompt(*arguments)


def _read_old_options(name: str, detailed: bool | None, stream: bool | None) -> tuple[bool, bool]:
    """Return the options that are methods now, checked. Who gives one is warned.

    `name`: that of the public function, such as `sg.run`. Errors: OptionError for a value that is no bool.
    """
    is_detailed = checks.check_flag("detailed", detailed)
    is_stream = checks.check_flag("stream", stream)
    if (is_detailed, is_stream) != (None, None):
        method = "stream" if is_stream else "detailed" if is_detailed else ""
        cure = f"Call {name}.{method}(...)." if method else "Remove them."
        fault = f"The options detailed and stream of {name} will be removed in the next minor version."
        warnings.warn(f"{fault} {cure}", FutureWarning, stacklevel=warning_level())
    return bool(is_detailed), bool(is_stream)


def _attach_methods(**methods: Callable[..., Any]) -> Callable[[Any], Any]:
    """Return a decorator that makes functions attributes of a function. So `run.detailed` is a function as
    `run` is one: with a signature, a page of `help`, and a name by which it is pickled."""

    def decorate(function: Any) -> Any:
        for name, method in methods.items():
            method.__name__, method.__qualname__ = name, f"{function.__name__}.{name}"
            setattr(function, name, method)
        return function

    return decorate


@options_named(f"sg.run.detailed{_EXAMPLE}", _METHOD_NAMES, "sg.run.detailed", CallOptions, OPTION_DEFAULTS)
def _run_detailed(
    model: AnyModel,
    prompt: Prompt,
    target: Any = None,
    *,
    tools: Tools | None = None,
    **options: Unpack[CallOptions],
) -> Outcome[Any]:
    """Return an answer with its text, finish reason, usage, attempts and prompt; a failure is its `error`.

    The arguments are those of `sg.run`, and so are the errors for wrong ones.
    """
    return _ask_model("sg.run", model, prompt, target, tools, options, detailed=True)  # type: ignore[no-any-return]


@options_named(f"sg.run.stream{_EXAMPLE}", _METHOD_NAMES, "sg.run.stream", CallOptions, OPTION_DEFAULTS)
def _run_stream(
    model: AnyModel,
    prompt: Prompt,
    target: Any = None,
    *,
    tools: Tools | None = None,
    detailed: bool = False,
    **options: Unpack[CallOptions],
) -> Iterator[Partial[Any]]:
    """Return an iterator of `Partial`s: one after each piece of text. The last one has the `outcome` and the
    `result`. There is one attempt.

    The arguments are those of `sg.run`. `detailed`: whether the outcome is the one that `sg.run.detailed`
    returns, with its prompt and its error. Without it GenerationError is raised as soon as the type refuses a
    complete part. For example, `for partial in sg.run.stream(model, text, Person): print(partial.value)`.
    """
    return _ask_model("sg.run", model, prompt, target, tools, options, detailed=detailed, is_stream=True)  # type: ignore[no-any-return]


@cast("Callable[[object], Calls]", _attach_methods(detailed=_run_detailed, stream=_run_stream))
@options_named(f"sg.run{_EXAMPLE}", _OTHER_NAMES, options=CallOptions, defaults=OPTION_DEFAULTS)
def run(
    model: AnyModel,
    prompt: Prompt,
    target: Any = None,
    *,
    tools: Tools | None = None,
    detailed: bool | None = None,
    stream: bool | None = None,
    **options: Unpack[CallOptions],
) -> Any:
    """Return a model's answer to a prompt: an object of the target.

    `sg.run.detailed(...)` takes the same arguments and returns the answer's `Outcome`: its text, usage,
    prompt and error. `sg.run.stream(...)` returns an iterator of `Partial`s, one after each piece of text.
    The options `detailed` and `stream` do the same; they warn, and will be removed in the next minor version.

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
    that is not supported; those of a typed function's call.
    """
    is_detailed, is_stream = _read_old_options("sg.run", detailed, stream)
    return _ask_model(
        "sg.run", model, prompt, target, tools, options, detailed=is_detailed, is_stream=is_stream
    )


@options_named(
    f"await sg.arun.detailed{_EXAMPLE}", _METHOD_NAMES, "sg.arun.detailed", CallOptions, OPTION_DEFAULTS
)
def _arun_detailed(
    model: AnyModel,
    prompt: Prompt,
    target: Any = None,
    *,
    tools: Tools | None = None,
    **options: Unpack[CallOptions],
) -> Coroutine[Any, Any, Outcome[Any]]:
    """Return a coroutine of what `sg.run.detailed` returns, with the same arguments:
    `await sg.arun.detailed(model, prompt, target)`."""
    return _ask_model("sg.arun", model, prompt, target, tools, options, detailed=True)  # type: ignore[no-any-return]


@options_named(
    f"async for partial in sg.arun.stream{_EXAMPLE}",
    _METHOD_NAMES,
    "sg.arun.stream",
    CallOptions,
    OPTION_DEFAULTS,
)
def _arun_stream(
    model: AnyModel,
    prompt: Prompt,
    target: Any = None,
    *,
    tools: Tools | None = None,
    detailed: bool = False,
    **options: Unpack[CallOptions],
) -> AsyncStream[Partial[Any]]:
    """Return an asynchronous iterator of what `sg.run.stream` yields, with the same arguments:
    `async for partial in sg.arun.stream(model, prompt, target)`."""
    return _ask_model("sg.arun", model, prompt, target, tools, options, detailed=detailed, is_stream=True)  # type: ignore[no-any-return]


@cast("Callable[[object], AsyncCalls]", _attach_methods(detailed=_arun_detailed, stream=_arun_stream))
@options_named(f"await sg.arun{_EXAMPLE}", _OTHER_NAMES, options=CallOptions, defaults=OPTION_DEFAULTS)
def arun(
    model: AnyModel,
    prompt: Prompt,
    target: Any = None,
    *,
    tools: Tools | None = None,
    detailed: bool | None = None,
    stream: bool | None = None,
    **options: Unpack[CallOptions],
) -> Any:
    """Return a coroutine of what `sg.run` returns: `await sg.arun(model, prompt, target)`. Its methods are
    `await sg.arun.detailed(...)` and `async for partial in sg.arun.stream(...)`.

    The arguments are those of `sg.run`. Calls that wait at the same time share batches; a model by name is
    loaded in a thread. Errors: those of `sg.run`.
    """
    is_detailed, is_stream = _read_old_options("sg.arun", detailed, stream)
    return _ask_model(
        "sg.arun", model, prompt, target, tools, options, detailed=is_detailed, is_stream=is_stream
    )
