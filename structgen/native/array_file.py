"""Arrays in one file: a magic number, a checksum, a JSON header, the arrays.

    bytes 0-7     b"SGARRAY2"
    bytes 8-15    checksum (masks.checksums) of all from byte 16 to the end of the checked part
    bytes 16-23   length of the header in bytes
    bytes 24-31   end of the checked part
    bytes 32-     header: {"kind", "key", "numbers": {name: int}, "size": bytes of the file,
                  "arrays": {name: [dtype, shape, offset]}, "later": {name: [dtype, shape, offset, checksum]}}
    then          the arrays, little-endian, each at a multiple of 64 bytes, zeros between them; behind the
                  checked part those that are checked when they are needed

The checksums find what accidents do (a cut-off write, a flipped bit), not what an attacker does: only files
that nobody else can have written are read (structgen.system.cache), and whoever reads arrays checks that the
numbers in them are in range. A file is read, not mapped: that takes as long (2.7 ms for the 21 MB of a
vocabulary of 128,000 tokens, the checksum included, as the pages of a mapping come one by one), and nobody
can change what was read.
"""

from __future__ import annotations

import json
import struct
import sys
from collections.abc import Collection, Iterator, Mapping
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from structgen.native.checksums import checksum
from structgen.system.cache import open_kept, tell_unusable, warn, write_atomically

MAGIC = b"SGARRAY2"
_HEAD = struct.Struct("<8sqQQ")
_ALIGNMENT = 64
_DTYPES = frozenset({"|u1", "<i4", "<i8", "<u4", "<u8"})


class Later:
    """An array that was not checked when its file was opened."""

    __slots__ = ("_path", "_sum", "_whole", "array")

    def __init__(self, array: npt.NDArray[Any], whole: npt.NDArray[Any], checksum: int, path: Path) -> None:
        """`whole`: its bytes with the zeros behind them."""
        self.array, self._whole, self._sum, self._path = array, whole, checksum, path

    def checked(self) -> npt.NDArray[Any] | None:
        """Return the array; None, with a StoreWarning, where it is damaged. Cost: 0.1 ms a megabyte. Ask
        before anybody writes to it."""
        if checksum(self._whole) == self._sum:
            return self.array
        self.tell()
        return None

    def tell(self) -> None:
        """Say by a StoreWarning that it is damaged."""
        warn(f"{self._path} is damaged: what it held is made anew.")


class ArrayFile(NamedTuple):
    """What a file holds. Writing to an array changes memory, never the file."""

    numbers: dict[str, int]
    arrays: dict[str, npt.NDArray[Any]]
    later: dict[str, Later]


def write_arrays(
    path: Path,
    kind: str,
    key: str,
    numbers: Mapping[str, int],
    arrays: Mapping[str, npt.NDArray[Any]],
    later: Collection[str] = (),
) -> bool:
    """True once the file is in place; False, with a StoreWarning, when the folder does not take it.

    `kind` names the layout and its version, `key` the content it was made from: a reader must ask for both.
    `later`: which arrays are checked when they are needed, not when the file is opened. Big-endian machines
    write nothing and keep their arrays in memory.
    """
    if sys.byteorder != "little":
        return False
    names = [*(name for name in arrays if name not in later), *later]
    flat = {name: np.ascontiguousarray(arrays[name]) for name in names}
    assert all(array.dtype.str in _DTYPES for array in flat.values())
    padded = {name: _padded(array) for name, array in flat.items()}
    sums = {name: checksum(padded[name]) for name in later}

    def header(start: int) -> tuple[bytes, int]:
        """Return the header, and the end of the checked part."""
        places: dict[str, list[Any]] = {}
        offset = start
        for name, array in flat.items():
            places[name] = [array.dtype.str, list(array.shape), offset]
            offset += padded[name].nbytes
        said = {"kind": kind, "key": key, "numbers": dict(numbers), "size": offset}
        said["later"] = {name: [*places.pop(name), sums[name]] for name in later}
        said["arrays"] = places
        end = start + sum(one.nbytes for name, one in padded.items() if name not in sums)
        return json.dumps(said, separators=(",", ":")).encode(), end

    # The header holds offsets whose digits depend on its own length; room for ten digits each is enough for
    # any file.
    start = _aligned(_HEAD.size + len(header(0)[0]) + 10 * (1 + len(flat)))
    head, end = header(start)
    checked = bytearray(end - 16)  # all from byte 16 on
    struct.pack_into(f"<QQ{len(head)}s", checked, 0, len(head), end, head)
    at = start - 16
    for name in names[: len(names) - len(sums)]:
        checked[at : at + padded[name].nbytes] = padded[name].data
        at += padded[name].nbytes
    total = checksum(np.frombuffer(checked, np.uint8))

    def whole() -> Iterator[bytes | bytearray | memoryview]:
        yield MAGIC + struct.pack("<q", total)
        yield checked
        for name in sums:
            yield padded[name].data

    return write_atomically(path, whole())


def open_arrays(path: Path, kind: str, key: str) -> ArrayFile | None:
    """The arrays of the file, read into memory; None where there is no such file, or it cannot serve.

    A file that is damaged, that somebody else could have written, or that holds something else than `kind`
    and `key`, gives None and a StoreWarning: the caller builds anew and writes over it. Cost: 0.1 ms a
    megabyte.
    """
    file = open_kept(path, "it is built anew.")
    if file is None:
        return None
    with file:
        try:
            held = file.bytes()
        except OSError as error:
            tell_unusable(path, error, f"cannot read {path}", "it is built anew.")
            return None
    found = _read(held, kind, key, path) if sys.byteorder == "little" else None
    if found is None:
        warn(f"{path} is damaged or was not made by this version of structgen: it is built anew.")
    return found


def _read(held: npt.NDArray[np.uint8], kind: str, key: str, path: Path) -> ArrayFile | None:
    if len(held) < _HEAD.size:
        return None
    magic, total, length, end = _HEAD.unpack_from(held.data)
    if magic != MAGIC or end > len(held) or end % 8 != 0 or _HEAD.size + length > end:
        return None
    if checksum(held[16:end]) != total:
        return None
    # From here on the bytes are most likely those that some version of this module wrote.
    try:
        header = json.loads(held[_HEAD.size : _HEAD.size + length].tobytes())
        if header["kind"] != kind or header["key"] != key or header["size"] != len(held):
            return None
        arrays = {name: _array(held, *place) for name, place in header["arrays"].items()}
        later = {}
        for name, (dtype, shape, offset, expected) in header["later"].items():
            array = _array(held, dtype, shape, offset)
            whole = held[offset : _aligned(offset + array.nbytes)]
            if whole.nbytes % 8 or not isinstance(expected, int):
                return None
            later[name] = Later(array, whole, expected, path)
        numbers = {str(name): int(number) for name, number in header["numbers"].items()}
    except (ValueError, TypeError, LookupError, AttributeError, OverflowError, RecursionError):
        return None
    return ArrayFile(numbers, arrays, later)


def _array(held: npt.NDArray[np.uint8], dtype: str, shape: list[int], offset: int) -> npt.NDArray[Any]:
    """Return an array of a file. Raises ValueError, TypeError where it is not all there."""
    if dtype not in _DTYPES or offset % _ALIGNMENT or offset < 0 or any(size < 0 for size in shape):
        raise ValueError
    count = prod(shape)
    if not count:
        return np.empty(shape, dtype)
    return np.frombuffer(held, dtype, count, offset).reshape(shape)


def _padded(array: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """Return the bytes of an array, and zeros up to the next multiple of the alignment."""
    held = array.reshape(-1).view(np.uint8)
    rest = -held.nbytes % _ALIGNMENT
    return np.concatenate((held, np.zeros(rest, np.uint8))) if rest else held


def _aligned(offset: int) -> int:
    return -(-offset // _ALIGNMENT) * _ALIGNMENT
