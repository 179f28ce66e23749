"""From logits to tokens: penalties, temperature, mask, filters, draw. Rows do not influence each other.

There are two implementations: compiled code for logits in a CPU's memory (`compiled_choice`), and
`structgen_kernels` for other logits, with Triton kernels on a GPU and torch operations elsewhere. Both draw
as `structgen_kernels.reference` defines it (docs/inside/kernels.md, "The draw"); tests compare them. Rows
with penalties or strategies are chosen by the compiled code wherever their logits are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from structgen_kernels import masked_sample
from structgen_kernels.reference import NEVER, sample_key
from torch import Tensor
from torch.nn.functional import embedding, pad

from structgen.engine.compiled_choice import draw_along
from structgen.engine.requests import Sampling
from structgen.engine.strategies.text_strategies import RowLaw
from structgen.engine.verified_draft import Guesses

BANNED = -1e30
"""Added to the logit of a banned token: finite, so that no sum is NaN."""
Words: TypeAlias = npt.NDArray[np.int32]
"""Token bits, as a `TokenMask` has them."""
_EVERY = 1 << 40
"""More than any vocabulary's size. A larger top_k also keeps all tokens, and is replaced by this one."""
_ADDED = torch.tensor([[0.0 if byte >> bit & 1 else NEVER for bit in range(8)] for byte in range(256)])
"""What is added to the logits of eight tokens, for each byte of a mask: faster than a mask of booleans."""
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


@dataclass(slots=True)
class ChoiceRow:
    """The inputs of a choice besides the logits. `position` and `text` change from step to step."""

    sampling: Sampling
    sample: int
    position: int
    prompt: Sequence[int]
    text: Sequence[int]
    ends: Sequence[int] = ()
    """The tokenizer's end tokens."""
    law: RowLaw | None = None
    """The strategies of the text; None: it has none, or writes thoughts."""
    stream: int = field(init=False)
    """The key from which the noise of the sample's draws is made."""
    options: tuple[float, float, float, float] = field(init=False)
    """The temperature, top_p, min_p and top_k."""
    is_penalised: bool = field(init=False)

    def __post_init__(self) -> None:
        how = self.sampling
        self.stream = sample_key(how.seed, self.sample)
        self.options = (how.temperature, how.top_p, how.min_p, float(min(how.top_k, _EVERY)))
        self.is_penalised = bool(
            how.repetition_penalty != 1.0
            or how.presence_penalty
            or how.frequency_penalty
            or how.logit_bias
            or how.min_tokens
        )

    @property
    def is_filtered(self) -> bool:
        """Whether top-k, top-p or min-p drop tokens."""
        return bool(self.sampling.top_k or self.sampling.top_p < 1 or self.sampling.min_p)

    @property
    def is_adjusted(self) -> bool:
        """Whether it draws from other scores than the logits."""
        return self.law is not None or self.is_penalised

    def biases(self) -> tuple[list[int], list[float]]:
        """Return the tokens with a fixed change of their logits now, and the changes: `logit_bias`, and a ban
        on the end tokens while there are fewer than `min_tokens`."""
        found = dict(self.sampling.logit_bias)
        if len(self.text) < self.sampling.min_tokens:
            found |= dict.fromkeys(self.ends, BANNED)
        return list(found), list(found.values())


def choose(
    logits: Tensor,
    mask: Words | None,
    rows: Sequence[ChoiceRow],
    places: Sequence[int] | None = None,
    lines: Sequence[int] | None = None,
    guesses: Sequence[Guesses | None] | None = None,
) -> Chosen:
    """Return a token for each row from float logits [texts, V], under a `mask` [lines, words] or None: row i
    has `places[i]` of the logits and `lines[i]` of the mask (None: i).

    On a CPU, if a text's token is one of its guesses, choose the next one too, until a token is no guess. A
    text with penalties or strategies gets one token, because they change with each token. Tokens beyond a
    mask's words are not allowed. Log-probabilities are at temperature 1, before penalties. Cost: on a CPU 1
    to 2 ns a logit, and 10 us; elsewhere that of `choose_anywhere`.
    """
    every = range(len(rows))
    where = every if places is None else places, every if lines is None else lines
    if logits.device.type != "cpu":
        return choose_anywhere(logits, mask, rows, *where)
    return _chosen_here(logits, mask, rows, *where, [None] * len(rows) if guesses is None else guesses)


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
        of_bytes = torch.from_numpy(mask).to(masked.device).view(torch.uint8).int()
        added = embedding(of_bytes, _ADDED.to(masked.device)).flatten(1)[:, :width]
        masked = masked + pad(added, (0, width - added.shape[1]), value=NEVER)
    best, ids = torch.log_softmax(masked, -1).topk(min(count, width))
    return best, ids


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
    places: Sequence[int] | None = None,
    lines: Sequence[int] | None = None,
) -> Chosen:
    """Choose one token a row as `choose` does, on any device.

    Cost: the masks go to the device whole, 16 KB a row for 128,000 tokens, and the numbers of all rows in one
    copy; on a GPU one read of the logits, three if a row has a filter; that of `chosen_again`.
    """
    at = list(range(len(rows)) if places is None else places)
    of = list(range(len(rows)) if lines is None else lines)
    words = None if mask is None else _sent(torch.from_numpy(mask[of]), logits.device)
    options = torch.tensor([row.options for row in rows], dtype=torch.float64).reshape(-1, 4).T
    whole = [[row.stream for row in rows], [row.position for row in rows], options[3].long().tolist()]
    shares = options[:3].contiguous().view(torch.int64)
    sent = _sent(torch.cat((torch.tensor(whole, dtype=torch.int64), shares)), logits.device)
    keys, position, top_k = sent[:3]
    heat, top_p, min_p = sent[3:].view(torch.float64)
    filters: dict[str, Tensor] = {}
    if any(row.is_filtered for row in rows):
        filters = {"top_k": top_k, "top_p": top_p, "min_p": min_p}
    own = logits if at == list(range(len(logits))) else logits[at]
    figures = figures_of(own, mask=words, temperature=heat, seed=keys, position=position, **filters)
    return chosen_again(chosen_of(figures, at), logits, mask, rows, at, of)


def _sent(tensor: Tensor, device: torch.device) -> Tensor:
    """Return a copy of a CPU tensor on a device. The copy to a GPU is asynchronous."""
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)


def chosen_again(
    chosen: Chosen,
    logits: Tensor,
    mask: Words | None,
    rows: Sequence[ChoiceRow],
    places: Sequence[int],
    lines: Sequence[int],
) -> Chosen:
    """Return choices of one token a row, in which the rows with penalties or strategies have been chosen
    again in main memory. Cost: for each of these rows a copy of its logits, and that of `choose` on a
    CPU."""
    for i, row in enumerate(rows):
        if row.is_adjusted:
            own = logits[places[i]].cpu()[None]
            line = None if mask is None else mask[lines[i]][None]
            again = _chosen_here(own, line, [row], [0], [0], [None])
            chosen.tokens[i], chosen.logprob[i] = again.tokens[0], again.logprob[0]
            chosen.constrained[i] = again.constrained[0]
    return chosen


def figures_of(logits: Tensor, **options: Any) -> Tensor:
    """Return float64 [6, n] of `masked_sample`: the token (-1 for a faulty row), log Z over all tokens, log Z
    over the allowed ones, the token's log-probability, the number of allowed tokens, and the likeliest token
    of all."""
    found = masked_sample(logits, **options)
    parts = found.tokens, found.log_z, found.log_z_allowed, found.log_probs, found.allowed, found.likeliest
    return torch.stack([part.double() for part in parts])


def chosen_of(figures: Tensor, places: Sequence[int]) -> Chosen:
    """Return the choices that figures say, one token a row. It waits for the device, once."""
    token, whole, left, logprob, allowed, likeliest = figures.cpu().numpy()
    faulty, wanted = token < 0, likeliest.clip(min=0)
    with np.errstate(invalid="ignore", over="ignore"):
        removed = (-np.expm1(left - whole)).clip(0.0, 1.0) + 0.0
        shares = np.where(faulty, np.nan, (logprob, logprob + whole - left, removed))
    numbers = np.stack((np.where(faulty, wanted, token), allowed, wanted, faulty)).astype(np.int64)
    logprobs, constrained, lost = shares.tolist()
    tokens, sizes, likeliest, faults = numbers.tolist()
    ends = list(range(1, len(places) + 1))
    return Chosen(tokens, logprobs, constrained, lost, sizes, likeliest, faults, list(places), ends)
