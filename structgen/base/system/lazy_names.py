"""Public names that are loaded when they are first used (PEP 562), so that `import structgen` is cheap."""

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
    """Return `__getattr__` and `__dir__` of a package.

    `homes` has the names that each module defines, with blanks between; `modules` the modules of the package
    that are public themselves. A name is stored in the package when it was loaded. `dir` lists the public
    names, loaded or not. The error of a name that is not there says where a method is that went.
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
    """Return a public name of `import structgen`, for a room below the one that defines it. The module is
    loaded by this call, if it was not."""
    return getattr(sys.modules["structgen"], name)
