"""Any causal language model of transformers behind the engine's protocol.

The texts of a batch share one padded cache, appended to on the right: a mask says which columns are a text's
own, and positions are given, so that nothing is realigned when texts differ in length. The batch is put
together anew when texts come or go.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from structgen.errors import OptionError, StructgenError

_PASS = 16_384
"""Tokens of prompts that are read in one pass."""


class HuggingFaceCache:
    """What a model has read of one text: keys and values of each layer, [1, heads, length, head], or a row of
    the batch that holds them now."""

    __slots__ = ("_owner", "layers", "length")

    def __init__(self, layers: list[tuple[Tensor, Tensor]], length: int, owner: HuggingFace) -> None:
        self.layers, self.length, self._owner = layers, length, owner

    @property
    def nbytes(self) -> int:
        """Bytes of memory, as if it stood alone."""
        return self._owner.nbytes_of(self)

    def copy(self) -> HuggingFaceCache:
        """Return another that goes on from here by itself."""
        self._owner.settle(self)
        return HuggingFaceCache(list(self.layers), self.length, self._owner)


class HuggingFace:
    """A model of transformers. Raises OptionError for one that does not go on writing a text."""

    def __init__(self, model: Any) -> None:
        head = model.get_output_embeddings()
        if head is None or getattr(model.config, "is_encoder_decoder", False):
            raise OptionError(
                f"{type(model).__name__} is no causal language model.",
                where="model",
                cure="Load it with AutoModelForCausalLM.from_pretrained(...).",
            )
        self._model = model.eval()
        config = model.config.get_text_config()
        self._vocab_size: int = head.weight.shape[0]
        self._context: int = getattr(config, "max_position_embeddings", None) or 1 << 30
        self._rows: list[HuggingFaceCache] = []
        self._batch: Any = None
        self._own: Tensor = torch.empty(0)
        """bool [rows, columns]: the columns of the batch that belong to each row."""

    @classmethod
    def read(cls, folder: Path, device: torch.device, dtype: torch.dtype) -> HuggingFace:
        """Return the model of a local folder. Raises StructgenError."""
        try:
            from transformers import AutoModelForCausalLM
        except ImportError as error:
            raise StructgenError(
                "transformers is not installed.",
                where=str(folder),
                cure="pip install transformers",
            ) from error
        try:
            model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, local_files_only=True)
        except (OSError, ValueError, KeyError) as error:
            raise StructgenError(
                f"transformers cannot read the model: {error}", where=str(folder), cure="Check the folder."
            ) from error
        return cls(model.to(device))

    @property
    def vocab_size(self) -> int:
        """Width of the logits."""
        return self._vocab_size

    @property
    def context(self) -> int:
        """The most tokens of a text."""
        return self._context

    def prefill(self, tokens: Sequence[int]) -> tuple[Tensor, HuggingFaceCache]:
        """Return the logits [V] behind a prompt, and its cache."""
        ids = torch.tensor([list(tokens)], device=self._model.device)
        with torch.inference_mode():
            out = self._model(ids, use_cache=True, logits_to_keep=1)
        return out.logits[0, -1], HuggingFaceCache(_layers(out.past_key_values), len(tokens), self)

    def prefill_many(self, prompts: Sequence[Sequence[int]]) -> list[tuple[Tensor, HuggingFaceCache]]:
        """Return the logits [V] behind each prompt, and its cache.

        Prompts of nearly the same length are read in one pass, filled up on the left; few enough that the
        filling is a fourth at most, and a pass at most 16,384 tokens, unless one prompt has more.
        """
        order = sorted(range(len(prompts)), key=lambda at: -len(prompts[at]))
        found: dict[int, tuple[Tensor, HuggingFaceCache]] = {}
        while order:
            longest, count, read = len(prompts[order[0]]), 1, len(prompts[order[0]])
            while count < len(order) and longest * (count + 1) <= _PASS:
                read += len(prompts[order[count]])
                if 4 * read < 3 * longest * (count + 1):
                    break
                count += 1
            together, order = order[:count], order[count:]
            of_pass = self._read_together([prompts[at] for at in together])
            found.update(zip(together, of_pass, strict=True))
        return [found[at] for at in range(len(prompts))]

    def _read_together(self, prompts: Sequence[Sequence[int]]) -> list[tuple[Tensor, HuggingFaceCache]]:
        """Return what `prefill` does for prompts, the longest of which comes first, in one pass."""
        if len(prompts) == 1:
            return [self.prefill(prompts[0])]
        longest, device = len(prompts[0]), self._model.device
        blanks = torch.tensor([longest - len(prompt) for prompt in prompts], device=device)
        ids = torch.tensor(
            [[0] * (longest - len(prompt)) + list(prompt) for prompt in prompts], device=device
        )
        columns = torch.arange(longest, device=device)
        own = columns[None] >= blanks[:, None]
        with torch.inference_mode():
            out = self._model(
                ids,
                attention_mask=own.long(),
                position_ids=(columns[None] - blanks[:, None]).clamp(min=0),
                use_cache=True,
                logits_to_keep=1,
            )
        layers = _layers(out.past_key_values)
        found = []
        for row, prompt in enumerate(prompts):
            # copies: a view would keep the whole pass in memory
            parts = [
                (k[row : row + 1, :, -len(prompt) :].clone(), v[row : row + 1, :, -len(prompt) :].clone())
                for k, v in layers
            ]
            found.append((out.logits[row, -1], HuggingFaceCache(parts, len(prompt), self)))
        return found

    def decode(self, tokens: Sequence[int], caches: Sequence[HuggingFaceCache]) -> Tensor:
        """Return the logits [rows, V] behind one more token of each text."""
        if len(caches) != len(self._rows) or any(a is not b for a, b in zip(caches, self._rows, strict=True)):
            self._gather(list(caches))
        device = self._model.device
        own = torch.cat((self._own, torch.ones(len(caches), 1, dtype=torch.bool, device=device)), 1)
        # while the model runs nobody's keys are known; after a pass that failed they are not either
        self._rows = []
        with torch.inference_mode():
            out = self._model(
                torch.tensor(tokens, device=device)[:, None],
                attention_mask=own.long(),
                position_ids=torch.tensor([[cache.length] for cache in caches], device=device),
                past_key_values=self._batch,
                use_cache=True,
            )
        for cache in caches:
            cache.length += 1
        self._own, self._rows = own, list(caches)
        return out.logits[:, -1]

    def nbytes_of(self, cache: HuggingFaceCache) -> int:
        """Return the bytes of a text's keys and values, which stay in the batch that holds them; 0 for a text
        whose pass failed, as it holds none any more."""
        layers = _layers(self._batch) if any(other is cache for other in self._rows) else cache.layers
        of_column: int = sum(side[0, :, 0].nbytes for layer in layers for side in layer)
        return cache.length * of_column

    def settle(self, cache: HuggingFaceCache) -> None:
        """Have a text's keys and values by themselves, out of the batch that holds them."""
        for row, other in enumerate(self._rows):
            if other is cache:
                own = self._own[row]
                cache.layers = [
                    (k[row : row + 1, :, own], v[row : row + 1, :, own]) for k, v in _layers(self._batch)
                ]

    def _gather(self, caches: list[HuggingFaceCache]) -> None:
        """Make a batch of these texts, each padded on the left to the longest."""
        from transformers import DynamicCache

        for cache in {id(cache): cache for cache in [*self._rows, *caches]}.values():
            self.settle(cache)
        longest = max(cache.length for cache in caches)
        batch = DynamicCache()
        for layer in range(len(caches[0].layers)):
            pair = []
            for side in range(2):
                parts = [cache.layers[layer][side] for cache in caches]
                pair.append(torch.cat([_padded(part, longest) for part in parts]))
            batch.update(pair[0], pair[1], layer)
        columns = torch.arange(longest, device=self._model.device)
        lengths = torch.tensor([cache.length for cache in caches], device=self._model.device)
        self._rows, self._batch, self._own = caches, batch, columns[None] >= longest - lengths[:, None]
        for cache in caches:
            cache.layers = []


def _padded(part: Tensor, longest: int) -> Tensor:
    return torch.nn.functional.pad(part, (0, 0, longest - part.shape[2], 0))


def _layers(cache: Any) -> list[tuple[Tensor, Tensor]]:
    return [(layer.keys, layer.values) for layer in cache.layers]
