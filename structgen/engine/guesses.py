"""The draft after a text's last token that the model has read, while it is verified."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from structgen.core.matcher import Matcher
from structgen.engine.drawing import GUESS, PARENT, READY
from structgen.engine.thinking import ThoughtPhase
from structgen.speculation.drafts.draft import Draft


class Guesses:
    """Where a text stands in its draft. The root is the last token that was decided before the pass.

    A node is row `first + number` of the pass's logits and of the engine's masks, the root is number 0, and
    node i of the draft is number i + 1.
    """

    __slots__ = ("_children", "_matcher", "_phase", "draft", "first", "path", "table")

    def __init__(self, draft: Draft, first: int, matcher: Matcher | None, phase: ThoughtPhase | None) -> None:
        self.draft, self.first = draft, first
        self._children = draft.children()
        self._matcher, self._phase = matcher, phase
        self.table: npt.NDArray[np.int32] = np.zeros((len(draft), 3), np.int32)
        """For each guess its token, its parent in the draft, and whether its mask is there: `drawing` has the
        columns."""
        self.table[:, GUESS], self.table[:, PARENT] = draft.tokens, draft.parents
        self.path = [0]
        """The numbers of the nodes that the text has gone through, the root's first."""

    def set_ready(self, ready: npt.NDArray[np.bool_]) -> None:
        """Say for each node of the draft whether its mask is there."""
        self.table[:, READY] = ready

    @property
    def count(self) -> int:
        """How many guesses the text went through."""
        return len(self.path) - 1

    @property
    def row(self) -> int:
        """The row of the node where the text stands."""
        return self.first + self.path[-1]

    def holds(self, token: int) -> bool:
        """Tell whether a token is guessed after the node."""
        return token in self._children[self.path[-1]]

    def follow(self, token: int, matcher: Matcher | None, phase: ThoughtPhase | None) -> bool:
        """Go to the node of a token that was decided. Returns False where there is none; where its mask could
        not be filled; and where thoughts have ended since, as the masks after them are not the grammar's."""
        node = self._children[self.path[-1]].get(token)
        if (
            node is None
            or not self.table[node, READY]
            or matcher is not self._matcher
            or phase is not self._phase
        ):
            return False
        self.path.append(node + 1)
        return True
