"""One text that is being written: what is kept of it from step to step, and how it ends."""

from __future__ import annotations

import codecs
import time
from typing import Any

from torch import Tensor

from structgen.compiled import CompiledGrammar
from structgen.engine.choice import Row
from structgen.engine.requests import FinishReason, Handle, Result, Step, Usage
from structgen.engine.thinking import Phase
from structgen.errors import StructgenError
from structgen.matcher import Matcher
from structgen.schema.grammar import JsonSchemaGrammar


class Text:
    """One text that is being written. `least` is what the shortest end of it takes."""

    __slots__ = (
        "_held",
        "_max_tokens",
        "_thoughts",
        "began",
        "cache",
        "decoder",
        "error",
        "filled",
        "handle",
        "last",
        "least",
        "line",
        "logits",
        "matcher",
        "phase",
        "place",
        "prompt",
        "ran",
        "row",
        "steered",
        "steps",
        "stop",
        "text",
        "thought",
        "tokens",
        "told",
        "usage",
    )

    def __init__(self, handle: Handle, prompt: list[int], matcher: Matcher | None, least: int) -> None:
        request = handle.request
        self.handle, self.prompt, self.matcher, self.least = handle, prompt, matcher, least
        self.began = time.monotonic()
        self.cache: Any = None
        self.logits: Tensor | None = None
        """The logits behind the prompt, while `place` is -1."""
        self.place = -1
        """The row of the logits of the engine's last step."""
        self.line = 0
        """The row of the engine's masks."""
        self.phase: Phase | None = None
        """The thoughts, which hold the matcher while they last."""
        self.thought: list[int] = []
        """The tokens of the thoughts, so far."""
        self.last = 0
        """The token that the model reads next."""
        self.tokens: list[int] = []
        self.row = Row(request.sampling, handle.sample, 0, prompt, self.tokens)
        self.steps: list[Step] = []
        self.usage = Usage(prompt_tokens=len(prompt))
        self.decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self.text = ""
        self.told = 0
        self.ran = self.filled = 0.0
        self.error: StructgenError | None = None
        self.stop: FinishReason | None = None
        self.steered = False
        self._max_tokens = request.max_tokens
        self._thoughts = ""
        self._held = max((len(stop) for stop in request.stop), default=1) - 1
        """Characters that may still turn out to begin a stop string."""

    @property
    def room(self) -> int:
        """How many tokens the rest of the document may take: those that are left; or, with few of them to
        spare, the least."""
        left = self._max_tokens - len(self.tokens)
        return left if left - self.least > self.handle.request.steer_early else self.least

    @property
    def read(self) -> list[int]:
        """All tokens that a model has to have read before it goes on."""
        return [*self.prompt, *self.thought, *self.tokens]

    def think(self, token: int) -> None:
        """Add a token that the thoughts took; where it closed them, the document begins."""
        phase = self.phase
        assert phase is not None
        self.last = token
        self.thought.append(token)
        self.row.position += 1
        if phase.is_over:
            self.matcher, self.phase, self._thoughts = phase.matcher, None, phase.thoughts
            if self.matcher is not None:
                self.least = self.matcher.tokens_to_finish()
            self.text = self.decoder.decode(phase.rest)

    def take(self, step: Step, written: bytes | None) -> None:
        """Add a step: the bytes that its token writes, or None where that ends the text."""
        self.steps.append(step)
        self.steered = self.steered or step.steered
        if written is None:
            self.stop = FinishReason.STOP
        else:
            self.tokens.append(step.token)
            self.last = step.token
            self.row.position += 1
            self._write(written)
        if self.stop is not None:
            if self.matcher is not None and self.steered:
                self.stop = FinishReason.STEERED
        elif len(self.tokens) >= self._max_tokens:
            # under a grammar the document is complete; the end token was not asked for
            self.stop = FinishReason.MAX_TOKENS if self.matcher is None else FinishReason.STEERED

    def _write(self, written: bytes) -> None:
        """Add characters to the text, and hand on what cannot be part of a stop string any more."""
        before = len(self.text)
        self.text += self.decoder.decode(written)
        stops = self.handle.request.stop
        if stops:
            start = max(before - self._held, 0)
            ends = [at for at in (self.text.find(stop, start) for stop in stops) if at >= 0]
            if ends:
                self.text, self.stop = self.text[: min(ends)], FinishReason.STOP
        sure = len(self.text) if self.stop is not None else max(len(self.text) - self._held, self.told)
        if sure > self.told:
            self.handle.tell(self.text[self.told : sure])
            self.told = sure

    def reason(self) -> FinishReason | None:
        """Return why the text ends here; None where it goes on."""
        if self.error is not None:
            return FinishReason.ERROR
        if self.stop is not None:
            return self.stop
        if self.handle.cancelled:
            return FinishReason.CANCELLED
        timeout = self.handle.request.timeout
        if timeout is not None and time.monotonic() - self.began > timeout:
            self.error = StructgenError(
                f"The text was not complete after {timeout} s.", where="timeout", cure="Allow more time."
            )
            return FinishReason.ERROR
        return None

    def finish(self, reason: FinishReason) -> None:
        """Hand out the result."""
        self.text += self.decoder.decode(b"", True) if self.stop is None else ""
        if len(self.text) > self.told:
            self.handle.tell(self.text[self.told :])
        self.usage.tokens, self.usage.thought_tokens = len(self.tokens), len(self.thought)
        if self.cache is not None:
            self.usage.cache_bytes = int(self.cache.nbytes)
        self.cache = self.logits = None
        grammar = self.handle.request.grammar
        if isinstance(grammar, CompiledGrammar):
            grammar = grammar.grammar
        self.handle.finish(
            Result(
                self.text,
                reason,
                self.tokens,
                self.steps,
                self.usage,
                self.handle.sample,
                self.error,
                isinstance(grammar, JsonSchemaGrammar),
                self._thoughts if self.phase is None else self.phase.thoughts,
            )
        )
