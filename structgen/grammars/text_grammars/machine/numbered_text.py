"""`NumberedText`: the configurations of a `Language`, numbered as texts reach them, and steps between them.

A state whose places are all inside one part with masks of its own is a *visit* to that part, and the part's
own state: compiled code makes these (`stepping.enter_part`). Python asks the language for the other steps.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from structgen.base.errors import OptionError, StructgenError
from structgen.base.language.remembering import remember_answers
from structgen.base.limits import Limits
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
    """A part with masks of its own, at one place in the grammar."""

    places: tuple[InsidePart, ...]
    """The places of the first state that was inside."""
    config: Config
    """The configuration of that state."""


class NumberedText(RestMachine):
    """The states of a grammar of texts."""

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
        # by its height: a grammar takes the locks of its parts while it holds its own
        self.lock = new_lock(GRAMMARS, self.height)
        _check_specials(self._language.specials, tokenizer)
        self._has_specials = bool(self._language.specials)
        self._row: npt.NDArray[np.int64] = np.array([0] * REGISTERS + [-1, -1])
        """The row of the next state: its registers, and -1 twice for a mask that is not known."""
        self._numbers: dict[Config, int] = {}
        self._configs: dict[int, Config] = {}
        """State -> its configuration; of one in a part only where Python has asked for it (`_config_of`)."""
        self._entered_parts: list[_EnteredPart] = [_EnteredPart((), None)]
        """The visits to parts, by their numbers; 0 is none."""
        self._visits: dict[Hashable, int] = {}
        self._ends_maps: dict[int, EndsMap] = {}
        """Visit -> the nodes of the trie that are examined for ends of its part, once they are needed."""
        self._visit_rows: npt.NDArray[np.int64] = np.zeros((8, words_of(Visit)), np.int64)
        self._tables.context[_VISITS] = address_of(self._visit_rows)
        self._steps = StepTable(self._tables.context, self._language)
        self._records = RecordTables(self._tables, self.vocabulary, self._masks)
        self._is_changing = False
        """Whether `_read_whole` is under way: after an exception it is done again."""
        self._lexeme_rows: LexemeRows | None = None
        if self._language.lexemes is None:
            self._read_whole()
        else:
            self._lexeme_rows = LexemeRows(self._language, self._tables, self._records)
        self._finished_state = -1
        self._runs: list[tuple[int, Config, bytes]] = []
        """Runs of bytes whose configurations nobody has asked for: the first state, its configuration, the
        bytes."""
        self._start = self._number_of_part(self._language.start())

    def _number_of(self, config: Config) -> int:
        """Return the state of a configuration, made if it is new."""
        self._read_runs()
        return self._number_of_part(config)

    def _number_of_part(self, config: Config) -> int:
        """Return the state of a configuration, made if it is new: of one at the beginning of parts, or behind
        them: inside no run."""
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
        """Find the configurations inside runs."""
        with self.lock:
            while self._runs:
                first, config, data = self._runs[-1]
                for number, byte in enumerate(data[:-1], first + 1):
                    config = self._language.step(config, byte)
                    self._configs[number] = config
                    # a configuration that another text has reached keeps its number
                    self._numbers.setdefault(config, number)
                self._runs.pop()

    def _put_run(self, config: Config, data: bytes, after: Config) -> int:
        """Return a new state of a configuration, with the states of text that must come and their rows: a
        tool call would take a fifth longer if Python were asked for each byte of its tags. `data`, `after`:
        the text, and the configuration behind it."""
        last = self._number_of_part(after)
        number = self._add_node(config, stepping.NEVER, stepping.OUTSIDE)
        inner_count = len(data) - 1
        self._steps.make_room(number + 1 + inner_count)
        self._tables.make_room(NODES, inner_count)
        array = np.frombuffer(data, np.uint8)
        stepping.put_run(self.address, number, address_of(array), len(data), last)
        # last: an interrupted call leaves states that nobody reaches
        self._runs.append((number, config, data))
        return number

    def _number_at(self, config: Config) -> int:
        """Return a new state of a configuration in which no bytes must come."""
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
        # a visit is the same for all states of the part: the state of the part is a register of its own
        key = tuple((inside.part, inside.after_end, inside.ends) for inside in insides)
        visit = self._visits.get(key)
        if visit is None:
            visit = 1 + len(self._visits)  # 0 is no visit
            self._entered_parts[visit:] = (_EnteredPart(insides, config),)
            self._put_visit(visit, insides)
            self._visits[key] = visit  # last, so that remains of an interrupted call are overwritten
        return self._inside_state(visit, insides[0].state)

    def _inside_state(self, visit: int, state: int) -> int:
        """Return the state in which a part is in a state of its own; UNKNOWN as `stepping.enter_part`."""
        self._steps.make_room(self._tables.count(NODES) + 1)
        self._tables.make_room(NODES, 1)
        return int(stepping.inside_state(self.address, visit, state))

    def _open_visit(self, visit: int) -> tuple[InsidePart, ...]:
        """Tell compiled code, once, the nodes of the trie at which a part's text may end inside a token, and
        the state behind it. Return the places of the visit."""
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
            if ends.targets.max_nodes <= BELOW:  # compiled code has room for so many
                targets = address_of(ends.targets.trie) if ends.targets.max_nodes else 0
                leaving = address_of(ends.slots)
            fields = state_after, targets, leaving
            # one statement: the arrays whose addresses compiled code reads stay alive in the map
            self._ends_maps[visit], row[[STATE_AFTER, _TARGETS, _LEAVING]] = ends, fields
        return places

    def _ends_map(self, places: Sequence[InsidePart]) -> EndsMap:
        """Return the nodes of the trie at which the parts of some places may end inside a token."""
        last = unite_bytes(place.part.last for place in places)
        space = unite_bytes(place.part.space for place in places)
        following = unite_bytes(self._first_bytes(place.after_end) for place in places)
        return ends_map(self.address, self.vocabulary, last, space, following)

    def _put_visit(self, visit: int, places: tuple[InsidePart, ...]) -> None:
        """Write what compiled code knows of a visit."""
        part = places[0].part
        if visit == len(self._visit_rows):
            # the outgrown array stays alive: a reader may hold its address
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
            # compiled code has made the state: Python learns of its configuration now
            first_config = self._entered_parts[visit].config
            config = self._language.after_inside(first_config, part_state)
            self._configs[number] = config
        return config

    def _visit_of(self, number: int) -> tuple[int, int]:
        """Return the visit that a state is in, 0 for none, and the part's state."""
        # the two registers are neighbours: one slice of numpy costs less than two numbers of it
        visit, part_state = self._tables.rows(NODES)[number, _VISIT : _STATE + 1].tolist()
        return visit, part_state

    def _add_node(self, config: Config, status: int, where: int, mode: int = READING) -> int:
        """Add a state without steps and return its number. `status`, `where`: as of `StepTable.add_row`;
        `mode`: READING, or FINISHED behind an end token. The node comes last, so that remains of an
        interrupted call are overwritten. Example: `_add_node(config, NEVER, OUTSIDE)`."""
        number = self._tables.count(NODES)
        self._steps.add_row(number, status, where)
        self._row[_MODE] = mode
        self._row[_NUMBER] = number
        self._configs[number] = config
        self._tables.append(NODES, self._row)
        return number

    def _read_whole(self) -> None:
        """Have configurations be the states of the lexer: of a language without lexemes, and of one whose
        lexemes may end at too many places inside tokens."""
        self._is_changing = True
        if self._lexeme_rows is not None:
            self._records.forget_records()
        self._steps.serve_lexer()
        self._records.hook(miss=text_masks.state_after)
        if self._language.counts_tokens:
            self._records.hook(token_end=text_masks.state_at_end)
        self._lexeme_rows, self._is_changing = None, False

    def _call_until_answered(self, call: Any, *arguments: int) -> int:
        """Return the answer of compiled code, whose questions are answered as long as it has some."""
        return call_answered(
            self.lock, self._begin_call, self._answer_questions, self.address, call, *arguments
        )

    def _answer_questions(self) -> None:
        """Answer the noted questions. The error of a cell that meets a limit is raised after the others are
        answered; it is unknown again."""
        questions = self._tables.questions()
        cells = [(number, column) for kind, number, column, _ in questions if kind == stepping.ASK_CELL]
        self._answer_each(cells)
        for kind, first, second, third in questions:
            if kind == ASK_RECORD:
                if self._records.make(self._call_until_answered, first, second) == FULL:
                    self._read_whole()
                    break  # the other questions are about lexemes
            elif kind != stepping.ASK_CELL and self._lexeme_rows is not None:
                self._lexeme_rows.answer(kind, first, second, third, self._config_of)

    def _answer_each(self, questions: Iterable[tuple[int, int]]) -> None:
        """Answer questions: each a state, and a class of bytes or BOUNDARY."""
        first_error: StructgenError | None = None
        answered_states: dict[int, bool] = {}
        """State -> whether its language lists the next bytes, so that its row is filled."""
        for number, column in questions:
            if answered_states.get(number) or self._steps.is_known(number, column):
                continue  # the answer for another class of the same effect
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
                # the cell is unknown again, and the other questions are still answered: another thread, or
                # the next call, need not ask them once more
                answer = stepping.UNKNOWN
                first_error = error
            self._steps.fill_cell(number, column, answer)
        if first_error is not None:
            raise first_error

    def _write_next_bytes(self, number: int) -> bool:
        """Fill the row of a state if its language tells the bytes that may come; return whether it does."""
        config = self._config_of(number)
        next_bytes = self._language.cheap_next_bytes(config)
        if next_bytes is None:
            return False
        states_after = [self._number_of(self._language.step(config, byte)) for byte in next_bytes]
        self._steps.put_row(number, next_bytes, states_after)
        return True

    @remember_answers
    def _first_bytes(self, config: Config) -> bytes:
        """Return the bytes that may come next in a configuration behind a part."""
        next_bytes = self._language.cheap_next_bytes(config)
        if next_bytes is not None:
            return next_bytes
        return self._next_bytes(self._number_of(config))

    def may_end(self, index: int) -> bool:
        """Return whether the text may end in a state, by its number."""
        return self._steps.text_status(index) != stepping.NEVER

    def text_status(self, index: int) -> int:
        """Return how the text stands in a state, as its language says (`Language.text_status`)."""
        return self._steps.text_status(index)

    def _next_bytes(self, index: int) -> bytes:
        unknown_columns = np.flatnonzero(self._steps.cells_of(index) <= stepping.UNKNOWN)
        self._answer_each((index, column) for column in unknown_columns.tolist())
        # read again: the answers may have moved the table
        class_of_byte = np.frombuffer(self._language.classes, np.uint8)
        states_after = self._steps.cells_of(index)[class_of_byte]
        return bytes(np.flatnonzero(states_after >= 0).tolist())


def _is_one_place(insides: Sequence[InsidePart]) -> bool:
    """Return whether places are one inside one part, whose text does not end there unless all does."""
    machine = insides[0].part.compiled
    part_state = insides[0].state
    for inside in insides:
        if inside.part.compiled is not machine or inside.state != part_state:
            return False
        # the state behind the part is a place outside of it
        if inside.after_end is not None and inside.part.may_end(part_state):
            return False
    return True


def _check_specials(specials: frozenset[int], tokenizer: Tokenizer) -> None:
    """Raise OptionError for a special token of a grammar that is not one of the tokenizer's."""
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
