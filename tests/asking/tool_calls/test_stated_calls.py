"""Calls that are held to texts: which tools may be called, and with which arguments.

The law, over random tools, schemas and texts: a call is admitted if and only if the grammar without texts
admits it, and its groundable arguments stand in the text. A tool is left out if and only if there is no such
call."""

from __future__ import annotations

import itertools
import json
import random
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("babel")
pytest.importorskip("text_to_num")


from for_each import for_each

import structgen as sg
from structgen.asking.grounding.stated_text import StatedText
from structgen.asking.request_reading.request_reader import ReadRequest
from structgen.asking.tool_calls.call_writing import write_calls
from structgen.asking.tool_calls.tool_choices import read_choice
from structgen.asking.tool_calls.tool_definitions import Tool, read_tools
from structgen.base.errors import NotStatedError, OptionError, StructgenError, UnsupportedError
from structgen.machines.core.string_values import grammar_accepts, over_bytes

sys.path.append(str(Path(__file__).parents[1] / "grounding"))

from test_narrowing_law import Draw, Judge, documents

jsonschema = pytest.importorskip("jsonschema")

FORMATS = ["hermes", "qwen_3_coder", "gemma", "cohere"]
POLICIES = {"whitespace": "oneline", "property_order": "any"}
CODE = "^[A-Z]{2}-[0-9]{3}$"


def narrow(tools: Any, text: Any, choice: Any = "required", answer: Any = None, **how: Any) -> Any:
    """Return the request of calls of some tools that a text states, and the remarks on it."""
    remarks: list[str] = []
    read = read_tools(tools)
    request = ReadRequest(read, None, True, read_choice(read, choice, True), answer, policies=POLICIES)
    stated = StatedText(text if isinstance(text, dict) else {"text": text})
    return request.narrow(stated, report=remarks.append, **how), remarks


def tool_of(name: str, properties: Any, required: Any = (), **more: Any) -> dict[str, Any]:
    schema = {"type": "object", "properties": properties, "required": [*required], **more}
    return {"type": "function", "function": {"name": name, "parameters": schema}}


def text_of(format: str, *calls: tuple[str, Any]) -> str:
    return write_calls(
        [sg.Call(name, arguments, f"call_{at}") for at, (name, arguments) in enumerate(calls)], format
    )


def judge_calls(request: Any, format: str, calls: list[tuple[str, Any]]) -> list[bool]:
    """Return of each call whether the grammar of a request admits it."""
    compiled = over_bytes(request.grammar(format))
    return [grammar_accepts(compiled, text_of(format, call)) for call in calls]


# --- the law over the schemas of the law of answers ---------------------------------------------------------


def random_tools(seed: int) -> list[Tool]:
    """Return the tools of random schemas that have a document and can be called."""
    tools = []
    for number in range(3):
        draw = Draw(seed * 3 + number)
        schema = {**draw.root(), "type": "object"}
        if draw.random.random() < 0.6:
            schema["properties"] = {**schema.get("properties", {}), "p": draw.leaf()}
            schema["required"] = ["p"]
        try:
            tool = Tool(f"f{number}", schema=schema)
            over_bytes(sg.json_schema(tool.closed_schema, **POLICIES))
        except StructgenError:
            continue
        tools.append(tool)
    return tools


def check_schemas(seed: int) -> set[str]:
    rng = random.Random(seed)
    pieces = rng.sample(["5", "12", "61.5", "2026-10-09", "AB-123", "words"], rng.randint(0, 6))
    tools = random_tools(seed)
    tried = [one for one in documents(rng) if isinstance(one, dict)]
    calls, wanted = [], []
    for tool in tools:
        schema = tool.closed_schema
        judge = Judge(schema, pieces)
        valid = jsonschema.Draft202012Validator(schema, format_checker=judge.formats)
        calls += [(tool.name, one) for one in tried]
        wanted += [valid.is_valid(one) and judge.judge(schema, one, True).is_valid for one in tried]
    if not tools:
        return set()
    allowed = {name for (name, _), is_wanted in zip(calls, wanted, strict=True) if is_wanted}
    try:
        request, remarks = narrow(tools, " | ".join(pieces))
    except NotStatedError:
        assert not allowed
        return {"nothing"}
    left = {tool.name for tool in request.choice.tools}
    assert {tool.name for tool in tools} - left == {one.split()[2] for one in remarks if "left out" in one}
    assert allowed <= left
    found = judge_calls(request, "hermes", calls)
    differ = [case for case in zip(calls, found, wanted, strict=True) if case[1] != case[2]]
    assert not differ, (seed, pieces, differ[:4], [tool.schema for tool in tools])
    # where no other number fits, the figures of a date or a code are numbers
    figures = [*pieces, *(figure for piece in pieces for figure in re.findall("[1-9][0-9]*", piece))]
    for tool in request.choice.tools:  # each that is left has a call
        held = over_bytes(tool.narrowed_grammar or sg.json_schema(tool.closed_schema, **POLICIES))
        shortest = json.loads(held.completion(held.start))
        assert Judge(tool.closed_schema, figures).judge(tool.closed_schema, shortest, True).is_valid
    return {"some"} if left == {tool.name for tool in tools} else {"some", "left out"}


@pytest.mark.filterwarnings("ignore::structgen.errors.SchemaWarning")
def test_a_call_is_admitted_if_it_is_valid_and_stated() -> None:
    # seeds that have each outcome
    assert set().union(*map(check_schemas, (15, 37, 66, 72, 88, 94))) == {"some", "nothing", "left out"}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::structgen.errors.SchemaWarning")
@pytest.mark.parametrize("start", range(100, 2100, 100))
def test_the_law_of_calls_over_many_schemas(start: int) -> None:
    assert "some" in set().union(*map(check_schemas, range(start, start + 100)))


# --- the law over all calls of small tools, in formats of all kinds -----------------------------------------

NUMBERS = {5100: "5100", 7250: "7,250", 9000: "nine thousand"}
DAYS = {"2024-05-03": "3 May 2024", "2023-11-12": "November 12, 2023"}
CODES = {"AB-123": "AB-123", "XY-999": "XY-999"}
KINDS: dict[str, tuple[Any, list[Any]]] = {
    "number": ({"type": "integer", "minimum": 5000}, [*NUMBERS]),
    "high": ({"type": "integer", "minimum": 7000}, [*NUMBERS]),
    "reference": ({"$ref": "#/$defs/number"}, [*NUMBERS]),
    "day": ({"type": "string", "format": "date"}, [*DAYS]),
    "code": ({"type": "string", "pattern": CODE}, [*CODES]),
    "concluded": ({"type": "integer", "minimum": 5000, "x-inferred": True}, [*NUMBERS]),
    "label": ({"enum": ["red", "blue"]}, ["red", "blue"]),
    "switch": ({"type": "boolean"}, [True, False]),
    "words": ({"type": "string"}, ["Oslo", "the sea"]),
    "quote": ({"type": "string", "x-quote": {"words": 2}}, ["the sea", "the sky"]),
    "maybe": ({"type": ["integer", "null"], "minimum": 5000}, [None, *NUMBERS]),
    "list": ({"type": "array", "items": {"type": "integer", "minimum": 5000}}, [[], [5100], [9000, 5100]]),
    "pair": (
        {"type": "array", "items": {"type": "integer", "minimum": 5000}, "minItems": 2},
        [[*two] for two in itertools.product(NUMBERS, repeat=2)],
    ),
    "object": (
        {
            "type": "object",
            "properties": {"at": {"type": "string", "format": "date"}},
            "required": ["at"],
            "additionalProperties": False,
        },
        [{"at": day} for day in DAYS],
    ),
}
DEFINITIONS = {"number": {"type": "integer", "minimum": 5000}}
HELD = ["number", "high", "reference", "maybe", "list", "pair"]


def leaves(value: Any) -> Iterator[Any]:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    if inner is None:
        yield value
    else:
        for one in inner:
            yield from leaves(one)


def is_stated(kind: str, value: Any, said: list[Any], quotes: bool) -> bool:
    """Return whether the text says each groundable value of an argument."""
    if kind == "quote" or (quotes and kind == "words"):
        return value in said
    if kind not in (*HELD, "day", "code", "object"):
        return True
    return all(one is None or one in said for one in leaves(value))


def check_calls(seed: int) -> set[str]:
    rng = random.Random(seed)
    values = {**NUMBERS, **DAYS, **CODES, "the sea": "at the sea"}
    said = [value for value in values if rng.random() < 0.45]
    text = "; ".join(values[value] for value in said) or "Nothing"
    first_word = text.split()[0].rstrip(";")
    said.append(first_word)
    quotes = rng.random() < 0.3
    format = rng.choice(FORMATS)
    tools, calls, wanted, plain = [], list[tuple[str, Any]](), [], []
    for number in range(rng.randint(1, 4)):
        kinds = rng.sample([*KINDS], rng.randint(0, 3))
        required = [kind for kind in kinds if rng.random() < 0.6]
        properties = {kind: KINDS[kind][0] for kind in kinds}
        tools.append(tool_of(f"f{number}", properties, required, **{"$defs": DEFINITIONS}))
        schema = {**tools[-1]["function"]["parameters"], "additionalProperties": False}
        validator = jsonschema.Draft202012Validator(schema)
        absent = object()
        options = {kind: [absent, *KINDS[kind][1]] for kind in kinds}
        for kind in {"words", "quote"} & options.keys():
            options[kind].append(first_word)
        for chosen in itertools.product(*options.values()):
            arguments = {
                kind: value for kind, value in zip(kinds, chosen, strict=True) if value is not absent
            }
            calls.append((f"f{number}", arguments))
            plain.append(validator.is_valid(arguments))
            stated = all(is_stated(kind, value, said, quotes) for kind, value in arguments.items())
            wanted.append(plain[-1] and stated)
    free = ReadRequest(
        read_tools(tools), choice=read_choice(read_tools(tools), "required", True), policies=POLICIES
    )
    assert judge_calls(free, format, calls) == plain, (seed, format)
    callable_names = {name for (name, _), is_wanted in zip(calls, wanted, strict=True) if is_wanted}
    try:
        request, _ = narrow(tools, text, quotes=quotes)
    except NotStatedError:
        assert not callable_names, (seed, text)
        return {"nothing"}
    assert {tool.name for tool in request.choice.tools} == callable_names, (seed, text, tools)
    found = judge_calls(request, format, calls)
    differ = [case for case in zip(calls, found, wanted, strict=True) if case[1] != case[2]]
    assert not differ, (seed, format, text, differ[:4])
    check_reading(
        request, format, rng, [call for call, is_found in zip(calls, found, strict=True) if is_found]
    )
    return {"some"} if len(callable_names) == len(tools) else {"some", "left out"}


def check_reading(request: Any, format: str, rng: random.Random, calls: list[tuple[str, Any]]) -> None:
    """Hold that calls are read back as they are, each with the places of all its strings and numbers."""
    for name, arguments in rng.sample(calls, min(3, len(calls))):
        text = text_of(format, (name, arguments))
        (call,) = sg.parse_calls(text, format, tools=request.choice.tools).calls
        assert (call.name, call.arguments) == (name, arguments)
        scalars = [one for one in leaves(arguments) if one is not None and not isinstance(one, bool)]
        assert [one.value for one in call.evidence] == scalars
        for one in call.evidence:
            kind = one.path.split("/")[1]
            if kind in (*HELD, "day", "code", "object", "quote"):
                assert one.places, (kind, text)


def test_a_call_of_any_format_is_admitted_if_it_is_valid_and_stated() -> None:
    assert set().union(*map(check_calls, range(40))) == {"some", "nothing", "left out"}


@pytest.mark.slow
@pytest.mark.parametrize("start", range(100, 2100, 100))
def test_the_law_of_calls_over_many_tools(start: int) -> None:
    assert set().union(*map(check_calls, range(start, start + 100))) == {"some", "nothing", "left out"}


# --- what is left out ---------------------------------------------------------------------------------------

DAY = tool_of("book", {"day": {"type": "string", "format": "date"}}, ["day"])
COUNT = tool_of("count", {"number": {"type": "integer"}}, ["number"])
CLOCK = tool_of("clock", {})
RUN = {"type": "custom", "name": "run"}
AGE = {"type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"]}


@for_each("format", FORMATS)
def test_a_tool_without_arguments_can_always_be_called(format: str) -> None:
    request, remarks = narrow([CLOCK, DAY], "Nothing")
    assert judge_calls(request, format, [("clock", {}), ("book", {"day": "2024-05-03"})]) == [True, False]
    assert [remark.partition(".")[0] for remark in remarks] == ["The tool book is left out"]
    assert "states no date for /day" in remarks[0]


@for_each("format", FORMATS)
def test_a_tool_whose_arguments_are_optional_is_called_without_those_that_are_not_stated(format: str) -> None:
    tool = tool_of(
        "find", {"day": DAY["function"]["parameters"]["properties"]["day"], "number": {"type": "integer"}}
    )
    calls = [("find", {}), ("find", {"number": 7}), ("find", {"number": 8}), ("find", {"day": "2024-05-03"})]
    request, remarks = narrow([tool], "I want 7.")
    assert (judge_calls(request, format, calls), remarks) == ([True, True, False, False], [])
    assert judge_calls(narrow([tool], "")[0], format, calls) == [True, False, False, False]


@for_each("choice", ["required", "count"])
def test_where_no_call_is_stated_and_one_is_required_the_error_names_tool_and_argument(choice: str) -> None:
    with pytest.raises(NotStatedError, match="states no number for /number") as caught:
        narrow([COUNT], "Nothing", choice)
    assert caught.value.path == "/number" and caught.value.where.startswith("the tool count")


def test_where_no_call_is_stated_and_none_is_required_the_reply_is_text() -> None:
    request, remarks = narrow([COUNT, DAY], "Nothing", "auto")
    assert request.choice.mode == "none" and len(remarks) == 2
    compiled = over_bytes(request.grammar("hermes"))
    call = text_of("hermes", ("count", {"number": 7}))
    assert [grammar_accepts(compiled, text) for text in ("Which day?", call)] == [True, False]
    # the tools that prompts tell of stay
    assert [tool.name for tool in request.tools] == ["count", "book"]


@for_each(
    ("text", "admitted"),
    [
        ("7", [True, True, False]),
        ("3 May 2024", [True, True, True]),  # its figures count where no other number fits
        ("Nothing", None),
    ],
)
def test_an_answer_beside_calls_is_held_too(text: str, admitted: list[bool] | None) -> None:
    answer = sg.json_schema(AGE, whitespace="oneline")
    if admitted is None:
        with pytest.raises(NotStatedError, match="no number for /age"):
            narrow([COUNT, DAY], text, "auto", answer)
        return
    compiled = over_bytes(narrow([COUNT, DAY], text, "auto", answer)[0].grammar("hermes"))
    number = 7 if text == "7" else 3
    calls = [
        text_of("hermes", call) for call in (("count", {"number": number}), ("book", {"day": "2024-05-03"}))
    ]
    texts = [json.dumps({"age": number}), *calls]
    assert [grammar_accepts(compiled, one) for one in texts] == admitted
    assert not grammar_accepts(compiled, json.dumps({"age": 8}))


def test_an_answer_that_is_not_stated_leaves_the_calls() -> None:
    request, remarks = narrow([CLOCK], "Nothing", "auto", sg.json_schema(AGE, whitespace="oneline"))
    assert (request.choice.mode, request.answer) == ("required", None)
    assert remarks == [remarks[0]] and remarks[0].startswith("The reply must be a call. ")
    compiled = over_bytes(request.grammar("hermes"))
    texts = [text_of("hermes", ("clock", {})), json.dumps({"age": 8}), "What?"]
    assert [grammar_accepts(compiled, text) for text in texts] == [True, False, False]


def test_an_answer_without_a_schema_stays_as_it_is_beside_calls() -> None:
    for answer in (None, sg.regex("[a-z]+")):
        request, _ = narrow([COUNT], "7", "auto", answer)
        assert request.answer is answer
    with pytest.raises(OptionError, match="Free text has no values"):
        narrow([COUNT], "7", "none")


def test_the_input_of_a_custom_tool_is_free_which_is_told() -> None:
    request, remarks = narrow([RUN, COUNT], "7", quotes=True)
    assert remarks == ["The input of the custom tool run is not restricted to the text."]
    calls = [("run", {"input": "ls"}), ("count", {"number": 7}), ("count", {"number": 8})]
    assert judge_calls(request, "hermes", calls) == [True, True, False]


def test_missing_free_leaves_no_tool_out() -> None:
    request, remarks = narrow([COUNT, DAY], "7", free=True)
    calls = [("count", {"number": 8}), ("book", {"day": "2024-05-03"})]
    assert (judge_calls(request, "hermes", calls), remarks) == ([False, True], [])


def test_tools_in_which_nothing_is_held_are_told() -> None:
    words = tool_of("say", {"words": {"type": "string"}}, ["words"])
    for tools in ([words], [CLOCK, words]):
        (remark,) = narrow(tools, "x")[1]
        assert remark.startswith("The tools have no value that a text could state")
    assert narrow([words, COUNT], "7")[1] == []
    (remark,) = narrow([COUNT], "7", values=False, quotes=True)[1]
    assert remark.startswith("The tools have no string that could be a quote")


def test_several_calls_are_held_each() -> None:
    compiled = over_bytes(narrow([COUNT], "7 or 8")[0].grammar("hermes"))
    pairs = [((7, 8), True), ((8, 8), True), ((7, 9), False), ((9, 7), False)]
    for numbers, is_stated in pairs:
        text = text_of("hermes", *(("count", {"number": number}) for number in numbers))
        assert grammar_accepts(compiled, text) is is_stated


# --- bad input ----------------------------------------------------------------------------------------------


def test_a_text_of_many_digits_is_read_and_a_text_of_many_numbers_is_refused() -> None:
    digits = "7" * 400_000
    with pytest.raises(NotStatedError):
        narrow([COUNT], digits)  # more digits than a number may have
    assert [tool.name for tool in narrow([COUNT, CLOCK], digits)[0].choice.tools] == ["clock"]
    with pytest.raises(OptionError, match="more than 20,000 different values") as caught:
        narrow([COUNT], " ".join(map(str, range(30_000))))
    assert "count" in str(caught.value)


@for_each("format", FORMATS)
def test_references_lead_to_held_arguments(format: str) -> None:
    inner = {"type": "object", "properties": {"number": {"type": "integer"}}, "required": ["number"]}
    definitions = {"inner": {**inner, "additionalProperties": False}}
    schema = {"$ref": "#/$defs/inner", "$defs": definitions}
    member = tool_of("g", {"inner": {"$ref": "#/$defs/inner"}}, ["inner"], **{"$defs": definitions})
    tools = [{"type": "function", "function": {"name": "f", "parameters": schema}}, member]
    request, _ = narrow(tools, "7")
    arguments = [{"number": 7}, {"number": 8}]
    calls = [*(("f", one) for one in arguments), *(("g", {"inner": one}) for one in arguments)]
    assert judge_calls(request, format, calls) == [True, False] * 2


def test_a_schema_that_cannot_be_held_is_an_error_that_names_its_tool() -> None:
    old = tool_of(
        "old", {"number": {"type": "integer"}}, **{"$schema": "http://json-schema.org/draft-03/schema#"}
    )
    old["function"]["parameters"].pop("required")
    with pytest.raises(UnsupportedError, match="draft 3 cannot be grounded") as caught:
        narrow([old, CLOCK], "7")
    assert caught.value.where.startswith("the tool old")


def test_a_narrowed_tool_tells_prompts_what_it_told_before() -> None:
    (tool,) = read_tools([COUNT])
    (narrowed,) = narrow([COUNT], "7")[0].choice.tools
    assert narrowed.openai() == tool.openai() and narrowed.closed_schema == tool.closed_schema
    assert narrowed.value('{"number": 7}') == {"number": 7}
