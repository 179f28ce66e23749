"""`Masked`: a language that has masks of its own, as a part of others.

A JSON Schema or a Lark grammar that is a part of a composed grammar is compiled against the vocabulary as it
would be by itself, and its masks tell which tokens stay inside its text. What is left to the composed grammar
(`compiled_text`) are the tokens that come into that text, and those that leave it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, cast

import numpy as np
import numpy.typing as npt

from structgen.compiled import CompiledGrammar, State
from structgen.expected import Expected
from structgen.languages.gathering import Gathered
from structgen.languages.language import ALL_BYTES, Config, Inside, Language
from structgen.masks.mask import TokenMask

_BYTES: Final = 256
_BYTE: Final = tuple(bytes((byte,)) for byte in range(_BYTES))


class Masked(Language):
    """The texts of a compiled grammar; a configuration is one of its states, by its number."""

    def __init__(self, compiled: CompiledGrammar, last: bytes = ALL_BYTES) -> None:
        """`last`: the bytes that its texts may end with, or more."""
        self.compiled, self.last = compiled, last

    def start(self) -> Config:
        return self.compiled.start.index

    def step(self, config: Config, symbol: int) -> Config | None:
        if symbol >= _BYTES:
            return None
        after = self.compiled.bytes_index(cast(int, config), _BYTE[symbol])
        return None if after < 0 else after

    def accepts(self, config: Config) -> bool:
        return self.compiled.may_end(cast(int, config))

    def shortest(self, config: Config) -> Sequence[int]:
        state = cast(int, config)
        return b"" if self.accepts(state) else self.compiled.completion(State(self.compiled, state))

    def expected(self, config: Config) -> list[Expected]:
        found = self.compiled.expected(State(self.compiled, cast(int, config)))
        return [one for one in found if one.first]

    def inside(self, config: Config) -> tuple[tuple[Inside, ...], Config | None]:
        return (Inside(self, cast(int, config), None, True),), None

    def moved(self, config: Config, index: int) -> Config:
        return index

    @property
    def sizes(self) -> dict[str, int]:
        sizes = {name: size for name, size in self.compiled.sizes.items() if name != "table_bytes"}
        return {f"part_{name}": size for name, size in sizes.items()}

    @property
    def masked(self) -> frozenset[Masked]:
        return frozenset((self,))

    def too_long(self, index: int, tokens: npt.NDArray[np.int64], left: int) -> npt.NDArray[np.int64]:
        """Return those of a state's tokens after which more than `left` are needed to end the text."""
        if left < 0:
            return tokens
        with self.compiled.lock:
            if self.compiled._fits(index, left):
                return tokens[:0]
            return self.compiled._too_long(index, tokens, left)

    def allowed(self, index: int) -> npt.NDArray[np.bool_]:
        """Return for each token whether it stays inside the text."""
        mask = TokenMask(np.zeros((1, self.compiled.row_words()), np.int32), self.compiled.vocab_size)
        self.compiled.fill_index(index, mask, 0)
        found = np.unpackbits(mask.array[0].view(np.uint8), bitorder="little")[: self.compiled.vocab_size]
        found[sorted(self.compiled.end_tokens)] = 0
        return found.view(np.bool_)

    def gather(self, index: int, into: Gathered) -> None:
        """Add the tokens that stay inside the text from a state on."""
        parts = self.compiled.mask_parts(index)
        if parts is not None:
            into.add(*parts)
            return
        mask = TokenMask(np.zeros((1, self.compiled.row_words()), np.int32), self.compiled.vocab_size)
        self.compiled.fill_index(index, mask, 0)
        into.add_bits(mask.array[0])
