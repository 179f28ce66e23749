"""A typed function, answered by the model that ships with structgen: an object, and how it grew."""

from __future__ import annotations

from pydantic import BaseModel, Field

import structgen as sg


class Person(BaseModel):
    name: str
    age: int = Field(ge=0, le=150)
    city: str


@sg.generate(model="structgen/extract", speculation="off")  # one token a step, so that it grows evenly
def person(text: str) -> Person:
    """Extract the person from: {text}"""
    return sg.filled()


def main() -> None:
    text = "Ada Lovelace, 36, lives in London."
    print(repr(person(text)))
    print("as it grows:")
    seen: object = None
    for partial in person.stream(text):
        if partial.json != seen:
            seen = partial.json
            print("  ", repr(seen))
    print("  ", repr(partial.result))


if __name__ == "__main__":
    main()
