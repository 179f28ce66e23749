"""Inner modules that people may have imported: where a room of before is now."""

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
"""The rooms that stood beside one another, by the folder that each is in now."""


class _MovedRooms:
    """The last finder of modules: it refuses paths of before by the name that they have now.

    Cost: nothing for an import that another finder answers.
    """

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        """Raise ModuleNotFoundError for a module of a room that moved; return None for every other name."""
        package, room = f"{name}.".split(".")[:2]
        # `find_spec` of the standard library imports nothing: somebody asks what there is
        if package != "structgen" or sys._getframe(2).f_globals["__name__"] == "importlib.util":
            return
        if room == "monitors":
            from structgen.base.errors import WHERE  # start-up: few ask for what is not there

            raise ModuleNotFoundError(f"{name} is no longer in the package. {WHERE}")
        for folder, rooms in MOVED.items():
            if room in rooms:
                raise ModuleNotFoundError(
                    f"There is no {name}: structgen.{room} is structgen.{folder}.{room} now. Inner modules "
                    "move without notice; the names of `import structgen` and of its public modules stay "
                    "(`help(structgen)`)."
                )


def refuse_moved() -> None:
    """Let an import of a path of before say where its room is. Called once, by `import structgen`."""
    sys.meta_path.append(_MovedRooms())
