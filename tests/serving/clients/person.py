"""What the clients ask for: a text, and the person that is in it."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel

TEXT = "Ada Lovelace, 36, lives in London."


class Person(BaseModel):
    """A person."""

    name: str
    age: int
    city: Literal["London", "Paris"] | None


ADA = Person(name="Ada Lovelace", age=36, city="London")
