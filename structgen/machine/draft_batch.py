"""`DraftBatch`: draft trees laid out for compiled code (`machine.drafts`), and what it has found of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate, chain
from typing import Final

import numpy as np
import numpy.typing as npt

from structgen.errors import OptionError
from structgen.machine import drafts as D
from structgen.memory import address_of

_MOST: Final = (1 << 31) - 1

Ints = Sequence[int] | npt.NDArray[np.integer]
Job = tuple[int, int, int, int, int, int, int, int]
"""What compiled code is told of a draft: the words of `machine.drafts`."""


class DraftBatch:
    """Draft trees: node i of a draft is a token behind node `parents[i]` (-1: the root) of the same draft.

    The places of a draft are its root and its nodes, in this order; `states` and `statuses` have the places
    of all drafts, one draft after the other. Draft i begins at `nodes[i]` among the nodes, at `places[i]`
    among the places.
    """

    __slots__ = ("_block", "_words", "counts", "nodes", "parents", "places", "states", "statuses", "tokens")

    def __init__(self, tokens: Ints, parents: Ints, counts: Sequence[int]) -> None:
        """`counts`: the nodes of each draft. Raises OptionError where these are no trees. Cost: some 6 us."""
        total = sum(counts)
        if len(tokens) != total or len(parents) != total:
            raise OptionError(
                f"{len(tokens)} tokens and {len(parents)} parents for {total} nodes.",
                where="parents",
                cure="Give one token and one parent for each node.",
            )
        drafts, size = len(counts), total + len(counts)
        self.counts: Sequence[int] = counts
        self.nodes = [0, *accumulate(counts)]
        self.places = [node + i for i, node in enumerate(self.nodes)]
        at = [0, drafts, drafts + total, drafts + 2 * total, drafts + 2 * total + size]
        block = self._block = np.empty(at[4], np.int32)
        block[: at[1]] = counts
        self.tokens, self.parents, self.states = (block[at[i] : at[i + 1]] for i in (1, 2, 3))
        self.tokens[:] = _narrow(tokens)
        self.parents[:] = _narrow(parents)
        self.states.fill(D.NOT_YET)
        self.statuses: npt.NDArray[np.int8] = np.full(size, D.ROW_LEFT, np.int8)
        first = address_of(block)
        wrong = D.misplaced(first + 4 * at[2], first, drafts)
        if wrong >= 0:
            draft = next(i for i in range(drafts) if wrong < self.nodes[i + 1])
            raise OptionError(
                f"The parent of node {wrong - self.nodes[draft]} is {int(self.parents[wrong])}.",
                where="parents" if drafts == 1 else f"parents of draft {draft}",
                cure="Parents come before their children; -1 is the root.",
            )
        self._words = [first + 4 * at[1], first + 4 * at[2], first + 4 * at[3], address_of(self.statuses)]

    def run(
        self,
        walk: Callable[[int, int, int], int],
        jobs: Sequence[Job],
        mask: tuple[int, int, int, int] = (0, 0, 0, 0),
    ) -> int:
        """Have a machine do what it knows of some drafts; return how many of their places are left. Under the
        locks of their grammars.

        `mask`: the addresses of the mask rows (0: they are 0, 1, ...) and of the mask (0: there is none), the
        words of a row, and the tokens that it is for.
        """
        held = np.array([*self._words, *mask, *chain.from_iterable(jobs)], np.int64)
        at = address_of(held)
        return walk(at, at + 8 * D.BATCH_WORDS, len(jobs))

    def is_left(self, draft: int) -> bool:
        """Return whether the mask of a place of a draft is still to be written."""
        return bool((self.statuses[self.places[draft] : self.places[draft + 1]] == D.ROW_LEFT).any())


def _narrow(values: Ints) -> npt.NDArray[np.int32]:
    """Return integers as int32; those that are too large, or far below 0, are replaced by others that are no
    token and no parent either."""
    if isinstance(values, np.ndarray) and values.dtype == np.int32:
        return values.astype(np.int32, copy=False)
    try:
        wide = np.asarray(values, np.int64)
    except OverflowError:
        wide = np.array([min(max(int(value), -2), _MOST) for value in values], np.int64)
    return np.clip(wide, -2, _MOST).astype(np.int32)
