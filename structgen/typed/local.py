"""Writing with an engine of this process: prompts as its model knows them, texts whole or as they come."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import aclosing, closing
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from structgen.engine.asking import ModelQuestion
from structgen.engine.models import check_folder
from structgen.engine.requests import DEFAULT_MAX_TOKENS, Handle, Request, Result, Sampling
from structgen.system.resources import embedded_model
from structgen.tool_calls.tool_replies import Reply
from structgen.typed.forms import WantedForm
from structgen.typed.options import TypedOptions
from structgen.typed.prompts import PromptSource
from structgen.typed.tool_prompts import ToolPrompts
from structgen.typed.tool_use import ToolUse

if TYPE_CHECKING:
    from structgen.engine.engine import Engine

TAG_TOKENS = 16
"""Tokens that are kept free for the closing tag of thoughts."""
MOST_ENGINES = 4
"""Models that are kept by name in a process; the one that was not used for longest goes first."""


class Local:
    """An engine, and how its model is asked."""

    lost: tuple[str, ...] = ()
    bound = "max_tokens"

    def __init__(self, engine: Engine, name: str) -> None:
        self.engine, self.name = engine, name
        self._tools: WeakKeyDictionary[ToolUse, ToolPrompts] = WeakKeyDictionary()

    # --- prompts --------------------------------------------------------------------------------------------

    def prompt(self, form: WantedForm, source: PromptSource, options: TypedOptions) -> str:
        """Return the text of a prompt, the chat template applied."""
        return self.engine.prompts.text(self._question(form, source, options))

    def _question(self, form: WantedForm, source: PromptSource, options: TypedOptions) -> ModelQuestion:
        if form.tools is None:
            return source.question(form, options)
        return self._calling(form.tools, options).question(source)

    def _calling(self, use: ToolUse, options: TypedOptions) -> ToolPrompts:
        """Return how this model is asked for calls, kept as long as its form is."""
        found = self._tools.get(use)
        if found is None:
            found = self._tools[use] = ToolPrompts(self.engine, use, options)
        return found

    def request(
        self, form: WantedForm, source: PromptSource, options: TypedOptions, attempt: int = 0
    ) -> Request:
        """Return the engine's request. Errors: OptionError for a prompt that leaves no room."""
        prompts, tokenizer = self.engine.prompts, self.engine.tokenizer
        tokens = prompts.tokens(self._question(form, source, options), tokenizer)
        if source.refused is not None and len(tokens) + (options.max_tokens or 0) > self._room(options):
            # what was refused does not fit beside the prompt
            tokens = prompts.tokens(self._question(form, replace(source, refused=None), options), tokenizer)
        most = options.max_tokens
        if most is None:
            most = max(min(DEFAULT_MAX_TOKENS, self._room(options) - len(tokens)), 1)
        return Request(
            tokens,
            form.grammar if form.tools is None else self._calling(form.tools, options).grammar,
            self._sampling(form, source, options, attempt),
            max_tokens=most,
            timeout=options.timeout,
            thinking=options.thinking,
            speculation=options.speculation,
            canonical=options.canonical,
            healing=options.healing,
            stop=options.stop,
            special_texts=form.tools is not None,
        )

    def _sampling(
        self, form: WantedForm, source: PromptSource, options: TypedOptions, attempt: int
    ) -> Sampling:
        """Return how tokens are chosen at an attempt: whole values, where they are listed and nothing else is
        said."""
        sampling = options.sampling_of(attempt)
        is_embedded = self.engine.prompts.is_embedded  # and was trained to write token by token
        if options.choices == "tokens" or not form.choices or options.healing or is_embedded:
            return sampling
        # optional: torch
        from structgen.engine.searches.whole_values import comparing

        neutral: Sequence[int] = ()
        if options.choices == "calibrated":
            asked = PromptSource(source.neutral, (source.neutral,))
            neutral = self.engine.prompts.tokens(self._question(form, asked, options), self.engine.tokenizer)
        return comparing(sampling, form.grammar, neutral)

    def _room(self, options: TypedOptions) -> int:
        """Return the tokens of the context that prompt and document may take."""
        thoughts = 0 if options.thinking is None else options.thinking.max_tokens + TAG_TOKENS
        return self.engine.model.context - thoughts

    # --- texts ----------------------------------------------------------------------------------------------

    def write(
        self, form: WantedForm, sources: Sequence[PromptSource], options: TypedOptions, attempt: int = 0
    ) -> list[Result]:
        """Return a text for each source, in one batch."""
        results = self.engine.generate([self.request(form, one, options, attempt) for one in sources])
        return [self._told(form, options, one) for one in results]

    async def awrite(
        self, form: WantedForm, source: PromptSource, options: TypedOptions, attempt: int = 0
    ) -> Result:
        """Return a text; others may be written meanwhile, in the same batches."""
        (result,) = await self.engine.agenerate(self.request(form, source, options, attempt))
        return self._told(form, options, result)

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

    def stream(
        self, form: WantedForm, source: PromptSource, options: TypedOptions, done: Callable[[Result], None]
    ) -> Iterator[str]:
        """Yield a text in pieces as it comes, and hand its result to `done`; leaving the loop cancels it."""
        (handle,) = self.engine.submit(self.request(form, source, options))
        with closing(self.engine.pieces(handle)) as pieces:
            for piece in pieces:
                if piece:
                    yield piece
        done(self._told(form, options, _result(handle)))

    async def astream(
        self, form: WantedForm, source: PromptSource, options: TypedOptions, done: Callable[[Result], None]
    ) -> AsyncIterator[str]:
        """Yield a text in pieces as it comes, and hand its result to `done`; leaving the loop cancels it."""
        (handle,) = await self.engine.asubmit(self.request(form, source, options))
        async with aclosing(self.engine.apieces(handle)) as pieces:
            async for piece in pieces:
                if piece:
                    yield piece
        done(self._told(form, options, _result(handle)))


def _result(handle: Handle) -> Result:
    assert handle.result is not None, "its end was told"
    return handle.result


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
