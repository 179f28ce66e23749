"""Names the new place of an inner module that has moved, if somebody imports it by its old path.

A *room* is a folder of modules of the package. For example, `import structgen.core` fails with a message that
names `structgen.machines.core`.
"""

from __future__ import annotations

import sys
from typing import Final

MOVED: Final = {
    "base": ("errors", "json_text", "language", "limits", "native", "printable", "system"),
    "machines": ("core", "json_machine", "machine_core", "store"),
    "grammars": ("compilation", "json_grammars", "lark_grammars", "text_grammars"),
    "asking": ("python_types", "request_reading", "tool_calls"),
    "decoding": ("engine", "infilling", "samplers", "speculation"),
    "doors": ("cli", "integrations", "maskbench", "serving", "typed"),
}
"""For each folder, the rooms that are in it now and were in the package itself before."""


class _MovedRooms:
    """The last finder of modules that Python asks: it refuses an old path, and names the new one.

    Cost: nothing for an import that another finder answers.
    """

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        """Raise ModuleNotFoundError for a module of a room that moved; return None for every other name."""
        package, room = f"{name}.".split(".")[:2]
        # a caller in importlib.util only asks whether the module exists, and imports nothing
        if package != "structgen" or sys._getframe(2).f_globals["__name__"] == "importlib.util":
            return
        if room == "monitors":
            from structgen.base.errors import WHERE  # start-up: few ask for what is not there

            raise ModuleNotFoundError(f"{name} is no longer in the package. {WHERE}")
        for folder, rooms in MOVED.items():
            if room in rooms:
                raise ModuleNotFoundError(
                    f"{name} does not exist: structgen.{room} is structgen.{folder}.{room} now. "
                    "Inner modules move without notice; the names of `import structgen` and of its "
                    "public modules stay (`help(structgen)`)."
                )


def refuse_moved() -> None:
    """Have imports of old paths fail with the new path. `import structgen` calls this once."""
    sys.meta_path.append(_MovedRooms())
