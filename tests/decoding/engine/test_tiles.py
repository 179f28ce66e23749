"""Products of rows with packed matrices: right, and each row's the same whatever rows are beside it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from structgen.base.native.jit import entry
from structgen.decoding.engine.forward_pass.llama import _packed
from structgen.decoding.engine.forward_pass.tiles import MOST_ROWS, PANEL
from structgen.decoding.engine.forward_pass.tiles import product as _product


@entry("void(int64, int64, int64, int64, int64, int64, boolean, int64)")
def _run(x: int, step: int, rows: int, depth: int, weights: int, columns: int, half: bool, out: int) -> None:
    _product(x, step, rows, depth, weights, columns, half, out)


def multiplied(x: Any, matrix: Any, half: bool) -> Any:
    """Return the products [rows, columns]; numbers behind them must stay as they are."""
    packed = _packed(matrix, half)
    out = np.full((len(x) + 1, len(matrix)), 7.0, np.float32)
    _run(
        x.ctypes.data, x.strides[0], len(x), x.shape[1], packed.ctypes.data, len(matrix), half,
        out.ctypes.data,
    )  # fmt: skip
    assert (out[-1] == 7.0).all()
    return out[:-1]


@pytest.mark.parametrize("half", [False, True], ids=["float32", "bfloat16"])
@pytest.mark.parametrize("panels", [1, 2, 3, 5])
def test_a_row_is_multiplied_alike_alone_and_among_any_others(panels: int, half: bool) -> None:
    random = np.random.default_rng(panels)
    most = 2 * MOST_ROWS + 3
    x = random.standard_normal((most, 48)).astype(np.float32)
    matrix = (
        torch.from_numpy(random.standard_normal((panels * PANEL, 48)).astype(np.float32)).bfloat16().float()
    )
    alone = np.concatenate([multiplied(x[row : row + 1], matrix, half) for row in range(most)])
    assert np.allclose(alone, x @ matrix.numpy().T, atol=1e-4)
    for rows in range(1, most + 1):
        for start in {0, most - rows}:
            assert np.array_equal(
                multiplied(x[start : start + rows], matrix, half), alone[start : start + rows]
            ), (rows, start)
