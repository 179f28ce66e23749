"""`MaskedPlaces`: a compiled grammar as a language, so that it can be a part of a composed grammar.

A JSON Schema or a Lark grammar inside a composed grammar is compiled against the vocabulary as if it stood
alone. Its masks say which tokens stay inside its text. The composed grammar (`compiled_text`) reads only the
tokens that enter that text and those that leave it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from structgen.base.language.expectation import Expected
from structgen.grammars.text_grammars.machine.language import (
    ALL_BYTES,
    TOKEN,
    Config,
    InsidePart,
    Language,
    SplitConfig,
)
from structgen.grammars.text_grammars.machine.masked_part import MaskedPart
from structgen.machines.core.compiled import CompiledGrammar, State

_BYTE: Final = tuple(bytes((byte,)) for byte in ALL_BYTES)


class CompiledLanguage(Language):
    """The language of a compiled grammar's texts, read byte by byte. A configuration is the number of a state
    of this grammar."""

    compiled: CompiledGrammar

    def start(self) -> Config:
        return self.compiled.start.index

    def step(self, config: Config, symbol: int) -> Config | None:
        if symbol >= TOKEN:
            return None
        after = self.compiled.bytes_index(config, _BYTE[symbol])
        return None if after < 0 else after

    def height(self, config: Config) -> int:
        return self.compiled.depth_of(config)

    def accepts(self, config: Config) -> bool:
        return self.compiled.may_end(config)

    def expected_items(self, config: Config) -> list[Expected]:
        items = self.compiled.expected(State(self.compiled, config))
        return [item for item in items if item.first]


class MaskedPlaces(CompiledLanguage, MaskedPart):
    """The language of a compiled grammar that is a part of a composed grammar, and the part itself."""

    # Only the part's own masks read bytes inside it. So for the composed grammar all bytes are one class.
    outer_classes = bytes(len(ALL_BYTES))

    def __init__(self, compiled: CompiledGrammar, last: bytes = ALL_BYTES) -> None:
        """`last`: the bytes that may end the part's texts (`MaskedPart.last`)."""
        self.compiled = compiled
        self.last = last
        self.has_stack = compiled.has_depth
        self.locks = 1 + compiled.height  # the lock of the compiled grammar, around those of its own parts

    def cheap_next_bytes(self, config: Config) -> bytes:
        return self.compiled.next_bytes(State(self.compiled, config))

    def goes_on(self, config: Config) -> bool:
        return bool(self.cheap_next_bytes(config))

    def shortest_rest(self, config: Config) -> Sequence[int]:
        if self.accepts(config):
            return b""
        return self.compiled.completion(State(self.compiled, config))

    def inside_parts(self, config: Config) -> SplitConfig:
        return (InsidePart(self, config, None, True),), None

    def after_inside(self, config: Config, state: int) -> Config:
        return state

    @property
    def sizes(self) -> dict[str, int]:
        # the bytes of a part are in the whole grammar's bytes already
        sizes = self.compiled.sizes.items()
        return {f"part_{name}": size for name, size in sizes if name != "table_bytes"}

    @property
    def compiled_parts(self) -> frozenset[CompiledGrammar]:
        return frozenset((self.compiled,))
