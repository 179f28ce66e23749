"""Drafts of all continuations that a grammar allows, if they are few: the values of an enum, one of some
keys.

The tree is grown over bytes, best-first; each of its texts is split as the tokenizer splits it.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence

import numpy as np

from structgen.core.compiled import CompiledGrammar
from structgen.core.matcher import Matcher
from structgen.errors import OptionError
from structgen.speculation.drafters.canonical_tokens import canonical_tokens
from structgen.speculation.drafters.json_layout import START, WHITE, JsonLayout, moved
from structgen.speculation.drafts.draft import NO_DRAFT, Draft, DraftTree
from structgen.speculation.drafts.drafter import Facts, View, allowed_part, part_of
from structgen.speculation.drafts.grammar_memo import GrammarMemo, memo_of
from structgen.tokens.tokenizer import Tokenizer


class GrammarTree:
    """Drafts the continuations up to the first position at which more than `widest` bytes are allowed.

    Optional white space follows the text's layout so far (JSON), or is left out. `work` bounds the bytes that
    one draft steps through, about 5 us each.
    """

    name = "grammar"
    cuts_itself = True
    first_trust = 0.8

    def __init__(self, widest: int = 3, work: int = 96) -> None:
        if widest < 1 or work < 1:
            raise OptionError(
                f"widest={widest}, work={work}.", where="GrammarTree", cure="Give numbers from 1 on."
            )
        self._widest, self._work = widest, work
        self._tokenizer: Tokenizer | None = None
        self._kind = ("grammar", widest, work)
        self._layout, self._read = JsonLayout(), 0
        """The layout of the text, and how many of its tokens were read for it."""

    def begin(self, facts: Facts) -> None:
        """Store the tokenizer."""
        self._tokenizer = facts.tokenizer
        self._layout, self._read = JsonLayout(), 0

    def propose(self, view: View, most: int) -> Draft:
        """Return the tree; empty for a free text. Cost: 1 us in a state that any document of the grammar has
        met before; else a step of the grammar for each byte, and a call of the tokenizer for each text."""
        matcher = view.matcher
        if matcher is None or self._tokenizer is None or most < 1 or view.room < 1:
            return NO_DRAFT
        memo = memo_of(matcher.compiled)
        layout = self._laid_out(view, matcher.compiled) if memo.has_open_space else None
        return self._drafted(view, matcher, self._tokenizer, layout, most)

    def propose_behind(self, view: View, path: Sequence[int], most: int) -> Draft:
        """Return the tree after a path."""
        matcher, tokenizer = view.matcher, self._tokenizer
        if matcher is None or tokenizer is None or most < 1:
            return NO_DRAFT
        layout = None
        if memo_of(matcher.compiled).has_open_space and matcher.compiled.has_events:
            layout = self._layout.copy()
            for token in path:
                layout.read(tokenizer.token_bytes[token] or b"")
        return self._drafted(view, matcher, tokenizer, layout, most)

    def _drafted(
        self, view: View, matcher: Matcher, tokenizer: Tokenizer, layout: JsonLayout | None, most: int
    ) -> Draft:
        compiled, state = matcher.compiled, view.start
        memo = memo_of(compiled)
        key: object = (state, None if layout is None else layout.key)
        drafts = memo.drafts(self._kind)
        draft = drafts.get((key, most))
        if draft is None:
            if matcher.is_finished:
                return NO_DRAFT
            whole = drafts.get(key)
            if whole is None:
                whole = self._grown(view, compiled, tokenizer, layout)
                memo.keep_draft(self._kind, key, whole)
            draft = part_of(whole, np.zeros(len(whole), np.int64), most) if len(whole) > most else whole
            memo.keep_draft(self._kind, (key, most), draft)
        return draft if len(draft) <= view.room else allowed_part(draft, view)

    def _laid_out(self, view: View, compiled: CompiledGrammar) -> JsonLayout | None:
        """Return the layout of the text so far; None if the texts are not JSON."""
        if not compiled.has_events or self._tokenizer is None:
            return None
        if self._read > len(view.tokens):
            self._layout, self._read = JsonLayout(), 0
        known = self._tokenizer.token_bytes
        for token in view.tokens[self._read :]:
            self._layout.read(known[token] or b"")
        self._read = len(view.tokens)
        return self._layout

    def _grown(
        self, view: View, compiled: CompiledGrammar, tokenizer: Tokenizer, layout: JsonLayout | None
    ) -> Draft:
        texts = self._texts(view.start, compiled, layout)
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

    def _texts(
        self, start: int, compiled: CompiledGrammar, layout: JsonLayout | None
    ) -> list[tuple[float, bytes]]:
        """Return the continuations up to the first open position, with their chances."""
        memo, most = memo_of(compiled), self._widest + len(WHITE)
        found: list[tuple[float, bytes]] = []
        waiting = [(-1.0, b"", start, START if layout is None else layout.place)]
        for _ in range(self._work):
            if not waiting:
                break
            chance, text, state, place = heapq.heappop(waiting)
            allowed = memo.next_bytes(compiled, state)
            following = [byte for byte in allowed if byte not in WHITE] if len(allowed) <= most else []
            is_open = 0 < len(following) < len(allowed)
            if not following:
                following = list(allowed)
            if not 1 <= len(following) <= self._widest or memo.may_end(compiled, state):
                found.append((-chance, text))
                continue
            memo.has_open_space |= is_open
            for byte in following:
                data = bytes((byte,))
                if is_open and layout is not None:
                    data = layout.before(place, byte, not text) + data
                after = self._after(memo, compiled, state, data)
                if after < 0:  # the grammar refuses white space of this layout
                    data = data[-1:]
                    after = memo.byte_after(compiled, state, byte)
                heapq.heappush(waiting, (chance / len(following), text + data, after, moved(place, byte)))
        found += [(-chance, text) for chance, text, _, _ in waiting]
        return found

    @staticmethod
    def _after(memo: GrammarMemo, compiled: CompiledGrammar, state: int, data: bytes) -> int:
        for byte in data:
            state = memo.byte_after(compiled, state, byte)
            if state < 0:
                break
        return state

    def observe(self, taken: Sequence[int], accepted: int) -> None:
        """Do nothing: the state determines the draft."""

    def end(self) -> None:
        """Do nothing: the memo belongs to the compiled grammar."""
