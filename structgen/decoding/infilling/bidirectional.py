"""The forward pass of `structgen/infill`: a Llama that fills masked slots, in numpy.

A *pass* computes logits for all masked slots at once. A *position* is one token of the canvas; the *prefix*
is the part of the canvas before the first masked slot. The layers are Llama's: RMSNorm, rotary positions,
SwiGLU (Touvron et al. 2023).

With `causal_prefix` in config.json, positions of the prefix attend to the left only. From the position that
predicts the first masked slot on, every position attends to all others. (Without `causal_prefix`, all
positions do.) So keys and values of the prefix do not depend on later slots. They are computed once for all
steps, which is exact.

A pass costs about 2 flop for each weight and new position, and 4 L^2 d per layer for
attention over L positions of width d: some milliseconds for 64 slots of the embedded model on one core.
Canvases are read one at a time, so a canvas gets the same logits to the bit alone and in a batch.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from structgen.base.errors import OptionError, StructgenError, TokenError
from structgen.base.native.array_types import BoolArray, Float32Array, Int64Array
from structgen.base.system.installation import require_extras


@dataclass(frozen=True, slots=True)
class _Layer:
    """The weights of one layer, transposed: row vectors are multiplied from the left."""

    input_norm: Float32Array
    qkv: Float32Array
    out: Float32Array
    middle_norm: Float32Array
    gate_up: Float32Array
    down: Float32Array


_CHUNK = 32
"""The number of positions of the causal prefix that are computed together. The chunks do not depend on what
was cached, so sums are in the same order and the same to the bit."""


@dataclass(frozen=True, slots=True)
class _Prefix:
    """The cached chunks of a causal prefix of n * _CHUNK positions: token ids [positions], the last hidden
    states [positions, width], and for each layer keys and values [heads, positions, head]."""

    ids: Int64Array
    states: Float32Array
    keys: tuple[Float32Array, ...]
    values: tuple[Float32Array, ...]

    def cut_to(self, count: int) -> _Prefix:
        """Return the part that covers the first `count` ids."""
        keys = tuple(layer_keys[:, :count] for layer_keys in self.keys)
        values = tuple(layer_values[:, :count] for layer_values in self.values)
        return _Prefix(self.ids[:count], self.states[:count], keys, values)


class BidirectionalLlama:
    """A masked-diffusion model in Llama's layout (`MaskedModel`), for example `structgen/infill`.

    `mask_id`, `shift`, `vocab_size`, `context` and `null_id` (the token of unused slots of a hole) come from
    its config.json. `block_length` is None: the model was trained to fill any slots in any order. Besides the
    weights the object holds the last causal prefix. The prefix is replaced and never changed, so the object
    is thread-safe.
    """

    block_length: int | None = None

    def __init__(self, config: dict[str, Any], tensors: dict[str, Float32Array], where: str = "") -> None:
        """Build the model from a config.json and float32 tensors under transformers' names. `where`: the
        model's folder, for messages.

        Raises StructgenError where the config names another architecture or a tensor is missing.
        """
        if "StructgenInfill" not in config.get("architectures", ()) or config.get("is_causal", True):
            raise StructgenError(
                f"{config.get('architectures')} is not a StructgenInfill.",
                where=where,
                cure="Load it with load_masked_model, which also supports other architectures.",
            )
        try:
            self.mask_id = int(config["mask_token_id"])
            self.null_id: int | None = config.get("pad_token_id")
            self.shift = bool(config.get("logits_shift", 0))
            self._is_prefix_causal = bool(config.get("causal_prefix", False))
            self.context = int(config["max_position_embeddings"])
            self._heads = int(config["num_attention_heads"])
            self._epsilon = np.float32(config["rms_norm_eps"])
            head = int(config["head_dim"])
            theta = float(config["rope_theta"])
            self._embedding = tensors["model.embed_tokens.weight"]
            self._norm = tensors["model.norm.weight"]
            self._layers = [
                _layer_weights(tensors, number, np.float32(head**-0.5))
                for number in range(config["num_hidden_layers"])
            ]
        except KeyError as error:
            raise StructgenError(
                f"The model has no {error}.",
                where=where,
                cure="Install structgen again, or save the model again.",
            ) from error
        self.vocab_size = len(self._embedding)
        # Rotary positions: a pair of columns turns by an angle that grows with the position, each pair at a
        # rate of its own.
        pair_numbers = np.arange(0, head, 2, dtype=np.float32)
        rates = theta ** (-pair_numbers / np.float32(head))
        positions = np.arange(self.context, dtype=np.float32)
        angles = positions[:, None] * rates.astype(np.float32)
        self._cos = np.cos(angles)
        self._sin = np.sin(angles)
        # Nothing is cached yet: arrays of 0 positions, so that the first pass needs no case of its own.
        no_positions = np.empty((self._heads, 0, head), np.float32)
        no_layers = (no_positions,) * len(self._layers)
        no_states = np.empty((0, self._embedding.shape[1]), np.float32)
        self._prefix = _Prefix(np.empty(0, np.int64), no_states, no_layers, no_layers)

    @classmethod
    def read_folder(cls, folder: Path) -> BidirectionalLlama:
        """Return the model of a folder: config.json and model.safetensors. Raises StructgenError."""
        with require_extras("The model", "safetensors", "tokenizers", where=str(folder)):
            # optional: safetensors
            from safetensors import deserialize
        try:
            config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
            stored_tensors: list[tuple[str, dict[str, Any]]]
            stored_tensors = deserialize((folder / "model.safetensors").read_bytes())  # type: ignore[no-untyped-call]
            tensors = {name: _as_float32(tensor) for name, tensor in stored_tensors}
        except StructgenError:
            raise
        except Exception as error:  # safetensors raises its own class, which it does not export everywhere
            raise StructgenError(
                f"The model cannot be read: {error}",
                where=str(folder),
                cure="Make it again, or install it again.",
            ) from error
        return cls(config, tensors, str(folder))

    def forward(self, ids: npt.ArrayLike) -> Float32Array:
        """Return float32 logits [L, V] for int ids [L], 1 <= L <= `context`.

        With `shift`, row i predicts position i + 1. Raises OptionError for another shape or length, and
        TokenError for an id outside the vocabulary.
        """
        return self.forward_rows(ids, np.arange(len(np.atleast_1d(ids))))

    def forward_rows(self, ids: npt.ArrayLike, rows: npt.ArrayLike) -> Float32Array:
        """Return the logits [len(rows), V] of some rows of a canvas: those of `forward(ids)[rows]` up to
        rounding. Raises as `forward` does, and OptionError for a row outside the canvas."""
        canvas = self._check_ids(ids)
        row_numbers = np.asarray(rows, np.int64)
        is_list = row_numbers.ndim == 1
        if not is_list or (
            len(row_numbers) and not 0 <= row_numbers.min() <= row_numbers.max() < len(canvas)
        ):
            raise OptionError(
                f"Rows of shape {row_numbers.shape} do not fit {len(canvas)} ids.",
                where="rows",
                cure="Pass a list of rows, each from 0 to len(ids) - 1.",
            )
        states = self._all_states(canvas)[row_numbers]
        return _normalise_rows(states, self._norm, self._epsilon) @ self._embedding.T

    def _check_ids(self, ids: npt.ArrayLike) -> Int64Array:
        """Return the ids as a new array, or raise."""
        array = np.asarray(ids)
        if array.ndim != 1 or not np.issubdtype(array.dtype, np.integer):
            raise OptionError(
                f"must be a flat list of integers, got shape {array.shape} and type {array.dtype}.",
                where="ids",
                cure="Pass one canvas: a list or an array of int ids, one per position.",
            )
        if not 1 <= len(array) <= self.context:
            raise OptionError(
                f"The canvas has {len(array)} positions; the model reads 1 to {self.context}.",
                where="ids",
                cure="Shorten the prompt or the canvas.",
            )
        canvas: Int64Array = array.astype(np.int64)
        outside = np.flatnonzero((canvas < 0) | (canvas >= self.vocab_size))
        if len(outside):
            raise TokenError(
                f"{canvas[outside[0]]} is not a token id of this model, which has {self.vocab_size}.",
                where=f"ids[{outside[0]}]",
                cure="Encode with the model's own tokenizer.",
            )
        return canvas

    def _causal_rows(self, canvas: Int64Array) -> int:
        """Return how many positions, counted from the first, attend to the left only."""
        if not self._is_prefix_causal:
            return 0
        masked_slots = np.flatnonzero(canvas == self.mask_id)
        if not len(masked_slots):
            return len(canvas)
        # With shifted logits, the position before the first masked slot predicts that slot. So this position
        # attends to all others.
        return max(int(masked_slots[0]) - 1, 0)

    def _all_states(self, canvas: Int64Array) -> Float32Array:
        """Return the last hidden states [L, width] of a canvas. Chunks of its causal prefix are reused if the
        last canvas had them, and kept for the next one."""
        # Only whole chunks are cached: `end` and `common_length` are rounded down to a multiple of _CHUNK.
        end = self._causal_rows(canvas) // _CHUNK * _CHUNK
        # The attribute is read once, because another thread may replace it meanwhile.
        cached_prefix = self._prefix
        length = min(end, len(cached_prefix.ids))
        differ = np.flatnonzero(cached_prefix.ids[:length] != canvas[:length])
        same_ids = int(differ[0]) if len(differ) else length
        common_length = same_ids // _CHUNK * _CHUNK
        prefix = cached_prefix.cut_to(common_length)
        for stop in range(common_length + _CHUNK, end + 1, _CHUNK):
            states, keys, values = self._run_chunk(canvas, stop, prefix)
            prefix = _Prefix(canvas[:stop].copy(), np.concatenate((prefix.states, states)), keys, values)
        if end > common_length:
            self._prefix = prefix
        # The rest reads in both directions: its states are of use for this canvas only.
        rest_states, _, _ = self._run_chunk(canvas, len(canvas), prefix)
        return np.concatenate((prefix.states, rest_states))

    def _run_chunk(
        self, canvas: Int64Array, stop: int, past: _Prefix
    ) -> tuple[Float32Array, tuple[Float32Array, ...], tuple[Float32Array, ...]]:
        """Return the last hidden states [stop - start, width] of the positions from the end of `past` to
        `stop`, and for each layer the keys and the values of all positions up to `stop`."""
        start = len(past.ids)
        cos = self._cos[start:stop]
        sin = self._sin[start:stop]
        causal = min(self._causal_rows(canvas), stop)
        hidden_columns = None
        if causal > start:
            # A causal position does not see the positions to its right.
            rows = np.arange(start, stop)[:, None]
            is_right_of = np.arange(stop) > rows
            hidden_columns = is_right_of & (rows < causal)
        x = self._embedding[canvas[start:stop]]
        keys = []
        values = []
        for layer, old_keys, old_values in zip(self._layers, past.keys, past.values, strict=True):
            normalised = _normalise_rows(x, layer.input_norm, self._epsilon)
            q, k, v = self._split_heads(normalised @ layer.qkv)
            q = _rotate_heads(q, cos, sin)
            k = _rotate_heads(k, cos, sin)
            k = np.concatenate((old_keys, k), 1)
            v = np.concatenate((old_values, v), 1)
            keys.append(k)
            values.append(v)
            x = x + _attend_columns(q, k, v, hidden_columns) @ layer.out
            normalised = _normalise_rows(x, layer.middle_norm, self._epsilon)
            gate, up = np.split(normalised @ layer.gate_up, 2, -1)
            # exp overflows to infinity where the quotient is 0 anyway
            with np.errstate(over="ignore"):
                share: Float32Array = np.reciprocal(np.float32(1.0) + np.exp(-gate))
            x = x + (gate * share * up) @ layer.down
        return x, tuple(keys), tuple(values)

    def _split_heads(self, qkv: Float32Array) -> tuple[Float32Array, Float32Array, Float32Array]:
        """Return queries, keys and values [heads, rows, head] of the rows of the joint product."""
        rows, columns = qkv.shape
        head = columns // 3 // self._heads
        q, k, v = qkv.reshape(rows, 3, self._heads, head).transpose(1, 2, 0, 3)
        return q, k, v


def _layer_weights(tensors: dict[str, Float32Array], number: int, scale: np.float32) -> _Layer:
    """Return the weights of a layer. `number`: the layer's, from 0. `scale`: the factor of attention, by
    which the weights of the queries are multiplied here, once."""

    def part_weights(name: str) -> Float32Array:
        """Return a tensor of the layer by its name."""
        return tensors[f"model.layers.{number}.{name}.weight"]

    # Products of one input are joined: one large product is faster than three small ones.
    qkv = np.concatenate(
        (
            part_weights("self_attn.q_proj") * scale,
            part_weights("self_attn.k_proj"),
            part_weights("self_attn.v_proj"),
        )
    )
    gate_up = np.concatenate((part_weights("mlp.gate_proj"), part_weights("mlp.up_proj")))
    return _Layer(
        part_weights("input_layernorm"),
        np.ascontiguousarray(qkv.T),
        np.ascontiguousarray(part_weights("self_attn.o_proj").T),
        part_weights("post_attention_layernorm"),
        np.ascontiguousarray(gate_up.T),
        np.ascontiguousarray(part_weights("mlp.down_proj").T),
    )


def _normalise_rows(x: Float32Array, weight: Float32Array, epsilon: np.float32) -> Float32Array:
    """Return RMSNorm of the rows of x: divided by their root mean square, times a weight per column."""
    # `einsum` sums the squares of a row without an array of all squares.
    mean_squares = np.einsum("ij,ij->i", x, x)[:, None] / np.float32(x.shape[1])
    factors = np.float32(1.0) / np.sqrt(mean_squares + epsilon)
    result: Float32Array = x * factors * weight
    return result


def _rotate_heads(x: Float32Array, cos: Float32Array, sin: Float32Array) -> Float32Array:
    """Return heads [heads, rows, head] with rotary positions applied (by halves)."""
    first_half, second_half = np.split(x, 2, -1)
    rotated_first = first_half * cos - second_half * sin
    rotated_second = second_half * cos + first_half * sin
    return np.concatenate((rotated_first, rotated_second), -1)


def _attend_columns(
    q: Float32Array, k: Float32Array, v: Float32Array, hidden_columns: BoolArray | None
) -> Float32Array:
    """Return the attention's output [rows, heads x head] of queries `q` [heads, rows, head] over keys `k` and
    values `v` [heads, columns, head].

    `hidden_columns`: bool [rows, columns], the columns that a row must not see; None: it sees all. The
    queries are already multiplied by the scale of attention.
    """
    weights = q @ k.transpose(0, 2, 1)
    if hidden_columns is not None:
        weights[:, hidden_columns] = -np.inf
    # The softmax in place: the largest array of a pass is made once.
    weights -= weights.max(-1, keepdims=True)
    np.exp(weights, out=weights)
    output: Float32Array = (weights @ v) / weights.sum(-1, keepdims=True)
    return output.transpose(1, 0, 2).reshape(q.shape[1], -1)


def _as_float32(tensor: dict[str, Any]) -> Float32Array:
    """Return a tensor as a float32 array. `tensor`: safetensors' dict of its "dtype", "shape" and "data"."""
    kind = tensor["dtype"]
    data = tensor["data"]
    if kind == "BF16":
        # A bfloat16 is the upper half of a float32.
        bits = np.frombuffer(data, np.dtype("<u2")).astype(np.uint32) << np.uint32(16)
        floats: Float32Array = bits.view(np.float32)
    elif kind in ("F32", "F16"):
        floats = np.frombuffer(data, np.dtype("<f4" if kind == "F32" else "<f2")).astype(np.float32)
    else:
        raise StructgenError(
            f"Weights of type {kind} are not supported.",
            where="model.safetensors",
            cure="Save them as BF16, F16 or F32.",
        )
    return floats.reshape(tensor["shape"])
