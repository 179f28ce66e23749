"""`Scanner`: reads several terminals of a grammar side by side, as a lexer's automaton does.

A *reading* is a terminal with a configuration of its language. A *bundle* is a set of readings, by number:
the terminals that the text may be inside.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeAlias

import numpy as np

from structgen.automata.strings.alphabets import NUMBERS_OF_A_CHARACTER
from structgen.base.language.expectation import Expected
from structgen.base.language.numbered import Numbered
from structgen.base.language.remembering import remember_answers
from structgen.base.native.array_types import Int64Array
from structgen.base.system.public_calls import THIS_CALL
from structgen.grammars.text_grammars.machine.language import (
    ALL_BYTES,
    TOKEN,
    Config,
    Language,
    class_representatives,
)

Reading: TypeAlias = "tuple[int, Config]"
"""A pair of a terminal and the configuration of its language."""
ScanStep: TypeAlias = tuple[int, tuple[int, ...]]
"""The bundle of the terminals that continue after a symbol, and the terminals that may end there."""


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
        self._after: dict[tuple[int, int], ScanStep] = {}
        self.representatives = class_representatives(self.classes)
        self.nothing = self.intern_bundle(())

    def intern_bundle(self, readings: Iterable[Reading]) -> int:
        return self._bundles.number_of(frozenset(readings))

    @remember_answers
    def initial_bundle(self, terminals: tuple[int, ...]) -> int:
        """Return the bundle before the first symbol of some terminals."""
        return self.intern_bundle((terminal, self.languages[terminal].start()) for terminal in terminals)

    def unite_bundles(self, first_bundle: int, second_bundle: int) -> int:
        return self.intern_bundle(self.bundles[first_bundle] | self.bundles[second_bundle])

    def bundle_after(self, bundle: int, symbol: int) -> ScanStep:
        """Return the bundle of the terminals that continue after a symbol, and the terminals that may end
        there. Cost: 2 us a terminal, once; raises LimitError where the call has no steps left."""
        if symbol < TOKEN:
            symbol = self.representatives[self.classes[symbol]]
        key = (bundle, symbol)
        known_bundle = self._after.get(key)
        if known_bundle is None:
            readings = self.bundles[bundle]
            THIS_CALL.count_work(NUMBERS_OF_A_CHARACTER * len(readings))
            after = (
                (terminal, self.languages[terminal].step(config, symbol)) for terminal, config in readings
            )
            known_bundle = self._split_readings(after)
            self._after[key] = known_bundle
        return known_bundle

    def after_inside(self, bundle: int, state: int) -> ScanStep:
        """Return what `bundle_after` returns, after a text inside a part with masks of its own. All readings
        of the bundle are inside this one part, which is now in `state`."""
        return self._split_readings(
            (terminal, self.languages[terminal].after_inside(config, state))
            for terminal, config in self.bundles[bundle]
        )

    def _split_readings(self, readings: Iterable[Reading]) -> ScanStep:
        """Return the bundle of the readings that can go on, and the terminals that may end there."""
        continuing: list[Reading] = []
        ended_terminals: set[int] = set()
        for terminal, config in readings:
            if config is None:
                continue
            if self.languages[terminal].accepts(config):
                ended_terminals.add(terminal)
                # a terminal that can only end would be a dead end in the bundle
                if not self.goes_on((terminal, config)):
                    continue
            continuing.append((terminal, config))
        return self.intern_bundle(continuing), tuple(sorted(ended_terminals))

    @remember_answers
    def goes_on(self, reading: Reading) -> bool:
        """Return whether some symbol may follow within the terminal."""
        terminal, config = reading
        return self.languages[terminal].goes_on(config)

    @remember_answers
    def after_token_end(self, bundle: int) -> int:
        """Return the bundle after the end of a token."""
        remaining: list[Reading] = []
        for terminal, config in self.bundles[bundle]:
            language = self.languages[terminal]
            if not language.counts_tokens:
                remaining.append((terminal, config))
                continue
            after = language.after_token_end(config)
            if after is None:
                continue
            # without a token left, a terminal that is complete cannot go on
            if not language.accepts(after) or self.goes_on((terminal, after)):
                remaining.append((terminal, after))
        return self.intern_bundle(remaining)

    def expected(self, bundle: int) -> list[Expected]:
        """Return the items that the terminals of a bundle expect, in the order of the terminals. Two may
        expect the same item."""
        readings = sorted(self.bundles[bundle], key=lambda reading: reading[0])
        items: list[Expected] = []
        for terminal, config in readings:
            items += self.languages[terminal].expected_items(config)
        return items


def common_classes(parts: Iterable[bytes]) -> bytes:
    """Return the coarsest classes of bytes that refine those of every language."""
    rows = set()
    for row in parts:
        if row == ALL_BYTES:  # nothing is finer
            return ALL_BYTES
        rows.add(row)
    classes: Int64Array = np.zeros(256, np.int64)
    for row in rows:
        # a pair of classes as one number, and these numbers as classes from 0 on
        pairs = 256 * classes + np.frombuffer(row, np.uint8)
        _, classes = np.unique(pairs, return_inverse=True)
    return classes.astype(np.uint8).tobytes()
