"""Typed functions of any type, made in one call: each has one parameter, which its prompt may name."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

import structgen as sg

ADA = '{"name": "Ada", "age": 36}'


class Person(BaseModel):
    name: str
    age: int


def asked(hint: Any, prompt: str = "{text}", **options: Any) -> Any:
    """Return a typed function of a type, whose docstring is the prompt."""

    def found(text: str = "x") -> Any:
        return sg.filled()

    found.__doc__, found.__annotations__["return"] = prompt, hint
    return sg.generate(**options)(found)


def awaited(hint: Any, prompt: str = "{text}", **options: Any) -> Any:
    """Return a typed coroutine function of a type."""

    async def found(text: str = "x") -> Any:
        return sg.filled()

    found.__doc__, found.__annotations__["return"] = prompt, hint
    return sg.generate(**options)(found)


async def listed(stream: Any) -> list[Any]:
    """Return what an asynchronous stream gives, in a list."""
    return [one async for one in stream]
