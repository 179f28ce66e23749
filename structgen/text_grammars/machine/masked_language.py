"""`Masked`: a compiled grammar as a language, so that it can be a part of a composed grammar.

A JSON Schema or a Lark grammar inside a composed grammar is compiled against the vocabulary as if it stood
alone. Its masks say which tokens stay inside its text. The composed grammar (`compiled_text`) reads only the
tokens that enter that text and those that leave it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, cast

import numpy as np
import numpy.typing as npt

from structgen.core.compiled import CompiledGrammar, State, WantedNodes
from structgen.language.expectation import Expected
from structgen.native.jit import code_of
from structgen.text_grammars.machine.language import ALL_BYTES, Config, InsidePart, Language, Moves

_BYTES: Final = 256
_BYTE: Final = tuple(bytes((byte,)) for byte in range(_BYTES))


class MaskedPart:
    """A part of a composed grammar: most tokens inside its text are taken from the masks of a compiled
    grammar. The part's states are numbers. The lock of the whole grammar is held."""

    compiled: CompiledGrammar
    """The grammar whose states are the part's."""
    last: bytes = ALL_BYTES
    """A superset of the bytes with which the part's texts end, but for those of `space`."""
    space: bytes = b""
    """Bytes of which any number may stand at the end besides."""
    counts: bool = True
    """Whether `cost` and `too_long` are the compiled grammar's; if not, the whole text is counted at once."""

    @property
    def calls(self) -> tuple[int, ...]:
        """The codes of `compiled.part_calls`; zeros where compiled code cannot read the part."""
        return tuple(map(code_of, self.compiled.part_calls)) or (0, 0, 0, 0)

    def bits(self, state: int) -> npt.NDArray[np.int32]:
        """Return the tokens that stay inside the text, as a row of bits; end tokens may be among them."""
        return self.compiled.bits(state)

    def may_end(self, state: int) -> bool:
        """Return whether the part's text may end."""
        return self.compiled.may_end(state)

    def ends_below(self, state: int, wanted: WantedNodes) -> list[int]:
        """Return the trie nodes at which the part's text may end (`CompiledGrammar.ends_below`)."""
        return self.compiled.ends_below(state, wanted)

    def cost(self, state: int) -> int | None:
        """Return the fewest tokens that end the text; None where the part does not count tokens."""
        return self.compiled.cost(state) if self.counts else None

    def too_long(self, state: int, tokens: npt.NDArray[np.int64], left: int) -> npt.NDArray[np.int64] | None:
        """Return those of some tokens that stay inside after which more than `left` tokens end the text; None
        where the part does not count tokens."""
        if not self.counts:
            return None
        if left < 0:
            return tokens
        with self.compiled.lock:
            completions = self.compiled.completions
            sufficient = completions.sufficient(state, left)
            if sufficient is not None and left >= sufficient:
                return tokens[:0]
            return completions.too_long(state, tokens, left)


class Masked(Language, MaskedPart):
    """The texts of a compiled grammar; a configuration is the number of one of its states."""

    outer_classes = bytes(_BYTES)

    def __init__(self, compiled: CompiledGrammar, last: bytes = ALL_BYTES, space: bytes = b"") -> None:
        """`last`, `space`: as of `MaskedPart`."""
        self.compiled, self.last, self.space = compiled, last, space
        self.has_stack = compiled.has_depth

    def start(self) -> Config:
        return self.compiled.start.index

    def step(self, config: Config, symbol: int) -> Config | None:
        if symbol >= _BYTES:
            return None
        after = self.compiled.bytes_index(cast(int, config), _BYTE[symbol])
        return None if after < 0 else after

    def moves(self, config: Config) -> Moves | None:
        state = cast(int, config)
        first = self.compiled.next_bytes(State(self.compiled, state))
        if len(first) > 16:
            return None
        return [(_BYTE[byte], self.compiled.bytes_index(state, _BYTE[byte])) for byte in first]

    def goes_on(self, config: Config) -> bool:
        return bool(self.compiled.next_bytes(State(self.compiled, cast(int, config))))

    def height(self, config: Config) -> int:
        return self.compiled.depth_of(cast(int, config))

    def accepts(self, config: Config) -> bool:
        return self.compiled.may_end(cast(int, config))

    def shortest(self, config: Config) -> Sequence[int]:
        state = cast(int, config)
        return b"" if self.accepts(state) else self.compiled.completion(State(self.compiled, state))

    def expected(self, config: Config) -> list[Expected]:
        found = self.compiled.expected(State(self.compiled, cast(int, config)))
        return [one for one in found if one.first]

    def inside(self, config: Config) -> tuple[tuple[InsidePart, ...], Config | None]:
        return (InsidePart(self, cast(int, config), None, True),), None

    def after_inside(self, config: Config, state: int) -> Config:
        return state

    @property
    def sizes(self) -> dict[str, int]:
        sizes = {name: size for name, size in self.compiled.sizes.items() if name != "table_bytes"}
        return {f"part_{name}": size for name, size in sizes.items()}

    @property
    def compiled_parts(self) -> frozenset[CompiledGrammar]:
        return frozenset((self.compiled,))
