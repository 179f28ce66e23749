"""The `tau` of pause and rerank, learnt for a model: above which entropy is its likeliest token often wrong?

Along right texts a place has the entropy of the masked law, and an answer: whether the right token is the
likeliest one. A logistic regression on the entropy, both answers weighted alike, gives a probability; its
most accurate cut is turned back into an entropy.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from structgen.core.matcher import Matcher
from structgen.engine.requests import Request
from structgen.engine.searches.branches import entropy
from structgen.engine.searches.prefix_rows import numbers
from structgen.engine.strategies.row_law import allowed_ids
from structgen.engine.strategies.strategy import Scores, log_softmax
from structgen.errors import OptionError
from structgen.tokens.token_mask import allocate_mask

if TYPE_CHECKING:
    from structgen.engine.engine import Engine

_STEPS: Final = 100
"""Newton's steps of the regression; it ends earlier where it stands."""
_RIDGE: Final = 1e-6
"""Weight of the squared slope: answers that an entropy separates wholly would have an infinite one."""


def places_along(engine: Engine, examples: Sequence[tuple[Request, str]]) -> tuple[list[float], list[bool]]:
    """Return the entropies (nats) of the places with two or more allowed tokens along right texts, in the
    tokenizer's own tokens, and whether the right token is the likeliest one. Cost: a row for each token."""
    entropies: list[float] = []
    is_first: list[bool] = []
    mask = allocate_mask(1, engine.tokenizer.vocab_size)
    for at, (request, text) in enumerate(examples):
        if request.grammar is None:
            raise OptionError(
                "It has no grammar.", where=f"examples[{at}]", cure="Give requests with a grammar."
            )
        matcher = Matcher(engine.compiled(request.grammar))
        tokens = engine.tokenizer.encode(text.encode())
        if matcher.accepts(tokens) < len(tokens):
            raise OptionError(
                f"{text[:60]!r} is no text of the grammar.",
                where=f"examples[{at}]",
                cure="Give the text as the grammar writes it.",
            )
        logits, cache = engine.model.prefill(engine.prompt_tokens(request))
        for token in tokens:
            matcher.fill_mask(mask)
            allowed = allowed_ids(mask.array[0], engine.tokenizer.vocab_size)
            if len(allowed) > 1:
                law = log_softmax(numbers(logits)[allowed])
                entropies.append(entropy(law))
                is_first.append(int(allowed[int(law.argmax())]) == token)
            matcher.advance(token)
            (logits,) = engine.model.decode([token], [cache])
    return entropies, is_first


def learnt_tau(entropies: Sequence[float], is_first: Sequence[bool]) -> float:
    """Return the entropy above which to pause, from the entropies (nats) of places along right texts, and
    whether the right token was the likeliest one there. The same places give the same number. Raises
    OptionError where all answers are the same: nothing can be learnt of them."""
    x, y = np.array(entropies, np.float64), np.array(is_first, bool)
    if len(x) != len(y) or not y.any() or y.all():
        raise OptionError(
            "It takes places where the right token is the likeliest one, and places where it is not.",
            where="is_first",
            cure="Give more texts.",
        )
    weight = np.where(y, 0.5 / y.sum(), 0.5 / (~y).sum())
    slope, height = _logistic(x, y, weight)
    p = 1 / (1 + np.exp(-(slope * x + height)))
    # the accuracy of "the right token is the likeliest" where the probability is at least a cut
    order = np.argsort(-p, kind="stable")
    hits = np.cumsum(np.where(y[order], weight[order], 0.0))
    wrong = np.cumsum(np.where(~y[order], weight[order], 0.0))
    ends = np.flatnonzero(np.append(np.diff(p[order]) != 0, True))
    best = int(ends[np.argmax((hits + wrong[-1] - wrong)[ends])])
    last = p[order][best]
    cut = last if best + 1 == len(p) else 0.5 * (last + p[order][best + 1])
    cut = min(max(float(cut), 1e-12), 1 - 1e-12)
    return max(float((math.log(cut / (1 - cut)) - height) / slope), 0.0) if slope else math.inf


def _logistic(x: Scores, y: Scores, weight: Scores) -> tuple[float, float]:
    """Return slope and height of a weighted logistic regression, by Newton's method."""
    theta = np.zeros(2)
    rows = np.stack((x, np.ones(len(x))), axis=1)
    for _ in range(_STEPS):
        p = 1 / (1 + np.exp(-np.clip(rows @ theta, -500, 500)))
        slope = rows.T @ (weight * (p - y)) + np.array([_RIDGE * theta[0], 0.0])
        curve = (rows.T * (weight * p * (1 - p))) @ rows + np.diag([_RIDGE, 1e-12])
        step = np.linalg.solve(curve, slope)
        theta -= step
        if np.abs(step).max() < 1e-9:
            break
    return float(theta[0]), float(theta[1])
