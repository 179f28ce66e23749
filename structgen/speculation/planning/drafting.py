"""The drafters of one request: their joint draft, and the account of accepted tokens."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Final

import numpy as np

from structgen.errors import LimitError
from structgen.speculation.drafts.draft import NO_DRAFT, Draft
from structgen.speculation.drafts.drafter import Drafter, Facts, View, allowed_part
from structgen.speculation.drafts.planner import fuse
from structgen.speculation.planning.pace import Pace
from structgen.speculation.planning.trust import Trust

_FIRST: Final = 4.0
"""The weight of the initial trust in a rank, in guesses."""
_LEAVES: Final = 1
"""How many leaves of a tree are extended by asking the drafters again."""
MOST_RANKS: Final = 32
"""The most ranks of one drafter that are distinguished."""


_LATEST: Final = 0.25
"""The weight of the latest pass in the mean of accepted tokens."""


class _Member:
    """One drafter of a request: its acceptance rate, and whether it saves time."""

    __slots__ = ("_trusts", "behind", "cuts_itself", "drafter", "pace", "right", "trust")

    def __init__(self, drafter: Drafter) -> None:
        self.drafter, self.pace = drafter, Pace()
        self.right = 0.0
        """Accepted tokens in a pass: an exponential moving average."""
        self._trusts: dict[int, Trust] = {}
        self.trust = self.trust_now()
        """The trust in drafts of the last draft's rank."""
        self.cuts_itself: bool = getattr(drafter, "cuts_itself", False) is True
        self.behind: Callable[[View, Sequence[int], int], Draft] | None
        self.behind = getattr(drafter, "propose_behind", None)

    def trust_now(self) -> Trust:
        """Return the trust in drafts of the drafter's present rank."""
        rank = int(getattr(self.drafter, "rank", 0)) % MOST_RANKS
        found = self._trusts.get(rank)
        if found is None:
            likely = min(max(float(getattr(self.drafter, "first_trust", 0.75)), 0.01), 0.99)
            found = self._trusts[rank] = Trust(_FIRST * likely, _FIRST * (1.0 - likely))
        self.trust = found
        return found


def _by_right(member: _Member) -> float:
    return -member.right


@dataclass(slots=True)
class _Proposal:
    """A drafter's draft for a pass, after a path of guesses."""

    member: _Member
    draft: Draft
    trust: Trust
    seconds: float
    """The time of the call."""
    path: Sequence[int] = ()
    followed: int = 0
    """How many tokens of `path` were compared with the text so far."""
    node: int | None = -1
    """The draft's node that the text has reached; None: the text left the draft."""
    children: list[dict[int, int]] | None = None
    """`Draft.children`, once it was needed."""

    def follow(self, token: int) -> bool:
        """Return whether one more token of the text is in the draft."""
        if self.node is None:
            return False
        if self.followed < len(self.path):
            self.node = -1 if self.path[self.followed] == token else None
            self.followed += 1
            return False
        if self.children is None:
            self.children = self.draft.children()
        self.node = self.children[self.node + 1].get(token)
        return self.node is not None


class Drafting:
    """Belongs to one request, never to a row of a batch.

    For each forward pass: `candidates`; `planner.plan` over those of all requests; then, when the model has
    chosen, `observe`. `priced`, in between, tells the cost of a pass; a drafter that does not save time is
    then asked more and more rarely.
    """

    def __init__(
        self,
        drafters: Sequence[Drafter],
        facts: Facts,
        clock: Callable[[], float] = perf_counter,
        *,
        chain: bool = False,
    ) -> None:
        """Begin all drafters. A drafter that raises, here or later, is dropped; `dropped` says why. `clock`
        returns seconds. `chain`: `candidates` returns drafts in which each node has at most one child."""
        self._chain = chain
        self.dropped: dict[str, str] = {}
        self.accepted: dict[str, int] = {}
        """Accepted tokens by drafter; a token that several had proposed counts for each."""
        self.saved = 0
        """Accepted tokens, each counted once."""
        self._clock = clock
        self._members: list[_Member] = []
        self._deeper = Pace()
        """Whether extending the likeliest leaves saves time."""
        self._asked: list[_Proposal] = []
        """The proposals for this pass; those after guesses come last."""
        self._passes = 0
        self._token = self._row = self._rows = 0.0
        for drafter in drafters:
            try:
                drafter.begin(facts)
            except Exception as error:  # any error of a drafter: the text is written without it
                self._drop(drafter, error)
            else:
                self._members.append(_Member(drafter))

    @property
    def trusts(self) -> dict[str, float]:
        """The trust in each drafter."""
        return {member.drafter.name: member.trust.mean for member in self._members}

    def candidates(self, view: View, most: int) -> Draft:
        """Return the fused proposals of all drafters, as far as the grammar allows them. Each proposes at
        most `most` nodes; a drafter that does not save time is not asked in every pass."""
        self._asked = []
        self._token = 0.0
        if most <= 0 or view.room <= 0:
            return NO_DRAFT
        # the drafter with the most accepted tokens first: others are credited only for additional ones
        for member in sorted(self._members, key=_by_right):
            if not member.pace.is_due(self._passes):
                continue
            begun = self._clock()
            draft = self._proposal(member, view, most)
            if draft is not None:
                trust = member.trust_now()
                self._asked.append(_Proposal(member, draft, trust, self._clock() - begun))
        fused = self._fused()
        if len(fused) and most > 1 and self._deeper.is_due(self._passes):
            self._ask_behind(fused, view, most)
            if self._asked[-1].path:
                fused = self._fused()
        return fused.likeliest_chain() if self._chain else fused

    def _fused(self) -> Draft:
        found = [one for one in self._asked if len(one.draft)]
        if not found:
            return NO_DRAFT
        drafts = [one.draft.behind(one.path) if one.path else one.draft for one in found]
        return fuse(drafts, [one.trust.mean for one in found])

    def _ask_behind(self, fused: Draft, view: View, most: int) -> None:
        """Ask the drafters to extend the likeliest leaves of the tree."""
        able = [one.member for one in self._asked if one.member.behind is not None]
        if not able:
            return
        for leaf in fused.leaves(_LEAVES):
            path = fused.path(leaf)
            there = view.behind(path)
            if there is None:
                continue
            for member in able:
                begun = self._clock()
                draft = self._proposal(member, there, most, path)
                if draft is not None and len(draft):
                    trust = member.trust_now()
                    self._asked.append(_Proposal(member, draft, trust, self._clock() - begun, path))

    def sources(self, token: int) -> list[str]:
        """Return the names of the drafters that proposed a token. Call it for each token since `candidates`,
        in order."""
        return list(dict.fromkeys([one.member.drafter.name for one in self._asked if one.follow(token)]))

    def _proposal(self, member: _Member, view: View, most: int, path: Sequence[int] = ()) -> Draft | None:
        """Return a drafter's proposal after a path, cut to what the grammar allows; None if it has none."""
        try:
            if not path:
                draft = member.drafter.propose(view, most)
            else:
                assert member.behind is not None
                draft = member.behind(view, path, most)
            if not isinstance(draft, Draft):
                raise TypeError(f"propose() gave a {type(draft).__name__}, not a Draft")
        except LimitError:  # a limit of the grammar is reached; it may be compiled again later
            return None
        except Exception as error:  # as above
            self._drop(member.drafter, error)
            return None
        if len(draft) > most:
            draft = draft.part(range(most))
        return draft if member.cuts_itself else allowed_part(draft, view)

    def priced(self, token: float, row: float, rows: float) -> None:
        """Set the value of this pass's drafts in seconds: the time of a token without drafts, the time of one
        more row, and the time of the rows of this text's guesses (0: it has none)."""
        self._token, self._row, self._rows = token, row, rows

    def observe(self, taken: Sequence[int], accepted: int) -> None:
        """Note the tokens that the text has taken since `candidates`; the first `accepted` were drafted.
        Without a preceding `candidates`: tokens that were not drafted here."""
        proposed = sum(len(one.draft) for one in self._asked)
        tokens = np.array(taken, np.int32)
        known, spent_behind, by_name = 0, 0.0, dict[str, int]()
        """Accepted tokens of earlier proposals: they are not credited again."""
        first = 0
        for one in self._asked:
            size = len(one.path)
            if tuple(taken[:size]) == tuple(one.path):
                right = size + one.trust.learn(one.draft, tokens[size:])
            else:
                right = 0
            if not size:
                one.member.right += _LATEST * (right - one.member.right)
            used = min(right, accepted)
            name = one.member.drafter.name
            by_name[name] = by_name.get(name, 0) + max(used - size, 0)
            if self._token > 0.0:
                spent = one.seconds + (self._rows * len(one.draft) / proposed if proposed else 0.0)
                spent /= self._token
                if one.path:
                    spent_behind += spent
                else:
                    one.member.pace.asked(float(max(used - known, 0)), spent, self._passes)
                    if right > used and right * (self._token - self._row) > one.seconds:
                        one.member.pace.hope()
            known = max(known, used)
            if not one.path:
                first = known
        if self._token > 0.0 and self._asked and self._asked[-1].path:
            self._deeper.asked(float(known - first), spent_behind, self._passes)
        for name, count in by_name.items():
            self.accepted[name] = self.accepted.get(name, 0) + count
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
