"""`DraftBatch`: draft trees laid out for compiled code (`machine.drafts`), and what it has found of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate
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

    __slots__ = (
        "_address",
        "_held",
        "counts",
        "nodes",
        "parents",
        "places",
        "states",
        "statuses",
        "tokens",
    )

    def __init__(
        self,
        tokens: Ints,
        parents: Ints,
        counts: Sequence[int],
        mask: tuple[int, int, int, int] = (0, 0, 0, 0),
    ) -> None:
        """`counts`: the nodes of each draft. `mask`: the addresses of the mask rows of all places (0: they
        are 0, 1, ...) and of the mask (0: none is written), the words of a row, and the tokens that the mask
        is for.

        Raises OptionError where these are no trees. Cost: some 5 us.
        """
        self.counts = counts
        self.nodes = [0, *accumulate(counts)]
        self.places = [node + i for i, node in enumerate(self.nodes)]
        drafts, total, size = len(counts), self.nodes[-1], self.places[-1]
        if len(tokens) != total or len(parents) != total:
            raise OptionError(
                f"{len(tokens)} tokens and {len(parents)} parents for {total} nodes.",
                where="parents",
                cure="Give one token and one parent for each node.",
            )
        # one block, since asking numpy for an address costs as much as two nodes: the words of the batch and
        # of the jobs; then, of four bytes each, counts, tokens, parents and states; then statuses
        first = 2 * (D.BATCH_WORDS + D.JOB_WORDS * drafts)
        at = [first, first + drafts, first + drafts + total, first + drafts + 2 * total]
        end = at[3] + size
        held = self._held = np.empty((end + 1) // 2 + (size + 7) // 8, np.int64)
        block = held.view(np.int32)
        block[at[0] : at[1]] = counts
        self.tokens: npt.NDArray[np.int32] = block[at[1] : at[2]]
        self.parents: npt.NDArray[np.int32] = block[at[2] : at[3]]
        self.states: npt.NDArray[np.int32] = block[at[3] : end]
        _put(self.tokens, tokens)
        _put(self.parents, parents)
        self.states.fill(D.NOT_YET)
        self.statuses: npt.NDArray[np.int8] = held.view(np.int8)[4 * end : 4 * end + size]
        self.statuses.fill(D.ROW_LEFT)
        self._address = address = address_of(held)
        wrong = D.misplaced(address + 4 * at[2], address + 4 * at[0], drafts)
        if wrong >= 0:
            draft = next(i for i in range(drafts) if wrong < self.nodes[i + 1])
            raise OptionError(
                f"The parent of node {wrong - self.nodes[draft]} is {int(self.parents[wrong])}.",
                where="parents" if drafts == 1 else f"parents of draft {draft}",
                cure="Parents come before their children; -1 is the root.",
            )
        held[: D.BATCH_WORDS] = (
            address + 4 * at[1],
            address + 4 * at[2],
            address + 4 * at[3],
            address + 4 * end,
            *mask,
        )

    def run(self, walk: Callable[[int, int, int], int], jobs: Sequence[Job], slot: int = 0) -> int:
        """Have a machine do what it knows of some drafts; return how many of their places are left. Under the
        locks of their grammars.

        `slot`: the first of the slots, of which there are as many as drafts, that the jobs are put in.
        Threads may do this at once with different slots.
        """
        first = D.BATCH_WORDS + D.JOB_WORDS * slot
        words = [word for job in jobs for word in job]
        self._held[first : first + len(words)] = words
        return walk(self._address, self._address + 8 * first, len(jobs))

    def is_left(self, draft: int) -> bool:
        """Return whether the mask of a place of a draft is still to be written."""
        return bool((self.statuses[self.places[draft] : self.places[draft + 1]] == D.ROW_LEFT).any())


def _put(into: npt.NDArray[np.int32], values: Ints) -> None:
    """Write integers to an array; those that are too large, or far below 0, are replaced by others that are
    no token and no parent either."""
    if isinstance(values, np.ndarray) and values.dtype != np.int32:
        into[:] = np.clip(values, -2, _MOST)
        return
    try:
        into[:] = values
    except OverflowError:
        into[:] = [min(max(int(value), -2), _MOST) for value in values]
