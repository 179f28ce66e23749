"""Draft trees over models of transformers: each node has the logits that plain decoding has there, and what
cannot be verified is refused by name."""

from __future__ import annotations

import random
import re
from typing import Any

import pytest
import torch
import transformers
from random_trees import path_down, random_tree
from small_llama import CONFIGS, SMALL, WIDTH

from structgen.decoding.engine import huggingface
from structgen.decoding.engine.huggingface import HuggingFace
from structgen.decoding.engine.model_protocol import VerifiesDrafts
from structgen.errors import OptionError

KINDS: dict[str, Any] = {
    **CONFIGS,
    "bloom": lambda: transformers.BloomConfig(vocab_size=WIDTH, hidden_size=32, n_layer=2, n_head=2),
    "mpt": lambda: transformers.MptConfig(vocab_size=WIDTH, d_model=32, n_layers=2, n_heads=2),
    "mamba": lambda: transformers.MambaConfig(vocab_size=WIDTH, hidden_size=32, num_hidden_layers=2),
    "lfm2": lambda: transformers.Lfm2Config(**SMALL, layer_types=["conv", "full_attention"]),
    "mistral": lambda: transformers.MistralConfig(**SMALL, sliding_window=8),
    "gpt_neo": lambda: transformers.GPTNeoConfig(
        vocab_size=WIDTH,
        hidden_size=32,
        num_layers=2,
        num_heads=2,
        attention_types=[[["global", "local"], 1]],
    ),
}


def made(name: str, attention: str | None = None, dtype: Any = None) -> Any:
    torch.manual_seed(3)
    config = KINDS[name]()
    model = transformers.AutoModelForCausalLM.from_config(config, attn_implementation=attention).eval()
    with torch.no_grad():  # so that attention and the logits have opinions
        for key, weight in model.named_parameters():
            if weight.dim() == 2 and not key.startswith("model.embed"):
                weight.mul_(4)
    return model if dtype is None else model.to(dtype)


class Plain:
    """Plain decoding of one text at a time, token by token, by an engine model of its own."""

    def __init__(self, model: Any) -> None:
        self._model = HuggingFace(model)
        self._found: dict[tuple[int, ...], tuple[Any, Any]] = {}

    def logits(self, prompt: list[int], written: list[int]) -> Any:
        return self._read(tuple(prompt), tuple(written))[0]

    def _read(self, prompt: tuple[int, ...], written: tuple[int, ...]) -> tuple[Any, Any]:
        key = (*prompt, -1, *written)
        if key not in self._found:
            if written:
                cache = self._read(prompt, written[:-1])[1].copy()
                (logits,) = self._model.decode([written[-1]], [cache])
            else:
                logits, cache = self._model.prefill(list(prompt))
            self._found[key] = logits, cache
        return self._found[key]


class Partings:
    """Counts the logits whose best token is another one, and allows it only where two are as good."""

    def __init__(self, within: float = 1e-4) -> None:
        self.seen = self.parted = 0
        self._within = within

    def hold(self, found: Any, expected: Any) -> None:
        self.seen += 1
        assert torch.isfinite(found).all()
        assert torch.allclose(found, expected, atol=self._within, rtol=0)
        if found.argmax() != expected.argmax():
            self.parted += 1
            first, second = expected.topk(2).values
            assert first - second <= self._within


class Text:
    """A text under way."""

    def __init__(self, cache: Any, prompt: list[int], written: list[int]) -> None:
        self.cache, self.prompt, self.written = cache, prompt, written


def _verify(
    model: HuggingFace, plain: Plain, texts: list[Text], draw: random.Random, partings: Partings
) -> None:
    """Verify a random draft for each text, hold it to plain decoding, and keep a random path of some."""
    trees = [random_tree(draw, draw.randrange(1, 8), WIDTH) for _ in texts]
    if model.draft_support.shape == "chain":
        trees = [(tokens, list(range(-1, len(tokens) - 1))) for tokens, _ in trees]
    logits = model.decode_tree(
        [token for tokens, _ in trees for token in tokens],
        [parent for _, parents in trees for parent in parents],
        [len(tokens) for tokens, _ in trees],
        [text.cache for text in texts],
    )
    assert logits.shape == (sum(len(tokens) for tokens, _ in trees), WIDTH)
    rows = iter(logits)
    for text, (tokens, parents) in zip(texts, trees, strict=True):
        for node in range(len(tokens)):
            read = [tokens[above] for above in path_down(parents, node)]
            partings.hold(next(rows), plain.logits(text.prompt, text.written + read))
    kept = [(text, tree) for text, tree in zip(texts, trees, strict=True) if draw.random() < 0.8]
    paths = [path_down(parents, draw.randrange(len(parents))) for _, (_, parents) in kept]
    if draw.random() < 0.3:  # a search reads on with a copy of a text, before the path is known
        one, token = draw.choice(texts), draw.randrange(WIDTH)
        beside = one.cache.copy()
        for written in range(draw.randrange(1, 3)):
            (row,) = model.decode([token], [beside])
            partings.hold(row, plain.logits(one.prompt, one.written + [token] * (written + 1)))
    model.keep(paths, [text.cache for text, _ in kept])
    for (text, (tokens, _)), path in zip(kept, paths, strict=True):
        text.written += [tokens[node] for node in path]


def _run(made_model: Any, seed: int, steps: int, partings: Partings) -> None:
    """Verify drafts and decode steps of texts that come, go and are copied, against plain decoding."""
    draw, model, plain, texts = random.Random(seed), HuggingFace(made_model), Plain(made_model), list[Text]()
    assert isinstance(model, VerifiesDrafts)
    for _ in range(steps):
        fresh = [
            [draw.randrange(WIDTH) for _ in range(draw.choice([1, 3, 4, 9]))]
            for _ in range(draw.randrange(1, 5) - len(texts))
        ]
        if fresh:
            read = model.prefill_many(fresh)
            texts += [Text(cache, prompt, []) for prompt, (_, cache) in zip(fresh, read, strict=True)]
        part = draw.sample(texts, draw.randrange(1, len(texts) + 1)) if draw.random() < 0.3 else list(texts)
        if draw.random() < 0.7:
            _verify(model, plain, part, draw, partings)
        else:
            tokens = [draw.randrange(WIDTH) for _ in part]
            logits = model.decode(tokens, [text.cache for text in part])
            for row, (token, text) in enumerate(zip(tokens, part, strict=True)):
                text.written.append(token)
                partings.hold(logits[row], plain.logits(text.prompt, text.written))
        if draw.random() < 0.2:
            one = texts[0]
            texts.append(Text(one.cache.copy(), one.prompt, list(one.written)))
        if draw.random() < 0.2:
            texts.pop(draw.randrange(len(texts)))


@pytest.mark.parametrize(
    ("name", "attention"),
    [
        *(("gpt2", None), ("llama", "eager"), ("bloom", None)),
        *(pytest.param(name, None, marks=pytest.mark.slow) for name in ("llama", "qwen2", "gemma")),
    ],
)
def test_drafts_and_steps_are_plain_decoding_while_texts_come_and_go(
    name: str, attention: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(huggingface, "_MOST_REJECTED", 4)
    partings, gather, moved = Partings(), HuggingFace._gather_batch, []

    def gathered(self: HuggingFace, caches: Any) -> None:
        moved.extend(() if caches is not self._rows else [len(caches)])
        gather(self, caches)

    monkeypatch.setattr(HuggingFace, "_gather_batch", gathered)
    model = made(name, attention)
    assert HuggingFace(model).draft_support.shape == ("chain" if name == "bloom" else "tree")
    _run(model, 0, 12, partings)
    assert partings.seen > 60 and partings.parted == 0 and moved


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 4))
@pytest.mark.parametrize("name", ["gpt2", "llama", "qwen2", "gemma", "bloom"])
def test_long_runs_part_from_plain_decoding_nowhere_but_between_equals(name: str, seed: int) -> None:
    partings = Partings()
    _run(made(name), seed, 60, partings)
    assert partings.seen > 300 and partings.parted <= partings.seen // 100


def test_in_double_precision_what_is_filled_up_is_a_number() -> None:
    """The eager back end adds minus infinity there: a row that is masked wholly would be no number."""
    model = made("llama", "eager", torch.float64)
    _run(model, 1, 6, Partings())
    texts = [[1, 2, 3, 4], [5, 6, 7]]
    for text, (logits, _) in zip(texts, HuggingFace(model).prefill_many(texts), strict=True):
        Partings().hold(logits, Plain(model).logits(text, []))


@pytest.mark.parametrize(
    ("name", "attention", "shape", "reason"),
    [
        ("llama", None, "tree", "^$"),
        ("llama", "eager", "tree", "^$"),
        ("llama", "flex_attention", "chain", "back end flex_attention"),
        ("bloom", None, "chain", "Bloom.*ALiBi"),
        ("mpt", None, "none", "Mpt.*ALiBi.* test of a chain, logits differed"),
        ("mamba", None, "none", "test of a chain, the model failed"),
        ("lfm2", None, "none", "test of a chain"),
        ("mistral", None, "none", "MistralForCausalLM has sliding windows"),
        ("gpt_neo", None, "none", "GPTNeo.* sliding windows"),
    ],
)
def test_what_a_model_does_not_verify_is_said(
    name: str, attention: str | None, shape: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if attention == "flex_attention":  # it would be compiled
        monkeypatch.setattr(HuggingFace, "_find_fault", lambda self, shape: "")
    support = HuggingFace(made(name, attention)).draft_support
    assert support.shape == shape
    assert re.search(reason, support.reason)


def test_a_model_that_fails_the_trial_verifies_none() -> None:
    model = HuggingFace(made("llama"))
    _, cache = model.prefill([1, 2])
    expected = model.decode([3], [cache])
    inner = model._model.forward
    model._model.forward = lambda *given, attention_mask=None, **rest: (
        _refuse()
        if attention_mask is not None and attention_mask.dim() == 4
        else inner(*given, attention_mask=attention_mask, **rest)
    )
    assert model.draft_support.shape == "chain"
    assert "test of a tree, the model failed (ValueError: two axes)" in model.draft_support.reason
    del model.draft_support
    model._model.forward = lambda *given, position_ids=None, **rest: inner(*given, **rest)
    assert model.draft_support.shape == "none"
    assert "test of a chain, logits differed by" in model.draft_support.reason
    # texts that were under way are as they were
    model._model.forward = inner
    other = HuggingFace(model._model)
    _, twin = other.prefill([1, 2])
    assert torch.allclose(other.decode([3], [twin]), expected, atol=1e-5)
    assert torch.allclose(other.decode([4], [twin]), model.decode([4], [cache]), atol=1e-5)


def _refuse() -> None:
    raise ValueError("two axes")


def test_a_draft_of_another_shape_is_refused() -> None:
    chains, nothing = HuggingFace(made("bloom")), HuggingFace(made("mistral"))
    _, cache = chains.prefill([1, 2])
    with pytest.raises(OptionError, match=r"ALiBi.* decode without drafts"):
        chains.decode_tree([1, 2, 3], [-1, 0, 0], [3], [cache])
    _, cache = nothing.prefill([1, 2])
    with pytest.raises(OptionError, match="sliding windows"):
        nothing.decode_tree([1], [-1], [1], [cache])


def test_a_tree_that_is_not_kept_leaves_its_text_as_it_was() -> None:
    model = HuggingFace(made("llama"))
    (_, one), (_, other) = model.prefill_many([[1, 2, 3], [4]])
    size = one.nbytes
    model.decode_tree([5, 6, 7, 8], [-1, 0, 0, -1], [3, 1], [one, other])
    twin = one.copy()
    assert one.nbytes == twin.nbytes == size
    model.keep([[0]], [other])
    found = model.decode([9, 9, 9], [twin, other, one])
    expected = torch.stack([model.prefill(text)[0] for text in ([1, 2, 3, 9], [4, 8, 9], [1, 2, 3, 9])])
    assert torch.allclose(found, expected, atol=1e-4)


def test_a_tree_is_kept_once_and_before_the_next_call() -> None:
    model = HuggingFace(made("llama"))
    (_, one), (_, other) = model.prefill_many([[1, 2, 3], [4]])
    model.decode_tree([5, 6], [-1, -1], [1, 1], [one, other])
    model.keep([[0]], [one])
    for cache in (one, other):
        with pytest.raises(OptionError, match="are not a path of a tree"):
            model.keep([[0]], [cache])
    model.decode_tree([5], [-1], [1], [one])
    model.decode([5], [one])
    with pytest.raises(OptionError, match="are not a path of a tree"):
        model.keep([[0]], [one])


def test_what_is_no_tree_or_no_path_changes_no_text() -> None:
    model = HuggingFace(made("llama"))
    _, cache = model.prefill([5, 6, 7])
    for parents in ([-1, -1], [-1, 1], [-1, 0, 1], [0, 0]):
        with pytest.raises(OptionError):
            model.decode_tree([1, 2], parents, [2], [cache])
    deep = SMALL["max_position_embeddings"] - 3 + 1
    with pytest.raises(OptionError, match="ends at position 256"):
        model.decode_tree([1] * deep, list(range(-1, deep - 1)), [deep], [cache])
    model.decode_tree([1, 2, 3], [-1, 0, 0], [3], [cache])
    for path in ([], [1], [0, 1, 2], [0, 3]):
        with pytest.raises(OptionError, match="are not a path of a tree"):
            model.keep([path], [cache])
    model.keep([[0, 2]], [cache])
    expected = model.prefill([5, 6, 7, 1, 3, 9])[0]
    assert torch.allclose(model.decode([9], [cache])[0], expected, atol=1e-4)


def test_many_rollbacks_keep_the_batch_narrow() -> None:
    torch.manual_seed(0)
    config = transformers.LlamaConfig(**{**SMALL, "num_hidden_layers": 1, "max_position_embeddings": 8192})
    model, draw, widest = HuggingFace(transformers.LlamaForCausalLM(config)), random.Random(0), 0
    caches = [cache for _, cache in model.prefill_many([[1, 2, 3], [4]])]
    for step in range(150):
        tokens, parents = random_tree(draw, 6, WIDTH)
        model.decode_tree(tokens, parents[:3] + random_tree(draw, 3, WIDTH)[1], [3, 3], caches)
        # most trees are dropped, of others a node is kept by one text
        if step % 10 == 0:
            model.keep([[0]], caches[step // 10 % 2 :][:1])
        garbage = model._is_own.shape[1] - max(cache.length for cache in caches)
        widest = max(widest, garbage)
    assert widest <= huggingface._MOST_REJECTED + 6 + 20
    assert [cache.length for cache in caches] == [11, 8]


def test_the_trial_sees_a_mask_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    model, eye = HuggingFace(made("gpt2")), torch.eye
    monkeypatch.setattr(torch, "eye", lambda size, **kind: eye(size, **kind) | True)
    assert "In the test of a tree, logits differed" in model.draft_support.reason
