"""`DraftBatch`: draft trees laid out for compiled code (`machine_core.draft_nodes`), and what it has
found of them.

The arrays are Python's own: a batch is made between two passes of a model, when nothing of it is in the
processor's caches, and numpy's many ways to do one thing then cost ten times as much as what they do.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from structgen.errors import OptionError
from structgen.machine_core import draft_nodes as D

_MOST: Final = (1 << 31) - 1
_UNREAD, _UNWRITTEN = array("i", (D.NOT_YET,)), array("b", (D.ROW_LEFT,))

Ints = Sequence[int] | npt.NDArray[np.integer]
Job = tuple[int, int, int, int, int]
"""What compiled code is told of a draft: the words of `machine_core.draft_nodes`."""


class DraftBatch:
    """Draft trees: node i of a draft is a token behind node `parents[i]` (-1: the root) of the same draft.

    The places of a draft are its root and its nodes, in this order; `states` and `statuses` have the places
    of all drafts, one draft after the other. Draft i begins at `nodes[i]` among the nodes, at `places[i]`
    among the places.
    """

    __slots__ = ("_words", "counts", "nodes", "parents", "places", "states", "statuses", "tokens")

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

        Raises OptionError where these are no trees. Cost: some 3 us.
        """
        self.counts = counts
        self.nodes, self.places = nodes, places = [0], [0]
        total = size = 0
        for count in counts:
            total, size = total + count, size + count + 1
            nodes.append(total)
            places.append(size)
        if len(tokens) != total or len(parents) != total or min(counts, default=0) < 0:
            raise OptionError(
                f"{len(tokens)} tokens and {len(parents)} parents for {total} nodes, "
                f"{list(counts)} by draft.",
                where="parents",
                cure="Give one token and one parent for each node, and for each draft how many it has.",
            )
        self.tokens, self.parents = narrow(tokens, "tokens"), narrow(parents, "parents")
        self.states, self.statuses = _UNREAD * size, _UNWRITTEN * size
        above, sizes = self.parents.buffer_info()[0], array("i", counts)
        wrong = D.misplaced(above, sizes.buffer_info()[0], len(counts))
        if wrong >= 0:
            draft = next(i for i in range(len(counts)) if wrong < nodes[i + 1])
            raise OptionError(
                f"The parent of node {wrong - nodes[draft]} is {self.parents[wrong]}.",
                where="parents" if len(counts) == 1 else f"parents of draft {draft}",
                cure="Parents come before their children; -1 is the root.",
            )
        states, statuses = self.states.buffer_info()[0], self.statuses.buffer_info()[0]
        self._words = (self.tokens.buffer_info()[0], above, states, statuses, *mask)

    def run(self, jobs: Sequence[Job]) -> int:
        """Do what is known of some drafts in compiled code; return how many of their places are left. Under
        the locks of their grammars. Threads may do this at once for different drafts."""
        held = array("q", self._words)
        for job in jobs:
            held.extend(job)
        at = held.buffer_info()[0]
        return D.walk_drafts(at, at + 8 * D.BATCH_WORDS, len(jobs))

    def is_left(self, draft: int) -> bool:
        """Return whether the mask of a place of a draft is still to be written."""
        return D.ROW_LEFT in self.statuses[self.places[draft] : self.places[draft + 1]]


def narrow(values: Ints, where: str) -> array[int]:
    """Return integers as an array of int32; those that are too large, or far below 0, are replaced by others
    that are no token and no parent either. Raises OptionError where there is anything else; `where`: what
    they are."""
    listed = values.tolist() if isinstance(values, np.ndarray) else values
    try:
        return array("i", listed)
    except OverflowError:
        return array("i", [min(max(value, -2), _MOST) for value in listed])
    except TypeError as error:
        raise OptionError(f"{error}.", where=where, cure="Give a list or a row of integers.") from None
