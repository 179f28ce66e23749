"""`Scanner`: the terminals of a grammar, read side by side."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from structgen.automata.strings.alphabets import NUMBERS_OF_A_CHARACTER
from structgen.base.language.expectation import Expected
from structgen.base.language.numbered import Numbered
from structgen.base.language.remembering import remembered
from structgen.base.system.public_calls import THIS_CALL
from structgen.grammars.text_grammars.machine.language import (
    ALL_BYTES,
    TOKEN,
    Config,
    Language,
    representatives,
)

Reading: TypeAlias = "tuple[int, Config]"
"""A terminal, and the configuration of its language."""


class Scanner:
    """The terminals of one grammar, each a language. A *bundle* is a numbered set of readings: the terminals
    that the text may be inside, like a state of a scanner's automaton."""

    def __init__(self, languages: Sequence[Language]) -> None:
        self.languages = tuple(languages)
        self.classes = common_classes([language.classes for language in languages])
        self.specials = frozenset(token for language in languages for token in language.specials)
        self.counts_tokens = any(language.counts_tokens for language in languages)
        self._bundles = Numbered[frozenset[Reading]]()
        self.bundles = self._bundles.values
        self._after: dict[tuple[int, int], tuple[int, tuple[int, ...]]] = {}
        self.representatives = representatives(self.classes)
        self.nothing = self.bundle(())

    def bundle(self, readings: Iterable[Reading]) -> int:
        return self._bundles.of(frozenset(readings))

    @remembered
    def fresh(self, terminals: tuple[int, ...]) -> int:
        """Return the bundle before the first symbol of some terminals."""
        return self.bundle((terminal, self.languages[terminal].start()) for terminal in terminals)

    def union(self, one: int, other: int) -> int:
        return self.bundle(self.bundles[one] | self.bundles[other])

    def after(self, bundle: int, symbol: int) -> tuple[int, tuple[int, ...]]:
        """Return the bundle of the terminals that continue after a symbol, and the terminals that may end
        there. Cost: 2 us a terminal, once; raises LimitError where the call has no steps left."""
        if symbol < TOKEN:
            symbol = self.representatives[self.classes[symbol]]
        key = (bundle, symbol)
        known = self._after.get(key)
        if known is None:
            THIS_CALL.work(NUMBERS_OF_A_CHARACTER * len(self.bundles[bundle]))
            after = (
                (terminal, self.languages[terminal].step(at, symbol)) for terminal, at in self.bundles[bundle]
            )
            known = self._after[key] = self._followed(after)
        return known

    def after_inside(self, bundle: int, state: int) -> tuple[int, tuple[int, ...]]:
        """Return the same after some text inside the one part with masks of its own in which all readings
        are: the part is now in `state`."""
        return self._followed(
            (terminal, self.languages[terminal].after_inside(at, state))
            for terminal, at in self.bundles[bundle]
        )

    def _followed(self, readings: Iterable[Reading]) -> tuple[int, tuple[int, ...]]:
        """Return the bundle of those of some readings that go on, and the terminals that may end there."""
        going: list[Reading] = []
        ended: set[int] = set()
        for terminal, at in readings:
            if at is None:
                continue
            if self.languages[terminal].accepts(at):
                ended.add(terminal)
                if not self.goes_on((terminal, at)):
                    continue
            going.append((terminal, at))
        return self.bundle(going), tuple(sorted(ended))

    @remembered
    def goes_on(self, reading: Reading) -> bool:
        """Return whether some symbol may follow within the terminal."""
        return self.languages[reading[0]].goes_on(reading[1])

    @remembered
    def bounded(self, bundle: int) -> int:
        """Return the bundle after the end of a token."""
        left: list[Reading] = []
        for terminal, config in self.bundles[bundle]:
            language = self.languages[terminal]
            if not language.counts_tokens:
                left.append((terminal, config))
                continue
            after = language.boundary(config)
            if after is not None and (not language.accepts(after) or self.goes_on((terminal, after))):
                left.append((terminal, after))
        return self.bundle(left)

    def expected(self, bundle: int) -> list[Expected]:
        readings = sorted(self.bundles[bundle], key=lambda reading: reading[0])
        told = (item for terminal, config in readings for item in self.languages[terminal].expected(config))
        return list(dict.fromkeys(told))


def common_classes(parts: Iterable[bytes]) -> bytes:
    """Return the coarsest classes of bytes that refine those of every language."""
    rows = set()
    for row in parts:
        if row == ALL_BYTES:
            return ALL_BYTES
        rows.add(row)
    classes: npt.NDArray[np.int64] = np.zeros(256, np.int64)
    for row in rows:
        classes = np.unique(256 * classes + np.frombuffer(row, np.uint8), return_inverse=True)[1]
    return classes.astype(np.uint8).tobytes()
