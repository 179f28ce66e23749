"""`LarkGrammar`: a Lark grammar as lark has loaded it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from structgen.base.errors import StructgenError
from structgen.base.limits import Limits
from structgen.base.system.public_calls import THIS_CALL
from structgen.base.system.waits import announce_wait
from structgen.grammars.lark_grammars.kept.kept_grammars import FoundGrammar
from structgen.grammars.text_grammars.machine.language import CompileTarget, Language
from structgen.grammars.text_grammars.text_grammar import TextGrammar

if TYPE_CHECKING:
    from structgen.machines.core.compiled import CompiledGrammar
    from structgen.machines.store.mask_store import StoreOption
    from structgen.tokens.tokenizer import Tokenizer


class LarkGrammar(TextGrammar):
    """A Lark grammar. Made by `lark`."""

    __slots__ = ("_constructor", "_definition", "_found_grammar", "_missing", "limits", "tables")
    limits: Limits
    source = "a Lark grammar"
    has_masks = True

    def __init__(
        self,
        found: FoundGrammar,
        made: tuple[Callable[..., Any], dict[str, Any]],
        limits: Limits,
        said: dict[str, Any] | None = None,
        missing: frozenset[int] = frozenset(),
    ) -> None:
        """`found`: its tables; here texts have none of the bytes `missing`. `made`: a function and its
        arguments, which make the grammar again from a pickle. `said`: the members of `x-grammar` for its
        text, imports aside."""
        self._found_grammar = found
        self._constructor = made
        self._definition = said
        self._missing = missing
        self.limits = limits
        self.tables = found.tables.without_bytes(missing)
        """The parser and the terminals, as lark built them."""

    @property
    def canonical(self) -> str:
        """The patterns of its terminals, and the digest of lark's tables, as JSON."""
        terminals = [(terminal.name, terminal.pattern) for terminal in self.tables.terminals]
        return json.dumps([self.digest, *terminals], ensure_ascii=False)

    @property
    def texts_named(self) -> str:
        grammar_option = self._constructor[1]["grammar"]
        return f"a text of {grammar_option}" if isinstance(grammar_option, Path) else super().texts_named

    @property
    def is_local(self) -> bool:
        """Whether no lexeme looks behind its beginning (by a look-behind, `\\b` or `^` at its start)."""
        return self._found_grammar.is_local

    @property
    def digest(self) -> str:
        """A digest of the tables, with their numbering, and the bytes that texts lack."""
        return f"{self._found_grammar.digest}{bytes(sorted(self._missing)).hex()}"

    @property
    def written(self) -> dict[str, Any] | None:
        if self._definition is None:
            return None
        try:
            # start-up: few grammars stand in a schema
            from structgen.schema.reading.string_grammars import grammar_of

            reread = grammar_of(self._definition, "", self.limits, None)
        except StructgenError:  # it imports from files, which a schema cannot
            return None
        return self._definition if reread == self else None

    @property
    def spelling(self) -> str:
        """A name that no other grammar has."""
        return f"lark {self.digest}"

    def compiled(self, tokenizer: Tokenizer, limits: Limits | None, store: StoreOption) -> CompiledGrammar:
        """Return the grammar compiled against a tokenizer."""
        # start-up: a grammar that is only loaded needs no machine
        from structgen.grammars.lark_grammars.compiled.compiled_lark import CompiledLark

        bounds = self.limits if limits is None else limits
        with announce_wait("compiling a Lark grammar"), THIS_CALL.begin_call(bounds):
            return CompiledLark(self, tokenizer, limits, store)

    def without_bytes(self, missing: frozenset[int]) -> LarkGrammar:
        """Return the grammar of the texts that have none of some bytes."""
        return LarkGrammar(
            self._found_grammar, self._constructor, self.limits, self._definition, self._missing | missing
        )

    def language(self, limits: Limits, target: CompileTarget | None = None) -> Language:
        """Return the language of lark: byte by byte, or with masks for a target."""
        # start-up time: a program that loads a grammar may never compile it
        from structgen.grammars.lark_grammars.compiled.compiled_lark import CompiledLark
        from structgen.grammars.lark_grammars.compiled.lark_language import LarkLanguage
        from structgen.grammars.text_grammars.machine.masked_language import MaskedPlaces

        if target is None:
            return LarkLanguage(self, limits)
        return MaskedPlaces(CompiledLark(self, target.tokenizer, limits, target.store))

    def __reduce__(self) -> tuple[Any, ...]:
        constructor, arguments = self._constructor
        return constructor, (arguments, self._missing)
