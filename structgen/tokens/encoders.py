"""Encoders: bytes to token ids, by the tokenizer's own rules or with the fewest tokens.

An encoder's `form` is a tuple of plain values from which `encoder_from_form` makes it again; a pickled
tokenizer contains it. The libraries are imported at the first text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

from structgen.errors import TokenizerError
from structgen.system.installation import needing

Form = tuple[Any, ...]


class Encoder(Protocol):
    """Encodes a text as its tokenizer does."""

    @property
    def form(self) -> Form:
        """Plain values from which the encoder is made again, its name first."""

    def encode(self, text: str) -> list[int]:
        """Return token ids. The caller checks whether their bytes are those of the text."""


class HuggingFaceEncoder:
    """The encoder of a `tokenizer.json`, given as text, with special tokens and prefix already removed."""

    NAME: Final = "huggingface"

    def __init__(self, text: str) -> None:
        self._text = text
        self._made: Any = None

    @property
    def form(self) -> Form:
        """("huggingface", the JSON text)."""
        return (self.NAME, self._text)

    def encode(self, text: str) -> list[int]:
        """Return token ids as `tokenizers.Tokenizer.encode` does; needs the `tokenizers` package."""
        made = self._made
        if made is None:
            with needing("Encoding a text", "tokenizers", kind=TokenizerError):
                from tokenizers import Tokenizer
            made = self._made = Tokenizer.from_str(self._text)
        ids: list[int] = made.encode(text, add_special_tokens=False).ids
        return ids


# tiktoken's regular expressions overflow the stack on a run of a million blanks (version 0.14 panics). So a
# run is split at the length at which the encoder of Llama 3 splits it.
_LONG_RUN: Final = re.compile(r"\s{25000}|\S{25000}")


class TiktokenEncoder:
    """The encoder of byte-pair ranks and a pattern. Ranks are token ids."""

    NAME: Final = "tiktoken"

    def __init__(self, pattern: str, special: Mapping[str, int], tokens: Sequence[bytes | None]) -> None:
        self._pattern, self._special, self._tokens = pattern, dict(special), tokens
        self._made: Any = None

    @property
    def form(self) -> Form:
        """("tiktoken", pattern, ((special text, id), ...))."""
        return (self.NAME, self._pattern, tuple(sorted(self._special.items())))

    def encode(self, text: str) -> list[int]:
        """Return token ids as `tiktoken.Encoding.encode_ordinary` does; needs the `tiktoken` package."""
        made = self._made
        if made is None:
            with needing("Encoding with byte-pair ranks", "tokenizers", kind=TokenizerError):
                from tiktoken import Encoding
            ranks = {token: i for i, token in reversed(list(enumerate(self._tokens))) if token}
            try:
                made = self._made = Encoding(
                    "structgen", pat_str=self._pattern, mergeable_ranks=ranks, special_tokens=self._special
                )
            except ValueError as error:
                raise TokenizerError(
                    f"tiktoken cannot read the pattern that splits a text ({error}).",
                    where="pattern",
                    cure="Give the pattern in the syntax of the Rust crate fancy-regex.",
                ) from error
        ids: list[int] = []
        start = 0
        for run in _LONG_RUN.finditer(text):
            ids += made.encode_ordinary(text[start : run.end()])
            start = run.end()
        ids += made.encode_ordinary(text[start:])
        return ids


class SentencePieceEncoder:
    """The encoder of a serialized SentencePiece model.

    It splits as the model does, but does not change the text: it adds no blank before it, keeps every blank,
    and skips the model's normalisation. The reason: a mask allows a document byte by byte, and a text inside
    a document has no blank before it.
    """

    NAME: Final = "sentencepiece"

    # In protobuf, concatenated messages are merged, and the last value of a field counts. This is the field
    # normalizer_spec (3) with an empty precompiled_charsmap (2), and with add_dummy_prefix (3) and
    # remove_extra_whitespaces (4) false.
    _AS_IT_STANDS: Final = b"\x1a\x06\x12\x00\x18\x00\x20\x00"

    def __init__(self, model: bytes, ids: tuple[int, ...] | None) -> None:
        """`model`: the serialized model; `ids`: for each of its pieces the token's id, -1 for none (None: ids
        are the pieces' own numbers)."""
        self._model, self._ids = model, ids
        self._made: Any = None

    @property
    def form(self) -> Form:
        """("sentencepiece", the serialized model, ids of the pieces or None)."""
        return (self.NAME, self._model, self._ids)

    def encode(self, text: str) -> list[int]:
        """Return token ids as `SentencePieceProcessor.encode` does; needs the `sentencepiece` package."""
        made = self._made
        if made is None:
            made = self._made = sentencepiece_processor(self._model + self._AS_IT_STANDS)
        pieces: list[int] = made.encode(text)
        return pieces if self._ids is None else [self._ids[piece] for piece in pieces]


def sentencepiece_processor(model: bytes) -> Any:
    """Return the SentencePieceProcessor of a serialized model. Raises TokenizerError if the package is
    missing or the bytes are no such model."""
    with needing("Reading a SentencePiece model", "tokenizers", kind=TokenizerError):
        from sentencepiece import SentencePieceProcessor
    made = SentencePieceProcessor()
    try:
        made.LoadFromSerializedProto(model)
    except (RuntimeError, OSError, ValueError) as error:  # ValueError: its own message is not UTF-8
        raise TokenizerError(
            "it is no SentencePiece model, or only a part of one.",
            cure="Pass a whole tokenizer.json, tekken.json or SentencePiece model.",
        ) from error
    return made


def encoder_from_form(form: Form | None, tokens: Sequence[bytes | None]) -> Encoder | None:
    """Return the encoder with this `form`; None for None."""
    match form:
        case None:
            return None
        case (HuggingFaceEncoder.NAME, str(text)):
            return HuggingFaceEncoder(text)
        case (TiktokenEncoder.NAME, str(pattern), tuple(special)):
            return TiktokenEncoder(pattern, dict(special), tokens)
        case (SentencePieceEncoder.NAME, bytes(model), ids) if ids is None or isinstance(ids, tuple):
            return SentencePieceEncoder(model, ids)
    raise TokenizerError(
        f"{str(form)[:80]!r} is not the form of an encoder.",
        cure="Pickle and unpickle with the same version.",
    )


class FewestTokens:
    """Encodes with the fewest tokens; ties go to the longest first token, then to the smallest id."""

    def __init__(self, tokens: Sequence[bytes | None]) -> None:
        self._ids = {token: i for i, token in reversed(list(enumerate(tokens))) if token}
        lengths: dict[bytes, set[int]] = {}
        for token in self._ids:
            if len(token) > 1:
                lengths.setdefault(token[:2], set()).add(len(token))
        # The token lengths for each pair of first bytes, longest first. A trie of dicts would take 30 MB.
        self._lengths = {start: sorted(found, reverse=True) for start, found in lengths.items()}

    def encode(self, data: bytes) -> list[int]:
        """Return token ids. Raises TokenizerError, with the place, if no sequence of tokens has these bytes.

        Time: the length of the data times the number of lengths of tokens with its next two bytes (about a
        microsecond a byte).
        """
        ids, lengths, size = self._ids, self._lengths, len(data)
        far = size + 1
        cost = [far] * size + [0]
        step = [0] * size
        for at in range(size - 1, -1, -1):
            best, taken = far, 0
            for length in lengths.get(data[at : at + 2], ()):
                end = at + length
                if end <= size and cost[end] + 1 < best and data[at:end] in ids:
                    best, taken = cost[end] + 1, length
            if cost[at + 1] + 1 < best and data[at : at + 1] in ids:
                best, taken = cost[at + 1] + 1, 1
            cost[at], step[at] = best, taken
        if cost[0] >= far:
            at = self._first_stop(data)
            raise TokenizerError(
                f"the tokens cannot write the byte 0x{data[at]:02x} there.",
                where=f"byte {at}",
                cure="Use a vocabulary with all 256 single bytes.",
            )
        out = []
        at = 0
        while at < size:
            out.append(ids[data[at : at + step[at]]])
            at += step[at]
        return out

    def _first_stop(self, data: bytes) -> int:
        # The furthest position that tokens can reach; the byte after it cannot be written.
        reached = [True] + [False] * len(data)
        last = 0
        for at in range(len(data)):
            if not reached[at]:
                continue
            last = at
            for length in (1, *self._lengths.get(data[at : at + 2], ())):
                if at + length <= len(data) and data[at : at + length] in self._ids:
                    reached[at + length] = True
        return last
