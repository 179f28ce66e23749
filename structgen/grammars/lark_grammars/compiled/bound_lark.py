"""Lark grammars whose declared terminals are bound to other grammars, such as a JSON Schema.

A *bound terminal* is declared by `%declare` and has no pattern; `sg.lark(..., bind={"VALUE": grammar})` gives
it the texts of a grammar. A *bound text* is a piece of the text that becomes such a terminal. It is read like
a lexeme: the configurations of its language are states of the lexer. Inside it the masks of its own grammar
are used. docs/decisions/016-bound-terminals.md defines the texts of the whole grammar.
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
from structgen.grammars.lark_grammars.compiled.lark_answers import LarkReading
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
    SplitConfig,
)
from structgen.grammars.text_grammars.text_grammar import DerivedGrammar, PartLanguages, TextGrammar


@dataclass(eq=False, repr=False, slots=True)
class BoundLark(DerivedGrammar):
    """A Lark grammar with bound terminals. `sg.lark` makes it."""

    of: LarkGrammar
    """The grammar with stand-ins for the bound terminals."""
    bound: Mapping[str, TextGrammar]
    source = "a Lark grammar with bound terminals"

    @property
    def is_endless(self) -> bool:
        return self.of.is_endless

    @property
    def canonical(self) -> str:
        """The tables that lark made of the grammar, and the bound grammars, as one text."""
        parts = ", ".join(f"{name}={self.bound[name].canonical}" for name in sorted(self.bound))
        return f"lark {self.of.canonical} where {parts}"

    @property
    def spelling(self) -> str:
        """A name that distinguishes it from other grammars of this process."""
        parts = ", ".join(f"{name}={self.bound[name].spelling}" for name in sorted(self.bound))
        return f"{self.of.spelling} where {parts}"

    def without_bytes(self, missing: frozenset[int]) -> TextGrammar:
        """Return the grammar of the texts that contain none of the bytes `missing`."""
        bound = {name: grammar.without_bytes(missing) for name, grammar in self.bound.items()}
        return BoundLark(self.of.without_bytes(missing), bound)

    def language(self, limits: Limits, target: CompileTarget | None = None) -> Language:
        """Return the language, not compiled. Raises GrammarError if a part has no text, or has the empty
        text."""
        numbers = {terminal.name: number for number, terminal in enumerate(self.of.tables.terminals)}
        languages: dict[int, Language | None] = {}
        is_whole = self.of.tables.available is None
        for name, grammar in self.bound.items():
            # A bound grammar may lose all its texts where bytes are missing; the rest may still have texts.
            language = (
                grammar.language(limits, target)
                if is_whole
                else PartLanguages(limits, target).if_any(grammar)
            )
            if language is not None and language.accepts(language.start()):
                raise GrammarError(
                    f"The grammar bound to {name} matches the empty string; a terminal must match "
                    "at least one character.",
                    where=f"bind, {name}",
                    cure="Bind texts of at least one character, and make the terminal optional in the rules.",
                )
            # a terminal that no rule uses has no number
            if name in numbers:
                languages[numbers[name]] = language
        return BoundLanguage(self.of, languages, limits)

    def __reduce__(self) -> tuple[Any, ...]:
        return self.of.__reduce__()


class BoundLanguage(LarkLanguage):
    """The language of the grammar, read byte by byte. A configuration is a set of readings. These include the
    readings before each lexeme or bound text that may begin after a bound text, and before each bound text
    that may begin after a lexeme."""

    def __init__(
        self,
        grammar: LarkGrammar,
        bound: Mapping[int, Language | None],
        limits: Limits,
    ) -> None:
        """`bound`: the languages of the bound terminals, by number (None: without a text)."""
        super().__init__(grammar, limits, bound)
        self._answers = self.compiled.answers
        self._lexer = self.compiled.answers.lexer
        self.parts = [language for language in bound.values() if language is not None]
        self.specials = frozenset(self._lexer.instructions.specials)
        self.counts_tokens = any(language.counts_tokens for language in self.parts)
        self._closed_states: dict[int, int] = {}
        """State -> the state that also has the readings which may begin after its own."""

    def start(self) -> Config:
        """Return the configuration before the first symbol. Raises GrammarError where there is no text."""
        # The machine starts with the lexer's own state; bound texts that may begin there come beside it.
        (reading,) = self.compiled.readings_of_state(self.compiled.start.index)
        readings = self._answers.readings_after(reading.parse_position, self._lexer.first)
        config = self._config_of_readings(readings)
        if config is None:
            raise GrammarError(
                "The grammar accepts no text: the lexer rejects every sentence that the rules generate.",
                where="start",
                cure="Check for terminals that match the beginning of other terminals, or of bound grammars.",
            )
        return config

    def step(self, config: Config, symbol: int) -> Config | None:
        """Return the configuration after a symbol; None exactly if no text continues so."""
        if symbol < TOKEN:
            state = self.compiled.bytes_index(config, bytes((symbol,)))
            return self._with_following_readings(state)
        if symbol - TOKEN not in self.specials:
            return None
        # A special token is a class of bytes of its own to the lexer.
        byte_class = self._lexer.byte_class_of(symbol)
        state = self._answers.call_compiled_keeping_positions(after_special, config, byte_class)
        return self._with_following_readings(state)

    def after_token_end(self, config: Config) -> Config | None:
        """Return the configuration after the end of a token."""
        if not self.counts_tokens:
            return config
        surviving = []
        for reading in self.compiled.readings_of_state(config):
            bound = self._bound_text_of(reading)
            if bound is None:  # lark's own lexemes do not count tokens
                surviving.append(reading)
                continue
            language, inner_config = bound
            next_config = language.after_token_end(inner_config)
            if next_config is not None:
                surviving.append(self._with_inner_config(reading, next_config))
        return self._config_of_readings(surviving)

    def _bound_text_of(self, reading: LarkReading) -> tuple[Language, Config] | None:
        """Return the language of the bound text that a reading is in, and its configuration."""
        bound = self._lexer.states[reading.lexer_state].bound
        if bound is None:
            return None
        terminal, inner_config = bound
        return self._lexer.bound[terminal], inner_config

    def _with_inner_config(self, reading: LarkReading, config: Config) -> LarkReading:
        """Return a reading in a bound text, with another configuration."""
        lexer_state = self._answers.rows.bound_in(reading.lexer_state, config)
        return reading._replace(lexer_state=lexer_state)

    def _config_of_readings(self, readings: Iterable[LarkReading]) -> int | None:
        """Return the configuration of the live ones among some readings; None where there are none."""
        return self._with_following_readings(self._intern_live_readings(readings))

    def _intern_live_readings(self, readings: Iterable[LarkReading]) -> int:
        """Return the state of the live ones among some readings, each once; below 0 where there are none."""
        rows = np.array([*dict.fromkeys(readings)], np.int64)
        return self._answers.call_compiled_keeping_positions(live_state_of, address_of(rows), len(rows))

    def _with_following_readings(self, state: int) -> int | None:
        """Return the state that also has the readings which may begin after those of `state`."""
        if state < 0:
            return None
        closed_state = self._closed_states.get(state)
        if closed_state is None:
            readings = self.compiled.readings_of_state(state)
            following_readings: list[LarkReading] = []
            for reading in readings:
                following_readings += self._readings_after_bound(reading)
            closed_state = state
            if following_readings:
                closed_state = self._intern_live_readings((*readings, *following_readings))
            # A bound text is not empty, so what begins after it ends nowhere yet: one round closes a state.
            self._closed_states[state] = closed_state
            self._closed_states[closed_state] = closed_state
        return closed_state

    def _readings_after_bound(self, reading: LarkReading) -> list[LarkReading]:
        """Return the readings that begin after a bound text, or in bound texts after a lexeme, if one may
        end here."""
        is_bound = self._bound_text_of(reading) is not None
        next_readings: list[LarkReading] = []
        for terminal, carry in self._lexer.states[reading.lexer_state].ends:
            position = self._answers.call_compiled_keeping_positions(
                place_behind, reading.parse_position, terminal, reading.column
            )
            next_readings += self._answers.readings_after(position, carry) if position >= 0 else ()
        if is_bound:
            return next_readings
        # After one of lark's own lexemes its other lexemes begin in the machine: they are no new readings.
        return [reading for reading in next_readings if self._bound_text_of(reading) is not None]

    def single_configs(self, config: Config) -> Iterable[Config]:
        """Return a configuration for each reading. Readings whose bound text may end are left out."""
        readings = self.compiled.readings_of_state(config)
        if len(readings) == 1 or self.accepts(config):
            return (config,)
        open_readings = []
        for reading in readings:
            bound = self._bound_text_of(reading)
            if bound is None or not bound[0].accepts(bound[1]):
                open_readings.append(reading)
        return [self._intern_live_readings((reading,)) for reading in open_readings]

    def inside_parts(self, config: Config) -> SplitConfig:
        """Return the places inside bound texts that have masks of their own (`Language.inside_parts`). There
        are none if a lexeme may look behind its beginning, or a carry still demands something: then the rest
        of the bound text decides whether the whole text is valid."""
        if not self._lexer.is_local:
            return (), config
        parts: list[InsidePart] = []
        other_readings: list[LarkReading] = []
        for reading in self.compiled.readings_of_state(config):
            inner_parts, other_config = self._inside_of_reading(reading)
            if not inner_parts:
                other_readings.append(reading)
                continue
            if other_config is not None:
                other_readings.append(self._with_inner_config(reading, other_config))
            terminal, _config = self._lexer.states[reading.lexer_state].bound or (END, None)
            position = self._answers.call_compiled_keeping_positions(
                place_behind, reading.parse_position, terminal, reading.column
            )
            next_readings = self._answers.readings_after(position, self._lexer.nothing)
            for part in inner_parts:
                # After the end of a part, the text goes on in the bound text, or after it, or both.
                readings_after_end = list(next_readings) if part.ends else []
                if part.after_end is not None:
                    readings_after_end.append(self._with_inner_config(reading, part.after_end))
                ends = part.ends and self._answers.call_compiled_keeping_positions(text_ends, position) == 1
                parts.append(part._replace(after_end=self._config_of_readings(readings_after_end), ends=ends))
        if not parts:
            return (), config
        # Bound texts that may begin after lexemes are among those inside, if they have masks.
        return tuple(parts), self._intern_live_readings(other_readings) if other_readings else None

    def _inside_of_reading(self, reading: LarkReading) -> SplitConfig:
        """Return the places inside parts, and all others, of the bound text that a reading is in, where
        nothing is owed (`Language.inside_parts`)."""
        bound = self._bound_text_of(reading)
        if bound is None or self._lexer.owed_in(reading.lexer_state) != self._lexer.nothing:
            return (), None
        return bound[0].inside_parts(bound[1])

    def after_inside(self, config: Config, state: int) -> Config:
        """Return the configuration after some text inside a bound one."""
        next_readings = []
        for reading in self.compiled.readings_of_state(config):
            bound = self._bound_text_of(reading)
            assert bound is not None
            language, inner_config = bound
            next_config = language.after_inside(inner_config, state)
            next_readings.append(self._with_inner_config(reading, next_config))
        return self._config_of_readings(next_readings)

    def height(self, config: Config) -> int:
        """Return the largest stack height of all readings, or the height of a bound text."""
        height = max(super().height(config), 0)
        for reading in self.compiled.readings_of_state(config):
            bound = self._bound_text_of(reading)
            if bound is not None:
                language, inner_config = bound
                height = max(height, language.height(inner_config))
        return height

    def expected_items(self, config: Config) -> list[Expected]:
        """Return the terminals that may come or continue, with the rules that use them; for a bound terminal,
        the `expected_items` of its own grammar."""
        with self._answers.begin():
            return self.compiled.expectations.of_readings(self.compiled.readings_of_state(config))
