"""Texts that share pages come and go, grow and are copied, and none feels another; memory is given back."""

from __future__ import annotations

import random
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small_models import write_llama

from structgen.decoding.engine.forward_pass import llama
from structgen.decoding.engine.forward_pass.llama import Llama

COLUMNS = 64
"""Two pages."""
PAGE = 2 * 2 * 3 * 64 * 32 * 4
"""Bytes of a page: two layers with three heads of keys and values, 32 columns."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_llama(tmp_path_factory.mktemp("llama"), width=192, groups=3)


def _alone(folder: Path, text: list[int], start: int) -> torch.Tensor:
    model = Llama.read_folder(folder)
    logits, cache = model.prefill(text[:start])
    found = [logits]
    for token in text[start:]:
        found.append(model.decode([token], [cache])[0])
    return torch.stack(found)


@pytest.mark.usefixtures("threads")
def test_texts_are_bit_by_bit_the_same_among_others_that_come_go_and_grow(folder: Path) -> None:
    draw = random.Random(1)
    model = Llama.read_folder(folder)
    going: list[tuple[list[int], int, object, list[torch.Tensor]]] = []
    done = []
    for _ in range(45):
        while len(going) < draw.randrange(2, 12):
            start = draw.choice([1, 5, COLUMNS - 2, COLUMNS - 1, COLUMNS, COLUMNS + 1])
            text = [draw.randrange(500) for _ in range(start)]
            logits, cache = model.prefill(text)
            going.append((text, start, cache, [logits]))
        if draw.random() < 0.3:
            done.append(going.pop(draw.randrange(len(going))))
        if draw.random() < 0.2 and going:
            text, start, cache, found = draw.choice(going)
            going.append((list(text), start, cache.copy(), list(found)))  # type: ignore[attr-defined]
        # not all of them take part in each step, and in any order
        part = draw.sample(going, draw.randrange(1, len(going) + 1)) if going else []
        if part:
            tokens = [draw.randrange(500) for _ in part]
            logits = model.decode(tokens, [cache for _, _, cache, _ in part])  # type: ignore[misc]
            for (text, _, _, found), token, row in zip(part, tokens, logits, strict=True):
                text.append(token)
                found.append(row)
    texts = done + going
    assert max(len(text) for text, *_ in texts) > COLUMNS + 10
    for text, start, _, found in texts:
        assert torch.equal(torch.stack(found), _alone(folder, text, start))


@pytest.mark.usefixtures("threads")
def test_prompts_that_begin_alike_one_after_the_other_are_bit_by_bit_the_same(folder: Path) -> None:
    draw = random.Random(3)
    model = Llama.read_folder(folder)
    begun = [[draw.randrange(500) for _ in range(size)] for size in (10, 17, 40, 90)]
    for _ in range(30):
        prompts = [
            [*draw.choice(begun)[: draw.randrange(8, 91)], *draw.choices(range(500), k=draw.randrange(1, 50))]
            for _ in range(draw.choice([1, 1, 1, 3]))
        ]
        for prompt, (logits, cache) in zip(prompts, model.prefill_many(prompts), strict=True):
            token = draw.randrange(500)
            after = model.decode([token], [cache])[0]
            assert torch.equal(torch.stack([logits, after]), _alone(folder, [*prompt, token], len(prompt)))


def test_the_beginning_of_an_earlier_prompt_is_not_read_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, read = Llama.read_folder(folder), list[int]()
    run = Llama._run_threads
    monkeypatch.setattr(
        Llama, "_run_threads", lambda *args, **how: read.append(len(args[1])) or run(*args, **how)
    )
    for last in range(4):
        model.prefill([*range(100), 200 + last])
    # of the last page 4 tokens are alike: too few to copy it
    assert read == [101, 5, 5, 5]
    model.prefill([7] * 50)
    model.prefill([*range(100), 300])
    assert read[4:] == [50, 5]
    for last in range(3):
        model.prefill([*range(30, 86), last])
    # of the last page 24 tokens are alike
    assert read[6:] == [57, 1, 1]
    model.prefill_many([[*range(200, 260), last] for last in range(3)])
    model.prefill([*range(200, 260), 9])
    assert read[9:] == [61, 2, 1]


def test_with_no_memory_for_it_nothing_is_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, read = Llama.read_folder(folder), list[int]()
    model.kept_prompts.limit_bytes(0)
    run = Llama._run_threads
    monkeypatch.setattr(
        Llama, "_run_threads", lambda *args, **how: read.append(len(args[1])) or run(*args, **how)
    )
    model.prefill_many([[*range(60), last] for last in range(3)])
    model.prefill([*range(60), 9])
    assert read == [183, 61]
    assert model.kept_prompts.nbytes == 0


def test_what_is_full_is_shared_and_memory_is_given_back(folder: Path) -> None:
    model = Llama.read_folder(folder)
    alike = [*range(COLUMNS + 8)]
    (_, one), (_, other) = model.prefill_many([[*alike, 1, 2], [*alike, 3]])
    assert (one.nbytes, one.nbytes_beside(other)) == (3 * PAGE, PAGE)
    twin = one.copy()
    assert (twin.length, twin.nbytes_beside(one)) == (one.length, PAGE)
    model.kept_prompts.limit_bytes(0)
    tracemalloc.start()
    try:
        least = tracemalloc.get_traced_memory()[0]
        others = [model.prefill([at] * 300)[1] for at in range(20)]
        assert tracemalloc.get_traced_memory()[0] - least >= 20 * 10 * PAGE
        assert all(cache.nbytes == 10 * PAGE for cache in others)
        del others
        assert tracemalloc.get_traced_memory()[0] - least < PAGE
    finally:
        tracemalloc.stop()


def test_what_a_fresh_page_holds_is_not_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, fresh = Llama.read_folder(folder), llama.fresh_page

    def full_of_nan(page_bytes: int) -> Any:
        page = fresh(page_bytes)
        page[:] = np.uint8(0xFF)
        return page

    monkeypatch.setattr(llama, "fresh_page", full_of_nan)
    logits, cache = model.prefill([4])
    assert torch.isfinite(logits).all()
    assert torch.isfinite(model.decode([5], [cache])).all()
