"""A Llama whose steps have fixed shapes, so that one CUDA graph holds the whole forward pass.

Keys and values of all texts are in one tensor, a slot for each text. A step covers a bucket of slots (the
next power of two) and a bucket of columns. Three static buffers hold its inputs:

    tokens, positions   by slot: the token that each text reads, and its column. A slot without a text in this
                        step writes to a column after all others, which nothing reads
    order               the slot of each text: the head multiplies hidden states in this order, so that the
                        logits are in the order of the texts

Matrix products of different buckets may round differently. So unlike with `Llama`, the last bits of a text's
logits can depend on the batch. It verifies no drafts.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from structgen.engine.cuda_graphs import Graphs, bucket
from structgen.engine.forward_pass.weights import Layer, Weights
from structgen.errors import StructgenError

_COLUMNS = 128
"""The smallest bucket of columns; buckets double."""
_CONTEXT = 4096
"""The default for the most tokens of a text; fewer if the model has fewer. Every slot has memory for them."""
_PASS = 16_384
"""The most tokens of prompts in one pass."""


class FixedCache:
    """The cache of one text: the first `length` columns of a slot."""

    __slots__ = ("_model", "length", "slot")

    def __init__(self, model: FixedLlama, length: int) -> None:
        self._model, self.length = model, length
        self.slot = -1
        self.slot = model.take_slot()

    @property
    def nbytes(self) -> int:
        """Bytes of memory: of the whole slot, however much of it is used."""
        return self._model.nbytes_of_slot

    def copy(self) -> FixedCache:
        """Return an independent copy."""
        return self._model.copied(self)

    def release(self) -> None:
        """Free the slot. The cache is not used again."""
        if self.slot >= 0:
            self._model.give_slot(self.slot)
            self.slot = -1

    def __del__(self) -> None:
        self.release()


class FixedLlama:
    """A Llama for at most `rows` texts of at most `context` tokens at a time. Thread-safe by a lock.

    Memory, allocated at once: 2 * layers * rows * (context + 1) * groups * head numbers for keys and values,
    and rows * V for logits; `rows` is rounded up to a power of two. `context`: by default 4,096, or the
    model's own if that is less. `graphs`: how steps are captured (by default: as CUDA graphs, on CUDA).
    Raises StructgenError if there is not enough memory.
    """

    def __init__(
        self, weights: Weights, rows: int, context: int | None = None, graphs: Graphs | None = None
    ) -> None:
        sizes, like = weights.sizes, weights.embedding
        self._weights = weights
        self._context = min(context or _CONTEXT, sizes.context)
        self._graphs = Graphs(like.device) if graphs is None else graphs
        room = bucket(rows)
        self._rows = rows
        shape = (sizes.layers, 2, room, sizes.groups, self._context + 1, sizes.head)
        try:
            self._held = like.new_zeros(shape)
        except RuntimeError as error:  # torch's error for missing memory
            raise StructgenError(
                f"There is no memory on {like.device} for keys and values of {rows:,} texts of "
                f"{self._context:,} tokens: {str(error).partition(chr(10))[0]}",
                where="max_rows",
                cure="Write fewer texts at a time (max_rows), or leave graphs out.",
            ) from error
        self._tokens = torch.zeros(room, dtype=torch.int64, device=like.device)
        self._positions, self._order = torch.zeros_like(self._tokens), torch.zeros_like(self._tokens)
        self._every = torch.arange(room, device=like.device)
        self._columns = torch.arange(self._context + 1, device=like.device)
        self._logits = like.new_empty((room, self.vocab_size))
        """Logits of the last step. They are outside the memory that graphs share for intermediate results."""
        self._free = list(range(rows - 1, -1, -1))
        """Free slots, the smallest last."""
        self._lock = threading.Lock()

    has_fixed_rows = True
    """See `FixedRows`."""

    @classmethod
    def read(cls, folder: Path, device: torch.device, dtype: torch.dtype, rows: int) -> FixedLlama:
        """Return the model of a folder: config.json and model.safetensors. Raises StructgenError."""
        return cls(Weights.read(folder, device, dtype), rows)

    @property
    def vocab_size(self) -> int:
        """Width of the logits."""
        return len(self._weights.head)

    @property
    def context(self) -> int:
        """The most tokens of a text."""
        return self._context

    # --- slots ----------------------------------------------------------------------------------------------

    @property
    def nbytes_of_slot(self) -> int:
        """Bytes of keys and values of one slot."""
        return int(self._held.nbytes) // int(self._held.shape[2])

    def take_slot(self) -> int:
        """Return the smallest free slot. Raises StructgenError if there is none."""
        try:
            return self._free.pop()
        except IndexError:
            raise StructgenError(
                f"All {self._rows:,} slots of the model have texts.",
                where="model",
                cure="Write fewer texts at a time, or make the model with more rows.",
            ) from None

    def give_slot(self, slot: int) -> None:
        """Free a slot."""
        self._free.append(slot)
        self._free.sort(reverse=True)

    def copied(self, cache: FixedCache) -> FixedCache:
        """Return a copy of a cache, in a slot of its own."""
        with self._lock:
            made = FixedCache(self, cache.length)
            self._move(cache.slot, made.slot, cache.length)
            return made

    def _move(self, source: int, target: int, length: int) -> None:
        with torch.inference_mode():
            self._held[:, :, target, :, :length] = self._held[:, :, source, :, :length]

    def _close_up(self, caches: Sequence[FixedCache]) -> None:
        """Move texts to smaller slots if that makes the bucket smaller."""
        wanted = bucket(len(caches))
        for cache in caches:
            if cache.slot >= wanted and self._free and self._free[-1] < wanted:
                source, cache.slot = cache.slot, self._free.pop()
                self._move(source, cache.slot, cache.length)
                self.give_slot(source)

    # --- passes ---------------------------------------------------------------------------------------------

    def prefill(self, tokens: Sequence[int]) -> tuple[Tensor, FixedCache]:
        """Return the logits [V] after a prompt, and its cache."""
        (found,) = self.prefill_many([tokens])
        return found

    def prefill_many(self, prompts: Sequence[Sequence[int]]) -> list[tuple[Tensor, FixedCache]]:
        """Return the logits [V] after each prompt, and its cache. Prompts are padded on the right to the
        longest one; no token attends to the padding. A pass has at most 16,384 tokens, or one prompt."""
        found: dict[int, tuple[Tensor, FixedCache]] = {}
        order = sorted(range(len(prompts)), key=lambda i: -len(prompts[i]))
        with self._lock, torch.inference_mode():
            while order:
                most = max(1, _PASS // len(prompts[order[0]]))
                together, order = order[:most], order[most:]
                logits, caches = self._prefill([prompts[i] for i in together])
                found.update(zip(together, zip(logits, caches, strict=True), strict=True))
        return [found[i] for i in range(len(prompts))]

    def _prefill(self, prompts: Sequence[Sequence[int]]) -> tuple[Tensor, list[FixedCache]]:
        weights, sizes = self._weights, self._weights.sizes
        device, longest = self._held.device, max(map(len, prompts))
        ids = torch.zeros((len(prompts), longest), dtype=torch.int64)
        for row, prompt in enumerate(prompts):
            ids[row, : len(prompt)] = torch.tensor(list(prompt))
        caches = [FixedCache(self, len(prompt)) for prompt in prompts]
        slots = torch.tensor([cache.slot for cache in caches], device=device)
        places = torch.arange(longest, device=device).repeat(len(prompts))
        x = weights.embedding[ids.to(device).flatten()]
        for number, layer in enumerate(weights.layers):
            q, k, v = (
                part.unflatten(0, (len(prompts), longest)).transpose(1, 2)
                for part in self._queries(x, layer, places)
            )
            self._held[number, 0, slots, :, :longest] = k
            self._held[number, 1, slots, :, :longest] = v
            read = F.scaled_dot_product_attention(
                q, k, v, is_causal=True, enable_gqa=sizes.heads != sizes.groups
            )
            x = self._behind(x, read.transpose(1, 2).flatten(0, 1).flatten(1), layer)
        last = torch.tensor([len(prompt) - 1 + row * longest for row, prompt in enumerate(prompts)])
        return self._head(x[last.to(device)]), caches

    def decode(self, tokens: Sequence[int], caches: Sequence[FixedCache]) -> Tensor:
        """Return the logits [rows, V] after one more token of each text. The next step overwrites them."""
        with self._lock, torch.inference_mode():
            return self._decode(tokens, caches)

    def _decode(self, tokens: Sequence[int], caches: Sequence[FixedCache]) -> Tensor:
        self._close_up(caches)
        rows = bucket(1 + max(cache.slot for cache in caches))
        columns = min(max(_COLUMNS, bucket(1 + max(cache.length for cache in caches))), self._context)
        staged = torch.empty((3, rows), dtype=torch.int64, pin_memory=self._held.is_cuda)
        staged[0], staged[1], staged[2] = 0, self._context, 0
        slots = [cache.slot for cache in caches]
        staged[0, slots] = torch.tensor(list(tokens))
        staged[1, slots] = torch.tensor([cache.length for cache in caches])
        staged[2, : len(caches)] = torch.tensor(slots)
        for part, new in zip((self._tokens, self._positions, self._order), staged, strict=True):
            part[:rows].copy_(new, non_blocking=True)
        out = self._logits[:rows]
        logits = self._graphs.run((rows, columns), lambda: self._step(rows, columns, out))
        for cache in caches:
            cache.length += 1
        return logits[: len(caches)]

    def _step(self, rows: int, columns: int, out: Tensor) -> Tensor:
        """Write the logits [rows, V] of the tokens in the static buffers to `out`, in the buffers' order."""
        weights, sizes = self._weights, self._weights.sizes
        positions = self._positions[:rows]
        places = positions.clamp(max=self._context - 1)
        shown = self._columns[:columns] <= positions[:, None]
        never = torch.where(shown, 0.0, -torch.inf).to(self._held.dtype)[:, None, None]
        x = weights.embedding[self._tokens[:rows]]
        for number, layer in enumerate(weights.layers):
            q, k, v = self._queries(x, layer, places)
            keys, values = self._held[number]
            keys[self._every[:rows], :, positions] = k
            values[self._every[:rows], :, positions] = v
            # the heads that share keys are rows of one product: keys and values are read once
            grouped = q.view(rows, sizes.groups, -1, sizes.head)
            scores = grouped @ keys[:rows, :, :columns].transpose(2, 3) * sizes.head**-0.5 + never
            read = torch.softmax(scores, -1) @ values[:rows, :, :columns]
            x = self._behind(x, read.reshape(rows, -1), layer)
        last = self._norm(x[self._order[:rows]], weights.norm)
        return torch.mm(last, weights.head.t(), out=out)

    def _queries(self, x: Tensor, layer: Layer, places: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return queries [n, heads, head], keys and values [n, groups, head] of hidden states [n, width]."""
        weights, sizes = self._weights, self._weights.sizes
        qkv = F.linear(self._norm(x, layer.before), layer.qkv).unflatten(1, (-1, sizes.head))
        both = sizes.heads + sizes.groups
        qk = rotated(qkv[:, :both], weights.cos[places, None], weights.sin[places, None])
        return qk[:, : sizes.heads], qk[:, sizes.heads :], qkv[:, both:]

    def _behind(self, x: Tensor, read: Tensor, layer: Layer) -> Tensor:
        """Return the hidden states after a layer, from those before it and the attention's output."""
        x = x + F.linear(read, layer.out)
        gate, up = F.linear(self._norm(x, layer.between), layer.gate_up).chunk(2, -1)
        return x + F.linear(F.silu(gate) * up, layer.down)

    def _head(self, x: Tensor) -> Tensor:
        return F.linear(self._norm(x, self._weights.norm), self._weights.head)

    def _norm(self, x: Tensor, weight: Tensor) -> Tensor:
        return F.rms_norm(x, weight.shape, weight, self._weights.sizes.epsilon)


def rotated(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Return queries or keys [rows, heads, head] rotated to their positions (rotary embedding, by halves).
    `sin` has its first half negated."""
    return torch.addcmul(x * cos, x.roll(x.shape[-1] // 2, -1), sin)
