"""A mask store's files: one folder for each vocabulary, in it *segments* that are written once and never
changed.

A segment is an array file (`native.array_file`). Its first section is the index: the first halves of the
records' names, ascending, the second halves, and the places of the records. Its second section, `blobs`, is
never read as a whole: each blob has a checksum of its own, and is read and checked when it is asked for.

    blob     checksum, bytes of the content (two words), the content, zeros up to a multiple of eight bytes
    record   words: the place of its dense row or -1, the place of its tokens, the number of crossings; for
             each of them the place of its trie, the place of its exact tokens, whether whole tokens are left
             over, the number of its outcomes, the outcomes
    row      32-bit words of a mask; tokens: token ids, int32; trie: an array file of its own

Blobs of equal content are written once: hundreds of records share one trie. Every process writes segments of
its own, each put in place whole. When there are many, one process makes one of them, under a lock of the
operating system, which no crash leaves behind.
"""

from __future__ import annotations

import os
import secrets
import struct
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from structgen.native.array_file import (
    START,
    DamagedArrays,
    checked_length,
    decode_arrays,
    encode_arrays,
    read_header,
)
from structgen.native.checksums import checksum
from structgen.store.terminal_records import Content, Crossing
from structgen.system.cache import TrustedFile, is_own, remove_own, tell_unusable, warn, write_atomically
from structgen.tokens.trie import TrieArrays

KIND: Final = "masks-2"
_TRIE_KIND: Final = "trie-1"
SUFFIX: Final = ".masks"
GRAMMAR_SUFFIX: Final = ".grammar"
"""Of the entries of grammars (`grammar_files`)."""
OLD_SUFFIX: Final = ".row"
"""Of files that earlier versions wrote."""
SUFFIXES: Final = (SUFFIX, GRAMMAR_SUFFIX, OLD_SUFFIX)
"""Of all files of a store."""
_BLOB: Final = struct.Struct("<qq")
MANY: Final = 8
"""Segments of one vocabulary from which on they are made one."""
_LARGE: Final = 1 << 26
"""Bytes from which on a segment is left as it is: what is copied over and over must stay small."""


class DamagedSegment(Exception):
    """A segment does not hold what was written to it."""


class _Encoder:
    """Collects the blobs of a segment, each content once."""

    def __init__(self) -> None:
        self.blobs = bytearray()
        self._places: dict[bytes, int] = {}
        self._tries: dict[int, int] = {}

    def blob(self, content: bytes) -> int:
        place = self._places.get(content)
        if place is None:
            place = self._places[content] = len(self.blobs)
            whole = content + bytes(-len(content) % 8)
            self.blobs += _BLOB.pack(checksum(np.frombuffer(whole, np.uint8)), len(content)) + whole
        return place

    def trie(self, trie: TrieArrays) -> int:
        place = self._tries.get(id(trie))
        if place is None:
            content = b"".join(encode_arrays(_TRIE_KIND, "", {}, trie._asdict()))
            place = self._tries[id(trie)] = self.blob(content)
        return place

    def record(self, content: Content) -> int:
        words = [
            -1 if content.row is None else self.blob(content.row.tobytes()),
            self.blob(content.tokens.tobytes()),
            len(content.crossings),
        ]
        for crossing in content.crossings:
            words += (self.trie(crossing.trie), self.blob(crossing.exact.tobytes()), int(crossing.whole))
            words += (len(crossing.outcome), *sorted(crossing.outcome))
        return self.blob(np.array(words, "<i8").tobytes())


def encode(records: Mapping[bytes, Content], key: str) -> list[bytes | bytearray]:
    """Return the parts of a segment that holds the records, by their names of 16 bytes. `key`: what the
    records were made from.

    It lets other threads run after each record: nobody who fills masks waits for the whole of it.
    """
    order = sorted(records, key=lambda name: int.from_bytes(name[:8], "little"))
    encoder = _Encoder()
    places = []
    for name in order:
        places.append(encoder.record(records[name]))
        time.sleep(0)
    names = np.frombuffer(b"".join(order), "<u8").reshape(-1, 2)
    arrays = {
        "first": names[:, 0],
        "second": names[:, 1],
        "places": np.array(places, np.int64),
        "blobs": np.frombuffer(encoder.blobs, np.uint8),
    }
    return encode_arrays(KIND, key, {}, arrays, ["blobs"])


class MaskSegment:
    """One file, open for reading. What it hands out is in memory."""

    def __init__(self, path: Path, key: str) -> None:
        """Raises DamagedSegment, OSError. Cost: the index is read, 1 ms for 50,000 records."""
        self.path = path
        self._file = TrustedFile(path)
        try:
            held = self._part(0, checked_length(self._part(0, START)))
            header = read_header(held, KIND, key)
            if header.size != self._file.size or header.names != ["first", "second", "places", "blobs"]:
                raise DamagedSegment
            first, blobs = header.sections
            self._start, self._left = blobs.place, blobs.stored - _BLOB.size
            arrays = header.arrays(0, held[first.place :])
        except (DamagedArrays, ValueError) as error:
            raise DamagedSegment from error
        self.count = len(arrays["places"])
        self._first, self._second, self._places = arrays.values()
        self._tries: dict[int, TrieArrays] = {}
        self._lists: dict[int, npt.NDArray[np.int32]] = {}

    def find(self, name: bytes) -> Content | None:
        """Return the record of a name, or None (4 us; a hit costs tens). Raises DamagedSegment, OSError."""
        first, second = np.frombuffer(name, "<u8")
        at = int(self._first.searchsorted(first))
        while at < self.count and self._first[at] == first:
            if self._second[at] == second:
                return self._record(int(self._places[at]))
            at += 1
        return None

    def records(self) -> Iterator[tuple[bytes, Content]]:
        """Yield every name and its record. Raises DamagedSegment, OSError."""
        for at in range(self.count):
            name = self._first[at].tobytes() + self._second[at].tobytes()
            yield name, self._record(int(self._places[at]))

    def _part(self, start: int, size: int) -> npt.NDArray[np.uint8]:
        """Return some bytes of the file. Raises DamagedSegment where they are not there."""
        if not 0 <= start <= start + size <= self._file.size:
            raise DamagedSegment
        held = np.empty(size, np.uint8)
        if size and not self._file.read(start, held.data):
            raise DamagedSegment
        return held

    def _blob(self, place: int) -> npt.NDArray[np.uint8]:
        """Return the content of a blob."""
        left = self._left - place
        if place < 0 or left < 0:
            raise DamagedSegment
        start = self._start + place
        expected, size = _BLOB.unpack(self._part(start, _BLOB.size).data)
        if not 0 <= size <= left:
            raise DamagedSegment
        whole = self._part(start + _BLOB.size, size + -size % 8)
        if checksum(whole) != expected:
            raise DamagedSegment
        return whole[:size]

    def _numbers(self, place: int, dtype: str) -> npt.NDArray[Any]:
        """Return a blob of numbers."""
        content = self._blob(place)
        try:
            return content.view(dtype)
        except ValueError as error:  # no whole number of them
            raise DamagedSegment from error

    def _tokens(self, place: int) -> npt.NDArray[np.int32]:
        """Return a list of tokens; many records share one."""
        found = self._lists.get(place)
        if found is None:
            found = self._lists[place] = self._numbers(place, "<i4")
        return found

    def _trie(self, place: int) -> TrieArrays:
        found = self._tries.get(place)
        if found is None:
            arrays = decode_arrays(self._blob(place), _TRIE_KIND, "").arrays
            if tuple(arrays) != TrieArrays._fields:
                raise DamagedSegment
            found = self._tries[place] = TrieArrays(**arrays)
        return found

    def _record(self, place: int) -> Content:
        words = self._numbers(place, "<i8").tolist()
        try:
            row = self._numbers(words[0], "<i4") if words[0] >= 0 else None
            crossings = []
            at = 3
            for _ in range(words[2]):
                trie, exact, whole, count = words[at : at + 4]
                outcome = frozenset(words[at + 4 : at + 4 + count])
                if len(outcome) != count:
                    raise DamagedSegment
                crossings.append(Crossing(outcome, self._trie(trie), self._tokens(exact), bool(whole)))
                at += 4 + count
            return Content(row, self._tokens(words[1]), tuple(crossings))
        except (ValueError, LookupError) as error:
            raise DamagedSegment from error


class Folder:
    """The segments of one vocabulary. One thread at a time may call `find`, one at a time the others."""

    def __init__(self, path: Path, key: str) -> None:
        """`key`: what the records were made from."""
        self.path, self._key = path, key
        self._segments: tuple[MaskSegment, ...] | None = None
        self._seen: frozenset[str] = frozenset()

    def find(self, name: bytes) -> Content | None:
        """Return the record of a name, or None. The first call opens the segments that are there.

        A segment that turns out to be damaged is dropped, with a StoreWarning: what it held is made anew.
        """
        if self._segments is None:
            self._segments = ()
            self.refresh()
        for segment in self._segments:
            try:
                found = segment.find(name)
            except (DamagedSegment, OSError) as error:
                if isinstance(error, DamagedSegment):
                    self._drop(segment.path)
                else:
                    self._tell(segment.path, error)
                self._segments = tuple(other for other in self._segments if other is not segment)
                continue
            if found is not None:
                return found
        return None

    def refresh(self) -> None:
        """Open the segments that came since the last time; the newest are asked first."""
        if sys.byteorder != "little":
            return
        try:
            names = sorted((name for name in os.listdir(self.path) if name.endswith(SUFFIX)), reverse=True)
        except (FileNotFoundError, NotADirectoryError):
            return  # whoever writes says so
        except OSError as error:
            tell_unusable(self.path / "segments", error, f"cannot read {self.path}", "masks are made anew.")
            return
        found = []
        for name in names:
            if name not in self._seen:
                try:
                    found.append(self._open(name))
                except FileNotFoundError:
                    # made one with others in this moment
                    continue
                except DamagedSegment:
                    self._drop(self.path / name)
                except OSError as error:
                    self._tell(self.path / name, error)
        self._seen |= frozenset(names)
        self._segments = (*found, *(self._segments or ()))

    def _open(self, name: str) -> MaskSegment:
        return MaskSegment(self.path / name, self._key)

    @staticmethod
    def _tell(path: Path, error: OSError) -> None:
        tell_unusable(path, error, f"cannot read {path}", "its masks are made anew.")

    @staticmethod
    def _drop(path: Path) -> None:
        remove_own(path)
        warn(f"{path} is damaged or was not made by this version of structgen: its masks are made anew.")

    def write(self, records: Mapping[bytes, Content]) -> bool:
        """Return whether the records are in a segment of their own now; False, with a StoreWarning, if
        not."""
        if sys.byteorder != "little":
            return False
        # Named by time: in order of name they are in order of age.
        name = f"{time.time_ns():020d}-{os.getpid()}-{secrets.token_hex(4)}{SUFFIX}"
        self._seen |= {name}
        return write_atomically(self.path / name, encode(records, self._key))

    def compact(self) -> None:
        """Make one segment of the small ones, if there are many and no other process is at it."""
        if len(self._small()) <= MANY:
            return
        with exclusive(self.path / "lock") as mine:
            names = self._small()
            if not mine or len(names) <= MANY:
                return
            records: dict[bytes, Content] = {}
            taken = []
            for name in names:
                try:
                    records |= self._open(name).records()
                    taken.append(name)
                except DamagedSegment:
                    self._drop(self.path / name)
                except OSError:
                    continue
            if records and self.write(records):
                for name in taken:
                    remove_own(self.path / name)

    def _small(self) -> list[str]:
        found = []
        with suppress(OSError), os.scandir(self.path) as entries:
            for entry in entries:
                with suppress(OSError):
                    if entry.name.endswith(SUFFIX):
                        facts = entry.stat(follow_symlinks=False)
                        if is_own(facts) and facts.st_size < _LARGE:
                            found.append(entry.name)
        return sorted(found)


@contextmanager
def exclusive(path: Path) -> Iterator[bool]:
    """Whether this process alone holds the file's lock; it never waits. The system frees it when the process
    ends."""
    try:
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)
        file = open(os.open(path, flags | getattr(os, "O_NONBLOCK", 0), 0o600), "rb")  # noqa: SIM115
    except OSError:
        yield False
        return
    with file:
        try:
            _lock(file.fileno())
            held = True
        except OSError:
            held = False
        yield held


if sys.platform == "win32":

    def _lock(handle: int) -> None:
        import msvcrt

        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)

else:

    def _lock(handle: int) -> None:
        import fcntl

        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
