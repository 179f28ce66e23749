"""CreditDecoding: a token that was the likeliest of its slot in earlier steps gets credit.

Wang et al., CreditDecoding: Accelerating Parallel Decoding in Diffusion Large Language Models with Trace
Credits, 2025 (arXiv 2510.06133). In each step, for each masked slot and token, c <- beta c + [the token is
the slot's likeliest] p^gamma, where p is its probability; then logit <- logit + alpha log(1 + c). Another
scheduler chooses by the new logits.

What differs here: the logits are changed before the other scheduler reads them, so that proposal and
confidence are those of the changed logits given validity. p is the model's own probability, without the
grammar. Tokens that never were the likeliest have no credit, so a dict of tokens is kept for each slot. Two
public re-implementations disagree on the constants: `schedulers_rows.py` sweeps them. alpha = 0 is the other
scheduler.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from methods.fast_dllm import Threshold
from structgen.decoding.infilling.schedulers import CanvasStep, Scheduler


@dataclass(frozen=True)
class CreditDecoding:
    """Credit around another scheduler, of which all but the logits are taken."""

    inner: Scheduler = field(default_factory=Threshold)
    alpha: float = 0.7
    beta: float = 0.8
    gamma: float = 0.2

    def adjust(self, logits: np.ndarray, positions: np.ndarray, state: dict[str, Any]) -> None:
        """Add the credit to the logits, after that of this step."""
        credits: dict[int, dict[int, float]] = state.setdefault("credit", {})
        for row, at in zip(logits, positions.tolist(), strict=True):
            credit = {token: self.beta * c for token, c in credits.get(at, {}).items()}
            best = int(row.argmax())
            chance = 1.0 / float(np.exp(row.astype(np.float64) - float(row[best])).sum())
            credit[best] = credit.get(best, 0.0) + chance**self.gamma
            credits[at] = credit
            for token, c in credit.items():
                row[token] += self.alpha * np.log1p(c)

    def fill(self, step: CanvasStep) -> None:
        """Fill what the other scheduler fills by the new logits."""
        places, parts = step.masked(), step.canvas.parts
        if places:
            rows = np.array([parts[one.part].lattice.logits[one.slot] for one in places])
            self.adjust(rows, np.array([one.position for one in places]), step.state)
            for one, row in zip(places, rows, strict=True):
                parts[one.part].lattice.set_logits(one.slot, row)
        self.inner.fill(step)
