"""A package of a few modules with our decorators, in which tests compile functions of their own."""

from __future__ import annotations

import shutil
from pathlib import Path

import structgen
from structgen.base.system.source_digests import with_imports

PACKAGE = Path(structgen.__file__).parent
DECORATORS = ("base/native/jit.py", "base/native/compiling.py", "base/native/block_types.py")


def small_package(folder: Path, *modules: str) -> Path:
    """Return a new package `structgen` in a folder: `native/jit.py`, other modules by their files, and all
    that they import, with an empty package `machine` beside them."""
    root = folder / "structgen"
    needed = {file for name in (*DECORATORS, *modules) for file in with_imports(PACKAGE / name)}
    for file in (file.relative_to(PACKAGE) for file in needed if file.name != "__init__.py"):
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(PACKAGE / file, root / file)
    (root / "machine").mkdir()
    for package in (root, root / "machine"):
        (package / "__init__.py").touch()
    return root
