"""Reads Mistral's `tekken.json`: byte-pair ranks in base64, after a number of special tokens.

The ids 0 to default_num_special_tokens - 1 are special. The tokens of `vocab` follow, in order of their
ranks. The file may contain more of them than the tokenizer uses: its size is default_vocab_size.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import Any, Final

from structgen.base.errors import TokenizerError
from structgen.tokens.tokenizer_reading import END_TEXTS, TokenizerFile, is_id

_CURE: Final = "Pass a tekken.json as Mistral publishes it."
_UNNAMED: Final = ("v3", "v7")
"""Versions whose files may omit the special tokens; then these are used."""
_SPECIAL: Final = (
    *("<unk>", "<s>", "</s>", "[INST]", "[/INST]", "[AVAILABLE_TOOLS]", "[/AVAILABLE_TOOLS]"),
    *("[TOOL_RESULTS]", "[/TOOL_RESULTS]", "[TOOL_CALLS]", "[IMG]", "<pad>", "[IMG_BREAK]", "[IMG_END]"),
    *("[PREFIX]", "[MIDDLE]", "[SUFFIX]", "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]", "[TOOL_CONTENT]"),
)


def is_tekken(file: Any) -> bool:
    """Return whether the value of a JSON file is a Tekken tokenizer, complete or not."""
    return isinstance(file, dict) and "model" not in file and isinstance(file.get("config"), dict)


def read_tekken(file: Any) -> TokenizerFile:
    """Return the contents of the file, from its JSON value. Raises TokenizerError, which names the faulty
    member."""
    if not is_tekken(file):
        raise _file_error("the configuration is missing.", "config")
    config = file["config"]
    pattern = config.get("pattern")
    if not isinstance(pattern, str):
        raise _file_error("the pattern that splits a text is missing.", "config/pattern")
    size = _read_count(config, "default_vocab_size")
    special = _read_count(config, "default_num_special_tokens")
    vocab = file.get("vocab")
    if not isinstance(vocab, list):
        raise _file_error("the vocabulary is missing.", "vocab")
    if not special <= size <= special + len(vocab):
        raise _file_error(
            f"the file declares {size:,} tokens, {special:,} of them special, but contains "
            f"{len(vocab):,} others.",
            "config/default_vocab_size",
        )
    tokens = _read_ranked_tokens(vocab[: size - special])
    ids = _special_ids(file, special)
    return _build_contents(tokens, special, ids, pattern)


def read_tekkenizer(tekkenizer: Any) -> TokenizerFile:
    """Return the contents of a `Tekkenizer` of mistral_common; ranks and pattern are those of a
    tiktoken.Encoding."""
    special: int = tekkenizer.num_special_tokens
    encoding = tekkenizer._model
    ranks: dict[bytes, int] = encoding._mergeable_ranks
    special_texts = tekkenizer.vocab()[:special]
    ids = {text: i for i, text in enumerate(special_texts)}
    tokens = sorted(ranks, key=ranks.__getitem__)
    return _build_contents(tokens, special, ids, encoding._pat_str)


def _build_contents(
    tokens: Sequence[bytes],
    special: int,
    ids: dict[str, int],
    pattern: str,
) -> TokenizerFile:
    """Return the contents of a tokenizer: `special` special tokens come first, then `tokens` in the order of
    their ranks. `ids`: those of the special tokens by text. `pattern`: it splits a text before it is
    encoded."""
    ends = [i for text, i in ids.items() if text in END_TEXTS]
    tokens_by_id: list[bytes | None] = [None] * special + list(tokens)
    # Ids are in the order of the ranks, so they serve as ranks. Special tokens are never read from a text.
    return TokenizerFile(tokens_by_id, ids, ends, ("tiktoken", pattern, ()))


def _read_ranked_tokens(vocab: Sequence[Any]) -> list[bytes]:
    """Return the tokens in the order of their ranks. Errors: TokenizerError, which names the entry."""
    tokens: list[bytes] = []
    rank_by_token: dict[bytes, int] = {}
    for at, entry in enumerate(vocab):
        where = f"vocab/{at}"
        if not isinstance(entry, dict) or entry.get("rank") != at:
            rank = entry.get("rank") if isinstance(entry, dict) else None
            raise _file_error(f"the rank must be {at}, got {rank!r}.", f"{where}/rank")
        try:
            token = base64.b64decode(entry["token_bytes"], validate=True)
        except (KeyError, TypeError, ValueError, binascii.Error) as error:
            raise _file_error("the bytes in base64 are missing.", f"{where}/token_bytes") from error
        if at < 256 and token != bytes([at]):
            raise _file_error(
                f"the token must be a single byte, as the first 256 are, got {token!r}.",
                f"{where}/token_bytes",
            )
        # Two ranks of the same bytes: no text could say which of them it is.
        first_rank = rank_by_token.setdefault(token, at)
        if first_rank != at:
            raise _file_error(
                f"the token has the same bytes as the token of rank {first_rank}.", f"{where}/token_bytes"
            )
        tokens.append(token)
    if len(tokens) < 256:
        raise _file_error(f"the file has {len(tokens)} tokens, but the first 256 must be the bytes.", "vocab")
    return tokens


def _special_ids(file: dict[str, Any], count: int) -> dict[str, int]:
    """Return the ids of the `count` special tokens by their texts. Errors: TokenizerError."""
    special_tokens = file.get("special_tokens")
    version = file["config"].get("version")
    if special_tokens is None:
        if version not in _UNNAMED:
            raise _file_error(
                f"a file of version {version!r} must name its special tokens.", "special_tokens"
            )
        special_tokens = [{"rank": rank, "token_str": text} for rank, text in enumerate(_SPECIAL)]
    if not isinstance(special_tokens, list):
        raise _file_error("must be an array.", "special_tokens")
    ids: dict[str, int] = {}
    for at, entry in enumerate(special_tokens):
        members = entry if isinstance(entry, dict) else {}  # an entry of another type lacks both
        rank = members.get("rank")
        text = members.get("token_str")
        where = f"special_tokens/{at}"
        if type(rank) is not int or not 0 <= rank < count or rank in ids.values():
            raise _file_error(f"{rank!r} is not a unique rank below {count:,}.", f"{where}/rank")
        if not isinstance(text, str) or text in ids:
            raise _file_error(f"{text!r} is not a unique text.", f"{where}/token_str")
        ids[text] = rank
    # Ranks that no entry names are reserved; the names are those that mistral_common gives them.
    for i in range(len(special_tokens), count):
        ids.setdefault(f"<SPECIAL_{i}>", i)
    return ids


def _read_count(config: dict[str, Any], name: str) -> int:
    value: Any = config.get(name)
    if not is_id(value):
        raise _file_error(f"{value!r} is not a number of tokens.", f"config/{name}")
    return int(value)


def _file_error(fault: str, where: str) -> TokenizerError:
    return TokenizerError(fault, where=f"tekken.json: /{where}", cure=_CURE)
