"""Restricts the texts of a grammar to those that a vocabulary can write, where not every byte is a token.

A text is *written* if it is a sequence of tokens. A byte is *absent* if it is in no token, and *missing* if
it is not a token by itself. With the tokens `a` and `ab`, the byte `b` is missing, and `c` is absent and
missing. Texts with absent bytes are removed from the grammar ahead. If all other bytes are tokens, the masks
of the grammar's own machine are right. Otherwise a mask may have tokens after which no sequence of tokens
completes the text; `written_language.WrittenText` removes these.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from structgen.base.errors import GrammarError, TokenizerError
from structgen.base.limits import Limits
from structgen.base.printable import named_bytes
from structgen.grammars.text_grammars.machine.language import CompileTarget, Config, Language
from structgen.grammars.text_grammars.text_grammar import DerivedGrammar, JsonTexts, TextGrammar
from structgen.grammars.text_grammars.written_language import TokenTexts, WrittenMeet, WrittenText
from structgen.machines.core.compiled import CompiledGrammar
from structgen.machines.store.mask_store import StoreOption
from structgen.tokens.tokenizer import UTF8_BYTES, Tokenizer


@dataclass(eq=False, repr=False, slots=True)
class WrittenTexts(DerivedGrammar):
    """The grammar of the texts of another one that the tokenizer it is compiled for can write."""

    of: TextGrammar
    """The other grammar."""

    @property
    def canonical(self) -> str:
        return f"written({self.of.canonical})"

    @property
    def spelling(self) -> str:
        return f"written({self.of.spelling})"

    def language(self, limits: Limits, target: CompileTarget | None = None) -> Language:
        if target is None:
            return self.of.language(limits)
        inner = self._without_missing_bytes(target.tokenizer).compiled(target.tokenizer, limits, target.store)
        return WrittenMeet(inner, TokenTexts.of_vocabulary(target.tokenizer), limits)

    def _without_missing_bytes(self, tokenizer: Tokenizer) -> Any:
        """Return the grammar of the texts without absent bytes."""
        # bytes that UTF-8 never has are in no text anyway
        absent = UTF8_BYTES.intersection(tokenizer.absent_bytes)
        grammar = self.of.without_bytes(absent) if absent else self.of
        # a schema's own machine is faster than its texts as a part
        return grammar.of if isinstance(grammar, JsonTexts) else grammar

    def compiled(self, tokenizer: Tokenizer, limits: Limits | None, store: StoreOption) -> CompiledGrammar:
        """Return the grammar compiled for a tokenizer. It is the grammar's own machine where each missing
        byte is absent too. Raises `TokenizerError` where no text can be written."""
        no_single_token = UTF8_BYTES.intersection(tokenizer.missing_bytes)
        only_inside = no_single_token.difference(tokenizer.absent_bytes)
        try:
            if only_inside:
                return WrittenText(self, tokenizer, limits, store)
            grammar = self._without_missing_bytes(tokenizer)
            compiled: CompiledGrammar = grammar.compiled(tokenizer, limits, store)
            return compiled
        except GrammarError as error:
            raise no_text_error(self.of, tokenizer) from error


BYTES: Final = "Use a tokenizer with byte fallback, or add tokens for single bytes."
"""The sentence of errors that says how to write all bytes."""


def no_text_error(
    grammar: TextGrammar,
    tokenizer: Tokenizer,
    where: str = "",
    cure: str = BYTES,
) -> GrammarError | TokenizerError:
    """Return the error for a grammar none of whose texts is written.

    It names the missing bytes that the shortest text needs, and where in the grammar they are. For a grammar
    without any text it is the error of the grammar itself.

    `where`: the place of the error; "": the tokenizer. `cure`: the sentence that says how to mend it. For
    example, `raise no_text_error(sg.literal("é"), tokenizer)`.
    """
    try:
        language = grammar.language(grammar.limits)
        config: Config | None = language.start()
        rest = language.shortest_rest(config)
    except GrammarError as own_error:
        return own_error
    needed_bytes = {byte for byte in rest if byte in tokenizer.missing_bytes}
    # The place is described by the items that are expected before the first missing byte.
    place = ""
    for byte in rest:
        if byte in needed_bytes and config is not None:
            items = language.expected_items(config)
            place = " or ".join(item.what for item in items if byte in item.first)
            break
        config = None if config is None else language.step(config, byte)
    reason = ""
    if needed_bytes:
        reason = f": no token writes these single bytes of the shortest: {named_bytes(needed_bytes)}"
    if place:
        reason += f", of {place}"
    return TokenizerError(
        f"The vocabulary can write no text of the grammar{reason}.", where=where or "tokenizer", cure=cure
    )
