"""Drafts from texts that are known: the prompt and the answer so far, the caller's text, earlier answers.

What followed the last 16, 8, 4, 2 and 1 tokens where they stood before, the longer context first: prediction
by partial matching (Cleary and Witten 1984), as a tree. Prompt lookup (Saxena 2023), SuffixDecoding (Oliaro
et al. 2024) and, for a text that is edited, Aggressive Decoding (Sun et al. 2021) find such places too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from heapq import heappop, heappush
from typing import Final, TypeAlias

from structgen.decoding.speculation.drafts.draft import NO_DRAFT, Draft, DraftTree
from structgen.decoding.speculation.drafts.drafter import REFUSED, DraftContext, RequestFacts

START: Final = -1
"""Stands before a text, so that its first tokens have a context too."""
CONTEXTS: Final = {16: 0.92, 8: 0.87, 4: 0.82, 2: 0.73, 1: 0.63}
"""Sizes of contexts, each with the share of the guess that it takes from shorter ones: how often what
followed such a context in answers of MaskBench was right."""
MOST_TOKENS: Final = 1 << 14
"""The most tokens of a text that are known, at most 800 bytes each; of a longer one the last half is learnt
again."""
_MOST_FOLLOWERS: Final = 64
"""The most tokens that are kept after one context, the first ones: all of them are counted at each
look-up."""
MOST_UNSURE: Final = 16
SURE: Final = 0.2
"""A tree grows above `MOST_UNSURE` nodes only while the next one is at least `SURE`: what is less likely took
half of the time of drafting, and saved a hundredth of the calls."""
Followers: TypeAlias = Callable[[list[int]], list[tuple[int, float]]]
"""What may follow a context, the likeliest first, each with its chance."""


class NGrams:
    """What followed each context in some texts. One thread at a time may add to it; any may read it."""

    __slots__ = ("_followers_by_hash", "text")

    def __init__(self) -> None:
        self._followers_by_hash: dict[int, list[int]] = {}
        """For the hash of each context, the tokens that followed it. Two contexts of one hash do no harm: a
        guess may be wrong."""
        self.text: list[int] = []

    def add_tokens(self, tokens: Iterable[int]) -> None:
        """Add tokens that continue the text. Cost: 2 us a token."""
        text = self.text
        for token in tokens:
            for size in CONTEXTS:
                if size <= len(text):
                    context_hash = hash(tuple(text[-size:]))
                    followers = self._followers_by_hash.setdefault(context_hash, [])
                    if len(followers) < _MOST_FOLLOWERS:
                        followers.append(token)
            # After its contexts: a token does not follow itself.
            text.append(token)

    def followers_of(self, context: Sequence[int]) -> list[tuple[int, float]]:
        """Return the tokens that may follow a context, the likeliest first, with their chances, which add up
        to less than 1. Cost: 5 us."""
        chances: dict[int, float] = {}
        remaining_mass = 1.0
        for size, share in CONTEXTS.items():
            if size > len(context):
                continue
            followers = self._followers_by_hash.get(hash(tuple(context[-size:])))
            if followers:
                # A context takes its share of the mass, and leaves the rest to shorter ones.
                follower_mass = remaining_mass * share / len(followers)
                for token, count in Counter(followers).items():
                    chances[token] = chances.get(token, 0.0) + follower_mass * count
                remaining_mass *= 1.0 - share
        return sorted(chances.items(), key=lambda follower: -follower[1])


class KnownTexts:
    """Drafts a tree of what followed the last tokens of the answer in texts that are known.

    `make_index` returns the index of these texts at the beginning of a request; None: the texts are the
    prompt, and the answer itself as it grows.
    """

    first_trust = 0.95

    def __init__(
        self,
        name: str = "suffix",
        make_index: Callable[[RequestFacts], NGrams | None] | None = None,
    ) -> None:
        self.name = name
        self._make_index = make_index
        self._texts: NGrams | None = None
        self._answer: list[int] = []
        self._waiting: list[int] = []
        """Tokens that were not learnt yet: a text without drafts costs nothing."""

    def begin(self, facts: RequestFacts) -> None:
        """Note the texts that are known. Errors of `make_index` go through."""
        if self._make_index is None:
            self._texts = NGrams()
            self._answer = list(facts.prompt)
            self._waiting = list(facts.prompt)
        else:
            self._texts = self._make_index(facts)
            self._answer = [START]

    def propose(self, view: DraftContext, max_nodes: int) -> Draft:
        """Return the likeliest continuations that the grammar allows. Cost: 10 us a node."""
        if self._texts is None:
            return NO_DRAFT
        if self._waiting:
            waiting = self._waiting
            self._waiting = []
            if len(self._texts.text) + len(waiting) > MOST_TOKENS:
                # An index cannot forget, so a new one begins with the last half.
                all_tokens = [*self._texts.text, *waiting]
                waiting = all_tokens[-(MOST_TOKENS // 2) :]
                self._texts = NGrams()
            self._texts.add_tokens(waiting)
        context = self._answer[-max(CONTEXTS) :]
        return grow_tree(self._texts.followers_of, context, view, max_nodes)

    def observe(self, new_tokens: Sequence[int], accepted_count: int) -> None:
        """Take the tokens of the answer."""
        self._answer = [*self._answer, *new_tokens][-max(CONTEXTS) :]
        if self._make_index is None:
            self._waiting += new_tokens

    def end(self) -> None:
        """Release the texts."""
        self._texts = None
        self._waiting = []


def callers_text() -> KnownTexts:
    """Return the drafter of the caller's text, which the answer is an edited version of. Of a long text the
    first `MOST_TOKENS` are known."""

    def index_text(facts: RequestFacts) -> NGrams:
        """Return the index of the caller's text."""
        texts = NGrams()
        known_tokens = facts.tokenizer.encode(facts.text)[: MOST_TOKENS - 1]
        texts.add_tokens([START, *known_tokens])
        return texts

    return KnownTexts("text", index_text)


def grow_tree(
    followers_of: Followers,
    context: list[int],
    view: DraftContext,
    max_nodes: int,
    branches: int = 4,
) -> Draft:
    """Return the tree of the likeliest `max_nodes` continuations of a context, grown best-first; of one node
    at most `branches`. Above `MOST_UNSURE` nodes it grows as long as it is sure. `followers_of`: what may
    follow a context, for example `NGrams().followers_of`."""
    tree = DraftTree()
    # A heap of nodes to add: minus the worth, parent, rank, token, chance, state and path of the parent. The
    # rank orders equal ones, so no later member is ever compared.
    waiting: list[tuple[float, int, int, int, float, int, list[int]]] = []
    node = -1
    worth = 1.0
    path = list[int]()
    state = view.start
    while True:
        if len(path) < view.room:
            followers = followers_of([*context, *path])[:branches]
            for rank, (token, chance) in enumerate(followers):
                negative_worth = -worth * chance
                heappush(waiting, (negative_worth, node, rank, token, chance, state, path))
        next_state = REFUSED
        while next_state == REFUSED:
            is_sure = bool(waiting) and -waiting[0][0] >= SURE
            node_limit = max_nodes if is_sure else min(max_nodes, MOST_UNSURE)
            if not waiting or len(tree) >= node_limit:
                return tree.make_draft() if len(tree) else NO_DRAFT
            negative_worth, parent, _, token, chance, state, path = heappop(waiting)
            next_state = view.after(state, token)
        node = tree.add_node(parent, token, chance)
        worth = -negative_worth
        path = [*path, token]
        state = next_state
