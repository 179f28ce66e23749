"""`compile`: a grammar and a tokenizer become a `CompiledGrammar`."""

from __future__ import annotations

import os
from typing import Literal, Protocol, TypeVar

from structgen.core.compiled import CompiledGrammar
from structgen.core.grammar import Grammar
from structgen.errors import OptionError, TokenizerError
from structgen.limits import Limits
from structgen.store.mask_store import MaskStore, store_of
from structgen.tokens.tokenizer import Tokenizer

C = TypeVar("C", bound=CompiledGrammar, covariant=True)


class Compilable(Protocol[C]):
    """A `Grammar`, by the class that it is compiled to: `sg.compile` returns what its grammar says."""

    def compiled(
        self, tokenizer: Tokenizer, limits: Limits | None, store: MaskStore | Literal[False] | None
    ) -> C:
        """Return the grammar compiled against a tokenizer."""
        ...


_WRITTEN = frozenset((9, 10, 13, *range(0x20, 0xC0), *range(0xC2, 0xF5)))
"""The bytes of JSON text (RFC 8259, in UTF-8); masks are exact where each can be written by itself."""


def compile(
    grammar: Compilable[C],
    tokenizer: Tokenizer,
    *,
    limits: Limits | None = None,
    store: MaskStore | str | os.PathLike[str] | Literal[False] | None = None,
) -> C:
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
    return grammar.compiled(tokenizer, limits, store_of(store))
