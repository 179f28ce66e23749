"""The cursor: a prefix of a text with its grammar state, from which other prefixes follow.

Searches (`branches.Branch`) and samplers (`structgen.decoding.samplers.target.Prefix`) let a model read many
prefixes. Each of these is a cursor; the subclasses have further fields.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Self

from structgen.decoding.speculation.drafts.model_rows import Tokens
from structgen.machines.core.compiled import CompiledGrammar
from structgen.tokens.tokenizer import Tokenizer


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """A prefix of a text, which is immutable. Cursors of one text are equal if their tokens are equal."""

    tokenizer: Tokenizer = field(compare=False, repr=False)
    compiled: CompiledGrammar | None = field(compare=False, repr=False)
    """The grammar; None: free text."""
    tokens: Tokens = ()
    state: int = 0
    """The number of the grammar's state after the tokens."""
    text: bytes = field(default=b"", compare=False, repr=False)
    """The bytes that the first cursor began with, and the bytes of the tokens."""
    left: int = field(compare=False)
    """The most tokens that may follow."""

    def after(self, token: int) -> Self:
        """Return the cursor after one more token, which must be allowed. Raises LimitError."""
        compiled_grammar = self.compiled
        next_state = 0 if compiled_grammar is None else compiled_grammar.next_index(self.state, token)
        # an end token has no bytes
        token_bytes = self.tokenizer.token_bytes[token] or b""
        return replace(
            self,
            tokens=(*self.tokens, token),
            state=next_state,
            text=self.text + token_bytes,
            left=self.left - 1,
        )
