"""Learn2PD: a small filter, trained on the model's own traces, says which slots are already final.

    python bench/methods/learn2pd.py [--sentences 120] [--prompts 60]

Bao et al., Learning to Parallel: Accelerating Diffusion Large Language Models via Learnable Parallel
Decoding, 2025. A slow schedule writes each text; at each of its steps a slot is an example: was its
proposed token the one that was written in the end? The filter learns to answer, and a fast schedule commits
all slots of which it is sure. Their filter is a network with 2,112 weights.

What differs here: the filter is a logistic regression on eight features of the constrained view (`features`),
trained by Newton's method on templated sentences that the examination does not have. The slow schedule is
EOSER at one slot a step (`eos_rejection`), the best in right fields. End-of-text prediction needs nothing
of its own: an empty slot forces all behind it in its hole to be empty, and they are committed with it; a
tail that the grammar needs cannot be cut.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
from bench_infill import asked_of, drawn_sentences

import structgen as sg
from methods.eos_rejection import EosRejection
from methods.schedulers_rows import measured
from structgen.infilling.presets import load_masked_model
from structgen.infilling.schedulers import Bools, ConfidentPrefix, Scheduler, SchedulerView, Threshold

_SEED = 77_000_000  # neither training's nor the examination's
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
class Traced:
    """Another scheduler; notes features and proposed tokens of each step."""

    inner: Scheduler = field(default_factory=lambda: EosRejection(least=0.4))
    steps: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = field(default_factory=list)

    def choose(self, view: SchedulerView) -> Bools:
        """Return the other scheduler's choice."""
        self.steps.append((features(view), view.positions, view.tokens))
        return self.inner.choose(view)


@dataclass(frozen=True)
class Learn2Pd:
    """The slots of which the filter is sure."""

    weights: np.ndarray
    sure: float = 0.9

    def choose(self, view: SchedulerView) -> Bools:
        """Return the slots that are final with a chance of at least `sure`; the surest if there is none."""
        chance = 1.0 / (1.0 + np.exp(-np.clip(features(view) @ self.weights, -30, 30)))
        chosen: Bools = (chance >= self.sure) | (chance == chance.max())
        return chosen


def sentences(count: int) -> list[Any]:
    """Return templated sentences of the seed of this file."""
    from data.sentences import Examples  # of models/, which bench_infill puts on the path

    source = Examples(_SEED)
    return [source.draw() for _ in range(count)]


def traces(
    model: Any, tokenizer: sg.Tokenizer, questions: list[Any]
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the features of each step of the slow schedule, and which proposed tokens were final."""
    for one in questions:
        noted = Traced()
        schema, prompt, slots = asked_of(one, tokenizer)
        found = sg.infill(
            model, grammar=schema, prompt=prompt, slots=slots, scheduler=noted, tokenizer=tokenizer
        )
        for told, positions, tokens in noted.steps:
            yield told, found.canvas.tokens[positions] == tokens


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sentences", type=int, default=120)
    parser.add_argument("--prompts", type=int, default=60)
    asked = parser.parse_args()
    model, tokenizer = load_masked_model("structgen/infill")
    seen = list(traces(model, tokenizer, sentences(asked.sentences)))
    weights = trained(np.concatenate([one for one, _ in seen]), np.concatenate([one for _, one in seen]))
    print("weights", np.round(weights, 3).tolist(), "examples", sum(len(one) for _, one in seen), flush=True)
    ways: dict[str, Any] = {"the default": ConfidentPrefix(), "threshold 0.9": Threshold()}
    ways |= {f"filter {sure}": Learn2Pd(weights, sure) for sure in (0.8, 0.9, 0.96)}
    for name, scheduler in ways.items():
        figures = measured(model, tokenizer, drawn_sentences(asked.prompts), scheduler)
        print(name, {key: round(value, 4) for key, value in figures.items()}, flush=True)
