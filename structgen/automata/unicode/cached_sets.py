"""A cache of sets of code points that Python takes long to compute, by its version and ours.

line 1     a digest of the rest, 32 hexadecimal digits
the rest   first and last code points of the ranges, in JSON
"""

from __future__ import annotations

import json
import sys
import unicodedata
from collections.abc import Callable
from hashlib import blake2b
from itertools import chain
from typing import Final

from structgen.automata.unicode.charsets import Ranges
from structgen.system.cache import cache_folder, open_kept, tell_unusable, warn, write_atomically
from structgen.system.source_digests import package_digest

FOLDER: Final = "characters"
"""In the cache folder."""
SUFFIX: Final = ".ranges"
_FORMAT: Final = 1


def kept(name: str, make: Callable[[], Ranges]) -> Ranges:
    """Return a set by its name, from the cache or else from `make`, whose result is stored.

    A damaged file is reported by a StoreWarning. Cost: some 0.3 ms if it is stored.
    """
    version = f"{unicodedata.unidata_version}-{'.'.join(map(str, sys.version_info[:3]))}"
    path = cache_folder() / FOLDER / f"{name}-{_FORMAT}-{version}-{package_digest()}{SUFFIX}"
    file = open_kept(path, "it is made anew.")
    if file is not None:
        try:
            with file:
                found = _read(file.bytes().tobytes())
        except OSError as error:
            tell_unusable(path, error, f"cannot read {path}", "it is made anew.")
        else:
            if found is not None:
                return found
            warn(f"{path} is damaged: it is made anew.")
    made = make()
    said = json.dumps(list(chain.from_iterable(made)), separators=(",", ":")).encode()
    write_atomically(path, (_digest(said), b"\n", said))
    return made


def _read(content: bytes) -> Ranges | None:
    """Return the ranges that a file holds; None where they are not ascending ranges of code points, apart
    from each other."""
    digest, _, said = content.partition(b"\n")
    if digest != _digest(said):
        return None
    try:
        ends = json.loads(said)
    except (ValueError, RecursionError):
        return None
    if not isinstance(ends, list) or len(ends) % 2 or not all(type(end) is int for end in ends):
        return None
    found = tuple(zip(ends[::2], ends[1::2], strict=True))
    before = -2
    for first, last in found:
        if not before + 1 < first <= last <= sys.maxunicode:
            return None
        before = last
    return found


def _digest(said: bytes) -> bytes:
    return blake2b(said, digest_size=16).hexdigest().encode()
