"""`Case`: a grammar with a name, and texts to try on it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import blake2b

import structgen as sg


@dataclass(frozen=True)
class Case:
    """One line of `digests.txt` for each vocabulary."""

    name: str
    """The subject and what is special, such as "schema/enum/mixed"; without blanks."""
    build: Callable[[], sg.Grammar] = field(repr=False)
    """Makes the grammar; an error that it raises is the answer."""
    texts: tuple[str, ...] = ()
    """Texts that are read byte by byte; the first of them is the beginning of the first walk."""
    limits: sg.Limits | None = None
    """Limits for `sg.compile`."""
    vocabularies: tuple[str, ...] = ("bpe", "odd")
    """The names of the vocabularies against which it is compiled."""


def drawn(key: str, below: int) -> int:
    """Return a number from 0 to `below` - 1 that depends on the key alone: the same in every process."""
    return int.from_bytes(blake2b(key.encode(), digest_size=8).digest(), "big") % below
