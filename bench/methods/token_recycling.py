"""Token Recycling (Luo et al. 2024, "Turning Trash into Treasure: Accelerating Inference of Large Language
Models with Token Recycling", arXiv:2408.08696).

Definition: an adjacency matrix has for each token of the vocabulary its 8 best successors, as the model saw
them where the token was read last, in accepted nodes and in refused ones. A draft is the tree of fixed shape
of these successors, breadth-first; the shape gives better ranks more children.

What differs here: the successors are the best among the tokens that the grammar allowed there, and the tree
is cut where the grammar refuses one now. The shape is that of the likeliest nodes if a child of rank r is
chosen with the probability RANKS[r] (the paper's is a tree of 80 nodes that was found by search). Samples of
a request share the matrix. It has a row for each token that was read, 128 bytes each.
"""

from __future__ import annotations

from typing import Final

from methods.text_drafter import TextDrafter
from structgen.decoding.speculation.drafters.ngrams import grow_tree
from structgen.speculation import Draft, DraftContext, RequestFacts, VerifiedDraft

RANKS: Final = (0.6, 0.15, 0.07, 0.04, 0.03, 0.02, 0.01, 0.01)
"""How often a token's last successor of each rank is right: the orders of the shape, not a law."""


class TokenRecycling(TextDrafter):
    """Drafts a tree of the successors that each token had when the model read it last."""

    name, top = "recycling", len(RANKS)

    def begin(self, facts: RequestFacts) -> None:
        """Begin with the successors that other samples of the request have met."""
        super().begin(facts)
        self.successors: dict[int, list[int]] = facts.shared.setdefault(self.name, {})

    @property
    def nbytes(self) -> int:
        """Bytes of the matrix."""
        return 128 * len(self.successors)

    def propose(self, view: DraftContext, most: int) -> Draft:
        """Return the tree. Cost: some microseconds a node."""

        def after(context: list[int]) -> list[tuple[int, float]]:
            return list(zip(self.successors.get(context[-1], ()), RANKS, strict=False))

        return grow_tree(after, self.text[-1:], view, most, branches=len(RANKS))

    def verified(self, seen: VerifiedDraft) -> None:
        """Replace the successors of all tokens that were read."""
        read = [self.text[-1], *seen.draft.tokens.tolist()]
        for token, best in zip(read, seen.tokens.tolist(), strict=True):
            if best[0] >= 0:
                self.successors[token] = [one for one in best if one >= 0]
