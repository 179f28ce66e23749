"""The protocol of models for infilling: one forward pass over a whole canvas of token ids.

A *canvas* is a list of token ids in which each *masked slot* (a position that is to be filled) holds the id
of the mask token. A pass returns a row of logits for each position.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from structgen.base.native.array_types import Float32Array, Int64Array


@runtime_checkable
class MaskedModel(Protocol):
    """A masked-diffusion language model. Any object with these members will do.

    `forward` reads all ids at once, in both directions; masked slots hold `mask_id`. `shift` says which
    position a row of the logits predicts; the caller of `forward` undoes the shift.
    """

    @property
    def mask_id(self) -> int:
        """The token id in each masked slot."""

    @property
    def shift(self) -> bool:
        """False: row i of the logits predicts position i (LLaDA). True: row i predicts position i + 1, as in
        models that grew out of causal ones (Dream, DiffuCoder); position 0 is then predicted by no row."""

    @property
    def block_length(self) -> int | None:
        """The number of slots of a block, for a model that was trained to fill blocks from left to right
        (SDAR, LLaDA 2). None: the model fills the whole canvas in any order."""

    @property
    def vocab_size(self) -> int:
        """The width of the logits; at least the size of the tokenizer's vocabulary."""

    @property
    def context(self) -> int:
        """The most ids that one pass reads, prompt included."""

    def forward(self, ids: Int64Array) -> Float32Array:
        """Return float32 logits [L, V] for int ids [L], 1 <= L <= `context`."""
