"""The package magentic."""

import os
from typing import Any

from features import (
    ASK,
    BOTH,
    CHATS,
    KEY,
    MODEL,
    TEXT,
    V1,
    Person,
    feature,
    first_page,
    is_ada,
    run,
    was_asked,
    weather,
)
from magentic import FunctionCall, OpenaiChatModel, StreamedStr, prompt

os.environ |= {"MAGENTIC_OPENAI_API_KEY": KEY, "OPENAI_API_KEY": KEY}


def model(**more: Any) -> Any:
    return OpenaiChatModel(MODEL, base_url=V1, api_key=KEY, **more)


@first_page("`MAGENTIC_OPENAI_BASE_URL=http://HOST/v1`")
def _() -> None:
    os.environ["MAGENTIC_OPENAI_BASE_URL"] = V1

    @prompt('Add more "dude"ness to: {phrase}', max_retries=0)
    def dudeify(phrase: str) -> str: ...

    @prompt("Read the person: {text}")
    def read(text: str) -> Person: ...

    assert dudeify("Hello, how are you?")
    is_ada(read(TEXT))


@feature("a streamed text", CHATS)
def _() -> None:
    @prompt("{text}", model=model(max_tokens=20))
    def answer(text: str) -> StreamedStr: ...

    assert "".join(answer(ASK))


@feature("a model", BOTH)
def _() -> None:
    @prompt("{text}", model=model())
    def read(text: str) -> Person: ...

    is_ada(read(TEXT))


@feature("a list of models", BOTH)
def _() -> None:
    @prompt("{text}", model=model(max_tokens=200))
    def read(text: str) -> list[Person]: ...

    assert all(isinstance(one, Person) for one in read(TEXT))


@feature("a function call", BOTH)
def _() -> None:
    @prompt("{text}", functions=[weather], model=model())
    def answer(text: str) -> FunctionCall[str]: ...

    answer(ASK)()
    was_asked()


run()
