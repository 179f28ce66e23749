"""From logits to tokens: penalties, temperature, mask, filters, a draw; no row feels the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from structgen.engine.noise import gumbel, stream_key
from structgen.engine.requests import Sampling

NEVER = float("-inf")


@dataclass(slots=True)
class Chosen:
    """What was chosen for each row."""

    tokens: list[int]
    logprob: list[float]
    constrained: list[float]
    removed: list[float]
    allowed: list[int]
    wanted: list[int]
    """The likeliest tokens, allowed or not."""
    faulty: list[bool]
    """The model gave no numbers (NaN) for this row, or nothing is allowed: the token means nothing."""


@dataclass(frozen=True, slots=True)
class Row:
    """What a choice needs of a row besides its logits."""

    sampling: Sampling
    sample: int
    position: int
    prompt: Sequence[int]
    text: Sequence[int]


def allowed_of(mask: Tensor, size: int) -> Tensor:
    """Return bool [rows, size] of a mask's bits, int32 [rows, words] on the device of the logits."""
    bits = torch.arange(32, dtype=torch.int32, device=mask.device)
    return ((mask.unsqueeze(-1) >> bits) & 1).ne(0).flatten(1)[:, :size]


def choose(logits: Tensor, mask: Tensor | None, rows: Sequence[Row]) -> Chosen:
    """Return a token for each row of float logits [rows, V]; `mask` is int32 [rows, words] or None.

    Log-probabilities are at temperature 1, before penalties. Cost: a few passes over the logits; rows with
    filters sort theirs.
    """
    raw = logits.float()
    allowed = None if mask is None else allowed_of(mask.to(logits.device), raw.shape[-1])
    whole = torch.logsumexp(raw, -1)
    masked = raw if allowed is None else raw.masked_fill(~allowed, NEVER)
    left = whole if allowed is None else torch.logsumexp(masked, -1)
    wanted = masked.double()
    for i, row in enumerate(rows):
        _penalise(wanted[i], row)
    tokens = torch.empty(len(rows), dtype=torch.int64, device=raw.device)
    for i, row in enumerate(rows):
        tokens[i] = _draw(wanted[i], row)
    taken = raw.gather(1, tokens.unsqueeze(1)).squeeze(1)
    counts = torch.full_like(tokens, raw.shape[-1]) if allowed is None else allowed.sum(-1)
    faulty = torch.isnan(whole) | torch.isinf(left)
    return Chosen(
        tokens.tolist(),
        (taken - whole).tolist(),
        (taken - left).tolist(),
        ((-torch.expm1(left - whole)).clamp(0, 1) + 0.0).tolist(),
        counts.tolist(),
        raw.argmax(-1).tolist(),
        faulty.tolist(),
    )


def _penalise(logits: Tensor, row: Row) -> None:
    how = row.sampling
    if how.repetition_penalty != 1.0:
        seen = torch.tensor(sorted({*row.prompt, *row.text}), device=logits.device)
        if len(seen):
            old = logits[seen]
            logits[seen] = torch.where(old > 0, old / how.repetition_penalty, old * how.repetition_penalty)
    if (how.presence_penalty or how.frequency_penalty) and row.text:
        ids, counts = torch.unique(torch.tensor(list(row.text), device=logits.device), return_counts=True)
        logits[ids] -= how.presence_penalty + how.frequency_penalty * counts


def _draw(logits: Tensor, row: Row) -> Tensor:
    """Return the token of one row [V]; the noise is asked for those alone that may come."""
    how = row.sampling
    if how.temperature == 0:
        return logits.argmax()
    ids = torch.isfinite(logits).nonzero().squeeze(-1)
    if not len(ids):
        return logits.argmax()
    kept = logits[ids] / how.temperature
    if how.top_k or how.top_p < 1 or how.min_p:
        order = torch.argsort(kept, descending=True, stable=True)
        ids, kept = ids[order], kept[order]
        if how.top_k:
            ids, kept = ids[: how.top_k], kept[: how.top_k]
        share = torch.softmax(kept, -1)
        most = len(ids)
        if how.top_p < 1:
            # the token that reaches the mass is kept
            most = int((share.cumsum(-1) - share < how.top_p).sum())
        if how.min_p:
            most = min(most, int((share >= how.min_p * share[0]).sum()))
        ids, kept = ids[: max(most, 1)], kept[: max(most, 1)]
    key = torch.tensor(stream_key(how.seed, row.sample, row.position), device=logits.device)
    noisy = kept + gumbel(key, ids)
    best = noisy.max()
    # of equals the smallest id, whatever the order that the filters left
    return ids[noisy == best].min()
