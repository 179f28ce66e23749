"""Arrays in one file that is mapped into memory: a magic number, a checksum, a JSON header, the arrays.

    bytes 0-7     b"SGARRAYS"
    bytes 8-11    CRC-32 of everything from byte 12 on, little-endian
    bytes 12-15   length of the header in bytes, little-endian
    bytes 16-     header: {"kind", "key", "numbers": {name: int}, "arrays": {name: [dtype, shape, offset]}}
    then          the arrays, little-endian, each at a multiple of 64 bytes, zeros between them

The checksum finds what accidents do (a cut-off write, a flipped bit), not what an attacker does: the folder
is the user's.
"""

from __future__ import annotations

import json
import mmap
import struct
import sys
import zlib
from collections.abc import Iterator, Mapping
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from structgen.cache import warn, write_atomically

MAGIC = b"SGARRAYS"
_ALIGNMENT = 64
_DTYPES = frozenset({"|u1", "<i4", "<i8", "<u4", "<u8"})


class ArrayFile(NamedTuple):
    """What a file holds. The arrays keep the mapping alive; writing to one changes memory, never the file."""

    numbers: dict[str, int]
    arrays: dict[str, npt.NDArray[Any]]


def write_arrays(
    path: Path, kind: str, key: str, numbers: Mapping[str, int], arrays: Mapping[str, npt.NDArray[Any]]
) -> bool:
    """True once the file is in place; False, with a StoreWarning, when the folder does not take it.

    `kind` names the layout and its version, `key` the content it was made from: a reader must ask for both.
    Big-endian machines write nothing and keep their arrays in memory.
    """
    if sys.byteorder != "little":
        return False
    flat = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    assert all(array.dtype.str in _DTYPES for array in flat.values())

    def header(start: int) -> bytes:
        places: dict[str, list[Any]] = {}
        offset = start
        for name, array in flat.items():
            places[name] = [array.dtype.str, list(array.shape), offset]
            offset = _aligned(offset + array.nbytes)
        return json.dumps(
            {"kind": kind, "key": key, "numbers": dict(numbers), "arrays": places}, separators=(",", ":")
        ).encode()

    # The header holds offsets whose digits depend on its own length; room for ten digits each is enough for
    # any file.
    start = _aligned(16 + len(header(0)) + 10 * len(flat))
    head = header(start)
    head += b" " * (start - 16 - len(head))

    def body() -> Iterator[bytes | memoryview]:
        yield struct.pack("<I", len(head))
        yield head
        for array in flat.values():
            yield memoryview(array.reshape(-1).view(np.uint8).data)
            yield bytes(-array.nbytes % _ALIGNMENT)

    checksum = 0
    for part in body():
        checksum = zlib.crc32(part, checksum)

    def whole() -> Iterator[bytes | memoryview]:
        yield MAGIC + struct.pack("<I", checksum)
        yield from body()

    return write_atomically(path, whole())


def open_arrays(path: Path, kind: str, key: str) -> ArrayFile | None:
    """The arrays of the file, mapped copy-on-write; None where there is no such file, or it cannot serve.

    A file that is damaged, or that holds something else than `kind` and `key`, gives None and a StoreWarning:
    the caller builds anew and writes over it. Cost: one pass of CRC-32 over the file (0.2 ms a megabyte).
    """
    try:
        with open(path, "rb") as file:
            mapping = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        # An empty file cannot be mapped: ValueError.
        warn(f"cannot read {path} ({error}): it is built anew.")
        return None
    found = _read(memoryview(mapping), kind, key) if sys.byteorder == "little" else None
    if found is None:
        warn(f"{path} is damaged or was not made by this version of structgen: it is built anew.")
    return found


def _read(view: memoryview, kind: str, key: str) -> ArrayFile | None:
    if len(view) < 16 or view[:8] != MAGIC:
        return None
    checksum, length = struct.unpack("<II", view[8:16])
    if zlib.crc32(view[12:]) != checksum:
        return None
    # From here on the bytes are those that some version of this module wrote.
    header = json.loads(bytes(view[16 : 16 + length]))
    if header["kind"] != kind or header["key"] != key:
        return None
    arrays = {
        name: np.frombuffer(view, dtype, prod(shape), offset).reshape(shape)
        for name, (dtype, shape, offset) in header["arrays"].items()
    }
    return ArrayFile(header["numbers"], arrays)


def _aligned(offset: int) -> int:
    return -(-offset // _ALIGNMENT) * _ALIGNMENT
