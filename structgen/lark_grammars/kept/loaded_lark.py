"""`LoadedLark`: what a compiled grammar and a grammar with bound terminals need of a Lark grammar."""

from __future__ import annotations

from abc import abstractmethod

from structgen.lark_grammars.kept.lark_file_checks import GrammarFacts
from structgen.lark_grammars.reading.loaded_grammar import ParserTables
from structgen.lark_grammars.tables.prepared_lexer import Ahead
from structgen.text_grammars.text_grammar import TextGrammar


class LoadedLark(TextGrammar):
    """A Lark grammar as lark has loaded it: the base class of `LarkGrammar`, for those below it."""

    __slots__ = ("load_ms",)

    load_ms: float
    """What loading it took, in milliseconds."""

    @property
    @abstractmethod
    def tables(self) -> ParserTables:
        """The parser and the terminals, as lark has built them."""

    @property
    @abstractmethod
    def digest(self) -> str:
        """A digest of the tables, as they are numbered in this process."""

    @property
    @abstractmethod
    def facts(self) -> GrammarFacts | None:
        """The bounds that files about the grammar are checked against; None where its parser is invalid."""

    @property
    @abstractmethod
    def ahead(self) -> Ahead | None:
        """The tables that were worked out for all vocabularies, where there are any."""

    @abstractmethod
    def refuse(self) -> None:
        """Delete the file that the grammar was read from, with a StoreWarning: it holds wrong numbers."""
