"""Whole values: of a list of texts, the likeliest under the model as a whole, not token by token.

A greedy text takes its first token by what most values that begin so promise together, or by a tokenisation
that no model was trained on. Here the value v with the greatest sum of log P(token | prompt, tokens before),
over the tokenizer's own tokens of v, is written. With a neutral prompt, in which the question's text is left
out, log P(v | neutral) is subtracted: what the model says of any text counts for nothing (contextual
calibration: Zhao et al., "Calibrate Before Use", 2021; Holtzman et al., "Surface Form Competition", 2021).
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Final

import numpy as np

from structgen.core.grammar import Grammar
from structgen.engine import checks
from structgen.engine.model_protocol import Model
from structgen.engine.requests import Sampling
from structgen.engine.searches.branches import Branch, TextPlace
from structgen.engine.searches.listed_values import listed_texts
from structgen.engine.searches.prefix_rows import ModelRows, Tokens
from structgen.engine.strategies.strategy import Decision, Planner, Scores, SearchStrategy, log_softmax
from structgen.errors import OptionError, fields_named
from structgen.tokens.tokenizer import Tokenizer

MOST_VALUES: Final = 64
"""More values are not compared: each token of each of them is a row of the model."""


@fields_named('sg.WholeValues(("yes", "no"))')
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


def compared_texts(grammar: Grammar | None) -> tuple[str, ...]:
    """Return the texts of a grammar that lists a few values; () for any other grammar."""
    texts = listed_texts(grammar)
    return texts if 1 < len(texts) <= MOST_VALUES else ()


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
        """Return the tokens of the likeliest text. Cost: a pass for each token of the longest text, and a row
        for each beginning that texts have; as much again for the neutral prompt."""
        begun, allowed = tuple(place.tokens), dict[str, Tokens]()
        for text in self._how.texts:
            tokens = tuple(place.tokenizer.encode(text.encode()))
            rest = tokens[len(begun) :]
            if rest and tokens[: len(begun)] == begun and self._is_allowed(place, rest):
                allowed[text] = rest
        if len(allowed) < 2:
            return Decision()
        levels = _levels(allowed.values())
        rows: dict[Tokens, Scores] = {(): place.logits}
        branches: dict[Tokens, Branch] = {(): place.root()}
        for level in levels:
            for prefix in level:
                branches[prefix] = branches[prefix[:-1]].after(prefix[-1])
            read = yield [branches[prefix] for prefix in level]
            rows.update(zip(level, read, strict=True))
        worth = {text: _logprob(rows, tokens) for text, tokens in allowed.items()}
        if self._how.neutral:
            apart = ModelRows(self._model, [*self._how.neutral, *begun], "")
            neutral: dict[Tokens, Scores] = {(): apart.read([()])[0]}
            for level in levels:
                neutral.update(zip(level, apart.read(level), strict=True))
                place.passes, place.rows = place.passes + 1, place.rows + len(level)
            worth = {text: one - _logprob(neutral, allowed[text]) for text, one in worth.items()}
        shares = np.exp(log_softmax(np.array([worth.get(text, -np.inf) for text in self._how.texts])))
        best = max(worth, key=lambda text: worth[text])
        return Decision(allowed[best], states=(tuple(map(float, shares)),))

    @staticmethod
    def _is_allowed(place: TextPlace, tokens: Tokens) -> bool:
        """Tell whether the grammar, and the tokens that are left, allow a text."""
        branch = place.root()
        for token in tokens:
            if not branch.words[token // 32] >> token % 32 & 1:
                return False
            branch = branch.after(token)
        return True


def _levels(texts: Any) -> list[list[Tokens]]:
    """Return the proper beginnings of texts that the model reads, by their number of tokens."""
    longest = max(map(len, texts))
    return [sorted({tokens[:size] for tokens in texts if len(tokens) > size}) for size in range(1, longest)]


def _logprob(rows: dict[Tokens, Scores], tokens: Tokens) -> float:
    return sum(float(log_softmax(rows[tokens[:at]])[token]) for at, token in enumerate(tokens))
