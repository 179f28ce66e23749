"""Digests of the package's own sources: what was kept for one version of the code serves no other."""

from __future__ import annotations

import re
from collections.abc import Iterable
from hashlib import blake2b
from pathlib import Path

_IMPORT = re.compile(rb"^(?:from|import) structgen\.([\w.]+)", re.MULTILINE)


def digest_of(paths: Iterable[Path]) -> str:
    """Return 16 hexadecimal digits that stand for the contents of files, in whatever order they are given.

    Times and places of the files do not count. A file that cannot be read (a package without sources) stands
    for its name alone.
    """
    digest = blake2b(digest_size=8)
    for name, text in sorted((path.name, _text(path)) for path in paths):
        digest.update(b"%s %d " % (name.encode(), len(text)) + text)
    return digest.hexdigest()


def _text(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def imported(path: Path) -> list[Path]:
    """Return a source file of this package and those that it imports at the left margin, theirs included.

    Of a folder that is imported from (`from structgen.machine import layout`) every file counts.
    """
    root = Path(__file__).resolve().parent
    found: dict[Path, None] = {path.resolve(): None}
    waiting = [path.resolve()]
    while waiting:
        for name in _IMPORT.findall(_text(waiting.pop())):
            place = root.joinpath(*name.decode().split("."))
            for other in place.glob("*.py") if place.is_dir() else (place.with_suffix(".py"),):
                if other not in found:
                    found[other] = None
                    waiting.append(other)
    return list(found)
