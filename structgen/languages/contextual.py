"""Lark grammars as languages: what lark accepts with LALR(1) and its contextual lexer."""

from __future__ import annotations

from collections.abc import Sequence

from structgen.errors import GrammarError
from structgen.expected import Expected
from structgen.languages.language import Config, Language
from structgen.limits import Limits
from structgen.parsing.completions import Completions
from structgen.parsing.contextual import ContextualReader, Reading
from structgen.parsing.tables import ParserTables


class ContextualLanguage(Language):
    """The texts that lark accepts, as a `Language`."""

    def __init__(self, tables: ParserTables, limits: Limits) -> None:
        self.reader = ContextualReader(tables)
        self.classes = self._classes()
        self._completions = Completions(self.reader, limits)

    def _classes(self) -> bytes:
        lexer = self.reader.lexer
        if self.reader.tables.indentation is None:
            return lexer.classes
        # columns count blanks, whatever the patterns make of them
        numbers: dict[tuple[int, int], int] = {}
        kinds = {10: 1, 9: 2, 32: 3}
        return bytes(
            numbers.setdefault((kind, kinds.get(byte, 0)), len(numbers))
            for byte, kind in enumerate(lexer.classes)
        )

    def start(self) -> Config:
        """Return the configuration before the first byte. Raises GrammarError where lark accepts nothing."""
        start = self.reader.start()
        if not self._completions.is_live(start):
            raise GrammarError(
                "The grammar accepts no text: each one that its rules derive is an error to the lexer.",
                where="start",
                cure='Look for terminals that take the beginning of others, or pass lexer="characters".',
            )
        return start

    def step(self, config: Config, symbol: int) -> Config | None:
        """Return the configuration after a byte; None exactly where no accepted text goes on so."""
        assert isinstance(config, Reading)
        after = self.reader.step(config, symbol)
        return after if after is not None and self._completions.is_live(after) else None

    def accepts(self, config: Config) -> bool:
        """Return whether lark accepts what was read."""
        assert isinstance(config, Reading)
        return self.reader.accepts(config)

    def shortest(self, config: Config) -> Sequence[int]:
        """Return a short rest: that of the cheapest derivation, each terminal by its shortest lexeme."""
        assert isinstance(config, Reading)
        return self._completions.text(config)

    def expected(self, config: Config) -> list[Expected]:
        """Return the terminals that may come next, or that the present lexeme may become."""
        assert isinstance(config, Reading)
        found: dict[str, bytes] = {}
        for terminal, word in self._completions.next_terminals(config):
            one = self.reader.tables.terminals[terminal]
            shown = f"{one.name} {one.where}" if one.where else one.name
            found.setdefault(shown, word[:1])
        return [Expected(name, (), first) for name, first in sorted(found.items())]

    @property
    def sizes(self) -> dict[str, int]:
        """Lexeme states and parser stacks."""
        return {
            "lexer_states": len(self.reader.lexer.states),
            "stacks": len(self.reader.parser.top),
        }
