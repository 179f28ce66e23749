"""`CompiledLark`: the texts that lark's LALR(1) parser with its contextual lexer accepts, compiled against
a tokenizer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final
from weakref import WeakMethod

import numpy as np
import numpy.typing as npt

from structgen.base.errors import GrammarError
from structgen.base.language.expectation import Expected
from structgen.base.limits import Limits
from structgen.base.native.typed_blocks import word_of
from structgen.base.system.fork_locks import GRAMMARS, new_lock
from structgen.grammars.lark_grammars.compiled.beaten import beaten_in, taken_by_ignored
from structgen.grammars.lark_grammars.compiled.kept_lark import (
    KeptParts,
    identity_of,
    kept_parts,
    read,
    write,
)
from structgen.grammars.lark_grammars.compiled.lark_answers import LarkAnswers, Reading
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

_CELLS, _PLACES = word_of(L.LarkContext, "cells"), word_of(L.LarkContext, "places")

_SMALL_LEXER: Final = 0.5
"""The used share of the limit on the lexer's states, above which a replacement makes its own."""


class CompiledLark(RestMachine):
    """A Lark grammar, compiled. Its masks are exact: a token is allowed if it and some text behind it go on
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
        before: KeptParts | None = None,
        bound: Mapping[int, Language | None] = MappingProxyType({}),
    ) -> None:
        """`grammar`: its `tables`, their `digest`, and whether it `is_local`. `before`: the lexer of the
        compiled grammar that this one replaces. `bound`: as of `Lexer`, without a store. Raises LimitError,
        and GrammarError where it has no text and `needs_text`."""
        super().__init__(grammar, tokenizer, limits, store)
        self.height = max((of.locks for of in bound.values() if of is not None), default=0)
        self.lock = new_lock(GRAMMARS, self.height)
        files = self.store.lexers
        key = identity_of(grammar.digest, self.limits) if files else ""
        kept = before or (read(files, key) if files else None)
        with self.lock, self._begin_call():
            known = self._tables, self.vocabulary, self._masks, self.lock, self.limits, kept, bound
            self.answers = LarkAnswers(grammar.tables, grammar.is_local, *known)
            """The answers to compiled code."""
            lines = grammar.tables.indentation
            self._rests = ShortestRests(self.answers, self._tables, lines)
            self.answers.search = WeakMethod(self._rests.goes_on)  # the rests hold the answers
            self._attached()
            lexeme = self.answers.start_lexeme() if kept is None else kept.lexeme
            if lexeme < 0:
                raise self._without_text()
            self._start = self.answers.call(steps.first_state, self.grammar.tables.start, lexeme)
            if needs_text and kept is None:
                self.check_text()
            if files and kept is None:
                write(files, key, self._kept_parts())

    def anew(self) -> CompiledLark:
        """Return a replacement without the states and records; with the lexer, if that is not what takes the
        most."""
        if self.answers.lexer_share > _SMALL_LEXER:
            return super().anew()
        with self.lock:
            before = self._kept_parts()
        return CompiledLark(self.grammar, self.tokenizer, self.limits, self.store, before=before)

    def _kept_parts(self) -> KeptParts:
        return kept_parts(*self.answers.kept_arrays(), self._tables, self._start)

    def check_text(self) -> None:
        """Raise GrammarError where the grammar has no text."""
        if not self.may_end(self._start):
            if not self._retry(reading_lives, *self.readings(self._start)[0]):
                raise self._without_text()

    def _without_text(self) -> GrammarError:
        tables, letters = self.grammar.tables, self.answers.letters
        made = {terminal for terminal, _kind in letters.letters}
        for loser in beaten_in(letters):  # others take its texts
            made |= {loser.terminal} if loser.has_text else set()
        if tables.indentation is not None:
            made |= {tables.indentation.indent, tables.indentation.dedent}
        taken = taken_by_ignored(letters)
        if not usable_rules(tables, made.difference(taken)) and usable_rules(tables, made.union(taken)):
            (terminal, by), *_ = (
                [tables.terminals[number].shown for number in pair] for pair in taken.items()
            )
            return GrammarError(
                f"The grammar accepts no text: {by}, which %ignore names, takes the texts of {terminal}.",
                where="start",
                cure="Leave them out of it, or give their own terminal a higher priority (NAME.1: ...)."
                if terminal != by
                else "Take it out of %ignore, or out of the rules.",
            )
        if not usable_rules(tables, made):
            return GrammarError(
                "The start rule derives no text: each of its expansions needs a rule that never ends, or a "
                "terminal that no text matches.",
                where="start",
                cure="Give each recursive rule an expansion without itself, and each terminal a text.",
            )
        return GrammarError(
            "The grammar accepts no text: each one that its rules derive is an error to the lexer.",
            where="start",
            cure="Look for terminals that take the beginning of others, or are declared and never made.",
        )

    # --- states ---------------------------------------------------------------------------------------------

    def _retry(self, call: Any, *arguments: int) -> int:
        with self.lock:
            self._attached()
            return self.answers.call(call, *arguments)

    # --- masks ----------------------------------------------------------------------------------------------

    def _compute(self, index: int, target: int) -> int:
        return self.answers.call(masks.compute, index, target)

    def _large_row(self) -> npt.NDArray[np.int32]:
        return self.answers.records.mask

    # --- what may come next, and completions ----------------------------------------------------------------

    def readings(self, index: int) -> list[Reading]:
        """Return the readings of a state."""
        readings = []
        while index >= 0:
            _mode, place, lexeme, column, index, *_rest = self._tables.rows(NODES)[index].tolist()
            readings.append(Reading(place, lexeme, column))
        return readings

    def _expected(self, index: int) -> list[Expected]:
        if index == self._finished:
            return []
        with self._begin_call():
            shown = self.expectations.of(self.readings(index))
        return [*shown, Expected("the end of the text")] if self.may_end(index) else shown

    @property
    def expectations(self) -> Expectations:
        """What may come next, in words."""
        return Expectations(self.answers)

    def shortest_rest(self, index: int) -> Sequence[int]:
        """Return the symbols of a shortest rest (`RestMachine`). Raises LimitError (oracle_steps)."""
        if self.may_end(index):
            return b""
        with self.lock:
            self._attached()
            return self._rests.of(self.readings(index))

    def prepare(self, room: int = 1 << 25, progress: Callable[[int], None] | None = None) -> int:
        """Make the records of lexer states, those nearest to the beginnings of lexemes
        first."""
        with self.lock:
            self._attached()
            return self.answers.prepare(self.nbytes + room, progress)

    def to_dfa(self, max_states: int, depth: int | None = None, *, minimal: bool = False) -> Dfa:
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
        return max((self.answers.height(reading.place) for reading in self.readings(index)), default=0)

    # --- size -----------------------------------------------------------------------------------------------

    @property
    def used(self) -> float:
        """The used share of its limits, over all documents; above 1 it should be replaced (`fresh`)."""
        limits = self.limits
        return max(
            self.nbytes / limits.grammar_memory,
            2 * self._tables.most_interned / limits.parser_states,
            self.answers.share,
        )

    @property
    def nbytes(self) -> int:
        """About how many bytes the grammar's own tables take."""
        return self._tables.nbytes() + self.answers.nbytes

    @property
    def sizes(self) -> dict[str, int]:
        """The sizes of its tables: states, stacks, and bytes."""
        count = self._tables.count
        sizes = {"machine_states": count(NODES), "stacks": count(_CELLS), "places": count(_PLACES)}
        return {**sizes, **self.answers.sizes, "table_bytes": self.nbytes}
