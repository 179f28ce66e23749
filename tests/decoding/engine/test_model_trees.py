"""Trees of guesses in the compiled pass: each node's logits are those of plain decoding, to the bit."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch
from random_trees import path_down, random_tree
from small_models import write_llama

from structgen.decoding.engine.forward_pass.draft_trees import MOST_NODES
from structgen.decoding.engine.forward_pass.llama import Llama, PagedCache
from structgen.decoding.engine.model_protocol import DraftSupport, VerifiesDrafts
from structgen.errors import OptionError

PAGE = 32
"""Columns of a page."""
CONTEXT = 512
"""Of the models of these tests."""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Llama:
    """Two heads that share their keys and values: a tile holds the queries of four nodes."""
    folder = write_llama(tmp_path_factory.mktemp("trees"), width=128, groups=1)
    return Llama.read_folder(folder)


@pytest.fixture(scope="module", params=[1, 3], ids=["heads share", "each head for itself"])
def any_model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Llama:
    """Three heads: the queries of some nodes fill no whole tiles, or each head has keys of its own."""
    folder = write_llama(tmp_path_factory.mktemp("trees"), width=192, groups=request.param, half=True)
    return Llama.read_folder(folder)


def prompt_of(length: int, seed: int = 0) -> list[int]:
    return [(7 * at + at * at + seed) % 500 for at in range(length)]


def joined(lists: Sequence[list[int]]) -> list[int]:
    return [one for each in lists for one in each]


def plain(model: Llama, cache: Any, tokens: Sequence[int], parents: Sequence[int]) -> Any:
    """Return the logits behind each node: its path is decoded token by token, from a copy of the cache."""
    found = []
    for node in range(len(parents)):
        twin = cache.copy()
        for step in path_down(parents, node):
            logits = model.decode([tokens[step]], [twin])
        found.append(logits[0])
    return torch.stack(found)


def test_the_compiled_pass_verifies_trees(model: Llama) -> None:
    assert isinstance(model, VerifiesDrafts)
    assert model.draft_support == DraftSupport("tree")


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize(
    ("lengths", "sizes"),
    [
        ((1,), (9,)),
        ((PAGE - 1, PAGE, PAGE + 1), (7, 1, 12)),
        ((3 * PAGE - 4,), (70,)),
        ((5, 61, 64, 100, 33), (16, 3, 8, 40, 2)),
    ],
    ids=["short", "at the border of a page", "of three pages", "many"],
)
def test_trees_give_bit_by_bit_what_plain_decoding_gives(
    any_model: Llama, lengths: tuple[int, ...], sizes: tuple[int, ...]
) -> None:
    model = any_model
    random = Random(sum(lengths))
    caches = [model.prefill(prompt_of(length, length))[1] for length in lengths]
    twins = [model.prefill(prompt_of(length, length))[1] for length in lengths]
    for _ in range(3):
        tokens, trees = zip(*(random_tree(random, size) for size in sizes), strict=True)
        found = model.decode_tree(joined(tokens), joined(trees), sizes, caches)
        expected = [plain(model, *one) for one in zip(twins, tokens, trees, strict=True)]
        assert torch.equal(found, torch.cat(expected))
        # some texts keep a path, and the others are as they were
        chosen = [at for at in range(len(trees)) if random.random() < 0.7]
        paths = [path_down(trees[at], random.randrange(len(trees[at]))) for at in chosen]
        model.keep(paths, [caches[at] for at in chosen])
        for at, path in zip(chosen, paths, strict=True):
            for node in path:
                model.decode([tokens[at][node]], [twins[at]])
        assert [cache.length for cache in caches] == [twin.length for twin in twins]
        steps = [model.decode([7] * len(caches), held) for held in (caches, twins)]
        assert torch.equal(*steps)


def test_a_copy_made_before_a_path_is_kept_goes_on_by_itself(model: Llama) -> None:
    _, cache = model.prefill(prompt_of(PAGE - 2))
    _, other = model.prefill(prompt_of(PAGE - 2))
    parents = [-1, 0, 0, 2, 3, 1]
    model.decode_tree([1, 2, 3, 4, 5, 6], parents, [6], [cache])
    twin = cache.copy()
    model.keep([[0, 2, 3, 4]], [cache])
    for token in (9, 8, 7):
        expected = model.decode([token], [other])
        assert torch.equal(model.decode([token], [twin]), expected)
    _, other = model.prefill(prompt_of(PAGE - 2))
    for token in (1, 3, 4, 5):
        model.decode([token], [other])
    assert torch.equal(model.decode([9], [cache]), model.decode([9], [other]))


def test_a_tree_may_be_larger_than_what_is_left_of_the_context(model: Llama) -> None:
    _, cache = model.prefill(prompt_of(CONTEXT - 2))
    parents = [-1, *([0] * (MOST_NODES - 1))]
    tokens = [node % 500 for node in range(MOST_NODES)]
    found = model.decode_tree(tokens, parents, [MOST_NODES], [cache])
    assert torch.equal(found[[0, 1, -1]], plain(model, cache, [0, 1, tokens[-1]], [-1, 0, 0]))
    model.keep([[0, MOST_NODES - 1]], [cache])
    assert cache.length == CONTEXT


@pytest.mark.parametrize(
    ("tokens", "parents", "counts", "said"),
    [
        ([1, 2], [-1], [2], "2 tokens and 1 parents"),
        ([1, 2], [-1, 0], [1, 1], "2 trees of 1 texts"),
        ([1, 2], [-1, 0], [3], "of 3 nodes"),
        ([1, 2], [0, 0], [2], "The parent of node 0 is 0"),
        ([1, 2], [-1, -1], [2], "The parent of node 1 is -1"),
        ([1, 2, 3], [-1, 2, 0], [3], "The parent of node 1 is 2"),
        ([], [], [0], "A tree has 0 nodes"),
        ([1] * 1025, [-1, *([0] * 1024)], [1025], "A tree has 1025 nodes"),
        ([1, 2, 3], [-1, 0, 1], [3], "ends at position 512"),
    ],
)
def test_what_is_no_tree_is_refused(
    model: Llama, tokens: list[int], parents: list[int], counts: list[int], said: str
) -> None:
    _, cache = model.prefill(prompt_of(CONTEXT - 2))
    with pytest.raises(OptionError, match=said):
        model.decode_tree(tokens, parents, counts, [cache])
    assert cache.length == CONTEXT - 2 and torch.isfinite(model.decode([1], [cache])).all()


@pytest.mark.parametrize("path", [[], [1], [0, 2], [0, 1, 1], [0, -1], [0, 9]])
def test_what_is_no_path_is_refused(model: Llama, path: list[int]) -> None:
    _, cache = model.prefill(prompt_of(3))
    model.decode_tree([1, 2, 3], [-1, 0, 1], [3], [cache])
    with pytest.raises(OptionError, match="are not a path of a tree"):
        model.keep([path], [cache])
    assert cache.length == 3
    model.keep([[0, 1, 2]], [cache])
    with pytest.raises(OptionError, match="are not a path of a tree"):
        model.keep([[0]], [cache])


@pytest.mark.parametrize("times", [1_000, pytest.param(100_000, marks=pytest.mark.slow)])
def test_roll_backs_leak_no_page(tmp_path: Path, times: int) -> None:
    """Read trees and keep a random path or none, in texts that come, are copied and end; count the pages."""
    folder = write_llama(tmp_path, width=64, layers=1, inner=32)
    model = Llama.read_folder(folder)
    random, every = Random(times), dict[int, Any]()
    caches: list[PagedCache] = []
    most = 12
    for turn in range(times):
        if len(caches) < 3:
            caches.append(model.prefill(prompt_of(random.randrange(1, 3 * PAGE)))[1])  # type: ignore[arg-type]
        which = random.sample(range(len(caches)), random.randrange(1, len(caches) + 1))
        tokens, trees = zip(*(random_tree(random, random.randrange(1, most + 1)) for _ in which), strict=True)
        texts = [caches[at] for at in which]
        model.decode_tree(joined(tokens), joined(trees), list(map(len, trees)), texts)
        if random.random() < 0.6:
            model.keep([path_down(tree, random.randrange(len(tree))) for tree in trees], texts)
        if random.random() < 0.1:
            caches.append(caches[which[0]].copy())
        caches = [one for one in caches if one.length < 4 * PAGE and random.random() < 0.99][-6:]
        held = {id(page): weakref.ref(page) for cache in caches for page in cache._pages}
        every |= held
        del texts
        assert all(len(cache._pages) <= -(-(cache.length + most) // PAGE) for cache in caches), turn
    caches.clear()
    kept = [id(node.page) for node in model.kept_prompts._by_use]  # the beginnings of the prompts
    assert all(page() is None or at in kept for at, page in every.items())
