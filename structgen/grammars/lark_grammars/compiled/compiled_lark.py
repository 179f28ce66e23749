"""`CompiledLark`: the texts that lark's LALR(1) parser with its contextual lexer accepts, compiled against
a tokenizer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final
from weakref import WeakMethod

from structgen.base.errors import GrammarError
from structgen.base.language.expectation import Expected
from structgen.base.limits import Limits
from structgen.base.native.array_types import Int32Array
from structgen.base.native.typed_blocks import word_of
from structgen.base.system.fork_locks import GRAMMARS, new_lock
from structgen.grammars.lark_grammars.compiled.beaten import beaten_terminals_of, terminals_lost_to_ignored
from structgen.grammars.lark_grammars.compiled.kept_lark import (
    KeptParts,
    identity_of,
    kept_parts,
    read_compiled,
    write_compiled,
)
from structgen.grammars.lark_grammars.compiled.lark_answers import LarkAnswers, LarkReading
from structgen.grammars.lark_grammars.compiled.lark_completions import ShortestRests, reading_lives
from structgen.grammars.lark_grammars.compiled.lark_expected import Expectations
from structgen.grammars.lark_grammars.liveness.frames import usable_rules
from structgen.grammars.lark_grammars.machine import lark_layout as L
from structgen.grammars.lark_grammars.machine import lark_masks as masks
from structgen.grammars.lark_grammars.machine import steps
from structgen.grammars.text_grammars.machine.language import Language
from structgen.grammars.text_grammars.machine.rest_completions import RestMachine
from structgen.machines.core.compiled import Dfa
from structgen.machines.core.dfa import explicit_of_parser
from structgen.machines.machine_core.growing_tables import NODES
from structgen.machines.store.mask_store import StoreOption
from structgen.tokens.tokenizer import Tokenizer

_CELLS = word_of(L.LarkContext, "cells")
_PLACES = word_of(L.LarkContext, "places")

_SMALL_LEXER: Final = 0.5
"""The used share of the limit on the lexer's states, above which a replacement makes its own."""


class CompiledLark(RestMachine):
    """A Lark grammar, compiled. Its masks are exact: a token is allowed if it and some text after it go on
    to a text that lark takes.

    Cost: the lexer's automaton and the liveness, 10 ms to 2 s; a state's first mask 5 us to some
    milliseconds.
    """

    table_plan = L.LARK_TABLES
    byte_steps = steps.BYTE_STEPS

    def __init__(
        self,
        grammar: Any,
        tokenizer: Tokenizer,
        limits: Limits | None = None,
        store: StoreOption = None,
        needs_text: bool = True,
        previous: KeptParts | None = None,
        bound: Mapping[int, Language | None] = MappingProxyType({}),
    ) -> None:
        """`grammar`: its `tables`, their `digest`, and whether it `is_local`. `previous`: the lexer of the
        compiled grammar that this one replaces. `bound`: as of `Lexer`, without a store. Raises LimitError,
        and GrammarError where it has no text and `needs_text`."""
        super().__init__(grammar, tokenizer, limits, store)
        # A thread takes this lock before those of bound languages: its height is above theirs.
        bound_heights = (language.locks for language in bound.values() if language is not None)
        self.height = max(bound_heights, default=0)
        self.lock = new_lock(GRAMMARS, self.height)
        files = self.store.lexers
        key = identity_of(grammar.digest, self.limits) if files else ""
        cached_parts = previous or (read_compiled(files, key) if files else None)
        with self.lock, self._begin_call():
            answer_inputs = (
                self._tables,
                self.vocabulary,
                self._masks,
                self.lock,
                self.limits,
                cached_parts,
                bound,
            )
            self.answers = LarkAnswers(grammar.tables, grammar.is_local, *answer_inputs)
            """The answers to compiled code."""
            indentation = grammar.tables.indentation
            self._rests = ShortestRests(self.answers, self._tables, indentation)
            # A weak reference, since the rests hold the answers: a cycle would live until a collection.
            self.answers.search = WeakMethod(self._rests.goes_on)
            self._attach_workspace()
            lexeme = self.answers.start_lexeme() if cached_parts is None else cached_parts.lexeme
            if lexeme < 0:
                raise self._no_text_error()
            self._start = self.answers.call_compiled(steps.first_state, self.grammar.tables.start, lexeme)
            # A file was written by a process that had checked the text before.
            if needs_text and cached_parts is None:
                self.check_text()
            if files and cached_parts is None:
                write_compiled(files, key, self._kept_parts())

    def anew(self) -> CompiledLark:
        """Return a replacement without the states and records. It takes over the lexer where that is small: a
        large lexer would leave the replacement as full as this grammar is."""
        if self.answers.lexer_share > _SMALL_LEXER:
            return super().anew()
        with self.lock:
            previous = self._kept_parts()
        return CompiledLark(self.grammar, self.tokenizer, self.limits, self.store, previous=previous)

    def _kept_parts(self) -> KeptParts:
        """Return what a file or a replacement takes over. The lock is held."""
        return kept_parts(*self.answers.kept_arrays(), self._tables, self._start)

    def check_text(self) -> None:
        """Raise GrammarError where the grammar has no text."""
        if not self.may_end(self._start):
            (reading, *_) = self.readings_of_state(self._start)
            if not self._call_until_answered(reading_lives, *reading):
                raise self._no_text_error()

    def _no_text_error(self) -> GrammarError:
        """Return an error that says why the grammar has no text: the first of three reasons that holds."""
        tables, letters = self.grammar.tables, self.answers.letters
        terminals_with_text = {terminal for terminal, _kind in letters.letters}
        # Terminals whose texts are lexemes of others have a text, too. The last reason speaks of them.
        terminals_with_text |= {loser.terminal for loser in beaten_terminals_of(letters) if loser.has_text}
        if tables.indentation is not None:
            terminals_with_text |= {tables.indentation.indent, tables.indentation.dedent}
        winner_of = terminals_lost_to_ignored(letters)
        has_text_now = usable_rules(tables, terminals_with_text.difference(winner_of))
        # the second search is only for a grammar without a text: it says whether %ignore is the reason
        if not has_text_now and usable_rules(tables, terminals_with_text.union(winner_of)):
            loser, winner = next(iter(winner_of.items()))
            loser_name = tables.terminals[loser].display_name
            winner_name = tables.terminals[winner].display_name
            cure = "Remove them from it, or give their own terminal a higher priority (NAME.1: ...)."
            if loser_name == winner_name:
                cure = "Remove it from %ignore, or from the rules."
            return GrammarError(
                f"The grammar accepts no text: {winner_name}, which %ignore names, matches the "
                f"texts of {loser_name}.",
                where="start",
                cure=cure,
            )
        if not usable_rules(tables, terminals_with_text):
            return GrammarError(
                "The start rule generates no text: each of its expansions needs a rule that never "
                "ends, or a terminal that matches no text.",
                where="start",
                cure="Add an expansion without itself to each recursive rule, and a text to each terminal.",
            )
        return GrammarError(
            "The grammar accepts no text: the lexer rejects every sentence that the rules generate.",
            where="start",
            cure="Check for terminals that match the beginning of other terminals, or that are "
            "declared and never made.",
        )

    # --- states ---------------------------------------------------------------------------------------------

    def _call_until_answered(self, call: Any, *arguments: int) -> int:
        """Return the result of a compiled call, under the lock, with this thread's workspace."""
        with self.lock:
            self._attach_workspace()
            return self.answers.call_compiled(call, *arguments)

    # --- masks ----------------------------------------------------------------------------------------------

    def _compute_mask(self, index: int, target: int) -> int:
        return self.answers.call_compiled(masks.compute_mask, index, target)

    def _large_row(self) -> Int32Array:
        return self.answers.records.mask

    # --- what may come next, and completions ----------------------------------------------------------------

    def readings_of_state(self, index: int) -> list[LarkReading]:
        """Return the readings of a state."""
        readings = []
        # A state is a list: each row has one reading, and the number of the row with the others.
        while index >= 0:
            _mode, position, lexeme, column, index, *_rest = self._tables.rows(NODES)[index].tolist()
            readings.append(LarkReading(position, lexeme, column))
        return readings

    def _list_expected(self, index: int) -> list[Expected]:
        if index == self._finished_state:
            return []
        with self._begin_call():
            items = self.expectations.of_readings(self.readings_of_state(index))
        return [*items, Expected("the end of the text")] if self.may_end(index) else items

    @property
    def expectations(self) -> Expectations:
        """What may come next, in words."""
        return Expectations(self.answers)

    def shortest_rest(self, index: int) -> Sequence[int]:
        """Return the symbols of a shortest rest (`RestMachine`). Raises LimitError (oracle_steps)."""
        if self.may_end(index):
            return b""
        with self.lock:
            self._attach_workspace()
            return self._rests.shortest_text(self.readings_of_state(index))

    def prepare(self, room: int = 1 << 25, progress: Callable[[int], None] | None = None) -> int:
        """Make the records of lexer states, those nearest to the beginnings of lexemes
        first."""
        with self.lock:
            self._attach_workspace()
            return self.answers.prepare_records(self.nbytes + room, progress)

    def to_dfa(
        self,
        max_states: int,
        depth: int | None = None,
        *,
        minimal: bool = False,
    ) -> Dfa:
        """Return the explicit automaton of all states over classes of tokens, a `Dfa` of structgen.core.
        `depth`: texts whose parser stack ever has more entries are left out. Raises LimitError, which names
        max_states."""
        return explicit_of_parser(self, bytes(self.answers.lexer.classes), max_states, depth, minimal)

    @property
    def has_depth(self) -> bool:
        """Whether the grammar has a depth: the entries of the parser's stack."""
        return True

    def depth_of(self, index: int) -> int:
        """Return the height of a state's stack: the largest of all its readings."""
        return max(
            (self.answers.stack_height(reading.parse_position) for reading in self.readings_of_state(index)),
            default=0,
        )

    # --- size -----------------------------------------------------------------------------------------------

    @property
    def used(self) -> float:
        """The used share of its limits, over all documents; above 1 it should be replaced (`fresh`)."""
        limits = self.limits
        return max(
            self.nbytes / limits.grammar_memory,
            # Beyond the limit a call fails in the midst of a text, so a replacement comes at half of it.
            2 * self._tables.most_interned / limits.parser_states,
            self.answers.used_share,
        )

    @property
    def nbytes(self) -> int:
        """About how many bytes the grammar's own tables take."""
        return self._tables.nbytes() + self.answers.nbytes

    @property
    def sizes(self) -> dict[str, int]:
        """The sizes of its tables: states, stacks, and bytes."""
        count = self._tables.count
        return {
            "machine_states": count(NODES),
            "stacks": count(_CELLS),
            "places": count(_PLACES),
            **self.answers.sizes,
            "table_bytes": self.nbytes,
        }
