"""Loads public names when they are first used (PEP 562), so that `import structgen` is cheap.

The *home* of a name is the module that defines it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def lazy_names(
    package: str,
    homes: Mapping[str, str],
    modules: str = "",
) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """Return the functions `__getattr__` and `__dir__` of a package.

    `homes`: for each module, the names that it defines, separated by blanks. `modules`: the public modules of
    the package, separated by blanks. A name that was loaded is stored in the package. `dir` lists the public
    names, loaded or not. The AttributeError for a name that was removed says what replaces it.
    """

    def load_name(name: str) -> object:
        value: object
        # of `from package import *`, which would take the names that are here alone. A package with modules
        # has none: `help` would read all that lies in them
        if name == "__all__" and not modules:
            return list_names()
        if name in modules.split():
            value = import_module(f"{package}.{name}")
        else:
            owners = (home for home, names in homes.items() if name in names.split())
            home = next(owners, None)
            if home is None:
                # start-up: a name that is not there
                from structgen.base.errors import GONE, WHERE

                if name in GONE.values():
                    raise AttributeError(f"{package}.{name} is no longer in the package. {WHERE}")
                raise AttributeError(f"module {package!r} has no attribute {name!r}")
            value = getattr(import_module(home), name)
        # From now on Python finds the name itself, and does not ask here again.
        setattr(sys.modules[package], name, value)
        return value

    def list_names() -> list[str]:
        return sorted(" ".join([modules, *homes.values()]).split())

    return load_name, list_names


def public_name(name: str) -> Any:
    """Return the object of a public name of `import structgen`, and load its module if necessary.

    For modules that must not import the home of the name themselves.
    """
    return getattr(sys.modules["structgen"], name)
