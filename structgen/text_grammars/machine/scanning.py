"""Terminals that are being read side by side: each a language of its own, by its configurations."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeAlias

from structgen.language.expectation import Expected
from structgen.text_grammars.machine.language import TOKEN, Config, Language

Reading: TypeAlias = "tuple[int, Config]"
"""A terminal, and where its language stands."""


class Scanner:
    """The terminals of one grammar. Sets of readings are numbered: a *bundle* is what may be read at once."""

    def __init__(self, languages: Sequence[Language]) -> None:
        self.languages = tuple(languages)
        self.classes = common_classes([language.classes for language in languages])
        self.specials = frozenset(token for language in languages for token in language.specials)
        self.counts = any(language.counts for language in languages)
        self.bundles: list[frozenset[Reading]] = []
        self._numbers: dict[frozenset[Reading], int] = {}
        self._after: dict[tuple[int, int], tuple[int, tuple[int, ...]]] = {}
        self._bounded: dict[int, int] = {}
        self._fresh: dict[tuple[int, ...], int] = {}
        self._going: dict[Reading, bool] = {}
        kinds = sorted(set(self.classes))
        self._some = [self.classes.index(kind) for kind in kinds]
        self.nothing = self.bundle(())

    def bundle(self, readings: Iterable[Reading]) -> int:
        found = frozenset(readings)
        number = self._numbers.get(found)
        if number is None:
            number = len(self._numbers)
            self.bundles[number:] = (found,)
            self._numbers[found] = number
        return number

    def fresh(self, terminals: tuple[int, ...]) -> int:
        """Return the bundle before the first symbol of some terminals."""
        number = self._fresh.get(terminals)
        if number is None:
            number = self.bundle((one, self.languages[one].start()) for one in terminals)
            self._fresh[terminals] = number
        return number

    def union(self, one: int, other: int) -> int:
        return self.bundle(self.bundles[one] | self.bundles[other])

    def after(self, bundle: int, symbol: int) -> tuple[int, tuple[int, ...]]:
        """Return the bundle of what goes on after a symbol, and the terminals that may end there."""
        if symbol < TOKEN:
            symbol = self._some[self.classes[symbol]]
        key = (bundle, symbol)
        known = self._after.get(key)
        if known is None:
            going: list[Reading] = []
            ended: list[int] = []
            for terminal, config in self.bundles[bundle]:
                language = self.languages[terminal]
                following = language.step(config, symbol)
                if following is None:
                    continue
                if language.accepts(following):
                    ended.append(terminal)
                    if not self.goes_on((terminal, following)):
                        continue
                going.append((terminal, following))
            known = self._after[key] = (self.bundle(going), tuple(sorted(ended)))
        return known

    def goes_on(self, reading: Reading) -> bool:
        """Return whether some symbol may follow within the terminal."""
        known = self._going.get(reading)
        if known is None:
            language, config = self.languages[reading[0]], reading[1]
            known = any(language.step(config, symbol) is not None for symbol in self.symbols(reading[0]))
            self._going[reading] = known
        return known

    def symbols(self, terminal: int) -> list[int]:
        """Return one symbol of each class, and the special tokens of a terminal."""
        return [*self._some, *(TOKEN + token for token in sorted(self.languages[terminal].specials))]

    def bounded(self, bundle: int) -> int:
        """Return the bundle after the end of a token."""
        known = self._bounded.get(bundle)
        if known is None:
            left: list[Reading] = []
            for terminal, config in self.bundles[bundle]:
                language = self.languages[terminal]
                if not language.counts:
                    left.append((terminal, config))
                    continue
                after = language.boundary(config)
                if after is not None and (not language.accepts(after) or self.goes_on((terminal, after))):
                    left.append((terminal, after))
            known = self._bounded[bundle] = self.bundle(left)
        return known

    def expected(self, bundle: int) -> list[Expected]:
        found: dict[Expected, None] = {}
        for terminal, config in sorted(self.bundles[bundle], key=lambda reading: reading[0]):
            found.update(dict.fromkeys(self.languages[terminal].expected(config)))
        return list(found)


def common_classes(parts: Iterable[bytes]) -> bytes:
    """Return the classes of bytes that are alike for every one of some languages."""
    numbers: dict[tuple[int, ...], int] = {}
    rows = list(parts) or [bytes(256)]
    return bytes(numbers.setdefault(name, len(numbers)) for name in zip(*rows, strict=True))
