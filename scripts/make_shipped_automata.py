"""Write structgen/automata/strings/shipped_automata.bin anew: the automata of formats and common numbers.

    python scripts/make_shipped_automata.py

It is to be written again whenever a format means something else, or automata are made another way: a test
makes each of them and compares.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from unittest.mock import patch

from structgen.automata.formats.named_formats import KNOWN, meaning_of
from structgen.automata.numbers import number_pool
from structgen.automata.strings import formula_automata, shipped_automata
from structgen.automata.strings.automata import Automaton
from structgen.automata.strings.formula_automata import FormulaReader
from structgen.automata.strings.shipped_automata import FILE, ShippedAutomaton, digest_of, write_entries
from structgen.base.language.ir import TRUE, All, Length, Spec
from structgen.base.limits import Limits
from structgen.base.system.public_calls import THIS_CALL

LARGE = {"idn-hostname", "idn-email"}
"""Formats whose automata take too many bytes."""
POLICIES = ("bounded", "python")
"""Of numbers: the defaults of `sg.json_schema` and of typed functions."""


def meanings() -> Iterator[tuple[object, Callable[[], Automaton]]]:
    """Yield what the automata are made from, each with a function that makes it."""
    for name in sorted(KNOWN - LARGE):
        meaning = meaning_of(name, is_denied=False, alone=True)
        if isinstance(meaning, All) and any(isinstance(part, Length) for part in meaning.of):
            # a length is counted beside the automaton
            meaning = next(part for part in meaning.of if not isinstance(part, Length))
        if meaning != TRUE:
            yield meaning, partial(FormulaReader().automaton_of_formula, meaning, alone=False)
    for policy in POLICIES:
        for formula in number_pool.COMMON:
            spec = Spec((formula,))
            make = partial(number_pool.numeral_automaton, spec, policy, frozenset(), Limits())
            yield (spec, policy), lambda make=make: make().automaton


def make_entries() -> dict[bytes, ShippedAutomaton]:
    """Return the automata by digest, made without those that are shipped already."""
    entries = {}
    with patch.object(shipped_automata, "shipped_entries", dict):
        for meaning, make in meanings():
            # a step of what is held would count as well, but not those of what is shipped
            formula_automata.HELD.clear()
            number_pool.HELD.clear()
            automaton, bill = THIS_CALL.bill_work(0, make)
            entries[digest_of(meaning)] = ShippedAutomaton.pack_automaton(automaton, sum(bill.values()))
    return entries


if __name__ == "__main__":
    FILE.write_bytes(write_entries(make_entries().items()))
    print(FILE, FILE.stat().st_size)
