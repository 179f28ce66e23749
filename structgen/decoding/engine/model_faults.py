"""Errors of a model, as the texts of a pass are told of them."""

from __future__ import annotations

import torch

from structgen.base.errors import StructgenError


def failed(error: Exception) -> StructgenError:
    """Return what the texts of a pass are told of an error of the model."""
    if isinstance(error, StructgenError):
        what, cure = "The model failed", "Look at the model."
    elif is_memory(error):
        what, cure = "There is no memory for it", "Write fewer texts at a time (max_rows), or shorter ones."
    else:
        what, cure = f"The model failed: {type(error).__name__}", "Look at the model."
    told = StructgenError(f"{what}: {error}", where="model", cure=cure)
    told.__cause__ = error
    return told


def is_memory(error: Exception) -> bool:
    """Tell whether memory ran out."""
    # torch's CPU allocator raises a RuntimeError
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "allocate memory" in str(error)
