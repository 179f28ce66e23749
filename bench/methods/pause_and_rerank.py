"""Pause and rerank: where the model is unsure, candidates are judged by what follows them (AdaDec: Xu et al.,
"Towards Better Code Generation: Adaptive Decoding with Uncertainty Guidance", 2025).

Greedy. Where the entropy of the masked law is above `tau` nats, each of the `beams` likeliest tokens is
continued greedily by `depth` tokens, or to the end of the text. Its score is the mean log-probability of the
token and of those that follow it. Forced tokens do not count. The best candidate is taken, the likeliest of
equals.

`learnt` returns the strategy with the `tau` of a model: above which entropy is its likeliest token often
wrong? Along right texts a place has the entropy of the masked law, and an answer: whether the right token is
the likeliest one. The cut is the one that tells the answers best, both weighted alike. (The paper cuts the
probability of a logistic regression on the entropy: as that falls with the entropy, the places are parted in
the same way.)
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np

import structgen as sg
from structgen.strategies import Branch, Decision, SearchStrategy, TextPlace

_EXTRACT_TAU: Final = 0.053
"""Nats; learnt for `structgen/extract` from 2,000 sentences of its training."""


@dataclass(frozen=True, slots=True)
class PauseAndRerank(SearchStrategy):
    """Greedy, but with a look ahead where the model is unsure."""

    name: ClassVar[str] = "pause"
    is_greedy: ClassVar[bool] = True
    tau: float = _EXTRACT_TAU
    """The entropy, in nats, above which to pause; infinity: never. The default is that of
    `structgen/extract`."""
    beams: int = 3
    """How many candidates; 1 is greedy."""
    depth: int = 5
    """How many tokens follow each candidate; 0 is greedy."""

    def plan(self, place: TextPlace, held: None) -> Generator[Sequence[Branch], list[Any], Decision]:
        """Return the best candidate; the likeliest token where the model is sure. Cost of a pause: `depth`
        passes of `beams` rows."""
        root = place.root()
        law = root.law(place.logits)
        nats = entropy(law)
        if nats <= self.tau or self.beams == 1 or self.depth == 0:
            return Decision(state=(nats, 0.0))
        order = np.argsort(-law, kind="stable")[: self.beams]
        tokens = [int(token) for token in root.allowed[order]]
        branches = [root.after(token) for token in tokens]
        sums, counts = law[order].copy(), np.ones(len(order))
        for _ in range(self.depth):
            going = [at for at, one in enumerate(branches) if not one.is_over]
            if not going:
                break
            logits = yield [branches[at] for at in going]
            for at, own in zip(going, logits, strict=True):
                branch, after = branches[at], branches[at].law(own)
                if len(after) > 1:
                    sums[at] += after.max()
                    counts[at] += 1
                branches[at] = branch.after(int(branch.allowed[after.argmax()]))
        best = int(np.argmax(sums / counts))
        return Decision((tokens[best],), state=(nats, 1.0))

    def told(self, states: Sequence[tuple[float, ...]]) -> str:
        """Return the share of pauses."""
        paused = sum(state[1] > 0 for state in states)
        return f"pause: {paused:,} of {len(states):,} tokens that were a choice were reranked"


def entropy(law: Any) -> float:
    """Return the entropy of log-probabilities, in nats."""
    return float(-(np.exp(law) * np.where(np.isfinite(law), law, 0.0)).sum())


def learnt(engine: sg.Engine, examples: Sequence[tuple[sg.Request, str]]) -> PauseAndRerank:
    """Return the strategy with the `tau` of an engine's model, learnt from requests with the right text of
    each. Raises OptionError for a text that is none of its grammar, and where the model's likeliest token is
    always right, or never."""
    return PauseAndRerank(tau=learnt_tau(*places_along(engine, examples)))


def places_along(
    engine: sg.Engine, examples: Sequence[tuple[sg.Request, str]]
) -> tuple[list[float], list[bool]]:
    """Return the entropies (nats) of the places with two or more allowed tokens along right texts, in the
    tokenizer's own tokens, and whether the right token is the likeliest one. Cost: a row for each token."""
    entropies: list[float] = []
    is_first: list[bool] = []
    mask = sg.allocate_mask(1, engine.tokenizer.vocab_size)
    for at, (request, text) in enumerate(examples):
        assert request.grammar is not None
        matcher = sg.Matcher(engine.compiled(request.grammar))
        tokens = engine.tokenizer.encode(text.encode())
        if matcher.accepts(tokens) < len(tokens):
            raise sg.errors.OptionError(
                f"{text[:60]!r} is no text of the grammar.",
                where=f"examples[{at}]",
                cure="Give the text as the grammar writes it.",
            )
        logits, cache = engine.model.prefill(engine.prompt_tokens(request))
        for token in tokens:
            matcher.fill_mask(mask)
            allowed = mask.allowed(0)
            if len(allowed) > 1:
                row = logits.double().cpu().numpy()[allowed]
                law = row - np.logaddexp.reduce(row)
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
    if not hits.any() or hits.all():
        raise sg.errors.OptionError(
            "It takes places where the right token is the likeliest one, and places where it is not.",
            where="is_first",
            cure="Give more texts.",
        )
    order = np.argsort(nats, kind="stable")
    nats, weight = nats[order], np.where(hits, 1 / hits.sum(), -1 / (~hits).sum())[order]
    ends = np.flatnonzero(np.append(np.diff(nats) > 0, True))  # equal entropies are not told apart
    best = int(ends[np.argmax(np.cumsum(weight)[ends])])
    return float(nats[best : best + 2].mean())
