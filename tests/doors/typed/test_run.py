"""What a dict asks for: what is no schema is refused; policies; integers. Habits of other libraries: pickle,
`-> dict`, stop, logit_bias, speculation."""

from __future__ import annotations

import json
import pickle
from typing import Any

import picklable_functions
import pytest
from asked import asked
from for_each import for_each
from pydantic import BaseModel
from told_models import TOKENIZER, told

import structgen as sg
from structgen.decoding.engine.engine import Engine
from structgen.doors.typed.target_forms import form_of

SCHEMA: dict[str, Any] = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
NAMED = {"name": "n", "schema": SCHEMA, "strict": True}
OPENAI = {"type": "json_schema", "json_schema": NAMED}


LARK = "start: WORD\nWORD: /[a-z]+/"


@for_each("target", [None, str, {"type": "text"}, {"response_format": {"type": "text"}}])
def test_free_text_has_no_grammar(target: Any) -> None:
    assert form_of(target).grammar is None


@for_each(
    ("target", "error"),
    [
        ({"regx": "[0-9]+"}, "restricts anything.*Did you mean 'regex'"),
        ({"sort_of": 1, "title": "T"}, "'sort_of', 'title'"),
        ({"json": {"regx": "a"}}, "'regx'"),
        ({"guided_json": '{"foo": 1}'}, "'foo'"),
        ({"response_format": SCHEMA}, "response_format/type: The type must be one of json_schema"),
        ({"response_format": "json"}, "response_format contains str"),
        (
            {"response_format": bool},
            r"contains the type bool, not a dict\. Pass the type itself as the target: bool",
        ),
        ({"response_format": OPENAI, "model": "m", "messages": []}, "target/model: 'model'"),
        ({"response_format": {"type": "json_schema", "json_schema": {"schema": {"regx": 1}}}}, "'regx'"),
        ({"type": "json_schema", "json_schema": {"name": "x"}}, "schema is missing"),
        ({"type": "json_schema", "json_schema": {"schema": {}, "shema": 1}}, "'shema'"),
        ({"structured_outputs": {}}, "The value has none of the expected members"),
        ({"json_schema": SCHEMA, "ebnf": "root ::= x"}, "json_schema and ebnf"),
        ({"json": {}, "backend": "x"}, "'backend'"),
        ({"guided_json": SCHEMA, "guided_decoding_backend": "outlines"}, "'guided_decoding_backend' is not"),
        ({"json": {}, "disable_additional_properties": True}, "'disable_additional_properties' is not"),
        ({"json_object": False}, "json_object must be true"),
        ({"regex": "(a)\\1"}, "(?i)back-reference"),
        ({"regex": 3}, "regex must be a text"),
        ({"grammar": "root ::= x"}, "The rule x is not defined"),
        ({"grammar": "secrets.lark"}, "The grammar has no rule"),
        ({"choice": []}, "choice must be a list that is not empty"),
        ({"choice": ["a", 1]}, "choice/1 must be a text"),
        ({"structural_tag": "{"}, "line 1"),
        ({"type": "structural_tag", "triggers": ["<"]}, "'triggers'"),
        ({"type": "grammar", "syntax": "gbnf", "definition": "x"}, "::= is expected after the name x"),
        ({"type": "grammar", "syntax": "regex", "definition": r"\bx"}, "interpret it differently"),
        ({"type": "grammar", "definition": "x"}, "The grammar has no rule"),
        ({"type": "grammar", "grammar": LARK, "strict": True}, "'strict'"),
        ({"type": "python"}, "The format 'python' is not supported"),
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "tools says.*structural tag"),
        ({"tools": [], "tool_choice": "auto", "model": "m"}, "tools says"),
        ({"functions": [{"name": "f", "parameters": SCHEMA}]}, "functions says"),
        ({"type": "function", "function": {"name": "f", "parameters": SCHEMA}}, "function says"),
        ({"name": "f", "description": "d", "parameters": SCHEMA}, "parameters says"),
        ({"name": "f", "description": "d", "input_schema": SCHEMA}, "input_schema says"),
        ({"format": "json"}, "no format 'json'"),
    ],
)
def test_a_dict_that_is_not_known_or_would_allow_everything_is_refused(target: Any, error: str) -> None:
    with pytest.raises(sg.StructgenError, match=error):
        form_of(target)


@for_each("target", [{}, {"$schema": "http://json-schema.org/draft-07/schema#"}, {"title": "Anything"}])
def test_a_schema_without_a_constraint_is_taken_where_all_its_keys_are_keywords(target: Any) -> None:
    assert form_of(target).schema == target


def test_keywords_beside_a_key_of_a_wrapper_make_a_schema() -> None:
    schema = {**SCHEMA, "tools": ["hammer"], "name": "x", "text": "y"}
    assert form_of(schema).schema == schema


@for_each("annotation", ["abc def", "list[int", "", {"format": OPENAI}, 3])
def test_an_annotation_that_is_no_target_is_refused_where_it_is_decorated(annotation: Any) -> None:
    def answer(text: str) -> None:
        """Answer {text}"""

    answer.__annotations__["return"] = annotation
    with pytest.raises(
        sg.StructgenError,
        match=r"is not a .*expression|says nothing|is not a valid target|restricts anything|must be a string",
    ):
        sg.generate(model="structgen/extract")(answer)


def test_policies_are_for_schemas() -> None:
    for target in ({"regex": "a"}, {"type": "text"}, {"choice": ["a"]}):
        with pytest.raises(sg.errors.OptionError, match="no effect without a schema"):
            sg.run(told("a")[0], "Who?", target, policies={"whitespace": "compact"})
    tag = {"type": "structural_tag", "format": {"type": "json_schema", "json_schema": SCHEMA}}
    usual, compact = '{"n": 1}', '{"n":1}'
    assert sg.run(told(usual)[0], "Who?", tag) == usual
    assert sg.run(told(compact)[0], "Who?", tag, policies={"whitespace": "compact"}) == compact
    assert sg.run(told(usual)[0], "Who?", tag, policies={"whitespace": "compact"}) != usual


def test_a_grammar_keeps_its_policies() -> None:
    with pytest.raises(sg.errors.OptionError, match="policies"):
        sg.run(told("{}")[0], "Who?", sg.json_schema(SCHEMA), policies={"whitespace": "compact"})


@pytest.mark.parametrize("numbers", ["any", "python"])
def test_an_integer_is_an_int_however_it_is_written(numbers: str) -> None:
    policies = {"numbers": numbers}
    for text in ("-0.0", "100.0"):
        found = sg.run(told(text)[0], "How many?", {"type": "integer"}, policies=policies)
        assert type(found) is int and found == float(text)
        (result,) = told(text)[0].generate(
            [sg.Request([1], sg.json_schema({"type": "integer"}, **policies), max_tokens=20)]
        )
        assert type(result.value) is int and result.value == float(text)


# --- habits -------------------------------------------------------------------------------------------------


def test_a_typed_function_pickles_by_its_name() -> None:
    assert pickle.loads(pickle.dumps(picklable_functions.age)) is picklable_functions.age


def test_a_typed_method_pickles_with_its_instance() -> None:
    found = pickle.loads(pickle.dumps(picklable_functions.Reader("km").size))
    assert found.prompt("Oslo") == picklable_functions.Reader("km").size.prompt("Oslo")


def test_a_typed_function_inside_another_says_why_it_does_not_pickle() -> None:
    with pytest.raises(pickle.PicklingError, match="Define it at the top of a module"):
        pickle.dumps(asked(int, model="structgen/extract"))


@pytest.mark.parametrize("hint", [dict, dict[str, Any], dict[Any, Any]])
def test_a_dict_is_any_object_of_json(hint: Any) -> None:
    form = form_of(hint)
    assert form.schema == {"additionalProperties": True, "type": "object"}
    text = '{"a": [1, {"b": null}], "": "x"}'
    assert sg.run(told(text)[0], "Which?", hint) == json.loads(text)


def test_a_free_text_ends_at_a_stop_string() -> None:
    assert sg.run(told("one two. three")[0], "Say", str, stop=".") == "one two"
    with pytest.raises(sg.errors.OptionError, match="stop"):
        sg.run(told("1")[0], "Say", int, stop=".")


def test_a_free_text_has_at_least_min_tokens() -> None:
    short = sg.run.detailed(told("Hi")[0], "Say", str, max_tokens=9)
    how = sg.Sampling(temperature=0.0, min_tokens=6)
    longer = sg.run.detailed(told("Hi")[0], "Say", str, max_tokens=9, sampling=how)
    assert short.usage.tokens < 6 <= longer.usage.tokens
    with pytest.raises(sg.errors.OptionError, match="minLength"):
        sg.run(told("1")[0], "Say", int, sampling=how)


def test_a_bias_bans_a_token_and_forces_another_within_the_grammar() -> None:
    (a,), (b,) = TOKENIZER.encode(b"a"), TOKENIZER.encode(b"b")
    choice = sg.choice(["a", "b"])
    assert sg.run(told("a")[0], "Which?", choice) == "a"
    for bias in ({a: -100}, {str(b): 100}):
        how = sg.Sampling(temperature=0.0, logit_bias=bias)  # type: ignore[arg-type]
        assert sg.run(told("a")[0], "Which?", choice, sampling=how) == "b"
    with pytest.raises(sg.errors.OptionError, match="not in the model's vocabulary"):
        sg.run(told("a")[0], "Which?", choice, sampling=sg.Sampling(logit_bias={10**6: 1.0}))


class Order(BaseModel):
    customer: str
    paid: bool


PROMPT = "Zorvik has paid."


@pytest.mark.parametrize("speculation", ["auto", "off", sg.Speculation(edit='{"customer": "Zorvik"')])
def test_it_reaches_the_engine_and_changes_nothing(speculation: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    said, submit = list[Any](), Engine.submit

    def noted(self: Engine, request: sg.Request) -> Any:
        said.append(request.speculation)
        return submit(self, request)

    monkeypatch.setattr(Engine, "submit", noted)
    sg.run("structgen/extract", PROMPT, Order)
    assert said.pop() == "auto"
    order = asked(Order, model="structgen/extract", speculation=speculation)
    found = order(PROMPT)
    assert sg.run("structgen/extract", PROMPT, Order, speculation=speculation) == found
    assert found == Order(customer="Zorvik", paid=True)
    assert order.batch([PROMPT, PROMPT]) == [found, found]
    assert order.detailed(PROMPT).usage.speculation == ""
    partials = list(order.stream(PROMPT))
    assert partials[-1].result == found
    assert said == [speculation] * 6
