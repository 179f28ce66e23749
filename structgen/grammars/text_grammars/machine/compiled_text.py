"""Compiles a grammar of texts against a tokenizer: exact masks, states, completions.

A *configuration* is a reader's knowledge after some text, a value of the `Language`. The configurations get
numbers as texts reach them (`NumberedText`); these numbers are the *states*. Compiled code (`stepping`) reads
tokens, and the vocabulary's trie, with a table of steps. It notes the cells that it does not know; Python
asks the language, fills the cells and calls again. A *part* is a grammar inside the grammar that has masks of
its own, such as a JSON Schema between tags.

A mask is computed in one of three ways (`text_masks`). The trie is walked from the state. Or the tokens come
from records, which are shared by states that go on alike. Or, inside a part, it is the part's mask, joined
with the tokens that leave the part, if there are any (`part_ends`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np

from structgen.base.errors import OptionError
from structgen.base.language.expectation import Expected
from structgen.base.native.array_types import BoolArray, Int64Array
from structgen.base.native.raw_memory import address_of
from structgen.base.system.public_calls import THIS_CALL
from structgen.grammars.text_grammars.machine import stepping, text_masks
from structgen.grammars.text_grammars.machine.language import TOKEN, Config, InsidePart, SplitConfig
from structgen.grammars.text_grammars.machine.numbered_text import STATE_AFTER, NumberedText
from structgen.grammars.text_grammars.machine.rest_completions import COMPLETED, RestCompletions
from structgen.machines.core.compiled import REMEMBERED, Bits, TokenList, Tokens
from structgen.machines.core.dfa import Dfa, explicit_of_parser
from structgen.machines.machine_core.growing_tables import EDGES, NODES
from structgen.machines.machine_core.layout import (
    ASKED,
    ENDED,
    FINISHED,
    LARGE,
    MISS,
    NodeRow,
)
from structgen.machines.machine_core.lexeme_layout import FULL
from structgen.machines.machine_core.token_steps import put_edge
from structgen.tokens.token_mask import tokens_of

_NONE: TokenList = np.empty(0, np.int32)
_NO_ROWS: Int64Array = np.empty(0, np.int64)


class CompiledText(NumberedText):
    """A compiled grammar of texts: exact masks, states as values, completions.

    Cost: some 20 us for a byte that is read for the first time in a configuration, 5 ns a byte afterwards.
    """

    _bits: Bits | None = None
    """The last mask as a row of bits, if Python has computed it (`_join_masks`)."""

    # --- states ---------------------------------------------------------------------------------------------

    def _after_token(self, index: int, token: int) -> int:
        with self.lock:
            state_after = self._call_until_answered(stepping.take_token, index, token)
            if state_after == stepping.UNKNOWN:
                if self.vocabulary.token_slot[token] < 0:
                    state_after = self._after_special(index, token)
                else:
                    state_after = self._after_inside(index, token)
                # compiled code remembers the answer; a full table of answers is emptied
                if self._tables.count(EDGES) >= min(REMEMBERED, self.limits.parser_states):
                    self._tables.load_tables({EDGES: _NO_ROWS})
                self._tables.make_room(EDGES, 1)
                put_edge(self.address, index, token, stepping.MOVE, state_after)
            return state_after

    def _after_special(self, index: int, token: int) -> int:
        """Return the state after a special token; -1: it is not allowed."""
        # the finished state has no configuration
        if token not in self._language.specials or index == self._finished_state:
            return -1
        after = self._language.step(self._config_of(index), TOKEN + token)
        return -1 if after is None else self._after_token_end(after)

    def _after_inside(self, index: int, token: int) -> int:
        """Return the state after a token in a state inside one part; -1: it is not allowed. A token that
        cannot leave the part is read by the part. Others are read byte by byte, without making states in
        between."""
        visit, part_state = self._visit_of(index)
        part = self._open_visit(visit)[0].part
        slot = self.vocabulary.token_slot[token]
        config: Config | None = self._config_of(index)
        may_leave = self._ends_maps[visit].slots[slot]
        # the part may have been compiled for a vocabulary in which the token has no text
        if may_leave or part.compiled.vocabulary.token_slot[token] < 0:
            config = self._language.config_after(config, self.tokenizer.token_bytes[token] or b"")
        else:
            part_state_after = part.compiled.next_index(part_state, token)
            if part_state_after < 0:
                return -1
            if any(part.compiled_calls):
                state_after = self._inside_state(visit, part_state_after)
                if state_after >= 0:
                    return state_after
            config = self._language.after_inside(config, part_state_after)
        return -1 if config is None else self._after_token_end(config)

    def _after_token_end(self, config: Config) -> int:
        """Return the state after the end of a token whose bytes lead to `config`; -1: it may not end
        there."""
        after = self._language.after_token_end(config)
        return -1 if after is None else self._number_of(after)

    def token_end(self, index: int) -> int:
        """Return the state after the end of a token whose bytes lead to the state `index`; -1: it may not end
        there."""
        if not self._language.counts_tokens:
            return index
        with self.lock:
            return self._after_token_end(self._config_of(index))

    def _put_finished(self) -> int:
        number = self._add_node(None, stepping.NEVER, stepping.OUTSIDE, FINISHED)
        self._steps.put_row(number, b"", [])
        return number

    def compute(self, index: int, target: int = 0) -> bool:
        """Work out and memoise the mask of a state, and write it to `target` (0: nowhere). Return whether it
        is memoised (`CompiledGrammar.compute`)."""
        if not (self._has_specials or self._is_changing or index == self._finished_state):
            # the common case, without the calls in between
            with self.lock:
                self._attach_workspace()
                code = text_masks.compute_mask(self.address, index, target)
                visit, part_state = self._visit_of(index) if code == MISS else (0, 0)
                if visit:
                    # MISS in a part: the mask of the part itself is not known yet
                    place = self._entered_parts[visit].places[0]
                    place.part.compiled.compute(part_state, target)
                    if self._stands_for_part(index):
                        return True
                    code = text_masks.compute_mask(self.address, index, target)
                if code == 0:
                    return True
        return super().compute(index, target)

    def _compute_mask(self, index: int, target: int) -> int:
        self._bits = None
        if index == self._finished_state:
            return ENDED
        if self._has_specials and self._steps.is_outside(index):
            self._steps.allow_specials(self.special_tokens(index))
        visit, part_state = self._visit_of(index)
        part = self._open_visit(visit)[0].part if visit else None
        code = self._compiled_mask(index, target)
        if part is not None:
            has_state_behind = self._visit_rows[visit, STATE_AFTER] >= 0
            if code == stepping.UNKNOWN and has_state_behind and any(part.compiled_calls):
                # the part's questions, which compiled code of this grammar cannot answer, are answered here
                part.ends_below(part_state, self._ends_maps[visit].targets)
                code = self._compiled_mask(index, target)
            if code == MISS:
                is_known = part.compiled.compute(part_state, target)
                if self._stands_for_part(index):
                    return 0
                code = self._compiled_mask(index, target) if is_known else stepping.UNKNOWN
        return code if code != stepping.UNKNOWN else self._join_masks(index, target)

    def _compiled_mask(self, index: int, target: int) -> int:
        """Return the result of `text_masks.compute_mask`, after its questions were answered."""
        if self._is_changing:
            self._read_whole()
        while True:
            code = text_masks.compute_mask(self.address, index, target)
            if code not in (ASKED, FULL):
                return code
            if code == FULL:
                # Lexemes end at too many places inside tokens: from now on the language is read whole.
                assert self._lexeme_rows is not None
                self._read_whole()
            self._answer_questions()

    def _stands_for_part(self, index: int) -> bool:
        """Return whether the mask of a state is the mask of the part that the state is in."""
        return int(self._tables.rows(NODES)[index, NodeRow.token_list]) < -1  # `stepping.forward_mask`

    def mask_parts(self, index: int) -> tuple[int, TokenList] | None:
        """Return a state's mask as the number of a row of the store (-1: none) and a list of tokens; None
        where the store is full (`CompiledGrammar.mask_parts`)."""
        with self.lock:
            self._open_state(index)
            self.compute(index)
            if not self._stands_for_part(index):
                return super().mask_parts(index)
            insides, _ = self._split_insides(index)
            inside = insides[0]
            return inside.part.compiled.mask_parts(inside.state)

    def _split_insides(self, index: int) -> SplitConfig:
        """Return the places of a state that are inside parts with masks, and the configuration of its other
        places (None: there are none)."""
        if index == self._finished_state:
            return (), None
        visit, part_state = self._visit_of(index)
        if not visit:
            return self._language.inside_parts(self._config_of(index))
        # the places of the visit's first state, with the part's state of this one
        places = self._entered_parts[visit].places
        return tuple(place._replace(state=part_state) for place in places), None

    @property
    def reads_bytes_alone(self) -> bool:
        return not (self._has_specials or self._language.counts_tokens)

    def special_tokens(self, index: int) -> list[int]:
        """Return the special tokens that may come in a state, by its number."""
        if not self._has_specials or index == self._finished_state:
            return []
        return [token for token in sorted(self._language.specials) if self._after_token(index, token) >= 0]

    def _join_masks(self, index: int, target: int) -> int:
        """Compute the mask of a state inside parts with masks, in Python: the tokens that stay inside a part,
        those that leave it, and those that are read from other places. Returns as `_compute_mask`."""
        insides, others = self._split_insides(index)
        if others is None:
            bits: Bits = np.zeros(self._words, np.int32)
        else:
            bits = self.bits(self._number_of(others))
        # Places in the same state of a part have the same tokens inside, whatever follows the part.
        part_states = {(inside.part.compiled, inside.state): inside for inside in insides}
        for inside in part_states.values():
            bits |= inside.part.bits(inside.state)
        for inside in insides:
            bits |= self._masks.dense_row(self._leaving_tokens(inside))
        return self._memoise_bits(index, bits, target)

    def _memoise_bits(self, index: int, bits: Bits, target: int) -> int:
        """Memoise a row of bits as the mask of a state, with the special and the end tokens that may come.
        Returns as `_compute_mask`."""
        # A part's mask has end tokens where the part may end, but only the end of the whole text counts.
        bits &= ~self._masks.dense_row(self._end_ids)
        special_tokens = np.array(self.special_tokens(index), np.int32)
        bits |= self._masks.dense_row(special_tokens)
        if self.may_end(index):
            bits |= self._masks.dense_row(self._end_ids)
        token_count = np.count_nonzero(np.unpackbits(bits.view(np.uint8)))
        if token_count >= self._words:  # a list would be as long as the row of bits
            self._bits = bits
            return LARGE
        self._memoise_mask(index, -1, tokens_of(bits).astype(np.int32), target)
        return 0

    def _leaving_tokens(self, inside: InsidePart) -> TokenList:
        """Return the tokens that leave a part, from a place inside it."""
        if inside.after_end is None:
            return _NONE
        targets = self._ends_map((inside,)).targets
        nodes = np.array(inside.part.ends_below(inside.state, targets), np.int32)
        state_after = self._number_of(inside.after_end)
        count = self._call_until_answered(text_masks.find_leaving, state_after, address_of(nodes), len(nodes))
        return self._records.tokens_found(count)

    def _large_row(self) -> Bits:
        return self._records.mask if self._bits is None else self._bits

    def _list_expected(self, index: int) -> list[Expected]:
        if index == self._finished_state:
            return []
        items = self._language.expected_items(self._config_of(index))
        return [*items, Expected("the end of the text")] if self.may_end(index) else items

    def to_dfa(self, max_states: int, depth: int | None = None, *, minimal: bool = False) -> Dfa:
        """Return the explicit automaton of all states over classes of tokens; with `minimal`, states with the
        same continuations are one.

        `depth`: texts are left out that need more places of a parser's stack at some point, or more open
        brackets in a part that is a JSON text. Raises LimitError (max_states) where there are more states,
        OptionError for a depth where nothing has a stack, and for grammars with special tokens or token
        counts.
        """
        if depth is not None and not self._language.has_stack:
            raise OptionError(
                "Only brackets of JSON texts and the stacks of context-free grammars are counted.",
                where="depth",
                cure="Remove it.",
            )
        if self._language.specials or self._language.counts_tokens:
            raise OptionError(
                "A grammar with special tokens or token counts has no automaton over bytes.", where="to_dfa"
            )
        return explicit_of_parser(self, self._language.classes, max_states, depth, minimal)

    @property
    def has_depth(self) -> bool:
        """Whether the grammar has rules, or a part that is a JSON text or has a parser."""
        return self._language.has_stack

    def depth_of(self, index: int) -> int:
        """Return how many places the stack of a state has, or how many brackets are open in a JSON text."""
        return self._language.height(self._config_of(index))

    def prepare(self, room: int = 1 << 25, progress: Callable[[int], None] | None = None) -> int:
        """Prepare the parts that have masks of their own (`CompiledGrammar.prepare`)."""
        return sum(part.prepare(room, progress) for part in self._language.compiled_parts)

    # --- completion -----------------------------------------------------------------------------------------

    @cached_property
    def completions(self) -> RestCompletions:
        return _PartCompletions(self)

    def shortest_rest(self, index: int) -> Sequence[int]:
        """Return the symbols of a shortest rest of a state."""
        rest = self._language.shortest_rest(self._config_of(index))
        if not rest and not self.may_end(index):
            raise AssertionError("a language says that its word is complete, and does not accept it")
        return rest

    # --- size -----------------------------------------------------------------------------------------------

    @property
    def used(self) -> float:
        """The share of the grammar's limits that all texts so far have used. Above 1, `fresh` compiles the
        grammar again."""
        # half of the allowed states count as the whole limit, so that texts do not fail while they are read
        states = 2 * self._tables.count(NODES) / self.limits.parser_states
        memory = self.nbytes / self.limits.grammar_memory
        parts = (part.used for part in self._language.compiled_parts)
        return max(memory, states, *parts)

    @property
    def nbytes(self) -> int:
        """The memory of the grammar in bytes: its own tables, its parts, and some 500 for each
        configuration."""
        tables = self._tables.nbytes() + self._steps.nbytes
        if self._lexeme_rows is not None:
            tables += self._lexeme_rows.nbytes
        configs = 500 * self._tables.count(NODES)
        parts = sum(part.nbytes for part in self._language.compiled_parts)
        return int(tables + configs + parts)

    @property
    def sizes(self) -> dict[str, int]:
        """The sizes of what was made so far, by name: states, sizes of the language, bytes."""
        return {
            "machine_states": self._tables.count(NODES),
            **self._language.sizes,
            "table_bytes": self.nbytes,
        }


class _PartCompletions(RestCompletions):
    """Completions of texts with parts that have masks of their own.

    A place inside a part costs the tokens of the part's own completion, plus the cost of the state after the
    part.
    """

    _machine: CompiledText

    def completion_ways(self, state: int) -> list[tuple[int, int]]:
        text = self._machine
        config = text._config_of(state)
        # Of several places the cheapest counts. To choose one costs no token.
        places = list(text._language.single_configs(config))
        if places != [config]:
            return [(0, text._number_of(place)) for place in places]
        visit, _ = text._visit_of(state)
        insides = text._split_insides(state)[0] if visit else ()
        if len(insides) == 1:
            (inside,) = insides
            part_cost = inside.part.cost(inside.state)
            if part_cost is not None:
                return [(part_cost, self._state_after_part(inside))]
        return super().completion_ways(state)

    def count_tokens(self, index: int) -> int:
        text = self._machine
        if not self._counts and not text._language.compiled_parts:
            # The whole rest will be read. If that takes too many steps, it is refused before states are made.
            # These steps are given back at once, since `completion_ways` counts them again.
            steps = 2 * self.symbol_length(index)
            THIS_CALL.spend_steps(steps, text.limits, COMPLETED)
            THIS_CALL.spend_steps(-steps, text.limits, COMPLETED)
        return super().count_tokens(index)

    def _state_after_part(self, inside: InsidePart) -> int:
        """Return the state after a part; -1: the text may end there."""
        if inside.ends or inside.after_end is None:
            return -1
        return self._machine._number_of(inside.after_end)

    def too_long(self, index: int, tokens: Tokens, budget: int) -> Tokens:
        text = self._machine
        insides, others = text._split_insides(index)
        if not insides:
            return super().too_long(index, tokens, budget)
        text._attach_workspace()
        fits = np.zeros(text.vocab_size, np.bool_)
        """Flags of the tokens after which the budget suffices, as one of the places shows."""
        asked_singly = np.zeros(text.vocab_size, np.bool_)
        """Flags of the tokens whose cost no part knows. The state after each of them is examined."""
        for inside in insides:
            asked_singly[text._leaving_tokens(inside)] = True
            inner_tokens = tokens[_tokens_in_bits(inside.part.bits(inside.state), tokens)]
            # the text after the part has a cost too, which is taken from the part's budget
            state_after = self._state_after_part(inside)
            part_budget = budget if state_after < 0 else budget - self.tokens(state_after)
            late = inside.part.too_long(inside.state, inner_tokens, part_budget)
            if late is None:
                asked_singly[inner_tokens] = True
            else:
                fits[np.setdiff1d(inner_tokens, late, assume_unique=True)] = True
        if others is not None:
            other_bits = text.bits(text._number_of(others))
            asked_singly[tokens[_tokens_in_bits(other_bits, tokens)]] = True
        asked_singly[text.special_tokens(index)] = True
        undecided = tokens[asked_singly[tokens] & ~fits[tokens]]
        fits[undecided] = True
        fits[super().too_long(index, undecided, budget)] = False
        denied = tokens[~fits[tokens]]
        # `super` has remembered a budget that suffices for `undecided`. It must hold for all tokens.
        if len(denied):
            self._ceilings.pop(index, None)
        else:
            self._ceilings[index] = budget
        return denied


def _tokens_in_bits(bits: Bits, tokens: Tokens) -> BoolArray:
    """Return for each token whether its bit is set in a row of bits."""
    # token t is bit t % 32 of the word t // 32
    token_bits = bits[tokens >> 5] >> (tokens & 31) & 1
    is_in_row: BoolArray = token_bits.astype(np.bool_)
    return is_in_row
