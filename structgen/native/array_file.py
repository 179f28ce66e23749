"""Named arrays in one file: the format of every cache entry.

    bytes 0-7     b"SGARRAY3"
    bytes 8-15    checksum (`checksums`) of all from byte 16 to the end of section 0
    bytes 16-63   six words: where section 0 ends, bytes of the file, and how many sections, arrays and
                  numbers there are, and bytes of names
    then          of each section: its place, its bytes in the file, its bytes in memory, its checksum (of
                  section 0: 0)
                  of each array: its section, dtype and dimensions in one word; its shape in two
                  the numbers
                  names: the kind, the key, those of arrays and of numbers, each followed by a zero byte
    then          the sections: arrays one after another, each at a multiple of 64 bytes, zeros between them

Words have eight bytes, little-endian. Section 0 is checked when the file is opened. The other sections have
one array each, which is checked when it is asked for.

A checksum finds accidents: a cut-off write, a flipped bit. It does not find what an attacker writes. So only
files that nobody else can have written are read (`system.cache`), and the reader of arrays checks that the
numbers in them are in range. A file is read, not mapped: that takes as long (2.7 ms for the 21 MB of a
vocabulary of 128,000 tokens, with the checksum), and nobody can change what was read.
"""

from __future__ import annotations

import os
import struct
import sys
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from structgen.native.checksums import checksum
from structgen.system.cache import TrustedFile, open_trusted, tell_unusable, warn, write_atomically

MAGIC: Final = b"SGARRAY3"
START: Final = 64
"""Bytes before the table of sections."""
_HEAD: Final = struct.Struct("<8sq6Q")
_ALIGNMENT: Final = 64
_DTYPES: Final = tuple(np.dtype(one) for one in ("|u1", "<i2", "<i4", "<i8", "<u4", "<u8", "<f8"))
_CODES: Final = {dtype.str: code for code, dtype in enumerate(_DTYPES)}

Array = npt.NDArray[Any]
Bytes = npt.NDArray[np.uint8]


class DamagedArrays(ValueError):
    """Bytes are no array file, or one of another kind or key."""


class _Section(NamedTuple):
    place: int
    stored: int
    """Bytes in the file."""
    size: int
    """Bytes in memory."""
    checksum: int

    @property
    def end(self) -> int:
        """Where the section's last zeros end."""
        return self.place + _aligned(self.stored)


class Header(NamedTuple):
    """What a file says about its arrays."""

    size: int
    """Bytes of the file."""
    sections: list[_Section]
    names: list[str]
    """Of the arrays."""
    shapes: list[tuple[int, int, int]]
    """Of each array: its section, dtype and dimensions in one word; rows; columns."""
    numbers: dict[str, int]

    def arrays(self, section: int, held: Bytes) -> dict[str, Array]:
        """Return the arrays of a section from its bytes in the file. Raises DamagedArrays."""
        _, stored, size, _ = self.sections[section]
        data = held[:stored]
        try:
            found: dict[str, Array] = {}
            offset = 0
            for name, (word, rows, columns) in zip(self.names, self.shapes, strict=True):
                if word >> 16 != section:
                    continue
                dtype, count = _DTYPES[word >> 8 & 0xFF], rows * columns
                array = np.frombuffer(data, dtype, count, offset) if count else np.empty(0, dtype)
                found[name] = array if word & 0xFF == 1 else array.reshape(rows, columns)
                offset += array.nbytes + -array.nbytes % _ALIGNMENT
        except (ValueError, LookupError, OverflowError, MemoryError) as error:
            raise DamagedArrays from error
        if len(data) != size or offset != size:
            raise DamagedArrays
        return found


class Later:
    """An array that was not checked when its file was opened."""

    __slots__ = ("_header", "_name", "_number", "_path", "_stored")

    def __init__(self, header: Header, number: int, stored: Bytes, path: str) -> None:
        """`stored`: the section of that number, as it lies in the file."""
        self._header, self._number, self._stored, self._path = header, number, stored, path

    @property
    def array(self) -> Array:
        """The array, whether it is damaged or not. Raises DamagedArrays where that shows."""
        (array,) = self._header.arrays(self._number, self._stored).values()
        return array

    @property
    def is_whole(self) -> bool:
        """Whether its bytes in the file are those that were written. Cost: 0.1 ms a megabyte."""
        return checksum(self._stored) == self._header.sections[self._number].checksum

    def checked(self) -> Array | None:
        """Return the array; None, with a StoreWarning, where it is damaged. Cost: 0.1 ms a megabyte. Ask
        before anybody writes to it."""
        if self.is_whole:
            try:
                return self.array
            except DamagedArrays:
                pass  # said below
        self.tell()
        return None

    def tell(self) -> None:
        """Say by a StoreWarning that it is damaged."""
        warn(f"{self._path} is damaged: what it held is made anew.")


class ArrayFile(NamedTuple):
    """What a file holds. Writing to an array changes memory, never the file."""

    numbers: dict[str, int]
    arrays: dict[str, Array]
    later: dict[str, Later]


def encode_arrays(
    kind: str,
    key: str,
    numbers: Mapping[str, int],
    arrays: Mapping[str, Array],
    later: Collection[str] = (),
) -> list[bytes | bytearray]:
    """Return the parts of an array file, in order.

    `kind` names the layout and its version, `key` what the arrays were made from: a reader asks for both.
    `later`: the arrays that are checked when they are asked for.
    """
    groups = [[name for name in arrays if name not in later], *([name] for name in later)]
    table: list[int] = []
    parts: list[bytes | bytearray] = []
    sections: list[int] = []
    place = 0
    for number, group in enumerate(groups):
        body = bytearray()
        for name in group:
            array = np.ascontiguousarray(arrays[name])
            assert array.ndim in (1, 2)
            table += (number << 16 | _CODES[array.dtype.str] << 8 | array.ndim, *array.shape)
            table += (1,) * (2 - array.ndim)
            body += array.data if array.size else b""
            body += bytes(-len(body) % _ALIGNMENT)
        sections += (place, len(body), len(body), checksum(np.frombuffer(body, np.uint8)))
        place += len(body)
        parts.append(body)
    listed = [name for group in groups for name in group]
    names = b"".join(name.encode() + b"\0" for name in (kind, key, *listed, *numbers))
    counts = len(groups), len(listed), len(numbers), len(names)
    start = _aligned(START + 8 * (len(sections) + len(table) + len(numbers)) + len(names))
    sections[::4] = [start + offset for offset in sections[::4]]
    sections[3] = 0
    plain = *sections, *table, *numbers.values()
    words = struct.pack(f"<{len(plain)}q", *plain)
    first = bytearray(start) + parts[0]
    first[START : START + len(words) + len(names)] = words + names
    _HEAD.pack_into(first, 0, MAGIC, 0, len(first), start + place, *counts)
    total = checksum(np.frombuffer(first, np.uint8, offset=16))
    _HEAD.pack_into(first, 0, MAGIC, total, len(first), start + place, *counts)
    return [first, *parts[1:]]


def read_header(held: Bytes, kind: str, key: str) -> Header:
    """Return the header of a file from its bytes up to the end of section 0, or more; they lie at a multiple
    of eight. Raises DamagedArrays where they are damaged, or of another kind or key. Cost: 5 us, and 0.1 ms a
    megabyte."""
    if len(held) < START:
        raise DamagedArrays
    magic, total, end, size, sections, arrays, numbers, names = _HEAD.unpack_from(held.data)
    if magic != MAGIC or not START <= end <= len(held) or end % _ALIGNMENT or checksum(held[16:end]) != total:
        raise DamagedArrays
    middle, last = 4 * sections + 3 * arrays, 4 * sections + 3 * arrays + numbers
    at = START + 8 * last
    if at + names > end or not sections:
        raise DamagedArrays
    words = struct.unpack_from(f"<{last}q", held.data, START)
    try:
        said = held[at : at + names].tobytes().decode().split("\0")
    except ValueError as error:
        raise DamagedArrays from error
    if said[:2] != [kind, key] or len(said) != 3 + arrays + numbers:
        raise DamagedArrays
    listed = [_Section(*words[i : i + 4]) for i in range(0, 4 * sections, 4)]
    for one in listed:
        if one.place < START or one.place % _ALIGNMENT or one.stored < 0 or one.end > size:
            raise DamagedArrays
    if listed[0].end != end:
        raise DamagedArrays
    shapes = list(zip(*(words[4 * sections + i : middle : 3] for i in range(3)), strict=True))
    named = dict(zip(said[2 + arrays : -1], words[middle:], strict=True))
    return Header(size, listed, said[2 : 2 + arrays], shapes, named)


def decode_arrays(held: Bytes, kind: str, key: str, path: str = "") -> ArrayFile:
    """Return what the bytes of a file hold; they lie at a multiple of eight. `path`: named in warnings about
    later arrays. Raises DamagedArrays."""
    header = read_header(held, kind, key)
    if header.size != len(held):
        raise DamagedArrays
    first = header.sections[0]
    later = {}
    if len(header.sections) > 1:
        for name, (word, _, _) in zip(header.names, header.shapes, strict=True):
            if not 0 <= word >> 16 < len(header.sections):
                raise DamagedArrays
            if word >> 16:
                section = header.sections[word >> 16]
                later[name] = Later(header, word >> 16, held[section.place : section.end], path)
    return ArrayFile(header.numbers, header.arrays(0, held[first.place : first.end]), later)


def write_arrays(
    path: Path,
    kind: str,
    key: str,
    numbers: Mapping[str, int],
    arrays: Mapping[str, Array],
    later: Collection[str] = (),
) -> int:
    """Return the bytes of the file, once it is in place; 0, with a StoreWarning, where the folder does not
    take it. Arguments: `encode_arrays`. Big-endian machines write nothing and keep their arrays in memory."""
    if sys.byteorder != "little":
        return 0
    parts = encode_arrays(kind, key, numbers, arrays, later)
    return sum(map(len, parts)) if write_atomically(path, parts) else 0


def open_arrays(path: str | os.PathLike[str], kind: str, key: str) -> ArrayFile | None:
    """Return the arrays of a file, read into memory; None where there is no such file, or it cannot serve.

    A file that is damaged, that somebody else could have written, or that holds something else than `kind`
    and `key`, gives None and a StoreWarning: the caller makes its content anew and writes over it. Cost: 50
    us, 1 us an array, 0.1 ms a megabyte.
    """
    file = open_trusted(path, "it is made anew.")
    if file is None:
        return None
    with file:
        return read_arrays(file, kind, key)


def read_arrays(file: TrustedFile, kind: str, key: str) -> ArrayFile | None:
    """Return the arrays of an open file; as `open_arrays`."""
    try:
        held = file.bytes()
        if sys.byteorder == "little":
            return decode_arrays(held, kind, key, file.path)
    except OSError as error:
        tell_unusable(file.path, error, f"cannot read {file.path}", "it is made anew.")
        return None
    except DamagedArrays:
        pass  # said below
    warn(f"{file.path} is damaged or was not made by this version of structgen: what it held is made anew.")
    return None


def _aligned(size: int) -> int:
    return -(-size // _ALIGNMENT) * _ALIGNMENT
