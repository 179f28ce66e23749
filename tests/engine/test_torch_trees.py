"""Draft trees over slabs: each node has to the bit the logits that plain decoding has there."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from random_trees import path_down, random_tree  # noqa: E402
from small_models import write_llama  # noqa: E402

from structgen.engine.forward_pass import slab_attention, torch_pass  # noqa: E402
from structgen.engine.forward_pass.key_value_slabs import COLUMNS, Slabs  # noqa: E402
from structgen.engine.forward_pass.torch_pass import TorchPass  # noqa: E402
from structgen.engine.forward_pass.weights import Weights  # noqa: E402
from structgen.engine.model_protocol import VerifiesDrafts  # noqa: E402
from structgen.errors import OptionError  # noqa: E402

CPU, KIND = torch.device("cpu"), torch.float32


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Weights:
    folder = write_llama(tmp_path_factory.mktemp("llama"), width=128, groups=1)
    return Weights.read(folder, CPU, KIND)


@pytest.fixture(autouse=True)
def _without_gradients() -> Iterator[None]:
    with torch.inference_mode():
        yield


class Plain:
    """Plain decoding, one text at a time, by a pass of its own; what a text was seen to give is noted."""

    def __init__(self, weights: Weights) -> None:
        self._pass = TorchPass(weights)
        self._found: dict[tuple[int, ...], tuple[Any, Any]] = {}

    def logits(self, prompt: list[int], written: list[int]) -> Any:
        return self._read(tuple(prompt), tuple(written))[0]

    def _read(self, prompt: tuple[int, ...], written: tuple[int, ...]) -> tuple[Any, Any]:
        key = (*prompt, -1, *written)
        if key not in self._found:
            if written:
                cache = self._read(prompt, written[:-1])[1].copy()
                (logits,) = self._pass.decode([written[-1]], [cache])
            else:
                (logits,), (cache,) = self._pass.prefill([list(prompt)])
            self._found[key] = logits, cache
        return self._found[key]


class Text:
    """A text under way."""

    def __init__(self, model: TorchPass, prompt: list[int]) -> None:
        self.prompt, self.written = prompt, list[int]()
        _, (self.cache,) = model.prefill([prompt])


def _verify(model: TorchPass, plain: Plain, texts: list[Text], draw: random.Random, most: int) -> None:
    """Verify a random tree for each text, hold it to plain decoding, and keep a random path of some."""
    trees = [random_tree(draw, draw.randrange(1, most + 1)) for _ in texts]
    logits = model.decode_tree(
        [token for tokens, _ in trees for token in tokens],
        [parent for _, parents in trees for parent in parents],
        [len(tokens) for tokens, _ in trees],
        [text.cache for text in texts],
    )
    rows = iter(logits)
    for text, (tokens, parents) in zip(texts, trees, strict=True):
        for node in range(len(tokens)):
            read = [tokens[above] for above in path_down(parents, node)]
            assert torch.equal(next(rows), plain.logits(text.prompt, text.written + read))
    kept = [(text, tree) for text, tree in zip(texts, trees, strict=True) if draw.random() < 0.8]
    paths = [path_down(parents, draw.randrange(len(parents))) for _, (_, parents) in kept]
    model.keep(paths, [text.cache for text, _ in kept])
    for (text, (tokens, _)), path in zip(kept, paths, strict=True):
        text.written += [tokens[node] for node in path]


def test_the_pass_is_one_that_verifies_trees(weights: Weights) -> None:
    model = TorchPass(weights)
    assert isinstance(model, VerifiesDrafts) and model.draft_support.shape == "tree"


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_trees_and_steps_are_plain_decoding_while_texts_come_and_go(weights: Weights, seed: int) -> None:
    draw, model, plain, texts = random.Random(seed), TorchPass(weights), Plain(weights), list[Text]()
    for _ in range(14):
        while len(texts) < draw.randrange(1, 6):
            size = draw.choice([1, 5, COLUMNS - 6, COLUMNS - 2, COLUMNS - 1, COLUMNS, COLUMNS + 1])
            texts.append(Text(model, [draw.randrange(500) for _ in range(size)]))
        part = draw.sample(texts, draw.randrange(1, len(texts) + 1))
        if draw.random() < 0.7:
            _verify(model, plain, part, draw, 9)
        else:
            tokens = [draw.randrange(500) for _ in part]
            logits = model.decode(tokens, [text.cache for text in part])
            for row, (token, text) in enumerate(zip(tokens, part, strict=True)):
                text.written.append(token)
                assert torch.equal(logits[row], plain.logits(text.prompt, text.written))
        if draw.random() < 0.2:
            twin = Text(model, [1])
            twin.prompt, twin.written = texts[0].prompt, list(texts[0].written)
            twin.cache = texts[0].cache.copy()
            texts.append(twin)
        if draw.random() < 0.3:
            texts.pop(draw.randrange(len(texts)))


@pytest.mark.parametrize("fused", [True, False])
def test_a_chain_over_the_end_of_a_slab_is_plain_decoding(
    weights: Weights, monkeypatch: pytest.MonkeyPatch, fused: bool
) -> None:
    monkeypatch.setattr(TorchPass, "_batch_invariant", lambda self: torch_pass._Seen((8,), fused))
    model, plain = TorchPass(weights), Plain(weights)
    text = Text(model, list(range(COLUMNS - 3)))
    chain = list(range(100, 110))
    logits = model.decode_tree(chain, list(range(-1, 9)), [10], [text.cache])
    for node in range(10):
        assert torch.equal(logits[node], plain.logits(text.prompt, chain[: node + 1]))
    model.keep([list(range(8))], [text.cache])
    assert (text.cache.length, text.cache.columns) == (COLUMNS + 5, 2 * COLUMNS)
    assert torch.equal(model.decode([7], [text.cache])[0], plain.logits(text.prompt, [*chain[:8], 7]))


def test_nodes_taken_in_chunks_are_those_taken_at_once(
    weights: Weights, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, pieces = [], []
    tokens, parents = random_tree(random.Random(3), 20)
    for most in (slab_attention._CHUNK_BYTES, 3 * 2 * 64 * 4 * COLUMNS):
        monkeypatch.setattr(slab_attention, "_CHUNK_BYTES", most)
        model = TorchPass(weights)
        monkeypatch.setattr(model, "_batch_invariant", lambda: torch_pass._Seen((8,), True))
        run = model._run
        monkeypatch.setattr(
            model, "_run", lambda tokens, of, run=run: pieces.append(len(of._chunks)) or run(tokens, of)
        )
        found.append(model.decode_tree(tokens, parents, [20], [Text(model, [1, 2]).cache]))
    assert torch.equal(*found) and pieces == [1, 7]


def test_a_tree_that_is_not_kept_leaves_its_text_as_it_was(weights: Weights) -> None:
    model, plain = TorchPass(weights), Plain(weights)
    text = Text(model, [5, 6, 7])
    model.decode_tree([1, 2, 3], [-1, 0, 0], [3], [text.cache])
    twin = text.cache.copy()
    model.decode_tree([4, 2], [-1, 0], [2], [text.cache])
    for cache in (text.cache, twin):
        assert torch.equal(model.decode([9], [cache])[0], plain.logits(text.prompt, [9]))


def test_a_tree_is_kept_once_and_before_the_next_call_for_its_text(weights: Weights) -> None:
    model, plain = TorchPass(weights), Plain(weights)
    one, other = Text(model, [1]).cache, Text(model, [2]).cache
    model.decode_tree([5, 6], [-1, -1], [1, 1], [one, other])
    model.keep([[0]], [one])
    with pytest.raises(OptionError, match="are no path of a tree"):
        model.keep([[0]], [one])
    # prompts that are read between, and steps of other texts, change nothing
    model.prefill([[1] * size for size in (3, 4, COLUMNS, 5, 6)])
    model.decode([1], [one])
    model.keep([[0]], [other])
    assert torch.equal(model.decode([7], [other])[0], plain.logits([2], [6, 7]))
    model.decode_tree([5], [-1], [1], [one])
    model.decode([1], [one])
    with pytest.raises(OptionError, match="are no path of a tree"):
        model.keep([[0]], [one])


def test_what_is_no_tree_or_no_path_changes_no_text(weights: Weights) -> None:
    model, plain = TorchPass(weights), Plain(weights)
    text = Text(model, [5, 6, 7])
    for parents in ([-1, -1], [-1, 1], [-1, 0, 1], [0, 0]):
        with pytest.raises(OptionError):
            model.decode_tree([1, 2], parents, [2], [text.cache])
    deep = 512 - 3 + 1
    with pytest.raises(OptionError, match="ends at place 512"):
        model.decode_tree([1] * deep, list(range(-1, deep - 1)), [deep], [text.cache])
    model.decode_tree([1, 2, 3], [-1, 0, 0], [3], [text.cache])
    for path in ([], [1], [0, 1, 2], [0, 3]):
        with pytest.raises(OptionError, match="are no path of a tree"):
            model.keep([path], [text.cache])
    model.keep([[0, 2]], [text.cache])
    assert torch.equal(model.decode([9], [text.cache])[0], plain.logits([5, 6, 7], [1, 3, 9]))


@pytest.mark.parametrize("how", ["keep", "decode", "decode_tree"])
def test_nodes_do_not_outlive_the_next_call_for_their_text(weights: Weights, how: str) -> None:
    model = TorchPass(weights)
    cache = Text(model, [1]).cache
    model.decode_tree([5, 6, 7], [-1, 0, 1], [3], [cache])
    assert cache.nodes.shape[2] == len(cache.parents) == 3
    if how == "keep":
        model.keep([[0]], [cache])
    elif how == "decode":
        model.decode([1], [cache])
    else:
        model.decode_tree([1], [-1], [1], [cache])
    assert len(cache.parents) == (0 if cache.nodes is None else cache.nodes.shape[2]) <= 1


def test_hundreds_of_rollbacks_take_no_memory(weights: Weights) -> None:
    model, draw = TorchPass(weights), random.Random(0)
    text = Text(model, [1, 2, 3])
    for _ in range(300):
        tokens, parents = random_tree(draw, 3)
        model.decode_tree(tokens, parents, [3], [text.cache])
    model.keep([[0]], [text.cache])
    assert [slab.held.shape[2:5:2] for slab in model.slabs] == [(4, COLUMNS)]
    assert text.cache.length == 4


# a fault in the pass turns the equality red


def _fails(weights: Weights) -> None:
    draw, model, plain = random.Random(5), TorchPass(weights), Plain(weights)
    texts = [Text(model, [draw.randrange(500) for _ in range(size)]) for size in (3, COLUMNS - 2)]
    with pytest.raises(AssertionError):
        for _ in range(8):
            _verify(model, plain, texts, draw, 8)


def test_wrong_positions_are_seen(weights: Weights, monkeypatch: pytest.MonkeyPatch) -> None:
    made = slab_attention.TreeAttention.__init__

    def shifted(self: Any, *given: Any) -> None:
        made(self, *given)
        self._cos, self._sin = self._cos.roll(1, 0), self._sin.roll(1, 0)

    monkeypatch.setattr(slab_attention.TreeAttention, "__init__", shifted)
    _fails(weights)


def test_visible_columns_beyond_a_node_are_seen(weights: Weights, monkeypatch: pytest.MonkeyPatch) -> None:
    attend = slab_attention.fused
    monkeypatch.setattr(slab_attention, "fused", lambda q, k, v, mask: attend(q, k, v, mask.clamp(min=0)))
    monkeypatch.setattr(TorchPass, "_batch_invariant", lambda self: torch_pass._Seen((8,), True))
    model = TorchPass(weights)
    text = Text(model, [1, 2, 3])
    found = model.decode_tree([5], [-1], [1], [text.cache])
    monkeypatch.undo()
    assert not torch.equal(found[0], Plain(weights).logits([1, 2, 3], [5]))


def test_a_keep_that_writes_the_wrong_nodes_is_seen(
    weights: Weights, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep = Slabs.keep
    monkeypatch.setattr(Slabs, "keep", lambda self, cache, path: keep(self, cache, range(len(path))))
    _fails(weights)


def test_a_keep_that_writes_nothing_is_seen(weights: Weights, monkeypatch: pytest.MonkeyPatch) -> None:
    def stale(self: Any, paths: Any, caches: Any) -> None:
        for path, cache in zip(paths, caches, strict=True):
            self.slabs.make_room(cache, len(path))
            cache.length += len(path)

    monkeypatch.setattr(TorchPass, "keep", stale)
    _fails(weights)
