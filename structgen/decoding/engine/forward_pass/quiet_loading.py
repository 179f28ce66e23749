"""Lets transformers read models without its notices and progress bars, and turns its errors into our own.

The *level* is the verbosity of transformers' log, one setting for the whole process. A *missing* weight is
one that the model needs and the folder does not have; an *unknown* weight is one that the folder has and the
model does not need. For example, a folder without `model.norm.weight` raises a StructgenError that names it.
"""

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
"""The lock of transformers' level, which belongs to the process: only one thread at a time may change it."""


@contextmanager
def silence_transformers() -> Iterator[None]:
    """Silence transformers inside the block: it shows no warnings and no progress bars. The end of the block
    restores the earlier settings. A level that the user chose is kept (`TRANSFORMERS_VERBOSITY=info`). Other
    threads that read a model wait."""
    from transformers.utils import logging as notices  # optional: transformers

    # The lock is held during the whole block: otherwise another thread could restore the wrong level.
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
    """Turn every error inside the block into a StructgenError about the file or folder `where`.

    `cure` is the advice for a damaged model. `unknown` is the advice for a model of a kind that transformers
    does not support; "": `cure` is used for it too.
    """
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
    """Return the model that `kind`, a class of transformers, reads from a folder. `options` are those of
    `from_pretrained`.

    Unknown weights are logged. Raises StructgenError for missing weights, which transformers would draw at
    random, and every error of transformers.
    """
    with silence_transformers():
        model, loading_info = kind.from_pretrained(folder, output_loading_info=True, **options)
    missing = sorted(loading_info["missing_keys"])
    unknown = sorted(loading_info["unexpected_keys"])
    if missing:
        raise StructgenError(
            f"{len(missing):,} weights of the model are missing in the folder, such as {missing[0]!r}.",
            where=str(folder),
            cure="Download the model again, or save all of it with save_pretrained(...).",
        )
    if unknown:
        _log.warning(
            "%s: %s weights have no place in the model and are left out, such as %r",
            folder,
            f"{len(unknown):,}",
            unknown[0],
        )
    return model
