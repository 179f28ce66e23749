"""Members that cannot act, or not wholly, are taken, and the header `x-structgen-warning` says so."""

from __future__ import annotations

import json
import random
import re
import warnings
from typing import Any

import pytest
from for_each import for_each
from served_apps import ADA, CHAT, FORMAT, PERSON, TEXT, TOOL, app_of, http_client, openai_client, post, run
from small_models import Function, tokenizer, write_chat_llama

import structgen as sg
from structgen.doors.serving.app import ModelServer, make_app
from structgen.doors.serving.batch_runs import BatchLine, result_line
from structgen.doors.serving.request_fields import check_members
from structgen.doors.serving.served_model import ServedModel
from structgen.doors.serving.server_options import ServerOptions

TOKENIZER = tokenizer()
HEADER = "x-structgen-warning"
CALL = '<tool_call>\n{"name": "move", "arguments": {"to": "%s"}}\n</tool_call>'
MOVE: dict[str, Any] = {"type": "object", "properties": {"to": {"type": "string"}}, "required": ["to"]}
MOVE_TOOL: Any = {"type": "function", "function": {"name": "move", "parameters": MOVE}}
FLAT = {"type": "json_schema", "name": "person", "schema": PERSON}


def body_of(path: str, **body: Any) -> dict[str, Any]:
    """Return a body of an address with TEXT."""
    said: dict[str, Any] = {"messages": [{"role": "user", "content": TEXT}]}
    if path == "messages":
        said["max_tokens"] = 200
    said = {"input": TEXT} if path == "responses" else {"prompt": TEXT} if path == "completions" else said
    return {"model": "extract", **said, **body}


def text_of(answer: Any) -> str:
    """Return the text of an answer of any address."""
    assert answer.status_code == 200, answer.text
    found = answer.json()
    if "choices" in found:
        choice = found["choices"][0]
        return str(choice["text"] if "text" in choice else choice["message"]["content"])
    if "output" in found:
        return str(found["output"][0]["content"][0]["text"])
    return "".join(one.get("text", "") for one in found["content"])


# --- stop -------------------------------------------------------------------------------------------------

STOPPED: list[tuple[str, dict[str, Any]]] = [
    ("chat/completions", {"stop": ["36", "Lon"], "response_format": FORMAT}),
    ("chat/completions", {"stop": "36", "structured_outputs": {"json": PERSON}}),
    (
        "chat/completions",
        {"stop": '"', "response_format": {"type": "json_object", "schema": {"maxProperties": 2}}},
    ),
    ("completions", {"stop": "36", "response_format": FORMAT}),
    ("messages", {"stop_sequences": ["36"], "output_config": {"format": {**FLAT, "schema": PERSON}}}),
]


@for_each("path, body", STOPPED)
def test_a_stop_beside_a_document_does_not_act_and_is_told(app: Any, path: str, body: Any) -> None:
    if path == "messages":
        del (body := json.loads(json.dumps(body)))["output_config"]["format"]["name"]
    answer = post(app, f"/v1/{path}", body_of(path, **body))
    without = {name: value for name, value in body.items() if "stop" not in name}
    plain = post(app, f"/v1/{path}", body_of(path, **without))
    assert text_of(answer) == text_of(plain) and json.loads(text_of(answer))
    name = "stop_sequences" if path == "messages" else "stop"
    assert answer.headers[HEADER].startswith(f"{name}: it acts on free text alone")
    assert HEADER not in plain.headers
    streamed = post(app, f"/v1/{path}", body_of(path, stream=True, **body))
    assert streamed.headers[HEADER] == answer.headers[HEADER]


def test_a_stop_beside_a_required_call_leaves_the_call_whole(app: Any) -> None:
    body = {**CHAT, "tools": [TOOL], "tool_choice": "required", "stop": ["Observation:", "London", "tool"]}
    answer = post(app, "/v1/chat/completions", body)
    (call,) = answer.json()["choices"][0]["message"]["tool_calls"]
    assert json.loads(call["function"]["arguments"]) == ADA and HEADER in answer.headers


def reply_to(text: str, **body: Any) -> Any:
    """Return the answer, whole and streamed, of a model that writes a text with tools at hand."""
    app = app_of(sg.testing.Scripted(lambda _: text), tool_format="hermes")
    asked = {**CHAT, "tools": [MOVE_TOOL], "max_tokens": 300, "temperature": 0, **body}
    whole = post(app, "/v1/chat/completions", asked)
    lines = post(app, "/v1/chat/completions", {**asked, "stream": True}).text.split("\n\n")
    deltas = [json.loads(one[6:])["choices"][0]["delta"] for one in lines if one and "[DONE]" not in one]
    message = whole.json()["choices"][0]["message"]
    said = "".join(one.get("content") or "" for one in deltas)
    calls = [part for one in deltas for part in one.get("tool_calls", ())]
    assert (message["content"] or "") == said
    written = [one["function"]["arguments"] for one in message.get("tool_calls", ())]
    assert "".join(one["function"]["arguments"] for one in calls) == "".join(written)
    return said, written, whole.json()["choices"][0]["finish_reason"]


# --- what looks like a mistake in a schema ------------------------------------------------------------------

MISTAKES: list[dict[str, Any]] = [
    {"type": "object", "propertes": {"a": {"type": "null"}}},
    {"type": "string", "maxlength": 3},
    {"type": "string", "options": ["a", "b"]},
    {"enums": ["a"]},
    {"type": "object", "schema": {"type": "string"}},
    {"type": "array", "item": {"type": "null"}, "maxItems": 1},
    {"type": "object", "property": {"a": {}}},
    {"type": "array", "minLength": 2, "items": {"type": "null"}},
    {"type": "string", "pattern": r"^a\Z"},
    {"properties": {"n\u00e4me\r\nx: y": {"maxLenght": 3, "type": "null"}}, "type": "object"},
]
PLACES: dict[str, Any] = {
    "chat/completions": lambda schema: {"response_format": {"type": "json_schema", "json_schema": schema}},
    "responses": lambda schema: {"text": {"format": {"type": "json_schema", **schema}}},
    "messages": lambda schema: {"output_config": {"format": {"type": "json_schema", **schema}}},
    "completions": lambda schema: {"structured_outputs": {"json": schema["schema"]}},
}


def remarks_of(schema: Any) -> list[str]:
    """Return what Python warns of."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        sg.json_schema(schema)
    return [str(one.message) for one in caught]


@for_each("schema", MISTAKES)
def test_the_header_says_what_python_warns_of(app: Any, schema: Any) -> None:
    told = remarks_of(schema)
    assert told
    for path, place in PLACES.items():
        said = {"schema": schema} if path == "messages" else {"schema": schema, "name": "answer"}
        count = "max_output_tokens" if path == "responses" else "max_tokens"
        body = body_of(path, **place(said)) | {count: 60}
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            answer = post(app, f"/v1/{path}", body)
            streamed = post(app, f"/v1/{path}", {**body, "stream": True})
        header = answer.headers[HEADER]
        assert answer.status_code == 200 and header == streamed.headers[HEADER]
        for one in told:
            plain = one.rpartition("\nx: y")[2]  # what stands behind characters that no header has
            assert plain.encode("unicode_escape").decode() in header, (path, one, header)
        assert header.isascii() and header.isprintable()


def test_a_mistake_in_the_schema_of_a_tool_is_told_as_python_tells_it(app: Any) -> None:
    tool = {"type": "function", "function": {"name": "move", "parameters": {**MOVE, "requird": ["to"]}}}
    answer = post(app, "/v1/chat/completions", {**CHAT, "tools": [tool], "tool_choice": "required"})
    assert '#/requird: Unknown keyword "requird" is ignored' in answer.headers[HEADER]
    plain = post(app, "/v1/chat/completions", {**CHAT, "tools": [MOVE_TOOL], "tool_choice": "required"})
    assert HEADER not in plain.headers


def test_a_long_warning_is_cut_and_says_how_many_there_are(app: Any) -> None:
    properties = {f"a{at}": {"type": "null", "maxLenght": 3} for at in range(300)}
    schema = {"type": "object", "properties": properties}
    answer = post(app, "/v1/completions", body_of("completions", structured_outputs={"json": schema}))
    header = answer.headers[HEADER]
    assert header.startswith("#/properties/a0/maxLenght: ") and header.endswith("... (300 remarks)")
    assert len(header) < 1100


def test_what_one_request_is_told_is_not_told_to_the_next(app: Any) -> None:
    for schema in (MISTAKES[0], {"type": "null"}):
        body = body_of("completions", structured_outputs={"json": schema}, max_tokens=30)
        answer = post(app, "/v1/completions", body)
        assert (HEADER in answer.headers) == (schema is MISTAKES[0])


def test_the_lines_of_a_batch_tell_it_too(engine: sg.Engine) -> None:
    server = ModelServer(ServedModel(engine, "extract"), ServerOptions())
    body = body_of("completions", structured_outputs={"json": MISTAKES[1]}, max_tokens=30)
    for given in (
        {"url": "/v1/completions", "body": body},
        {"url": "/v1/completions", "body": {**body, "x": 1}},
    ):
        line = BatchLine("a", given["url"], "body", json.dumps({"custom_id": "a", **given}).encode())
        said = run(lambda line=line: result_line(server.answer_line, "", line))["response"]
        assert (said["status_code"] == 200) == ("maxlength" in said.get("warning", ""))


WORDS = ["go", "stop", "a", " ", "END", "st", "EN", "then"]


@for_each("seed", range(12))
def test_a_stop_acts_on_text_outside_of_calls_alone(seed: int) -> None:
    """The oracle: the text before the first stop that stands outside of calls, and the calls before it."""
    draw = random.Random(seed)
    stops = draw.sample(["stop", "END", "move", "no", "arguments", "en"], 2)
    parts: list[tuple[bool, str]] = []
    for at in range(draw.randint(1, 4)):
        is_call = draw.random() < 0.4
        said = "".join(draw.choices(WORDS, k=draw.randint(1, 5)))
        parts.append((is_call, f"{at} {said}"))
    text, kept, calls = "".join(CALL % said if is_call else said for is_call, said in parts), "", []
    joined = list[tuple[bool, str]]()
    for is_call, said in parts:  # texts that follow one another are one
        if joined and not is_call and not joined[-1][0]:
            joined[-1] = (False, joined[-1][1] + said)
        else:
            joined.append((is_call, said))
    for is_call, said in joined:
        if is_call:
            calls.append({"to": said})
            continue
        ends = [at for one in stops if (at := said.find(one)) >= 0]
        kept += said[: min(ends)] if ends else said
        if ends:
            break
    found, written, reason = reply_to(text, stop=stops)
    assert (found, [json.loads(one) for one in written]) == (kept.strip(), calls), (text, stops)
    assert reason == ("tool_calls" if calls else "stop")


@for_each(
    "text, said, reason, stop",
    [
        ("I go. Observation: x", "I go.", "stop_sequence", "Observation:"),
        ("I go." + CALL % "x" + "\nObservation: y", "I go.", "tool_use", None),
        ("I go." + CALL % "Observation:", "I go.", "tool_use", None),
        ("I go. Obs", "I go. Obs", "end_turn", None),
    ],
)
def test_a_stop_sequence_beside_tools_is_told(text: str, said: str, reason: str, stop: Any) -> None:
    app = app_of(sg.testing.Scripted(lambda _: text), tool_format="hermes")
    tools = [{"name": "move", "input_schema": MOVE}]
    body = {"tools": tools, "stop_sequences": ["Observation:"], "temperature": 0}
    found = post(app, "/v1/messages", body_of("messages", **body)).json()
    assert "".join(one.get("text", "") for one in found["content"]).strip() == said
    assert (found["stop_reason"], found["stop_sequence"]) == (reason, stop)
    events = post(app, "/v1/messages", body_of("messages", stream=True, **body)).text
    assert f'"stop_reason": "{reason}"' in events and "Observation: y" not in events


def test_more_stops_than_can_be_looked_for_are_refused(app: Any) -> None:
    answer = post(app, "/v1/chat/completions", {**CHAT, "stop": [f"s{at}" for at in range(10_000)]})
    error = answer.json()["error"]
    assert (answer.status_code, error["param"]) == (400, "stop") and "256" in error["message"]


# --- max_tokens -------------------------------------------------------------------------------------------

MANY = {
    "chat/completions": ("max_tokens", "max_completion_tokens"),
    "completions": ("max_tokens",),
    "responses": ("max_output_tokens",),
    "messages": ("max_tokens",),
}


@for_each("path, name", [(path, name) for path, names in MANY.items() for name in names])
def test_more_tokens_than_the_context_has_are_cut_to_what_is_left(app: Any, path: str, name: str) -> None:
    forms: dict[str, dict[str, Any]] = {
        "responses": {"text": {"format": FLAT}},
        "messages": {"output_config": {"format": {"type": "json_schema", "schema": PERSON}}},
    }
    form = forms.get(path, {"response_format": FORMAT})
    plain = post(app, f"/v1/{path}", body_of(path, **form))
    for many in (16_384, 128_000, 10**12):
        body = body_of(path, **form, **{name: many})
        answer = post(app, f"/v1/{path}", body)
        assert text_of(answer) == text_of(plain)
        assert answer.headers[HEADER].startswith(f"{name}: {many} is cut to the ")
        streamed = post(app, f"/v1/{path}", {**body, "stream": True})
        assert streamed.status_code == 200 and streamed.headers[HEADER] == answer.headers[HEADER]
    fewer = post(app, f"/v1/{path}", body_of(path, **form, **{name: 60}))
    assert text_of(fewer) == text_of(plain) and HEADER not in fewer.headers


def test_a_cut_text_has_the_tokens_that_are_left() -> None:
    engine = sg.Engine(Function(TOKENIZER.vocab_size, 60), TOKENIZER)
    no_end = {str(token): -1e6 for token in TOKENIZER.eos_token_ids}
    body = {"model": "extract", "prompt": "word " * 10, "max_tokens": 10**9, "logit_bias": no_end}
    usage = post(app_of(engine), "/v1/completions", body).json()["usage"]
    assert usage["total_tokens"] == 60


# --- a prompt that is too long ----------------------------------------------------------------------------

LONG = "word " * 3000


@for_each("path", list(MANY))
@for_each("many", [None, 9, 10**6])
@for_each("is_form", [False, True])
def test_a_prompt_that_is_too_long_is_told_in_the_words_that_clients_look_for(
    app: Any, path: str, many: int | None, is_form: bool
) -> None:
    member = {"responses": "input", "completions": "prompt"}.get(path, "messages")
    said: Any = LONG if path in ("responses", "completions") else [{"role": "user", "content": LONG}]
    body = body_of(path, **{member: said})
    if many is not None:
        body[MANY[path][0]] = many
    if is_form and path == "chat/completions":
        body["response_format"] = FORMAT
    answer = post(app, f"/v1/{path}", body)
    assert answer.status_code == 400
    error = answer.json()["error"]
    if path == "messages":
        assert error["type"] == "invalid_request_error" and answer.json()["type"] == "error"
        assert error["message"].startswith("prompt is too long: ") and " > " in error["message"]
    else:
        assert (error["code"], error["param"]) == ("context_length_exceeded", member)
        assert "This model's maximum context length is 2048 tokens." in error["message"]


@pytest.mark.parametrize("many", [None, 10**6])
def test_a_prompt_that_leaves_no_room_for_the_shortest_document_is_too_long(many: int | None) -> None:
    engine = sg.Engine(Function(TOKENIZER.vocab_size, 40), TOKENIZER)
    form = {"type": "json_schema", "json_schema": {"schema": {"type": "string", "minLength": 300}}}
    body = {"model": "extract", "prompt": "word " * 10, "response_format": form, "max_tokens": many}
    error = post(app_of(engine), "/v1/completions", body).json()["error"]
    assert (error["code"], error["param"]) == ("context_length_exceeded", "prompt")
    few = post(app_of(engine), "/v1/completions", {**body, "max_tokens": 5}).json()["error"]
    assert (few["code"], few["param"]) == ("max_tokens_too_small", "max_tokens")


# --- what other libraries leave in a history, and tools that a server runs itself --------------------------

PASSED_OVER: dict[str, Any] = {
    "provider_specific_fields": {"thought_signature": "x"},
    "images": [],
    "cache_control": {"type": "ephemeral"},
    "id": "msg_1",
    "extra_content": {"google": {"thought_signature": "x"}},
}
OF_ASSISTANTS: dict[str, Any] = {
    "thinking_blocks": [{"type": "thinking", "thinking": "Hm.", "signature": "s"}],
    "reasoning_details": [{"type": "reasoning.text", "text": "Hm."}],
    "annotations": [],
    "citations": [],
    "audio": None,
    "refusal": None,
}
CALLED: dict[str, Any] = {
    "id": "call_1",
    "type": "function",
    "function": {"name": "move", "arguments": '{"to": "x"}'},
}
HISTORY: list[dict[str, Any]] = [
    {"role": "system", "content": "Be short."},
    {"role": "user", "content": "Hi"},
    {"role": "assistant", "content": "I move.", "tool_calls": [CALLED]},
    {"role": "tool", "tool_call_id": "call_1", "content": "moved"},
    {"role": "assistant", "content": "Done."},
    {"role": "user", "content": "Again."},
]


@pytest.fixture(scope="module")
def chat_model(tmp_path_factory: Any) -> ServedModel:
    engine = sg.Engine(write_chat_llama(tmp_path_factory.mktemp("taken")))
    return ServedModel(engine, "extract", tool_format="hermes")


def test_members_that_say_nothing_to_a_model_change_no_prompt(chat_model: ServedModel) -> None:
    body: dict[str, Any] = {"model": "extract", "messages": HISTORY, "tools": [MOVE_TOOL], "max_tokens": 1}
    filled: list[dict[str, Any]] = []
    for message in HISTORY:
        more = {**PASSED_OVER, **(OF_ASSISTANTS if message["role"] == "assistant" else {})}
        made = {**message, **more}
        if "tool_calls" in message:
            inner = {**CALLED["function"], "provider_specific_fields": {"a": 1}}
            made["tool_calls"] = [{**CALLED, **PASSED_OVER, "id": "call_1", "function": inner}]
        filled.append(made)
        for name in more:  # each alone, too
            check_members({**body, "messages": [{**message, name: more[name]}]}, "chat")
    bare, full = (chat_model.read_chat({**body, "messages": one}).requests[0] for one in (HISTORY, filled))
    assert full.prompt == bare.prompt
    answer = post(make_app(chat_model), "/v1/chat/completions", {**body, "messages": filled})
    assert answer.status_code == 200, answer.text


def test_images_in_a_history_are_refused(app: Any) -> None:
    message = {"role": "user", "content": "x", "images": ["data:image/png;base64,AA"]}
    error = post(app, "/v1/chat/completions", {**CHAT, "messages": [message]}).json()["error"]
    assert error["message"].startswith("messages/0/images must be an empty list")


HOSTED: list[dict[str, Any]] = [
    {"type": "web_search"},
    {"type": "image_generation", "size": "auto"},
    {"type": "local_shell"},
    {"type": "tool_search"},
    {"type": "tool_search", "execution": "server", "parameters": {"type": "object"}},
    {"type": "mcp", "server_label": "x", "server_url": "http://x"},
    {"type": "web_search_20250305", "name": "web_search", "max_uses": 5},
    {"type": "bash_20250124", "name": "bash"},
]
OWN = {
    "chat/completions": TOOL,
    "responses": {"type": "function", **TOOL["function"]},
    "messages": {"name": "save", "input_schema": PERSON},
}


@for_each("path", OWN)
@for_each("seed", range(2))
def test_hosted_tools_beside_functions_are_left_out_and_alone_refused(app: Any, path: str, seed: int) -> None:
    draw = random.Random(f"{path} {seed}")
    hosted = draw.sample(HOSTED, draw.randint(1, 4))
    tools = [*hosted, OWN[path]]
    draw.shuffle(tools)
    plain = post(app, f"/v1/{path}", body_of(path, tools=[OWN[path]])).json()
    answer = post(app, f"/v1/{path}", body_of(path, tools=tools))
    kinds = ", ".join(dict.fromkeys(one["type"] for one in tools if one in hosted))
    with warnings.catch_warnings(record=True) as caught:
        post(app, f"/v1/{path}", body_of(path, tools=tools))
    assert not caught, "a server's log is not the client's"
    assert answer.headers[HEADER].startswith(f"tools: {kinds} left out")
    assert answer.json()["usage"] == plain["usage"], "the model was told of them"
    alone = post(app, f"/v1/{path}", body_of(path, tools=hosted))
    assert alone.status_code == 400 and alone.json()["error"]["message"].startswith("tools/0/type: ")


@pytest.mark.parametrize("kind", ["functon", "Function", "fnction", "custum"])
def test_a_type_of_a_tool_that_is_misspelt_is_no_hosted_tool(app: Any, kind: str) -> None:
    body = {**CHAT, "tools": [TOOL, {"type": kind, "name": "x"}]}
    error = post(app, "/v1/chat/completions", body).json()["error"]
    assert error["message"].startswith("tools/1/type: ") and "Did you mean" in error["message"]


# --- members of other servers -------------------------------------------------------------------------------

CHAT_TAKEN: list[dict[str, Any]] = [
    {"guided_decoding_backend": "outlines", "structured_outputs": {"json": PERSON}, "response_format": None},
    {"include_stop_str_in_output": False, "stop": "x"},
    {"enable_thinking": False},
    {"thinking": {"type": "disabled"}},
    {"thinking": False},
    {"reasoning": {}},
    {"response_format": {"type": "json_object", "schema": PERSON}},
    {"stop_token_ids": [], "bad_words": [], "vllm_xargs": {}, "ignore_eos": False, "length_penalty": 1.0},
    {"skip_special_tokens": True, "include_reasoning": True, "add_special_tokens": False, "priority": 0},
    {"context_management": [{"type": "compaction"}]},
]
RESPONSES_TAKEN: list[dict[str, Any]] = [
    {"include": ["reasoning.encrypted_content"], "store": False},
    {"include": [], "truncation": "auto"},
    {"truncation": "disabled", "include": ["file_search_call.results", "code_interpreter_call.outputs"]},
    {"enable_thinking": False, "reasoning": {"effort": "none", "summary": "auto"}},
    {"context_management": [{"type": "compaction", "compact_threshold": 1000}]},
]
MESSAGES_TAKEN: list[dict[str, Any]] = [
    {"mcp_servers": [], "container": None},
    {"context_management": {"edits": [{"type": "clear_tool_uses_20250919"}]}},
    {"output_config": None, "output_format": {"type": "json_schema", "schema": PERSON}},
]


@for_each(
    "path, more",
    [
        *(("chat/completions", one) for one in CHAT_TAKEN),
        *(("responses", one) for one in RESPONSES_TAKEN),
        *(("messages", one) for one in MESSAGES_TAKEN),
    ],
)
def test_what_asks_for_nothing_that_is_lacking_is_taken(app: Any, path: str, more: dict[str, Any]) -> None:
    forms: dict[str, dict[str, Any]] = {
        "chat/completions": {"response_format": FORMAT},
        "responses": {"text": {"format": FLAT}},
        "messages": {"output_config": {"format": {"type": "json_schema", "schema": PERSON}}},
    }
    answer = post(app, f"/v1/{path}", body_of(path, **{**forms[path], **more}))
    assert json.loads(text_of(answer)) == ADA
    assert ("context_management: " in answer.headers.get(HEADER, "")) == ("context_management" in more)


@for_each(
    "path, more, param, told",
    [
        ("chat/completions", {"include_stop_str_in_output": True}, "include_stop_str_in_output", ""),
        ("chat/completions", {"bad_words": ["a"]}, "bad_words", ""),
        ("chat/completions", {"priorty": 3}, "priorty", "Did you mean 'priority'?"),
        ("chat/completions", {"web_search_options": {}}, "web_search_options", ""),
        ("responses", {"reasoning": {"effort": "hi"}}, "reasoning.effort", "reasoning/effort must be"),
        ("responses", {"include": ["reasoning.encrypted"]}, "include.0", "include/0: "),
        ("responses", {"truncation": "middle"}, "truncation", ""),
    ],
)
def test_what_is_lacking_is_refused_by_the_name_that_was_sent(
    app: Any, path: str, more: dict[str, Any], param: str, told: str
) -> None:
    error = post(app, f"/v1/{path}", body_of(path, **more)).json()["error"]
    assert (error["param"], told in error["message"]) == (param, True), error


def test_log_probabilities_are_included_in_a_response(app: Any) -> None:
    asked = {"include": ["message.output_text.logprobs"], "top_logprobs": 2, "text": {"format": FLAT}}
    found = post(app, "/v1/responses", body_of("responses", **asked)).json()
    tokens = found["output"][0]["content"][0]["logprobs"]
    assert "".join(one["token"] for one in tokens) == found["output"][0]["content"][0]["text"]
    assert all(len(one["top_logprobs"]) == 2 for one in tokens)
    events = post(app, "/v1/responses", body_of("responses", stream=True, **asked)).text.split("\n\n")
    done = next(one for one in events if one.startswith("event: response.output_text.done"))
    assert json.loads(done.split("\ndata: ")[1])["logprobs"] == tokens


@for_each(
    "more", [{}, {"instructions": "Be short."}, {"tools": [OWN["responses"]]}, {"text": {"format": FLAT}}]
)
def test_the_tokens_of_an_input_are_counted(app: Any, more: dict[str, Any]) -> None:
    answer = post(app, "/v1/responses/input_tokens", body_of("responses", **more))
    usage = post(app, "/v1/responses", body_of("responses", max_output_tokens=60, **more)).json()["usage"]
    assert answer.json() == {"object": "response.input_tokens", "input_tokens": usage["input_tokens"]}
    client = openai_client(app)
    counted = run(lambda: client.responses.input_tokens.count(**body_of("responses", **more)))
    assert counted.input_tokens == usage["input_tokens"]


# --- policies -----------------------------------------------------------------------------------------------


def post_policies(app: Any, path: str, policies: Any, schema: Any = PERSON, **more: Any) -> Any:
    form = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    return post(app, f"/v1/{path}", body_of(path, policies=policies, response_format=form, **more))


@for_each("path", ["chat/completions", "completions"])
def test_a_document_is_written_under_the_policies_of_its_request(engine: sg.Engine, path: str) -> None:
    app = app_of(engine)
    for policies, layout in (
        ({"whitespace": "compact"}, {"separators": (",", ":")}),
        ({"whitespace": 2}, {"indent": 2}),
        ({"whitespace": "  "}, {"indent": 2}),
        ({"max_string": 2}, {}),
        ({}, {}),
        (None, {}),
    ):
        text = text_of(post_policies(app, path, policies))
        found = json.loads(text)
        assert text == json.dumps(found, **layout)
        assert len(found["name"]) <= (policies or {}).get("max_string", 99)


@for_each(
    ("policies", "told"),
    [
        ({"whitespace": "loose"}, "whitespace"),
        ({"whitespace": 10**12}, "at most 1000 blanks"),
        ({"whitespace": " " * 5000}, "at most 1000 blanks"),
        ({"max_string": -1}, "max_string"),
        ({"grammars": {}}, "grammars"),
        ({"limits": {}}, "limits"),
        ({"resources": {}}, "resources"),
        ({"custom_formats": {"a": 5}}, "custom_formats"),
        ({"custom_formats": {"a": "("}}, "custom_formats|pattern|a"),
        ({"any_value": 10**6}, "any_value"),
        ([], "policies"),
        ("compact", "policies"),
    ],
)
def test_wrong_policies_are_refused_by_name(engine: sg.Engine, policies: Any, told: str) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string", "format": "a"}}, "required": ["a"]}
    answer = post_policies(app_of(engine), "chat/completions", policies, schema)
    assert answer.status_code == 400
    assert re.search(told, answer.json()["error"]["message"]) and "sg." not in answer.text


def test_policies_without_a_schema_are_refused(engine: sg.Engine) -> None:
    for path, more in (
        ("chat/completions", {}),
        ("chat/completions", {"structured_outputs": {"regex": "a+"}}),
        ("responses", {}),
        ("completions", {}),
    ):
        answer = post(app_of(engine), f"/v1/{path}", body_of(path, policies={"max_string": 3}, **more))
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, "policies")


@for_each(
    ("examples", "param", "told"),
    [
        ([{"prompt": "Bo is 4.", "answer": "{}"}], "examples", "embedded models read one text"),
        ([{"prompt": "Bo is 4."}], "examples", "answer"),
        ([{"prompt": 5, "answer": "{}"}], "examples", "prompt"),
        ("Bo is 4.", "examples", "examples"),
    ],
)
def test_examples_that_cannot_be_read_are_refused(
    engine: sg.Engine, examples: Any, param: str, told: str
) -> None:
    answer = post(app_of(engine), "/v1/chat/completions", {**CHAT, "examples": examples})
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert error["param"].startswith(param) and told in error["message"]


def test_a_server_says_that_it_is_structgen(engine: sg.Engine) -> None:
    app = app_of(engine, ServerOptions(keys=("secret",)))

    async def work() -> Any:
        client = http_client(app)
        listed = await client.get("/v1/models", headers={"authorization": "Bearer secret"})
        return listed, await client.get("/v1/models")

    listed, refused = run(work)
    said = [(answer.status_code, answer.headers.get("x-structgen-version")) for answer in (listed, refused)]
    assert said == [(200, sg.__version__), (401, sg.__version__)]
    assert listed.headers["x-structgen-prompts"] == "texts"
