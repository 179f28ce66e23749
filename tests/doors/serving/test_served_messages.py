"""`/v1/messages`: Anthropic's bodies, replies, streams and errors, and its client where it is there."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from served_apps import ADA, PERSON, TEXT, app_of, http_client, post, run
from small_models import write_llama

import structgen as sg
from structgen.doors.serving.app import make_app
from structgen.doors.serving.message_shape import chat_body
from structgen.doors.serving.served_model import ServedModel
from structgen.doors.serving.server_options import ServerOptions

ASKED: dict[str, Any] = {
    "model": "extract",
    "max_tokens": 80,  # a call of ADA has 63: the model was not trained for the marks of a call
    "messages": [{"role": "user", "content": TEXT}],
}
TOOL: dict[str, Any] = {"name": "save", "description": "Save.", "input_schema": PERSON}
FORMAT: dict[str, Any] = {"format": {"type": "json_schema", "schema": PERSON}}


def asked(app: Any, status: int = 200, **body: Any) -> Any:
    answer = post(app, "/v1/messages", {**ASKED, **body})
    assert answer.status_code == status, answer.text
    return answer


def events_of(text: str) -> list[dict[str, Any]]:
    found = []
    for block in text.strip().split("\n\n"):
        kind, data = block.split("\n")
        found.append(json.loads(data.removeprefix("data: ")))
        assert kind == f"event: {found[-1]['type']}"
    return found


def put_together(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the blocks of a stream. Each begins once the one before it has ended."""
    blocks: list[dict[str, Any]] = []
    is_open = False
    for one in events:
        if one["type"] == "content_block_start":
            assert not is_open and one["index"] == len(blocks)
            blocks.append({**one["content_block"], "pieces": ""})
            is_open = True
        elif one["type"] == "content_block_delta":
            assert is_open and one["index"] == len(blocks) - 1
            blocks[-1]["pieces"] += one["delta"][
                {"text_delta": "text", "input_json_delta": "partial_json"}.get(
                    one["delta"]["type"], "thinking"
                )
            ]
        elif one["type"] == "content_block_stop":
            is_open = False
    assert not is_open
    return blocks


def test_a_document_is_a_block_of_text(app: Any) -> None:
    found = asked(app, output_config=FORMAT).json()
    (block,) = found["content"]
    assert json.loads(block["text"]) == ADA
    assert (found["stop_reason"], found["role"], found["type"]) == ("end_turn", "assistant", "message")
    assert found["usage"]["input_tokens"] > 0 < found["usage"]["output_tokens"]


@pytest.mark.parametrize(
    "choice", [{"type": "any"}, {"type": "tool", "name": "save"}, {"type": "auto"}, None]
)
def test_a_call_is_a_block_whose_input_is_an_object(app: Any, choice: Any) -> None:
    found = asked(app, tools=[TOOL], tool_choice=choice).json()
    calls = [one for one in found["content"] if one["type"] == "tool_use"]
    assert calls and calls[0]["name"] == "save" and calls[0]["input"] == ADA and calls[0]["id"]
    assert found["stop_reason"] == "tool_use"


def test_a_stream_s_blocks_are_those_of_the_whole(app: Any) -> None:
    for body in ({"output_config": FORMAT}, {"tools": [TOOL], "tool_choice": {"type": "any"}}):
        whole = asked(app, **body).json()
        events = events_of(asked(app, stream=True, **body).text)
        kinds = [one["type"] for one in events]
        assert kinds[0] == "message_start" and kinds[-2:] == ["message_delta", "message_stop"]
        # text behind a call stands before it in the whole
        blocks = sorted(put_together(events), key=lambda one: str(one["type"]))
        known_blocks = sorted(whole["content"], key=lambda one: str(one["type"]))
        assert [one["type"] for one in blocks] == [one["type"] for one in known_blocks]
        for block, known in zip(blocks, known_blocks, strict=True):
            if known["type"] == "tool_use":
                assert json.loads(block["pieces"]) == known["input"]
            else:
                assert block["pieces"] == known["text"]
        assert events[-2]["delta"]["stop_reason"] == whole["stop_reason"]
        assert events[-2]["usage"] == whole["usage"]


def test_turns_become_messages() -> None:
    body = {
        **ASKED,
        "system": [{"type": "text", "text": "Be short.", "cache_control": {"type": "ephemeral"}}],
        "stop_sequences": ["END"],
        "thinking": {"type": "enabled", "budget_tokens": 9},
        "tools": [TOOL],
        "tool_choice": {"type": "tool", "name": "save", "disable_parallel_tool_use": True},
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "Hi"}]},
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "Hm.", "signature": "s"},
                    {"type": "text", "text": "I save."},
                    {"type": "tool_use", "id": "t", "name": "save", "input": ADA},
                ],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "t", "content": "full", "is_error": True},
                    {"type": "text", "text": "Go on."},
                ],
            },
        ],
    }
    found = chat_body(body)
    assert [one["role"] for one in found["messages"]] == ["system", "user", "assistant", "tool", "user"]
    assert found["messages"][2]["reasoning_content"] == "Hm."
    assert found["messages"][2]["tool_calls"] == [{"id": "t", "function": {"name": "save", "arguments": ADA}}]
    assert found["messages"][3]["content"] == "Error:\nfull"
    assert re.fullmatch(r"messages/\d/content/\d/tool_use_id", found["messages"][3].pop("place"))
    assert (found["stop"], found["parallel_tool_calls"]) == (["END"], False)
    assert found["tool_choice"] == {"name": "save"}
    assert (found["thinking"]["type"], found["thinking"]["budget_tokens"]) == ("enabled", 9)
    (tool,) = sg.read_request(found).tools
    assert (tool.name, tool.schema, tool.custom) == (TOOL["name"], TOOL["input_schema"], False)
    sg.read_request(found)


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({"max_tokens": None}, "max_tokens"),
        ({"max_tokns": 5}, "max_tokns"),
        ({"messages": [{"role": "usr", "content": "x"}]}, "messages/0/role"),
        (
            {"messages": [{"role": "user", "content": [{"type": "txt", "text": "x"}]}]},
            "messages/0/content/0/type",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "image", "source": {}}]}]},
            "messages/0/content/0",
        ),
        ({"tools": [{"name": "f", "input_shema": {}}]}, "tools/0/input_shema"),
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "tools/0/type"),
        ({"tool_choice": {"type": "required"}}, "tool_choice/type"),
        ({"tool_choice": {"type": "tool", "name": "f"}, "tools": [TOOL]}, "tool_choice/name"),
        (
            {
                "system": "x",
                "messages": [
                    {"role": "user", "content": "x"},
                    {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t"}]},
                ],
                "tools": [TOOL],
            },
            "messages/1/content/0/tool_use_id",
        ),
        ({"thinking": {"type": "enabled"}}, "thinking/budget_tokens"),
        ({"system": 5}, "system"),
        ({"stop_sequences": "x"}, "stop_sequences"),
        ({"temperature": "hot"}, "temperature"),
        ({"container": "c"}, "container"),
        ({"output_config": {"format": {"type": "json", "schema": {}}}}, "output_config/format/type"),
    ],
)
def test_a_wrong_member_is_named_in_an_error_of_anthropic_s_shape(app: Any, body: Any, place: str) -> None:
    found = asked(app, 400, **body).json()
    assert found["type"] == "error" and found["error"]["type"] == "invalid_request_error"
    assert found["error"]["message"].startswith(f"{place}")


def test_a_key_may_stand_in_anthropic_s_header(engine: sg.Engine) -> None:
    app = app_of(engine, ServerOptions(("secret",)))
    refused = post(app, "/v1/messages", ASKED)
    assert refused.status_code == 401 and refused.json()["error"]["type"] == "authentication_error"
    assert post(app, "/v1/messages", {**ASKED, "max_tokens": 1}, **{"x-api-key": "secret"}).status_code == 200


def test_another_model_is_not_found(app: Any) -> None:
    assert asked(app, 404, model="claude").json()["error"]["type"] == "not_found_error"


def test_a_stop_sequence_is_told(tmp_path: Path) -> None:
    model = ServedModel(sg.Engine(write_llama(tmp_path)), "mine")
    body = {
        **ASKED,
        "model": "mine",
        "temperature": 1.0,
        "max_tokens": 40,
        "stop_sequences": [*"aeiou \n\x00"],
    }
    found = post(make_app(model), "/v1/messages", body).json()
    text = "".join(one["text"] for one in found["content"])
    if found["stop_reason"] == "stop_sequence":
        assert found["stop_sequence"] in body["stop_sequences"] and found["stop_sequence"] not in text
    else:
        assert found["stop_sequence"] is None and not set(body["stop_sequences"]) & set(text)


# --- the client -------------------------------------------------------------------------------------------


def client_of(app: Any) -> Any:
    anthropic = pytest.importorskip("anthropic")
    return anthropic.AsyncAnthropic(
        base_url="http://test", api_key="any", max_retries=0, http_client=http_client(app)
    )


def test_anthropic_s_client_reads_replies_and_streams(app: Any) -> None:
    client = client_of(app)

    async def work() -> tuple[Any, Any, list[str]]:
        body: Any = {**ASKED, "tools": [TOOL], "tool_choice": {"type": "any"}}
        whole = await client.messages.create(**body)
        kinds = []
        async with client.messages.stream(**body) as stream:
            async for event in stream:
                kinds.append(event.type)
            return whole, await stream.get_final_message(), kinds

    whole, streamed, kinds = run(work)
    for message in (whole, streamed):
        assert next(one.input for one in message.content if one.type == "tool_use") == ADA
    assert (whole.stop_reason, streamed.stop_reason) == ("tool_use", "tool_use")
    assert whole.usage.input_tokens == streamed.usage.input_tokens > 0
    assert "input_json" in kinds and kinds[-1] == "message_stop"


def test_anthropic_s_client_raises_its_own_errors(app: Any) -> None:
    anthropic = pytest.importorskip("anthropic")
    client = client_of(app)
    wrong: Any = {**ASKED, "messages": [{"role": "wizard", "content": "x"}]}
    with pytest.raises(anthropic.BadRequestError, match="messages/0/role"):
        run(lambda: client.messages.create(**wrong))


def test_the_tool_runner_goes_on_without_a_thread(app: Any) -> None:
    anthropic = pytest.importorskip("anthropic")
    client, saved = client_of(app), list[dict[str, Any]]()

    @anthropic.beta_async_tool
    async def save(name: str, age: int) -> str:
        """Save a person.

        Args:
            name: The name.
            age: The age.
        """
        saved.append({"name": name, "age": age})
        return "Saved."

    async def work() -> Any:
        body: Any = {**ASKED, "max_tokens": 16_384, "tools": [save], "max_iterations": 1}
        return await client.beta.messages.tool_runner(**body).until_done()

    assert run(work).stop_reason == "tool_use"
    asked(app, 400, thread={"type": "create"})
    assert saved in ([], [{"name": "Ada Lovelace", "age": 36}])  # the last turn's call may not be made


@pytest.mark.parametrize("kind", ["create", "continue"])
def test_a_thread_is_refused_as_its_client_expects(app: Any, kind: str) -> None:
    for path in ("", "/count_tokens"):
        answer = post(app, f"/v1/messages{path}", {**ASKED, "thread": {"type": kind, "id": "t"}})
        error = answer.json()["error"]
        assert (answer.status_code, error["type"]) == (400, "invalid_request_error")
        assert error["details"] == {"error_code": "thread_unsupported_request"}


@pytest.mark.parametrize(
    ("method", "path", "of_anthropic"),
    [
        ("GET", "/v1/messages/batches", False),
        ("POST", "/v1/messages/batches", False),
        ("GET", "/v1/messages/batches/b/results", False),
        ("GET", "/v1/messages", False),
        ("DELETE", "/v1/skills/s", True),
        ("POST", "/v1/complete", True),
        ("GET", "/v1/models/other", True),
    ],
)
def test_absent_addresses_answer_in_anthropic_s_shape(
    app: Any, method: str, path: str, of_anthropic: bool
) -> None:
    headers = {"anthropic-version": "2023-06-01"} if of_anthropic else {}
    answer = run(lambda: http_client(app).request(method, path, headers=headers))
    found = answer.json()
    assert answer.status_code in (404, 405) and found.keys() == {"type", "error"}
    assert found["type"] == "error" and found["error"]["type"] in ("not_found_error", "invalid_request_error")
