"""`sg.run`: one call without a function."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

from structgen.core.grammar import Grammar
from structgen.engine.asking import Message
from structgen.engine.requests import Sampling, with_strategy
from structgen.engine.strategies.strategy import Strategy
from structgen.engine.thinking import Thinking
from structgen.errors import OptionError, options_named
from structgen.schema.reading.policies import JSON_DUMPS
from structgen.speculation.speculation_options import Speculation
from structgen.tool_calls.tool_format import ToolFormat
from structgen.tool_calls.tool_replies import Reply
from structgen.typed.forms import check_wrap, form_of, form_of_calls
from structgen.typed.functions import Outcome, obtained, warn_if_shortened
from structgen.typed.infilled import Infilling, is_infilling, no_calls
from structgen.typed.options import NAMED_ELSEWHERE, TARGETS, TypedOptions
from structgen.typed.prompts import given_source
from structgen.typed.servers import Server
from structgen.typed.tool_use import ToolOptions, thinking_of
from structgen.typed.writers import wrapping_of, writer_of

if TYPE_CHECKING:
    from structgen.engine.engine import Engine

T = TypeVar("T")


@overload
def run(
    model: str | Path | Engine | Infilling | Server,
    prompt: str | Sequence[Message],
    target: type[T],
    *,
    detailed: Literal[False] = False,
    sampling: Sampling | None = None,
    strategy: Strategy | Sequence[Strategy] = (),
    max_tokens: int | None = None,
    attempts: int = 3,
    outline: bool | None = None,
    chat: bool | None = None,
    timeout: float | None = None,
    policies: Mapping[str, Any] | None = None,
    thinking: Thinking | None = None,
    speculation: str | Speculation = "auto",
    canonical: bool = False,
    healing: bool = False,
    stop: str | Sequence[str] = (),
    wrap: bool | None = None,
    choices: str = "whole",
) -> T: ...
@overload
def run(
    model: str | Path | Engine | Infilling | Server,
    prompt: str | Sequence[Message],
    target: type[T],
    *,
    detailed: Literal[True],
    sampling: Sampling | None = None,
    strategy: Strategy | Sequence[Strategy] = (),
    max_tokens: int | None = None,
    attempts: int = 3,
    outline: bool | None = None,
    chat: bool | None = None,
    timeout: float | None = None,
    policies: Mapping[str, Any] | None = None,
    thinking: Thinking | None = None,
    speculation: str | Speculation = "auto",
    canonical: bool = False,
    healing: bool = False,
    stop: str | Sequence[str] = (),
    wrap: bool | None = None,
    choices: str = "whole",
) -> Outcome[T]: ...
@overload
def run(
    model: str | Path | Engine | Infilling | Server,
    prompt: str | Sequence[Message],
    target: None = None,
    *,
    tools: Iterable[Any],
    tool_choice: Any = None,
    parallel: bool | int | None = None,
    tool_format: str | ToolFormat | Any = None,
    detailed: Literal[False] = False,
    sampling: Sampling | None = None,
    strategy: Strategy | Sequence[Strategy] = (),
    max_tokens: int | None = None,
    attempts: int = 3,
    outline: bool | None = None,
    chat: bool | None = None,
    timeout: float | None = None,
    policies: Mapping[str, Any] | None = None,
    thinking: Thinking | bool | Literal["auto"] | None = None,
    speculation: str | Speculation = "auto",
    canonical: bool = False,
    healing: bool = False,
    stop: str | Sequence[str] = (),
    wrap: bool | None = None,
    choices: str = "whole",
) -> Reply: ...
@overload
def run(
    model: str | Path | Engine | Infilling | Server,
    prompt: str | Sequence[Message],
    target: Grammar | Mapping[str, Any] | object = None,
    *,
    tools: Iterable[Any] | None = None,
    tool_choice: Any = None,
    parallel: bool | int | None = None,
    tool_format: str | ToolFormat | Any = None,
    detailed: bool = False,
    sampling: Sampling | None = None,
    strategy: Strategy | Sequence[Strategy] = (),
    max_tokens: int | None = None,
    attempts: int = 3,
    outline: bool | None = None,
    chat: bool | None = None,
    timeout: float | None = None,
    policies: Mapping[str, Any] | None = None,
    thinking: Thinking | bool | Literal["auto"] | None = None,
    speculation: str | Speculation = "auto",
    canonical: bool = False,
    healing: bool = False,
    stop: str | Sequence[str] = (),
    wrap: bool | None = None,
    choices: str = "whole",
) -> Any: ...
@options_named(
    'sg.run("structgen/extract", "Ada is 36.", Person)',
    NAMED_ELSEWHERE | dict.fromkeys(TARGETS, "Pass it as the third argument, target"),
)
def run(
    model: str | Path | Engine | Infilling | Server,
    prompt: str | Sequence[Message],
    target: Any = None,
    *,
    tools: Iterable[Any] | None = None,
    tool_choice: Any = None,
    parallel: bool | int | None = None,
    tool_format: str | ToolFormat | Any = None,
    detailed: bool = False,
    sampling: Sampling | None = None,
    strategy: Strategy | Sequence[Strategy] = (),
    max_tokens: int | None = None,
    attempts: int = 3,
    outline: bool | None = None,
    chat: bool | None = None,
    timeout: float | None = None,
    policies: Mapping[str, Any] | None = None,
    thinking: Thinking | bool | Literal["auto"] | None = None,
    speculation: str | Speculation = "auto",
    canonical: bool = False,
    healing: bool = False,
    stop: str | Sequence[str] = (),
    wrap: bool | None = None,
    choices: str = "whole",
) -> Any:
    """Return what a model makes of a prompt: an object of the target; with `detailed`, its `Outcome`.

    `target` is a type, a grammar, a JSON Schema (dict or boolean), OpenAI's `response_format`, vLLM's
    `structured_outputs`, or None for free text (`request_reading.grammar_forms` has the dicts
    that are taken). Of
    schemas the object is what `json.loads` makes, with an int wherever only integers may stand (for `1.0` and
    `-0.0` too), of other grammars the text. The prompt is text or chat messages; the other options are those
    of `sg.generate`.

    With `tools` the result is an `sg.Reply`: texts, thoughts, and calls, whose arguments keep to the tools'
    schemas and types; or, with a target of them, `Call`, `str | Call`, `list[Call]` or `str | list[Call]`.
    Nothing is called. `tool_choice` and `parallel` are those of `sg.tools`; `tool_format` is the format of
    calls, by default told by the model's chat template, which also tells the model of the tools.

    Errors: OptionError for a target of no known shape, or with keys that are not known;
    UnsupportedError for what is not offered; those of a typed function's call.
    """
    asked_tools = ToolOptions(tools, tool_choice, parallel, tool_format)
    asked_tools.check_given()
    bounded, thoughts = thinking_of(thinking, asked_tools)
    options = TypedOptions(
        with_strategy(sampling, strategy, 0.0),
        max_tokens,
        attempts,
        outline,
        chat,
        timeout,
        policies,
        bounded,
        speculation,
        stop,
        wrap,
        choices,
        canonical=canonical,
        healing=healing,
    )
    writer = writer_of(model, options)
    name = str(model) if isinstance(model, str | Path) else model.name
    # what the embedded models were trained to write, and what sg.infill fills
    as_dumps = name.startswith("structgen/") or is_infilling(model)
    usual = {**JSON_DUMPS, "escapes": "utf8"} if as_dumps else None
    if tools is None:
        form = form_of(target, policies, usual, wrapping_of(model, wrap))
        check_wrap(form, wrap)
    elif is_infilling(model):
        raise no_calls()
    else:
        form = form_of_calls(asked_tools, thoughts, options, Reply if target is None else target)
    if form.items:
        raise OptionError(
            "Items one by one come from a function.", where="target", cure="Ask for list[T], or decorate one."
        )
    answering = writer()
    outcome = obtained(answering, form, given_source(prompt), options, detailed=detailed)
    if detailed:
        return outcome
    warn_if_shortened("sg.run", answering, outcome.result)
    return outcome.value
