"""A mask store's files: one folder for each vocabulary, in it *segments* that are written once and never
changed.

    bytes 0-7     b"SGMASKS1"
    bytes 8-11    CRC-32 of everything from byte 12 up to the end of the index, little-endian
    bytes 12-15   number of records n
    bytes 16-23   size of the file
    bytes 24-39   identity: a digest of the vocabulary's fingerprint and of the sources that make masks
    bytes 40-63   zeros
    then          index: the first halves of the n keys, ascending (uint64), the second halves (uint64), and
                  the places of the records (int64)
    then          blobs, each at a multiple of eight: CRC-32 (uint32, begun with 0x5347), size, the bytes

A record is a blob of int64: the place of its dense row or 0, the place of its tokens, the number of
crossings, and for each of them the place of its trie, the place of its exact tokens, whether whole tokens are
left over, the number of its outcomes, the outcomes. A row is a blob of 32-bit words; other arrays lie in
blobs that begin with their shapes. Blobs of equal content are written once: hundreds of records share one
trie.

Opening a segment checks its header and index; a blob is read from the file, and checked, when it is asked
for. So opening costs little, damage is found before it is believed, and a file that another process cuts
short is a damaged one. Every process writes segments of its own, each put in place
whole; when there are many, one process makes one of them, under a lock of the operating system, which no
crash leaves behind.
"""

from __future__ import annotations

import os
import secrets
import struct
import sys
import time
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from structgen.store.terminal_records import Content, Crossing
from structgen.system.cache import TrustedFile, is_own, remove_own, tell_unusable, warn, write_atomically
from structgen.tokens.array_checks import Bounds
from structgen.tokens.trie import TrieArrays

MAGIC: Final = b"SGMASKS1"
SUFFIX: Final = ".masks"
GRAMMAR_SUFFIX: Final = ".grammar"
ROW_SUFFIX: Final = ".row"
"""Of the files of grammars (grammar_files.py)."""
_HEADER: Final = struct.Struct("<8sIIQ16s24x")
_DTYPES: Final = ("<i4", "<u8", "<i8", "|u1", "<u4")
MANY: Final = 8
"""Segments of one vocabulary from which on they are made one."""
_LARGE: Final = 1 << 26
"""Bytes from which on a segment is left as it is: what is copied over and over must stay small."""
_ABANDONED: Final = 3600.0
"""Seconds after which a file that was never put in place has no writer any more."""


class DamagedSegment(Exception):
    """A segment does not hold what was written to it."""


def _checksum(content: bytes | memoryview) -> int:
    # From a start of our own: zeros, as a file has them that was cut off and grew again, are then no empty
    # blob.
    return zlib.crc32(content, 0x5347)


class _Encoder:
    """Collects the blobs of a segment, each content once."""

    def __init__(self, start: int) -> None:
        self.parts: list[bytes] = []
        self.size = start
        self._places: dict[bytes, int] = {}
        self._tries: dict[int, int] = {}

    def blob(self, content: bytes) -> int:
        place = self._places.setdefault(content, self.size)
        if place == self.size:
            rest = -len(content) % 8
            self.parts += (struct.pack("<II", _checksum(content), len(content)), content, bytes(rest))
            self.size += 8 + len(content) + rest
        return place

    def arrays(self, arrays: tuple[npt.NDArray[Any], ...]) -> int:
        head = [len(arrays)]
        body = []
        for array in arrays:
            columns = array.shape[1] if array.ndim == 2 else 0
            head += (_DTYPES.index(array.dtype.str), array.shape[0], columns)
            content = array.tobytes()
            body += [content, bytes(-len(content) % 8)]
        return self.blob(np.array(head, "<i8").tobytes() + b"".join(body))

    def record(self, content: Content) -> int:
        words = [
            0 if content.row is None else self.blob(content.row.tobytes()),
            self.arrays((content.tokens,)),
            len(content.crossings),
        ]
        for crossing in content.crossings:
            trie = self._tries.get(id(crossing.trie))
            if trie is None:
                trie = self._tries[id(crossing.trie)] = self.arrays(tuple(crossing.trie))
            words += (trie, self.arrays((crossing.exact,)), int(crossing.whole))
            words += (len(crossing.outcome), *sorted(crossing.outcome))
        return self.blob(np.array(words, "<i8").tobytes())


def encode(records: Mapping[bytes, Content], identity: bytes) -> list[bytes]:
    """Return the parts of a segment that holds the records, keys of 16 bytes each.

    It lets other threads run after each record: nobody who fills masks waits for the whole of it.
    """
    order = sorted(records, key=lambda key: int.from_bytes(key[:8], "little"))
    encoder = _Encoder(_HEADER.size + 24 * len(order))
    places = []
    for key in order:
        places.append(encoder.record(records[key]))
        time.sleep(0)
    keys = np.frombuffer(b"".join(order), "<u8").reshape(-1, 2)
    index = keys[:, 0].tobytes() + keys[:, 1].tobytes() + np.array(places, "<i8").tobytes()
    head = _HEADER.pack(MAGIC, 0, len(order), encoder.size, identity)
    checksum = zlib.crc32(index, zlib.crc32(head[12:]))
    return [_HEADER.pack(MAGIC, checksum, len(order), encoder.size, identity), index, *encoder.parts]


class Segment:
    """One file, open for reading. What it hands out is in memory."""

    def __init__(self, path: Path, identity: bytes, bounds: Bounds | None = None) -> None:
        """Raises Damaged, OSError. Cost: the index is read, 1 ms for 50,000 records."""
        self.path = path
        self._bounds = Bounds() if bounds is None else bounds
        self._file = TrustedFile(path)
        self.size = self._file.size
        if self.size < _HEADER.size:
            raise DamagedSegment
        head = self._part(0, _HEADER.size).data
        magic, checksum, count, size, owner = _HEADER.unpack_from(head)
        end = _HEADER.size + 24 * count
        if magic != MAGIC or size != self.size or end > size or owner != identity:
            raise DamagedSegment
        index = self._part(_HEADER.size, end - _HEADER.size)
        if zlib.crc32(index.data, zlib.crc32(head[12:])) != checksum:
            raise DamagedSegment
        self.count: int = count
        halves = index.view("<u8")
        self._first, self._second = halves[:count], halves[count : 2 * count]
        self._places = index.view("<i8")[2 * count :]
        self._read: dict[int, tuple[npt.NDArray[Any], ...]] = {}
        self._tries: dict[int, TrieArrays] = {}

    def find(self, key: bytes) -> Content | None:
        """Return the record of a key, or None (4 us; a hit costs tens). Raises Damaged, OSError."""
        first, second = np.frombuffer(key, "<u8")
        at = int(self._first.searchsorted(first))
        while at < self.count and self._first[at] == first:
            if self._second[at] == second:
                return self._record(int(self._places[at]))
            at += 1
        return None

    def records(self) -> Iterator[tuple[bytes, Content]]:
        """Yield every key and its record. Raises Damaged, OSError."""
        for at in range(self.count):
            key = self._first[at].tobytes() + self._second[at].tobytes()
            yield key, self._record(int(self._places[at]))

    def _part(self, start: int, size: int) -> npt.NDArray[np.uint8]:
        """Return some bytes of the file. Raises Damaged where they are not there."""
        held = np.empty(size, np.uint8)
        if size and not self._file.read(start, held.data):
            raise DamagedSegment
        return held

    def _blob(self, place: int) -> npt.NDArray[np.uint8]:
        """Return a blob's bytes."""
        if not _HEADER.size <= place <= self.size - 8:
            raise DamagedSegment
        checksum, size = struct.unpack("<II", self._part(place, 8).data)
        if place + 8 + size > self.size:
            raise DamagedSegment
        content = self._part(place + 8, size)
        if _checksum(content.data) != checksum:
            raise DamagedSegment
        return content

    def _words(self, place: int) -> npt.NDArray[np.int64]:
        """Return a blob of whole numbers."""
        content = self._blob(place)
        if len(content) % 8:
            raise DamagedSegment
        return content.view("<i8")

    def _arrays(self, place: int) -> tuple[npt.NDArray[Any], ...]:
        found = self._read.get(place)
        if found is None:
            content = self._blob(place)
            try:
                count = int(content[:8].view("<i8")[0])
                head = content[8 : 8 + 24 * count].view("<i8").reshape(count, 3).tolist()
                at = 8 + 24 * count
                arrays: list[npt.NDArray[Any]] = []
                for kind, rows, columns in head:
                    if kind < 0 or rows < 0 or columns < 0:
                        raise DamagedSegment
                    array = np.frombuffer(content, _DTYPES[kind], rows * (columns or 1), at)
                    at += (array.nbytes + 7) & ~7
                    arrays.append(array.reshape(rows, columns) if columns else array)
            except (ValueError, LookupError, OverflowError) as error:
                raise DamagedSegment from error
            found = self._read[place] = tuple(arrays)
        return found

    def _tokens(self, place: int) -> npt.NDArray[np.int32]:
        """Return a list of tokens."""
        arrays = self._arrays(place)
        if len(arrays) != 1 or not self._bounds.are_tokens(arrays[0]):
            raise DamagedSegment
        return arrays[0]

    def _trie(self, place: int) -> TrieArrays:
        found = self._tries.get(place)
        if found is None:
            arrays = self._arrays(place)
            if len(arrays) != len(TrieArrays._fields) or not self._bounds.is_trie(TrieArrays(*arrays)):
                raise DamagedSegment
            found = self._tries[place] = TrieArrays(*arrays)
        return found

    def _record(self, place: int) -> Content:
        words = self._words(place).tolist()
        try:
            row = None
            if words[0]:
                row = self._blob(words[0]).view("<i4")
                if not self._bounds.is_row(row):
                    raise DamagedSegment
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

    def __init__(self, path: Path, identity: bytes, bounds: Bounds | None = None) -> None:
        self.path = path
        self._identity, self._bounds = identity, bounds
        self._segments: tuple[Segment, ...] | None = None
        self._seen: frozenset[str] = frozenset()

    def find(self, key: bytes) -> Content | None:
        """Return the record of a key, or None. The first call opens the segments that are there.

        A segment that turns out to be damaged is dropped, with a StoreWarning: what it held is made anew.
        """
        if self._segments is None:
            self._segments = ()
            self.refresh()
        for segment in self._segments:
            try:
                found = segment.find(key)
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

    def _open(self, name: str) -> Segment:
        return Segment(self.path / name, self._identity, self._bounds)

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
        return write_atomically(self.path / name, encode(records, self._identity))

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


def trim(root: Path, most: int) -> None:
    """Delete this user's files under a folder, of whatever vocabulary, that were written (those of grammars:
    used) the longest ago, until at most `most` bytes are left."""
    segments = []
    now = time.time()
    for folder, _, names in os.walk(root):
        for name in names:
            suffix = os.path.splitext(name)[1]
            if suffix not in (SUFFIX, GRAMMAR_SUFFIX, ROW_SUFFIX, ".tmp"):
                continue
            path = Path(folder, name)
            with suppress(OSError):
                facts = path.lstat()
                if not is_own(facts):
                    continue
                if suffix != ".tmp":
                    segments.append((facts.st_mtime_ns, facts.st_size, path))
                elif now - facts.st_mtime > _ABANDONED:
                    path.unlink()
    total = sum(size for _, size, _ in segments)
    for _, size, path in sorted(segments):
        if total <= most:
            break
        with suppress(OSError):
            path.unlink()
            total -= size
