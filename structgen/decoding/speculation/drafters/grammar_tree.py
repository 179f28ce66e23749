"""Drafts of all continuations that a grammar allows, if they are few: forced bytes, the values of an enum.

The tree is grown over bytes, best-first; each of its texts is split as the tokenizer splits it. Other engines
insert forced bytes without asking the model. That changes the tokenisation, and so the model's next tokens.
Here they are a draft, which the model confirms.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence

from structgen.decoding.speculation.drafters.json_layout import START, WHITE, JsonLayout, move_place
from structgen.decoding.speculation.drafts.draft import NO_DRAFT, Draft, DraftTree
from structgen.decoding.speculation.drafts.drafter import REFUSED, DraftContext, RequestFacts
from structgen.decoding.speculation.drafts.grammar_memo import GrammarMemo, memo_of
from structgen.machines.core.compiled import CompiledGrammar
from structgen.tokens.token_prefixes import tokens_behind
from structgen.tokens.tokenizer import Tokenizer
from structgen.tokens.vocabulary import Vocabulary


class GrammarTree:
    """Drafts the continuations up to the first position at which more than `widest` bytes are allowed.

    Optional white space follows the text's layout so far (JSON), or is left out.
    """

    name = "grammar"
    first_trust = 0.8
    skips_white = True
    """Whether white space counts as no choice where something else may come, too."""

    widest = 3
    work = 96
    """The most bytes that one draft steps through, about 5 us each."""

    def __init__(self) -> None:
        self._tokenizer: Tokenizer | None = None
        self._layout = JsonLayout()
        self._read_count = 0
        """The layout of the text, and how many of its tokens were read for it."""

    def begin(self, facts: RequestFacts) -> None:
        """Store the tokenizer."""
        self._tokenizer = facts.tokenizer
        self._layout = JsonLayout()
        self._read_count = 0

    def propose(self, view: DraftContext, max_nodes: int) -> Draft:
        """Return the tree; empty for a free text. Cost: 1 us in a state that any document of the grammar has
        met before; else a step of the grammar for each byte, and a call of the tokenizer for each text."""
        matcher = view.matcher
        tokenizer = self._tokenizer
        if matcher is None or tokenizer is None or matcher.is_finished:
            return NO_DRAFT
        memo = memo_of(matcher.compiled)
        layout = None
        # The layout is read only where it matters, as it costs a look at every token.
        if self.skips_white and memo.has_open_space and matcher.compiled.has_events:
            layout = self._update_layout(view, tokenizer)
        # All that a draft depends on. Documents in one state with one layout share it.
        key = type(self), view.start, None if layout is None else layout.key
        return memo.fact_of(key, lambda: self._grow_tree(view, memo, tokenizer, layout))

    def _update_layout(self, view: DraftContext, tokenizer: Tokenizer) -> JsonLayout:
        """Return the layout of the text so far."""
        if self._read_count > len(view.tokens):
            # The text was taken back: the layout cannot forget, so it begins anew.
            self._layout = JsonLayout()
            self._read_count = 0
        for token in view.tokens[self._read_count :]:
            self._layout.read_bytes(tokenizer.token_bytes[token] or b"")
        self._read_count = len(view.tokens)
        return self._layout

    def _grow_tree(
        self, view: DraftContext, memo: GrammarMemo, tokenizer: Tokenizer, layout: JsonLayout | None
    ) -> Draft:
        """Return the tree of all continuations in the tokenizer's tokens. `layout`: the white space of the
        text, None where it is left out, for example in a grammar that is not JSON's."""
        assert view.matcher is not None
        tree = DraftTree()
        compiled_grammar = view.matcher.compiled
        for share, text in self._list_continuations(view.start, memo, compiled_grammar, layout):
            node = -1
            for token in canonical_tokens(view, tokenizer, text):
                node = tree.add_node(node, token, 0.0)
                tree.chances[node] += share
        # The chances of siblings are to add up to 1.
        sums = []
        for children in tree.children:
            chances = (tree.chances[child] for child in children.values())
            sums.append(sum(chances))
        for node, parent in enumerate(tree.parents):
            tree.chances[node] /= sums[parent + 1]
        return tree.make_draft() if len(tree) else NO_DRAFT

    def _list_continuations(
        self, start: int, memo: GrammarMemo, compiled_grammar: CompiledGrammar, layout: JsonLayout | None
    ) -> list[tuple[float, bytes]]:
        """Return the continuations up to the first open position, with their shares.

        `start`: the state after the text; `memo`: that of `compiled_grammar`. For example, of the values
        `true` and `false` each has the share 0.5.
        """
        max_choices = self.widest + (len(WHITE) if self.skips_white else 0)
        texts: list[tuple[float, bytes]] = []
        # a heap: shares are negative, so the largest is first
        start_place = START if layout is None else layout.place
        waiting = [(-1.0, b"", start, start_place)]
        for _ in range(self.work):
            if not waiting:
                break
            share, text, state, place = heapq.heappop(waiting)
            allowed_bytes = memo.next_bytes(compiled_grammar, state)
            following: list[int] = []
            if len(allowed_bytes) <= max_choices:
                following = [byte for byte in allowed_bytes if byte not in WHITE]
            # only white space makes the position a choice
            is_open = self.skips_white and 0 < len(following) < len(allowed_bytes)
            if not is_open:
                following = list(allowed_bytes)
            is_narrow = 1 <= len(following) <= self.widest
            if not is_narrow or memo.may_end(compiled_grammar, state):
                texts.append((-share, text))
                continue
            memo.has_open_space |= is_open
            for byte in following:
                data = bytes((byte,))
                if is_open and layout is not None:
                    data = layout.space_before(place, byte, not text) + data
                after = state
                for next_byte in data:
                    after = memo.byte_after(compiled_grammar, after, next_byte) if after >= 0 else after
                if after < 0:  # the grammar refuses white space of this layout
                    data = data[-1:]
                    after = memo.byte_after(compiled_grammar, state, byte)
                byte_share = share / len(following)
                next_place = move_place(place, byte)
                heapq.heappush(waiting, (byte_share, text + data, after, next_place))
        # When the work is spent, the texts that are still growing are drafts as far as they are.
        texts += [(-share, text) for share, text, _, _ in waiting]
        return texts

    def observe(self, new_tokens: Sequence[int], accepted_count: int) -> None:
        """Do nothing: the state determines the draft."""

    def end(self) -> None:
        """Do nothing: the memo belongs to the compiled grammar."""


class ForcedBytes(GrammarTree):
    """Drafts a chain: the bytes that the grammar forces, punctuation, required keys, the rest of a value."""

    name = "forced"
    first_trust = 0.98
    skips_white = False
    widest, work = 1, 512


def canonical_tokens(view: DraftContext, tokenizer: Tokenizer, data: bytes) -> list[int]:
    """Return the tokens of bytes that must come next, as the tokenizer splits them, or in the tokens in which
    the request has them written (`core.forced_text`).

    The last token is left out if the grammar allows a longer token that begins with it, because the model
    might write that one. If only the end can follow, the end token is added; for empty `data` the result is
    that end token, or nothing. Cost: a call of the tokenizer, and 1 us a token.
    """
    if view.matcher is None:
        return []
    compiled_grammar = view.matcher.compiled
    memo = memo_of(compiled_grammar)
    # The request may say in which tokens a text is written. They count if they write these very bytes.
    tokens = list(compiled_grammar.planned_tokens(view.start))
    if not data or tokenizer.decode(tokens) != data:
        tokens = list(tokenizer.encode(data)) if data else []
    state = view.start
    for at, token in enumerate(tokens):
        state = view.after(state, token)
        if state == REFUSED:  # the bytes are allowed, but not as these tokens
            return tokens[:at]

    def step_byte(source: int, byte: int) -> int | None:
        """Return the state after a byte, None where the grammar refuses it."""
        after = memo.byte_after(compiled_grammar, source, byte)
        return None if after < 0 else after

    if tokens:
        # of a longer token in its place the rest must be allowed after it
        last = tokenizer.token_bytes[tokens[-1]] or b""
        longer_tokens = tokens_behind(Vocabulary.of_tokenizer(tokenizer), last, state, step_byte)
        if next(longer_tokens, None) is not None:
            return tokens[:-1]
    if memo.may_end(compiled_grammar, state) and not memo.next_bytes(compiled_grammar, state):
        tokens.append(tokenizer.eos_token_ids[0])
    return tokens
