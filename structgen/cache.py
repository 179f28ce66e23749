"""The cache folder: where it is, and how a file comes into it whole or not at all.

Nothing in it is precious: every file can be built again, and every reader checks what it reads. A folder that
cannot be written costs time, never an answer: the caller keeps its result in memory, and a `StoreWarning`
says so.
"""

from __future__ import annotations

import os
import secrets
import warnings
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from structgen.errors import StoreWarning

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


def write_atomically(path: Path, parts: Iterable[bytes | bytearray | memoryview]) -> bool:
    """True once `path` holds exactly the concatenated parts; False, with a StoreWarning, if it cannot.

    The parts go to a file of a name of its own beside `path`, which then takes the place of `path` in one
    step: a reader sees the old file or the new one, of many writers at once the last one wins, and a full
    disk leaves the old one. The data is not forced to the disk: after a power cut the file may be damaged,
    and its reader finds that out by its checksum. Folders on the way are made, closed to other users.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(6)}.tmp")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            with open(temporary, "xb") as file:
                for part in parts:
                    file.write(part)
            os.replace(temporary, path)
        except BaseException:
            with suppress(OSError):
                temporary.unlink()
            raise
    except OSError as error:
        warn(f"cannot write {path} ({error.strerror or error}): what it would hold stays in memory alone.")
        return False
    return True


def warn(what: str) -> None:
    """None; says by a StoreWarning that the cache folder does not serve, and how to choose another."""
    warnings.warn(
        f"{what} Set {ENVIRONMENT_VARIABLE} to a folder that can be written.", StoreWarning, stacklevel=3
    )
