"""Writers of texts: an engine of this process, a masked-diffusion model, or a server."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from structgen.base.errors import AdviceWarning, OptionError, warning_level
from structgen.decoding.engine.model_cards import warn_of_form
from structgen.decoding.engine.model_prompts import ModelPrompts
from structgen.decoding.engine.models import check_model
from structgen.decoding.runs.resources import ON_A_SERVER, model_name
from structgen.doors.typed.infilled import Infiller, Infilling, infiller_of, is_infilling, no_calls
from structgen.doors.typed.local import Local, local_model
from structgen.doors.typed.missing_options import (
    OF_ANTHROPIC,
    OF_EMBEDDED,
    OF_INFILLING,
    OF_OTHER_SERVERS,
    OF_SERVER_FIELDS,
    OF_SERVERS,
)
from structgen.doors.typed.options import TypedOptions
from structgen.doors.typed.servers import Server, server_of
from structgen.doors.typed.signatures.call_options import CallOptions
from structgen.doors.typed.target_forms import TargetForm, check_wrap, form_of, form_of_calls
from structgen.doors.typed.wrapping import Wrapping
from structgen.machines.core.grammar import ENDLESS_BLANKS
from structgen.schema.reading.policies import READABLE_DUMPS

if TYPE_CHECKING:
    from structgen.doors.typed.remote import Remote


Writer: TypeAlias = "Local | Infiller | Remote"
"""Writes texts for prompts. A text is one of the grammar's, or its result has an error: a ValidatorError,
where another attempt may help. Its coroutines wait only where the caller does (`WritingTask.is_async`)."""


def wrapping_of(model: object, wrap: bool | None) -> Wrapping:
    """Return which documents a model is asked for inside an object: all where `wrap` is True. So are those of
    the embedded models, which were trained on objects, and of servers, whose protocol takes nothing else. A
    chat model gives better numbers, lists and texts as the value of a key (docs/inside/results.md)."""
    if wrap is not None:
        return "always" if wrap else "never"
    name = _name_of(model)
    if isinstance(model, Server) or name.startswith(ON_A_SERVER):
        return "always"
    prompts = _prompts_of(model)
    if prompts.is_embedded:
        return "always"
    return "unlisted" if prompts.has_template() else "never"


def _prompts_of(model: Any) -> ModelPrompts:
    """Return the `ModelPrompts` of a model of this process."""
    return model.prompts if hasattr(model, "prompts") else ModelPrompts(_name_of(model))


def _name_of(model: object) -> str:
    """Return the name of a model; "" where it has none."""
    return model_name(model if isinstance(model, str | Path) else getattr(model, "name", ""))


def writer_of(model: object, options: TypedOptions) -> Callable[[], Writer]:
    """Return a function that returns the writer of a model. The model is loaded by the first call of it.

    Errors: StructgenError where there is no model of this name, as far as can be told at once; OptionError
    for options that a server or infilling does not have.
    """
    if isinstance(model, str) and model.startswith(ON_A_SERVER):
        model = server_of(model)
    if isinstance(model, Server):
        # start-up: most models are no servers
        from structgen.doors.typed.remote import Remote

        OF_SERVERS.raise_first(options, options.sampling)
        OF_SERVER_FIELDS.raise_first(options, model)
        if model.protocol != "openai":
            OF_OTHER_SERVERS.raise_first(options, options.sampling)
        if model.protocol == "anthropic":
            OF_ANTHROPIC.raise_first(options.sampling)
        server_writer = Remote(model)  # made once: it learns what the server refuses
        return lambda: server_writer
    name = _name_of(model)
    if isinstance(model, str | Path) or (name and isinstance(model, Infilling)):
        check_model(name)
    if is_infilling(model):
        OF_INFILLING.raise_first(options, options.sampling)
        infiller = Infiller(model) if isinstance(model, Infilling) else infiller_of(name)
        return lambda: infiller
    if isinstance(model, str | Path):
        return lambda: local_model(name)
    from structgen.decoding.engine import Engine

    if isinstance(model, Engine):
        local_writer = Local(model, model.name)
        return lambda: local_writer
    if hasattr(model, "model") and hasattr(model, "tokenizer"):
        cure = "Write sg.Engine(pipe.model, pipe.tokenizer) for a pipeline of transformers."
    elif hasattr(model, "forward") and hasattr(model, "config"):
        cure = (
            "Write sg.Engine(model, tokenizer); for a masked-diffusion model sg.Infilling(model, tokenizer)."
        )
    else:
        cure = "Pass a name, a folder, an sg.Engine, or sg.Infilling(model, tokenizer)."
    raise OptionError(
        f"{type(model).__name__} is not a model that can be used here.",
        where="model",
        cure=cure,
    )


class Preparation:
    """The options of a typed function, or of `sg.run`, once they are checked: with the writer of their model,
    and with the way from targets to forms."""

    def __init__(self, model: object, tools: Any, call_options: Mapping[str, Any]) -> None:
        """`call_options`: those of `CallOptions`. Errors: those of `writer_of` and `TypedOptions`;
        UnsupportedError for tools with infilling; TypeError, which `options_named` words, for another
        name."""
        if not call_options.keys() <= CallOptions.__annotations__.keys():
            raise TypeError("an unknown option, which options_named names")
        self.options = TypedOptions(tools=tools, **call_options)
        self.writer = writer_of(model, self.options)
        if tools is not None and is_infilling(model):
            raise no_calls()
        if self.options.examples and _prompts_of(model).is_embedded:
            OF_EMBEDDED.raise_first(self.options)
        # the embedded models were trained on texts of json.dumps, and sg.infill fills such texts
        as_dumps = is_infilling(model) or _prompts_of(model).is_embedded
        self._default_policies = READABLE_DUMPS if as_dumps else None
        self._wrapping = wrapping_of(model, self.options.wrap)
        self._name = "" if isinstance(model, Server) else _name_of(model)

    def read_form(self, target: Any, where: str = "target") -> TargetForm:
        """Return the form of a target, with a warning where the card of the model does not list such forms,
        and where the grammar may ignore texts without end.
        Errors: those of `form_of`, and of `form_of_calls` where there are tools."""
        if self.options.tools is not None:
            form = form_of_calls(self.options, target, self._default_policies, self._wrapping, where)
        else:
            form = form_of(target, self.options.policies, self._default_policies, self._wrapping, where)
            check_wrap(form, self.options.wrap)
        warn_of_form(self._name, form.card_form, form.grammar)
        if form.grammar is not None and form.grammar.is_endless:
            warnings.warn(AdviceWarning(ENDLESS_BLANKS), stacklevel=warning_level())
        return form
