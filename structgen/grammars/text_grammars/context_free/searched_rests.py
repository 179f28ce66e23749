"""`SearchedRests`: a language in which a search decides whether a text can be completed.

A *rest* is the sequence of symbols that completes a word. A configuration is *live* if it has a rest. Others
are left out, so there are no dead ends. The search is A*, whose lower bound is the rest in a larger language.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

from structgen.base.language.best_first import OpenStates
from structgen.base.language.expectation import Expected
from structgen.base.language.remembering import remember_answers
from structgen.base.limits import Limits
from structgen.base.system.public_calls import THIS_CALL
from structgen.grammars.text_grammars.context_free.shortest_rests import GOES_ON, undecided_error
from structgen.grammars.text_grammars.machine.language import Config, Language

_TRIED_RESTS = 16
"""The number of rests of other configurations that are tried before a search, the latest first."""
LONG = 64
"""If a rest has more symbols than this, its first symbol is tried alone: most long rests of other
configurations fail there."""
_PATIENCE = 2
"""A step of a search is counted once more for each 2 symbols by which the length exceeds its first
estimate."""


class SearchedRests(Language):
    """A language whose subclass says what follows a configuration, dead ends included.

    Raises `LimitError` (oracle_steps) if the allowed steps do not decide whether a text can be completed.
    """

    def prepare_search(self, limits: Limits, haste: int = 1) -> None:
        """Prepare the search. `haste`: the weight of the symbols that a word still needs, relative to those
        read (weighted A*). Above 1 a search finds a short rest, perhaps not the shortest, and is allowed
        fewer steps, by this factor."""
        self._class_symbols = self.symbols()
        """One symbol of each class, and the special tokens: the edges of a search."""
        self._limits = limits
        self._max_steps = limits.oracle_steps // haste
        self._haste = haste
        self._rests: dict[Config, tuple[int, ...] | None] = {}
        """The rest of each configuration that was asked; None: it has none."""
        self._tried_rests: dict[tuple[int, ...], None] = {}
        """Rests of other configurations, the last used one at the end."""

    @abstractmethod
    def _config_after(self, config: Config, symbol: int) -> Config | None:
        """Return the configuration after a symbol, which need not be live; None where every text ends."""

    @abstractmethod
    def _bound_length(self, config: Config) -> int | None:
        """Return a lower bound of the length of a configuration's rests; None where it has none."""

    @abstractmethod
    def _find_plain_rest(self, config: Config) -> bool:
        """Return whether the shortest rest in a larger language is one here, and note it if so."""

    @abstractmethod
    def possible_items(self, config: Config) -> list[Expected]:
        """Return the items that may come next, in words, of which dead ends may be some bytes."""

    def expected_items(self, config: Config) -> list[Expected]:
        next_bytes = self.first_bytes(config)
        # the possible items, without the bytes that lead to dead ends
        items: list[Expected] = []
        for item in self.possible_items(config):
            allowed = bytes(byte for byte in item.first if byte in next_bytes)
            if allowed:
                items.append(Expected(item.what, item.sources, allowed))
        return items

    def step(self, config: Config, symbol: int) -> Config | None:
        after = self._config_after(config, symbol)
        if after is None:
            return None
        rest = self._rests.get(config) if self._haste > 1 else None
        if rest and rest[0] == symbol and after not in self._rests:
            # nothing is searched along a rest that is known
            self._rests[after] = () if self.accepts(after) else rest[1:]
        return after if self.is_live(after) else None

    def shortest_rest(self, config: Config) -> Sequence[int]:
        rest = self._shortest_rest(config)
        assert rest is not None
        return rest

    @remember_answers
    def is_live(self, config: Config) -> bool:
        """Return whether some word goes on from a configuration."""
        if config not in self._rests:
            # what completes other configurations mostly completes this one
            if any(self._is_completed(config, rest) for rest in reversed(self._tried_rests)):
                return True
        rest = self._shortest_rest(config)
        if rest:
            # taken out and put in again, so that it stands last; the first one goes
            self._tried_rests.pop(rest, None)
            self._tried_rests[rest] = None
            if len(self._tried_rests) > _TRIED_RESTS:
                oldest = next(iter(self._tried_rests))
                del self._tried_rests[oldest]
        return rest is not None

    def _is_completed(self, config: Config, rest: Sequence[int]) -> bool:
        """Return whether a rest completes a configuration."""
        after: Config | None = config
        for symbol in rest:
            after = None if after is None else self._config_after(after, symbol)
        return after is not None and self.accepts(after)

    def _shortest_rest(self, config: Config) -> tuple[int, ...] | None:
        """Return the shortest rest of a configuration, or None where it has none."""
        if config not in self._rests and not self._find_plain_rest(config):
            self._search_rest(config)
        return self._rests[config]

    def _search_rest(self, start: Config) -> None:
        """Find the shortest rest of a configuration by A*."""
        configs = OpenStates[Config, tuple[int, int], int]()
        """The costs are (estimate of the whole length, minus the length so far): of equal estimates the
        longest way is the nearest to an end."""
        first_estimate = self._bound_length(start) or 0
        configs.open_state(start, (self._haste * first_estimate, 0))
        steps = 0
        for config, (_, minus_length) in configs:
            if config in self._rests or self._find_plain_rest(config):
                rest = self._rests[config]
                assert rest is not None, "a bound says that there is none"
                for previous, symbol in configs.path_back(config):
                    rest = (symbol, *rest)
                    self._rests[previous] = rest
                return
            # far beyond the estimate there may be no word at all, and configurations grow with the text
            length = -minus_length
            steps += 1 + max(0, length - first_estimate) // _PATIENCE
            if steps > self._max_steps:
                raise undecided_error(self._max_steps)
            THIS_CALL.spend_steps(1 + len(self._class_symbols) // 8, self._limits, GOES_ON)
            length_after = length + 1
            for symbol in self._class_symbols:
                after = self._config_after(config, symbol)
                if after is None:
                    continue
                if after in self._rests and self._rests[after] is None:  # known to have no word
                    continue
                if after not in configs.costs or length_after < -configs.costs[after][1]:
                    bound = self._bound_length(after)
                    if bound is None:
                        continue
                    steps += self._haste > 1
                    THIS_CALL.spend_steps(3, self._limits, GOES_ON)
                    estimate = length_after + self._haste * bound
                    configs.open_state(after, (estimate, -length_after), (config, symbol))
        # all that can be reached were seen, and none is a word: none of them has a rest
        self._rests |= dict.fromkeys(configs.costs)
