"""`MaskedPart`: what a composed grammar must know of a part that has masks of its own.

A *composed* grammar is made of others, as `"<a>" + schema + "</a>"`; the schema is a *part*, compiled by
itself. Tokens that stay inside the part's text are taken from the part's masks.
"""

from __future__ import annotations

from structgen.base.native.jit import code_of
from structgen.machines.core.compiled import Bits, CompiledGrammar, Tokens
from structgen.machines.machine_core.wanted_nodes import TargetNodes


class MaskedPart:
    """A part of a composed grammar: most tokens inside its text are taken from the masks of a compiled
    grammar. The part's states are numbers. The lock of the whole grammar is held."""

    compiled: CompiledGrammar
    """The grammar whose states are the part's."""
    last: bytes = bytes(range(256))
    """A superset of the bytes with which the part's texts end, but for those of `space`."""
    space: bytes = b""
    """Bytes of which any number may stand at the end besides."""
    counts: bool = True
    """Whether `cost` and `too_long` are the compiled grammar's; if not, the whole text is counted at once."""

    @property
    def compiled_calls(self) -> tuple[int, ...]:
        """The codes of `compiled.part_calls`; zeros where compiled code cannot read the part."""
        return tuple(map(code_of, self.compiled.part_calls)) or (0, 0, 0)

    def bits(self, state: int) -> Bits:
        """Return the tokens that stay inside the text, as a row of bits; end tokens may be among them."""
        return self.compiled.bits(state)

    def may_end(self, state: int) -> bool:
        """Return whether the part's text may end."""
        return self.compiled.may_end(state)

    def ends_below(self, state: int, targets: TargetNodes) -> list[int]:
        """Return the trie nodes at which the part's text may end (`CompiledGrammar.ends_below`)."""
        return self.compiled.ends_below(state, targets)

    def cost(self, state: int) -> int | None:
        """Return the fewest tokens that end the text; None where the part does not count tokens."""
        return self.compiled.cost(state) if self.counts else None

    def too_long(self, state: int, tokens: Tokens, budget: int) -> Tokens | None:
        """Return those of some tokens that stay inside after which more than `budget` tokens end the text;
        None where the part does not count tokens."""
        if not self.counts:
            return None
        if budget < 0:
            return tokens
        with self.compiled.lock:
            completions = self.compiled.completions
            # with so many tokens every token is fine, and need not be examined
            sufficient = completions.sufficient(state)
            if sufficient is not None and budget >= sufficient:
                return tokens[:0]
            return completions.too_long(state, tokens, budget)
