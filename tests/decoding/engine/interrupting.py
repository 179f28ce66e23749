"""Exceptions that come at a chosen line of the engine: what a Ctrl-C, or a fault of ours, does there."""

from __future__ import annotations

import ast
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import FrameType
from typing import Any

from nonempty import nonempty

import structgen

PACKAGE = Path(structgen.__file__).parent
FILES = frozenset(
    map(
        str,
        [
            *nonempty((PACKAGE / "decoding" / "engine").rglob("*.py")),
            *nonempty((PACKAGE / "decoding" / "speculation").rglob("*.py")),
            PACKAGE / "machines/core/batch.py",
            PACKAGE / "machines/core/matcher.py",
        ],
    )
)
Place = tuple[str, int]
"""A file and a line."""


class Injected(Exception):
    """What is raised."""


@cache
def _of_with() -> frozenset[Place]:
    """Return the lines of `with` statements. A tracer sees such a line once more when the block is left,
    before the lock is released; the interpreter handles no signal there, so nothing is raised there."""
    found = set()
    for name in FILES:
        for node in ast.walk(ast.parse(Path(name).read_text())):
            if isinstance(node, ast.With | ast.AsyncWith):
                found.add((name, node.lineno))
    return frozenset(found)


class Tracer:
    """Counts how often each line is reached by the threads that it is set in; at one of them, when it is
    reached for the given time (from 0), it raises."""

    def __init__(self, place: Place | None = None, time: int = 0, error: BaseException | None = None) -> None:
        self.place, self.time, self.error = place, time, error
        self.reached: Counter[Place] = Counter()
        self.is_over = False
        self._passed_over = _of_with()

    def __call__(self, frame: FrameType, event: str, arg: Any) -> Any:
        # what is raised in __del__ reaches nobody
        if frame.f_code.co_filename not in FILES or frame.f_code.co_name == "__del__":
            return None
        return self._line

    def _line(self, frame: FrameType, event: str, arg: Any) -> Any:
        if event == "line":
            place = frame.f_code.co_filename, frame.f_lineno
            if place not in self._passed_over:
                self.reached[place] += 1
                if place == self.place and self.reached[place] == self.time + 1 and not self.is_over:
                    self.is_over = True
                    assert self.error is not None
                    raise self.error
        return self._line


@contextmanager
def tracing(tracer: Tracer) -> Iterator[None]:
    before = sys.gettrace()
    sys.settrace(tracer)
    try:
        yield
    finally:
        sys.settrace(before)
