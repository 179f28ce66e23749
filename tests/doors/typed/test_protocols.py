"""`ollama:NAME` and `anthropic:NAME`: servers of other protocols, each held to a stand-in of its own."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from asked import ADA, Person, asked, awaited, listed
from command_line import commanded
from openai_server import serving
from pydantic import BaseModel, TypeAdapter

import structgen as sg
from structgen.doors.typed import servers
from structgen.doors.typed.servers import server_of

anthropic = pytest.importorskip("anthropic")
WEATHER = sg.Tool(
    "weather",
    "Tells it.",
    {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
)
ADA_SAID = {"type": "tool_use", "id": "toolu_1", "name": "answer", "input": json.loads(ADA)}
ASKED = {"type": "tool_use", "id": "toolu_2", "name": "weather", "input": {"city": "Oslo"}}
TOLD = {"type": "text", "text": "So."}


def events(answer: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield a message as the events of a stream, as Anthropic's page on streaming shows them."""
    yield {"type": "message_start", "message": {**answer, "content": [], "stop_reason": None}}
    yield {"type": "ping"}
    for index, block in enumerate(answer["content"] or ()):
        member = {"text": "text", "thinking": "thinking"}.get(block["type"], "input")
        begun = {**block, member: {} if member == "input" else ""}
        yield {"type": "content_block_start", "index": index, "content_block": begun}
        text = json.dumps(block[member]) if block[member] and member == "input" else block[member] or ""
        kind, name = {
            "text": ("text_delta", "text"),
            "thinking": ("thinking_delta", "thinking"),
            "input": ("input_json_delta", "partial_json"),
        }[member]
        for at in range(0, len(text), 5):
            delta = {"type": kind, name: text[at : at + 5]}
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    delta = {"stop_reason": answer["stop_reason"], "stop_sequence": None}
    yield {"type": "message_delta", "delta": delta, "usage": {"output_tokens": 7}}
    yield {"type": "message_stop"}


@contextmanager
def messages(monkeypatch: pytest.MonkeyPatch, *answers: Any) -> Iterator[list[dict[str, Any]]]:
    """Serve Anthropic's protocol: a list is the content of a message, a dict a message's members or an error;
    yields the bodies. Each is one that Anthropic's client types."""
    servers.KNOWN.clear()
    bodies = list[dict[str, Any]]()
    types = anthropic.types.message_create_params
    known = TypeAdapter(types.MessageCreateParams)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            assert self.path == "/v1/messages" and self.headers["anthropic-version"]
            assert "a key" in (
                self.headers["x-api-key"],
                self.headers["authorization"].removeprefix("Bearer "),
            )
            known.validate_python(body)
            said = answers[min(len(bodies), len(answers) - 1)]
            bodies.append(body)
            said = {"content": said} if isinstance(said, list) else said
            usage = {"input_tokens": 5, "output_tokens": 7}
            message = {"id": "m", "type": "message", "role": "assistant", "model": "x", "usage": usage}
            message |= {"stop_reason": "tool_use", "stop_sequence": None, **said}
            self.send_response(said.get("status", 200))
            is_stream = body.get("stream") and "status" not in said
            self.send_header("Content-Type", "text/event-stream" if is_stream else "application/json")
            self.end_headers()
            if is_stream:
                for one in said.get("events") or events(message):
                    self.wfile.write(f"event: {one['type']}\ndata: {json.dumps(one)}\n\n".encode())
            else:
                self.wfile.write(json.dumps(said if "status" in said else message).encode())

        def log_message(self, *_: Any) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as host:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", f"http://127.0.0.1:{host.server_address[1]}")
        monkeypatch.setenv("ANTHROPIC_API_KEY", "a key")
        thread = threading.Thread(target=host.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield bodies
        finally:
            host.shutdown()
            thread.join()


def refusal(status: int, kind: str, message: str) -> dict[str, Any]:
    return {"status": status, "type": "error", "error": {"type": kind, "message": message}}


# --- anthropic ----------------------------------------------------------------------------------------------


def test_a_document_is_the_arguments_of_the_only_tool(monkeypatch: pytest.MonkeyPatch) -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
    asked_for = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "Who?"}, image]},
    ]
    with messages(monkeypatch, [TOLD, ADA_SAID]) as bodies:
        outcome = sg.run("anthropic:claude", asked_for, Person, detailed=True, max_tokens=99_999)
    assert (outcome.value, outcome.usage.prompt_tokens, outcome.usage.tokens) == (
        Person(name="Ada", age=36),
        5,
        7,
    )
    (body,) = bodies
    assert (body["model"], body["max_tokens"], body["temperature"]) == ("claude", 99_999, 0.0)
    assert body["system"] == [{"type": "text", "text": "Be brief."}]
    assert body["messages"][0]["content"][1]["source"]["media_type"] == "image/png"
    (tool,) = body["tools"]
    assert body["tool_choice"] == {"type": "tool", "name": tool["name"]}
    assert tool["input_schema"]["required"] == ["name", "age"]


@pytest.mark.parametrize("target", [list[int], {"type": "array", "items": {"type": "integer"}}])
def test_what_is_no_object_is_wrapped(target: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with messages(monkeypatch, [{**ADA_SAID, "input": {"value": [5]}}]):
        assert sg.run("anthropic:claude", "Which?", target) == [5]


def test_a_document_without_members_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    class Empty(BaseModel):
        note: str = ""

    with messages(monkeypatch, [{**ADA_SAID, "input": {}}]):
        assert sg.run("anthropic:claude", "Which?", Empty) == Empty()
        assert list(sg.run("anthropic:claude", "Which?", Empty, stream=True))[-1].result == Empty()


def test_streams_and_coroutines(monkeypatch: pytest.MonkeyPatch) -> None:
    async def both() -> list[Any]:
        person = awaited(Person, model="anthropic:claude")
        return [await person("x"), (await listed(person.stream("x")))[-1].result]

    with messages(monkeypatch, [{"type": "thinking", "thinking": "Hm.", "signature": ""}, ADA_SAID]):
        *partials, last = asked(Person, model="anthropic:claude").stream()
        assert asyncio.run(both()) == [last.result, last.result] == [Person(name="Ada", age=36)] * 2
    assert len(partials) > 3 and last.outcome.result.thoughts == "Hm."


def test_a_document_that_breaks_the_schema_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    with messages(monkeypatch, [{**ADA_SAID, "input": {"name": "Ada"}}], [ADA_SAID]) as bodies:
        assert asked(Person, model="anthropic:claude").detailed().attempts == 2
    assert "This answer was refused" in bodies[1]["messages"][-1]["content"][0]["text"]


def test_calls_of_tools_and_their_history(monkeypatch: pytest.MonkeyPatch) -> None:
    with messages(monkeypatch, [TOLD, ASKED], {"content": [TOLD], "stop_reason": "end_turn"}) as bodies:
        reply = sg.run("anthropic:claude", "Weather?", tools=[WEATHER], parallel=False)
        (call,) = reply.calls
        turns = [{"role": "user", "content": "Weather?"}, reply.message(), call.result({"sky": "clear"})]
        assert sg.run("anthropic:claude", turns, tools=[WEATHER]).text == "So."
    assert (reply.text, call.id, call.arguments) == ("So.", "toolu_2", {"city": "Oslo"})
    assert bodies[0]["tool_choice"] == {"type": "auto", "disable_parallel_tool_use": True}
    said, result = (one["content"][-1] for one in bodies[1]["messages"][1:])
    assert (said["type"], said["id"], said["input"]) == ("tool_use", "toolu_2", {"city": "Oslo"})
    assert (result["type"], result["tool_use_id"]) == ("tool_result", "toolu_2")


@pytest.mark.parametrize("stream", [False, True])
def test_a_document_beside_tools_is_a_tool_too(stream: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    def found(said: Any) -> Any:
        with messages(monkeypatch, said) as bodies:
            got = sg.run("anthropic:claude", "?", Person | sg.Call, tools=[WEATHER], stream=stream)
            got = [*got][-1].result if stream else got
        (body,) = bodies
        assert [one["name"] for one in body["tools"]] == ["weather", "answer"]
        assert body["tool_choice"] == {"type": "any", "disable_parallel_tool_use": True}
        return got

    assert found([TOLD, ADA_SAID]) == Person(name="Ada", age=36)
    assert found([TOLD, ASKED]).arguments == {"city": "Oslo"}
    with pytest.raises(sg.errors.OptionError, match="another name"):
        sg.run("anthropic:claude", "?", Person, tools=[sg.Tool("answer")])


@pytest.mark.parametrize(
    ("choice", "sent"),
    [("required", "any"), ("none", "none"), ("weather", "tool")],
)
def test_a_choice_is_sent_and_a_stream_of_calls_is_read(
    choice: str, sent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = [TOLD] if choice == "none" else [ASKED]
    end = "end_turn" if choice == "none" else "tool_use"
    with messages(monkeypatch, {"content": content, "stop_reason": end}) as bodies:
        *_, last = sg.run("anthropic:claude", "?", tools=[WEATHER], tool_choice=choice, stream=True)
    assert bodies[0]["tool_choice"]["type"] == sent
    assert [one.arguments for one in last.result.calls] == [{"city": "Oslo"}] * (choice != "none")


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ({"content": [], "stop_reason": "refusal"}, "The model refuses"),
        ({"content": [ADA_SAID], "stop_reason": "max_tokens"}, "cut off. Raise max_tokens"),
        ({"content": [], "stop_reason": "pause_turn"}, "for the reason 'pause_turn'"),
        (refusal(401, "authentication_error", "invalid x-api-key"), "x-api-key.*ANTHROPIC_API_KEY"),
        (refusal(404, "not_found_error", "model: claude"), "Check the model's name 'claude'"),
        (refusal(429, "rate_limit_error", "too many"), "too many.*ask for fewer texts"),
        (refusal(400, "invalid_request_error", "no credit"), "no credit.*says which part"),
        (refusal(529, "overloaded_error", "Overloaded"), "Overloaded.*server's log"),
        ({"content": None, "stop_reason": "end_turn"}, "The reply is empty"),
        ({"content": [], "stop_reason": None}, "has no finish_reason"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_what_is_no_answer_is_told_with_its_cure(
    answer: Any, told: str, stream: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if stream and "has no" in told:
        return  # a stream has pieces in place of these members
    with messages(monkeypatch, answer), pytest.raises(sg.errors.GenerationError, match=told):
        found = sg.run("anthropic:claude", "Who?", Person, attempts=1, stream=stream)
        list(found)


def test_an_error_inside_of_a_stream_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    failed = refusal(0, "overloaded_error", "Overloaded")
    message = {"content": [ADA_SAID], "usage": {"input_tokens": 5}, "stop_reason": None}
    begun = [*events(message)][:4]
    with (
        messages(monkeypatch, {"events": [*begun, failed]}),
        pytest.raises(sg.errors.GenerationError, match="Overloaded") as caught,
    ):
        list(asked(Person, model="anthropic:claude").stream())
    assert caught.value.text == ADA[:5]


def test_a_temperature_that_a_model_refuses_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    said = refusal(400, "invalid_request_error", "`temperature` is deprecated for this model.")
    with messages(monkeypatch, said, [ADA_SAID]) as bodies, pytest.warns(UserWarning, match="no temperature"):
        sg.run("anthropic:claude", "Who?", Person)
    assert ["temperature" in body for body in bodies] == [True, False]


def test_a_schema_that_is_refused_stands_in_the_prompt(monkeypatch: pytest.MonkeyPatch) -> None:
    said = refusal(400, "invalid_request_error", "tools.0.custom.input_schema: $ref is not supported")
    with messages(
        monkeypatch, said, {"content": [{"type": "text", "text": ADA}], "stop_reason": "end_turn"}
    ) as bodies:
        assert sg.run("anthropic:claude", "Who?", Person) == Person(name="Ada", age=36)
    assert "tools" not in bodies[1] and "of this JSON Schema" in str(bodies[1]["messages"])


def test_a_missing_key_is_told_with_its_cure(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    person = asked(Person, model="anthropic:claude")
    with pytest.raises(sg.StructgenError, match=r"no key.*Set the environment variable ANTHROPIC_API_KEY"):
        person()
    with pytest.raises(sg.StructgenError, match=r"no key.*Set the environment variable ANTHROPIC_API_KEY"):
        list(person.stream())


@pytest.mark.parametrize(
    "how", [{"seed": 4}, {"logit_bias": {5: 1.0}}, {"presence_penalty": 1.0}, {"top_k": 3}], ids=str
)
def test_what_the_protocol_does_not_have_is_refused_by_name(how: dict[str, Any]) -> None:
    with pytest.raises(sg.errors.OptionError, match=rf"{next(iter(how))} is not in .*protocol"):
        sg.run("anthropic:claude", "Who?", Person, sampling=sg.Sampling(**how))


def test_the_command_asks_it_too(monkeypatch: pytest.MonkeyPatch) -> None:
    with messages(monkeypatch, [{**ADA_SAID, "input": {"value": "red"}}]):
        done = commanded("generate", "--model", "anthropic:claude", "--prompt", "?", "--regex", "red|blue")
    assert (done.exit_code, done.stdout) == (0, "red\n"), done.stderr


# --- ollama -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("", "http://127.0.0.1:11434/v1"),
        ("0.0.0.0", "http://127.0.0.1:11434/v1"),
        (":5000", "http://127.0.0.1:5000/v1"),
        ("there:5000", "http://there:5000/v1"),
        ("[::1]:5000", "http://[::1]:5000/v1"),
        ("http://there", "http://there:80/v1"),
        ("https://there/ollama/", "https://there:443/ollama/v1"),
    ],
)
def test_the_address_is_the_one_that_ollama_reads(
    host: str, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OLLAMA_HOST", host)
    found = server_of("ollama:qwen3:8b")
    assert (found.url, found.name) == (url, "qwen3:8b")


def test_a_host_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLLAMA_HOST", "ftp://there")
    with pytest.raises(sg.errors.OptionError, match=r"^OLLAMA_HOST: .*Write it as"):
        server_of("ollama:qwen3")


def test_ollama_gets_the_schema_and_no_key_of_openai(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    with serving(ADA) as server:
        monkeypatch.setenv("OLLAMA_HOST", f"127.0.0.1:{server.port}")
        assert sg.run("ollama:qwen3", "Who?", Person) == Person(name="Ada", age=36)
        assert list(asked(Person, model="ollama:qwen3").stream())[-1].result == Person(name="Ada", age=36)
        done = commanded("generate", "--model", "ollama:qwen3", "--prompt", "Who?")
    assert (done.exit_code, done.stdout) == (0, f"{ADA}\n")
    body, *_ = server.bodies
    assert body["model"] == "qwen3" and body["response_format"]["json_schema"]["schema"]["required"]
    assert {one["authorization"] for one in server.headers} == {"Bearer ollama"}


def test_a_model_that_is_not_there_and_a_server_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving({"status": 404, "error": {"message": "model 'qwen3' not found"}}) as server:
        monkeypatch.setenv("OLLAMA_HOST", f"127.0.0.1:{server.port}")
        with pytest.raises(sg.errors.GenerationError, match=r"not found.*ollama pull qwen3"):
            sg.run("ollama:qwen3", "Who?", Person)
    with pytest.raises(sg.errors.GenerationError, match="Start it: ollama serve"):
        sg.run("ollama:qwen3", "Who?", Person)


@pytest.mark.parametrize("name", ["ollama:", "anthropic:", "openai:x"])
def test_a_name_without_a_model_is_refused(name: str) -> None:
    with pytest.raises(sg.errors.OptionError, match=r"names no model on a server.*ollama:NAME"):
        sg.run(name, "Who?", Person)
