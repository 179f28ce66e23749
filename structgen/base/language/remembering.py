"""Methods whose answers are remembered by what was asked."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TypeVar, TypeVarTuple

S = TypeVar("S")
A = TypeVar("A")
Arguments = TypeVarTuple("Arguments")


def remember_answers(answer: Callable[[S, *Arguments], A]) -> Callable[[S, *Arguments], A]:
    """Return a method whose answers its object remembers, by the arguments; an error is none. Cost: 0.2 us
    where the answer is known."""
    name = f"remembered {answer.__name__}"

    @wraps(answer)
    def answer_from_memory(self: S, /, *arguments: *Arguments) -> A:
        # In the object's own dict: the answers go when the object goes. `get` first, since it makes no dict.
        answers: dict[object, A] = self.__dict__.get(name) or self.__dict__.setdefault(name, {})
        if arguments not in answers:
            answers[arguments] = answer(self, *arguments)
        return answers[arguments]

    return answer_from_memory
