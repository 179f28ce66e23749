"""Whole values: of a list of texts, the likeliest under the model as a whole, not token by token.

A greedy text takes its first token by what all values that begin so promise together, and only in the very
letters of the grammar. Here each value has the probability of its whole text, in the tokenizer's own tokens,
summed over its spellings: a chat model says "Positive" where the grammar has `"positive"`, and yes where it
has `true` (competition of surface forms: Holtzman et al., 2021). The likeliest value is written.

With a neutral prompt, in which the question's text is left out, log P(value | neutral) is subtracted: what
the model says of any text counts for nothing (contextual calibration: Zhao et al., "Calibrate Before Use",
2021).
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Final

import numpy as np
import torch

from structgen.core.grammar import Grammar
from structgen.engine import checks
from structgen.engine.model_protocol import Model
from structgen.engine.requests import Sampling
from structgen.engine.searches.branches import Branch, TextPlace
from structgen.engine.searches.listed_values import MOST_VALUES, compared_texts
from structgen.engine.searches.prefix_rows import ModelRows, Tokens
from structgen.engine.strategies.strategy import Decision, Planner, Scores, SearchStrategy, log_softmax
from structgen.errors import OptionError, TokenizerError
from structgen.tokens.tokenizer import Tokenizer

_ANSWERS: Final = {"true": ("true", "True", "yes", "Yes"), "false": ("false", "False", "no", "No")}


@dataclass(frozen=True, slots=True)
class WholeValues(SearchStrategy):
    """The likeliest of some texts, which are whole documents of the grammar."""

    name: ClassVar[str] = "whole"
    is_greedy: ClassVar[bool] = True
    texts: tuple[str, ...] = ()
    """The texts as the grammar has them, such as `'"positive"'`; at most 64. One that the grammar refuses is
    not written."""
    neutral: tuple[int, ...] = ()
    """The tokens of the neutral prompt; (): nothing is subtracted."""

    def __post_init__(self) -> None:
        texts = checks.texts("texts", self.texts)
        if not 0 < len(texts) <= MOST_VALUES:
            raise OptionError(
                f"{len(texts):,} texts are compared.",
                where="texts",
                cure=f"Give 1 to {MOST_VALUES}, or leave the strategy out.",
            )
        object.__setattr__(self, "texts", tuple(texts))
        if self.neutral:
            object.__setattr__(self, "neutral", checks.tokens("neutral", self.neutral))

    def begin(self, model: Model, tokenizer: Tokenizer) -> Planner:
        """Return what compares the texts for one request."""
        return _Comparison(self, model)

    def told(self, states: Sequence[tuple[float, ...]]) -> str:
        """Return the share of the text that was written."""
        shares = next((state for state in states if state), ())
        return f"whole: {max(shares):.2f} of {len(shares)} values" if shares else ""


def comparing(sampling: Sampling, grammar: Grammar | None, neutral: Sequence[int] = ()) -> Sampling:
    """Return the sampling that compares whole values, where the likeliest text of a few listed ones is asked
    for and nothing else is said of the choice; else the sampling itself."""
    texts = compared_texts(grammar)
    if not texts or replace(sampling, seed=0) != Sampling(temperature=0.0):
        return sampling
    return replace(sampling, strategy=(WholeValues(texts, tuple(neutral)),))


class _Comparison(Planner):
    """The comparison of one request."""

    def __init__(self, how: WholeValues, model: Model) -> None:
        self._how, self._model = how, model

    def plan(self, place: TextPlace) -> Generator[Sequence[Branch], list[Scores], Decision]:
        """Return the tokens of the likeliest text. Cost: a pass for each token of the longest spelling, and a
        row for each beginning that spellings have; as much again for the neutral prompt."""
        begun, allowed = tuple(place.tokens), dict[str, Tokens]()
        for text in self._how.texts:
            rest = self._rest(place, text, begun)
            if rest and self._is_allowed(place, rest):
                allowed[text] = rest
        if len(allowed) < 2:
            return Decision()
        spelt = {text: self._spellings(place, text, begun) for text in allowed}
        read = ModelRows(
            self._model, [*place.prompt, *begun], "", begun=(torch.from_numpy(place.logits), place.cache)
        )
        worth = yield from self._weighed(place, read, spelt)
        if self._how.neutral:
            apart = ModelRows(self._model, [*self._how.neutral, *begun], "")
            neutral = yield from self._weighed(place, apart, spelt)
            worth = {text: one - neutral[text] for text, one in worth.items()}
        shares = np.exp(log_softmax(np.array([worth.get(text, -np.inf) for text in self._how.texts])))
        best = max(worth, key=lambda text: worth[text])
        return Decision(allowed[best], states=(tuple(map(float, shares)),))

    def _spellings(self, place: TextPlace, text: str, begun: Tokens) -> list[Tokens]:
        """Return the tokens, behind those that are written, of the ways in which a model may write a value:
        the text, without its closing quote unless another value goes on from there."""
        closing = "" if any(_is_longer(other, text) for other in self._how.texts) else '"'
        found = dict.fromkeys(
            self._rest(place, spelling.removesuffix(closing), begun) for spelling in spellings(text)
        )
        return [tokens for tokens in found if tokens] or [self._rest(place, text, begun)]

    @staticmethod
    def _weighed(
        place: TextPlace, read: ModelRows, spelt: Mapping[str, Sequence[Tokens]]
    ) -> Generator[Sequence[Branch], list[Scores], dict[str, float]]:
        """Return the log-probability of each text, summed over its spellings."""
        each = [tokens for one in spelt.values() for tokens in one]
        rows: dict[Tokens, Scores] = {}
        for size in range(max(map(len, each))):
            level = sorted({tokens[:size] for tokens in each if len(tokens) > size})
            rows.update(zip(level, map(log_softmax, read.read(level)), strict=True))
            yield []  # other texts go on, and the text may be cancelled
        place.passes, place.rows = place.passes + read.passes, place.rows + len(rows) - 1
        return {
            text: float(np.logaddexp.reduce([_logprob(rows, tokens) for tokens in one]))
            for text, one in spelt.items()
        }

    @staticmethod
    def _rest(place: TextPlace, text: str, begun: Tokens) -> Tokens:
        """Return the tokens of a text behind those that are written; () where it does not begin with them, or
        no tokens write it."""
        try:
            tokens = tuple(place.tokenizer.encode(text.encode()))
        except TokenizerError:
            return ()
        return tokens[len(begun) :] if tokens[: len(begun)] == begun else ()

    @staticmethod
    def _is_allowed(place: TextPlace, tokens: Tokens) -> bool:
        """Tell whether the grammar, and the tokens that are left, allow a text."""
        branch = place.root()
        for token in tokens:
            if token not in branch.allowed:
                return False
            branch = branch.after(token)
        return True


def spellings(text: str) -> list[str]:
    """Return the ways in which a model may write a listed value: the text itself, with a capital letter, and
    of a boolean also as an answer to a question."""
    if text in _ANSWERS:
        return list(_ANSWERS[text])
    quote, word = ('"', text[1:]) if text[:1] == '"' else ("", text)
    return list(dict.fromkeys([text, f"{quote}{word[:1].upper()}{word[1:]}"]))


def _is_longer(other: str, text: str) -> bool:
    """Tell whether a text goes on where another one ends."""
    return other != text and other.removesuffix('"').startswith(text.removesuffix('"'))


def _logprob(rows: dict[Tokens, Scores], tokens: Tokens) -> float:
    return sum(float(rows[tokens[:at]][token]) for at, token in enumerate(tokens))
