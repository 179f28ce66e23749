"""Which fields a request has: what the options say, and what a server was found to take."""

from __future__ import annotations

import asyncio
import json
import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from socket import socket
from typing import Any

import pytest
from asked import ADA, Person, asked, awaited, listed
from for_each import for_each
from openai_server import Server, serving
from pydantic import BaseModel

import structgen as sg

FIELDS = ("max_tokens", "max_completion_tokens", "temperature", "seed", "response_format")
OPENAI_TOKENS = (
    "Unsupported parameter: 'max_tokens' is not supported with this model. "
    "Use 'max_completion_tokens' instead."
)
OPENAI_TEMPERATURE = (
    "Unsupported value: 'temperature' does not support 0 with this model. "
    "Only the default (1) value is supported."
)


def refusing(refused: Mapping[str, Any], answer: Any = ADA) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Return an answer to a body: the error of the first field in it that is refused, or `answer`."""

    def said(body: dict[str, Any]) -> dict[str, Any]:
        for field, error in refused.items():
            if field in body:
                found = error if isinstance(error, dict) else {"message": error}
                return {"status": found.get("status", 400), "error": found}
        return {"content": answer}

    return said


def fields(body: Mapping[str, Any]) -> set[str]:
    return {field for field in FIELDS if field in body}


def ask(server: Server, target: Any = Person, **options: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return sg.run(server.model, "Who?", target, **options)


@pytest.mark.parametrize(
    ("refused", "left"),
    [
        (
            {
                "max_tokens": {
                    "message": OPENAI_TOKENS,
                    "param": "max_tokens",
                    "code": "unsupported_parameter",
                }
            },
            4,
        ),
        ({"max_tokens": OPENAI_TOKENS}, 4),
        ({"max_tokens": "max_tokens: Extra inputs are not permitted"}, 4),
        ({"max_tokens": OPENAI_TOKENS, "temperature": OPENAI_TEMPERATURE}, 3),
        ({"temperature": {"message": "Wrong.", "param": "temperature", "code": "unsupported_value"}}, 3),
        ({"temperature": "`temperature` is deprecated for this model."}, 3),
        ({"seed": "Unrecognized request argument supplied: seed"}, 3),
        ({"seed": {"status": 422, "message": "body.seed: Extra inputs are not permitted"}}, 3),
        ({"response_format": "'response_format' of type 'json_schema' is not supported with this model."}, 3),
        ({"response_format": "This response_format type is unavailable now"}, 3),
        ({"response_format": {"message": "Wrong.", "param": "response_format.type"}}, 3),
        ({field: f"{field} is not supported" for field in FIELDS}, 0),
    ],
    ids=str,
)
def test_a_field_that_a_refusal_names_is_not_sent_a_second_time(refused: dict[str, Any], left: int) -> None:
    with serving(refusing(refused)) as server:
        assert ask(server) == ask(server) == Person(name="Ada", age=36)
        *tried, first, second = server.bodies
    assert fields(first) == fields(second) and len(fields(second)) == left
    assert len(tried) == len(refused)


@pytest.mark.parametrize(
    "message",
    [
        "max_tokens is too large: 512. This model supports at most 100.",
        "temperature must be at most 1.",
        "The prompt has an unsupported character.",
        "Unknown model 'small'.",
        None,
    ],
)
def test_a_refusal_that_names_no_field_as_unknown_is_an_error_at_once(message: str | None) -> None:
    with serving({"status": 400, "error": {"message": message}}) as server:
        said = "its message says which part" if message else "does not say why"
        with pytest.raises(sg.errors.GenerationError, match=said):
            ask(server)
        assert len(server.bodies) == 1


def test_a_model_whose_name_is_that_of_a_field_is_not_mistaken_for_it() -> None:
    with serving({"status": 400, "error": {"message": "Unknown model 'seed'."}}) as server:
        model = sg.Server(server.url, "seed")
        with pytest.raises(sg.errors.GenerationError):
            sg.run(model, "Who?", Person)
        assert len(server.bodies) == 1


def test_what_is_left_out_is_told_once_with_the_option_and_a_new_name_is_not_told() -> None:
    refused = {"max_tokens": OPENAI_TOKENS, "temperature": OPENAI_TEMPERATURE}
    with serving(refusing(refused)) as server, warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        for _ in range(2):
            sg.run(server.model, "Who?", Person)
    (one,) = [str(warning.message) for warning in told if "left out" in str(warning.message)]
    assert "takes no temperature" in one and "'small', leave_out='temperature')" in one


@pytest.mark.parametrize("how", ["stream", "coroutine", "batch"])
def test_streams_coroutines_and_batches_send_again_as_calls_do(how: str) -> None:
    async def both(later: Any) -> list[Any]:
        return [await later("x"), (await listed(later.stream("x")))[-1].result]

    refused = {"max_tokens": OPENAI_TOKENS, "seed": "seed is not supported"}
    with serving(refusing(refused)) as server, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        person = asked(Person, model=server.model)
        match how:
            case "stream":
                found = [list(person.stream("x"))[-1].result]
            case "coroutine":
                found = asyncio.run(both(awaited(Person, model=server.model)))
            case _:
                found = person.batch(["a", "b", "c"])
    assert found == [Person(name="Ada", age=36)] * len(found)


def test_a_schema_that_is_not_taken_stands_in_the_prompt() -> None:
    message = "This model does not support response format `json_schema`."
    with serving(refusing({"response_format": message}, '["S"]')) as server:
        assert ask(server, list[str]) == ["S"]
        sent = server.bodies[0]["response_format"]["json_schema"]["schema"]
        said = server.bodies[1]["messages"][0]["content"]
    assert said.startswith("Who?\n\nAnswer with one JSON document of this JSON Schema")
    assert sg.json_schema(said.rpartition("\n")[2]) == sg.json_schema(sent)


def test_a_schema_that_is_refused_by_itself_does_not_cost_the_others_their_field() -> None:
    def answer(body: dict[str, Any]) -> dict[str, Any]:
        if "price" in str(body.get("response_format")):
            return {"status": 400, "error": {"message": "Invalid schema for response_format 'answer'."}}
        return {"content": '{"price": 3}' if "price" in str(body["messages"]) else ADA}

    class Bill(BaseModel):
        price: int

    with serving(answer) as server:
        assert ask(server, Bill) == Bill(price=3)
        ask(server), ask(server, Bill)
        assert ["response_format" in body for body in server.bodies] == [True, False, True, False]


def test_after_a_reply_that_broke_its_schema_the_schema_is_in_the_prompts_too() -> None:
    with serving('{"name": "Ada"}', ADA) as server:
        ask(server), ask(server)
        first, second, third = server.bodies
    assert "JSON Schema" not in str(first["messages"])
    for body in (second, third):
        assert "of this JSON Schema" in body["messages"][0]["content"] and "response_format" in body


def test_without_an_outline_no_prompt_has_the_schema() -> None:
    with serving('{"name": "Ada"}', ADA) as server:
        ask(server, outline=False)
        assert "JSON Schema" not in str(server.bodies[1]["messages"])


def test_a_prompt_in_parts_gets_the_schema_as_a_part() -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
    with serving(ADA) as server:
        model = sg.Server(server.url, "small", leave_out="response_format")
        sg.run(model, [{"role": "user", "content": [image]}], Person)
        (body,) = server.bodies
    assert body["messages"][0]["content"][0] == image
    assert "of this JSON Schema" in body["messages"][0]["content"][1]["text"]


@pytest.mark.parametrize(
    ("options", "left"),
    [
        ({}, {"max_tokens", "temperature", "seed", "response_format"}),
        ({"leave_out": "max_tokens"}, {*FIELDS[1:]}),
        ({"leave_out": FIELDS[:2]}, {"temperature", "seed", "response_format"}),
        ({"leave_out": ["temperature", "seed"]}, {"max_tokens", "response_format"}),
        ({"leave_out": "response_format"}, {"max_tokens", "temperature", "seed"}),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "fields",
)
def test_the_options_say_what_is_sent(options: dict[str, Any], left: set[str]) -> None:
    with serving('{"name": 1}', ADA) as server:
        model = sg.Server(server.url, "small", **options)
        assert sg.run(model, "Who?", Person) == Person(name="Ada", age=36)
        assert [fields(body) for body in server.bodies] == [left, left]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"leaves_out": "seed"}, "no option 'leaves_out'. Write leave_out"),
        ({"max_tokens_field": None}, "no option 'max_tokens_field'. Write leave_out=\"max_tokens\""),
        ({"leave_out": "top_p"}, "leave_out='top_p'. Choose from max_tokens"),
        ({"leave_out": 5}, "leave_out: 5 is not allowed"),
        ({"url": "localhost:8000"}, "url: 'localhost:8000' is no address"),
        ({"name": ""}, "name: '' is not allowed"),
    ],
)
def test_a_wrong_option_of_a_server_is_told_by_name(options: dict[str, Any], told: str) -> None:
    with pytest.raises(sg.errors.OptionError, match=told):
        sg.Server(**{"url": "http://h/v1", "name": "m", **options})
    with pytest.raises(sg.errors.OptionError, match=r"Write sg\.Server\("):
        sg.Server("http://h/v1")


@pytest.mark.parametrize(
    ("server", "options", "told"),
    [
        ({"leave_out": "temperature"}, {"sampling": sg.Sampling(temperature=0.5)}, "^temperature: "),
        ({"leave_out": "seed"}, {"sampling": sg.Sampling(temperature=0.0, seed=4)}, "^seed: "),
        ({"leave_out": FIELDS[:2]}, {"max_tokens": 9}, "^max_tokens: "),
    ],
)
def test_what_is_asked_for_and_left_out_is_a_contradiction(
    server: dict[str, Any], options: dict[str, Any], told: str
) -> None:
    with pytest.raises(sg.errors.OptionError, match=told):
        sg.run(sg.Server("http://h/v1", "m", **server), "Who?", Person, **options)


# --- what goes wrong with a server --------------------------------------------------------------------------


WHOLE = {"choices": [{"message": {"content": "{}"}, "finish_reason": "stop"}]}
WORDS: list[Any] = [
    {"error": {"message": "the words", "type": "x", "param": None, "code": None}},
    {"error": "the words"},
    {"error": "Bad Request", "message": "the words", "statusCode": 400},
    {"error": True, "message": "the words"},
    {"detail": "the words"},
    {"detail": [{"type": "missing", "loc": ["body", "top_j"], "msg": "the words", "input": {}}]},
    {"detail": {"error": {"message": "the words"}}},
    {"object": "error", "message": "the words", "code": 40001},
    {"errors": [{"message": "the words"}, {"message": "and others"}]},
    [{"error": {"message": "the words", "code": 400}}],
    "the words",
    "<html><head><title>400</title></head><body><p>the\nwords</p></body></html>",
]


JSON, EVENTS, HTML = "application/json", "text/event-stream", "text/html"


@contextmanager
def replying(status: int, said: Any, kind: str = "", **more: str) -> Iterator[str]:
    """Yield the name of a model on a server that has one reply for all: a text, or a value as JSON."""
    if isinstance(said, str):
        kind = kind or (HTML if said.startswith("<") else "text/plain")
    raw = said if isinstance(said, str) else json.dumps(said)
    with serving({"status": status, "raw": raw.encode(), "kind": kind or JSON, **more}) as server:
        yield server.model


def refusal(status: int, said: Any, kind: str = "", is_stream: bool = False, **more: str) -> Any:
    """Return the error of a call, or of a stream."""
    with replying(status, said, kind, **more) as model, pytest.raises(sg.errors.GenerationError) as caught:
        if is_stream:
            list(asked(Person, model=model).stream("Ada is 36."))
        else:
            sg.run(model, "Ada is 36.", Person, attempts=1)
    return caught.value


@for_each(
    ("status", "cure"),
    [
        (404, "which mostly ends in /v1, and the model's name 'small': curl http"),
        (401, "OPENAI_API_KEY"),
        (403, "OPENAI_API_KEY"),
        (400, "its message says which part"),
        (422, "its message says which part"),
        (429, "ask for fewer texts at a time"),
        (500, "See the server's log."),
    ],
)
def test_the_words_and_the_cure_are_those_of_the_status(status: int, cure: str) -> None:
    error = refusal(status, {"error": {"message": "the words"}})
    assert cure in error.cure and str(error).endswith(error.cure) and "the words" in str(error)


@for_each("status", [400, 200])
@for_each("said", WORDS)
def test_the_words_of_a_refusal_are_told_in_any_shape(said: Any, status: int) -> None:
    if status == 200 and isinstance(said, list):
        return  # openai makes no object of a list
    told = str(refusal(status, said))
    assert told.count("the words") == 1
    if "top_j" in str(said):
        assert "body/top_j: the words" in told


@for_each("said", [one for one in WORDS if isinstance(one, dict)])
def test_an_error_in_place_of_a_stream_or_in_one_is_told(said: Any) -> None:
    assert "the words" in str(refusal(200, said, is_stream=True))
    if not ("error" in said and "message" in said):  # openai keeps the member error alone
        assert "the words" in str(refusal(200, f"data: {json.dumps(said)}\n\n", EVENTS, is_stream=True))


@for_each("said", ["", {}, {"error": None}, {"error": {}}, [1], {"detail": [[]]}])
def test_a_refusal_without_words_is_told_as_such(said: Any) -> None:
    told = "The server does not take this request, and does not say why: see its log."
    assert refusal(400, said).cure == told
    assert "mostly ends in /v1" in refusal(404, said).cure


def test_long_words_and_deep_ones_are_cut() -> None:
    deep: Any = "the words"
    for _ in range(300):
        deep = {"error": deep}
    for said in (deep, {"error": "x" * 10**6}):
        assert len(str(refusal(400, said))) < 900


@pytest.mark.parametrize("shape", ["error", "detail", "pydantic"])
def test_a_field_that_is_refused_in_any_shape_is_left_out(shape: str) -> None:
    told = "seed: extra inputs are not permitted"
    place = [{"loc": ["body", "seed"], "msg": "Extra inputs are not permitted"}]
    said = {"error": {"error": told}, "detail": {"detail": told}, "pydantic": {"detail": place}}[shape]
    with (
        replying(422, said) as model,
        pytest.warns(UserWarning, match="takes no seed"),
        pytest.raises(sg.errors.GenerationError),
    ):
        sg.run(model, "Ada is 36.", Person, sampling=sg.Sampling(seed=3))


def test_a_server_that_is_not_there_is_told_as_such() -> None:
    with replying(200, {}) as model:
        pass
    with pytest.raises(sg.errors.GenerationError) as caught:
        sg.run(model, "Ada is 36.", Person)
    assert "Check that the server runs" in caught.value.cure


def test_a_server_that_says_nothing_in_time() -> None:
    with socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        model = f"openai:http://127.0.0.1:{listening.getsockname()[1]}/v1#small"
        with pytest.raises(sg.errors.GenerationError) as caught:
            sg.run(model, "Ada is 36.", Person, timeout=0.05, attempts=1)
    assert "timed out" in caught.value.what
    assert caught.value.cure.startswith("Raise timeout=")


@for_each(
    ("said", "kind", "is_stream", "what", "cure"),
    [
        ({}, "", False, "no choices.", ""),
        ({"choices": []}, "", False, r"no choices\[0\]\.", ""),
        ({"choices": [{"finish_reason": "stop"}]}, "", False, r"no choices\[0\]\.message\.", ""),
        ("<html>", "", False, "no choices.", ""),
        ("<html>", "", True, "has no finish_reason", "it mostly ends in /v1."),
        ("data: {\n\n", EVENTS, True, "is not JSON", "it mostly ends in /v1."),
        ('data: {"choices": []}\n\n', EVENTS, True, "has no finish_reason", "it mostly ends in /v1."),
        (WHOLE, "", True, "did not stream: it answered with one object", "Call the function itself"),
    ],
)
def test_a_reply_or_a_stream_that_is_none_is_told(
    said: Any, kind: str, is_stream: bool, what: str, cure: str
) -> None:
    error = refusal(200, said, kind, is_stream)
    assert re.search(what, str(error)) and cure in error.cure


def test_a_stream_that_breaks_off_is_an_error_with_its_cause() -> None:
    assert "The server failed: " in str(refusal(200, "data: {}\n\n", EVENTS, True, promised="999"))


def test_a_stream_tells_a_wrong_option_as_itself_and_keeps_its_text_before_an_error() -> None:
    chunk = {"choices": [{"index": 0, "delta": {"content": ADA[:9]}}]}
    events = "".join(f"data: {json.dumps(one)}\n\n" for one in (chunk, {"detail": "the words"}))
    assert refusal(200, events, EVENTS, is_stream=True).text == ADA[:9]
    with replying(200, events, EVENTS) as model, pytest.raises(sg.errors.GenerationError, match=r"^stop: "):
        list(asked(Person, model=model, stop=".").stream("Ada is 36."))
