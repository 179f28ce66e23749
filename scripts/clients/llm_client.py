"""The package llm, with its file of models that speak OpenAI's protocol."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from features import (
    ASK,
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

FOLDER = tempfile.mkdtemp()
os.environ["LLM_USER_PATH"] = FOLDER
Path(FOLDER, "extra-openai-models.yaml").write_text(
    f"""\
- model_id: here
  model_name: {MODEL}
  api_base: {V1}
  api_key_name: here
  supports_schema: true
  supports_tools: true
- model_id: here-completion
  model_name: {MODEL}
  api_base: {V1}
  api_key_name: here
  completion: true
"""
)
import llm  # noqa: E402 - it reads the folder


def model(name: str = "here") -> Any:
    found = llm.get_model(name)
    found.key = KEY
    return found


@first_page("`api_base: http://HOST/v1` in `extra-openai-models.yaml`")
def _() -> None:
    assert model().prompt("Ten fun names for a pet pelican", stream=False).text()


@feature("prompt", CHATS)
def _() -> None:
    assert model().prompt(ASK, max_tokens=20, stream=False).text()


@feature("prompt, streamed", CHATS)
def _() -> None:
    assert "".join(model().prompt(ASK, max_tokens=20))


@feature("a completion model", CHATS)
def _() -> None:
    assert model("here-completion").prompt("The sun", max_tokens=20).text()


for stream in (False, True):
    told = ", streamed" if stream else ""

    @feature(f"schema{told}")
    def _(stream: bool = stream) -> None:
        is_ada(model().prompt(TEXT, schema=Person, stream=stream).text())

    @feature(f"tools{told}")
    def _(stream: bool = stream) -> None:
        response = model().prompt(ASK, tools=[weather], max_tokens=60, stream=stream)
        response.text()
        response.execute_tool_calls()
        assert not response.tool_calls() or was_asked(4) is None


@feature("the short form of a schema")
def _() -> None:
    is_ada(model().prompt(TEXT, schema=llm.schema_dsl("name, age int, city")).text())


@feature("a chain with tools", CHATS)
def _() -> None:
    assert (
        model().conversation().chain(ASK, tools=[weather], options={"max_tokens": 60}, chain_limit=3).text()
    )


@feature("a conversation", CHATS)
def _() -> None:
    talk = model().conversation()
    assert talk.prompt(ASK, max_tokens=20).text() and talk.prompt("And in Paris?", max_tokens=20).text()


run()
