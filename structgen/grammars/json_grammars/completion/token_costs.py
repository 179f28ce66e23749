"""How many tokens the shortest way to the end takes: the completion of a state, written with the fewest,
bounds what a document still needs.
"""

from __future__ import annotations

import re
from functools import cache
from weakref import WeakKeyDictionary, proxy

import numpy as np
import numpy.typing as npt

from structgen.automata.strings.string_pool import StringPool
from structgen.base.language.best_first import OpenStates
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
"""States that chosen steps may lead to from one; were there more, the completion's first byte is chosen."""
_FAR = 1 << 10
"""Bytes of a completion beyond which nothing is chosen: the far end of a document is written as it comes."""
_DIGITS = b"0123456789"
_INSIDE = bytes(byte for byte in range(32, 192) if byte not in b'"\\\x7f')
"""What goes on with a string: characters of one byte, and the bytes that finish a longer one."""
_KINDS: WeakKeyDictionary[Vocabulary, Tokens] = WeakKeyDictionary()
"""What tokens do inside a free string (`Inspection.text_kinds`), numbered."""
_CLOSING = re.compile(rb'"?[\]}]*')
"""A rest that can be written in no other way."""
_INSIDE_QUOTES = re.compile(rb'(?:[^"\\]|\\.)*', re.DOTALL)
_GOING_ON = re.compile(rb'(?:[\]}]|\A"\s*),|,\s*".', re.DOTALL)
"""What comes to another item, or writes of another key, which must differ from the one before."""
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
"""The bytes that are looked at beside the completion's first, by mode."""


class Completer(TokenCounts):
    """Completions of the states of one compiled grammar, remembered by state. Its lock is held by the caller.

    What a state costs is the least number of tokens over texts as long as its completion: from each state
    some byte steps are chosen (`_CHOICES`) that all shorten the completion by one, its first byte among them,
    as far as the next whole number of blocks from the end; from there the completion is written as it is. The
    cost is the least over the tokens written in these steps. They depend on the state alone, and a state
    further on has more of them to choose from, so the first token of a cheapest text leads to a state that
    costs at least one less.
    """

    def __init__(
        self,
        machine: Inspection,
        vocabulary: Vocabulary,
        walker: MaskWalker,
        quoting: Quoting,
    ) -> None:
        """`machine`: the grammar's; `vocabulary`: its tokens; `walker`: the compiled grammar, which holds
        this, and is not kept alive; `quoting`: how strings are written. Example:
        `Completer(machine, vocabulary, compiled, grammar.quoting)`."""
        super().__init__(vocabulary)
        self._machine = machine
        self._vocabulary = vocabulary
        self._walker: MaskWalker = proxy(walker)
        self._bounds = TokenBounds(machine, self._costs, quoting)
        self._shortest = ShortestCompletions(machine, quoting)
        self._numbers: dict[int, int] = {}
        """State -> its number among the costs."""

    def clear_counts(self) -> None:
        self._numbers.clear()
        self._shortest.clear_completions()
        super().clear_counts()

    def text(self, index: int) -> bytes:
        """Return the completion of a state; empty where the document is complete."""
        return self._shortest.completion_text(index)

    def alike(self, index: int) -> int:
        """Return a state with the same completion, as far as those that were asked tell."""
        return self._shortest.stand_in(index)

    def symbol_length(self, index: int) -> int:
        return self._shortest.completion_length(index)

    def count_tokens(self, index: int) -> int:
        """Work out the tokens that complete the document from a state. Cost: about 30 us for each byte of the
        completion's first block, once for all on the way, and 0.2 us for each of the others."""
        number = self._numbers.get(index)
        if number is None:
            number = self._number_state(index)
        return self._costs[number]

    def _number_state(self, index: int) -> int:
        """Return the number of a state that has none yet."""
        like = self._shortest.stand_in(index)
        names_before = self._shortest.names_asked
        if like != index:
            self._shortest.look_for_names(like)
        text, start = self._shortest.find_completion(like)
        number = self._numbers.get(like)
        if number is None:
            # worth a choice: neither far from the end nor brackets alone
            is_near = start < len(text) <= start + _FAR
            if is_near and not _CLOSING.fullmatch(text, start):
                number = self._explore_block(like)
            else:
                number = self._costs.chain_state(text, start)
            assert self._costs[number] < IMPOSSIBLE, "a vocabulary that can write every byte"
            self._numbers[like] = number
        if names_before != self._shortest.names_asked:
            # one more name: another state may stand for this one now
            return self._number_state(index)
        self._numbers[index] = number
        return number

    def too_long(self, index: int, tokens: Tokens, budget: int) -> Tokens:
        """Return those of a state's allowed tokens after which more than `budget` are needed.

        Cost: 0.1 us a token, the length of the completion of each state that they lead to
        (5 us; 30 us near the end), and `tokens` of those where it says nothing. They are as many as there are
        classes of tokens, whatever the text so far (`ShortestCompletions.stand_in`)."""
        # again as long as answers look for new names: the groups of tokens depend on these
        names_before = -1
        while names_before != self._shortest.names_asked:
            names_before = self._shortest.names_asked
            late = super().too_long(index, tokens, budget)
        return late

    def states_after(self, index: int, tokens: Tokens) -> tuple[list[int], Tokens]:
        """Return states after some allowed tokens, and for each token the index of the state with the token's
        completion: what a token writes of a key or an item counts only where the key or item may become one
        that was looked for."""
        machine = self._machine
        registers = machine.registers(index)
        mode = registers.mode
        is_captured = registers.text & L.CAPTURE
        kinds = self._token_kinds()[tokens]
        after = np.full(len(tokens), -1, np.int64)
        # first the tokens whose texts matter, each by itself
        is_single = self._may_write_names(registers, tokens, kinds)
        if mode == L.M_KEY or (is_captured and mode in QUOTED):
            is_single |= kinds < 0
            base = self._shortest.stand_in(index)
            after[is_single] = self._after_closing(index, base, tokens[is_single])
            index = base
        else:
            single_tokens = tokens[is_single].tolist()
            after[is_single] = [machine.after_token(index, token) for token in single_tokens]
        # then the others; `group` says for each token at which index the token stands that it goes with
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
            # of the tokens that only count characters, one of each kind stands for all
            counting = rest[kinds[rest] >= 0]
            index_of_kind = np.full(int(kinds.max(initial=0)) + 1, -1)
            index_of_kind[kinds[counting]] = counting
            group[counting] = index_of_kind[kinds[counting]]
            rest = rest[group[rest] == rest]
        after[rest] = machine.after_tokens(index, tokens[rest])
        states, first_indices, which = np.unique(after[group], return_index=True, return_inverse=True)
        for number in np.flatnonzero(machine.is_blurred(states)).tolist():
            # a state that stands for several: the completion is asked of one of these
            token = int(tokens[group[first_indices[number]]])
            states[number] = machine.after_token(index, token)
            self._shortest.look_for_names(int(states[number]))
        return states.tolist(), which

    def _after_closing(self, index: int, base: int, tokens: Tokens) -> list[int]:
        """Return the states after tokens from a state in a key or an item, most of which close a string: of
        the texts before its quote, and of the quote with what comes behind it, each is read once. `base`: the
        state's stand-in."""
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
            # behind another item or key the text that is written counts: no stand-in will do
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
    ) -> npt.NDArray[np.bool_]:
        """Return which tokens may write a part of a name or a value that was looked for; in a key or an item,
        only tokens that do not close it count."""
        shortest = self._shortest
        mode = registers.mode
        rests = shortest.names_begun(registers.text) if mode == L.M_KEY else frozenset()
        near = shortest.near_rests(registers.text, registers.frame)
        if near is not None:
            # outside of a string, or where the item may come again, any token may write a part
            if mode not in QUOTED or shortest.wants_again(registers.frame):
                return np.ones(len(tokens), np.bool_)
        is_captured = registers.text & L.CAPTURE
        if mode not in QUOTED or not (is_captured or mode == L.M_KEY):
            return (kinds < 0) & (shortest.names_asked > 0)
        if escape_of(registers):
            return np.full(len(tokens), near is not None or bool(rests))
        # the beginnings of these rests that one token can write
        max_bytes = self._vocabulary.max_token_bytes
        pieces: set[bytes] = set()
        for rest in rests.union(near or ()):
            longest = min(len(rest), max_bytes)
            pieces.update(rest[:size] for size in range(1, longest + 1))
        # a quick look for all tokens at their first byte and their length, then few by their bytes
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
        """Return what each token does inside a free string, numbered: -1 where it may close it."""
        token_kinds = _KINDS.get(self._vocabulary)
        if token_kinds is None:
            text_kinds = self._machine.text_kinds(self._vocabulary.vocab_size)
            # numbers without gaps; where some are below 0, which `unique` puts first, they become -1
            _, numbers = np.unique(text_kinds, return_inverse=True)
            has_closing = int(text_kinds.min(initial=0) < 0)
            token_kinds = numbers - has_closing
            _KINDS[self._vocabulary] = token_kinds
        return token_kinds

    def sufficient(self, index: int) -> int | None:
        """Return how many tokens suffice for a state whose mask is known, and one less after whichever token
        comes next; None where no bound is known (`TokenBounds`)."""
        known_bound = super().sufficient(index)
        if known_bound is not None:
            return known_bound
        return self.sufficient_as_walked(index, self._walker.walk_bound(index))

    def sufficient_as_walked(self, index: int, code: int) -> int | None:
        """Return the bound of a state whose mask was just walked, which answered `code`
        (`mask_filling.compute_bound`)."""
        if code > 0:
            return code
        return self._bounds.bound_of(index) if code == 0 else None

    # --- what it costs --------------------------------------------------------------------------------------

    def _explore_block(self, start: int) -> int:
        """Work out the costs of a state and of all in its block that its chosen steps lead to, the longest
        rests first; return its number. What follows the block, counted from the end, is written as it comes:
        its states would be as many as the bytes of all completions together."""
        shortest = self._shortest
        numbers = self._numbers
        length = shortest.completion_length(start)
        block_end = (length - 1) // BLOCK * BLOCK
        steps: dict[int, list[tuple[int, int]]] = {}
        """The chosen steps of the states of the block: bytes, each with the state after it."""
        new_numbers: dict[int, int] = {}
        # minus the length as the cost: the longest rest comes first, so that all ways to a state are known
        states = OpenStates[int, int, None]()
        states.open_state(start, -length)
        for state, minus_length in states:
            if -minus_length <= block_end:
                # Taken as written, from here; by itself it may cost less, where its own block is looked at.
                new_numbers[state] = self._costs.chain_state(*shortest.find_completion(state))
            elif state not in numbers:
                steps[state] = self._choose_steps(state, -minus_length - 1)
                for _, after in steps[state]:
                    states.open_state(after, -shortest.completion_length(after))
        # the shortest rests first: a state is numbered after all states that its steps lead to
        first_number = self._costs.next
        for number, state in enumerate(reversed(steps), first_number):
            new_numbers[state] = number
        rows: list[list[tuple[int, int]]] = []
        for chosen in reversed(steps.values()):
            row: list[tuple[int, int]] = []
            for byte, after in chosen:
                number = new_numbers[after] if after in new_numbers else numbers[after]
                row.append((byte, number))
            rows.append(row)
        self._costs.enter_states(rows)
        numbers.update((state, new_numbers[state]) for state in steps)
        return numbers[start]

    def _choose_steps(self, state: int, rest_length: int) -> list[tuple[int, int]]:
        """Return the chosen steps of a state, by byte: those that leave `rest_length` bytes, among them that
        of its completion."""
        machine = self._machine
        shortest = self._shortest
        text, start = shortest.find_completion(state)
        first_byte = text[start]
        state_after = machine.state_after(state, bytes((first_byte,)))
        step = first_byte, state_after
        if not machine.network.rests_shorten:  # else the next state is asked for its own
            shortest.remember_text(state_after, text, start + 1)
        registers = machine.registers(state)
        candidate_bytes = _CHOICES.get(registers.mode)
        is_captured = registers.text & L.CAPTURE
        if candidate_bytes is None or is_captured or machine.live(registers) is not None:
            # where items are compared, the values that another text writes were not looked for; in a text of
            # a grammar steps over bytes cost too much
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
