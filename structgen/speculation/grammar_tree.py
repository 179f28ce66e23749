"""The texts that a grammar leaves open, where they are few: the values of an enum, one of some keys.

The tree is grown over bytes, likeliest first, and each of its texts is split as the tokenizer splits it.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import Final

from structgen.compiled import CompiledGrammar, State
from structgen.errors import OptionError
from structgen.speculation.canonical import canonical_tokens
from structgen.speculation.draft import NO_DRAFT, Draft, DraftTree
from structgen.speculation.drafter import Facts, View
from structgen.tokenizer import Tokenizer

MOST_KEPT: Final = 1024
_WHITE: Final = frozenset(b" \t\n\r")


class GrammarTree:
    """Drafts the texts of a grammar up to the first place where more than `widest` bytes may come.

    White space that is not owed is left out of the tree; a grammar without spaces is what models write most.
    `work` bounds the bytes that one draft steps through, so that no draft takes long: some 5 us each.
    """

    name = "grammar"

    def __init__(self, widest: int = 3, work: int = 96) -> None:
        if widest < 1 or work < 1:
            raise OptionError(
                f"widest={widest}, work={work}.", where="GrammarTree", cure="Give numbers from 1 on."
            )
        self._widest, self._work = widest, work
        self._tokenizer: Tokenizer | None = None
        self._compiled: CompiledGrammar | None = None
        self._known: dict[int, Draft] = {}

    def begin(self, facts: Facts) -> None:
        """Learn the tokenizer."""
        self._tokenizer = facts.tokenizer

    def propose(self, view: View, most: int) -> Draft:
        """Return the tree; none in a free text. Cost: 2 us a node in a state met before, else a step of the
        grammar for each byte, and a call of the tokenizer for each of its texts."""
        if view.matcher is None or self._tokenizer is None or view.matcher.is_finished or most < 1:
            return NO_DRAFT
        if self._compiled is not view.matcher.compiled or len(self._known) >= MOST_KEPT:
            self._compiled, self._known = view.matcher.compiled, {}
        draft = self._known.get(view.start)
        if draft is None:
            draft = self._known[view.start] = self._grown(view, self._compiled, self._tokenizer)
        if len(draft) <= min(most, view.room):
            return draft
        paths = [1.0]
        depths = [0]
        for parent, chance in zip(draft.parents.tolist(), draft.chances.tolist(), strict=True):
            paths.append(paths[parent + 1] * chance)
            depths.append(depths[parent + 1] + 1)
        within = [node for node in range(len(draft)) if depths[node + 1] <= view.room]
        # a child's path is no likelier than its parent's, and the sort keeps the order of equals
        return draft.part(sorted(within, key=lambda node: -paths[node + 1])[:most])

    def _grown(self, view: View, compiled: CompiledGrammar, tokenizer: Tokenizer) -> Draft:
        texts = self._texts(view.start, compiled)
        tree = DraftTree()
        shares: dict[tuple[int, int], float] = {}
        paths: list[tuple[float, list[int]]] = [
            (chance, canonical_tokens(view, tokenizer, text)) for chance, text in texts
        ]
        for chance, tokens in paths:
            node = -1
            for token in tokens:
                node = tree.add(node, token, 1.0)
                shares[tree.parents[node], token] = shares.get((tree.parents[node], token), 0.0) + chance
        sums: dict[int, float] = {}
        for (parent, _), share in shares.items():
            sums[parent] = sums.get(parent, 0.0) + share
        for node, (parent, token) in enumerate(zip(tree.parents, tree.tokens, strict=True)):
            tree.chances[node] = shares[parent, token] / sums[parent]
        return tree.shared()

    def _texts(self, start: int, compiled: CompiledGrammar) -> list[tuple[float, bytes]]:
        """Return the texts up to where the grammar is open, with their chances."""
        found: list[tuple[float, bytes]] = []
        waiting = [(-1.0, b"", start)]
        for _ in range(self._work):
            if not waiting:
                break
            chance, text, state = heapq.heappop(waiting)
            following = [byte for byte in compiled.next_bytes(State(compiled, state)) if byte not in _WHITE]
            if not following:
                following = list(compiled.next_bytes(State(compiled, state)))
            if not 1 <= len(following) <= self._widest or compiled.may_end(state):
                found.append((-chance, text))
                continue
            for byte in following:
                after = compiled.bytes_index(state, bytes((byte,)))
                heapq.heappush(waiting, (chance / len(following), text + bytes((byte,)), after))
        found += [(-chance, text) for chance, text, _ in waiting]
        return found

    def observe(self, taken: Sequence[int], accepted: int) -> None:
        """Learn nothing: the state says it all."""

    def end(self) -> None:
        """Let go of what was remembered."""
        self._compiled, self._known = None, {}
