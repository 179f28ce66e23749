"""The meaning of a compiled grammar: its network, its automata, and the expander that writes what they say;
and calls of compiled code, which ask the expander."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from structgen.automata.numbers.number_pool import NumberPool
from structgen.automata.strings.string_pool import StringPool
from structgen.automata.unicode.partition import ASCII, JSON
from structgen.json_machine.answers import scalar_questions
from structgen.json_machine.answers.expander import Expander
from structgen.json_machine.records.recorder import no_terminal
from structgen.limits import Limits
from structgen.machine_core.growing_tables import GrowingTables
from structgen.machine_core.questions import call_answered
from structgen.schema.schema_source import SchemaSource
from structgen.system.public_calls import Part


class QuestionLoop:
    """Calls compiled code, and answers what it asks."""

    __slots__ = ("_begin", "_expander", "_lock", "_tables")

    def __init__(
        self, lock: threading.RLock, begin: Callable[[], Part], tables: GrowingTables, expander: Expander
    ) -> None:
        """`begin` begins a public call under the grammar's limits."""
        self._lock, self._begin, self._tables, self._expander = lock, begin, tables, expander

    def __call__(self, call: Any, *arguments: int) -> int:
        """Return what a compiled call returns once it asks nothing (`machine_core.questions`)."""
        return call_answered(self._lock, self._begin, self._answer, call, self._tables.address, *arguments)

    def _answer(self) -> None:
        assert self._tables.needs[0], "compiled code waits for an answer, and has asked nothing"
        self._expander.answer(no_terminal)


def expander_of(grammar: SchemaSource, limits: Limits, tables: GrowingTables) -> Expander:
    """Return the expander of a grammar, with its network and its automata, which writes into these tables.
    Errors: those of `SchemaSource.network`. The grammar's lock is held by whoever calls it."""
    lone, quoting = grammar.policies.escapes == "any", grammar.quoting
    spelling = ASCII if quoting.is_ascii else JSON
    strings = StringPool(limits, spelling=spelling, lone=lone, missing=quoting.missing)
    numbers = NumberPool(grammar.policies.numbers, limits, quoting.missing)
    asked = scalar_questions.Strings(strings, quoting.literal)
    network = grammar.network(
        asked,
        scalar_questions.Numbers(numbers, asked.outcomes),
        limits,
        widest=lambda: scalar_questions.Numbers(NumberPool("any", limits, quoting.missing), asked.outcomes),
    )
    return Expander(network, strings, numbers, tables, limits)
