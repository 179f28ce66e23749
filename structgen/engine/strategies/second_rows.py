"""Further rows that models read for a text: another prompt before the same tokens, or another model.

A row is read lazily, just before its logits are needed, all rows of one model in one pass. It never reads a
guess, so nothing is taken back. It follows from its prompt and the decided tokens: after an interrupt it is
made again.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from structgen.engine.model_protocol import Model


@dataclass(slots=True, eq=False)
class SecondRow:
    """A row of a model: what it has read for one text, and the logits after that."""

    model: Model
    prompt: Sequence[int]
    lock: threading.Lock
    """Held during calls of the model, which several engines may share."""
    cache: Any = None
    read: int = 0
    """How many tokens of the text it has read."""
    logits: Tensor = field(default_factory=lambda: torch.empty(0))
    """The logits [V] after the tokens that it has read."""
    _calls: int = 0

    def begin(self, tokens: Sequence[int], known: SecondRow | None) -> None:
        """Read the prompt and the tokens so far, or copy a row that has read the same."""
        if known is not None:
            self.logits, self.cache = known.logits, known.cache.copy()
        else:
            self.logits, self.cache = self.model.prefill([*self.prompt, *tokens])
        self._calls += 1
        self.read = len(tokens)

    def go_on(self, logits: Tensor) -> None:
        """Take the logits after one more token."""
        self.logits = logits
        self.read += 1
        self._calls += 1

    def taken_calls(self) -> int:
        """Return the number of passes that the row was part of since the last question, prompts included."""
        found, self._calls = self._calls, 0
        return found


def read_on(model: Model, rows: Sequence[tuple[SecondRow, Sequence[int]]]) -> None:
    """Have a model read its rows up to the last of the tokens that stand beside each. Raises whatever it
    raises; the rows are then of no use.

    Cost: a prompt each at first, then one pass for each token of the longest rest.
    """
    begun: dict[tuple[int, ...], SecondRow] = {}
    for row, tokens in rows:
        if row.cache is None:
            key = *row.prompt, *tokens
            with row.lock:
                row.begin(tokens, begun.get(key))
            begun[key] = row
    while late := [one for one in rows if one[0].read < len(one[1])]:
        with late[0][0].lock:
            logits = model.decode([of[row.read] for row, of in late], [row.cache for row, _ in late])
        for (row, _), own in zip(late, logits, strict=True):
            row.go_on(own)
