"""The allowed mass z at each prefix of a draw: how much of the model's distribution the grammar left there.

Masking divides by z at every token, so a draw x has probability P(x) / product of z under masking. The
products are what importance weights are made of; the single factors say at which token the model and the
grammar disagree. They are noted where every method passes, in `Target.steps`, so no method needs to know.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from structgen.sampling.tree import Node

MOST: Final = 1 << 18
"""Prefixes whose mass is kept; some 100 bytes each. Draws that pass through others have no masses."""


class Masses:
    """z of the prefixes that were read, by a hash of their tokens."""

    __slots__ = ("_known", "_most")

    def __init__(self, most: int = MOST) -> None:
        self._known: dict[int, float] = {}
        self._most = most

    def note(self, tokens: tuple[int, ...], mass: float) -> None:
        """Keep the mass of a prefix, if there is room; what was seen first stays."""
        if len(self._known) < self._most:
            self._known.setdefault(hash(tokens), mass)

    def along(self, tokens: Sequence[int], root: Node | None) -> tuple[float, ...] | None:
        """Return z at each prefix of a text, the empty one first and the whole text last; None where one of
        them is not known. `root` is the tree's: it answers for texts that earlier runs have found.

        Cost: O(L^2) for a text of L tokens, some 0.1 ms for 256.
        """
        tokens, node = tuple(tokens), root
        found = []
        for depth in range(len(tokens) + 1):
            mass = self._known.get(hash(tokens[:depth]))
            if mass is None:
                if node is None:
                    return None
                mass = float(node.probabilities.sum()) + node.end + node.rest
            found.append(mass)
            if node is not None and depth < len(tokens):
                slots = np.flatnonzero(node.tokens == tokens[depth])
                node = node.children.get(int(slots[0])) if len(slots) else None
        return tuple(found)
