"""Masks on the device of the logits: a step sends the mask of each text, and a few numbers.

    in main memory                          on the device
    masks of the step          -->          masks [lines, words]
    options and noise          -->          numbers [6, lines]

On CUDA the copies run in a stream of their own, from pinned memory, while the model's forward pass runs; the
stream of the choice waits for them. A choice ends with its tokens in main memory. So the device has finished
reading the numbers and masks of a step when the next ones are written.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from structgen.engine.sequences import TextSequence
from structgen.tokens.token_mask import TokenMask
from structgen.tokens.tokenizer import Tokenizer

_FIRST = 64
"""The initial capacity in lines; it grows by doubling."""


class Choices(NamedTuple):
    """The inputs of the choice on the device: one entry for each line, which is a row of masks."""

    stream: Tensor
    """int64: the key of the sample's noise."""
    position: Tensor
    """int64: the place of the next token in its text."""
    top_k: Tensor
    """int64."""
    temperature: Tensor
    """float64, like the next two."""
    top_p: Tensor
    min_p: Tensor

    @classmethod
    def of(cls, numbers: Tensor) -> Choices:
        """Return views of the parts of int64 numbers [6, lines]."""
        floats = numbers.view(torch.float64)
        return cls(numbers[0], numbers[1], numbers[2], floats[3], floats[4], floats[5])


class DeviceMasks:
    """The masks of a batch, on the device where its tokens are chosen.

    `tokenizer` is the engine's. The device holds a mask and 48 bytes a line; main memory has the same amount
    for the copies.
    """

    def __init__(self, tokenizer: Tokenizer, device: torch.device) -> None:
        self._words, self.device = (tokenizer.vocab_size + 31) // 32, device
        is_cuda = device.type == "cuda"
        self._side = torch.cuda.Stream(device) if is_cuda else None
        self._copied = torch.cuda.Event() if is_cuda else None
        self._make_room(0)
        self.is_masked = self.is_filtered = False
        """Whether any line has a mask; whether any has a filter (top-k, top-p, min-p)."""

    def _make_room(self, lines: int) -> None:
        """Allocate the memory of so many lines, on the device and for the copies."""
        pinned = self._side is not None
        self._staged = torch.zeros((6, lines), dtype=torch.int64, pin_memory=pinned)
        self._staged_masks = torch.zeros((lines, self._words), dtype=torch.int32, pin_memory=pinned)
        self._sent = torch.zeros((6, lines), dtype=torch.int64, device=self.device)
        self.masks = torch.zeros((lines, self._words), dtype=torch.int32, device=self.device)
        """int32 [capacity, words]: the masks by lines."""
        self.choices = Choices.of(self._sent)
        """The inputs of the choice for each line."""

    def stage(self, texts: Sequence[TextSequence], mask: TokenMask, *, wider: bool) -> None:
        """Send the inputs of the next choice: for each line of the texts its mask, options and noise.

        `mask` holds the masks by lines. `wider`: the logits have more columns than there are tokens, so that
        free texts have masks too. Cost: in main memory about 1 us for a mask of 128,000 tokens; on the device
        copies, which `wait` makes its next work wait for.
        """
        if self._copied is not None:
            self._copied.synchronize()  # the last copy may still be reading this memory
        self.is_masked = wider or any(text.matcher is not None or text.phase is not None for text in texts)
        self.is_filtered = any(text.row.is_filtered for text in texts)
        lines = max((last_line(text) for text in texts), default=-1) + 1
        with self._apart():
            if len(self.masks) < lines:  # in the stream of the copies, which must follow the initialisation
                self._make_room(_doubled(len(self.masks), lines))
            if self.is_masked:
                self._staged_masks.numpy()[:lines] = mask.array[:lines]
                self.masks[:lines].copy_(self._staged_masks[:lines], non_blocking=True)
            self._send_numbers(texts)
            if self._copied is not None:
                self._copied.record()

    def wait(self) -> None:
        """Make the device's next work wait for the staged copies."""
        if self._copied is not None:
            torch.cuda.current_stream(self.device).wait_event(self._copied)

    @contextmanager
    def _apart(self) -> Iterator[None]:
        """Return a context in which copies overlap with the model's pass, if the device can do so."""
        if self._side is None:
            yield
            return
        with torch.cuda.stream(self._side):
            yield

    def _send_numbers(self, texts: Sequence[TextSequence]) -> None:
        """Send options and noise of all lines."""
        parts = Choices(*(part.numpy() for part in Choices.of(self._staged)))
        at, rows = [text.line for text in texts], [text.row for text in texts]
        parts.stream[at] = [row.stream for row in rows]
        parts.position[at] = [row.position for row in rows]
        options = np.array([row.options for row in rows], np.float64).reshape(-1, 4)
        parts.temperature[at], parts.top_p[at], parts.min_p[at] = options[:, 0], options[:, 1], options[:, 2]
        parts.top_k[at] = options[:, 3]
        for text in texts:
            if text.guesses is not None and len(text.guesses.draft):
                nodes = slice(text.line + 1, last_line(text) + 1)
                for part in parts:
                    part[nodes] = part[text.line]
                parts.position[nodes] += _depths(text.guesses.draft.parents)
        self._sent.copy_(self._staged, non_blocking=True)


def _doubled(room: int, needed: int) -> int:
    room = max(room, _FIRST)
    while room < needed:
        room *= 2
    return room


def last_line(text: TextSequence) -> int:
    """Return a text's last line: that of the last node of its draft."""
    return text.line if text.guesses is None else text.line + len(text.guesses.draft)


def _depths(parents: npt.NDArray[np.int32]) -> npt.NDArray[np.int64]:
    """Return the depth of each node of a draft below the root."""
    found = np.ones(len(parents), np.int64)
    for node, parent in enumerate(parents.tolist()):
        if parent >= 0:
            found[node] += found[parent]
    return found
