"""`score` returns the probability of given texts under the model, and given that a text is valid.

The *canonical tokenisation* of a text is the tokenizer's own result for the text. A text is *valid* if the
grammar and all checkers accept it. Z is the probability that the model writes a valid text.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from types import NoneType
from typing import Any, Unpack

import numpy as np

from structgen.asking.pages.html_pages import notebook_cell
from structgen.base.errors import OptionError, TokenizerError, options_named
from structgen.base.language import checks
from structgen.decoding.samplers.estimates import log_or_infinity
from structgen.decoding.samplers.sample import (
    DEFAULTS,
    GivenModel,
    OnePrompt,
    TargetOptions,
    TargetSettings,
    temperature_above_0,
)
from structgen.decoding.samplers.samples import Samples
from structgen.decoding.samplers.target import END, Bounds, Target, log_law
from structgen.decoding.speculation.drafts.model_rows import PASS, Tokens


@dataclass(frozen=True, slots=True)
class Score:
    """The probability of a text in its canonical tokenisation; see `score`."""

    text: str
    token_ids: Tokens
    """The canonical tokenisation: that of the text alone."""
    logprob: float
    """log P(tokens, end) under the model at the temperature; -inf for a text that is not valid."""
    logprob_given_valid: float
    """`logprob` - log Z; NaN if log Z was not estimated, -inf for a text that is not valid."""
    interval: Bounds
    """The interval of `logprob_given_valid`: 95 % if log Z was estimated, else proven."""
    reason: str
    """Why the text is not valid; "" if it is valid."""

    @property
    def is_valid(self) -> bool:
        """Whether the text is valid."""
        return not self.reason

    def _repr_html_(self) -> str:
        """Return what a notebook shows."""
        low, high = self.interval
        given_text = "not estimated"
        if not math.isnan(self.logprob_given_valid):
            given_text = f"{self.logprob_given_valid:.4f}"
        figures = [
            ("log P", f"{self.logprob:.4f}"),
            ("log P, given that it is valid", f"{given_text} ({low:.4f} to {high:.4f})"),
        ]
        if self.reason:
            figures = [("not valid", self.reason)]
        return notebook_cell([("text", self.text), *figures])


@options_named(
    "sg.score(model, prompt, grammar, texts)",
    {"budget": 'Write samples=sg.sample(model, prompt, grammar, n, method="beams", budget=...)'},
    options=TargetOptions,
    defaults=DEFAULTS,
)
def score(
    model: GivenModel,
    prompt: OnePrompt,
    grammar: Any,
    texts: Sequence[str],
    *,
    samples: Samples[Any] | None = None,
    temperature: float = 1.0,
    **options: Unpack[TargetOptions],
) -> list[Score]:
    """Return the probability of each text, in order.

    The law of `sample` is over token sequences, so each tokenisation of a text has its own probability. This
    function returns that of the canonical one: the tokenizer's result for the text alone, after the prompt's
    tokens, with an end token after it. The text's total probability is at least that. The sum over all
    tokenisations is not offered: it would take a model row for each prefix of each of them, which are
    exponentially many.

    Model, prompt (only one), grammar, temperature, max_tokens, checkers, tokenizer, name, outline, chat and
    the meaning of "valid" are those of `sample`. Texts that are not valid have -inf, and a `reason`.

    samples
        draws of `sample` for the same target; their `log_z` and interval give log P given valid. Those of
        `method="beams"` tell log Z best. Draws of another target are refused, unless a part of the target
        has no name: then this cannot be checked.

    Without them, `logprob_given_valid` is NaN, and its interval is what the scored texts prove: Z is at least
    the sum of their probabilities, and at most 1.

    To rank texts: sorted(scores, key=lambda score: score.logprob, reverse=True). Z is the same for all, so
    the order given validity is the same.

    Cost: a model row for each distinct prefix of the valid texts, read once; no row for the others. Raises
    OptionError for an option that has no meaning here, StructgenError if the model's logits are not numbers.
    """
    target_options: dict[str, Any] = {**options}
    settings = TargetSettings(**target_options)
    temperature = temperature_above_0("temperature", temperature)
    text_list = _check_texts(texts)
    checks.InstanceCheck(Samples | NoneType, "Pass draws of sg.sample, or remove it.")("samples", samples)
    if samples is not None and samples.is_biased and math.isnan(samples.log_z):
        raise OptionError(
            f"Draws of {samples.method!r} carry no information about Z.",
            where="samples",
            cure='Draw with method="beams", "cars", "importance", "smc" or "rejection".',
        )
    problem, target, mark = settings.make_target(model, prompt, grammar, temperature)
    if samples is not None and samples.target and samples.target != (mark or None):
        raise OptionError(
            "The samples are of another model, prompt, grammar, temperature, max_tokens or checkers.",
            where="samples",
            cure="Draw them for the same target, with the same name=.",
        )
    try:
        # A text that is given twice is judged once.
        judgements = {text: _judge_text(target, text) for text in dict.fromkeys(text_list)}
    finally:
        target.close()
    valid_texts = [tokens for tokens, reason in judgements.values() if not reason]
    logprobs = _read_logprobs(target, valid_texts, problem.width)
    log_z = math.nan if samples is None else samples.log_z
    low, high = (-math.inf, 0.0) if samples is None else samples.log_z_bounds
    # The scored texts are valid, so Z is at least the sum of their probabilities.
    found_mass = math.fsum(map(math.exp, logprobs.values()))
    low = max(low, log_or_infinity(found_mass))
    bounds = (low, max(high, low))
    return [_score_text(text, *judgements[text], logprobs, log_z, bounds) for text in text_list]


def _score_text(
    text: str,
    tokens: Tokens,
    reason: str,
    logprobs: dict[Tokens, float],
    log_z: float,
    log_z_bounds: Bounds,
) -> Score:
    """Return the score of a text.

    For example, with log P = -3 and log Z = -1 the text has the log-probability -2, given that it is valid.
    `tokens` and `reason` are the results of `_judge_text`. `logprobs` has log P of the valid texts, by their
    tokens. `log_z` is the estimate of log Z, NaN without draws; `log_z_bounds` is its interval.
    """
    logprob = -math.inf if reason else logprobs[tokens]
    if logprob == -math.inf:
        return Score(text, tokens, logprob, logprob, (logprob, logprob), reason)
    # A large Z makes the quotient P / Z small, so the ends change places.
    least_log_z, greatest_log_z = log_z_bounds
    low = logprob - greatest_log_z
    high = min(logprob - least_log_z, 0.0)
    logprob_given_valid = math.nan
    if not math.isnan(log_z):
        logprob_given_valid = min(max(logprob - log_z, low), high)
    return Score(text, tokens, logprob, logprob_given_valid, (low, high), "")


def _check_texts(texts: Sequence[str]) -> list[str]:
    """Return the texts as a list. Raises OptionError for a value that is not a list of texts."""
    if isinstance(texts, str) or not isinstance(texts, Sequence):
        raise OptionError(
            f"must be a list of texts, got {type(texts).__name__}.",
            where="texts",
            cure="Pass a list of texts.",
        )
    for at, text in enumerate(texts):
        if not isinstance(text, str):
            raise OptionError(
                f"A text must be a str, got {type(text).__name__}.",
                where=f"texts[{at}]",
                cure="Write a value as a text of the grammar, as json.dumps does.",
            )
        checks.check_encodable(f"texts[{at}]", text)
    return list(texts)


def _judge_text(target: Target, text: str) -> tuple[Tokens, str]:
    """Return the canonical tokens of a text, and the reason why it is not valid; "": it is valid."""
    compiled_grammar = target.compiled
    try:
        tokens = tuple(compiled_grammar.tokenizer.encode(text.encode()))
    except TokenizerError as error:
        return (), f"no tokens write it: {error.what}"
    prefix = target.start()
    for at, token in enumerate(tokens):
        if compiled_grammar.next_index(prefix.state, token) < 0:
            refused_text = target.text_of(tokens[: at + 1])
            # A token may hold several bytes. The message names the first one that the grammar refuses.
            place = compiled_grammar.live_part(refused_text)[1]
            refused_byte = refused_text[place : place + 1]
            shown_prefix = _show_end(refused_text[:place])
            return tokens, f"the grammar refuses byte {place:,}, {refused_byte!r}, after {shown_prefix}"
        after = target.extend_prefix(prefix, token)
        if after is None:
            shown_prefix = _show_end(target.text_of(tokens[: at + 1]))
            return tokens, f"a checker rules out what begins with {shown_prefix}"
        prefix = after
    if not compiled_grammar.may_end(prefix.state):
        return tokens, "the grammar does not let the text end there"
    if len(tokens) > target.max_tokens:
        return tokens, f"it has {len(tokens):,} tokens, and max_tokens={target.max_tokens:,}"
    if not target.accepts_text(prefix):
        return tokens, "a checker refuses the whole text"
    return tokens, ""


def _show_end(text: bytes) -> str:
    """Return the last bytes of a text, for a message."""
    return f"{'...' if len(text) > checks.MOST_SHOWN else ''}{text[-checks.MOST_SHOWN :]!r}"


def _read_logprobs(target: Target, texts: Sequence[Tokens], width: int) -> dict[Tokens, float]:
    """Return log P(tokens, end) of texts.

    `width` texts at a time are read, shorter prefixes first. Texts are sorted by their tokens, so that
    neighbours have long common prefixes, whose caches are still kept. Each prefix is read once.
    """
    sorted_texts = sorted(set(texts))
    edges: dict[Tokens, dict[int, float]] = {}
    """The tokens that come next after each prefix in some text (END: none does), with their log P."""
    for tokens in sorted_texts:
        for depth, token in enumerate((*tokens, END)):
            # The values are filled in below. A missing one would stay NaN, and show in every sum.
            edges.setdefault(tokens[:depth], {})[token] = math.nan
    read_prefixes = set[Tokens]()
    ends = np.array(sorted(target.compiled.end_tokens), np.int64)
    # At most as many rows at a time as one pass may have: each has the vocabulary's length.
    max_rows = max(1, PASS // (8 * target.compiled.vocab_size))
    for begin in range(0, len(sorted_texts), width):
        group = sorted_texts[begin : begin + width]
        prefixes = {tokens[:depth] for tokens in group for depth in range(len(tokens) + 1)}
        unread = sorted(prefixes - read_prefixes, key=lambda prefix: (len(prefix), prefix))
        read_prefixes |= prefixes
        for at in range(0, len(unread), max_rows):
            pass_prefixes = unread[at : at + max_rows]
            for prefix, row in zip(pass_prefixes, target.rows.read(pass_prefixes), strict=True):
                law = log_law(row, target.temperature, len(prefix))
                for token in edges[prefix]:
                    log_p = np.logaddexp.reduce(law[ends]) if token == END else law[token]
                    edges[prefix][token] = float(log_p)
    logprobs = {}
    for tokens in sorted_texts:
        steps = enumerate((*tokens, END))
        step_logprobs = (edges[tokens[:depth]][token] for depth, token in steps)
        logprobs[tokens] = math.fsum(step_logprobs)
    return logprobs
