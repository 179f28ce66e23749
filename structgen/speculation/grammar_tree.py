"""The texts that a grammar leaves open, where they are few: the values of an enum, one of some keys.

The tree is grown over bytes, likeliest first, and each of its texts is split as the tokenizer splits it.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import Final

import numpy as np

from structgen.compiled import CompiledGrammar, State
from structgen.errors import OptionError
from structgen.speculation.canonical import canonical_tokens
from structgen.speculation.draft import NO_DRAFT, Draft, DraftTree
from structgen.speculation.drafter import Facts, View, allowed_part, part_of
from structgen.speculation.grammar_memo import memo_of
from structgen.tokenizer import Tokenizer

_WHITE: Final = frozenset(b" \t\n\r")


class GrammarTree:
    """Drafts the texts of a grammar up to the first place where more than `widest` bytes may come.

    White space that is not owed is left out of the tree; a grammar without spaces is what models write most.
    `work` bounds the bytes that one draft steps through, so that no draft takes long: some 5 us each.
    """

    name = "grammar"
    cuts_itself = True

    def __init__(self, widest: int = 3, work: int = 96) -> None:
        if widest < 1 or work < 1:
            raise OptionError(
                f"widest={widest}, work={work}.", where="GrammarTree", cure="Give numbers from 1 on."
            )
        self._widest, self._work = widest, work
        self._tokenizer: Tokenizer | None = None
        self._kind = ("grammar", widest, work)

    def begin(self, facts: Facts) -> None:
        """Learn the tokenizer."""
        self._tokenizer = facts.tokenizer

    def propose(self, view: View, most: int) -> Draft:
        """Return the tree; none in a free text. Cost: 1 us in a state that any document of the grammar has
        met before, else a step of the grammar for each byte, and a call of the tokenizer for each of its
        texts."""
        matcher = view.matcher
        if matcher is None or self._tokenizer is None or most < 1 or view.room < 1:
            return NO_DRAFT
        memo = memo_of(matcher.compiled)
        drafts = memo.drafts(self._kind)
        draft = drafts.get((matcher.state_index, most))
        if draft is None:
            if matcher.is_finished:
                return NO_DRAFT
            whole = drafts.get(matcher.state_index)
            if whole is None:
                whole = self._grown(view, matcher.compiled, self._tokenizer)
                memo.keep_draft(self._kind, matcher.state_index, whole)
            draft = part_of(whole, np.zeros(len(whole), np.int64), most) if len(whole) > most else whole
            memo.keep_draft(self._kind, (matcher.state_index, most), draft)
        return draft if len(draft) <= view.room else allowed_part(draft, view)

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
        """Do nothing: what is remembered belongs to the compiled grammar."""
