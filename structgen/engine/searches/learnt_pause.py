"""The `tau` of pause and rerank, learnt for a model: above which entropy is its likeliest token often wrong?

Along right texts a place has the entropy of the masked law, and an answer: whether the right token is the
likeliest one. The cut is the one that tells the answers best, both weighted alike. (The paper cuts the
probability of a logistic regression on the entropy: as that falls with the entropy, the places are parted in
the same way.)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from structgen.core.matcher import Matcher
from structgen.engine.requests import Request
from structgen.engine.searches.prefix_rows import numbers
from structgen.engine.strategies.strategy import entropy, log_softmax
from structgen.engine.strategies.text_strategies import allowed_ids
from structgen.errors import OptionError
from structgen.tokens.token_mask import allocate_mask

if TYPE_CHECKING:
    from structgen.engine.engine import Engine


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
    nats, hits = np.array(entropies, np.float64), np.array(is_first, bool)
    if len(nats) != len(hits) or not hits.any() or hits.all():
        raise OptionError(
            "It takes places where the right token is the likeliest one, and places where it is not.",
            where="is_first",
            cure="Give more texts.",
        )
    order = np.argsort(nats, kind="stable")
    nats, weight = nats[order], np.where(hits, 1 / hits.sum(), -1 / (~hits).sum())[order]
    ends = np.flatnonzero(np.append(np.diff(nats) > 0, True))  # equal entropies are not told apart
    best = int(ends[np.argmax(np.cumsum(weight)[ends])])
    return float(nats[best : best + 2].mean())
