"""Follows one text through the draft that the model is verifying.

A *draft* is a tree of guessed next tokens; a *node* is one guess. The *root* is not a guess: it is the last
token that was decided before the pass. The *path* is the chain of nodes whose tokens were decided so far. For
example, after the guesses `a -> b` and `a -> c`, the decided tokens a and c make the path root, a, c.
*Thoughts* are text that a model writes before its answer, and that the grammar does not bind.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from structgen.base.native.array_types import BoolArray
from structgen.decoding.engine.thinking import ThoughtPhase
from structgen.decoding.speculation.drafts.draft import Draft
from structgen.machines.core.matcher import Matcher


@dataclass(slots=True, eq=False)
class Guesses:
    """The draft of one text, and the text's current node in it, the last one of `path`.

    Node number n is row `first + n` of the pass's logits and of the mask rows. The root is number 0; node i
    of the draft is number i + 1.
    """

    draft: Draft
    first: int
    """The number of the root's row."""
    matcher: Matcher | None
    """The matcher of the text before the pass; None: the text is in its thoughts, or it is free text."""
    phase: ThoughtPhase | None
    """The phase of the text's thoughts before the pass; None: there are no thoughts, or they are closed."""
    path: list[int] = field(default_factory=lambda: [0])
    """The numbers of the nodes on the accepted path, the root first."""
    ready: BoolArray = field(init=False)
    """Whether the mask is filled, for the root and each node of the draft."""
    _children: list[dict[int, int]] = field(init=False)
    """The children of the root and of each node of the draft: the numbers that the children have in the draft
    (which do not count the root), by their tokens."""

    def __post_init__(self) -> None:
        self._children = self.draft.children()
        self.ready = np.zeros(1 + len(self.draft), np.bool_)
        self.ready[0] = True

    @property
    def row(self) -> int:
        """The row of the text's current node."""
        return self.first + self.path[-1]

    def holds_token(self, token: int) -> bool:
        """Return whether a token is guessed after the current node."""
        return token in self._children[self.path[-1]]

    def follow_token(self, token: int, matcher: Matcher | None, phase: ThoughtPhase | None) -> bool:
        """Go to the node of a decided token, and return True.

        Return False, and stay, if there is no such node, if its mask could not be filled, or if the thoughts
        have ended since the pass: the masks after them are not the grammar's. `matcher` and `phase` are those
        of the text after the token.
        """
        child = self._children[self.path[-1]].get(token)
        if child is None:
            return False
        node = child + 1  # the root, which is no node of the draft, is number 0
        # A matcher or phase that is another object than before the pass means that the thoughts were closed
        # or the grammar was compiled anew.
        if not self.ready[node] or matcher is not self.matcher or phase is not self.phase:
            return False
        self.path.append(node)
        return True
