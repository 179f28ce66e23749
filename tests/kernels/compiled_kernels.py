"""Kernels compiled for GPUs that are not there: what their assembly says. For test_kernel_assembly.py.

A launcher is called with tensors in main memory, as if they were on a GPU. Triton's driver is replaced by one
that names the architecture; a launch then compiles what it would compile there, and runs nothing.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import triton
from structgen_kernels import automata, launching, masking, sampling, trees
from triton.backends.compiler import GPUTarget
from triton.compiler.compiler import CompiledKernel
from triton.runtime.jit import JITFunction

TOOL = Path(triton.__file__).parent / "backends" / "nvidia" / "bin" / "cuobjdump"
LAUNCHERS = automata, masking, sampling, trees


@dataclass(frozen=True)
class Compiled:
    """What a kernel became for one architecture."""

    ptx: str
    usage: dict[str, int]
    """Registers and bytes that a thread or block uses, as cuobjdump says: REG, STACK, SHARED, LOCAL, ..."""

    def accesses(self, what: str) -> list[str]:
        """Return the widths of the accesses `what` (ld.global, st.global): "v4.b32", "b8", ..."""
        return re.findall(rf"\b{re.escape(what)}(?:\.L\w+::\w+)*\.((?:v\d\.)?[bu]\d+)", self.ptx)


class Architecture:
    """A driver of Triton for a GPU that is not there."""

    def __init__(self, arch: int) -> None:
        self.target = GPUTarget("cuda", arch, 32)

    def get_current_target(self) -> GPUTarget:
        return self.target

    def get_current_device(self) -> int:
        return self.target.arch

    def get_current_stream(self, device: int) -> int:
        return 0


def launched(arch: int, folder: Path, call: Callable[[], object]) -> dict[str, Compiled]:
    """Return what the kernels that `call` launches become for an architecture, by their names."""
    made: dict[str, Any] = {}
    run = JITFunction.run

    def compiles(self: Any, *args: Any, grid: Any, warmup: bool, **kwargs: Any) -> Any:
        kernel = run(self, *args, grid=grid, warmup=True, **kwargs)
        made[self.fn.__name__] = kernel
        return kernel

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(triton.runtime.jit, "driver", SimpleNamespace(active=Architecture(arch)))
        patch.setattr(JITFunction, "run", compiles)
        # of a kernel that is launched again nothing is compiled
        patch.setattr(CompiledKernel, "__getitem__", lambda self, grid: lambda *given: None)
        for launcher in LAUNCHERS:
            patch.setattr(launcher, "runs_triton", lambda device: True)
        call()
    return {name: _read(kernel, folder / f"{name}_{arch}.cubin") for name, kernel in made.items()}


@contextmanager
def told_launches(arch: int = 90) -> Iterator[list[tuple[str, Any, list[Any]]]]:
    """Have launchers tell what they launch, as if a GPU were there, and compile nothing: yields a list that
    grows by the name of a kernel, what Triton specialises it for (None: it does not look again), and all
    arguments."""
    told: list[tuple[str, Any, list[Any]]] = []

    class Again:
        def __init__(self, name: str) -> None:
            self.name = name

        def __getitem__(self, grid: tuple[int, ...]) -> Any:
            assert len(grid) == 3
            return lambda *given: told.append((self.name, None, [grid[0], *given]))

    def run(self: Any, *args: Any, grid: Any, warmup: bool, **kwargs: Any) -> Any:
        bound, special, options = self.device_caches[arch][-1](*args, **kwargs)
        told.append((self.fn.__name__, (special, options), [*grid, *bound.values()]))
        return Again(self.fn.__name__)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(triton.runtime.jit, "driver", SimpleNamespace(active=Architecture(arch)))
        patch.setattr(JITFunction, "run", run)
        patch.setattr(launching, "is_planned", lambda first: True)
        for launcher in LAUNCHERS:
            patch.setattr(launcher, "runs_triton", lambda device: True)
            patch.setattr(launcher, "_PLANS", launching.Plans())
        yield told


def _read(kernel: Any, file: Path) -> Compiled:
    file.write_bytes(kernel.asm["cubin"])
    said = subprocess.run([TOOL, "--dump-resource-usage", file], capture_output=True, text=True, check=True)
    usage = {name: int(size) for name, size in re.findall(r"\b([A-Z]+):(\d+)", said.stdout)}
    return Compiled(kernel.asm["ptx"], usage)


def empty(*shape: int, dtype: torch.dtype) -> torch.Tensor:
    """Return a tensor whose memory is never touched: only its shape, type and alignment are read."""
    return torch.empty(shape, dtype=dtype)
