"""The caller's own text as a draft of its edit: most of an edited text is the text as it was.

Aggressive Decoding (Sun et al. 2021; Ge et al. 2022): follow the text; after an edit, go on where the text
holds what was written last.
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
"""Bytes written last that are looked for in the text, at most."""


class CallerText:
    """Drafts a chain: the rest of the caller's text, from where the answer stands in it.

    Places are bytes, so that an edit may leave the tokens split otherwise. After an edit the text is taken
    up where it holds the last 32 bytes of the answer, or fewer, at least `agreeing`, at the place nearest to
    where it was left.
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
        """The byte of the caller's text where the answer stands; -1 after an edit."""
        return self._place

    def begin(self, facts: Facts) -> None:
        """Split the caller's text into tokens. Cost: a call of the tokenizer."""
        self._tokenizer, self._text = facts.tokenizer, facts.text
        self._tokens = facts.tokenizer.encode(facts.text) if facts.text else []
        self._starts, at = [], 0
        for token in self._tokens:
            self._starts.append(at)
            at += len(facts.tokenizer.token_bytes[token] or b"")
        self._place, self._left, self._tail = 0, 0, b""

    def propose(self, view: View, most: int) -> Draft:
        """Return the text's next tokens, as long as the grammar takes them."""
        if self._place < 0 or self._place >= len(self._text) or self._tokenizer is None or most < 1:
            return NO_DRAFT
        at = bisect_left(self._starts, self._place)
        # between two tokens of the text; inside one, what is left of it is split anew
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
        """Follow the answer in the text. Cost: some searches of the text for each token after an edit."""
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
        """Return the place after the last bytes of the answer, as many as the text holds; -1: nowhere."""
        # what holds many bytes holds the last few of them too, so the most can be found by halving
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
        """Let go of the text."""
        self._text, self._tokens, self._starts, self._tail = b"", [], [], b""
