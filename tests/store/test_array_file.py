"""Arrays in files whose parts are checked when they are needed, and the checksum that they are checked by."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from structgen.errors import StoreWarning
from structgen.native.array_file import open_arrays, write_arrays
from structgen.native.checksums import checksum

ARRAYS = {
    "now": np.arange(100, dtype=np.int32),
    "large": np.arange(1001, dtype=np.int64),
    "odd": np.arange(13, dtype=np.uint8),
}
LATER = ("large", "odd")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The file of some arrays."""
    path = tmp_path / "arrays"
    assert write_arrays(path, "test-1", "key", {"n": 3}, ARRAYS, LATER)
    return path


def flip(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


def test_arrays_that_are_checked_later_come_back_as_they_were(path: Path) -> None:
    found = open_arrays(path, "test-1", "key")
    assert found is not None
    assert list(found.arrays) == ["now"] and found.numbers == {"n": 3}
    for name in LATER:
        array = found.later[name].checked()
        assert array is not None and array.dtype == ARRAYS[name].dtype
        assert np.array_equal(array, ARRAYS[name])


def test_damage_to_a_later_part_is_told_when_that_part_is_asked_for(path: Path) -> None:
    flip(path, -1)  # the zeros behind the last array count, too
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = open_arrays(path, "test-1", "key")
        assert found is not None and found.later["large"].checked() is not None
    with pytest.warns(StoreWarning, match="damaged"):
        assert found.later["odd"].checked() is None


@pytest.mark.parametrize("size", [-1, -64, -8000])
def test_a_later_part_that_was_cut_off_is_found_at_once(path: Path, size: int) -> None:
    path.write_bytes(path.read_bytes()[:size])
    with pytest.warns(StoreWarning):
        assert open_arrays(path, "test-1", "key") is None


@given(st.binary(min_size=8, max_size=200), st.data())
def test_a_change_to_any_one_word_changes_the_sum(content: bytes, data: st.DataObject) -> None:
    held = np.frombuffer(content[: len(content) & ~7], np.uint64)
    other = held.copy()
    at = data.draw(st.integers(0, len(held) - 1))
    other[at] ^= np.uint64(data.draw(st.integers(1, 2**64 - 1)))
    assert checksum(held) != checksum(other)


@given(st.lists(st.integers(0, 3), min_size=2, max_size=40), st.data())
def test_words_that_changed_places_change_the_sum(words: list[int], data: st.DataObject) -> None:
    held = np.array(words, np.uint64)
    one, other = (data.draw(st.integers(0, len(words) - 1)) for _ in range(2))
    moved = held.copy()
    moved[[one, other]] = held[[other, one]]
    assert (checksum(held) == checksum(moved)) == (words[one] == words[other])


def test_zeros_of_other_lengths_have_other_sums() -> None:
    sums = {checksum(np.zeros(size, np.uint64)) for size in range(100)}
    assert len(sums) == 100
