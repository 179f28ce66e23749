"""Drafts from texts that are known: the prompt and the answer so far, the caller's text, earlier answers.

A *context* is the last 16, 8, 4, 2 or 1 tokens of a text. The *followers* of a context are the tokens that
came after it wherever it occurred. A draft is a tree of followers, and the followers of longer contexts count
more. After `a b c a b` the context `a b` has the follower `c`.

The method is prediction by partial matching (Cleary and Witten 1984), as a tree. Prompt lookup (Saxena 2023),
SuffixDecoding (Oliaro et al. 2024) and, for a text that is edited, Aggressive Decoding (Sun et al. 2021) find
such places too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from heapq import heappop, heappush
from typing import Final, TypeAlias

from structgen.decoding.speculation.drafts.draft import NO_DRAFT, Draft, DraftTree
from structgen.decoding.speculation.drafts.drafter import REFUSED, DraftContext, RequestFacts

START: Final = -1
"""The pseudo-token before a text, so that the first tokens of the text have a context, too."""
CONTEXTS: Final = {16: 0.92, 8: 0.87, 4: 0.82, 2: 0.73, 1: 0.63}
"""The sizes of contexts. Each has the share of the remaining probability that its followers get; shorter
contexts get the rest. It is how often such a follower was right in answers of MaskBench."""
MOST_TOKENS: Final = 1 << 14
"""The most tokens that an index holds, at most 800 bytes each. When a text is longer, a new index begins with
its last half."""
_MOST_FOLLOWERS: Final = 64
"""The most followers that are kept for one context, the first ones, because each look-up counts all of
them."""
MOST_UNSURE: Final = 16
SURE: Final = 0.2
"""A tree of `MOST_UNSURE` nodes grows only while the next node is reached with at least this probability.
Less likely nodes took half of the time of drafting, and saved a hundredth of the model's passes."""
Followers: TypeAlias = Callable[[list[int]], list[tuple[int, float]]]
"""A function from a context to the tokens that may follow it, the likeliest first, each with its chance."""


class NGrams:
    """An index of texts: which tokens followed each context. One thread at a time may add to it, and any
    thread may read it."""

    __slots__ = ("_followers_by_hash", "text")

    def __init__(self) -> None:
        self._followers_by_hash: dict[int, list[int]] = {}
        """The followers of each context, by the context's hash. Two contexts with the same hash do no harm,
        because a guess may be wrong."""
        self.text: list[int] = []

    def add_tokens(self, tokens: Iterable[int]) -> None:
        """Add tokens at the end of the text. Cost: 2 us a token."""
        text = self.text
        for token in tokens:
            for size in CONTEXTS:
                if size <= len(text):
                    context_hash = hash(tuple(text[-size:]))
                    followers = self._followers_by_hash.setdefault(context_hash, [])
                    if len(followers) < _MOST_FOLLOWERS:
                        followers.append(token)
            # The token is appended after the contexts were read, so that none of them contains it.
            text.append(token)

    def followers_of(self, context: Sequence[int]) -> list[tuple[int, float]]:
        """Return the tokens that may follow a text, the likeliest first, each with its chance. The chances
        add up to less than 1. `context`: the last tokens of the text. Cost: 5 us."""
        chances: dict[int, float] = {}
        remaining_mass = 1.0
        for size, share in CONTEXTS.items():
            if size > len(context):
                continue
            followers = self._followers_by_hash.get(hash(tuple(context[-size:])))
            if followers:
                # A context takes its share of the probability, and leaves the rest to shorter contexts.
                follower_mass = remaining_mass * share / len(followers)
                for token, count in Counter(followers).items():
                    chances[token] = chances.get(token, 0.0) + follower_mass * count
                remaining_mass *= 1.0 - share
        return sorted(chances.items(), key=lambda follower: -follower[1])


class KnownTexts:
    """Drafts from texts that are known: a tree of what followed the last tokens of the answer there.

    `name`: the drafter's name in usage and traces. `make_index`: returns the index of the texts at the
    beginning of a request. None: the texts are the prompt, and the answer itself as it grows.
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
        """The tokens that the index does not have yet. They are added at the next draft, so a text without
        drafts costs nothing."""

    def begin(self, facts: RequestFacts) -> None:
        """Read or make the index of the known texts. Errors of `make_index` are raised."""
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
                # An index cannot forget, so a new one begins with the last half of the text.
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
    """Return a drafter that follows the caller's text, for an answer that is an edited version of it. If the
    text is long, only its first `MOST_TOKENS` are known."""

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
    """Return the tree of the likeliest continuations of a context, grown best-first.

    `followers_of`: returns what may follow a context, for example `NGrams().followers_of`. `context`: the
    last tokens of the text. `view`: the state of the text, whose grammar refuses some nodes. `max_nodes`: the
    most nodes of the tree. `branches`: the most children of a node. Above `MOST_UNSURE` nodes the tree grows
    only while it is sure (`SURE`).
    """
    tree = DraftTree()
    # A heap of nodes that may be added. Each has minus its worth (the probability of reaching it), its
    # parent, its rank among the children, its token and chance, and the state and the path of the parent. The
    # rank decides between equal ones, so no later element is ever compared.
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
