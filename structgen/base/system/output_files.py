"""Writes files that people have named for results, and words the errors of files."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

from structgen.base.errors import OptionError, OutputError


def file_error(
    error: OSError | ValueError,
    name: str,
    option: str = "",
    kind: type[OptionError] = OptionError,
) -> OptionError:
    """Return the error for a file that cannot be opened, with a cure. For example,
    `file_error(error, "a.csv", "path")` for the error of `open("a.csv")`.

    `name`: the path of the file. `option`: the name of the option that named it. `kind`: the class.
    """
    number = getattr(error, "errno", None) or 0
    cure = {
        errno.ENOENT: "Check the path.",
        errno.EISDIR: "Name a file in it.",
        errno.EACCES: "Get permission for it, or name another file.",
        errno.EPERM: "Get permission for it, or name another file.",
        errno.EROFS: "Name a file in a writable folder.",
        errno.ENOSPC: "Free some space there, or name a file on another disk.",
    }.get(number, "Check the path and the disk.")
    folder = Path(name).parent
    if number == errno.ENOENT and not folder.exists():
        cure = f"The folder {folder} does not exist: make it (mkdir -p), or check the path."
    file_fault = kind(f"{name}: {getattr(error, 'strerror', None) or error}.", where=option, cure=cure)
    if isinstance(file_fault, OSError):
        file_fault.errno = number
    return file_fault


def check_path(name: str, value: Any) -> Path:
    """Return the path of a file that is to be written, which may be there. Raises OutputError for a folder,
    OptionError for what is no path."""
    if isinstance(value, str | os.PathLike) and "\0" not in str(value) and Path(value).name not in ("", ".."):
        # `isdir` takes names that no file system has
        if os.path.isdir(value):
            fault = IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
            raise file_error(fault, str(value), name, OutputError)
        return Path(value)
    cure = "Pass the path of a file, such as results.jsonl."
    raise OptionError(f"{value!r:.60} is not the path of a file.", where=name, cure=cure)


def write_output(path: str | os.PathLike[str], text: str) -> None:
    """Write the text of a file in UTF-8, completely or not at all. Raises OptionError for what is no path of
    a file, OutputError where the file cannot be written."""
    # start-up: the help of commands, which has errors of files, loads no numpy
    from structgen.base.system.cache import open_output

    file_path, data = check_path("path", path), text.encode()
    try:
        with open_output(file_path) as file:
            file.write(data)
    except (OSError, ValueError) as error:  # ValueError: no file system has the name
        raise file_error(error, str(file_path), "path", OutputError) from error
