"""A small model that drafts for the large one, under the same grammar.

A *draft* is a tree of guessed tokens; a *level* of it has the nodes at one depth. This is the draft model of
speculative decoding (Leviathan et al. 2023; Chen et al. 2023), with the grammar's mask on its logits. A token
that the grammar refuses cannot be right, while the small model's best allowed token often is. One pass of the
small model reads the likeliest token of each level. Its other choices are leaves of the tree.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from threading import Lock
from typing import Any

import numpy as np

from structgen.base.errors import LimitError
from structgen.base.native.array_types import Int64Array
from structgen.decoding.speculation.drafts.draft import NO_DRAFT, Draft, DraftTree
from structgen.decoding.speculation.drafts.drafter import REFUSED, DraftContext, RequestFacts
from structgen.decoding.speculation.drafts.model_rows import Floats, ModelRows, Tokens
from structgen.tokens.token_mask import TokenMask, allocate_mask


class DraftModel:
    """Drafts the small model's likeliest tokens among those that the grammar allows.

    A draft has at most `depth` levels. Each level has the `branches` likeliest tokens, and the next level
    comes after the likeliest of them. With 1 branch the draft is a chain. A path whose probability under the
    small model and the masks is below `min_chance` is not continued. The chance of a node is its probability
    under the small model, given the mask. A text that is longer than the small model's context gets no draft.

    The small model reads the prompt once, and each token of the text once (`ModelRows`). Each node that it
    reads keeps its KV cache until later nodes take its place, so nothing is rolled back. Memory: `depth` + 2
    caches. Cost of a draft: at most `depth` passes of the small model, and a mask for each node that is read.
    """

    name = "model"

    def __init__(
        self,
        model: Any,
        depth: int = 8,
        branches: int = 2,
        min_chance: float = 0.1,
        lock: Lock | None = None,
    ) -> None:
        """Make a drafter for one text.

        `model`: the small model, an `engine.model_protocol.Model`. `depth`, `branches`, `min_chance`: the
        size of a draft, as the class describes. `lock`: is held during a draft, if requests share the model.
        For example `DraftModel(model, depth=4, branches=1)` drafts chains of four tokens.
        """
        self._model = model
        self._lock = lock
        self._depth = depth
        self._branches = branches
        self._min_chance = min_chance
        self._mask: TokenMask | None = None
        self._vocab_size = 0
        self._rows: ModelRows | None = None
        self._text: list[int] = []
        self._room = 0
        """The most tokens that the text may have, by the small model's context."""
        self._logits_by_path: dict[Tokens, Floats] = {}
        """The logits after each node that was read for the last draft, by the tokens from the prompt to
        it."""

    def begin(self, facts: RequestFacts) -> None:
        """Note the prompt. It is read for the first draft."""
        self._vocab_size = min(facts.tokenizer.vocab_size, self._model.vocab_size)
        self._mask = allocate_mask(1, facts.tokenizer.vocab_size)
        # Only as many caches are kept as one draft needs: for its path, and for the text before it.
        cache_count = self._depth + 1
        self._rows = ModelRows(self._model, facts.prompt, "", most=0, least=cache_count)
        # A model reads at least one token, so an empty prompt has no draft.
        self._room = 0
        if facts.prompt:
            self._room = self._model.context - len(facts.prompt)
        self._text = []
        self._logits_by_path = {}

    def propose(self, view: DraftContext, max_nodes: int) -> Draft:
        """Return the tree; empty after an end token, or if the small model's context is full."""
        room = self._room - len(self._text)
        depth = min(self._depth, view.room, room)
        is_over = view.matcher is not None and view.matcher.is_finished
        if depth < 1 or max_nodes < 1 or is_over or self._rows is None:
            return NO_DRAFT
        with self._lock or nullcontext():
            return self._grow_tree(self._rows, view, max_nodes, depth)

    def observe(self, new_tokens: Sequence[int], accepted_count: int) -> None:
        """Note the tokens."""
        self._text += new_tokens

    def end(self) -> None:
        """Release the caches."""
        self._rows = None
        self._mask = None
        self._logits_by_path = {}

    def _grow_tree(self, rows: ModelRows, view: DraftContext, max_nodes: int, depth: int) -> Draft:
        """Return the tree of at most `depth` levels, grown below the likeliest node of each level.

        `rows`: reads texts with the small model. For example, with `depth` 3 and two branches the tree has at
        most six nodes. Cost: a pass of the small model for each level that it has not read before.
        """
        tree = DraftTree()
        node = -1
        state = view.start
        chance = 1.0
        path = tuple(self._text)
        # If the text has followed the last draft, the logits after its nodes are known. Older ones are not
        # needed.
        known_logits = self._logits_by_path
        self._logits_by_path = {}
        for level in range(1, depth + 1):
            logits = known_logits.get(path)
            if logits is None:
                (logits,) = rows.read([path])
            self._logits_by_path[path] = logits
            # For each new node: its number, its token, the state after it, and its chance.
            children = list[tuple[int, int, int, float]]()
            for token, share in self._likeliest_tokens(logits, state, view):
                after = view.after(state, token)
                if after != REFUSED:
                    child = tree.add_node(node, token, share)
                    children.append((child, token, after, share))
            if not children:
                break
            # The likeliest node comes first, and the next level grows below it.
            node, token, state, share = children[0]
            chance *= share
            is_large_enough = level == depth or len(tree) >= max_nodes
            is_unsure = chance < self._min_chance
            if is_large_enough or is_unsure or token in view.ends:
                break
            path = (*path, token)
        return tree.make_draft() if len(tree) else NO_DRAFT

    def _likeliest_tokens(self, logits: Floats, state: int, view: DraftContext) -> list[tuple[int, float]]:
        """Return the likeliest allowed tokens, each with its probability given the mask. Return an empty list
        if the logits are not numbers, or if making the mask would exceed a limit of the grammar."""
        allowed_tokens = self._allowed_tokens(state, view)
        if allowed_tokens is None:
            return []
        values = logits[allowed_tokens]
        top = values.max(initial=-np.inf)
        if not np.isfinite(top):
            return []
        weights = np.exp(values - top)
        total = float(weights.sum(dtype=np.float64))
        count = min(self._branches, len(values))
        # A partition finds the few best tokens in linear time, unordered.
        best = np.argpartition(-values, count - 1)[:count]
        likeliest = []
        for at in sorted(best.tolist(), key=lambda at: (-values[at], at)):
            if weights[at] > 0.0:
                chance = float(weights[at]) / total
                likeliest.append((int(allowed_tokens[at]), chance))
        return likeliest

    def _allowed_tokens(self, state: int, view: DraftContext) -> Int64Array | None:
        """Return the tokens that the grammar allows in a state, ascending; None if that is unknown."""
        if view.matcher is None:
            return np.arange(self._vocab_size)
        assert self._mask is not None
        try:
            view.matcher.compiled.fill_index(state, self._mask, 0)
        except LimitError:  # a draft does not justify compiling the grammar again
            return None
        allowed_tokens = self._mask.allowed()
        return allowed_tokens[allowed_tokens < self._vocab_size]
