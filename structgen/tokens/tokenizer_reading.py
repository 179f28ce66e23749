"""`TokenizerFile`: the result of every reader of tokenizer files.

A *reader* is a function from one kind of file or object to a TokenizerFile. An *end token* ends a model's
answer.
"""

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
"""Texts of special tokens that end a model's answer, for files that do not name their end tokens."""


MOST_IDS: Final = 1 << 24
"""The first number that is not accepted as an id. No model has so many ids: a file with a larger one is
damaged, and must not use up all memory."""


def is_id(value: object) -> bool:
    """Return whether a value of a file can be a token's id."""
    return type(value) is int and 0 <= value < MOST_IDS


class TokenizerFile(NamedTuple):
    """The contents of a tokenizer file."""

    tokens: list[bytes | None]
    """Bytes by id; None for special tokens, the unknown token and unused ids."""
    ids: dict[str, int]
    """Ids by the token's text in the file."""
    likely_ends: list[int]
    """The end tokens that the file names; if it names none, special tokens whose text is in END_TEXTS."""
    encoder: Form
    """The form of an encoder (structgen.tokens.encoders) of plain text."""
