"""Whether an engine is one whose hooks we know: asked before anything is put into them."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module

from structgen.base.errors import OptionError


@dataclass(frozen=True, slots=True)
class Hook:
    """A function of an engine that we call, replace or implement: `module:Class.function`, and the names of
    its parameters. "..." at their end stands for any others."""

    place: str
    parameters: tuple[str, ...]

    def fault(self) -> str | None:
        """Return what is not as it was recorded, None where all is."""
        module, _, path = self.place.partition(":")
        try:
            hooked: object = import_module(module)
            for name in path.split("."):
                hooked = getattr(hooked, name)
        except (AttributeError, ImportError):
            return f"{self.place} is not there"
        if not callable(hooked):
            return f"{self.place} is no function"
        names, wanted = tuple(inspect.signature(hooked).parameters), self.parameters
        if names == wanted or (wanted[-1] == "..." and names[: len(wanted) - 1] == wanted[:-1]):
            return None
        return f"{self.place} takes ({', '.join(names)}), not ({', '.join(self.parameters)})"


def check_engine(engine: str, version: str, known: Sequence[str], hooks: Sequence[Hook]) -> None:
    """Raise OptionError where `version` belongs to none of the `known` releases ("0.32" has all 0.32.x), or
    where a hook is not as it was recorded. Cost: the imports of the hooks' modules."""
    cure = f"Install {engine} {' or '.join(known)}, or choose a back end of {engine}'s own."
    if not any(version == release or version.startswith(f"{release}.") for release in known):
        raise OptionError(
            f"structgen does not know {engine} {version}, whose hooks may have changed.",
            where=engine,
            cure=cure,
        )
    faults = [fault for hook in hooks if (fault := hook.fault()) is not None]
    if faults:
        raise OptionError(
            f"The hooks of {engine} {version} are not those that structgen knows: {'; '.join(faults)}.",
            where=engine,
            cure=cure,
        )
