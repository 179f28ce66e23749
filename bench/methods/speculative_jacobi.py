"""Speculative Jacobi decoding (Teng et al. 2024, "Accelerating Auto-regressive Text-to-Image Generation with
Training-free Speculative Jacobi Decoding", arXiv:2410.01699; Jacobi decoding of texts: Santilli et al. 2023,
arXiv:2305.10427).

Definition: the draft is a window of the next W tokens. A pass reads it; what the model found likeliest behind
each of its tokens, the refused ones too, are the guesses of the next window, moved on by what was accepted;
new places at its end begin at random. So guesses far ahead settle while nearer ones are accepted.

What differs here: everything below a refused token was read behind a wrong text, so its best token may be
refused by the grammar now: each place takes the first of its 8 best that the grammar allows. New places
repeat the token that stands W places earlier in the text, in place of a random one. The verifier is the
engine's, which chooses and then compares; the paper's accepts by a ratio of probabilities.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from methods.text_drafter import TextDrafter
from structgen.decoding.speculation.drafts.drafter import REFUSED
from structgen.speculation import Draft, DraftContext, RequestFacts, VerifiedDraft

WINDOW: Final = 16


class SpeculativeJacobi(TextDrafter):
    """Drafts the last pass's guesses at the positions that were not accepted."""

    name, top, first_trust = "jacobi", 8, 0.5

    def begin(self, facts: RequestFacts) -> None:
        """Begin with an empty window."""
        super().begin(facts)
        self.window: list[list[int]] = []
        """For each of the next positions the tokens to try, the likeliest first."""
        self.chain: list[int] = []

    def propose(self, view: DraftContext, most: int) -> Draft:
        """Return the window as a chain that the grammar allows. Cost: some microseconds a position."""
        chain, state = list[int](), view.start
        for at in range(min(WINDOW, most, view.room)):
            before = [*self.text, *chain]
            tried = self.window[at] if at < len(self.window) else before[-WINDOW:][:1]
            behind = ((token, view.after(state, token)) for token in tried)
            token, state = next((one for one in behind if one[1] != REFUSED), (REFUSED, REFUSED))
            if state == REFUSED:
                break
            chain.append(token)
        self.chain = chain
        return Draft.chain(chain, chance=0.8)

    def verified(self, seen: VerifiedDraft) -> None:
        """Note what the model found likeliest at each position of the window."""
        node, rows = -1, [0]
        children = seen.draft.children()
        for token in self.chain:  # other drafters' nodes may stand beside it, and the planner may have cut it
            node = children[node + 1].get(token, -2)
            if node == -2:
                break
            rows.append(node + 1)
        self.window = [[token for token in seen.tokens[row].tolist() if token >= 0] for row in rows]

    def observe(self, taken: Sequence[int], accepted: int) -> None:
        """Move the window on."""
        super().observe(taken, accepted)
        self.window = self.window[len(taken) :]
