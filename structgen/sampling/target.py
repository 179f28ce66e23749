"""The target law, and the one question that every method asks of it: what may come next, and how likely?

Write P(x) for the probability that the model, at the given temperature, writes the tokens x and then an end
token. The *target* is P conditioned on the event that x is valid: a text of the grammar, of at most
`max_tokens` tokens, that every checker passes. Different tokenisations of one text are different sequences x,
as they are for the model.

    Z = P(valid)                 the normalising constant, what `Samples.log_z` estimates
    h(u) = P(valid | prefix u)   the probability that a prefix ends up valid, so Z = h(empty prefix)

If h were known, the target could be drawn token by token: P(a | u, valid) = P(a | u) h(ua) / h(u). Masking
puts 1 for h wherever the grammar leaves a way to go on. All methods of this package differ in how they
correct that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from structgen.compiled import CompiledGrammar
from structgen.errors import StructgenError
from structgen.masks.mask import TokenMask
from structgen.sampling.checkers import Checker
from structgen.sampling.rows import Rows

END: Final = -1
"""The edge that ends a text: all end tokens of the tokenizer together."""

Floats = npt.NDArray[np.float64]
Ids = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Prefix:
    """A viable prefix: its tokens, and the state of the grammar behind them."""

    tokens: tuple[int, ...]
    state: int


@dataclass(frozen=True, slots=True)
class Step:
    """What may follow a prefix, with probabilities under the whole of the model's distribution.

    `tokens` int64 [k] are the allowed text tokens, ascending; `probabilities` float64 [k] are theirs; `end`
    is the probability of all end tokens together, 0 where the text may not end here. Their sum is at most 1:
    the rest is the mass that the grammar forbids.
    """

    tokens: Ids
    probabilities: Floats
    end: float

    @property
    def mass(self) -> float:
        """The probability of all that may follow: the usual symbol is z."""
        return float(self.probabilities.sum()) + self.end


class Target:
    """A model, a prompt, a grammar and a length: the law that samplers draw from."""

    def __init__(
        self,
        rows: Rows,
        compiled: CompiledGrammar,
        *,
        temperature: float = 1.0,
        max_tokens: int,
        checkers: Sequence[Checker] = (),
    ) -> None:
        """`rows` answers for the model behind its prompt; `compiled` is of the model's tokenizer."""
        self.rows, self.compiled = rows, compiled
        self.temperature, self.max_tokens, self.checkers = temperature, max_tokens, tuple(checkers)
        self.checks = 0
        """Prefixes and texts about which the checkers were asked."""
        self._ends = np.array(sorted(compiled.end_tokens), np.int64)
        self._texts = compiled.tokenizer.token_bytes
        self._mask = TokenMask(np.zeros((1, compiled.row_words()), np.int32), compiled.vocab_size)

    def start(self) -> Prefix:
        """Return the empty prefix."""
        return Prefix((), self.compiled.start.index)

    def text(self, tokens: Sequence[int]) -> bytes:
        """Return the bytes of text tokens."""
        return b"".join(self._texts[token] or b"" for token in tokens)

    def steps(self, prefixes: Sequence[Prefix]) -> list[Step]:
        """Return what may follow each prefix. Cost: one model row each, all in one forward pass, and O(V)."""
        found = self.rows.read([prefix.tokens for prefix in prefixes])
        return [self._step(prefix, logits) for prefix, logits in zip(prefixes, found, strict=True)]

    def _step(self, prefix: Prefix, logits: Floats) -> Step:
        probabilities = self._probabilities(prefix, logits)
        allowed = self._allowed(prefix)
        ends = float(probabilities[self._ends].sum()) if self.compiled.may_end(prefix.state) else 0.0
        return Step(allowed, probabilities[allowed], ends)

    def _probabilities(self, prefix: Prefix, logits: Floats) -> Floats:
        """Return the softmax of logits over the temperature. Raises StructgenError for NaN."""
        weights: Floats = np.exp(scaled(logits, self.temperature, len(prefix.tokens)))
        weights /= weights.sum()
        return weights

    def _allowed(self, prefix: Prefix) -> Ids:
        """Return the text tokens that may follow.

        A proven lower bound on the tokens still needed prunes: none at `max_tokens`, and one token before it
        only those behind which the text is complete. `tokens_to_finish` is an upper bound and would hide
        texts that fit.
        """
        left = self.max_tokens - len(prefix.tokens)
        if left <= 0:
            return np.empty(0, np.int64)
        self.compiled.fill_index(prefix.state, self._mask, 0)
        tokens = self._mask.allowed(0).astype(np.int64)
        tokens = tokens[~np.isin(tokens, self._ends)]
        if left == 1:
            after = (self.compiled.next_index(prefix.state, int(token)) for token in tokens)
            tokens = tokens[np.fromiter(map(self.compiled.may_end, after), np.bool_, len(tokens))]
        return tokens

    def extend(self, prefix: Prefix, token: int) -> Prefix | None:
        """Return the prefix behind one more token, or None where a checker rules it out."""
        after = Prefix((*prefix.tokens, token), self.compiled.next_index(prefix.state, token))
        if self.checkers:
            self.checks += 1
            text = self.text(after.tokens)
            if not all(checker.viable(text) for checker in self.checkers):
                return None
        return after

    def passes(self, prefix: Prefix) -> bool:
        """Return whether every checker passes a text that ends here."""
        if not self.checkers:
            return True
        self.checks += 1
        text = self.text(prefix.tokens)
        return all(checker.viable(text) and checker.final(text) for checker in self.checkers)


def scaled(logits: Floats, temperature: float, at: int) -> Floats:
    """Return logits over the temperature, less their greatest: their exp is at most 1. Raises StructgenError
    where they are behind token `at` no numbers that a softmax could be taken of."""
    found: Floats = logits / temperature
    most = found.max()
    if not np.isfinite(most) or np.isnan(found).any():
        raise StructgenError(
            "The model's logits are NaN, infinite, or all of them minus infinity.",
            where=f"token {at}",
            cure="Look at the model: its weights, its dtype, or the function next_logprobs.",
        )
    found -= most
    return found
