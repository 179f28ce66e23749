"""`compile`: a grammar and a tokenizer become a `CompiledGrammar`."""

from __future__ import annotations

import os
from typing import Literal, overload

from structgen.core.compiled import CompiledGrammar
from structgen.errors import OptionError, TokenizerError
from structgen.json_grammars.compiled_schema import CompiledSchema
from structgen.language.grammar import Grammar
from structgen.lark_grammars.lark_grammar import LarkGrammar
from structgen.lark_grammars.masks.compiled_lark import CompiledLark
from structgen.limits import Limits
from structgen.schema.schema_grammar import NetworkGrammar
from structgen.store.mask_store import MaskStore, store_of
from structgen.system.public_calls import THIS_CALL
from structgen.text_grammars.machine.compiled_text import CompiledText
from structgen.text_grammars.text_grammar import TextGrammar
from structgen.tokens.tokenizer import Tokenizer

_WRITTEN = frozenset((9, 10, 13, *range(0x20, 0xC0), *range(0xC2, 0xF5)))
"""The bytes of JSON text (RFC 8259, in UTF-8); masks are exact where each can be written by itself."""


@overload
def compile(
    grammar: NetworkGrammar,
    tokenizer: Tokenizer,
    *,
    limits: Limits | None = None,
    store: MaskStore | str | os.PathLike[str] | Literal[False] | None = None,
) -> CompiledSchema: ...
@overload
def compile(
    grammar: Grammar,
    tokenizer: Tokenizer,
    *,
    limits: Limits | None = None,
    store: MaskStore | str | os.PathLike[str] | Literal[False] | None = None,
) -> CompiledGrammar: ...
def compile(
    grammar: Grammar,
    tokenizer: Tokenizer,
    *,
    limits: Limits | None = None,
    store: MaskStore | str | os.PathLike[str] | Literal[False] | None = None,
) -> CompiledGrammar:
    """Return a grammar compiled against a tokenizer, expanded on demand from there.

    `store` is the mask store to share: None the process's default, False none, a `MaskStore`, or a folder:
    this process's store there. Raises `UnsatisfiableSchema` where no document exists, `UnsupportedError`,
    `LimitError`, `TokenizerError` where some byte cannot be written, `OptionError`.
    """
    if not isinstance(grammar, Grammar):
        raise OptionError(
            f"A grammar is not a {type(grammar).__name__}.",
            where="grammar",
            cure="Make one with sg.json_schema(...), sg.lark(...) or sg.regex(...).",
        )
    if not isinstance(tokenizer, Tokenizer):
        raise OptionError(
            f"A tokenizer is not a {type(tokenizer).__name__}.",
            where="tokenizer",
            cure="Make one with sg.Tokenizer.from_huggingface(...), from_tiktoken(...) or from_bytes(...).",
        )
    missing = [byte for byte in tokenizer.missing_bytes if byte in _WRITTEN]
    if missing:
        named = ", ".join(f"0x{byte:02x}" for byte in missing[:16]) + (", ..." if len(missing) > 16 else "")
        raise TokenizerError(
            f"No token writes these single bytes: {named}; a document that needs one could not be finished.",
            where="tokenizer",
            cure="Use a tokenizer with byte fallback, or add a token for each of them.",
        )
    shared = store_of(store)
    if isinstance(grammar, NetworkGrammar) and (limits or grammar.limits).liveness == "flag":
        return CompiledSchema(grammar, tokenizer, limits, shared)  # what is not told is noted, place by place
    with THIS_CALL:
        return _compiled(grammar, tokenizer, limits, shared)


def _compiled(
    grammar: Grammar, tokenizer: Tokenizer, limits: Limits | None, shared: MaskStore | Literal[False] | None
) -> CompiledGrammar:
    if isinstance(grammar, NetworkGrammar):
        return CompiledSchema(grammar, tokenizer, limits, shared)
    if isinstance(grammar, LarkGrammar) and grammar.has_masks:
        return CompiledLark(grammar, tokenizer, limits, shared)
    assert isinstance(grammar, TextGrammar)
    return CompiledText(grammar, tokenizer, limits, shared)
