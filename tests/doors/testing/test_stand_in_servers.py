"""`sg.testing.server`: a server of HTTP that says given texts through the mask, and fails as servers do."""

from __future__ import annotations

import json
import re
import socket
import sys
import threading
from typing import Any, Literal

import pydantic
import pytest
from for_each import for_each

import structgen as sg
from structgen.testing import Failure, ScriptError, server

openai = pytest.importorskip("openai")
anthropic = pytest.importorskip("anthropic")
pytest.importorskip("uvicorn")


class Pet(pydantic.BaseModel):
    """An animal."""

    name: str
    legs: int


REX = Pet(name="Rex", legs=4)
ASKED: Any = [{"role": "user", "content": "Rex has 4 legs."}]


@pytest.fixture(autouse=True)
def _no_leftovers(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A key for Anthropic's client; and no thread or port may be left over."""
    monkeypatch.setenv("ANTHROPIC_API_KEY", "none")
    before = set(threading.enumerate())
    yield
    assert [one.name for one in threading.enumerate() if one not in before and one.is_alive()] == []


def client_of(url: Any, retries: int = 0) -> Any:
    return openai.OpenAI(base_url=url, api_key="none", max_retries=retries)


def test_both_protocols_of_typed_calls_have_the_object() -> None:
    with server([REX, {"legs": 4, "name": "Rex"}]) as url:
        assert sg.run(url.model, "Rex has 4 legs.", Pet) == REX
        assert sg.run(url.claude, "Rex has 4 legs.", Pet) == REX
    assert ["Rex has 4 legs." in json.dumps(body) for body in url.requests] == [True, True]
    assert "response_format" in url.requests[0] and url.requests[1]["tool_choice"]["type"] == "tool"


VALUES: list[tuple[Any, Any]] = [
    (3.0, float),
    ("red", sg.choice(["red", "blue"])),
    ("aab", re.compile("a*b")),
    ("red", Literal["red", "blue"]),
    ([REX], list[Pet]),
    (None, int | None),
    ("5", str),
    (5, Pet | int),
]


def test_both_protocols_have_values_that_are_no_objects() -> None:
    with server([reply for reply, _ in VALUES for _ in range(2)]) as url:
        for reply, target in VALUES:
            assert sg.run(url.model, "?", target) == reply
            assert sg.run(url.claude, "?", target) == reply


def test_an_object_beside_tools_is_the_answer_in_both_protocols() -> None:
    def look(city: str) -> None:
        """Look at the sky."""

    with server([REX, REX]) as url:
        for model in (url.model, url.claude):
            assert sg.run(model, "?", Pet | sg.Call, tools=[look]) == REX


def test_clients_of_both_protocols_have_texts_streams_and_calls() -> None:
    tool = {"name": "feed", "parameters": {"type": "object", "properties": {"name": {"type": "string"}}}}
    with server(["Hello.", sg.Call("feed", {"name": "Rex"}, "call_0"), "In pieces.", "Claude."]) as url:
        client = client_of(url)
        ask = client.chat.completions.create
        assert ask(model="gpt-5", messages=ASKED).choices[0].message.content == "Hello."
        said = ask(model="gpt-5", messages=ASKED, tools=[{"type": "function", "function": tool}])
        (call,) = said.choices[0].message.tool_calls
        assert (call.function.name, json.loads(call.function.arguments)) == ("feed", {"name": "Rex"})
        pieces = ask(model="gpt-5", messages=ASKED, stream=True)
        assert "".join(one.choices[0].delta.content or "" for one in pieces) == "In pieces."
        claude = anthropic.Anthropic(base_url=url.root, api_key="none")
        said = claude.messages.create(model="claude", max_tokens=50, messages=ASKED)
        assert said.content[0].text == "Claude."


def test_wrong_bodies_take_no_reply_or_are_told_by_the_application() -> None:
    with server(["x", "y", "z"]) as url:
        post = client_of(url).post
        for body in (
            {"messages": ASKED, "tools": 3},
            {"messages": ASKED, "tools": [{"function": 3}]},
            {"messages": ASKED, "tool_choice": "any", "tools": [{}]},
        ):
            with pytest.raises(openai.BadRequestError, match="tools"):
                post("/chat/completions", body=body, cast_to=object)
        with pytest.raises(openai.BadRequestError):
            post("/chat/completions", body=[1], cast_to=object)
    assert len(url.requests) == 3


@for_each("reply", [object(), KeyboardInterrupt(), lambda _prompt: sys.exit(1)])
def test_a_reply_for_no_client_fails_the_block_and_the_server_goes_on(reply: Any) -> None:
    tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
    with pytest.raises((sg.errors.OptionError, SystemExit)), server([reply, "well"]) as url:
        post = client_of(url).post
        with pytest.raises(openai.APIStatusError, match="417"):
            body = {"messages": ASKED, "tools": [tool], "tool_choice": "required"}
            post("/chat/completions", body=body, cast_to=object)
        assert sg.run(url.model, "?") == "well"


def test_retries_of_a_client_meet_the_next_reply() -> None:
    with server([Failure(status=429, retry_after=0, message="Slowly."), "ok"]) as url:
        found = client_of(url, retries=1).chat.completions.create(model="x", messages=ASKED)
        assert found.choices[0].message.content == "ok"
    assert len(url.requests) == 2


def test_a_status_has_its_message_and_header_in_both_protocols() -> None:
    with server([Failure(status=429, retry_after=7, message="Slowly."), Failure(status=529)]) as url:
        with pytest.raises(openai.RateLimitError, match="Slowly") as told:
            client_of(url).chat.completions.create(model="x", messages=ASKED)
        assert told.value.response.headers["retry-after"] == "7"
        claude = anthropic.Anthropic(base_url=url.root, api_key="none", max_retries=0)
        with pytest.raises(anthropic.InternalServerError, match="overloaded_error"):
            claude.messages.create(model="claude", max_tokens=50, messages=ASKED)


def test_a_slow_answer_is_a_timeout_and_the_server_ends_at_once() -> None:
    with server([Failure(delay=3600)]) as url, pytest.raises(openai.APITimeoutError):
        client_of(url).chat.completions.create(model="x", messages=ASKED, timeout=0.2)


def test_a_cut_stream_breaks_off_behind_its_first_pieces() -> None:
    with server([Failure(reply="A long answer of many words.", cut=700)]) as url:
        found = []
        with pytest.raises(openai.APIConnectionError):
            for piece in client_of(url).chat.completions.create(model="x", messages=ASKED, stream=True):
                found.append(piece.choices[0].delta.content or "")
    assert "A long answer of many words.".startswith("".join(found)) and found


def test_a_form_that_the_server_breaks_is_asked_for_again() -> None:
    with server([Failure(reply='{"name": "Rex", "legs": "four"}', unchecked=True), REX]) as url:
        assert sg.run(url.model, "Rex has 4 legs.", Pet, attempts=2) == REX
    assert "refused" in json.dumps(url.requests[1])


def test_a_forbidden_reply_is_told_to_the_client_and_at_the_end() -> None:
    place, reply = "at line 1, column 25", '{"name": "Rex", "legs": "four"}'
    with pytest.raises(ScriptError, match=place), server([reply]) as url:
        told = sg.run(url.model, "Rex has 4 legs.", Pet, detailed=True).error
        assert place in str(told)


def test_too_few_and_too_many_replies_are_told_at_the_end() -> None:
    with pytest.raises(ScriptError, match=r"request 2.*Rex"), server(["one"]) as url:
        ask = client_of(url).chat.completions.create
        ask(model="x", messages=ASKED)
        with pytest.raises(openai.APIStatusError, match="has none"):
            ask(model="x", messages=ASKED)
    with pytest.raises(ScriptError, match=r"1 of the replies.*replies\[0\] 'one'"), server(["one"]):
        pass


def test_the_port_is_closed_at_the_end_also_behind_an_error() -> None:
    with pytest.raises(KeyError), server(["one"]) as url:
        raise KeyError
    with pytest.raises(OSError), socket.create_connection(("127.0.0.1", int(url.root.rpartition(":")[2]))):
        pass


def test_a_dict_sees_the_texts_of_messages() -> None:
    with server({"Rex": "dog", "Tom": Failure(status=500)}) as url:
        ask = client_of(url).chat.completions.create
        with pytest.raises(openai.InternalServerError):
            ask(model="x", messages=[{"role": "user", "content": [{"type": "text", "text": "Tom?"}]}])
        assert ask(model="x", messages=ASKED).choices[0].message.content == "dog"


@for_each(
    "given",
    [
        {},
        {"cut": 3},
        {"unchecked": True},
        {"retry_after": 1},
        {"status": 500, "reply": "x"},
        {"status": 200},
        {"status": 429, "cut": 3},
        {"status": 429, "unchecked": True},
    ],
)
def test_a_failure_that_says_too_little_or_too_much_is_refused(given: Any) -> None:
    with pytest.raises(sg.errors.OptionError):
        Failure(**given)


def test_an_assertion_in_a_function_of_replies_fails_the_block() -> None:
    def reply(prompt: str) -> str:
        assert "Tom" in prompt, "it asks about Tom"
        return "x"

    with pytest.raises(AssertionError, match="about Tom"), server(reply) as url:
        assert sg.run(url.model, "Rex?", detailed=True).error is not None
