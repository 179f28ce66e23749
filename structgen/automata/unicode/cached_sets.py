"""A cache of sets of code points that Python takes long to compute."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from structgen.automata.unicode.charsets import Ranges
from structgen.native.cache_entries import CacheEntries, entry_key
from structgen.system.cache import cache_folder

FOLDER: Final = "characters"
"""In the cache folder."""
SUFFIX: Final = ".ranges"
KIND: Final = "ranges-2"
_MOST_BYTES: Final = 1 << 22
"""Bytes of all sets; past it those go that were used the longest ago."""


def cached(name: str, make: Callable[[], Ranges]) -> Ranges:
    """Return a set by its name, from the cache or else from `make`, whose result is cached.

    A damaged file is reported by a StoreWarning. Cost: some 0.3 ms for a cached set.
    """
    entries, key = CacheEntries(cache_folder() / FOLDER, SUFFIX, _MOST_BYTES), entry_key(KIND, name)
    file = entries.read(KIND, key)
    if file is not None:
        found = _ranges(file.arrays)
        if found is not None:
            return found
        entries.drop(key, "is damaged")
    made = make()
    entries.write(KIND, key, {"ends": np.array(made, np.int32).reshape(-1, 2)})
    return made


def _ranges(arrays: Mapping[str, npt.NDArray[Any]]) -> Ranges | None:
    """Return the ranges of a file; None where they are not ascending ranges of code points, apart from each
    other."""
    ends = arrays.get("ends")
    if ends is None or ends.dtype != np.int32 or ends.shape[1:] != (2,):
        return None
    found = tuple([(first, last) for first, last in ends.tolist()])
    before = -2
    for first, last in found:
        if not before + 1 < first <= last <= sys.maxunicode:
            return None
        before = last
    return found
