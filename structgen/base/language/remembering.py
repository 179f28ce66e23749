"""Methods whose answers are remembered by what was asked."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TypeVar, TypeVarTuple

S = TypeVar("S")
A = TypeVar("A")
Asked = TypeVarTuple("Asked")


def remembered(answer: Callable[[S, *Asked], A]) -> Callable[[S, *Asked], A]:
    """Return a method whose answers its object remembers, by the arguments; an error is none. Cost: 0.2 us
    where the answer is known."""
    name = f"remembered {answer.__name__}"

    @wraps(answer)
    def known(self: S, /, *asked: *Asked) -> A:
        answers: dict[object, A] = self.__dict__.get(name) or self.__dict__.setdefault(name, {})
        if asked not in answers:
            answers[asked] = answer(self, *asked)
        return answers[asked]

    return known
