"""The choice as it is defined, in plain torch: penalties, then the reference of the kernels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import numpy.typing as npt
import torch
from structgen_kernels import reference

from structgen.decoding.engine.choice import Choice, ChoiceRow


def defined_tokens(
    logits: torch.Tensor, mask: npt.NDArray[Any] | None, rows: Sequence[ChoiceRow]
) -> list[int]:
    """Return the token of each row. Of a row without a possible token it has no meaning."""
    scores = logits.double().clone()
    for one, row in zip(scores, rows, strict=True):
        how = row.sampling
        for token in {*row.prompt, *row.text}:
            penalty = how.repetition_penalty
            one[token] = one[token] / penalty if one[token] > 0 else one[token] * penalty
        for token, count in Counter(row.text).items():
            one[token] -= how.presence_penalty + how.frequency_penalty * count
        for token, amount in how.logit_bias:
            one[token] += amount
    if mask is not None:
        allowed = reference.allowed_of(torch.from_numpy(mask), scores.shape[1])
        scores.masked_fill_(~allowed, float("-inf"))
    hows = [row.sampling for row in rows]
    options = [(how.temperature, how.top_p, how.min_p, min(how.top_k, 1 << 40)) for how in hows]
    heat, top_p, min_p, top_k = torch.tensor(options, dtype=torch.float64).T
    scores = reference.filtered(scores, heat, top_k.long(), top_p, min_p)
    noise = torch.tensor([(row.stream, row.position) for row in rows])
    found: list[int] = reference.draw(scores, heat, reference.position_keys(*noise.T)).tolist()
    return found


def by_columns(way: Callable[..., list[Choice]]) -> Callable[..., Any]:
    """Return what gives a list for each figure of the choices of `choose`, and `tokens`."""

    def chosen(logits: Any, mask: Any, rows: Any, places: Any = None, lines: Any = None) -> Any:
        every = range(len(rows))
        found = way(
            logits, mask, rows, every if places is None else places, every if lines is None else lines
        )
        columns = {name: [getattr(one, name) for one in found] for name in Choice._fields}
        return SimpleNamespace(tokens=columns["token"], **columns)

    return chosen
