"""What goes wrong with a server is told with the cure: the status, the key that a reply misses, the place."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import socket
from typing import Any

import pytest

pytest.importorskip("pydantic")
pytest.importorskip("openai")

from openai_server import serving
from pydantic import BaseModel

import structgen as sg


class Person(BaseModel):
    name: str
    age: int


@contextmanager
def replying(
    status: int, body: bytes, kind: str = "application/json", promised: int | None = None
) -> Iterator[str]:
    """Yield the name of a model on a server that has one reply for all, of the length `promised`."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            self.send_header("Content-Type", kind)
            if promised is not None:
                self.send_header("Content-Length", str(promised))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as host:
        thread = threading.Thread(target=host.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"openai:http://127.0.0.1:{host.server_address[1]}/v1#small"
        finally:
            host.shutdown()
            thread.join()


@pytest.mark.parametrize(
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
def test_the_cure_is_that_of_the_status(status: int, cure: str) -> None:
    with (
        replying(status, b'{"error": {"message": "no"}}') as model,
        pytest.raises(sg.errors.GenerationError) as caught,
    ):
        sg.run(model, "Ada is 36.", Person)
    assert cure in caught.value.cure and str(caught.value).endswith(caught.value.cure)


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


def sent(said: Any) -> tuple[bytes, str]:
    if isinstance(said, str):
        return said.encode(), "text/html" if said.startswith("<") else "text/plain"
    return json.dumps(said).encode(), "application/json"


@pytest.mark.parametrize("status", [400, 401, 404, 422, 429, 500, 200])
@pytest.mark.parametrize("said", WORDS, ids=repr)
def test_the_words_of_a_refusal_are_told(status: int, said: Any) -> None:
    if status == 200 and isinstance(said, list):
        pytest.skip("openai makes no object of a list")
    with replying(status, *sent(said)) as model, pytest.raises(sg.errors.GenerationError) as caught:
        sg.run(model, "Ada is 36.", Person, attempts=1)
    assert str(caught.value).count("the words") == 1
    if "top_j" in str(said):
        assert "body/top_j: the words" in str(caught.value)


@pytest.mark.parametrize("is_stream", [False, True])
@pytest.mark.parametrize("said", [one for one in WORDS if isinstance(one, dict)], ids=repr)
def test_an_error_in_place_of_a_stream_or_in_one_is_told(said: Any, is_stream: bool) -> None:
    data, kind = sent(said)
    if is_stream:
        if "error" in said and "message" in said:
            pytest.skip("openai keeps the member error alone")
        data, kind = b"data: " + data + b"\n\n", "text/event-stream"

    with replying(200, data, kind) as model:

        @sg.generate(model=model)
        def person(text: str) -> Person:
            return sg.filled(text)

        with pytest.raises(sg.errors.GenerationError, match="the words"):
            list(person.stream("Ada is 36."))


@pytest.mark.parametrize("said", ["", {}, {"error": None}, {"error": {}}, [1], {"detail": [[]]}], ids=repr)
def test_a_refusal_without_words_is_told_as_such(said: Any) -> None:
    with replying(400, *sent(said)) as model, pytest.raises(sg.errors.GenerationError) as caught:
        sg.run(model, "Ada is 36.", Person)
    assert caught.value.cure == "The server does not take this request, and does not say why: see its log."


def test_long_words_and_deep_ones_are_cut() -> None:
    deep: Any = "the words"
    for _ in range(300):
        deep = {"error": deep}
    for said in (deep, {"error": "x" * 10**6}):
        with replying(400, *sent(said)) as model, pytest.raises(sg.errors.GenerationError) as caught:
            sg.run(model, "Ada is 36.", Person)
        assert len(str(caught.value)) < 900


@pytest.mark.parametrize("shape", ["error", "detail", "pydantic"])
def test_a_field_that_is_refused_in_any_shape_is_left_out(shape: str) -> None:
    told = "seed: extra inputs are not permitted"
    place = [{"loc": ["body", "seed"], "msg": "Extra inputs are not permitted"}]
    said = {"error": {"error": told}, "detail": {"detail": told}, "pydantic": {"detail": place}}[shape]
    with (
        replying(422, *sent(said)) as model,
        pytest.warns(UserWarning, match="takes no seed"),
        pytest.raises(sg.errors.GenerationError),
    ):
        sg.run(model, "Ada is 36.", Person, sampling=sg.Sampling(seed=3))


def test_a_server_that_is_not_there_is_told_as_such() -> None:
    with replying(200, b"{}") as model:
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


@pytest.mark.parametrize(
    ("reply", "kind", "missing"),
    [
        ({}, "application/json", "no choices."),
        ({"choices": []}, "application/json", r"no choices\[0\]\."),
        ({"choices": [{"finish_reason": "stop"}]}, "application/json", r"no choices\[0\]\.message\."),
        ("<html>", "text/html", "no choices."),
    ],
)
def test_a_reply_that_misses_a_key_is_told_with_its_name(reply: Any, kind: str, missing: str) -> None:
    body = reply.encode() if isinstance(reply, str) else json.dumps(reply).encode()
    with replying(200, body, kind) as model, pytest.raises(sg.errors.GenerationError, match=missing):
        sg.run(model, "Ada is 36.", Person)


@pytest.mark.parametrize(
    ("reply", "kind", "what"),
    [
        (b"<html>", "text/html", "has no finish_reason"),
        (b"data: {\n\n", "text/event-stream", "is not JSON"),
        (b'data: {"choices": []}\n\n', "text/event-stream", "has no finish_reason"),
    ],
)
def test_a_stream_that_is_none_is_told(reply: bytes, kind: str, what: str) -> None:
    with replying(200, reply, kind) as model, pytest.raises(sg.errors.GenerationError, match=what) as caught:

        @sg.generate(model=model)
        def person(text: str) -> Person:
            return sg.filled(text)

        list(person.stream("Ada is 36."))
    assert caught.value.cure.endswith("it mostly ends in /v1.")


def test_one_object_in_place_of_a_stream_is_told() -> None:
    reply = b'{"choices": [{"message": {"content": "{}"}, "finish_reason": "stop"}]}'
    with replying(200, reply) as model:

        @sg.generate(model=model)
        def person(text: str) -> Person:
            return sg.filled(text)

        with pytest.raises(
            sg.errors.GenerationError, match="did not stream: it answered with one object"
        ) as caught:
            list(person.stream("Ada is 36."))
    assert caught.value.cure.startswith("Call the function itself")


def test_a_stream_that_breaks_off_is_an_error_with_its_cause() -> None:
    with replying(200, b"data: {}\n\n", "text/event-stream", promised=999) as model:

        @sg.generate(model=model)
        def person(text: str) -> Person:
            return sg.filled(text)

        with pytest.raises(sg.errors.GenerationError, match="The server failed: "):
            list(person.stream("Ada is 36."))


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
