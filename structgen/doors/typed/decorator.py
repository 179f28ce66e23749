"""`sg.generate` and `sg.filled`: a function with a return type, answered by a model."""

from __future__ import annotations

import inspect
import sys
import types
import typing
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, ParamSpec, Protocol, TypeVar, Unpack, overload

from structgen.asking.python_types.pydantic_formats import make_refusal
from structgen.asking.request_reading.example_pairs import check_calls
from structgen.base.errors import OptionError, options_named
from structgen.decoding.engine.model_prompts import Message
from structgen.doors.typed.functions import AsyncTypedFunction, CallSpec, FilledPrompt, TypedFunction
from structgen.doors.typed.infilled import Infilling, is_infilling, no_stream
from structgen.doors.typed.options import NAMED_ELSEWHERE, OPTION_DEFAULTS, TARGETS
from structgen.doors.typed.prompts import Template
from structgen.doors.typed.servers import Server
from structgen.doors.typed.signatures.call_options import CallOptions
from structgen.doors.typed.target_forms import TargetForm
from structgen.doors.typed.writers import Preparation

if TYPE_CHECKING:
    from structgen.asking.tool_calls.tool_definitions import Tools
    from structgen.decoding.engine.engine import Engine

P = ParamSpec("P")
R = TypeVar("R")


class Decorator(Protocol):
    """What `sg.generate(...)` returns."""

    # of the two overloads, which meet in coroutine functions, the first is meant
    @overload
    def __call__(  # type: ignore[overload-overlap]
        self, function: Callable[P, Coroutine[Any, Any, R]]
    ) -> AsyncTypedFunction[P, R]: ...
    @overload
    def __call__(self, function: Callable[P, R]) -> TypedFunction[P, R]: ...


def filled(prompt: str | Sequence[Message] | None = None) -> NoReturn:
    """Stand for the answer in a function's body: `return sg.filled()`, or with the prompt, text or messages,
    where the docstring is not it.

    Errors: it raises what the decorator catches; in a function that is not decorated, an exception that says
    so.
    """
    raise FilledPrompt(prompt)


@options_named(
    '@sg.generate(model="structgen/extract"), with the parentheses',
    NAMED_ELSEWHERE | dict.fromkeys(TARGETS, "Annotate the return type: `-> Person`; or write target="),
    options=CallOptions,
    defaults=OPTION_DEFAULTS,
)
def generate(
    *,
    model: str | Path | Engine | Infilling | Server,
    target: Any = None,
    tools: Tools | None = None,
    **options: Unpack[CallOptions],
) -> Decorator:
    """Return a decorator: the function's docstring is the prompt, its return annotation the result's type.

    model
        a name (`structgen/extract`), a folder that transformers reads, `openai:URL#NAME`, `ollama:NAME`,
        `anthropic:NAME`, an `sg.Server`, or an `sg.Engine`. A named model is loaded at the first call,
        and all functions of the process share it. A masked-diffusion model (`structgen/infill`, a folder of a
        known family, an `sg.Infilling`) fills the document in any order.
    target
        any target of `sg.run`, such as a grammar, a pattern or a JSON Schema, if the return annotation does
        not define the result. The annotation may then be the type of the value: `-> str`.
    tools
        the tools that the model may call, as `sg.tools` takes them. The function then returns `Person | Call`
        (an object of any type, or a call), `str | Call`, `Call`, the same with `list[Call]`, or `Reply`; a
        `target` is answered, or a call is written. structgen calls no tool. The chat template
        describes the tools to the model.
    tool_choice, parallel
        the tools that the model may or must call, and how often, as for `sg.tools`. By default a call is
        required if the type has no text, and several calls are allowed if the type can hold several.
    tool_format
        the format of calls, as `format` of `sg.tools`; the default comes from the model's chat template.
    sampling
        an `sg.Sampling`; by default greedy (temperature 0; with a strategy that draws, temperature 1).
    strategy
        a decoding strategy, such as `sg.strategies.Mirostat()` (docs/strategies.md). Not for servers or
        infilling.
    max_tokens
        the maximum number of tokens of a document, which is complete within this number; by default 512, or
        the rest of the context. With infilling: the slots of the canvas, by default 64.
    attempts
        how often the model is asked, if the type's own validators refuse its document. A later attempt draws,
        and reads the refused document and the validators' messages (the embedded models read neither).
    outline
        whether the prompt has the outline of the schema; by default for the embedded models, and for
        models with a chat template unless the type lists a few values.
    chat
        whether the model's chat template is applied; by default if the model has one.
    timeout
        the time limit of a text, in seconds. Of a server, that of its silence: by default 600, and a request
        that fails is sent once more.
    policies
        options of `sg.json_schema` for the documents, such as `whitespace`. Strings and arrays have no
        default cap: a document is complete within max_tokens in any case, and a cap would refuse valid
        values. `max_string` and `max_items` set a cap.
    thinking
        free text before the document (`sg.Thinking`), returned in `detailed(...).result.thoughts`. Not with
        infilling. With tools also True or "auto": the thoughts of the format, without a token budget.
    speculation
        how the next tokens are guessed, so that one pass of the model verifies several: "auto", "off", or an
        `sg.Speculation`. It changes the time of a call, but none of its tokens; draws use no speculation.
    canonical
        whether the parts of a document that its grammar forces are written in the tokenizer's own tokens.
    healing
        whether the text may write the last tokens of the prompt again, so that one token crosses the end of
        the prompt. `canonical` and `healing` change the distribution of the tokens (docs/engine.md).
    stop
        strings that end a free text (`-> str`); the text does not include them. Every other type has a
        grammar, which defines the end of a document, and refuses `stop`.
    examples
        pairs of the arguments of a call (as `batch` takes them) and its value: an object of the type, its
        plain JSON value, or the text of a grammar; or the Path of a file of lines of JSON (`{"arguments":
        {...}, "value": ...}`). A chat model reads them as turns before the question, a base model as texts.
        Of more than eight, each call has those most like its question. The oldest are left out where the
        context is short. Not for the embedded models, infilling, or beside tools.
    wrap
        whether the model writes `{"value": ...}` around a value that is not an object (`int`, `list[Person]`,
        a union). The grammar and `.detailed(...).text` then have this object; values and partial objects are
        those of the type. By default for the embedded models, which were trained on objects, for servers,
        which accept only objects, and for chat models unless the type lists a few values.
    choices
        how a model of this process chooses if the type lists at most 64 values (`Literal`, `Enum`, `bool`).
        "whole" writes the value that is the most probable as a whole. "calibrated" first subtracts the
        likelihood of the value after a prompt without the arguments, which is read once. It also compares
        the first of several members of an object. "tokens" chooses token by token, as in any document. The
        first two need temperature 0; `detailed(...).probabilities` has the figures of a whole answer.
    grounded
        the texts in which each number, date, time, address and code of an answer, or of the arguments of a
        call, must stand: True, those that the prompt is about (the arguments of the template; of messages the
        last turn of the user); a text; or texts by name. `sg.Inferred` marks conclusions, `sg.Quote` strings
        that are runs of these texts.
    quotes
        whether all free strings are such runs. A server's quote in other typography gets the letters of the
        text; "exact": it is none (docs/right.md).
    missing
        "error": a required value that the texts do not state raises NotStatedError before the model is asked;
        "free": the model writes what it likes there.

    Errors, at decoration: OptionError for a docstring that names no parameter, UnsupportedError for a return
    type that has no schema and for Iterator[T] with infilling, StructgenError for a missing model.
    """
    Preparation(model, tools, options)  # its errors come before a function is decorated
    all_options = {"model": model, "target": target, "tools": tools, **options}
    names = sys._getframe(2).f_locals  # of the caller; 1 is the check of the options

    def decorate(function: Callable[..., Any]) -> Any:
        if isinstance(function, staticmethod | classmethod):
            raise OptionError(
                f"@{type(function).__name__} is below @sg.generate.",
                where="generate",
                cure="Move it above.",
            )
        spec = _make_spec(function, all_options, names)
        return AsyncTypedFunction(spec) if spec.is_async else TypedFunction(spec)

    return decorate


def _make_spec(
    function: Callable[..., Any], all_options: Mapping[str, Any], names: Mapping[str, Any]
) -> CallSpec:
    """Return the specification of the calls of a decorated function.

    `all_options`: the options of `generate`. `names`: the local names at the decorator, among which the types
    of the annotation may be."""
    options = dict(all_options)
    model, target, tools = (options.pop(name) for name in ("model", "target", "tools"))
    preparation = Preparation(model, tools, options)
    can_stream = not is_infilling(model)
    signature = inspect.signature(function)
    docstring = function.__doc__
    template = Template(docstring, signature) if docstring and docstring.strip() else None
    annotation = _return_annotation(function) if target is None else None
    is_async = inspect.iscoroutinefunction(function)
    parameters = signature.parameters
    # an example has the arguments of a call, and no instance
    call_parameters = [parameters[name] for name in parameters if name not in ("self", "cls")]
    check_calls(preparation.options.examples, signature.replace(parameters=call_parameters))

    def read_form() -> TargetForm:
        """Return the form of the target; without one, of the return annotation. Raises NameError for an
        annotation with a name that is not defined yet."""
        if target is None:
            form = preparation.read_form(_resolve_annotation(annotation, function, names), "return")
        else:
            form = preparation.read_form(target)
        if form.items and not can_stream:
            raise no_stream()
        if form.items and not form.asynchronous and is_async:
            raise make_refusal(
                f"The coroutine function {function.__qualname__} returns an Iterator.",
                "type",
                "Annotate AsyncIterator[T], on def or async def.",
                "return",
            )
        return form

    spec = CallSpec(
        function.__qualname__,
        read_form,
        preparation.writer,
        preparation.options,
        is_async,
        function,
        template,
    )
    spec.with_options = lambda changes: _make_spec(function, {**all_options, **changes}, names)
    with suppress(NameError):  # else it is read at the first call
        spec.form = read_form()
        _ = spec.examples  # their errors come at the decoration
    return spec


def _return_annotation(function: Callable[..., Any]) -> Any:
    """Return a function's return annotation. Errors: UnsupportedError where there is none."""
    annotation = getattr(function, "__annotations__", {}).get("return", inspect.Parameter.empty)
    if annotation is inspect.Parameter.empty:
        raise make_refusal(
            f"{function.__qualname__} has no return type.",
            "type",
            "Annotate the return type: `-> Person`.",
            "return",
        )
    return annotation


def _resolve_annotation(annotation: Any, function: Callable[..., Any], names: Mapping[str, Any]) -> Any:
    """Return the type, or the other target, that an annotation names at the place of the decorator. Errors:
    NameError, UnsupportedError."""
    holder = types.SimpleNamespace(__annotations__={"return": annotation})
    module = getattr(function, "__globals__", {})
    try:
        return typing.get_type_hints(holder, module, {**names}, include_extras=True)["return"]
    except TypeError:  # it is no type: a grammar, a pattern or a dict
        return eval(annotation, module, {**names}) if isinstance(annotation, str) else annotation
    except (SyntaxError, IndexError) as error:  # the text is no expression, or empty
        raise make_refusal(
            f"The annotation {annotation!r} is not a Python expression.",
            "type",
            "Annotate a type, such as `-> Person`, or pass target=.",
            "return",
        ) from error
