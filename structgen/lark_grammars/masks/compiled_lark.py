"""`CompiledLark`: a Lark grammar under LALR(1) and the contextual lexer, compiled against a tokenizer.

The compiled twin of `ContextualLanguage`: stacks, places and states are numbers in tables that compiled code
fills by itself (`lark_step`, `lark_masks`); Python is asked what a byte does to a lexeme state it has not
met, and whether a text goes on from a place. What more than one open end of a lexeme would take is followed
by the Python reader, state by state.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from structgen.core.compiled import State
from structgen.core.dfa import Dfa, ParserStates, explicit
from structgen.json_machine.tables import layout as L
from structgen.language.grammar import Grammar
from structgen.lark_grammars.compiled import (
    lark_masks,
    lexeme_moves,
    lexeme_records,
    paired_lexemes,
    record_harvest,
)
from structgen.lark_grammars.compiled import registers as K
from structgen.lark_grammars.compiled.mask_fragments import Pieces
from structgen.lark_grammars.kept.kept_masks import KeptMasks
from structgen.lark_grammars.kept.state_image import put, take
from structgen.lark_grammars.lark_grammar import LarkGrammar
from structgen.lark_grammars.lexer import lexeme_ends, lexeme_rows
from structgen.lark_grammars.masks.followed_masks import FollowedMasks
from structgen.lark_grammars.masks.kept_lark import LanguageSource, LarkKeeper, identity_of, read
from structgen.lark_grammars.masks.vocabulary_tables import Book
from structgen.lark_grammars.tables.grammar_tables import GrammarTables
from structgen.limits import Limits
from structgen.machine_core.expected import Expected
from structgen.machine_core.masks import fill
from structgen.native.bit_rows import add_tokens
from structgen.native.jit import load
from structgen.native.raw_memory import address_of
from structgen.store.mask_store import MaskStore
from structgen.tokens.tokenizer import Tokenizer

_LOOPS = (
    record_harvest,
    lark_masks,
    lexeme_moves,
    paired_lexemes,
    lexeme_records,
    lexeme_ends,
    lexeme_rows,
)
"""The modules whose machine code is there when a grammar is, so that its first mask does not wait for it."""


class CompiledLark(FollowedMasks):
    """What lark accepts, compiled: exact masks, states as values, completions.

    Cost: some 15 ns a byte for lexeme states that were met, 30 us for a byte that was not, and 50 us for each
    place between two lexemes the first time that a token ends there or in the lexeme before.
    """

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
        """`before`: the one whose successor this is. Its lexemes and records are shared, and the states that
        have masks taken over."""
        super().__init__(grammar, tokenizer, limits, store)
        load(*(one.__name__ for one in _LOOPS))
        assert isinstance(grammar, LarkGrammar)
        self._parsed = grammar.tables
        files, image, kept = self._masks.grammars, None, None
        pages: GrammarTables | None = None
        lexemes: npt.NDArray[np.uint8] | None = None
        if before is None:
            self._identity = identity_of(grammar, tokenizer, self.limits)
            kept = (
                None
                if files is None
                else read(files, self._identity, self._masks, grammar.facts, len(self.vocabulary.nodes))
            )
            if kept is not None:
                pages, lexemes, image = kept.pages, kept.lexemes, kept.image
            elif ahead := grammar.ahead:
                pages, lexemes = ahead.pages.own(), ahead.lexemes
            self._source = LanguageSource(grammar, self.limits, lexemes)
            if kept is None and not (ahead and ahead.has_text):
                self._language.start()  # raises where there is no text
            known = self._parsed, self._source, self.vocabulary, self._masks
            self._book = Book(*known, pages, None if kept is None else kept.records)
        else:
            self._identity, self._source, self._book = before._identity, before._source, before._book
            if self._source.nbytes > self.limits.grammar_memory:
                # what its reader has met goes with it
                self._source = LanguageSource(grammar, self.limits, before._source.encode())
                known = self._parsed, self._source, self.vocabulary, self._masks
                self._book = Book(*known, before._book.pages(), before._book.records())
            else:
                self.lock = before.lock  # of what they share
            if before._kept is not None:
                before._kept.recall_all()
            image = take(before._tables, before._start)
            if image.nbytes > self.limits.grammar_memory // 4:
                image = image.emptied()
        self._needs = self._book.attach(self._tables.context)
        self._alike = Pieces(pooled=False)
        """Masks that states which look alike share."""
        self._tables.context[K.C_MASKS] = self._alike.address
        self._finished = -1
        self._dense: int | npt.NDArray[np.int32] = -1
        self._extra: npt.NDArray[np.int32] = self._end_ids
        """Of the mask that is worked out: its dense row, and what is neither in it nor in the buffer."""
        if image is not None:
            self._start = put(image, self._tables, None if kept is None else kept.slots)
        self._kept: KeptMasks | None = None if kept is None else kept.masks(self._tables, self.vocab_size)
        """Masks that lie in a file and were not asked for yet."""
        if image is None:
            self._room()
            self._start = self._retry(lark_masks.first_node, self._parsed.start)
        if files is not None:
            held = self._masks, self._tables, self._book, self._source
            self._keeping = LarkKeeper(
                files, self._identity, self.lock, held, self._start, self._kept, self.limits
            )
            files.writer.watch(self, self._keeping)

    def anew(self) -> CompiledLark:
        """Return the same, with the states alone that have masks: most of what is met are places of
        proofs."""
        return CompiledLark(self.grammar, self.tokenizer, self.limits, self.store, before=self)

    # --- states ---------------------------------------------------------------------------------------------

    def _after_token(self, index: int, token: int) -> int:
        code = self._retry(lark_masks.take_token, index, token)
        if code == L.UNKNOWN_FREE:
            text = self.tokenizer.token_bytes[token]
            assert text is not None
            return self._after_followed(index, text)
        return code

    def _after_followed(self, index: int, text: bytes) -> int:
        """Return the live state after a text, as the reader finds it."""
        with self.lock, self._source.effort:
            reading = self._reader.run(self._reading(index), text)
            if reading is None or not self._language.is_live(reading):
                return -1
            return self._number(reading)

    def _after_end(self, index: int) -> int:
        if not self.may_end(index):
            return -1
        with self.lock:
            if self._finished < 0:
                row = np.full(L.N_STRIDE, -1, np.int64)
                row[L.MODE] = L.M_FINISHED
                self._room()
                self._finished = self._tables.append(L.T_NODE, row)
            return self._finished

    def bytes_index(self, index: int, data: bytes) -> int:
        """Return the number of the state after bytes, or -1."""
        if index == self._finished:
            return -1
        if not self._is_followed(index):
            held = np.frombuffer(data, np.uint8)
            code = self._retry(lark_masks.take_bytes, index, address_of(held), len(data))
            if code != L.UNKNOWN_FREE:
                return code if code >= 0 and self._retry(lark_masks.is_live, code) else -1
        return self._after_followed(index, data)

    def ends_below(self, index: int, wanted: npt.NDArray[np.uint8], most: int) -> list[int]:
        """As CompiledGrammar's, in one compiled call: some 30 ns a node. Where Python must follow, it goes on
        from there."""
        if self._is_followed(index):
            return super().ends_below(index, wanted, most)
        room = np.empty(len(wanted), np.int32)  # where Python must follow is noted on the way, too
        count = self._retry(lark_masks.ends_below, index, address_of(wanted), address_of(room))
        noted = room[:count].tolist()
        found: list[int] = [node for node in noted if node >= 0]
        followed = [-1 - node for node in noted if node < 0]
        if followed:
            left, skips = np.zeros_like(wanted), self.vocabulary.nodes >> np.uint64(40)
            for node in followed:
                left[np.flatnonzero(skips[:node] > node)] = 1
                left[node : int(skips[node])] = wanted[node : int(skips[node])]
            found = sorted(found + super().ends_below(index, left, most))
        return found

    def may_end(self, index: int) -> bool:
        """Return whether the text may end in a state, by its number."""
        if index == self._finished:
            return False
        if not self._is_followed(index):
            return bool(self._retry(lark_masks.ends, index))
        with self.lock:
            return self._reader.accepts(self._reading(index))

    def _next_bytes(self, index: int) -> bytes:
        return bytes(byte for byte in range(256) if self.bytes_index(index, bytes((byte,))) >= 0)

    def _expected(self, index: int) -> list[Expected]:
        if index == self._finished:
            return []
        with self._source.effort:
            found = self._language.expected(self._reading(index))
        return [*found, Expected("the end of the text")] if self.may_end(index) else found

    # --- masks ----------------------------------------------------------------------------------------------

    def _compute(self, index: int, target: int) -> int:
        if fill(self.address, index, target) == 0:
            return 0
        if self._kept is not None and self._kept.recall(index):
            return int(fill(self.address, index, target))
        if index == self._finished:
            return L.ENDED
        self._dense = -1
        with self._source.effort:
            if self._is_followed(index):
                found = self._walk_followed(index)
            else:
                found = self._walk(index)
                dense = self._book.dense()
                if dense is None:  # a record's tokens are lost
                    dense, found = -1, self._walk_followed(index)
                self._dense = dense
        if self.may_end(index):
            found += self._end_ids.tolist()
        self._extra = extra = np.array(found, np.int32)
        if not isinstance(self._dense, int):
            return L.LARGE
        arguments = address_of(extra), len(extra), self._dense, target
        while True:
            code = int(lark_masks.memoise(self.address, index, *arguments))
            if code != L.ASKED:
                return code
            self._tables.room(L.T_LIST, self.vocab_size + 2)

    def _large_row(self) -> npt.NDArray[np.int32]:
        row = super()._large_row()
        add_tokens(row, self._extra)
        if not isinstance(self._dense, int):
            row |= self._dense
        elif self._dense >= 0:
            row |= self._masks.rows[self._dense]
        return row

    def _walk(self, index: int) -> list[int]:
        """Have the tokens of a state collected; return those that the reader has found beside."""
        while int(lexeme_records.collect(self.address, index)) == L.ASKED:
            self._answer()
        return self._deferred(self._reading(index)) if self._tables.context[L.C_DEFERRED_COUNT] else []

    # --- completion -----------------------------------------------------------------------------------------

    def _shortest(self, index: int) -> Sequence[int]:
        return self._language.shortest(self._reading(index))

    def _after_text(self, index: int, data: int, size: int) -> int:
        if not self._is_followed(index):
            code = self._retry(lark_masks.take_bytes, index, data, size)
            if code != L.UNKNOWN_FREE:
                assert code >= 0, "a rest that its language refuses"
                return code
        return self._after_followed(index, _copied(data, size))

    def _after_tokens(self, index: int, tokens: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        return np.array([self._after_token(index, int(token)) for token in tokens], np.int64)

    def to_dfa(self, max_states: int, depth: int | None = None, *, minimal: bool = False) -> Dfa:
        """Return the explicit automaton of all states over classes of tokens (structgen.core.dfa.Dfa); with
        `minimal`, states with the same continuations are one.

        `depth`: texts whose parser stack has more places at some point are left out. Raises LimitError,
        naming max_states, where there are more states (a recursive grammar without a depth).
        """
        with self.lock:
            return explicit(
                ParserStates(self, self._language.classes, self.depth_of),
                self._start,
                self.tokenizer,
                lambda n: State(self, n),
                max_states,
                depth,
                minimal,
            )

    @property
    def has_depth(self) -> bool:
        """Places of the parser's stack are counted."""
        return True

    def depth_of(self, index: int) -> int:
        """Return how many places the stack of a state has: the most of all its branches."""
        return self._language.height(self._reading(index))

    # --- size -----------------------------------------------------------------------------------------------

    @property
    def used(self) -> float:
        """How much of what its limits allow it holds, from all documents; above 1 it is time for `fresh`."""
        limits = self.limits
        rows = max(self._tables.count(table) for table in (L.T_NODE, L.T_TEXT, L.T_SET, L.T_EDGE))
        return max(
            self.nbytes / limits.grammar_memory,
            2 * rows / limits.parser_states,
            2 * self._book.states / limits.automaton_states,
        )

    @property
    def nbytes(self) -> int:
        """Bytes of the grammar's own tables, and of what its reader has met, about."""
        tables = self._tables.nbytes() + self._alike.nbytes + self._book.nbytes
        return int(tables + 2000 * self._book.states + self._source.nbytes)

    @property
    def sizes(self) -> dict[str, int]:
        """How far the grammar is expanded: states, stacks, and bytes."""
        count = self._tables.count
        return {
            "machine_states": count(L.T_NODE),
            "stacks": count(L.T_TEXT),
            "places": count(L.T_SET),
            "lexer_states": self._book.states,
            "table_bytes": self.nbytes,
        }


def _copied(data: int, size: int) -> bytes:
    import ctypes

    return ctypes.string_at(data, size)
