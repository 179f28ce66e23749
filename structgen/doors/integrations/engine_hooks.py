"""Checks that an engine is a release whose hooks we know, before we change anything in it.

A *hook* is a function of the engine that we call, replace or implement. Its *record* is the list of
parameters that it had in the release that we read.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module

from structgen.base.errors import OptionError


@dataclass(frozen=True, slots=True)
class Hook:
    """The record of a hook: its `location`, as `module:Class.function`, and the names of its parameters.
    "..." at their end stands for any others."""

    location: str
    parameters: tuple[str, ...]

    def find_fault(self) -> str | None:
        """Return a sentence about how the function differs from its record; None if it does not."""
        module, _, path = self.location.partition(":")
        try:
            target: object = import_module(module)
            for name in path.split("."):
                target = getattr(target, name)
        except (AttributeError, ImportError):
            return f"{self.location} is missing"  # another release does not have it
        if not callable(target):
            return f"{self.location} is not a function"
        names, expected = tuple(inspect.signature(target).parameters), self.parameters
        if names == expected or (expected[-1] == "..." and names[: len(expected) - 1] == expected[:-1]):
            return None
        return f"{self.location} takes ({', '.join(names)}), not ({', '.join(self.parameters)})"


def check_engine(
    engine: str,
    version: str,
    releases: Sequence[str],
    hooks: Sequence[Hook],
) -> None:
    """Raise OptionError if `version` belongs to none of the known `releases` ("0.32" includes all 0.32.x), or
    if a hook differs from its record. `engine`: its name, for messages. Cost: the imports of the hooks'
    modules."""
    cure = f"Install {engine} {' or '.join(releases)}, or use a back end of {engine}'s own."
    if not any(version == release or version.startswith(f"{release}.") for release in releases):
        raise OptionError(
            f"structgen does not know {engine} {version}, whose hooks may have changed.",
            where=engine,
            cure=cure,
        )
    # a version may be patched: each hook is compared with its record
    faults = [fault for hook in hooks if (fault := hook.find_fault()) is not None]
    if faults:
        raise OptionError(
            f"The hooks of {engine} {version} differ from those that structgen knows: {'; '.join(faults)}.",
            where=engine,
            cure=cure,
        )
