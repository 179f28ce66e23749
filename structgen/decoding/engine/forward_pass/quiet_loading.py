"""Reading by transformers without its notices and progress bars; our own words say what is wrong with the
weights of a model."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import RLock
from typing import Any

from structgen.base.errors import StructgenError

_log = logging.getLogger("structgen")
_level_lock = RLock()
"""The levels are those of the process: one thread at a time changes them."""


@contextmanager
def silence_transformers() -> Iterator[None]:
    """Silence transformers: no warnings and no progress bars inside the block, whose end restores what was
    set before. A level that somebody chose stays (`TRANSFORMERS_VERBOSITY=info`). Other threads that read
    wait."""
    from transformers.utils import logging as notices  # optional: transformers

    # held during the whole block: another thread would else restore the levels of this one
    with _level_lock:
        level = notices.get_verbosity()
        has_bars = notices.is_progress_bar_enabled()
        # WARNING is the default: nobody has chosen it
        if level == logging.WARNING:
            notices.set_verbosity_error()
        if has_bars:
            notices.disable_progress_bar()
        try:
            yield
        finally:
            notices.set_verbosity(level)
            if has_bars:
                notices.enable_progress_bar()


@contextmanager
def guard_reading(where: Path, cure: str, unknown: str = "") -> Iterator[None]:
    """Raise StructgenError for all that transformers raises inside the block. `cure`: what to do about a
    damaged model; `unknown`: about one of a kind that transformers does not support."""
    try:
        yield
    except StructgenError:
        raise
    except Exception as error:  # whatever a damaged or unknown model raises in transformers and below
        # on one line, as all our messages are
        message = " ".join(str(error).split())
        raise StructgenError(
            f"{where.name} cannot be read: {type(error).__name__}: {message:.400}",
            where=str(where),
            cure=unknown if unknown and "not supported" in message else cure,
        ) from error


def load_pretrained(kind: Any, folder: Any, **options: Any) -> Any:
    """Return the model that a class of transformers reads from a folder. `options`: of `from_pretrained`.

    Weights that the model has no place for are told to the log. Raises StructgenError where the folder lacks
    weights, which transformers would draw at random, and all that transformers raises.
    """
    with silence_transformers():
        model, loading_info = kind.from_pretrained(folder, output_loading_info=True, **options)
    missing = sorted(loading_info["missing_keys"])
    unknown = sorted(loading_info["unexpected_keys"])
    if missing:
        raise StructgenError(
            f"The folder lacks weights of the model: {len(missing):,}, such as {missing[0]!r}.",
            where=str(folder),
            cure="Download the model again, or save it whole with save_pretrained(...).",
        )
    if unknown:
        _log.warning(
            "%s: %s weights have no place in the model and are left out, such as %r",
            folder,
            f"{len(unknown):,}",
            unknown[0],
        )
    return model
