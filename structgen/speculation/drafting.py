"""The drafters of one request, joined: what they propose together, and what becomes of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Final

import numpy as np

from structgen.errors import LimitError
from structgen.speculation.draft import NO_DRAFT, Draft
from structgen.speculation.drafter import Drafter, Facts, View, allowed_part
from structgen.speculation.pace import Pace
from structgen.speculation.planner import fuse
from structgen.speculation.trust import Trust

_FIRST: Final = 4.0
"""Guesses that the first trust in a rank counts as."""
MOST_RANKS: Final = 32
"""Ranks of one drafter that are told apart."""


class _Member:
    """One drafter of a request, how far it is trusted, and what it proposed last."""

    __slots__ = ("_trusts", "cuts_itself", "drafter", "node", "pace", "proposed", "seconds", "trust")

    def __init__(self, drafter: Drafter) -> None:
        self.drafter, self.pace = drafter, Pace()
        self._trusts: dict[int, Trust] = {}
        self.trust = self._trust()
        """That in the drafts of the rank of the last one."""
        self.cuts_itself: bool = getattr(drafter, "cuts_itself", False) is True
        self.proposed: Draft | None = None
        """None: it was not asked for this pass."""
        self.node: int | None = -1
        """Where the text stands in the proposal; None: it went elsewhere."""
        self.seconds = 0.0
        """What it took to ask it."""

    def _trust(self) -> Trust:
        rank = int(getattr(self.drafter, "rank", 0)) % MOST_RANKS
        found = self._trusts.get(rank)
        if found is None:
            likely = min(max(float(getattr(self.drafter, "first_trust", 0.75)), 0.01), 0.99)
            found = self._trusts[rank] = Trust(_FIRST * likely, _FIRST * (1.0 - likely))
        return found

    def take(self, draft: Draft) -> None:
        """Take note of a draft."""
        self.proposed, self.node, self.trust = draft, -1, self._trust()


class Drafting:
    """Belongs to one request, never to a row of a batch.

    For each pass of the model: `candidates`; `planner.plan` over those of all requests; then, once the model
    has chosen, `observe`. Who knows what a pass costs says so with `priced` in between; a drafter that does
    not pay for its time is then asked more and more rarely.
    """

    def __init__(
        self,
        drafters: Sequence[Drafter],
        facts: Facts,
        clock: Callable[[], float] = perf_counter,
        *,
        chain: bool = False,
    ) -> None:
        """Begin all drafters. One that raises is dropped, here and later; `dropped` says why. `clock`
        returns seconds. `chain`: `candidates` returns drafts in which each node has one child."""
        self._chain = chain
        self.dropped: dict[str, str] = {}
        self.accepted: dict[str, int] = {}
        """Drafted tokens that the text has taken, by the drafters that had proposed them; a token that
        several had proposed counts for each."""
        self.saved = 0
        """Drafted tokens that the text has taken, each counted once."""
        self._clock = clock
        self._members: list[_Member] = []
        self._asked: list[_Member] = []
        """Those that were asked for this pass."""
        self._passes = 0
        self._token = self._row = self._rows = 0.0
        for drafter in drafters:
            try:
                drafter.begin(facts)
            except Exception as error:  # whatever a drafter raises: the text is written without it
                self._drop(drafter, error)
            else:
                self._members.append(_Member(drafter))

    @property
    def trusts(self) -> dict[str, float]:
        """How far each drafter is trusted."""
        return {member.drafter.name: member.trust.mean for member in self._members}

    def candidates(self, view: View, most: int) -> Draft:
        """Return what all drafters propose that the grammar takes, fused. Each proposes at most `most`
        nodes; one that does not pay is not asked in each pass."""
        self._asked = []
        self._token = 0.0
        if most <= 0 or view.room <= 0:
            return NO_DRAFT
        for member in self._members.copy():
            if not member.pace.is_due(self._passes):
                continue
            begun = self._clock()
            draft = self._proposal(member, view, most)
            member.seconds = self._clock() - begun
            if draft is not None:
                member.take(draft)
                self._asked.append(member)
        found = [member for member in self._asked if member.proposed]
        if not found:
            return NO_DRAFT
        drafts = [member.proposed for member in found if member.proposed is not None]
        fused = fuse(drafts, [member.trust.mean for member in found])
        return fused.likeliest_chain() if self._chain else fused

    def sources(self, token: int) -> list[str]:
        """Return the names of the drafters that had proposed a token, behind the tokens that this was asked
        about since `candidates`."""
        for member in self._asked:
            if member.node is not None and member.proposed is not None:
                member.node = member.proposed.child(member.node, token)
        return [member.drafter.name for member in self._asked if member.node is not None]

    def _proposal(self, member: _Member, view: View, most: int) -> Draft | None:
        """Return what a drafter proposes, cut to what may come; None where it cannot say."""
        try:
            draft = member.drafter.propose(view, most)
            if not isinstance(draft, Draft):
                raise TypeError(f"propose() gave a {type(draft).__name__}, not a Draft")
        except LimitError:  # the grammar is full; it may be compiled anew later
            return None
        except Exception as error:  # as above
            self._drop(member.drafter, error)
            return None
        if len(draft) > most:
            draft = draft.part(range(most))
        return draft if member.cuts_itself else allowed_part(draft, view)

    def priced(self, token: float, row: float, rows: float) -> None:
        """Say what the drafts of this pass are worth, in seconds: what a token takes without drafts, what one
        more row would take, and what the rows of this text's guesses take (0: it has none)."""
        self._token, self._row, self._rows = token, row, rows

    def observe(self, taken: Sequence[int], accepted: int) -> None:
        """Take note of the tokens that the text has taken since `candidates`, of which the first `accepted`
        were drafted. Without `candidates` before it: of tokens that were not drafted here."""
        proposed = sum(len(member.proposed or ()) for member in self._asked)
        tokens = np.array(taken, np.int32)
        known = 0
        """Accepted tokens that a drafter before this one had proposed: it is not paid for them again."""
        for member in self._asked:
            draft = member.proposed
            assert draft is not None
            right = member.trust.learn(draft, tokens)
            used = min(right, accepted)
            name = member.drafter.name
            self.accepted[name] = self.accepted.get(name, 0) + used
            if self._token > 0.0:
                spent = member.seconds + (self._rows * len(draft) / proposed if proposed else 0.0)
                member.pace.asked(float(max(used - known, 0)), spent / self._token, self._passes)
                if right > used and right * (self._token - self._row) > member.seconds:
                    member.pace.hope()
            known = max(known, used)
        if self._asked:
            self.saved += accepted
        self._asked = []
        self._passes += 1
        for member in self._members.copy():
            try:
                member.drafter.observe(taken, accepted)
            except Exception as error:  # as above
                self._drop(member.drafter, error)

    def end(self) -> None:
        """End all drafters."""
        for member in self._members.copy():
            try:
                member.drafter.end()
            except Exception as error:  # as above
                self._drop(member.drafter, error)
        self._members, self._asked = [], []

    def _drop(self, drafter: Drafter, error: Exception) -> None:
        self.dropped[drafter.name] = f"{type(error).__name__}: {error}"
        self._members = [member for member in self._members if member.drafter is not drafter]
