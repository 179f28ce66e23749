"""A server in place of an engine: the schema goes along, and what returns is held to it here."""

from __future__ import annotations

import importlib.util
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import HTTPServer
from pathlib import Path
from typing import Annotated, Any

import pytest
from asked import ADA, Person, asked
from openai_server import serving

import structgen as sg
from structgen.doors.typed.remote import LOST


def person_of(model: str, **options: Any) -> Any:
    return asked(Person, "Who is in: {text}", model=model, **options)


def test_the_schema_goes_along_and_an_object_comes_back() -> None:
    with serving(ADA) as server:
        person = person_of(
            server.model, sampling=sg.Sampling(temperature=0.2, seed=4), max_tokens=99, outline=True
        )
        outcome = person.detailed("Ada")
        assert outcome.value == Person(name="Ada", age=36)
        assert (outcome.usage.prompt_tokens, outcome.usage.tokens) == (5, 7)
        (body,) = server.bodies
    assert body["response_format"]["json_schema"]["schema"] == person.schema
    assert body["response_format"]["json_schema"]["strict"] is True
    said = {key: body[key] for key in ("model", "temperature", "seed", "max_tokens")}
    assert said == {"model": "small", "temperature": 0.2, "seed": 4, "max_tokens": 99}
    assert body["messages"][0]["content"].startswith("Who is in: Ada\n\nAnswer in JSON: {name: string")
    assert person.lost == LOST
    assert person.prompt("Ada") == body["messages"][0]["content"]


@pytest.mark.parametrize(
    ("target", "schema"),
    [
        ({"choice": ["red", "blue"]}, {"type": "string", "enum": ["blue", "red"]}),
        ({"regex": "[a-z]{3}"}, {"type": "string", "pattern": "^(?:[a-z]{3})$"}),
    ],
)
def test_a_choice_and_a_pattern_are_sent_as_schemas_of_a_string(target: Any, schema: Any) -> None:
    with serving('{"value": "green"}', '{"value": "red"}') as server:
        outcome = sg.run(server.model, "Which?", target, detailed=True)
        sent = server.bodies[0]["response_format"]["json_schema"]["schema"]
    assert (outcome.value, outcome.result.value, outcome.attempts) == ("red", "red", 2)
    assert sent["properties"]["value"] == schema


def test_a_grammar_that_no_schema_says_is_refused() -> None:
    with serving("x") as server, pytest.raises(sg.errors.UnsupportedError, match="cannot be sent"):
        sg.run(server.model, "Which?", {"grammar": 'root ::= "a" root "b" | "c"'})


def test_a_text_that_a_filter_ended_is_an_error_and_not_asked_for_again() -> None:
    with serving({"content": "", "finish_reason": "content_filter"}) as server:
        with pytest.raises(sg.errors.GenerationError, match="content_filter"):
            person_of(server.model)("Ada")
        assert len(server.bodies) == 1


def test_our_own_patterns_are_checked_here() -> None:
    with serving('{"value": "abc"}', '{"value": "ABC"}') as server:
        code = asked(Annotated[str, sg.Regex("[A-Z]{3}")], model=server.model)
        assert code.detailed().attempts == 2


@pytest.mark.parametrize(
    ("model", "options", "error"),
    [
        ("openai:localhost#x", {}, "names no model"),
        ("openai:http://localhost/v1", {}, "names no model"),
        ("openai:http://h/v1#x", {"sampling": sg.Sampling(top_k=3)}, "top_k"),
    ],
)
def test_what_a_server_does_not_have_is_an_error_at_decoration(
    model: str, options: dict[str, Any], error: str
) -> None:
    with pytest.raises(sg.errors.OptionError, match=error):
        person_of(model, **options)


@pytest.mark.parametrize("text", ["-0", "-0.0", "-0.00", "100.0", "100.00"])
def test_an_integer_is_an_int_however_the_server_writes_it(text: str) -> None:
    for target, value in (({"type": "integer"}, text), (list[int], f"[{text}]")):
        with serving(f'{{"value": {value}}}') as server:
            found = sg.run(server.model, "How many?", target)
        (number,) = found if isinstance(found, list) else (found,)
        assert type(number) is int and number == float(text)


# --- the example server -------------------------------------------------------------------------------------


@dataclass
class Named:
    name: str
    age: int


@pytest.fixture(scope="module")
def model() -> Iterator[str]:
    path = Path(__file__).parents[3] / "examples/openai_server.py"
    spec = importlib.util.spec_from_file_location("example_server", path)
    assert spec is not None and spec.loader is not None
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    with HTTPServer(("127.0.0.1", 0), example.Handler) as host:
        thread = threading.Thread(target=host.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"openai:http://127.0.0.1:{host.server_address[1]}/v1#extract"
        host.shutdown()
        thread.join()


def test_the_example_server_streams(model: str) -> None:
    @sg.generate(model=model)
    def person(text: str) -> Named:
        """Extract the person from: {text}"""
        return sg.filled()

    *parts, last = person.stream("Ada Lovelace is 36 years old.")
    assert len(parts) > 2
    assert last.result == person("Ada Lovelace is 36 years old.")


def test_the_example_server_writes_a_free_text(model: str) -> None:
    assert isinstance(sg.run(model, "Hello", str, max_tokens=4), str)


def test_the_example_server_says_that_a_request_is_refused(model: str) -> None:
    with pytest.raises(sg.errors.GenerationError, match="max_tokens"):
        sg.run(model, "Ada is 36.", Named, max_tokens=1)
