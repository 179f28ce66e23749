"""The caller's own text as the draft of its edited version: most of the text usually stays the same.

Aggressive Decoding (Sun et al. 2021; Ge et al. 2022): follow the text; after an edit, continue where the text
contains the last bytes of the answer.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Final

from structgen.errors import OptionError
from structgen.speculation.drafts.draft import NO_DRAFT, Draft
from structgen.speculation.drafts.drafter import REFUSED, Facts, View
from structgen.tokens.tokenizer import Tokenizer

_LONGEST: Final = 32
"""The most last bytes of the answer that are searched in the text."""


class CallerText:
    """Drafts a chain: the rest of the caller's text, from the position that the answer has reached in it.

    Positions are in bytes, because an edit may change the tokenisation. After an edit, drafting resumes where
    the text contains the last 32 bytes of the answer, or fewer, at least `agreeing`; of several such
    positions, at the one nearest to where it stopped.
    """

    name = "text"
    cuts_itself = True

    def __init__(self, agreeing: int = 3) -> None:
        if not 1 <= agreeing <= _LONGEST:
            raise OptionError(
                f"agreeing={agreeing}.", where="CallerText", cure=f"Give a number from 1 to {_LONGEST}."
            )
        self._agreeing = agreeing
        self._tokenizer: Tokenizer | None = None
        self._text = b""
        self._tokens: list[int] = []
        self._starts: list[int] = []
        self._place, self._left, self._tail = 0, 0, b""

    @property
    def place(self) -> int:
        """The byte position that the answer has reached in the caller's text; -1 after an edit."""
        return self._place

    def begin(self, facts: Facts) -> None:
        """Tokenise the caller's text. Cost: a call of the tokenizer."""
        self._tokenizer, self._text = facts.tokenizer, facts.text
        self._tokens = facts.tokenizer.encode(facts.text) if facts.text else []
        self._starts, at = [], 0
        for token in self._tokens:
            self._starts.append(at)
            at += len(facts.tokenizer.token_bytes[token] or b"")
        self._place, self._left, self._tail = 0, 0, b""

    def propose(self, view: View, most: int) -> Draft:
        """Return the text's next tokens, as far as the grammar allows them."""
        if self._place < 0 or self._place >= len(self._text) or self._tokenizer is None or most < 1:
            return NO_DRAFT
        at = bisect_left(self._starts, self._place)
        # at a token boundary of the text; inside a token its remaining bytes are tokenised again
        boundary = self._starts[at] if at < len(self._starts) else len(self._text)
        rest = self._tokenizer.encode(self._text[self._place : boundary]) if boundary > self._place else []
        found: list[int] = []
        state = view.start
        for token in (*rest, *self._tokens[at : at + most])[: min(most, view.room)]:
            state = view.after(state, token)
            if state == REFUSED:
                break
            found.append(token)
        return Draft.chain(found)

    def observe(self, taken: Sequence[int], accepted: int) -> None:
        """Follow the answer in the text. Cost: some searches in the text for each token after an edit."""
        if self._tokenizer is None or not self._text:
            return
        for token in taken:
            written = self._tokenizer.token_bytes[token] or b""
            self._tail = (self._tail + written)[-_LONGEST:]
            if self._place >= 0 and self._text.startswith(written, self._place):
                self._place += len(written)
                continue
            if self._place >= 0:
                self._left, self._place = self._place, -1
            self._place = self._found()

    def _found(self) -> int:
        """Return the position after the longest suffix of the answer that the text contains; -1 if there is
        none."""
        # if the text contains a suffix it contains shorter ones, so the longest is found by bisection
        known, unknown = self._agreeing - 1, len(self._tail) + 1
        while unknown - known > 1:
            count = (known + unknown) // 2
            if self._tail[-count:] in self._text:
                known = count
            else:
                unknown = count
        if known < self._agreeing:
            return -1
        wanted = self._tail[-known:]
        behind = self._text.find(wanted, max(self._left - known + 1, 0))
        return known + (behind if behind >= 0 else self._text.rfind(wanted))

    def end(self) -> None:
        """Release the text."""
        self._text, self._tokens, self._starts, self._tail = b"", [], [], b""
