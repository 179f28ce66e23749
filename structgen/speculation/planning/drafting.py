"""The drafters of one request, joined: what they propose together, and what becomes of it."""

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
"""Guesses that the first trust in a rank counts as."""
_LEAVES: Final = 1
"""Leaves of a tree after which drafters are asked once more."""
MOST_RANKS: Final = 32
"""Ranks of one drafter that are distinguished."""


_LATEST: Final = 0.25
"""What the latest pass counts for in the tokens that a drafter guesses right."""


class _Member:
    """One drafter of a request, how far it is trusted, and whether it pays."""

    __slots__ = ("_trusts", "behind", "cuts_itself", "drafter", "pace", "right", "trust")

    def __init__(self, drafter: Drafter) -> None:
        self.drafter, self.pace = drafter, Pace()
        self.right = 0.0
        """Tokens that it guessed right in a pass: a mean in which the latest passes count most."""
        self._trusts: dict[int, Trust] = {}
        self.trust = self.trust_now()
        """That in the drafts of the rank of the last one."""
        self.cuts_itself: bool = getattr(drafter, "cuts_itself", False) is True
        self.behind: Callable[[View, Sequence[int], int], Draft] | None
        self.behind = getattr(drafter, "propose_behind", None)

    def trust_now(self) -> Trust:
        """Return the trust in drafts of the rank that the drafter says now."""
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
    """What a drafter proposed for a pass, after a path of guesses."""

    member: _Member
    draft: Draft
    trust: Trust
    seconds: float
    """What it took to ask."""
    path: Sequence[int] = ()
    followed: int = 0
    """Tokens of the path that the text has taken since, as far as it was asked for."""
    node: int | None = -1
    """Where the text then stands in the draft; None: it went elsewhere."""
    children: list[dict[int, int]] | None = None
    """`Draft.children`, once it was asked for."""

    def follow(self, token: int) -> bool:
        """Return whether one more token of the text stands in the draft."""
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
        self._deeper = Pace()
        """Whether it pays to ask what comes after the likeliest guesses."""
        self._asked: list[_Proposal] = []
        """What was proposed for this pass, what stands after guesses last."""
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
        # who guesses most comes first: the others are paid for what they add to it
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
        """Ask the drafters what comes after the likeliest leaves of the tree."""
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
        """Return the names of the drafters that had proposed a token, after the tokens that this was asked
        about since `candidates`."""
        return list(dict.fromkeys([one.member.drafter.name for one in self._asked if one.follow(token)]))

    def _proposal(self, member: _Member, view: View, most: int, path: Sequence[int] = ()) -> Draft | None:
        """Return what a drafter proposes, after a path, cut to what may come; None where it cannot say."""
        try:
            if not path:
                draft = member.drafter.propose(view, most)
            else:
                assert member.behind is not None
                draft = member.behind(view, path, most)
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
        proposed = sum(len(one.draft) for one in self._asked)
        tokens = np.array(taken, np.int32)
        known, spent_behind, by_name = 0, 0.0, dict[str, int]()
        """Accepted tokens that proposals before this one had: nobody is paid for them again."""
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
