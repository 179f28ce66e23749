"""Drives one decision of a search by hand, for tests."""

from __future__ import annotations

from collections.abc import Sequence

from strategy_models import LETTERS, Table, compiled

import structgen as sg
from structgen.decoding.engine import Request, Sampling
from structgen.decoding.engine.searches.branches import TextPlace
from structgen.decoding.engine.strategies.strategy import Decision, SearchStrategy
from structgen.decoding.speculation.drafts.model_rows import as_float64


def decided(
    search: SearchStrategy,
    model: Table,
    grammar: sg.Grammar,
    how: Sampling,
    tokens: Sequence[int] = (),
    most: int = 12,
) -> Decision:
    """Return what a search decides after tokens of a text, without the loop and its caches."""
    matcher = sg.Matcher(compiled(grammar))
    for token in tokens:
        matcher.advance(token)
    texts = [LETTERS.token_bytes[token] or b"" for token in tokens]
    place = TextPlace(
        Request([0], grammar, how, max_tokens=most, strategy=search),
        0,
        [0],
        list(tokens),
        b"".join(texts),
        matcher,
        as_float64(model.logits([0, *tokens])),
        LETTERS,
        token_limit=most,
    )
    steps, answer = search.plan(place, search.begin(model, LETTERS)), None
    while True:
        try:
            asked = steps.send(answer)  # type: ignore[arg-type]
        except StopIteration as over:
            return over.value
        answer = [as_float64(model.logits([0, *tokens, *branch.tokens])) for branch in asked]
