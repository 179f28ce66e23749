"""Prompts are read in pieces while texts go on; what is kept of them changes no answer, and is bounded."""

from __future__ import annotations

import random
import threading
import tracemalloc
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from request_kinds import PERSON
from small_llama import CONFIGS, SMALL, WIDTH
from small_models import Function, tokenizer, write_llama

import structgen as sg
from structgen.decoding.engine import Engine, FinishReason, Request, Sampling, huggingface
from structgen.decoding.engine.forward_pass.kept_prompts import KeptPrompts
from structgen.decoding.engine.forward_pass.llama import Llama
from structgen.decoding.engine.forward_pass.tiles import PANEL
from structgen.decoding.engine.huggingface import HuggingFace
from structgen.decoding.engine.model_protocol import FEWEST_SHARED

TOKENIZER = tokenizer()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_llama(tmp_path_factory.mktemp("llama"), width=192, groups=3)


def _prompts(draw: random.Random, count: int) -> list[list[int]]:
    """Prompts of which many begin alike, at ends of pages and inside of them."""
    starts = [[draw.randrange(500) for _ in range(size)] for size in (10, 31, 32, 64, 150)]
    return [
        [*draw.choice(starts)[: draw.randrange(1, 151)], *draw.choices(range(500), k=draw.randrange(1, 90))]
        for _ in range(count)
    ]


def _requests(draw: random.Random, count: int) -> list[Request]:
    return [
        Request(
            prompt,
            PERSON if draw.random() < 0.5 else None,
            Sampling(temperature=draw.choice([0.0, 1.0]), seed=number),
            max_tokens=30,
            n=draw.choice([1, 1, 3]),
        )
        for number, prompt in enumerate(_prompts(draw, count))
    ]


def _figures(results: list[sg.Result]) -> list[Any]:
    return [(one.tokens, [step.logprob for step in one.steps]) for one in results]


def _engine(folder: Path, **options: Any) -> Engine:
    return Engine(Llama.read_folder(folder), TOKENIZER, **options)


@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(2, 40))])
def test_texts_are_to_the_bit_those_of_prompts_that_were_read_whole(folder: Path, seed: int) -> None:
    draw = random.Random(seed)
    requests = _requests(draw, 12)
    whole = [_engine(folder, kept_prompts=0, prefill_tokens=100_000).generate(one) for one in requests]
    engine = _engine(
        folder,
        max_rows=draw.randrange(1, 9),
        prefill_tokens=draw.choice([None, 1, 40, 64, 200]),
        kept_prompts=draw.choice([None, 0, 200_000, 2_000_000]),
    )
    together = engine.generate(requests)
    assert _figures(together) == _figures([one for results in whole for one in results])


@pytest.mark.parametrize("kind", sorted(CONFIGS))
def test_pieces_of_transformers_give_the_logits_of_a_whole_prompt_up_to_rounding(kind: str) -> None:
    torch.manual_seed(3)
    model = HuggingFace(transformers.AutoModelForCausalLM.from_config(CONFIGS[kind]()))
    draw = random.Random(4)
    prompts = [[draw.randrange(WIDTH) for _ in range(size)] for size in (1, 7, 40)]
    caches = [model.new_cache() for _ in prompts]
    starts = [0] * len(prompts)
    last: dict[int, torch.Tensor] = {}
    while going := [number for number, prompt in enumerate(prompts) if starts[number] < len(prompt)]:
        ends = {number: min(len(prompts[number]), starts[number] + draw.randrange(1, 9)) for number in going}
        pieces = [prompts[number][starts[number] : ends[number]] for number in going]
        for number, row in zip(
            going, model.read_pieces(pieces, [caches[number] for number in going]), strict=True
        ):
            last[number], starts[number] = row, ends[number]
    whole = [model.prefill(prompt) for prompt in prompts]
    expected = torch.stack([logits for logits, _ in whole])
    assert torch.allclose(torch.stack([last[number] for number in range(len(prompts))]), expected, atol=1e-4)
    after = model.decode([1, 2, 3], caches)
    assert torch.allclose(after, model.decode([1, 2, 3], [cache for _, cache in whole]), atol=1e-4)


def test_a_long_prompt_of_transformers_is_read_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(3)
    config = transformers.LlamaConfig(**{**SMALL, "vocab_size": TOKENIZER.vocab_size})
    model = transformers.AutoModelForCausalLM.from_config(config)
    lengths: list[int] = []
    own = HuggingFace.read_pieces

    def read_pieces(self: HuggingFace, pieces: Any, caches: Any) -> Any:
        lengths.extend(map(len, pieces))
        return own(self, pieces, caches)

    monkeypatch.setattr(HuggingFace, "read_pieces", read_pieces)
    monkeypatch.setattr(huggingface, "_PIECE", 16)
    engine = Engine(model, TOKENIZER, prefill_tokens=16)
    (result,) = engine.generate(Request([*range(60)], None, max_tokens=3))
    assert lengths == [16, 16, 16, 12]
    assert len(result.steps) == 3


class _Watched(Llama):
    """Notes the passes: the lengths of pieces, or the number of texts that got a token."""

    passes: list[Any]

    def read_pieces(self, pieces: Any, caches: Any) -> Any:
        self.passes.append([*map(len, pieces)])
        return super().read_pieces(pieces, caches)

    def decode(self, tokens: Any, caches: Any) -> Any:
        self.passes.append(len(tokens))
        return super().decode(tokens, caches)


def _watched(folder: Path) -> _Watched:
    model = _Watched.read_folder(folder)
    assert isinstance(model, _Watched)
    model.passes = []
    return model


def test_texts_get_a_token_in_each_step_while_a_long_prompt_is_read(folder: Path) -> None:
    model = _watched(folder)
    engine = Engine(model, TOKENIZER, prefill_tokens=64)
    endless = sg.regex("[a-z]{200,}")
    short = engine.submit(
        Request([1, 2, 3], endless, Sampling(seed=1), max_tokens=300, n=4, speculation="off")
    )
    engine.step()
    model.passes.clear()
    (long,) = engine.submit(Request([*range(320)], None, Sampling(seed=1), max_tokens=5))
    while long.result is None:
        engine.step()
    # five steps of two pieces each; in each of them the four texts got a token
    assert model.passes[:10] == [[64], 4] * 4 + [[64], 5]
    assert all(handle.result is None for handle in short)


def test_a_short_prompt_is_not_behind_more_than_one_piece_of_a_long_one(folder: Path) -> None:
    model = _watched(folder)
    engine = Engine(model, TOKENIZER, prefill_tokens=64, kept_prompts=0)
    engine.submit(Request([*range(400)], None, Sampling(seed=1), max_tokens=5))
    engine.step()
    engine.submit(Request([*range(400, 420)], None, Sampling(seed=1), max_tokens=5))
    engine.step()
    assert model.passes == [[64], [32, 20], 1]


def test_prompts_that_arrive_together_read_their_common_pages_once(folder: Path) -> None:
    model = _watched(folder)
    engine = Engine(model, TOKENIZER)
    alike = [*range(320)]
    results = engine.generate([Request([*alike, last], None, max_tokens=1) for last in range(400, 408)])
    assert sum(sum(lengths) for lengths in model.passes if isinstance(lengths, list)) == 321 + 7
    assert [one.usage.cached_tokens for one in results] == [0] + [320] * 7


def test_a_further_turn_reads_only_what_is_new(folder: Path) -> None:
    model = _watched(folder)
    engine = Engine(model, TOKENIZER)
    prompt = [*range(200)]
    (first,) = engine.generate(Request(prompt, None, Sampling(seed=2), max_tokens=60))
    turn = [*prompt, *first.tokens, *range(300, 320)]
    (second,) = engine.generate(Request(turn, None, max_tokens=1))
    # all but what the last page of the text had too few tokens of, and the turn itself
    assert len(turn) - second.usage.cached_tokens <= 20 + FEWEST_SHARED + 1


def test_prompts_of_different_salts_share_nothing(folder: Path) -> None:
    engine = _engine(folder)
    prompt = [*range(200)]

    def cached(salt: str) -> int:
        (result,) = engine.generate(Request(prompt, None, max_tokens=1, cache_salt=salt))
        return result.usage.cached_tokens

    assert [cached("a"), cached("b"), cached("a"), cached("b"), cached("")] == [0, 0, 192, 192, 0]


def test_a_text_that_is_cancelled_in_the_middle_of_its_prompt_is_read_no_further(folder: Path) -> None:
    model = _watched(folder)
    engine = Engine(model, TOKENIZER, prefill_tokens=32)
    (handle,) = engine.submit(Request([*range(400)], None, max_tokens=5))
    engine.step()
    handle.cancel()
    engine.drive([handle])
    assert handle.result is not None
    assert handle.result.finish_reason is FinishReason.CANCELLED
    assert model.passes == [[32]]


def test_a_text_that_ended_while_its_prompt_was_read_does_not_end_twice(folder: Path) -> None:
    engine = Engine(_watched(folder), TOKENIZER, prefill_tokens=32)
    (handle,) = engine.submit(Request([*range(300)], None, max_tokens=4))
    engine.step()
    handle.cancel()
    assert "".join(engine.pieces(handle)) == ""
    (other,) = engine.generate(Request([1, 2], None, max_tokens=3))
    assert other.error is None


def test_a_prompt_that_is_read_anew_after_a_fault_keeps_its_salt(folder: Path) -> None:
    faults = [MemoryError("once")]

    class Faulty(Llama):
        def read_pieces(self, pieces: Any, caches: Any) -> Any:
            if faults:
                raise faults.pop()
            return super().read_pieces(pieces, caches)

    engine = Engine(Faulty.read_folder(folder), TOKENIZER)
    (first,) = engine.generate(Request([*range(300)], None, max_tokens=1, cache_salt="a"))
    (second,) = engine.generate(Request([*range(300)], None, max_tokens=1))
    assert first.error is None
    assert second.usage.cached_tokens == 0


def test_a_text_of_a_model_with_a_prefill_of_its_own_is_not_kept(folder: Path) -> None:
    class Own(Llama):
        def prefill(self, tokens: Any) -> Any:
            return Llama.prefill_many(self, [tokens])[0]

        def keep_beginning(self, *_: Any) -> None:
            if len(_[0]) > 300:
                raise RuntimeError("a cache that is not of this model's pages")

    engine = Engine(Own.read_folder(folder), TOKENIZER)
    (result,) = engine.generate(Request([*range(300)], None, Sampling(seed=1), max_tokens=3))
    assert result.error is None


def test_a_prompt_that_the_model_cannot_read_ends_alone(folder: Path) -> None:
    class Faulty(Llama):
        def read_pieces(self, pieces: Any, caches: Any) -> Any:
            if any(499 in piece for piece in pieces):
                raise RuntimeError("token 499")
            return super().read_pieces(pieces, caches)

    engine = Engine(Faulty.read_folder(folder), TOKENIZER)
    good = Request([1, 2, 3], None, max_tokens=3)
    results = engine.generate([good, Request([*range(40), 499], None, max_tokens=3), good])
    assert [one.finish_reason is FinishReason.ERROR for one in results] == [False, True, False]
    assert "token 499" in str(results[1].error)
    assert _figures([results[0]]) == _figures(_engine(folder).generate(good))


def test_threads_that_submit_meanwhile_get_their_texts(folder: Path) -> None:
    engine = _engine(folder, prefill_tokens=32)
    draw = random.Random(3)
    requests = _requests(draw, 12)
    expected = _figures([one for request in requests for one in _engine(folder).generate(request)])
    found: dict[int, list[Any]] = {}

    def ask(number: int) -> None:
        found[number] = _figures(engine.generate(requests[number]))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(len(requests))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [one for number in range(len(requests)) for one in found[number]] == expected


def test_models_that_read_no_pieces_read_prompts_whole() -> None:
    model = Function(TOKENIZER.vocab_size)
    engine = Engine(model, TOKENIZER, prefill_tokens=1)
    engine.generate([Request("one", None, max_tokens=3), Request("two", None, max_tokens=3)])
    assert len(model.prefills) == 2


# --- what is kept, compared with a list of all texts ---------------------------------------------------


class _Listed:
    """What `KeptPrompts` keeps without a limit, as a list of texts: slow and plain."""

    def __init__(self) -> None:
        self.texts: list[tuple[str, list[int]]] = []

    def find(self, prompt: list[int], salt: str) -> int:
        """Return how many first tokens a kept text has, whole pages and then at least 16 of a page."""
        best = 0
        for text_salt, text in self.texts:
            if text_salt == salt:
                whole = len(text) // PANEL * PANEL
                ends = whole + (len(text) - whole if len(text) - whole >= FEWEST_SHARED else 0)
                most = min(ends, len(prompt) - 1)
                alike = next((at for at in range(most) if prompt[at] != text[at]), most)
                part = alike % PANEL
                best = max(best, alike - part + (part if part >= FEWEST_SHARED else 0))
        return best


@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(2, 200))])
def test_the_longest_beginning_is_found(seed: int) -> None:
    draw, kept, listed = random.Random(seed), KeptPrompts(1), _Listed()
    kept.limit_bytes(1 << 40)
    stems = [[draw.randrange(3) for _ in range(200)] for _ in range(3)]
    for _ in range(60):
        salt = draw.choice(["", "a"])
        text = [*draw.choice(stems)[: draw.randrange(200)], *draw.choices(range(3), k=draw.randrange(1, 80))]
        pages, count = kept.find(text, salt)
        assert count == listed.find(text, salt)
        assert len(pages) == -(-count // PANEL)
        # the pages are those of the tokens: here a page is the tokens up to its end
        assert all(page[: count - PANEL * number] for number, page in enumerate(pages) if count)
        for number, page in enumerate(pages):
            part = text[PANEL * number : min(PANEL * (number + 1), count)]
            assert list(page[: len(part)]) == part
        if draw.random() < 0.6:
            kept.add(text, [tuple(text[start : start + PANEL]) for start in range(0, len(text), PANEL)], salt)
            listed.texts.append((salt, text))


def test_pages_stay_within_the_limit_and_the_one_that_was_used_last_stays() -> None:
    kept = KeptPrompts(10)
    kept.limit_bytes(100)
    system = [*range(64)]
    for number in range(1_000):
        prompt = [*system, *([number] * 40)]
        kept.find(prompt, "")
        kept.add(prompt, [object()] * 4, "")
        assert kept.nbytes <= 100
        assert kept.find([*system, 7], "")[1] == 64
    assert kept.evictions > 900
    kept.limit_bytes(0)
    assert (kept.nbytes, kept._roots, kept.is_on) == (0, {}, False)


def test_the_first_prompt_of_a_salt_may_grow() -> None:
    kept = KeptPrompts(10)
    kept.limit_bytes(10**6)
    kept.add([*range(20)], ["a"], "s")
    kept.add([*range(100)], list("ABCD"), "s")
    assert kept.find([*range(101)], "s") == (["A", "B", "C"], 96)


def test_clients_without_number_leave_nothing_behind() -> None:
    kept = KeptPrompts(1)
    kept.limit_bytes(10)
    for number in range(1_000):
        kept.add([*range(64)], [object()] * 2, f"client {number}")
    assert len(kept._roots) <= 5
    assert Counter(node.parent is None for node in kept._by_use) == {False: kept.nbytes}


def test_bits_of_pieces_are_those_of_a_prompt_read_whole(folder: Path) -> None:
    model, draw = Llama.read_folder(folder), random.Random(8)
    model.kept_prompts.limit_bytes(0)
    for prompt in _prompts(draw, 6):
        expected, _ = model.prefill(prompt)
        cache, start = model.new_cache(), 0
        while start < len(prompt):
            end = min(len(prompt), start + draw.randrange(1, 100))
            (logits,) = model.read_pieces([prompt[start:end]], [cache])
            start = end
        assert torch.equal(logits, expected)


@pytest.mark.slow
def test_memory_is_flat_over_two_thousand_conversations(folder: Path) -> None:
    most = 40 * 98_304
    engine = _engine(folder, kept_prompts=most)
    kept = engine.model.kept_prompts  # type: ignore[attr-defined]
    draw, system = random.Random(5), [*range(64)]
    sizes = []
    tracemalloc.start()
    try:
        for number in range(2_000):
            turn = [*system, *draw.choices(range(500), k=30)]
            for _ in range(2):
                (result,) = engine.generate(Request(turn, None, Sampling(seed=number), max_tokens=4))
                turn = [*turn, *result.tokens, *draw.choices(range(500), k=10)]
            assert kept.nbytes <= most
            if number % 500 == 499:
                sizes.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    assert len(kept._roots) == 1
    assert max(sizes) - min(sizes) < 1 << 20
