"""A prompt holds each description of a schema or a type exactly once, at every door."""

from __future__ import annotations

import json
import random
import re
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("pydantic")
pytest.importorskip("transformers")

sys.path.insert(0, str(Path(__file__).parents[1] / "engine"))
from asked import asked  # noqa: E402
from pydantic import Field, create_model  # noqa: E402
from small_models import write_chat_llama  # noqa: E402

import structgen as sg  # noqa: E402
from structgen.engine.model_prompts import ModelPrompts, ModelQuestion  # noqa: E402
from structgen.json_grammars.prompting import MOST_DESCRIPTION  # noqa: E402
from structgen.serving.served_model import ServedModel  # noqa: E402
from structgen.tool_calls.format_rows import FORMATS  # noqa: E402
from structgen.tool_calls.tool_definitions import read_tools  # noqa: E402
from structgen.typed.tool_prompts import plain_chat  # noqa: E402


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_chat_llama(tmp_path_factory.mktemp("llama"))


@pytest.fixture(scope="module")
def engine(folder: Path) -> sg.Engine:
    return sg.Engine(folder)


@pytest.fixture(autouse=True)
def roomy(monkeypatch: pytest.MonkeyPatch, engine: sg.Engine) -> None:
    monkeypatch.setattr(type(engine.model), "context", 100_000)


@pytest.fixture
def prompts(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The texts of the prompts that a model reads, whatever the door."""
    seen: list[str] = []
    tokens = ModelPrompts.tokens

    def noted(self: ModelPrompts, question: ModelQuestion, *given: Any) -> Any:
        seen.append(self.text(question))
        return tokens(self, question, *given)[:8]  # the texts of a random model do not matter

    monkeypatch.setattr(ModelPrompts, "tokens", noted)
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
        assert sg.run(engine, "Which?", kind, max_tokens=8, detailed=True).prompt == prompt


def test_a_description_of_any_length_is_cut_and_told_once(engine: sg.Engine) -> None:
    long = "abc " * 25_000
    schema = {"type": "object", "properties": {"a": {"type": "string", "description": long}}}
    read = engine.reading.read(sg.Request("Which?", sg.json_schema(schema), max_tokens=8))
    told = re.findall(r"(?:abc ?)+", read.question.outline)
    assert len(told) == 1 and 20 < len(told[0]) <= MOST_DESCRIPTION and "..." in read.question.outline
    assert not read.shortened


@pytest.mark.parametrize(("less", "told"), [(0, ""), (1, "no descriptions"), (95, "nothing")])
def test_descriptions_are_left_out_first_where_the_context_is_short(
    engine: sg.Engine, monkeypatch: pytest.MonkeyPatch, less: int, told: str
) -> None:
    members = {f"key_{at}": {"type": "string", "description": "in capitals, please"} for at in range(4)}
    grammar = sg.json_schema({"type": "object", "properties": members})
    request = sg.Request("Which?", grammar, max_tokens=20)
    whole = len(engine.reading.read(request).tokens) + 20
    monkeypatch.setattr(type(engine.model), "context", whole - less * whole // 100 - bool(less))
    read = engine.reading.read(request)
    assert ("capitals" in read.question.outline) is (told == "")
    assert (f"tells {told} of the schema" in read.shortened) is bool(told)


def test_listed_values_are_told_where_they_are_described(engine: sg.Engine) -> None:
    bare: dict[str, Any] = {"enum": ["A", "B"]}
    labels = {"oneOf": [{"const": "A", "description": "about money"}, {"const": "B"}]}
    for schema in ({**bare, "description": "what it is about"}, labels):
        prompt = sg.run(engine, "Which?", schema, detailed=True).prompt
        assert prompt.count("about") == 1
    assert "Answer" not in sg.run(engine, "Which?", bare, detailed=True).prompt


def test_the_embedded_model_reads_no_descriptions() -> None:
    engine = sg.Engine("structgen/extract")
    schema = {"type": "object", "properties": {"a": {"type": "string", "description": "in capitals"}}}
    described = engine.reading.read(sg.Request("Ada is here.", sg.json_schema(schema)))
    del schema["properties"]["a"]["description"]  # type: ignore[index]
    assert described.tokens == engine.reading.read(sg.Request("Ada is here.", sg.json_schema(schema))).tokens
    assert not described.shortened


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
