"""What a schema that was made to be hard is, and how its texts are written."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Json = Any


@dataclass(frozen=True)
class Hostile:
    """A schema with texts that are documents, and texts that are no beginning of one or none at all."""

    name: str
    make: Callable[[], Json]
    good: Callable[[], tuple[str, ...]]
    bad: Callable[[], tuple[str, ...]]


def dumps(*values: Json) -> tuple[str, ...]:
    return tuple(json.dumps(value) for value in values)


def nested(depth: int, wrap: Callable[[Json], Json], inner: Json) -> Json:
    found = inner
    for _ in range(depth):
        found = wrap(found)
    return found
