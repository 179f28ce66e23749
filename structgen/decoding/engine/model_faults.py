"""Errors of a model, in the form in which they become the errors of texts."""

from __future__ import annotations

import torch

from structgen.base.errors import StructgenError


def wrap_model_error(error: Exception) -> StructgenError:
    """Return the error that the texts of a pass get for an error of the model. Its cause is the first one."""
    # a model of our own has already said what is wrong: its class would say nothing more
    if isinstance(error, StructgenError):
        fault, cure = "The model failed", "Look at the model."
    elif is_memory(error):
        fault, cure = "There is no memory for it", "Write fewer texts at a time (max_rows), or shorter ones."
    else:
        fault, cure = f"The model failed: {type(error).__name__}", "Look at the model."
    text_error = StructgenError(f"{fault}: {error}", where="model", cure=cure)
    text_error.__cause__ = error
    return text_error


def is_memory(error: Exception) -> bool:
    """Tell whether memory ran out."""
    # torch's CPU allocator raises a RuntimeError
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "allocate memory" in str(error)
