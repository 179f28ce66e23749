"""Counter-based noise for the draw of a token, compiled: a function of seed, sample, position and index.

The batch has no influence. So a request gives the same tokens alone and in a batch, and a draft is verified
with the noise of plain decoding. `structgen_kernels.reference` defines keys, words and noise for every device
(docs/inside/kernels.md, "The draw"); its `sample_key` makes the key of a sample. This module computes the
same words, bit for bit, for compiled code on a CPU, which cannot call torch.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from structgen.native.jit import jit

TILE = 1024
"""Tokens of a tile of the draw, as in `structgen_kernels.reference`."""

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


@jit
def mixed(word: Any) -> Any:
    """Return SplitMix64's mix of a 64-bit word (Steele, Lea, Flood: Fast splittable pseudorandom number
    generators, 2014)."""
    word = (word ^ (word >> np.uint64(30))) * _FIRST
    word = (word ^ (word >> np.uint64(27))) * _SECOND
    return word ^ (word >> np.uint64(31))


@jit
def position_key(sample: Any, position: Any) -> Any:
    """Return the key of the noise at one position of a sample whose key is given; all three are uint64."""
    return mixed(sample + position + _GOLDEN)


@jit
def word_of(key: Any, index: int) -> Any:
    """Return the 64-bit word of an index. The index of a token is token + 1, of a tile -(tile + 1)."""
    return mixed(key + np.uint64(index) * _GOLDEN)


@jit
def uniform_of(key: Any, index: int) -> Any:
    """Return the uniform number of an index: 53 bits, strictly between 0 and 1."""
    return (np.float64(np.int64(word_of(key, index) >> np.uint64(11))) + 0.5) * 2.0**-53


@jit
def gumbel_of(uniform: float) -> Any:
    """Return the Gumbel noise -log(-log(uniform))."""
    return -math.log(-math.log(uniform))
