"""The oracle: is a configuration live, and which text completes it?

In this order: no terminal that may come is taken by the parser; the shortest completion is written and read,
and a text that was read is a proof. Then the saturation decides, if no pattern looks around
(`saturated_reader`). Else all texts are searched (`text_search`).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Final

from structgen.lark_grammars.liveness.saturated_reader import SaturatedReader
from structgen.lark_grammars.liveness.text_search import TextSearch
from structgen.lark_grammars.liveness.written_completions import WrittenCompletions
from structgen.lark_grammars.parser.contextual_reader import ContextualReader, ReaderConfiguration

_MOST_REMEMBERED: Final = 1 << 18
"""The most memoised answers; beyond that all are dropped."""


class LivenessOracle:
    """Liveness and completions of the configurations of one reader, memoised."""

    def __init__(self, reader: ContextualReader, separators: Sequence[bytes] | None = None) -> None:
        """`separators`: those of the same lexer, if they are known. Cost: without them, all states of an
        ignored lexeme."""
        self._reader = reader
        self._live: dict[ReaderConfiguration, bool] = {}
        self._written = WrittenCompletions(reader, separators)
        self._search = TextSearch(reader, lambda one: self.saturated.may_live(one))

    @cached_property
    def saturated(self) -> SaturatedReader:
        """The saturation of the grammar."""
        return SaturatedReader(self._reader)

    @property
    def separators(self) -> Sequence[bytes]:
        """Short ignored texts; first the empty one."""
        return self._written.separators

    @property
    def separator(self) -> bytes:
        """An ignored text of one byte, preferably a blank; empty if there is none."""
        return next((one for one in self.separators if len(one) == 1), b"")

    def is_live(self, configuration: ReaderConfiguration) -> bool:
        """Return whether some text completes a configuration. Raises LimitError if the work budget was spent
        before that was known."""
        known = self._live.get(configuration)
        if known is None:
            if len(self._live) > _MOST_REMEMBERED:
                self._live.clear()
            self._reader.trim()
            with self._reader.budget:
                known = self._live[configuration] = self._is_live(configuration)
        return known

    def _is_live(self, configuration: ReaderConfiguration) -> bool:
        if self._reader.accepts(configuration):
            return True
        if not self.saturated.may_read(configuration):
            return False
        if self._written.is_completed(configuration):  # a millisecond; the saturation may take a hundred
            return True
        if self.saturated.is_exact:
            return self.saturated.may_live(configuration)
        return self._search.text(configuration, is_exact=False) is not None

    def text(self, configuration: ReaderConfiguration) -> bytes:
        """Return a short text that completes a live configuration, empty where it is complete."""
        if self._reader.accepts(configuration):
            return b""
        texts = self._written.texts(configuration)
        if texts:
            return min(texts, key=len)
        text = self._search.text(configuration, self.saturated.is_exact)
        assert text is not None, "a configuration that is not live"
        return text

    def next_terminals(self, configuration: ReaderConfiguration) -> list[tuple[int, bytes]]:
        """Return the terminals that the present lexeme may become in a live text, each with the bytes that it
        still needs."""
        return [
            (terminal, text)
            for _cost, terminal, text in self._written.endings(configuration)
            if (after := self._reader.run(configuration, text)) is not None and self.is_live(after)
        ]
