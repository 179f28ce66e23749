"""Encoders turn a text into token ids, by the tokenizer's own rules or with the fewest tokens.

The *form* of an encoder is a tuple of plain values, its kind first, from which the encoder is made. A pickled
tokenizer contains the form. For example, ("tiktoken", pattern, special tokens).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cached_property
from itertools import pairwise
from typing import Any, Final

from structgen.base.errors import TokenizerError
from structgen.base.system.installation import require_extras

Form = tuple[Any, ...]
"""One of these tuples:
("huggingface", JSON text of a tokenizer.json);
("tiktoken", pattern that splits a text, ((text of a special token, id), ...));
("sentencepiece", serialized model, the token id of each piece or -1; None: ids are the numbers of pieces)."""
_Encode = Callable[[str], list[int]]
TokenBytes = Sequence[bytes | None]
"""The bytes of each token; None: it is special, or missing."""


class Encoder:
    """Encodes a text as its tokenizer does, as plain text.

    It recognises no special tokens, and adds no blank and no chat template. The library of the tokenizer is
    imported when the first text is encoded.
    """

    def __init__(self, form: Form, tokens: TokenBytes) -> None:
        """Make an encoder. `tokens`: the bytes of each token. Raises TokenizerError if `form` is not a form
        of an encoder."""
        self.form = form
        self._tokens = tokens
        if not isinstance(form, tuple) or not form or form[0] not in _MAKERS:
            raise TokenizerError(
                f"{str(form)[:80]!r} is not the form of an encoder.",
                cure="Pickle and unpickle with the same version.",
            )

    @cached_property
    def encode(self) -> _Encode:
        """Return a function: text -> token ids. The bytes of these tokens may differ from the text, so the
        caller checks them. Raises TokenizerError where the library is missing."""
        kind, *values = self.form
        return _MAKERS[kind](self._tokens, *values)


def _huggingface_encoder(tokens: TokenBytes, text: str) -> _Encode:
    """Return `tokenizers.Tokenizer.encode` of a `tokenizer.json`, whose special tokens and prefix are
    removed."""
    with require_extras("Encoding a text", "tokenizers", kind=TokenizerError):
        from tokenizers import Tokenizer
    backend = Tokenizer.from_str(text)

    def encode_text(text: str) -> list[int]:
        return backend.encode(text, add_special_tokens=False).ids

    return encode_text


# tiktoken's regular expressions overflow the stack on a run of a million blanks (version 0.14 panics). So a
# run is split at the length at which the encoder of Llama 3 splits it.
_LONG_RUN: Final = re.compile(r"\s{25000}|\S{25000}")


def _tiktoken_encoder(
    tokens: TokenBytes,
    pattern: str,
    special: tuple[tuple[str, int], ...],
) -> _Encode:
    """Return `tiktoken.Encoding.encode_ordinary` of byte-pair ranks, which are token ids, and a pattern."""
    with require_extras("Encoding with byte-pair ranks", "tokenizers", kind=TokenizerError):
        from tiktoken import Encoding
    # In reverse, so that the smallest id remains if several tokens have equal bytes.
    ranks = {token: i for i, token in reversed(list(enumerate(tokens))) if token}
    try:
        encoding = Encoding("structgen", pat_str=pattern, mergeable_ranks=ranks, special_tokens=dict(special))
    except ValueError as error:
        raise TokenizerError(
            f"tiktoken cannot read the pattern that splits a text ({error}).",
            where="pattern",
            cure="Write the pattern in the syntax of the Rust crate fancy-regex.",
        ) from error

    def encode_text(text: str) -> list[int]:
        cuts = [0, *(run.end() for run in _LONG_RUN.finditer(text)), len(text)]
        ids: list[int] = []
        for begin, end in pairwise(cuts):
            ids += encoding.encode_ordinary(text[begin:end])
        return ids

    return encode_text


# In protobuf, concatenated messages are merged, and the last value of a field counts. This is the field
# normalizer_spec (3) with an empty precompiled_charsmap (2), and with add_dummy_prefix (3) and
# remove_extra_whitespaces (4) false.
_AS_IT_STANDS: Final = b"\x1a\x06\x12\x00\x18\x00\x20\x00"


def _sentencepiece_encoder(
    tokens: TokenBytes,
    model: bytes,
    ids: tuple[int, ...] | None,
) -> _Encode:
    """Return `SentencePieceProcessor.encode` of a serialized model.

    It splits as the model does, but does not change the text: it adds no blank before it, keeps every blank,
    and skips the model's normalisation. The reason: a mask allows a document byte by byte, and a text inside
    a document has no blank before it.
    """
    processor = sentencepiece_processor(model + _AS_IT_STANDS)

    def encode_text(text: str) -> list[int]:
        pieces: list[int] = processor.encode(text)
        if ids is None:
            return pieces
        return [ids[piece] for piece in pieces]

    return encode_text


_MAKERS: Final[dict[Any, Callable[..., _Encode]]] = {
    "huggingface": _huggingface_encoder,
    "tiktoken": _tiktoken_encoder,
    "sentencepiece": _sentencepiece_encoder,
}


def sentencepiece_processor(model: bytes) -> Any:
    """Return the SentencePieceProcessor of a serialized model. Raises TokenizerError if the package is
    missing or the bytes are no such model."""
    with require_extras("Reading a SentencePiece model", "tokenizers", kind=TokenizerError):
        from sentencepiece import SentencePieceProcessor
    processor = SentencePieceProcessor()
    try:
        processor.LoadFromSerializedProto(model)
    except (RuntimeError, OSError, ValueError) as error:  # ValueError: its own message is not UTF-8
        raise TokenizerError(
            "the file is not a SentencePiece model, or only a part of one.",
            cure="Pass a complete tokenizer.json, tekken.json or SentencePiece model.",
        ) from error
    return processor


class FewestTokens:
    """Encodes a text with the fewest tokens.

    If several sequences have so few tokens, it takes the one with the longest first token. If several tokens
    have equal bytes, it takes the smallest id.
    """

    def __init__(self, tokens: TokenBytes) -> None:
        """Make an encoder. `tokens`: the bytes of each token."""
        self._ids = {token: i for i, token in reversed(list(enumerate(tokens))) if token}
        lengths: dict[bytes, set[int]] = {}
        for token in self._ids:
            if len(token) > 1:
                lengths.setdefault(token[:2], set()).add(len(token))
        # The token lengths for each pair of first bytes, longest first. A trie of dicts would take 30 MB.
        self._lengths = {
            start: sorted(token_lengths, reverse=True) for start, token_lengths in lengths.items()
        }

    def encode(self, data: bytes) -> list[int]:
        """Return token ids whose bytes are `data`.

        Raises TokenizerError, with the place, if no sequence of tokens has these bytes. Cost: for each byte,
        one look-up for each length of tokens that begin with the next two bytes; about a microsecond.
        """
        ids = self._ids
        lengths = self._lengths
        size = len(data)
        far = size + 1
        # Dynamic programming from the end: `cost` is the fewest tokens from each index to the end, `step`
        # the length of the first of them.
        cost = [far] * size + [0]
        step = [0] * size
        for at in range(size - 1, -1, -1):
            best = far
            best_length = 0
            for length in lengths.get(data[at : at + 2], ()):
                end = at + length
                # Lengths descend, and only fewer tokens replace the best: so the longest wins a tie.
                if end <= size and cost[end] + 1 < best and data[at:end] in ids:
                    best = cost[end] + 1
                    best_length = length
            if cost[at + 1] + 1 < best and data[at : at + 1] in ids:
                best = cost[at + 1] + 1
                best_length = 1
            cost[at] = best
            step[at] = best_length
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
            end = at + step[at]
            out.append(ids[data[at:end]])
            at = end
        return out

    def _first_stop(self, data: bytes) -> int:
        """Return the furthest position that tokens can reach; the byte after it cannot be written."""
        is_reached = [True] + [False] * len(data)
        last = 0
        for at in range(len(data)):
            if not is_reached[at]:
                continue
            last = at
            for length in (1, *self._lengths.get(data[at : at + 2], ())):
                if at + length <= len(data) and data[at : at + length] in self._ids:
                    is_reached[at + length] = True
        return last
