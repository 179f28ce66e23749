"""The distribution that samplers draw from, and its main operation: the next tokens with their probabilities.

Write P(x) for the probability that the model, at the given temperature, writes the tokens x and then an end
token. The *target* is P conditioned on the event that x is valid: a text of the grammar, of at most
`max_tokens` tokens, that every checker passes. Different tokenisations of one text are different sequences x,
as they are for the model.

    Z = P(valid)                 the normalising constant, what `Samples.log_z` estimates
    h(u) = P(valid | prefix u)   the probability that a prefix ends up valid, so Z = h(empty prefix)

A checker may also weigh valid texts (`weigh`): the target is then P(x) exp(log-weight of x) on the valid
texts, normalised, and Z the sum of these.

If h were known, the target could be drawn token by token: P(a | u, valid) = P(a | u) h(ua) / h(u). Masking
uses h = 1 for every prefix that the grammar allows. The methods of this package differ in how they correct
that.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Final

import numpy as np

from structgen.base.errors import StructgenError
from structgen.base.language.checks import Count, NumberCheck, Share, check_fields
from structgen.base.limits import CACHE_BYTES
from structgen.base.native.array_types import BoolArray, Float64Array, Int64Array
from structgen.decoding.engine.searches.cursor import Cursor
from structgen.decoding.engine.strategies.strategy import log_softmax
from structgen.decoding.samplers.checkers import Checker, GeneratedText
from structgen.decoding.samplers.constraints import REMEMBERED, CheckerStanding, Constraints
from structgen.decoding.samplers.processes import InProcess
from structgen.decoding.samplers.rows import PrefixRows
from structgen.machines.core.compiled import CompiledGrammar, State
from structgen.tokens.token_mask import allocate_mask

END: Final = -1
"""The edge that ends a text: all end tokens of the tokenizer together."""

_MOST_MASSES: Final = 1 << 18
"""The most prefixes whose allowed mass is kept, about 100 bytes each. Draws through other prefixes have no
`masses`."""
_MOST_STEPS: Final = CACHE_BYTES // 64
"""The most tokens in the steps that a target keeps, 16 bytes each: a fourth of CACHE_BYTES."""
ROUNDING: Final = 1e-12
"""The most by which two sums of the same probabilities in another order differ."""

Floats = Float64Array
Ids = Int64Array
Bools = BoolArray
Tokens = tuple[int, ...]
Bounds = tuple[float, float]
"""A pair: the least and the greatest value that a number may have."""


@dataclass(frozen=True, slots=True)
class Truncation:
    """Top-k, top-p and min-p as a part of the model's distribution: they select the tokens that stay. The
    options act one after another, in the order of the fields.

    Each step's law, over the whole vocabulary and before the grammar's mask, keeps its likeliest tokens and
    is normalised again. So the truncated model is a model like any other: it has a probability for each text,
    and the target is that law, conditioned on the text being valid. (An engine truncates after the mask, and
    so draws from another law for each grammar.)

    Sources: top-k Fan et al. 2018; top-p Holtzman et al. 2020; min-p Nguyen et al. 2024.
    """

    top_k: Count = 0
    """The number of likeliest tokens that stay; 0: all. Of equally likely tokens the smaller ids stay."""
    top_p: Annotated[float, NumberCheck(5e-324, 1.0, "a number above 0, at most 1")] = 1.0
    """The probability that the likeliest tokens must reach together; the fewest such tokens stay."""
    min_p: Share = 0.0
    """The share of the greatest probability that a token needs to stay."""

    def __post_init__(self) -> None:
        check_fields(self)

    @property
    def is_none(self) -> bool:
        """Whether all tokens stay."""
        return not self.top_k and self.top_p == 1.0 and not self.min_p

    def truncate_law(self, law: Floats) -> Floats:
        """Return the truncated law, float64 [V], its sum 1. Cost: O(V log V)."""
        if self.is_none:
            return law
        # The likeliest first. A stable sort leaves equal ones in the order of their ids.
        order = np.argsort(-law, kind="stable")
        kept_count = len(law)
        if self.top_k:
            kept_count = min(kept_count, self.top_k)
        if self.top_p < 1.0:
            sums = np.cumsum(law[order[:kept_count]])
            # A sum that is rounded below `top_p` must not add a token.
            shares = sums / sums[-1]
            kept_count = int(np.searchsorted(shares, self.top_p - ROUNDING)) + 1
        if self.min_p:
            least_kept = self.min_p * law[order[0]]
            kept_count = min(kept_count, int((law >= least_kept).sum()))
        kept_tokens = order[:kept_count]
        truncated_law = np.zeros_like(law)
        truncated_law[kept_tokens] = law[kept_tokens]
        truncated_law /= truncated_law.sum()
        return truncated_law


NO_TRUNCATION = Truncation()


@dataclass(frozen=True, slots=True, kw_only=True)
class Prefix(Cursor):
    """A viable prefix (one that may begin a valid text), with the checkers' states and answers."""

    standing: CheckerStanding | None = field(default=None, compare=False, repr=False)
    """The states of the checkers; None without checkers."""
    answers: dict[str, float] = field(default_factory=dict, init=False, compare=False, repr=False)
    """The checkers' answers about this prefix, by the name of the question."""

    @property
    def written(self) -> GeneratedText:
        """The tokens and bytes, as checkers see them."""
        return GeneratedText(self.tokens, self.text)


@dataclass(frozen=True, slots=True)
class TargetStep:
    """The allowed tokens after a prefix, with their probabilities under the model's whole distribution.

    `tokens` int64 [k]: the allowed text tokens, ascending. `probabilities` float64 [k]: theirs. `end`: the
    probability of all end tokens together, 0 if the text may not end here. Their sum is at most 1; the rest
    is the forbidden mass.
    """

    tokens: Ids
    probabilities: Floats
    end: float

    @property
    def mass(self) -> float:
        """The total probability of the allowed tokens; its usual symbol is z."""
        return float(self.probabilities.sum()) + self.end

    @property
    def edges(self) -> Floats:
        """float64 [k + 1]: the probabilities of the tokens, and last that of the end."""
        return np.append(self.probabilities, self.end)


class Target:
    """A model, a prompt, a grammar and a length: the law that samplers draw from."""

    def __init__(
        self,
        rows: PrefixRows,
        compiled: CompiledGrammar,
        *,
        temperature: float = 1.0,
        max_tokens: int,
        checkers: Sequence[Checker] = (),
        read_value: Callable[[bytes], Any] | None = None,
        truncation: Truncation = NO_TRUNCATION,
    ) -> None:
        """Make a target, for example `Target(rows, compiled, max_tokens=64)`.

        `rows` makes the model's rows after the prompt. `compiled` is the grammar, compiled for the model's
        tokenizer. `read_value` returns the object of a text if the grammar was given as a type. Raises
        OptionError for an object that is not a checker.
        """
        self.rows = rows
        self.compiled = compiled
        self.temperature = temperature
        self.max_tokens = max_tokens
        self.checkers = tuple(checkers)
        self.truncation = truncation
        self.value: Callable[[bytes], Any] = compiled.value if read_value is None else read_value
        """The function that returns the value of a text of the grammar: an object if there is a type, the
        parsed JSON value if the texts are JSON documents, else the text as a str. It does not refer to the
        target: so a run's rows and caches are freed when the run ends, and not at a garbage collection."""
        self._constraints = Constraints(self.checkers, self.value, are_values=compiled.has_events)
        self._extended_prefixes: OrderedDict[Tokens, Prefix | None] = OrderedDict()
        self._rests: dict[int, bytes | None] = {}
        self._start = Prefix(
            tokenizer=compiled.tokenizer,
            compiled=compiled,
            state=compiled.start.index,
            left=max_tokens,
            standing=self._constraints.start() if self._constraints else None,
        )
        self.masses: dict[int, float] = {}
        """The allowed mass z of the prefixes that were read, by the hash of their tokens: the share of the
        model's distribution that the grammar allows there. Under masking a draw x has the probability P(x) /
        product of z; each factor says how much model and grammar disagree at one token."""
        self._steps: dict[Tokens, TargetStep] = {}
        self._room = -1
        """The amount of numbers that may still be kept in `_steps`; below 0: nothing is kept."""
        self._ends = np.array(sorted(compiled.end_tokens), np.int64)
        self._texts = compiled.tokenizer.token_bytes
        # This mask has one row, which is filled anew for each prefix.
        self._mask = allocate_mask(1, compiled.vocab_size)

    @property
    def checks(self) -> int:
        """The number of calls of checkers' methods."""
        return self._constraints.checks

    def start(self) -> Prefix:
        """Return the empty prefix."""
        return self._start

    def text_of(self, tokens: Sequence[int]) -> bytes:
        """Return the bytes of text tokens."""
        return b"".join(self._texts[token] or b"" for token in tokens)

    def remember_steps(self) -> None:
        """Keep all steps that are read from now on, up to `_MOST_STEPS` numbers, so that none is read
        again."""
        self._room = _MOST_STEPS

    def read_steps(self, prefixes: Sequence[Prefix]) -> list[TargetStep]:
        """Return the allowed tokens after each prefix. Cost: a model row and O(V) for each prefix whose step
        is not kept, all in one forward pass."""
        steps_by_tokens = {
            prefix.tokens: self._steps[prefix.tokens] for prefix in prefixes if prefix.tokens in self._steps
        }
        # The prefixes are collected by their tokens, since particles at one prefix share its row.
        missing = {prefix.tokens: prefix for prefix in prefixes if prefix.tokens not in steps_by_tokens}
        rows = self.rows.read([*missing]) if missing else []
        for (tokens, prefix), logits in zip(missing.items(), rows, strict=True):
            step = steps_by_tokens[tokens] = self._make_step(prefix, logits)
            # Only the hash is kept: the tokens of all prefixes would take far more memory than their masses.
            if len(self.masses) < _MOST_MASSES:
                self.masses.setdefault(hash(tokens), step.mass)
            if self._room >= len(step.tokens):
                self._steps[tokens] = step
                self._room -= len(step.tokens)
        return [steps_by_tokens[prefix.tokens] for prefix in prefixes]

    def _make_step(self, prefix: Prefix, logits: Floats) -> TargetStep:
        """Return the allowed tokens by the softmax of logits over the temperature. Raises StructgenError for
        NaN."""
        levels = scale_logits(logits, self.temperature, len(prefix.tokens))
        weights: Floats = np.exp(levels)
        weights /= weights.sum()
        probabilities = self.truncation.truncate_law(weights)
        allowed_tokens = self._allowed_tokens(prefix)
        ends = self._ends
        if "mask" in self._constraints.methods and prefix.standing is not None:
            mask = self._constraints.allowed_tokens(prefix.standing, prefix.written, self.compiled.vocab_size)
            if mask is not None:
                allowed_tokens = allowed_tokens[mask[allowed_tokens]]
                ends = ends[mask[ends]]
        may_end = self.compiled.may_end(prefix.state)
        end = float(probabilities[ends].sum()) if may_end else 0.0
        return TargetStep(allowed_tokens, probabilities[allowed_tokens], end)

    def _allowed_tokens(self, prefix: Prefix) -> Ids:
        """Return the text tokens that may follow a prefix.

        A token is left out if the text could not end within `max_tokens` after it, by a proven lower bound:
        at `max_tokens` no token is allowed, and one token earlier only those that complete the text.
        `tokens_to_finish` is an upper bound, so it would forbid texts that fit.
        """
        if prefix.left <= 0:
            return np.empty(0, np.int64)
        self.compiled.fill_index(prefix.state, self._mask, 0)
        tokens = self._mask.allowed(0).astype(np.int64)
        tokens = tokens[~np.isin(tokens, self._ends)]
        if prefix.left == 1:
            states_after = (self.compiled.next_index(prefix.state, int(token)) for token in tokens)
            can_end = np.fromiter(map(self.compiled.may_end, states_after), np.bool_, len(tokens))
            tokens = tokens[can_end]
        return tokens

    def extend_prefix(self, prefix: Prefix, token: int) -> Prefix | None:
        """Return the prefix after one more token, or None if a checker refuses it.

        If the grammar allows only one continuation from here, the checkers are asked about it at once: if
        they refuse it, no row is read on the way. Cost: one call of each checker for each new prefix.
        """
        if prefix.standing is None:
            return prefix.after(token)
        tokens = (*prefix.tokens, token)
        if tokens in self._extended_prefixes:
            # The least recently used prefixes are forgotten first.
            self._extended_prefixes.move_to_end(tokens)
        else:
            # A refusal is remembered too, so that no checker is asked twice about one prefix.
            self._extended_prefixes[tokens] = self._check_prefix(
                prefix.after(token), len(prefix.text), prefix.standing
            )
            if len(self._extended_prefixes) > REMEMBERED:
                self._extended_prefixes.popitem(last=False)
        return self._extended_prefixes[tokens]

    def _check_prefix(self, after: Prefix, prefix_length: int, standing: CheckerStanding) -> Prefix | None:
        """Return a prefix with the states of the checkers, from those after its first `prefix_length` bytes;
        None if a checker refuses it."""
        text = after.text
        standing_after = self._constraints.extend_standing(standing, prefix_length, text)
        if standing_after is None:
            return None
        rest = None if standing_after.is_decided else self._only_rest(after.state)
        if rest is not None:
            whole_text = text + rest
            standing_at_end: CheckerStanding | None = standing_after
            if rest:
                standing_at_end = self._constraints.extend_standing(standing_after, len(text), whole_text)
            if standing_at_end is None or not self._constraints.accepts_text(standing_at_end, whole_text):
                return None
            # Masks and weights depend on the tokens, and the same bytes may be written in other tokens.
            are_bytes_enough = self._constraints.methods.isdisjoint(("mask", "weigh"))
            standing_after = replace(standing_after, is_decided=are_bytes_enough)
        return replace(after, standing=standing_after)

    def _only_rest(self, state: int) -> bytes | None:
        """Return the bytes up to the end of the text, if the grammar allows only these bytes; else None."""
        if state not in self._rests:
            compiled_grammar = self.compiled
            rest = compiled_grammar.forced(state)
            end = compiled_grammar.bytes_index(state, rest) if rest else state
            # The forced bytes may also stop where the text branches, or where a special token may come.
            may_end = end >= 0 and compiled_grammar.may_end(end)
            is_end = may_end and not compiled_grammar.special_tokens(end)
            is_whole = is_end and not compiled_grammar.next_bytes(State(compiled_grammar, end))
            self._rests[state] = rest if is_whole else None
        return self._rests[state]

    def accepts_text(self, prefix: Prefix) -> bool:
        """Return whether every checker accepts a text that ends here."""
        if prefix.standing is None:
            return True
        if "passes" not in prefix.answers:
            prefix.answers["passes"] = self._constraints.accepts_text(prefix.standing, prefix.text)
        return bool(prefix.answers["passes"])

    @property
    def has_weights(self) -> bool:
        """Whether checkers weigh texts, so that the target is not the model's law on the valid texts."""
        return "weigh" in self._constraints.methods

    def log_weight(self, prefix: Prefix) -> float:
        """Return the log-weight of a valid text that ends here; 0 if no checker weighs texts."""
        if prefix.standing is None or "weigh" not in self._constraints.methods:
            return 0.0
        return self._constraints.log_weight(prefix.standing, prefix.written)

    def guess_log_weight(self, prefix: Prefix) -> float:
        """Return the guess at the log-weight of texts with a prefix; 0 if no checker guesses."""
        if prefix.standing is None or "guess" not in self._constraints.methods:
            return 0.0
        if "guess" not in prefix.answers:
            prefix.answers["guess"] = self._constraints.guess_log_weight(prefix.standing, prefix.written)
        return prefix.answers["guess"]

    def close(self) -> None:
        """End the checkers' processes. The target may still be used."""
        for checker in self.checkers:
            # Other checkers have no process to end.
            if isinstance(checker, InProcess):
                checker.close()


def scale_logits(logits: Floats, temperature: float, at: int) -> Floats:
    """Return logits / temperature, less their maximum, so that exp of them is at most 1. Raises
    StructgenError if the softmax of the row is undefined; `at` is the number of tokens before the row."""
    levels: Floats = logits / temperature
    max_level = levels.max()
    if not np.isfinite(max_level) or np.isnan(levels).any():
        raise StructgenError(
            "The model's logits are NaN, infinite, or all of them minus infinity.",
            where=f"token {at}",
            cure="Check the model: its weights, its dtype, or the function next_logprobs.",
        )
    # In place: `levels` is already a new array.
    levels -= max_level
    return levels


def drawn_edge(masses: Floats, uniform: float) -> int:
    """Return an index drawn with probabilities in proportion to `masses`, which are not all 0. `uniform` is a
    random number from [0, 1)."""
    sums = np.cumsum(masses)
    edge = int(np.searchsorted(sums, uniform * sums[-1], side="right"))
    # If the draw exceeds the last sum by rounding, take the last edge with mass.
    return edge if edge < len(masses) else int(np.flatnonzero(masses)[-1])


def log_law(logits: Floats, temperature: float, at: int) -> Floats:
    """Return the log-probabilities [V] of the token after token `at`. Raises StructgenError as
    `scale_logits`."""
    return log_softmax(scale_logits(logits, temperature, at))


def random_stream(seed: int, number: int) -> np.random.Generator:
    """Return the generator of random numbers for part `number` of a run. Different seeds (0 to 2^64 - 1) and
    different numbers give different generators. The key is not a list of integers: above 2^63 numpy would
    lose its last digits."""
    key = np.array([seed & ((1 << 64) - 1), number], np.uint64)
    return np.random.Generator(np.random.Philox(key=key))
