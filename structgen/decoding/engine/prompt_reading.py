"""Reads the prompts of texts, in pieces if the model can, while other texts are being written.

A *piece* is a part of a prompt that ends at a multiple of `model.piece_tokens`, or with the prompt. The
places where pieces end do not depend on speed, on other texts, or on what is kept of earlier prompts; so with
our own model the logits are the same to the bit however a prompt is read. Speed decides only how many pieces
a step of the loop reads.

The oldest prompt gets a piece in each step. The rest of the step goes to the prompts with the fewest tokens
left, so that a short prompt is never behind more than one piece of a long one. A prompt that begins like
another one waits until the other one has read the common pieces, and then shares them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from torch import Tensor

from structgen.decoding.engine.model_faults import wrap_model_error
from structgen.decoding.engine.model_protocol import (
    KeepsPrompts,
    Model,
    ReadsMany,
    ReadsPieces,
    check_logits,
    piece_reader_of,
    split_alike,
)
from structgen.decoding.engine.requests import FinishReason
from structgen.decoding.engine.text import Text

_BUSY_SECONDS: Final = 0.15
"""How long the prompts of one step are read while texts wait for their next token."""
_IDLE_SECONDS: Final = 0.6
"""How long they are read while no text does: a prompt that arrives meanwhile waits for the step's end."""
_FEWEST_PIECES: Final = 2
"""A step reads so many pieces at least: one of the oldest prompt, and one of the shortest."""
_FEWEST_TIMED: Final = 16
"""The fewest tokens of a pass from which the seconds of a token are measured."""


@dataclass(slots=True, eq=False)
class _Prompt:
    """A prompt that is being read."""

    texts: list[Text]
    """The samples of one request, which share what is read."""
    tokens: list[int]
    """The prompt; then the decided tokens of a text that is read again after an interrupt."""
    cache: Any = None
    read_count: int = 0
    """How many tokens the model has read for this prompt; the others of the cache were kept."""
    logits: Tensor | None = None
    """The logits after the last token; None: not read yet."""

    @property
    def count(self) -> int:
        """How many tokens the cache has."""
        return 0 if self.cache is None else int(self.cache.length)

    @property
    def rest(self) -> int:
        """How many tokens are left to read."""
        return len(self.tokens) - self.count

    @property
    def salt(self) -> str:
        """Only prompts with the same salt share what is kept."""
        return self.texts[0].start.request.cache_salt


class PromptReader:
    """The texts of a loop whose prompts are not read yet. `step_tokens`: how many tokens a step reads, in
    whole pieces; None: as many as fit into a fraction of a second."""

    def __init__(self, model: Model, step_tokens: int | None) -> None:
        self._model = model
        self._step_tokens = step_tokens
        self._prompts: list[_Prompt] = []
        """In order of arrival."""
        self._token_seconds = 0.0
        """The seconds for a token of a prompt, lately; 0: not known yet."""

    @property
    def count(self) -> int:
        """The number of texts whose prompts are being read."""
        return sum(len(prompt.texts) for prompt in self._prompts)

    def add(self, texts: Sequence[Text]) -> None:
        """Take texts that were admitted to the batch."""
        prompts: dict[int, _Prompt] = {}
        for text in texts:
            # a text that is read again after an interrupted step has tokens of its own
            shared = text.decided_text if text.all_tokens else text.start
            if id(shared) in prompts:
                prompts[id(shared)].texts.append(text)
            else:
                prompts[id(shared)] = _Prompt([text], [*text.start.prompt, *text.all_tokens])
        self._prompts += prompts.values()

    def clear(self) -> None:
        """Forget all texts, after an interrupted step."""
        self._prompts = []

    def remove_ended(self, hand_out: Callable[[Text, FinishReason], None]) -> None:
        """Hand out the texts that were cancelled or timed out, and read no more of them."""
        for prompt in list(self._prompts):
            for text in list(prompt.texts):
                if (reason := text.end_reason()) is not None:
                    prompt.texts.remove(text)
                    hand_out(text, reason)
            if not prompt.texts:
                self._prompts.remove(prompt)

    def read_step(self, *, is_busy: bool) -> list[Text]:
        """Read prompts for one step. Returns the texts whose prompts are read to the end, or cannot be read:
        they have a cache and logits, or an error. `is_busy`: whether other texts wait meanwhile."""
        reader = piece_reader_of(self._model)
        budget = self._budget(reader, is_busy=is_busy)
        fewest = 1 if reader is None else reader.piece_tokens
        done: list[Text] = []
        # a step has a further pass where a prompt waits for another one that it begins like
        while self._prompts:
            before = sum(prompt.read_count for prompt in self._prompts)
            began = time.perf_counter()
            prompts = self._prompts_to_prefill(reader)
            if reader is None or prompts:
                self._prefill(prompts)
            else:
                prompts = self._read_pieces(reader, budget)
            seconds = time.perf_counter() - began
            tokens = sum(prompt.read_count for prompt in self._prompts) - before
            if tokens >= _FEWEST_TIMED:
                self._token_seconds = seconds / tokens
            budget -= tokens
            for prompt in prompts:
                for text in prompt.texts:
                    text.model_seconds += seconds
                    text.usage.model_seconds += seconds
                if prompt.logits is not None or prompt.texts[0].decided_text.error is not None:
                    self._end_prompt(prompt)
                    done += prompt.texts
            if budget < fewest:
                break
        return done

    def _budget(self, reader: ReadsPieces | None, *, is_busy: bool) -> int:
        """Return how many tokens the next step reads, if there are so many. `reader`: the model, if it reads
        pieces."""
        if reader is None or self._step_tokens is not None:
            return self._step_tokens or 1
        fewest = _FEWEST_PIECES * reader.piece_tokens
        if self._token_seconds == 0:
            return fewest
        return max(fewest, int((_BUSY_SECONDS if is_busy else _IDLE_SECONDS) / self._token_seconds))

    def _prompts_to_prefill(self, reader: ReadsPieces | None) -> list[_Prompt]:
        """Return the prompts that are read whole: all of them if the model reads no pieces, and those that
        are shorter than a piece if it keeps nothing of them."""
        if reader is None:
            return list(self._prompts)
        if isinstance(reader, KeepsPrompts):
            return []
        return [
            prompt
            for prompt in self._prompts
            if prompt.cache is None and len(prompt.tokens) <= reader.piece_tokens
        ]

    def _prefill(self, prompts: Sequence[_Prompt]) -> None:
        """Have the model read whole prompts, in one pass if it can."""
        model = self._model
        results: list[tuple[Tensor, Any]] = []
        if len(prompts) > 1 and isinstance(model, ReadsMany):
            with suppress(Exception):  # any error of the model: each is read alone, and gets its own
                results = list(model.prefill_many([prompt.tokens for prompt in prompts]))
        # If a model does not return one result for each prompt, it is asked for each prompt alone.
        results = results if len(results) == len(prompts) else []
        for prompt in prompts:
            try:
                logits, cache = results.pop(0) if results else model.prefill(prompt.tokens)
                prompt.logits = check_logits(logits, model.vocab_size)
                prompt.cache = cache
                prompt.read_count = len(prompt.tokens)
            except Exception as error:  # any error of the model: the other texts continue
                _decide_error(prompt, error)

    def _read_pieces(self, model: ReadsPieces, budget: int) -> list[_Prompt]:
        """Have the model read pieces of prompts, about `budget` tokens. Returns the prompts."""
        keeper = _keeper_of(model)
        for prompt in self._prompts:
            if prompt.cache is None:
                prompt.cache = model.new_cache()
            if keeper is not None:
                with suppress(MemoryError):  # there is no memory to share it: the model reads it
                    keeper.share_kept(prompt.tokens, prompt.cache, prompt.salt)
        oldest, *others = self._prompts
        order = [oldest, *sorted(others, key=lambda prompt: prompt.rest)]
        if keeper is not None:
            parts = [(prompt.tokens, prompt.count, prompt.salt) for prompt in order]
            order = [order[number] for number in split_alike(parts)[0]]
        ends: dict[_Prompt, int] = {}
        # a piece for each, then more of them, as far as the budget goes
        while order:
            for prompt in list(order):
                start = ends.get(prompt, prompt.count)
                end = min((start // model.piece_tokens + 1) * model.piece_tokens, len(prompt.tokens))
                # the first piece of a step is read however long it is
                if end == start or (end - start > budget and ends):
                    order.remove(prompt)
                    continue
                ends[prompt] = end
                budget -= end - start
        prompts = list(ends)
        pieces = [prompt.tokens[prompt.count : ends[prompt]] for prompt in prompts]
        try:
            logits = model.read_pieces(pieces, [prompt.cache for prompt in prompts])
            check_logits(logits, len(prompts), self._model.vocab_size)
        except Exception:  # any error of the model: each is read alone, whole, and gets its own
            self._read_alone(model, prompts)
            return prompts
        for prompt, piece, row in zip(prompts, pieces, logits, strict=True):
            prompt.read_count += len(piece)
            if prompt.rest == 0:
                prompt.logits = row
            if keeper is not None:
                with suppress(MemoryError):
                    keeper.keep_beginning(prompt.tokens, prompt.cache, prompt.salt)
        return prompts

    def _read_alone(self, model: ReadsPieces, prompts: Sequence[_Prompt]) -> None:
        """Have the model read each prompt alone, whole, into a cache that shares nothing."""
        for prompt in prompts:
            try:
                cache = model.new_cache()
                logits = model.read_pieces([prompt.tokens], [cache])
                prompt.logits = check_logits(logits, 1, self._model.vocab_size)[0]
                prompt.cache, prompt.read_count = cache, len(prompt.tokens)
            except Exception as error:  # any error of the model: the other texts continue
                _decide_error(prompt, error)

    def _end_prompt(self, prompt: _Prompt) -> None:
        """Give its texts what was read: the first one the cache, and further samples a copy of it."""
        self._prompts.remove(prompt)
        first, *others = prompt.texts
        error = first.decided_text.error
        for text in prompt.texts:
            text.logit_row = -1
            if not text.all_tokens:
                text.usage.cached_tokens = len(prompt.tokens) - prompt.read_count
        if error is not None:
            for text in others:
                text.decide_error(error)
            return
        first.logits, first.cache = prompt.logits, prompt.cache
        for text in others:
            try:
                text.logits, text.cache = prompt.logits, prompt.cache.copy()
            except Exception as fault:  # any error of the model: the other texts continue
                text.decided_text.error = wrap_model_error(fault)

    def keep_text(self, text: Text) -> None:
        """Keep a text that ended, for a prompt that goes on with it, such as the next turn of a talk."""
        if text.cache is None or text.decided_text.error is not None:
            return
        keeper = _keeper_of(piece_reader_of(self._model))
        if keeper is not None:
            tokens = [*text.start.prompt, *text.all_tokens]
            keeper.keep_beginning(tokens, text.cache, text.start.request.cache_salt)


def _keeper_of(reader: object) -> KeepsPrompts | None:
    """Return a model that reads pieces (None: it does not) if it keeps prompts, too."""
    return reader if isinstance(reader, KeepsPrompts) and reader.kept_prompts.is_on else None


def _decide_error(prompt: _Prompt, error: Exception) -> None:
    """Set the error of the first sample; further ones get it with the prompt's end."""
    prompt.texts[0].decided_text.error = wrap_model_error(error)
