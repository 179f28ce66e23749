"""Cache entries: array files in a folder of the cache, one for each key, bounded in bytes.

The digest of the package's sources, and the versions of Python and of its Unicode tables, are part of every
key (`entry_key`) and of every file. An entry that other sources wrote has another name. If a file of theirs
stands under the name anyway, it is refused, and replaced.
"""

from __future__ import annotations

import os
import sys
import time
import unicodedata
from collections.abc import Iterable, Mapping
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from typing import Final, NamedTuple

from structgen.base.native.array_file import ArrayFile, read_arrays, write_arrays
from structgen.base.native.array_types import Array
from structgen.base.system.cache import is_own, open_trusted, remove_own, warn_of_file
from structgen.base.system.source_digests import package_digest

_HOUR: Final = 3600.0
"""Seconds after which an entry that is read is marked as used again, and a temporary file has no writer."""


def entry_key(*parts: str) -> str:
    """Return the key of an entry that is made from some texts by these sources: 32 hexadecimal digits.

    Cost: 5 us, and 1 us for each KB.
    """
    text = "\0".join((package_digest(), str(sys.version_info[:3]), unicodedata.unidata_version, *parts))
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


class CacheEntries(NamedTuple):
    """The entries of one folder with one suffix. Safe for many threads and processes."""

    folder: Path
    suffix: str
    most: int | None
    """Bytes above which entries are deleted, those first that were used the longest ago; None: somebody else
    bounds the folder."""

    def path(self, key: str) -> Path:
        """Return the path of an entry, whether it is there or not."""
        return self.folder / (key + self.suffix)

    def read(self, kind: str, key: str) -> ArrayFile | None:
        """Return an entry; None where there is none.

        One that is damaged, or of another kind or other sources, is deleted, with a StoreWarning; one that
        somebody else could have written is left alone, with a StoreWarning. Cost: 50 us, 1 us an array,
        0.1 ms a megabyte.
        """
        path = f"{self.folder}{os.sep}{key}{self.suffix}"
        file = open_trusted(path, "its content is built again.")
        if file is None:
            return None
        with file:
            entry = read_arrays(file, kind, _sign_content(key))
        if entry is None:
            remove_own(path)
        elif time.time() - file.facts.st_mtime > _HOUR:
            with suppress(OSError):
                os.utime(path)
        return entry

    def write(
        self,
        kind: str,
        key: str,
        arrays: Mapping[str, Array],
        numbers: Mapping[str, int] | None = None,
    ) -> int:
        """Return the bytes of an entry, once it is in place; 0, with a StoreWarning, where the folder does
        not take it. Arguments: `array_file.encode_arrays`."""
        size = write_arrays(self.path(key), kind, _sign_content(key), numbers or {}, arrays)
        if size and self.most is not None:
            evict_files(self.folder, self.most, [self.suffix])
        return size

    def drop(self, key: str, why: str) -> Path:
        """Delete an entry, with a StoreWarning that says why; return its path."""
        path = self.path(key)
        remove_own(path)
        warn_of_file(f"{path} {why}: its content is built again.")
        return path


def _sign_content(key: str) -> str:
    return f"{key} {package_digest()}"


def evict_files(root: Path, max_bytes: int, suffixes: Iterable[str]) -> None:
    """Delete this user's files with some suffixes under a folder, those first that were written or marked as
    used the longest ago, until at most `max_bytes` bytes are left; and temporary files without a writer."""
    all_suffixes = (*suffixes, ".tmp")
    files = []
    now = time.time()
    for folder, _, names in os.walk(root):
        for name in names:
            if not name.endswith(all_suffixes):
                continue
            path = Path(folder, name)
            with suppress(OSError):
                facts = path.lstat()
                if not is_own(facts):
                    continue
                if not name.endswith(".tmp"):
                    files.append((facts.st_mtime_ns, facts.st_size, path))
                elif now - facts.st_mtime > _HOUR:
                    path.unlink()
    total = sum(size for _, size, _ in files)
    for _, size, path in sorted(files):
        if total <= max_bytes:
            break
        with suppress(OSError):
            path.unlink()
            total -= size
