"""Hooks of an engine that have changed."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest

from structgen.doors.integrations.engine_hooks import Hook


def change(hook: Hook, patch: pytest.MonkeyPatch) -> None:
    """Put a function of other parameters into the place of a hook."""
    module, _, path = hook.location.partition(":")
    *owners, name = path.split(".")
    owner: Any = import_module(module)
    for attribute in owners:
        owner = getattr(owner, attribute)
    patch.setattr(owner, name, lambda self, other: None)
