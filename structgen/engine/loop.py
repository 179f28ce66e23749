"""The engine: requests come and go, each step chooses a token for every text that is being written.

    admit      read the prompts of those that wait, while there is room
    choose     logits and masks, which lie ready, become tokens (choice.choose)
    commit     the tokens are taken: matchers advance, texts grow, some end
    run        the model reads the tokens; meanwhile a thread fills the next masks

One thread at a time drives a step; whoever waits for a result drives until it is there.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterable, Iterator, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from structgen.batch import allow_all
from structgen.compiled import CompiledGrammar
from structgen.compiler import compile
from structgen.engine.choice import Chosen, candidates, choose
from structgen.engine.lines import Lines, forbid
from structgen.engine.models import Model, ReadsMany, load_model
from structgen.engine.requests import FinishReason, Handle, Request, Result, Step
from structgen.engine.texts import Text
from structgen.engine.thinking import Closing, Phase, Thinking, closing_of
from structgen.errors import BudgetError, OptionError, StructgenError
from structgen.grammar import Grammar
from structgen.masks.mask import TokenMask, allocate_mask
from structgen.matcher import Matcher
from structgen.tokenizer import Tokenizer

_GRAMMARS = 256
"""Compiled grammars that an engine keeps."""


class Engine:
    """A model, its tokenizer, and the texts that it is writing. Threads may share one.

    `model` is a name or a folder (`load_model`), or anything that is a `Model`; then `tokenizer` is needed.
    `max_rows` texts are written at a time, the others wait. The compiled forms of the last 256 grammars are
    kept.
    """

    def __init__(
        self,
        model: str | Path | Model,
        tokenizer: Tokenizer | None = None,
        *,
        max_rows: int = 32,
        device: str | None = None,
        dtype: str | None = None,
    ) -> None:
        self.name = str(model) if isinstance(model, str | Path) else ""
        """The name or the folder of the model; "" for one that was handed over."""
        if isinstance(model, str | Path):
            self.model, own = load_model(model, device=device, dtype=dtype)
            tokenizer = tokenizer or own
        else:
            self.model = model
        if tokenizer is None:
            raise OptionError("A model of your own needs its tokenizer.", where="tokenizer")
        if tokenizer.vocab_size > self.model.vocab_size:
            raise OptionError(
                f"The tokenizer has {tokenizer.vocab_size:,} tokens, the model {self.model.vocab_size:,}.",
                where="tokenizer",
                cure="Use the model's own tokenizer.",
            )
        self.tokenizer, self.max_rows = tokenizer, max_rows
        self._ends = frozenset(tokenizer.eos_token_ids)
        self._wider = self.model.vocab_size > tokenizer.vocab_size
        """Whether the model has logits of no token: masks then leave them out of free texts too."""
        self._lines = Lines(max_rows, tokenizer.vocab_size)
        self._narrow: TokenMask = allocate_mask(1, tokenizer.vocab_size)
        self._compiled: dict[Grammar, CompiledGrammar] = {}
        """What was asked for least recently comes first."""
        self._of_grammars = threading.Lock()
        self._closings: dict[str | int, Closing] = {}
        self._waiting: list[Text] = []
        self._rows: list[Text] = []
        self._logits = torch.empty(0)
        """What the last step gave, a row for each text that it was of (`Text.place`)."""
        self._lock = threading.Lock()

    # --- the doors ------------------------------------------------------------------------------------------

    def generate(self, requests: Request | Iterable[Request]) -> list[Result]:
        """Return the results of requests, in order, the `n` samples of each one after another.

        A request that cannot be begun (max_tokens that no document fits, a prompt longer than the context)
        raises; what goes wrong later is its result's `error`, and the others go on.
        """
        wanted = [requests] if isinstance(requests, Request) else list(requests)
        handles = [handle for one in wanted for handle in self.submit(one)]
        self.drive(handles)
        return [handle.result for handle in handles if handle.result is not None]

    def stream(self, request: Request) -> Iterator[str]:
        """Yield the text of a request (n = 1) in pieces, as it comes; leaving the loop cancels it."""
        handle = self._only(request)
        yield from self.pieces(handle)
        _raise_error(handle)

    def pieces(self, handle: Handle) -> Generator[str, None, None]:
        """Yield a text that was submitted in pieces, as it comes, until it has a result; leaving the loop
        cancels it."""
        pieces: list[str | None] = []
        handle.listen(pieces.append)
        try:
            while not handle.is_done or pieces:
                if pieces:
                    piece = pieces.pop(0)
                    if piece is not None:
                        yield piece
                elif not handle.is_done:
                    self.step()
        finally:
            handle.cancel()
            self.drive([handle])

    async def agenerate(self, request: Request) -> list[Result]:
        """Return the results of a request; others may run meanwhile, in the same batches."""
        handles = self.submit(request)
        try:
            await asyncio.to_thread(self.drive, handles)
        except asyncio.CancelledError:
            for handle in handles:
                handle.cancel()
            raise
        return [handle.result for handle in handles if handle.result is not None]

    async def astream(self, request: Request) -> AsyncIterator[str]:
        """Yield the text of a request (n = 1) in pieces, as it comes; leaving the loop cancels it."""
        handle = self._only(request)
        async with aclosing(self.apieces(handle)) as pieces:
            async for piece in pieces:
                yield piece
        _raise_error(handle)

    async def apieces(self, handle: Handle) -> AsyncGenerator[str, None]:
        """Yield a text that was submitted in pieces, as `pieces` does; whoever leaves the loop closes it
        (`contextlib.aclosing`)."""
        loop, pieces = asyncio.get_running_loop(), asyncio.Queue[str | None]()

        def hand_on(piece: str | None) -> None:
            loop.call_soon_threadsafe(pieces.put_nowait, piece)

        handle.listen(hand_on)
        driver = asyncio.ensure_future(asyncio.to_thread(self.drive, [handle]))
        try:
            while (piece := await pieces.get()) is not None:
                yield piece
        finally:
            handle.cancel()
            await driver

    def _only(self, request: Request) -> Handle:
        if request.n != 1:
            raise OptionError(
                "A stream is of one text.", where="n", cure="Submit, and listen to each handle."
            )
        (handle,) = self.submit(request)
        return handle

    def submit(self, request: Request) -> list[Handle]:
        """Return a handle for each sample of a request, which waits for its turn. Whoever drives the engine
        (`step`, or any call that waits) brings it on.

        Raises BudgetError, with the least max_tokens, where no document fits; OptionError where the prompt
        does not fit the context.
        """
        prompt = self._prompt(request.prompt)
        closing = None
        most = len(prompt) + request.max_tokens
        if request.thinking is not None:
            closing = self._closing(request.thinking)
            most += request.thinking.max_tokens + len(closing.tokens)
        if most > self.model.context:
            raise OptionError(
                f"{len(prompt):,} tokens of prompt and max_tokens={request.max_tokens:,} make {most:,}; the "
                f"model's context is {self.model.context:,}.",
                where="max_tokens",
                cure="Shorten the prompt, or ask for fewer tokens.",
            )
        matcher = None if request.grammar is None else Matcher(self.compiled(request.grammar))
        least = 0 if matcher is None else matcher.tokens_to_finish()
        if least > request.max_tokens:
            raise BudgetError(
                f"No document fits max_tokens={request.max_tokens:,}: the shortest takes {least:,}.",
                minimum=least,
                where="max_tokens",
                cure=f"Give at least {least:,}.",
            )
        handles = [Handle(request, sample) for sample in range(request.n)]
        texts = [
            Text(handle, prompt, matcher if sample == 0 or matcher is None else matcher.fork(), least)
            for sample, handle in enumerate(handles)
        ]
        if request.thinking is not None and closing is not None:
            for text in texts:
                text.phase = Phase(request.thinking, closing, self.tokenizer, text.matcher)
                text.matcher = None
        with self._lock:
            self._waiting += texts
        return handles

    def compiled(self, grammar: Grammar | CompiledGrammar) -> CompiledGrammar:
        """Return a grammar compiled for this engine's tokenizer; the last 256 are kept for later requests.

        Raises OptionError for one that was compiled for another tokenizer.
        """
        if isinstance(grammar, CompiledGrammar):
            if grammar.tokenizer != self.tokenizer:
                raise OptionError(
                    f"It was compiled for {grammar.tokenizer!r}, and the engine has {self.tokenizer!r}.",
                    where="grammar",
                    cure="Give the grammar itself, or compile it for engine.tokenizer.",
                )
            return grammar
        with self._of_grammars:
            found = self._compiled.pop(grammar, None)
        found = compile(grammar, self.tokenizer) if found is None else found.fresh()
        with self._of_grammars:
            self._compiled[grammar] = found
            if len(self._compiled) > _GRAMMARS:
                del self._compiled[next(iter(self._compiled))]
        return found

    def _closing(self, thinking: Thinking) -> Closing:
        """Return how thoughts close, kept for the next request."""
        found = self._closings.get(thinking.until)
        if found is None:
            found = self._closings[thinking.until] = closing_of(thinking, self.tokenizer, self.name)
        return found

    def close(self) -> None:
        """Let go of the thread that fills masks; a later request starts another."""
        with self._lock:
            self._lines.close()

    # --- one step -------------------------------------------------------------------------------------------

    def step(self) -> bool:
        """Bring every text on by one token. Returns whether there was anything to do."""
        with self._lock:
            if not (self._waiting or self._rows):
                return False
            self._admit()
            if self._rows:
                self._commit(self._chosen())
                self._run()
            return True

    def drive(self, handles: Sequence[Handle]) -> None:
        """Take steps until these are done. Raises OptionError where they are none of this engine's."""
        left = list(handles)
        while left := [handle for handle in left if not handle.is_done]:
            if not self.step() and not all(handle.is_done for handle in left):
                raise OptionError(
                    "A handle of another engine would never be done here.",
                    where="handles",
                    cure="Drive the engine that it was submitted to.",
                )

    def _admit(self) -> None:
        """Read the prompts of those that wait, while there is room; the samples of a request share theirs."""
        fresh: list[Text] = []
        while self._waiting and len(self._rows) + len(fresh) < self.max_rows:
            text = self._waiting.pop(0)
            if text.handle.cancelled:
                text.finish(FinishReason.CANCELLED)
                continue
            fresh.append(text)
        if fresh:
            self._read(fresh)
            self._rows += fresh
            self._lines.fill(self._rows)
            self._settle()

    def _read(self, texts: Sequence[Text]) -> None:
        """Have the model read texts, in one pass if it can; further samples of a request copy what the first
        one read."""
        began = time.perf_counter()
        firsts: dict[int, Text] = {}
        for text in texts:
            firsts.setdefault(id(text.handle.request), text)
        found = self._read_together(list(firsts.values()))
        for text in texts:
            first = firsts[id(text.handle.request)]
            try:
                if first is not text and first.error is None:
                    text.logits, text.cache = first.logits, first.cache.copy()
                elif found:
                    text.logits, text.cache = found.pop(0)
                else:
                    text.logits, text.cache = self.model.prefill(text.read)
            except Exception as error:
                text.error = _failed(error)
        ran = time.perf_counter() - began
        for text in texts:
            text.place, text.ran = -1, ran
            text.usage.model_seconds += ran

    def _read_together(self, texts: Sequence[Text]) -> list[tuple[Tensor, Any]]:
        """Return what the model gives for texts that are read in one pass; nothing where it cannot, or where
        that failed: then each is read by itself, and what fails fails alone."""
        if len(texts) > 1 and isinstance(self.model, ReadsMany):
            try:
                return list(self.model.prefill_many([text.read for text in texts]))
            except Exception:
                return []
        return []

    def _chosen(self) -> Chosen:
        rows = self._rows
        logits, places = self._logits, [text.place for text in rows]
        if -1 in places:
            logits = torch.stack([self._logits_of(text) for text in rows])
        elif places != list(range(len(logits))):
            logits = logits[places]
        mask = None
        if self._wider or any(text.matcher is not None or text.phase is not None for text in rows):
            mask = self._lines.of(rows)
        return choose(logits, mask, [text.row for text in rows])

    def _logits_of(self, text: Text) -> Tensor:
        if text.place >= 0:
            return self._logits[text.place]
        assert text.logits is not None
        return text.logits

    def _commit(self, chosen: Chosen) -> None:
        """Take the tokens."""
        for i, text in enumerate(self._rows):
            if chosen.faulty[i]:
                text.error = StructgenError(
                    "The model's logits are not numbers, or none of them is of a token that may come.",
                    where=f"token {len(text.tokens)}",
                    cure="Look at the model: its weights or its dtype.",
                )
                continue
            try:
                if text.phase is None:
                    self._take(text, self._step(text, chosen, i, self._lines.mask.array[text.line]))
                else:
                    self._think(text, text.phase, chosen.tokens[i])
            except StructgenError as error:
                text.error = error
        self._settle()

    def _step(self, text: Text, chosen: Chosen, row: int, words: npt.NDArray[np.int32]) -> Step:
        step = Step(
            chosen.tokens[row],
            chosen.logprob[row],
            chosen.constrained[row],
            chosen.removed[row],
            chosen.allowed[row],
            chosen.wanted[row],
            False,
            text.ran,
            text.filled,
        )
        if count := text.handle.request.logprobs:
            logits = self._logits_of(text)
            step.likeliest = candidates(logits, None, count)
            step.likeliest_allowed = candidates(logits, torch.from_numpy(words).to(logits.device), count)
        return step

    def _think(self, text: Text, phase: Phase, token: int) -> None:
        """Take a token of the thoughts; another one, where it closes them and begins no document."""
        forced = phase.forced()
        token = token if forced is None else forced
        banned: list[int] = []
        while not phase.take(token, text.handle.request.max_tokens):
            banned.append(token)
            token = self._chosen_again(text, phase, banned)
        text.think(token)

    def _chosen_again(self, text: Text, phase: Phase, banned: Sequence[int]) -> int:
        """Return the choice among the tokens of thoughts without some."""
        allow_all(self._narrow, 0)
        forbid(self._narrow, 0, (*phase.ends, *banned))
        words = torch.from_numpy(self._narrow.array)
        return choose(self._logits_of(text)[None], words, [text.row]).tokens[0]

    def _take(self, text: Text, step: Step) -> None:
        """Take one token of one text: it may end, or another may have to be chosen so that it still can."""
        matcher = text.matcher
        if matcher is not None:
            room = text.room
            text.least = self._least_after(matcher, step.token)
            if text.least > room - 1:
                matcher.rollback(1)
                step = self._steered(text, matcher, room)
                text.least = self._least_after(matcher, step.token)
        text.take(step, None if step.token in self._ends else self.tokenizer.token_bytes[step.token] or b"")

    def _least_after(self, matcher: Matcher, token: int) -> int:
        """Take a token; returns how many more the shortest end takes, the end token not counted (-1 after
        it)."""
        matcher.advance(token)
        return -1 if token in self._ends else matcher.tokens_to_finish()

    def _steered(self, text: Text, matcher: Matcher, room: int) -> Step:
        """Return the choice again, among the tokens after which the document can be completed in time: what
        the same noise would have chosen under that mask."""
        matcher.fill_mask(self._narrow, budget=room)
        again = choose(self._logits_of(text)[None], torch.from_numpy(self._narrow.array), [text.row])
        step = self._step(text, again, 0, self._narrow.array[0])
        step.steered = True
        return step

    def _settle(self) -> None:
        """Finish the texts that have ended, failed, were cancelled or took too long."""
        going = []
        for text in self._rows:
            if (reason := text.reason()) is None:
                going.append(text)
            else:
                text.finish(reason)
        self._rows = going

    def _run(self) -> None:
        """Have the model read the tokens that were chosen, and the masks behind them filled meanwhile."""
        rows = self._rows
        if not rows:
            return
        filling = self._lines.begin(rows)
        tokens, caches = [text.last for text in rows], [text.cache for text in rows]
        began = time.perf_counter()
        try:
            self._logits = self.model.decode(tokens, caches)
            for place, text in enumerate(rows):
                text.place = place
        except Exception as error:
            self._recover(rows, error)
        ran = time.perf_counter() - began
        for text in rows:
            text.usage.model_seconds += ran
            text.ran = ran
        filling.wait()
        self._settle()

    def _recover(self, rows: list[Text], error: Exception) -> None:
        """Go on after a forward pass that failed. What the caches hold is not known any more: where memory
        ran out, the text that came last gives its own up, and the others are read anew."""
        if not _is_memory(error):
            for text in rows:
                text.error = _failed(error)
            return
        for text in rows:
            text.cache = None
        rows[-1].error = _failed(error)
        for text in rows[:-1]:
            self._read([text])

    def _prompt(self, prompt: str | Sequence[int]) -> list[int]:
        ids = self.tokenizer.encode(prompt.encode()) if isinstance(prompt, str) else list(prompt)
        if not ids:
            raise OptionError("The prompt is empty.", where="prompt", cure="Give at least one token.")
        wrong = next((token for token in ids if not 0 <= token < self.model.vocab_size), None)
        if wrong is not None:
            raise OptionError(f"Token {wrong} of the prompt is none of the model's.", where="prompt")
        return ids


def _is_memory(error: Exception) -> bool:
    # a CPU's allocator raises a RuntimeError
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "allocate memory" in str(error)


def _failed(error: Exception) -> StructgenError:
    if _is_memory(error):
        what, cure = "There is no memory for it", "Write fewer texts at a time (max_rows), or shorter ones."
    else:
        what, cure = f"The model failed: {type(error).__name__}", "Look at the model."
    told = StructgenError(f"{what}: {error}", where="model", cure=cure)
    told.__cause__ = error
    return told


def _raise_error(handle: Handle) -> None:
    if handle.result is not None and handle.result.error is not None:
        raise handle.result.error
