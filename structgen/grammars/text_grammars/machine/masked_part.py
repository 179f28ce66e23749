"""`MaskedPart`: what a composed grammar must know of a part that has masks of its own.

A *composed* grammar is made of others, such as `"<a>" + schema + "</a>"`. The schema is a *part*: it is
compiled by itself. A token *stays inside* if all its bytes belong to the part's text, such as `"x"` inside
the schema; `}</` does not. Tokens that stay inside are taken from the part's masks. The *budget* is the
number of tokens that may still be written after a token.
"""

from __future__ import annotations

from structgen.base.native.jit import code_of
from structgen.machines.core.compiled import Bits, CompiledGrammar, Tokens
from structgen.machines.machine_core.wanted_nodes import TargetNodes


class MaskedPart:
    """A part of a composed grammar. Most tokens inside its text are taken from the masks of a compiled
    grammar.

    The part's states are numbers. Callers hold the lock of the composed grammar.
    """

    compiled: CompiledGrammar
    """The compiled grammar of the part. Its states are those of the part."""
    last: bytes = bytes(range(256))
    """The bytes that may be the last of the part's texts, and perhaps more; without the bytes of `space`."""
    space: bytes = b""
    """The bytes that may follow the last byte in any number, such as white space after a JSON object."""
    counts: bool = True
    """Whether the part counts its own tokens (`cost`, `too_long`). If not, the composed grammar counts the
    tokens of the whole text at once."""

    @property
    def compiled_calls(self) -> tuple[int, ...]:
        """The codes of `compiled.part_calls`; zeros where compiled code cannot read the part."""
        return tuple(map(code_of, self.compiled.part_calls)) or (0, 0, 0)

    def bits(self, state: int) -> Bits:
        """Return the tokens that stay inside the text, as a row of bits; end tokens may be among them."""
        return self.compiled.bits(state)

    def may_end(self, state: int) -> bool:
        """Return whether the part's text may end in a state."""
        return self.compiled.may_end(state)

    def ends_below(self, state: int, targets: TargetNodes) -> list[int]:
        """Return those of the trie nodes `targets` whose bytes lead from a state to an end of the part's text
        (`CompiledGrammar.ends_below`)."""
        return self.compiled.ends_below(state, targets)

    def cost(self, state: int) -> int | None:
        """Return the least number of tokens that complete the part's text; None where the part does not count
        tokens."""
        return self.compiled.cost(state) if self.counts else None

    def too_long(self, state: int, tokens: Tokens, budget: int) -> Tokens | None:
        """Return those of `tokens` after which the text needs more than `budget` tokens to end; None where
        the part does not count tokens. `tokens`: allowed tokens that stay inside."""
        if not self.counts:
            return None
        if budget < 0:
            return tokens
        with self.compiled.lock:
            completions = self.compiled.completions
            # with a budget of at least `sufficient` all tokens fit, and none needs to be examined
            sufficient = completions.sufficient(state)
            if sufficient is not None and budget >= sufficient:
                return tokens[:0]
            return completions.too_long(state, tokens, budget)
