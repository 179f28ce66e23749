"""A model of bytes for benches: an n-gram model with interpolated orders (Witten and Bell 1991), as the
engine runs it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import torch

import structgen as sg

BYTES = sg.Tokenizer.from_bytes([*(bytes((one,)) for one in range(256)), b"<end>"], eos_token_id=256)
"""Each byte is a token; the last one ends a text."""


class TokenCache:
    """A cache: the tokens that were read."""

    def __init__(self, tokens: Sequence[int]) -> None:
        self.tokens = list(tokens)

    @property
    def nbytes(self) -> int:
        return 8 * len(self.tokens)

    def copy(self) -> TokenCache:
        return TokenCache(self.tokens)


class NgramModel:
    """The model of some texts; each ends with the end token."""

    vocab_size, context = BYTES.vocab_size, 1 << 20

    def __init__(self, texts: Iterable[bytes], orders: Sequence[int] = (0, 1, 2, 3, 4, 6, 8, 12)) -> None:
        self._orders = orders
        self._counts: dict[bytes, dict[int, int]] = {}
        for text in texts:
            for at in range(len(text) + 1):
                token = text[at] if at < len(text) else BYTES.eos_token_ids[0]
                for order in orders:
                    if order <= at:
                        seen = self._counts.setdefault(text[at - order : at], {})
                        seen[token] = seen.get(token, 0) + 1

    def law(self, text: bytes) -> np.ndarray:
        """Return the law of the next token behind a text, float64 [257]."""
        found = np.full(self.vocab_size, 1 / self.vocab_size)
        for order in self._orders:
            seen = self._counts.get(text[len(text) - order :]) if order <= len(text) else None
            if seen is None:
                break
            total = sum(seen.values())
            found *= len(seen) / (total + len(seen))
            for token, count in seen.items():
                found[token] += count / (total + len(seen))
        return found

    def _row(self, tokens: Sequence[int]) -> torch.Tensor:
        most = max(self._orders)
        return torch.tensor(np.log(self.law(bytes(tokens[-most:]))), dtype=torch.float32)

    def prefill(self, tokens: Sequence[int]) -> tuple[torch.Tensor, TokenCache]:
        """Read a prompt."""
        return self._row(tokens), TokenCache(tokens)

    def decode(self, tokens: Sequence[int], caches: Sequence[TokenCache]) -> torch.Tensor:
        """Read a token of each text."""
        for token, cache in zip(tokens, caches, strict=True):
            cache.tokens.append(token)
        return torch.stack([self._row(cache.tokens) for cache in caches])
