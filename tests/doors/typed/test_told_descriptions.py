"""A prompt holds each description of a schema or a type exactly once, at every door."""

from __future__ import annotations

import json
import random
import re
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import pytest
from asked import asked
from command_line import commanded
from pydantic import Field, create_model
from small_models import CHAT_TEMPLATE, write_chat_llama, write_llama

import structgen as sg
from structgen.asking.tool_calls.format_rows import FORMATS
from structgen.asking.tool_calls.tool_definitions import read_tools
from structgen.decoding.engine.model_prompts import ModelPrompts, ModelQuestion
from structgen.decoding.engine.requests import Request
from structgen.doors.serving.served_model import ServedModel
from structgen.doors.typed.tool_prompts import plain_chat
from structgen.grammars.json_grammars.outline_writer import MOST_DESCRIPTION
from structgen.grammars.json_grammars.prompting import schema_outline


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_chat_llama(tmp_path_factory.mktemp("llama"))


@pytest.fixture(scope="module")
def engine(folder: Path) -> sg.Engine:
    return sg.Engine(folder)


@pytest.fixture(autouse=True)
def roomy(monkeypatch: pytest.MonkeyPatch, engine: sg.Engine) -> None:
    monkeypatch.setattr(engine.model, "context", 100_000)


@pytest.fixture
def prompts(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The texts of the prompts that a model reads, whatever the door."""
    seen: list[str] = []
    tokens = ModelPrompts.encode_question

    def noted(self: ModelPrompts, question: ModelQuestion, *given: Any) -> Any:
        seen.append(self.render_text(question))
        return tokens(self, question, *given)[:8]  # the texts of a random model do not matter

    monkeypatch.setattr(ModelPrompts, "encode_question", noted)
    yield seen


HOSTILE = (
    "two\nlines\r\n and\ttabs",
    "a\x00b\x1b[2Jc\x7fd\x9f",
    "half \ud800 of a character",
    "{{ name }} {% if x %} {text} {} %s $name",
    "<tool_call> </s> [INST] <think> ``` ''' \"quoted\" \\n",
    "line\u2028separators\u2029here \u0085 and   blanks ",
    "(in) parentheses), {braces: string}, [T]|null",
)


class Drawn:
    """A random schema, and the descriptions in it that a prompt has to hold."""

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)
        self.written: list[str] = []
        self.definitions: dict[str, Any] = {}
        self.schema = {**self.object(3), "$defs": self.definitions}

    def text(self) -> str:
        at = len(self.written)
        more = self.draw.choice([*HOSTILE, "the surname only", "in capitals", "", "x" * 40 + " y" * 30])
        self.written.append(f"d{at}e {more}".strip())
        return self.written[-1]

    def told(self, schema: dict[str, Any]) -> dict[str, Any]:
        return {**schema, "description": self.text()} if self.draw.random() < 0.6 else schema

    def object(self, depth: int) -> dict[str, Any]:
        names = self.draw.sample(["a", "b", "c", "name of it", "x-1"], self.draw.randint(1, 3))
        members = {name: self.value(depth - 1) for name in names}
        return self.told({"type": "object", "properties": members, "additionalProperties": False})

    def value(self, depth: int) -> dict[str, Any]:
        kinds = ["string", "enum", "const", "labels", "bare", "reference", "silent"]
        kind = self.draw.choice(
            kinds + ["object", "list", "tuple", "union", "map", "all", "recursive"] * (depth > 0)
        )
        match kind:
            case "object":
                return self.object(depth)
            case "list":
                return self.told({"type": "array", "items": self.value(depth - 1)})
            case "tuple":
                return self.told(
                    {"type": "array", "prefixItems": [self.value(depth - 1), self.value(depth - 1)]}
                )
            case "union":
                return self.told(
                    {self.draw.choice(["anyOf", "oneOf"]): [self.value(depth - 1), {"type": "null"}]}
                )
            case "map":
                return self.told({"type": "object", "additionalProperties": self.value(depth - 1)})
            case "all":
                return self.told({"allOf": [self.object(depth - 1), self.told({"minProperties": 0})]})
            case "enum":
                return self.told({"enum": ["S", "M"]})
            case "const":
                return self.told({"const": self.draw.randint(0, 9)})
            case "labels":
                return self.told({"oneOf": [self.told({"const": name}) for name in "AB"]})
            case "bare":
                return self.told({})
            case "silent":
                branches = [{"required": ["a"], **self.told({})}, {"minProperties": 2}]
                return self.told({"type": "object", "properties": {"a": {}}, "anyOf": branches})
            case "reference" | "recursive":
                name = f"D{len(self.definitions)}"
                self.definitions[name] = {}
                refer = {"$ref": f"#/$defs/{name}"}
                inner = self.object(depth - 1) if kind == "recursive" else self.told({"type": "integer"})
                if kind == "recursive":
                    inner["properties"]["again"] = self.told(refer)
                self.definitions[name] = inner
                twice = {"one": self.told(refer), "two": self.told(refer)}
                return self.told({"type": "object", "properties": twice})
        return self.told({"type": "string"})


def plain(text: str) -> str:
    """Return a description as a prompt should have it, by another way than the outline's."""
    kept = (
        " " if ord(one) < 32 or 127 <= ord(one) < 160 or 0xD800 <= ord(one) < 0xE000 else one for one in text
    )
    return re.sub(r"\s+", " ", "".join(kept)).strip()


def check(prompt: str, written: list[str]) -> None:
    for text in written:
        mark = text.partition(" ")[0]
        assert len(re.findall(rf"\b{mark}\b", prompt)) == 1, (text, prompt)
        wanted = plain(text)
        assert prompt.count(wanted) == 1 if len(wanted) <= MOST_DESCRIPTION else wanted not in prompt


def answered(model: ServedModel, schema: dict[str, Any]) -> None:
    asked = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    body = {"model": "mine", "messages": [{"role": "user", "content": "Which?"}], "response_format": asked}
    model.read_chat({**body, "max_tokens": 8})


@pytest.mark.parametrize("seed", range(12))
def test_each_door_tells_each_description_of_a_schema_once(
    engine: sg.Engine, prompts: list[str], seed: int
) -> None:
    drawn = Drawn(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", sg.errors.ShortenedWarning)
        sg.run(engine, "Which?", drawn.schema, max_tokens=8)
    engine.generate(sg.Request("Which?", sg.json_schema(drawn.schema), max_tokens=8))
    answered(ServedModel(engine, "mine"), drawn.schema)
    assert len(prompts) >= 3 and len({*prompts}) == 1
    check(prompts[0], drawn.written)


def test_a_type_is_told_alike_by_a_call_and_by_a_decorated_function(engine: sg.Engine) -> None:
    """Descriptions of fields, of annotations, inside of a list, of classes; with hostile characters."""
    written = [f"d{at}e {text}".strip() for at, text in enumerate(HOSTILE)]
    inner = create_model("Inner", __doc__="d8e one", a=(int | None, Field(None, description=written[1])))
    kind = create_model(
        "Outer",
        __doc__="d9e all",
        b=(Annotated[str | None, written[3]], None),
        f=(str | None, Field(None, description=written[2])),
        c=(list[Annotated[str, written[4]]] | None, None),
        d=(Annotated[inner | None, written[5]], None),
        e=(int | None, None),
    )
    prompt = asked(kind, "Which?", model=engine).prompt()
    check(prompt, [*written[1:6], "d8e one", "d9e all"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", sg.errors.ShortenedWarning)
        assert sg.run.detailed(engine, "Which?", kind, max_tokens=8).prompt == prompt


def test_a_description_of_any_length_is_cut_and_told_once(engine: sg.Engine) -> None:
    long = "abc " * 25_000
    schema = {"type": "object", "properties": {"a": {"type": "string", "description": long}}}
    read = engine.reading.read_request(sg.Request("Which?", sg.json_schema(schema), max_tokens=8))
    outline = engine.prompts.write_outline(read.question)
    told = re.findall(r"(?:abc ?)+", outline)
    assert len(told) == 1 and 20 < len(told[0]) <= MOST_DESCRIPTION and "..." in outline
    assert not read.shortening


@pytest.mark.parametrize(("less", "told"), [(0, ""), (1, "no descriptions"), (95, "nothing")])
def test_descriptions_are_left_out_first_where_the_context_is_short(
    engine: sg.Engine, monkeypatch: pytest.MonkeyPatch, less: int, told: str
) -> None:
    members = {f"key_{at}": {"type": "string", "description": "in capitals, please"} for at in range(4)}
    grammar = sg.json_schema({"type": "object", "properties": members})
    request = sg.Request("Which?", grammar, max_tokens=20)
    whole = len(engine.reading.read_request(request).tokens) + 20
    monkeypatch.setattr(engine.model, "context", whole - less * whole // 100 - bool(less))
    read = engine.reading.read_request(request)
    assert ("capitals" in engine.prompts.write_outline(read.question)) is (told == "")
    assert (f"tells {told} of the schema" in read.shortening) is bool(told)


def test_listed_values_are_told_where_they_are_described(engine: sg.Engine) -> None:
    bare: dict[str, Any] = {"enum": ["A", "B"]}
    labels = {"oneOf": [{"const": "A", "description": "about money"}, {"const": "B"}]}
    for schema in ({**bare, "description": "what it is about"}, labels):
        prompt = sg.run.detailed(engine, "Which?", schema).prompt
        assert prompt.count("about") == 1
    assert "Answer" not in sg.run.detailed(engine, "Which?", bare).prompt


def test_the_embedded_model_reads_no_descriptions() -> None:
    engine = sg.Engine("structgen/extract")
    schema = {"type": "object", "properties": {"a": {"type": "string", "description": "in capitals"}}}
    described = engine.reading.read_request(sg.Request("Ada is here.", sg.json_schema(schema)))
    del schema["properties"]["a"]["description"]  # type: ignore[index]
    assert (
        described.tokens
        == engine.reading.read_request(sg.Request("Ada is here.", sg.json_schema(schema))).tokens
    )
    assert not described.shortening


def test_plain_prompts_tell_a_tool_and_its_parameters_once() -> None:
    def book(city: Annotated[str, "d1e the town"], day: str) -> None:
        """Book a room, d2e.

        Args:
            day: d3e as in 2026-01-31
        """

    kind = create_model("Save", __doc__="d4e Keep it.", name=(str, Field(description="d5e the surname")))
    messages = [{"role": "user", "content": "Hi"}]
    prompt = plain_chat(messages, read_tools([book, kind]), FORMATS["hermes"], lambda text: text)
    check(prompt, ["d1e the town", "d2e", "d3e as in 2026-01-31", "d4e Keep it.", "d5e the surname"])
    (tool,) = read_tools([kind])
    check(json.dumps(tool.openai()), ["d4e Keep it.", "d5e the surname"])


# --- outlines that do not fit, chat templates ---------------------------------------------------------------


def random_schema(draw: random.Random, depth: int) -> dict[str, Any]:
    """Return an object whose members are all optional, with some that are deep."""
    members = {
        f"{draw.choice(['size', 'colour', 'name of the thing'])} {at}": random_schema(draw, depth - 1)
        if depth and draw.random() < 0.5
        else {"type": draw.choice(["string", "integer", "boolean"])}
        for at in range(draw.randint(1, 6))
    }
    return {"type": "object", "properties": members, "additionalProperties": False}


@pytest.mark.parametrize("seed", range(10))
def test_prompt_and_budget_fit_the_context_or_an_error_names_both(
    engine: sg.Engine, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    draw = random.Random(seed)
    schema = random_schema(draw, draw.randint(0, 4))
    context, most = draw.randint(40, 900), draw.choice([None, 2, 20, 200])
    monkeypatch.setattr(engine.model, "context", context)
    grammar = sg.json_schema(schema, **sg.JSON_DUMPS)
    whole = schema_outline(schema)
    refused = ("{}" * draw.randint(1, 40), "Too short.") if draw.random() < 0.3 else None
    prompt = "Tell me. " * draw.randint(1, 30)
    request = Request(prompt, grammar, max_tokens=most, refused=refused)
    read = engine.reading.read_request(request)
    least = engine.reading.read_request(Request(prompt, grammar, max_tokens=most, outline=False))
    text = min(512, context // 4) if most is None else most
    if len(read.tokens) + text > context:
        assert read.tokens == least.tokens  # nothing is left to leave out
        assert "tells nothing of the schema" in read.shortening
        if most is not None:
            with pytest.raises(sg.errors.OptionError, match=rf"(?s){len(read.tokens):,} tokens.*{context:,}"):
                engine.submit(request)
        return
    assert bool(read.shortening) is (engine.prompts.write_outline(read.question) != whole)
    if read.shortening:
        longer = replace(read.question, outline=whole, refused=None)
        assert len(engine.prompts.encode_question(longer, engine.tokenizer)) + text > context


def test_a_function_warns_once_that_its_outline_is_shortened(
    engine: sg.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine.model, "context", 300)
    kind = create_model("Wide", **{f"member_{at}": (str | None, None) for at in range(60)})
    wide = asked(kind, "Which?", model=engine, max_tokens=40)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        wide()
        wide()
    said = [str(one.message) for one in seen if "of the schema" in str(one.message)]
    assert len(said) == 1 and "context of 300" in said[0] and "outline=False" in said[0]
    found = wide.detailed()
    assert found.usage.outline in said[0]
    assert "member_59" not in found.prompt
    assert wide.prompt() == found.prompt


def test_listed_values_are_compared_alike_in_python_in_the_shell_and_by_the_engine(
    folder: Path, engine: sg.Engine, tmp_path: Path
) -> None:
    schema = {"enum": ["up", "down", "upwards"]}
    (tmp_path / "s.json").write_text(json.dumps(schema))
    ours = sg.run.detailed(engine, "Which?", schema)
    assert "Answer in JSON" not in ours.prompt and max(ours.probabilities.values()) > 0
    (plain,) = engine.generate(Request("Which?", sg.json_schema(schema)))
    assert plain.text == ours.text and plain.usage.strategy_rows > 0
    words = ["--model", str(folder), "--schema", str(tmp_path / "s.json"), "--prompt", "Which?", "--json"]
    told, tokens = (
        json.loads(commanded("generate", *words, *more).stdout) for more in ([], ["-o", "choices=tokens"])
    )
    assert told["text"] == ours.text and told["probabilities"] == pytest.approx(ours.probabilities)
    by_tokens = sg.run.detailed(engine, "Which?", schema, choices="tokens")
    assert tokens["text"] == by_tokens.text and not by_tokens.probabilities


def test_a_text_of_a_pattern_is_asked_for_as_a_string_in_an_object(engine: sg.Engine) -> None:
    for pattern in ('[ab]{2,3}"', r"\\[a-z]\n", "é|ü{2}", "[0-9]{4}-[0-9]{2}", "(?i:ab)c?"):
        grammar = sg.regex(pattern)
        found = sg.run.detailed(engine, "Which?", grammar, max_tokens=60)
        assert found.prompt.endswith("Answer in JSON: {value: string}</user><assistant>")
        assert found.value == found.text
        assert json.loads(found.result.reply) == {"value": found.text}
        language = grammar.language(grammar.limits)
        state = language.start()
        for byte in found.text.encode():
            state = language.step(state, byte)
        assert language.accepts(state)
    bare = sg.run.detailed(engine, "Which?", sg.regex("[ab]{2,3}"), wrap=False, max_tokens=20)
    assert not bare.result.reply and "Answer in JSON" not in bare.prompt


@pytest.mark.parametrize(
    "template",
    [
        "{{ raise_exception('No users!') }}",
        "{{ messages[9].content }}",
        "{% if %}",
        "{{ 1 / 0 }}",
        "{{ messages[0].content + 1 }}",
        "{{ messages[0].content.no() }}",
    ],
)
def test_a_template_that_raises_is_told_with_its_words(tmp_path: Path, template: str) -> None:
    made = write_llama(tmp_path)
    (made / "chat_template.jinja").write_text(template)
    with pytest.raises(sg.errors.OptionError, match="chat template rejects") as caught:
        sg.run(str(made), "Hi", int, max_tokens=8)
    if "raise" in template:
        assert "No users!" in str(caught.value)


def test_a_model_without_a_template_is_asked_plainly_and_messages_are_refused(tmp_path: Path) -> None:
    made = write_llama(tmp_path)
    assert isinstance(sg.run(str(made), "Hi", bool), bool)
    with pytest.raises(sg.errors.OptionError, match="no chat template"):
        sg.run(str(made), [{"role": "user", "content": "Hi"}], bool)


# --- chat templates -----------------------------------------------------------------------------------------


def test_the_template_is_applied_where_there_is_one_and_may_be_left_out(folder: Path) -> None:
    number = asked(int, "Count {text}", model=folder, outline=True, max_tokens=16)
    assert number.prompt("a") == "<user>Count a\n\nAnswer in JSON: {value: integer}</user><assistant>"
    assert isinstance(number("a"), int)
    assert asked(int, "Count {text}", model=folder, chat=False).prompt("a") == "Count a\n"


@pytest.mark.parametrize(
    ("shown", "until", "is_told"),
    [
        ("", "</think>", False),
        ("", "\n\n", False),
        ("", 5, True),
        ("{# <think></think> #}", "</think>", True),
        ("{# <think></think> #}", ".", False),
    ],
)
def test_the_outline_is_told_before_thoughts_where_the_template_shows_their_end(
    folder: Path, shown: str, until: str | int, is_told: bool
) -> None:
    engine, thinking = sg.Engine(folder), sg.Thinking(until, 4)
    engine.prompts.use_template(CHAT_TEMPLATE + shown)
    outline = "\n\nAnswer in JSON: {value: integer}"
    number = asked(int, "Count", model=engine, thinking=thinking)
    assert number.prompt() == f"<user>Count{outline * is_told}</user><assistant>"
    schema = sg.json_schema({"type": "object", "properties": {"n": {"type": "integer"}}})
    told = [sg.Request("Count", schema, thinking=one, max_tokens=20) for one in (thinking, None)]
    short, long = (engine.prompt_tokens(one) for one in told)
    assert (len(short) == len(long)) is is_told


def test_messages_are_sent_as_they_are(folder: Path) -> None:
    @sg.generate(model=folder, max_tokens=16, outline=False)
    def number(text: str) -> int:
        return sg.filled([{"role": "system", "content": "Count."}, {"role": "user", "content": text}])

    assert number.prompt("a") == "<system>Count.</system><user>a</user><assistant>"
    assert isinstance(number("a"), int)


def test_a_template_that_is_asked_for_and_is_not_there() -> None:
    with pytest.raises(sg.errors.OptionError, match="no chat template"):
        sg.run("structgen/extract", "Count", int, chat=True, outline=False)
