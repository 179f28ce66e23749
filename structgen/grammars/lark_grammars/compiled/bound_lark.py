"""Lark grammars under the contextual lexer whose declared terminals are bound to other grammars.

The texts of such a grammar are defined in docs/decisions/016-bound-terminals.md. A bound text is read as a
lexeme is: its configurations are states of the lexer. Its own masks serve inside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from structgen.base.errors import GrammarError
from structgen.base.language.expectation import Expected
from structgen.base.limits import Limits
from structgen.base.native.raw_memory import address_of
from structgen.grammars.lark_grammars.compiled.lark_answers import Reading
from structgen.grammars.lark_grammars.compiled.lark_completions import text_ends
from structgen.grammars.lark_grammars.compiled.lark_language import LarkLanguage
from structgen.grammars.lark_grammars.compiled.loaded_lark import LarkGrammar
from structgen.grammars.lark_grammars.machine.lark_masks import place_behind
from structgen.grammars.lark_grammars.machine.steps import after_special, live_state_of
from structgen.grammars.lark_grammars.reading.loaded_grammar import END
from structgen.grammars.text_grammars.machine.language import (
    TOKEN,
    CompileTarget,
    Config,
    InsidePart,
    Language,
)
from structgen.grammars.text_grammars.text_grammar import Derived, PartLanguages, TextGrammar


@dataclass(eq=False, repr=False, slots=True)
class BoundLark(Derived):
    """A Lark grammar with bound terminals. Made by `lark`."""

    of: LarkGrammar
    """The grammar with stand-ins for the bound terminals."""
    bound: Mapping[str, TextGrammar]
    source = "a Lark grammar with bound terminals"

    @property
    def canonical(self) -> str:
        """What lark made of the grammar, and the grammars that are bound."""
        parts = ", ".join(f"{name}={self.bound[name].canonical}" for name in sorted(self.bound))
        return f"lark {self.of.canonical} where {parts}"

    @property
    def spelling(self) -> str:
        """A name that distinguishes it from other grammars of this process."""
        parts = ", ".join(f"{name}={self.bound[name].spelling}" for name in sorted(self.bound))
        return f"{self.of.spelling} where {parts}"

    def without_bytes(self, missing: frozenset[int]) -> TextGrammar:
        """Return the grammar of the texts that have none of some bytes."""
        bound = {name: of.without_bytes(missing) for name, of in self.bound.items()}
        return BoundLark(self.of.without_bytes(missing), bound)

    def language(self, limits: Limits, target: CompileTarget | None = None) -> Language:
        """Return the language, not compiled. Raises GrammarError if a part has no text, or has the empty
        text."""
        numbers = {terminal.name: number for number, terminal in enumerate(self.of.tables.terminals)}
        languages: dict[int, Language | None] = {}
        is_whole = self.of.tables.available is None
        for name, of in self.bound.items():
            language = of.language(limits, target) if is_whole else PartLanguages(limits, target).if_any(of)
            if language is not None and language.accepts(language.start()):
                raise GrammarError(
                    f"What {name} is bound to has the empty text, and a lexeme has a character.",
                    where=f"bind, {name}",
                    cure="Bind it to texts of one character at least, and make it optional in the rules.",
                )
            # a terminal that no rule uses has no number
            if name in numbers:
                languages[numbers[name]] = language
        return BoundLanguage(self.of, languages, limits)

    def __reduce__(self) -> tuple[Any, ...]:
        return self.of.__reduce__()


class BoundLanguage(LarkLanguage):
    """The texts of the grammar. Among the readings of a configuration are those before the lexemes and bound
    texts that may begin behind another bound text, and before bound texts that may begin behind a lexeme."""

    def __init__(self, grammar: LarkGrammar, bound: Mapping[int, Language | None], limits: Limits) -> None:
        """`bound`: the languages of the bound terminals, by number (None: without a text)."""
        super().__init__(grammar, limits, bound)
        self._answers, self._lexer = self.compiled.answers, self.compiled.answers.lexer
        self.parts = [of for of in bound.values() if of is not None]
        self.specials = frozenset(self._lexer.instructions.specials)
        self.counts_tokens = any(language.counts_tokens for language in self.parts)
        self._settled: dict[int, int] = {}

    def start(self) -> Config:
        """Return the configuration before the first symbol. Raises GrammarError where there is no text."""
        (reading,) = self.compiled.readings(self.compiled.start.index)
        config = self._state(self._answers.begun(reading.place, self._lexer.first))
        if config is None:
            raise GrammarError(
                "The grammar accepts no text: each one that its rules derive is an error to the lexer.",
                where="start",
                cure="Look for terminals that take the beginning of others, or of what is bound.",
            )
        return config

    def step(self, config: Config, symbol: int) -> Config | None:
        """Return the configuration after a symbol; None exactly if no text continues so."""
        if symbol < TOKEN:
            return self._settle(self.compiled.bytes_index(config, bytes((symbol,))))
        if symbol - TOKEN not in self.specials:
            return None
        return self._settle(
            self._answers.call_keeping(after_special, config, self._lexer.byte_class_of(symbol))
        )

    def boundary(self, config: Config) -> Config | None:
        """Return the configuration after the end of a token."""
        if not self.counts_tokens:
            return config
        left = []
        for reading in self.compiled.readings(config):
            bound = self._in(reading)
            after = None if bound is None else bound[0].boundary(bound[1])
            if bound is None or after is not None:
                left.append(reading if bound is None else self._at(reading, after))
        return self._state(left)

    def _in(self, reading: Reading) -> tuple[Language, Config] | None:
        """Return the language of the bound text that a reading is in, and its configuration."""
        bound = self._lexer.states[reading.lexeme].bound
        return None if bound is None else (self._lexer.bound[bound[0]], bound[1])

    def _at(self, reading: Reading, config: Config) -> Reading:
        """Return a reading in a bound text, with another configuration."""
        return reading._replace(lexeme=self._answers.rows.bound_in(reading.lexeme, config))

    def _state(self, readings: Iterable[Reading]) -> int | None:
        """Return the configuration of those of some readings that live."""
        return self._settle(self._live(readings))

    def _live(self, readings: Iterable[Reading]) -> int:
        flat = np.array([*dict.fromkeys(readings)], np.int64)
        return self._answers.call_keeping(live_state_of, address_of(flat), len(flat))

    def _settle(self, state: int) -> int | None:
        """Return the state with the readings that may begin behind its own."""
        if state < 0:
            return None
        known = self._settled.get(state)
        if known is None:
            readings = self.compiled.readings(state)
            more = [begun for reading in readings for begun in self._behind(reading)]
            known = self._live((*readings, *more)) if more else state
            self._settled[state] = self._settled[known] = known
        return known

    def _behind(self, reading: Reading) -> list[Reading]:
        """Return the readings that begin behind a bound text, or in bound texts behind a lexeme, if one may
        end here."""
        begun, is_bound = list[Reading](), self._in(reading) is not None
        for terminal, carry in self._lexer.states[reading.lexeme].ends:
            place = self._answers.call_keeping(place_behind, reading.place, terminal, reading.column)
            begun += self._answers.begun(place, carry) if place >= 0 else ()
        return [reading for reading in begun if is_bound or self._in(reading) is not None]

    def places(self, config: Config) -> Iterable[Config]:
        """Return the configurations of the readings, one by one; those whose bound text may end are left
        out."""
        readings = self.compiled.readings(config)
        if len(readings) == 1 or self.accepts(config):
            return (config,)
        left = [
            reading for reading in readings if (of := self._in(reading)) is None or not of[0].accepts(of[1])
        ]
        return [self._live((reading,)) for reading in left]

    def inside(self, config: Config) -> tuple[tuple[InsidePart, ...], Config | None]:
        """Return the readings inside bound texts that have masks of their own. Empty if a lexeme may look
        behind its beginning: the rest of the bound text then decides whether the whole is valid. So it does
        where something is owed."""
        if not self._lexer.is_local:
            return (), config
        parts, others = list[InsidePart](), list[Reading]()
        for reading in self.compiled.readings(config):
            insides, left = self._inside(reading)
            if not insides:
                others.append(reading)
                continue
            others += [] if left is None else [self._at(reading, left)]
            terminal, _config = self._lexer.states[reading.lexeme].bound or (END, None)
            place = self._answers.call_keeping(place_behind, reading.place, terminal, reading.column)
            begun = self._answers.begun(place, self._lexer.nothing)
            for part in insides:
                after = begun if part.ends else []
                after = after if part.after_end is None else [*after, self._at(reading, part.after_end)]
                ends = part.ends and self._answers.call_keeping(text_ends, place) == 1
                parts.append(part._replace(after_end=self._state(after), ends=ends))
        # bound texts that may begin behind lexemes are among those inside, if they have masks
        return (tuple(parts), self._live(others) if others else None) if parts else ((), config)

    def _inside(self, reading: Reading) -> tuple[tuple[InsidePart, ...], Config | None]:
        """Return the places inside parts, and all others, of the bound text that a reading is in, where
        nothing is owed (`Language.inside`)."""
        bound = self._in(reading)
        if bound is None or self._lexer.owed_in(reading.lexeme) != self._lexer.nothing:
            return (), None
        return bound[0].inside(bound[1])

    def after_inside(self, config: Config, state: int) -> Config:
        """Return the configuration after some text inside a bound one."""
        after = []
        for reading in self.compiled.readings(config):
            bound = self._in(reading)
            assert bound is not None
            after.append(self._at(reading, bound[0].after_inside(bound[1], state)))
        return self._state(after)

    def height(self, config: Config) -> int:
        """Return the largest stack height of all readings, or the height of a bound text."""
        inside = (of for reading in self.compiled.readings(config) if (of := self._in(reading)) is not None)
        return max(super().height(config), *(language.height(own) for language, own in inside), 0)

    def expected(self, config: Config) -> list[Expected]:
        """Return the terminals that may come or continue, with the rules that use them; for a bound terminal,
        the `expected` of its own grammar."""
        with self._answers.begin():
            return self.compiled.expectations.of(self.compiled.readings(config))
