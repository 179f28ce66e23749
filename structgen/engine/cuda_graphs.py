"""Work of fixed shape, run again and again: on CUDA as a captured graph, elsewhere as it is.

A CUDA graph holds the kernels that a function has started, with the addresses of their tensors. Replaying it
starts all of them at once, in some 10 us, where Python takes some 10 us for each. So the function reads what
changes from step to step out of tensors that stay (static buffers), and its result is the same tensor each
time.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Hashable
from typing import ClassVar, TypeAlias

import torch
from torch import Tensor

_MOST = 64
"""Graphs that are kept; of more, the ones that were captured first go."""
_WARM = 2
"""Runs before a capture, in which kernels are compiled and libraries take their work space."""

Function: TypeAlias = Callable[[], Tensor]


class Graphs:
    """Functions of fixed tensors, each captured at its first call.

    Where a capture fails (an operation that waits for the device, no memory), that function runs as it is
    from then on, and a RuntimeWarning says so once. Not for several threads at a time.
    """

    _has_warned: ClassVar[bool] = False

    def __init__(self, device: torch.device, capture: Callable[[Function], Function] | None = None) -> None:
        """`capture` returns what replays a function; by default torch's CUDA graphs on a CUDA device, and the
        function itself elsewhere."""
        if capture is None and device.type == "cuda":
            self._pool = torch.cuda.graph_pool_handle()
            capture = self._captured
        self._capture = capture
        self._known: dict[Hashable, Function] = {}

    def run(self, key: Hashable, function: Function) -> Tensor:
        """Return what `function` returns. It is captured for `key` at the first call, and replayed for that
        key from then on.

        Two functions of one key must read and write the same tensors, and running one twice must do what
        running it once does. All captures share the memory of their intermediate results: what they return is
        overwritten by the next run of any key, unless the function writes it to memory of its own.
        """
        replay = self._known.get(key)
        if replay is None:
            replay = function
            if self._capture is not None:
                try:
                    replay = self._capture(function)
                except RuntimeError as error:  # as torch reports a failed capture, and missing memory
                    self._warn(error)
            if len(self._known) >= _MOST:
                del self._known[next(iter(self._known))]
            self._known[key] = replay
        return replay()

    def forget(self) -> None:
        """Let all graphs go: the tensors that they read have gone."""
        self._known = {}

    def _captured(self, function: Function) -> Function:
        """Return what replays a function on CUDA."""
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
    """Return the rows of the fixed shape that serves `count` rows: the next power of two."""
    return 1 << max(count - 1, 0).bit_length()
