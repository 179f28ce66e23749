"""The entries of Lark grammars: what no vocabulary changes of each, written whole when it is first compiled.

The folder is bounded in bytes; what was used least recently goes first. A missing grammar costs time.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy.typing as npt

from structgen.errors import StoreWarning
from structgen.native.array_file import ArrayFile
from structgen.native.cache_entries import CacheEntries, evict
from structgen.system.fork_locks import WRITING, new_lock

LEXER_SUFFIX: Final = ".lexer"
OLD_SUFFIXES: Final = (".grammar", ".masks", ".row")
"""Of files that earlier versions wrote."""
SUFFIXES: Final = (LEXER_SUFFIX, *OLD_SUFFIXES)
"""Of all files of a store."""
_TRIM: Final = 64
"""The folder is measured after each such part of its bound that this process has written."""
_PATIENCE: Final = 5.0
"""Seconds to wait for another thread that writes, before a grammar is left out."""
_FEW: Final = 16
"""One process in so many measures the folder when it has written little."""


class GrammarFiles:
    """The files of grammars in the folder of a store. Safe for many threads and processes.

    It knows whether the folder takes what is written (if not, that is said once, and not tried again), and
    how much it may hold.
    """

    def __init__(self, root: Path, version: str, most: int) -> None:
        """`root`: the store's folder, bounded by `most` bytes; the files of this `version` of the package lie
        in a folder in it."""
        self._root, self._most = root, most
        self._grammars = CacheEntries(root / version, LEXER_SUFFIX)
        self._gave_up = sys.byteorder != "little"
        self._since = 0
        self._measured = os.getpid() % _FEW != 0
        self._writing = new_lock(WRITING)

    def read(self, kind: str, key: str) -> ArrayFile | None:
        """Return a grammar; None where there is none. See `CacheEntries.read`."""
        return None if self._gave_up else self._grammars.read(kind, key)

    def drop(self, key: str, why: str) -> Path:
        """Delete a grammar, with a StoreWarning; return its path."""
        return self._grammars.drop(key, why)

    def write(
        self, kind: str, key: str, arrays: Mapping[str, npt.NDArray[Any]], numbers: Mapping[str, int]
    ) -> None:
        """Write a grammar now. A folder that does not take it is given up, with one StoreWarning. Waits for
        who writes already, some seconds, and leaves the file out then."""
        if self._gave_up or not self._writing.acquire(timeout=_PATIENCE):
            return
        try:
            size = self._grammars.write(kind, key, arrays, numbers)
            self._gave_up = not size
        except StoreWarning:
            self._gave_up = True  # warnings are errors
            return
        finally:
            self._writing.release()
        self._wrote(size)

    def _wrote(self, size: int) -> None:
        """Count bytes that were written, and delete the oldest files where the folder holds too much: it is
        looked through, 10 us a file, now and then."""
        self._since += size
        if self._since > self._most // _TRIM or not self._measured:
            self._since, self._measured = 0, True
            evict(self._root, self._most, SUFFIXES)
