"""The meaning of a compiled grammar: its network, its automata, and the expander that writes what they say.

It is made when the grammar is compiled. Where the tables were kept by another process, it is made when
something is asked that they do not hold: then everything that was asked there is asked again in the same
order, into tables that are thrown away, so that all numbers come out as they were; and what is answered is
compared, row by row, with what was kept.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from structgen.automata.numbers import number_pool as numerals
from structgen.automata.numbers.form_product import AnyPool, number_pool
from structgen.automata.restored.restored_pools import (
    FREE_STATES,
    Disagrees,
    KeptNumbers,
    KeptStrings,
    Numbers,
    Strings,
)
from structgen.automata.strings import string_pool as string_automata
from structgen.automata.strings.string_pool import StringPool, digest_of_spec
from structgen.errors import LimitError, StructgenError
from structgen.json_machine.answers import scalar_questions
from structgen.json_machine.answers.expander import Expander, group_number, room_for_safe
from structgen.json_machine.answers.journal import CALL, Journal, Recorded, repeat
from structgen.json_machine.kept import table_snapshot as snapshots
from structgen.json_machine.records.recorder import no_terminal
from structgen.json_machine.tables import json_blocks as L
from structgen.json_machine.tables.json_tables import json_tables
from structgen.language.ir import Network, Spec
from structgen.limits import Limits
from structgen.machine_core.growing_tables import GrowingTables
from structgen.machine_core.questions import call_answered
from structgen.native.raw_memory import address_of
from structgen.schema.schema_source import SchemaSource
from structgen.system.public_calls import THIS_CALL


class KeptMeaning(Protocol):
    """What was kept of a grammar, as it is asked for here."""

    snapshot: snapshots.TableSnapshot

    @property
    def meaning(self) -> snapshots.SnapshotMeaning: ...

    def disagrees(self, why: Exception) -> StructgenError:
        """Return the error to raise; what was kept is not to be used again."""
        ...


class QuestionLoop:
    """Calls compiled code, and answers what it asks."""

    __slots__ = ("_lock", "_meaning", "_tables")

    def __init__(self, lock: threading.RLock, tables: GrowingTables, meaning: Meaning) -> None:
        self._lock, self._tables, self._meaning = lock, tables, meaning

    def __call__(self, call: Any, *arguments: int) -> int:
        """Return what a compiled call returns once it asks nothing (`machine_core.questions`)."""
        return call_answered(self._lock, THIS_CALL, self._answer, call, self._tables.address, *arguments)

    def _answer(self) -> None:
        assert self._tables.needs[0], "compiled code waits for an answer, and has asked nothing"
        self._meaning.answer(no_terminal)


class _Outcomes:
    """Interns outcomes for the automata, before and after the network is there."""

    __slots__ = ("expander",)

    def __init__(self) -> None:
        self.expander: Expander | None = None

    def __call__(self, demands: frozenset[int]) -> int:
        if self.expander is not None:
            return self.expander.outcome(demands)
        assert demands == frozenset((0,)), "a network asks about one demand at a time while it is built"
        return 0


class Meaning:
    """The network, the automata and the expander of a grammar. The grammar's lock is held by the caller."""

    __slots__ = (
        "__weakref__",
        "_expander",
        "_grammar",
        "_kept",
        "_limits",
        "_network",
        "_outcome_ids",
        "_pools",
        "_recorded",
        "_tables",
        "numbers",
        "strings",
    )

    strings: Strings
    numbers: Numbers

    def __init__(
        self, grammar: SchemaSource, limits: Limits, tables: GrowingTables, kept: KeptMeaning | None = None
    ) -> None:
        """Make it now, or, where something was `kept`, when it is needed. Errors: those of
        `SchemaSource.network`."""
        self._grammar, self._limits, self._tables, self._kept = grammar, limits, tables, kept
        self._expander: Expander | None = None
        self._network: Network | None = None
        self._recorded: Recorded | None = None
        self._pools: tuple[StringPool, AnyPool] | None = None
        self._outcome_ids: tuple[dict[frozenset[int], int], dict[frozenset[int], int]] | None = None
        if kept is None:
            self.strings, self.numbers = self._new_pools()
            network, outcomes = self._new_network(self.strings, self.numbers)
            expander = Expander(network, self.strings, self.numbers, tables, limits)
            outcomes.expander = expander
            self._take(network, expander)
            return
        image = kept.snapshot
        self.strings = KeptStrings(
            image.strings,
            FREE_STATES,
            lambda: kept.meaning.string_starts,
            _name_of_string,
            lambda: self._wake()[0],
            string_automata.WIDTH,
        )
        self.numbers = KeptNumbers(
            image.numbers,
            0,
            lambda: kept.meaning.number_starts,
            _name_of_number,
            lambda: self._wake()[1],
            numerals.WIDTH,
        )
        context = tables.context
        context[L.C_STRING_COUNT] = self.strings.count
        context[L.C_STRINGS] = address_of(self.strings.trans)
        context[L.C_STRINGS_OUT] = address_of(self.strings.outcome)
        context[L.C_NUMBERS] = address_of(self.numbers.trans)
        context[L.C_NUMBERS_OUT] = address_of(self.numbers.outcome)

    # --- what is asked --------------------------------------------------------------------------------------

    @property
    def expander(self) -> Expander:
        """The expander; made now, if it was not. Errors: see `_wake`."""
        if self._expander is None:
            self._wake()
        assert self._expander is not None
        return self._expander

    @property
    def awake(self) -> bool:
        """Whether the network and the automata are there."""
        return self._expander is not None

    @property
    def network(self) -> Network:
        """The network for whoever calls it as he likes; this grammar's tables will then not be kept."""
        expander = self.expander
        expander.journal.spoiled = True
        assert self._network is not None
        return self._network

    @property
    def recorded(self) -> Recorded:
        """The network for readers of states: what they call is noted."""
        if self._recorded is None:
            expander = self.expander
            assert self._network is not None
            self._recorded = Recorded(self._network, expander.journal)
        return self._recorded

    def answer(self, terminal: Callable[[int], None]) -> None:
        """Answer the questions of compiled code (`Expander.answer`); those for room, and for terminals, need
        no meaning."""
        if self._expander is None:
            needs = self._tables.needs
            count = int(needs[0])
            questions = needs[1 : 1 + 4 * count].reshape(-1, 4).tolist()
            if all(question[0] in (L.Q_ROOM, L.Q_TERMINAL, L.Q_DEPTH) for question in questions):
                needs[0] = 0
                for kind, first, second, _ in questions:
                    self._answer_plainly(kind, first, second, terminal)
                return
        self.expander.answer(terminal)

    def _answer_plainly(self, kind: int, first: int, second: int, terminal: Callable[[int], None]) -> None:
        if kind == L.Q_TERMINAL:
            terminal(first)
        elif kind == L.Q_DEPTH:
            raise LimitError(
                f"The document has more than {self._limits.depth:,} open brackets.", limit="depth"
            )
        elif first == L.T_SAFE:
            room_for_safe(self._tables, self.strings.count)
        else:
            self._tables.room(first, second)

    def outcome(self, demands: frozenset[int]) -> int:
        """Return the number of an outcome."""
        if self._expander is None:
            number = self._known_sets()[0].get(demands)
            if number is not None:
                return number
        return self.expander.outcome(demands)

    def group(self, formulas: frozenset[int]) -> int:
        """Return the number of a class of extra keys."""
        if self._expander is None:
            number = self._known_sets()[1].get(formulas)
            if number is not None:
                return number
        return self.expander.group(formulas)

    def _known_sets(self) -> tuple[dict[frozenset[int], int], dict[frozenset[int], int]]:
        if self._outcome_ids is None:
            assert self._kept is not None
            kept = self._kept.meaning
            self._outcome_ids = (
                {one: number for number, one in enumerate(kept.outcomes)},
                {one: group_number(at) for at, one in enumerate(kept.groups)},
            )
        return self._outcome_ids

    def meaning(self) -> snapshots.SnapshotMeaning | None:
        """Return what must be kept beside the tables (the terminals apart), None where that cannot be
        kept."""
        expander = self._expander
        if expander is None:
            assert self._kept is not None
            return self._kept.meaning
        journal = expander.journal
        if journal.spoiled:
            return None
        assert self._network is not None
        return snapshots.SnapshotMeaning(
            list(self._network.outcomes),
            expander.groups,
            list(journal.questions),
            list(journal.calls),
            self._string_starts(expander),
            self._number_starts(expander),
            {},
        )

    def _string_starts(self, expander: Expander) -> dict[bytes, int]:
        if not isinstance(self.strings, StringPool):
            return self.strings.starts
        return {
            _name_of_string(spec, function): state
            for function in (expander.outcome, expander.group)
            for spec, state in self.strings.starts(function)
        }

    def _number_starts(self, expander: Expander) -> dict[bytes, int]:
        if isinstance(self.numbers, KeptNumbers):
            return self.numbers.starts
        return {digest_of_spec(spec): state for spec, state in expander.number_starts}

    # --- making it ------------------------------------------------------------------------------------------

    def _new_pools(self) -> tuple[StringPool, AnyPool]:
        lone = self._grammar.policies.escapes == "any"
        return StringPool(self._limits, lone=lone), number_pool(self._grammar.policies.numbers, self._limits)

    def _new_network(self, strings: StringPool, numbers: AnyPool) -> tuple[Network, _Outcomes]:
        outcomes = _Outcomes()
        network = self._grammar.network(
            scalar_questions.Strings(strings, outcomes, ascii=self._grammar.writes_ascii),
            scalar_questions.Numbers(numbers, outcomes),
            self._limits,
            widest=lambda: scalar_questions.Numbers(number_pool("any", self._limits), outcomes),
        )
        return network, outcomes

    def _take(self, network: Network, expander: Expander) -> None:
        self._network, self._expander = network, expander

    def _wake(self) -> tuple[StringPool, AnyPool]:
        """Make network, automata and expander, and return the automata. Raises StructgenError where they are
        not those whose tables were kept: this grammar cannot go on then, and its file is gone."""
        if self._pools is not None:
            return self._pools
        kept = self._kept
        assert kept is not None
        self._pools = pools = self._new_pools()
        scratch = json_tables(self._limits)
        try:
            network, outcomes = self._new_network(*pools)
            texts = self._tables.rows(L.T_TEXT)[: self._tables.count(L.T_TEXT)]
            scratch.load(L.T_TEXT, texts.copy())
            meaning = kept.meaning
            expander = Expander(network, self.strings, self.numbers, scratch, self._limits)
            outcomes.expander = expander
            expander.number_as(meaning.outcomes, meaning.groups)
            for kind, first, second, third in meaning.questions:
                if kind == CALL:
                    repeat(network, meaning.calls[first])
                else:
                    expander.say(kind, first, second, third)
            compare(scratch, self._tables, expander.arrays)
        except BaseException as error:
            self._pools = None
            for pool in (self.strings, self.numbers):
                assert isinstance(pool, (KeptStrings, KeptNumbers))
                pool.reset()
            if isinstance(error, (StructgenError, LookupError, ValueError, AssertionError, TypeError)):
                raise kept.disagrees(error) from error
            raise
        expander.journal = Journal.of(meaning.questions, meaning.calls)
        expander.go_on(self._tables)
        self._take(network, expander)
        return pools


def _name_of_string(spec: Spec, outcome: Callable[[frozenset[int]], int]) -> bytes:
    """Return what a start is called in every process: the formulas, and what numbers their sets."""
    keys = getattr(outcome, "__func__", None) is Expander.group
    return (b"k" if keys else b"v") + digest_of_spec(spec)


def _name_of_number(spec: Spec, outcome: Callable[[frozenset[int]], int]) -> bytes:
    return digest_of_spec(spec)


_SAME = (L.T_PLACE, L.T_STRING, L.T_LEX, L.T_OFFSET, L.T_BLOB, L.T_OUTCOME, L.T_EDGE)


def compare(made: GrowingTables, kept: GrowingTables, arrays: set[int]) -> None:
    """Raise Disagrees where what an expander wrote anew is not what was kept; `arrays` are its rows of
    residues that are arrays'. Where things lie in T_CHILD may differ."""
    for table in (*_SAME, L.T_RES, L.T_PLAIN):
        if made.count(table) != kept.count(table):
            raise Disagrees("the tables that were kept are longer or shorter than those made now.")
    for table in _SAME:
        count = made.count(table)
        if not np.array_equal(made.rows(table)[:count], kept.rows(table)[:count]):
            raise Disagrees("a table that was kept differs from the one made now.")
    # of automata whose states come as they are met some distances were written later
    count = made.count(L.T_DISTANCE)
    now, before = made.rows(L.T_DISTANCE)[:count], kept.rows(L.T_DISTANCE)[: kept.count(L.T_DISTANCE)]
    if count > len(before) or not np.array_equal(now[now != 0], before[:count][now != 0]):
        raise Disagrees("a distance that was kept differs from the one found now.")
    count, children = made.count(L.T_RES), (made.rows(L.T_CHILD), kept.rows(L.T_CHILD))
    now, before = made.rows(L.T_RES)[:count], kept.rows(L.T_RES)[:count]
    columns = [column for column in range(L.R_STRIDE) if column != L.R_CHILD]
    told = now[:, L.R_STATUS] != 0
    same = np.array_equal(now[told][:, columns], before[told][:, columns])
    if not same or not np.array_equal(now[:, L.R_PLAIN], before[:, L.R_PLAIN]):
        raise Disagrees("a residue that was kept differs from the one made now.")
    for row in np.flatnonzero(told).tolist():
        if row not in arrays:
            size = int(made.rows(L.T_LEX)[int(now[row, L.R_LEX]), 1])
            places = int(now[row, L.R_CHILD]), int(before[row, L.R_CHILD])
            _compare_children(children, places, size)
    count = made.count(L.T_PLAIN)
    now, before = made.rows(L.T_PLAIN)[:count], kept.rows(L.T_PLAIN)[:count]
    columns = [column for column in range(L.L_STRIDE) if column != L.L_ARRAYS]
    if not np.array_equal(now[:, columns], before[:, columns]):
        raise Disagrees("a plain object that was kept differs from the one made now.")
    for row in range(count):
        places = int(now[row, L.L_ARRAYS]), int(before[row, L.L_ARRAYS])
        _compare_children(children, places, 3 * int(now[row, L.L_COUNT]) + 1)


def _compare_children(
    children: tuple[snapshots.Array, snapshots.Array], places: tuple[int, int], size: int
) -> None:
    made, kept = (child[at : at + size] for child, at in zip(children, places, strict=True))
    if not np.array_equal(made, kept):
        raise Disagrees("the keys of an object that was kept lead elsewhere now.")
