"""A published chat model of 135 million weights, which `make smollm2` installs: a typed function, a stream of
partial objects, a call of a tool."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel

import structgen as sg


class Person(BaseModel):
    name: str
    age: int
    city: str


@sg.generate(model="smollm2")
def sentiment(text: str) -> Literal["positive", "negative"]:
    """Text: {text}
    Sentiment:"""
    return sg.filled()


@sg.generate(model="smollm2", speculation="off")  # one token a step, so that it grows evenly
def person(text: str) -> Person:
    """Extract the person from: {text}"""
    return sg.filled()


def get_weather(city: str, days: int = 1) -> str:
    """Tell the weather of a city."""
    return f"{days} days of sun in {city}"


# the model was trained for no format of calls: one is named, and the prompt shows it
@sg.generate(model="smollm2", tools=[get_weather], tool_choice="required", tool_format="hermes")
def ask(question: str) -> sg.Call:
    """{question}"""
    return sg.filled()


def main() -> None:
    print("a label:", sentiment("The food was delicious and the waiter was very friendly."))
    print("an object as it grows:")
    seen: object = None
    for partial in person.stream("Maria Keller is 34 years old and lives in Hamburg."):
        if partial.json != seen:
            seen = partial.json
            print("  ", repr(seen))
    print("  ", repr(partial.result))
    call = ask("Tell me the weather in Rome for 3 days.")
    print("a call:", call.name, call.value(), "->", get_weather(**call.value()))


if __name__ == "__main__":
    main()
