"""A model with a chat template: roles, tools and earlier calls go through it; thoughts come apart."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from served_apps import FORMAT, PERSON, TOOL, openai_client, post, run, schema_format
from small_models import write_llama

import structgen as sg
from structgen.asking.tool_calls.format_rows import ROWS
from structgen.doors.serving.app import make_app
from structgen.doors.serving.served_model import ServedModel

TEMPLATE = (
    "{% if tools %}TOOLS{% for tool in tools %} {{ tool.function.name }}{% endfor %};{% endif %}"
    "{% for message in messages %}<{{ message.role }}>{{ message.content }}"
    '{% for call in message.tool_calls or [] %}<tool_call>{"name": "{{ call.function.name }}", '
    '"arguments": {{ call.function.arguments | tojson }}}</tool_call>{% endfor %}'
    "</{{ message.role }}>{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)
THINKING = TEMPLATE.replace("<assistant>{% endif %}", "<assistant><think>\n{% endif %}")
HYBRID = TEMPLATE.replace(
    "<assistant>{% endif %}", "<assistant>{% if enable_thinking is false %}<none>{% endif %}{% endif %}"
)
OPEN_TOOL: Any = {
    "type": "function",
    "function": {
        "name": "pick",
        "parameters": {"type": "object", "properties": {"n": {"enum": [1, 2]}}, "required": ["n"]},
    },
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_llama(tmp_path_factory.mktemp("served"))


@cache
def engine_of(folder: Path) -> sg.Engine:
    return sg.Engine(folder)


def served(folder: Path, template: str, **options: Any) -> ServedModel:
    """Return the one model of the folder with a template in place of the one before."""
    engine_of(folder).prompts.use_template(template)
    return ServedModel(engine_of(folder), "mine", **options)


def prompt_of(model: ServedModel, **body: Any) -> str:
    (request,) = model.read_chat({"model": "mine", **body}).requests
    return model.engine.tokenizer.decode(request.prompt).decode()  # type: ignore[arg-type]


def test_all_roles_go_through_the_template(folder: Path) -> None:
    messages = [
        {"role": "developer", "content": "Be short."},
        {"role": "user", "content": [{"type": "text", "text": "Who"}, {"type": "text", "text": "is it?"}]},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "save", "arguments": '{"n": 1}'}}
            ],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "saved"},
    ]
    assert prompt_of(served(folder, TEMPLATE), messages=messages, tools=[TOOL]) == (
        "TOOLS save;<system>Be short.</system><user>Who\nis it?</user>"
        '<assistant><tool_call>{"name": "save", "arguments": {"n": 1}}</tool_call></assistant>'
        "<tool>saved</tool><assistant>"
    )


def test_half_a_character_is_refused_as_such_and_not_by_the_template(folder: Path) -> None:
    messages = [{"role": "user", "content": "a\ud83d"}]
    with pytest.raises(sg.errors.OptionError, match="half of a surrogate pair"):
        prompt_of(served(folder, TEMPLATE), messages=messages)


def test_tools_that_may_not_be_called_are_not_told(folder: Path) -> None:
    messages = [{"role": "user", "content": "Hi"}]
    model = served(folder, TEMPLATE)
    assert (
        prompt_of(model, messages=messages, tools=[TOOL], tool_choice="none") == "<user>Hi</user><assistant>"
    )


@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "pick"}}])
def test_calls_are_written_as_the_template_shows(folder: Path, choice: Any) -> None:
    model = served(folder, TEMPLATE)
    assert model.format.name in ("hermes", "exaone", "qwen_3")
    client = openai_client(make_app(model))
    body: Any = {"model": "mine", "messages": [{"role": "user", "content": "Pick."}], "tools": [OPEN_TOOL]}

    async def work() -> Any:
        whole = await client.chat.completions.create(**body, tool_choice=choice, seed=1)
        events = await client.chat.completions.create(**body, tool_choice=choice, seed=1, stream=True)
        return whole, [one async for one in events]

    whole, chunks = run(work)
    calls = whole.choices[0].message.tool_calls
    assert calls and all(one.function.name == "pick" for one in calls)
    assert all(json.loads(one.function.arguments)["n"] in (1, 2) for one in calls)
    streamed: dict[int, str] = {}
    for one in chunks:
        for call in one.choices[0].delta.tool_calls or ():
            streamed[call.index] = streamed.get(call.index, "") + call.function.arguments
    assert [streamed[at] for at in sorted(streamed)] == [one.function.arguments for one in calls]


def test_calls_without_a_format_in_the_template_are_written_as_hermes_and_a_note_says_so(
    folder: Path,
) -> None:
    plain = "{% for message in messages %}{{ message.content }}{% endfor %}"
    body = {"model": "mine", "messages": [{"role": "user", "content": "Hi"}], "tools": [OPEN_TOOL]}
    body |= {"tool_choice": "required", "parallel_tool_calls": False}
    named, guessed = (
        post(make_app(served(folder, plain, tool_format=format)), "/v1/chat/completions", body)
        for format in ("hermes", None)
    )
    assert guessed.json()["choices"][0]["finish_reason"] == "tool_calls"
    written = [one.json()["choices"][0]["message"]["tool_calls"][0]["function"] for one in (named, guessed)]
    assert written[0] == written[1] and guessed.json()["usage"] == named.json()["usage"]
    assert "in the format hermes" in guessed.headers["x-structgen-warning"]
    assert "x-structgen-warning" not in named.headers
    without = {**body, "tools": None, "tool_choice": None, "max_tokens": 5}
    answer = post(make_app(served(folder, plain)), "/v1/chat/completions", without)
    assert "x-structgen-warning" not in answer.headers, "no call can be written"


@pytest.mark.parametrize("stream", [True, False])
def test_thoughts_come_apart_and_before_the_document(folder: Path, stream: bool) -> None:
    client = openai_client(make_app(served(folder, THINKING, thinking_tokens=8)))
    body: Any = {
        "model": "mine",
        "messages": [{"role": "user", "content": "Who?"}],
        "response_format": FORMAT,
    }

    async def work() -> Any:
        if not stream:
            found = await client.chat.completions.create(**body, max_tokens=60)
            return found.choices[0].message, found.usage
        parts: list[tuple[str, str]] = []
        events = await client.chat.completions.create(
            **body, max_tokens=60, stream=True, stream_options={"include_usage": True}
        )
        async for one in events:
            for choice in one.choices:
                said = choice.delta.model_dump()
                parts += [(kind, said[kind]) for kind in ("reasoning_content", "content") if said.get(kind)]
        kinds = [kind for kind, _ in parts]
        assert kinds == sorted(kinds, reverse=True), "thoughts come first"
        joined = {kind: "".join(text for one, text in parts if one == kind) for kind in set(kinds)}
        return type("Message", (), {**joined, "model_dump": lambda self: joined})(), one.usage

    message, usage = run(work)
    thoughts = message.model_dump()["reasoning_content"]
    assert thoughts and "think>" not in thoughts
    assert set(json.loads(message.content)) == set(PERSON["required"])
    assert 0 < usage.completion_tokens_details.reasoning_tokens < usage.completion_tokens


# --- thoughts and the template, by request ---

SWITCHED = TEMPLATE.replace(
    "<assistant>{% endif %}",
    "<assistant>{% if enable_thinking %}<think>\n{% else %}<think>\n\n</think>\n\n{% endif %}"
    "{% if reasoning_effort %}[{{ reasoning_effort }}]{% endif %}{{ more }}{% endif %}",
)
HI: Any = [{"role": "user", "content": "Hi"}]


def thinking_of(model: ServedModel, **body: Any) -> tuple[str | None, int | None, str]:
    """Return the closing tag and the budget of the thoughts of a request, and the end of its prompt."""
    (request,) = model.read_chat({"model": "mine", "messages": HI, **body}).requests
    found = request.thinking
    prompt = model.engine.tokenizer.decode(request.prompt).decode()  # type: ignore[arg-type]
    tag = None if found is None else str(found.until)
    return tag, None if found is None else found.max_tokens, prompt.rpartition("<assistant>")[2]


ON, OFF = {"enable_thinking": True}, {"enable_thinking": False}


@pytest.mark.parametrize(
    ("template", "option", "body", "tag", "end"),
    [
        (SWITCHED, None, {}, None, "<think>\n\n</think>\n\n"),
        (SWITCHED, None, {"chat_template_kwargs": ON}, "</think>", "<think>\n"),
        (SWITCHED, None, {"chat_template_kwargs": {"thinking": True}}, "</think>", "<think>\n"),
        (SWITCHED, None, {"enable_thinking": True}, "</think>", "<think>\n"),
        (SWITCHED, None, {"thinking": {"type": "enabled"}}, "</think>", "<think>\n"),
        (SWITCHED, "</think>", {"thinking": {"type": "disabled"}}, None, "<think>\n\n</think>\n\n"),
        (SWITCHED, "</think>", {"thinking": {"type": "adaptive"}}, "</think>", "<think>\n"),
        (SWITCHED, "</think>", {"enable_thinking": False}, None, "<think>\n\n</think>\n\n"),
        (SWITCHED, "</think>", {}, "</think>", "<think>\n"),
        (SWITCHED, "</think>", {"chat_template_kwargs": OFF}, None, "<think>\n\n</think>\n\n"),
        (SWITCHED, "</think>", {"reasoning_effort": "none"}, None, "<think>\n\n</think>\n\n[none]"),
        (SWITCHED, None, {"reasoning_effort": "low"}, "</think>", "<think>\n[low]"),
        (SWITCHED, None, {"chat_template_kwargs": {"more": "x"}}, None, "<think>\n\n</think>\n\nx"),
        (HYBRID + "{# <think> </think> #}", None, {"chat_template_kwargs": ON}, "</think>", ""),
        (HYBRID, None, {}, None, "<none>"),
        (HYBRID, "</think>", {}, "</think>", ""),
        (TEMPLATE, None, {"chat_template_kwargs": OFF}, None, ""),
        (TEMPLATE, "</own>", {"reasoning_effort": "high"}, "</own>", ""),
    ],
)
def test_thoughts_are_on_or_off_as_the_request_says(
    folder: Path, template: str, option: str | None, body: Any, tag: str | None, end: str
) -> None:
    assert thinking_of(served(folder, template, thinking=option), **body)[::2] == (tag, end)


def test_thoughts_that_the_template_always_opens_are_closed_at_once_where_the_request_wants_none(
    folder: Path,
) -> None:
    model = served(folder, THINKING, thinking_tokens=8)
    assert thinking_of(model, chat_template_kwargs=OFF)[:2] == ("</think>", 0)
    assert thinking_of(model, reasoning_effort="none")[:2] == ("</think>", 0)
    assert thinking_of(model)[:2] == ("</think>", 8)


def test_thoughts_and_texts_beyond_the_context_are_cut_and_told(folder: Path) -> None:
    """A client asks for more thoughts than the model can hold at all: they and the document share the
    rest."""
    app = make_app(served(folder, SWITCHED))
    asked = {"model": "mine", "messages": HI, "max_tokens": 64_000, "temperature": 0}
    thoughts = {"thinking": {"type": "enabled", "budget_tokens": 32_000}}
    form = {"type": "json_schema", "schema": PERSON}
    bodies = {
        "chat/completions": {**asked, "thinking_token_budget": 32_000, **thoughts, "response_format": form},
        "messages": {**asked, **thoughts, "output_config": {"format": form}},
    }
    for path, body in bodies.items():
        answer = post(app, f"/v1/{path}", body)
        assert answer.status_code == 200, answer.text
        told = answer.headers["x-structgen-warning"]
        assert "max_tokens: 64000 is cut to the " in told and ": 32000 is cut to " in told
        if path == "messages":
            assert "thinking/budget_tokens: 32000" in told
            assert json.loads(answer.json()["content"][-1]["text"])
    own, most, _ = thinking_of(served(folder, SWITCHED), thinking={"type": "enabled", "budget_tokens": 5})
    assert (own, most) == ("</think>", 5)


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({"chat_template_kwargs": {"tokenize": False}}, "chat_template_kwargs/tokenize"),
        ({"chat_template_kwargs": {"chat_template": "{{ 1 }}"}}, "chat_template_kwargs/chat_template"),
        ({"chat_template_kwargs": {"tools": []}}, "chat_template_kwargs/tools"),
    ],
)
def test_what_the_template_cannot_be_told_is_refused_by_its_place(
    folder: Path, body: Any, place: str
) -> None:
    with pytest.raises(sg.errors.OptionError) as caught:
        thinking_of(served(folder, TEMPLATE), **body)
    assert caught.value.where == place


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({"chat_template_kwargs": ON}, "chat_template_kwargs/enable_thinking"),
        ({"enable_thinking": True}, "enable_thinking"),
        ({"thinking": {"type": "enabled"}}, "thinking"),
        ({"thinking": True}, "thinking"),
        ({"reasoning_effort": "high"}, "reasoning_effort"),
        ({"reasoning": {"effort": "low"}}, "reasoning_effort"),
    ],
)
def test_thoughts_of_a_model_that_has_none_are_noted(folder: Path, body: Any, place: str) -> None:
    model = served(folder, TEMPLATE)
    plain, asked = (model.read_chat({"model": "mine", "messages": HI, **more}) for more in ({}, body))
    assert asked.requests[0].thinking is None and asked.requests[0].prompt == plain.requests[0].prompt
    assert asked.warnings == (f"{place}: the model has no thoughts, so that it has no effect",)


def test_a_model_without_a_template_is_told_messages_plainly(folder: Path) -> None:
    model = ServedModel(sg.Engine(folder), "mine", tool_format="hermes")
    assert "--chat-template" in model.describe_calls()
    messages = [
        {"role": "system", "content": "Be short."},
        *HI,
        {
            "role": "assistant",
            "tool_calls": [{"id": "c", "function": {"name": "pick", "arguments": '{"n": 1}'}}],
        },
        {"role": "tool", "tool_call_id": "c", "content": "done"},
    ]
    assert prompt_of(model, messages=messages) == (
        "System: Be short.\n\nUser: Hi\n\nAssistant: <tool_call>\n"
        '{"name": "pick", "arguments": {"n": 1}}\n</tool_call>\n\nTool: done\n\nAssistant:'
    )
    told = prompt_of(model, messages=HI, tools=[OPEN_TOOL])
    assert told.startswith("Tools:\npick: ") and "<tool_call>" in told and told.endswith("Assistant:")
    (request,) = model.read_chat({"model": "mine", "messages": HI}).requests
    assert request.stops == ("\nUser:",)
    answer = post(make_app(model), "/v1/chat/completions", {"model": "mine", "messages": HI, "max_tokens": 3})
    assert answer.status_code == 200


IDS = (
    "{% for message in messages %}{% for call in message.tool_calls or [] %}"
    "{% if call.id|length != 9 %}{{ raise_exception('Tool call IDs should be of length 9!') }}{% endif %}"
    "[TOOL_CALLS]{{ call.function.name }}[ARGS]<{{ call.id }}>{% endfor %}"
    "{% if message.role == 'tool' %}<{{ message.tool_call_id }} {{ message.name }}>{% endif %}{% endfor %}"
)
"""As templates of Mistral ask of ids."""


@pytest.mark.parametrize("tools", [[TOOL], None])
def test_ids_of_other_servers_are_those_of_the_format(folder: Path, tools: Any) -> None:
    """At each address, with tools and without."""
    model = served(folder, IDS)
    call = {"id": "toolu_01A", "type": "function", "function": {"name": "save", "arguments": "{}"}}
    messages = [
        *HI,
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "toolu_01A", "content": "saved"},
    ]
    told = "[TOOL_CALLS]save[ARGS]<call00000><call00000 save>"
    assert prompt_of(model, messages=messages, **({} if tools is None else {"tools": tools})) == told
    messages[-1] = {**messages[-1], "tool_call_id": "toolu_02B"}
    with pytest.raises(sg.errors.OptionError, match="'toolu_02B'") as caught:
        prompt_of(model, messages=messages, **({} if tools is None else {"tools": tools}))
    assert caught.value.where == "messages/2/tool_call_id"


def test_a_chat_template_is_given_by_its_text(folder: Path) -> None:
    engine = sg.Engine(folder)
    with pytest.raises(sg.errors.OptionError, match="chat template"):
        engine.prompts.use_template("{% if %}")
    engine.prompts.use_template(TEMPLATE)
    model = ServedModel(engine, "mine")
    assert prompt_of(model, messages=HI) == "<user>Hi</user><assistant>"
    assert model.describe_calls() == f"Calls of tools are written as {model.format.name} has them."


@pytest.mark.parametrize("signs", [(), *sorted({row.signs for row in ROWS if row.signs})], ids=str)
def test_a_server_tells_the_format_of_its_replies_and_warns_of_one_that_no_template_shows(
    folder: Path, signs: tuple[str, ...]
) -> None:
    """Which format a request with tools has is told before, and the option that names another."""
    shown = "".join(f"{{# {sign} #}}" for sign in signs if "#" not in sign)
    model = served(folder, "{% for message in messages %}{{ message.content }}{% endfor %}" + shown)
    body = {"model": "mine", "messages": HI, "tools": [OPEN_TOOL], "max_tokens": 60}
    reading = model.read_chat({**body, "tool_choice": "required"})
    assert reading.parts.format is model.format
    if signs:
        assert model.describe_calls() == f"Calls of tools are written as {model.format.name} has them."
        assert not any(one.startswith("tools: ") for one in reading.warnings)
    else:
        assert model.format.name == "hermes" and "format hermes" in model.describe_calls()
        assert model.describe_calls().startswith("Warning: ") and "--tool-format" in model.describe_calls()
        assert [one for one in reading.warnings if one.startswith("tools: ") and "hermes" in one]
    named = ServedModel(model.engine, "mine", tool_format="llama")
    assert named.describe_calls() == "Calls of tools are written as llama has them."


WIDE = {
    "type": "object",
    "properties": {f"member_{at}": {"type": "boolean"} for at in range(120)},
    "additionalProperties": False,
}


def asked_for(schema: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"messages": HI, "response_format": schema_format(schema), "max_tokens": 30, **more}


@pytest.mark.parametrize("template", [TEMPLATE, ""])
def test_a_chat_model_is_told_the_outline_unless_the_request_says_no(folder: Path, template: str) -> None:
    model = served(folder, template) if template else ServedModel(sg.Engine(folder), "mine")
    few = {"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "integer"}}}
    assert "Hi\n\nAnswer in JSON: {a?: string, b?: integer}" in prompt_of(
        model, **asked_for(few, outline=True)
    )
    assert ("Answer in JSON" in prompt_of(model, **asked_for(few))) == bool(template)
    assert "Answer in JSON" not in prompt_of(model, **asked_for(few, outline=False))
    assert "Answer in JSON" not in prompt_of(model, **asked_for({"type": "boolean"}))
    body = {"model": "mine", **asked_for(WIDE, outline=True)}
    (request,) = model.read_chat(body).requests
    assert len(request.prompt) + 30 <= model.engine.model.context
    answer = post(make_app(model), "/v1/chat/completions", {**body, "temperature": 0})
    assert "of the schema" in answer.json()["choices"][0]["shortened_outline"]
    wrong = post(make_app(model), "/v1/chat/completions", {**body, "outline": "yes"})
    assert wrong.status_code == 400 and wrong.json()["error"]["param"] == "outline"


@pytest.mark.parametrize("more", [{}, {"logprobs": True, "top_logprobs": 2}])
def test_listed_values_are_compared_at_the_server_and_stream_in_one_piece(
    folder: Path, more: dict[str, Any]
) -> None:
    model = served(folder, TEMPLATE)
    schema = {"enum": ["upwards", "downwards", "up"]}
    body = {"model": "mine", **asked_for(schema, **more)}
    ours = sg.run(model.engine, "Hi", schema)
    answer = post(make_app(model), "/v1/chat/completions", body).json()["choices"][0]
    assert answer["message"]["content"] == f'"{ours}"'
    streamed = post(make_app(model), "/v1/chat/completions", {**body, "stream": True}).text
    events = [json.loads(one[6:]) for one in streamed.splitlines() if one.startswith("data: {")]
    pieces = [one["choices"][0]["delta"].get("content") for one in events if one["choices"]]
    assert "".join(filter(None, pieces)) == f'"{ours}"'
    tokens = post(make_app(model), "/v1/chat/completions", {**body, "choices": "tokens"}).json()
    by_tokens = sg.run(model.engine, "Hi", schema, choices="tokens")
    assert tokens["choices"][0]["message"]["content"] == f'"{by_tokens}"'
