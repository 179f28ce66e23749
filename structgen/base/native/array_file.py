"""Named arrays in one file: the format of every cache entry.

    bytes 0-7     b"SGARRAY5"
    bytes 8-15    CRC-32 of all from byte 16 on
    bytes 16-47   four words: bytes of the file, how many arrays and numbers there are, and bytes of names
    from byte 64  of each array: its dtype and dimensions in one word; its shape in two
                  the numbers
                  names: the kind, the key, those of arrays and of numbers, each followed by a zero byte
    then          the arrays one after another, each at a multiple of 64 bytes, zeros between them

Words have eight bytes, little-endian. The checksum is tested when the file is opened.

A checksum finds accidents: a cut-off write, a flipped bit. It does not find what an attacker writes. So only
files that nobody else can have written are read (`system.cache`), and the reader of arrays checks that the
numbers in them are in range. A file is read, not mapped: nobody can change what was read (6 ms for the 21 MB
of a vocabulary of 128,000 tokens, with the checksum).
"""

from __future__ import annotations

import struct
import sys
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from structgen.base.native.array_types import Array, ByteArray
from structgen.base.system.cache import TrustedFile, warn_of_file, warn_unusable, write_atomically

MAGIC: Final = b"SGARRAY5"
START: Final = 64
"""Bytes before the table of arrays; each array begins at a multiple of so many."""
_HEAD: Final = struct.Struct("<8sq4Q")
_DTYPES: Final = tuple(np.dtype(name) for name in ("|u1", "<i2", "<i4", "<i8", "<u4", "<u8", "<f8"))
_CODES: Final = {dtype.str: code for code, dtype in enumerate(_DTYPES)}

Bytes = ByteArray


class DamagedArrays(ValueError):
    """Bytes are no array file, or one of another kind or key."""


class ArrayFile(NamedTuple):
    """What a file holds. Writing to an array changes memory, never the file."""

    numbers: dict[str, int]
    arrays: dict[str, Array]


def encode_arrays(kind: str, key: str, numbers: Mapping[str, int], arrays: Mapping[str, Array]) -> bytearray:
    """Return the bytes of an array file. `kind` names the layout and its version, `key` what the arrays were
    made from: a reader asks for both."""
    table: list[int] = []
    body = bytearray()
    for given in arrays.values():
        array = np.ascontiguousarray(given)
        assert array.ndim in (1, 2)
        table += (_CODES[array.dtype.str] << 8 | array.ndim, *array.shape, *(1,) * (2 - array.ndim))
        body += array.data if array.size else b""
        body += bytes(-len(body) % START)
    names = b"".join(name.encode() + b"\0" for name in (kind, key, *arrays, *numbers))
    plain = *table, *numbers.values()
    words = struct.pack(f"<{len(plain)}q", *plain)
    whole = bytearray(_align_offset(START + len(words) + len(names))) + body
    whole[START : START + len(words) + len(names)] = words + names
    counts = len(whole), len(arrays), len(numbers), len(names)
    _HEAD.pack_into(whole, 0, MAGIC, 0, *counts)
    _HEAD.pack_into(whole, 0, MAGIC, zlib.crc32(memoryview(whole)[16:]), *counts)
    return whole


def decode_arrays(content: Bytes, kind: str, key: str) -> ArrayFile:
    """Return what the bytes of a file hold; they lie at a multiple of eight. Raises DamagedArrays where they
    are damaged, or of another kind or key. Cost: 5 us, 1 us an array, 0.3 ms a megabyte."""
    if len(content) < START:
        raise DamagedArrays
    magic, total, size, count, of_numbers, of_names = _HEAD.unpack_from(content.data)
    if magic != MAGIC or size != len(content) or zlib.crc32(content[16:].data) != total:
        raise DamagedArrays
    middle, last = 3 * count, 3 * count + of_numbers
    place = _align_offset(START + 8 * last + of_names)
    if place > size:
        raise DamagedArrays
    words = struct.unpack_from(f"<{last}q", content.data, START)
    try:
        names = content[START + 8 * last :][:of_names].tobytes().decode().split("\0")
        if names[:2] != [kind, key] or len(names) != 3 + count + of_numbers:
            raise DamagedArrays
        arrays: dict[str, Array] = {}
        for at, name in enumerate(names[2 : 2 + count]):
            word, rows, columns = words[3 * at : 3 * at + 3]
            dtype, numbers = _DTYPES[word >> 8], rows * columns
            array = np.frombuffer(content, dtype, numbers, place) if numbers else np.empty(0, dtype)
            arrays[name] = array if word & 0xFF == 1 else array.reshape(rows, columns)
            place += _align_offset(array.nbytes)
    except (ValueError, LookupError, OverflowError, MemoryError) as error:
        raise DamagedArrays from error
    if place != size:
        raise DamagedArrays
    return ArrayFile(dict(zip(names[2 + count : -1], words[middle:], strict=True)), arrays)


def write_arrays(
    path: Path, kind: str, key: str, numbers: Mapping[str, int], arrays: Mapping[str, Array]
) -> int:
    """Return the bytes of the file, once it is in place; 0, with a StoreWarning, where the folder does not
    take it. Arguments: `encode_arrays`. Big-endian machines write nothing and keep their arrays in memory."""
    if sys.byteorder != "little":
        return 0
    whole = encode_arrays(kind, key, numbers, arrays)
    return len(whole) if write_atomically(path, [whole]) else 0


def read_arrays(file: TrustedFile, kind: str, key: str) -> ArrayFile | None:
    """Return the arrays of an open file, read into memory; None where it cannot serve.

    A file that is damaged, or that holds something else than `kind` and `key`, gives None and a StoreWarning:
    the caller makes its content anew and writes over it. Cost: 50 us, 1 us an array, 0.3 ms a megabyte.
    """
    try:
        content = file.read_bytes()
        if sys.byteorder == "little":
            return decode_arrays(content, kind, key)
    except OSError as error:
        warn_unusable(file.path, error, f"cannot read {file.path}", "it is built again.")
        return None
    except DamagedArrays:
        pass  # said below
    warn_of_file(
        f"{file.path} is damaged or was not written by this version of structgen: its content is built again."
    )
    return None


def _align_offset(size: int) -> int:
    return -(-size // START) * START
