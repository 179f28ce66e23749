"""The last step of the slow reader: a best-first search of all texts, the nearest to an end first.

The search ends with a text, or exhausted: then the configuration is dead. If infinitely many stacks are
reachable, `emptiness` is asked for a proof after some thousand bytes, and again later.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from typing import Final

from structgen.lark_grammars.lexer.work_budget import SEARCH_STEPS
from structgen.lark_grammars.liveness.answers import DEAD, Answer, accepted
from structgen.lark_grammars.liveness.emptiness import is_proved_dead
from structgen.lark_grammars.liveness.parser_answers import ParserAnswers
from structgen.lark_grammars.liveness.written_completions import WrittenCompletions
from structgen.lark_grammars.parser.contextual_reader import ContextualReader, ReaderConfiguration
from structgen.lark_grammars.reading.loaded_grammar import UNREACHABLE

_MOST_REMEMBERED: Final = 1 << 18
"""The most memoised answers; beyond that all are dropped."""
_MOST_DEAD: Final = 1 << 14
"""The most configurations of one search that are remembered as dead."""
_LOOKAHEAD_BYTES: Final = 4
"""Bytes that the estimate adds for each pending look-ahead."""
_BEFORE_PROOF: Final = 2_000
"""Bytes that are tried before the first proof of emptiness; then eight times as many."""


class TextSearch:
    """Searches from the configurations of one reader, memoised."""

    def __init__(
        self,
        reader: ContextualReader,
        parser_answers: ParserAnswers,
        written: WrittenCompletions,
        known_live: Mapping[ReaderConfiguration, bool],
    ) -> None:
        """`known_live`: configurations whose liveness the oracle knows."""
        self._reader, self._parser_answers, self._written = reader, parser_answers, written
        self._known_live = known_live
        self._searched: dict[ReaderConfiguration, bytes | None] = {}

    def answer(self, configuration: ReaderConfiguration) -> Answer:
        """Return a proof or DEAD. Raises LimitError if the work budget is spent."""
        if configuration not in self._searched:
            self._search(configuration)
        text = self._searched[configuration]
        return DEAD if text is None else accepted(configuration, text)

    def _search(self, start: ReaderConfiguration) -> None:
        reader, steps = self._reader, 0
        queue: list[tuple[int, int, bytes, ReaderConfiguration]] = [(0, 0, b"", start)]
        seen, order, proof_at = {_clamped(reader, start)}, 0, _BEFORE_PROOF
        found: bytes | None = None
        while queue and found is None:
            _estimate, _order, text, here = heapq.heappop(queue)
            for byte in reader.representative_bytes(here):
                steps += 1
                after = reader.step(here, byte)
                if after is None or (clamped := _clamped(reader, after)) in seen:
                    continue
                seen.add(clamped)
                further = text + bytes((byte,))
                rest = self._known_rest(after)
                if rest is not None:
                    found = further + rest
                    break
                distance = self._parser_answers.distance(after)
                refused = distance >= UNREACHABLE or self._parser_answers.is_refused(after)
                if refused or after in self._searched:
                    continue
                order += 1
                reader.budget.spend(SEARCH_STEPS)
                estimate = len(further) + distance + _LOOKAHEAD_BYTES * self._pending_lookaheads(after)
                heapq.heappush(queue, (estimate, order, further, after))
            if steps > proof_at:
                if is_proved_dead(reader, start, proof_at):
                    break
                proof_at *= 8
        if len(self._searched) > _MOST_REMEMBERED:
            self._searched.clear()
        if found is None and len(seen) <= _MOST_DEAD:
            self._searched |= dict.fromkeys(seen)
        self._remember(start, found)

    def _known_rest(self, configuration: ReaderConfiguration) -> bytes | None:
        """Return a text that completes a configuration, if one is known; else None."""
        if self._reader.accepts(configuration):
            return b""
        if configuration in self._searched:
            return self._searched[configuration]
        if not self._known_live.get(configuration):
            return None
        return min(self._written.texts(configuration), key=len, default=None)

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


def _clamped(reader: ContextualReader, configuration: ReaderConfiguration) -> ReaderConfiguration:
    """Return a configuration with the same liveness: a line that is deeper than all open indentations counts
    as one column deeper."""
    if reader.tables.indentation is None:
        return configuration

    def column(one: ReaderConfiguration) -> int:
        return min(one.column, one.place.widths[-1] + 1)

    return reader.mapped(configuration, lambda one: (one.place, column(one)))
