"""Defines `LarkGrammar`: a Lark grammar that is loaded, but not yet compiled against a vocabulary.

Its *tables* are the terminals with their patterns, the contexts of the lexer, and the actions of the LALR(1)
parser, as lark built them (`ParserTables`). *Missing* bytes are those that a vocabulary cannot write: the
grammar `start: /[ab]/` without the byte `b` has the one text `a`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from structgen.base.errors import StructgenError
from structgen.base.limits import Limits
from structgen.base.system.public_calls import THIS_CALL
from structgen.base.system.shipped_files import grammar_name
from structgen.base.system.waits import announce_wait
from structgen.grammars.lark_grammars.kept.kept_grammars import FoundGrammar
from structgen.grammars.text_grammars.machine.language import CompileTarget, Language
from structgen.grammars.text_grammars.text_grammar import TextGrammar

if TYPE_CHECKING:
    from structgen.machines.core.compiled import CompiledGrammar
    from structgen.machines.store.mask_store import StoreOption
    from structgen.tokens.tokenizer import Tokenizer


class LarkGrammar(TextGrammar):
    """A loaded Lark grammar. The function `lark` makes it."""

    __slots__ = ("_constructor", "_definition", "_found_grammar", "_missing", "limits", "tables")
    limits: Limits
    source = "a Lark grammar"
    has_masks = True

    def __init__(
        self,
        found: FoundGrammar,
        made: tuple[Callable[..., Any], dict[str, Any]],
        limits: Limits,
        said: dict[str, Any] | None,
        missing: frozenset[int] = frozenset(),
    ) -> None:
        """Make a grammar from its tables.

        `found`: the tables, and what is slow to compute from them. `made`: a function and its arguments by
        name, with which a pickle makes the grammar again. `limits`: the limits under which it was loaded.
        `said`: the members of the schema keyword `x-grammar` that describe the grammar, without its imports;
        None: a schema cannot hold it. `missing`: the bytes that no text may have.
        """
        self._found_grammar = found
        self._constructor = made
        self._definition = said
        self._missing = missing
        self.limits = limits
        self.tables = found.tables.without_bytes(missing)
        """The parser and the terminals, as lark built them, for texts without the missing bytes."""

    @property
    def canonical(self) -> str:
        """The digest of lark's tables, and the names and patterns of the terminals, as a JSON text."""
        terminals = [(terminal.name, terminal.pattern) for terminal in self.tables.terminals]
        return json.dumps([self.digest, *terminals], ensure_ascii=False)

    @property
    def texts_named(self) -> str:
        """A name of the grammar's texts, for messages; it has the path or the name of its file, if any."""
        grammar_option = self._constructor[1]["grammar"]
        has_name = isinstance(grammar_option, Path) or grammar_name(grammar_option)
        return f"a text of {grammar_option}" if has_name else super().texts_named

    @property
    def is_endless(self) -> bool:
        return bool(self.tables.ignored_terminals) and self._constructor[1]["ignore_at_most"] is None

    @property
    def is_local(self) -> bool:
        """Whether no lexeme depends on the text before it (by a look-behind, `\\b` or `^` at its start)."""
        return self._found_grammar.is_local

    @property
    def digest(self) -> str:
        """A digest of the tables, with their numbering, and the missing bytes after it, in hexadecimal."""
        return f"{self._found_grammar.digest}{bytes(sorted(self._missing)).hex()}"

    @property
    def written(self) -> dict[str, Any] | None:
        """The members of `x-grammar` that a schema reads as this very grammar; None where none are."""
        if self._definition is None:
            return None
        try:
            # start-up: few grammars stand in a schema
            from structgen.schema.reading.string_grammars import grammar_of

            reread = grammar_of(self._definition, "", self.limits, None)
        except StructgenError:  # the grammar imports from files; one in a schema may not
            return None
        return self._definition if reread == self else None

    @property
    def spelling(self) -> str:
        """A name that tells the grammar from all others."""
        return f"lark {self.digest}"

    def compiled(self, tokenizer: Tokenizer, limits: Limits | None, store: StoreOption) -> CompiledGrammar:
        """Return the grammar compiled against the vocabulary of a `tokenizer`. `limits`: None for those of
        the grammar; `store`: where masks are kept. Raises LimitError."""
        # start-up: a grammar that is only loaded needs no machine
        from structgen.grammars.lark_grammars.compiled.compiled_lark import CompiledLark

        bounds = self.limits if limits is None else limits
        with announce_wait("compiling a Lark grammar"), THIS_CALL.begin_call(bounds):
            return CompiledLark(self, tokenizer, limits, store)

    def without_bytes(self, missing: frozenset[int]) -> LarkGrammar:
        """Return the grammar of those texts that have none of the bytes `missing`."""
        return LarkGrammar(
            self._found_grammar, self._constructor, self.limits, self._definition, self._missing | missing
        )

    def language(self, limits: Limits, target: CompileTarget | None = None) -> Language:
        """Return the language of the grammar's texts, as other grammars embed it. `target`: the vocabulary
        and store for which it has masks; None: it is read byte by byte."""
        # start-up time: a program that loads a grammar may never compile it
        from structgen.grammars.lark_grammars.compiled.compiled_lark import CompiledLark
        from structgen.grammars.lark_grammars.compiled.lark_language import LarkLanguage
        from structgen.grammars.text_grammars.machine.masked_language import MaskedPlaces

        if target is None:
            return LarkLanguage(self, limits)
        return MaskedPlaces(CompiledLark(self, target.tokenizer, limits, target.store))

    def __reduce__(self) -> tuple[Any, ...]:
        """Return the function and arguments that make the grammar again from a pickle."""
        constructor, arguments = self._constructor
        return constructor, (arguments, self._missing)
