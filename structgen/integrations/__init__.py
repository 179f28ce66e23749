"""Other people's loops with our masks; a module for each, loaded when it is first named."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from structgen.integrations import llama_cpp as llama_cpp
    from structgen.integrations import transformers as transformers


def __getattr__(name: str) -> object:
    """Return an integration's module."""
    if name in ("llama_cpp", "transformers"):
        return import_module(f"structgen.integrations.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
