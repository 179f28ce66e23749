"""From logits to tokens on the device of the logits: mask, temperature, filters and draw by
`structgen_kernels`.

`masked_sample` reads the logits once (three times with filters). It reads each text's mask on the device
(`device_masks`), and returns the token and all figures of a step. One copy brings them to main memory; this
is the only time in a step that the choice waits for the device.

    logits [n, V] --masked_sample(masks, options)--> figures [6, n] --copy--> Chosen

If the model's logits stay at the same address (`FixedLlama`), the whole choice is captured as a CUDA graph. A
step then writes its inputs and replays the graph.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor

from structgen.engine.choice import Chosen, chosen_of, figures_of
from structgen.engine.cuda_graphs import Graphs, bucket
from structgen.engine.device_masks import Choices, DeviceMasks

_Options: TypeAlias = dict[str, Any]
"""The keyword arguments of `masked_sample`, without the logits and their rows."""


class DeviceChoice:
    """Chooses tokens with the masks that `masks` has staged. The draw is that of
    `structgen_kernels.reference`."""

    def __init__(self, masks: DeviceMasks, graphs: Graphs | None = None) -> None:
        self._masks = masks
        self._graphs = Graphs(masks.device) if graphs is None else graphs
        self._address = 0
        """The address of the masks that the graphs read."""

    def choose(
        self,
        logits: Tensor,
        places: Sequence[int],
        lines: Sequence[int],
        *,
        stays: bool = False,
    ) -> Chosen:
        """Return a token for each text: from row `places[i]` of the logits [m, V], with the staged mask
        `lines[i]`, without penalties (`choice.chosen_again`).

        `stays`: the logits have the same address in each step of as many texts, with space for the next power
        of two of rows. Cost: that of `masked_sample`.
        """
        masks, count, every = self._masks, len(places), list(range(len(places)))
        masks.wait()
        with torch.inference_mode():
            in_order = list(lines) == every
            if list(places) == every and in_order and stays:
                figures = self._replayed(logits, bucket(count))[:, :count]
            else:
                at = _index(places, logits) if list(places) != every or len(logits) != count else None
                which = slice(count) if in_order else _index(lines, logits)
                figures = figures_of(logits, rows=at, **self._options(which))
        return chosen_of(figures, places)

    def _options(self, which: slice | Tensor) -> _Options:
        """Return the options of the draw for some lines. Filters and masks are left out if no line has
        one."""
        masks = self._masks
        choices = Choices(*(part[which] for part in masks.choices))
        found: _Options = {
            "temperature": choices.temperature,
            "seed": choices.stream,
            "position": choices.position,
        }
        if masks.is_filtered:
            found |= {"top_k": choices.top_k, "top_p": choices.top_p, "min_p": choices.min_p}
        if masks.is_masked:
            found["mask"] = masks.masks[which]
        return found

    def _replayed(self, logits: Tensor, count: int) -> Tensor:
        """Return the figures of the first `count` rows; those of rows without a text are meaningless."""
        masks = self._masks
        if (address := masks.masks.data_ptr()) != self._address:
            # the memory was allocated anew: the graphs read the old one
            self._graphs.forget()
            self._address = address
        key = count, masks.is_filtered, masks.is_masked, logits.data_ptr()
        wide = logits.as_strided((count, logits.shape[1]), logits.stride())
        options = self._options(slice(count))
        return self._graphs.run(key, lambda: figures_of(wide, **options))


def _index(numbers: Sequence[int], like: Tensor) -> Tensor:
    return torch.tensor(list(numbers), dtype=torch.int64).to(like.device, non_blocking=True)
