"""Noise for sampling, as a function of what is sampled: the caller's seed, sample, position and token.

Nothing of the batch enters, so that a request gives the same tokens alone and among others, and a draft can
be verified with the noise that plain decoding would have used. The bits are SplitMix64's (Steele, Lea, Flood:
Fast splittable pseudorandom number generators, 2014), the noise is Gumbel's: the arg max of logits plus noise
is a draw from their softmax.
"""

from __future__ import annotations

import torch
from torch import Tensor

_GOLDEN = 0x9E3779B97F4A7C15
_FIRST, _SECOND = 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
_WORD = (1 << 64) - 1


def signed(word: int) -> int:
    """Return the signed integer with the bits of a 64-bit word."""
    return word - (1 << 64) if word >> 63 else word


def _mixed(word: int) -> int:
    word = ((word ^ (word >> 30)) * _FIRST) & _WORD
    word = ((word ^ (word >> 27)) * _SECOND) & _WORD
    return word ^ (word >> 31)


def sample_key(seed: int, sample: int) -> int:
    """Return the 64-bit key of one sample's noise, for `position_key`; made once for a text."""
    key = 0
    for part in (seed, sample):
        key = _mixed((key + (part & _WORD) + _GOLDEN) & _WORD)
    return key


def position_key(sample: int, position: int) -> int:
    """Return the 64-bit key of the noise at one position of a sample, whose key is given."""
    return _mixed((sample + position + _GOLDEN) & _WORD)


def stream_key(seed: int, sample: int, position: int) -> int:
    """Return the key of the noise at one position of one sample, as a signed integer, for `gumbel`."""
    return signed(position_key(sample_key(seed, sample), position))


def gumbel(keys: Tensor, tokens: Tensor) -> Tensor:
    """Return Gumbel noise for tokens: float64 of the shape that int64 `keys` and `tokens` broadcast to.

    Cost: some 40 ns an element on a CPU, so ask for the tokens that can be chosen.
    """
    word = keys + (tokens + 1) * signed(_GOLDEN)
    word = (word ^ _shifted(word, 30)) * signed(_FIRST)
    word = (word ^ _shifted(word, 27)) * signed(_SECOND)
    word = word ^ _shifted(word, 31)
    uniform = (_shifted(word, 11).to(torch.float64) + 0.5) * 2.0**-53
    return -torch.log(-torch.log(uniform))


def _shifted(word: Tensor, bits: int) -> Tensor:
    """Return a logical shift to the right; torch's own copies the sign."""
    return (word >> bits) & ((1 << (64 - bits)) - 1)
