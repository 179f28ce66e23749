"""What writes texts: an engine of this process, a masked-diffusion model, or a server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

from structgen.engine.asking import ModelPrompts
from structgen.engine.requests import Result
from structgen.errors import OptionError
from structgen.tool_calls.tool_replies import Reply
from structgen.typed.forms import WantedForm
from structgen.typed.infilled import Infilling, check_options, infiller_of, is_infilling
from structgen.typed.local import Local, check_name, local_model
from structgen.typed.options import TypedOptions
from structgen.typed.prompts import PromptSource
from structgen.typed.servers import Server, server_of
from structgen.typed.wrapping import Wrapping


class Writer(Protocol):
    """Writes texts for prompts. A text is one of the grammar's, or its result has an error: a ValidatorError,
    where another attempt may help."""

    @property
    def lost(self) -> tuple[str, ...]:
        """The guarantees of an engine in this process that this writer does not give."""
        ...

    @property
    def bound(self) -> str:
        """The option that may bring about an early end of a document."""
        ...

    def prompt(self, form: WantedForm, source: PromptSource, options: TypedOptions) -> str:
        """Return the prompt, as text."""
        ...

    def write(
        self, form: WantedForm, sources: Sequence[PromptSource], options: TypedOptions, attempt: int = 0
    ) -> list[Result]:
        """Return a text for each source."""
        ...

    async def awrite(
        self, form: WantedForm, source: PromptSource, options: TypedOptions, attempt: int = 0
    ) -> Result:
        """Return a text."""
        ...

    def stream(
        self, form: WantedForm, source: PromptSource, options: TypedOptions, done: Callable[[Result], None]
    ) -> Iterator[str]:
        """Yield a text in pieces, and hand its result to `done`."""
        ...

    def astream(
        self, form: WantedForm, source: PromptSource, options: TypedOptions, done: Callable[[Result], None]
    ) -> AsyncIterator[str]:
        """Yield a text in pieces, and hand its result to `done`."""
        ...

    def read(self, form: WantedForm, options: TypedOptions, text: str) -> Reply:
        """Return what there is of a reply that may call tools, from its text so far."""
        ...


def wrapping_of(model: object, wrap: bool | None) -> Wrapping:
    """Return which documents a model is asked for inside an object: all where `wrap` is True, and those of
    the embedded models, which were trained on objects, and of servers, whose protocol takes nothing else. A
    chat model gives better numbers, lists and texts as the value of a key (docs/results.md)."""
    if wrap is not None:
        return "always" if wrap else "never"
    name = str(model if isinstance(model, str | Path) else getattr(model, "name", ""))
    if isinstance(model, Server) or name.startswith("openai:"):
        return "always"
    prompts = model.prompts if hasattr(model, "prompts") else ModelPrompts(name)
    if prompts.is_embedded:
        return "always"
    return "unlisted" if prompts.has_template() else "never"


def writer_of(model: object, options: TypedOptions) -> Callable[[], Writer]:
    """Return what gives the writer of a model, which is loaded when it is first asked for.

    Errors: StructgenError where there is no model of this name, as far as can be told at once; OptionError
    for options that a server or infilling does not have.
    """
    if isinstance(model, str) and model.startswith("openai:"):
        model = server_of(model)
    if isinstance(model, Server):
        from structgen.typed import remote  # start-up: most models are no servers

        remote.check_options(options)
        model.check_options(options)
        asked = remote.Remote(model)
        return lambda: asked
    if isinstance(model, str | Path):
        name = str(model)
        check_name(name)
        if is_infilling(name):
            check_options(options)
            return lambda: infiller_of(name)
        return lambda: local_model(name)
    if isinstance(model, Infilling):
        if model.name:
            check_name(model.name)
        check_options(options)
        filler = infiller_of(model)
        return lambda: filler
    from structgen.engine import Engine

    if isinstance(model, Engine):
        known = Local(model, model.name)
        return lambda: known
    if hasattr(model, "model") and hasattr(model, "tokenizer"):
        cure = "Write sg.Engine(pipe.model, pipe.tokenizer) for a pipeline of transformers."
    elif hasattr(model, "forward") and hasattr(model, "config"):
        cure = (
            "Write sg.Engine(model, tokenizer); for a masked-diffusion model sg.Infilling(model, tokenizer)."
        )
    else:
        cure = "Pass a name, a folder, an sg.Engine, or sg.Infilling(model, tokenizer)."
    raise OptionError(
        f"A {type(model).__name__} is not taken as a model here.",
        where="model",
        cure=cure,
    )
