"""Checks of arguments, shared by the launchers, and the choice between Triton and plain torch.

A check never waits for the GPU. Values in main memory are checked; values on the GPU are not (the kernels
have a defined result for bad values; each launcher's docstring says which).
"""

from __future__ import annotations

import functools
import importlib.util
import math
import os
import warnings
from collections.abc import Sequence
from typing import TypeAlias

import torch
from torch import Tensor

from structgen_kernels.errors import KernelError

FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
INTEGERS = (torch.int32, torch.int64)
MOST_ROWS = 8
"""The most rows of a mask store whose union is one mask."""

Integers: TypeAlias = Tensor | Sequence[int]
Numbers: TypeAlias = Tensor | float | Sequence[float]


def runs_triton(device: torch.device) -> bool:
    """Return whether a launcher runs its Triton kernel for tensors on `device`, or else torch operations.

    On a GPU: if Triton is installed; if not, a RuntimeWarning says so once. In main memory: only under
    Triton's interpreter (`TRITON_INTERPRET=1`), which is for tests.
    """
    if device.type == "cuda":
        if not _has_triton():
            _say_without_triton()
        return _has_triton()
    return device.type == "cpu" and os.environ.get("TRITON_INTERPRET") == "1" and _has_triton()


@functools.cache
def _has_triton() -> bool:
    return importlib.util.find_spec("triton") is not None


@functools.cache
def _say_without_triton() -> None:
    warnings.warn(
        "structgen_kernels: Triton is not installed, so plain torch operations are used on the GPU; they are "
        "several times slower. Install it with: pip install triton",
        RuntimeWarning,
        stacklevel=4,
    )


def said(tensor: object) -> str:
    """Return a description of a tensor for a message."""
    if not isinstance(tensor, Tensor):
        return f"a {type(tensor).__name__}"
    return f"{str(tensor.dtype).removeprefix('torch.')} {list(tensor.shape)} on {tensor.device}"


def check_logits(logits: Tensor) -> None:
    """Raise KernelError unless `logits` are floats [rows, V]. Any strides are allowed, but two logits must
    not share memory."""
    if not isinstance(logits, Tensor) or logits.ndim != 2 or logits.dtype not in FLOATS:
        raise KernelError(
            f"Logits are a float16, bfloat16, float32 or float64 tensor [rows, V], not {said(logits)}.",
            where="logits",
            cure="Pass logits.float(), with one row for each request.",
        )
    if logits.shape[1] == 0:
        raise KernelError(
            "The rows have no tokens.", where="logits", cure="Pass logits with at least one column."
        )


def check_written(logits: Tensor) -> None:
    """Raise KernelError if `logits`, which are written in place, contain a memory element twice or require
    gradients: autograd does not see the writes of a kernel."""
    (rows, width), (row, column) = logits.shape, logits.stride()
    # two elements share memory if r rows up equals c columns to the side; these are the least such r and c
    common = math.gcd(row, column)
    r, c = (column // common, row // common) if common else (1, 1)
    if (r < rows and c < width) or (common == 0 and rows * width > 1):
        raise KernelError(
            f"The strides are {logits.stride()}: elements share memory, which cannot be masked in place.",
            where="logits",
            cure="Pass logits.contiguous().",
        )
    if logits.requires_grad and torch.is_grad_enabled():
        raise KernelError(
            "They require gradients, and autograd would not know that they were masked.",
            where="logits",
            cure="Pass logits.detach(), or run the model under torch.inference_mode().",
        )


def check_mask(mask: Tensor, device: torch.device, name: str) -> None:
    """Raise KernelError unless `mask` is int32 [rows, words] on `device`, with the words of a row
    adjacent."""
    if not isinstance(mask, Tensor) or mask.ndim != 2 or mask.dtype != torch.int32:
        raise KernelError(
            f"A mask is an int32 tensor [rows, ceil(V / 32)], not {said(mask)}.",
            where=name,
            cure="Pass sg.allocate_mask(rows, vocab_size).torch(), copied to the device of the logits.",
        )
    if mask.device != device:
        raise KernelError(
            f"It is on {mask.device} and the logits are on {device}.",
            where=name,
            cure=f"Copy it first: {name}.to({str(device)!r}, non_blocking=True).",
        )
    if mask.shape[0] and mask.shape[1] > 1 and mask.stride(1) != 1:
        raise KernelError(
            f"Its strides are {mask.stride()}; the words of a row must lie side by side.",
            where=name,
            cure=f"Pass {name}.contiguous().",
        )


def integers(
    values: Integers,
    shape: tuple[int, ...],
    device: torch.device,
    name: str,
    low: int,
    high: int,
    cure: str,
    dtype: torch.dtype = torch.int32,
) -> Tensor:
    """Return integers [*shape] on `device`, converted to `dtype` unless they are there already.

    Values in main memory are checked to be at least `low` and below `high`.
    """
    if not isinstance(values, Tensor):
        try:
            values = torch.tensor(values) if len(values) else torch.zeros(0, dtype=torch.int64)
        except (TypeError, ValueError, RuntimeError) as error:
            raise KernelError(
                f"It holds no integers {list(shape)}: {error}.", where=name, cure=cure
            ) from error
    if values.dtype not in INTEGERS or tuple(values.shape) != shape:
        raise KernelError(
            f"It is {said(values)}, and int32 or int64 {list(shape)} is needed.", where=name, cure=cure
        )
    if values.device.type == "cpu" and values.numel():
        least, most = int(values.min()), int(values.max())
        if least < low or most >= high:
            raise KernelError(
                f"It holds {least if least < low else most}; the values are {low} to {high - 1}.",
                where=name,
                cure=cure,
            )
    elif values.device != device and values.numel():
        raise KernelError(
            f"It is on {values.device} and the logits are on {device}.",
            where=name,
            cure=f"Pass {name}.to({str(device)!r}).",
        )
    if values.device != device:
        return values.to(dtype).to(device, non_blocking=True)
    return values if values.is_contiguous() else values.contiguous()


def numbers(
    values: Numbers,
    count: int,
    device: torch.device,
    name: str,
    dtype: torch.dtype,
    low: float,
    high: float,
    cure: str,
) -> Tensor:
    """Return one number for each of `count` rows, of `dtype` on `device`; a single number is used for all
    rows.

    Values in main memory are checked to be between `low` and `high`, inclusive. A tensor of the right type
    and device is not copied.
    """
    is_whole = not dtype.is_floating_point
    if isinstance(values, (int, float)):
        if not low <= values <= high or (is_whole and values != int(values)):
            whole = "whole numbers " if is_whole else ""
            raise KernelError(
                f"It is {values}; the values are {whole}{low} to {high}.", where=name, cure=cure
            )
        return torch.full((count,), values, dtype=dtype, device=device)
    if not isinstance(values, Tensor):
        try:
            listed = list(values)
            values = torch.tensor(listed) if listed else torch.zeros(0, dtype=dtype)
        except (TypeError, ValueError, RuntimeError) as error:
            raise KernelError(f"It holds no numbers: {error}.", where=name, cure=cure) from error
    kinds = INTEGERS if is_whole else (*INTEGERS, *FLOATS)
    if tuple(values.shape) != (count,) or values.dtype not in kinds:
        what = "whole number" if is_whole else "number"
        raise KernelError(
            f"It is {said(values)}, and one {what} for each of {count} rows is needed.", where=name, cure=cure
        )
    if values.device.type == "cpu":
        wrong = values[~((values >= low) & (values <= high))]
        if len(wrong):
            raise KernelError(
                f"It holds {wrong[0].item()}; the values are {low} to {high}.", where=name, cure=cure
            )
    elif values.device != device:
        raise KernelError(
            f"It is on {values.device} and the logits are on {device}.",
            where=name,
            cure=f"Pass {name}.to({str(device)!r}).",
        )
    return values.to(device=device, dtype=dtype, non_blocking=True).contiguous()
