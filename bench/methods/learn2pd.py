"""Learn2PD: a small filter, trained on the model's own traces, says which slots are already final.

Bao et al., Learning to Parallel: Accelerating Diffusion Large Language Models via Learnable Parallel
Decoding, 2025 (arXiv 2509.25188). A slow schedule writes each text; at each of its steps a slot is an
example: was its proposed token the one that was written in the end? The filter learns to answer, and a fast
schedule commits all slots of which it is sure. Their filter is a network with 2,112 weights. With end-of-text
prediction, slots behind the end token are not decoded: the text is over once that token is there.

What differs here: the filter is a logistic regression on eight features of the constrained view
(`features`), trained by Newton's method on templated sentences that the examination does not have. The slow
schedule is EOSER at one slot a step (`eos_rejection`), the best in right fields. An empty slot forces all
behind it in its hole to be empty. So with end-of-text prediction the filter is asked about the first empty
slot alone, in training too (`until_the_end`). Without it, it is asked about each one: far slots may be
committed as empty before the text is known to end there.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
from bench_infill import asked_of

import structgen as sg
from methods.eos_rejection import EosRejection
from methods.whole_filling import Bools, SchedulerView, WholeFilling
from structgen.decoding.infilling.lattice import NULL

_SEED = 88_000_000  # neither training's nor an examination's
_RIDGE = 1e-3


def features(view: SchedulerView) -> np.ndarray:
    """Return float [masked slots, 8] of a view: the logarithms of the odds of the slot, and of its left and
    right neighbours among the masked ones; whether it is empty; how far it is behind the first masked slot;
    whether the slot before it in the canvas is filled; the share of filled slots; and 1."""
    sure = np.clip(view.confidence, 1e-6, 1.0 - 1e-6)
    odds = np.log(sure / (1.0 - sure))
    left, right = np.append(12.0, odds[:-1]), np.append(odds[1:], 12.0)
    is_next = np.append(True, np.diff(view.positions) > 1)
    filled = 1.0 - len(odds) / max(view.slots, 1)
    behind = np.log1p(view.positions - view.positions[0])
    columns = (
        odds,
        left,
        right,
        view.is_null,
        behind,
        is_next,
        np.full(len(odds), filled),
        np.ones(len(odds)),
    )
    return np.stack([np.asarray(one, np.float64) for one in columns], axis=1)


def until_the_end(view: SchedulerView) -> Bools:
    """Return which slots stand before the end of the proposed text, or are it: an empty slot is the end of
    its hole if the slot before it is filled."""
    before = np.append(0, view.filling)[view.positions]
    found: Bools = ~view.is_null | (before != NULL)
    return found


def trained(examples: np.ndarray, labels: np.ndarray, rounds: int = 30) -> np.ndarray:
    """Return the weights of a logistic regression: Newton's method with a small ridge."""
    weights = np.zeros(examples.shape[1])
    for _ in range(rounds):
        chance = 1.0 / (1.0 + np.exp(-np.clip(examples @ weights, -30, 30)))
        slope = examples.T @ (labels - chance) / len(labels) - _RIDGE * weights
        bend = (examples * (chance * (1.0 - chance))[:, None]).T @ examples / len(labels)
        weights = weights + np.linalg.solve(bend + _RIDGE * np.eye(len(weights)), slope)
    return weights


@dataclass(frozen=True)
class OwnText:
    """What the slow schedule wrote for a prompt of token ids, and its examples."""

    prompt: list[int]
    found: sg.Infilled
    told: np.ndarray
    """The features of each example, float [examples, 8]."""
    is_final: np.ndarray
    """Whether its proposed token was written in the end, bool [examples]."""
    is_before_end: np.ndarray
    """Whether it is asked about with end-of-text prediction, bool [examples]."""


@dataclass(frozen=True)
class Traced(WholeFilling):
    """The slow schedule; notes features, places, tokens and ends of the proposal of each step."""

    inner: WholeFilling = field(default_factory=EosRejection)
    steps: list[tuple[np.ndarray, ...]] = field(default_factory=list)

    def choose(self, view: SchedulerView) -> Bools:
        """Return the slow schedule's choice."""
        self.steps.append((features(view), view.positions, view.tokens, until_the_end(view)))
        return self.inner.choose(view)


def own_texts(model: Any, tokenizer: sg.Tokenizer, count: int) -> Iterator[OwnText]:
    """Yield what the slow schedule writes for templated sentences of this file's seed. Cost: about one
    CPU second a sentence."""
    from data.sentences import Examples  # of models/, which bench_infill puts on the path

    source = Examples(_SEED)
    for _ in range(count):
        noted = Traced()
        schema, prompt, slots = asked_of(source.draw(), tokenizer)
        found = sg.infill(
            model, grammar=schema, prompt=prompt, slots=slots, scheduler=noted, tokenizer=tokenizer
        )
        told, at, tokens, is_before_end = map(np.concatenate, zip(*noted.steps, strict=True))
        yield OwnText(prompt, found, told, found.canvas.tokens[at] == tokens, is_before_end)


def filter_of(texts: list[OwnText], *, predicts_ends: bool) -> np.ndarray:
    """Return the weights of a filter that is trained on all examples, or with end-of-text prediction."""
    told, is_final, is_asked = (
        np.concatenate([getattr(one, name) for one in texts])
        for name in ("told", "is_final", "is_before_end")
    )
    return trained(told[is_asked], is_final[is_asked]) if predicts_ends else trained(told, is_final)


@dataclass(frozen=True)
class Learn2Pd(WholeFilling):
    """The slots of which the filter is sure; `predicts_ends`: with end-of-text prediction."""

    weights: np.ndarray
    sure: float = 0.9
    predicts_ends: bool = True

    def choose(self, view: SchedulerView) -> Bools:
        """Return the slots that are final with a chance of at least `sure`; the surest if there is none."""
        chance = 1.0 / (1.0 + np.exp(-np.clip(features(view) @ self.weights, -30, 30)))
        if self.predicts_ends:
            chance[~until_the_end(view)] = 0.0
        chosen: Bools = (chance >= self.sure) | (chance == chance.max())
        return chosen
