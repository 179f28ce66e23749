"""Reads SentencePiece models (`tokenizer.model`), and tokenizers of transformers that contain one.

A *piece* is a token of such a model, as a text. A token's bytes are the output of SentencePiece's own decoder
for its piece inside a text: `▁` is a blank, and a piece of the type BYTE (`<0x0A>`) is that byte. Control,
unknown and unused pieces write no text. Many models add a blank before a text when they encode, and remove it
when they decode; it belongs to no token. The model itself is read by the sentencepiece package.
"""

from __future__ import annotations

from typing import Any, Final

from structgen.base.errors import TokenizerError
from structgen.tokens.encoders import sentencepiece_processor
from structgen.tokens.tokenizer_reading import END_TEXTS, TokenizerFile

_BLANK: Final = "\u2581"
"""The mark `▁`, which stands for a blank in a piece."""
_AGAIN: Final = "Download the file again."
_SETTINGS: Final = 3
"""The field `normalizer_spec` of a serialized model. Every trainer writes it, after the pieces."""


def read_sentencepiece(model: bytes) -> TokenizerFile:
    """Return the contents of a serialized model. Raises TokenizerError, also if the sentencepiece package is
    missing.

    Time: about a microsecond a byte of the file.
    """
    processor = sentencepiece_processor(model)
    _refuse_part(processor, model)
    return _read_processor(processor, model)


def read_processor(processor: Any) -> TokenizerFile:
    """Return the contents of a `sentencepiece.SentencePieceProcessor`. Raises TokenizerError if it has no
    model."""
    model: bytes = processor.serialized_model_proto()
    if not processor.get_piece_size():
        raise TokenizerError(
            "the SentencePieceProcessor contains no model.",
            where="tokenizer",
            cure="Load one first: SentencePieceProcessor(model_file=path).",
        )
    return _read_processor(processor, model)


def read_with_pieces(tokenizer: Any) -> TokenizerFile:
    """Return the contents of a tokenizer of transformers that works with a SentencePiece model, its
    `sp_model`.

    Ids are the tokenizer's own, which may differ from the model's (fairseq's are shifted by one). Tokens
    added to the tokenizer are included.
    """
    processor = tokenizer.sp_model
    base = read_processor(processor)
    added_tokens: dict[int, Any] = dict(tokenizer.added_tokens_decoder)
    size = max([len(tokenizer) - 1, *added_tokens]) + 1
    tokens: list[bytes | None] = [None] * size
    ids: dict[str, int] = {}
    of_pieces = [-1] * processor.get_piece_size()  # the id of the token of each piece; -1: it has none
    unknown = processor.unk_id()
    all_ids = list(range(len(tokenizer)))
    for i, text in enumerate(tokenizer.convert_ids_to_tokens(all_ids)):
        piece = processor.piece_to_id(text)
        # For a text that is not a piece, the library returns the number of the unknown piece.
        if piece != unknown or text == processor.id_to_piece(unknown):
            tokens[i] = base.tokens[piece]
            of_pieces[piece] = i
        ids[text] = i
    for i, token in added_tokens.items():
        tokens[i] = None if token.special else str(token.content).encode("utf-8", "surrogatepass")
        ids[str(token.content)] = i
    ends = [of_pieces[piece] for piece in base.likely_ends if of_pieces[piece] >= 0]
    has_own_ids = of_pieces == list(range(len(of_pieces)))
    _, model, _ = base.encoder
    ids_of_pieces = None if has_own_ids else tuple(of_pieces)
    return TokenizerFile(tokens, ids, ends, ("sentencepiece", model, ids_of_pieces))


def _read_processor(processor: Any, model: bytes) -> TokenizerFile:
    """Return the contents of a model, which is loaded in `processor` and serialized in `model`. Raises
    TokenizerError."""
    try:
        return _read_pieces(processor, model)
    except UnicodeDecodeError as error:  # a piece that is not UTF-8
        raise TokenizerError("the SentencePiece model is damaged.", cure=_AGAIN) from error


def _read_pieces(processor: Any, model: bytes) -> TokenizerFile:
    """Return the contents of a model, piece by piece. Errors: TokenizerError, UnicodeDecodeError."""
    tokens: list[bytes | None] = []
    ids: dict[str, int] = {}
    ends = []
    for i in range(processor.get_piece_size()):
        piece: str = processor.id_to_piece(i)
        ids[piece] = i
        if processor.is_control(i) or processor.is_unknown(i) or processor.is_unused(i):
            tokens.append(None)
            if processor.is_control(i) and piece in END_TEXTS:
                ends.append(i)
        elif processor.is_byte(i):
            hex_digits = piece[3:5]  # of `<0x0A>`
            tokens.append(bytes([int(hex_digits, 16)]))
        else:
            tokens.append(piece.replace(_BLANK, " ").encode())
    if processor.eos_id() >= 0:
        ends.append(processor.eos_id())
    _refuse_other_texts(processor, tokens)
    return TokenizerFile(tokens, ids, sorted(set(ends)), ("sentencepiece", model, None))


def _refuse_other_texts(processor: Any, tokens: list[bytes | None]) -> None:
    """Raise TokenizerError if the model's own decoder writes other texts, because of decoding rules of its
    own (denormalizer_spec)."""
    texts = {i: token for i, token in enumerate(tokens) if token and not processor.is_byte(i)}
    # The decoder removes a blank at the beginning of a text: each piece is decoded behind another one.
    anchors = (i for i, token in texts.items() if not token.startswith(b" "))
    anchor = next(anchors, None)
    if anchor is None:
        return
    anchor_text = processor.decode([anchor]).encode()
    decoded_texts = processor.decode([[anchor, i] for i in texts])
    for (i, token), text in zip(texts.items(), decoded_texts, strict=True):
        if text.encode() != anchor_text + token:
            raise TokenizerError(
                f"its decoder writes {text!r} for the pieces {processor.id_to_piece(anchor)!r} and "
                f"{processor.id_to_piece(i)!r}, so the text is not the tokens one after another.",
                where=f"token {i}",
                cure="Use a model without rules for denormalization.",
            )


def _refuse_part(processor: Any, model: bytes) -> None:
    """Raise TokenizerError for a file that ends between two of its pieces: the library, which has read it,
    takes it for a smaller model."""
    at = 0
    fields = set[int]()
    data = model + bytes(10)  # zeros, because a damaged field may lead past the end
    while at < len(model):  # a field: its number and 3 bits, its length in 7 bits a byte, and so many bytes
        key = data[at]
        length = 0
        at += 1
        # The length: seven bits a byte, the lowest first; a byte below 0x80 is the last one.
        for shift in range(0, 70, 7):
            length |= (data[at] & 0x7F) << shift
            at += 1
            if data[at - 1] < 0x80:
                break
        fields.add(key >> 3)
        at += length
    if not processor.get_piece_size() or _SETTINGS not in fields:
        raise TokenizerError("the file is only a part of a SentencePiece model.", cure=_AGAIN)
