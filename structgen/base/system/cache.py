"""The cache folder: where it is, how a file comes into it whole or not at all, and which files are read.

Every file can be built again, and every reader checks what it reads. A folder that cannot be written costs
time, never an answer: the result stays in memory, and a `StoreWarning` says so, once for each cause.

A file decides what compiled code does. So a file is read only if nobody else could have written it: it
belongs to this user or to root, and neither its group nor others may write to it. Files are read, not mapped:
when another process shortens a mapped file, a process that reads the missing part is killed.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import takewhile
from pathlib import Path
from typing import IO, ClassVar, Final

import numpy as np
import numpy.typing as npt

from structgen.base.errors import StoreWarning
from structgen.base.printable import printable
from structgen.base.system.text_files import StrPath, name_file_in_errors

ENVIRONMENT_VARIABLE = "STRUCTGEN_CACHE"


def cache_folder() -> Path:
    """The folder for files that outlive a process; it may not exist yet.

    `STRUCTGEN_CACHE` names it; unset or empty, it is the user's cache folder of the platform (platformdirs).
    The variable is read at every call, so that a program may set it after the import.
    """
    chosen = os.environ.get(ENVIRONMENT_VARIABLE)
    if chosen:
        return Path(chosen).expanduser()
    import platformdirs

    return Path(platformdirs.user_cache_dir("structgen", appauthor=False))


class ForeignFile(OSError):
    """The error for a file in the cache folder that another user could have written, or that is not a plain
    file."""

    def __init__(self, why: str, number: int = errno.EPERM) -> None:
        super().__init__(number, why)


_PLAIN: Final = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_READ: Final = os.O_RDONLY | _PLAIN | getattr(os, "O_NONBLOCK", 0)  # a named pipe would wait for a writer
_WRITE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _PLAIN
_LARGEST: Final = 1 << 32
"""The most bytes of a file that is read; we never write larger ones."""


class TrustedFile:
    """A file of the cache folder, open for reading, that nobody else could have written.

    `facts` describe the open file, even if the path leads to another file by now.
    """

    __slots__ = ("_handle", "facts", "path")

    def __init__(self, path: StrPath) -> None:
        """Open the file. Raises FileNotFoundError if there is none, ForeignFile if it cannot be trusted, and
        OSError if it cannot be opened. Cost: 10 us."""
        self.path = os.fspath(path)
        self._handle = -1
        try:
            self._handle = os.open(self.path, _READ)
        except NotADirectoryError as error:
            # A file stands where a folder should be: whoever writes says so.
            raise FileNotFoundError(*error.args) from error
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise ForeignFile("it is a symbolic link") from error
            raise
        self.facts = os.fstat(self._handle)
        try:
            check_owner(self.facts)
        except ForeignFile:
            self.close()
            raise

    def close(self) -> None:
        """Close the file; once is enough."""
        # first forgotten, then closed: a second call must not close a number that another file has by then
        handle, self._handle = self._handle, -1
        if handle >= 0:
            os.close(handle)

    def __del__(self) -> None:
        if hasattr(self, "_handle"):  # an exception may have cut the constructor short
            self.close()

    def __enter__(self) -> TrustedFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def size(self) -> int:
        """The number of bytes that the file had when it was opened."""
        return self.facts.st_size

    def read_bytes(self) -> npt.NDArray[np.uint8]:
        """Return a copy of the whole file at an address that is a multiple of 64; an empty array if the file
        was shortened meanwhile. Raises OSError. Cost: 0.1 ms for each megabyte."""
        if self.size > _LARGEST:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
        room = np.empty(self.size + 63, np.uint8)
        # Readers of arrays want multiples of 64 bytes, which numpy alone does not promise.
        start = -room.__array_interface__["data"][0] % 64
        buffer = room[start : start + self.size]
        with open(self._handle, "rb", buffering=0, closefd=False) as file:
            done = 0
            while done < len(buffer) and (count := file.readinto(buffer[done:].data)):
                done += count
        if done == len(buffer):
            return buffer
        return buffer[:0]


def check_owner(facts: os.stat_result) -> None:
    """Raise ForeignFile unless a file is a plain file that belongs to this user or to root, and that no other
    user may write to. Windows does not report this: there only the permissions of the folder protect it."""
    if stat.S_ISDIR(facts.st_mode):
        raise ForeignFile("it is a folder", errno.EISDIR)
    if not stat.S_ISREG(facts.st_mode):
        raise ForeignFile("it is not a plain file")
    if not hasattr(os, "geteuid"):
        return
    if facts.st_uid not in (os.geteuid(), 0):
        raise ForeignFile(f"it belongs to another user (number {facts.st_uid})")
    if facts.st_mode & 0o022:
        raise ForeignFile(f"others may write to it (mode {stat.S_IMODE(facts.st_mode):o})")


def is_own(facts: os.stat_result) -> bool:
    """Return whether a file belongs to this user. Files of other users are never deleted."""
    return not hasattr(os, "geteuid") or facts.st_uid == os.geteuid()


def remove_own(path: StrPath) -> None:
    """Delete a file if it is there, belongs to this user, and can be deleted."""
    with suppress(OSError):
        if is_own(os.lstat(path)):
            os.unlink(path)


def open_trusted(path: StrPath, lost: str) -> TrustedFile | None:
    """Return a file of the cache folder, open for reading; None where there is none. A file that cannot be
    read or trusted is None too, and a StoreWarning says so once. `lost`: what its absence means."""
    try:
        return TrustedFile(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        warn_unusable(path, error, f"cannot read {os.fspath(path)}", lost)
        return None


def make_folders(path: Path) -> None:
    """Make a folder and those above it that are missing, each closed to other users whatever the umask is.
    Those that are there stay as they are. Raises OSError."""
    missing = takewhile(lambda folder: not folder.is_dir(), (path, *path.parents))
    for folder in reversed([*missing]):
        try:
            os.mkdir(folder, 0o700)
        except FileExistsError:
            if not folder.is_dir():  # not made by another process meanwhile
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR)) from None


@contextmanager
def open_replacement(path: Path, mode: int = 0o600, *, sync: bool = False) -> Iterator[IO[bytes]]:
    """Lend a file that takes the place of `path` once the block has ended without an error; `path` holds what
    it held before until then, and for good after an error. `sync` forces the data to the disk first. Raises
    OSError."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(6)}.tmp")
    try:
        with open(os.open(temporary, _WRITE, mode), "wb") as file:
            yield file
            if sync:
                file.flush()
                os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException as error:
        # Any error, Ctrl-C too: nothing that is half written stays behind.
        with suppress(OSError):
            temporary.unlink()
        if isinstance(error, OSError) and str(error.filename) in (str(temporary), "None"):
            error.filename = os.fspath(path)  # the name that the caller knows
            del error.filename2  # None would be told, too
        raise


@contextmanager
def open_output(path: Path, *, sync: bool = False) -> Iterator[IO[bytes]]:
    """Lend a file that a person has named for results: `open_replacement`, at the end of symbolic links. A
    device or a pipe (/dev/stdout) is written to, not replaced. Raises OSError, which names the path."""
    path = path.resolve() if path.is_symlink() else path
    if path.exists() and not path.is_file() and not path.is_dir():
        with name_file_in_errors(path), path.open("wb") as stream:
            yield stream
    else:
        with open_replacement(path, 0o666, sync=sync) as file:
            yield file


def write_atomically(path: Path, parts: Iterable[bytes | bytearray | memoryview]) -> bool:
    """True once `path` holds exactly the concatenated parts; False, with a StoreWarning, if it cannot.

    The parts go to a file of a name of its own beside `path`, which then takes the place of `path` in one
    step: a reader sees the old file or the new one, of many writers at once the last one wins, and a full
    disk leaves the old one. The data is not forced to the disk: after a power cut the file may be damaged,
    and its reader finds that out by its checksum. The file, and the folders that are made for it, are closed
    to other users.
    """
    try:
        make_folders(path.parent)
        with open_replacement(path) as file:
            for part in parts:
                file.write(part)
    except OSError as error:
        warn_unusable(path, error, f"cannot write {path}", "the content is kept in memory only.")
        return False
    return True


class _WarnedCauses:
    causes: ClassVar[list[tuple[int, str]]] = []
    """The causes of warnings so far: the error's number, and the folder."""


DAMAGED_CURE: Final = (
    "Nothing needs to be done. If it happens again, check the disk and empty the cache: structgen "
    "store clear."
)
"""The cure where a kept file is damaged: it is not the folder's fault."""


def warn_unusable(
    path: StrPath,
    error: OSError,
    fault: str,
    lost: str,
) -> None:
    """Say by a StoreWarning that a file cannot be used, and what that means; once in a process for each cause
    and cache folder.

    `fault`: what cannot be done, without a period (`cannot read /x`). `lost`: a sentence of what its absence
    means.
    """
    root = os.fspath(cache_folder())
    file_path = os.fspath(path)
    is_in_cache = file_path.startswith(f"{root}{os.sep}")
    folder = root if is_in_cache else os.path.dirname(file_path)
    place = f"{folder}{os.sep}"
    number = error.errno or 0
    for warned_number, warned_place in _WarnedCauses.causes:
        # A folder and one inside it have one cause, such as a full disk.
        is_same_place = place.startswith(warned_place) or warned_place.startswith(place)
        if warned_number == number and is_same_place:
            return
    _WarnedCauses.causes.append((number, place))
    others = " Other files like it are ignored too." if isinstance(error, ForeignFile) else ""
    warn_of_file(
        f"{fault} ({error.strerror or error}): {lost}{others}",
        4,
        cure=_cure_of(error, file_path),
    )


def _cure_of(error: OSError, path: str) -> str:
    """Return the cure for a file that cannot be used."""
    elsewhere = f"set {ENVIRONMENT_VARIABLE} to a folder"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"Free some space, empty the cache (structgen store clear), or {elsewhere} on another disk."
    if error.errno == errno.EISDIR:
        return f"Delete the folder {path}: a file belongs there."
    if isinstance(error, ForeignFile):
        return f"Delete {path} if nobody needs it, or {elsewhere} that belongs to you."
    if error.errno == errno.EIO:
        return f"Check the disk, or {elsewhere} on another one."
    return f"S{elsewhere[1:]} that is writable."


def warn_of_file(fault: str, level: int = 3, *, cure: str = DAMAGED_CURE) -> None:
    """Give a StoreWarning: what is wrong with a kept file, and as its last sentence the cure. `level`: as of
    `warnings.warn`."""
    warnings.warn(printable(f"{fault} {cure}"), StoreWarning, stacklevel=level)
