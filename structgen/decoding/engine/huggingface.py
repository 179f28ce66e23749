"""Adapts any causal language model of transformers to the engine's protocol for models.

The *cache* of a text holds the model's keys and values for each token that it has read. The texts of a
*batch* share one padded cache: each text is a *row*, each token position a *column*. New tokens are appended
on the right. A mask says which columns belong to a text, and the positions are passed to the model. So
nothing is realigned when texts differ in length. The batch is built anew when texts come or go.

A *draft tree* holds guessed tokens, its *nodes*, which one pass checks. Each node is a column of its text's
row, and its position is its depth. A mask shows each node the text and the node's ancestors. The columns of
rejected nodes stay, masked out, until they are many; then the batch is built anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from inspect import signature
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn.functional import pad

from structgen.base.errors import OptionError
from structgen.base.system.installation import require_extras
from structgen.decoding.engine.forward_pass.draft_trees import check_paths, depths_of
from structgen.decoding.engine.forward_pass.quiet_loading import guard_reading, load_pretrained
from structgen.decoding.engine.model_protocol import DraftSupport, TokenIds

_MOST_PASS_TOKENS = 16_384
"""The most tokens of prompts that are read in one pass, unless one prompt alone has more."""
_PIECE = 256
"""The length of a piece of a long prompt, in tokens."""
_MOST_REJECTED = 64
"""The number of rejected nodes' columns that may stay in a batch; or a fourth of its longest text, if that
is more."""
_MASKED_BACKENDS = ("sdpa", "eager")
"""The attention back ends of transformers that take a mask for each pair of a query and a column."""


class HuggingFaceCache:
    """The cache of one text: keys and values of each layer, [1, heads, length, head].

    While the text is in the batch, the batch holds them in one of its rows instead. Outside a batch they may
    end with the columns of a tree whose nodes may still be kept.
    """

    __slots__ = ("_owner", "layers", "length", "parents", "unfinished")

    def __init__(self, layers: list[tuple[Tensor, Tensor]], length: int, owner: HuggingFace) -> None:
        self.layers = layers
        self.length = length
        self._owner = owner
        self.parents: list[int] = []
        """The parents of the nodes of the last tree; [] once nodes were kept or more tokens were read."""
        self.unfinished: Any = None
        """transformers' cache of a prompt that is being read in pieces; None: there is none."""

    @property
    def nbytes(self) -> int:
        """The bytes of memory that the cache takes by itself, outside a batch."""
        return self._owner.nbytes_of(self)

    def copy(self) -> HuggingFaceCache:
        """Return another cache of the same text, which can be continued independently."""
        self._owner.detach_cache(self)
        # views: keys and values are never changed in place
        own_layers = _take_columns(self.layers, slice(self.length))
        return HuggingFaceCache(own_layers, self.length, self._owner)


class HuggingFace:
    """A model of transformers. Raises OptionError for a model that is not causal: it does not continue a
    text."""

    def __init__(self, model: Any) -> None:
        head = model.get_output_embeddings()
        if head is None or getattr(model.config, "is_encoder_decoder", False):
            raise OptionError(
                f"{type(model).__name__} is not a causal language model.",
                where="model",
                cure="Load it with AutoModelForCausalLM.from_pretrained(...).",
            )
        self._model = model.eval()
        self._cache_name = _cache_name(model)
        config = model.config.get_text_config()
        self.vocab_size: int = head.weight.shape[0]
        self.context: int = getattr(config, "max_position_embeddings", None) or 1 << 30
        self._rows: list[HuggingFaceCache] = []
        """The texts whose keys and values the batch holds, row by row."""
        self._batch: Any = None
        """transformers' cache of these texts; None before the first one."""
        self._is_own: Tensor = torch.empty(0)
        """bool [rows, columns]: the columns of the batch that belong to each row."""
        self._tree_at: int | None = None
        """The first column of the last tree's nodes, while it is not known which nodes are kept; None: there
        are no such nodes."""

    @classmethod
    def read_folder(cls, folder: Path, device: torch.device, dtype: torch.dtype) -> HuggingFace:
        """Return the model of a local folder. Raises StructgenError."""
        with require_extras("The model", "transformers", where=str(folder)):
            # optional: transformers
            from transformers import AutoModelForCausalLM
        cure = (
            "Check that the folder contains a complete causal language model (AutoModelForCausalLM reads it)."
        )
        with guard_reading(folder, cure):
            model = load_pretrained(AutoModelForCausalLM, folder, dtype=dtype, local_files_only=True)
        return cls(model.to(device))

    def prefill(self, tokens: TokenIds) -> tuple[Tensor, HuggingFaceCache]:
        """Return the logits [V] after a prompt, and the prompt's cache."""
        (result,) = self._read_together([tokens])
        return result

    def prefill_many(self, prompts: Sequence[TokenIds]) -> list[tuple[Tensor, HuggingFaceCache]]:
        """Return the logits [V] after each prompt, and the prompt's cache.

        Prompts of nearly the same length are read in one pass, padded on the left. At most a fourth of a pass
        is padding. A pass has at most 16,384 tokens, unless one prompt alone has more.
        """
        if self._model.dtype == torch.float64 and _backend_name(self._model) == "eager":
            # This model masks with minus infinity in single precision, so its padding would become NaN.
            return [self.prefill(prompt) for prompt in prompts]
        order = sorted(range(len(prompts)), key=lambda number: -len(prompts[number]))
        results: dict[int, tuple[Tensor, HuggingFaceCache]] = {}
        while order:
            longest = len(prompts[order[0]])
            count = 1
            token_count = longest
            while count < len(order) and longest * (count + 1) <= _MOST_PASS_TOKENS:
                token_count += len(prompts[order[count]])
                # less than three fourths of the pass would be tokens
                if 4 * token_count < 3 * longest * (count + 1):
                    break
                count += 1
            together = order[:count]
            order = order[count:]
            pass_results = self._read_together([prompts[number] for number in together])
            results.update(zip(together, pass_results, strict=True))
        return [results[number] for number in range(len(prompts))]

    def _read_together(self, prompts: Sequence[TokenIds]) -> list[tuple[Tensor, HuggingFaceCache]]:
        """Return the results of `prefill` for several prompts, read in one pass. The longest prompt comes
        first."""
        longest = len(prompts[0])
        device = self._model.device
        blank_counts = [longest - len(prompt) for prompt in prompts]
        # Padding on the left: so the last column is the last token of every prompt.
        filled_up = [[0] * count + list(prompt) for count, prompt in zip(blank_counts, prompts, strict=True)]
        blanks = torch.tensor(blank_counts, device=device)
        ids = torch.tensor(filled_up, device=device)
        columns = torch.arange(longest, device=device)
        is_own = columns[None] >= blanks[:, None]
        with torch.inference_mode():
            out = self._model(
                ids,
                attention_mask=is_own.long(),
                position_ids=(columns[None] - blanks[:, None]).clamp(min=0),
                use_cache=True,
                logits_to_keep=1,
            )
        layers = _layers_of(getattr(out, self._cache_name))
        results = []
        for row, prompt in enumerate(prompts):
            own_part = slice(row, row + 1), slice(None), slice(-len(prompt), None)
            # copies: a view would keep the whole pass in memory
            parts = [(keys[own_part].clone(), values[own_part].clone()) for keys, values in layers]
            cache = HuggingFaceCache(parts, len(prompt), self)
            results.append((out.logits[row, -1], cache))
        return results

    @cached_property
    def piece_tokens(self) -> int:
        """The length of a piece of a prompt (`ReadsPieces`). A model with sliding windows, whose cache drops
        columns, reads prompts whole."""
        return self.context if _draft_shape(self._model)[0] == "none" else _PIECE

    def new_cache(self) -> HuggingFaceCache:
        """Return the cache of a text of which nothing was read."""
        return HuggingFaceCache([], 0, self)

    def read_pieces(self, pieces: Sequence[TokenIds], caches: Sequence[HuggingFaceCache]) -> Tensor:
        """Return the logits [texts, V] after further tokens of each text, which is outside the batch. Each
        text has a pass of its own."""
        device = self._model.device
        rows = []
        for piece, cache in zip(pieces, caches, strict=True):
            columns = torch.arange(cache.length + len(piece), device=device)
            with torch.inference_mode():
                out = self._model(
                    torch.tensor([list(piece)], device=device),
                    attention_mask=torch.ones_like(columns)[None],
                    position_ids=columns[None, cache.length :],
                    use_cache=True,
                    logits_to_keep=1,
                    **{self._cache_name: cache.unfinished},
                )
            # after a failed pass this cache is not used again: the prompt is read whole
            cache.unfinished = getattr(out, self._cache_name)
            cache.layers = _layers_of(cache.unfinished)
            cache.length += len(piece)
            rows.append(out.logits[0, -1])
        return torch.stack(rows)

    def decode(self, tokens: TokenIds, caches: Sequence[HuggingFaceCache]) -> Tensor:
        """Return the logits [rows, V] after one more token of each text."""
        self._batch_of(caches)
        device = self._model.device
        # the new column belongs to every text
        new_column = torch.ones(len(caches), 1, dtype=torch.bool, device=device)
        is_own = torch.cat((self._is_own, new_column), 1)
        places = torch.tensor([[cache.length] for cache in caches])
        ids = torch.tensor(tokens)[:, None]
        logits = self._run_columns(ids, places, is_own.long())
        for cache in caches:
            cache.length += 1
        # This is set only now: a failed pass leaves the batch without texts (`_run_columns`).
        self._is_own = is_own
        self._rows = list(caches)
        return logits[:, -1]

    def _run_columns(self, ids: Tensor, places: Tensor, mask: Tensor) -> Tensor:
        """Return the logits after new columns of the batch. The caller then restores `_rows`, which this call
        empties."""
        # While the model runs, the keys of no text are valid. After a failed pass they are not valid either.
        self._rows = []
        device = self._model.device
        with torch.inference_mode():
            logits: Tensor = self._model(
                ids.to(device, non_blocking=True),
                attention_mask=mask,
                position_ids=places.to(device, non_blocking=True),
                use_cache=True,
                **{self._cache_name: self._batch},
            ).logits
        return logits

    @cached_property
    def draft_support(self) -> DraftSupport:
        """The shape of drafts that the model verifies: its configuration allows it, and a trial confirms it.

        Cost: about ten passes over a few tokens, the first time.
        """
        shape, reason = _draft_shape(self._model)
        # Try a tree, then a chain: a configuration does not describe all limits of a model.
        while shape != "none":
            fault = self._find_fault(shape)
            if not fault:
                break
            reason = f"{reason} In the test of a {shape}, {fault}.".strip()
            shape = "chain" if shape == "tree" else "none"
        return DraftSupport(shape, reason)

    def decode_tree(
        self,
        tokens: TokenIds,
        parents: Sequence[int],
        counts: Sequence[int],
        caches: Sequence[HuggingFaceCache],
    ) -> Tensor:
        """Return the logits [sum(counts), V] after the nodes of a tree for each text (`VerifiesDrafts`).

        Each text's row takes as many columns as the largest tree has nodes. Raises OptionError if the
        arguments do not describe trees, or have another shape than `draft_support`; no cache is changed then.
        """
        # this call is for its errors alone
        depths_of(tokens, parents, counts, caches, self.context)
        shape = self.draft_support.shape
        # In a chain each node follows the node before it. The first node, number 0, follows -1 (the text).
        chain: list[int] = []
        for count in counts:
            chain += range(-1, count - 1)
        if shape == "none" or (shape == "chain" and list(parents) != chain):
            raise OptionError(
                f"{type(self._model).__name__} cannot verify such a draft: {self.draft_support.reason}",
                where="decode_tree",
                cure="Check draft_support first, and decode without drafts where it is empty.",
            )
        return self._verify_trees(tokens, parents, counts, caches, shape)

    def _verify_trees(
        self,
        tokens: TokenIds,
        parents: Sequence[int],
        counts: Sequence[int],
        caches: Sequence[HuggingFaceCache],
        shape: str,
    ) -> Tensor:
        """Return the logits of the nodes of trees, or of chains for which the model makes its own mask.

        `tokens`, `parents`, `counts` and `caches` as in `decode_tree`, checked; `shape` is `tree` or `chain`.
        The batch then ends with the columns of the nodes, which no text owns yet.
        """
        self._batch_of(caches)
        device = self._model.device
        rows = len(caches)
        max_nodes = max(counts)
        # A padding node sees only itself: with an empty row of the mask its attention would be NaN.
        sees = torch.eye(max_nodes, dtype=torch.bool).repeat(rows, 1, 1)
        start = 0
        for row, (count, cache) in enumerate(zip(counts, caches, strict=True)):
            cache.parents = list(parents[start : start + count])
            # a parent comes before its children, so its own row is ready
            for node, parent in enumerate(cache.parents):
                if parent >= 0:
                    sees[row, node] |= sees[row, parent]
            start += count
        is_node = torch.arange(max_nodes)[None] < torch.tensor(counts)[:, None]
        ids = torch.zeros(rows, max_nodes, dtype=torch.int64)
        ids[is_node] = torch.tensor(tokens)
        # a node sees as many nodes as its depth is, itself included
        last_places = torch.tensor([[cache.length - 1] for cache in caches])
        positions = sees.sum(-1) + last_places
        if shape == "tree":
            # each node sees the text's own columns and its own ancestors
            is_visible = torch.cat((self._is_own[:, None].expand(-1, max_nodes, -1), sees.to(device)), 2)
            # it is added to attention scores
            nothing = torch.zeros((), dtype=self._model.dtype, device=device)
            mask = nothing.where(is_visible, torch.finfo(nothing.dtype).min)[:, None]
        else:
            mask = torch.cat((self._is_own, is_node.to(device)), 1).long()
        logits = self._run_columns(ids, positions, mask)
        self._tree_at = self._is_own.shape[1]
        nobody = torch.zeros(rows, max_nodes, dtype=torch.bool, device=device)
        self._is_own = torch.cat((self._is_own, nobody), 1)
        self._rows = list(caches)
        return logits[is_node.to(device)]

    def keep(self, paths: Sequence[Sequence[int]], caches: Sequence[HuggingFaceCache]) -> None:
        """Append to each cache the nodes of a path of its last tree (`VerifiesDrafts`).

        Raises OptionError if the nodes are not a path of the tree, or if the text was read further since. No
        cache is changed then.
        """
        check_paths(paths, caches)
        first = self._tree_at
        kept_cells: list[tuple[int, int]] = []
        """The pairs (row, column) of the kept nodes in the batch."""
        for path, cache in zip(paths, caches, strict=True):
            if first is not None and cache in self._rows:
                row = self._rows.index(cache)
                kept_cells += [(row, first + node) for node in path]
            else:  # other texts were read since
                node_columns = [cache.length + node for node in path]
                columns = [*range(cache.length), *node_columns]
                cache.layers = _take_columns(cache.layers, columns)
                cache.parents = []
            cache.length += len(path)
        if first is None:
            return
        with torch.inference_mode():
            cells = torch.tensor(kept_cells, dtype=torch.int64, device=self._is_own.device)
            rows, columns_of_nodes = cells.view(-1, 2).T
            self._is_own[rows, columns_of_nodes] = True
            # The columns after the last kept node are dropped; rejected ones before it stay, masked out.
            self._end_tree(max([first, *(column + 1 for _, column in kept_cells)]))
            longest = max(cache.length for cache in self._rows)
            if self._is_own.shape[1] - longest >= max(_MOST_REJECTED, longest // 4):
                self._gather_batch(self._rows)

    def _end_tree(self, columns: int) -> None:
        """Drop the batch's columns from number `columns` on: no text keeps a node there."""
        self._is_own = self._is_own[:, :columns]
        self._tree_at = None
        for cache in self._rows:
            cache.parents = []
        for layer in self._batch.layers:
            layer.keys = layer.keys[:, :, :columns]
            layer.values = layer.values[:, :, :columns]

    def _find_fault(self, shape: str) -> str:
        """Verify two small drafts, keep a part of each, and decode a token after it. Return a description of
        the fault, "" for none: the model's error, or logits that differ from those of the same texts read as
        prompts."""
        # two texts of different lengths, the first with four nodes, the second with two
        texts = [[1, 2, 3, 4, 5], [6, 7]]
        counts = [4, 2]
        tokens = [8, 9, 10, 11, 12, 13]
        ends = [14, 15]
        parents = [-1, 0, 1, 2, -1, 0]
        paths = [[0, 1], [0]]
        if shape == "tree":
            parents = [-1, 0, 0, 1, -1, 0]
            # node 2 is the second child of node 0, so that the column between them is not kept
            paths = [[0, 2], [0]]
        whole_texts = _texts_of_nodes(texts, tokens, parents, counts)
        kept_texts = [whole_texts[paths[0][-1]], whole_texts[counts[0]]]
        whole_texts += [[*kept_text, end] for kept_text, end in zip(kept_texts, ends, strict=True)]

        def wrap_tokens(tokens: list[int]) -> list[int]:
            return [token % self.vocab_size for token in tokens]

        try:
            caches = [self.prefill(wrap_tokens(text))[1] for text in texts]
            nodes = self._verify_trees(wrap_tokens(tokens), parents, counts, caches, shape)
            self.keep(paths, caches)
            last_logits = self.decode(wrap_tokens(ends), caches)
            logits = torch.cat((nodes, last_logits)).double()
            expected_rows = [self.prefill(wrap_tokens(text))[0] for text in whole_texts]
            expected_logits = torch.stack(expected_rows).double()
        except Exception as error:  # any error of the model: it then has no drafts of this shape
            first_line = str(error).partition("\n")[0]
            return f"the model failed ({type(error).__name__}: {first_line})"
        # The mean is subtracted, because a number that is added to all logits changes nothing.
        spread = (expected_logits - expected_logits.mean(1, keepdim=True)).norm(dim=1)
        difference = (logits - expected_logits).norm(dim=1) / spread
        # numbers of half precision round differently for another number of rows
        limit = max(1e-3, 16 * torch.finfo(self._model.dtype).eps)
        # `all` of a comparison: a NaN is a fault too
        if bool((difference <= limit).all()):
            return ""
        return f"logits differed by {float(difference.max()):.2g} of their spread"

    def _batch_of(self, caches: Sequence[HuggingFaceCache]) -> None:
        """Make the batch consist of these texts, in this order."""
        if list(caches) != self._rows:
            self._gather_batch(list(caches))
        elif self._tree_at is not None:
            self._end_tree(self._tree_at)

    def nbytes_of(self, cache: HuggingFaceCache) -> int:
        """Return the bytes of a text's keys and values, without moving them out of the batch. Return 0 for a
        text whose pass failed: it has no valid ones any more."""
        layers = _layers_of(self._batch) if cache in self._rows else cache.layers
        column_bytes = 0
        for keys, values in layers:
            column_bytes += keys[0, :, 0].nbytes + values[0, :, 0].nbytes
        return cache.length * column_bytes

    def detach_cache(self, cache: HuggingFaceCache) -> None:
        """Move a text's keys and values out of the batch into the text's own cache."""
        if cache in self._rows:
            row = self._rows.index(cache)
            is_own = self._is_own[row].clone()
            # the nodes of a tree are moved too: `keep` may still name them
            if self._tree_at is not None:
                is_own[self._tree_at : self._tree_at + len(cache.parents)] = True
            layers = [
                (keys[row : row + 1], values[row : row + 1]) for keys, values in _layers_of(self._batch)
            ]
            cache.layers = _take_columns(layers, is_own)

    def _gather_batch(self, caches: list[HuggingFaceCache]) -> None:
        """Make a batch of these texts, each padded on the left to the length of the longest."""
        # optional: transformers
        from transformers import DynamicCache

        for cache in self._rows:
            self.detach_cache(cache)
        longest = max(cache.length for cache in caches)

        def join_rows(parts: list[Tensor]) -> Tensor:
            # `pad` takes (before, after) for the last dimension, the head, and then for the columns
            filled_up = [pad(part, (0, 0, longest - part.shape[2], 0)) for part in parts]
            return torch.cat(filled_up)

        batch = DynamicCache()
        # the nodes of a tree, which come after the text's own columns, are left out
        layers_of_texts = [_take_columns(cache.layers, slice(cache.length)) for cache in caches]
        for number, layers in enumerate(zip(*layers_of_texts, strict=True)):
            keys = join_rows([keys for keys, _ in layers])
            values = join_rows([values for _, values in layers])
            batch.update(keys, values, number)
        columns = torch.arange(longest, device=self._model.device)
        lengths = torch.tensor([cache.length for cache in caches], device=self._model.device)
        self._rows = caches
        self._batch = batch
        self._is_own = columns[None] >= longest - lengths[:, None]
        self._tree_at = None
        for cache in caches:
            cache.layers = []
            cache.parents = []
            cache.unfinished = None


def _texts_of_nodes(
    texts: Sequence[list[int]], tokens: TokenIds, parents: Sequence[int], counts: Sequence[int]
) -> list[list[int]]:
    """Return the whole text that ends with each node, for trees after `texts`.

    `tokens`, `parents` and `counts` describe the trees, as in `decode_tree`. For example
    `_texts_of_nodes([[1]], [8, 9], [-1, 0], [2])` returns `[[1, 8], [1, 8, 9]]`.
    """
    whole_texts: list[list[int]] = []
    for text, count in zip(texts, counts, strict=True):
        first = len(whole_texts)
        for node in range(first, first + count):
            # a parent comes before its children
            text_before = text if parents[node] < 0 else whole_texts[first + parents[node]]
            whole_texts.append([*text_before, tokens[node]])
    return whole_texts


def _cache_name(model: Any) -> str:
    """Return the name of a model's argument and result for the cache."""
    # optional: transformers
    from transformers.modeling_outputs import CausalLMOutputWithPast

    # another name since transformers 5.24; code that comes with its weights may have kept the old one
    old_name = "past_key_values"
    takes_old_name = old_name in signature(model.forward).parameters
    knows_new_name = hasattr(CausalLMOutputWithPast, "cache")
    return old_name if takes_old_name or not knows_new_name else "cache"


def _take_columns(layers: list[tuple[Tensor, Tensor]], columns: Any) -> list[tuple[Tensor, Tensor]]:
    """Return keys and values with only some columns. Their shape is [rows, heads, columns, head]. `columns`
    is a slice, a list of numbers, or a mask."""
    return [(keys[:, :, columns], values[:, :, columns]) for keys, values in layers]


def _layers_of(cache: Any) -> list[tuple[Tensor, Tensor]]:
    """Return the keys and the values of each layer of transformers' cache."""
    return [(layer.keys, layer.values) for layer in cache.layers]


_Shape = Literal["tree", "chain", "none"]


def _draft_shape(model: Any) -> tuple[_Shape, str]:
    """Return the shape of drafts that a model may verify according to its configuration, and the reason why
    it is not a richer shape."""
    # optional: transformers
    from transformers import DynamicCache

    name = type(model).__name__
    config = model.config.get_text_config()
    try:
        layers = DynamicCache(config=model.config).layers
    except (TypeError, KeyError, AttributeError) as error:
        return "none", f"transformers does not say what cache {name} needs ({type(error).__name__}: {error})."
    # GPT-Neo has windows that its cache does not know of
    is_local = "local" in (getattr(config, "attention_layers", None) or ())
    if is_local or any(getattr(layer, "is_sliding", False) for layer in layers):
        reason = (
            f"{name} has sliding windows: they count the columns of the cache, including rejected guesses."
        )
        return "none", reason
    backend = _backend_name(model)
    if backend not in _MASKED_BACKENDS:
        return "chain", f"The attention back end {backend} does not accept a mask for each node."
    settings = getattr(config, "attn_config", None)
    says_alibi = getattr(config, "alibi", False) or getattr(settings, "alibi", False)
    if says_alibi or config.model_type in ("bloom", "mpt"):
        reason = f"{name} has position biases (ALiBi) that are computed from the columns, not from positions."
        return "chain", reason
    return "tree", ""


def _backend_name(model: Any) -> str:
    """Return the name of a model's attention back end."""
    return getattr(model.config.get_text_config(), "_attn_implementation", None) or "eager"
