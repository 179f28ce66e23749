"""The forward pass of a Llama in the memory of the CPU: its weights put as the compiled code reads them, and
its rows dealt out to threads.

Threads have rows of their own and wait for nothing but each other's end; a text's rows stay together. Each
thread reads all the weights, so one is asked only for eight rows or more.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from structgen.engine.draft_trees import check_paths, depths_of
from structgen.engine.forward_pass.forward import run_rows
from structgen.engine.forward_pass.key_value_pages import KeyValuePages, PagedCache
from structgen.engine.forward_pass.paged_attention import move_columns
from structgen.engine.forward_pass.tiles import IS_FUSED, PANEL
from structgen.engine.forward_pass.weights import Weights
from structgen.engine.model_protocol import DraftSupport

_TOGETHER = 64
"""Rows of a call: more of them fall out of the caches nearest to the core."""
_SHARE = 4
"""The least rows for which a thread is asked."""
_ALIKE = 16
"""The fewest tokens in common for which prompts are read as alike."""
_LINE = 16
"""Numbers by which the parts of the weights begin: whole lines of a cache."""
_WORD = 8
"""Bytes of the number of a parent."""
_Numbers = npt.NDArray[np.float32]
_Rows = npt.NDArray[np.int64]


class CompiledPass:
    """The forward pass of a model; see the module. One thread at a time calls it."""

    def __init__(self, weights: Weights) -> None:
        sizes = weights.sizes
        half = all(map(_is_half, weights.products()))
        width, inner = weights.layers[0].down.shape
        self._weights, self._offsets = _laid_out(weights, half)
        self._sizes = np.array(
            (sizes.heads, sizes.groups, sizes.head, width, inner, len(weights.head), half), np.int64
        )
        self._epsilon = np.float32(sizes.epsilon)
        self._context, self._vocabulary = sizes.context, len(weights.head)
        self._tables = weights.embedding.numpy(), weights.cos.numpy(), weights.sin.numpy()
        self._others: ThreadPoolExecutor | None = None
        self.pages = KeyValuePages(sizes.layers, sizes.groups, sizes.head, sizes.context)

    @staticmethod
    def serves(weights: Weights) -> bool:
        """Tell whether this is for a model: one in the memory of a CPU that has what it takes, in single
        precision, whose heads and matrices are whole panels wide."""
        like, matrices = weights.embedding, weights.products()
        here = IS_FUSED and like.device.type == "cpu" and like.dtype == torch.float32
        wide = [weights.sizes.head, *map(len, matrices)]
        return here and all(columns % PANEL == 0 for columns in wide)

    def prefill(self, prompts: Sequence[Sequence[int]]) -> tuple[Tensor, list[PagedCache]]:
        """Return the logits [prompts, V] after prompts, and their caches. What several begin with is read
        once: a column is the same to the bit whoever asked for it."""
        self.pages.sweep()
        caches = [PagedCache(self.pages, len(prompt)) for prompt in prompts]
        starts = [0] * len(prompts)
        alike = _alike(prompts)
        if alike:
            firsts = [group[0] for group, _ in alike]
            ends = [length for _, length in alike]
            for at, end in zip(firsts, ends, strict=True):
                caches[at].grow(end)
            self._run(*_rows_of(prompts, caches, firsts, [0] * len(firsts), ends), caches)
        for group, length in alike:
            for at in group:
                starts[at] = length
                if at != group[0]:
                    caches[at].begin_as(caches[group[0]], length)
        every, lengths = range(len(prompts)), [len(prompt) for prompt in prompts]
        for cache in caches:
            cache.grow(cache.length)
        return self._run(*_rows_of(prompts, caches, every, starts, lengths), caches), caches

    def decode(self, tokens: Sequence[int], caches: Sequence[PagedCache]) -> Tensor:
        """Return the logits [rows, V] after one more token of each text, which its cache then holds."""
        self.pages.sweep()
        rows = []
        for token, cache in zip(tokens, caches, strict=True):
            place = cache.length
            cache.grow(place + 1)
            cache.parents = []
            rows.append((token, place, cache.address, place, place, 0))
        logits = self._run(np.array(rows, np.int64), [1] * len(rows), caches)
        for cache in caches:
            cache.length += 1
        return logits

    @property
    def draft_support(self) -> DraftSupport:
        """Trees: a node attends to the columns of its own path, in their order."""
        return DraftSupport("tree")

    def decode_tree(
        self,
        tokens: Sequence[int],
        parents: Sequence[int],
        counts: Sequence[int],
        caches: Sequence[PagedCache],
    ) -> Tensor:
        """Return the logits [sum(counts), V] after each node of a tree of each text (`VerifiesDrafts`).

        They are those of `decode` to the bit. Raises OptionError for what is no such tree, for one of more
        than MOST_NODES nodes, and for one that goes past the context; no cache is changed then. Memory: a
        page for every 32 nodes of a text, and at most one more.
        """
        rows = _tree_rows(tokens, parents, counts, caches, self._context)
        self.pages.sweep()
        # the compiled code walks up the paths in them: the threads hold them, as they hold the caches
        numbers = np.array(parents, np.int64)
        start = 0
        for count, cache in zip(counts, caches, strict=True):
            cache.grow(cache.length + count)
            cache.parents = list(parents[start : start + count])
            start += count
        rows[:, 5] += numbers.ctypes.data
        return self._run(rows, counts, (numbers, caches), every=True)

    def keep(self, paths: Sequence[Sequence[int]], caches: Sequence[PagedCache]) -> None:
        """Have each cache hold the nodes of a path of its last tree (`VerifiesDrafts`). Raises OptionError
        for what is no path of it, and changes no cache then. Cost: moving the columns of those nodes that
        do not follow each other in the tree."""
        check_paths(paths, caches)
        _, groups, head = self._sizes[:3]
        for path, cache in zip(paths, caches, strict=True):
            if path[-1] >= len(path):
                columns = np.array(path, np.int64) + cache.length
                move_columns(cache.address, columns, cache.length, self.pages.layers, groups, head)
            cache.parents = []
            cache.length += len(path)

    def _run(self, rows: _Rows, counts: Sequence[int], held: object, every: bool = False) -> Tensor:
        """Return the logits after the last row of each text, of which `counts` says how many rows it has;
        or after `every` row.

        Raises what went wrong in any thread, when all have ended. Each thread holds the caches: where an
        interrupt cuts the waiting, their pages are no other text's until it has ended.
        """
        every = every or len(rows) == len(counts)
        asked = np.arange(len(rows)) if every else np.cumsum(counts) - 1
        logits = np.empty((len(asked), self._vocabulary), np.float32)
        threads = min(torch.get_num_threads(), len(counts), len(rows) // _SHARE)
        if threads <= 1:
            self._run_part(rows, asked, logits)
            return torch.from_numpy(logits)
        ends = np.cumsum(counts)
        if self._others is None:
            self._others = ThreadPoolExecutor(thread_name_prefix="structgen-engine-rows")
        stops = _dealt(ends, threads)
        futures, start = [], 0
        for stop in (int(ends[stop - 1]) for stop in stops[:-1]):
            futures.append(self._others.submit(self._run_stretch, rows, asked, start, stop, logits, held))
            start = stop
        failed: BaseException | None = None
        try:
            self._run_stretch(rows, asked, start, len(rows), logits, held)
        finally:
            for future in futures:
                failed = future.exception() or failed
        if failed is not None:
            raise failed
        return torch.from_numpy(logits)

    def _run_stretch(
        self, rows: _Rows, asked: _Rows, start: int, stop: int, logits: _Numbers, held: object
    ) -> None:
        """Run the rows from `start` to `stop`, the caches of whose texts are among what is held."""
        first, last = np.searchsorted(asked, (start, stop))
        self._run_part(rows[start:stop], asked[first:last] - start, logits[first:last])

    def _run_part(self, rows: _Rows, asked: _Rows, logits: _Numbers) -> None:
        """Run rows, and write the logits after those whose numbers, ascending, are `asked`."""
        model = self._sizes, self._epsilon, self._weights, self._offsets, *self._tables
        if len(rows) <= _TOGETHER:
            run_rows(*model, rows, asked, logits)
            return
        done = 0
        for start in range(0, len(rows), _TOGETHER):
            part = rows[start : start + _TOGETHER]
            stop = int(np.searchsorted(asked, start + len(part)))
            run_rows(*model, part, asked[done:stop] - start, logits[done:stop])
            done = stop


def _rows_of(
    prompts: Sequence[Sequence[int]],
    caches: Sequence[PagedCache],
    which: Sequence[int],
    starts: Sequence[int],
    ends: Sequence[int],
) -> tuple[_Rows, list[int]]:
    """Return the rows of stretches of prompts, and how many each has."""
    counts = [end - start for start, end in zip(starts, ends, strict=True)]
    rows, done = np.zeros((sum(counts), 6), np.int64), 0
    for at, start, end in zip(which, starts, ends, strict=True):
        own = rows[done : done + end - start]
        own[:, 0], own[:, 1], own[:, 2] = prompts[at][start:end], np.arange(start, end), caches[at].address
        own[:, 3], own[:, 4] = own[:, 1], start
        done += end - start
    return rows, counts


def _tree_rows(
    tokens: Sequence[int],
    parents: Sequence[int],
    counts: Sequence[int],
    caches: Sequence[PagedCache],
    context: int,
) -> _Rows:
    """Return the rows of the nodes of trees, the address of the first parent left out. Raises OptionError, as
    `depths_of`."""
    depths = depths_of(tokens, parents, counts, caches, context)
    rows: list[tuple[int, int, int, int, int, int]] = []
    for count, cache in zip(counts, caches, strict=True):
        start, length, address = len(rows), cache.length, cache.address
        rows += [
            (tokens[node], length + depths[node], address, length + node - start, length, _WORD * start)
            for node in range(start, start + count)
        ]
    return np.array(rows, np.int64)


def _alike(prompts: Sequence[Sequence[int]]) -> list[tuple[list[int], int]]:
    """Return groups of prompts that begin with the same tokens, and with how many: at least _ALIKE, and less
    than any of them has."""
    order = sorted(range(len(prompts)), key=lambda at: list(prompts[at]))
    found: list[tuple[list[int], int]] = []
    group, length = order[:1], len(prompts[order[0]]) - 1
    for at in order[1:]:
        common = min(_common(prompts[group[0]], prompts[at]), length, len(prompts[at]) - 1)
        if common >= _ALIKE and 2 * common >= length:
            group.append(at)
            length = common
            continue
        found.append((group, length))
        group, length = [at], len(prompts[at]) - 1
    found.append((group, length))
    return [(group, length) for group, length in found if len(group) > 1]


def _common(one: Sequence[int], other: Sequence[int]) -> int:
    """Return how many tokens two prompts begin with in common."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((at for at, (a, b) in pairs if a != b), min(len(one), len(other)))


def _laid_out(weights: Weights, half: bool) -> tuple[_Numbers, npt.NDArray[np.int64]]:
    """Return norms and packed matrices in one array, and where they begin: `forward` has the columns."""
    parts: list[list[_Numbers]] = []
    for layer in weights.layers:
        qkv, out, gate_up, down = (_packed(matrix, half) for matrix in layer.products())
        parts.append([layer.before.numpy(), qkv, out, layer.between.numpy(), gate_up, down])
    parts.append([weights.norm.numpy(), _packed(weights.head, half)])
    offsets, length = np.zeros((len(parts), 6), np.int64), 0
    for row, of_layer in enumerate(parts):
        for column, part in enumerate(of_layer):
            offsets[row, column] = length
            length += -(-len(part) // _LINE) * _LINE
    memory = np.zeros(length + _LINE, np.float32)
    # an array of numpy begins anywhere in a line
    begin = -memory.ctypes.data // memory.itemsize % _LINE
    memory = memory[begin : begin + length]
    for row, of_layer in enumerate(parts):
        for column, part in enumerate(of_layer):
            memory[offsets[row, column] :][: len(part)] = part
    return memory, offsets


def _packed(matrix: Tensor, half: bool) -> _Numbers:
    """Return a matrix [columns, depth] as `tiles.product` reads it: panels of 32 columns, in each of them a
    vector or two for each depth. `half` keeps the upper 16 bits of each number."""
    depth = matrix.shape[1]
    bits = matrix.contiguous().numpy().view(np.uint32)
    if half:
        first, second = (bits.reshape(-1, 2, PANEL // 2, depth) >> np.uint32(16)).swapaxes(0, 1)
        panels = first | (second << np.uint32(16))
    else:
        panels = bits.reshape(-1, PANEL, depth)
    return np.ascontiguousarray(panels.swapaxes(1, 2)).reshape(-1).view(np.float32)


def _is_half(matrix: Tensor) -> bool:
    """Tell whether each number of a matrix is one of bfloat16."""
    return not bool((matrix.contiguous().numpy().view(np.uint32) & np.uint32(0xFFFF)).any())


def _dealt(ends: _Rows, parts: int) -> list[int]:
    """Return where each part of the texts ends, none of them empty, of nearly the same number of rows."""
    total, stops = int(ends[-1]), list[int]()
    for part in range(1, parts):
        at = int(np.searchsorted(ends, total * part // parts)) + 1
        at = max(at, stops[-1] + 1 if stops else 1)
        stops.append(min(at, len(ends) - parts + part))
    return [*stops, len(ends)]
