"""`RegularLanguage`: the texts that a formula over patterns and words takes, read by a lazy automaton."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import cast

from structgen.automata.strings.string_pool import StringPool
from structgen.automata.unicode.charsets import LAST
from structgen.automata.unicode.partition import Partition
from structgen.automata.unicode.utf8 import node_of, written_with
from structgen.errors import GrammarError
from structgen.language.expectation import Expected
from structgen.language.ir import DEAD, UNKNOWN, Formula, Spec
from structgen.limits import Limits
from structgen.text_grammars.machine.language import ALL_BYTES, Config, Language, Moves

_UTF8_CUTS = (0x80, 0x90, 0xA0, 0xC0, 0xC2, 0xE0, 0xE1, 0xED, 0xEE, 0xF0, 0xF1, 0xF4, 0xF5)
"""The first bytes of the ranges that UTF-8 tells apart."""
_BYTES, _ASCII, _CONTINUATION = map(frozenset, (range(256), range(0x80), range(0x80, 0xC0)))


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
        self._pool = StringPool(limits, plain=not json)
        self.what = what
        self._start = self._pool.start(Spec((formula, *others)), min)
        if self._start == DEAD:
            raise GrammarError(
                f"No text is {what}.", where="grammar", cure="Ask for less, or for something that can be."
            )
        self.classes = byte_classes(self._pool.partitions)

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

    def harmless(self, missing: frozenset[int]) -> frozenset[int]:
        """As Language's: where each class of characters has one that is written without those bytes, it
        stands for the others. Inside a character the bytes that are left may not do."""
        left = _BYTES - missing
        for partition in self._pool.partitions:
            needed = {kind for kind in partition.kinds if partition.first[kind] >= 0}
            for start, end, kind in zip(
                partition.starts, [*partition.starts[1:], LAST + 1], partition.kinds, strict=True
            ):
                if kind in needed and written_with(node_of(((start, end - 1),)), left) is not None:
                    needed.remove(kind)
            if needed:
                return frozenset()
        return left if _CONTINUATION <= left else left & _ASCII

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
