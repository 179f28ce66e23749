"""Writing with an engine of this process: prompts as its model knows them, texts whole or as they come."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Final
from weakref import WeakKeyDictionary

from structgen.engine.models import check_folder
from structgen.engine.request_tokens import ReadPrompt
from structgen.engine.requests import Request, Result
from structgen.engine.thinking import most_tokens
from structgen.system.resources import embedded_model
from structgen.tool_calls.tool_replies import Reply
from structgen.typed.options import TypedOptions
from structgen.typed.prompts import PromptSource
from structgen.typed.tool_prompts import ToolPrompts
from structgen.typed.tool_use import ToolUse
from structgen.typed.waiting import pieces_of
from structgen.typed.wanted_forms import WantedForm

if TYPE_CHECKING:
    from structgen.engine.engine import Engine

MOST_ENGINES = 4
"""Models that are kept by name in a process; the one that was not used for longest goes first."""


class Local:
    """An engine, and how its model is asked."""

    kind: Final = "engine"
    lost: tuple[str, ...] = ()
    bound = "max_tokens"

    def __init__(self, engine: Engine, name: str) -> None:
        self.engine, self.name = engine, name
        self._tools: WeakKeyDictionary[ToolUse, ToolPrompts] = WeakKeyDictionary()

    # --- prompts --------------------------------------------------------------------------------------------

    def prompt(self, form: WantedForm, source: PromptSource, options: TypedOptions) -> str:
        """Return the text of a prompt, the chat template applied."""
        return self.engine.prompts.text(self._read(form, source, options).question)

    def _read(self, form: WantedForm, source: PromptSource, options: TypedOptions) -> ReadPrompt:
        """Return a prompt as the model reads it, shortened where it leaves no room."""
        thoughts = most_tokens(options.thinking)
        if form.tools is not None:
            question, outlines = self._calling(form.tools, options).question(source), None
        else:
            question, outlines = source.question(form, options, outline=""), form.outlines
        return self.engine.reading.fitted(question, outlines, options.max_tokens, thoughts)

    def _calling(self, use: ToolUse, options: TypedOptions) -> ToolPrompts:
        """Return how this model is asked for calls, kept as long as its form is."""
        found = self._tools.get(use)
        if found is None:
            found = self._tools[use] = ToolPrompts(self.engine, use, options)
        return found

    def request(
        self, form: WantedForm, source: PromptSource, options: TypedOptions, attempt: int = 0
    ) -> Request:
        """Return the engine's request, its tokens bounded. Errors: OptionError for a prompt that leaves no
        room."""
        found = self._asked(form, source, options, attempt)
        return self.engine.reading.bounded(found, len(found.prompt))

    def _asked(
        self, form: WantedForm, source: PromptSource, options: TypedOptions, attempt: int = 0
    ) -> Request:
        """Return the request whose tokens the engine bounds."""
        read = self._read(form, source, options)
        request = Request(
            read.tokens,
            form.grammar if form.tools is None else self._calling(form.tools, options).grammar,
            options.sampling_of(attempt),
            max_tokens=options.max_tokens,
            timeout=options.timeout,
            thinking=options.thinking,
            speculation=options.speculation,
            canonical=options.canonical,
            healing=options.healing,
            stop=options.stop,
            special_texts=form.tools is not None,
            choices="tokens" if options.choices == "tokens" else "whole",
            shortened=read.shortened,
        )
        if options.choices == "calibrated" and form.choices:
            # optional: torch
            from structgen.engine.searches.whole_values import comparing

            apart = self._read(form, PromptSource(source.neutral, (source.neutral,)), options).tokens
            request, _ = comparing(request, self.engine.model, self.engine.prompts, apart)
        return request

    # --- texts ----------------------------------------------------------------------------------------------

    async def write(
        self,
        form: WantedForm,
        sources: Sequence[PromptSource],
        options: TypedOptions,
        attempt: int = 0,
        *,
        waits: bool,
    ) -> list[Result]:
        """Return a text for each source, in one batch, and in those of others that wait meanwhile."""
        asked = [self._asked(form, one, options, attempt) for one in sources]
        if waits:
            results = [one for (one,) in await asyncio.gather(*map(self.engine.agenerate, asked))]
        else:
            results = self.engine.generate(asked)
        return [self._told(form, options, one) for one in results]

    def read(self, form: WantedForm, options: TypedOptions, text: str) -> Reply:
        """Return what there is of a reply that may call tools, from its text so far."""
        assert form.tools is not None, "the form is one of replies"
        return self._calling(form.tools, options).read(text, ended=False)

    def _told(self, form: WantedForm, options: TypedOptions, result: Result) -> Result:
        """Return a result; of a reply that may call tools, with the reply as its value."""
        if form.tools is None:
            return result
        calling = self._calling(form.tools, options)
        text = result.text + (calling.ending(result.steps[-1].token) if result.steps else "")
        reply = calling.read(text, ended=True)
        thoughts = reply.thinking or result.thoughts
        reply = replace(reply, thinking=thoughts or None)
        return replace(result, text=text, value=reply, thoughts=thoughts)

    async def stream(
        self,
        form: WantedForm,
        source: PromptSource,
        options: TypedOptions,
        done: Callable[[Result], None],
        *,
        waits: bool,
    ) -> AsyncGenerator[str, None]:
        """Yield a text in pieces as it comes, and hand its result to `done`; closing it cancels the text."""
        asked = self._asked(form, source, options)
        (handle,) = await self.engine.asubmit(asked) if waits else self.engine.submit(asked)
        stream = self.engine.apieces(handle) if waits else self.engine.pieces(handle)
        async with aclosing(pieces_of(stream)) as pieces:
            async for piece in pieces:
                if piece:
                    yield piece
        assert handle.result is not None, "its end was told"
        done(self._told(form, options, handle.result))


def check_name(name: str) -> None:
    """Raise StructgenError where no model has this name, as far as can be told without loading it."""
    if name.startswith("structgen/"):
        embedded_model(name)
    else:
        check_folder(name)


class _Shared:
    """What two threads that name a model for the first time at once must not do twice."""

    lock = threading.Lock()


def local_model(name: str) -> Local:
    """Return the model of a name, loaded once in a process and shared by all who name it."""
    with _Shared.lock:
        return _loaded(name)


@lru_cache(maxsize=MOST_ENGINES)
def _loaded(name: str) -> Local:
    from structgen.engine import Engine

    return Local(Engine(name), name)
