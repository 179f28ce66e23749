"""FreeDave: several steps of another scheduler for one pass of the model, with the same canvas at the end.

Wu and Zhang, Free Draft-and-Verification: Toward Lossless Parallel Decoding for Diffusion Large Language
Models (FreeDave), 2025. The next steps are guessed by the logits that are known: nested canvases, each with
more slots filled. One pass of the model reads them together with the canvas. As long as a step ends in a
guessed canvas, the logits of the next one are known already.

What differs here: nothing is verified, because it need not be. The scheduler takes each step by the true
logits, and a guess that came true only saves the pass. So the result is that of the other scheduler alone,
also with a temperature: a step's random numbers depend on its number only.
"""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import numpy as np

from structgen.decoding.infilling.canvas import Canvas
from structgen.decoding.infilling.schedulers import CanvasStep, Scheduler


class FreeDave:
    """A scheduler, and the model that `sg.infill` is to read with it; `passes` counts those of the model
    itself."""

    def __init__(self, model: Any, inner: Scheduler, drafts: int = 4) -> None:
        self.model, self.inner, self.drafts, self.passes = model, inner, drafts, 0
        self.mask_id, self.shift, self.block_length = model.mask_id, model.shift, model.block_length
        self.vocab_size, self.context = model.vocab_size, model.context
        self.null_id = getattr(model, "null_id", None)
        self._known: dict[bytes, np.ndarray] = {}
        self._last: CanvasStep | None = None

    def fill(self, step: CanvasStep) -> None:
        """Take the other scheduler's step."""
        self.inner.fill(step)
        self._last = step

    def forward(self, ids: np.ndarray) -> np.ndarray:
        """Return the model's logits, without a pass if the canvas was guessed before."""
        if ids.tobytes() not in self._known:
            canvases = [ids, *self._guesses(ids)]
            several = getattr(self.model, "forward_many", None)
            found = [self.model.forward(one) for one in canvases] if several is None else several(canvases)
            self._known = {one.tobytes(): rows for one, rows in zip(canvases, found, strict=True)}
            self.passes += 1
        return self._known[ids.tobytes()]

    def _guesses(self, ids: np.ndarray) -> list[np.ndarray]:
        """Return the canvases that the next steps end in, if the known logits were those of each step."""
        step, found = self._last, list[np.ndarray]()
        if step is None or not np.array_equal(step.canvas.model_ids(), ids):
            return found  # the first pass over a canvas
        for _ in range(self.drafts):
            step = replace(
                step,
                canvas=copied(step.canvas),
                number=step.number + 1,
                state=copy.deepcopy(step.state),
                written=[],
            )
            self.inner.fill(step)
            step.canvas.commit_forced()
            if not step.written or not step.masked():
                break
            found.append(step.canvas.model_ids())
        return found


def copied(canvas: Canvas) -> Canvas:
    """Return an independent copy; automata are shared."""
    automata = [part.lattice.automaton for part in canvas.parts]
    return copy.deepcopy(canvas, {id(one): one for one in automata})
