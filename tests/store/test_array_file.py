"""Arrays in files whose parts are checked when they are needed, and the checksum that they are checked by."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from structgen.errors import StoreWarning
from structgen.native import array_file
from structgen.native.array_file import (
    DamagedArrays,
    decode_arrays,
    open_arrays,
    write_arrays,
)
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


KINDS = st.sampled_from([np.int16, np.int32, np.int64, np.uint8, np.uint32, np.uint64, np.float64])


@st.composite
def arrays(draw: st.DrawFn) -> np.ndarray:
    rows, columns = draw(st.integers(0, 9)), draw(st.integers(0, 4))
    numbers = np.arange(rows * max(columns, 1)) % 120
    array = numbers.astype(draw(KINDS))
    return array.reshape(rows, columns) if columns else array


def encoded(*given: object) -> bytes:
    """Return an array file."""
    return b"".join(array_file.encode_arrays(*given))  # type: ignore[arg-type]


def held(content: bytes) -> np.ndarray:
    return np.frombuffer(content, np.uint64).view(np.uint8)


@given(st.dictionaries(st.text("abc.", max_size=3), arrays(), max_size=6), st.data())
def test_encoded_arrays_come_back(given: dict[str, np.ndarray], data: st.DataObject) -> None:
    later = data.draw(st.sets(st.sampled_from(sorted(given)))) if given else set()
    content = encoded("test-1", "key", {"n": 7, "m": -1}, given, later)
    found = decode_arrays(held(content), "test-1", "key")
    assert found.numbers == {"n": 7, "m": -1} and found.later.keys() == later
    both = found.arrays | {name: one.checked() for name, one in found.later.items()}
    assert both.keys() == given.keys()
    for name, one in given.items():
        assert both[name].dtype == one.dtype and both[name].shape == one.shape
        assert np.array_equal(both[name], one)


@given(st.dictionaries(st.text("abc", max_size=3), arrays(), max_size=4), st.data())
def test_a_changed_or_cut_off_byte_is_found(given: dict[str, np.ndarray], data: st.DataObject) -> None:
    whole = bytearray(encoded("test-1", "key", {"n": 7}, given))
    at = data.draw(st.integers(0, len(whole) - 1))
    if data.draw(st.booleans()):
        whole[at] ^= data.draw(st.integers(1, 255))
    else:
        del whole[at:]
    with pytest.raises(DamagedArrays):
        decode_arrays(np.frombuffer(bytes(whole), np.uint8), "test-1", "key")


@given(st.dictionaries(st.text("abc", max_size=2), arrays(), max_size=3), st.data())
def test_a_header_of_other_numbers_and_a_right_checksum_is_no_other_error(
    given: dict[str, np.ndarray], data: st.DataObject
) -> None:
    """Whatever a header says, arrays come out of it or DamagedArrays."""
    whole = bytearray(encoded("k", "", {"n": 7}, given, list(given)[:1]))
    end = int.from_bytes(whole[16:24], "little")
    names = sum(map(len, given)) + len(given) + 5
    start = 64 + 8 * (4 * (1 + bool(given)) + 3 * len(given) + 1) + names  # of the table
    at = 8 * data.draw(st.integers(2, start // 8 - 1))
    value = data.draw(st.integers(0, 1 << 20) | st.integers(0, (1 << 64) - 1) | st.just((1 << 63) - 1))
    whole[at : at + 8] = value.to_bytes(8, "little")
    whole[8:16] = checksum(np.frombuffer(whole[16:end], np.uint8)).to_bytes(8, "little", signed=True)
    try:
        found = decode_arrays(held(bytes(whole)), "k", "")
    except DamagedArrays:
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for one in found.later.values():
            one.checked()


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
