"""The second half of Aggressive Decoding (GAD: Xia et al. 2023, "Speculative Decoding: Exploiting Speculative
Execution for Accelerating Seq2seq Generation", arXiv:2203.16487, first as Generalized Aggressive Decoding).

Definition: a model that does not write from left to right drafts the next block of tokens in one pass, all at
once; the target verifies the block in one pass of its own.

What differs here: the block comes from `structgen/infill`, a masked-diffusion model that has the tokenizer of
`structgen/extract`, on a canvas of prompt, text so far, and masked slots; the first tokens of the canvas are
drafted, with the probabilities of their slots as chances. Each slot takes the likeliest of its 8 tokens that
the grammar allows behind the slots before. The paper trains its drafter for the target; this one was not.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final

import numpy as np

from methods.text_drafter import TextDrafter
from structgen.decoding.infilling.presets import load_masked_model
from structgen.decoding.speculation.drafts.drafter import REFUSED
from structgen.speculation import Draft, DraftContext

SLOTS: Final = 48
"""Masked slots of a canvas: the drafter ends its text within them."""
BLOCK: Final = 12
"""Slots that are drafted; those behind them are guessed without their neighbours."""
BRANCHES: Final = 8


@cache
def _infill() -> Any:
    """Return the masked model, loaded once."""
    return load_masked_model("structgen/infill")[0]


class AggressiveBlock(TextDrafter):
    """Drafts a block that a masked-diffusion model fills in one pass."""

    name, first_trust = "block", 0.8

    def propose(self, view: DraftContext, most: int) -> Draft:
        """Return the block as a chain. Cost: one pass of the masked model. Without room in its context there
        is none."""
        model = _infill()
        slots = min(SLOTS, view.room, model.context - len(self.text))
        if slots < 1:
            return Draft.chain([])
        ids = np.array([*self.text, *[model.mask_id] * slots], np.int64)
        rows = model.forward(ids)[len(ids) - slots - model.shift : len(ids) - model.shift]
        chain, chances, state = list[int](), list[float](), view.start
        for logits in rows[: min(BLOCK, most)]:
            logits[model.mask_id] = -np.inf
            shares = np.exp(logits - logits.max())
            shares /= shares.sum()
            for token in np.argsort(-shares)[:BRANCHES].tolist():
                if (after := view.after(state, token)) != REFUSED:
                    break
            else:
                break
            chain.append(token)
            chances.append(float(np.clip(shares[token], 1e-3, 1.0)))
            state = after
        return Draft(np.array(chain), np.arange(-1, len(chain) - 1), np.array(chances))
