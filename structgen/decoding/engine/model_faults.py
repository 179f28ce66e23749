"""Turns an error that a model raised into the error of the texts which the model was writing.

For example, a ValueError("bad shape") becomes a StructgenError "The model failed: ValueError: bad shape".
"""

from __future__ import annotations

import torch

from structgen.base.errors import StructgenError


def wrap_model_error(error: Exception) -> StructgenError:
    """Return the error that the texts of a pass get for `error`, which the model raised. The cause of the
    returned error is `error`."""
    fault = "The model failed"
    cure = "Check the model."
    # a StructgenError says by itself what is wrong: its class would say nothing more
    if not isinstance(error, StructgenError):
        if is_memory(error):
            fault = "Not enough memory"
            cure = "Generate fewer texts at a time (max_rows), or shorter ones."
        else:
            fault += f": {type(error).__name__}"
    text_error = StructgenError(f"{fault}: {error}", where="model", cure=cure)
    text_error.__cause__ = error
    return text_error


def is_memory(error: Exception) -> bool:
    """Return whether an error says that memory ran out."""
    # torch's CPU allocator raises a RuntimeError, which only its message identifies
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "allocate memory" in str(error)
