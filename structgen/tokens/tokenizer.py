"""`Tokenizer`: the tokenizer of any library, as the bytes of each token.

A *token* is a number, its *id*, with the bytes that it writes. A *special* token writes no text. An *end
token* is a special token that ends a text. The *fingerprint* is a digest of all these; equal tokenizers have
equal ones. A *reading* is the contents of a tokenizer's file (`TokenizerFile`). A *form* is a tuple of plain
values from which the encoder of a tokenizer is made (`encoders`).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, final

from structgen.base.errors import TokenError, TokenizerError, options_named
from structgen.base.system.text_files import StrPath
from structgen.tokens.encoders import Encoder, FewestTokens, Form, TokenBytes
from structgen.tokens.sentencepiece_model import read_sentencepiece
from structgen.tokens.tekken import read_tekken
from structgen.tokens.tokenizer_reading import TokenizerFile, is_id
from structgen.tokens.tokenizer_sources import (
    EndTokens,
    decode_file,
    end_ids,
    json_value,
    read_bytes,
    read_model_file,
    read_object,
    read_path,
)

UTF8_BYTES: Final = frozenset((*range(0xC0), *range(0xC2, 0xF5)))
"""The bytes that occur in UTF-8."""


@final
@dataclass(init=False, eq=False, repr=False, frozen=True, slots=True, weakref_slot=True)
class Tokenizer:
    """A tokenizer as bytes. Immutable; equal and hashed by `fingerprint`; made by one of the `from_` methods.

    A *special* token (end of text, padding, an unused id) has no bytes: `token_bytes` has None for it, and no
    text ever matches it. Several tokens may have equal bytes. A token may be empty (no mask allows it). It
    pickles by its own plain values, whatever it was made from.
    """

    token_bytes: tuple[bytes | None, ...]
    """The bytes of each token, by id; None for special tokens."""
    vocab_size: int
    """Ids are 0 to vocab_size - 1. A model's logits may be wider (padding)."""
    eos_token_ids: tuple[int, ...]
    """The end tokens, ascending; at least one; all of them special."""
    special_ids: tuple[int, ...]
    """Ids of the special tokens, ascending."""
    missing_bytes: tuple[int, ...]
    """The bytes that are not a token by themselves, ascending."""
    absent_bytes: tuple[int, ...]
    """The bytes that are in no token at all, ascending. Tokens cannot write a text with such a byte."""
    fingerprint: str
    """40 hex digits: BLAKE2b of all tokens' bytes, special ids and end ids; the same in every process.

    The encoder is not part of it: masks do not depend on it.
    """
    _encoder: Encoder | None
    _fewest: list[FewestTokens]

    def __init__(
        self,
        tokens: Iterable[bytes | None],
        eos_token_ids: Iterable[int],
        encoder: Form | None = None,
    ) -> None:
        """Called by the `from_` methods. `tokens`: the bytes of each token. `encoder`: the form of an
        encoder."""
        ends = tuple(sorted(set(eos_token_ids)))
        checked_tokens = _check_tokens(tokens, ends)
        lengths, data = _pack_tokens(checked_tokens)
        # the dataclass is frozen: its fields are set below, through `object`
        alone = {token for token in checked_tokens if token is not None and len(token) == 1}
        values: dict[str, Any] = {
            "token_bytes": checked_tokens,
            "vocab_size": len(checked_tokens),
            "eos_token_ids": ends,
            "special_ids": tuple(i for i, token in enumerate(checked_tokens) if token is None),
            "missing_bytes": tuple(byte for byte in range(256) if bytes((byte,)) not in alone),
            "absent_bytes": tuple(byte for byte in range(256) if byte not in data),
            "fingerprint": _fingerprint_of(lengths, data, ends),
            "_encoder": None if encoder is None else Encoder(encoder, checked_tokens),
            "_fewest": [],
        }
        for name, value in values.items():
            object.__setattr__(self, name, value)

    @classmethod
    @options_named("sg.Tokenizer.from_bytes(tokens, eos_token_id=0)", name="Tokenizer.from_bytes")
    def from_bytes(cls, tokens: TokenBytes, eos_token_id: int | Iterable[int]) -> Tokenizer:
        """Return the tokenizer whose token i has the bytes tokens[i]; None: special, never matches text.

        An end token is special even if it is given bytes. `encode` finds the fewest tokens. Raises
        TokenizerError if an item is neither bytes nor None, or an end id is out of range or missing.
        """
        return cls(tokens, end_ids(eos_token_id, {}, "eos_token_id"))

    @classmethod
    @options_named("sg.Tokenizer.from_huggingface(folder)", name="Tokenizer.from_huggingface")
    def from_huggingface(
        cls,
        tokenizer: Any,
        *,
        eos_token_id: EndTokens | None = None,
        vocab_size: int | None = None,
    ) -> Tokenizer:
        """Return the tokenizer of an object, a folder or a file of a Hugging Face model.

        Objects: those of `transformers` (fast ones, and those with a SentencePiece model), also inside a
        processor; `tokenizers.Tokenizer`; `SentencePieceProcessor`; the tokenizers of `mistral_common`.
        Files: a tokenizer.json, Mistral's tekken.json, a SentencePiece model (tokenizer.model), recognised by
        their contents. In a folder, the first of these three is read.

        It supports byte-level BPE, and SentencePiece's BPE and Unigram with or without byte fallback. The
        piece "▁a" is the bytes b" a", and `encode` adds no blank before the text. End tokens, unless given by
        id or text: the object's `eos_token_id`; all that the folder's generation_config.json, config.json,
        tokenizer_config.json and special_tokens_map.json name; for a file or a `tokenizers` object alone,
        special tokens with a text like "</s>" (structgen.tokens.tokenizer_reading.END_TEXTS). `vocab_size`
        adds special ids up to a model's padded width. Reading a tokenizer.json or a tekken.json needs no
        library, a SentencePiece model needs `sentencepiece`; `encode` needs the library of the tokenizer.
        Nothing is downloaded. Raises TokenizerError.
        """
        more_special: list[int] = []
        if isinstance(tokenizer, str | os.PathLike):
            reading, ends = read_path(Path(tokenizer))
        else:
            reading, ends, more_special = read_object(tokenizer)
        return cls._from_reading(reading, ends, eos_token_id, vocab_size, more_special)

    @classmethod
    @options_named("sg.Tokenizer.from_sentencepiece(model)", name="Tokenizer.from_sentencepiece")
    def from_sentencepiece(
        cls,
        model: Any,
        *,
        eos_token_id: EndTokens | None = None,
        vocab_size: int | None = None,
    ) -> Tokenizer:
        """Return the tokenizer of a SentencePiece model: its file, its bytes, or a loaded
        `SentencePieceProcessor`.

        A token's bytes are the output of the model's own decoder for it inside a text: "▁" is a blank,
        "<0x0A>" a byte if the model has byte fallback; control, unknown and unused pieces are special. The
        end token, unless given, is the model's own. `encode` splits as the model does, but does not change
        the text: it adds no blank before it, keeps every blank, and skips the model's normalisation. Needs
        the `sentencepiece` package. Raises TokenizerError.
        """
        ends: list[int] = []
        special: list[int] = []
        if isinstance(model, bytes | bytearray | memoryview):
            reading = read_sentencepiece(bytes(model))
        elif isinstance(model, str | os.PathLike):
            reading = read_model_file(Path(model))
        else:
            reading, ends, special = read_object(model)
        return cls._from_reading(reading, ends, eos_token_id, vocab_size, special)

    @classmethod
    @options_named("sg.Tokenizer.from_tekken(path)", name="Tokenizer.from_tekken")
    def from_tekken(
        cls,
        path: StrPath,
        *,
        eos_token_id: EndTokens | None = None,
        vocab_size: int | None = None,
    ) -> Tokenizer:
        """Return the tokenizer of Mistral's tekken.json.

        The end token, unless given by id or text, is "</s>". Reading needs no library, `encode` needs
        `tiktoken`. Raises TokenizerError, which names the faulty member of the file.
        """
        file = Path(path)
        text = decode_file(read_bytes(file), file)
        reading = read_tekken(json_value(text, file))
        return cls._from_reading(reading, [], eos_token_id, vocab_size)

    @classmethod
    def _from_reading(
        cls,
        reading: TokenizerFile,
        own_ends: Sequence[int],
        eos_token_id: EndTokens | None,
        vocab_size: int | None,
        more_special: Iterable[int] = (),
    ) -> Tokenizer:
        """Return the tokenizer of a reading.

        End tokens are `eos_token_id` if it is given, else `own_ends`, which other files or the object name,
        else the likely ends of the reading. `vocab_size`: the number of ids; further ids are special.
        `more_special`: ids that are special as well. Raises TokenizerError.
        """
        ends = own_ends if eos_token_id is None else end_ids(eos_token_id, reading.ids, "eos_token_id")
        ends = ends or reading.likely_ends
        if not ends:
            raise TokenizerError("the end tokens of a text are not known.", cure="Pass eos_token_id=.")
        tokens = reading.tokens
        if vocab_size is not None and vocab_size < len(tokens):
            raise TokenizerError(
                f"{vocab_size} is less than the tokenizer's own {len(tokens)} tokens.",
                where="vocab_size",
                cure="Pass the width of the model's logits.",
            )
        tokens.extend([None] * ((vocab_size or 0) - len(tokens)))
        for i in more_special:
            if 0 <= i < len(tokens):
                tokens[i] = None
        return cls(tokens, ends, reading.encoder)

    @classmethod
    @options_named("sg.Tokenizer.from_tiktoken(encoding)", name="Tokenizer.from_tiktoken")
    def from_tiktoken(cls, encoding: Any, eos: EndTokens | None = None) -> Tokenizer:
        """Return the tokenizer of a `tiktoken.Encoding`, or of a named encoding ("o200k_base").

        `eos` are end tokens by id or by text; default: the encoding's own "<|endoftext|>". For a name,
        tiktoken loads its ranks from its cache or the network. Raises TokenizerError.
        """
        if isinstance(encoding, str):
            import tiktoken

            try:
                encoding = tiktoken.get_encoding(encoding)
            except ValueError as error:
                raise TokenizerError(
                    f"tiktoken has no encoding {encoding!r}.",
                    cure=f"Use one of {', '.join(tiktoken.list_encoding_names())}.",
                ) from error
        try:
            ranks: Mapping[bytes, int] = encoding._mergeable_ranks
            special: Mapping[str, int] = encoding._special_tokens
            pattern: str = encoding._pat_str
        except AttributeError as error:
            raise TokenizerError(
                f"{type(encoding).__name__} is not a tiktoken.Encoding.",
                where="encoding",
                cure="Pass what tiktoken.get_encoding() returns, or its name.",
            ) from error
        if eos is None:
            eos = [i for text, i in special.items() if text == "<|endoftext|>"]
        return cls._from_ranks(ranks, eos, pattern, special)

    @classmethod
    def from_tiktoken_file(
        cls,
        path: StrPath,
        eos: EndTokens,
        *,
        pattern: str | None = None,
        special_tokens: Mapping[str, int] | None = None,
    ) -> Tokenizer:
        """Return the tokenizer of a file of lines "token in base64, blank, rank" (Llama 3's tokenizer.model).

        The file has neither the pattern that splits a text nor the special tokens; without `pattern`,
        `encode` finds the fewest tokens. `eos` are end tokens, by id or by text. Raises TokenizerError, which
        names the line.
        """
        ranks: dict[bytes, int] = {}
        text = decode_file(read_bytes(Path(path)), Path(path))
        for number, line in enumerate(text.splitlines(), 1):
            if not line.strip():
                continue
            try:
                token, rank = line.split()
                ranks[base64.b64decode(token, validate=True)] = int(rank)
            except (ValueError, binascii.Error) as error:
                raise TokenizerError(
                    "not a token in base64 and its rank.",
                    where=f"{path}, line {number}",
                    cure="Pass a file of byte-pair ranks in tiktoken's format.",
                ) from error
        return cls._from_ranks(ranks, eos, pattern, special_tokens or {})

    @classmethod
    def _from_ranks(
        cls,
        ranks: Mapping[bytes, int],
        eos: EndTokens,
        pattern: str | None,
        special: Mapping[str, int],
    ) -> Tokenizer:
        """Return the tokenizer of byte-pair ranks, which are ids: `{b"a": 0, b"b": 1, b"ab": 2}`.

        `eos`: end tokens by id or by text of `special`, the special tokens. `pattern`: it splits a text
        before it is encoded; None: `encode` finds the fewest tokens.
        """
        all_ids = [*ranks.values(), *special.values()]
        wrong = next((i for i in all_ids if not is_id(i)), None)
        if wrong is not None:
            raise TokenizerError(
                f"{wrong!r} is not a token id.",
                where="ranks",
                cure="Download them again.",
            )
        tokens: list[bytes | None] = [None] * (1 + max(all_ids, default=-1))
        for token, rank in ranks.items():
            earlier_token = tokens[rank]
            if earlier_token is not None:
                raise TokenizerError(
                    f"{earlier_token!r} and {token!r} have the same rank.",
                    where=f"rank {rank}",
                    cure="Download the ranks again.",
                )
            tokens[rank] = token
        form = None if pattern is None else ("tiktoken", pattern, tuple(sorted(special.items())))
        return cls(tokens, end_ids(eos, special, "eos"), form)

    def ending_with(self, ends: Iterable[int], special: Iterable[int] = ()) -> Tokenizer:
        """Return the tokenizer with other end tokens, and more special ones: their bytes are taken from them.
        An id above the vocabulary widens it. Cost: that of a new tokenizer."""
        special_ids = {*ends, *special}
        tokens = list(self.token_bytes)
        tokens += [None] * (max(special_ids) + 1 - self.vocab_size)
        kept_tokens = [None if token in special_ids else data for token, data in enumerate(tokens)]
        encoder: Encoder | None = self._encoder
        return Tokenizer(kept_tokens, ends, None if encoder is None else encoder.form)

    def encode(self, data: bytes) -> list[int]:
        """Return token ids whose concatenated bytes are exactly `data`; none of them is special.

        The result is that of the tokenizer's own encoder if its bytes are `data` (a normaliser may change
        them, and it cannot read data that is not UTF-8). Otherwise, and for tokenizers made from bytes, it is
        the fewest tokens: of equally many the longest first token, of equal bytes the smallest id. Raises
        TokenizerError if no tokens write the data.
        """
        if not isinstance(data, bytes | bytearray | memoryview):
            raise TokenizerError(
                f"encode() expects bytes, got {type(data).__name__}.",
                where="data",
                cure='Use text.encode("utf-8").',
            )
        data = bytes(data)
        canonical = self.canonical(data)
        if canonical is not None:
            return canonical
        # A list in a frozen object: the tables of all tokens are made at the first text that needs them.
        if not self._fewest:
            self._fewest.append(FewestTokens(self.token_bytes))
        fewest: FewestTokens = self._fewest[0]
        return fewest.encode(data)

    @property
    def has_encoder(self) -> bool:
        """Whether it knows the rules by which its model's texts were split."""
        return self._encoder is not None

    def canonical(self, data: bytes) -> list[int] | None:
        """Return the tokens into which the tokenizer's own rules split `data`; None if it does not know them,
        if the data is not UTF-8, or if the tokens write other bytes (a normaliser changes the text)."""
        encoder: Encoder | None = self._encoder
        if encoder is None:
            return None
        try:
            ids = encoder.encode(data.decode("utf-8"))
        except UnicodeDecodeError:
            return None
        # The encoder belongs to somebody else: its answer counts only if the tokens write the data.
        tokens = self.token_bytes
        texts = [tokens[i] if 0 <= i < len(tokens) else None for i in ids]
        if None not in texts and b"".join(filter(None, texts)) == data:
            return ids
        return None

    def decode(self, ids: Iterable[int]) -> bytes:
        """Return the concatenated bytes of tokens; special tokens have none.

        Raises TokenError for an id out of range.
        """
        out = []
        for i in ids:
            if not 0 <= i < self.vocab_size:
                raise TokenError(
                    f"token id {i} is out of range.", cure=f"Ids are 0 to {self.vocab_size - 1} here."
                )
            out.append(self.token_bytes[i] or b"")
        return b"".join(out)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Tokenizer):
            return self.fingerprint == other.fingerprint
        return NotImplemented

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    def __repr__(self) -> str:
        return f"<Tokenizer of {self.vocab_size} tokens, {self.fingerprint[:12]}>"

    def __reduce__(self) -> tuple[Any, ...]:
        lengths, data = _pack_tokens(self.token_bytes)
        return _unpickle, (lengths, data, self.eos_token_ids, self._encoder and self._encoder.form)


def byte_tokenizer() -> Tokenizer:
    """Return a tokenizer whose token i is the byte i, and 256 the end: for languages that no model writes."""
    return Tokenizer.from_bytes([bytes([i]) for i in range(256)] + [None], eos_token_id=256)


def _unpickle(lengths: bytes, data: bytes, ends: tuple[int, ...], encoder: Form | None) -> Tokenizer:
    """Return a pickled tokenizer: `lengths` and `data` are what `_pack_tokens` returns, `ends` the end
    tokens, `encoder` the form of its encoder."""
    tokens: list[bytes | None] = []
    at = 0
    for (size,) in struct.iter_unpack("<i", lengths):
        tokens.append(None if size < 0 else data[at : at + size])
        at += max(size, 0)
    return Tokenizer(tokens, ends, encoder)


def _pack_tokens(tokens: TokenBytes) -> tuple[bytes, bytes]:
    """Return the lengths of tokens as little-endian int32, -1 for special ones; and all their bytes."""
    lengths = [-1 if token is None else len(token) for token in tokens]
    packed_lengths = struct.pack(f"<{len(lengths)}i", *lengths)
    return packed_lengths, b"".join(token or b"" for token in tokens)


def _fingerprint_of(lengths: bytes, data: bytes, ends: Sequence[int]) -> str:
    """Return the fingerprint of what `_pack_tokens` returned, and of the end tokens."""
    digest = hashlib.blake2b(b"structgen tokenizer 1\n", digest_size=20)
    token_count = len(lengths) // struct.calcsize("<i")
    digest.update(f"{token_count} {' '.join(map(str, ends))}\n".encode())
    digest.update(lengths)
    digest.update(data)
    return digest.hexdigest()


def _check_tokens(tokens: Iterable[bytes | None], ends: Sequence[int]) -> tuple[bytes | None, ...]:
    """Return the tokens as bytes, with None for the end tokens. Errors: TokenizerError for anything else."""
    token_list = list(tokens)
    for i, token in enumerate(token_list):
        if type(token) is not bytes and token is not None:
            if not isinstance(token, bytes | bytearray | memoryview):
                raise TokenizerError(
                    f"A token must be bytes or None, got {type(token).__name__}.",
                    where=f"token {i}",
                    cure="Pass each token's bytes; None for a special token.",
                )
            token_list[i] = bytes(token)  # a copy: others may change a bytearray
    if not ends:
        raise TokenizerError(
            "the end token is missing, so no text could end.", cure="Name at least one end token."
        )
    for i in ends:
        if not 0 <= i < len(token_list):
            raise TokenizerError(
                f"the end token {i} is out of range.", cure=f"Ids are 0 to {len(token_list) - 1} here."
            )
        token_list[i] = None  # an end token is special, even if it has bytes
    return tuple(token_list)
