"""Masks inside JSON strings: a part is compiled against the vocabulary as JSON reads it.

A token inside a string writes what its characters and escapes stand for: with these texts in the place of the
tokens' own, the masks of what is in the string are those of any compiled grammar. What is left are tokens
that end inside an escape, and those that leave the string; both are few.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, ClassVar, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from structgen.core.compiled import CompiledGrammar, ends_read
from structgen.text_grammars.composition.json_escapes import JsonEscapes
from structgen.text_grammars.machine.mask_union import Gathered
from structgen.text_grammars.machine.part import MaskedPart
from structgen.tokens.tokenizer import Tokenizer
from structgen.tokens.vocabulary import Vocabulary

_TOLD: Final = re.compile(rb'[\x00-\x1f"\\]')
_KEPT: Final = 4


class Half(NamedTuple):
    """Tokens that end inside an escape."""

    text: bytes
    """What they stand for up to there."""
    read: bytes
    """What of the escape is read."""
    tokens: tuple[int, ...]


class Unescaped:
    """A vocabulary as JSON reads it inside a string."""

    _made: ClassVar[OrderedDict[tuple[str, str], Unescaped]] = OrderedDict()

    def __init__(self, tokenizer: Tokenizer, escapes: JsonEscapes) -> None:
        texts: list[bytes | None] = []
        halves: dict[tuple[bytes, bytes], list[int]] = {}
        for token, data in enumerate(tokenizer.token_bytes):
            text = data
            if data and _TOLD.search(data):
                text, rest = escapes.read(data) or (None, b"")
                if text is not None and rest:
                    halves.setdefault((text, rest), []).append(token)
                    text = None
            texts.append(text or None)
        self.tokenizer = Tokenizer.from_bytes(texts, tokenizer.eos_token_ids)
        self.halves = [Half(*key, tuple(tokens)) for key, tokens in sorted(halves.items())]

    @classmethod
    def of(cls, tokenizer: Tokenizer, escapes: JsonEscapes) -> Unescaped:
        """Return a tokenizer's vocabulary under a policy of escapes: made once, the last ones are kept. Cost:
        0.2 s for 128,000 tokens."""
        key = tokenizer.fingerprint, escapes.policy
        found = cls._made.pop(key, None) or cls(tokenizer, escapes)
        cls._made[key] = found
        if len(cls._made) > _KEPT:
            cls._made.popitem(last=False)
        return found


class InString(MaskedPart):
    """The masks of a part inside a JSON string."""

    last = bytes(range(256))

    def __init__(
        self,
        compiled: CompiledGrammar,
        vocabulary: Unescaped,
        tokenizer: Tokenizer,
        step: Callable[[Any, int], Any],
    ) -> None:
        """`compiled`: the part, against what `vocabulary` reads the tokens of `tokenizer` as; `step`: what a
        byte inside the string does to (a state, what of an escape is read), None where it is refused."""
        self.compiled, self._vocabulary, self._step = compiled, vocabulary, step
        self._nodes = Vocabulary.of(tokenizer).nodes
        self._rows: dict[int, int | None] = {}

    def gather(self, state: int, into: Gathered) -> None:
        parts = self.compiled.mask_parts(state)
        if parts is None:
            into.add_bits(self.compiled.bits(state))
        else:
            row, tokens = parts
            if row >= 0:
                self._add_row(row, into)
            into.add(-1, tokens)
        into.add(-1, np.array(self._half(state), np.int32))

    def _add_row(self, row: int, into: Gathered) -> None:
        """Add a row of the part's own store, which is another vocabulary's."""
        if row not in self._rows:
            self._rows[row] = into.intern(self.compiled.row_bits(row))
        number = self._rows[row]
        if number is None:
            into.add_bits(self.compiled.row_bits(row))
        else:
            into.add(number, np.empty(0, np.int32))

    def _half(self, state: int) -> list[int]:
        """Return the tokens that may come and end inside an escape."""
        found: list[int] = []
        for half in self._vocabulary.halves:
            after = self.compiled.bytes_index(state, half.text) if half.text else state
            at = None if after < 0 else (after, b"")
            for byte in half.read:
                at = None if at is None else self._step(at, byte)
            if at is not None:
                found += half.tokens
        return found

    def leaves(self, state: int, wanted: npt.NDArray[np.uint8], most: int) -> list[int]:
        return ends_read(self._nodes, wanted, (state, b""), self._step, self._ends)

    def _ends(self, place: tuple[int, bytes]) -> bool:
        return not place[1] and self.compiled.may_end(place[0])

    def after(self, state: int, token: int) -> int | None:
        if self._vocabulary.tokenizer.token_bytes[token] is None:
            return None
        return self.compiled.next_index(state, token)

    def cost(self, state: int) -> int | None:
        return None  # no token may write some character that JSON writes as an escape

    def too_long(self, state: int, tokens: npt.NDArray[np.int64], left: int) -> None:
        return None

    def allowed(self, state: int) -> npt.NDArray[np.bool_]:
        found = self.compiled.allowed_bits(state)
        found[self._half(state)] = True
        return found
