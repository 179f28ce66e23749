"""Recognises the kind of a tokenizer argument (a file, a folder or a library's object), and has it read.

A file is recognised by its contents, an object by its attributes; no library is imported for that. A
*reading* is the contents of a tokenizer (`TokenizerFile`). A *holder* is an object that contains a tokenizer,
such as a processor of images and texts. *Byte-pair ranks* are tiktoken's format of a file: a token in base64
and its rank in each line.
"""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from structgen.base.errors import TokenizerError
from structgen.tokens.sentencepiece_model import read_processor, read_sentencepiece, read_with_pieces
from structgen.tokens.tekken import is_tekken, read_tekken, read_tekkenizer
from structgen.tokens.tokenizer_json import read_tokenizer_object
from structgen.tokens.tokenizer_reading import TokenizerFile, is_id

EndTokens = int | str | Iterable[int | str]
"""End tokens: an id, or the text of a special token, or several of them."""

_NAMES: Final = ("tokenizer.json", "tekken.json", "tokenizer.model")
"""The tokenizer files of a model's folder; the first one that exists is used."""
_OTHER_IDS: Final = ("spiece.model", "sentencepiece.bpe.model")
"""SentencePiece models in folders of models whose ids differ from the file's."""
_RANKS: Final = re.compile(rb"[A-Za-z0-9+/]+={0,2} \d+\r?\n")
"""The first line of byte-pair ranks: base64, a blank, a number."""


def read_path(path: Path) -> tuple[TokenizerFile, list[int]]:
    """Return the contents of a file or a folder, and the end tokens in the folder's other files (none for a
    file).

    Raises TokenizerError if there is no such file, if its kind is unknown, and if it is damaged.
    """
    if not path.is_dir():
        return read_file(path), []
    files = (path / name for name in _NAMES)
    file = next((file for file in files if file.is_file()), None)
    if file is None:
        other_names = (name for name in _OTHER_IDS if (path / name).is_file())
        other_name = next(other_names, None)
        if other_name is not None:
            raise TokenizerError(
                f"the ids in {other_name} are not the model's own.",
                where=str(path),
                cure="Pass the object: AutoTokenizer.from_pretrained(folder).",
            )
        raise _missing_file(path / _NAMES[0])
    reading = read_file(file)
    if file.name == "tokenizer.model":
        # a SentencePiece model knows nothing of tokens that were added to it
        _add_tokens(path, reading)
    return reading, _ends_of_folder(path, reading.ids)


def read_file(path: Path) -> TokenizerFile:
    """Return the contents of a tokenizer.json, a tekken.json or a SentencePiece model. Raises
    TokenizerError."""
    data = read_bytes(path)
    if path.suffix == ".json" or data.lstrip()[:1] == b"{":
        file = json_value(decode_file(data, path), path)
        if is_tekken(file) or path.name == "tekken.json":
            return read_tekken(file)
        return read_tokenizer_object(file)
    return read_model_file(path)


def holds_ranks(data: bytes) -> bool:
    """Return whether a file's bytes begin like byte-pair ranks in tiktoken's format."""
    return _RANKS.match(data) is not None


def read_model_file(path: Path) -> TokenizerFile:
    """Return the contents of a SentencePiece model's file. Raises TokenizerError."""
    data = read_bytes(path)
    if holds_ranks(data):
        raise TokenizerError(
            "a file of byte-pair ranks names neither its special tokens nor its end tokens.",
            where=str(path),
            cure="Read it with sg.Tokenizer.from_tiktoken_file(path, eos, special_tokens=...).",
        )
    try:
        return read_sentencepiece(data)
    except TokenizerError as error:
        raise TokenizerError(error.what, where=str(path), cure=error.cure) from error


def read_object(tokenizer: Any) -> tuple[TokenizerFile, list[int], list[int]]:
    """Return (contents, end tokens, further special ids) of an object of a library.

    It may be an object of transformers (fast ones, those that contain a SentencePiece model, and those of
    mistral_common, also inside a processor), a `tokenizers.Tokenizer`, a `SentencePieceProcessor`, or a
    tokenizer of mistral_common. Raises TokenizerError for anything else.
    """
    ends: list[int] = []
    special: list[int] = []
    holder = tokenizer
    opened_holders = list[Any]()
    # Processors and wrappers hold one another, perhaps in a circle: each is looked at once, outermost first.
    while holder is not None and not any(holder is earlier_holder for earlier_holder in opened_holders):
        opened_holders.append(holder)
        own_ends = getattr(holder, "eos_token_id", None)
        if not ends and own_ends is not None:
            ends = end_ids(own_ends, {}, "tokenizer.eos_token_id")
        special += getattr(holder, "all_special_ids", None) or ()
        if hasattr(holder, "backend_tokenizer") or hasattr(holder, "to_str"):
            text = getattr(holder, "backend_tokenizer", holder).to_str()
            file = json_value(text, Path(_NAMES[0]))
            return read_tokenizer_object(file), ends, special
        if hasattr(holder, "serialized_model_proto"):
            return read_processor(holder), ends, special
        if hasattr(holder, "sp_model"):
            return read_with_pieces(holder), ends, special
        if hasattr(holder, "id_to_byte_piece"):
            return read_tekkenizer(holder), ends, special
        if hasattr(holder, "n_words") and hasattr(holder, "file_path"):
            return read_file(Path(holder.file_path)), ends, special
        holder = getattr(holder, "instruct_tokenizer", None) or getattr(holder, "tokenizer", None)
    raise TokenizerError(
        f"{type(tokenizer).__name__} has no backend of the tokenizers library, and no model of SentencePiece "
        "or Tekken.",
        where="tokenizer",
        cure="Pass a path, AutoTokenizer.from_pretrained(...), a tokenizers.Tokenizer or a "
        "SentencePieceProcessor; a tiktoken.Encoding goes to sg.Tokenizer.from_tiktoken.",
    )


def end_ids(ends: EndTokens, ids: Mapping[str, int], where: str) -> list[int]:
    """Return the ids of end tokens that are given by id or by text. `ids`: the ids of tokens by text. Raises
    TokenizerError, which names `where`."""
    is_single = isinstance(ends, str) or not isinstance(ends, Iterable)  # a text is an Iterable, too
    several: Any = [ends] if is_single else ends
    out = []
    for end in several:
        if isinstance(end, str):
            if end not in ids:
                raise TokenizerError(
                    f"the token {end!r} does not exist.",
                    where=where,
                    cure="Pass the id of the end token.",
                )
            out.append(ids[end])
            continue
        try:
            out.append(operator.index(end))  # accepts integers of numpy, but not floats
        except TypeError as error:
            raise TokenizerError(
                f"{end!r} is neither a token id nor a token's text.",
                where=where,
                cure="Pass the ids of the end tokens.",
            ) from error
    return out


def read_bytes(path: Path) -> bytes:
    """Return the bytes of a file. Raises TokenizerError if it does not exist or cannot be read."""
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise _missing_file(path) from error
    except (OSError, ValueError) as error:
        raise _unreadable_file(path, error) from error


def decode_file(data: bytes, path: Path) -> str:
    """Return the text of a file's bytes. Raises TokenizerError if they are not UTF-8."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _unreadable_file(path, error) from error


def json_value(text: str, path: Path) -> Any:
    """Return the value of a JSON file. Raises TokenizerError if it is not JSON."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise TokenizerError(
            f"not JSON ({error}).",
            where=str(path),
            cure="Download the file again.",
        ) from error


def _missing_file(path: Path) -> TokenizerError:
    return TokenizerError(
        "the file does not exist, and structgen does not download files.",
        where=str(path),
        cure="Pass a folder with a tokenizer.json, or AutoTokenizer.from_pretrained(name).",
    )


def _unreadable_file(path: Path, error: Exception) -> TokenizerError:
    return TokenizerError(
        f"the file cannot be read ({error}).", where=str(path), cure="Pass a readable file."
    )


def _read_config(path: Path) -> dict[str, Any]:
    """Return the members of a JSON file in a model's folder; empty if there is no such file."""
    if not path.is_file():
        return {}
    value = json_value(decode_file(read_bytes(path), path), path)
    return value if isinstance(value, dict) else {}


def _add_tokens(folder: Path, reading: TokenizerFile) -> None:
    """Add the tokens in the folder's other files to those of a SentencePiece model."""
    # By id: the text, and whether the token is special. The older file does not say so; the newer one wins.
    added_tokens: dict[int, tuple[str, bool]] = {}
    for text, i in _read_config(folder / "added_tokens.json").items():
        if is_id(i):
            added_tokens[i] = (text, False)
    decoder = _read_config(folder / "tokenizer_config.json").get("added_tokens_decoder")
    for key, token in decoder.items() if isinstance(decoder, dict) else ():
        i = int(key) if key.isdecimal() and len(key) < 9 else -1  # -1 is no id; `int` of long texts is slow
        if is_id(i) and isinstance(token, dict) and isinstance(token.get("content"), str):
            added_tokens[i] = (token["content"], bool(token.get("special")))
    for i, (text, special) in added_tokens.items():
        reading.tokens.extend([None] * (i + 1 - len(reading.tokens)))
        reading.ids[text] = i
        reading.tokens[i] = None if special else text.encode("utf-8", "surrogatepass")


def _ends_of_folder(folder: Path, ids: Mapping[str, int]) -> list[int]:
    """Return the end tokens that the other files of a model's folder name, ascending. `ids`: ids by text."""
    # Generation stops at the union: a chat model's end of turn may be in one file, the end of text in
    # another.
    ends: set[int] = set()
    for name in ("generation_config.json", "config.json", "tokenizer_config.json", "special_tokens_map.json"):
        path = folder / name
        config = _read_config(path)
        by_id = config.get("eos_token_id")
        if by_id is not None:
            ends.update(end_ids(by_id, ids, str(path)))
        by_text = config.get("eos_token")
        if isinstance(by_text, dict):
            by_text = by_text.get("content")
        if by_text is not None:
            ends.update(end_ids(by_text, ids, str(path)))
    return sorted(ends)
