"""Masking, kernel against twin. Run by test_kernels.py with TRITON_INTERPRET=1, in a process of its own."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from interpreting import masks
from structgen_kernels import KernelError, apply_mask_, apply_store_mask_, checks, masking, reference
from structgen_kernels.checks import runs_triton
from structgen_kernels.launching import Plan
from torch import Tensor

FLOATS = [torch.float16, torch.bfloat16, torch.float32, torch.float64]
BITS = {2: torch.int16, 4: torch.int32, 8: torch.int64}


def raw(logits: Tensor) -> Tensor:
    """Return the bits, for which NaN equals NaN."""
    return logits.contiguous().view(BITS[logits.element_size()])


def slowly_masked(logits: Tensor, mask: Tensor) -> Tensor:
    """Return what masking must give, by numpy's own reading of bits."""
    bits = np.unpackbits(mask.contiguous().numpy().view(np.uint8), axis=1, bitorder="little").astype(bool)
    out = logits.clone()
    for row in range(len(out)):
        for token in range(out.shape[1]):
            if token >= bits.shape[1] or not bits[row, token]:
                out[row, token] = float("-inf")
    return out


def test_the_kernel_runs_under_the_interpreter() -> None:
    assert runs_triton(torch.device("cpu"))


def test_a_gpu_without_triton_takes_the_twin_and_says_so_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "_has_triton", lambda: False)
    checks._say_without_triton.cache_clear()
    with pytest.warns(RuntimeWarning, match="pip install triton"):
        assert not runs_triton(torch.device("cuda"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not runs_triton(torch.device("cuda"))


def test_the_twin_masks_as_the_bits_say() -> None:
    logits = torch.randn(5, 77)
    mask = masks(5, 70, 0.5)
    assert torch.equal(reference.apply_mask_(logits.clone(), mask), slowly_masked(logits, mask))


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize("width", [1, 31, 129, 9001])
def test_kernel_and_twin_are_equal_over_types_and_widths(dtype: torch.dtype, width: int) -> None:
    torch.manual_seed(width)
    logits = torch.randn(6, width).to(dtype)
    logits[0, width // 2], logits[1, -1], logits[2, 0] = float("nan"), float("inf"), float("-inf")
    for share in (0.0, 0.02, 0.5, 0.98, 1.0):
        mask = masks(6, width, share)
        ours, twin = logits.clone(), logits.clone()
        assert apply_mask_(ours, mask) is ours
        assert torch.equal(raw(ours), raw(reference.apply_mask_(twin, mask)))


@pytest.mark.parametrize("count", [0, 1, 2, 257])
def test_batches_of_any_size(count: int) -> None:
    logits, mask = torch.randn(count, 70), masks(count, 70, 0.5)
    expected = reference.apply_mask_(logits.clone(), mask)
    assert torch.equal(apply_mask_(logits, mask), expected)


@pytest.mark.parametrize(
    "view",
    [
        lambda t: t[:, 1:],
        lambda t: t[:, 3:-2],
        lambda t: t[::2],
        lambda t: t[:, ::3],
        lambda t: t.t(),
    ],
    ids=["misaligned", "inside", "every second row", "every third column", "transposed"],
)
def test_views_of_any_strides_are_masked_and_nothing_around_them(view) -> None:  # type: ignore[no-untyped-def]
    base = torch.randn(65, 66)
    expected = base.clone()
    ours = view(base)
    mask = masks(len(ours), ours.shape[1], 0.5)
    reference.apply_mask_(view(expected), mask)
    apply_mask_(ours, mask)
    assert torch.equal(base, expected)


@pytest.mark.parametrize(
    ("shape", "strides"),
    [((2, 3), (3, 2)), ((2, 9), (12, 8)), ((1, 64), (0, 1)), ((2, 1), (1, 0)), ((0, 9), (0, 0))],
)
def test_strides_that_leave_each_element_its_own_memory_are_taken(
    shape: tuple[int, int], strides: tuple[int, int]
) -> None:
    logits = torch.zeros(200).as_strided(shape, strides)
    apply_mask_(logits, torch.zeros(shape[0], 2, dtype=torch.int32))
    assert torch.isinf(logits).all()


@pytest.mark.parametrize("words", [0, 1, 2, 5])
def test_tokens_past_the_end_of_a_mask_are_not_allowed_and_bits_past_the_logits_ignored(words: int) -> None:
    base = torch.randn(3, 110)
    kept, logits = base.clone(), base[:, :100]
    apply_mask_(logits, torch.full((3, words), -1, dtype=torch.int32))
    assert torch.isinf(logits[:, 32 * words :]).all()
    assert torch.equal(logits[:, : 32 * words], kept[:, : min(32 * words, 100)])
    assert torch.equal(base[:, 100:], kept[:, 100:])


def test_a_mask_may_be_a_view_with_its_own_row_stride() -> None:
    wide = masks(8, 32 * 9, 0.5)
    for mask in (wide[::2, 1:4], wide[:4, ::9]):
        logits = torch.randn(4, 90)
        expected = slowly_masked(logits, mask)
        assert torch.equal(apply_mask_(logits, mask), expected)


def test_only_the_rows_that_are_named_are_masked() -> None:
    logits, mask = torch.randn(7, 50), masks(3, 50, 0.5)
    expected = logits.clone()
    expected[[5, 0, 2]] = slowly_masked(logits[[5, 0, 2]], mask)
    for rows in ([5, 0, 2], torch.tensor([5, 0, 2]), torch.tensor([5, 0, 2], dtype=torch.int32)):
        assert torch.equal(apply_mask_(logits.clone(), mask, rows), expected)


def test_rows_that_lie_past_two_to_the_31st_element_are_masked() -> None:
    """The storage is 4 GiB of addresses; only a few pages of it are ever touched."""
    stride = 2**30 + 5
    storage = torch.empty(2 * stride + 70, dtype=torch.float16)
    logits = storage.as_strided((3, 70), (stride, 1))
    logits.fill_(1.0)
    mask = masks(3, 70, 0.5)
    expected = slowly_masked(logits.clone(), mask)
    assert torch.equal(apply_mask_(logits, mask), expected)
    # columns far apart
    columns = storage.as_strided((2, 3), (1, stride))
    columns.fill_(1.0)
    apply_mask_(columns, torch.tensor([[5], [3]], dtype=torch.int32))
    never = float("-inf")
    assert columns.tolist() == [[1.0, never, 1.0], [1.0, 1.0, never]]


def test_rows_of_a_store_past_two_to_the_31st_byte_are_read() -> None:
    stride = 2**28 + 5
    rows = torch.empty(2 * stride + 3, dtype=torch.int32).as_strided((3, 3), (stride, 1))
    rows.copy_(masks(3, 70, 0.5))
    logits, indices = torch.randn(2, 70), torch.tensor([[2], [5]])
    expected = slowly_masked(logits, rows[[2, 2]])
    assert torch.equal(apply_store_mask_(logits, rows, indices, rows), expected)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32], ids=str)
@pytest.mark.parametrize("count", [1, 3, 8])
def test_unions_of_store_rows_are_those_of_the_twin(dtype: torch.dtype, count: int) -> None:
    store, overlays = masks(11, 300, 0.2, seed=1), masks(3, 300, 0.2, seed=2)
    logits = torch.randn(9, 300).to(dtype)
    indices = torch.from_numpy(np.random.default_rng(count).integers(-1, 14, (9, count)))
    ours, twin = logits.clone(), logits.clone()
    apply_store_mask_(ours, store, indices, overlays)
    reference.apply_store_mask_(twin, store, indices, overlays)
    assert torch.equal(raw(ours), raw(twin))
    # the union by hand
    rows = torch.cat((store, overlays))
    for line in range(9):
        union = np.bitwise_or.reduce(
            [rows[i].numpy() for i in indices[line].tolist() if i >= 0] or [rows[0].numpy() * 0]
        )
        assert torch.equal(
            ours[line : line + 1], slowly_masked(logits[line : line + 1], torch.from_numpy(union)[None])
        )


def test_a_line_that_names_no_row_allows_nothing_and_lines_may_be_for_some_rows() -> None:
    store = torch.full((2, 2), -1, dtype=torch.int32)
    logits = torch.zeros(4, 64)
    apply_store_mask_(logits, store, torch.tensor([-1, 1], dtype=torch.int32), rows=[3, 1])
    assert torch.isinf(logits[3]).all() and not torch.isinf(logits[:3]).any()
    # a store may have no rows yet
    apply_store_mask_(logits, store[:0], torch.full((4, 2), -1), store)
    assert torch.isinf(logits).all()


def test_numbers_that_name_no_row_allow_nothing_and_rows_that_are_not_there_are_skipped() -> None:
    """On a GPU indices and rows are not checked; the kernel is launched past the check here."""
    store = torch.full((2, 2), -1, dtype=torch.int32)
    logits = torch.zeros(3, 64)
    rows, indices = torch.tensor([2, 9, -1]), torch.tensor([[4, -7]] * 3)
    masking._launch(Plan(), logits, rows, store, store, indices)
    assert torch.isinf(logits[2]).all() and not torch.isinf(logits[:2]).any()
    twin = torch.zeros(3, 64)
    reference.apply_store_mask_(twin, store, indices, store, rows)
    assert torch.equal(logits, twin)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"logits": torch.zeros(2, 64, dtype=torch.int32)}, "logits.*not int32"),
        ({"logits": torch.zeros(64)}, r"logits.*\[rows, V\]"),
        ({"logits": torch.zeros(2, 0)}, "no tokens"),
        ({"logits": torch.zeros(1, 64).expand(2, 64)}, "share memory"),
        ({"logits": torch.zeros(2, 1).expand(2, 64)}, "share memory"),
        ({"logits": torch.zeros(1, 1).expand(2, 64)}, "share memory"),
        ({"logits": torch.zeros(99).as_strided((2, 64), (6, 1))}, "share memory"),
        ({"logits": torch.zeros(999).as_strided((3, 64), (12, 8))}, "share memory"),
        ({"logits": torch.zeros(2, 64, requires_grad=True)}, "require gradients"),
        ({"logits": np.zeros((2, 64))}, "logits.*not a ndarray"),
        ({"mask": np.zeros((2, 2), np.int32)}, "mask.*not a ndarray"),
        ({"mask": torch.zeros(2, 2, dtype=torch.int64)}, "mask.*not int64"),
        ({"mask": torch.zeros(2, dtype=torch.int32)}, r"mask.*not int32 \[2\]"),
        ({"mask": torch.zeros(3, 2, dtype=torch.int32)}, "3 rows, and the logits have 2"),
        ({"mask": torch.zeros(2, 4, dtype=torch.int32)[:, ::2]}, "side by side"),
        ({"mask": torch.zeros(2, 2, dtype=torch.int32, device="meta")}, "mask: It is on meta"),
        ({"rows": [0]}, r"rows.*int64 \[1\]"),
        ({"rows": [0, 2]}, "rows: It holds 2"),
        ({"rows": [0, -1]}, "rows: It holds -1"),
        ({"rows": [1, 1]}, "named twice"),
        ({"rows": [0.5, 1.5]}, "rows"),
        ({"rows": torch.tensor([0.0, 1.0])}, "rows.*float32"),
    ],
)
def test_bad_input_is_named_and_mended(change: dict[str, object], words: str) -> None:
    good: dict[str, object] = {"logits": torch.zeros(2, 64), "mask": torch.zeros(2, 2, dtype=torch.int32)}
    with pytest.raises(KernelError, match=words) as raised:
        apply_mask_(**(good | change))  # type: ignore[arg-type]
    assert str(raised.value).endswith(raised.value.cure) and raised.value.cure.endswith(".")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"indices": torch.tensor([[0], [3]])}, "indices: It holds 3; the values are -1 to 2"),
        ({"indices": torch.tensor([[0], [-2]])}, "indices: It holds -2"),
        ({"indices": torch.zeros(2, 9, dtype=torch.int64)}, "9 rows; 1 to 8"),
        ({"indices": torch.zeros(2, 0, dtype=torch.int64)}, "0 rows; 1 to 8"),
        ({"indices": torch.zeros(2, 1)}, "indices.*float32"),
        ({"indices": [[0], [1]]}, "indices.*list"),
        ({"indices": torch.tensor([[0]])}, "1 rows, and the logits have 2"),
        ({"overlays": torch.zeros(1, 3, dtype=torch.int32)}, "3 words, and those of the store have 2"),
        ({"store": torch.zeros(3, 2)}, "store.*float32"),
        ({"store": torch.zeros(3, 2, dtype=torch.int32, device="meta")}, "store: It is on meta"),
        ({"overlays": torch.zeros(1, 2)}, "overlays.*float32"),
        ({"indices": torch.zeros(2, 1, dtype=torch.int32, device="meta")}, "indices: It is on meta"),
        ({"indices": torch.zeros(2, 1, 1, dtype=torch.int32)}, r"indices.*\[2, 1, 1\]"),
    ],
)
def test_bad_indices_are_named_and_mended(change: dict[str, object], words: str) -> None:
    good: dict[str, object] = {
        "logits": torch.zeros(2, 64),
        "store": torch.zeros(3, 2, dtype=torch.int32),
        "indices": torch.tensor([[0], [1]]),
    }
    with pytest.raises(KernelError, match=words) as raised:
        apply_store_mask_(**(good | change))  # type: ignore[arg-type]
    assert str(raised.value).endswith(raised.value.cure) and raised.value.cure.endswith(".")
