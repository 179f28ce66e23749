"""From logits to tokens: penalties, temperature, mask, filters, draw. Rows do not influence each other.

For logits in a CPU's memory, penalties and filters are numpy, and compiled loops sum and draw
(`choice_loops`). Other logits stay on their device, where `structgen_kernels` chooses: Triton kernels on a
GPU, torch operations elsewhere. Both draw as `structgen_kernels.reference` defines it
(docs/inside/kernels.md, "The draw"); tests compare them. Rows with penalties or strategies are chosen in main
memory wherever their logits are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from structgen_kernels import masked_sample
from structgen_kernels.reference import NEVER, sample_key
from torch import Tensor

from structgen.decoding.engine.choice_loops import choose_rows
from structgen.decoding.engine.requests import Sampling
from structgen.decoding.engine.strategies.text_strategies import RowLaw, allowed_ids

BANNED = -1e30
"""Added to the logit of a banned token: finite, so that no sum is NaN."""
Words: TypeAlias = npt.NDArray[np.int32]
"""Token bits, as a `TokenMask` has them."""
_NO_WORDS: Words = np.empty((1, 0), np.int32)
_NO_SCORES: npt.NDArray[np.float64] = np.empty((1, 0))
_STEPS = np.iinfo(np.uint8).max
"""Steps of the histogram that filters select by; in the last one is all that lies below."""


class Choice(NamedTuple):
    """A chosen token, with its figures, which `requests.Step` describes."""

    token: int
    logprob: float
    constrained: float
    removed: float
    allowed: int
    wanted: int
    faulty: int
    """Not 0: the model's logits are NaN in this row, or no token is allowed. The token is then
    meaningless."""


@dataclass(slots=True)
class ChoiceRow:
    """The inputs of a choice besides the logits. `position` and `text` change from step to step."""

    sampling: Sampling
    sample: int
    """The number of the sample among those of its request."""
    position: int
    """The number of tokens before this one, thoughts included. It is part of the seed of the noise."""
    prompt: Sequence[int]
    text: Sequence[int]
    """The tokens that were written."""
    ends: Sequence[int] = ()
    """The tokenizer's end tokens."""
    law: RowLaw | None = None
    """The strategies of the text; None: it has none, or writes thoughts."""
    stream: int = field(init=False)
    """The key from which the noise of the sample's draws is made."""
    is_penalised: bool = field(init=False)
    """Whether penalties, biases or `min_tokens` change logits."""
    is_filtered: bool = field(init=False)
    """Whether top-k, top-p or min-p drop tokens."""

    def __post_init__(self) -> None:
        how = self.sampling
        self.stream = sample_key(how.seed, self.sample)
        added = how.presence_penalty, how.frequency_penalty, how.logit_bias, how.min_tokens
        self.is_penalised = how.repetition_penalty != 1.0 or any(added)
        self.is_filtered = bool(how.temperature and (how.top_k or how.top_p < 1 or how.min_p))

    def biases(self) -> tuple[list[int], list[float]]:
        """Return the tokens with a fixed change of their logits now, and the changes: `logit_bias`, and a ban
        on the end tokens while there are fewer than `min_tokens`."""
        changes = dict(self.sampling.logit_bias)
        if len(self.text) < self.sampling.min_tokens:
            changes |= dict.fromkeys(self.ends, BANNED)
        return list(changes), list(changes.values())


def choose(
    logits: Tensor,
    mask: Words | None,
    rows: Sequence[ChoiceRow],
    places: Sequence[int] | None = None,
    lines: Sequence[int] | None = None,
) -> list[Choice]:
    """Return a token for each row from float logits [texts, V], under a `mask` [lines, words] or None: row i
    has `places[i]` of the logits and `lines[i]` of the mask (None: i).

    Tokens beyond a mask's words are not allowed. Log-probabilities are at temperature 1, before penalties.
    Cost: on a CPU 1 to 2 ns a logit, and 10 us; with a filter that of `filtered`; elsewhere that of
    `choose_anywhere`.
    """
    every = range(len(rows))
    where = every if places is None else places, every if lines is None else lines
    choose_there = _chosen_here if logits.device.type == "cpu" else choose_anywhere
    return choose_there(logits, mask, rows, *where)


def candidates(logits: Tensor, mask: Words | None, count: int) -> tuple[tuple[int, float], ...]:
    """Return the `count` likeliest tokens that a mask [words] allows (None: all tokens), likeliest first,
    with their log-probabilities among the allowed tokens."""
    best, ids = likeliest(logits[None], None if mask is None else mask[None], count)
    kept = int(torch.isfinite(best).sum())
    return tuple(zip(ids[0, :kept].tolist(), best[0, :kept].tolist(), strict=True))


def likeliest(logits: Tensor, mask: Words | None, count: int) -> tuple[Tensor, Tensor]:
    """Return log-probabilities [rows, count] among the tokens that a mask [rows, words] allows (None: all
    tokens), and the tokens, likeliest first; -inf where a row has fewer. Cost: on a CPU 5 ns a logit."""
    masked, width = logits.float(), logits.shape[-1]
    if mask is not None:
        bits = np.unpackbits(mask.view(np.uint8), axis=1, count=width, bitorder="little")
        masked = masked.masked_fill(torch.from_numpy(bits).to(masked.device) == 0, NEVER)
    best, ids = torch.log_softmax(masked, -1).topk(min(count, width))
    return best, ids


# --- in the memory of the CPU -------------------------------------------------------------------------------


def _chosen_here(
    logits: Tensor,
    mask: Words | None,
    rows: Sequence[ChoiceRow],
    places: Sequence[int],
    lines: Sequence[int],
) -> list[Choice]:
    """Choose the token of each row in compiled code. `places`: its row in the logits, `lines`: in the
    mask."""
    raw: npt.NDArray[np.float32] = np.ascontiguousarray(logits.float().numpy())
    words = _NO_WORDS if mask is None else np.ascontiguousarray(mask)
    adjusted: list[npt.NDArray[np.float64]] = []
    kept: list[Words] = []
    texts: list[tuple[int, int, int, int]] = []
    for row, place, line in zip(rows, places, lines, strict=True):
        own = None if mask is None else words[line]
        which = narrow = -1
        # what the row draws from in place of its logits
        penalised = partial(penalised_scores, row=row) if row.is_penalised else None
        scores: npt.NDArray[np.float64] | None = None
        if row.law is not None:
            scores = row.law.adjusted(raw[place], own, row.sampling.temperature, penalised)
        elif penalised is not None:
            scores = penalised(raw[place])
        if scores is not None:
            which = len(adjusted)
            adjusted.append(scores)
        if row.is_filtered:
            narrow = len(kept)
            kept.append(filtered(raw[place] if scores is None else scores, own, row.sampling))
        texts.append((place, 0 if mask is None else line, which, narrow))
    numbers, figures = np.empty((len(rows), 4), np.int64), np.empty((len(rows), 3))
    choose_rows(
        raw,
        words,
        np.array(adjusted) if adjusted else _NO_SCORES,
        np.array(kept) if kept else _NO_WORDS,
        np.array(texts, np.int64),
        np.array([(row.stream, row.position) for row in rows], np.int64).view(np.uint64),
        np.array([row.sampling.temperature for row in rows]),
        numbers,
        figures,
    )
    token, allowed, wanted, faulty = numbers.T.tolist()
    return [*map(Choice, token, *figures.T.tolist(), allowed, wanted, faulty)]


def filtered(scores: npt.NDArray[Any], words: Words | None, how: Sampling) -> Words:
    """Return the mask of the tokens that top-k, top-p and min-p leave of those that a mask [words] allows
    (None: all tokens), at a temperature above 0. Cost: 10 ns for each allowed token, and 30 us."""
    ids = allowed_ids(words, len(scores))
    levels = scores[ids] / np.float64(how.temperature)
    top = levels.max(initial=-np.inf)
    if math.isfinite(top):
        below = top - levels
        if 0 < how.top_k < len(ids):
            is_best = _leading(below, None, how.top_k)
            ids, below = ids[is_best], below[is_best]
        if how.top_p < 1 or how.min_p:
            shares = np.exp(-below)
            is_kept = shares >= how.min_p
            if how.top_p < 1:
                is_kept &= _leading(below, shares, how.top_p * float(shares.sum()))
            ids = ids[is_kept]
    return words_of(ids, len(scores))


def words_of(tokens: Any, size: int) -> Words:
    """Return the mask of some tokens of a vocabulary of so many."""
    bits = np.zeros(32 * -(-size // 32), np.bool_)
    bits[tokens] = True
    return np.packbits(bits, bitorder="little").view(np.int32)


def _leading(
    below: npt.NDArray[np.float64], shares: npt.NDArray[np.float64] | None, enough: float
) -> npt.NDArray[np.bool_]:
    """Return which tokens, told by how far their scores lie below the greatest, come before the sum of their
    `shares` (None: their number) reaches `enough`: likeliest first, of equal ones the smaller id. The one
    that reaches it is among them. A histogram tells in which step of an eighth that is, and the scores of
    this step alone are sorted."""
    steps = np.minimum(8 * below, _STEPS).astype(np.uint8)
    sums = np.bincount(steps, shares)
    before = sums.cumsum() - sums
    last = int(before.searchsorted(enough)) - 1
    is_leading = steps < last
    (ids,) = (steps == last).nonzero()
    ids = ids[below[ids].argsort(kind="stable")]
    own = np.ones(len(ids)) if shares is None else shares[ids]
    is_leading[ids[before[last] + own.cumsum() - own < enough]] = True
    return is_leading


def penalised_scores(raw: npt.NDArray[Any], row: ChoiceRow) -> npt.NDArray[np.float64]:
    """Return logits [V] with the penalties and biases of a row."""
    scores, how = raw.astype(np.float64), row.sampling
    if how.repetition_penalty != 1.0:
        seen = np.unique(np.array([*row.prompt, *row.text], np.int64))
        old = scores[seen]
        scores[seen] = np.where(old > 0, old / how.repetition_penalty, old * how.repetition_penalty)
    if (how.presence_penalty or how.frequency_penalty) and row.text:
        ids, counts = np.unique(np.array(row.text, np.int64), return_counts=True)
        scores[ids] -= how.presence_penalty + how.frequency_penalty * counts
    changed, amounts = row.biases()
    if changed:
        scores[changed] += amounts
    return scores


# --- on any device ------------------------------------------------------------------------------------------


def choose_anywhere(
    logits: Tensor,
    mask: Words | None,
    rows: Sequence[ChoiceRow],
    places: Sequence[int],
    lines: Sequence[int],
) -> list[Choice]:
    """Choose one token a row as `choose` does, on any device.

    Rows with penalties or strategies are chosen in main memory. Cost: the masks go to the device whole, 16 KB
    a row for 128,000 tokens, and the numbers of all rows in one copy; on a GPU one read of the logits, three
    if a row has a filter; one wait for the device; for a row that is chosen in main memory a copy of its
    logits, and that of `choose` on a CPU.
    """
    at, of = list(places), list(lines)
    words = None if mask is None else _sent(torch.from_numpy(mask[of]), logits.device)
    numbers = _numbers(rows, at, logits)
    if at == list(range(len(logits))):
        del numbers["rows"]
    if not any(row.is_filtered for row in rows):
        for name in ("top_k", "top_p", "min_p"):
            del numbers[name]
    chosen = _read(masked_sample(logits, words, **numbers).figures.cpu().numpy())
    for i, row in enumerate(rows):
        if row.law is not None or row.is_penalised:
            line = None if mask is None else mask[of[i]][None]
            (chosen[i],) = _chosen_here(logits[at[i]].cpu()[None], line, [row], [0], [0])
    return chosen


def _numbers(rows: Sequence[ChoiceRow], places: Sequence[int], logits: Tensor) -> dict[str, Tensor]:
    """Return the arguments of `masked_sample` for rows, on the device of the logits, in one copy."""
    hows = [row.sampling for row in rows]
    packed = np.empty((7, len(rows)), np.int64)
    packed[0], packed[1], packed[2] = [row.stream for row in rows], [row.position for row in rows], places
    packed[3] = [min(how.top_k, logits.shape[1]) for how in hows]
    floats = np.array([(how.temperature, how.top_p, how.min_p) for how in hows]).reshape(-1, 3)
    packed[4:] = floats.T.copy().view(np.int64)
    sent = _sent(torch.from_numpy(packed), logits.device)
    return dict(
        zip(
            ("seed", "position", "rows", "top_k", "temperature", "top_p", "min_p"),
            (*sent[:4], *sent[4:].view(torch.float64)),
            strict=True,
        )
    )


def _read(figures: npt.NDArray[np.int64]) -> list[Choice]:
    """Return the tokens, with the log-probabilities of what the kernels found for each row."""
    token, allowed, likeliest = figures[[0, 4, 5]]
    every, left, logprob = figures[1:4].view(np.float64)
    faulty, wanted = token < 0, likeliest.clip(min=0)
    with np.errstate(invalid="ignore", over="ignore"):
        removed = (-np.expm1(left - every)).clip(0.0, 1.0) + 0.0
        shares = np.where(faulty, np.nan, (logprob, logprob + every - left, removed))
    numbers = np.stack((np.where(faulty, wanted, token), allowed, wanted, faulty)).tolist()
    return [*map(Choice, numbers[0], *shares.tolist(), *numbers[1:])]


def _sent(tensor: Tensor, device: torch.device) -> Tensor:
    """Return a copy of a CPU tensor on a device. The copy to a GPU is asynchronous."""
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)
