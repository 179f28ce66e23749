"""`CompiledLark`: a Lark grammar under LALR(1) and the contextual lexer, compiled against a tokenizer.

The compiled counterpart of `ContextualLanguage`. Stacks, places and states are numbers in tables that
compiled code fills by itself (`lark_step`, `lark_masks`). Python computes new moves of lexeme states, and
whether a text can be completed from a place. A state with several open ends of a lexeme is read by the Python
reader.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from structgen.core.compiled import CompiledGrammar, WantedNodes
from structgen.core.dfa import Dfa, explicit_of_parser
from structgen.core.grammar import Grammar
from structgen.language.expectation import Expected
from structgen.lark_grammars.compiled import (
    lark_masks,
    lexeme_moves,
    lexeme_records,
    paired_lexemes,
)
from structgen.lark_grammars.compiled import registers as K
from structgen.lark_grammars.compiled.mask_fragments import MaskFragments
from structgen.lark_grammars.kept.kept_masks import KeptMasks
from structgen.lark_grammars.kept.loaded_lark import LoadedLark
from structgen.lark_grammars.kept.state_snapshot import put, take
from structgen.lark_grammars.lexer import lexeme_ends, lexeme_rows
from structgen.lark_grammars.masks.kept_lark import KeptLark, LarkKeeper, identity_of, read
from structgen.lark_grammars.masks.lark_answers import LarkAnswers, ReaderStates
from structgen.lark_grammars.masks.slow_masks import SlowMasks
from structgen.lark_grammars.masks.vocabulary_tables import VocabularyTables
from structgen.lark_grammars.tables.contextual_language import LanguageSource
from structgen.limits import Limits
from structgen.machine_core import masks as core_masks
from structgen.machine_core.growing_tables import EDGES, LISTS, NODES
from structgen.machine_core.layout import ASKED, ENDED, FINISHED, LARGE, UNKNOWN_FREE
from structgen.native.bit_rows import add_tokens
from structgen.native.jit import load
from structgen.native.raw_memory import address_of
from structgen.native.typed_blocks import word_of, words_of
from structgen.store.mask_store import MaskStore
from structgen.text_grammars.machine.rest_completions import RestCompletions
from structgen.tokens.tokenizer import Tokenizer

_CONTEXT_DEFERRED_COUNT: Final = K.LarkContext.deferred_count
_CONTEXT_REUSED_MASKS: Final = word_of(K.LarkContext, "reused_masks")
_NODE_WORDS: Final = words_of(K.LarkNode)
_STATE_MODE: Final = K.LarkState.mode
_LOOPS = (
    core_masks,
    lark_masks,
    lexeme_moves,
    paired_lexemes,
    lexeme_records,
    lexeme_ends,
    lexeme_rows,
)
"""The modules whose machine code is loaded with a grammar, so that its first mask does not wait for it."""


class CompiledLark(CompiledGrammar):
    """The language of lark, compiled: exact masks, states as values, completions.

    Its parts: the tables of compiled code (`VocabularyTables`), the answers to compiled code's questions
    (`LarkAnswers`), its states as configurations of the Python reader (`ReaderStates`), the masks that only
    the reader can compute (`SlowMasks`), and the completions of its states (`RestCompletions`).

    Cost: about 15 ns a byte in known lexeme states, 30 us for a byte with a new move, and 50 us for each
    place between two lexemes, the first time that a token ends there or in the lexeme before.
    """

    table_plan = K.LARK_TABLES
    take = staticmethod(lark_masks.take_token)
    walk_drafts = staticmethod(lark_masks.walk_drafts)

    def __init__(
        self,
        grammar: Grammar,
        tokenizer: Tokenizer,
        limits: Limits | None = None,
        store: MaskStore | Literal[False] | None = None,
        *,
        before: CompiledLark | None = None,
    ) -> None:
        """`before`: the compiled grammar that this one replaces. It shares that one's lexemes and records,
        and takes over its states with masks."""
        super().__init__(grammar, tokenizer, limits, store)
        load(*(one.__name__ for one in _LOOPS))
        assert isinstance(grammar, LoadedLark)
        kept = image = None
        if before is None:
            kept = self._make_tables(grammar)
            image = None if kept is None else kept.image
        else:
            self._share_tables(grammar, before)
            image = take(before._tables, before._start)
            if image.nbytes > self.limits.grammar_memory // 4:
                image = image.emptied()
        self._states = ReaderStates(self._tables, self._source, self._vocabulary_tables)
        self._answers = LarkAnswers(
            grammar.tables, self._tables, self._vocabulary_tables, self._states, self._source, self.lock
        )
        self._slow = SlowMasks(tokenizer, self.vocabulary, self._tables, self._states, self._answers)
        self._reused = MaskFragments(pooled=False)
        """Masks shared by states that differ only in parts that no mask inspects."""
        self._tables.context[_CONTEXT_REUSED_MASKS] = self._reused.address
        self._completions = RestCompletions(self)
        self._finished = -1
        self._dense: int | npt.NDArray[np.int32] = -1
        self._extra: npt.NDArray[np.int32] = self._end_ids
        """For the mask being computed: its dense row, and the tokens besides that and the buffer."""
        if image is not None:
            self._start = put(image, self._tables, None if kept is None else kept.slots)
        self._kept: KeptMasks | None = None if kept is None else kept.masks(self._tables)
        """Masks in a file that were not needed yet."""
        if image is None:
            self._states.make_room()
            self._start = self._answers.call(lark_masks.first_node, grammar.tables.start)
        if files := self._masks.grammars:
            held = self._masks, self._tables, self._vocabulary_tables, self._source
            self._keeper = LarkKeeper(
                files, self._identity, self.lock, held, self._start, self._kept, self.limits
            )
            files.writer.watch(self, self._keeper)

    def _make_tables(self, grammar: LoadedLark) -> KeptLark | None:
        """Make the tables: from a file, from those that hold for all vocabularies, or empty. Return the
        contents of the file, or None. Raises GrammarError if there is no text."""
        self._identity = identity_of(grammar, self.tokenizer, self.limits)
        files, kept = self._masks.grammars, None
        if files is not None:
            kept = read(files, self._identity, self._masks)
        ahead = grammar.ahead if kept is None else None
        grammar_tables, lexemes, records = None, None, None
        refuse: Callable[[], object] = grammar.refuse
        if kept is not None and files is not None:
            grammar_tables, lexemes, records = kept.grammar_tables, kept.lexemes, kept.records
            refuse = partial(files.drop, self._identity, "cannot be read")
        elif ahead is not None:
            grammar_tables, lexemes = ahead.grammar_tables.own(), ahead.lexemes
        self._source = LanguageSource(grammar.tables, self.limits, lexemes, refuse)
        if kept is None and not (ahead and ahead.has_text):
            self._source().start()  # raises if there is no text
        known = grammar.tables, self._source, self.vocabulary, self._masks
        self._vocabulary_tables = VocabularyTables(*known, grammar_tables, records)
        return kept

    def _share_tables(self, grammar: LoadedLark, before: CompiledLark) -> None:
        """Share the tables of another compiled grammar; copy them if its reader has grown large."""
        self._identity, self._source = before._identity, before._source
        self._vocabulary_tables = before._vocabulary_tables
        if self._source.nbytes > self.limits.grammar_memory:
            held = before._vocabulary_tables
            self._source = LanguageSource(grammar.tables, self.limits, before._source.encode())
            known = grammar.tables, self._source, self.vocabulary, self._masks
            self._vocabulary_tables = VocabularyTables(*known, held.grammar_tables(), held.records())
        else:
            self.lock = before.lock  # it protects the shared tables
        if before._kept is not None:
            before._kept.recall_all()

    def anew(self) -> CompiledLark:
        """Return a replacement that has only the states with masks: most others were made in proofs."""
        return CompiledLark(self.grammar, self.tokenizer, self.limits, self.store, before=self)

    def prepare(self, room: int = 1 << 25, progress: Callable[[int], None] | None = None) -> int:
        """As in CompiledGrammar: make the records of lexeme states, those nearest to the beginnings of
        lexemes first."""
        with self.lock:
            self._attach()
            return self._answers.prepare(room, progress)

    # --- states ---------------------------------------------------------------------------------------------

    def _after_token(self, index: int, token: int) -> int:
        code = self._answers.call(lark_masks.take_token, index, token)
        if code == UNKNOWN_FREE:
            text = self.tokenizer.token_bytes[token]
            assert text is not None
            return self._after_slowly(index, text)
        return code

    def _after_slowly(self, index: int, text: bytes) -> int:
        """Return the live state after a text, by the Python reader, or -1."""
        states = self._states
        with self.lock, self._source.budget:
            after = states.reader.run(states.configuration(index), text)
            if after is None or not states.language.is_live(after):
                return -1
            return states.number(after)

    def _after_end(self, index: int) -> int:
        if not self.may_end(index):
            return -1
        with self.lock:
            if self._finished < 0:
                row = np.full(_NODE_WORDS, -1, np.int64)
                row[_STATE_MODE] = FINISHED
                self._states.make_room()
                self._finished = self._tables.append(NODES, row)
            return self._finished

    def bytes_index(self, index: int, data: bytes) -> int:
        """Return the number of the state after bytes, or -1."""
        if index == self._finished:
            return -1
        if not self._states.is_slow(index):
            held = np.frombuffer(data, np.uint8)
            code = self._answers.call(lark_masks.take_bytes, index, address_of(held), len(data))
            if code != UNKNOWN_FREE:
                return code if code >= 0 and self._answers.call(lark_masks.is_live, code) else -1
        return self._after_slowly(index, data)

    def ends_below(self, index: int, wanted: WantedNodes) -> list[int]:
        """As in CompiledGrammar, in one compiled call: about 30 ns a node. The Python reader continues from
        nodes that compiled code cannot follow."""
        if self._states.is_slow(index):
            return super().ends_below(index, wanted)
        flags = wanted.flags
        room = np.empty(len(flags), np.int32)
        count = self._answers.call(lark_masks.ends_below, index, address_of(flags), address_of(room))
        noted = room[:count].tolist()
        found: list[int] = [node for node in noted if node >= 0]
        slow = [-1 - node for node in noted if node < 0]
        if slow:
            left, skips = np.zeros_like(flags), self.vocabulary.nodes >> np.uint64(40)
            for node in slow:
                left[np.flatnonzero(skips[:node] > node)] = 1
                left[node : int(skips[node])] = flags[node : int(skips[node])]
            found = sorted(found + super().ends_below(index, wanted._replace(flags=left)))
        return found

    def may_end(self, index: int) -> bool:
        """Return whether the text may end in a state, by its number."""
        if index == self._finished:
            return False
        if not self._states.is_slow(index):
            return bool(self._answers.call(lark_masks.ends, index))
        with self.lock:
            return self._states.reader.accepts(self._states.configuration(index))

    def _expected(self, index: int) -> list[Expected]:
        if index == self._finished:
            return []
        with self._source.budget:
            found = self._states.language.expected(self._states.configuration(index))
        return [*found, Expected("the end of the text")] if self.may_end(index) else found

    # --- masks ----------------------------------------------------------------------------------------------

    def _compute(self, index: int, target: int) -> int:
        if core_masks.fill(self.address, index, target) == 0:
            return 0
        if self._kept is not None and self._kept.recall(index):
            return int(core_masks.fill(self.address, index, target))
        if index == self._finished:
            return ENDED
        self._dense = -1
        with self._source.budget:
            if self._states.is_slow(index):
                found = self._slow.of_state(index, self._workspace.arrays[3])
            else:
                found = self._collect(index)
                dense = self._vocabulary_tables.dense()
                if dense is None:  # the tokens of a record are lost
                    dense, found = -1, self._slow.of_state(index, self._workspace.arrays[3])
                self._dense = dense
        if self.may_end(index):
            found += self._end_ids.tolist()
        self._extra = extra = np.array(found, np.int32)
        if not isinstance(self._dense, int):
            return LARGE
        arguments = address_of(extra), len(extra), self._dense, target
        while True:
            code = int(lark_masks.memoise(self.address, index, *arguments))
            if code != ASKED:
                return code
            self._tables.room(LISTS, self.vocab_size + 2)

    def _large_row(self) -> npt.NDArray[np.int32]:
        row = super()._large_row()
        add_tokens(row, self._extra)
        if not isinstance(self._dense, int):
            row |= self._dense
        elif self._dense >= 0:
            row |= self._masks.rows[self._dense]
        return row

    def _collect(self, index: int) -> list[int]:
        """Have compiled code collect the tokens of a state; return the allowed ones among those that it left
        to the Python reader."""
        while int(lark_masks.collect(self.address, index)) == ASKED:
            self._answers.answer()
        count = int(self._tables.context[_CONTEXT_DEFERRED_COUNT])
        if not count:
            return []
        deferred = self._workspace.arrays[3]
        return self._slow.of_tokens(self._states.configuration(index), deferred[:count], deferred)

    # --- completion -----------------------------------------------------------------------------------------

    @property
    def completions(self) -> RestCompletions:
        """The shortest completions of its states."""
        return self._completions

    def shortest_rest(self, index: int) -> Sequence[int]:
        """Return the symbols of a short rest (`RestMachine`)."""
        return self._states.language.shortest(self._states.configuration(index))

    def after_rest(self, index: int, data: int, size: int) -> int:
        """Return the state after the bytes of a rest (`RestMachine`)."""
        if not self._states.is_slow(index):
            code = self._answers.call(lark_masks.take_bytes, index, data, size)
            if code != UNKNOWN_FREE:
                assert code >= 0, "a rest that its language refuses"
                return code
        return self._after_slowly(index, ctypes.string_at(data, size))

    def after_tokens(self, index: int, tokens: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return the states after some allowed tokens (`RestMachine`)."""
        return np.array([self._after_token(index, int(token)) for token in tokens], np.int64)

    def to_dfa(self, max_states: int, depth: int | None = None, *, minimal: bool = False) -> Dfa:
        """Return the explicit automaton of all states over classes of tokens (structgen.core.dfa.Dfa); with
        `minimal`, equivalent states are merged.

        `depth`: texts whose parser stack ever has more entries are left out. Raises LimitError, which names
        max_states, if there are more states (a recursive grammar without a depth).
        """
        return explicit_of_parser(self, self._states.language.classes, max_states, depth, minimal)

    @property
    def has_depth(self) -> bool:
        """Whether the grammar has a depth: the entries of the parser's stack."""
        return True

    def depth_of(self, index: int) -> int:
        """Return the height of a state's stack: the largest of all its branches."""
        return self._states.language.height(self._states.configuration(index))

    # --- size -----------------------------------------------------------------------------------------------

    @property
    def used(self) -> float:
        """The used share of its limits, over all documents; above 1 it should be replaced (`fresh`)."""
        limits = self.limits
        rows = max(self._tables.count(table) for table in (NODES, K.CELLS, K.PLACES, EDGES))
        return max(
            self.nbytes / limits.grammar_memory,
            2 * rows / limits.parser_states,
            2 * self._vocabulary_tables.states / limits.automaton_states,
        )

    @property
    def nbytes(self) -> int:
        """About how many bytes the grammar's own tables and its reader's tables take."""
        tables = self._tables.nbytes() + self._reused.nbytes + self._vocabulary_tables.nbytes
        return int(tables + 2000 * self._vocabulary_tables.states + self._source.nbytes)

    @property
    def sizes(self) -> dict[str, int]:
        """The sizes of its tables: states, stacks, and bytes."""
        count = self._tables.count
        return {
            "machine_states": count(NODES),
            "stacks": count(K.CELLS),
            "places": count(K.PLACES),
            "lexer_states": self._vocabulary_tables.states,
            "table_bytes": self.nbytes,
        }
