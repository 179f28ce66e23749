"""The drafters of one request: their joint draft, and the count of accepted tokens.

A *draft* is a tree of guessed tokens. A *node* of it is one token, with a *chance*: the probability that the
model chooses it after its parent. A *pass* is one forward pass of the model, which reads a draft. An *owner*
of a node is a drafter that proposed it. The *acceptance rate* of a drafter is the share of its guesses that
were right; it scales the chances of the drafter's nodes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from structgen.base.errors import LimitError
from structgen.base.system.held_bytes import held_bytes
from structgen.decoding.speculation.drafts.draft import NO_DRAFT, Draft, DraftTree
from structgen.decoding.speculation.drafts.drafter import (
    REFUSED,
    DraftContext,
    Drafter,
    RequestFacts,
    VerifiedDraft,
)
from structgen.decoding.speculation.guarded import SLOW, GuardedCall

REMEMBERED: Final = 32
"""About how many of the latest guesses of a drafter, and of the latest passes of a batch, count. Older ones
have less weight, or none."""
_FIRST: Final = REMEMBERED / 8
"""The weight of the initial acceptance rate, in guesses."""
MOST_TOP: Final = 64
"""The largest `top` of a drafter: how many of the likeliest tokens after a node it may ask to be told."""
MOST_DRAFTED: Final = 1 << 12
"""The most nodes of one drafter's draft, 16 times as many as a pass may check."""
MOST_BYTES: Final = 1 << 26
"""The most bytes that a drafter may hold by its own `nbytes`: 64 MiB. The same bound holds for what the
drafters of a request share, and for what a search keeps."""
MEASURED_EVERY: Final = 16
"""The number of calls after which the memory that drafters share is measured, and of requests after which
that of compiled grammars is. Measuring takes some 15 us for each object."""


@dataclass(eq=False, slots=True)
class _Member:
    """One drafter of a request, and its acceptance rate: the mean of a beta distribution.

    A guess is a position that the text has reached and for which the drafter had proposed tokens. It is right
    if the model chose one of them, whether or not the planner took it.
    """

    drafter: Drafter
    shared_state: dict[str, Any]
    """The dict that all drafters of the request share."""
    calls: int = 0
    top: int = 0
    good: float = 0.0
    bad: float = 0.0

    def call_drafter(self, call: str, *arguments: Any) -> Draft:
        """Call a method of the drafter by its name, `call`. Return its draft if this is `propose`, otherwise
        an empty draft. Raises the drafter's own errors, ValueError or TypeError for wrong results and
        members, and MemoryError if it holds too much."""
        try:
            draft = getattr(self.drafter, call)(*arguments)
        except LimitError:
            if call != "propose":
                raise
            return NO_DRAFT  # the drafter is kept: the grammar may be compiled again later
        if call == "begin":
            self.top = _top_of(self.drafter)
            first_trust = float(getattr(self.drafter, "first_trust", 0.75))
            # The rate is kept away from 0 and 1, from which no guess could move it.
            likely = min(max(first_trust, 0.01), 0.99)
            self.good = _FIRST * likely
            self.bad = _FIRST * (1.0 - likely)
        elif call == "propose":
            if not isinstance(draft, Draft):
                raise TypeError(f"propose() gave a {type(draft).__name__}, not a Draft")
            if len(draft) > MOST_DRAFTED:
                raise ValueError(f"propose() gave {len(draft):,} nodes, more than {MOST_DRAFTED:,}")
        if (byte_count := getattr(self.drafter, "nbytes", 0)) > MOST_BYTES:
            raise MemoryError(f"it holds {byte_count:,} bytes, more than {MOST_BYTES:,}")
        self.calls += 1
        is_due = self.calls % MEASURED_EVERY == 0
        if is_due and held_bytes(self.shared_state, MOST_BYTES) > MOST_BYTES:
            # It is unknown which drafter shares too much. So the one that was called is dropped, and the
            # memory is freed.
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
    """The union of the drafts for one pass: trees are joined where they begin alike (RASD, Quan et al. 2025).

    Nodes that the grammar refuses, or for which there is no room, are left out. The chance of a node is the
    largest that any of its owners gives it.
    """

    __slots__ = ("depths", "owners", "states", "view")

    def __init__(self, view: DraftContext) -> None:
        super().__init__()
        self.view = view
        self.states = [view.start]
        self.depths = [0]
        """The depths of the root, of node 0, of node 1, ..."""
        self.owners: list[list[_Member]] = [[]]

    def graft_draft(self, draft: Draft, owner: _Member) -> None:
        """Add the nodes of an owner's draft."""
        # The number in this tree of each node of the draft that was added; -1 is the root in both.
        places = {-1: -1}
        trust = owner.trust
        tokens = draft.tokens.tolist()
        parents = draft.parents.tolist()
        chances = draft.chances.tolist()
        for i, (token, parent, chance) in enumerate(zip(tokens, parents, chances, strict=True)):
            parent_node = places.get(parent)
            if parent_node is None:  # its parent was left out
                continue
            # The lists begin with the root, so node i is at i + 1.
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
        """Return the draft of the `max_nodes` likeliest nodes. With `chain`, it has only the likeliest child
        of each node."""
        if not chain:
            # No node is likelier than its parent, and sorting is stable. So the parents of all chosen nodes
            # are chosen, too.
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
    """Return for each node of a tree the probability that the model reaches it: the product of the chances on
    its path. Chances of siblings that add up to more than 1 are scaled down, so that they add up to 1.

    For example, the parents [-1, 0] and the chances [0.5, 0.5] give [0.5, 0.25].
    """
    sums = [0.0] * (len(parents) + 1)
    probabilities = list[float]()
    for parent, chance in zip(parents, chances, strict=True):
        sums[parent + 1] += chance
    # Parents come before their children, so the probability of a parent is known.
    for parent, chance in zip(parents, chances, strict=True):
        parent_probability = 1.0 if parent < 0 else probabilities[parent]
        probabilities.append(parent_probability * chance / max(sums[parent + 1], 1.0))
    return probabilities


class Drafting:
    """All drafters of one request. It follows the request, whichever row of a batch the text is in.

    Order of calls for each forward pass: `propose_tree`; `plan_drafts` over the trees of all requests; after
    the model has chosen, `drafters_of_token` for each token, and `observe_tokens`.
    """

    def __init__(self, drafters: Sequence[Drafter], facts: RequestFacts, *, chain: bool = False) -> None:
        """Begin all drafters. A drafter that raises, here or later, is dropped; `drop_reasons` has the
        reason. `facts`: what is known of the request. `chain`: whether the drafts of `propose_tree` are
        chains, in which each node has at most one child."""
        self._chain = chain
        self.drop_reasons: dict[str, str] = {}
        self.saved_count = 0
        """How many drafted tokens were accepted."""
        self._members: dict[_Member, GuardedCall] = {}
        """The drafters that have not failed, each with the guard through which it is called."""
        self._tree: _JointTree | None = None
        """The joint tree of all proposals for this pass; None before the first one."""
        self._source_node: int | None = -1
        """The node of the last token that `drafters_of_token` was called with; -1: the root; None: the text
        has left the tree."""
        self._followed_count = 0
        """How many tokens of the text the drafters have received by `follow_text`."""
        for drafter in drafters:
            member = _Member(drafter, facts.shared)
            on_failure = partial(self._drop_member, member)
            ask = self._members[member] = GuardedCall(member.call_drafter, SLOW, on_failure)
            ask("begin", facts)

    @property
    def top(self) -> int:
        """How many of the likeliest tokens after each node some drafter wants to be told of in this pass."""
        if self._tree is None:
            return 0
        return max((member.top for member in self._members), default=0)

    def propose_tree(self, view: DraftContext, max_nodes: int) -> Draft:
        """Return the joint draft of all drafters, as far as the grammar allows it: its likeliest `max_nodes`
        nodes. `view`: the state of the text."""
        self._tree = None
        self._source_node = -1
        if max_nodes <= 0 or view.room <= 0:
            return NO_DRAFT
        tree = _JointTree(view)
        self._tree = tree
        # The loops, here and below, go over a copy, because a drafter that fails is dropped in the loop.
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
        # Two drafters may have the same name, which is returned once.
        owners = self._tree.owners[self._source_node + 1]
        return list(dict.fromkeys(owner.drafter.name for owner in owners))

    def tell_verified(self, verified_draft: VerifiedDraft) -> None:
        """Tell the drafters that have a `top` what the pass computed for the draft of `propose_tree`. Call it
        before `observe_tokens`. `verified_draft` has `top` columns."""
        for member, ask in self._members.copy().items():
            if member.top:
                tokens = verified_draft.tokens[:, : member.top]
                chances = verified_draft.chances[:, : member.top]
                ask("verified", VerifiedDraft(verified_draft.draft, tokens, chances))

    def follow_text(self, all_tokens: Sequence[int], accepted_count: int) -> None:
        """Call `observe_tokens` with the tokens of a text that are new since the last call. `all_tokens`: the
        whole text so far; `accepted_count`: how many of the new ones were drafted."""
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
                    # A drafter that proposed no token at this position has made no guess.
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
        """Drop a drafter that failed, note why, and return an empty draft in place of its own."""
        self.drop_reasons[member.drafter.name] = f"{type(error).__name__}: {error}"
        del self._members[member]
        return NO_DRAFT


def _top_of(drafter: Drafter) -> int:
    """Return the `top` of a drafter: how many likeliest tokens after each node it asks for; 0 without one.
    Raises ValueError if it is not a number from 1 to MOST_TOP, and TypeError if `verified` is missing."""
    top: Any = getattr(drafter, "top", 0)
    if not isinstance(top, int) or not 0 <= top <= MOST_TOP:
        raise ValueError(f"top is {top!r}, not a whole number from 1 to {MOST_TOP}")
    if top and not callable(getattr(drafter, "verified", None)):
        raise TypeError(f"top is {top}, but verified() is missing")
    return top
