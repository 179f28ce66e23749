"""Writing with an engine of this process: prompts as its model knows them, texts whole or as they come."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from structgen.decoding.engine.model_prompts import ReadPrompt, continued
from structgen.decoding.engine.requests import Request, Result
from structgen.decoding.engine.searches.listed_values import listed
from structgen.decoding.engine.thinking import most_tokens
from structgen.doors.typed.infilled import MOST_MODELS
from structgen.doors.typed.options import OF_REQUEST
from structgen.doors.typed.prompts import AskedText, PromptSource, wanted_of
from structgen.doors.typed.tool_prompts import ToolPrompts
from structgen.doors.typed.waiting import pieces_of
from structgen.doors.typed.wanted_forms import WantedText
from structgen.machines.core.compiled import CompiledGrammar

if TYPE_CHECKING:
    from structgen.decoding.engine.engine import Engine
    from structgen.decoding.engine.searches.whole_values import KnownWeights

_LOADING: Final = threading.Lock()
"""Two threads that name a model for the first time at once must not load it twice."""


class Local:
    """An engine, and how its model is asked."""

    kind: Final = "engine"
    lost: tuple[str, ...] = ()
    bound = "max_tokens"

    def __init__(self, engine: Engine, name: str) -> None:
        self.engine, self.name = engine, name
        self._known: KnownWeights = {}

    # --- prompts --------------------------------------------------------------------------------------------

    def prompt(self, wanted: WantedText, source: PromptSource) -> str:
        """Return the text of a prompt, the chat template applied."""
        return self.engine.prompts.text(self._read(wanted_of(wanted, source), source).question)

    def _read(self, wanted: WantedText, source: PromptSource) -> ReadPrompt:
        """Return a prompt as the model reads it, shortened where it leaves no room."""
        options, calling, form = wanted.options, self._calling(wanted), wanted.form
        is_free = calling is None and form.grammar is None

        def compiled() -> CompiledGrammar:
            return self.engine.compiled(self._grammar(wanted), warns=form.tools is None)

        given, asked = source.in_texts().prompt, options.continue_final_message
        prompt, turn = continued(given, asked, None if is_free else compiled, form.begun)
        source = replace(source, prompt=prompt)
        if calling is None:
            question = source.question(wanted, "", knows_choices=not self.engine.prompts.is_embedded)
        else:
            question = calling.question(source)
        question = replace(question, turn=turn)
        thoughts = 0 if options.thinking is None else most_tokens(options.thinking)
        return self.engine.reading.fitted(question, form.outlines, options.max_tokens, thoughts)

    def _grammar(self, wanted: WantedText) -> Any:
        """Return the grammar of what is written; None of free text."""
        calling = self._calling(wanted)
        return wanted.form.written_by(self.engine.tokenizer) if calling is None else calling.grammar

    def _calling(self, wanted: WantedText) -> ToolPrompts | None:
        """Return how this model is asked for calls, kept as long as its form is; None where there are
        none."""
        use = wanted.form.tools
        if use is not None and self not in use.prompts:
            use.prompts[self] = ToolPrompts(self.engine, use, wanted)
        return None if use is None else use.prompts[self]

    def request(self, wanted: WantedText, source: PromptSource, attempt: int = 0) -> Request:
        """Return the request whose tokens the engine bounds. Errors: OptionError for a prompt that leaves no
        room."""
        form, options = wanted.form, wanted.options
        read, calling = self._read(wanted, source), self._calling(wanted)
        request = Request(
            read.tokens,
            self._grammar(wanted),
            options.sampling_of(attempt),
            **{name: getattr(options, name) for name in OF_REQUEST if name != "continue_final_message"},
            begun=read.question.begun,
            special_texts=calling is not None,
            choices="tokens" if options.choices == "tokens" else "whole",
            shortened=read.shortened,
        )
        is_calibrated = options.choices == "calibrated" and calling is None and not request.begun
        if is_calibrated and listed(form.grammar, first=True).texts:
            # optional: torch
            from structgen.decoding.engine.searches.whole_values import comparing

            apart = self._read(
                wanted, PromptSource(source.neutral, (source.neutral,), examples=source.examples)
            ).tokens
            request, _ = comparing(request, self.engine.prompts, apart, self._known)
        return request

    # --- texts ----------------------------------------------------------------------------------------------

    async def write(self, asked: Sequence[AskedText], attempt: int = 0) -> list[Result]:
        """Return the texts, written in one batch, and in those of others that wait meanwhile."""
        requests = [self.request(*text, attempt) for text in asked]
        if asked[0].wanted.waits:
            results = [result for (result,) in await asyncio.gather(*map(self.engine.agenerate, requests))]
        else:
            results = self.engine.generate(requests)
        return [self._told(text.wanted, result) for text, result in zip(asked, results, strict=True)]

    def read(self, wanted: WantedText, text: str) -> Any:
        """Return what is taken of a reply that may call tools, from its text so far."""
        calling = self._calling(wanted)
        assert calling is not None, "the form is one of replies"
        return calling.use.so_far(calling.read(text, ended=False))

    def _told(self, wanted: WantedText, result: Result) -> Result:
        """Return a result; of a reply that may call tools, with the reply as its value."""
        calling = self._calling(wanted)
        return result if calling is None else calling.told(result)

    async def stream(
        self, wanted: WantedText, source: PromptSource, done: Callable[[Result], None]
    ) -> AsyncGenerator[str, None]:
        """Yield a text in pieces as it comes, and hand its result to `done`; closing it cancels the text."""
        engine, asked = self.engine, self.request(wanted, source)
        (handle,) = await engine.asubmit(asked) if wanted.waits else engine.submit(asked)
        stream = engine.apieces(handle) if wanted.waits else engine.pieces(handle)
        async with aclosing(pieces_of(stream)) as pieces:
            async for piece in pieces:
                if piece:
                    yield piece
        assert handle.result is not None, "its end was told"
        done(self._told(wanted, handle.result))


def local_model(name: str) -> Local:
    """Return the model of a name, loaded once in a process and shared by all who name it."""
    with _LOADING:
        return _loaded(name)


@lru_cache(maxsize=MOST_MODELS)
def _loaded(name: str) -> Local:
    from structgen.decoding.engine import Engine

    return Local(Engine(name), name)
