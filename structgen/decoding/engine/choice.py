"""Chooses the next token of each text from the model's logits.

A *row* is one text's choice. Its *logits* are the model's scores of all tokens; its *mask* has one bit for
each token: may it come next? The order is: penalties, temperature, mask, filters, draw. *Filters* are top-k,
top-p and min-p. A *draw* adds noise to the scores, and takes the token with the greatest sum. Rows do not
influence each other.

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
import torch
from structgen_kernels import masked_sample
from structgen_kernels.reference import NEVER, sample_key
from torch import Tensor

from structgen.base.native.array_types import (
    Array,
    BoolArray,
    Float32Array,
    Float64Array,
    Int32Array,
    Int64Array,
)
from structgen.decoding.engine.choice_loops import choose_rows
from structgen.decoding.engine.requests import Sampling, TokenLogprobs
from structgen.decoding.engine.strategies.text_strategies import RowLaw, allowed_ids

BANNED = -1e30
"""The number that is added to the logit of a banned token. It is finite, so that no sum is NaN."""
Words: TypeAlias = Int32Array
"""The bits of a mask, 32 tokens in each word, as in a `TokenMask`."""
_NO_WORDS: Words = np.empty((1, 0), np.int32)
_NO_SCORES: Float64Array = np.empty((1, 0))
_STEPS = np.iinfo(np.uint8).max
"""The number of steps of the histogram by which filters select tokens. The last step has all lower scores."""


class Choice(NamedTuple):
    """A chosen token with its figures; `requests.Step` describes them."""

    token: int
    logprob: float
    constrained_logprob: float
    removed_mass: float
    allowed_count: int
    likeliest_token: int
    faulty: int
    """Whether the choice failed (not 0): the model's logits are NaN in this row, or no token is allowed. The
    token is then meaningless."""


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
    """The ids of the tokens that end the text."""
    law: RowLaw | None = None
    """The strategies of the text; None: the text has none, or is writing thoughts."""
    stream: int = field(init=False)
    """The key of the noise in this sample's draws."""
    is_penalised: bool = field(init=False)
    """Whether penalties, biases or `min_tokens` change logits."""
    is_filtered: bool = field(init=False)
    """Whether top-k, top-p or min-p drop tokens."""

    def __post_init__(self) -> None:
        sampling = self.sampling
        self.stream = sample_key(sampling.seed, self.sample)
        additions = (
            sampling.presence_penalty,
            sampling.frequency_penalty,
            sampling.logit_bias,
            sampling.min_tokens,
        )
        self.is_penalised = sampling.repetition_penalty != 1.0 or any(additions)
        # at temperature 0 the likeliest token is taken, which each filter keeps
        has_filter = sampling.top_k or sampling.top_p < 1 or sampling.min_p
        self.is_filtered = bool(sampling.temperature and has_filter)

    def list_biases(self) -> tuple[list[int], list[float]]:
        """Return the tokens whose logits change by a fixed number now, and these numbers. They come from
        `logit_bias`, and from the ban on end tokens before `min_tokens` tokens are written."""
        changes = dict(self.sampling.logit_bias)
        if len(self.text) < self.sampling.min_tokens:
            changes |= dict.fromkeys(self.ends, BANNED)
        return list(changes), list(changes.values())


def choose_tokens(
    logits: Tensor,
    mask: Words | None,
    rows: Sequence[ChoiceRow],
    logit_rows: Sequence[int] | None = None,
    mask_rows: Sequence[int] | None = None,
) -> list[Choice]:
    """Return the choice of a token for each row.

    `logits` are floats [texts, V]. `mask` is [texts, words]; None allows all tokens. Row i uses row
    `logit_rows[i]` of the logits and row `mask_rows[i]` of the mask (None: row i). Tokens beyond a mask's
    words are not allowed. Log-probabilities are at temperature 1, before penalties. Cost on a CPU: 1 to 2 ns
    a logit, and 10 us; with a filter also that of `filter_mask`. On other devices: that of `choose_anywhere`.
    """
    all_rows = range(len(rows))
    logit_rows = all_rows if logit_rows is None else logit_rows
    mask_rows = all_rows if mask_rows is None else mask_rows
    choose_there = _choose_on_cpu if logits.device.type == "cpu" else choose_anywhere
    return choose_there(logits, mask, rows, logit_rows, mask_rows)


def list_candidates(logits: Tensor, mask: Words | None, count: int) -> TokenLogprobs:
    """Return the `count` likeliest tokens that a mask [words] allows (None: all tokens), likeliest first,
    with their log-probabilities among the allowed tokens."""
    row_mask = None if mask is None else mask[None]
    best, ids = find_likeliest(logits[None], row_mask, count)
    # the tokens that are not allowed have minus infinity
    possible_count = int(torch.isfinite(best).sum())
    tokens = ids[0, :possible_count].tolist()
    logprobs = best[0, :possible_count].tolist()
    return tuple(zip(tokens, logprobs, strict=True))


def find_likeliest(logits: Tensor, mask: Words | None, count: int) -> tuple[Tensor, Tensor]:
    """Return the likeliest allowed tokens of each row, likeliest first, as two tensors [rows, count].

    The first tensor has their log-probabilities among the tokens that `mask` [rows, words] allows (None: all
    tokens). The second has the tokens. If a row has fewer allowed tokens, the other log-probabilities are
    -inf. Cost on a CPU: 5 ns a logit.
    """
    masked_logits = logits.float()
    width = logits.shape[-1]
    if mask is not None:
        # The bytes of a word are in memory order, low bits first: so bit t of a row is token t.
        bits = np.unpackbits(mask.view(np.uint8), axis=1, count=width, bitorder="little")
        is_banned = torch.from_numpy(bits).to(masked_logits.device) == 0
        masked_logits = masked_logits.masked_fill(is_banned, NEVER)
    best, ids = torch.log_softmax(masked_logits, -1).topk(min(count, width))
    return best, ids


# --- in the memory of the CPU -------------------------------------------------------------------------------


def _choose_on_cpu(
    logits: Tensor,
    mask: Words | None,
    rows: Sequence[ChoiceRow],
    logit_rows: Sequence[int],
    mask_rows: Sequence[int],
) -> list[Choice]:
    """Choose the token of each row in compiled code, as `choose_tokens` describes."""
    raw: Float32Array = np.ascontiguousarray(logits.float().numpy())
    words = _NO_WORDS if mask is None else np.ascontiguousarray(mask)
    score_rows: list[Float64Array] = []
    filter_masks: list[Words] = []
    texts: list[tuple[int, int, int, int]] = []
    for row, logit_row, mask_row in zip(rows, logit_rows, mask_rows, strict=True):
        own_mask = None if mask is None else words[mask_row]
        # -1 means: the row draws from its own logits, and no filter narrows its mask
        score_index = filter_index = -1
        apply_penalties = partial(penalised_scores, row=row) if row.is_penalised else None
        # the scores from which the row draws instead of its logits
        scores: Float64Array | None = None
        if row.law is not None:
            # the strategies apply the penalties themselves: after the mixture, before the narrowing
            scores = row.law.adjust_scores(raw[logit_row], own_mask, row.sampling, apply_penalties)
        elif apply_penalties is not None:
            scores = apply_penalties(raw[logit_row])
        if scores is not None:
            score_index = len(score_rows)
            score_rows.append(scores)
        if row.is_filtered:
            filter_index = len(filter_masks)
            filter_masks.append(
                filter_mask(raw[logit_row] if scores is None else scores, own_mask, row.sampling)
            )
        texts.append((logit_row, 0 if mask is None else mask_row, score_index, filter_index))
    # the keys of the noise are signed here, as they are in torch on other devices
    noise = np.array([(row.stream, row.position) for row in rows], np.int64)
    numbers = np.empty((len(rows), 4), np.int64)
    figures = np.empty((len(rows), 3))
    choose_rows(
        raw,
        words,
        np.array(score_rows) if score_rows else _NO_SCORES,
        np.array(filter_masks) if filter_masks else _NO_WORDS,
        np.array(texts, np.int64),
        noise.view(np.uint64),
        np.array([row.sampling.temperature for row in rows]),
        numbers,
        figures,
    )
    # converted to lists once for all rows, because single numbers of an array are slow to read
    tokens, allowed_counts, likeliest_tokens, faulty = numbers.T.tolist()
    return [*map(Choice, tokens, *figures.T.tolist(), allowed_counts, likeliest_tokens, faulty)]


def filter_mask(scores: Array, words: Words | None, sampling: Sampling) -> Words:
    """Return the mask of the tokens that top-k, top-p and min-p keep.

    `scores` [V] are the logits after penalties. `words` is the mask before the filters (None: all tokens).
    The temperature of `sampling` is above 0. Cost: 10 ns for each allowed token, and 30 us.
    """
    ids = allowed_ids(words, len(scores))
    # in double precision: a single-precision logit divided by 1e-30 would be infinite
    levels = scores[ids] / np.float64(sampling.temperature)
    top = levels.max(initial=-np.inf)
    # Without a finite maximum no token may come, or the logits are faulty. The choice itself detects both.
    if math.isfinite(top):
        below = top - levels
        if 0 < sampling.top_k < len(ids):
            is_best = _find_leading(below, None, sampling.top_k)
            ids = ids[is_best]
            below = below[is_best]
        if sampling.top_p < 1 or sampling.min_p:
            # the shares are relative to the greatest probability, so min-p is compared directly
            shares = np.exp(-below)
            is_kept = shares >= sampling.min_p
            if sampling.top_p < 1:
                is_kept &= _find_leading(below, shares, sampling.top_p * float(shares.sum()))
            ids = ids[is_kept]
    return words_of(ids, len(scores))


def words_of(tokens: Any, size: int) -> Words:
    """Return the mask that allows the given tokens of a vocabulary of `size` tokens."""
    word_count = -(-size // 32)  # rounded up
    bits = np.zeros(32 * word_count, np.bool_)
    bits[tokens] = True
    return np.packbits(bits, bitorder="little").view(np.int32)


def _find_leading(below: Float64Array, shares: Float64Array | None, enough: float) -> BoolArray:
    """Return which tokens to keep: the fewest likeliest ones whose `shares` sum to at least `enough`. If
    `shares` is None, each token counts as 1.

    Of equally likely tokens the smaller id comes first. `below` is the distance of each token's score from
    the greatest score. A histogram with steps of 1/8 finds the step in which the sum is reached. Only the
    scores of this step are sorted.
    """
    steps = np.minimum(8 * below, _STEPS).astype(np.uint8)
    sums = np.bincount(steps, shares)
    sum_before = sums.cumsum() - sums
    last = int(sum_before.searchsorted(enough)) - 1
    is_leading = steps < last
    (ids,) = (steps == last).nonzero()
    # the stable sort keeps the smaller id first among equal scores
    ids = ids[below[ids].argsort(kind="stable")]
    step_shares = np.ones(len(ids)) if shares is None else shares[ids]
    share_before = sum_before[last] + step_shares.cumsum() - step_shares
    is_leading[ids[share_before < enough]] = True
    return is_leading


def penalised_scores(raw: Array, row: ChoiceRow) -> Float64Array:
    """Return the logits [V] after the penalties and biases of a row."""
    scores = raw.astype(np.float64)
    sampling = row.sampling
    penalty = sampling.repetition_penalty
    if penalty != 1.0:
        all_tokens = np.array([*row.prompt, *row.text], np.int64)
        tokens_so_far = np.unique(all_tokens)
        old = scores[tokens_so_far]
        # a division would increase a negative logit, so it is multiplied instead
        scores[tokens_so_far] = np.where(old > 0, old / penalty, old * penalty)
    if (sampling.presence_penalty or sampling.frequency_penalty) and row.text:
        ids, counts = np.unique(np.array(row.text, np.int64), return_counts=True)
        scores[ids] -= sampling.presence_penalty + sampling.frequency_penalty * counts
    biased_tokens, amounts = row.list_biases()
    if biased_tokens:
        scores[biased_tokens] += amounts
    return scores


# --- on any device ------------------------------------------------------------------------------------------


def choose_anywhere(
    logits: Tensor,
    mask: Words | None,
    rows: Sequence[ChoiceRow],
    logit_rows: Sequence[int],
    mask_rows: Sequence[int],
) -> list[Choice]:
    """Return the choice of a token for each row, as `choose_tokens` does, on any device.

    Rows with penalties or strategies are chosen in main memory. Cost: the whole masks are copied to the
    device, 16 KB a row for 128,000 tokens, and the numbers of all rows in one copy. A GPU reads the logits
    once, or three times if a row has a filter. There is one wait for the device. A row that is chosen in main
    memory costs a copy of its logits, and what `choose_tokens` costs on a CPU.
    """
    logit_rows = list(logit_rows)
    mask_rows = list(mask_rows)
    words = None
    if mask is not None:
        words = _copy_to_device(torch.from_numpy(mask[mask_rows]), logits.device)
    numbers = _pack_arguments(rows, logit_rows, logits)
    # the kernels are faster without these arguments
    if logit_rows == list(range(len(logits))):
        del numbers["rows"]
    if not any(row.is_filtered for row in rows):
        for name in ("top_k", "top_p", "min_p"):
            del numbers[name]
    sampled = masked_sample(logits, words, **numbers)
    # the one wait for the device
    chosen = _read_figures(sampled.figures.cpu().numpy())
    for i, row in enumerate(rows):
        if row.law is not None or row.is_penalised:
            row_logits = logits[logit_rows[i]].cpu()[None]
            row_mask = None if mask is None else mask[mask_rows[i]][None]
            (chosen[i],) = _choose_on_cpu(row_logits, row_mask, [row], [0], [0])
    return chosen


def _pack_arguments(
    rows: Sequence[ChoiceRow], logit_rows: Sequence[int], logits: Tensor
) -> dict[str, Tensor]:
    """Return the arguments of `masked_sample` for rows, on the device of the logits, in one copy."""
    samplings = [row.sampling for row in rows]
    columns = np.empty((7, len(rows)), np.int64)
    columns[0] = [row.stream for row in rows]
    columns[1] = [row.position for row in rows]
    columns[2] = logit_rows
    columns[3] = [min(sampling.top_k, logits.shape[1]) for sampling in samplings]
    floats = [(sampling.temperature, sampling.top_p, sampling.min_p) for sampling in samplings]
    # the bits of the floats are stored as integers, so that one tensor holds all, and one copy suffices
    float_columns = np.array(floats).reshape(-1, 3).T.copy()
    columns[4:] = float_columns.view(np.int64)
    device_columns = _copy_to_device(torch.from_numpy(columns), logits.device)
    integers = device_columns[:4]
    reals = device_columns[4:].view(torch.float64)
    names = ("seed", "position", "rows", "top_k", "temperature", "top_p", "min_p")
    return dict(zip(names, (*integers, *reals), strict=True))


def _read_figures(figures: Int64Array) -> list[Choice]:
    """Return the choices from the figures [6, rows] of the kernels.

    The lines of `figures` are: the token; the log of the sum over all tokens; the log of the sum over the
    allowed tokens; the log-probability; the number of allowed tokens; the likeliest token. The second to the
    fourth line have the bits of floats.
    """
    token, allowed_counts, likeliest = figures[[0, 4, 5]]
    log_all, log_allowed, logprob = figures[1:4].view(np.float64)
    faulty = token < 0
    likeliest_tokens = likeliest.clip(min=0)
    # faulty rows may have any numbers here, and are overwritten below
    with np.errstate(invalid="ignore", over="ignore"):
        # adding 0.0 turns a negative zero into 0.0
        removed_mass = (-np.expm1(log_allowed - log_all)).clip(0.0, 1.0) + 0.0
        constrained_logprob = logprob + log_all - log_allowed
        shares = np.where(faulty, np.nan, (logprob, constrained_logprob, removed_mass))
    chosen_tokens = np.where(faulty, likeliest_tokens, token)
    columns = np.stack((chosen_tokens, allowed_counts, likeliest_tokens, faulty)).tolist()
    return [*map(Choice, columns[0], *shares.tolist(), *columns[1:])]


def _copy_to_device(tensor: Tensor, device: torch.device) -> Tensor:
    """Return a copy of a CPU tensor on a device. The copy to a GPU is asynchronous."""
    if device.type == "cuda":
        # a GPU copies asynchronously only from pinned memory
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)
