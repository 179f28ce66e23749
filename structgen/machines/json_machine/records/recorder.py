"""`Recorder` finds or makes the record of a terminal.

- A *terminal* is a state inside a string, a key, a numeral or white space, without the document around it.
- Its *record* lists what each token does there: stay inside, or close it at a *crossing* (a node of the trie
  of tokens), and with which *outcome* (the number of the demands that the value then has met).
- The *identity* of a terminal is the list of the words of `TerminalKey`. Its *key* is the same in each
  grammar: it has the content of the automaton's state in place of its number. Records are found by keys.
- A *free string* is a string of any text. A *live state* is a state of a string that must be a text of a
  grammar, whose states are made when a text reaches them.

A record is made by a *scan* of the trie. Only lengths of free strings have a table, and the record of a live
state is joined from the masks of its grammars.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass

import numpy as np

from structgen.automata.strings.live_strings import LiveState
from structgen.automata.strings.string_pool import PLACES, StringPool
from structgen.base.language.ir import TRUE, Spec
from structgen.base.native.array_types import Int32Array, Int64Array
from structgen.base.native.bit_rows import add_tokens
from structgen.base.native.jit import code_of
from structgen.base.native.raw_memory import address_of
from structgen.base.native.typed_blocks import word_of, words_of
from structgen.machines.json_machine.answers.expander import Expander
from structgen.machines.json_machine.masks import terminal_lexer
from structgen.machines.json_machine.records.length_table import LengthTable
from structgen.machines.json_machine.records.string_tokens import ROOT, StringTokens
from structgen.machines.json_machine.records.terminal_records import (
    KnownTerminal,
    TerminalRecords,
    put_behind_quote,
)
from structgen.machines.json_machine.tables import json_blocks as L
from structgen.machines.json_machine.tables.json_blocks import JsonContext, StringRow
from structgen.machines.machine_core.growing_tables import ADDRESS, GrowingTables
from structgen.machines.machine_core.layout import ASKED
from structgen.machines.machine_core.lexeme_layout import (
    FULL,
    Hooks,
    LexemeCrossing,
    Scan,
)
from structgen.machines.machine_core.lexeme_records import scan_beside
from structgen.machines.machine_core.lexeme_tables import SERIALS, put_trie
from structgen.machines.machine_core.wanted_nodes import ends_read
from structgen.machines.machine_core.workspace import Workspace
from structgen.machines.store.mask_store import VocabularyStore
from structgen.tokens.vocabulary import Vocabulary

_ESCAPING = 2
"""The number of the trie of the tokens that have a backslash before any quote."""
_TRIE_ARRAYS = [word_of(JsonContext, name) + ADDRESS for name in ("trie_nodes", "trie_slots", "tokens")]
_TEXT_MODES = frozenset((L.M_STRING, L.M_KEY))
# Words of the context that a scan reads, and that differ from scan to scan.
_MOVES = word_of(JsonContext, "moves")
_HOOKS = word_of(JsonContext, "hooks")
_MISS = _HOOKS + word_of(Hooks, "miss")
_SAFE = _HOOKS + word_of(Hooks, "safe")
_ENDS = _HOOKS + word_of(Hooks, "ends")


def content_key(identity: list[int], automaton: bytes, context: Int64Array) -> Hashable:
    """Return the key of a terminal, which is the same in each grammar.

    `identity`: the words of its `TerminalKey`. `automaton`: the content of its automaton's state. `context`:
    the block of the grammar, which has the policies of escapes.
    """
    mode, lexeme = identity[: L.TerminalKey.min_length]
    if mode == L.M_NUMBER:
        return mode, automaton
    # The number of an automaton's state is a grammar's own: its content takes the place of the lower bits.
    escapes = int(context[L.JsonContext.escapes if mode == L.M_STRING else L.JsonContext.key_escapes])
    return mode, automaton, lexeme >> L.ESCAPE_SHIFT, *identity[L.TerminalKey.min_length :], escapes


@dataclass(eq=False)
class Recorder:
    """The records of the terminals of one grammar. The caller holds the grammar's lock."""

    _tables: GrowingTables
    _expander: Expander
    _vocabulary: Vocabulary
    _masks: VocabularyStore
    _string_tokens: Callable[[], StringTokens]
    """Returns the vocabulary inside strings that must be texts of grammars."""

    def __post_init__(self) -> None:
        self._shared_records = TerminalRecords.shared(self._vocabulary, self._masks)
        self._own: TerminalRecords | None = None
        """The records that only this grammar has: those of live states, and those for which the store has no
        memory. None until there is one."""

    @property
    def nbytes(self) -> int:
        """The bytes of the records that no other grammar has."""
        return 0 if self._own is None else self._own.nbytes

    def install_terminal(self, terminal: int) -> None:
        """Find or make the record of a terminal, by its number, and write it into the terminal's row."""
        identity = self._tables.rows(L.T_TERMINAL)[terminal, : L.JsonTerminal.holder].tolist()
        key = self._record_key(identity)
        known_terminal = self._known_terminal(key)
        if known_terminal is None:
            # A live state's record is joined from masks of grammars; that of a length is read from a table;
            # all other records are made by a scan.
            live = self._live_record(identity)
            if live is not None:
                known_terminal = self._join_records(key, identity, live)
            elif self._is_counted(identity):
                known_terminal = self._length_record(key, identity)
            else:
                known_terminal = self._scan_record(key, identity, self._lexer_state(identity))
        # A record has outcomes as sets of demands, which mean the same in each grammar. Here they get the
        # numbers of this grammar.
        outcomes = tuple(map(self._expander.outcomes, known_terminal.outcomes))
        outcomes_start = self._tables.extend(L.T_OUTCOME, outcomes, len(outcomes))
        row = self._tables.rows(L.T_TERMINAL)[terminal]
        # One statement: a row whose `record` is set must be whole.
        row[L.JsonTerminal.holder : L.JsonTerminal.record + 1] = (
            known_terminal.holder,
            outcomes_start,
            known_terminal.number,
        )

    def answer_questions(self) -> None:
        """Answer all questions that compiled code has noted."""
        self._expander.answer_questions(self.install_terminal)

    def _call_until_known(self, function: Callable[..., int], *arguments: int) -> int:
        """Return the answer of a compiled function, after all its questions are answered."""
        while True:
            # Cells are a growing table: an answer may have moved them.
            self._tables.context[_MOVES] = self._tables.context[L.T_CELL + ADDRESS]
            code = function(self._tables.address, *arguments)
            if code != ASKED:
                return code
            self.answer_questions()

    def _lexer_state(self, identity: list[int]) -> int:
        """Return the state of the lexer of terminals for a terminal, by its identity."""
        return self._call_until_known(terminal_lexer.state_of, *identity[: L.TerminalKey.is_quoted])

    def _known_terminal(self, key: Hashable) -> KnownTerminal | None:
        """Return the record with a key, from the store or from the grammar's own; None: there is none."""
        shared_terminal = self._shared_records.get(key)
        if shared_terminal is not None or self._own is None:
            return shared_terminal
        return self._own.get(key)

    def _record_key(self, identity: list[int]) -> Hashable:
        """Return the key of a terminal, by its identity."""
        mode, lexeme = identity[: L.TerminalKey.min_length]
        if mode == L.M_SPACE:
            return tuple(identity)
        state = lexeme & L.STATE_BITS
        expander = self._expander
        automaton = b"the free string"
        if mode == L.M_NUMBER:
            automaton = expander.numbers.language_key(lexeme)
        elif state != StringPool.FREE:
            automaton = expander.strings.language_key(state)
        return content_key(identity, automaton, self._tables.context)

    # --- scans ----------------------------------------------------------------------------------------------

    def _prepare_scan(self) -> None:
        """Write the words of the context that every scan needs, and make the first tries, once."""
        tables, context = self._tables, self._tables.context
        if not tables.count(L.T_TRIE):
            context[JsonContext.serial] = next(SERIALS)
            context[_MISS] = code_of(terminal_lexer.cell_of)
            put_trie(tables, 0, len(self._vocabulary.nodes), 0)
        if tables.count(L.T_TRIE) == 1:
            put_behind_quote(tables, self._vocabulary)

    def _scan_record(self, key: Hashable, identity: list[int], state: int) -> KnownTerminal:
        """Make the record of a terminal by a scan; return it. It is put into the store if there is room.

        `state`: the terminal's state of the lexer.
        """
        context = self._tables.context
        is_quoted = identity[L.TerminalKey.is_quoted]
        like, like_state = None, -1
        is_text = identity[L.TerminalKey.mode] in _TEXT_MODES
        if is_text and not is_quoted:
            like, like_state = self._similar_record(identity)
        self._prepare_scan()
        context[_ENDS] = 0 if is_text else code_of(terminal_lexer.ends_before)
        count = self._scan_trie(is_quoted, state, like_state, is_text)
        if count == FULL and like_state >= 0:  # the two states are far apart
            like, like_state = None, -1
            count = self._scan_trie(is_quoted, state, like_state, is_text)
        row = None
        if like is not None:
            # The tokens that both states treat alike, and those that only this scan has found.
            space: Workspace = self._masks.workspaces.space
            row = self._row_of_bits(like) & space.alike
            add_tokens(row, space.tokens[:count])
        # The record of a live state depends on grammars that are freed with this one: it is not shared.
        is_live = identity[L.TerminalKey.mode] == L.M_STRING and self._live_state(identity) is not None
        records = self._own_records() if is_live else self._records()
        return records.put_record(
            key, self._vocabulary, is_quoted, count, row, self._expander.outcomes.values
        )

    def _row_of_bits(self, known_terminal: KnownTerminal) -> Int32Array:
        """Return the tokens that stay inside, of a record, as a row of bits."""
        is_shared = known_terminal.holder == self._shared_records.address
        records = self._shared_records if is_shared else self._own
        assert records is not None, "a record is the store's or the grammar's own"
        return records.row(known_terminal.number)

    # --- strings of which only the length is bounded ---

    def _is_counted(self, identity: list[int]) -> bool:
        """Return whether a terminal is inside a free string of which the length is bounded."""
        mode, lexeme, min_length, max_length, _, is_quoted = identity
        is_free = mode == L.M_STRING and lexeme & L.STATE_BITS < PLACES and not is_quoted
        is_bounded = min_length > 0 or max_length >= 0
        # Where tokens lack some bytes, perhaps no token can write a character that must follow.
        lacks_bytes = bool(self._tables.context[JsonContext.lacks])
        return is_free and is_bounded and not lacks_bytes

    def _length_record(self, key: Hashable, identity: list[int]) -> KnownTerminal:
        """Make the record of a free string with a bounded length, from a table; return it."""
        lexeme, min_length, max_length = identity[L.TerminalKey.lexeme : L.TerminalKey.policy]
        table = self._length_table(lexeme)
        nodes = table.nodes_that_close(min_length, max_length)
        self._prepare_scan()
        # The crossings are written into the scratch memory of scans, so that the record is made as after one.
        arrays = self._masks.workspaces.space.arrays
        crossings = arrays["crossings"].view(np.int64).reshape(-1, words_of(LexemeCrossing))
        crossings[: len(nodes)] = 0, 0, 0, 1  # the free string's outcome is 0
        crossings[: len(nodes), LexemeCrossing.node] = nodes
        arrays["scan"][Scan.crossing_count] = len(nodes)
        row = table.tokens_within(max_length)
        outcomes = self._expander.outcomes.values
        return self._records().put_record(key, self._vocabulary, 0, 0, row, outcomes)

    def _records(self) -> TerminalRecords:
        """Return the records to which one more is added that other grammars can use: the store's, or, where
        these have no room, the grammar's own."""
        if not self._shared_records.has_room():
            return self._own_records()
        return self._shared_records

    def _own_records(self) -> TerminalRecords:
        """Return the records that this grammar alone has, made when first needed."""
        self._own = self._own or TerminalRecords(self._vocabulary, self._masks)
        return self._own

    def _length_table(self, lexeme: int) -> LengthTable:
        """Return the table of lengths of a state of the free string; it is made at the first call.

        There is a table for each state (`lexeme`) and policy of escapes, in the same memory as the records.
        """
        identity = [L.M_STRING, lexeme, 0, -1, 0, 0]
        key = self._record_key(identity)
        for records in (self._shared_records, self._own):
            if records is not None and key in records.length_tables:
                return records.length_tables[key]
        table = self._measure_lengths(identity)
        return self._records().length_tables.setdefault(key, table)

    def _measure_lengths(self, identity: list[int]) -> LengthTable:
        """Make the table of lengths of a state of the free string. Cost: one walk of the vocabulary."""
        self._prepare_scan()
        context, vocabulary = self._tables.context, self._vocabulary
        needs = np.full(len(vocabulary.slot_len), -1, np.int32)
        max_characters = vocabulary.max_token_chars + 2
        tokens = np.empty(max_characters + len(vocabulary.slot_ids), np.int32)
        closings = np.empty(3 * len(vocabulary.nodes) + 1, np.int64)
        # The walk must read a string without bounds. Then the row of the string whose terminal was asked for
        # is put back.
        asked_row = int(context[JsonContext.quoted_row])
        try:
            context[JsonContext.quoted_row] = self._expander.string_row(Spec((TRUE,)))
            state = self._lexer_state(identity)
            addresses = [address_of(array) for array in (needs, tokens, closings)]
            self._call_until_known(terminal_lexer.measure_tokens, state, *addresses)
        finally:
            context[JsonContext.quoted_row] = asked_row
        # The arrays have room for every token and node, mostly unused: so copies are kept. The first numbers
        # of `tokens` say where the tokens of each need end.
        inside_end = int(tokens[max_characters - 1])
        closing_count = int(closings[0])
        inside = tokens[max_characters:inside_end].copy()
        nodes = closings[1 : 1 + 3 * closing_count].reshape(-1, 3).copy()
        ends = tokens[:max_characters] - np.int32(max_characters)
        return LengthTable(ends, inside, nodes, self._masks.dense_row(inside))

    # --- strings that are texts of grammars ---

    def _live_state(self, identity: list[int]) -> LiveState | None:
        """Return the live state of a string that must be a text of a grammar; None for other strings."""
        state = identity[L.TerminalKey.lexeme] & L.STATE_BITS
        return self._expander.strings.is_live(state)

    def _live_record(self, identity: list[int]) -> LiveState | None:
        """Return the live state of a terminal whose record is joined (`_join_records`); else None.

        It is None for other strings, for terminals that begin with the opening quote, and inside escapes.
        """
        mode, lexeme = identity[: L.TerminalKey.min_length]
        is_escape = mode == L.M_STRING and lexeme >> L.ESCAPE_SHIFT != 0
        if mode != L.M_STRING or is_escape or identity[L.TerminalKey.is_quoted]:
            return None
        return self._live_state(identity)

    def _join_records(self, key: Hashable, identity: list[int], live: LiveState) -> KnownTerminal:
        """Make the record of a live state from the masks of its grammars; return it.

        The masks have the tokens without a quote and a backslash. The grammars decide before which quotes a
        text may end. Only tokens with escapes are scanned.
        """
        row = np.zeros(self._vocabulary.words, np.int32)
        for way, at in live.alive_ways():
            row |= way.reader.machine.bits(at)
        if live.regular >= 0:
            row |= self._row_of_bits(self._record_of(L.M_STRING, live.regular)[0])
        # End tokens end a text of the grammar, and never the string in the document.
        ends = np.zeros_like(row)
        add_tokens(ends, np.array(self._string_tokens().plain.eos_token_ids, np.int32))
        row &= ~ends
        closing_nodes = self._closing_nodes(identity, live)
        state = self._lexer_state(identity)
        self._prepare_scan()
        tokens = self._string_tokens()
        context = self._tables.context
        if self._tables.count(L.T_TRIE) == _ESCAPING:
            # The trie is not copied: the context gets the addresses of its arrays.
            escaping = tokens.escaping
            arrays = (escaping.nodes, escaping.slot_start, escaping.slot_ids)
            context[_TRIE_ARRAYS] = [address_of(array) for array in arrays]
            put_trie(self._tables, 0, len(escaping.nodes), 0, own=True)
        context[_ENDS] = 0
        context[_SAFE] = code_of(terminal_lexer.nothing_safe)
        token_count = self._call_until_known(scan_beside, _ESCAPING, state, -1)
        space = self._masks.workspaces.space
        add_tokens(row, space.tokens[:token_count])
        scan = space.arrays["scan"]
        crossings = space.arrays["crossings"].view(np.int64)
        crossings = crossings.reshape(-1, words_of(LexemeCrossing))
        count = int(scan[Scan.crossing_count])
        # The crossings are nodes of the trie of tokens with escapes. The record has the trie of all marked
        # tokens: the nodes get their numbers in that trie, and the quotes before any escape are added.
        nodes = crossings[:count, LexemeCrossing.node]
        crossings[:count, LexemeCrossing.node] = tokens.places[nodes]
        for node, outcome in closing_nodes.items():
            crossings[count] = node, outcome, 0, 1
            count += 1
        scan[Scan.crossing_count] = count
        records = self._own_records()
        trie = records.copy_of(tokens.marked_vocabulary)
        return records.put_record(
            key, self._vocabulary, trie, token_count, row, self._expander.outcomes.values
        )

    def _closing_nodes(self, identity: list[int], live: LiveState) -> dict[int, int]:
        """Return the nodes of the trie of marked tokens whose quote closes a live state's string, before any
        escape, each with the outcome."""
        tokens = self._string_tokens()
        strings = self._expander.strings
        met: dict[int, set[int]] = {}
        for way, at in live.alive_ways():
            for node in way.reader.machine.ends_below(at, tokens.heads):
                met.setdefault(node, set()).add(way.demand)
        if live.regular >= 0:

            def step(state: int, byte: int) -> int | None:
                after = int(strings.trans[state, byte])
                return None if after < 0 else after

            def ends(state: int) -> bool:
                states[:] = (state,)  # If the text may end, the node of this state is yielded next.
                return bool(strings.outcome[state] >= 0)

            states: list[int] = []
            for node in ends_read(
                tokens.marked_vocabulary.nodes, tokens.heads.flags, live.regular, step, ends
            ):
                met.setdefault(node, set()).update(strings.demands_met(states[0]))
        outcomes = {
            tokens.quotes[node]: self._expander.outcomes(frozenset(demands)) for node, demands in met.items()
        }
        # A token that is a quote, or begins with one, ends the text in the state itself.
        own_outcome = int(strings.outcome[identity[L.TerminalKey.lexeme]])
        if own_outcome >= 0 and ROOT in tokens.quotes:
            outcomes[tokens.quotes[ROOT]] = own_outcome
        return outcomes

    def _scan_trie(self, trie: int, state: int, like_state: int, is_text: bool) -> int:
        """Scan a trie, by its number, until all questions are answered.

        Returns the number of tokens that stay inside, or FULL. `like_state`: the state with which this one is
        compared (-1: none). `is_text`: the terminal is in a string or key, where classes of characters may be
        safe. For example, `_scan_trie(0, state, -1, False)` scans all tokens in a numeral.
        """
        # Safe subtrees are taken whole, and so would not be compared.
        self._tables.context[_SAFE] = code_of(terminal_lexer.safe_in) if is_text and like_state < 0 else 0
        return self._call_until_known(scan_beside, trie, state, like_state)

    def _similar_record(self, identity: list[int]) -> tuple[KnownTerminal | None, int]:
        """Return a record that has nearly the same tokens as a terminal in a string or key, and its state.

        The terminal's scan is then compared with that state. None and -1: there is no such record.
        """
        mode, lexeme = identity[: L.TerminalKey.min_length]
        has_bounds = identity[L.TerminalKey.min_length : L.TerminalKey.policy] != [0, -1]
        begin = -1 if has_bounds else self._begin_state(mode)
        is_banned = begin > StringPool.FREE and lexeme & L.STATE_BITS not in (StringPool.FREE, L.NO_STATE)
        if is_banned and self._expander.strings.may_end_anywhere(begin):
            # Each state is a position in some banned texts, so most bytes lead to the same state as from the
            # beginning.
            reference = lexeme & ~L.STATE_BITS | begin
            if reference != lexeme:
                return self._record_of(mode, reference)
        return None, -1

    def _begin_state(self, mode: int) -> int:
        """Return the first state of the automaton of the string, or of the object's extra keys, whose
        terminal was asked for last; -1: there is none."""
        quoted_row = int(self._tables.context[JsonContext.quoted_row])
        if mode == L.M_KEY:
            row = self._tables.rows(L.T_RES)[quoted_row]
            return int(row[L.ResidueRow.extra]) if row[L.ResidueRow.status] else -1
        row = self._tables.rows(L.T_STRING)[quoted_row]
        return int(row[StringRow.start]) if row[StringRow.kind] == 0 else -1

    def _record_of(self, mode: int, lexeme: int) -> tuple[KnownTerminal, int]:
        """Find or make the record of a state in a string or key without bounds of its length.

        Returns the record, and its state of the lexer. `lexeme`: as in `TerminalKey`.
        """
        identity = [mode, lexeme, 0, -1, 0, 0]
        state = self._lexer_state(identity)
        key = self._record_key(identity)
        return self._known_terminal(key) or self._scan_record(key, identity, state), state
