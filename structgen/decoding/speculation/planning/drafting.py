"""The drafters of one request: their joint draft, and the account of accepted tokens."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, Final

from structgen.base.errors import LimitError
from structgen.base.system.guarded import SLOW, Guarded
from structgen.base.system.held_bytes import held_bytes
from structgen.decoding.speculation.drafts.draft import NO_DRAFT, Draft, DraftTree
from structgen.decoding.speculation.drafts.drafter import (
    REFUSED,
    DraftContext,
    Drafter,
    RequestFacts,
    VerifiedDraft,
)

REMEMBERED: Final = 32
"""About how many guesses of a drafter count, and passes of a batch; older ones have less weight, or none."""
_FIRST: Final = REMEMBERED / 8
"""The weight of the initial acceptance rate, in guesses."""
MOST_TOP: Final = 64
"""The most tokens of a node that a drafter may ask for."""
MOST_DRAFTED: Final = 1 << 12
"""The most nodes of one drafter's draft, 16 times as many as a pass may check."""
MOST_BYTES: Final = 1 << 26
"""The most bytes that a drafter may hold by its own `nbytes`, those of a request may share, and a search
keeps."""
MEASURED_EVERY: Final = 16
"""What drafters share is measured once in so many calls, and what compiled grammars hold once in so many
requests: it takes some 15 us for each object."""


class _Member:
    """One drafter of a request, and its acceptance rate: the mean of a beta distribution.

    A guess is a position that the text has reached and for which the drafter had proposed tokens. It is right
    if the model chose one of them, whether or not the planner took it.
    """

    __slots__ = ("bad", "calls", "drafter", "good", "shared", "top")

    def __init__(self, drafter: Drafter, shared: dict[str, Any]) -> None:
        """`shared`: what the drafters of a request share."""
        self.drafter, self.shared, self.calls, self.top = drafter, shared, 0, 0
        self.good = self.bad = 0.0

    def answer(self, call: str, *given: Any) -> Draft:
        """Call the drafter; return its draft, if the call is `propose`. Raises its errors, ValueError or
        TypeError for wrong answers and members, MemoryError where it holds too much."""
        try:
            draft = getattr(self.drafter, call)(*given)
        except LimitError:
            if call != "propose":
                raise
            return NO_DRAFT  # the grammar may be compiled again later
        if call == "begin":
            self.top = _top_of(self.drafter)
            likely = min(max(float(getattr(self.drafter, "first_trust", 0.75)), 0.01), 0.99)
            self.good, self.bad = _FIRST * likely, _FIRST * (1.0 - likely)
        elif call == "propose":
            if not isinstance(draft, Draft):
                raise TypeError(f"propose() gave a {type(draft).__name__}, not a Draft")
            if len(draft) > MOST_DRAFTED:
                raise ValueError(f"propose() gave {len(draft):,} nodes, of at most {MOST_DRAFTED:,}")
        if (held := getattr(self.drafter, "nbytes", 0)) > MOST_BYTES:
            raise MemoryError(f"it holds {held:,} bytes, of at most {MOST_BYTES:,}")
        self.calls += 1
        if self.calls % MEASURED_EVERY == 0 and held_bytes(self.shared, MOST_BYTES) > MOST_BYTES:
            self.shared.clear()
            raise MemoryError(f"drafters share more than {MOST_BYTES:,} bytes")
        return draft if call == "propose" else NO_DRAFT

    @property
    def trust(self) -> float:
        return self.good / (self.good + self.bad)

    def learn(self, *, is_right: bool) -> None:
        kept = min(REMEMBERED / (self.good + self.bad + 1.0), 1.0)
        self.good, self.bad = kept * (self.good + is_right), kept * (self.bad + (not is_right))


class _JointTree(DraftTree):
    """The union of the drafts for one pass, as far as the grammar allows them and there is room (RASD: trees
    are fused by prefix, Quan et al. 2025). A chance is the largest over the drafters of a node."""

    __slots__ = ("depths", "owners", "states", "view")

    def __init__(self, view: DraftContext) -> None:
        super().__init__()
        self.view = view
        self.states, self.depths = [view.start], [0]
        """Of the root, node 0, node 1, ..."""
        self.owners: list[list[_Member]] = [[]]

    def graft(self, draft: Draft, owner: _Member) -> None:
        """Add the draft of an owner."""
        places, trust = {-1: -1}, owner.trust
        rows = zip(draft.tokens.tolist(), draft.parents.tolist(), draft.chances.tolist(), strict=True)
        for i, (token, parent, chance) in enumerate(rows):
            above = places.get(parent)
            if above is None:  # its parent is refused
                continue
            if token not in self.children[above + 1]:
                after = self.view.after(self.states[above + 1], token)
                if after == REFUSED or self.depths[above + 1] >= self.view.room:
                    continue
                self.states.append(after)
                self.depths.append(self.depths[above + 1] + 1)
                self.owners.append([])
            node = places[i] = self.add(above, token, trust * chance)
            self.owners[node + 1].append(owner)

    def likeliest(self, most: int, *, chain: bool) -> Draft:
        """Return the draft of the likeliest nodes; with `chain`, of the likeliest child of each."""
        if not chain:
            worth = worths(self.parents, self.chances)
            return self.draft().part(sorted(range(len(self)), key=lambda node: -worth[node])[:most])
        nodes, node = list[int](), -1
        while below := self.children[node + 1].values():
            nodes.append(node := max(below, key=self.chances.__getitem__))
        return self.draft().part(nodes[:most])


def worths(parents: Sequence[int], chances: Sequence[float]) -> list[float]:
    """Return for each node of a tree the probability that the model reaches it, never above its parent's.
    Chances of siblings that add up to more than 1 are scaled down to 1."""
    sums, reached = [0.0] * (len(parents) + 1), list[float]()
    for parent, chance in zip(parents, chances, strict=True):
        sums[parent + 1] += chance
    for parent, chance in zip(parents, chances, strict=True):
        reached.append((1.0 if parent < 0 else reached[parent]) * chance / max(sums[parent + 1], 1.0))
    return reached


class Drafting:
    """Belongs to one request, never to a row of a batch.

    For each forward pass: `candidates`; `plan` over those of all requests; then, when the model has
    chosen, `sources` of each token, and `observe`.
    """

    def __init__(self, drafters: Sequence[Drafter], facts: RequestFacts, *, chain: bool = False) -> None:
        """Begin all drafters. A drafter that raises, here or later, is dropped; `dropped` says why. `chain`:
        `candidates` returns drafts in which each node has at most one child."""
        self._chain = chain
        self.dropped: dict[str, str] = {}
        self.saved = 0
        """How many drafted tokens were accepted."""
        self._members: dict[_Member, Guarded] = {}
        """The drafters that have not failed, and how to call each."""
        self._tree: _JointTree | None = None
        """All proposals for this pass."""
        self._reached: int | None = -1
        """The node of the last token that `sources` was asked for."""
        self._followed = 0
        """How many tokens of the text the drafters have received by `follow`."""
        for drafter in drafters:
            member = _Member(drafter, facts.shared)
            ask = self._members[member] = Guarded(member.answer, SLOW, partial(self._drop, member))
            ask("begin", facts)

    @property
    def top(self) -> int:
        """How many of the likeliest tokens of each node are asked for, in the pass that is verified now."""
        return 0 if self._tree is None else max((member.top for member in self._members), default=0)

    def candidates(self, view: DraftContext, most: int) -> Draft:
        """Return the fused proposals of all drafters, as far as the grammar allows them: the likeliest
        `most` nodes."""
        self._tree, self._reached = None, -1
        if most <= 0 or view.room <= 0:
            return NO_DRAFT
        tree = self._tree = _JointTree(view)
        for member, ask in self._members.copy().items():
            tree.graft(ask("propose", view, most), member)
        return tree.likeliest(most, chain=self._chain) if len(tree) else NO_DRAFT

    def sources(self, token: int) -> list[str]:
        """Return the names of the drafters that proposed a token. Call it for each token since `candidates`,
        in order."""
        if self._tree is None or self._reached is None:
            return []
        self._reached = self._tree.children[self._reached + 1].get(token)
        if self._reached is None:
            return []
        return list(dict.fromkeys(owner.drafter.name for owner in self._tree.owners[self._reached + 1]))

    def verified(self, seen: VerifiedDraft) -> None:
        """Tell the drafters that ask for it what the pass knew. Called before `observe`, of a pass whose
        draft came from `candidates`; `seen` has `top` columns."""
        for member, ask in self._members.copy().items():
            if member.top:
                tokens, chances = seen.tokens[:, : member.top], seen.chances[:, : member.top]
                ask("verified", VerifiedDraft(seen.draft, tokens, chances))

    def follow(self, written: Sequence[int], accepted: int) -> None:
        """Note those of all tokens of a text that are new, as `observe` does."""
        taken = written[self._followed :]
        if taken:
            self.observe(taken, accepted)
            self._followed += len(taken)

    def observe(self, taken: Sequence[int], accepted: int) -> None:
        """Note the tokens that the text has taken since `candidates`; the first `accepted` were drafted.
        Without a preceding `candidates`: tokens that were not drafted here."""
        tree, self._tree = self._tree, None
        if tree is not None:
            self.saved += accepted
            node = -1
            for token in taken:
                below = tree.children[node + 1]
                chosen = below.get(token)
                right = [] if chosen is None else tree.owners[chosen + 1]
                for member in self._members:
                    if any(member in tree.owners[child + 1] for child in below.values()):
                        member.learn(is_right=member in right)
                if chosen is None:
                    break
                node = chosen
        for ask in [*self._members.values()]:
            ask("observe", taken, accepted)

    def end(self) -> None:
        """End all drafters."""
        for ask in [*self._members.values()]:
            ask("end")
        self._members, self._tree = {}, None

    def _drop(self, member: _Member, error: Exception) -> Draft:
        """Go on without a drafter that failed."""
        self.dropped[member.drafter.name] = f"{type(error).__name__}: {error}"
        del self._members[member]
        return NO_DRAFT


def _top_of(drafter: Drafter) -> int:
    """Return how many tokens of each node a drafter asks for; 0: it has no `top`. Raises ValueError for one
    that is no such number, TypeError where there is no `verified`."""
    top: Any = getattr(drafter, "top", 0)
    if not isinstance(top, int) or not 0 <= top <= MOST_TOP:
        raise ValueError(f"top is {top!r}, not a whole number from 1 to {MOST_TOP}")
    if top and not callable(getattr(drafter, "verified", None)):
        raise TypeError(f"top is {top}, but there is no verified()")
    return top
