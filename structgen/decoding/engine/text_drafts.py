"""A text's node in the draft that is being verified."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from structgen.decoding.engine.thinking import ThoughtPhase
from structgen.decoding.speculation.drafts.draft import Draft
from structgen.machines.core.matcher import Matcher


@dataclass(slots=True, eq=False)
class Guesses:
    """A text's node in its draft. The root is the last token that was decided before the pass.

    Node number n is row `first + n` of the pass's logits and of the mask rows. The root is number 0; node i
    of the draft is number i + 1.
    """

    draft: Draft
    first: int
    """The row of the root."""
    matcher: Matcher | None
    """The matcher of the text before the pass; None: thoughts or free text."""
    phase: ThoughtPhase | None
    """The thoughts of the text before the pass; None: there are none, or they are closed."""
    path: list[int] = field(default_factory=lambda: [0])
    """The numbers of the nodes on the accepted path, the root first."""
    ready: npt.NDArray[np.bool_] = field(init=False)
    """For the root and each node of the draft, whether its mask is filled."""
    _children: list[dict[int, int]] = field(init=False)
    """For the root and each node of the draft: the numbers in the draft of its children, by their tokens."""

    def __post_init__(self) -> None:
        self._children = self.draft.children()
        self.ready = np.zeros(1 + len(self.draft), np.bool_)
        self.ready[0] = True

    @property
    def row(self) -> int:
        """The row of the text's node."""
        return self.first + self.path[-1]

    def holds_token(self, token: int) -> bool:
        """Return whether a token is guessed after the node."""
        return token in self._children[self.path[-1]]

    def follow_token(self, token: int, matcher: Matcher | None, phase: ThoughtPhase | None) -> bool:
        """Go to the node of a decided token. Returns False if there is no such node, if its mask could not be
        filled, or if the thoughts have ended since (the masks after them are not the grammar's)."""
        child = self._children[self.path[-1]].get(token)
        if child is None:
            return False
        node = child + 1  # the root, which is no node of the draft, is number 0
        # other objects than before the pass: the thoughts were closed, or the grammar was compiled anew
        if not self.ready[node] or matcher is not self.matcher or phase is not self.phase:
            return False
        self.path.append(node)
        return True
