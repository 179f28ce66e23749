"""The files of a folder that is given in place of documents."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from structgen.base.errors import OptionError

MOST_FILES: Final = 10_000
"""Of a folder with those inside it."""
MOST_ENTRIES: Final = 100_000
"""Files, folders, links and hidden ones that are looked at."""


def files_of(folder: Path, results: Path | None = None) -> list[Path]:
    """Return the files of a folder and of the folders inside it, sorted by their paths.

    Hidden files and folders, whose names begin with a dot, are left out. Links are not followed: a file
    outside the folder is none of it, and one inside is not read twice. `results`: a file that is left out,
    with those of its pages, where an earlier run wrote it into the folder. A folder that cannot be read is
    returned in place of its files. Raises OptionError above MOST_FILES or MOST_ENTRIES.
    """
    files, folders, count = list[Path](), [folder], 0
    while folders:
        inside = folders.pop()
        own = results.name if results is not None and inside.resolve() == results.parent.resolve() else None
        try:
            with os.scandir(inside) as entries:
                for entry in entries:
                    is_own = own is not None and (entry.name == own or entry.name.startswith(f"{own}.pages"))
                    if not (is_own or entry.name.startswith(".") or entry.is_symlink()):
                        is_folder = entry.is_dir(follow_symlinks=False)
                        (folders if is_folder else files).append(inside / entry.name)
                    count += 1
                    if len(files) > MOST_FILES or count > MOST_ENTRIES:
                        what = f"The folder has more than {MOST_FILES:,} files, or {MOST_ENTRIES:,} entries."
                        raise OptionError(
                            what, where=str(folder), cure="Give the folders inside it one by one."
                        )
        except OSError:
            files.append(inside)
    return sorted(files)
