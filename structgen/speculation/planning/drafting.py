"""The drafters of one request: their joint draft, and the account of accepted tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from structgen.errors import LimitError
from structgen.speculation.drafts.draft import NO_DRAFT, Draft, DraftTree
from structgen.speculation.drafts.drafter import REFUSED, DraftContext, Drafter, RequestFacts

_FIRST: Final = 4.0
"""The weight of the initial acceptance rate, in guesses."""
_REMEMBERED: Final = 32.0
"""About how many guesses count; older ones have less weight."""
_SUREST: Final = 0.999
"""The highest chance of a guess."""


class _Member:
    """One drafter of a request, and its acceptance rate: the mean of a beta distribution.

    A guess is a position that the text has reached and for which the drafter had proposed tokens. It is right
    if the model chose one of them, whether or not the planner took it.
    """

    __slots__ = ("bad", "drafter", "good")

    def __init__(self, drafter: Drafter) -> None:
        self.drafter = drafter
        likely = min(max(float(getattr(drafter, "first_trust", 0.75)), 0.01), 0.99)
        self.good, self.bad = _FIRST * likely, _FIRST * (1.0 - likely)

    @property
    def trust(self) -> float:
        return self.good / (self.good + self.bad)

    def learn(self, *, is_right: bool) -> None:
        kept = min(_REMEMBERED / (self.good + self.bad + 1.0), 1.0)
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
            node = places[i] = self.add(above, token, min(trust * chance, _SUREST))
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
    sums, found = [0.0] * (len(parents) + 1), list[float]()
    for parent, chance in zip(parents, chances, strict=True):
        sums[parent + 1] += chance
    for parent, chance in zip(parents, chances, strict=True):
        found.append((1.0 if parent < 0 else found[parent]) * chance / max(sums[parent + 1], 1.0))
    return found


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
        self.accepted: dict[str, int] = {one.name: 0 for one in drafters}
        """Accepted tokens by drafter; a token that several had proposed counts for each."""
        self.saved = 0
        """Accepted tokens, each counted once."""
        self._members: list[_Member] = []
        self._tree: _JointTree | None = None
        """All proposals for this pass."""
        self._reached: int | None = -1
        """The node of the last token that `sources` was asked for."""
        for drafter in drafters:
            try:
                drafter.begin(facts)
            except Exception as error:  # any error of a drafter: the text is written without it
                self._drop(drafter, error)
            else:
                self._members.append(_Member(drafter))

    @property
    def trusts(self) -> dict[str, float]:
        """The acceptance rate of each drafter."""
        return {member.drafter.name: member.trust for member in self._members}

    def candidates(self, view: DraftContext, most: int) -> Draft:
        """Return the fused proposals of all drafters, as far as the grammar allows them: the likeliest
        `most` nodes."""
        self._tree, self._reached = None, -1
        if most <= 0 or view.room <= 0:
            return NO_DRAFT
        tree = self._tree = _JointTree(view)
        for member in self._members.copy():
            try:
                draft = member.drafter.propose(view, most)
                if not isinstance(draft, Draft):
                    raise TypeError(f"propose() gave a {type(draft).__name__}, not a Draft")
            except LimitError:  # a limit of the grammar is reached; it may be compiled again later
                continue
            except Exception as error:  # as above
                self._drop(member.drafter, error)
                continue
            tree.graft(draft, member)
        return tree.likeliest(most, chain=self._chain) if len(tree) else NO_DRAFT

    def sources(self, token: int) -> list[str]:
        """Return the names of the drafters that proposed a token. Call it for each token since `candidates`,
        in order."""
        if self._tree is None or self._reached is None:
            return []
        self._reached = self._tree.children[self._reached + 1].get(token)
        if self._reached is None:
            return []
        return list(dict.fromkeys(one.drafter.name for one in self._tree.owners[self._reached + 1]))

    def observe(self, taken: Sequence[int], accepted: int) -> None:
        """Note the tokens that the text has taken since `candidates`; the first `accepted` were drafted.
        Without a preceding `candidates`: tokens that were not drafted here."""
        tree, self._tree = self._tree, None
        if tree is not None:
            self.saved += accepted
            node = -1
            for at, token in enumerate(taken):
                below = tree.children[node + 1]
                chosen = below.get(token)
                right = [] if chosen is None else tree.owners[chosen + 1]
                for member in self._members:
                    if any(member in tree.owners[one + 1] for one in below.values()):
                        member.learn(is_right=member in right)
                        self.accepted[member.drafter.name] += member in right and at < accepted
                if chosen is None:
                    break
                node = chosen
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
        self._members, self._tree = [], None

    def _drop(self, drafter: Drafter, error: Exception) -> None:
        self.dropped[drafter.name] = f"{type(error).__name__}: {error}"
        self._members = [one for one in self._members if one.drafter is not drafter]
