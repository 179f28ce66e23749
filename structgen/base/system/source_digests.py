"""Digests of the package's own sources: what was kept for one version of the code serves no other."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import Final

BESIDE: Final = ("decoding/engine", "doors/cli", "doors/maskbench", "doors/typed", "machine_code", "models")
"""The folders of the package whose files decide nothing that is kept. They call the rest of the package, and
nothing in the rest of it imports them while it makes tables. Machine code is made of sources; models, in an
installed package, are weights."""
_IMPORT = re.compile(rb"\n(?:from|import) structgen\.([\w.]+)")
_ROOT = Path(__file__).resolve().parents[2]
_INSIDE = f"{_ROOT}{os.sep}"


@cache
def package_digest() -> str:
    """Return 16 hexadecimal digits that stand for every source that may decide what a kept file holds.

    All files of the package count but those in the folders of BESIDE: there is no list of what counts that
    could be forgotten when code moves. Every kind of kept file has this digest in its name or its key. Cost:
    about 8 ms of processor time, once in a process; a source that was read before is not read again.
    """
    return digest_below(_ROOT)


def digest_below(root: Path) -> str:
    """Return the digest of `package_digest` for a package in some folder.

    It stands for the paths and the contents of the files, not for their times. A package that was installed
    without sources has its compiled modules (`.pyc` beside each other) count in their place; one whose files
    cannot be listed has the digest of nothing.
    """
    digest = blake2b(digest_size=8)
    # Sorted, since no system lists a folder in an order that holds everywhere.
    for name, path in sorted(_files_below(root)):
        digest.update(b"%s\0%s" % (name.encode("utf-8", "surrogateescape"), _content_digest(path)))
    return digest.hexdigest()


def _files_below(root: Path) -> list[tuple[str, str]]:
    """Return the names below the root, with "/" between folders, and the paths of the files that count.

    Numba and Python keep compiled code in `__pycache__`; names that begin with a dot are those of tools.
    """
    files: list[tuple[str, str]] = []
    waiting = [("", str(root))]
    while waiting:
        prefix, folder = waiting.pop()
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    name = f"{prefix}{entry.name}"
                    if entry.name.startswith("."):
                        continue
                    if not entry.is_dir():
                        files.append((name, entry.path))
                    elif entry.name != "__pycache__" and name not in BESIDE:
                        waiting.append((f"{name}/", entry.path))
        except OSError:
            continue  # of a package in an archive nothing can be listed: it has the digest of nothing
    return files


def digest_of(paths: Iterable[Path]) -> str:
    """Return 16 hexadecimal digits that stand for the contents of files, in whatever order they are given.

    Times and places of the files do not count. A file that cannot be read (a package without sources) stands
    for its name alone.
    """
    digest = blake2b(digest_size=8)
    for name, content in sorted((path.name, _content_digest(str(path))) for path in paths):
        digest.update(b"%s %s " % (name.encode(), content))
    return digest.hexdigest()


def _content_digest(path: str) -> bytes:
    """Return the digest of the content of a file.

    A file of this package is read once in a process: what was imported is what counts, whoever edits it.
    """
    if path.startswith(_INSIDE):
        return _read_source_once(path)[0]
    return _read_source(path)[0]


def _read_source(path: str) -> tuple[bytes, list[str]]:
    """Return the digest of the content of a file, and the modules of this package that it imports."""
    try:
        with open(path, "rb", buffering=0) as file:
            text = file.read()
    except OSError:
        text = b""
    # the pattern begins with a newline, and the first line has none before it
    imported_names = _IMPORT.findall(b"\n" + text)
    return blake2b(text, digest_size=16).digest(), [name.decode() for name in imported_names]


_read_source_once = cache(_read_source)


@cache
def _imported_files(path: str) -> tuple[str, ...]:
    """Return the files of this package that one imports at the left margin."""
    names: list[str] = []
    for name in _read_source_once(path)[1]:
        place = _ROOT.joinpath(*name.split("."))
        names += map(str, place.glob("*.py") if place.is_dir() else (place.with_suffix(".py"),))
    return tuple(names)


def with_imports(path: Path) -> list[Path]:
    """Return a source file of this package and those that it imports at the left margin, theirs included.

    Of a folder that is imported from (`from structgen.machines.core import batch`) every file counts.
    """
    paths: dict[str, None] = {str(path.resolve()): None}
    waiting = list(paths)
    while waiting:
        new = [new_path for new_path in _imported_files(waiting.pop()) if new_path not in paths]
        paths |= dict.fromkeys(new)
        waiting += dict.fromkeys(new)
    return [Path(path) for path in paths]
