"""Runs a Llama on the CPU so that a text gets the same logits, to the bit, alone and in any batch.

A *row* is one token of one text. A *column* is the place of one token's keys and values; a *page* has 32
columns. A *draft tree* is a tree of guessed tokens, its *nodes*, which one pass checks.

The forward pass is compiled (`forward`), in the memory of the CPU. The cache of a text is a list of pages
(`PagedCache`): a text takes another page when the last one is full, so nothing is moved as it grows. A full
page never changes. Texts with a common prefix share its pages, which so stay in the processor's caches. A
page has, for each layer, the keys of all groups, then their values (`paged_attention`). Pages of earlier
prompts and texts are kept (`kept_prompts`), so that a prompt that begins like one of them reads only the
rest.

This file packs the weights for the compiled code, and divides rows among threads. Each
thread works on rows of its own; the rows of one text stay in one thread. Each thread reads all weights, so a
thread is used only for at least four rows.
"""

from __future__ import annotations

import operator
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from structgen.base.native.array_types import ByteArray, Float32Array, Int64Array
from structgen.base.native.machine_code import has_fused_sums
from structgen.decoding.engine.forward_pass.draft_trees import MOST_NODES, check_paths, depths_of
from structgen.decoding.engine.forward_pass.forward import run_rows
from structgen.decoding.engine.forward_pass.kept_prompts import KeptPrompts
from structgen.decoding.engine.forward_pass.paged_attention import move_columns
from structgen.decoding.engine.forward_pass.tiles import LINE, PANEL
from structgen.decoding.engine.forward_pass.weights import Weights
from structgen.decoding.engine.model_protocol import DraftSupport, TokenIds, split_alike

_MOST_ROWS = 64
"""The most rows of one call; more would not stay in the inner caches of the core."""
_LEAST_ROWS = 4
"""The least number of rows for each thread of a pass."""
_LINE = LINE // 4
"""The alignment of the parts of the weights, in numbers of four bytes: a cache line."""
_Numbers = Float32Array
_Rows = Int64Array


class PagedCache:
    """The cache of one text: the first `length` columns of its pages.

    The columns after them may hold a draft tree, described by `parents`: node j has column `length + j`. They
    are not part of the text; the next token or tree overwrites them. Their pages stay with the cache: at most
    one for every 32 nodes of its largest tree, and one more.
    """

    __slots__ = ("_context", "_list", "_page_bytes", "_pages", "address", "length", "parents")

    def __init__(self, page_bytes: int, context: int) -> None:
        """Make an empty cache. `page_bytes` is the size of a page; `context` is the most columns of a
        text."""
        self._page_bytes = page_bytes
        self._context = context
        self.length = 0
        self._pages: list[ByteArray] = []
        """The pages of the text. A page lives as long as some cache refers to it."""
        self.parents: list[int] = []
        """The parents of the last tree's nodes; empty once nodes were kept or tokens were read."""
        # a tree's nodes may have columns beyond the model's context, though their positions are within
        # it; and compiled code prefetches the list up to four pages ahead
        page_count = -(-context // PANEL) + MOST_NODES // PANEL
        self._list = np.zeros(page_count + 4, np.int64)
        self.address: int = self._list.ctypes.data
        """The address of the list of its pages."""

    @property
    def nbytes(self) -> int:
        """The bytes of the cache's pages, shared ones included."""
        return len(self._pages) * self._page_bytes

    def nbytes_beside(self, other_cache: PagedCache) -> int:
        """Return the bytes of the pages that are not shared with another cache of the same model."""
        # shared pages have the same place in both: both texts begin with them
        shared_count: int = sum(map(operator.is_, self._pages, other_cache._pages))
        return (len(self._pages) - shared_count) * self._page_bytes

    def grow_to(self, length: int) -> None:
        """Append pages until there are at least `length` columns."""
        while len(self._pages) * PANEL < length:
            self._append_page(fresh_page(self._page_bytes))

    def copy(self) -> PagedCache:
        """Return an independent copy."""
        twin = PagedCache(self._page_bytes, self._context)
        twin.begin_as(self._pages, self.length)
        return twin

    def begin_as(self, pages: Sequence[ByteArray], length: int) -> None:
        """Begin with the first `length` columns of the pages of another cache, in place of this one's. Full
        pages are shared, and the last columns are copied."""
        own_pages = list(pages[: length // PANEL])
        # the last page is not full, and both texts will write into it, so each has a page of its own
        if length % PANEL:
            page = fresh_page(self._page_bytes)
            page[:] = pages[length // PANEL]
            own_pages.append(page)
        self._pages = []
        for page in own_pages:
            self._append_page(page)
        self.length = length

    def _append_page(self, page: ByteArray) -> None:
        self._list[len(self._pages)] = page.ctypes.data
        self._pages.append(page)


def fresh_page(page_bytes: int) -> ByteArray:
    """Return a page. Its contents are undefined."""
    # numpy aligns memory to less than a cache line: one line more, and the part from its first whole line on
    memory = np.empty(page_bytes + LINE, np.uint8)
    start = -memory.ctypes.data % LINE
    return memory[start : start + page_bytes]


class Llama:
    """A Llama model whose weights the compiled code can run (`can_run`). A lock makes it thread-safe."""

    def __init__(self, weights: Weights, *, drafts_pay: bool = True) -> None:
        """Pack the weights. `drafts_pay` says whether drafts can save time (`VerifiesDrafts`)."""
        sizes = weights.sizes
        self.drafts_pay = drafts_pay
        self.vocab_size = len(weights.head)
        self.context = sizes.context
        # Whether all weights are exact in bfloat16: their lower 16 bits are 0.
        half = True
        for matrix in weights.product_matrices():
            bits = matrix.contiguous().numpy().view(np.uint32)
            if (bits & np.uint32(0xFFFF)).any():
                half = False
                break
        # the shape of the last matrix of a layer, which leads from the inner width down to the model's width
        width, inner = weights.layers[0][-1].shape
        self._weights, self._offsets = _lay_out(weights, half)
        # in the order of the columns in `forward`
        all_sizes = sizes.heads, sizes.groups, sizes.head, width, inner, self.vocab_size, half
        self._sizes = np.array(all_sizes, np.int64)
        self._epsilon = np.float32(sizes.epsilon)
        embedding = weights.embedding.numpy()
        self._tables = embedding, weights.cos.numpy(), weights.sin.numpy()
        self._others: ThreadPoolExecutor | None = None
        """The threads other than the caller's own; None until a pass needs them."""
        self._lock = threading.Lock()
        # four bytes for each number of the keys and of the values of 32 columns
        self._page_bytes = 4 * sizes.layers * 2 * sizes.groups * PANEL * sizes.head
        self.kept_prompts = KeptPrompts(self._page_bytes)
        """The pages of earlier prompts and texts."""

    @property
    def weight_bytes(self) -> int:
        """The bytes of the weights in memory: the packed ones, and the embedding in float32, whose rows the
        tokens of a text are read from. A model that has no output head of its own holds its embedding twice.
        """
        return int(self._weights.nbytes + self._tables[0].nbytes)

    @classmethod
    def read_folder(cls, folder: Path) -> Llama:
        """Return the model of a folder: config.json and model.safetensors. Raises StructgenError."""
        return cls(Weights.read_folder(folder))

    @staticmethod
    def can_run(weights: Weights) -> bool:
        """Return whether the compiled code can run a model: on a CPU with the needed instructions, with head
        and matrix widths that are multiples of a panel."""
        widths = [weights.sizes.head, *map(len, weights.product_matrices())]
        return has_fused_sums() and all(width % PANEL == 0 for width in widths)

    def prefill(self, tokens: TokenIds) -> tuple[Tensor, PagedCache]:
        """Return the logits [V] after a prompt, and its cache."""
        (result,) = self.prefill_many([tokens])
        return result

    def prefill_many(self, prompts: Sequence[TokenIds]) -> list[tuple[Tensor, PagedCache]]:
        """Return the logits [V] after each prompt, and its cache. The prompts are read in one pass, or in two
        if they begin alike: their common beginning is read once, and not at all if an earlier prompt began
        with it too. The result is the same to the bit."""
        caches = [self.new_cache() for _ in prompts]
        logits: dict[int, Tensor] = {}
        numbers: Sequence[int] = range(len(prompts))
        while numbers:
            for number in numbers:
                self.share_kept(prompts[number], caches[number])
            parts = [(prompts[number], caches[number].length, "") for number in numbers]
            is_on = self.kept_prompts.is_on
            now, later = split_alike(parts) if is_on else (range(len(parts)), [])
            together = [numbers[index] for index in now]
            pieces = [prompts[number][caches[number].length :] for number in together]
            rows = self.read_pieces(pieces, [caches[number] for number in together])
            for number, row in zip(together, rows, strict=True):
                logits[number] = row
                self.keep_beginning(prompts[number], caches[number])
            numbers = [numbers[index] for index in later]
        return [(logits[number], cache) for number, cache in enumerate(caches)]

    piece_tokens = PANEL
    """The length of a piece of a prompt (`ReadsPieces`): a page."""

    def new_cache(self) -> PagedCache:
        """Return the cache of a text of which nothing was read."""
        return PagedCache(self._page_bytes, self.context)

    def share_kept(self, tokens: TokenIds, cache: PagedCache, salt: str = "") -> None:
        """Let the cache of a prompt begin with the pages of earlier prompts and texts, if they have more of
        its tokens than the cache has. The last token is never among them."""
        with self._lock:
            pages, count = self.kept_prompts.find(tokens, salt)
            if count > cache.length:
                cache.begin_as(pages, count)

    def keep_beginning(self, tokens: TokenIds, cache: PagedCache, salt: str = "") -> None:
        """Keep the pages of a text for prompts that begin alike. `tokens`: those of the text, from its first
        one on; those that the cache does not have yet are left out."""
        with self._lock:
            self.kept_prompts.add(tokens[: cache.length], cache._pages, salt)

    def read_pieces(self, pieces: Sequence[TokenIds], caches: Sequence[PagedCache]) -> Tensor:
        """Return the logits [texts, V] after further tokens of each text, at least one. The caches then
        include them. The result is the same to the bit as if the texts were read whole."""
        return self._read_further(pieces, caches)

    def _read_further(self, pieces: Sequence[TokenIds], caches: Sequence[PagedCache]) -> Tensor:
        with self._lock:
            rows, counts = _rows_of(pieces, caches)
            logits = self._run_threads(rows, counts, caches)
            # The lengths grow after the pass: an interrupted pass leaves the texts as they were.
            for cache, count in zip(caches, counts, strict=True):
                cache.length += count
            return logits

    def decode(self, tokens: TokenIds, caches: Sequence[PagedCache]) -> Tensor:
        """Return the logits [rows, V] after one more token of each text. The caches then include
        the token."""
        return self._read_further(list(zip(tokens, strict=True)), caches)

    @property
    def draft_support(self) -> DraftSupport:
        """The support of draft trees: a node attends to the columns of its path, in order."""
        return DraftSupport("tree")

    def decode_tree(
        self,
        tokens: TokenIds,
        parents: Sequence[int],
        counts: Sequence[int],
        caches: Sequence[PagedCache],
    ) -> Tensor:
        """Return the logits [sum(counts), V] after each node of each text's tree (`VerifiesDrafts`).

        They equal those of `decode` to the bit. Raises OptionError if the lists do not describe trees, if a
        tree has more than MOST_NODES nodes, or if it goes beyond the context; no cache is changed then.
        Memory: a page for every 32 nodes of a text, and at most one more.
        """
        with self._lock:
            depths = depths_of(tokens, parents, counts, caches, self.context)
            numbers = np.array(parents, np.int64)
            rows = _tree_rows(tokens, numbers, counts, caches, depths)
            start = 0
            for count, cache in zip(counts, caches, strict=True):
                cache.grow_to(cache.length + count)
                cache.parents = list(parents[start : start + count])
                start += count
            # the compiled code follows the parents in this array, so the threads keep it and the caches alive
            return self._run_threads(rows, counts, (numbers, caches), all_rows=True)

    def keep(self, paths: Sequence[Sequence[int]], caches: Sequence[PagedCache]) -> None:
        """Append to each cache the nodes of a path in its last tree (`VerifiesDrafts`). Raises OptionError
        for a list that is not a path; no cache is changed then. Cost: moving the columns of nodes that are
        not adjacent in the tree."""
        with self._lock:
            check_paths(paths, caches)
            _heads, groups, head = self._sizes[:3]
            for path, cache in zip(paths, caches, strict=True):
                # Otherwise the nodes are 0, 1, 2 and so on, and their columns are already in the right place.
                if path[-1] >= len(path):
                    columns = np.array(path, np.int64) + cache.length
                    layers = len(self._offsets) - 1
                    move_columns(cache.address, columns, cache.length, layers, groups, head)
                cache.parents = []
                cache.length += len(path)

    def _run_threads(
        self, rows: _Rows, counts: Sequence[int], kept_alive: object, all_rows: bool = False
    ) -> Tensor:
        """Return the logits after the last row of each text, or after every row if `all_rows`. `counts` has
        the number of rows of each text.

        Raises the error of any thread once all have ended. Each thread keeps the caches alive (`kept_alive`):
        after an interrupt, no other text gets their pages before the thread has ended.
        """
        all_rows = all_rows or len(rows) == len(counts)
        logit_rows = np.arange(len(rows)) if all_rows else np.cumsum(counts) - 1
        logits = np.empty((len(logit_rows), self.vocab_size), np.float32)
        threads = min(torch.get_num_threads(), len(counts), len(rows) // _LEAST_ROWS)
        if threads <= 1:
            self._run_part(rows, logit_rows, 0, len(rows), logits, kept_alive)
            return torch.from_numpy(logits)
        ends = np.cumsum(counts)
        # parts end where texts do, and have nearly equal numbers of rows
        equal_borders = len(rows) * np.arange(1, threads) // threads
        borders = ends[np.searchsorted(ends, equal_borders)].tolist()
        # a set, because the end of a long text may be the nearest to two borders
        parts = pairwise(sorted({0, len(rows), *borders}))
        if self._others is None:
            self._others = ThreadPoolExecutor(thread_name_prefix="structgen-engine-rows")
        first, *others = parts
        futures = [
            self._others.submit(self._run_part, rows, logit_rows, *part, logits, kept_alive)
            for part in others
        ]
        # the caller works too; whatever happens to it, no thread writes into the caches afterwards
        try:
            self._run_part(rows, logit_rows, *first, logits, kept_alive)
        finally:
            wait(futures)
        for future in futures:
            future.result()
        return torch.from_numpy(logits)

    def _run_part(
        self, rows: _Rows, logit_rows: _Rows, start: int, stop: int, logits: _Numbers, kept_alive: object
    ) -> None:
        """Run the rows from `start` to `stop`. Write the logits after those whose numbers are in `logit_rows`
        (ascending). `kept_alive` is not used: it keeps the caches alive."""
        model = self._sizes, self._epsilon, self._weights, self._offsets, *self._tables
        if len(rows) <= min(stop - start, _MOST_ROWS):  # nearly all calls: nothing is to be divided
            run_rows(*model, rows, logit_rows, logits)
            return
        for begin in range(start, stop, _MOST_ROWS):
            end = min(begin + _MOST_ROWS, stop)
            # the logits that belong to these rows; `run_rows` counts rows from its own first one
            first, last = np.searchsorted(logit_rows, (begin, end))
            part_logit_rows = logit_rows[first:last] - begin
            run_rows(*model, rows[begin:end], part_logit_rows, logits[first:last])


def _rows_of(pieces: Sequence[TokenIds], caches: Sequence[PagedCache]) -> tuple[_Rows, list[int]]:
    """Return the rows of pieces that follow the texts of `caches`, and the number of rows of each. The caches
    get pages for them. The columns are those of `paged_attention`."""
    rows: list[tuple[int, int, int, int, int, int]] = []
    for piece, cache in zip(pieces, caches, strict=True):
        start = cache.length
        cache.grow_to(start + len(piece))
        cache.parents = []
        # Without a tree the column is the position, and the address of the parents is 0.
        for place, token in enumerate(piece, start):
            rows.append((token, place, cache.address, place, start, 0))
    return np.array(rows, np.int64), [*map(len, pieces)]


def _tree_rows(
    tokens: TokenIds,
    parents: Int64Array,
    counts: Sequence[int],
    caches: Sequence[PagedCache],
    depths: Sequence[int],
) -> _Rows:
    """Return the rows of the nodes of trees, with the addresses of their parents. `tokens`, `parents`,
    `counts` and `caches` are as in `decode_tree`, `depths` as `depths_of` returns them. The array of the
    parents must outlive the rows."""
    rows: list[tuple[int, int, int, int, int, int]] = []
    for count, cache in zip(counts, caches, strict=True):
        start = len(rows)
        length = cache.length
        address = cache.address
        parents_address = parents[start:].ctypes.data
        # The position follows from the depth. The column is the next free one, since siblings have the same
        # position.
        for node in range(start, start + count):
            place = length + depths[node]
            column = length + node - start
            rows.append((tokens[node], place, address, column, length, parents_address))
    return np.array(rows, np.int64)


def _lay_out(weights: Weights, half: bool) -> tuple[_Numbers, Int64Array]:
    """Return norms and packed matrices in one array, and their offsets (columns as in `forward`)."""
    layers = [*weights.layers, [weights.norm, weights.head]]
    tensors = [tensor for layer in layers for tensor in layer]
    # norms are vectors, and stay as they are
    parts = [part.numpy() if part.dim() == 1 else _pack_matrix(part, half) for part in tensors]
    aligned_sizes = [-(-len(part) // _LINE) * _LINE for part in parts]
    starts = np.cumsum([0, *aligned_sizes])
    memory = np.zeros(starts[-1] + _LINE, np.float32)
    # numpy aligns arrays to less than a cache line
    memory = memory[-memory.ctypes.data // memory.itemsize % _LINE :]
    for start, part in zip(starts[:-1], parts, strict=True):
        memory[start : start + len(part)] = part
    # a layer has six parts; the last row of offsets has only two, and then zeros
    offsets = np.zeros((len(layers), 6), np.int64)
    offsets.reshape(-1)[: len(parts)] = starts[:-1]
    return memory, offsets


def _pack_matrix(matrix: Tensor, half: bool) -> _Numbers:
    """Return a matrix [columns, depth] packed for `tiles.write_products`: panels of 32 columns; in each panel
    one or two vectors for each depth. `half` keeps the upper 16 bits of each number."""
    depth = matrix.shape[1]
    bits = matrix.contiguous().numpy().view(np.uint32)
    if half:
        # a word has a column of the first vector in its lower half, and one of the second in its upper half
        upper_bits = bits.reshape(-1, 2, PANEL // 2, depth) >> np.uint32(16)
        first, second = upper_bits.swapaxes(0, 1)
        panels = first | (second << np.uint32(16))
    else:
        panels = bits.reshape(-1, PANEL, depth)
    # the depth first: a tile reads its panel from front to back
    packed = np.ascontiguousarray(panels.swapaxes(1, 2))
    return packed.reshape(-1).view(np.float32)
