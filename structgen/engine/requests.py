"""What is asked of the engine, and what comes back."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from structgen.compiled import CompiledGrammar
from structgen.engine.thinking import Thinking
from structgen.errors import OptionError, StructgenError
from structgen.grammar import Grammar


class FinishReason(Enum):
    """Why a text ended."""

    STOP = "stop"
    """The model ended it, where the grammar allows an end; or a stop string came."""
    STEERED = "steered"
    """It is complete; the end had to be brought about so that it fits max_tokens."""
    MAX_TOKENS = "max_tokens"
    """There is no grammar, and no room."""
    CANCELLED = "cancelled"
    ERROR = "error"
    """`Result.error` says what went wrong; the text so far is there."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """How tokens are chosen. The order is: penalties, temperature, the grammar's mask, top-k, top-p, min-p, a
    draw. With temperature 0 the likeliest token is taken."""

    temperature: float = 1.0
    top_p: float = 1.0
    """Of the allowed tokens the likeliest whose mass reaches this (the nucleus, Holtzman et al. 2020)."""
    top_k: int = 0
    """Of the allowed tokens the likeliest so many; 0: all."""
    min_p: float = 0.0
    """Tokens at least so likely as this share of the likeliest (Nguyen et al. 2024)."""
    repetition_penalty: float = 1.0
    """Logits of tokens in prompt and text are divided, or below 0 multiplied, by it (Keskar et al. 2019)."""
    presence_penalty: float = 0.0
    """Taken from the logits of tokens that the text holds."""
    frequency_penalty: float = 0.0
    """The same, times how often it holds them."""
    seed: int = 0

    def __post_init__(self) -> None:
        for name, good, takes in (
            ("temperature", self.temperature >= 0, "a number that is not negative"),
            ("top_p", 0 < self.top_p <= 1, "a number above 0, at most 1"),
            ("top_k", self.top_k >= 0, "0 (all) or how many"),
            ("min_p", 0 <= self.min_p <= 1, "a number from 0 to 1"),
            ("repetition_penalty", self.repetition_penalty > 0, "a number above 0"),
        ):
            if not good:
                raise OptionError(f"{name}={getattr(self, name)!r}: it takes {takes}.", where=name)


@dataclass(frozen=True, slots=True)
class Request:
    """One text that is wanted, or `n` samples of it."""

    prompt: str | Sequence[int]
    """Text, or token ids."""
    grammar: Grammar | CompiledGrammar | None = None
    """Compiled by the engine, unless it is already, for the same tokenizer."""
    sampling: Sampling = field(default_factory=Sampling)
    max_tokens: int = 256
    """Of each sample, the end token not counted. Under a grammar the text is complete within them."""
    steer_early: int = 0
    """With so many tokens to spare, or fewer, the shortest end is taken: a text is then not crammed into the
    very last tokens."""
    stop: tuple[str, ...] = ()
    """Strings at which a text ends; they are not part of it."""
    n: int = 1
    timeout: float | None = None
    """Seconds from when it was submitted."""
    logprobs: int = 0
    """So many of the likeliest tokens of each step are kept (`Step.likeliest`, `Step.likeliest_allowed`)."""
    thinking: Thinking | None = None
    """Free text before the document, with a budget of its own."""

    def __post_init__(self) -> None:
        for name, value, least in (
            ("max_tokens", self.max_tokens, 1),
            ("n", self.n, 1),
            ("steer_early", self.steer_early, 0),
            ("logprobs", self.logprobs, 0),
        ):
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise OptionError(f"{name}={value!r}: it takes a whole number, at least {least}.", where=name)
        if not isinstance(self.grammar, Grammar | CompiledGrammar | None):
            raise OptionError(
                f"grammar is a {type(self.grammar).__name__}.",
                where="grammar",
                cure="Make a grammar of a schema with sg.json_schema(schema).",
            )
        if any(not stop for stop in self.stop):
            raise OptionError("An empty string would stop every text at once.", where="stop")


@dataclass(slots=True)
class Step:
    """One token of a text, and how it came to be."""

    token: int
    logprob: float
    """Under the model alone (temperature 1)."""
    constrained: float
    """Under the model, given the mask: what of `logprob` is left once the rest is divided out."""
    removed: float
    """The mass that the mask took from the model, 0 to 1."""
    allowed: int
    """Tokens that the mask allowed."""
    wanted: int
    """The token that the model thought likeliest, allowed or not."""
    steered: bool = False
    """Whether another token was chosen, which would not have fitted."""
    model_seconds: float = 0.0
    """Of the forward pass before it, for the whole batch."""
    mask_seconds: float = 0.0
    """Of filling the masks of that batch, meanwhile."""
    likeliest: tuple[tuple[int, float], ...] = ()
    """The likeliest tokens (`Request.logprobs` of them) and their log-probabilities, allowed or not."""
    likeliest_allowed: tuple[tuple[int, float], ...] = ()
    """The same among the tokens allowed, given the mask."""


@dataclass(slots=True)
class Usage:
    """What a text cost: tokens, and seconds of the batches it was in."""

    prompt_tokens: int = 0
    tokens: int = 0
    thought_tokens: int = 0
    """Before the text, the closing tag counted; not among `tokens`."""
    model_seconds: float = 0.0
    mask_seconds: float = 0.0
    """Filling masks: known ones at once, others in another thread while the model ran."""
    waited_seconds: float = 0.0
    """What the batch waited for masks, those it worked out by itself and handing others over included."""
    cache_bytes: int = 0


@dataclass(slots=True)
class Result:
    """A text. There always is one, whatever the finish reason."""

    text: str
    finish_reason: FinishReason
    tokens: list[int]
    steps: list[Step]
    usage: Usage
    sample: int = 0
    error: StructgenError | None = None
    is_json: bool = False
    thoughts: str = ""
    """What came before the text, where thinking was asked for."""

    @property
    def value(self) -> Any:
        """The text as a Python value where the grammar is a JSON Schema and it is complete, else the text."""
        complete = self.finish_reason in (FinishReason.STOP, FinishReason.STEERED)
        return json.loads(self.text) if self.is_json and complete else self.text

    @property
    def logprob(self) -> float:
        """Log-probability of the text under the model alone."""
        return sum(step.logprob for step in self.steps)

    @property
    def constrained_logprob(self) -> float:
        """Log-probability of the text under the model with the grammar's masks."""
        return sum(step.constrained for step in self.steps)


class Handle:
    """One sample of a request on its way. Made by `Engine.submit`."""

    __slots__ = ("_done", "_lock", "_wants", "cancelled", "request", "result", "sample")

    def __init__(self, request: Request, sample: int) -> None:
        self.request, self.sample = request, sample
        self.result: Result | None = None
        """There once it is done."""
        self.cancelled = False
        self._done = threading.Event()
        self._lock = threading.Lock()
        self._wants: list[Callable[[str | None], None]] = []

    @property
    def is_done(self) -> bool:
        """Whether the result is there."""
        return self._done.is_set()

    def cancel(self) -> None:
        """End the text at the next step; what there is of it is in the result."""
        self.cancelled = True

    def listen(self, want: Callable[[str | None], None]) -> None:
        """Have a function called with each piece of text, and with None at the end, by whoever drives the
        engine."""
        with self._lock:
            self._wants.append(want)
        if self.is_done:
            want(None)

    def tell(self, text: str) -> None:
        """Hand a piece of text on."""
        if self._wants:
            for want in list(self._wants):
                want(text)

    def finish(self, result: Result) -> None:
        """Set the result."""
        self.result = result
        self._done.set()
        for want in list(self._wants):
            want(None)
