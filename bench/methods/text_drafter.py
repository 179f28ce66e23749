"""What the drafters here have in common: the tokens of a text, and a tree that is grown best-first."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from heapq import heappop, heappush

from structgen.speculation import Draft, DraftContext, RequestFacts
from structgen.speculation.drafts.draft import NO_DRAFT, DraftTree
from structgen.speculation.drafts.drafter import REFUSED


class TextDrafter:
    """A drafter that keeps all tokens of prompt and text; it proposes nothing yet."""

    name = "text"

    def begin(self, facts: RequestFacts) -> None:
        """Note the prompt."""
        self.facts = facts
        self.text: list[int] = list(facts.prompt)

    def propose(self, view: DraftContext, most: int) -> Draft:
        """Propose nothing."""
        return NO_DRAFT

    def observe(self, taken: Sequence[int], accepted: int) -> None:
        """Take the tokens of the text."""
        self.text += taken

    def end(self) -> None:
        """Release the text."""
        self.text = []


def grown(
    view: DraftContext, most: int, after: Callable[[tuple[int, ...]], Iterable[tuple[int, float]]]
) -> Draft:
    """Return the tree of the likeliest `most` nodes that the grammar allows. `after` returns for a path of
    guesses the tokens behind it, with the chances that each is chosen."""
    tree = DraftTree()
    waiting: list[tuple[float, int, int, int, float, int, tuple[int, ...]]] = []
    node, worth, path, state, order = -1, 1.0, tuple[int, ...](), view.start, 0
    while len(tree) < most:
        if len(path) < view.room:
            for token, chance in after(path):
                heappush(waiting, (-worth * chance, order, node, token, chance, state, path))
                order += 1
        behind = REFUSED
        while behind == REFUSED:
            if not waiting:
                return tree.draft() if len(tree) else NO_DRAFT
            negative, _, parent, token, chance, above, before = heappop(waiting)
            behind = view.after(above, token) if token >= 0 else REFUSED
        node, worth, path, state = tree.add(parent, token, chance), -negative, (*before, token), behind
    return tree.draft() if len(tree) else NO_DRAFT
