"""Kernels compiled for GPUs that are not there: what their assembly says. For test_kernel_assembly.py."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

WIDTH, WORDS = 128_256, 4_008
"""The vocabulary of Llama 3: its rows of bfloat16 and its rows of mask bytes begin at multiples of 16."""

ALIGNED = [["tt.divisibility", 16]]


@dataclass(frozen=True)
class Compiled:
    """What a kernel became for one architecture."""

    ptx: str
    usage: dict[str, int]
    """Registers and bytes that a thread or block uses, as cuobjdump says: REG, STACK, SHARED, LOCAL, ..."""

    def accesses(self, what: str) -> list[str]:
        """Return the widths of the accesses `what` (ld.global, st.global): "v4.b32", "b8", ..."""
        return re.findall(rf"\b{re.escape(what)}(?:\.L\w+::\w+)*\.((?:v\d\.)?[bu]\d+)", self.ptx)


def compiled(kernel: Any, arch: int, folder: Path, warps: int = 4, **arguments: Any) -> Compiled:
    """Compile a kernel for an architecture as a launch with these arguments would.

    An argument is a pointer type ("*bf16"), an integer or a float; integers are specialised as Triton does:
    1 becomes a constant, a multiple of 16 is known to be one.
    """
    constants = {p.name for p in kernel.params if p.is_constexpr}
    signature, values, attributes = {}, {}, {}
    for at, name in enumerate(kernel.arg_names):
        value = arguments[name]
        if name in constants or value == 1:
            signature[name], values[(at,)] = "constexpr", value
            continue
        signature[name] = value if isinstance(value, str) else "i32" if abs(value) < 2**31 else "i64"
        if isinstance(value, str) or value % 16 == 0:
            attributes[(at,)] = ALIGNED
    source = ASTSource(fn=kernel, signature=signature, constexprs=values, attrs=attributes)
    made = triton.compile(source, target=GPUTarget("cuda", arch, 32), options={"num_warps": warps})
    file = folder / f"{kernel.fn.__name__}_{arch}.cubin"
    file.write_bytes(made.asm["cubin"])
    tool = Path(triton.__file__).parent / "backends" / "nvidia" / "bin" / "cuobjdump"
    said = subprocess.run([tool, "--dump-resource-usage", file], capture_output=True, text=True, check=True)
    usage = {name: int(size) for name, size in re.findall(r"\b([A-Z]+):(\d+)", said.stdout)}
    return Compiled(made.asm["ptx"], usage)


def layout(rows: int = 0, has_rows: bool = False) -> dict[str, Any]:
    """Return the arguments that all kernels on logits share."""
    return {
        "rows": "*i64",
        "store": "*u8",
        "overlays": "*u8",
        "indices": "*i32",
        "logit_rows": 256,
        "width": WIDTH,
        "row_stride": WIDTH,
        "column_stride": 1,
        "store_rows": 5000,
        "overlay_rows": 3,
        "store_stride": 4 * WORDS,
        "overlay_stride": 4 * WORDS,
        "row_bytes": 4 * WORDS,
        "HAS_ROWS": has_rows,
        "ROWS": rows,
    }


def integers_of(dtype: torch.dtype) -> tuple[str, int]:
    """Return the pointer type with which a float type is masked, and the bits of minus infinity."""
    as_integer, name = {2: (torch.int16, "*i16"), 4: (torch.int32, "*i32")}[dtype.itemsize]
    return name, int(torch.tensor(float("-inf"), dtype=dtype).view(as_integer).item())
