"""`Fused`: two models with different tokenizers write one text, joined on bytes (GFD: Hsu et al., "Let's Fuse
Step by Step: A Generative Fusion Decoding Algorithm with LLMs for Multi-modal Text Recognition", 2024).

Behind bytes s the law of the next token t of the first model A is proportional to
P_A(t)^(1 - r) (P_B(s + t) / P_B(s))^r, where P_B(s) is the probability that B's text begins with s
(`byte_frontier`). An end token has the probability that B's text is s;
other tokens without bytes have A's law alone.

P_B(s + t) is needed for each token t. B reads ahead where the most probability lies, until the share that is
left unread is at most `unread`, or `most_rows` are read. What is left below some bytes is divided among the
tokens there as A divides its own.

`approximate=True` is the rule of the paper's code: B's own tokenisation of s alone, and all tokens that may
stick out of it; B reads nothing ahead.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from itertools import count
from typing import Any

import numpy as np
import torch
from torch import Tensor

from structgen.engine import checks
from structgen.engine.composed_models.byte_frontier import ByteFrontier, Covering, TokenRanges
from structgen.engine.composed_models.byte_trie import ByteTrie, TrieNode
from structgen.engine.composed_models.parts import GivenPart, part_of
from structgen.engine.model_protocol import Released, TakesBack
from structgen.engine.searches.prefix_rows import Floats, ModelRows, numbers
from structgen.engine.strategies.strategy import log_softmax
from structgen.errors import OptionError, options_named

_CACHED = 1 << 26
"""The most bytes of caches of the second model that a text keeps."""
_LEAST = -1e4
"""Nats. A token that the second model never writes stays possible, and comes last."""
_TOGETHER = 16
"""Coverings that are read ahead in one pass."""


class Fused:
    """A model that writes the first model's tokens: `sg.Engine(sg.Fused(first, second))`."""

    @options_named('sg.Fused("structgen/extract", other)', name="sg.Fused")
    def __init__(
        self,
        first: GivenPart,
        second: GivenPart,
        *,
        r: float = 0.2,
        unread: float = 0.02,
        most_rows: int = 64,
        prune: float = 1e-4,
        approximate: bool = False,
    ) -> None:
        """`r`: the weight of the second model, 0 to 1. `unread`: the share of its probability that may stay
        unread in a step; 0 reads all. `most_rows`: the most rows that it reads ahead for a step. `prune`:
        coverings of less than this share of P_B(s) are dropped; 0 keeps all.

        Raises OptionError for what is no model, and options out of range.
        """
        self.r = checks.number("r", r, 0.0, 1.0, "a number from 0 to 1")
        self.unread = checks.number("unread", unread, 0.0, 1.0, "a number from 0 to 1")
        self.most_rows = checks.whole("most_rows", most_rows, 0)
        self.prune = checks.number("prune", prune, 0.0, 0.5, "a number from 0 to 0.5")
        self.approximate = bool(checks.flag("approximate", approximate))
        self._first, self.tokenizer, self.asked_as = part_of("first", first)
        self._second, others, _ = part_of("second", second)
        for name, model in (("first", self._first), ("second", self._second)):
            if isinstance(model, TakesBack):
                raise OptionError(
                    "A model with graphs=True has fixed rows.", where=name, cure="Load it without graphs."
                )
        self._ranges, self._trie = TokenRanges(others), ByteTrie(self.tokenizer.token_bytes)
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

    keeps_prompt_apart = True
    """Its law after a text hangs on where the prompt ends (`KeepsPromptApart`)."""

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
        own = log_softmax(numbers(logits))
        assert cache.frontier is not None
        rows = cache.frontier.rows
        before = rows.count + rows.reread, rows.passes
        whole = cache.frontier.logprob
        if not np.isfinite(whole):
            return logits  # the second model cannot write this text, and has no say
        ahead = _Ahead(cache.frontier, self._trie, own)
        cache.unread = ahead.read(0 if self.approximate else self.most_rows, whole, self.unread)
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
        self.unread = 0.0
        """The share of the second model's probability that was not read ahead in the last step."""

    @property
    def nbytes(self) -> int:
        """Bytes of memory."""
        return int(self.part.nbytes) + (0 if self.frontier is None else self.frontier.rows.nbytes)

    def copy(self) -> FusedCache:
        """Return an independent copy; both share what the second model read, which does not change."""
        twin = FusedCache(self.part.copy(), self.frontier)
        twin.unread = self.unread
        return twin

    def release(self) -> None:
        """Release the first model's cache."""
        if isinstance(self.part, Released):
            self.part.release()


class _Ahead:
    """P_B(s + t) for all tokens t of the first model, from below, and what is not read."""

    def __init__(self, frontier: ByteFrontier, trie: ByteTrie, own: Floats) -> None:
        self._frontier, self._trie = frontier, trie
        self._shares = np.exp(own)
        self._sums = np.concatenate(([0.0], np.cumsum(self._shares[trie.order])))
        self._found = np.zeros(len(own))
        self._numbers = count()
        self._unread: list[tuple[float, int, Covering, TrieNode]] = []
        """Coverings that end inside tokens: minus the probability, and the bytes behind s that they write."""
        frontier.read(frontier.coverings)
        self._scale = max((one.logprob for one in frontier.coverings), default=0.0)
        for one in frontier.coverings:
            self._spread(one, trie.root)

    def read(self, most: int, whole: float, least: float) -> float:
        """Read ahead until the share `least` of P_B(s), or `most` rows; return the share that is unread."""
        whole -= self._scale
        left = -sum(one[0] for one in self._unread)
        while self._unread and most > 0 and left > least * np.exp(whole):
            wanted = [heapq.heappop(self._unread) for _ in range(min(most, _TOGETHER, len(self._unread)))]
            most -= len(wanted)
            self._frontier.read(one for _, _, one, _ in wanted)
            for _, _, one, node in wanted:
                self._spread(one, node)
            left = -sum(one[0] for one in self._unread)
        return float(min(left / np.exp(whole), 1.0))

    def _spread(self, one: Covering, start: TrieNode) -> None:
        """Add what a covering says of the tokens below a node."""
        assert one.law is not None
        ranges = self._frontier.ranges
        place = ranges.longer(one.rest) if one.rest else slice(0, len(ranges.data))
        mass = np.exp(one.logprob - self._scale + one.law[ranges.tokens[place]])
        for at in np.flatnonzero(mass > 0):
            data = ranges.data[place.start + int(at)]
            passed, node = start.walk(data[len(one.rest) :])
            for token in passed:
                self._found[token] += mass[at]
            if node is not None and node.end > node.begin:
                token = int(ranges.tokens[place.start + int(at)])
                after = Covering((*one.tokens, token), one.logprob + float(one.law[token]), b"")
                heapq.heappush(self._unread, (-float(mass[at]), next(self._numbers), after, node))

    def logprobs(self) -> Floats:
        """Return log P_B(s + t); what is unread below some bytes is divided as the first model divides it."""
        found, order = self._found.copy(), self._trie.order
        for minus, _, _, node in self._unread:
            whole = self._sums[node.end] - self._sums[node.begin]
            if whole > 0:
                below = order[node.begin : node.end]
                found[below] += -minus * self._shares[below] / whole
        with np.errstate(divide="ignore"):
            return np.where(found > 0, np.log(np.maximum(found, 5e-324)), -np.inf) + self._scale
