"""`NumberedText`: the configurations of a `Language`, numbered as texts reach them, and steps between them.

A *configuration* is a reader's knowledge after some text, a hashable value of the language. Each
configuration gets a number, its *state*. A *place* is one of the ways to read the text so far; a
configuration may have several. A *part* is a grammar inside the grammar that has masks of its own, such as
the JSON Schema in `"<a>" + sg.json_schema(...) + "</a>"`.

A *visit* is a part at one position of the grammar. Where all places are inside one part, the state is a pair:
the visit, and the part's own state. Compiled code makes such states (`stepping.enter_part`). For all other
steps Python asks the language.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from structgen.base.errors import OptionError, StructgenError
from structgen.base.language.remembering import remember_answers
from structgen.base.limits import Limits
from structgen.base.native.array_types import Int64Array
from structgen.base.native.raw_memory import address_of
from structgen.base.native.typed_blocks import word_of, words_of
from structgen.base.system.fork_locks import GRAMMARS, new_lock
from structgen.base.system.public_calls import THIS_CALL
from structgen.grammars.text_grammars.machine import stepping, text_masks
from structgen.grammars.text_grammars.machine.language import (
    CompileTarget,
    Config,
    InsidePart,
    Language,
    LanguageGrammar,
)
from structgen.grammars.text_grammars.machine.lexeme_rows import LexemeRows
from structgen.grammars.text_grammars.machine.part_ends import EndsMap, ends_map, unite_bytes
from structgen.grammars.text_grammars.machine.rest_completions import RestMachine
from structgen.grammars.text_grammars.machine.step_table import StepTable
from structgen.grammars.text_grammars.machine.stepping import TEXT_TABLES, TextContext, TextState, Visit
from structgen.machines.machine_core.growing_tables import NODES
from structgen.machines.machine_core.layout import BELOW, READING, REFUSED, REGISTERS
from structgen.machines.machine_core.lexeme_layout import ASK_RECORD, FULL
from structgen.machines.machine_core.lexeme_tables import RecordTables
from structgen.machines.machine_core.questions import call_answered
from structgen.machines.store.mask_store import StoreOption
from structgen.tokens.tokenizer import Tokenizer

_VISITS = word_of(TextContext, "visits")
_TARGETS, _LEAVING, STATE_AFTER = (word_of(Visit, name) for name in ("targets", "leaving", "state_after"))
_MODE, _NUMBER, _VISIT, _STATE = (word_of(TextState, name) for name in ("mode", "number", "visit", "state"))


class _EnteredPart(NamedTuple):
    """A visit: a part with masks of its own, at one position in the grammar."""

    places: tuple[InsidePart, ...]
    """The places of the first state that was inside the part."""
    config: Config
    """The configuration of that state."""


class NumberedText(RestMachine):
    """A compiled grammar of texts: its states, and the steps between them."""

    grammar: LanguageGrammar
    table_plan = TEXT_TABLES
    byte_steps = stepping.BYTE_STEPS

    def __init__(
        self,
        grammar: LanguageGrammar,
        tokenizer: Tokenizer,
        limits: Limits | None = None,
        store: StoreOption = None,
    ) -> None:
        super().__init__(grammar, tokenizer, limits, store)
        target = CompileTarget(tokenizer, self.store)
        self._language: Language = grammar.language(self.limits, target)
        self.height = self._language.locks
        # Locks are taken in the order of their heights: a grammar holds its own while it takes its parts'.
        self.lock = new_lock(GRAMMARS, self.height)
        _check_specials(self._language.specials, tokenizer)
        self._has_specials = bool(self._language.specials)
        self._row: Int64Array = np.array([0] * REGISTERS + [-1, -1])
        """The row of the next state: its registers, and -1 twice for a mask that is not known."""
        self._numbers: dict[Config, int] = {}
        self._configs: dict[int, Config] = {}
        """State -> its configuration. A state inside a part is added when Python first needs it
        (`_config_of`)."""
        self._entered_parts: list[_EnteredPart] = [_EnteredPart((), None)]
        """The visits, by their numbers. Number 0 means: no visit."""
        self._visits: dict[Hashable, int] = {}
        self._ends_maps: dict[int, EndsMap] = {}
        """Visit -> the nodes of the trie at which its part may end. A visit is added when it first needs
        them."""
        self._visit_rows: Int64Array = np.zeros((8, words_of(Visit)), np.int64)
        self._tables.context[_VISITS] = address_of(self._visit_rows)
        self._steps = StepTable(self._tables.context, self._language)
        self._records = RecordTables(self._tables, self.vocabulary, self._masks)
        self._is_changing = False
        """Whether `_read_whole` has begun and not ended: after an exception it is called again."""
        self._lexeme_rows: LexemeRows | None = None
        if self._language.lexemes is None:
            self._read_whole()
        else:
            self._lexeme_rows = LexemeRows(self._language, self._tables, self._records)
        self._finished_state = -1
        self._runs: list[tuple[int, Config, bytes]] = []
        """Runs (bytes that must come) whose inner configurations were not needed yet, as tuples (first state,
        its configuration, bytes)."""
        self._start = self._number_of_part(self._language.start())

    def _number_of(self, config: Config) -> int:
        """Return the state of a configuration, made if it is new."""
        self._read_runs()
        return self._number_of_part(config)

    def _number_of_part(self, config: Config) -> int:
        """Return the state of a configuration, made if it is new. The configuration is not inside a run: it
        is at the beginning of parts, or after them."""
        number = self._numbers.get(config)
        if number is None:
            run = self._language.forced_run(config)
            if run is None:
                number = self._number_at(config)
            else:
                text, after = run
                number = self._put_run(config, text, after)
            self._numbers[config] = number
        return number

    def _read_runs(self) -> None:
        """Compute the configurations inside all runs, and give them to their states."""
        with self.lock:
            while self._runs:
                first, config, data = self._runs[-1]
                for number, byte in enumerate(data[:-1], first + 1):
                    config = self._language.step(config, byte)
                    self._configs[number] = config
                    # A configuration that another text has reached before keeps its number.
                    self._numbers.setdefault(config, number)
                self._runs.pop()

    def _put_run(self, config: Config, data: bytes, after: Config) -> int:
        """Return a new state for a configuration after which certain bytes must come. The states inside these
        bytes are made too, with their rows. `data`: the bytes; `after`: the configuration after them.

        Without this, Python would be asked for each byte of a tag, and a tool call would take a fifth
        longer."""
        last = self._number_of_part(after)
        number = self._add_node(config, stepping.NEVER, stepping.OUTSIDE)
        inner_count = len(data) - 1
        self._steps.make_room(number + 1 + inner_count)
        self._tables.make_room(NODES, inner_count)
        array = np.frombuffer(data, np.uint8)
        stepping.put_run(self.address, number, address_of(array), len(data), last)
        # This comes last: an interrupted call then leaves only states that no text reaches.
        self._runs.append((number, config, data))
        return number

    def _number_at(self, config: Config) -> int:
        """Return a new state for a configuration after which more than one byte may come."""
        status = self._language.text_status(config)
        insides, others = self._language.inside_parts(config)
        if insides and others is None and _is_one_place(insides):
            number = self._enter_part(config, insides)
            self._steps.set_status(number, status)
            self._configs[number] = config
            return number
        return self._add_node(config, status, stepping.BOTH if insides else stepping.OUTSIDE)

    def _enter_part(self, config: Config, insides: tuple[InsidePart, ...]) -> int:
        """Return the state of a configuration all of whose places are inside one part."""
        # The key leaves out the part's state: all states of a part share one visit.
        key = tuple((inside.part, inside.after_end, inside.ends) for inside in insides)
        visit = self._visits.get(key)
        if visit is None:
            visit = 1 + len(self._visits)  # 0 is no visit
            self._entered_parts[visit:] = (_EnteredPart(insides, config),)
            self._put_visit(visit, insides)
            self._visits[key] = visit  # last, so that remains of an interrupted call are overwritten
        return self._inside_state(visit, insides[0].state)

    def _inside_state(self, visit: int, state: int) -> int:
        """Return the state of the grammar in which the part of a visit is in `state`. UNKNOWN for the same
        reasons as `stepping.enter_part`."""
        self._steps.make_room(self._tables.count(NODES) + 1)
        self._tables.make_room(NODES, 1)
        return int(stepping.inside_state(self.address, visit, state))

    def _open_visit(self, visit: int) -> tuple[InsidePart, ...]:
        """Write for compiled code, once, where a part's text may end inside a token: the nodes of the
        vocabulary's trie, and the state after the part. Return the places of the visit."""
        places = self._entered_parts[visit].places
        if visit not in self._ends_maps:
            places_with_end = [place for place in places if place.after_end is not None]
            state_after = -1  # none, or several: Python then reads the tokens that leave
            if len(places_with_end) == 1:
                state_after = self._number_of_part(places_with_end[0].after_end)
            ends = self._ends_map(places_with_end)
            row = self._visit_rows[visit]
            targets = row[_TARGETS]
            leaving = row[_LEAVING]
            if ends.targets.max_nodes <= BELOW:  # BELOW: the nodes for which compiled code has room
                targets = address_of(ends.targets.trie) if ends.targets.max_nodes else 0
                leaving = address_of(ends.slots)
            fields = state_after, targets, leaving
            # One statement, so that the map always keeps the arrays alive whose addresses compiled code has.
            self._ends_maps[visit], row[[STATE_AFTER, _TARGETS, _LEAVING]] = ends, fields
        return places

    def _ends_map(self, places: Sequence[InsidePart]) -> EndsMap:
        """Return the nodes of the vocabulary's trie at which the parts of some places may end inside a
        token."""
        last = unite_bytes(place.part.last for place in places)
        space = unite_bytes(place.part.space for place in places)
        following = unite_bytes(self._first_bytes(place.after_end) for place in places)
        return ends_map(self.address, self.vocabulary, last, space, following)

    def _put_visit(self, visit: int, places: tuple[InsidePart, ...]) -> None:
        """Write the row of a visit, which compiled code reads. `visit`: its number."""
        part = places[0].part
        if visit == len(self._visit_rows):
            # The old array stays alive, since compiled code in another thread may hold its address.
            self._steps.arrays.append(self._visit_rows)
            rows = np.concatenate([self._visit_rows, np.zeros_like(self._visit_rows)])
            self._visit_rows, self._tables.context[_VISITS] = rows, address_of(rows)
        # the fields of `stepping.Visit` in their order
        targets, leaving, state_after = stepping.UNKNOWN, 0, -1
        self._visit_rows[visit] = (
            part.compiled.address,
            *part.compiled_calls,
            targets,
            leaving,
            state_after,
            any(place.after_end is not None for place in places),
            any(place.ends for place in places),
        )

    def _config_of(self, number: int) -> Config:
        """Return the configuration of a state."""
        config = self._configs.get(number)
        if config is None:
            visit, part_state = self._visit_of(number)
            if not visit:  # a state inside a run
                self._read_runs()
                return self._configs[number]
            # Compiled code has made this state, so its configuration is computed only now.
            first_config = self._entered_parts[visit].config
            config = self._language.after_inside(first_config, part_state)
            self._configs[number] = config
        return config

    def _visit_of(self, number: int) -> tuple[int, int]:
        """Return the visit of a state (0: none), and the state of the visited part."""
        # The two registers are neighbours: one slice of a numpy array costs less than two items.
        visit, part_state = self._tables.rows(NODES)[number, _VISIT : _STATE + 1].tolist()
        return visit, part_state

    def _add_node(self, config: Config, status: int, where: int, mode: int = READING) -> int:
        """Add a state without steps, and return its number. `status`: whether the text may end there, and
        `where`: whether its places are inside parts (both as in `StepTable.add_row`); `mode`: READING, or
        FINISHED after an end token. The node is added last, so that a later call overwrites the remains of an
        interrupted one. Example: `_add_node(config, NEVER, OUTSIDE)`."""
        number = self._tables.count(NODES)
        self._steps.add_row(number, status, where)
        self._row[_MODE] = mode
        self._row[_NUMBER] = number
        self._configs[number] = config
        self._tables.append(NODES, self._row)
        return number

    def _read_whole(self) -> None:
        """Use the configurations themselves as the states of the lexer. This is done for a language without
        lexemes, and for one whose lexemes may end at too many places inside tokens."""
        self._is_changing = True
        if self._lexeme_rows is not None:
            self._records.forget_records()
        self._steps.serve_lexer()
        self._records.hook(miss=text_masks.state_after)
        if self._language.counts_tokens:
            self._records.hook(token_end=text_masks.state_at_end)
        self._lexeme_rows, self._is_changing = None, False

    def _call_until_answered(self, call: Any, *arguments: int) -> int:
        """Return the result of a call of compiled code. While the call notes questions, they are answered and
        the call is repeated."""
        return call_answered(
            self.lock, self._begin_call, self._answer_questions, self.address, call, *arguments
        )

    def _answer_questions(self) -> None:
        """Answer the questions that compiled code has noted. Where a cell meets a limit, it stays unknown,
        and its error is raised after the other questions are answered."""
        questions = self._tables.questions()
        cells = [(number, column) for kind, number, column, _ in questions if kind == stepping.ASK_CELL]
        self._answer_each(cells)
        for kind, first, second, third in questions:
            if kind == ASK_RECORD:
                if self._records.make(self._call_until_answered, first, second) == FULL:
                    self._read_whole()
                    break  # the other questions are about lexemes, which are no longer used
            elif kind != stepping.ASK_CELL and self._lexeme_rows is not None:
                self._lexeme_rows.answer(kind, first, second, third, self._config_of)

    def _answer_each(self, questions: Iterable[tuple[int, int]]) -> None:
        """Answer questions about steps. Each is a pair of a state and a column of its row: a class of bytes,
        or BOUNDARY for the end of a token."""
        first_error: StructgenError | None = None
        answered_states: dict[int, bool] = {}
        """State -> whether the language has listed its next bytes, so that its whole row is filled."""
        for number, column in questions:
            if answered_states.get(number) or self._steps.is_known(number, column):
                continue  # already filled, by the answer for a class with the same effect
            config = self._config_of(number)
            try:
                THIS_CALL.spend_steps(1, self.limits, "What the text may go on with")
                if column != stepping.BOUNDARY:
                    if number not in answered_states:
                        answered_states[number] = self._write_next_bytes(number)
                    if answered_states[number]:
                        continue
                if column == stepping.BOUNDARY:
                    after = self._language.after_token_end(config)
                else:
                    after = self._language.step(config, self._steps.representative[column])
                answer = REFUSED if after is None else self._number_of(after)
            except StructgenError as error:
                # The cell stays unknown. The other questions are still answered, so that another thread or
                # the next call need not ask them again.
                answer = stepping.UNKNOWN
                first_error = error
            self._steps.fill_cell(number, column, answer)
        if first_error is not None:
            raise first_error

    def _write_next_bytes(self, number: int) -> bool:
        """Fill the row of a state if the language can list its next bytes cheaply. Return whether it can."""
        config = self._config_of(number)
        next_bytes = self._language.cheap_next_bytes(config)
        if next_bytes is None:
            return False
        states_after = [self._number_of(self._language.step(config, byte)) for byte in next_bytes]
        self._steps.put_row(number, next_bytes, states_after)
        return True

    @remember_answers
    def _first_bytes(self, config: Config) -> bytes:
        """Return the bytes that may come next in a configuration after a part."""
        next_bytes = self._language.cheap_next_bytes(config)
        if next_bytes is not None:
            return next_bytes
        return self._next_bytes(self._number_of(config))

    def may_end(self, index: int) -> bool:
        """Return whether the text may end in a state, by its number."""
        return self._steps.text_status(index) != stepping.NEVER

    def text_status(self, index: int) -> int:
        """Return whether the text may end in a state: NEVER, STOPS or WORD (`Language.text_status`)."""
        return self._steps.text_status(index)

    def _next_bytes(self, index: int) -> bytes:
        unknown_columns = np.flatnonzero(self._steps.cells_of(index) <= stepping.UNKNOWN)
        self._answer_each((index, column) for column in unknown_columns.tolist())
        # The row is read again, because the answers may have moved the table.
        class_of_byte = np.frombuffer(self._language.classes, np.uint8)
        states_after = self._steps.cells_of(index)[class_of_byte]
        return bytes(np.flatnonzero(states_after >= 0).tolist())


def _is_one_place(insides: Sequence[InsidePart]) -> bool:
    """Return whether all places are in the same state of the same part, and nothing outside of the part is
    reached there: the part's text does not end, or nothing follows it."""
    machine = insides[0].part.compiled
    part_state = insides[0].state
    for inside in insides:
        if inside.part.compiled is not machine or inside.state != part_state:
            return False
        # If the part may end here, the place after it is a place outside of the part.
        if inside.after_end is not None and inside.part.may_end(part_state):
            return False
    return True


def _check_specials(specials: frozenset[int], tokenizer: Tokenizer) -> None:
    """Raise OptionError for a special token of a grammar that the tokenizer does not have as one."""
    for token in sorted(specials):
        if token >= tokenizer.vocab_size:
            fault = f"The vocabulary has {tokenizer.vocab_size:,} tokens"
        elif tokenizer.token_bytes[token] is not None:
            fault = f"The token has a text, {tokenizer.token_bytes[token]!r}"
        elif token in tokenizer.eos_token_ids:
            fault = "The token ends a text"
        else:
            continue
        raise OptionError(
            f"{fault}; it cannot be a special token of a grammar.",
            where=f"special token {token}",
            cure="Name a token that has no text, by its id.",
        )
