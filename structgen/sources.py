"""Digests of the package's own sources: what was kept for one version of the code serves no other."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from functools import cache
from hashlib import blake2b
from pathlib import Path

_IMPORT = re.compile(rb"^(?:from|import) structgen\.([\w.]+)", re.MULTILINE)
_ROOT = Path(__file__).resolve().parent
_INSIDE = f"{_ROOT}{os.sep}"


def digest_of(paths: Iterable[Path]) -> str:
    """Return 16 hexadecimal digits that stand for the contents of files, in whatever order they are given.

    Times and places of the files do not count. A file that cannot be read (a package without sources) stands
    for its name alone.
    """
    digest = blake2b(digest_size=8)
    for name, content in sorted((path.name, _content(str(path))) for path in paths):
        digest.update(b"%s %s " % (name.encode(), content))
    return digest.hexdigest()


def _content(path: str) -> bytes:
    """Return what stands for the content of a file.

    A file of this package is read once in a process: what was imported is what counts, whoever edits it.
    """
    return _noted(path)[0] if path.startswith(_INSIDE) else _read(path)[0]


def _read(path: str) -> tuple[bytes, list[str]]:
    """Return what stands for the content of a file, and the modules of this package that it imports."""
    try:
        with open(path, "rb") as file:
            text = file.read()
    except OSError:
        text = b""
    return blake2b(text, digest_size=16).digest(), [name.decode() for name in _IMPORT.findall(text)]


_noted = cache(_read)


@cache
def sources(*rooms: str) -> tuple[Path, ...]:
    """Return the modules in some folders of this package."""
    found = []
    for room in rooms:
        with os.scandir(_ROOT / room) as entries:
            found += [Path(entry.path) for entry in entries if entry.name.endswith(".py")]
    return tuple(sorted(found))


@cache
def _imports(path: str) -> tuple[str, ...]:
    """Return the files of this package that one imports at the left margin."""
    found: list[str] = []
    for name in _noted(path)[1]:
        place = _ROOT.joinpath(*name.split("."))
        found += map(str, place.glob("*.py") if place.is_dir() else (place.with_suffix(".py"),))
    return tuple(found)


def imported(path: Path) -> list[Path]:
    """Return a source file of this package and those that it imports at the left margin, theirs included.

    Of a folder that is imported from (`from structgen.machine import layout`) every file counts.
    """
    found: dict[str, None] = {str(path.resolve()): None}
    waiting = list(found)
    while waiting:
        new = [other for other in _imports(waiting.pop()) if other not in found]
        found |= dict.fromkeys(new)
        waiting += dict.fromkeys(new)
    return [Path(one) for one in found]
