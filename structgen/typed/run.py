"""`sg.run`: one call without a function."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar, Unpack, overload

from structgen.core.grammar import Grammar
from structgen.engine.model_prompts import Message
from structgen.errors import OptionError, options_named
from structgen.request_reading.request_reader import SERVED
from structgen.schema.reading.policies import JSON_DUMPS
from structgen.system.resources import is_embedded, model_name
from structgen.tool_calls.tool_replies import Reply
from structgen.typed.functions import obtained, warn_if_shortened
from structgen.typed.infilled import Infilling, is_infilling
from structgen.typed.options import NAMED_ELSEWHERE, OPTION_DEFAULTS, TARGETS, CallOptions, RunOptions
from structgen.typed.outcomes import Outcome
from structgen.typed.prompts import given_source
from structgen.typed.servers import Server
from structgen.typed.waiting import now
from structgen.typed.wanted_forms import WantedText, form_of
from structgen.typed.writers import Preparation

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
    **options: Unpack[RunOptions],
) -> T: ...
@overload
def run(
    model: str | Path | Engine | Infilling | Server,
    prompt: str | Sequence[Message],
    target: type[T],
    *,
    detailed: Literal[True],
    **options: Unpack[RunOptions],
) -> Outcome[T]: ...
@overload
def run(
    model: str | Path | Engine | Infilling | Server,
    prompt: str | Sequence[Message],
    target: None = None,
    *,
    tools: Any,
    detailed: Literal[False] = False,
    **options: Unpack[CallOptions],
) -> Reply: ...
@overload
def run(
    model: str | Path | Engine | Infilling | Server,
    prompt: str | Sequence[Message],
    target: Grammar | Mapping[str, Any] | object = None,
    *,
    tools: Any = None,
    detailed: bool = False,
    **options: Unpack[CallOptions],
) -> Any: ...
@options_named(
    'sg.run("structgen/extract", "Ada is 36.", Person)',
    NAMED_ELSEWHERE | dict.fromkeys(TARGETS, "Pass it as the third argument, target"),
    options=CallOptions,
    defaults=OPTION_DEFAULTS,
)
def run(
    model: str | Path | Engine | Infilling | Server,
    prompt: str | Sequence[Message],
    target: Any = None,
    *,
    tools: Any = None,
    detailed: bool = False,
    **options: Unpack[CallOptions],
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
    asked = Preparation(model, tools, options)
    name = model_name(model) if isinstance(model, str | Path) else model.name
    # what the embedded models were trained to write, and what sg.infill fills
    as_dumps = is_embedded(name) or is_infilling(model)
    usual = {**JSON_DUMPS, "escapes": "utf8"} if as_dumps else SERVED
    target = Reply if target is None and tools is not None else target
    form = asked.form(target, partial(form_of, usual=usual))
    if form.items:
        raise OptionError(
            "Items one by one come from a function.", where="target", cure="Ask for list[T], or decorate one."
        )
    writer = asked.writer()
    wanted = WantedText(form, asked.options)
    outcome = now(obtained(writer, wanted, given_source(prompt), detailed=detailed))
    if detailed:
        return outcome
    warn_if_shortened("sg.run", writer, outcome.result)
    return outcome.value
