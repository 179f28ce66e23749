"""`FusedModels`: two models with different tokenizers write one text, joined on bytes (GFD: Hsu et al.,
"Let's Fuse Step by Step: A Generative Fusion Decoding Algorithm with LLMs for Multi-modal Text Recognition",
2024).

Behind bytes s the law of the next token t of the first model A is proportional to
P_A(t)^(1 - r) (P_B(s + t) / P_B(s))^r, where P_B(s) is the probability that B's text begins with s
(`byte_frontier`). An end token has the probability that B's text is s;
other tokens without bytes have A's law alone.

P_B(s + t) is needed for each token t. B reads ahead where the most probability lies, until the share that is
left unread is at most `unread_share`, or `most_rows` are read. What is left below some bytes is divided
among the tokens there as A divides its own.

`approximate=True` is the rule of the paper's code: B's own tokenisation of s alone, and all tokens that may
stick out of it; B reads nothing ahead.

Its law after a text hangs on where the prompt ends: a text that is read again after an interrupt has its own
tokens among the prompt's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

import structgen as sg
from methods.byte_frontier import ByteFrontier, Covering, Floats, TokenRanges
from methods.token_walks import Places, TokenWalks, Walks
from structgen.strategies import ModelRows

_CACHED = 1 << 26
"""The most bytes of caches of the second model that a text keeps."""
_LEAST = -1e4
"""Nats. A token that the second model never writes stays possible, and comes last."""
_TOGETHER = 16
"""Coverings that are read ahead in one pass."""


class FusedModels:
    """A model that writes the first model's tokens: `sg.Engine(FusedModels(first, second))`."""

    def __init__(
        self,
        first: sg.Engine,
        second: sg.Engine,
        *,
        r: float = 0.2,
        unread_share: float = 0.02,
        most_rows: int = 64,
        prune: float = 1e-4,
        approximate: bool = False,
    ) -> None:
        """`r`: the weight of the second model, 0 to 1. `unread_share`: the share of its probability that may
        stay unread in a step; 0 reads all. `most_rows`: the most rows that it reads ahead for a step.
        `prune`: coverings of less than this share of P_B(s) are dropped; 0 keeps all."""
        self.r, self.unread_share, self.most_rows = r, unread_share, most_rows
        self.prune, self.approximate = prune, approximate
        self._first, self.tokenizer, self.asked_as = first.model, first.tokenizer, first.name
        self._second = second.model
        self._ranges = TokenRanges(second.tokenizer)
        self._walks = TokenWalks(TokenRanges(self.tokenizer), self._ranges)
        self._ends = np.array(sorted(self.tokenizer.eos_token_ids), np.int64)
        tokens = enumerate(self.tokenizer.token_bytes)
        self._without_bytes = np.array(
            [token for token, data in tokens if not data and token not in self.tokenizer.eos_token_ids]
            + list(range(self.tokenizer.vocab_size, self._first.vocab_size)),
            np.int64,
        )
        self.rows = 0
        """Rows that the second model gave."""
        self.passes = 0
        """Its passes."""

    @property
    def vocab_size(self) -> int:
        """Width of the logits: the first model's."""
        return self._first.vocab_size

    @property
    def context(self) -> int:
        """The most tokens of a text. A text that the second model cannot read ends with an error."""
        return self._first.context

    def prefill(self, tokens: Sequence[int]) -> tuple[Tensor, FusedCache]:
        """Return the logits [V] after a prompt, and its cache. The second model reads the prompt's bytes in
        its own tokens."""
        logits, part = self._first.prefill(tokens)
        if self.r == 0:
            return logits, FusedCache(part, None)
        data = b"".join(self.tokenizer.token_bytes[token] or b"" for token in tokens)
        prompt = self._ranges.tokenizer.encode(data) or [self._beginning()]
        rows = ModelRows(self._second, prompt, "", most=_CACHED)
        frontier = ByteFrontier(rows, self._ranges, prune=self.prune, canonical=self.approximate)
        cache = FusedCache(part, frontier)
        return self._fused(logits, cache), cache

    def _beginning(self) -> int:
        """Return what the second model reads where the prompt has no bytes: its end token, else token 0."""
        ends = self._ranges.tokenizer.eos_token_ids
        return int(ends[0]) if len(ends) else 0

    def decode(self, tokens: Sequence[int], caches: Sequence[FusedCache]) -> Tensor:
        """Return the logits [rows, V] after one more token of each text."""
        logits = self._first.decode(tokens, [cache.part for cache in caches])
        if self.r == 0:
            return logits
        rows = []
        for token, cache, row in zip(tokens, caches, logits, strict=True):
            assert cache.frontier is not None
            data = self.tokenizer.token_bytes[token] if token < self.tokenizer.vocab_size else None
            cache.frontier = cache.frontier.after(data or b"")
            rows.append(self._fused(row, cache))
        return torch.stack(rows)

    def _fused(self, logits: Tensor, cache: FusedCache) -> Tensor:
        """Return the fused logits of one text: log-probabilities, up to a constant."""
        row = logits.double().cpu().numpy()
        own = row - np.logaddexp.reduce(row)
        assert cache.frontier is not None
        rows = cache.frontier.rows
        before = rows.count + rows.reread, rows.passes
        whole = cache.frontier.logprob
        if not np.isfinite(whole):
            return logits  # the second model cannot write this text, and has no say
        ahead = _Ahead(cache.frontier, self._walks, own)
        cache.unread_share = ahead.read(0 if self.approximate else self.most_rows, whole, self.unread_share)
        other = ahead.logprobs() - whole
        other[self._ends] = cache.frontier.end_logprob() - whole
        self.rows += rows.count + rows.reread - before[0]
        self.passes += rows.passes - before[1]
        other[self._without_bytes] = own[self._without_bytes]
        other = np.maximum(other, _LEAST)
        joined = other if self.r == 1 else (1 - self.r) * own + self.r * other
        return torch.from_numpy(joined).to(logits)


class FusedCache:
    """What both models have read of a text."""

    def __init__(self, part: Any, frontier: ByteFrontier | None) -> None:
        self.part, self.frontier = part, frontier
        self.unread_share = 0.0
        """The share of the second model's probability that was not read ahead in the last step."""

    @property
    def nbytes(self) -> int:
        """Bytes of memory."""
        return int(self.part.nbytes) + (0 if self.frontier is None else self.frontier.rows.nbytes)

    def copy(self) -> FusedCache:
        """Return an independent copy; both share what the second model read, which does not change."""
        twin = FusedCache(self.part.copy(), self.frontier)
        twin.unread_share = self.unread_share
        return twin


@dataclass(slots=True)
class _Spread:
    """What a covering says of the tokens that begin with some bytes."""

    covering: Covering
    walks: Walks
    masses: Floats
    """The probabilities of the coverings that end inside tokens, as `walks.ends` has them; 0 once read."""


class _Ahead:
    """P_B(s + t) for all tokens t of the first model, from below, and what is not read."""

    def __init__(self, frontier: ByteFrontier, walks: TokenWalks, own: Floats) -> None:
        self._frontier, self._walks, self._own = frontier, walks, np.exp(own)
        self._found = np.zeros(len(own))
        self._spreads: list[_Spread] = []
        frontier.read(frontier.coverings)
        self._scale = max((one.logprob for one in frontier.coverings), default=0.0)
        for one in frontier.coverings:
            self._spread(one, b"")

    def read(self, most: int, whole: float, least: float) -> float:
        """Read ahead until the share `least` of P_B(s), or `most` rows; return the share that is unread."""
        total = np.exp(whole - self._scale)
        while (left := sum(float(one.masses.sum()) for one in self._spreads)) > least * total and most > 0:
            masses = np.concatenate([one.masses for one in self._spreads])
            count = min(most, _TOGETHER, int(np.count_nonzero(masses)))
            best = np.sort(np.argsort(-masses, kind="stable")[:count])
            most -= count
            wanted = list(self._taken(best))
            self._frontier.read(one for one, _ in wanted)
            for one, head in wanted:
                self._spread(one, head)
        return float(min(left / total, 1.0))

    def _taken(self, numbers: Places) -> Iterator[tuple[Covering, bytes]]:
        """Yield unread coverings, by their numbers in all spreads one after another, as new coverings."""
        ranges, begin = self._frontier.ranges, 0
        for spread in list(self._spreads):
            one, law = spread.covering, spread.covering.law
            assert law is not None
            for at in numbers[(numbers >= begin) & (numbers < begin + len(spread.masses))] - begin:
                token = int(ranges.tokens[spread.walks.ends[at]])
                spread.masses[at] = 0.0
                yield (
                    Covering((*one.tokens, token), one.logprob + float(law[token]), b""),
                    spread.walks.heads[at],
                )
            begin += len(spread.masses)

    def _spread(self, one: Covering, head: bytes) -> None:
        """Add what a covering says of the tokens that begin with some bytes."""
        assert one.law is not None
        walks, tokens = self._walks.walks(head, one.rest), self._frontier.ranges.tokens
        before = one.logprob - self._scale
        masses = np.exp(before + one.law[tokens[walks.rows]])
        self._found += np.bincount(walks.passed, masses, len(self._found))
        self._spreads.append(_Spread(one, walks, np.exp(before + one.law[tokens[walks.ends]])))

    def logprobs(self) -> Floats:
        """Return log P_B(s + t); what is unread below some bytes is divided as the first model divides it."""
        order = self._walks.order
        shares = self._own[order]
        sums = np.concatenate(([0.0], np.cumsum(shares)))
        slopes = np.zeros(len(order) + 1)
        for one in self._spreads:
            below = sums[one.walks.stops] - sums[one.walks.begins]
            part = np.divide(
                one.masses, below, out=np.zeros(len(below)), where=(below > 0) & (one.masses > 0)
            )
            np.add.at(slopes, one.walks.begins, part)
            np.add.at(slopes, one.walks.stops, -part)
        found = self._found.copy()
        if any(one.masses.any() for one in self._spreads):
            found[order] += np.maximum(np.cumsum(slopes[:-1]), 0.0) * shares
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(found) + self._scale)
