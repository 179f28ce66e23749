"""Products of rows with packed matrices are those of the ten lines that define them."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
import torch

from structgen.base.native.jit import entry
from structgen.decoding.engine.forward_pass import tiles
from structgen.decoding.engine.forward_pass.llama import _pack_matrix
from structgen.decoding.engine.forward_pass.tiles import PANEL
from structgen.decoding.engine.forward_pass.tiles import write_products as _product

pytest.importorskip("numba")


@entry("void(int64, int64, int64, int64, int64, int64, boolean, int64)")
def _run(x: int, step: int, rows: int, depth: int, weights: int, columns: int, half: bool, out: int) -> None:
    _product(x, step, rows, depth, weights, columns, half, out)


def multiplied(x: Any, matrix: Any, half: bool) -> Any:
    """Return the products [rows, columns]; numbers behind them must stay as they are."""
    packed = _pack_matrix(matrix, half)
    out = np.full((len(x) + 1, len(matrix)), 7.0, np.float32)
    _run(
        x.ctypes.data, x.strides[0], len(x), x.shape[1], packed.ctypes.data, len(matrix), half,
        out.ctypes.data,
    )  # fmt: skip
    assert (out[-1] == 7.0).all()
    return out[:-1]


def defined(x: Any, matrix: Any) -> Any:
    """Return what the docstring of `tiles` defines."""
    lines = re.findall(r"(?m)^ {4}(.*)$", tiles.__doc__ or "")
    scope: dict[str, Any] = {"np": np}
    exec("\n".join(lines), scope)
    return scope["product"](x, matrix.numpy())


@pytest.mark.parametrize("half", [False, True], ids=["float32", "bfloat16"])
@pytest.mark.parametrize("panels", [1, 2, 3, 5])
def test_each_row_is_its_defined_product_to_the_bit_whatever_rows_are_beside_it(
    panels: int, half: bool
) -> None:
    random = np.random.default_rng(panels)
    most = 2 * 8 + 3
    x = random.standard_normal((most, 48)).astype(np.float32)
    matrix = torch.from_numpy(random.standard_normal((panels * PANEL, 48)).astype(np.float32))
    matrix = matrix.bfloat16().float() if half else matrix
    expected = defined(x, matrix)
    for rows in range(1, most + 1):
        for start in {0, most - rows}:
            part = slice(start, start + rows)
            assert np.array_equal(multiplied(x[part], matrix, half), expected[part]), (rows, start)
