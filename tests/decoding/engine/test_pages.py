"""Pages of keys and values: who begins alike shares them, and what nobody holds is given back."""

from __future__ import annotations

import ctypes
import tracemalloc
import weakref
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from small_models import write_llama

from structgen.decoding.engine.forward_pass import llama
from structgen.decoding.engine.forward_pass.llama import Llama, PagedCache

PAGE = 32
"""Columns of a page."""
BYTES = 2 * 2 * 64 * PAGE * 4
"""Of a page of two layers with one head of keys and values."""


def pages_of(cache: PagedCache) -> list[int]:
    """Return the list that the compiled pass reads."""
    return [one for one in (ctypes.c_int64 * 64).from_address(cache.address) if one]


def grown(length: int) -> PagedCache:
    cache = PagedCache(BYTES, 2048, length)
    cache.grow(length)
    return cache


@pytest.mark.parametrize(("length", "count"), [(1, 1), (PAGE, 1), (PAGE + 1, 2), (2048, 64)])
def test_a_text_takes_pages_as_it_grows(length: int, count: int) -> None:
    cache = PagedCache(BYTES, 2048)
    for at in range(length):
        cache.grow(at + 1)
    assert len(set(pages_of(cache))) == count
    assert all(page % 64 == 0 for page in pages_of(cache))
    assert cache.nbytes == count * BYTES


def test_full_pages_are_shared_and_the_last_one_is_copied() -> None:
    cache = grown(2 * PAGE + 5)
    last = pages_of(cache)[2]
    ctypes.memset(last, 7, BYTES)
    twin = cache.copy()
    assert pages_of(twin)[:2] == pages_of(cache)[:2] and pages_of(twin)[2] != last
    assert ctypes.string_at(pages_of(twin)[2], BYTES) == b"\7" * BYTES
    assert (twin.length, len(pages_of(grown(PAGE).copy()))) == (cache.length, 1)


def test_a_page_lives_as_long_as_its_last_holder() -> None:
    cache = grown(PAGE)
    gone = weakref.ref(cache._held[0])
    twin = cache.copy()
    del cache
    assert gone() is not None
    del twin
    assert gone() is None


def test_memory_is_given_back() -> None:
    tracemalloc.start()
    try:
        first = grown(1)
        least = tracemalloc.get_traced_memory()[0]
        others = [grown(2048) for _ in range(40)]
        assert tracemalloc.get_traced_memory()[0] - least >= 40 * 2048 * BYTES // PAGE
        del others
        assert tracemalloc.get_traced_memory()[0] - least < BYTES
    finally:
        tracemalloc.stop()
    assert first.nbytes == BYTES


def test_prompts_that_begin_alike_share_what_is_full(tmp_path: Path) -> None:
    model = Llama.read(write_llama(tmp_path))
    alike = list(range(PAGE + 8))
    (_, one), (_, other) = model.prefill_many([[*alike, 1, 2], [*alike, 3]])
    assert pages_of(one)[0] == pages_of(other)[0] and pages_of(one)[1] != pages_of(other)[1]


def test_what_a_fresh_page_holds_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = Llama.read(write_llama(tmp_path))
    fresh = llama.fresh_page

    def full_of_nan(page_bytes: int) -> npt.NDArray[np.uint8]:
        page = fresh(page_bytes)
        page[:] = 0xFF
        return page

    monkeypatch.setattr(llama, "fresh_page", full_of_nan)
    logits, cache = model.prefill([4])
    assert torch.isfinite(logits).all()
    assert torch.isfinite(model.decode([5], [cache])).all()
