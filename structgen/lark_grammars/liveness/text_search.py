"""A best-first search of all texts, the nearest to an end first: for texts that the shortest completions do
not have, and where patterns look around for whether there is one.

The search ends with a text, or exhausted: then the configuration is dead. If infinitely many stacks are
reachable, the saturation is asked for a proof after some thousand bytes.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Final

from structgen.lark_grammars.lexer.work_budget import SEARCH_STEPS
from structgen.lark_grammars.parser.contextual_reader import ContextualReader, ReaderConfiguration
from structgen.lark_grammars.reading.loaded_grammar import UNREACHABLE

_MOST_REMEMBERED: Final = 1 << 18
"""The most memoised answers; beyond that all are dropped."""
_MOST_DEAD: Final = 1 << 14
"""The most configurations of one search that are remembered as dead."""
_LOOKAHEAD_BYTES: Final = 4
"""Bytes that the estimate adds for each pending look-ahead."""
_BYTES_BEFORE_PROOF: Final = 2_000
"""Bytes that are tried before the saturation is asked: most searches end sooner."""


class TextSearch:
    """Searches from the configurations of one reader, memoised."""

    def __init__(self, reader: ContextualReader, may_live: Callable[[ReaderConfiguration], bool]) -> None:
        """`may_live`: False if no text completes a configuration."""
        self._reader, self._may_live = reader, may_live
        self._searched: dict[ReaderConfiguration, bytes | None] = {}

    def text(self, configuration: ReaderConfiguration, is_exact: bool) -> bytes | None:
        """Return a text that completes a configuration, None if there is none. `is_exact`: no configuration
        is followed that `may_live` refuses. Raises LimitError if the work budget is spent."""
        if configuration not in self._searched:
            self._search(configuration, is_exact)
        return self._searched[configuration]

    def _search(self, start: ReaderConfiguration, is_exact: bool) -> None:
        reader, steps = self._reader, 0
        queue: list[tuple[int, int, bytes, ReaderConfiguration]] = [(0, 0, b"", start)]
        seen, order, asked = {_clamped(reader, start)}, 0, is_exact
        found: bytes | None = b"" if reader.accepts(start) else None
        while queue and found is None:
            _estimate, _order, text, here = heapq.heappop(queue)
            for byte in reader.representative_bytes(here):
                steps += 1
                after = reader.step(here, byte)
                if after is None or (clamped := _clamped(reader, after)) in seen:
                    continue
                seen.add(clamped)
                further = text + bytes((byte,))
                rest = b"" if reader.accepts(after) else self._searched.get(after)
                if rest is not None:
                    found = further + rest
                    break
                distance = _distance(reader, after)
                if (
                    distance >= UNREACHABLE
                    or after in self._searched
                    or (is_exact and not self._may_live(after))
                ):
                    continue
                order += 1
                reader.budget.spend(SEARCH_STEPS)
                estimate = len(further) + distance + _LOOKAHEAD_BYTES * self._pending_lookaheads(after)
                heapq.heappush(queue, (estimate, order, further, after))
            if steps > _BYTES_BEFORE_PROOF and not asked:
                asked = True
                if not self._may_live(start):
                    break
        if len(self._searched) > _MOST_REMEMBERED:
            self._searched.clear()
        if found is None and len(seen) <= _MOST_DEAD:
            self._searched |= dict.fromkeys(seen)
        self._remember(start, found)

    def _pending_lookaheads(self, configuration: ReaderConfiguration) -> int:
        """Return an estimate of how many look-aheads must hold before a configuration can be complete."""
        lexer, found = self._reader.lexer, 0
        one: ReaderConfiguration | None = configuration
        while one is not None:
            found += lexer.pending_lookaheads(one.lexeme)
            one = self._reader.only_base(one.lexeme, one.bases)
        return found

    def _remember(self, start: ReaderConfiguration, found: bytes | None) -> None:
        """Memoise the result of a search, for the configurations on its path as well."""
        self._searched[start] = found
        after: ReaderConfiguration | None = start
        for at, byte in enumerate(found or b"", 1):
            assert after is not None and found is not None
            after = self._reader.step(after, byte)
            if at < len(found) and after is not None:
                self._searched.setdefault(after, found[at:])


def _distance(reader: ContextualReader, configuration: ReaderConfiguration) -> int:
    """Return a lower bound on the bytes that complete a configuration, by the rules alone."""
    return min(reader.parser.distance(one.place.stack) for one in configuration.branches())


def _clamped(reader: ContextualReader, configuration: ReaderConfiguration) -> ReaderConfiguration:
    """Return a configuration with the same liveness: a line that is deeper than all open indentations counts
    as one column deeper."""
    if reader.tables.indentation is None:
        return configuration

    def column(one: ReaderConfiguration) -> int:
        return min(one.column, one.place.widths[-1] + 1)

    return reader.mapped(configuration, lambda one: (one.place, column(one)))
