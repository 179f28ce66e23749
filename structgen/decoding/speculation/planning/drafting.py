"""The drafters of one request: their joint draft, and the account of accepted tokens."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, Final

from structgen.base.errors import LimitError
from structgen.base.system.guarded import SLOW, GuardedCall
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

    __slots__ = ("bad", "calls", "drafter", "good", "shared_state", "top")

    def __init__(self, drafter: Drafter, shared_state: dict[str, Any]) -> None:
        """`shared_state`: what the drafters of a request share."""
        self.drafter = drafter
        self.shared_state = shared_state
        self.calls = 0
        self.top = 0
        self.good = self.bad = 0.0

    def call_drafter(self, call: str, *arguments: Any) -> Draft:
        """Call the drafter; return its draft, if the call is `propose`. Raises its errors, ValueError or
        TypeError for wrong answers and members, MemoryError where it holds too much."""
        try:
            draft = getattr(self.drafter, call)(*arguments)
        except LimitError:
            if call != "propose":
                raise
            return NO_DRAFT  # the grammar may be compiled again later
        if call == "begin":
            self.top = _top_of(self.drafter)
            first_trust = float(getattr(self.drafter, "first_trust", 0.75))
            # Neither 0 nor 1, which no guess could change.
            likely = min(max(first_trust, 0.01), 0.99)
            self.good = _FIRST * likely
            self.bad = _FIRST * (1.0 - likely)
        elif call == "propose":
            if not isinstance(draft, Draft):
                raise TypeError(f"propose() gave a {type(draft).__name__}, not a Draft")
            if len(draft) > MOST_DRAFTED:
                raise ValueError(f"propose() gave {len(draft):,} nodes, of at most {MOST_DRAFTED:,}")
        if (byte_count := getattr(self.drafter, "nbytes", 0)) > MOST_BYTES:
            raise MemoryError(f"it holds {byte_count:,} bytes, of at most {MOST_BYTES:,}")
        self.calls += 1
        is_due = self.calls % MEASURED_EVERY == 0
        if is_due and held_bytes(self.shared_state, MOST_BYTES) > MOST_BYTES:
            # Which drafter shares too much is unknown, so whoever is met goes, and the memory is free.
            self.shared_state.clear()
            raise MemoryError(f"drafters share more than {MOST_BYTES:,} bytes")
        return draft if call == "propose" else NO_DRAFT

    @property
    def trust(self) -> float:
        """The acceptance rate of its guesses."""
        return self.good / (self.good + self.bad)

    def learn_guess(self, *, is_right: bool) -> None:
        """Count a guess. Together the guesses have at most the weight `REMEMBERED`: old ones fade."""
        decay = min(REMEMBERED / (self.good + self.bad + 1.0), 1.0)
        self.good = decay * (self.good + is_right)
        self.bad = decay * (self.bad + (not is_right))


class _JointTree(DraftTree):
    """The union of the drafts for one pass, as far as the grammar allows them and there is room (RASD: trees
    are fused by prefix, Quan et al. 2025). A chance is the largest over the drafters of a node."""

    __slots__ = ("depths", "owners", "states", "view")

    def __init__(self, view: DraftContext) -> None:
        super().__init__()
        self.view = view
        self.states = [view.start]
        self.depths = [0]
        """Of the root, node 0, node 1, ..."""
        self.owners: list[list[_Member]] = [[]]

    def graft_draft(self, draft: Draft, owner: _Member) -> None:
        """Add the draft of an owner."""
        # Of each node of the draft that is grafted, its number here.
        places = {-1: -1}
        trust = owner.trust
        tokens = draft.tokens.tolist()
        parents = draft.parents.tolist()
        chances = draft.chances.tolist()
        for i, (token, parent, chance) in enumerate(zip(tokens, parents, chances, strict=True)):
            parent_node = places.get(parent)
            if parent_node is None:  # its parent is refused
                continue
            # The lists have the root before node 0.
            row = parent_node + 1
            if token not in self.children[row]:
                after = self.view.after(self.states[row], token)
                if after == REFUSED or self.depths[row] >= self.view.room:
                    continue
                self.states.append(after)
                self.depths.append(self.depths[row] + 1)
                self.owners.append([])
            node = places[i] = self.add_node(parent_node, token, trust * chance)
            self.owners[node + 1].append(owner)

    def likeliest_part(self, max_nodes: int, *, chain: bool) -> Draft:
        """Return the draft of the likeliest nodes; with `chain`, of the likeliest child of each."""
        if not chain:
            # No node is likelier than its parent, and sorting is stable: parents come along.
            worth = reach_probabilities(self.parents, self.chances)
            by_worth = sorted(range(len(self)), key=lambda node: -worth[node])
            likeliest = by_worth[:max_nodes]
            return self.make_draft().part(likeliest)
        nodes = list[int]()
        node = -1
        while children := self.children[node + 1].values():
            node = max(children, key=self.chances.__getitem__)
            nodes.append(node)
        return self.make_draft().part(nodes[:max_nodes])


def reach_probabilities(parents: Sequence[int], chances: Sequence[float]) -> list[float]:
    """Return for each node of a tree the probability that the model reaches it, never above its parent's.
    Chances of siblings that add up to more than 1 are scaled down to 1."""
    sums = [0.0] * (len(parents) + 1)
    probabilities = list[float]()
    for parent, chance in zip(parents, chances, strict=True):
        sums[parent + 1] += chance
    # Parents come before their children, so theirs is known.
    for parent, chance in zip(parents, chances, strict=True):
        parent_probability = 1.0 if parent < 0 else probabilities[parent]
        probabilities.append(parent_probability * chance / max(sums[parent + 1], 1.0))
    return probabilities


class Drafting:
    """Belongs to one request, never to a row of a batch.

    For each forward pass: `propose_tree`; `plan` over those of all requests; then, when the model has
    chosen, `drafters_of_token` of each token, and `observe_tokens`.
    """

    def __init__(self, drafters: Sequence[Drafter], facts: RequestFacts, *, chain: bool = False) -> None:
        """Begin all drafters. A drafter that raises, here or later, is dropped; `drop_reasons` says why.
        `chain`: `propose_tree` returns drafts in which each node has at most one child."""
        self._chain = chain
        self.drop_reasons: dict[str, str] = {}
        self.saved_count = 0
        """How many drafted tokens were accepted."""
        self._members: dict[_Member, GuardedCall] = {}
        """The drafters that have not failed, and how to call each."""
        self._tree: _JointTree | None = None
        """All proposals for this pass."""
        self._source_node: int | None = -1
        """The node of the last token that `drafters_of_token` was asked for."""
        self._followed_count = 0
        """How many tokens of the text the drafters have received by `follow_text`."""
        for drafter in drafters:
            member = _Member(drafter, facts.shared)
            on_failure = partial(self._drop_member, member)
            ask = self._members[member] = GuardedCall(member.call_drafter, SLOW, on_failure)
            ask("begin", facts)

    @property
    def top(self) -> int:
        """How many of the likeliest tokens of each node are asked for, in the pass that is verified now."""
        if self._tree is None:
            return 0
        return max((member.top for member in self._members), default=0)

    def propose_tree(self, view: DraftContext, max_nodes: int) -> Draft:
        """Return the fused proposals of all drafters, as far as the grammar allows them: the likeliest
        `max_nodes` nodes."""
        self._tree = None
        self._source_node = -1
        if max_nodes <= 0 or view.room <= 0:
            return NO_DRAFT
        tree = _JointTree(view)
        self._tree = tree
        # A copy, here and below: a drafter that fails is dropped in the middle of the loop.
        for member, ask in self._members.copy().items():
            tree.graft_draft(ask("propose", view, max_nodes), member)
        return tree.likeliest_part(max_nodes, chain=self._chain) if len(tree) else NO_DRAFT

    def drafters_of_token(self, token: int) -> list[str]:
        """Return the names of the drafters that proposed a token. Call it for each token since
        `propose_tree`, in order."""
        if self._tree is None or self._source_node is None:
            return []
        self._source_node = self._tree.children[self._source_node + 1].get(token)
        if self._source_node is None:
            return []
        # Two drafters may have one name: it is said once.
        owners = self._tree.owners[self._source_node + 1]
        return list(dict.fromkeys(owner.drafter.name for owner in owners))

    def tell_verified(self, verified_draft: VerifiedDraft) -> None:
        """Tell the drafters that ask for it what the pass knew. Called before `observe_tokens`, of a pass
        whose draft came from `propose_tree`; `verified_draft` has `top` columns."""
        for member, ask in self._members.copy().items():
            if member.top:
                tokens = verified_draft.tokens[:, : member.top]
                chances = verified_draft.chances[:, : member.top]
                ask("verified", VerifiedDraft(verified_draft.draft, tokens, chances))

    def follow_text(self, all_tokens: Sequence[int], accepted_count: int) -> None:
        """Note those of all tokens of a text that are new, as `observe_tokens` does."""
        new_tokens = all_tokens[self._followed_count :]
        if new_tokens:
            self.observe_tokens(new_tokens, accepted_count)
            self._followed_count += len(new_tokens)

    def observe_tokens(self, new_tokens: Sequence[int], accepted_count: int) -> None:
        """Note the tokens that the text has taken since `propose_tree`; the first `accepted_count` were
        drafted. Without a preceding `propose_tree`: tokens that were not drafted here."""
        tree = self._tree
        self._tree = None
        if tree is not None:
            self.saved_count += accepted_count
            node = -1
            for token in new_tokens:
                children = tree.children[node + 1]
                chosen = children.get(token)
                right_members = [] if chosen is None else tree.owners[chosen + 1]
                owners = [tree.owners[child + 1] for child in children.values()]
                for member in self._members:
                    # A drafter without a proposal at this place has made no guess.
                    if any(member in child_owners for child_owners in owners):
                        member.learn_guess(is_right=member in right_members)
                if chosen is None:
                    break
                node = chosen
        for ask in [*self._members.values()]:
            ask("observe", new_tokens, accepted_count)

    def end_drafters(self) -> None:
        """End all drafters."""
        for ask in [*self._members.values()]:
            ask("end")
        self._members = {}
        self._tree = None

    def _drop_member(self, member: _Member, error: Exception) -> Draft:
        """Go on without a drafter that failed."""
        self.drop_reasons[member.drafter.name] = f"{type(error).__name__}: {error}"
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
