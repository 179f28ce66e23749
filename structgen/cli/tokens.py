"""The tokenizer of commands that need none: a token for each byte."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from structgen.tokens.tokenizer import Tokenizer


def byte_tokenizer() -> Tokenizer:
    """Return a tokenizer whose token i is the byte i, and 256 the end."""
    from structgen.tokens.tokenizer import Tokenizer

    return Tokenizer.from_bytes([bytes([i]) for i in range(256)] + [None], eos_token_id=256)
