"""Finds the data that ships with structgen: installed, beside the code; in a checkout, at its root."""

from __future__ import annotations

from pathlib import Path

from structgen.errors import StructgenError


def folder(name: str) -> Path:
    """Return the folder `name` ("schemas", "tokenizers", ...) of the data that ships with structgen.

    A wheel holds it as structgen/<name>; an editable install reads it from the root of the checkout. Raises
    `StructgenError` where neither is there.
    """
    package = Path(__file__).parent
    for candidate in (package / name, package.parent / name):
        if candidate.is_dir():
            return candidate
    raise StructgenError(
        f"the folder {name!r} that ships with structgen is missing.",
        where=str(package),
        cure="Install structgen anew, or work from a complete checkout.",
    )


def schemas() -> Path:
    """Return the folder of sample schemas: MaskBench files with instances, one JSON file each."""
    return folder("schemas")
