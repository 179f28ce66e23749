"""The drafters of one request, joined: what they propose together, and what becomes of it."""

from __future__ import annotations

from collections.abc import Sequence

from structgen.errors import LimitError
from structgen.speculation.draft import NO_DRAFT, Draft
from structgen.speculation.drafter import Drafter, Facts, View, allowed_part
from structgen.speculation.planner import fuse
from structgen.speculation.trust import Trust


class Drafting:
    """Belongs to one request, never to a row of a batch.

    For each pass of the model: `candidates`; `planner.plan` over those of all requests; then, once the model
    has chosen, `observe`.
    """

    def __init__(self, drafters: Sequence[Drafter], facts: Facts, *, chain: bool = False) -> None:
        """Begin all drafters. One that raises is dropped, here and later; `dropped` says why. `chain`: only
        drafts in which each node has one child are wanted."""
        self._chain = chain
        self._at: list[int | None] = []
        """For each proposed draft the node that the text stands at; None: it went elsewhere."""
        self.dropped: dict[str, str] = {}
        self.accepted: dict[str, int] = {}
        """Drafted tokens that the text has taken, by the drafters that had proposed them; a token that
        several had proposed counts for each."""
        self._drafters: list[tuple[Drafter, Trust]] = []
        self._proposed: list[tuple[Drafter, Trust, Draft]] = []
        for drafter in drafters:
            try:
                drafter.begin(facts)
            except Exception as error:  # whatever a drafter raises: the text is written without it
                self._drop(drafter, error)
            else:
                self._drafters.append((drafter, Trust()))

    @property
    def trusts(self) -> dict[str, float]:
        """How far each drafter is trusted."""
        return {drafter.name: trust.mean for drafter, trust in self._drafters}

    def candidates(self, view: View, most: int) -> Draft:
        """Return what all drafters propose that the grammar takes, fused. Each proposes at most `most`
        nodes."""
        self._proposed, self._at = [], []
        if most > 0 and view.room > 0:
            for drafter, trust in list(self._drafters):
                try:
                    draft = drafter.propose(view, most)
                    if not isinstance(draft, Draft):
                        raise TypeError(f"propose() gave a {type(draft).__name__}, not a Draft")
                except LimitError:  # the grammar is full; it may be compiled anew later
                    continue
                except Exception as error:  # the same
                    self._drop(drafter, error)
                    continue
                if len(draft) > most:
                    draft = draft.part(range(most))
                self._proposed.append((drafter, trust, allowed_part(draft, view)))
        if not self._proposed:
            return NO_DRAFT
        drafts = [draft for _, _, draft in self._proposed]
        self._at = [-1] * len(drafts)
        fused = fuse(drafts, [trust.mean for _, trust, _ in self._proposed])
        return fused.likeliest_chain() if self._chain else fused

    def sources(self, token: int) -> list[str]:
        """Return the drafters that had proposed a token behind those that this was asked about since
        `candidates`."""
        names = []
        for place, (drafter, _, draft) in enumerate(self._proposed):
            at = self._at[place]
            node = None if at is None else draft.child(at, token)
            self._at[place] = node
            if node is not None:
                names.append(drafter.name)
        return names

    def observe(self, taken: Sequence[int], accepted: int) -> None:
        """Take note of the tokens that the text has taken since `candidates`, of which the first `accepted`
        were drafted."""
        for drafter, trust, draft in self._proposed:
            trust.learn(draft, taken)
            right = draft.accepted(taken[:accepted])
            self.accepted[drafter.name] = self.accepted.get(drafter.name, 0) + right
        self._proposed = []
        for drafter, _ in list(self._drafters):
            try:
                drafter.observe(taken, accepted)
            except Exception as error:  # the same
                self._drop(drafter, error)

    def end(self) -> None:
        """End all drafters."""
        for drafter, _ in list(self._drafters):
            try:
                drafter.end()
            except Exception as error:  # the same
                self._drop(drafter, error)
        self._drafters, self._proposed = [], []

    def _drop(self, drafter: Drafter, error: Exception) -> None:
        self.dropped[drafter.name] = f"{type(error).__name__}: {error}"
        self._drafters = [(one, trust) for one, trust in self._drafters if one is not drafter]
