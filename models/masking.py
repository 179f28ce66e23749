"""Which places of a canvas are hidden while a model that fills masks is trained, and how much each counts."""

from __future__ import annotations

import torch
from torch import Tensor

TAIL, WINDOW, SPREAD, HOLE = 0.45, 0.2, 0.2, 0.1
"""Shares of the canvases in which all is hidden from some place on; the same, but for some of the first
places behind it; a random subset of the canvas; one stretch in its middle. In the others all is hidden."""
NEAR = 2.0
"""Where a tail is hidden, a token so many places behind the first hidden one counts half as much."""
WIDEST = 16
"""Places of the window behind the first hidden place in which some are shown, at most."""


def hidden_places(answer: Tensor, chance: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return which places of each row are hidden (at least one), and how much each counts.

    `answer` [rows, length] marks the places that may be hidden; both results have its shape. The weights of
    a row add up to 1. A tail is what is hidden while a canvas is filled from the left; there the weights fall
    with the distance, since a far token is filled later, when more is known. A window is what a canvas looks
    like that is filled from the left in no strict order. A subset is drawn with a uniform share (masked
    diffusion).
    """
    rows = len(answer)

    def uniform() -> Tensor:
        return torch.rand(rows, 1, generator=chance)

    kind, share = uniform(), uniform()
    draw = torch.rand(answer.shape, generator=chance).masked_fill(~answer, 2.0)
    order = answer.cumsum(-1) - 1
    length = answer.sum(-1, keepdim=True)
    start = (uniform() * length).long()
    end = start + 1 + (uniform() * (length - start)).long()
    width = 2 + (uniform() * (WIDEST - 1)).long()
    tail = answer & (order >= start)
    window = tail & ((draw < share) | (order == start) | (order >= start + width))
    spread = (draw < share) | (draw == draw.min(-1, keepdim=True).values)
    hole = tail & (order < end)
    ahead = NEAR / (NEAR + order - start).clamp(min=NEAR)
    found, weights = answer, torch.ones_like(ahead)
    least = 1.0
    for share_of, places, counts in (
        (HOLE, hole, None),
        (SPREAD, spread, None),
        (WINDOW, window, ahead),
        (TAIL, tail, ahead),
    ):
        least -= share_of
        chosen = (kind >= least) & (kind < least + share_of)
        found = torch.where(chosen, places, found)
        if counts is not None:
            weights = torch.where(chosen, counts, weights)
    weights = weights.masked_fill(~found, 0.0)
    return found, weights / weights.sum(-1, keepdim=True)
