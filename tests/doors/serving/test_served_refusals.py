"""What is refused: each answer has OpenAI's error object, our message, the member, and the right status."""

from __future__ import annotations

import asyncio
import copy
import json
import random
import sys
import threading
from pathlib import Path
from typing import Any

import openai
import pytest
from for_each import for_each
from served_apps import (
    CHAT,
    FORMAT,
    TOOL,
    HandClient,
    app_of,
    http_client,
    openai_client,
    post,
    run,
    schema_format,
    until,
)

sys.path.append(str(Path(__file__).parents[2] / "asking" / "request_reading"))

from good_requests import GOOD

import structgen as sg
from structgen.doors.serving.server_options import ServerOptions, read_keys


def refused(app: Any, status: int, path: str = "/v1/chat/completions", **body: Any) -> dict[str, Any]:
    """Return the error of a body that is refused with a status."""
    answer = post(app, path, {**CHAT, **body})
    assert answer.status_code == status, answer.text
    assert answer.json().keys() == {"error"}
    error: dict[str, Any] = answer.json()["error"]
    assert error.keys() == {"message", "type", "param", "code"}
    return error


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ({"type": "strnig"}, "got 'strnig'. Did you mean \"string\"?"),
        ({"type": "integer", "minimum": 3, "maximum": 2}, "no document satisfies the schema"),
        ({"$ref": "https://localhost/person.json"}, "https://localhost/person.json"),
        ({"foo": 1}, "would allow every value"),
        ([], "response_format/json_schema/schema must be an object"),
        ("{", "line 1"),
    ],
)
def test_a_schema_that_is_refused_has_our_message(app: Any, schema: Any, message: str) -> None:
    error = refused(app, 400, response_format=schema_format(schema))
    assert message in error["message"] and error["type"] == "invalid_request_error"


def test_the_client_raises_its_own_error(app: Any) -> None:
    client = openai_client(app)
    with pytest.raises(openai.BadRequestError, match="strnig") as caught:
        run(lambda: client.chat.completions.create(**CHAT, response_format=schema_format({"type": "strnig"})))
    assert caught.value.type == "invalid_request_error" and caught.value.code == "schema"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[" * 100_000, "nested too deeply"),
        (b"[]", "must be an object"),
        (b'"x"', "must be an object"),
        (b'{"model": ' + b"9" * 5000 + b"}", "not JSON"),
        (b'{"metadata": {"a": NaN}}', "not JSON: the number NaN is not finite"),
        (b'{"metadata": {"a": [-1e999]}}', "not JSON: the number -1e999 is not finite"),
    ],
)
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions", "/v1/responses"])
def test_a_body_that_is_no_json_is_refused(app: Any, path: str, body: bytes, message: str) -> None:
    answer = post(app, path, body)
    assert answer.status_code == 400 and message in answer.json()["error"]["message"]


def test_half_a_character_that_an_answer_repeats_is_no_fault(app: Any) -> None:
    asked = {"model": "extract", "input": "x", "instructions": "\ud800", "metadata": {"\ud800": "\udfff"}}
    for stream in (False, True):
        answer = post(app, "/v1/responses", {**asked, "max_output_tokens": 1, "stream": stream})
        assert answer.status_code == 200 and '"?"' in answer.text
    refused(app, 400, **{"half \ud800": 1})


def test_a_body_of_fifty_megabytes_is_refused_before_it_is_all_read(app: Any) -> None:
    taken = 0

    async def work() -> Any:
        async def pieces() -> Any:
            nonlocal taken
            while taken < 50 << 20:
                taken += 1 << 20
                yield b" " * (1 << 20)

        return await http_client(app).post(
            "/v1/chat/completions", content=pieces(), headers={"content-type": "application/json"}
        )

    answer = run(work)
    assert answer.status_code == 413 and answer.json()["error"]["code"] == "too_large"
    assert taken < 10 << 20


def test_a_body_that_does_not_arrive_is_given_up(engine: sg.Engine) -> None:
    app = app_of(engine, ServerOptions(body_seconds=0.05))

    async def work() -> HandClient:
        client = HandClient(app, CHAT, whole=False)
        await client.task
        return client

    assert json.loads(b"".join(run(work).pieces))["error"]["code"] == "timeout"


def test_a_body_of_another_kind_is_refused(app: Any) -> None:
    answer = post(app, "/v1/chat/completions", CHAT, **{"content-type": "text/plain"})
    assert answer.status_code == 415


@pytest.mark.parametrize("name", ["web_search_options", "suffix", "conversation", "guided_decoding", "foo"])
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions", "/v1/responses"])
def test_members_that_would_change_the_text_are_refused_by_name(app: Any, path: str, name: str) -> None:
    body = {"model": "extract", "prompt": "x"} if path == "/v1/completions" else CHAT
    body = {"model": "extract", "input": "x"} if path == "/v1/responses" else body
    answer = post(app, path, {**body, name: {"a": 1}})
    error = answer.json()["error"]
    assert (answer.status_code, error["param"], error["code"]) == (400, name, "unsupported_parameter")
    assert (
        post(
            app, path, {**body, name: None, "max_tokens" if "input" not in body else "max_output_tokens": 1}
        ).status_code
        == 200
    )


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        ({"model": "gpt-4o"}, 404, "model"),
        ({"model": None}, 400, "model"),
        ({"messages": []}, 400, "messages"),
        ({"messages": [{"role": "wizard", "content": "x"}]}, 400, "messages.0.role"),
        ({"messages": [{"role": "user"}]}, 400, "messages.0.content"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]},
            400,
            "messages.0.content.0",
        ),
        ({"temperature": -1}, 400, "temperature"),
        ({"top_p": 2}, 400, "top_p"),
        ({"n": 1000}, 400, "n"),
        ({"stop": ["x"] * 300}, 400, "stop"),
        ({"stream_options": {"include_usage": True}}, 400, "stream_options"),
        ({"logprobs": True, "top_logprobs": 50}, 400, "top_logprobs"),
        ({"top_logprobs": 3}, 400, "top_logprobs"),
        ({"max_tokens": 0}, 400, "max_tokens"),
        ({"max_tokens": 2, "response_format": FORMAT}, 400, "max_tokens"),
        ({"messages": [{"role": "user", "content": "word " * 20_000}]}, 400, "messages"),
        ({"tools": [TOOL], "tool_choice": "erase"}, 400, "tool_choice"),
        ({"tools": [{"type": "web_search"}]}, 400, "tools.0.type"),
        ({"response_format": {"type": "json_schema"}}, 400, "response_format"),
        ({"guided_grammar": "%import .secret.WORD\nstart: WORD"}, 400, "guided_grammar"),
        ({"guided_grammar": 'start: A~1000000000\nA: "a"'}, 400, "guided_grammar"),
        ({"guided_regex": "("}, 400, "guided_regex"),
    ],
)
def test_a_wrong_member_is_named(app: Any, body: dict[str, Any], status: int, param: str) -> None:
    error = refused(app, status, **body)
    assert error["param"] == param
    assert error["message"].endswith((".", "?"))


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"input": []}, "input"),
        ({"input": 3}, "input"),
        ({"input": [{"type": "item_reference", "id": "x"}]}, "input.0.type"),
        ({"input": "x", "previous_response_id": "resp_1"}, "previous_response_id"),
        ({"input": "x", "text": {"format": {"type": "json"}}}, "text.format.type"),
        ({"input": "x", "background": True}, "background"),
        ({"input": "x", "tools": [{"type": "web_search"}]}, "tools.0.type"),
    ],
)
def test_a_wrong_member_of_a_response_is_named(app: Any, body: dict[str, Any], param: str) -> None:
    answer = post(app, "/v1/responses", {"model": "extract", **body})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)


@pytest.mark.parametrize(
    ("prompt", "place"),
    [
        *((one, "prompt") for one in (None, 3, [], [[]], [""], [{}], [-1], [10**9])),
        ([["x"]], "prompt/0/0 must be"),
        (["a", 3], "prompt/1 must be"),
        ([1, "a"], "prompt/1 must be"),
        ([[1], [2, 3], [4, "x"]], "prompt/2/1 must be"),
    ],
)
def test_a_wrong_prompt_is_refused_by_its_place(app: Any, prompt: Any, place: str) -> None:
    answer = post(app, "/v1/completions", {"model": "extract", "prompt": prompt})
    assert answer.status_code == 400 and answer.json()["error"]["message"].startswith(place)


LONG = "x" * 100_000


@pytest.mark.parametrize(
    "body",
    [
        {LONG: 1},
        {"messages": [{**CHAT["messages"][0], LONG: 1}]},
        {"tools": [TOOL], "tool_choice": LONG},
        {"tools": [{"type": "function", "function": {"name": LONG}}]},
        {"structured_outputs": {"grammar": f"start: {LONG[:50_000]}"}},
        {"response_format": schema_format({"$ref": f"#/$defs/{LONG}"})},
    ],
)
def test_an_error_repeats_no_more_of_a_body_than_a_person_reads(app: Any, body: dict[str, Any]) -> None:
    error = refused(app, 400, **body)
    assert len(json.dumps(error)) < 10_000 and error["message"].endswith((".", "?"))


HALF = "a\ud83d"


def halved(body: Any, draw: random.Random) -> Any:
    """Return a body in which half of a surrogate pair ends one of its texts."""
    body = copy.deepcopy(body)
    open_: list[tuple[Any, Any]] = [(body, key) for key in body if key != "model"]
    texts = []
    while open_:
        holder, key = open_.pop()
        inner = holder[key]
        if isinstance(inner, str):
            texts.append((holder, key))
        elif isinstance(inner, dict | list):
            open_ += [(inner, one) for one in (inner if isinstance(inner, dict) else range(len(inner)))]
    holder, key = draw.choice(texts)
    holder[key] += HALF
    return body


@for_each("seed", range(60))
def test_half_a_character_in_any_text_is_no_fault_of_ours(app: Any, seed: int) -> None:
    draw = random.Random(seed)
    body = halved({**draw.choice(GOOD), "model": "extract"}, draw)
    names = {"messages": "/v1/chat/completions", "input": "/v1/responses", "prompt": "/v1/completions"}
    path = next(address for name, address in names.items() if name in body)
    answer = post(app, path, {"max_tokens": 12, **body} if "input" not in body else body)
    assert answer.status_code in (200, 400) and "Union" not in answer.text


def test_addresses_that_are_not_there_have_the_same_error(app: Any) -> None:
    async def work() -> list[Any]:
        http = http_client(app)
        return [await http.get("/v1/nothing"), await http.get("/v1/chat/completions")]

    answers = run(work)
    assert [one.status_code for one in answers] == [404, 405]
    assert all(one.json()["error"]["message"] for one in answers)


def test_a_client_that_asks_by_web_socket_is_told_to_use_http(app: Any) -> None:
    async def work() -> Any:
        async with http_client(app) as http:
            upgrade = {"connection": "upgrade", "upgrade": "websocket"}
            return await http.get("/v1/responses", headers=upgrade), await http.get("/v1/responses")

    refused, plain = run(work)
    assert (refused.status_code, plain.status_code) == (426, 405)
    assert "WebSockets are not supported" in refused.json()["error"]["message"]


# --- keys, waiting, faults ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (None, 401),
        ("Bearer wrong", 401),
        ("secret-1", 401),
        ("Bearer secret-1", 200),
        ("bearer secret-2", 200),
    ],
)
def test_a_key_is_needed_where_there_are_some(engine: sg.Engine, sent: str | None, status: int) -> None:
    app = app_of(engine, ServerOptions(("secret-1", "secret-2")))
    headers = {} if sent is None else {"authorization": sent}
    answer = post(app, "/v1/chat/completions", {**CHAT, "max_tokens": 1}, **headers)
    assert answer.status_code == status
    if status == 401:
        assert answer.json()["error"]["code"] == "invalid_api_key"
        assert "secret" not in answer.text
    assert run(lambda: http_client(app).get("/v1/models")).status_code == 401
    assert run(lambda: http_client(app).get("/health")).status_code == 200


def test_keys_come_from_a_file_and_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text("one\n\n two \n", encoding="utf-8")
    assert read_keys(file, {"STRUCTGEN_API_KEY": "three"}) == ("three", "one", "two")
    assert read_keys(None, {}) == ()
    file.write_text("\n", encoding="utf-8")
    for wrong in (file, tmp_path / "nowhere", tmp_path):
        with pytest.raises(sg.errors.OptionError, match="api-key-file"):
            read_keys(wrong, {})
    with pytest.raises(sg.errors.OptionError, match="a header cannot contain"):
        read_keys(None, {"STRUCTGEN_API_KEY": "a b"})


def test_no_answer_allows_other_origins(app: Any) -> None:
    answer = post(app, "/v1/chat/completions", {**CHAT, "max_tokens": 1}, origin="https://elsewhere.example")
    assert not [name for name in answer.headers if name.startswith("access-control")]


def test_more_texts_than_may_wait_are_told_to_come_later(monkeypatch: pytest.MonkeyPatch) -> None:
    engine, go_on = sg.Engine("structgen/extract", max_rows=1, max_waiting=1), threading.Event()
    app, decode = app_of(engine), engine.model.decode

    def waiting(*given: Any) -> Any:
        assert go_on.wait(600)
        return decode(*given)

    monkeypatch.setattr(engine.model, "decode", waiting)

    async def work() -> list[Any]:
        body = {**CHAT, "max_tokens": 60, "n": 2, "seed": 1}
        asked = [http_client(app).post("/v1/chat/completions", json=body) for _ in range(5)]
        tasks = [asyncio.ensure_future(one) for one in asked]
        # the texts of one request fill the engine, and no token of them is written yet
        await until(lambda: sum(task.done() for task in tasks) == 4)
        go_on.set()
        return list(await asyncio.gather(*tasks))

    answers = run(work)
    assert sorted(one.status_code for one in answers) == [200, 429, 429, 429, 429]
    assert all("retry-after" in one.headers for one in answers if one.status_code == 429)


def test_a_text_that_takes_too_long_is_an_error(engine: sg.Engine) -> None:
    app = app_of(engine, seconds=0.0)
    assert refused(app, 504)["code"] == "timeout"
    answer = post(app, "/v1/chat/completions", {**CHAT, "stream": True})
    assert '"code": "timeout"' in answer.text and "[DONE]" not in answer.text


def test_a_fault_of_ours_tells_nothing_of_itself(engine: sg.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    app = app_of(engine)

    def broken(*_args: Any) -> Any:
        raise ValueError("an inner matter")

    monkeypatch.setattr("structgen.doors.serving.answer_shape.check_members", broken)
    error = refused(app, 500)
    assert (error["code"], error["type"]) == ("internal_error", "server_error")
    assert "inner" not in error["message"]
