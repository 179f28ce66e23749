"""Liveness from the parser alone: the text may end here, or no terminal is viable."""

from __future__ import annotations

from structgen.lark_grammars.liveness.answers import DEAD, Answer, accepted
from structgen.lark_grammars.parser.contextual_reader import ContextualReader, ReaderConfiguration
from structgen.lark_grammars.parser.lalr_parser import REFUSED, ParserPlace
from structgen.lark_grammars.reading.loaded_grammar import UNREACHABLE


class ParserAnswers:
    """Answers for the configurations of one reader, memoised by stack."""

    def __init__(self, reader: ContextualReader) -> None:
        self._reader = reader
        self._stuck: dict[ParserPlace, bool] = {}
        self._refused: dict[tuple[int, int], bool] = {}

    def answer(self, configuration: ReaderConfiguration) -> Answer:
        """Return a proof if the text may end here, DEAD if the parser takes no terminal that may come, else
        None."""
        if self._reader.accepts(configuration):
            return accepted(configuration)
        if self.distance(configuration) >= UNREACHABLE:
            return DEAD
        return DEAD if configuration.begun and self.is_refused(configuration) else None

    def distance(self, configuration: ReaderConfiguration) -> int:
        """Return a lower bound on the bytes that complete a configuration, by the rules alone."""
        parser = self._reader.parser
        return min(parser.distance(one.place.stack) for one in configuration.branches())

    def is_stuck(self, place: ParserPlace) -> bool:
        """Return whether the parser takes no lexeme at a place, and the text may not end there."""
        known = self._stuck.get(place)
        if known is None:
            parser, tables = self._reader.parser, self._reader.tables
            context = tables.contexts[int(tables.context_of[parser.top[place.stack]])]
            columns = (*place.widths, place.widths[-1] + 1)
            known = not parser.accepts(place) and not any(
                parser.read(place, terminal, column) not in (None, place)
                for terminal in context.every_terminal - tables.ignored
                for column in columns
            )
            self._stuck[place] = known
        return known

    def is_refused(self, configuration: ReaderConfiguration) -> bool:
        """Return whether the parser takes no terminal that the lexeme may become, and no slot can
        continue."""
        bases = [base for base in configuration.bases if base is not None]
        if bases and (len(configuration.bases) > 1 or any(bases[0].bases)):
            return False
        key = configuration.place.stack, configuration.lexeme
        known = self._refused.get(key)
        if known is None:
            known = self._refused[key] = self._refuses(configuration)
        lexer = self._reader.lexer
        return known and (not bases or lexer.never_ends_at_slot(configuration.lexeme, bases[0].lexeme))

    def _refuses(self, configuration: ReaderConfiguration) -> bool:
        """Return whether the parser takes no terminal that the lexeme may become."""
        parser, tables = self._reader.parser, self._reader.tables
        terminals = self._reader.lexer.possible_terminals(configuration.lexeme)
        newline = -1 if tables.indentation is None else tables.indentation.newline
        if newline in terminals or tables.ignored & terminals:
            return False
        return all(parser.feed(configuration.place.stack, terminal) == REFUSED for terminal in terminals)
