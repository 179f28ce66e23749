"""Second rows: another prompt that the model reads before the tokens of a text.

A row is read lazily, just before its logits are needed, all rows of a batch in one pass. It never reads a
guess, so nothing is taken back. It follows from its prompt and the decided tokens: after an interrupt it is
made again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from structgen.engine.model_protocol import Model


@dataclass(slots=True, eq=False)
class SecondRow:
    """What the model has read behind another prompt, and the logits after that."""

    prompt: Sequence[int]
    cache: Any = None
    read: int = 0
    """How many tokens of the text it has read."""
    logits: Tensor = field(default_factory=lambda: torch.empty(0))
    """The logits [V] after the tokens that it has read."""
    calls: int = 0
    """The passes that the row was part of, its prompt's included."""


def read_on(model: Model, rows: Sequence[tuple[SecondRow, Sequence[int]]]) -> None:
    """Have a model read rows up to the last of the tokens that stand beside each. Raises whatever it raises;
    the rows are then of no use.

    Cost: a prompt each at first, then one pass for each token of the longest rest.
    """
    begun: dict[tuple[int, ...], SecondRow] = {}
    for row, tokens in rows:
        if row.cache is None:
            known = begun.setdefault((*row.prompt, *tokens), row)
            if known is row:
                row.logits, row.cache = model.prefill([*row.prompt, *tokens])
            else:
                row.logits, row.cache = known.logits, known.cache.copy()
            row.read, row.calls = len(tokens), row.calls + 1
    while late := [one for one in rows if one[0].read < len(one[1])]:
        logits = model.decode([of[row.read] for row, of in late], [row.cache for row, _ in late])
        for (row, _), own in zip(late, logits, strict=True):
            row.logits, row.read, row.calls = own, row.read + 1, row.calls + 1
