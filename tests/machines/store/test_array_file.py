"""Arrays in files, and the checksum that they are checked by."""

from __future__ import annotations

import zlib
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from structgen.base.native import array_file
from structgen.base.native.array_file import (
    DamagedArrays,
    decode_arrays,
)

KINDS = st.sampled_from([np.int16, np.int32, np.int64, np.uint8, np.uint32, np.uint64, np.float64])


@st.composite
def arrays(draw: st.DrawFn) -> np.ndarray:
    rows, columns = draw(st.integers(0, 9)), draw(st.integers(0, 4))
    numbers = np.arange(rows * max(columns, 1)) % 120
    array = numbers.astype(draw(KINDS))
    return array.reshape(rows, columns) if columns else array


def encoded(*given: object) -> bytes:
    """Return an array file."""
    return bytes(array_file.encode_arrays(*given))  # type: ignore[arg-type]


def held(content: bytes) -> np.ndarray:
    return np.frombuffer(content, np.uint64).view(np.uint8)


@given(st.dictionaries(st.text("abc.", max_size=3), arrays(), max_size=6))
def test_encoded_arrays_come_back(given: dict[str, np.ndarray]) -> None:
    found = decode_arrays(held(encoded("test-1", "key", {"n": 7, "m": -1}, given)), "test-1", "key")
    assert found.numbers == {"n": 7, "m": -1} and found.arrays.keys() == given.keys()
    for name, one in given.items():
        assert found.arrays[name].dtype == one.dtype and found.arrays[name].shape == one.shape
        assert np.array_equal(found.arrays[name], one)


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
    whole = bytearray(encoded("k", "", {"n": 7}, given))
    names = sum(map(len, given)) + len(given) + 5
    start = 64 + 8 * (3 * len(given) + 1) + names  # of the table
    at = 8 * data.draw(st.integers(2, start // 8 - 1))
    value = data.draw(st.integers(0, 1 << 20) | st.integers(0, (1 << 64) - 1) | st.just((1 << 63) - 1))
    whole[at : at + 8] = value.to_bytes(8, "little")
    whole[8:16] = zlib.crc32(whole[16:]).to_bytes(8, "little")
    with suppress(DamagedArrays):
        decode_arrays(held(bytes(whole)), "k", "")
