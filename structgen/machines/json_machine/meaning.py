"""The meaning of a compiled grammar: its network, its automata, and the expander that writes what they say;
and calls of compiled code, which ask the expander."""

from __future__ import annotations

from structgen.automata.numbers.number_pool import NumberPool
from structgen.automata.strings.live_strings import Make
from structgen.automata.strings.string_pool import StringPool
from structgen.automata.unicode.partition import ASCII, JSON
from structgen.base.limits import Limits
from structgen.machines.json_machine.answers import scalar_questions
from structgen.machines.json_machine.answers.expander import Expander
from structgen.machines.machine_core.growing_tables import GrowingTables
from structgen.schema.schema_source import SchemaSource


def expander_of(grammar: SchemaSource, limits: Limits, tables: GrowingTables, texts: Make) -> Expander:
    """Return the expander of a grammar, with its network and its automata, which writes into these tables.
    `texts` makes the readers of grammars that its strings are texts of.
    Errors: those of `SchemaSource.make_network`. The grammar's lock is held by whoever calls it."""
    # Only where any character may be escaped can a surrogate stand alone in a string.
    lone = grammar.policies.escapes == "any"
    quoting = grammar.quoting
    spelling = ASCII if quoting.is_ascii else JSON
    strings = StringPool(limits, spelling=spelling, lone=lone, missing=quoting.missing, texts=texts)
    numbers = NumberPool(grammar.policies.numbers, limits, quoting.missing)
    string_questions = scalar_questions.Strings(strings, quoting.write_literal)
    number_questions = scalar_questions.Numbers(numbers, string_questions.outcomes)

    def widest_numbers() -> scalar_questions.Numbers:
        """Return the numbers under the widest policy, which tell whether a policy makes a schema empty."""
        pool = NumberPool("any", limits, quoting.missing)
        return scalar_questions.Numbers(pool, string_questions.outcomes)

    network = grammar.make_network(string_questions, number_questions, limits, widest=widest_numbers)
    return Expander(network, strings, numbers, tables, limits)
