"""Hides packages from every process that has this folder on PYTHONPATH: `HIDDEN_PACKAGES=ray,triton`.

They cannot be imported or found there, as where they are not installed. A package of that name that a test
writes into a folder of its own is found. For scripts/chance.py.
"""

from __future__ import annotations

import os
import sys
from importlib.machinery import PathFinder
from typing import Any

HIDDEN = frozenset(os.environ.get("HIDDEN_PACKAGES", "").split(","))


class Finder(PathFinder):
    """Finds on sys.path what is not hidden."""

    @classmethod
    def find_spec(cls, fullname: str, *given: Any) -> Any:
        found = PathFinder.find_spec(fullname, *given)
        name = fullname.partition(".")[0]
        return None if found and name in HIDDEN and "site-packages" in str(found.origin) else found

    @classmethod
    def find_distributions(cls, *given: Any) -> Any:
        found = PathFinder.find_distributions(*given)
        return (one for one in found if one.name.replace("-", "_") not in HIDDEN)


sys.meta_path[sys.meta_path.index(PathFinder)] = Finder
