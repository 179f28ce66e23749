"""The requests of the engine, and their results.

- A `Request` is a prompt with a grammar and options; its `n` *samples* are independent texts.
- A `Sampling` says how each token is chosen: temperature, top-k, penalties.
- A `Handle` follows one sample in progress; `Engine.submit` returns it.
- A `Step` is one token of a text with the figures of its choice; a `Usage` is the cost of a text.
- A `Result` is the finished text with its steps, its usage and the `FinishReason`.
- A *target* is anything that `sg.run` takes as a grammar: a grammar, a pattern, a type, a JSON Schema.
- A *draft* is a tree of guessed tokens; one forward pass checks all of them.

The annotation of a field checks its value when an object is made (`base.language.checks`).
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from enum import Enum
from functools import partial
from typing import Annotated, Any, Final, TypeAlias, cast

from structgen.base.errors import OF_MONITORS, StructgenError, fields_named
from structgen.base.language import checks
from structgen.base.language.checks import (
    ChoiceCheck,
    Count,
    InstanceCheck,
    NamedCheck,
    NumberCheck,
    PositiveCount,
    Share,
    Switch,
    UnicodeText,
    WholeCheck,
    check_fields,
)
from structgen.base.printable import short_repr
from structgen.decoding.engine.contradictions import OF_REQUESTS, OF_SAMPLING
from structgen.decoding.engine.strategies.repetitions import ENDS, Repetitions
from structgen.decoding.engine.strategies.strategy import Strategy, checked_strategies
from structgen.decoding.engine.thinking import Thinking
from structgen.decoding.speculation.speculation_options import AUTO, Speculation, checked_speculation
from structgen.grammars.compilation.request_bans import check_bans
from structgen.machines.core.compiled import CompiledGrammar
from structgen.machines.core.grammar import Grammar


class FinishReason(Enum):
    """Why a text ended."""

    STOP = "stop"
    """The model chose the end token where the grammar allows it; or a stop string occurred."""
    STEERED = "steered"
    """The document is complete. Its end was forced so that it fits into max_tokens."""
    REPETITION = "repetition"
    """The document is complete. A value that repeated itself, or a number of too many digits, was closed
    (`Sampling.repetition`). `Usage.closed` lists these values."""
    MAX_TOKENS = "max_tokens"
    """All max_tokens are used up. This happens only without a grammar, and on servers."""
    CANCELLED = "cancelled"
    ERROR = "error"
    """Something went wrong; `Result.error` has the error, and the result has the text so far."""


COMPLETE: Final = (FinishReason.STOP, FinishReason.STEERED, FinishReason.REPETITION)
"""The reasons with which a text of a grammar is whole."""
_TEMPERATURE = 1e-30, 1e30, "0 (greedy) or a number from 1e-30 to 1e30"
_ABOVE_ZERO = 5e-324, 1.0, "a number above 0, at most 1"
_FACTOR = 1e-6, 1e6, "a number from 0.000001 to 1,000,000; 1 changes nothing"
_PENALTY = -1e6, 1e6, "a number from -1,000,000 to 1,000,000; 0 changes nothing"
CHOICES: Final = ("whole", "tokens")
"""The values of `Request.choices`: how a greedy text is chosen among listed values."""
DEFAULT_MAX_TOKENS = 512
"""The default of max_tokens; fewer if the model's context leaves fewer."""
MOST_SAMPLES: Final = 65_536
"""The upper bound of `Request.n` and of `sg.most_probable(k=)`. A sample takes a few thousand bytes before
its first token."""
_A_REPETITION = InstanceCheck(
    Repetitions | None,
    "Pass sg.strategies.Repetitions(length=..., times=..., digits=..., share=...), or None.",
)
_A_THINKING = InstanceCheck(Thinking, "Pass sg.Thinking(until=..., max_tokens=...).")


def _read_grammar(name: str, value: Any) -> Grammar | CompiledGrammar | None:
    """Return the grammar of a target. For a type, the grammar also has the reader that makes objects of it.
    `name` is the name of the option in errors."""
    if isinstance(value, Grammar | CompiledGrammar):
        hashable_grammar: Grammar | CompiledGrammar = checks.check_hashable(name, value)
        return hashable_grammar
    # start-up: most requests are made with a grammar
    from structgen.asking.request_reading.targets import read_target

    grammar, reader = read_target(value, where=name)
    # The innermost grammar gets the reader. `Text._read_value` finds it through the grammars around it.
    if reader is not None and isinstance(grammar, Grammar) and grammar.schema is not None:
        read_document = reader.read_document
        return grammar.inside(lambda inner: cast("Any", inner).with_reader(read_document))
    return grammar


def _check_stop_tokens(name: str, value: Any) -> tuple[int, ...]:
    return checks.check_tokens(name, value) if value else ()


@fields_named(
    "sg.Sampling(temperature=0.7, seed=3)",
    {"temp": "Write temperature=", "max_tokens": "It is an option of sg.run, sg.generate and sg.Request"}
    | OF_MONITORS,
)
@dataclass(frozen=True, slots=True)
class Sampling:
    """The options of choosing a token. The order is: penalties, temperature, the grammar's mask, top-k,
    top-p, min-p, draw. Temperature 0 takes the most probable token. A strategy acts before the penalties or
    after the mask (docs/strategies.md)."""

    temperature: Annotated[float, NumberCheck(*_TEMPERATURE, besides=0.0)] = 1.0
    top_p: Annotated[float, NumberCheck(*_ABOVE_ZERO)] = 1.0
    """The probability mass of the most probable allowed tokens that are kept (the nucleus, Holtzman et al.
    2020); 1: all."""
    top_k: Count = 0
    """The number of the most probable allowed tokens that are kept; 0: all."""
    min_p: Share = 0.0
    """The share of the greatest token probability that a token needs to be kept (Nguyen et al. 2024); 0: all
    are kept."""
    repetition_penalty: Annotated[float, NumberCheck(*_FACTOR)] = 1.0
    """The number by which the positive logits of tokens in prompt and text are divided, and the negative ones
    multiplied (Keskar et al. 2019)."""
    presence_penalty: Annotated[float, NumberCheck(*_PENALTY)] = 0.0
    """The number that is subtracted from the logits of the tokens that are in the text."""
    frequency_penalty: Annotated[float, NumberCheck(*_PENALTY)] = 0.0
    """The number that is subtracted from a token's logit once for each occurrence in the text."""
    seed: Annotated[int, WholeCheck()] = 0
    logit_bias: Annotated[Mapping[int, float] | tuple[tuple[int, float], ...], checks.check_biases] = ()
    """The numbers that are added to logits after the penalties, by token id. As on servers, -100 usually bans
    a token, and 100 usually forces one. No bias overrides the grammar's mask. Kept as a tuple of pairs."""
    min_tokens: Count = 0
    """The minimum number of tokens of a free text. With a grammar, the grammar decides where its texts may
    end."""
    strategy: Annotated[Strategy | Sequence[Strategy], NamedCheck(checked_strategies)] = ()
    """One or several decoding strategies that can be combined, such as `sg.strategies.Mirostat()`. A
    strategy changes the distribution of the next token. Kept as a tuple."""
    banned: Annotated[int | str | Sequence[int | str], NamedCheck(check_bans)] = ()
    """The banned texts and the ids of banned tokens. A text is banned in whichever tokens it is spelled; in a
    JSON document it is banned in strings and keys. Kept as a tuple."""

    repetition: Annotated[Repetitions | None, _A_REPETITION] = ENDS
    """The limits on values that repeat themselves and on digits of numbers, at which the engine closes them;
    None: it closes nothing. This acts only in texts with a grammar, and not with a search."""

    def __post_init__(self) -> None:
        check_fields(self)
        if self.strategy:
            OF_SAMPLING.raise_first(self)

    @property
    def strategies(self) -> tuple[Strategy, ...]:
        """The strategies, as a tuple."""
        if isinstance(self.strategy, Sequence):
            return tuple(self.strategy)
        return (self.strategy,)


# The seed is left out: it changes draws, but not their distribution.
NUMBERS: Final = tuple(
    option.name
    for option in fields(Sampling)
    if isinstance(option.default, int | float) and option.name != "seed"
)
"""Options of `Sampling` that servers and vLLM have too, by the same names."""


def with_strategy(
    sampling: Sampling | None, strategy: Strategy | Sequence[Strategy], temperature: float
) -> Sampling:
    """Return a sampling with further strategies.

    If `sampling` is None, the result has the `temperature`. But it has 1 with a strategy that draws, and 0
    with a strategy that takes the best token. Raises OptionError for strategies that exclude one another.
    """
    strategies = checked_strategies(strategy) if strategy else ()
    if sampling is not None:
        return replace(sampling, strategy=(*sampling.strategies, *strategies)) if strategies else sampling
    # The first strategy that needs a temperature sets it. If another one contradicts, `Sampling` raises.
    for choosing in strategies:
        if choosing.draws or choosing.is_greedy:
            temperature = 1.0 if choosing.draws else 0.0
            break
    return Sampling(temperature=temperature, strategy=strategies)


def sampling_of_attempt(sampling: Sampling, attempt: int) -> Sampling:
    """Return the sampling for an attempt, numbered from 0. Attempt 0 has the given sampling. Later attempts
    draw with other seeds, because the same choice would fail again. They lack the strategies that take the
    best token."""
    if attempt == 0:
        return sampling
    drawing = tuple(strategy for strategy in sampling.strategies if not strategy.is_greedy)
    # a greedy sampling (0) draws now, and a strategy that needs temperature 0 would contradict it
    temperature = sampling.temperature or 0.7
    return replace(sampling, temperature=temperature, seed=sampling.seed + attempt, strategy=drawing)


A_SAMPLING: Final = InstanceCheck(Sampling, "Pass sg.Sampling(temperature=..., seed=...).")
IN_SAMPLING: Final = OF_MONITORS | {
    name: f"Write sampling=sg.Sampling({name}=...)" for name in Sampling.__slots__
}
"""The hints of errors in calls that take a `Sampling`: its options by name, with what to write instead."""


@fields_named(
    "sg.Request(prompt, grammar)",
    IN_SAMPLING | dict.fromkeys(("schema", "response_format", "target"), "Write grammar="),
)
@dataclass(frozen=True, slots=True)
class Request:
    """A request for one text, or for `n` samples of it."""

    prompt: Annotated[str | Sequence[int] | Sequence[Mapping[str, Any]], checks.check_prompt]
    """The prompt: a text, token ids, or chat messages. Ids and messages are kept as a tuple."""
    grammar: Annotated[Any, _read_grammar] | None = None
    """A grammar, which the engine compiles if it is not yet compiled for this tokenizer; or any other target
    of `sg.run` (a pattern, a type, a schema), kept as its grammar. With a type, `Result.value` is an object
    of the type. If its validators refuse the document, the value is None, and `Result.error` says why."""
    sampling: Annotated[Sampling, A_SAMPLING] | None = None
    """How each token is chosen. None: greedily for one document of a JSON Schema (n = 1), otherwise by draws
    at temperature 1."""
    max_tokens: PositiveCount | None = None
    """The maximum number of tokens of each sample, without the end token. With a grammar the text is complete
    within it. None: 512, or fewer if the model's context leaves fewer."""
    end_margin: Count = 0
    """The engine takes the shortest completion when at most this number of spare tokens is left, so that the
    text does not end abruptly at the last tokens."""
    stop: Annotated[str | Sequence[str], checks.check_texts] = ()
    """A string at which a free text ends, or several (kept as a tuple); the text does not include it.
    Thoughts are not searched. Not allowed with a grammar, which decides where a text ends."""
    n: Annotated[int, WholeCheck(1, MOST_SAMPLES)] = 1
    timeout: Annotated[float | None, checks.check_seconds] = None
    """The seconds after submission at which the text is ended; None: no limit."""
    logprobs: Count = 0
    """How many of the most probable tokens of each step are recorded (`Step.likeliest`,
    `Step.likeliest_allowed`)."""
    thinking: Annotated[Thinking, _A_THINKING] | None = None
    """The options of thoughts: free text before the document, with a token budget of its own; None: no
    thoughts."""
    speculation: Annotated[str | Speculation, NamedCheck(checked_speculation)] = "auto"
    """How the next tokens are drafted, so that one pass of the model verifies many: "auto", "off" (one token
    a pass), or an `sg.Speculation`. It changes the time of a text, never its tokens."""
    outline: Switch | None = None
    """Whether a text prompt gets the outline of the schema; None: for the embedded models, and with a chat
    template unless the schema lists its values (docs/engine.md)."""
    chat: Switch | None = None
    """Whether a text prompt gets the chat template; None: if the model has one. Token ids are used
    unchanged."""
    canonical: Switch = False
    """Whether forced text is written in the tokenizer's own tokens. It changes the distribution of the
    tokens, not the set of texts (docs/engine.md)."""
    healing: Switch = False
    """Whether the model may write the last tokens of the prompt again, so that one token crosses the end of
    the prompt. The text does not include the bytes of the prompt."""
    special_texts: Switch = False
    """Whether the text has the texts of special tokens, such as `[TOOL_CALLS]`, which have no bytes. There is
    then no warning if the grammar names a special token."""
    refused: Annotated[tuple[str, str] | None, checks.check_refusal] = None
    """An earlier answer to a prompt that is text, and the reason of its refusal. Both are added to the
    prompt, except for the embedded models, which follow no instructions."""
    strategy: Annotated[Strategy | Sequence[Strategy], NamedCheck(checked_strategies)] = ()
    """A decoding strategy, such as `sg.strategies.Mirostat()`: the same as in `Sampling`, also with the
    default sampling. Kept as a tuple."""
    choices: Annotated[str, ChoiceCheck(CHOICES)] | None = None
    """How a greedy text is chosen if the grammar lists at most 64 values. "whole" writes the value that is
    the most probable as a whole, "tokens" chooses token by token. None: "whole" without `sampling` and
    `strategy`, else "tokens". The embedded models write token by token."""
    continue_final_message: Switch | None = None
    """Whether the answer continues the last message, which is the assistant's. False: that message is
    history, and the answer is a new turn. None: it is continued if its `prefix` is true, or if it begins a
    document of the grammar and is not a whole one (docs/engine.md)."""
    begun: UnicodeText = ""
    """The beginning of the text, which the model continues; the result's text includes it. A prompt of token
    ids must end with its tokens already. It is added to the end of any other prompt."""
    shortened: UnicodeText = ""
    """The value of `Usage.outline`, for a prompt of token ids that contains an outline."""
    cache_salt: UnicodeText = ""
    """Prompts share what the engine keeps of earlier prompts only if their salts are equal. The server uses
    the client's key, so that no client can tell from the time what another one has sent."""
    stop_tokens: Annotated[Sequence[int], _check_stop_tokens] = ()
    """The ids of tokens that end a free text, as the tokenizer's end tokens do. Not allowed with a
    grammar."""

    def __post_init__(self) -> None:
        check_fields(self)
        sampling = self.chosen_by
        if (
            self.stop
            or self.stop_tokens
            or self.canonical
            or self.healing
            or self.begun
            or sampling.min_tokens
        ):
            OF_REQUESTS.raise_first(self, sampling)  # each row is about one of these

    @property
    def most_tokens(self) -> int:
        """The most tokens of a text."""
        return DEFAULT_MAX_TOKENS if self.max_tokens is None else self.max_tokens

    @property
    def language(self) -> Grammar | None:
        """The grammar, also of a compiled one; None for free text."""
        grammar: Grammar | CompiledGrammar | None = self.grammar
        return grammar.grammar if isinstance(grammar, CompiledGrammar) else grammar

    @property
    def chosen_by(self) -> Sampling:
        """The sampling of the request, or the default one, with all strategies."""
        language = self.language
        # With several samples the default is to draw: greedy samples would all be the same.
        is_greedy = language is not None and language.is_greedy and self.n == 1
        return with_strategy(self.sampling, self.strategy, 0.0 if is_greedy else 1.0)

    @property
    def drafts(self) -> Speculation | None:
        """The options of speculation (drafts); None: it is off."""
        if isinstance(self.speculation, Speculation):
            return self.speculation
        return AUTO if self.speculation == "auto" else None

    @property
    def stops(self) -> tuple[str, ...]:
        """The stop strings."""
        return tuple(self.stop)


TokenLogprobs: TypeAlias = tuple[tuple[int, float], ...]
"""Pairs of a token and its log-probability, the likeliest first."""


@dataclass(slots=True)
class Step:
    """One token of a text, with the figures of its choice."""

    token: int
    logprob: float
    """The log-probability of the token under the model alone (temperature 1)."""
    constrained: float
    """The log-probability of the token under the model among the allowed tokens."""
    removed: float
    """The probability mass of the forbidden tokens, 0 to 1."""
    allowed: int
    """The number of allowed tokens."""
    wanted: int
    """The id of the likeliest token, allowed or not."""
    steered: bool = False
    """Whether the first choice was replaced, because the text could not be completed in time after it."""
    model_seconds: float = 0.0
    """The seconds of the forward pass before this token, for the whole batch; 0 for a drafted token, which
    needed no pass."""
    mask_seconds: float = 0.0
    """The seconds of filling the masks of that batch, in parallel; 0 for a drafted token."""
    likeliest: TokenLogprobs = ()
    """Pairs of a token and its log-probability: the likeliest tokens, allowed or not, `Request.logprobs` of
    them."""
    likeliest_allowed: TokenLogprobs = ()
    """The same pairs for the likeliest allowed tokens."""
    drafter: str = ""
    """The names of the drafters that had proposed the token, separated by commas; "": none."""
    closed: str = ""
    """A description of what this token closes, when it replaced the first choice: a value that repeated
    itself, or a number; "": nothing."""
    state: tuple[float, ...] = ()
    """The numbers that a strategy notes about the token (docs/strategies.md). Mirostat notes the token's
    surprise in bits, and the bound mu after it; () if there was no choice."""


@dataclass(slots=True)
class Usage:
    """The cost of a text: its tokens, and the seconds of the batches that it took part in."""

    prompt_tokens: int = 0
    tokens: int = 0
    thought_tokens: int = 0
    """The tokens of the thoughts, closing tag included; they are not part of `tokens`."""
    model_seconds: float = 0.0
    mask_seconds: float = 0.0
    """The seconds of filling masks. Cached masks are filled at once, others in a thread while the model
    runs."""
    waited_seconds: float = 0.0
    """The seconds that the batch waited for masks, including those computed by the batch itself."""
    compile_seconds: float = 0.0
    """The seconds of compiling the grammar of a request, counted for its first sample."""
    cache_bytes: int = 0
    cached_tokens: int = 0
    """How many tokens of the prompt were kept of earlier prompts and texts, and not read again."""
    calls: int = 0
    """The number of forward passes after the prompt; without speculation one for each token but the first."""
    drafted: int = 0
    """The number of drafted tokens that the model verified."""
    accepted: dict[str, int] = field(default_factory=dict)
    """The number of accepted draft tokens by drafter. A token that several had proposed counts for each."""
    outline: str = ""
    """How much of the schema or of the examples the prompt has, if not all of it fits the context; "": all
    of it."""
    choices: str = ""
    """Why listed values were chosen token by token, although they were to be compared as a whole; "": they
    were not."""
    speculation: str = ""
    """Why there was less speculation than requested, for example because the model verifies no such drafts;
    "": there was not less."""
    strategy_calls: int = 0
    """The number of forward passes for further rows that a strategy reads beside the text, their prompts
    included. It is at most one for each row and token. A search reads many rows in one pass."""
    strategy_rows: int = 0
    """The number of rows in the passes of a search."""
    strategy: str = ""
    """A summary by the strategies, such as the mean surprise of the text's free tokens; "": none."""
    closed: tuple[str, ...] = ()
    """The values that were closed because they repeated themselves, and the numbers of too many digits."""

    @property
    def tokens_per_call(self) -> float:
        """The tokens of thoughts and text, divided by `calls`: about 1 without speculation; 0 without a
        call."""
        return (self.tokens + self.thought_tokens) / self.calls if self.calls else 0.0


def total_usage(usages: Sequence[Usage]) -> Usage:
    """Return the sum of the costs of one or more attempts. Its fields that are texts, and the bytes of the
    cache, are those of the last attempt."""
    accepted_counts = Counter[str]()
    for usage in usages:
        accepted_counts.update(usage.accepted)
    # Annotations are texts here. A cache is freed before the next attempt, so its bytes do not add up.
    summed_names = [
        option.name
        for option in fields(Usage)
        if option.type in ("int", "float") and option.name != "cache_bytes"
    ]
    sums = {name: sum(getattr(usage, name) for usage in usages) for name in summed_names}
    return replace(usages[-1], accepted=dict(accepted_counts), **sums)


_AS_TEXT: Final = object()
"""The default of `Result.value`, which stands for the text itself. None cannot: it is a value of JSON."""


@dataclass(slots=True, repr=False)
class Result:
    """The result for one text. There is always one, whatever the finish reason."""

    text: str
    finish_reason: FinishReason
    tokens: list[int]
    steps: list[Step]
    usage: Usage
    sample: int = 0
    error: StructgenError | None = None
    value: Any = _AS_TEXT
    """The JSON value, if the grammar is a JSON Schema and the text is complete; otherwise the text. It has an
    int wherever the schema allows only integers."""
    thoughts: str = ""
    """The free text before the document, if thinking was requested or a server sent some."""
    reply: str = ""
    """The whole reply of a server, in which `text` is the document; "" from an engine."""
    begun: str = ""
    """The beginning of the text that the prompt gave (`Request.continue_final_message`). `text` includes it;
    tokens and steps are those of the new part alone."""
    stopped_by: str = ""
    """The stop string that ended the text; "": none."""
    repairs: Mapping[str, str] = field(default_factory=dict)
    """The strings of a server's document that got the letters of the text that they quote, as the model wrote
    them, by JSON Pointer."""

    def __post_init__(self) -> None:
        if self.value is _AS_TEXT:
            self.value = self.text

    def __repr__(self) -> str:
        error = "" if self.error is None else f", {type(self.error).__name__}: {self.error}"
        summary = f"{self.finish_reason.value}, {len(self.tokens):,} tokens"
        return f"<Result {summary}: {short_repr(self.text)}{error}>"

    @property
    def logprob(self) -> float:
        """The log-probability of the text under the model alone."""
        return sum(step.logprob for step in self.steps)

    @property
    def constrained_logprob(self) -> float:
        """The log-probability of the text under the model among the tokens that the grammar's masks allow."""
        return sum(step.constrained for step in self.steps)


@dataclass(slots=True, eq=False, repr=False)
class Handle:
    """One sample of a request in progress. `Engine.submit` makes it."""

    request: Request
    sample: int
    result: Result | None = None
    """The result of the text; None until the text is done."""
    written: str = ""
    """The text so far, without characters that may turn out to be part of a stop string."""
    thoughts: str = ""
    """The thoughts before the text, so far: without characters that may turn out to be part of the closing
    tag."""
    cancelled: bool = False
    is_done: bool = False
    """Whether there is a result, and all listeners have been called with None."""
    _lock: threading.Lock = field(default_factory=threading.Lock)
    listeners: list[_Listener] = field(default_factory=list)
    """The functions that are called with new parts of the text."""

    def cancel(self) -> None:
        """End the text at the next step. The result has the text so far."""
        self.cancelled = True

    def listen(self, want: Callable[[str | None], None]) -> None:
        """Call a function with each new part of the text, and with None at the end, in the thread that runs
        the engine's steps. The first part includes the text so far. The part is "" where `thoughts` have
        grown.

        If the function raises, the text ends with that error. If a KeyboardInterrupt interrupts a call, it is
        unknown whether the part arrived; the text then ends with an error, too.
        """
        listener = _Listener(want)
        # This holds the lock of `finish`: either `finish` sees the listener, or this call sees the result.
        with self._lock:
            self.listeners.append(listener)
            is_late = self.is_done
        if is_late:
            listener.end_text(self.written)

    def think(self, thoughts: str) -> None:
        """Store the thoughts so far, and call the listeners if they have grown. Raises StructgenError if a
        listener fails."""
        has_grown = len(thoughts) > len(self.thoughts)
        self.thoughts = thoughts
        if has_grown:
            self._call_listeners(lambda listener: listener.want(""))

    def after_fork(self, *, is_left: bool) -> None:
        """Prepare the handle for use in a forked child process: it gets a new lock. If `is_left`, the text is
        left to the parent: it is cancelled here, and its listeners are dropped."""
        # a thread of the parent may hold the old lock, and would never release it in this process
        self._lock = threading.Lock()
        if is_left:
            self.listeners, self.cancelled = [], True

    def tell(self) -> None:
        """Call each listener with the part of `written` that is new to it. Raises StructgenError if one
        fails; it gets no more parts."""
        self._call_listeners(lambda listener: listener.hear_text(self.written))

    def _call_listeners(self, tell_listener: Callable[[_Listener], None]) -> None:
        for listener in self.listeners:
            try:
                tell_listener(listener)
            except Exception as error:
                raise _listener_fault(error) from error

    def finish(self, result: Result) -> None:
        """Set the result, and call all listeners with None. A second call completes an interrupted one."""
        if self.result is None:
            # `written` is set before the result: a thread that sees the result also sees the whole text.
            self.written = result.text
            self.result = result
        while not self.is_done:
            for listener in list(self.listeners):
                try:
                    listener.end_text(self.written)
                except Exception as error:  # it goes into the result: the other listeners are still called
                    if self.result.error is None:
                        self.result.error = _listener_fault(error)
                        self.result.finish_reason = FinishReason.ERROR
            with self._lock:  # another listener may have been added
                self.is_done = all(listener.is_over for listener in self.listeners)


@dataclass(slots=True, eq=False)
class _Listener:
    """A function that listens to a text, and the number of characters that it has received."""

    want: Callable[[str | None], None]
    """The function, which is called with each new part."""
    received_size: int | None = 0
    """The number of characters that the function has received. None: a call has begun and has not returned.
    Below 0: a call has failed, and a further part would not continue the text so far."""
    is_over: bool = False

    def hear_text(self, text: str) -> None:
        """Call the function with the new part of a text. Raises its errors, and StructgenError after an
        interrupted call."""
        received_size = self.received_size
        if received_size is None:
            self.received_size = -1
            raise StructgenError(
                "A call was interrupted, so it is unknown whether its part of the text arrived.",
                where="listen",
                cure="Take the whole text from the result.",
            )
        if not 0 <= received_size < len(text):
            return
        # The size is None while the call runs: if an interrupt ends the call, the next call sees the None.
        self.received_size = None
        try:
            self.want(text[received_size:])
        except Exception:
            self.received_size = -1
            raise
        self.received_size = len(text)

    def end_text(self, text: str) -> None:
        """Call the function with the new part of a whole text, then with None. Raises its errors."""
        if self.is_over:
            return
        first_error: Exception | None = None
        # Both calls are made, even if the first one fails: whoever waits must learn of the end.
        for call in (partial(self.hear_text, text), partial(self.want, None)):
            try:
                call()
            except Exception as error:
                first_error = first_error or error
        self.is_over = True
        if first_error is not None:
            raise first_error


def _listener_fault(error: Exception) -> StructgenError:
    """Return the error of a text whose listener failed."""
    return fault_of(
        error, "A listener of the text failed", "listen", "Correct the function passed to Handle.listen."
    )


def fault_of(
    error: BaseException,
    fault: str,
    where: str = "",
    cure: str = "This is a bug in structgen: please report it.",
) -> StructgenError:
    """Return the StructgenError for an error of a text. An error that is already one is returned unchanged.

    Otherwise the message is `fault` and the error. For example `fault_of(KeyError("a"), "The search failed")`
    has the message `The search failed: KeyError: 'a'`. `where` and `cure` go into the message as well.
    """
    if isinstance(error, StructgenError):
        return error
    wrapped_error = StructgenError(f"{fault}: {type(error).__name__}: {error}", where=where, cure=cure)
    wrapped_error.__cause__ = error
    return wrapped_error
