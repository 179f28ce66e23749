"""`CompiledRests`: a compiled grammar whose completions are `RestCompletions`, by inheritance."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from structgen.core.compiled import CompiledGrammar
from structgen.core.grammar import Grammar
from structgen.limits import Limits
from structgen.store.mask_store import MaskStore
from structgen.text_grammars.machine.rest_completions import RestCompletions
from structgen.tokens.tokenizer import Tokenizer


class CompiledRests(CompiledGrammar):
    """A compiled grammar that knows a short rest for each of its states."""

    def __init__(
        self,
        grammar: Grammar,
        tokenizer: Tokenizer,
        limits: Limits | None = None,
        store: MaskStore | Literal[False] | None = None,
    ) -> None:
        super().__init__(grammar, tokenizer, limits, store)
        self._completions = RestCompletions(self)

    @property
    def completions(self) -> RestCompletions:
        """The shortest completions of its states."""
        return self._completions

    def shortest_rest(self, index: int) -> Sequence[int]:
        """As `RestMachine`."""
        return self._shortest(index)

    def after_rest(self, index: int, data: int, size: int) -> int:
        """As `RestMachine`."""
        return self._after_text(index, data, size)

    def after_tokens(self, index: int, tokens: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """As `RestMachine`."""
        return self._after_tokens(index, tokens)

    @abstractmethod
    def _shortest(self, index: int) -> Sequence[int]: ...

    @abstractmethod
    def _after_text(self, index: int, data: int, size: int) -> int: ...

    @abstractmethod
    def _after_tokens(self, index: int, tokens: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]: ...
