"""What may be chosen of a server beside its model: keys and limits."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from structgen.errors import OptionError

KEY_VARIABLE: Final = "STRUCTGEN_API_KEY"


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """Keys and limits of a server. Times in seconds, sizes in bytes."""

    keys: tuple[str, ...] = ()
    """Keys that open `/v1`; (): it is open to everybody who reaches the address."""
    max_body: int = 8 << 20
    body_seconds: float = 30.0
    """How long a body may take to arrive, and a client to take one piece of an answer."""
    readers: int = 4
    """Bodies that are read at the same time, each in a thread."""


def read_keys(file: Path | None, environment: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """Return the keys in a file, one a line, and in the variable STRUCTGEN_API_KEY. Errors: OptionError."""
    found = [environment.get(KEY_VARIABLE, "").strip()]
    if file is not None:
        try:
            found += map(str.strip, file.read_text(encoding="utf-8").splitlines())
        except (OSError, UnicodeDecodeError) as error:
            raise OptionError(
                f"The file of keys cannot be read: {error}.",
                where="--api-key-file",
                cure="Name a text file with a key on each line.",
            ) from None
        if not any(found[1:]):
            raise OptionError(
                "The file of keys holds none.", where="--api-key-file", cure="Write one a line."
            )
    keys = tuple(one for one in found if one)
    if not all(one.isascii() and one.isprintable() and " " not in one for one in keys):
        raise OptionError(
            "A key has a character that no header can have.", where="API key", cure="Use letters and digits."
        )
    return keys
