"""Modules that people import: what a public one stands for, and where a room of before is now."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from typing import Final

MOVED: Final = {
    "base": ("errors", "json_text", "language", "limits", "native", "printable", "system"),
    "machines": ("core", "json_machine", "machine_core", "store"),
    "grammars": ("compilation", "json_grammars", "lark_grammars", "text_grammars"),
    "asking": ("python_types", "request_reading", "tool_calls"),
    "decoding": ("engine", "infilling", "samplers", "speculation"),
    "doors": ("cli", "integrations", "maskbench", "serving", "typed"),
}
"""The rooms that stood beside one another, by the folder that each is in now."""


def address_of(module: str) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """Return `__getattr__` and `__dir__` of a public module that has the names of another one.

    The other one is loaded when a name is first asked for.
    """

    def load(name: str) -> object:
        # a module has no such names of its own: import and copy ask for them
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(import_module(module), name)

    return load, lambda: dir(import_module(module))


class _MovedRooms:
    """The last finder of modules: it refuses paths of before by the name that they have now.

    Cost: nothing for an import that another finder answers.
    """

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        """Raise ModuleNotFoundError for a module of a room that moved; return None for every other name."""
        package, _, inner = name.partition(".")
        room = inner.partition(".")[0]
        folder = next((one for one, rooms in MOVED.items() if room in rooms), None)
        if package == "structgen" and folder is not None:
            raise ModuleNotFoundError(
                f"There is no {name}: structgen.{room} is structgen.{folder}.{room} now. Inner modules move "
                "without notice; the names of `import structgen` and of its public modules stay "
                "(`help(structgen)`)."
            )


def refuse_moved() -> None:
    """Let an import of a path of before say where its room is. Called once, by `import structgen`."""
    sys.meta_path.append(_MovedRooms())
