"""`score`: how likely given texts are, under the model and given that a text is valid."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from structgen.core.compiled import CompiledGrammar
from structgen.core.grammar import Grammar
from structgen.engine import checks
from structgen.errors import OptionError, TokenizerError
from structgen.sampling.checkers import Checker
from structgen.sampling.constraints import listed
from structgen.sampling.estimates import log
from structgen.sampling.problem import Problem, known_fingerprint
from structgen.sampling.rows import PASS, Tokens
from structgen.sampling.sample import Interruption, Wanted, check, drawn_for
from structgen.sampling.samples import Samples
from structgen.sampling.target import Floats, Target, scaled
from structgen.sampling.types import TypedGrammar
from structgen.tokens.tokenizer import Tokenizer

if TYPE_CHECKING:
    from structgen.engine.engine import Engine

_SHOWN: Final = 40
"""Bytes of a text that a reason shows."""
_UNKNOWN: Final = (-math.inf, 0.0)
"""All that is known of log Z without a run."""


@dataclass(frozen=True, slots=True)
class Score:
    """How likely a text is, in its canonical tokenisation; see `score`."""

    text: str
    token_ids: tuple[int, ...]
    """The canonical tokenisation: what the tokenizer makes of the text alone."""
    logprob: float
    """log P(tokens, end) under the model at the temperature; -inf for a text that is not valid."""
    logprob_given_valid: float
    """`logprob` - log Z; NaN where log Z was not estimated, -inf for a text that is not valid."""
    interval: tuple[float, float]
    """Where `logprob_given_valid` lies: at 95 % as that of log Z, proven where nothing was estimated."""
    reason: str
    """Why the text is not valid; "" for one that is."""

    @property
    def is_valid(self) -> bool:
        """Whether the text belongs to the language that is scored."""
        return not self.reason


def score(
    model: Engine | str | Path | Callable[[list[int]], Any] | Any,
    prompt: str | Sequence[int],
    grammar: Grammar | CompiledGrammar | TypedGrammar | type[Any] | Any,
    texts: Sequence[str],
    *,
    samples: Samples[Any] | None = None,
    budget: int | None = None,
    seed: int = 0,
    temperature: float = 1.0,
    max_tokens: int = 256,
    checkers: Sequence[Checker] = (),
    tokenizer: Tokenizer | Any | None = None,
    name: str = "",
    outline: bool | None = None,
    chat: bool | None = None,
) -> list[Score]:
    """Return how likely each text is, in the order of the texts.

    The law of `sample` is over token sequences, so a text has a probability for each of its tokenisations.
    What is returned is that of one of them, the canonical: what the tokenizer makes of the text by itself,
    after the prompt's tokens, with an end token after it. The sum over all tokenisations would take a model
    row for each prefix of each of them, which are exponentially many; it is not offered. The probability of
    the text is at least what is returned.

    Model, prompt, grammar, temperature, max_tokens, checkers, tokenizer, name, outline and chat are those of
    `sample`; the prompt is one. Valid is what is valid there; other texts have -inf, and a `reason`.

    samples
        draws of `sample` for the same target, whose `log_z` and interval give log P given valid. A target
        that is known to be another is refused; where a part of it has no name that cannot be seen.
    budget
        model rows to estimate log Z with, by method "auto" with `seed`, besides those of the texts. Ctrl-C
        ends that part early.

    Without both, `logprob_given_valid` is NaN, and its interval is what the scored texts prove: Z is at
    least the sum of their probabilities, and at most 1.

    To rank: sorted(scores, key=lambda score: score.logprob, reverse=True). Given that a text is valid the
    order is the same, as Z is the same for all.

    Cost: a model row for each distinct prefix of the valid texts, read once; no row for the others. Raises
    OptionError for an option that has no meaning here, StructgenError where the model gives no numbers.
    """
    check(1, "auto", budget, None, None, seed, temperature, max_tokens, {})
    seed, max_tokens, temperature = int(seed), int(max_tokens), float(temperature)
    budget = None if budget is None else int(budget)
    wanted = _texts(texts)
    if samples is not None and budget is not None:
        raise OptionError(
            "Z is taken from samples or estimated with a budget, not both.",
            where="budget",
            cure="Leave one of them out.",
        )
    if samples is not None and samples.is_biased:
        raise OptionError(
            f"Draws of {samples.method!r} say nothing of Z.",
            where="samples",
            cure='Draw with method="auto", "cars", "importance", "smc" or "rejection".',
        )
    problem = Problem(model, grammar, tokenizer, name, outline, chat)
    ids = problem.ids(prompt, "prompt", max_tokens)
    (rows,) = problem.rows([ids])
    settings = Wanted(problem, budget or 1, "auto", budget, None, temperature, max_tokens, listed(checkers))
    target = problem.target(rows, temperature, max_tokens, settings.checkers)
    if samples is not None and samples.target and samples.target != (known_fingerprint(ids, target) or None):
        raise OptionError(
            "The samples are of another model, prompt, grammar, temperature, max_tokens or checkers.",
            where="samples",
            cure="Draw them for the same target, with the same name=.",
        )
    try:
        judged = {text: _judged(target, text) for text in dict.fromkeys(wanted)}
    finally:
        target.close()
    logprobs = _logprobs(target, [tokens for tokens, reason in judged.values() if not reason], problem.width)
    if budget is not None:
        stop = Interruption()
        with stop.listening():
            samples = drawn_for(settings, rows, ids, None, seed, time.monotonic(), None, None, stop)
    log_z, (low, high) = (math.nan, _UNKNOWN) if samples is None else (samples.log_z, samples.log_z_interval)
    # The scored texts are valid, so Z is at least the sum of their probabilities.
    low = max(low, log(math.fsum(map(math.exp, logprobs.values()))))
    high = max(high, low)
    return [_score(text, *judged[text], logprobs, log_z, (low, high)) for text in wanted]


def _score(
    text: str,
    tokens: Tokens,
    reason: str,
    logprobs: dict[Tokens, float],
    log_z: float,
    of_log_z: tuple[float, float],
) -> Score:
    logprob = -math.inf if reason else logprobs[tokens]
    if logprob == -math.inf:
        return Score(text, tokens, logprob, logprob, (logprob, logprob), reason)
    low, high = logprob - of_log_z[1], min(logprob - of_log_z[0], 0.0)
    given = math.nan if math.isnan(log_z) else min(max(logprob - log_z, low), high)
    return Score(text, tokens, logprob, given, (low, high), "")


def _texts(texts: Sequence[str]) -> list[str]:
    if isinstance(texts, str) or not isinstance(texts, Sequence):
        raise OptionError(
            f"A {type(texts).__name__} is no list of texts.", where="texts", cure="Give a list of texts."
        )
    for at, text in enumerate(texts):
        if not isinstance(text, str):
            raise OptionError(
                f"A {type(text).__name__} is no text.",
                where=f"texts[{at}]",
                cure="Write a value as a text of the grammar, as json.dumps does.",
            )
        checks.encodable(f"texts[{at}]", text)
    return list(texts)


def _judged(target: Target, text: str) -> tuple[Tokens, str]:
    """Return the canonical tokens of a text, and why it is not valid, or ""."""
    compiled = target.compiled
    try:
        tokens = tuple(compiled.tokenizer.encode(text.encode()))
    except TokenizerError as error:
        return (), f"no tokens write it: {error.what}"
    prefix = target.start()
    for at, token in enumerate(tokens):
        if compiled.next_index(prefix.state, token) < 0:
            return tokens, _refusal(target, prefix.state, tokens, at)
        after = target.extend(prefix, token)
        if after is None:
            return tokens, f"a checker rules out what begins with {_shown(target.text(tokens[: at + 1]))}"
        prefix = after
    if not compiled.may_end(prefix.state):
        return tokens, "the grammar does not let the text end there"
    if len(tokens) > target.max_tokens:
        return tokens, f"it has {len(tokens):,} tokens, and max_tokens={target.max_tokens:,}"
    if not target.passes(prefix):
        return tokens, "a checker refuses the whole text"
    return tokens, ""


def _refusal(target: Target, state: int, tokens: Tokens, at: int) -> str:
    """Return at which byte of the text the grammar refuses token `at`."""
    before, token = target.text(tokens[:at]), target.text(tokens[at : at + 1])
    taken = 0
    while taken < len(token):
        state = target.compiled.bytes_index(state, token[taken : taken + 1])
        if state < 0:
            break
        taken += 1
    place = len(before) + min(taken, len(token) - 1)
    whole = before + token
    return f"the grammar refuses byte {place:,}, {whole[place : place + 1]!r}, behind {_shown(whole[:place])}"


def _shown(text: bytes) -> str:
    """Return the end of a text, for a message."""
    return f"{'...' if len(text) > _SHOWN else ''}{text[-_SHOWN:]!r}"


class _Node:
    """A prefix of some of the texts: the edges to be known, and the log-probabilities once they are."""

    __slots__ = ("children", "end", "is_end", "is_read", "logprobs")

    def __init__(self) -> None:
        self.children: dict[int, _Node] = {}
        self.logprobs: dict[int, float] = {}
        self.is_end = self.is_read = False
        self.end = -math.inf


def _logprobs(target: Target, texts: Sequence[Tokens], width: int) -> dict[Tokens, float]:
    """Return log P(tokens, end) of texts.

    `width` texts at a time are read token by token, all of them in one pass. Neighbours in the order of their
    tokens have long beginnings in common, so what is read for one is still kept for the next.
    """
    root = _Node()
    for tokens in texts:
        node = root
        for token in tokens:
            node = node.children.setdefault(token, _Node())
        node.is_end = True
    ends = np.array(sorted(target.compiled.end_tokens), np.int64)
    ordered = sorted(set(texts))
    for begin in range(0, len(ordered), width):
        for together in _levels(root, ordered[begin : begin + width]):
            _read(target, together, ends)
    return {tokens: _along(root, tokens) for tokens in ordered}


def _levels(root: _Node, texts: Sequence[Tokens]) -> Iterator[dict[Tokens, _Node]]:
    """Yield the nodes of texts that are not read yet, by the number of their tokens."""
    paths: dict[Tokens, _Node] = {(): root}
    at = 0
    while paths:
        yield {prefix: node for prefix, node in paths.items() if not node.is_read}
        paths = {text[: at + 1]: paths[text[:at]].children[text[at]] for text in texts if len(text) > at}
        at += 1


def _read(target: Target, nodes: dict[Tokens, _Node], ends: Any) -> None:
    """Read the rows of nodes, and note the log-probabilities of their edges."""
    prefixes = list(nodes)
    # No more rows at a time than go through one pass: each is as long as the vocabulary.
    together = max(1, PASS // (8 * target.compiled.vocab_size))
    for begin in range(0, len(prefixes), together):
        part = prefixes[begin : begin + together]
        for prefix, row in zip(part, target.rows.read(part), strict=True):
            node = nodes[prefix]
            shifted: Floats = scaled(row, target.temperature, len(prefix))
            total = math.log(float(np.exp(shifted).sum()))
            node.logprobs = {token: float(shifted[token]) - total for token in node.children}
            if node.is_end:
                node.end = float(np.logaddexp.reduce(shifted[ends])) - total
            node.is_read = True


def _along(root: _Node, tokens: Tokens) -> float:
    """Return the sum of the log-probabilities of a text's tokens and its end."""
    node, parts = root, []
    for token in tokens:
        parts.append(node.logprobs[token])
        node = node.children[token]
    return math.fsum([*parts, node.end])
