"""Writing with an engine of this process: prompts as its model knows them, texts whole or as they come."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from structgen.decoding.engine.model_prompts import ReadPrompt, split_continued_turn
from structgen.decoding.engine.requests import Request, Result
from structgen.decoding.engine.searches.listed_values import find_listed_values
from structgen.decoding.engine.thinking import most_tokens
from structgen.doors.typed.infilled import MOST_MODELS
from structgen.doors.typed.options import OF_REQUEST
from structgen.doors.typed.prompts import PromptSource, TextRequest, read_texts
from structgen.doors.typed.target_forms import WritingTask
from structgen.doors.typed.tool_prompts import ToolPrompts
from structgen.doors.typed.waiting import pieces_of
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
        self._weights: KnownWeights = {}
        """The likelihoods of listed values after neutral prompts, which are read once (`comparing`)."""

    # --- prompts --------------------------------------------------------------------------------------------

    def prompt_text(self, text_request: TextRequest) -> str:
        """Return the text of a prompt, the chat template applied."""
        question = self._read_prompt(text_request).question
        assert question is not None, "it is no list of tokens"
        return self.engine.prompts.render_text(question)

    def _read_prompt(self, text_request: TextRequest) -> ReadPrompt:
        """Return a prompt as the model reads it, shortened where it leaves no room for the document."""
        if text_request.read_prompt is not None:
            return text_request.read_prompt
        task, source = text_request.task, text_request.source
        options, tool_prompts, form = task.options, self._tool_prompts(task), task.form
        is_free = tool_prompts is None and form.grammar is None

        # only a last message that the model is to go on with needs the grammar here
        def compile_grammar() -> CompiledGrammar:
            return self.engine.compiled(self._grammar_for(task), warns=form.tools is None)

        prompt, turn = split_continued_turn(
            read_texts(source.prompt),
            options.continue_final_message,
            None if is_free else compile_grammar,
            form.openings_of,
        )
        if tool_prompts is None:
            question = source.build_question(task, prompt, turn=turn)
        else:
            question = tool_prompts.build_question(source, prompt, turn)
        thoughts = most_tokens(options.thinking)
        text_request.read_prompt = self.engine.reading.fit_context(question, options.max_tokens, thoughts)
        return text_request.read_prompt

    def _grammar_for(self, task: WritingTask) -> Any:
        """Return the grammar of the text that the model writes; None of free text."""
        tool_prompts = self._tool_prompts(task)
        return task.form.grammar_for(self.engine.tokenizer) if tool_prompts is None else tool_prompts.grammar

    def _tool_prompts(self, task: WritingTask) -> ToolPrompts | None:
        """Return the prompts of this model for the tools of a task; None without tools. They are kept as long
        as the form is."""
        use = task.form.tools
        if use is not None and self not in use.prompts:
            use.prompts[self] = ToolPrompts(self.engine, use, task)
        return None if use is None else use.prompts[self]

    def request(self, text_request: TextRequest, attempt: int = 0) -> Request:
        """Return the engine's request for a text. `attempt`: its number, from 0; later ones draw. Errors:
        OptionError for a prompt that leaves no room."""
        task, source = text_request.task, text_request.source
        form, options = task.form, task.options
        read_prompt, tool_prompts = self._read_prompt(text_request), self._tool_prompts(task)
        request = Request(
            read_prompt.tokens,
            self._grammar_for(task),
            options.sampling_of(attempt),
            # the last message is in `begun` already
            **{name: getattr(options, name) for name in OF_REQUEST if name != "continue_final_message"},
            begun=read_prompt.begun,
            special_texts=tool_prompts is not None,
            choices="tokens" if options.choices == "tokens" else "whole",
            shortened=read_prompt.shortening,
        )
        is_calibrated = options.choices == "calibrated" and tool_prompts is None and not request.begun
        if is_calibrated and find_listed_values(form.grammar, first=True).texts:
            # optional: torch
            from structgen.decoding.engine.searches.whole_values import compare_whole

            neutral = PromptSource(source.neutral, (source.neutral,), examples=source.examples)
            neutral_tokens = self._read_prompt(TextRequest(task, neutral)).tokens
            weights = self._weights
            sampling, _ = compare_whole(request, self.engine.prompts, neutral_tokens, weights)
            request = replace(request, sampling=sampling, strategy=())
        return request

    # --- texts ----------------------------------------------------------------------------------------------

    async def write_texts(self, text_requests: Sequence[TextRequest], attempt: int = 0) -> list[Result]:
        """Return the results of texts, written in one batch. In an event loop they share it with other calls
        that wait meanwhile."""
        requests = [self.request(text_request, attempt) for text_request in text_requests]
        if text_requests[0].task.is_async:
            results = [result for (result,) in await asyncio.gather(*map(self.engine.agenerate, requests))]
        else:
            results = self.engine.generate(requests)
        return [
            self._attach_reply(text_request.task, result)
            for text_request, result in zip(text_requests, results, strict=True)
        ]

    def read_reply(self, task: WritingTask, text: str) -> Any:
        """Return the value of a reply that may call tools, from its text so far."""
        tool_prompts = self._tool_prompts(task)
        assert tool_prompts is not None, "the form is one of replies"
        return tool_prompts.use.take_so_far(tool_prompts.read(text, is_complete=False))

    def _attach_reply(self, task: WritingTask, result: Result) -> Result:
        """Return a result; of a reply that may call tools, with the reply as its value."""
        tool_prompts = self._tool_prompts(task)
        return result if tool_prompts is None else tool_prompts.attach_reply(result)

    async def stream_text(
        self, text_request: TextRequest, done: Callable[[Result], None]
    ) -> AsyncGenerator[str, None]:
        """Yield a text in pieces as it comes, and hand its result to `done`; closing it cancels the text."""
        engine, task, request = self.engine, text_request.task, self.request(text_request)
        (handle,) = await engine.asubmit(request) if task.is_async else engine.submit(request)
        stream = engine.apieces(handle) if task.is_async else engine.pieces(handle)
        async with aclosing(pieces_of(stream)) as pieces:
            async for piece in pieces:
                if piece:
                    yield piece
        assert handle.result is not None, "its end was told"
        done(self._attach_reply(task, handle.result))


def local_model(name: str) -> Local:
    """Return the model of a name, loaded once in a process and shared by all who name it."""
    with _LOADING:
        return _load_engine(name)


@lru_cache(maxsize=MOST_MODELS)
def _load_engine(name: str) -> Local:
    from structgen.decoding.engine import Engine

    return Local(Engine(name), name)
