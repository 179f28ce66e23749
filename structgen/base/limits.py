"""Bounds on work and memory: each is a number with a name, and reaching one is an error that names it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from structgen.base.errors import fields_named


@fields_named("sg.Limits(depth=1_000)")
@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on one compiled grammar. Past one a `LimitError` names the field; a mask is never weakened."""

    schema_places: int = 1_000_000
    """Schema places (subschemas, counted once) that one grammar may hold."""
    alternatives: int = 20_000
    """Conjunctions that one place may expand to (`anyOf` x `allOf` x negations), after pruning."""
    automaton_states: int = 400_000
    """States of automata, all terminals of one grammar together, of which one string has at most 50,000; a
    state of lark's lexer counts as four."""
    oracle_steps: int = 200_000
    """Steps of one question to the liveness oracle (is there a document from here?); under lark's lexer of
    all that one call asks."""
    parser_states: int = 4_000_000
    """Interned parser states and stack frames of one compiled grammar; and the values of items that were
    compared, each as often as a state holds it."""
    grammar_memory: int = 1 << 26
    """Bytes, about, that one compiled grammar holds of what documents met; past it nothing is refused, but
    documents begin in a grammar compiled anew (`CompiledGrammar.fresh`)."""
    depth: int = 100_000
    """Open brackets in one document."""
    grammar_rules: int = 20_000
    """Rules that a Lark grammar comes to, once its templates and repetitions are written out."""
    banned_texts: int = 100_000
    """Texts that `sg.without` bans from one grammar."""
    number_chars: int = 4_096
    """Digits of a number that a schema names, written out."""
    liveness: Literal["refuse", "flag"] = "refuse"
    """What to do with a place that the oracle cannot decide: refuse it, or list it in report.may_dead_end."""


DEFAULT: Final = Limits()
"""The limits where none are given; one object, so that few need to be compared."""
CACHE_BYTES: Final = 512 << 20
"""What compiled grammars may hold for later requests, unless an engine is told otherwise."""
