"""`MaskedPart`: what a composed grammar asks of a language that has masks of its own."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
import numpy.typing as npt

from structgen.text_grammars.machine.mask_union import Gathered


class MaskedPart(ABC):
    """Masks inside the texts of a language; states by their numbers. Under the whole grammar's lock."""

    last: bytes
    """The bytes that its texts may end with, or more."""

    @abstractmethod
    def gather(self, state: int, into: Gathered) -> None:
        """Add the tokens that stay inside the text from a state on; end tokens may be among them."""

    @abstractmethod
    def leaves(self, state: int, wanted: npt.NDArray[np.uint8], most: int) -> list[int]:
        """Return the nodes of the vocabulary's trie behind which the text may end
        (`CompiledGrammar.ends_below`)."""

    @abstractmethod
    def after(self, state: int, token: int) -> int | None:
        """Return the state after a token that stays inside, -1 where it is refused, None where it is to be
        read byte by byte."""

    @abstractmethod
    def cost(self, state: int) -> int | None:
        """Return how many tokens end the text; None where that is not counted in tokens here."""

    @abstractmethod
    def too_long(self, state: int, tokens: npt.NDArray[np.int64], left: int) -> npt.NDArray[np.int64] | None:
        """Return those of some tokens that stay inside after which more than `left` end the text; None where
        that is not counted in tokens here."""

    @abstractmethod
    def allowed(self, state: int) -> npt.NDArray[np.bool_]:
        """Return for each token whether it stays inside the text."""
