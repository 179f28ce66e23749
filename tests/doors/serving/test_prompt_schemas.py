"""A JSON Schema that stands in the messages: what counts as one, and what is only quoted."""

from __future__ import annotations

import json
import random
from textwrap import dedent
from typing import Any

import pytest
from for_each import for_each
from jsonschema import Draft202012Validator
from served_apps import PERSON, app_of, post
from small_models import Function, tokenizer

import structgen as sg
from structgen.doors.serving import prompt_schemas

HEADER = "x-structgen-warning"
USED = "messages: the reply matches the JSON Schema in the messages"
CHAT = "/v1/chat/completions"
OBJECT = {"response_format": {"type": "json_object"}}
FENCES = "Return the correct JSON response within a ```json codeblock. not the JSON_SCHEMA"
SMALL: dict[str, Any] = {
    "type": "object",
    "properties": {"kind": {"enum": ["a", "b"]}, "count": {"type": "integer", "maximum": 99, "minimum": 0}},
    "required": ["kind", "count"],
    "additionalProperties": False,
}


def instructor_text(schema: Any) -> str:
    """Return what instructor 1.17 appends to the message of the system (modes JSON and MD_JSON)."""
    return dedent(
        f"""
        As a genius expert, your task is to understand the content and provide
        the parsed objects in json that match the following json_schema:\n

        {json.dumps(schema, indent=2, ensure_ascii=False)}

        Make sure to return an instance of the JSON, not the schema itself
        """
    )


def ai_sdk_text(schema: Any) -> str:
    """Return the system message of the AI SDK's text form."""
    end = "You MUST answer with a JSON object that matches the JSON schema above."
    return f"JSON schema:\n{json.dumps(schema, separators=(',', ':'))}\n{end}"


def mirascope_text(schema: Any) -> str:
    """Return what mirascope 2.8 appends to the message of the system (its mode json)."""
    return f"Respond only with valid JSON that matches this exact schema:\n{json.dumps(schema, indent=2)}"


def dspy_text(notes: dict[str, str]) -> str:
    """Return the end of the system message of dspy 3.4's JSONAdapter."""
    fields = {
        name: f"{{{name}}}" + (f"        # note: the value you produce {note}" if note else "")
        for name, note in notes.items()
    }
    head = "Outputs will be a JSON object with the following fields."
    end = "In adhering to this structure, your objective is: \n        Extract."
    return f"{head}\n\n{json.dumps(fields, indent=2)}\n{end}"


WORDINGS = {"instructor": instructor_text, "AI SDK": ai_sdk_text, "mirascope": mirascope_text}


def random_app(**options: Any) -> Any:
    """Return an application of a model that writes at random."""
    engine = sg.Engine(Function(tokenizer().vocab_size), tokenizer())
    return app_of(engine, **{"schema_in_prompt": True, **options})


def asked(*contents: str, **body: Any) -> dict[str, Any]:
    """Return a body whose messages are of the system, of the user, of the assistant, of the user."""
    roles = ("system", "user", "assistant", "user")
    messages = [
        {"role": role, "content": content} for role, content in zip(roles, contents, strict=False) if content
    ]
    return {"model": "extract", "messages": messages, "max_tokens": 120, "temperature": 1, **body}


def reply_of(app: Any, body: Any) -> tuple[str, str]:
    """Return the text of a reply, and the warning."""
    answer = post(app, CHAT, body)
    assert answer.status_code == 200, answer.text
    return answer.json()["choices"][0]["message"]["content"], answer.headers.get(HEADER, "")


@for_each("name", list(WORDINGS))
def test_the_reply_matches_a_schema_in_the_words_of_a_client(name: str) -> None:
    app = random_app()
    judge = Draft202012Validator(SMALL)
    for seed, extra in enumerate([OBJECT, {}] * 2):
        text = ("Extract.\n\n" * (seed > 1)) + WORDINGS[name](SMALL)
        reply, warning = reply_of(app, asked(text, "Go.", seed=seed, **extra))
        judge.validate(json.loads(reply))
        assert warning == USED


def test_the_reply_matches_the_fields_of_dspy() -> None:
    notes = {
        "reasoning": "",
        "is_right": "must be True or False",
        "count": "must be a single int value",
        "share": "must be a single float value",
        "mood": "must be one of: good; bad",
        "kind": "must exactly match (no extra characters) one of: a; b; c d",
        "person": f"must adhere to the JSON schema: {json.dumps(SMALL)}",
    }
    types = {
        "reasoning": {"type": "string"},
        "is_right": {"type": "boolean"},
        "count": {"type": "integer"},
        "share": {"type": "number"},
        "mood": {"enum": ["good", "bad"]},
        "kind": {"enum": ["a", "b", "c d"]},
        "person": SMALL,
    }
    expected = {"type": "object", "properties": types, "required": list(types), "additionalProperties": False}
    app = random_app()
    for seed in range(3):
        reply, warning = reply_of(app, asked(dspy_text(notes), "Go.", seed=seed, **OBJECT))
        Draft202012Validator(expected).validate(json.loads(reply))
        assert warning == USED


def test_a_block_of_code_is_allowed_where_the_client_asks_for_one() -> None:
    document = '{"kind": "a", "count": 7}'
    for text in (document, f"```json\n{document}\n```"):
        app = app_of(sg.testing.Scripted(lambda _, text=text: text), schema_in_prompt=True)
        body = asked(instructor_text(SMALL), f"Go.\n\n{FENCES}", temperature=0)
        assert reply_of(app, body) == (text, USED)


def test_an_embedded_model_reads_the_schema_too(engine: sg.Engine) -> None:
    app = app_of(engine, schema_in_prompt=True)
    body = asked(instructor_text(PERSON), f"Ada Lovelace, 36, lives in London.\n\n{FENCES}")
    reply, _ = reply_of(app, body)
    assert json.loads(reply)["city"] == "London"


SCHEMA = json.dumps(SMALL)
NOT_ASKED: list[tuple[str, tuple[str, ...], str]] = [
    ("no words of a client", ("", f"What does this schema mean? {SCHEMA}"), ""),
    ("a quotation in a line", ("", f'The prompt "JSON schema: {SCHEMA}" fails. Why?'), ""),
    ("a quotation in a block", ("", f"Why does this fail?\n```\n{ai_sdk_text(SMALL)}\n```"), ""),
    ("the head alone", ("", f"JSON schema:\n{SCHEMA}\nWhat is wrong with it?"), ""),
    ("an earlier turn", ("", ai_sdk_text(SMALL), "Done.", "Thanks. Tell me a story."), ""),
    ("no JSON", ("JSON schema:\n{type: object}\nYou MUST answer with a JSON object.", "Go."), ""),
    ("no schema", (ai_sdk_text({"type": "objekt"}), "Go."), "is not used"),
    ("a list", (ai_sdk_text([1, 2]), "Go."), "is not used"),
    ("an object without a keyword", (ai_sdk_text({"name": "Ada"}), "Go."), "is not used"),
    ("a reference that leads nowhere", (ai_sdk_text({"$ref": "#/$defs/x"}), "Go."), "is not used"),
    ("two schemas", (ai_sdk_text(SMALL), mirascope_text({"type": "integer"})), "2 JSON Schemas"),
    ("a deep text", ("JSON schema:\n" + "[" * 5000, "Go."), ""),
    ("notes of another kind", (dspy_text({"a": "must rhyme"}), "Go."), ""),
]


def test_the_result_of_a_tool_asks_for_nothing() -> None:
    app = app_of(sg.testing.Scripted(lambda _: "Of course."), schema_in_prompt=True)
    body = asked("", "Go.", temperature=0)
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    body["messages"] += [
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": ai_sdk_text(SMALL)},
    ]
    assert reply_of(app, body) == ("Of course.", "")


def test_a_hundred_thousand_wordings_are_read_in_bounded_time() -> None:
    texts = [ai_sdk_text({"const": number}) for number in range(100_000)]
    read: list[Any] = []
    real = prompt_schemas.json.JSONDecoder
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(prompt_schemas.json, "JSONDecoder", lambda: read.append(1) or real())
        messages = [{"role": "system", "content": text} for text in texts[:50_000]]
        messages.append({"role": "user", "content": "\n".join(texts[50_000:])})
        form, _ = prompt_schemas.prompt_form(messages, allows_fences=False)
    assert form is None and len(read) == prompt_schemas.MOST_WORDINGS


@for_each("name, contents, remark", NOT_ASKED)
def test_what_is_no_request_for_a_schema_leaves_the_reply_free(name: str, contents: Any, remark: str) -> None:
    app = app_of(sg.testing.Scripted(lambda _: "Of course."), schema_in_prompt=True)
    reply, warning = reply_of(app, asked(*contents, temperature=0))
    assert reply == "Of course." and remark in warning and bool(remark) == bool(warning), (name, warning)


def test_the_same_schema_twice_is_one() -> None:
    reply, warning = reply_of(random_app(), asked(ai_sdk_text(SMALL), ai_sdk_text(SMALL)))
    assert json.loads(reply) and warning == USED


def test_a_member_of_the_request_goes_before_the_messages(engine: sg.Engine) -> None:
    other = {
        "type": "object",
        "properties": {"x": {"const": 1}},
        "required": ["x"],
        "additionalProperties": False,
    }
    form = {"type": "json_schema", "json_schema": {"name": "x", "schema": other}}
    assert reply_of(random_app(), asked(ai_sdk_text(SMALL), "Go.", response_format=form)) == ('{"x": 1}', "")


@for_each(
    "form",
    [OBJECT, {"structured_outputs": {"json_object": True}}, {"json_schema": "$$ANY$$"}],
)
def test_any_object_is_told_where_no_schema_reaches_the_server(form: Any) -> None:
    for is_on in (False, True):
        _, warning = reply_of(random_app(schema_in_prompt=is_on), asked("", "Go.", **form))
        assert (
            warning.startswith(f"{next(iter(form))}: it names no schema") and "--schema-in-prompt" in warning
        )


def test_without_the_option_the_messages_are_messages() -> None:
    app = app_of(sg.testing.Scripted(lambda _: "Of course."))
    assert reply_of(app, asked(ai_sdk_text(SMALL), "Go.", temperature=0)) == ("Of course.", "")


def random_schema(draw: random.Random) -> Any:
    """Return a small schema of an object."""
    leaves: list[Any] = [
        {"type": "boolean"},
        {"enum": ["x", "\u00e4 {", 3]},
        {"type": "integer", "minimum": 0, "maximum": 9},
        {"type": "string", "maxLength": 3},
        {"type": "array", "items": {"type": "null"}, "maxItems": 2},
    ]
    names = draw.sample(["a", 'b"}', "```", "c: {", "JSON schema:"], draw.randrange(1, 4))
    properties = {name: draw.choice(leaves) for name in names}
    return {"type": "object", "properties": properties, "required": names, "additionalProperties": False}


def check_replies(app: Any, seeds: range) -> None:
    for seed in seeds:
        draw = random.Random(seed)
        schema = random_schema(draw)
        text = draw.choice([*WORDINGS.values()])(schema)
        before = draw.choice(["", "Be exact.\n\n", "Use {braces} and `ticks`.\n\n"])
        contents = draw.choice([(before + text, "Go."), ("", before + text), ("", "Hi", "Yes?", text)])
        reply, warning = reply_of(app, asked(*contents, seed=seed, **draw.choice([OBJECT, {}])))
        Draft202012Validator(schema).validate(json.loads(reply))
        assert warning == USED, seed


def test_replies_match_random_schemas_in_the_messages() -> None:
    check_replies(random_app(), range(40))


@pytest.mark.slow
def test_replies_match_two_thousand_random_schemas_in_the_messages() -> None:
    check_replies(random_app(), range(1000, 3000))
