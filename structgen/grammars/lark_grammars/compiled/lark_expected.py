"""Describes in words what may come next in a state: terminals, each with its first bytes and its rules.

A *reading* is one way to read the text so far: a position of the parser (its stack), a state of the lexer,
and a column. An *expectation* is a terminal that may come next, with the bytes that it may go on with, the
rules in which the parser would read it, and the terminal that was read before. For `pair: NAME "=" NUMBER`
after `x=` it is: NUMBER, read by `pair`, after "=".

A *letter* is what a lexeme may still become: a terminal, with the carry for the next lexeme. A *proof* is the
answer to: does some complete text go on from here with this letter? A *bound* text is a text of another
grammar, which has expectations of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from structgen.base.language.expectation import Expected
from structgen.grammars.lark_grammars.compiled.lark_answers import LarkAnswers, LarkReading
from structgen.grammars.lark_grammars.liveness.frames import classes_of_bytes, column_after
from structgen.grammars.lark_grammars.machine.lark_masks import place_behind
from structgen.grammars.lark_grammars.reading.loaded_grammar import rule_as_written
from structgen.grammars.text_grammars.context_free.rules import group_by_first


class _TerminalExpectation(NamedTuple):
    """The expectation of one terminal, collected over several readings."""

    first_bytes: set[int]
    """The bytes with which the terminal may begin, or go on."""
    rules: set[str]
    """The rules in which the parser would read it."""
    texts_before: set[str]
    """The names of the terminals that were read last before it."""


class Expectations:
    """Finds what may come next in the states of one compiled grammar. The caller holds the grammar's lock."""

    def __init__(self, answers: LarkAnswers) -> None:
        self._answers, self._tables = answers, answers.lexer.tables
        classes = enumerate(classes_of_bytes(bytes(answers.lexer.classes), self._tables))
        self._members = group_by_first((byte_class, byte) for byte, byte_class in classes)
        """Class of the lexer -> its bytes."""

    def of_readings(self, readings: list[LarkReading]) -> list[Expected]:
        """Return the terminals that may come next in some readings, as the current lexeme or after it. Each
        has its first bytes, its rules, and the terminals that were read last. Raises LimitError. Cost: some
        milliseconds."""
        lexer = self._answers.lexer
        by_terminal: dict[int, _TerminalExpectation] = {}
        in_bound: list[Expected] = []
        # Readings share most proofs: mostly the position and the letter decide, not the state of the lexer.
        proofs: dict[tuple[int, ...], bool] = {}
        for reading in self._readings_in_lexemes(readings):
            position, state = reading.parse_position, reading.lexer_state
            read_before = "" if lexer.states[state].has_begun else self.last_read(position)
            live_bytes: set[int] = set()
            for byte_class, terminal in self._continuations(reading, proofs):
                if lexer.states[state].bound is not None:
                    live_bytes.update(byte_class)
                else:
                    expectation = by_terminal.setdefault(terminal, _TerminalExpectation(set(), set(), set()))
                    expectation.first_bytes.update(byte_class)
                    expectation.rules.update(self.rules_reading(position, terminal))
                    expectation.texts_before.update({read_before} - {""})
            in_bound += self._of_bound_text(position, state, live_bytes)
        return self._merge_expectations(by_terminal, in_bound)

    def _merge_expectations(
        self, by_terminal: Mapping[int, _TerminalExpectation], in_bound: Iterable[Expected]
    ) -> list[Expected]:
        """Return one item for each name of a terminal with the same rules; ignored terminals, which have no
        rules, come last. `by_terminal`: expectations by terminal; `in_bound`: those inside bound texts."""
        by_item: dict[tuple[str, tuple[str, ...]], tuple[set[int], set[str]]] = {}
        """Name of a terminal and its rules -> the first bytes, and the names of the terminals before."""
        for terminal, expectation in by_terminal.items():
            wording = self._tables.terminals[terminal].display_name
            item = wording, tuple(sorted(expectation.rules))
            by_item[item] = expectation.first_bytes, expectation.texts_before
        for inner in in_bound:
            item = inner.what, inner.sources
            first_bytes, texts_before = by_item.setdefault(item, (set(), set()))
            first_bytes |= set(inner.first)
            texts_before |= {inner.read_before} - {""}
        expectations = []
        for (wording, sources), (first_bytes, texts_before) in by_item.items():
            first = bytes(sorted(first_bytes))
            read_before = " or ".join(sorted(texts_before))
            expectations.append(Expected(wording, sources, first, read_before))
        return sorted(expectations, key=lambda item: (not item.sources, item.what))

    def _readings_in_lexemes(self, readings: list[LarkReading]) -> Iterable[LarkReading]:
        """Return the given readings, and the readings after their lexemes, where a lexeme may end here."""
        answers = self._answers
        lexing: dict[LarkReading, None] = {}  # a set in order
        for reading in readings:
            lexing[reading] = None
            for terminal, carry in answers.lexer.states[reading.lexer_state].ends:
                position = answers.call_compiled_keeping_positions(
                    place_behind, reading.parse_position, terminal, reading.column
                )
                if position >= 0:
                    lexing |= dict.fromkeys(answers.readings_after(position, carry))
        return lexing

    def _continuations(
        self, reading: LarkReading, proofs: dict[tuple[int, ...], bool]
    ) -> Iterator[tuple[list[int], int]]:
        """Yield pairs: the bytes of a class, and a terminal that the lexeme of a `reading` may become after
        any of them. `proofs`: the answers by position, letter, state and column; new ones are added."""
        answers = self._answers
        lexer = answers.lexer
        letters = answers.letters
        indentation = self._tables.indentation
        position, state, column = reading
        answers.rows.put_row(state)
        for byte_class in self._members.values():
            byte = byte_class[0]  # one byte stands for all of its class
            next_state = int(answers.rows.moves[state, lexer.classes[byte]])
            if next_state < 0:
                continue
            # -1: no column counts, since the grammar has no indenter.
            next_column = -1 if indentation is None else column_after(column, byte, indentation.tab_size)
            for letter in letters.classes[letters.class_of(next_state)]:
                key = position, letter, next_state, next_column
                if answers.is_decided_by_letter(letter):
                    key = position, letter, -1, -1  # any state and any column
                if key not in proofs:
                    proofs[key] = answers.prove_live(position, (letter,), next_state, next_column)
                if proofs[key]:
                    yield byte_class, letters.letters[letter][0]

    def _of_bound_text(
        self,
        position: int,
        state: int,
        live_bytes: set[int],
    ) -> list[Expected]:
        """Return what may come next inside a bound text, as its own grammar describes it; [] if `state` is
        not in one. `position`: of the parser; `live_bytes`: the bytes after which some complete text goes
        on; others are left out. If that grammar names no rules, the rules that use the bound text are
        named."""
        lexer = self._answers.lexer
        bound = lexer.states[state].bound
        if bound is None:
            return []
        terminal, inner_config = bound
        items = []
        for item in lexer.bound[terminal].expected_items(inner_config):
            first_bytes = bytes(byte for byte in item.first if byte in live_bytes)
            # An item that never had bytes is a special token, and is kept.
            if first_bytes or not item.first:
                items.append(replace(item, first=first_bytes))
        if any(item.sources for item in items):
            return items
        rules = self.rules_reading(position, terminal)
        return [Expected(item.what, rules, item.first) for item in items]

    def _kernel_items(self, position: int) -> Any:
        """Return the items of the parser's state: rules, each with the number of symbols read."""
        return self._tables.kernels[self._answers.top_parser_state(position)]

    def last_read(self, position: int) -> str:
        """Return the name of the terminal that was read last before a position; "" at the start of the text,
        or after a nonterminal."""
        for rule, dot in self._kernel_items(position):
            last_symbol = self._tables.rules[rule].symbols[dot - 1] if dot else -1
            if last_symbol >= 0:  # nonterminals are below 0
                return str(self._tables.terminals[last_symbol].display_name)
        return ""

    def rules_reading(self, position: int, terminal: int) -> tuple[str, ...]:
        """Return the names of the rules in which a terminal would be read at a position, sorted; () for an
        ignored terminal, and for one that the parser refuses there."""
        indentation = self._tables.indentation
        is_newline = indentation is not None and terminal == indentation.newline
        if is_newline and self._answers.open_brackets(position):  # no rule reads newlines in brackets
            return ()
        width = self._answers.indent_width(position)
        next_position = self._answers.call_compiled_keeping_positions(place_behind, position, terminal, width)
        if terminal in self._tables.ignored_terminals or next_position < 0:
            return ()
        names = set()
        for rule, _dot in self._kernel_items(next_position):
            origin = self._tables.rules[rule].origin
            # Two of lark's nonterminals may be parts of one rule of the grammar, which is named once.
            names.add(rule_as_written(self._tables.nonterminals[origin]))
        return tuple(sorted(names))
