"""Pages of keys and values: who begins alike shares them, and what nobody holds is given back."""

from __future__ import annotations

import ctypes
from pathlib import Path

import pytest
import torch
from small_models import write_llama

from structgen.engine.forward_pass.key_value_pages import KeyValuePages, PagedCache
from structgen.engine.forward_pass.llama import Llama

PAGE = 32
"""Columns of a page."""


def pages_of(cache: PagedCache) -> list[int]:
    """Return the list that the compiled pass reads."""
    return [one for one in (ctypes.c_int64 * cache._pages.most).from_address(cache.address) if one]


@pytest.fixture
def pages() -> KeyValuePages:
    return KeyValuePages(layers=2, groups=1, head=64, context=2048)


def grown(pages: KeyValuePages, length: int) -> PagedCache:
    cache = PagedCache(pages, length)
    cache.grow(length)
    return cache


@pytest.mark.parametrize(("length", "count"), [(1, 1), (PAGE, 1), (PAGE + 1, 2), (2048, 64)])
def test_a_text_takes_pages_as_it_grows(pages: KeyValuePages, length: int, count: int) -> None:
    cache = PagedCache(pages)
    for at in range(length):
        cache.grow(at + 1)
    assert len(set(pages_of(cache))) == count
    assert cache.nbytes == count * pages.page_bytes == count * 2 * 2 * 64 * PAGE * 4


def test_full_pages_are_shared_and_the_last_one_is_copied(pages: KeyValuePages) -> None:
    cache = grown(pages, 2 * PAGE + 5)
    last = pages_of(cache)[2]
    ctypes.memset(last, 7, pages.page_bytes)
    twin = cache.copy()
    assert pages_of(twin)[:2] == pages_of(cache)[:2] and pages_of(twin)[2] != last
    assert ctypes.string_at(pages_of(twin)[2], pages.page_bytes) == b"\7" * pages.page_bytes
    assert (twin.length, len(pages_of(grown(pages, PAGE).copy()))) == (cache.length, 1)


def test_a_page_is_free_when_its_last_holder_is_gone(pages: KeyValuePages) -> None:
    cache = grown(pages, PAGE)
    (page,) = pages_of(cache)
    twin = cache.copy()
    del cache
    pages.sweep()
    other = grown(pages, 3 * PAGE)
    assert page not in pages_of(other)
    del twin
    pages.sweep()
    assert page in pages_of(grown(pages, PAGE))


def test_memory_is_given_back(pages: KeyValuePages) -> None:
    first = grown(pages, 1)
    least = pages.nbytes
    others = [grown(pages, 2048) for _ in range(40)]
    assert pages.nbytes >= 40 * 2048 * pages.page_bytes // PAGE > 4 * least
    del others
    pages.sweep()
    assert pages.nbytes == least
    assert first.nbytes == pages.page_bytes


def test_prompts_that_begin_alike_share_what_is_full(tmp_path: Path) -> None:
    model = Llama.read(write_llama(tmp_path))
    alike = list(range(PAGE + 8))
    (_, one), (_, other) = model.prefill_many([[*alike, 1, 2], [*alike, 3]])
    assert pages_of(one)[0] == pages_of(other)[0] and pages_of(one)[1] != pages_of(other)[1]


def test_what_is_no_number_does_not_outlive_its_text(tmp_path: Path) -> None:
    model = Llama.read(write_llama(tmp_path))
    _, bad = model.prefill([1, 2, 3])
    (page,) = pages_of(bad)
    ctypes.memset(page, 0xFF, bad.nbytes)
    del bad
    _, cache = model.prefill([4])
    assert pages_of(cache) == [page]
    assert torch.isfinite(model.decode([5], [cache])).all()
