"""What every reader of tokenizer files returns: bytes by id, ids by text, likely end tokens, an encoder."""

from __future__ import annotations

from typing import Final, NamedTuple

from structgen.tokens.encoders import Form

END_TEXTS: Final = frozenset(
    {
        "</s>",
        "<eos>",
        "<end_of_turn>",
        "<turn|>",
        "<|end|>",
        "<|endoftext|>",
        "<|end_of_text|>",
        "<|end_of_turn|>",
        "<|end_of_sentence|>",
        "<|eom_id|>",
        "<|eos|>",
        "<|eot|>",
        "<|eot_id|>",
        "<|im_end|>",
        "<|return|>",
        "<|END_OF_TURN_TOKEN|>",
        "<\uff5cend\u2581of\u2581sentence\uff5c>",
        "[EOS]",
    }
)
"""Texts of special tokens that end a model's answer, for files that do not say which of theirs do."""


MOST_IDS: Final = 1 << 24
"""More ids than any model has: a file that names a larger one is damaged, and must not take all memory."""


def is_id(value: object) -> bool:
    """Whether a value of a file can be a token's id."""
    return type(value) is int and 0 <= value < MOST_IDS


class TokenizerFile(NamedTuple):
    """What the file of a tokenizer says."""

    tokens: list[bytes | None]
    """Bytes by id; None for special tokens, the unknown token and ids that no token has."""
    ids: dict[str, int]
    """Ids by the token's text in the file."""
    likely_ends: list[int]
    """The end tokens that the file names; where it names none, special tokens whose text is in END_TEXTS."""
    encoder: Form
    """The form of an encoder (structgen.tokens.encoders) that reads text as text: it finds no special tokens
    in it, puts no blank before it and no template around it."""
