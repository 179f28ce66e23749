"""Reads Hugging Face's `tokenizer.json`: every token's bytes, special ids, likely ends, an encoder's text.

A token's bytes are the output of the file's *decoder* for it inside a text, because that is what a user's
program sees: the byte alphabet of GPT-2 (`ByteLevel`), or SentencePiece's marks (`▁` is a blank, `<0xAB>` is
a byte). SentencePiece adds a blank before a text when it encodes, and removes it when it decodes; this blank
belongs to no token. A tokenizer whose text is not the concatenation of its tokens' bytes (WordPiece,
WordLevel) is refused.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any, Final

from structgen.base.errors import TokenizerError
from structgen.base.json_text.exact_json import JsonObject
from structgen.tokens.tokenizer_reading import END_TEXTS, TokenizerFile, is_id

_SERVES: Final = "Byte-level BPE and SentencePiece vocabularies are supported."
_AGAIN: Final = "Download the file again."
_Piece = Callable[[str], bytes]


def read_tokenizer_object(file: Any) -> TokenizerFile:
    """Return the contents of the file, from its JSON value. Raises TokenizerError, which names the faulty
    member."""
    model = file.get("model") if isinstance(file, dict) else None
    if not isinstance(model, dict) or not isinstance(model.get("vocab"), dict | list):
        raise _file_error(
            "the vocabulary is missing.",
            "model/vocab",
            "Pass the tokenizer.json of a Hugging Face tokenizer.",
        )
    _refuse_models(model)
    to_bytes = _piece_reader(file, model)
    ids, unknown = _read_vocabulary(model)
    special = set(unknown)
    texts = {i: piece for piece, i in ids.items()}
    likely_ends = []
    for content, i, is_special in _added_tokens(file):
        texts[i] = content
        ids[content] = i
        if is_special:
            special.add(i)
            if content in END_TEXTS:
                likely_ends.append(i)
    # Ids may have gaps: an id that nothing names is special.
    tokens: list[bytes | None] = [None] * (1 + max(texts, default=-1))
    for i, piece in texts.items():
        if i not in special:
            tokens[i] = to_bytes(piece)
    return TokenizerFile(tokens, ids, likely_ends, ("huggingface", _encoder_text(file)))


def _refuse_models(model: JsonObject) -> None:
    """Raise TokenizerError for a model whose texts are not the concatenation of its tokens."""
    kind = model.get("type", "BPE")
    if kind not in ("BPE", "Unigram"):
        raise _file_error(
            f"the text of a {kind} tokenizer is not its tokens one after another.", "model/type"
        )
    for name in ("continuing_subword_prefix", "end_of_word_suffix"):
        if model.get(name):
            raise _file_error(
                f"{model[name]!r} marks the ends of words, so the text is not the tokens one after another.",
                f"model/{name}",
            )


def _read_vocabulary(model: JsonObject) -> tuple[dict[str, int], list[int]]:
    """Return the ids by text, and the id of the unknown token, if there is one."""
    vocab = model["vocab"]
    where = "model/vocab"
    if isinstance(vocab, dict):
        wrong = next((piece for piece, i in vocab.items() if not is_id(i)), None)
        if wrong is not None:
            raise _file_error(f"{vocab[wrong]!r} is not an id.", f"{where}/{wrong!r}", _AGAIN)
        text = model.get("unk_token")
        has_unknown = isinstance(text, str) and text in vocab
        return dict(vocab), [vocab[text]] if has_unknown else []
    for at, entry in enumerate(vocab):
        if not isinstance(entry, list) or not entry or not isinstance(entry[0], str):
            raise _file_error("must be a piece with its score.", f"{where}/{at}", _AGAIN)
    unknown: Any = model.get("unk_id")
    ids = {entry[0]: i for i, entry in enumerate(vocab)}
    return ids, [unknown] if is_id(unknown) else []


def _added_tokens(file: JsonObject) -> Iterator[tuple[str, int, bool]]:
    """Yield the text of each added token, its id, and whether it is special."""
    where = "added_tokens"
    token_list = file.get("added_tokens") or []
    if not isinstance(token_list, list):
        raise _file_error("must be an array.", where, _AGAIN)
    for at, token in enumerate(token_list):
        content = token.get("content") if isinstance(token, dict) else None
        if not isinstance(content, str) or not is_id(token.get("id")):
            raise _file_error("must be a token with its id.", f"{where}/{at}", _AGAIN)
        yield content, token["id"], bool(token.get("special"))


def _list_steps(step: JsonObject | None, members: str) -> Iterator[JsonObject]:
    """Yield the steps of a decoder, normalizer or pre-tokenizer in order.

    A step of the type Sequence is replaced by its own steps; `members` is the name of the member that has
    them, such as "decoders". `step`: the outermost step, or None.
    """
    stack: list[Any] = [step] if step else []
    while stack:
        top = stack.pop()
        inner = (top.get(members) or []) if isinstance(top, dict) else None
        if not isinstance(inner, list) or not isinstance(top.get("type"), str):
            raise TokenizerError(
                f"{str(top)[:80]!r} is not a step of a decoder, normalizer or pre-tokenizer.",
                where="tokenizer.json",
                cure=_AGAIN,
            )
        if top["type"] == "Sequence":
            # its steps replace it on the stack, the first one on top
            stack.extend(reversed(inner))
        else:
            yield top


def _piece_reader(file: JsonObject, model: JsonObject) -> _Piece:
    """Return a function from a token's text to its bytes, as the file's decoder writes them inside a text.

    Raises TokenizerError for a decoder that changes tokens depending on their neighbours.
    """
    # The output of the decoder for one token inside a text.
    decoders = list(_list_steps(file.get("decoder"), "decoders"))
    if not decoders:
        kinds = {step.get("type") for step in _list_steps(file.get("pre_tokenizer"), "pretokenizers")}
        if "ByteLevel" in kinds:
            decoders = [{"type": "ByteLevel"}]
        elif "Metaspace" in kinds:
            decoders = [{"type": "Metaspace"}]
    replacements: list[tuple[str, str]] = []
    byte_level = byte_fallback = is_fused = False
    for step in decoders:
        match step:
            case {"type": "ByteLevel"}:
                byte_level = True
            case {"type": "ByteFallback"}:
                byte_fallback = True
            case {"type": "Metaspace"} if isinstance(mark := step.get("replacement", "▁"), str):
                replacements.append((mark, " "))
            case {"type": "Replace", "pattern": {"String": str(old)}, "content": str(new)}:
                replacements.append((old, new))
            case {"type": "Fuse"}:
                is_fused = True
            case {"type": "Strip"} if is_fused:
                pass  # it changes only the ends of the whole text, no token in the middle
            case _:
                raise _file_error(
                    f"the decoder step {step.get('type')!r} does not leave tokens as they are.", "decoder"
                )
    if not decoders:
        raise _file_error("the decoder, which determines the bytes of a token, is missing.", "decoder")
    alphabet = _byte_alphabet() if byte_level else {}
    one_byte = re.compile(r"<0x([0-9A-Fa-f]{2})>")
    byte_fallback = byte_fallback or bool(model.get("byte_fallback"))

    def read_piece(piece: str) -> bytes:
        if byte_level:
            try:
                return bytes([alphabet[character] for character in piece])
            except KeyError:
                return _utf8_bytes(piece)  # as the decoder does with a token outside its alphabet
        if byte_fallback and (match := one_byte.fullmatch(piece)):
            return bytes([int(match[1], 16)])
        for old, new in replacements:
            piece = piece.replace(old, new)
        return _utf8_bytes(piece)

    return read_piece


def _utf8_bytes(piece: str) -> bytes:
    """Return a piece in UTF-8."""
    # JSON may contain lone surrogates, which have no UTF-8: such a token can never be text.
    return piece.encode("utf-8", "surrogatepass")


def _byte_alphabet() -> dict[str, int]:
    """Return the byte for each character of GPT-2's alphabet, which writes any bytes as visible text."""
    # A byte that is a visible character of Latin-1 is written as itself; the others are U+0100 and following.
    visible = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = sorted(set(range(256)) - set(visible))
    alphabet = {chr(byte): byte for byte in visible}
    for number, byte in enumerate(hidden):
        alphabet[chr(0x100 + number)] = byte
    return alphabet


def _encoder_text(file: JsonObject) -> str:
    """Return the tokenizer.json of an encoder of plain text."""
    # Special tokens would be recognised in the text, and a blank added before it would be a wrong byte.
    encoder_file = dict(file)
    encoder_file["added_tokens"] = [
        token for token in file.get("added_tokens") or [] if not token.get("special")
    ]
    encoder_file["post_processor"] = encoder_file["truncation"] = encoder_file["padding"] = None
    encoder_file["normalizer"] = _without_prefix(file.get("normalizer"), "normalizers")
    encoder_file["pre_tokenizer"] = _without_prefix(file.get("pre_tokenizer"), "pretokenizers")
    return json.dumps(encoder_file, ensure_ascii=True, separators=(",", ":"))


def _without_prefix(step: JsonObject | None, members: str) -> JsonObject | None:
    """Return a normalizer or a pre-tokenizer without the blank that it adds before a text; None where
    nothing is left of it."""
    kept_steps: list[JsonObject] = []
    for part in _list_steps(step, members):
        match part.get("type"):
            case "Prepend":
                continue
            case "Metaspace":
                # Older files have the flag, newer ones the scheme; readers refuse contradicting pairs.
                part = {name: value for name, value in part.items() if name != "add_prefix_space"}
                part["prepend_scheme"] = "never"
            case "ByteLevel":
                part = part | {"add_prefix_space": False}
        kept_steps.append(part)
    if not kept_steps:
        return None
    if len(kept_steps) == 1:
        return kept_steps[0]
    return {"type": "Sequence", members: kept_steps}


def _file_error(fault: str, where: str, cure: str = _SERVES) -> TokenizerError:
    return TokenizerError(fault, where=f"tokenizer.json: /{where}", cure=cure)
