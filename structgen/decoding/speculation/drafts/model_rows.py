"""Reads the logits after many texts that all begin with the same prompt: `ModelRows`.

A *row* is the logits after one text, one unit of the model's work. A *prefix* is the tokens of a text after
the prompt, e.g. () or (5, 9). A *cache* holds the model's keys and values of a text, so that the next token
costs one step.

Samplers, searches and the draft model read texts here, apart from the engine's own text. Prefixes share the
keys and values of what they have in common, if the model's caches share memory (`PagedCache`). The caches of
the prefixes that were read last are kept.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Container, Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from structgen.base.native.array_types import Float64Array
from structgen.decoding.speculation.drafts.draft import MOST_NODES

Floats = Float64Array
Tokens = tuple[int, ...]

CACHED: Final = 1 << 30
"""The most bytes of caches that `ModelRows` keeps between two calls."""
PASS: Final = 1 << 28
"""The most bytes of float64 logits of one forward pass of `ModelRows`."""


class _CacheEntry(NamedTuple):
    """The cache of a prefix, and its bytes, without the bytes that it shares with the cache of the prompt."""

    cache: Any
    nbytes: int


class ModelRows:
    """Reads the logits after prefixes with a model. The prompt is read once, and the cache of each prefix
    begins as a copy of the prompt's cache. If the model's caches share memory (`PagedCache`), the keys of the
    prompt are stored once.

    The most recently used caches of prefixes are kept, up to `most` bytes, but at least `least` caches. A
    prefix that is one token longer than a cached one (its *parent*) takes one decoding step. If the parent's
    cache was dropped, the tokens after the nearest cached ancestor (at worst the prompt) are read again.
    `reread` counts these tokens.

    A call may hold up to twice this memory: the caches that it begins with stay until it ends.
    """

    def __init__(
        self,
        model: Any,
        prompt: Sequence[int],
        name: str,
        *,
        most: int = CACHED,
        least: int = 64,
        begun: tuple[Any, Any] | None = None,
    ) -> None:
        """Make a reader of texts that begin with a prompt.

        `model`: an `engine.model_protocol.Model` (its room is above this one, hence Any). `prompt`: the
        tokens of the prompt. `name`: the model's name, for messages. `most`: the most bytes of caches that
        are kept; `least`: how many are kept in any case. `begun`: the result of `prefill` for the prompt, if
        it was read before. For example `ModelRows(model, [1, 2], "smollm2")`.
        """
        self.name = name
        self.count = 0
        self.reread = 0
        self.passes = 0
        self._model = model
        self._prompt = list(prompt)
        self._max_bytes = most
        self._min_caches = least
        self._root: tuple[Floats, Any] | None = None
        if begun is not None:
            logits, cache = begun
            self._root = as_float64(logits), cache
        self._entries: OrderedDict[Tokens, _CacheEntry] = OrderedDict()
        self._largest = 1
        self.nbytes = 0
        """The bytes of the kept caches, without the cache of the prompt."""

    def read(self, prefixes: Sequence[Tokens]) -> list[Floats]:
        """Return the logits after each prefix.

        Prefixes that are one token longer than a cached one share one forward pass; those that lack d tokens
        share d passes. One prefix alone is read in one pass where the model verifies drafts. A pass has at
        most as many rows as `PASS` bytes of logits hold and `most` bytes of caches allow, but at least
        `least`.
        """
        wanted_prefixes = dict.fromkeys(prefixes)
        self.count += len(wanted_prefixes)
        logits_of: dict[Tokens, Floats] = {}
        if () in wanted_prefixes:
            logits_of[()] = self._read_prompt()[0]
        caches, rounds = self._plan_rounds([prefix for prefix in wanted_prefixes if prefix])
        # A prefix that is read without being wanted is an ancestor whose cache was dropped.
        self.reread += sum(map(len, rounds)) - sum(map(bool, wanted_prefixes))
        if self._reads_in_one_pass(rounds):
            # The model reads all tokens of a single prefix in one pass, as it verifies a draft.
            chain = [round_[0] for round_ in rounds]
            rounds = []
            first_parent = chain[0][:-1]
            logits = self._read_chain(chain, caches[first_parent].copy())
            logits_of |= _rows_of_wanted(chain, logits, wanted_prefixes)
        for number, round_ in enumerate(rounds):
            next_round = rounds[number + 1] if number + 1 < len(rounds) else []
            needed_prefixes = {prefix[:-1] for prefix in next_round}
            row_limit = self._most_rows()
            for begin in range(0, len(round_), row_limit):
                part = round_[begin : begin + row_limit]
                # The caches are copied, because several prefixes may begin with the same parent.
                fresh = [caches[prefix[:-1]].copy() for prefix in part]
                self.passes += 1
                last_tokens = [prefix[-1] for prefix in part]
                logits = self._model.decode(last_tokens, fresh)
                logits_of |= _rows_of_wanted(part, logits, wanted_prefixes)
                for prefix, cache in zip(part, fresh, strict=True):
                    # It is needed in the next round, even if it cannot be kept after the call.
                    if prefix in needed_prefixes:
                        caches[prefix] = cache
                    self._keep_cache(prefix, cache)
        return [logits_of[prefix] for prefix in prefixes]

    def _reads_in_one_pass(self, rounds: Sequence[Sequence[Tokens]]) -> bool:
        """Return whether the model can read all rounds in one pass: each round is a single prefix, and the
        model can verify drafts."""
        support = getattr(self._model, "draft_support", None)
        if support is None or support.shape == "none":
            return False
        is_chain = all(len(round_) == 1 for round_ in rounds)
        return 1 < len(rounds) <= MOST_NODES and is_chain

    def _most_rows(self) -> int:
        """Return the most rows of one pass, by the memory of caches and by that of logits."""
        _, prompt_cache = self._read_prompt()
        largest_cache = max(self._largest, self._own_bytes(prompt_cache))
        cache_limit = max(self._max_bytes // largest_cache, self._min_caches)
        row_bytes = 8 * int(self._model.vocab_size)
        return max(1, min(cache_limit, PASS // row_bytes))

    def _read_chain(self, chain: Sequence[Tokens], cache: Any) -> Any:
        """Return the logits after prefixes, each one token longer than the one before, by one pass. `cache`:
        that of the parent of the first prefix. The cache of the last prefix is kept."""
        self.passes += 1
        logits = read_chain(self._model, [prefix[-1] for prefix in chain], cache)
        self._keep_cache(chain[-1], cache)
        return logits

    def _read_prompt(self) -> tuple[Floats, Any]:
        """Return the logits after the prompt, and its cache."""
        if self._root is None:
            logits, cache = self._model.prefill(self._prompt)
            self._root = as_float64(logits), cache
        return self._root

    def _plan_rounds(self, prefixes: Sequence[Tokens]) -> tuple[dict[Tokens, Any], list[list[Tokens]]]:
        """Return the caches to begin with, and the prefixes of each pass: first the children of cached
        prefixes, then the children of the first pass, and so on."""
        caches: dict[Tokens, Any] = {}
        rounds: list[dict[Tokens, None]] = []
        for prefix in prefixes:
            # Find the nearest ancestor with a cache: at worst the prompt, whose prefix is ().
            begin = len(prefix) - 1
            while begin and prefix[:begin] not in self._entries:
                begin -= 1
            start = prefix[:begin]
            if start:
                self._entries.move_to_end(start)
                caches[start] = self._entries[start].cache
            else:
                caches[start] = self._read_prompt()[1]
            while len(rounds) < len(prefix) - begin:
                rounds.append({})
            # The dict is an ordered set: prefixes with a common beginning read that beginning once.
            for end in range(begin + 1, len(prefix) + 1):
                rounds[end - begin - 1][prefix[:end]] = None
        return caches, [list(round_) for round_ in rounds]

    def _keep_cache(self, prefix: Tokens, cache: Any) -> None:
        """Keep a cache; drop the least recently used ones while there are too many bytes."""
        old_entry = self._entries.pop(prefix, None)
        nbytes = self._own_bytes(cache)
        self._entries[prefix] = _CacheEntry(cache, nbytes)
        self._largest = max(self._largest, nbytes)
        if old_entry is not None:
            self.nbytes -= old_entry.nbytes
        self.nbytes += nbytes
        while self.nbytes > self._max_bytes and len(self._entries) > self._min_caches:
            _, dropped_entry = self._entries.popitem(last=False)
            self.nbytes -= dropped_entry.nbytes

    def _own_bytes(self, cache: Any) -> int:
        """Return the bytes of a cache, without the bytes that it shares with the cache of the prompt."""
        if hasattr(cache, "nbytes_beside"):
            return int(cache.nbytes_beside(self._read_prompt()[1]))
        return int(cache.nbytes)


def read_chain(model: Any, tokens: Sequence[int], cache: Any) -> Any:
    """Return the logits [tokens, V] after each of some tokens, at most MOST_NODES, read in one pass by a
    model that verifies drafts. `cache`: that of the text before them; it then includes them."""
    count = len(tokens)
    # The tokens are a draft in which each node is the only child of the one before. All nodes are kept.
    logits = model.decode_tree(tokens, range(-1, count - 1), [count], [cache])
    model.keep([range(count)], [cache])
    return logits


def _rows_of_wanted(
    prefixes: Sequence[Tokens], logits: Any, wanted_prefixes: Container[Tokens]
) -> dict[Tokens, Floats]:
    """Return the logits of the prefixes that are wanted. Other rows are not copied from the device.

    `prefixes`: the prefix of each row of `logits`.
    """
    row_numbers = [number for number, prefix in enumerate(prefixes) if prefix in wanted_prefixes]
    are_all_wanted = len(row_numbers) == len(prefixes)
    rows = as_float64(logits if are_all_wanted else logits[row_numbers])
    return {prefixes[number]: row for number, row in zip(row_numbers, rows, strict=True)}


def as_float64(logits: Any) -> Floats:
    """Return logits of numpy, or a tensor on any device, as float64."""
    if hasattr(logits, "detach"):
        logits = logits.detach().to("cpu").double().numpy()
    return np.asarray(logits, np.float64)
