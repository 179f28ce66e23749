"""The cursor: a prefix of a text, and its continuations.

Whatever reads a model ahead of its texts stands at cursors: searches (`branches.TextPlace`), samplers and the
likeliest texts (`structgen.decoding.samplers.target`). Subclasses have further fields.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Self

from structgen.decoding.speculation.drafts.model_rows import Tokens
from structgen.machines.core.compiled import CompiledGrammar
from structgen.tokens.tokenizer import Tokenizer


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """A prefix: a value. Cursors of one text with equal tokens are equal."""

    tokenizer: Tokenizer = field(compare=False, repr=False)
    compiled: CompiledGrammar | None = field(compare=False, repr=False)
    """The grammar; None: free text."""
    tokens: Tokens = ()
    state: int = 0
    """The state of the grammar after them, by its number."""
    text: bytes = field(default=b"", compare=False, repr=False)
    """The bytes that the first cursor began with, and the bytes of the tokens."""
    left: int = field(compare=False)
    """How many tokens may follow."""

    def after(self, token: int) -> Self:
        """Return the cursor after one more token, which is allowed. Raises LimitError."""
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
