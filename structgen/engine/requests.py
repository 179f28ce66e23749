"""What is asked of the engine, and what comes back."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

from structgen.core.compiled import CompiledGrammar
from structgen.core.grammar import Grammar
from structgen.engine import checks
from structgen.engine.thinking import Thinking
from structgen.errors import OptionError, StructgenError
from structgen.json_grammars.schema_grammar import JsonSchemaGrammar
from structgen.printable import short_repr
from structgen.speculation.speculation_options import AUTO, Speculation, checked_speculation


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


_TEMPERATURE = 1e-30, 1e30, "0 for the likeliest token, or a number from 1e-30 to 1e30"
_ABOVE_ZERO = 5e-324, 1.0, "a number above 0, at most 1"
_FACTOR = 1e-6, 1e6, "a number from 0.000001 to 1,000,000; 1 changes nothing"
_PENALTY = -1e6, 1e6, "a number from -1,000,000 to 1,000,000; 0 changes nothing"
DEFAULT_MAX_TOKENS = 512
"""Tokens of a text where nothing is said; fewer where the model's context leaves fewer."""
_MOST_SAMPLES = 65_536
"""Samples of a request: what they hold before the first token is a few thousand bytes each."""


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
    logit_bias: Mapping[int, float] | tuple[tuple[int, float], ...] = ()
    """Added to the logits of tokens, by their ids, after the penalties: -100 mostly bans a token, 100 mostly
    forces one, as servers have it. Kept as a tuple of pairs. The grammar's mask holds whatever the bias."""
    min_tokens: int = 0
    """A free text does not end before it has so many tokens. A grammar itself says when its texts may end."""

    def __post_init__(self) -> None:
        for name, value in (
            ("temperature", checks.number("temperature", self.temperature, *_TEMPERATURE, besides=0.0)),
            ("top_p", checks.number("top_p", self.top_p, *_ABOVE_ZERO)),
            ("top_k", checks.whole("top_k", self.top_k, 0)),
            ("min_p", checks.number("min_p", self.min_p, 0.0, 1.0, "a number from 0 to 1")),
            ("repetition_penalty", checks.number("repetition_penalty", self.repetition_penalty, *_FACTOR)),
            ("presence_penalty", checks.number("presence_penalty", self.presence_penalty, *_PENALTY)),
            ("frequency_penalty", checks.number("frequency_penalty", self.frequency_penalty, *_PENALTY)),
            ("seed", checks.whole("seed", self.seed)),
            ("logit_bias", checks.biases("logit_bias", self.logit_bias)),
            ("min_tokens", checks.whole("min_tokens", self.min_tokens, 0)),
        ):
            object.__setattr__(self, name, value)


def redrawn(how: Sampling, attempt: int) -> Sampling:
    """Return how tokens are chosen at an attempt, from 0: later ones draw, and from other seeds, for the same
    choice would fail again."""
    if attempt == 0:
        return how
    return replace(how, temperature=how.temperature or 0.7, seed=how.seed + attempt)


@dataclass(frozen=True, slots=True)
class Request:
    """One text that is wanted, or `n` samples of it."""

    prompt: str | Sequence[int]
    """Text, or token ids (kept as a tuple)."""
    grammar: Grammar | CompiledGrammar | None = None
    """Compiled by the engine, unless it is already, for the same tokenizer."""
    sampling: Sampling | None = None
    """None: the likeliest tokens for a document of a JSON Schema (n = 1), else draws at temperature 1."""
    max_tokens: int | None = None
    """Of each sample, the end token not counted. Under a grammar the text is complete within them. None: 512,
    fewer where the model's context leaves fewer."""
    steer_early: int = 0
    """With so many tokens to spare, or fewer, the shortest end is taken: a text is then not crammed into the
    very last tokens."""
    stop: str | Sequence[str] = ()
    """A string at which a free text ends, or several (kept as a tuple); they are not part of it. They are not
    looked for in thoughts. With a grammar there are none: the grammar says where a text ends."""
    n: int = 1
    timeout: float | None = None
    """Seconds from when it was submitted."""
    logprobs: int = 0
    """So many of the likeliest tokens of each step are kept (`Step.likeliest`, `Step.likeliest_allowed`)."""
    thinking: Thinking | None = None
    """Free text before the document, with a budget of its own."""
    speculation: str | Speculation = "auto"
    """How the next tokens are guessed, so that one pass of the model checks many: "auto", "off" (one token a
    pass), or an `sg.Speculation`. It changes how long the text takes, and none of its tokens."""
    outline: bool | None = None
    """Whether the outline of the schema is put into a prompt that is text; None: for the embedded models."""
    chat: bool | None = None
    """Whether the chat template is applied to a prompt that is text; None: where the model has one. Token ids
    are read as they are."""
    refused: tuple[str, str] | None = None
    """An earlier answer to a prompt that is text, and why it was refused: both are put into the prompt, but
    not for the embedded models, which know no instructions."""

    def __post_init__(self) -> None:
        is_text = isinstance(self.prompt, str)
        for name, value in (
            (
                "prompt",
                checks.text("prompt", self.prompt) if is_text else checks.tokens("prompt", self.prompt),
            ),
            (
                "max_tokens",
                None if self.max_tokens is None else checks.whole("max_tokens", self.max_tokens, 1),
            ),
            ("refused", checks.refusal("refused", self.refused)),
            ("outline", checks.flag("outline", self.outline)),
            ("chat", checks.flag("chat", self.chat)),
            ("steer_early", checks.whole("steer_early", self.steer_early, 0)),
            ("stop", checks.texts("stop", self.stop)),
            ("n", checks.whole("n", self.n, 1, _MOST_SAMPLES)),
            ("logprobs", checks.whole("logprobs", self.logprobs, 0)),
            ("timeout", checks.seconds("timeout", self.timeout)),
            ("speculation", checked_speculation(self.speculation)),
        ):
            object.__setattr__(self, name, value)
        if not isinstance(self.grammar, Grammar | CompiledGrammar | None):
            raise OptionError(
                f"grammar is a {type(self.grammar).__name__}.",
                where="grammar",
                cure="Make a grammar of a schema with sg.json_schema(schema).",
            )
        if self.sampling is not None and not isinstance(self.sampling, Sampling):
            raise OptionError(
                f"sampling is a {type(self.sampling).__name__}.",
                where="sampling",
                cure="Pass sg.Sampling(temperature=..., seed=...).",
            )
        if not isinstance(self.thinking, Thinking | None):
            raise OptionError(
                f"thinking is a {type(self.thinking).__name__}.",
                where="thinking",
                cure="Pass sg.Thinking(until=..., max_tokens=...).",
            )
        if self.stop and self.grammar is not None:
            raise OptionError(
                "A stop string would cut a text of the grammar short: it would be none of its texts.",
                where="stop",
                cure="Leave stop out: the text ends where the grammar ends it; or say in the grammar what "
                "comes before the string.",
            )
        self._check_ends()

    def _check_ends(self) -> None:
        """Raise OptionError for options that say where a text ends beside a grammar, which says it too."""
        least = 0 if self.sampling is None else self.sampling.min_tokens
        if least and self.grammar is not None:
            raise OptionError(
                "min_tokens would have a text of the grammar go on where only blanks may come.",
                where="min_tokens",
                cure="Leave it out, and bound the text in the grammar: minLength, minItems, {n,}.",
            )
        if least > self.most_tokens:
            raise OptionError(
                f"min_tokens={least:,} is more than max_tokens={self.most_tokens:,}.",
                where="min_tokens",
                cure="Give fewer.",
            )

    @property
    def most_tokens(self) -> int:
        """The tokens of a text, at most."""
        return DEFAULT_MAX_TOKENS if self.max_tokens is None else self.max_tokens

    @property
    def schema(self) -> JsonSchemaGrammar | None:
        """The grammar, where it is that of a JSON Schema."""
        found = self.grammar.grammar if isinstance(self.grammar, CompiledGrammar) else self.grammar
        return found if isinstance(found, JsonSchemaGrammar) else None

    @property
    def chosen_by(self) -> Sampling:
        """How tokens are chosen."""
        if self.sampling is not None:
            return self.sampling
        return Sampling(temperature=0.0 if self.schema is not None and self.n == 1 else 1.0)

    @property
    def drafts(self) -> Speculation | None:
        """How tokens are drafted; None: not at all."""
        if isinstance(self.speculation, Speculation):
            return self.speculation
        return AUTO if self.speculation == "auto" else None

    @property
    def stops(self) -> tuple[str, ...]:
        """The strings at which a text ends."""
        return tuple(self.stop)


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
    """Of the forward pass before it, for the whole batch; 0 for a token that was drafted, and needed none."""
    mask_seconds: float = 0.0
    """Of filling the masks of that batch, meanwhile; 0 for a token that was drafted."""
    likeliest: tuple[tuple[int, float], ...] = ()
    """The likeliest tokens (`Request.logprobs` of them) and their log-probabilities, allowed or not."""
    likeliest_allowed: tuple[tuple[int, float], ...] = ()
    """The same among the tokens allowed, given the mask."""
    drafter: str = ""
    """The names of the drafters that had guessed the token, with commas between them; "": none had."""


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
    """What the batch waited for masks, those it computed by itself and handing others over included."""
    cache_bytes: int = 0
    calls: int = 0
    """Passes of the model after the prompt; without speculation one for each token but the first."""
    drafted: int = 0
    """Guessed tokens that the model has checked."""
    accepted: dict[str, int] = field(default_factory=dict)
    """Guessed tokens that the text has taken, by drafter; one that several had guessed counts for each."""
    speculation: str = ""
    """Why there was less speculation than was asked for: what the model cannot verify, a drafter that was
    dropped; "": there was not less."""

    @property
    def tokens_per_call(self) -> float:
        """Tokens of thoughts and text for each of `calls`: about 1 without speculation; 0 without a call."""
        return (self.tokens + self.thought_tokens) / self.calls if self.calls else 0.0


@dataclass(slots=True, repr=False)
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

    def __repr__(self) -> str:
        error = "" if self.error is None else f", {type(self.error).__name__}: {self.error}"
        said = f"{self.finish_reason.value}, {len(self.tokens):,} tokens"
        return f"<Result {said}: {short_repr(self.text)}{error}>"

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

    __slots__ = ("_is_done", "_listeners", "_lock", "cancelled", "request", "result", "sample", "written")

    def __init__(self, request: Request, sample: int) -> None:
        self.request, self.sample = request, sample
        self.result: Result | None = None
        """There once it is done."""
        self.written = ""
        """The text so far, as far as no stop string can take it away any more."""
        self.cancelled = False
        self._is_done = False
        self._lock = threading.Lock()
        self._listeners: list[_Listener] = []

    @property
    def is_done(self) -> bool:
        """Whether the result is there, and all listeners have been told."""
        return self._is_done

    def cancel(self) -> None:
        """End the text at the next step; what there is of it is in the result."""
        self.cancelled = True

    def listen(self, want: Callable[[str | None], None]) -> None:
        """Have a function called with each piece of text, and with None at the end, by whoever drives the
        engine; what is written already is in the first piece.

        Where the function raises, the text ends with that error. Where a call of it is cut short by an
        interrupt (KeyboardInterrupt), nobody knows whether the piece arrived: the text ends with an error,
        too.
        """
        listener = _Listener(want)
        with self._lock:
            self._listeners.append(listener)
            late = self._is_done
        if late:
            listener.end(self.written)

    def tell(self, text: str) -> None:
        """Note the text so far, and hand on to each listener what it has not had. Raises StructgenError where
        one fails; it hears no more pieces."""
        self.written = text
        for listener in self._listeners:
            try:
                listener.hear(text)
            except Exception as error:
                raise _of_listener(error) from error

    def finish(self, result: Result) -> None:
        """Set the result, and tell all listeners the end. A second call goes on with a first one that was cut
        in the middle."""
        if self.result is None:
            # in this order: who sees a result sees its whole text
            self.written = result.text
            self.result = result
        while not self._is_done:
            for listener in list(self._listeners):
                try:
                    listener.end(self.written)
                except Exception as error:
                    if self.result.error is None:
                        self.result.error = _of_listener(error)
                        self.result.finish_reason = FinishReason.ERROR
            with self._lock:  # another listener may have come
                self._is_done = all(listener.is_over for listener in self._listeners)


class _Listener:
    """A function that wants to hear a text, and how much of it it has heard."""

    __slots__ = ("_at", "_is_calling", "_is_lost", "_want", "is_over")

    def __init__(self, want: Callable[[str | None], None]) -> None:
        self._want, self._at = want, 0
        self._is_calling = False
        """Whether a call has begun and not returned."""
        self._is_lost = False
        """Whether a call has failed: no other piece would fit to what was heard."""
        self.is_over = False

    def hear(self, text: str) -> None:
        """Hand on what is new of a text. Raises what the function raises, and StructgenError after a call of
        it that was cut short."""
        if self._is_lost or len(text) <= self._at:
            return
        if self._is_calling:
            self._is_lost = True
            raise StructgenError(
                "A call was cut short, and whether its piece arrived is not known.",
                where="listen",
                cure="Take the whole text from the result.",
            )
        self._is_calling = True
        try:
            self._want(text[self._at :])
        except Exception:
            self._is_lost = True
            raise
        self._at = len(text)
        self._is_calling = False

    def end(self, text: str) -> None:
        """Hand on what is new of a whole text, and None. Raises what the function raises."""
        if self.is_over:
            return
        failed: Exception | None = None
        try:
            self.hear(text)
        except Exception as error:
            failed = error
        try:
            self._want(None)
        except Exception as error:
            failed = failed or error
        self.is_over = True
        if failed is not None:
            raise failed


def _of_listener(error: Exception) -> StructgenError:
    return fault_of(
        error, "A listener of the text failed", "listen", "Mend the function given to Handle.listen."
    )


def fault_of(
    error: Exception,
    what: str,
    where: str = "",
    cure: str = "This is a fault of structgen: please report it.",
) -> StructgenError:
    """Return the error of a text in which something failed: the error itself where it is one of ours."""
    if isinstance(error, StructgenError):
        return error
    told = StructgenError(f"{what}: {type(error).__name__}: {error}", where=where, cure=cure)
    told.__cause__ = error
    return told
