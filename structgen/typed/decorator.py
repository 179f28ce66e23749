"""`sg.generate` and `sg.filled`: a function with a return type, answered by a model."""

from __future__ import annotations

import inspect
import sys
import types
import typing
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, ParamSpec, Protocol, TypeVar, Unpack, overload

from structgen.engine.model_prompts import Message
from structgen.errors import OptionError, UnsupportedError, options_named
from structgen.typed.functions import Asked, AsyncTypedFunction, FilledPrompt, TypedFunction
from structgen.typed.infilled import Infilling, is_infilling, no_stream
from structgen.typed.options import NAMED_ELSEWHERE, OPTION_DEFAULTS, TARGETS, CallOptions
from structgen.typed.prompts import Template
from structgen.typed.servers import Server
from structgen.typed.wanted_forms import WantedForm
from structgen.typed.writers import Preparation

if TYPE_CHECKING:
    from structgen.engine.engine import Engine

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
    tools: Any = None,
    **options: Unpack[CallOptions],
) -> Decorator:
    """Return a decorator: the function's docstring is the prompt, its return annotation what comes back.

    model
        a name (`structgen/extract`), a folder that transformers reads, `openai:URL#NAME` or an `sg.Server`,
        or an `sg.Engine`.
        By name it is loaded at the first call, and shared in the process. A masked-diffusion model
        (`structgen/infill`, a folder of a known family, an `sg.Infilling`) fills the document in any order.
    target
        what comes back, where the return annotation is not it: any target of `sg.run`, such as a grammar, a
        pattern or a JSON Schema. The annotation may then be the type of its value: `-> str`.
    tools
        what the model may call, as `sg.tools` takes it. The function then returns `str | Call`, `Call`,
        `list[Call]`, `str | list[Call]` or `Reply`, and nothing is called. The model is told of the tools by
        its chat template.
    tool_choice, parallel
        which of them may or must be called, and how often, as `sg.tools` has them. By default a call is
        required where the type has no text, and there may be several where it has room for them.
    tool_format
        how calls are written, as `format` of `sg.tools`; by default told by the model's chat template.
    sampling
        how tokens are chosen; by default the likeliest (temperature 0; with a strategy that draws, 1).
    strategy
        a decoding strategy, such as `sg.strategies.Cautious()` (docs/strategies.md). Not for servers or
        infilling.
    max_tokens
        the most tokens of a document, which is complete within them; by default 512, or what the context
        leaves. With infilling: the slots of the canvas, by default 64.
    attempts
        how often a document is asked for when the type's own validators refuse it. A later attempt reads the
        refused document and what the validators said (not the embedded models), and draws.
    outline
        whether the outline of the schema is put into the prompt; by default for the embedded models, and for
        models with a chat template where the type is none of a few listed values.
    chat
        whether the model's chat template is applied; by default where the model has one.
    timeout
        seconds for a text.
    policies
        options of `sg.json_schema` for the documents, such as whitespace. Strings and arrays have no default
        cap: a document ends within max_tokens anyhow, and a cap would refuse valid values. `max_string` and
        `max_items` set one.
    thinking
        free text before the document (`sg.Thinking`), which is in `detailed(...).result.thoughts`. Not with
        infilling. Beside tools also True or "auto": the thoughts of the format, without a budget of their
        own.
    speculation
        how the next tokens are guessed, so that one pass of the model checks many: "auto", "off", or an
        `sg.Speculation`. It changes how long a call takes, and none of its tokens; draws have none.
    canonical
        whether the parts of a document that its grammar forces are written in the tokenizer's own tokens.
    healing
        whether the last tokens of the prompt may be written again, so that one token crosses its border. Both
        change the law of the tokens (docs/engine.md).
    stop
        strings at which a free text (`-> str`) ends; they are not part of it. The grammar of any other type
        says where a document ends, and stop is refused.
    wrap
        whether a return type whose documents are no JSON objects (`int`, `list[Person]`, a union) is asked
        for as the one member of an object, `{"value": 36}`: the grammar and `.detailed(...).text` are then
        the object's, values and partial objects those of the type. By default for the embedded models, which
        were trained on objects, for servers, which take objects alone, and for chat models where the type is
        none of a few listed values.
    choices
        how a model of this process chooses where the type lists at most 64 values (`Literal`, `Enum`,
        `bool`): "whole" writes the value that is the likeliest as a whole; "calibrated" first subtracts how
        likely the value is after a prompt without the arguments; "tokens" chooses token by token, as in any
        document. The first two are for temperature 0, and `detailed(...).probabilities` has their figures.

    Errors, at decoration: OptionError for a docstring that names no parameter, UnsupportedError for a return
    type that has no schema and for Iterator[T] with infilling, StructgenError for a model that is not there.
    """
    asked, streams = Preparation(model, tools, options), not is_infilling(model)

    frame = sys._getframe(2)  # of the caller; 1 is the check of the options

    def decorated(function: Callable[..., Any]) -> Any:
        if isinstance(function, staticmethod | classmethod):
            raise OptionError(
                f"@{type(function).__name__} stands below @sg.generate.",
                where="generate",
                cure="Put it above.",
            )
        signature = inspect.signature(function)
        docstring = function.__doc__
        template = Template(docstring, signature) if docstring and docstring.strip() else None
        annotation = _annotation(function) if target is None else None
        form = partial(_form, target, annotation, function, frame.f_locals, asked, streams)
        made = Asked(function, template, form, asked.writer, asked.options)
        with suppress(NameError):  # else it is read at the first call
            made.form = form()
        return AsyncTypedFunction(made) if inspect.iscoroutinefunction(function) else TypedFunction(made)

    return decorated


def _annotation(function: Callable[..., Any]) -> Any:
    """Return a function's return annotation. Errors: UnsupportedError where there is none."""
    annotation = getattr(function, "__annotations__", {}).get("return", inspect.Parameter.empty)
    if annotation is inspect.Parameter.empty:
        raise UnsupportedError(
            f"{function.__qualname__} has no return type.",
            keyword="type",
            where="return",
            cure="Annotate what comes back: `-> Person`.",
        )
    return annotation


def _form(
    target: Any,
    annotation: Any,
    function: Callable[..., Any],
    names: Mapping[str, Any],
    asked: Preparation,
    streams: bool,
) -> WantedForm:
    """Return the form of a target, or where it is None of a function's return annotation. Raises NameError
    where the annotation names what is not defined yet. `streams`: whether the model can hand out items as
    they come."""
    if target is None:
        form = asked.form(_resolved(annotation, function, names), "return")
    else:
        form = asked.form(target)
    if form.items and not streams:
        raise no_stream()
    if form.items and not form.asynchronous and inspect.iscoroutinefunction(function):
        raise UnsupportedError(
            f"The coroutine function {function.__qualname__} returns an Iterator.",
            keyword="type",
            where="return",
            cure="Annotate AsyncIterator[T], on def or async def.",
        )
    return form


def _resolved(annotation: Any, function: Callable[..., Any], names: Mapping[str, Any]) -> Any:
    holder = types.SimpleNamespace(__annotations__={"return": annotation})
    module = getattr(function, "__globals__", {})
    try:
        return typing.get_type_hints(holder, module, {**names}, include_extras=True)["return"]
    except TypeError:  # it is no type: a grammar, a pattern or a dict
        return eval(annotation, module, {**names}) if isinstance(annotation, str) else annotation
    except (SyntaxError, IndexError) as error:  # the text is no expression, or empty
        raise UnsupportedError(
            f"The annotation {annotation!r} is no expression of Python.",
            keyword="type",
            where="return",
            cure="Annotate a type, such as `-> Person`, or write target=.",
        ) from error
