"""Masks inside JSON strings: the part in the string is compiled against an unescaped vocabulary.

Inside a string a token writes the characters that its escapes stand for. With these texts in place of the
tokens' own, the masks inside the string are those of any compiled grammar. Two kinds of tokens remain, both
few: those that end inside an escape, and those that leave the string.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, ClassVar, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from structgen.core.compiled import CompiledGrammar, WantedNodes, ends_read
from structgen.text_grammars.composition.json_escapes import JsonEscapes
from structgen.text_grammars.machine.mask_union import MaskUnion
from structgen.text_grammars.machine.masked_part import MaskedPart
from structgen.tokens.tokenizer import Tokenizer
from structgen.tokens.vocabulary import Vocabulary

_ESCAPED: Final = re.compile(rb'[\x00-\x1f"\\]')
_KEPT: Final = 4
"""Vocabularies that are remembered."""


class CutTokens(NamedTuple):
    """Tokens with the same text that end inside the same beginning of an escape."""

    text: bytes
    """The unescaped text before the escape."""
    read: bytes
    """The beginning of the escape."""
    tokens: tuple[int, ...]


class Unescaped:
    """A vocabulary with the texts that JSON reads inside a string."""

    _made: ClassVar[OrderedDict[tuple[str, str], Unescaped]] = OrderedDict()

    def __init__(self, tokenizer: Tokenizer, escapes: JsonEscapes) -> None:
        texts: list[bytes | None] = []
        cut: dict[tuple[bytes, bytes], list[int]] = {}
        for token, data in enumerate(tokenizer.token_bytes):
            text = data
            if data and _ESCAPED.search(data):
                text, rest = escapes.read(data) or (None, b"")
                if text is not None and rest:
                    cut.setdefault((text, rest), []).append(token)
                    text = None
            texts.append(text or None)
        self.tokenizer = Tokenizer.from_bytes(texts, tokenizer.eos_token_ids)
        self.cut_tokens = [CutTokens(*key, tuple(tokens)) for key, tokens in sorted(cut.items())]

    @classmethod
    def of(cls, tokenizer: Tokenizer, escapes: JsonEscapes) -> Unescaped:
        """Return a tokenizer's vocabulary under a policy of escapes; the last four are remembered. Cost: 0.2
        s for 128,000 tokens."""
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
        """`compiled`: the part, compiled against `vocabulary`, which is that of `tokenizer`. `step` returns
        the place after a byte inside the string, None where the byte is refused; a place is a state and the
        beginning of an escape."""
        self.compiled, self._vocabulary, self._step = compiled, vocabulary, step
        self._nodes = Vocabulary.of(tokenizer).nodes
        self._rows: dict[int, int | None] = {}

    def add_mask(self, state: int, union: MaskUnion) -> None:
        parts = self.compiled.mask_parts(state)
        if parts is None:
            union.add_bits(self.compiled.bits(state))
        else:
            row, tokens = parts
            if row >= 0:
                self._add_row(row, union)
            union.add_tokens(tokens)
        union.add_tokens(np.array(self._escape_beginnings(state), np.int32))

    def _add_row(self, row: int, union: MaskUnion) -> None:
        """Add a row of the part's store, which is another vocabulary's, by its number in the union's
        store."""
        if row not in self._rows:
            self._rows[row] = union.intern(self.compiled.row_bits(row))
        number = self._rows[row]
        if number is None:
            union.add_bits(self.compiled.row_bits(row))
        else:
            union.add(number, np.empty(0, np.int32))

    def _escape_beginnings(self, state: int) -> list[int]:
        """Return the allowed tokens that end inside an escape."""
        found: list[int] = []
        for one in self._vocabulary.cut_tokens:
            after = self.compiled.bytes_index(state, one.text) if one.text else state
            at = None if after < 0 else (after, b"")
            for byte in one.read:
                at = None if at is None else self._step(at, byte)
            if at is not None:
                found += one.tokens
        return found

    def ends_below(self, state: int, wanted: WantedNodes) -> list[int]:
        return ends_read(self._nodes, wanted.flags, (state, b""), self._step, self._ends)

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
        found[self._escape_beginnings(state)] = True
        return found
