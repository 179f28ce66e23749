"""Published methods that are no part of the package: one file each, on its public extension points.

`families` finds what is measured: a family is a module `NAME_rows` here with a function `rows`, which returns
a list of dicts, a dict for each row of the family's table. A new method is one file, and a line in its
family's module; samplers and strategies of the package are measured by the benches that have their whole
tables. `make bench-methods` measures and prints the tables.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Final, TypeAlias

Rows: TypeAlias = Callable[[], list[dict[str, Any]]]
FAMILIES: Final = ("samplers", "domains", "drafters", "verifiers", "schedulers", "infilling", "strategies")


def families() -> dict[str, Rows]:
    """Return the function `rows` of each family that is here."""
    found: dict[str, Rows] = {}
    for name in FAMILIES:
        if find_spec(f"{__name__}.{name}_rows") is not None:
            found[name] = import_module(f"{__name__}.{name}_rows").rows
    return found
