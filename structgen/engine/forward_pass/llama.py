"""A batch-invariant Llama: a text gets the same logits, to the bit, alone and in any batch.

The forward pass is compiled (`compiled_pass`), in the memory of the CPU, with keys and values in pages
(`key_value_pages`).
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from structgen.engine.forward_pass.compiled_pass import CompiledPass
from structgen.engine.forward_pass.weights import Weights
from structgen.engine.model_protocol import Cache, DraftSupport


class Llama:
    """A Llama of weights that the compiled pass serves (`serves`). Thread-safe by a lock."""

    serves = staticmethod(CompiledPass.serves)

    def __init__(self, weights: Weights) -> None:
        self._vocab_size, self._context = len(weights.head), weights.sizes.context
        self._embedding = weights.embedding
        self._pass = CompiledPass(weights)
        self._lock = threading.Lock()

    @classmethod
    def read(cls, folder: Path, device: torch.device, dtype: torch.dtype) -> Llama:
        """Return the model of a folder: config.json and model.safetensors. Raises StructgenError."""
        return cls(Weights.read(folder, device, dtype))

    @property
    def vocab_size(self) -> int:
        """Width of the logits."""
        return self._vocab_size

    @property
    def context(self) -> int:
        """The most tokens of a text."""
        return self._context

    def prefill(self, tokens: Sequence[int]) -> tuple[Tensor, Cache]:
        """Return the logits [V] after a prompt, and its cache."""
        (found,) = self.prefill_many([tokens])
        return found

    def prefill_many(self, prompts: Sequence[Sequence[int]]) -> list[tuple[Tensor, Cache]]:
        """Return the logits [V] after each prompt, and its cache; the prompts are read in one pass."""
        with self._lock:
            logits, caches = self._pass.prefill(prompts)
            return list(zip(logits, caches, strict=True))

    def decode(self, tokens: Sequence[int], caches: Sequence[Any]) -> Tensor:
        """Return the logits [rows, V] after one more token of each text."""
        with self._lock:
            return self._pass.decode(tokens, caches)

    @property
    def embedding(self) -> Tensor:
        """The embeddings of the tokens [V, width]."""
        return self._embedding

    def decode_embedded(self, inputs: Tensor, caches: Sequence[Any]) -> Tensor:
        """Return the logits [rows, V] after one more column of each text, whose inputs are rows of numbers in
        place of tokens' embeddings (`ReadsEmbeddings`)."""
        with self._lock:
            return self._pass.decode_embedded(inputs, caches)

    @property
    def draft_support(self) -> DraftSupport:
        """Which drafts `decode_tree` verifies."""
        return self._pass.draft_support

    def decode_tree(
        self,
        tokens: Sequence[int],
        parents: Sequence[int],
        counts: Sequence[int],
        caches: Sequence[Any],
    ) -> Tensor:
        """Return the logits [sum(counts), V] after each node of a tree of each text (`VerifiesDrafts`)."""
        with self._lock:
            return self._pass.decode_tree(tokens, parents, counts, caches)

    def keep(self, paths: Sequence[Sequence[int]], caches: Sequence[Any]) -> None:
        """Have each cache hold the nodes of a path of its last tree (`VerifiesDrafts`)."""
        with self._lock:
            self._pass.keep(paths, caches)
