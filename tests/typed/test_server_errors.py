"""What goes wrong with a server is told with the cure: the status, the key that a reply misses, the place."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from socket import socket
from typing import Any

import pytest

pytest.importorskip("pydantic")
pytest.importorskip("openai")

from asked import asked
from for_each import for_each
from openai_server import serving
from pydantic import BaseModel

import structgen as sg


class Person(BaseModel):
    name: str
    age: int


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


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ('{"name": "Ada"}', '\'}\' cannot come at byte 14, where "," (the key "age" must still come)'),
        ('{"name": "Ada", ', 'it ends too early at byte 16, where the key "age"'),
    ],
)
def test_a_document_that_misses_a_key_is_told_with_its_name(document: str, told: str) -> None:
    with serving(document) as server, pytest.raises(sg.errors.GenerationError) as caught:
        sg.run(server.model, "Ada is 36.", Person, attempts=1)
    assert told in str(caught.value)
