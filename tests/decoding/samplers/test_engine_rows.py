"""Rows of a model of the engine: the same logits as reading each prefix anew, what is read and kept for them,
and draws of JSON documents."""

from __future__ import annotations

import gc
import random
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import structgen as sg

torch = pytest.importorskip("torch")
sys.path.append(str(Path(__file__).parents[2] / "decoding" / "engine"))
from small_models import Function, tokenizer, write_llama  # noqa: E402

from structgen.decoding.engine.forward_pass.llama import Llama  # noqa: E402
from structgen.decoding.speculation.drafts import model_rows as rows_module  # noqa: E402
from structgen.decoding.speculation.drafts.model_rows import ModelRows  # noqa: E402


class Text:
    """What `Counting` has read: a text of as many bytes as tokens."""

    def __init__(self, tokens: tuple[int, ...]) -> None:
        self.tokens = tokens

    @property
    def nbytes(self) -> int:
        return len(self.tokens)

    def copy(self) -> Text:
        return Text(self.tokens)


class Counting:
    """A model that notes the rows of each pass; its logits are the number of tokens and the last of them."""

    vocab_size, context = 4, 1 << 20

    def __init__(self) -> None:
        self.prefills: list[list[int]] = []
        self.passes: list[int] = []

    def prefill(self, tokens: Sequence[int]) -> tuple[Any, Text]:
        self.prefills.append(list(tokens))
        return self._row(tuple(tokens)), Text(tuple(tokens))

    def decode(self, tokens: Sequence[int], caches: Sequence[Text]) -> Any:
        self.passes.append(len(tokens))
        for token, cache in zip(tokens, caches, strict=True):
            cache.tokens = (*cache.tokens, token)
        return torch.stack([self._row(cache.tokens) for cache in caches])

    def _row(self, tokens: tuple[int, ...]) -> Any:
        return torch.tensor([float(len(tokens)), float(tokens[-1]), 0.0, 0.0])


def grown(rows: ModelRows, count: int, length: int) -> list[tuple[int, ...]]:
    """Return prefixes that were read token by token, all together."""
    prefixes = [(number,) for number in range(count)]
    rows.read(prefixes)
    for at in range(1, length):
        prefixes = [(*prefix, at) for prefix in prefixes]
        rows.read(prefixes)
    return prefixes


@pytest.fixture(scope="module")
def engine():
    return sg.Engine("structgen/extract-draft")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_llama(tmp_path_factory.mktemp("rows"), width=64, layers=1)


@pytest.mark.parametrize(
    "of",
    ["engine", pytest.param("transformers", marks=pytest.mark.slow)],  # which takes seconds to import
)
def test_rows_by_caches_are_those_of_whole_prefixes(engine, folder, of):
    model, chance = engine.model, random.Random(3)
    if of == "transformers":
        pytest.importorskip("transformers")
        from transformers import AutoModelForCausalLM

        from structgen.decoding.engine.huggingface import HuggingFace

        model = HuggingFace(AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32))
    rows = ModelRows(model, [5, 6, 7], "m", most=0, least=4)
    prefixes = [()]
    for _ in range(12):
        asked = [chance.choice(prefixes) for _ in range(5)]
        for prefix, row in zip(asked, rows.read(asked), strict=True):
            logits, _ = model.prefill([5, 6, 7, *prefix])
            np.testing.assert_allclose(row, logits.double().numpy(), atol=1e-4 if of == "transformers" else 0)
            prefixes.append((*prefix, chance.randrange(1, 500)))
    assert rows.reread > 0


def test_children_of_a_prompt_share_its_pages(folder):
    model = Llama.read_folder(folder)
    _, cache = model.prefill([1])
    page_bytes = cache.nbytes
    prompt = list(range(1, 71))  # two full pages of 32 columns, and a part of a third
    rows = ModelRows(model, prompt, "m")
    rows.read([(), *((token,) for token in range(40))])
    assert rows.nbytes == 40 * page_bytes


def test_a_step_of_many_particles_is_one_pass():
    model = Counting()
    found = ModelRows(model, [9], "m", least=2).read([(number,) for number in range(500)])
    assert model.passes == [500]
    assert [row[1] for row in found] == list(range(500))


def test_many_live_prefixes_are_not_read_again():
    model = Counting()
    rows = ModelRows(model, [9, 9], "m")
    prefixes = grown(rows, 2000, 5)
    assert len(model.prefills) == 1
    assert model.passes == [2000] * 5
    assert (rows.count, rows.reread) == (10_000, 0)
    assert rows.read(prefixes[:1])[0][0] == 2 + 5


def test_logits_of_a_pass_are_bounded_by_their_bytes(monkeypatch):
    monkeypatch.setattr(rows_module, "PASS", 8 * 4 * 30)
    model = Counting()
    rows = ModelRows(model, [9], "m")
    found = rows.read([(number, 1) for number in range(70)])
    assert model.passes == [30, 30, 10] * 2
    assert [row[0] for row in found] == [3] * 70


def test_caches_are_kept_up_to_their_bytes_and_a_few_whatever_they_take():
    rows = ModelRows(Counting(), [9], "m", most=100, least=3)
    grown(rows, 40, 3)
    assert 100 - 4 < rows.nbytes <= 100
    rows = ModelRows(Counting(), [9], "m", most=0, least=3)
    grown(rows, 40, 3)
    assert rows.nbytes == 3 * 4


def test_what_was_forgotten_is_read_again_behind_the_nearest_ancestor():
    model = Counting()
    rows = ModelRows(model, [9] * 50, "m", most=0, least=2)
    rows.read([(1,)])
    rows.read([(1, 2)])
    model.passes.clear()
    (row,) = rows.read([(1, 2, 3, 4, 5)])  # two tokens behind what is kept are read besides
    assert (model.passes, rows.reread, row[0]) == ([1, 1, 1], 2, 55)
    assert len(model.prefills) == 1


def test_caches_that_a_call_needs_outlast_what_it_keeps():
    model = Counting()
    rows = ModelRows(model, [9], "m", most=0, least=1)
    rows.read([(1, 2)])
    found = rows.read([(1, 2, number) for number in range(20)])
    assert [row[1] for row in found] == list(range(20))
    assert rows.reread == 1


def test_rows_are_counted_once_a_call():
    rows = ModelRows(Counting(), [9], "m")
    first, again, prompt = rows.read([(1,), (1,), ()])
    assert first is again
    assert (rows.count, prompt[0]) == (2, 1)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("depth", [0, 1])
def test_logits_of_a_model_that_are_no_numbers_are_an_error(bad, depth):
    model = Function(tokenizer().vocab_size)
    logits = model.logits
    model.logits = lambda tokens: (
        logits(tokens) if len(tokens) < 2 + depth else torch.full_like(logits(tokens), bad)
    )
    with pytest.raises(sg.StructgenError, match="logits are NaN, infinite") as caught:
        sg.sample(sg.Engine(model, tokenizer()), [5, 6], sg.regex("[a-z]{3,9}"), 5, method="smc")
    assert caught.value.where == f"token {depth}"


def test_a_vocabulary_of_a_model_may_be_wider_than_its_tokenizers():
    """What no token has is mass that is not valid: the same as for a function that returns such rows."""
    tokens, model = tokenizer(), Function(tokenizer().vocab_size + 64)
    word = sg.choice(["yes", "no"])
    asked = {"method": "beams", "max_tokens": 4, "name": "wide"}
    found = sg.sample(sg.Engine(model, tokens), [5, 6], word, 1000, **asked)
    expected = sg.sample(lambda ids: model.logits(ids), [5, 6], word, 1000, tokenizer=tokens, **asked)
    assert found.statistics.stopped == expected.statistics.stopped == "exhausted"
    assert found.log_z == pytest.approx(expected.log_z)
    assert len(found) == len(expected) > 2


class AnyText:
    def viable(self, prefix):
        return True


@pytest.mark.parametrize("method", ["beams", "smc", "cars"])
def test_what_a_run_has_read_is_freed_where_the_run_ends(monkeypatch, method):
    """The rows of a run hold up to 1 GiB of caches. Nothing that refers to itself may hold them."""
    freed = []
    gc.disable()
    monkeypatch.setattr(ModelRows, "__del__", lambda rows: freed.append(rows.count), raising=False)
    try:
        engine = sg.Engine(Function(tokenizer().vocab_size), tokenizer())
        found = sg.sample(engine, [5], sg.choice(["yes", "no"]), 2, method=method, checkers=[AnyText()])
        assert found.texts
        assert len(freed) == 1
    finally:
        gc.enable()


@pytest.mark.parametrize("prompt", [[-1], [10**6], []])
def test_a_prompt_that_an_engine_cannot_read_is_refused(prompt):
    with pytest.raises(sg.errors.OptionError) as caught:
        sg.sample(sg.Engine(Function(tokenizer().vocab_size), tokenizer()), prompt, sg.literal("a"), 1)
    assert caught.value.where.startswith("prompt")


def test_a_prompt_without_room_for_the_text_is_refused():
    engine = sg.Engine(Function(tokenizer().vocab_size, context=10), tokenizer())
    with pytest.raises(sg.errors.OptionError, match="context, 10") as caught:
        sg.sample(engine, [5] * 8, sg.literal("a"), 1, max_tokens=3)
    assert caught.value.where == "max_tokens"


@pytest.mark.parametrize("method", ["smc", "importance", "beams"])
def test_documents_of_a_schema_are_drawn(engine, method):
    grammar = sg.json_schema(
        {"type": "object", "properties": {"paid": {"type": "boolean"}}, "required": ["paid"]}
    )
    found = sg.sample(engine, "Zorvik has paid.", grammar, 6, method=method, max_tokens=40, budget=2000)
    assert found.values
    assert all(isinstance(value["paid"], bool) for value in found)
