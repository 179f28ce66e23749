"""CCD: a slot is committed when the last steps agree about it.

Chen et al., Beyond Confidence: Adaptive and Coherent Decoding for Diffusion Language Models (coherent
contextual decoding, CCD), 2025. A slot's mean law is that of the last h steps, each of which saw another
context. H(mean) - mean H is the information that the context gives about the slot's token: where it is small,
more context would change nothing. A slot is committed if that is at most `information` nats and its token has
a probability of at least `sure` in the mean law.

What differs here: laws are constrained, over tokens and "empty", given that the whole canvas is valid; the
proposed token is that of the best valid filling. Laws are kept of the `kept` surest slots of each step, as in
the paper's buffer: h * kept * (V + 1) numbers of 8 bytes at most. With h = 1 both sides of the difference are
equal, and it is `Threshold(sure)` among these slots.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from methods.whole_filling import Bools, SchedulerView, WholeFilling


def entropy(law: np.ndarray) -> float:
    """Return the entropy of a law, in nats."""
    some = law[law > 0.0]
    return float(-(some * np.log(some)).sum())


@dataclass(frozen=True)
class CoherentContextual(WholeFilling):
    """The scheduler; `steps` is h."""

    steps: int = 3
    information: float = 0.1
    sure: float = 0.9
    kept: int = 64

    def choose(self, view: SchedulerView) -> Bools:
        """Return the slots whose laws agree and are sure."""
        before: dict[int, list[np.ndarray]] = view.state.get("laws", {})
        now: dict[int, list[np.ndarray]] = {}
        chosen = np.zeros(len(view.positions), np.bool_)
        for at in np.flatnonzero(view.most(view.confidence, self.kept)).tolist():
            laws = [*before.get(int(view.positions[at]), []), view.law(at)][-self.steps :]
            now[int(view.positions[at])] = laws
            mean = np.mean(laws, axis=0)
            told = entropy(mean) - float(np.mean([entropy(one) for one in laws]))
            token = max(int(view.tokens[at]), -1)  # an empty slot is the law's last element
            chosen[at] = told <= self.information and mean[token] >= self.sure
        view.state["laws"] = now
        return chosen
