"""A small model that drafts for the large one, under the same grammar.

The draft model of speculative decoding (Leviathan et al. 2023; Chen et al. 2023), with the grammar's mask on
its logits: a token that the grammar refuses cannot be right, and the small model's best allowed token often
is. One pass of the small model reads the likeliest token of each level; its other choices are leaves.
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
from structgen.speculation.drafts.drafter import REFUSED, DraftContext, RequestFacts
from structgen.tokens.token_mask import TokenMask, allocate_mask

_Numbers = npt.NDArray[np.float32]
_MOST_DEPTH: Final = 64


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

    A draft has at most `depth` levels of the `branches` likeliest tokens, of which the likeliest is read for
    the next level. With 1 branch the draft is a chain. A path whose probability under the small model and the
    masks is below `least` is not continued. The chance of a node is its probability under the small model,
    given the mask.

    The small model reads the prompt once, and each token of the text once. Each node that it reads keeps its
    own copy of the cache until the large model has chosen. The copy of the reached node then becomes the
    text's cache, and the others are dropped; so nothing is rolled back. Memory: `depth` caches. Cost of a
    draft: at most `depth` passes of the small model, and a mask for each node that is read. A text that is
    longer than the small model's context gets no draft.
    """

    name = "model"

    def __init__(
        self,
        model: CausalModel,
        depth: int = 8,
        branches: int = 2,
        least: float = 0.1,
        lock: Lock | None = None,
    ) -> None:
        if not (1 <= depth <= _MOST_DEPTH and branches >= 1 and 0.0 <= least <= 1.0):
            raise OptionError(
                f"depth={depth}, branches={branches}, least={least}.",
                where="DraftModel",
                cure=f"Give a depth from 1 to {_MOST_DEPTH}, branches from 1 on, and a least probability "
                "from 0 to 1.",
            )
        self._model, self._lock = model, lock
        self._depth, self._branches, self._least = depth, branches, least
        self._mask: TokenMask | None = None
        self._vocab_size = 0
        self._unread: list[int] = []
        """Tokens of the text that no cache holds yet."""
        self._length = 0
        """Tokens of prompt and text."""
        self._read: list[tuple[int, Any, _Numbers]] = []
        """The text itself, and the read nodes of the last draft below it, each the child of the one before:
        the token, the cache and the logits after it."""

    def begin(self, facts: RequestFacts) -> None:
        """Note the prompt. It is read for the first draft."""
        self._vocab_size = min(facts.tokenizer.vocab_size, self._model.vocab_size)
        self._mask = allocate_mask(1, facts.tokenizer.vocab_size)
        self._unread, self._length = list(facts.prompt), len(facts.prompt)
        self._read = []

    def propose(self, view: DraftContext, most: int) -> Draft:
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
        self._read, self._unread, self._mask = [], [], None

    def _catch_up(self) -> None:
        """Make the text the only read node: start from the node of the last draft that it has reached, and
        read the tokens after it. If that fails, the state of the text is lost and the drafter is useless: the
        error is the caller's."""
        unread, self._unread = self._unread, []
        if not self._read:
            logits, cache = self._model.prefill(unread)
            self._read = [(unread[-1], cache, _numbers(logits))]
            return
        reached = 0
        for token, (guess, _, _) in zip(unread, self._read[1:], strict=False):
            if token != guess:
                break
            reached += 1
        (_, cache, behind), self._read = self._read[reached], []
        if rest := unread[reached:]:
            behind = self._behind(rest, cache)
        self._read = [(0, cache, behind)]

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

    def _grown(self, view: DraftContext, most: int, depth: int) -> Draft:
        tree, node, state, chance = DraftTree(), -1, view.start, 1.0
        for level in range(1, depth + 1):
            _, cache, logits = self._read[-1]
            found = list[tuple[int, int, int, float]]()
            for token, share in self._likeliest(logits, state, view):
                after = view.after(state, token)
                if after != REFUSED:
                    found.append((tree.add(node, token, share), token, after, share))
            if not found:
                break
            node, token, state, share = found[0]
            chance *= share
            if level == depth or len(tree) >= most or chance < self._least or token in view.ends:
                break
            cache = cache.copy()
            self._read.append((token, cache, _numbers(self._model.decode([token], [cache])[0])))
        return tree.draft() if len(tree) else NO_DRAFT

    def _likeliest(self, logits: _Numbers, state: int, view: DraftContext) -> list[tuple[int, float]]:
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
        best = np.arange(len(values))
        if len(values) > self._branches:
            best = np.argpartition(-values, self._branches - 1)[: self._branches]
        ordered = sorted(best.tolist(), key=lambda at: (-values[at], at))
        return [(int(allowed[at]), float(weights[at]) / total) for at in ordered if weights[at] > 0.0]

    def _allowed(self, state: int, view: DraftContext) -> npt.NDArray[np.int64] | None:
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


def _numbers(logits: Any) -> _Numbers:
    """Return logits of numpy or torch as a float32 array."""
    if hasattr(logits, "detach"):
        # numpy has no bfloat16, and cannot read the memory of other devices
        logits = logits.detach().float().cpu().numpy()
    return np.asarray(logits, np.float32)
