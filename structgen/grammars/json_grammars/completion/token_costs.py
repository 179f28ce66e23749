"""Counts the tokens that a document still needs, for budgets (`tokens_to_finish`, `budget=`).

A *state* is a number that stands for all that the JSON machine knows of the text so far. Its *completion* is
the shortest text that ends the document: after `{"a":[1` it is `]}`. A completion can be written with several
sequences of tokens: `]}` as one token, or as two. The *cost* of a state is the least number of tokens that
writes its completion, or another text of the same length (`Completer` says which). A *block* is a stretch of
a completion, counted from the end of the document; only the first, unfinished block is searched for the
cheapest tokens.
"""

from __future__ import annotations

import re
from functools import cache
from weakref import WeakKeyDictionary, proxy

import numpy as np

from structgen.automata.strings.string_pool import StringPool
from structgen.base.native.array_types import BoolArray
from structgen.grammars.json_grammars.completion.next_characters import QUOTED, escape_of
from structgen.grammars.json_grammars.completion.shortest_completion import ShortestCompletions
from structgen.grammars.json_grammars.completion.token_bounds import MaskWalker, TokenBounds
from structgen.machines.core.compiled import Tokens
from structgen.machines.core.token_counts import TokenCounts
from structgen.machines.json_machine.inspection import Inspection, StateRegisters
from structgen.machines.json_machine.tables import json_blocks as L
from structgen.machines.machine_core.text_costs import BLOCK, IMPOSSIBLE
from structgen.schema.reading.missing_bytes import Quoting
from structgen.tokens.vocabulary import Vocabulary

_BRANCHES = 8
"""The most states that the chosen steps of one state may lead to. Where there would be more, the only chosen
step is the completion's first byte."""
_FAR = 1 << 10
"""The longest completion, in bytes, for which steps are chosen. A longer one is written as it is."""
_DIGITS = b"0123456789"
_INSIDE = bytes(byte for byte in range(32, 192) if byte not in b'"\\\x7f')
"""The bytes that continue a string: characters of one byte, and the bytes that finish a longer character."""
_KINDS: WeakKeyDictionary[Vocabulary, Tokens] = WeakKeyDictionary()
"""For each vocabulary the kinds of its tokens: tokens of one kind have the same effect inside a free string
(`Inspection.text_kinds`). -1: the token may close the string."""
_CLOSING = re.compile(rb'"?[\]}]*')
"""A completion that no other text of the same length replaces, such as `"]}`."""
_INSIDE_QUOTES = re.compile(rb'(?:[^"\\]|\\.)*', re.DOTALL)
_GOING_ON = re.compile(rb'(?:[\]}]|\A"\s*),|,\s*".', re.DOTALL)
"""The bytes of a token that begin another item or write a part of another key. Where these must differ from
the item or key before, the text of that one matters."""
_VALUES = b'"-0123456789[fnt{'
_CHOICES = {
    L.M_DOC: _VALUES,
    L.M_VALUE: _VALUES,
    L.M_ARRAY: _VALUES,
    L.M_NEXT: _VALUES,
    L.M_STRING: _INSIDE,
    L.M_NUMBER: _DIGITS,
    L.M_WORDS: _INSIDE,
}
"""For each mode of the machine the bytes that may be chosen steps, besides the completion's first byte."""


class Completer(TokenCounts):
    """Completions and costs of the states of one compiled grammar, remembered by state. The caller holds the
    grammar's lock.

    The cost of a state is the least number of tokens over certain texts as long as its completion. These
    texts are made of *chosen steps*: bytes (`_CHOICES`) that shorten the completion by one. The completion's
    first byte is one of them. Steps are chosen as far as the next whole number of blocks from the end; from
    there the completion is written as it is. The steps depend on the state alone, and a later state has more
    of them. So the first token of a cheapest text leads to a state that costs at least one less.
    """

    def __init__(
        self,
        machine: Inspection,
        vocabulary: Vocabulary,
        walker: MaskWalker,
        quoting: Quoting,
    ) -> None:
        """`machine`: the machine of the grammar; `vocabulary`: the tokens that are counted; `walker`: the
        compiled grammar, which owns this object and to which only a weak reference is kept; `quoting`: how
        strings are written. Example: `Completer(machine, vocabulary, compiled, grammar.quoting)`."""
        super().__init__(vocabulary)
        self._machine = machine
        self._vocabulary = vocabulary
        self._walker: MaskWalker = proxy(walker)
        self._bounds = TokenBounds(machine, self._costs, quoting)
        self._shortest = ShortestCompletions(machine, quoting)
        self._numbers: dict[int, int] = {}
        """State -> its index in the list of costs, `self._costs`."""

    def clear_counts(self) -> None:
        self._numbers.clear()
        self._shortest.clear_completions()
        super().clear_counts()

    def text(self, index: int) -> bytes:
        """Return the completion of a state; empty where the document is complete."""
        return self._shortest.completion_text(index)

    def alike(self, index: int) -> int:
        """Return a state with the same completion, as far as the completions found until now tell. Equal
        results mean equal completions."""
        return self._shortest.stand_in(index)

    def symbol_length(self, index: int) -> int:
        return self._shortest.completion_length(index)

    def count_tokens(self, index: int) -> int:
        """Return the cost of a state: how many tokens complete the document. Cost: about 30 us for each byte
        of the completion's first block, which all states on the way share, and 0.2 us for each later byte."""
        number = self._numbers.get(index)
        if number is None:
            number = self._number_state(index)
        return self._costs[number]

    def _number_state(self, index: int) -> int:
        """Give a state its index in the list of costs, and return the index."""
        like = self._shortest.stand_in(index)
        names_before = self._shortest.names_asked
        if like != index:
            self._shortest.look_for_names(like)
        text, start = self._shortest.find_completion(like)
        number = self._numbers.get(like)
        if number is None:
            # Steps are chosen for short completions only, and not where brackets alone are to come.
            is_near = start < len(text) <= start + _FAR
            if is_near and not _CLOSING.fullmatch(text, start):
                number = self._explore_block(like, (len(text) - start - 1) // BLOCK * BLOCK)
            else:
                number = self._costs.chain_state(text, start)
            assert self._costs[number] < IMPOSSIBLE, "a vocabulary that can write every byte"
            self._numbers[like] = number
        if names_before != self._shortest.names_asked:
            # The completion looked for one more name, so another state may stand for this one now.
            return self._number_state(index)
        self._numbers[index] = number
        return number

    def too_long(self, index: int, tokens: Tokens, budget: int) -> Tokens:
        """Return those of a state's allowed tokens after which more than `budget` tokens are needed.

        Cost: 0.1 us a token, and 5 us for each state that the tokens lead to (30 us near the end). Where the
        length of a completion does not decide, its tokens are counted (`count_tokens`). There are as many
        such states as classes of tokens, whatever the text so far (`ShortestCompletions.stand_in`)."""
        # Repeated as long as answers look for new names, since the groups of tokens depend on the names.
        names_before = -1
        while names_before != self._shortest.names_asked:
            names_before = self._shortest.names_asked
            late = super().too_long(index, tokens, budget)
        return late

    def states_after(self, index: int, tokens: Tokens) -> tuple[list[int], Tokens]:
        """Return the states after some allowed tokens, and for each token an index into this list: the state
        there has the same completion as the state after the token. The text that a token writes in a key or
        an item matters only where the key or item may become one that a completion looked for."""
        machine = self._machine
        registers = machine.registers(index)
        mode = registers.mode
        is_captured = registers.text & L.CAPTURE
        kinds = self._token_kinds()[tokens]
        after = np.full(len(tokens), -1, np.int64)
        # First the tokens whose texts matter: each of them is read by itself.
        is_single = self._may_write_names(registers, tokens, kinds)
        if mode == L.M_KEY or (is_captured and mode in QUOTED):
            is_single |= kinds < 0
            base = self._shortest.stand_in(index)
            after[is_single] = self._after_closing(index, base, tokens[is_single])
            index = base
        else:
            single_tokens = tokens[is_single].tolist()
            after[is_single] = [machine.after_token(index, token) for token in single_tokens]
        # Then the others. `group` holds for each token the index of the token that represents it.
        rest = np.flatnonzero(~is_single)
        group = np.arange(len(tokens))
        live = machine.live(registers) if registers.side_node <= 0 and not is_captured else None
        if live is not None and (live.regular >= 0 or escape_of(registers)):
            live = None
        if live is not None:
            kinds[rest] = machine.strings.token_kinds(live, tokens[rest])
        is_free = registers.lexeme == StringPool.FREE and registers.side_node <= 0
        is_unnamed_key = mode == L.M_KEY and registers.position < 0
        if live is not None or (is_free and (mode == L.M_STRING or is_unnamed_key)):
            # Tokens that only add characters are represented by one token of each kind.
            counting = rest[kinds[rest] >= 0]
            index_of_kind = np.full(int(kinds.max(initial=0)) + 1, -1)
            index_of_kind[kinds[counting]] = counting
            group[counting] = index_of_kind[kinds[counting]]
            rest = rest[group[rest] == rest]
        after[rest] = machine.after_tokens(index, tokens[rest])
        states, first_indices, which = np.unique(after[group], return_index=True, return_inverse=True)
        for number in np.flatnonzero(machine.is_blurred(states)).tolist():
            # One state represents several: the completion is looked up for one of them.
            token = int(tokens[group[first_indices[number]]])
            states[number] = machine.after_token(index, token)
            self._shortest.look_for_names(int(states[number]))
        return states.tolist(), which

    def _after_closing(self, index: int, base: int, tokens: Tokens) -> list[int]:
        """Return the states after tokens from a state in a key or an item. Most of these tokens close the
        string. Their texts are split at the quote: tokens share the part before it, or the quote and the part
        after it, and each part is read once. `base`: the state that represents this one (`stand_in`)."""
        machine = self._machine
        is_in_escape = escape_of(machine.registers(index)) != 0
        state_after = cache(machine.state_after)
        states_after: list[int] = []
        for token in tokens.tolist():
            piece = self._token_bytes(token)
            match = None if is_in_escape else _INSIDE_QUOTES.match(piece)
            size = len(piece) if match is None else match.end()
            head = piece[:size]
            tail = piece[size:]
            # After another item or key the written text matters, so no other state can represent this one.
            needs_text = b"," in head if is_in_escape else _GOING_ON.search(tail) is not None
            if needs_text:
                state_at_quote = state_after(index, head)
            else:
                state_at_quote = self._shortest.stand_in(state_after(base, head))
            states_after.append(state_after(state_at_quote, tail))
        return states_after

    def _may_write_names(
        self,
        registers: StateRegisters,
        tokens: Tokens,
        kinds: Tokens,
    ) -> BoolArray:
        """Return for each token whether it may write a part of a name or a value that a completion looked
        for. Inside a key or an item only tokens that do not close it are answered True."""
        shortest = self._shortest
        mode = registers.mode
        rests = shortest.names.begun_rests(registers.text) if mode == L.M_KEY else frozenset()
        near = shortest.near_rests(registers.text, registers.frame)
        if near is not None:
            # Outside of a string, or where an equal item may follow, any token may write a part.
            if mode not in QUOTED or shortest.wants_again(registers.frame):
                return np.ones(len(tokens), np.bool_)
        is_captured = registers.text & L.CAPTURE
        if mode not in QUOTED or not (is_captured or mode == L.M_KEY):
            return (kinds < 0) & (shortest.names_asked > 0)
        if escape_of(registers):
            return np.full(len(tokens), near is not None or bool(rests))
        # the beginnings of these rests that are short enough for one token
        max_bytes = self._vocabulary.max_token_bytes
        pieces: set[bytes] = set()
        for rest in rests.union(near or ()):
            longest = min(len(rest), max_bytes)
            pieces.update(rest[:size] for size in range(1, longest + 1))
        # All tokens are compared by first byte and length, which is cheap; the few that match, by all bytes.
        begins = self._vocabulary.token_offset[tokens]
        ends = self._vocabulary.token_offset[tokens + 1]
        is_first_byte = np.zeros(256, np.bool_)
        is_first_byte[[piece[0] for piece in pieces]] = True
        may_match = is_first_byte[self._vocabulary.token_data[begins]]
        may_match &= ends - begins <= max(map(len, pieces), default=0)
        for number in np.flatnonzero(may_match).tolist():
            may_match[number] = self._token_bytes(tokens[number]) in pieces
        return may_match

    def _token_bytes(self, token: int) -> bytes:
        begin, end = self._vocabulary.token_offset[token : token + 2].tolist()
        return self._vocabulary.token_data[begin:end].tobytes()

    def _token_kinds(self) -> Tokens:
        """Return the kind of each token. Tokens of one kind have the same effect inside a free string; -1:
        the token may close the string."""
        token_kinds = _KINDS.get(self._vocabulary)
        if token_kinds is None:
            text_kinds = self._machine.text_kinds(self._vocabulary.vocab_size)
            # `unique` gives numbers without gaps, the least kind first. Kinds below 0 become -1.
            _, numbers = np.unique(text_kinds, return_inverse=True)
            has_closing = int(text_kinds.min(initial=0) < 0)
            token_kinds = numbers - has_closing
            _KINDS[self._vocabulary] = token_kinds
        return token_kinds

    def sufficient(self, index: int) -> int | None:
        """Return an upper bound of the tokens that a state needs, which falls by one with each token,
        whichever comes next. The state's mask is known. None: there is no known bound (`TokenBounds`)."""
        known_bound = super().sufficient(index)
        if known_bound is not None:
            return known_bound
        return self.sufficient_as_walked(index, self._walker.walk_bound(index))

    def sufficient_as_walked(self, index: int, code: int) -> int | None:
        """Return the bound of a state whose mask was just walked. `code`: the result of that walk
        (`mask_filling.compute_bound`): the bound itself, 0: not known yet, below 0: there is none."""
        if code > 0:
            return code
        return self._bounds.bound_of(index) if code == 0 else None

    # --- what it costs --------------------------------------------------------------------------------------

    def _explore_block(self, state: int, block_end: int) -> int:
        """Compute the cost of a state and of all states of its block that its chosen steps lead to. Return
        the state's index in the list of costs.

        `block_end`: the length of the completion behind the block. From there it is written as it is, without
        chosen steps: else there would be a state for each byte of each completion. A state there that is
        asked about itself has its own block, and may cost less.
        """
        length = self._shortest.completion_length(state)
        if length <= block_end:
            return self._costs.chain_state(*self._shortest.find_completion(state))
        number = self._numbers.get(state)
        if number is None:
            # at most BLOCK calls deep: each step shortens the completion
            steps = [
                (byte, self._explore_block(after, block_end))
                for byte, after in self._choose_steps(state, length - 1)
            ]
            number = self._numbers[state] = self._costs.enter_state(steps)
        return number

    def _choose_steps(self, state: int, rest_length: int) -> list[tuple[int, int]]:
        """Return the chosen steps of a state: pairs of a byte and the state after it, whose completion has
        `rest_length` bytes. The first byte of the state's own completion is one of them."""
        machine = self._machine
        shortest = self._shortest
        text, start = shortest.find_completion(state)
        first_byte = text[start]
        state_after = machine.state_after(state, bytes((first_byte,)))
        step = first_byte, state_after
        if not machine.network.rests_shorten:  # else the next state may have a shorter completion of its own
            shortest.remember_text(state_after, text, start + 1)
        registers = machine.registers(state)
        candidate_bytes = _CHOICES.get(registers.mode)
        is_captured = registers.text & L.CAPTURE
        if candidate_bytes is None or is_captured or machine.live(registers) is not None:
            # Where items are compared, no completion looked for the values that another text would write.
            # In a text of a grammar, steps over single bytes cost too much.
            return [step]
        bytes_to: dict[int, list[int]] = {}
        for byte, after in machine.after_each(state, candidate_bytes):
            bytes_to.setdefault(after, []).append(byte)
        if len(bytes_to) > _BRANCHES:
            return [step]
        steps = {step}
        for after, group in bytes_to.items():
            if after == state_after or shortest.completion_length(after) <= rest_length:
                steps.update((byte, after) for byte in group)
        return sorted(steps)
