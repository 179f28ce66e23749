"""What stands for a worker process in tests of laws: to fork a large process takes longer than an answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class InThisProcess:
    """Answers at once, in this process; an error of the answer is raised."""

    is_running = True

    def __init__(self, answer: Callable[..., Any], *_: object, **__: object) -> None:
        self._answer = answer

    def call_function(self, arguments: tuple[Any, ...], *_: object) -> Any:
        return self._answer(*arguments)

    def end(self) -> None:
        pass
