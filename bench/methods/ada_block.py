"""AdaBlock: blocks that end where the text has a seam.

Lu et al., AdaBlock-dLLM: Semantic-Aware Diffusion LLM Inference via Adaptive Block Size, 2025. When a
block is full, the next one ends at the delimiter that the model is surest of, among those in a window of a
quarter of the canvas, if its confidence reaches tau (0.3 for LLaDA, 0.5 for Dream); else it has the default
length. Inside a block another scheduler chooses.

What differs here: a delimiter is not a line break, but a token with which a member or an item of the document
ends: a comma or a closing bracket outside strings. The proposal is a whole valid document, so this is read
off exactly, whatever tokens write it. With tau above 1 it is `Blocks(inner, length)`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

import structgen as sg
from methods.fast_dllm import Threshold
from methods.whole_filling import Bools, SchedulerView, WholeFilling


@dataclass(frozen=True)
class AdaBlock(WholeFilling):
    """Blocks of a JSON document around another scheduler."""

    tokenizer: sg.Tokenizer
    inner: WholeFilling = field(default_factory=Threshold)
    tau: float = 0.3
    length: int = 32
    """The slots of a block without a delimiter."""

    def choose(self, view: SchedulerView) -> Bools:
        """Return what the other scheduler chooses in the first block with a masked slot."""
        while view.positions[0] >= view.state.get("end", 0):
            view.state["end"] = self._end(view, view.state.get("end", 0))
        here = view.positions < view.state["end"]
        chosen = np.zeros(len(here), np.bool_)
        chosen[here] = self.inner.choose(view.part(here))
        return chosen

    def _end(self, view: SchedulerView, start: int) -> int:
        """Return the slot behind the block that begins at `start`."""
        window = max(1, view.slots // 4)
        ends = np.array(list(is_end(self.tokenizer, view.filling.tolist())))[view.positions]
        may = ends & (view.positions >= start) & (view.positions < start + window)
        at = int(np.argmax(np.where(may, view.confidence, -1.0)))
        return (
            int(view.positions[at]) + 1
            if may[at] and view.confidence[at] >= self.tau
            else start + self.length
        )


def is_end(tokenizer: sg.Tokenizer, filling: list[int]) -> Iterator[bool]:
    """Yield for each slot of a JSON document whether its token ends a member or an item; empty slots do
    not."""
    in_string = is_escaped = False
    for token in filling:
        found = False
        for byte in tokenizer.decode([token]) if token >= 0 else b"":
            found |= not in_string and byte in b",]}"
            if byte == ord('"') and not is_escaped:
                in_string = not in_string
            is_escaped = in_string and not is_escaped and byte == ord("\\")
        yield found
