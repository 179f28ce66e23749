"""`LoadedLark`: the interface of a Lark grammar for compiled grammars and for grammars with bound
terminals."""

from __future__ import annotations

from abc import abstractmethod

from structgen.lark_grammars.reading.loaded_grammar import ParserTables
from structgen.text_grammars.text_grammar import TextGrammar


class LoadedLark(TextGrammar):
    """A Lark grammar as lark has loaded it: the base class of `LarkGrammar`, for packages below that one."""

    __slots__ = ("load_ms",)

    load_ms: float
    """Milliseconds of loading."""

    @property
    @abstractmethod
    def tables(self) -> ParserTables:
        """The parser and the terminals, as lark built them."""

    @abstractmethod
    def without_bytes(self, missing: frozenset[int]) -> LoadedLark:
        """Return the grammar of the texts that have none of some bytes."""

    @property
    @abstractmethod
    def digest(self) -> str:
        """A digest of the tables, with the numbering of this process."""

    @property
    @abstractmethod
    def is_local(self) -> bool:
        """Whether no lexeme looks behind its beginning (by a look-behind, `\\b` or `^` at its start)."""
