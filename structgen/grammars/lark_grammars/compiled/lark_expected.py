"""What may come next in a state, in words: terminals, each with the rules that read it and its bytes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from structgen.base.language.expectation import Expected
from structgen.grammars.lark_grammars.compiled.lark_answers import LarkAnswers
from structgen.grammars.lark_grammars.liveness.frames import classes_of_bytes, column_after
from structgen.grammars.lark_grammars.machine.lark_masks import place_behind
from structgen.grammars.lark_grammars.reading.loaded_grammar import rule_as_written
from structgen.grammars.text_grammars.context_free.rules import grouped


class Expectations:
    """What may come next in the states of one compiled grammar. Its lock is held."""

    def __init__(self, answers: LarkAnswers) -> None:
        self._answers, self._tables = answers, answers.lexer.tables

    def of(self, readings: list[tuple[int, int, int]]) -> list[Expected]:
        """Return what may come next in some readings (places, lexer states, columns): what the current lexeme
        may become, and what may follow it, with the rules that use them, and as what the text before was
        read. Cost: some milliseconds. Raises LimitError."""
        answers = self._answers
        call, lexer, rows = answers.call_keeping, answers.lexer, answers.rows
        found: dict[int, tuple[set[int], set[str], set[str]]] = {}
        """Terminal -> its bytes, the rules that use it, and as what the text before was read."""
        in_bound: list[Expected] = []
        alive: dict[tuple[int, int, int, int], bool] = {}
        lexing: dict[tuple[int, int, int], None] = {}
        for place, state, column in readings:
            lexing[place, state, column] = None
            for terminal, carry in lexer.states[state].ends:
                after = call(place_behind, place, terminal, column)
                lexing |= dict.fromkeys(answers.begun(after, carry) if after >= 0 else ())
        classes = enumerate(classes_of_bytes(bytes(lexer.classes), self._tables))
        members = grouped((byte_class, byte) for byte, byte_class in classes)
        lines = self._tables.indentation
        for place, state, column in lexing:
            rows.put_row(state)
            before = "" if lexer.states[state].has_begun else self.last_read(place)
            live = set[int]()
            for some in members.values():
                byte = some[0]
                to = int(rows.moves[state, lexer.classes[byte]])
                at = -1 if lines is None else column_after(column, byte, lines.tab_size)
                for letter in answers.letters.classes[answers.letters.class_of(to)] if to >= 0 else ():
                    key = place, letter, *((-1, -1) if answers.tells(letter) else (to, at))
                    if key not in alive:
                        alive[key] = answers.proves(place, (letter,), to, at)
                    if alive[key] and lexer.states[state].bound is not None:
                        live.update(some)
                    elif alive[key]:
                        terminal = answers.letters.letters[letter][0]
                        first, rules, read = found.setdefault(terminal, (set(), set(), set()))
                        first.update(some)
                        rules.update(self.rules(place, terminal))
                        read.update({before} - {""})
            in_bound += self._of_bound(place, state, live)
        told = {
            (self._tables.terminals[one].shown, tuple(sorted(rules))): (first, read)
            for one, (first, rules, read) in found.items()
        }
        for own in in_bound:
            first, read = told.setdefault((own.what, own.sources), (set(), set()))
            first |= set(own.first)
            read |= {own.read_before} - {""}
        shown = [
            Expected(what, of, bytes(sorted(first)), " or ".join(sorted(read)))
            for (what, of), (first, read) in told.items()
        ]
        return sorted(shown, key=lambda one: (not one.sources, one.what))

    def _of_bound(self, place: int, state: int, live: set[int]) -> list[Expected]:
        """Return what the grammar of a bound text tells of it, if a state is in one, with the bytes that
        live; where it names no sources, with the rules that use the text."""
        lexer = self._answers.lexer
        bound = lexer.states[state].bound
        if bound is None:
            return []
        told = lexer.bound[bound[0]].expected(bound[1])
        # what has no bytes is a special token
        own = [replace(one, first=bytes(byte for byte in one.first if byte in live)) for one in told]
        own = [one for one, of in zip(own, told, strict=True) if one.first or not of.first]
        if any(one.sources for one in own):
            return own
        return [Expected(one.what, self.rules(place, bound[0]), one.first) for one in own]

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
        after = self._answers.call_keeping(place_behind, place, terminal, self._answers.widths(place)[0])
        if terminal in self._tables.ignored or after < 0:
            return ()
        origins = {self._tables.rules[rule].origin for rule, _dot in self._kernel(after)}
        return tuple(sorted({rule_as_written(self._tables.nonterminals[one]) for one in origins}))
