"""The cache of models whose logits are a function of the text: its tokens."""

from __future__ import annotations


class TokenCache:
    """The tokens that a model has read."""

    def __init__(self, tokens: list[int]) -> None:
        self.tokens = tokens

    @property
    def nbytes(self) -> int:
        return 8 * len(self.tokens)

    def copy(self) -> TokenCache:
        return TokenCache(list(self.tokens))
