"""The slow reader's oracle: is a configuration live, and which text completes it?

The steps are tried in order; the first one whose answer is not None decides:

1. `ParserAnswers`: the text may end here, or the parser takes no terminal that may come.
2. `WrittenCompletions`: the shortest completion is written and read; a text that was read is a proof.
3. `TextSearch`: all texts are tried. Needed if a terminal consumes the beginning of another, or if the table
has lost an
   action to a conflict. (`A B` with A=/a+/ and B="ab" accepts no text.)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from structgen.lark_grammars.liveness.answers import DEAD, Proof
from structgen.lark_grammars.liveness.parser_answers import ParserAnswers
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
        parser_answers = ParserAnswers(reader)
        self._written = WrittenCompletions(reader, parser_answers, separators)
        search = TextSearch(reader, parser_answers, self._written, self._live)
        self._steps = parser_answers, self._written, search

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
                known = self._live[configuration] = self._proof(configuration) is not None
        return known

    def text(self, configuration: ReaderConfiguration) -> bytes:
        """Return a short text that completes a live configuration, empty where it is complete."""
        if self._reader.accepts(configuration):
            return b""
        texts = self._written.independent_texts(configuration) or self._written.texts(configuration)
        if texts:
            return min(texts, key=len)
        proof = self._proof(configuration)
        assert proof is not None, "a configuration that is not live"
        return self._written.whole_text(proof)

    def next_terminals(self, configuration: ReaderConfiguration) -> list[tuple[int, bytes]]:
        """Return the terminals that the present lexeme may become in a live text, each with the bytes that it
        still needs."""
        return [
            (terminal, text)
            for _cost, terminal, text in self._written.endings(configuration)
            if (after := self._reader.run(configuration, text)) is not None and self.is_live(after)
        ]

    def _proof(self, configuration: ReaderConfiguration) -> Proof | None:
        """Try the steps in order; return the proof of the one that decides, None if it answers DEAD."""
        for step in self._steps:
            answer = step.answer(configuration)
            if answer is not None:
                return None if answer == DEAD else answer
        raise AssertionError("the search of all texts always decides")
