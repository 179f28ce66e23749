"""A small model that drafts for the large one, under the same grammar.

The draft model of speculative decoding (Leviathan et al. 2023; Chen et al. 2023), with the grammar's mask on
its logits: a token that the grammar refuses cannot be right, and the small model's best allowed token often
is. The drafts form a tree: one pass of the small model for each level, which reads the likeliest nodes of the
level above.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from threading import Lock
from typing import Any, Final, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from structgen.errors import LimitError, OptionError
from structgen.speculation.drafts.draft import NO_DRAFT, Draft, DraftTree
from structgen.speculation.drafts.drafter import REFUSED, Facts, View
from structgen.tokens.token_mask import TokenMask, allocate_mask

_Numbers = npt.NDArray[np.float32]
_Path = tuple[int, ...]
"""The tokens from the end of the text to a node."""
_MOST_DEPTH: Final = 64
_SEARCHED: Final = 8
"""Up to so many maxima are found one by one; sorting a large vocabulary would take longer."""


@runtime_checkable
class CausalModel(Protocol):
    """The protocol of a draft model: `structgen.engine.models.Model`, without torch. Logits may be any array
    that numpy reads, or a torch tensor."""

    @property
    def vocab_size(self) -> int:
        """Width of the logits; at least the tokenizer's vocabulary."""
        ...

    @property
    def context(self) -> int:
        """The most tokens of a text, prompt included."""
        ...

    def prefill(self, tokens: Sequence[int]) -> tuple[Any, Any]:
        """Return the logits [V] after a text, and its cache, which has a `copy`."""
        ...

    def decode(self, tokens: Sequence[int], caches: Sequence[Any]) -> Any:
        """Return the logits [rows, V] after one more token of each text; the caches then hold it."""
        ...


class DraftModel:
    """Drafts the small model's likeliest tokens among those that the grammar allows.

    A draft has at most `depth` levels. Each node that is read gets its `branches` likeliest children; of the
    nodes of a level the `width` likeliest are read for the next level. With 1 branch the draft is a chain. A
    path whose probability under the small model and the masks is below `least` is not continued. The chance
    of a node is its probability under the small model, given the mask.

    The small model reads the prompt once, and each token of the text once. Each node that it reads keeps its
    own copy of the cache until the large model has chosen. The copy of the reached node then becomes the
    text's cache, and the others are dropped; so nothing is rolled back. Memory: depth x width caches. Cost of
    a draft: at most `depth` passes of the small model, and a mask for each node that is read. A text that is
    longer than the small model's context gets no draft.
    """

    name = "model"
    cuts_itself = True

    def __init__(
        self,
        model: CausalModel,
        depth: int = 8,
        branches: int = 2,
        width: int = 1,
        least: float = 0.1,
        lock: Lock | None = None,
    ) -> None:
        if not (1 <= depth <= _MOST_DEPTH and branches >= 1 and width >= 1 and 0.0 <= least <= 1.0):
            raise OptionError(
                f"depth={depth}, branches={branches}, width={width}, least={least}.",
                where="DraftModel",
                cure=f"Give a depth from 1 to {_MOST_DEPTH}, branches and width from 1 on, and a least "
                "probability from 0 to 1.",
            )
        self._model, self._lock = model, lock
        self._depth, self._branches, self._width, self._least = depth, branches, width, least
        self._mask: TokenMask | None = None
        self._vocab_size = 0
        self._unread: list[int] = []
        """Tokens of the text that no cache holds yet."""
        self._length = 0
        """Tokens of prompt and text."""
        self._read: dict[_Path, tuple[Any, _Numbers]] = {}
        """The read nodes of the last draft, and the text itself as (): the cache and the logits of each."""

    def begin(self, facts: Facts) -> None:
        """Note the prompt. It is read for the first draft."""
        self._vocab_size = min(facts.tokenizer.vocab_size, self._model.vocab_size)
        self._mask = allocate_mask(1, facts.tokenizer.vocab_size)
        self._unread, self._length = list(facts.prompt), len(facts.prompt)
        self._read = {}

    def propose(self, view: View, most: int) -> Draft:
        """Return the tree; empty after an end token, or if the small model's context is full."""
        depth = min(self._depth, view.room, self._model.context - self._length)
        is_over = view.matcher is not None and view.matcher.is_finished
        if depth < 1 or most < 1 or is_over or self._mask is None or not self._length:
            return NO_DRAFT
        with self._lock or nullcontext():
            self._catch_up()
            return self._grown(view, most, depth)

    def observe(self, taken: Sequence[int], accepted: int) -> None:
        """Note the tokens."""
        self._unread += taken
        self._length += len(taken)

    def end(self) -> None:
        """Release the caches."""
        self._read, self._unread, self._mask = {}, [], None

    def _catch_up(self) -> None:
        """Make the text the only read node: start from the node of the last draft that it has reached, and
        read the tokens after it. If that fails, the state of the text is lost and the drafter is useless: the
        error is the caller's."""
        if not self._read:
            logits, cache = self._model.prefill(self._unread)
            self._read, self._unread = {(): (cache, _numbers(logits))}, []
            return
        reached = self._reached()
        cache, behind = self._read[reached]
        rest = self._unread[len(reached) :]
        self._read = {}
        if rest:
            behind = self._behind(rest, cache)
        self._read, self._unread = {(): (cache, behind)}, []

    def _reached(self) -> _Path:
        """Return the longest read path that the text has taken."""
        path: _Path = ()
        for token in self._unread:
            if (*path, token) not in self._read:
                break
            path = (*path, token)
        return path

    def _behind(self, tokens: Sequence[int], cache: Any) -> _Numbers:
        """Have the cache read decided tokens, and return the logits after the last one. In one pass if the
        model verifies drafts, else one by one."""
        support = getattr(self._model, "draft_support", None)
        if len(tokens) > 1 and support is not None and support.shape != "none":
            model: Any = self._model
            chain = range(-1, len(tokens) - 1)
            logits = model.decode_tree(tokens, chain, [len(tokens)], [cache])
            model.keep([range(len(tokens))], [cache])
            return _numbers(logits[-1])
        for token in tokens:
            logits = self._model.decode([token], [cache])
        return _numbers(logits[0])

    def _grown(self, view: View, most: int, depth: int) -> Draft:
        tree = DraftTree()
        paths: list[tuple[float, _Path, int]] = []
        """For each node: the probability of its path, its tokens, and its state."""
        level = self._children(tree, paths, -1, (), view.start, 1.0, view)
        for _ in range(depth - 1):
            likely = [node for node in level if paths[node][0] >= self._least]
            likely = [node for node in likely if tree.tokens[node] not in view.ends]
            likely = sorted(likely, key=lambda node: -paths[node][0])[: self._width]
            # later nodes are no likelier than these, so none of them would be among the best
            if not likely or _would_be_cut(paths, likely, most):
                break
            caches = [self._read[paths[node][1][:-1]][0].copy() for node in likely]
            logits = self._model.decode([tree.tokens[node] for node in likely], caches)
            level = []
            for at, node in enumerate(likely):
                chance, path, state = paths[node]
                self._read[path] = caches[at], _numbers(logits[at])
                level += self._children(tree, paths, node, path, state, chance, view)
        if not len(tree):
            return NO_DRAFT
        best = sorted(range(len(tree)), key=lambda node: (-paths[node][0], node))[:most]
        # a child's path is no likelier than its parent's, and comes later: the best nodes form a tree
        return tree.draft().part(best)

    def _children(
        self,
        tree: DraftTree,
        paths: list[tuple[float, _Path, int]],
        node: int,
        path: _Path,
        state: int,
        chance: float,
        view: View,
    ) -> list[int]:
        """Add the likeliest allowed tokens after a read node, and return their nodes."""
        found: list[int] = []
        logits = self._read[path][1]
        for token, share in self._likeliest(logits, state, view):
            after = view.after(state, token)
            if after != REFUSED and chance * share > 0.0:
                found.append(tree.add(node, token, share))
                paths.append((chance * share, (*path, token), after))
        return found

    def _likeliest(self, logits: _Numbers, state: int, view: View) -> list[tuple[int, float]]:
        """Return the likeliest allowed tokens and their probabilities given the mask; nothing if the logits
        are not numbers, or if the mask would exceed a limit of the grammar."""
        allowed = self._allowed(state, view)
        if allowed is None:
            return []
        values = logits[allowed]
        top = values.max(initial=-np.inf)
        if not np.isfinite(top):
            return []
        weights = np.exp(values - top)
        total = float(weights.sum(dtype=np.float64))
        return [
            (int(allowed[at]), float(weights[at]) / total)
            for at in _greatest(values, self._branches)
            if weights[at] > 0.0
        ]

    def _allowed(self, state: int, view: View) -> npt.NDArray[np.int64] | None:
        """Return the tokens that the grammar allows in a state, ascending; None if that is unknown."""
        if view.matcher is None:
            return np.arange(self._vocab_size)
        assert self._mask is not None
        try:
            view.matcher.compiled.fill_index(state, self._mask, 0)
        except LimitError:  # a draft does not justify compiling the grammar again
            return None
        allowed = self._mask.allowed()
        return allowed[allowed < self._vocab_size]


def _would_be_cut(paths: Sequence[tuple[float, _Path, int]], likely: Sequence[int], most: int) -> bool:
    """Return whether so many nodes are likelier than these that none of their descendants would be chosen."""
    least = paths[likely[0]][0]
    return sum(chance >= least for chance, _, _ in paths) > most


def _greatest(values: _Numbers, count: int) -> list[int]:
    """Return the indices of the greatest numbers, in descending order; of equal ones the first comes
    first."""
    if count > _SEARCHED:
        places: list[int] = np.argsort(-values, kind="stable")[:count].tolist()
        return places
    left, found = values.copy(), []
    for _ in range(min(count, len(values))):
        found.append(int(left.argmax()))
        left[found[-1]] = -np.inf
    return found


def _numbers(logits: Any) -> _Numbers:
    """Return logits of numpy or torch as a float32 array."""
    if hasattr(logits, "detach"):
        # numpy has no bfloat16, and cannot read the memory of other devices
        logits = logits.detach().float().cpu().numpy()
    return np.asarray(logits, np.float32)
