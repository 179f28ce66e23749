"""For the files interpreted_*.py: random masks, and Triton's interpreter made three times as fast.

Triton's interpreter replaces the functions of triton.language by its own before each call of a helper, and
looks through all of them to do so. Here it does that once in the process, which interprets from then on.
"""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import torch
import triton.language as tl
from torch import Tensor
from triton.runtime import interpreter


def replace_once() -> None:
    """Have triton.language replaced now, and not again."""
    # what looks like a function that sees both modules whose functions are replaced
    interpreter._patch_lang(SimpleNamespace(__globals__={"tl": tl, "core": tl.core}))
    interpreter._patch_lang = lambda _: SimpleNamespace(restore=lambda: None)
    # Triton 3.6 makes the bound of a loop of an array of one number, which numpy 2.4 refuses
    tl.tensor.__index__ = lambda self: int(self.handle.data.item())


replace_once()


def masks(rows: int, width: int, share: float, seed: int = 0) -> Tensor:
    """Return random mask rows; every fourth row has long runs of allowed and forbidden tokens."""
    random = np.random.default_rng(seed)
    words = -(-width // 32)
    bits = random.random((rows, words * 32)) < share
    bits[::4] = np.repeat(random.random((len(bits[::4]), words)) < share, 32, axis=1)
    return torch.from_numpy(np.packbits(bits, axis=1, bitorder="little").view(np.int32).copy())
