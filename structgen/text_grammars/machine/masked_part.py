"""`MaskedPart`: the masks of a language inside a composed grammar."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
import numpy.typing as npt

from structgen.core.compiled import CompiledGrammar, WantedNodes
from structgen.text_grammars.machine.mask_union import MaskUnion


class MaskedPart(ABC):
    """A part of a composed grammar that has masks of its own: most tokens inside the part's text are taken
    from them. The part's states are numbers. The lock of the whole grammar is held."""

    compiled: CompiledGrammar
    """The grammar whose states are the part's."""
    last: bytes
    """A superset of the bytes with which the part's texts end, but for those of `space`."""
    space: bytes = b""
    """Bytes of which any number may stand at the end besides."""

    @property
    def calls(self) -> tuple[int, ...]:
        """The codes of `compiled.part_calls`; zeros where compiled code cannot read the part."""
        return 0, 0, 0, 0

    @abstractmethod
    def add_mask(self, state: int, union: MaskUnion) -> None:
        """Add the tokens that stay inside the text; the part's end tokens may be among them."""

    def may_end(self, state: int) -> bool:
        """Return whether the part's text may end."""
        return self.compiled.may_end(state)

    @abstractmethod
    def ends_below(self, state: int, wanted: WantedNodes) -> list[int]:
        """Return the trie nodes at which the part's text may end (`CompiledGrammar.ends_below`)."""

    @abstractmethod
    def after(self, state: int, token: int) -> int | None:
        """Return the state after a token that stays inside the text, -1 where the token is refused, None
        where it must be read byte by byte."""

    @abstractmethod
    def cost(self, state: int) -> int | None:
        """Return the fewest tokens that end the text; None where the part does not count tokens."""

    @abstractmethod
    def too_long(self, state: int, tokens: npt.NDArray[np.int64], left: int) -> npt.NDArray[np.int64] | None:
        """Return those of some tokens that stay inside after which more than `left` tokens end the text; None
        where the part does not count tokens."""

    @abstractmethod
    def allowed(self, state: int) -> npt.NDArray[np.bool_]:
        """Return for each token whether it stays inside the text."""
