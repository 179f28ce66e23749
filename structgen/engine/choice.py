"""From logits to tokens: penalties, temperature, mask, filters, draw. Rows do not influence each other.

There are two implementations: compiled code for logits in a CPU's memory (`drawing`), and `structgen_kernels`
for other logits, with Triton kernels on a GPU and torch operations elsewhere. Both draw as
`structgen_kernels.reference` defines it (docs/kernels.md, "The draw"); tests compare them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from structgen_kernels import masked_sample
from structgen_kernels.reference import draw, filtered, position_keys, sample_key
from torch import Tensor

from structgen.engine.drawing import draw_along
from structgen.engine.guesses import Guesses
from structgen.engine.requests import Sampling
from structgen.engine.strategies.row_law import RowLaw

NEVER = float("-inf")
BANNED = -1e30
"""Added to the logit of a banned token: finite, so that no sum is NaN."""
Words: TypeAlias = npt.NDArray[np.int32]
"""Token bits, as a `TokenMask` has them."""
_EVERY = 1 << 40
"""More than any vocabulary's size. A larger top_k also keeps all tokens, and is replaced by this one."""
_NO_WORDS: Words = np.empty((1, 0), np.int32)
_NO_GUESSES: npt.NDArray[np.int32] = np.empty((0, 3), np.int32)


@dataclass(slots=True)
class Chosen:
    """The chosen tokens: for each text one, or several in succession."""

    tokens: list[int]
    logprob: list[float]
    constrained: list[float]
    removed: list[float]
    allowed: list[int]
    wanted: list[int]
    """The likeliest tokens, whether allowed or not."""
    faulty: list[int]
    """Not 0: the model's logits are NaN in this row, or no token is allowed. The token is then
    meaningless."""
    places: list[int]
    """The row of the logits for each token."""
    ends: list[int]
    """For each text, the number of tokens up to and including its last one."""


class ChoiceRow:
    """The inputs of a choice besides the logits. `position` and `text` change from step to step."""

    __slots__ = (
        "ends",
        "is_filtered",
        "is_penalised",
        "law",
        "options",
        "position",
        "prompt",
        "sampling",
        "stream",
        "text",
    )

    def __init__(
        self,
        sampling: Sampling,
        sample: int,
        position: int,
        prompt: Sequence[int],
        text: Sequence[int],
        ends: Sequence[int] = (),
    ) -> None:
        """`ends`: the tokenizer's end tokens."""
        self.sampling, self.position, self.prompt, self.text, self.ends = (
            sampling,
            position,
            prompt,
            text,
            ends,
        )
        self.law: RowLaw | None = None
        """The strategies of the text; None: it has none, or writes thoughts."""
        how = sampling
        self.stream = sample_key(how.seed, sample)
        self.options = (how.temperature, how.top_p, how.min_p, float(min(how.top_k, _EVERY)))
        self.is_filtered = bool(how.top_k or how.top_p < 1 or how.min_p)
        self.is_penalised = bool(
            how.repetition_penalty != 1.0
            or how.presence_penalty
            or how.frequency_penalty
            or how.logit_bias
            or how.min_tokens
        )

    def biases(self) -> tuple[list[int], list[float]]:
        """Return the tokens with a fixed change of their logits now, and the changes: `logit_bias`, and a ban
        on the end tokens while there are fewer than `min_tokens`."""
        found = dict(self.sampling.logit_bias)
        if len(self.text) < self.sampling.min_tokens:
            found |= dict.fromkeys(self.ends, BANNED)
        return list(found), list(found.values())


def choose(logits: Tensor, mask: Words | None, rows: Sequence[ChoiceRow]) -> Chosen:
    """Return a token for each row of float logits [rows, V]; `mask` is [rows, words] or None.

    Tokens beyond a mask's words are not allowed. Log-probabilities are at temperature 1, before penalties.
    Cost: on a CPU 1 to 2 ns a logit, and 10 us; elsewhere that of `choose_anywhere`.
    """
    if logits.device.type != "cpu":
        return choose_anywhere(logits, mask, rows)
    every = range(len(rows))
    return _chosen_here(logits, mask, rows, every, every, [None] * len(rows))


def choose_along(
    logits: Tensor,
    mask: Words | None,
    rows: Sequence[ChoiceRow],
    places: Sequence[int],
    lines: Sequence[int],
    guesses: Sequence[Guesses | None],
) -> Chosen:
    """Choose as `choose` does, for one text per entry of `places` (rows of the logits) and `lines` (rows of
    the mask). On a CPU, if a text's token is one of its guesses, choose the next one too, until a token is no
    guess. A text with penalties or strategies gets one token, because they change with each token."""
    if logits.device.type != "cpu":
        return choose_anywhere(logits[places], None if mask is None else mask[lines], rows, places)
    return _chosen_here(logits, mask, rows, places, lines, guesses)


def candidates(logits: Tensor, mask: Words | None, count: int) -> tuple[tuple[int, float], ...]:
    """Return the `count` likeliest tokens that a mask [words] allows (None: all tokens), likeliest first,
    with their log-probabilities among the allowed tokens."""
    raw = logits.float()[None]
    masked = raw
    if mask is not None:
        allowed = allowed_of(torch.from_numpy(mask[None]).to(raw.device), raw.shape[-1])
        masked = raw.masked_fill(~allowed, NEVER)
    best, ids = torch.log_softmax(masked[0], -1).topk(min(count, raw.shape[-1]))
    kept = int(torch.isfinite(best).sum())
    return tuple(zip(ids[:kept].tolist(), best[:kept].tolist(), strict=True))


# --- in the memory of the CPU -------------------------------------------------------------------------------


def _chosen_here(
    logits: Tensor,
    mask: Words | None,
    rows: Sequence[ChoiceRow],
    places: Sequence[int],
    lines: Sequence[int],
    guesses: Sequence[Guesses | None],
) -> Chosen:
    raw: npt.NDArray[np.float32] = np.ascontiguousarray(logits.float().numpy())
    words = _NO_WORDS if mask is None else np.ascontiguousarray(mask)
    adjusted: list[npt.NDArray[np.float64]] = []
    texts: list[tuple[int, int, int, int, int, int]] = []
    drafts: list[npt.NDArray[np.int32]] = []
    count = 0
    for row, place, line, own in zip(rows, places, lines, guesses, strict=True):
        which, node, first = -1, 0, count
        scores = _adjusted(raw[place], words[line] if words.size else None, row)
        if scores is not None:
            which = len(adjusted)
            adjusted.append(scores)
        elif own is not None and len(own.draft) and row.law is None:
            node, count = own.path[-1], count + len(own.draft)
            drafts.append(own.table)
        texts.append((place, line, which, node, first, count))
    most = len(rows) + count
    numbers, figures, ends = np.empty((most, 5), np.int64), np.empty((most, 3)), np.empty(len(rows), np.int64)
    draw_along(
        raw,
        words,
        np.array(texts, np.int64),
        np.array([(row.stream, row.position) for row in rows], np.int64).view(np.uint64),
        np.array([row.options for row in rows]),
        np.array(adjusted) if adjusted else np.empty((1, 0)),
        np.concatenate(drafts) if drafts else _NO_GUESSES,
        numbers,
        figures,
        ends,
    )
    done = int(ends[-1])
    tokens, allowed, wanted, faulty, chosen_at = numbers[:done].T.tolist()
    logprob, constrained, removed = figures[:done].T.tolist()
    return Chosen(tokens, logprob, constrained, removed, allowed, wanted, faulty, chosen_at, ends.tolist())


def _adjusted(
    raw: npt.NDArray[np.float32], words: Words | None, row: ChoiceRow
) -> npt.NDArray[np.float64] | None:
    """Return what a row draws from in place of its logits, or None."""
    penalised = partial(penalised_scores, row=row) if row.is_penalised else None
    if row.law is not None:
        return row.law.adjusted(raw, words, row.sampling.temperature, penalised)
    return None if penalised is None else penalised(raw)


def penalised_scores(raw: npt.NDArray[Any], row: ChoiceRow) -> npt.NDArray[np.float64]:
    """Return logits [V] with the penalties and biases of a row."""
    how, logits = row.sampling, raw.astype(np.float64)
    if how.repetition_penalty != 1.0:
        seen = np.unique(np.array([*row.prompt, *row.text], np.int64))
        old = logits[seen]
        logits[seen] = np.where(old > 0, old / how.repetition_penalty, old * how.repetition_penalty)
    if (how.presence_penalty or how.frequency_penalty) and row.text:
        ids, counts = np.unique(np.array(row.text, np.int64), return_counts=True)
        logits[ids] -= how.presence_penalty + how.frequency_penalty * counts
    changed, amounts = row.biases()
    logits[changed] += amounts
    return logits


def with_laws(
    chosen: Chosen,
    logits: Tensor,
    mask: Words | None,
    rows: Sequence[ChoiceRow],
    places: Sequence[int],
    lines: Sequence[int],
) -> Chosen:
    """Return choices of one token a row, in which the rows with strategies have been chosen again in main
    memory. Cost: for each of these rows a copy of its logits.
    """
    for i, row in enumerate(rows):
        if row.law is not None:
            own = logits[places[i]].cpu()[None]
            line = None if mask is None else mask[lines[i]][None]
            again = _chosen_here(own, line, [row], [0], [0], [None])
            chosen.tokens[i], chosen.logprob[i] = again.tokens[0], again.logprob[0]
            chosen.constrained[i] = again.constrained[0]
    return chosen


# --- on any device ------------------------------------------------------------------------------------------


def allowed_of(mask: Tensor, size: int) -> Tensor:
    """Return the bits of a mask as bool [rows, size]. The mask is int32 [rows, words] on the device of the
    logits."""
    bits = torch.arange(32, dtype=torch.int32, device=mask.device)
    allowed = ((mask.unsqueeze(-1) >> bits) & 1).ne(0).flatten(1)[:, :size]
    return torch.nn.functional.pad(allowed, (0, size - allowed.shape[1]))


def choose_anywhere(
    logits: Tensor, mask: Words | None, rows: Sequence[ChoiceRow], places: Sequence[int] | None = None
) -> Chosen:
    """Choose as `choose` does, on any device, for the rows `places` of the logits (None: all rows).

    Cost on a GPU: one read of the logits; three if a row has a filter; about twenty more passes for a row
    with penalties.
    """
    device = logits.device
    every = list(range(len(logits)))
    at = every if places is None else list(places)
    raw = logits if at == every else logits[at]
    options = torch.tensor([row.options for row in rows], dtype=torch.float64).reshape(len(rows), 4)
    heat, top_p, min_p, top_k = options.unbind(-1)
    filters: dict[str, Tensor] = {}
    if any(row.is_filtered for row in rows):
        filters = {"top_k": top_k.long(), "top_p": top_p, "min_p": min_p}
    keys = torch.tensor([row.stream for row in rows], dtype=torch.int64)
    position = torch.tensor([row.position for row in rows], dtype=torch.int64)
    words = None if mask is None else torch.from_numpy(np.ascontiguousarray(mask)).to(device)
    found = masked_sample(raw, words, temperature=heat, seed=keys, position=position, **filters)
    likeliest = found.likeliest.clamp(min=0)
    faulty = found.tokens < 0
    tokens = torch.where(faulty, likeliest, found.tokens)
    for i, row in enumerate(rows):
        if row.is_penalised:
            one = slice(i, i + 1)
            tokens[i] = _penalised_token(raw[i], None if words is None else words[one], row, options[one])
    taken = raw.gather(1, tokens.unsqueeze(1)).squeeze(1).double()
    left = found.log_z_allowed
    removed = (-torch.expm1(left - found.log_z)).clamp(0, 1) + 0.0
    figures = torch.stack((taken - found.log_z, taken - left, removed)).masked_fill(faulty, float("nan"))
    chosen, sizes, wanted, faults = torch.stack((tokens, found.allowed, likeliest, faulty.long())).tolist()
    logprob, constrained, shares = figures.tolist()
    ends = list(range(1, len(rows) + 1))
    told = Chosen(chosen, logprob, constrained, shares, sizes, wanted, faults, at, ends)
    return with_laws(told, logits, mask, rows, at, range(len(rows)))


def _penalised_token(raw: Tensor, mask: Tensor | None, row: ChoiceRow, options: Tensor) -> Tensor:
    """Return the token of a row with penalties, computed in float64; an arbitrary one if none is possible."""
    scores = raw.float().double()
    if mask is not None:
        scores.masked_fill_(~allowed_of(mask, len(scores))[0], NEVER)
    _penalise(scores, row)
    heat, top_p, min_p, top_k = options.to(raw.device).unbind(-1)
    seeds, positions = (
        torch.tensor([one], dtype=torch.int64, device=raw.device) for one in (row.stream, row.position)
    )
    kept = filtered(scores[None], heat, top_k.long(), top_p, min_p)
    return draw(kept, heat, position_keys(seeds, positions))[0]


def _penalise(logits: Tensor, row: ChoiceRow) -> None:
    how = row.sampling
    if how.repetition_penalty != 1.0:
        seen = torch.tensor(sorted({*row.prompt, *row.text}), device=logits.device)
        if len(seen):
            old = logits[seen]
            logits[seen] = torch.where(old > 0, old / how.repetition_penalty, old * how.repetition_penalty)
    if (how.presence_penalty or how.frequency_penalty) and row.text:
        ids, counts = torch.unique(torch.tensor(list(row.text), device=logits.device), return_counts=True)
        logits[ids] -= how.presence_penalty + how.frequency_penalty * counts
    changed, amounts = row.biases()
    if changed:
        at = torch.tensor(changed, device=logits.device)
        logits[at] += torch.tensor(amounts, device=logits.device, dtype=logits.dtype)
