"""Functions of fixed shape that run again and again: captured as CUDA graphs on CUDA, called elsewhere.

A CUDA graph records the kernels that a function starts, with the addresses of their tensors. A replay starts
all of them in about 10 us; Python takes about 10 us for each. So the function reads its changing inputs from
static tensors, and returns the same tensor each time.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Hashable
from typing import ClassVar, TypeAlias

import torch
from torch import Tensor

_MOST = 64
"""The most graphs that are kept; the oldest captures are dropped first."""
_WARM = 2
"""Runs before a capture. They compile kernels and allocate the workspaces of libraries."""

Function: TypeAlias = Callable[[], Tensor]


class Graphs:
    """Functions of static tensors, each captured at its first call.

    If a capture fails (an operation that waits for the device, or no memory), that function is called without
    a graph from then on, and one RuntimeWarning says so. Not thread-safe.
    """

    _has_warned: ClassVar[bool] = False

    def __init__(self, device: torch.device, capture: Callable[[Function], Function] | None = None) -> None:
        """`capture` returns a callable that replays a function; by default a CUDA graph on a CUDA device,
        elsewhere the function itself."""
        if capture is None and device.type == "cuda":
            self._pool = torch.cuda.graph_pool_handle()
            capture = self._captured
        self._capture = capture
        self._known: dict[Hashable, Function] = {}

    def run(self, key: Hashable, function: Function) -> Tensor:
        """Return the result of `function`. The first call with a `key` captures it; later calls replay it.

        All functions of one key must read and write the same tensors, and running one twice must be the same
        as running it once. All captures share the memory of intermediate results: the next run of any key
        overwrites a result, unless the function writes it to memory of its own.
        """
        replay = self._known.get(key)
        if replay is None:
            replay = function
            if self._capture is not None:
                try:
                    replay = self._capture(function)
                except RuntimeError as error:  # torch's error for a failed capture or missing memory
                    self._warn(error)
            if len(self._known) >= _MOST:
                del self._known[next(iter(self._known))]
            self._known[key] = replay
        return replay()

    def forget(self) -> None:
        """Drop all graphs: the tensors that they read are gone."""
        self._known = {}

    def _captured(self, function: Function) -> Function:
        """Capture a function on CUDA; return what replays it."""
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(_WARM):
                function()
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self._pool):
            found = function()

        def replay() -> Tensor:
            graph.replay()
            return found

        return replay

    @classmethod
    def _warn(cls, error: RuntimeError) -> None:
        if cls._has_warned:
            return
        cls._has_warned = True
        told = str(error).partition("\n")[0]
        warnings.warn(
            f"A step could not be captured as a CUDA graph ({told}); it runs kernel by kernel, which takes "
            "more of the processor's time. Install Triton for the kernels of structgen, or leave graphs out.",
            RuntimeWarning,
            stacklevel=4,
        )


def bucket(count: int) -> int:
    """Return the number of rows, rounded up to a power of two."""
    return 1 << max(count - 1, 0).bit_length()
