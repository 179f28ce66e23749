"""The drafters of one text, and its node in the draft that is being verified."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from structgen.core.matcher import Matcher
from structgen.engine.choice import Words, likeliest
from structgen.engine.draft_models import drafters_of
from structgen.engine.thinking import ThoughtPhase
from structgen.speculation.drafts.draft import NO_DRAFT, Draft
from structgen.speculation.drafts.drafter import RequestFacts, VerifiedDraft
from structgen.speculation.planning.drafting import Drafting
from structgen.speculation.speculation_options import Speculation
from structgen.tokens.tokenizer import Tokenizer


@dataclass(frozen=True, slots=True)
class DraftStart:
    """What makes the drafters of each text of a request."""

    how: Speculation
    facts: RequestFacts
    tokenizer: Tokenizer
    samples: int
    chain: bool
    """Whether each node has at most one child."""


class TextDrafts:
    """The drafters of one text, which receive its tokens."""

    def __init__(self, start: DraftStart) -> None:
        """Raises whatever a drafter raises. Cost: the drafters read the prompt."""
        made = drafters_of(start.how, start.tokenizer, start.samples)
        self.drafting = Drafting(made, start.facts, chain=start.chain)
        self._observed = 0
        """How many tokens of the text the drafters have received."""

    def observe(self, written: Sequence[int], guesses: Guesses | None) -> None:
        """Tell the drafters those tokens of a text that are new to them."""
        taken = written[self._observed :]
        if taken:
            self.drafting.observe(taken, 0 if guesses is None else guesses.count)
            self._observed += len(taken)

    def tell(self, place: int, guesses: Guesses | None, logits: Tensor, mask: Words | None) -> None:
        """Tell the drafters that ask for it what the pass knew: its logits from the text's row `place` on,
        under the masks of its rows (None: no mask)."""
        draft = NO_DRAFT if guesses is None else guesses.draft
        best, ids = likeliest(logits[place : place + 1 + len(draft)], mask, self.drafting.top)
        is_known = torch.isfinite(best).cpu()
        if guesses is not None:
            is_known &= torch.from_numpy(guesses.ready)[:, None]
        tokens = ids.cpu().where(is_known, -1).int().numpy()
        chances = best.cpu().exp().where(is_known, 0.0).numpy()
        self.drafting.verified(VerifiedDraft(draft, tokens, chances))


@dataclass(slots=True, eq=False)
class Guesses:
    """A text's node in its draft. The root is the last token that was decided before the pass.

    Node number n is row `first + n` of the pass's logits and of the mask rows. The root is number 0; node i
    of the draft is number i + 1.
    """

    draft: Draft
    first: int
    matcher: Matcher | None
    phase: ThoughtPhase | None
    path: list[int] = field(default_factory=lambda: [0])
    """The numbers of the nodes on the accepted path, the root first."""
    ready: npt.NDArray[np.bool_] = field(init=False)
    """For the root and each node of the draft, whether its mask is filled."""
    _children: list[dict[int, int]] = field(init=False)

    def __post_init__(self) -> None:
        self._children = self.draft.children()
        self.ready = np.zeros(1 + len(self.draft), np.bool_)
        self.ready[0] = True

    @property
    def count(self) -> int:
        """How many guesses were accepted."""
        return len(self.path) - 1

    @property
    def row(self) -> int:
        """The row of the text's node."""
        return self.first + self.path[-1]

    def holds(self, token: int) -> bool:
        """Return whether a token is guessed after the node."""
        return token in self._children[self.path[-1]]

    def follow(self, token: int, matcher: Matcher | None, phase: ThoughtPhase | None) -> bool:
        """Go to the node of a decided token. Returns False if there is no such node, if its mask could not be
        filled, or if the thoughts have ended since (the masks after them are not the grammar's)."""
        node = self._children[self.path[-1]].get(token)
        if node is None or not self.ready[node + 1] or matcher is not self.matcher or phase is not self.phase:
            return False
        self.path.append(node + 1)
        return True
