"""Steps of fixed shapes: static buffers with changed numbers give what a step by itself gives, and a capture
that fails is replaced by the step as it is.

Without CUDA nothing is captured; the steps read and write the same static buffers.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from request_kinds import DATES, NUMBERS, TOKENIZER, Wide, requests  # noqa: E402
from small_models import tokenizer, write_llama  # noqa: E402

import structgen as sg  # noqa: E402
from structgen.engine.cuda_graphs import Graphs, bucket  # noqa: E402
from structgen.engine.forward_pass.fixed_pass import FixedLlama  # noqa: E402
from structgen.engine.forward_pass.llama import Llama  # noqa: E402
from structgen.engine.forward_pass.weights import Weights  # noqa: E402

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_llama(tmp_path_factory.mktemp("llama") / "model", width=128, groups=1)


@pytest.fixture(scope="module")
def weights(folder: Path) -> Weights:
    return Weights.read(folder, CPU, torch.float32)


def _prompt(draw: random.Random) -> list[int]:
    return [draw.randrange(500) for _ in range(draw.randrange(1, 20))]


def test_the_logits_are_those_of_the_llama(folder: Path, weights: Weights) -> None:
    """Texts come, are copied, grow past a bucket of columns and go, in slots that move."""
    draw = random.Random(0)
    ours, plain = FixedLlama(weights, 6, 300), Llama.read(folder, CPU, torch.float32)
    texts: list[tuple[Any, Any]] = []
    for step in range(30):
        while len(texts) < draw.randrange(2, 6):
            prompts = [_prompt(draw) for _ in range(1 + (len(texts) < 3))]
            for one, other in zip(ours.prefill_many(prompts), plain.prefill_many(prompts), strict=True):
                assert torch.allclose(one[0], other[0], atol=2e-3)
                texts.append((one[1], other[1]))
        if step == 9:
            texts[-1] = texts[0][0].copy(), texts[0][1].copy()
        if step % 4 == 3:
            del texts[draw.randrange(len(texts) - 1)]
        if step == 12:
            long = [draw.randrange(500) for _ in range(127)]
            texts = [(ours.prefill(long)[1], plain.prefill(long)[1]), *texts[:2]]
        draw.shuffle(texts)
        tokens = [draw.randrange(500) for _ in texts]
        found = ours.decode(tokens, [one for one, _ in texts])
        assert torch.allclose(found, plain.decode(tokens, [other for _, other in texts]), atol=2e-3)
    assert max(one.length for one, _ in texts) > 128


def test_static_buffers_with_changed_numbers_give_what_fresh_ones_give(weights: Weights) -> None:
    draw, ours = random.Random(1), FixedLlama(weights, 4, 128)
    prompts = [_prompt(draw) for _ in range(4)]
    written = [list(prompt) for prompt in prompts]
    caches = [cache for _, cache in ours.prefill_many(prompts)]
    for size in (4, 4, 3, 2, 2):
        tokens = [draw.randrange(500) for _ in range(size)]
        found = ours.decode(tokens, caches[:size]).clone()
        fresh = FixedLlama(weights, 4, 128)
        again = [cache for _, cache in fresh.prefill_many(written)]
        # as many rows in the product: another number of them may round differently
        expected = fresh.decode(tokens, again[:size])
        assert torch.allclose(found, expected, atol=1e-4)
        for text, token in zip(written, tokens, strict=False):
            text.append(token)


def test_each_key_is_captured_once_and_replayed() -> None:
    captured: list[Callable[[], Any]] = []

    def capture(function: Callable[[], Any]) -> Callable[[], Any]:
        captured.append(function)
        return function

    graphs, held = Graphs(CPU, capture), torch.zeros(3)
    for value in (1.0, 2.0, 5.0):
        held.fill_(value)
        assert graphs.run("a", lambda: held + 1).tolist() == [value + 1] * 3
        assert graphs.run("b", lambda: held * 2).tolist() == [value * 2] * 3
    assert len(captured) == 2
    graphs.forget()
    graphs.run("a", lambda: held)
    assert len(captured) == 3


def test_a_capture_that_fails_runs_as_it_is_and_is_said_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(function: Callable[[], Any]) -> Callable[[], Any]:
        raise RuntimeError("operation not permitted when stream is capturing\nmore")

    monkeypatch.setattr(Graphs, "_has_warned", False)
    graphs, held = Graphs(CPU, fail), torch.zeros(2)
    with pytest.warns(RuntimeWarning, match="could not be captured") as caught:
        for value in (1.0, 2.0):
            held.fill_(value)
            for key in ("a", "b"):
                assert graphs.run(key, lambda: held + 1).tolist() == [value + 1] * 2
    assert len(caught) == 1 and "\n" not in str(caught[0].message)


def test_graphs_are_bounded() -> None:
    graphs = Graphs(CPU)
    for key in range(500):
        graphs.run(key, lambda: torch.zeros(1))
    assert len(graphs._known) == 64


def test_buckets_are_the_next_powers_of_two() -> None:
    assert [bucket(count) for count in (1, 2, 3, 8, 9, 200, 256)] == [1, 2, 4, 8, 16, 256, 256]


# --- the engine with it
# -------------------------------------------------------------------------------------


def test_an_engine_writes_the_same_with_a_model_of_fixed_shapes(folder: Path, weights: Weights) -> None:
    wanted = requests(5)
    models = Llama.read(folder, CPU, torch.float32), FixedLlama(weights, 3)
    plain, fixed = (sg.Engine(model, TOKENIZER, device_masks=True, max_rows=3) for model in models)
    found = [[result.tokens for result in engine.generate(wanted)] for engine in (plain, fixed)]
    assert found[0] == found[1]


def test_all_kinds_of_texts_are_those_of_the_llama(folder: Path, weights: Weights) -> None:
    """Steered texts and thoughts too, and figures of each step's own logits."""
    wanted = [
        sg.Request("a", NUMBERS, sg.Sampling(seed=1), max_tokens=9),
        sg.Request("b", NUMBERS, sg.Sampling(seed=2), max_tokens=9, logprobs=2),
        sg.Request("c", DATES, sg.Sampling(seed=3), max_tokens=60, thinking=sg.Thinking(max_tokens=3)),
        sg.Request("d", None, sg.Sampling(seed=4), max_tokens=12),
    ]
    plain, fixed = (
        sg.Engine(model, TOKENIZER, device_masks=True).generate(wanted)
        for model in (Llama.read(folder, CPU, torch.float32), FixedLlama(weights, 4))
    )
    assert [result.tokens for result in fixed] == [result.tokens for result in plain]
    assert [result.thoughts for result in fixed] == [result.thoughts for result in plain]
    for one, other in zip(fixed[1].steps, plain[1].steps, strict=True):
        # of the step's own logits, not of those that are written meanwhile
        assert [token for token, _ in one.likeliest] == [token for token, _ in other.likeliest]


@pytest.mark.parametrize("error", [MemoryError("seeded"), KeyboardInterrupt(), ZeroDivisionError("seeded")])
def test_a_pass_that_fails_is_handled_as_any_other(weights: Weights, error: BaseException) -> None:
    class Failing(FixedLlama):
        left = 6

        def decode(self, tokens: Any, caches: Any) -> Any:
            self.left -= 1
            if self.left == 0:
                raise error
            return super().decode(tokens, caches)

    wanted = [
        sg.Request("a", DATES, sg.Sampling(seed=1), max_tokens=60),
        sg.Request("b", NUMBERS, sg.Sampling(seed=2), max_tokens=30),
    ]
    whole = sg.Engine(FixedLlama(weights, 2), TOKENIZER, device_masks=True).generate(wanted)
    engine = sg.Engine(Failing(weights, 2), TOKENIZER, device_masks=True)
    handles = [handle for request in wanted for handle in engine.submit(request)]
    try:
        engine.drive(handles)
    except KeyboardInterrupt:
        engine.drive(handles)
    first, second = (handle.result for handle in handles)
    assert first is not None and second is not None
    if isinstance(error, ZeroDivisionError):
        assert first.error is not None and second.error is not None
        assert len(engine.generate(wanted)) == 2
        return
    assert first.tokens == whole[0].tokens
    assert second.error is not None if isinstance(error, MemoryError) else second.tokens == whole[1].tokens


def test_graphs_are_asked_for_with_the_name_of_a_model(folder: Path) -> None:
    engine = sg.Engine(folder, device="cpu", graphs=True, max_rows=2)
    assert isinstance(engine.model, FixedLlama) and engine.model.context == 512


def test_slots_come_back(weights: Weights) -> None:
    model = FixedLlama(weights, 2, 64)
    for _ in range(3):
        caches = [model.prefill([1, 2])[1], model.prefill([3])[1]]
        with pytest.raises(sg.StructgenError, match="All 2 slots") as caught:
            model.prefill([1])
        assert str(caught.value).endswith("Write fewer texts at a time, or make the model with more rows.")
        del caches, caught


def test_memory_that_is_not_there_is_said(weights: Weights) -> None:
    with pytest.raises(sg.StructgenError, match="no memory on cpu") as caught:
        FixedLlama(weights, 1 << 40)
    assert str(caught.value).endswith("Write fewer texts at a time (max_rows), or leave graphs out.")


def test_graphs_are_for_models_that_are_loaded_by_name() -> None:
    with pytest.raises(sg.errors.OptionError, match="loaded by its name") as caught:
        sg.Engine(Wide(), tokenizer(), graphs=True)
    assert "FixedLlama" in str(caught.value)
    with pytest.raises(sg.errors.OptionError, match="graphs"):
        sg.Engine("structgen/extract", graphs="yes")  # type: ignore[arg-type]
