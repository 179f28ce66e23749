"""What may come next in a state, in words: terminals, each with the rules that read it and its bytes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, NamedTuple

from structgen.base.language.expectation import Expected
from structgen.grammars.lark_grammars.compiled.lark_answers import LarkAnswers, Reading
from structgen.grammars.lark_grammars.liveness.frames import classes_of_bytes, column_after
from structgen.grammars.lark_grammars.machine.lark_masks import place_behind
from structgen.grammars.lark_grammars.reading.loaded_grammar import rule_as_written
from structgen.grammars.text_grammars.context_free.rules import grouped


class _Told(NamedTuple):
    """What is told of a terminal: its bytes, the rules that use it, and as what the text before was read."""

    first: set[int]
    rules: set[str]
    read: set[str]


class Expectations:
    """What may come next in the states of one compiled grammar. Its lock is held."""

    def __init__(self, answers: LarkAnswers) -> None:
        self._answers, self._tables = answers, answers.lexer.tables
        classes = enumerate(classes_of_bytes(bytes(answers.lexer.classes), self._tables))
        self._members = grouped((byte_class, byte) for byte, byte_class in classes)
        """The bytes of each class."""

    def of(self, readings: list[Reading]) -> list[Expected]:
        """Return what may come next in some readings: what the current lexeme
        may become, and what may follow it, with the rules that use them, and as what the text before was
        read. Cost: some milliseconds. Raises LimitError."""
        lexer = self._answers.lexer
        told_of: dict[int, _Told] = {}
        """By terminals."""
        in_bound: list[Expected] = []
        alive: dict[tuple[int, ...], bool] = {}
        for reading in self._lexing(readings):
            place, state = reading.place, reading.lexeme
            before = "" if lexer.states[state].has_begun else self.last_read(place)
            live = set[int]()
            for some, terminal in self._going_on(reading, alive):
                if lexer.states[state].bound is not None:
                    live.update(some)
                else:
                    told = told_of.setdefault(terminal, _Told(set(), set(), set()))
                    told.first.update(some)
                    told.rules.update(self.rules(place, terminal))
                    told.read.update({before} - {""})
            in_bound += self._of_bound(place, state, live)
        every = {
            (self._tables.terminals[terminal].shown, tuple(sorted(told.rules))): (told.first, told.read)
            for terminal, told in told_of.items()
        }
        for own in in_bound:
            first, read = every.setdefault((own.what, own.sources), (set(), set()))
            first |= set(own.first)
            read |= {own.read_before} - {""}
        shown = [
            Expected(what, of, bytes(sorted(first)), " or ".join(sorted(read)))
            for (what, of), (first, read) in every.items()
        ]
        return sorted(shown, key=lambda item: (not item.sources, item.what))

    def _lexing(self, readings: list[Reading]) -> Iterable[Reading]:
        """Return some readings, and those that begin where their lexemes end."""
        answers = self._answers
        lexing: dict[Reading, None] = {}
        for reading in readings:
            lexing[reading] = None
            for terminal, carry in answers.lexer.states[reading.lexeme].ends:
                after = answers.call_keeping(place_behind, reading.place, terminal, reading.column)
                lexing |= dict.fromkeys(answers.begun(after, carry) if after >= 0 else ())
        return lexing

    def _going_on(
        self, reading: Reading, alive: dict[tuple[int, ...], bool]
    ) -> Iterator[tuple[list[int], int]]:
        """Yield bytes of one class with a terminal that a reading may become behind them. `alive`: what was
        proved so far."""
        answers, lexer, lines = self._answers, self._answers.lexer, self._tables.indentation
        place, state, column = reading
        answers.rows.put_row(state)
        for some in self._members.values():
            to = int(answers.rows.moves[state, lexer.classes[some[0]]])
            at = -1 if lines is None else column_after(column, some[0], lines.tab_size)
            for letter in answers.letters.classes[answers.letters.class_of(to)] if to >= 0 else ():
                key = place, letter, *((-1, -1) if answers.tells(letter) else (to, at))
                if key not in alive:
                    alive[key] = answers.proves(place, (letter,), to, at)
                if alive[key]:
                    yield some, answers.letters.letters[letter][0]

    def _of_bound(self, place: int, state: int, live: set[int]) -> list[Expected]:
        """Return what the grammar of a bound text tells of it, if a state is in one, with the bytes that
        live; where it names no sources, with the rules that use the text."""
        lexer = self._answers.lexer
        bound = lexer.states[state].bound
        if bound is None:
            return []
        told = lexer.bound[bound[0]].expected(bound[1])
        # what has no bytes is a special token
        own = [replace(item, first=bytes(byte for byte in item.first if byte in live)) for item in told]
        own = [item for item, of in zip(own, told, strict=True) if item.first or not of.first]
        if any(item.sources for item in own):
            return own
        return [Expected(item.what, self.rules(place, bound[0]), item.first) for item in own]

    def _kernel(self, place: int) -> Any:
        return self._tables.kernels[self._answers.top(place)]

    def last_read(self, place: int) -> str:
        """Return the terminal that was read last; "" at the start of the text."""
        for rule, dot in self._kernel(place):
            if dot and (terminal := self._tables.rules[rule].symbols[dot - 1]) >= 0:
                return str(self._tables.terminals[terminal].shown)
        return ""

    def rules(self, place: int, terminal: int) -> tuple[str, ...]:
        """Return the rules in which a terminal would be read, sorted; none for an ignored one."""
        lines = self._tables.indentation
        if lines is not None and terminal == lines.newline and self._answers.brackets(place):
            return ()
        after = self._answers.call_keeping(place_behind, place, terminal, self._answers.width(place))
        if terminal in self._tables.ignored or after < 0:
            return ()
        origins = {self._tables.rules[rule].origin for rule, _dot in self._kernel(after)}
        return tuple(sorted({rule_as_written(self._tables.nonterminals[origin]) for origin in origins}))
