"""Which places of a canvas are hidden while a model that fills masks is trained, and how much each counts."""

from __future__ import annotations

import torch
from torch import Tensor

SPREAD, TAIL, HOLE, ALL = 0.35, 0.35, 0.2, 0.1
"""Shares of the rows in which a random subset of the canvas is hidden, all of it from some place on, one
stretch in its middle, or all of it."""
FAR = 6.0
"""In a row whose tail is hidden, a token so many places behind the first hidden one counts half as much."""


def hidden_places(answer: Tensor, chance: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return which places of each row are hidden (at least one), and how much each counts.

    `answer` [rows, length] marks the places that may be hidden; both results have its shape. The weights of
    a row add up to 1: where all is hidden, most of the loss is what nobody could know. A subset is drawn
    with a uniform share (masked diffusion). The tail is what is hidden while a canvas is filled from the
    left; there the weights fall with the distance, since what is far away is filled later, knowing more.
    """
    rows = len(answer)
    kind = torch.rand(rows, 1, generator=chance)
    share = torch.rand(rows, 1, generator=chance)
    draw = torch.rand(answer.shape, generator=chance).masked_fill(~answer, 2.0)
    spread = (draw < share) | (draw == draw.min(-1, keepdim=True).values)
    order = answer.cumsum(-1) - 1
    length = answer.sum(-1, keepdim=True)
    start = (torch.rand(rows, 1, generator=chance) * length).long()
    end = start + 1 + (torch.rand(rows, 1, generator=chance) * (length - start)).long()
    tail = answer & (order >= start)
    hole = tail & (order < end)
    found = torch.where(kind < SPREAD, spread, answer)
    is_tail = (kind >= SPREAD) & (kind < SPREAD + TAIL)
    found = torch.where(is_tail, tail, found)
    found = torch.where((kind >= SPREAD + TAIL) & (kind < 1 - ALL), hole, found)
    weights = torch.where(is_tail, FAR / (FAR + order - start), 1.0).masked_fill(~found, 0.0)
    return found, weights / weights.sum(-1, keepdim=True)


def still_hidden(hidden: Tensor, sure: Tensor, chance: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return which of the hidden places stay so when a random share of each row's surest is filled.

    `sure` [rows, length] is the probability of the most probable token. This is what a canvas looks like
    while it is filled by confidence. At least one place of each row stays; all count alike, with sum 1.
    """
    count = hidden.sum(-1, keepdim=True)
    filled = (torch.rand(len(hidden), 1, generator=chance) * count).long()
    place = sure.masked_fill(~hidden, -1.0).argsort(stable=True, dim=-1, descending=True).argsort(-1)
    stays = hidden & (place >= filled)
    return stays, stays / stays.sum(-1, keepdim=True)
