"""`RegularLanguage`: the texts that a formula over patterns and words takes, read by a lazy automaton."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import cast

import numpy as np
import numpy.typing as npt

from structgen.automata.strings.string_pool import StringPool
from structgen.automata.unicode.charsets import LAST
from structgen.automata.unicode.partition import JSON, PLAIN, Partition
from structgen.automata.unicode.utf8 import node_of, written_with
from structgen.errors import GrammarError
from structgen.language.expectation import Expected
from structgen.language.ir import DEAD, UNKNOWN, Formula, Spec
from structgen.limits import Limits
from structgen.text_grammars.machine.language import ALL_BYTES, Config, Language, Moves

_UTF8_CUTS = (0x80, 0x90, 0xA0, 0xC0, 0xC2, 0xE0, 0xE1, 0xED, 0xEE, 0xF0, 0xF1, 0xF4, 0xF5)
"""The first bytes of the ranges that UTF-8 tells apart."""
_BYTES, _CONTINUATION = frozenset(range(256)), range(0x80, 0xC0)
_BETWEEN: npt.NDArray[np.int64] = np.zeros(1, np.int64)
"""In place of the states after the next byte, of one between two characters."""


class RegularLanguage(Language):
    """A formula over patterns and words; a configuration is a state of its automaton, built lazily."""

    def __init__(
        self,
        formula: Formula,
        what: str,
        limits: Limits,
        *,
        json: bool = False,
        others: Iterable[Formula] = (),
    ) -> None:
        """`json`: of all rests, the shortest is the one whose JSON string is the shortest. `others`: texts of
        these formulas are words too."""
        self._pool = StringPool(limits, spelling=JSON if json else PLAIN)
        self.what = what
        self._start = self._pool.start(Spec((formula, *others)), min)
        if self._start == DEAD:
            raise GrammarError(
                f"No text is {what}.", where="grammar", cure="Ask for less, or for something that can be."
            )
        self.classes = byte_classes(self._pool.partitions)
        self._left: npt.NDArray[np.int64] | None = None
        """Where bytes are missing (`lives_without`), the others."""
        self._has_all_classes = self._open_ends = True
        self._lives: dict[int, bool] = {}

    def start(self) -> Config:
        return self._start

    def step(self, config: Config, symbol: int) -> Config | None:
        if symbol > 255:
            return None
        state = cast(int, config)
        pool = self._pool
        after = int(pool.trans[state, symbol])
        if after == UNKNOWN:
            pool.expand(state, symbol)
            after = int(pool.trans[state, symbol])
        return None if after < 0 else after

    def accepts(self, config: Config) -> bool:
        return bool(self._pool.outcome[config] >= 0)

    def lives_without(self, config: Config, missing: frozenset[int]) -> bool | None:
        """As Language's: where each class of characters has one that is written without those bytes, it
        stands for the others. Inside a character the bytes that may follow tell."""
        state = cast(int, config)
        known = self._lives.get(state) if self._open_ends else True
        if known is None and self._has_all_classes:
            if self._left is None:
                self._left = np.array(sorted(_BYTES - missing), np.int64)
                self._has_all_classes = all(map(self._covers, self._pool.partitions))
                self._open_ends = not self._has_all_classes or not missing.isdisjoint(_CONTINUATION)
                return self.lives_without(config, missing)
            open_bytes = self._pool.open_bytes(state)
            after = np.unique(self._pool.row(state)[self._left]) if open_bytes else _BETWEEN
            after = after[after >= 0]
            known = len(after) > 0
            if open_bytes > 1:
                known = any(self.lives_without(one, missing) for one in after.tolist())
            self._lives[state] = known
        return known

    def _covers(self, partition: Partition) -> bool:
        """Return whether each class of characters has one that is written with the bytes that are left."""
        left = frozenset(cast("npt.NDArray[np.int64]", self._left).tolist())
        needed = {kind for kind in partition.kinds if partition.first[kind] >= 0}
        ends = [*partition.starts[1:], LAST + 1]
        for start, end, kind in zip(partition.starts, ends, partition.kinds, strict=True):
            if not needed:
                break
            if kind in needed and written_with(node_of(((start, end - 1),)), left) is not None:
                needed.remove(kind)
        return not needed

    def outcome(self, config: Config) -> int:
        """Return the number of the first formula of which the symbols read so far are a text, or -1."""
        return int(self._pool.outcome[config])

    def shortest(self, config: Config) -> Sequence[int]:
        return self._pool.finish(cast(int, config))[0]

    def expected(self, config: Config) -> list[Expected]:
        first = bytes(byte for byte in range(256) if self.step(config, byte) is not None)
        return [Expected(self.what, (), first)] if first else []

    @property
    def sizes(self) -> dict[str, int]:
        return {"string_states": self._pool.count}


class LiteralLanguage(Language):
    """One text; a configuration is the number of its bytes read so far."""

    def __init__(self, text: bytes, what: str) -> None:
        self._text, self._what = text, what

    @cached_property
    def classes(self) -> bytes:  # type: ignore[override]
        classes = bytearray(256)
        for number, byte in enumerate(dict.fromkeys(self._text), 1):
            classes[byte] = number & 255
        return bytes(classes) if 0 in classes else ALL_BYTES

    def start(self) -> Config:
        return 0

    def step(self, config: Config, symbol: int) -> Config | None:
        at = cast(int, config)
        return at + 1 if at < len(self._text) and self._text[at] == symbol else None

    def moves(self, config: Config) -> Moves:
        at = cast(int, config)
        return [(self._text[at : at + 1], at + 1)] if at < len(self._text) else []

    def run(self, config: Config) -> tuple[bytes, Config] | None:
        rest = self._text[cast(int, config) :]
        return (rest, len(self._text)) if rest else None

    def accepts(self, config: Config) -> bool:
        return config == len(self._text)

    def goes_on(self, config: Config) -> bool:
        return not self.accepts(config)

    def shortest(self, config: Config) -> Sequence[int]:
        return self._text[cast(int, config) :]

    def expected(self, config: Config) -> list[Expected]:
        rest = self._text[cast(int, config) :]
        return [Expected(self._what, (), rest[:1])] if rest else []


def byte_classes(partitions: Iterable[Partition]) -> bytes:
    """Return the class of each byte. Bytes of one class behave alike in every state of the automaton."""
    ascii_kinds: list[list[int]] = []
    cuts = set(_UTF8_CUTS)
    for partition in partitions:
        kinds: list[int] = []
        for start, end, kind in zip(
            partition.starts, [*partition.starts[1:], 0x110000], partition.kinds, strict=True
        ):
            kinds += [kind] * (min(end, 0x80) - min(start, 0x80))
            if start >= 0x80 and not 0xD800 <= start < 0xE000:
                encoded = chr(start).encode()
                for byte in encoded[:-1]:
                    cuts |= {byte, byte + 1}
                cuts.add(encoded[-1])
        ascii_kinds.append(kinds)
    numbers: dict[tuple[int, ...], int] = {}
    classes = bytearray(numbers.setdefault(name, len(numbers)) for name in zip(*ascii_kinds, strict=True))
    if not classes:
        classes = bytearray(0x80)
        numbers[()] = 0
    number = len(numbers) - 1
    for byte in range(0x80, 0x100):
        number += byte in cuts
        classes.append(number)
    return bytes(classes)
