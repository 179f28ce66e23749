"""Drafts of all continuations that a grammar allows, if they are few: forced bytes, the values of an enum.

A byte is *forced* if it is the only one that may come next. A position is *open* if the grammar allows more
than a few bytes there. After `{"ok":` the grammar of a boolean allows `true` and `false`: both are drafted.

The tree is grown over bytes, best-first, and each of its texts is split into tokens as the tokenizer splits
it. Other engines insert forced bytes without asking the model. That changes the tokens of the text, and so
what the model writes next. Here forced bytes are a draft, which the model confirms.
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
    """Whether a position counts as forced if only white space may come in place of the forced byte."""

    widest = 3
    work = 96
    """The most bytes that one draft steps through, about 5 us each."""

    def __init__(self) -> None:
        self._tokenizer: Tokenizer | None = None
        self._layout = JsonLayout()
        self._read_count = 0
        """How many tokens of the text the layout has read."""

    def begin(self, facts: RequestFacts) -> None:
        """Store the tokenizer."""
        self._tokenizer = facts.tokenizer
        self._layout = JsonLayout()
        self._read_count = 0

    def propose(self, view: DraftContext, max_nodes: int) -> Draft:
        """Return the tree; it is empty for a free text. Cost: 1 us in a state that some document of the
        grammar has met before. In a new state: a step of the grammar for each byte, and a call of the
        tokenizer for each text."""
        matcher = view.matcher
        tokenizer = self._tokenizer
        if matcher is None or tokenizer is None or matcher.is_finished:
            return NO_DRAFT
        memo = memo_of(matcher.compiled)
        layout = None
        # The layout is read only if the grammar has optional white space, as it costs a look at every token.
        if self.skips_white and memo.has_open_space and matcher.compiled.has_events:
            layout = self._update_layout(view, tokenizer)
        # The key has all that a draft depends on. Documents with the same state and layout share the draft.
        key = type(self), view.start, None if layout is None else layout.key
        return memo.fact_of(key, lambda: self._grow_tree(view, memo, tokenizer, layout))

    def _update_layout(self, view: DraftContext, tokenizer: Tokenizer) -> JsonLayout:
        """Return the layout of the text so far."""
        if self._read_count > len(view.tokens):
            # The text has lost tokens. A layout cannot forget, so a new one is learnt.
            self._layout = JsonLayout()
            self._read_count = 0
        for token in view.tokens[self._read_count :]:
            self._layout.read_bytes(tokenizer.token_bytes[token] or b"")
        self._read_count = len(view.tokens)
        return self._layout

    def _grow_tree(
        self, view: DraftContext, memo: GrammarMemo, tokenizer: Tokenizer, layout: JsonLayout | None
    ) -> Draft:
        """Return the tree of all continuations, in the tokenizer's tokens. `layout`: the white space of the
        text so far; None: optional white space is left out, for example in a grammar that is not JSON's."""
        assert view.matcher is not None
        tree = DraftTree()
        compiled_grammar = view.matcher.compiled
        for share, text in self._list_continuations(view.start, memo, compiled_grammar, layout):
            node = -1
            for token in canonical_tokens(view, tokenizer, text):
                node = tree.add_node(node, token, 0.0)
                tree.chances[node] += share
        # The chances of siblings must add up to 1.
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
        """Return the continuations up to the first open position, each with its share of the probability.

        `start`: the state after the text. `memo`: the memo of `compiled_grammar`. For example, if `true` and
        `false` may come, each has the share 0.5.
        """
        max_choices = self.widest + (len(WHITE) if self.skips_white else 0)
        texts: list[tuple[float, bytes]] = []
        # A heap of texts that still grow. Shares are negative, so the largest comes first.
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
        # When `work` is used up, the texts that still grow are drafted as far as they have come.
        texts += [(-share, text) for share, text, _, _ in waiting]
        return texts

    def observe(self, new_tokens: Sequence[int], accepted_count: int) -> None:
        """Do nothing: the state determines the draft."""

    def end(self) -> None:
        """Do nothing: the memo belongs to the compiled grammar."""


class ForcedBytes(GrammarTree):
    """Drafts a chain of the bytes that the grammar forces: punctuation, required keys, the end of a value."""

    name = "forced"
    first_trust = 0.98
    skips_white = False
    widest, work = 1, 512


def canonical_tokens(view: DraftContext, tokenizer: Tokenizer, data: bytes) -> list[int]:
    """Return the tokens of bytes that must come next. The tokenizer splits them, unless the request fixes
    their tokens (`core.forced_text`).

    `data`: the bytes. The last token is left out if the grammar allows a longer token that begins with it,
    because the model might write the longer one. If only the end can follow, the end token is added. So the
    result for empty `data` is the end token, or nothing. Cost: a call of the tokenizer, and 1 us a token.
    """
    if view.matcher is None:
        return []
    compiled_grammar = view.matcher.compiled
    memo = memo_of(compiled_grammar)
    # The request may fix the tokens of a text. They are used if they spell exactly these bytes.
    tokens = list(compiled_grammar.planned_tokens(view.start))
    if not data or tokenizer.decode(tokens) != data:
        tokens = list(tokenizer.encode(data)) if data else []
    state = view.start
    for at, token in enumerate(tokens):
        state = view.after(state, token)
        if state == REFUSED:  # the bytes are allowed, but not spelled by these tokens
            return tokens[:at]

    def step_byte(source: int, byte: int) -> int | None:
        """Return the state after a byte, None where the grammar refuses it."""
        after = memo.byte_after(compiled_grammar, source, byte)
        return None if after < 0 else after

    if tokens:
        # A longer token might come in place of the last one. Its other bytes must then be allowed.
        last = tokenizer.token_bytes[tokens[-1]] or b""
        longer_tokens = tokens_behind(Vocabulary.of_tokenizer(tokenizer), last, state, step_byte)
        if next(longer_tokens, None) is not None:
            return tokens[:-1]
    if memo.may_end(compiled_grammar, state) and not memo.next_bytes(compiled_grammar, state):
        tokens.append(tokenizer.eos_token_ids[0])
    return tokens
