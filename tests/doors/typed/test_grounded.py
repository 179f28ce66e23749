"""`grounded=` at the doors of Python: which text is meant, who is asked, and what an answer may be."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
import json
import pickle
import random
import re
import threading
import warnings
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pytest

pytest.importorskip("babel")
pytest.importorskip("text_to_num")

from asked import Person, asked, awaited
from for_each import for_each
from openai_server import serving
from pydantic import AnyUrl, BaseModel, Field
from small_models import write_chat_llama
from told_models import Even, told
from typing_extensions import TypedDict

import structgen as sg
from structgen.asking.grounding.stated_text import stated_text
from structgen.base.errors import (
    GenerationError,
    GroundedWarning,
    NotStatedError,
    OptionError,
    UnsatisfiableSchema,
    UnsupportedError,
)
from structgen.decoding.engine.requests import FinishReason, Result, Usage
from structgen.decoding.infilling.presets import FunctionModel
from structgen.doors.typed.functions import judge_attempt, with_evidence
from structgen.doors.typed.options import TypedOptions
from structgen.doors.typed.prompts import narrow_task, source_of_prompt
from structgen.doors.typed.target_forms import WritingTask, form_of

# the scripted models write on and on where their words are none of the text's
pytestmark = pytest.mark.filterwarnings("ignore::structgen.base.errors.ShortenedWarning")

ADA36 = '{"name": "Ada", "age": 36}'
AGE: dict[str, Any] = {
    "type": "object",
    "properties": {"age": {"type": "integer"}},
    "required": ["age"],
    "additionalProperties": False,
}


class Age(BaseModel):
    age: int


class Quoted(BaseModel):
    who: Annotated[str, sg.Quote]


def never(_: Any) -> Any:
    raise AssertionError("the model was asked")


def silent() -> sg.Engine:
    """Return an engine whose model fails when it is asked."""
    engine, model = told("")
    model.prefill = never  # type: ignore[method-assign]
    return engine


def ask(text: str, target: Any, said: str, call: Any = sg.run, **options: Any) -> Any:
    """Return what a model answers that wants to say something, held to a text."""
    return call(told(said)[0], "Tell.", target, grounded=text, **options)


def texts_of(function: Any, *arguments: Any) -> dict[str, str]:
    """Return the texts that an answer is held to, by name."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", GroundedWarning)
        return dict(function.detailed(*arguments).evidence.texts)


# --- which text ---------------------------------------------------------------------------------------------


class User(BaseModel):
    name: str
    age: int


def holding(docstring: str, *names: str, hint: Any = Person) -> Any:
    """Return a grounded function with some parameters and this docstring."""
    space: dict[str, Any] = {}
    exec(f"def found({', '.join(names)}): pass", space)
    space["found"].__doc__, space["found"].__annotations__["return"] = docstring, hint
    return sg.generate(model=told(ADA36)[0], grounded=True)(space["found"])


@for_each(
    ("docstring", "names", "arguments", "texts"),
    [
        ("Who? {a}", ["a"], ["Ada, 36"], {"a": "Ada, 36"}),
        ("In 1999: {a} {b}", ["a", "b"], ["Ada", "36"], {"a": "Ada", "b": "36"}),
        ("{a} {a}", ["a"], ["Ada, 36"], {"a": "Ada, 36"}),
        ("{a.name}, {a.age}", ["a"], [User(name="Ada", age=36)], {"a.name": "Ada", "a.age": "36"}),
        ("{a}", ["a", "b"], ["Ada, 36", "never shown 7"], {"a": "Ada, 36"}),
        ("Who is it?", ["a", "b"], ["Ada", 36], {"a": "Ada", "b": "36"}),
        ("{a:.1f} {a:.3f}", ["a"], [36], {"a": "36.0\n36.000"}),
    ],
)
def test_true_means_the_arguments_of_a_template(
    docstring: str, names: list[str], arguments: list[Any], texts: dict[str, str]
) -> None:
    assert texts_of(holding(docstring, *names), *arguments) == texts


def test_two_forms_of_one_argument_are_both_stated() -> None:
    day = dt.datetime(2026, 10, 9, 14, 30)
    function = holding("{a:%d %B %Y}, {a:%H:%M}", "a", hint=dt.date)
    assert function.using(model=told('"2026-10-09"')[0])(day) == dt.date(2026, 10, 9)
    assert function.using(model=told('"14:30:00"')[0], target=dt.time)(day) == dt.time(14, 30)


def test_a_template_without_values_means_its_docstring() -> None:
    assert texts_of(holding("Ada is 36")) == {"prompt": "Ada is 36"}


def test_a_method_is_held_to_its_arguments_and_not_to_its_instance() -> None:
    class Desk:
        def __repr__(self) -> str:
            return "desk 99"

        @sg.generate(model=told(ADA36)[0], grounded=True)
        def who(self, text: str) -> Person:
            """Who is it?"""

    assert texts_of(Desk().who, "Ada, 36") == {"text": "Ada, 36"}


TURNS = [
    {"role": "system", "content": "You know 1."},
    {"role": "user", "content": "Bob is 2"},
    {"role": "assistant", "content": "3"},
    {"role": "tool", "content": "4", "tool_call_id": "c", "name": "f"},
    {"role": "user", "content": "Ada is 36"},
]


def test_of_messages_it_means_the_last_turn_of_the_user(tmp_path: Path) -> None:
    engine = sg.Engine(str(write_chat_llama(tmp_path)))
    turns = [one for one in TURNS if one["role"] != "tool"]
    found = sg.run.detailed(engine, turns, Age, grounded=True)
    assert found.value.age == 36 and found.evidence.texts == {"prompt": "Ada is 36"}


@for_each("at", range(4))
def test_what_other_turns_say_is_not_stated(at: int) -> None:
    turns = [dict(one) for one in TURNS]
    turns[-1]["content"] = "Who is it?"
    with serving('{"age": 9}') as server, pytest.raises(NotStatedError) as caught:
        kept = [turns[at], *turns[-1:]] if turns[at]["role"] != "tool" else turns
        sg.run(server.model, kept, Age, grounded=True)
    assert caught.value.texts == {"prompt": "Who is it?"}


def test_the_texts_among_the_parts_of_a_turn_count() -> None:
    parts = [{"type": "text", "text": "Ada is"}, {"type": "text", "text": "36"}]
    with serving('{"age": 36}') as server:
        found = sg.run.detailed(server.model, [{"role": "user", "content": parts}], Age, grounded=True)
    assert found.evidence.texts == {"prompt": "Ada is\n36"}


def test_messages_without_a_user_state_nothing() -> None:
    with serving("{}") as server, pytest.raises(NotStatedError, match="The text is empty"):
        sg.run(server.model, [{"role": "system", "content": "Say 36."}], Age, grounded=True)


def test_a_plain_prompt_is_meant_as_a_whole_which_is_told_once_a_call() -> None:
    engine = told('{"number": 3}', '{"number": 4}')[0]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = sg.run.detailed(engine, "3 or 4?", Even, grounded=True)
    assert found.value.number == 4 and found.attempts == 2
    assert [one.category for one in caught] == [GroundedWarning]
    assert caught[0].filename == __file__


@for_each(
    ("grounded", "texts"),
    [
        ("Ada, 36", {"text": "Ada, 36"}),
        ({"a": "Ada", "b": "36"}, {"a": "Ada", "b": "36"}),
        ({"": "36"}, {"": "36"}),
    ],
)
def test_a_text_beside_a_prompt_is_meant_instead_of_it(grounded: Any, texts: dict[str, str]) -> None:
    found = sg.run.detailed(told('{"age": 99}')[0], "Or 99?", Age, grounded=grounded)
    assert found.value.age == 36 and found.evidence.texts == texts


def test_examples_state_nothing() -> None:
    pairs = [("Bob is 12", {"age": 12})]
    with pytest.raises(NotStatedError):
        sg.run(silent(), "Ada", Age, grounded="Ada", examples=pairs)
    assert asked(Age, model=told('{"age": 12}')[0], grounded=True, examples=pairs)("36").age == 36


@for_each(
    ("grounded", "error"),
    [
        (None, "must be .*, got None"),
        ({}, "must be .*, got {}"),
        (b"36", "must be .*, got b'36'"),
        (["36"], "must be .*, got '36'"),
        ({"a": 36}, "must be .*, got .'a', 36"),
        ({1: "36"}, "must be .*, got .1, '36'"),
        ([("a", "1"), ("a", "2")], "Two texts have the name 'a'"),
        ("\ud800", "surrogate"),
        ("a" * 4_000_001, "4,000,001 characters"),
    ],
)
def test_what_is_no_text_is_refused(grounded: Any, error: str) -> None:
    with pytest.raises(OptionError, match=error) as caught:
        sg.run(silent(), "x", Age, grounded=grounded)
    assert caught.value.where == "grounded"


def test_a_prompt_that_is_too_long_to_be_read_is_refused_as_a_text_is() -> None:
    with pytest.raises(OptionError, match="4,000,001 characters"):
        asked(Age, model=silent(), grounded=True)("a" * 4_000_001)


# --- every way to call --------------------------------------------------------------------------------------


def test_one_prompt_of_a_batch_that_states_nothing_leaves_the_others_theirs() -> None:
    function = asked(Age, model=told('{"age": 1}')[0], grounded=True)
    found = function.batch(["is 36", "is", "is 7"], errors="return")
    assert [getattr(one, "age", type(one)) for one in found] == [36, NotStatedError, 7]
    with pytest.raises(NotStatedError):
        function.batch(["is 36", "is"])


def test_coroutines_are_held_to_their_texts() -> None:
    function = awaited(Age, model=told('{"age": 1}')[0], grounded=True)

    async def work() -> Any:
        batch = await asyncio.gather(function("is 36"), function("is"), return_exceptions=True)
        outcome = await function.detailed("is")
        one = await sg.arun(told('{"age": 1}')[0], "x", Age, grounded="36")
        parts = [part async for part in function.stream("is 36")]
        return batch, outcome.error, one.age, parts[-1].outcome.value.age

    batch, error, one, last = asyncio.run(work())
    assert batch[0].age == one == last == 36
    assert isinstance(batch[1], NotStatedError) and isinstance(error, NotStatedError)


def test_using_changes_it() -> None:
    function = asked(Age, model=told('{"age": 1}')[0], grounded=True)
    assert function.using(grounded=False)("36").age == 1
    assert function.using(grounded="8")("36").age == 8


def test_a_stream_is_held_to_its_text() -> None:
    function = asked(Age, model=told('{"age": 1}')[0], grounded=True)
    assert [*function.stream("is 36")][-1].outcome.value.age == 36
    with pytest.raises(NotStatedError):
        next(function.using(model=silent()).stream("is"))


def test_a_detailed_stream_has_the_error_as_its_outcome() -> None:
    (last,) = sg.run.stream(silent(), "is", Age, grounded="is", detailed=True)
    assert isinstance(last.outcome.error, NotStatedError)
    found = [*sg.run.stream(told('{"age": 1}')[0], "x", Age, grounded="36", detailed=True)]
    assert [one.words for one in found[-1].outcome.evidence[0].places] == ["36"]


def test_items_are_stated_ones() -> None:
    function = asked(Iterator[int], model=told("[9, 9, 8]")[0], grounded=True)
    assert {*function("3 and 4")} <= {3, 4} and [*function("Nothing.")] == []


def test_draws_are_stated_ones() -> None:
    function = asked(Age, model=told('{"age": 1}')[0], grounded=True)
    assert {one.age for one in function.sample(6, seed=1)("36 or 7")} <= {36, 7}
    with pytest.raises(NotStatedError):
        function.using(model=silent()).sample(2)("none")


def test_an_answer_that_validators_refuse_is_asked_again_in_the_same_texts() -> None:
    engine, model = told('{"number": 3}', '{"number": 4}')
    found = sg.run.detailed(engine, "x", Even, grounded="3 or 4")
    assert found.value.number == 4 and found.attempts == 2 and len(model.prompts) == 2


def test_a_refused_answer_has_no_evidence() -> None:
    found = ask("3", Even, '{"number": 3}', call=sg.run.detailed)
    assert type(found.error) is GenerationError and found.evidence is None


def test_a_detailed_call_has_the_places_of_each_value() -> None:
    found = ask("Ada (36)", Person, ADA36, call=sg.run.detailed)
    assert [(one.path, one.value, [place.words for place in one.places]) for one in found.evidence] == [
        ("/name", "Ada", ["Ada"]),
        ("/age", 36, ["36"]),
    ]
    assert sg.run.detailed(told(ADA36)[0], "x", Person).evidence is None


@for_each("wrap", [True, False, None])
def test_a_wrapped_value_has_the_path_of_the_value(wrap: bool | None) -> None:
    found = ask("36 or 7", int, '{"value": 7}' if wrap else "7", wrap=wrap, call=sg.run.detailed)
    assert found.value in (36, 7) and [one.path for one in found.evidence] == [""]


@for_each(
    "target",
    [
        AGE,
        sg.json_schema(AGE),
        sg.read_request(
            {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": AGE}}}
        ),
        {"structured_outputs": {"json": AGE}},
        sg.without(sg.json_schema(AGE), ["41"]),
    ],
)
def test_all_targets_that_are_schemas_are_held(target: Any) -> None:
    assert ask("36 in words", target, '{"age": 1}') == {"age": 36}


def test_a_grammar_around_a_schema_stays_around_it() -> None:
    target = sg.without(sg.json_schema({"type": "string"}), ["Hull"])
    found = sg.run(told('"Hull"')[0], SAID, target, quotes=True)
    assert found and found in SAID and "Hull" not in found


@for_each("how", [{"policies": {"whitespace": "compact"}}, {"canonical": True}, {"healing": True}])
def test_options_of_the_mask_keep_it(how: Any) -> None:
    assert ask("36", Age, '{"age": 1}', **how).age == 36


@for_each("choices", ["whole", "tokens", "calibrated"])
def test_each_way_to_choose_takes_a_stated_value(choices: str) -> None:
    assert ask("36 or 7", int, "9", choices=choices) in (36, 7)


def test_thoughts_are_free_and_the_document_behind_them_is_held() -> None:
    how = sg.Thinking(until="</think>", max_tokens=30)
    assert ask("36", Age, 'so 99</think>{"age": 99}', thinking=how).age == 36


def test_a_begun_answer_must_be_a_stated_one(tmp_path: Path) -> None:
    engine = sg.Engine(str(write_chat_llama(tmp_path)))
    turns = [{"role": "user", "content": "36 or 7"}, {"role": "assistant", "content": '{"age": 3'}]
    how: Any = {"grounded": True, "continue_final_message": True}
    assert sg.run(engine, turns, Age, **how).age == 36
    with pytest.raises(OptionError, match="No document begins with this text"):
        sg.run(engine, [turns[0], {"role": "assistant", "content": '{"age": 9'}], Age, **how)


@sg.generate(model=told('{"age": 1}')[0], grounded=True)
def kept_age(text: str) -> Age:
    """How old? {text}"""


def test_a_pickled_function_is_held_to_its_texts() -> None:
    again = pickle.loads(pickle.dumps(kept_age))
    assert again("36").age == 36


@for_each("speculation", ["auto", "off", sg.Speculation(edit="The age is 99.")])
def test_guesses_change_no_stated_value(speculation: Any) -> None:
    assert ask("36", Age, '{"age": 99}', speculation=speculation).age == 36


def test_threads_share_a_text() -> None:
    engine, found = told('{"age": 1}')[0], list[int]()

    def work() -> None:
        found.append(sg.run(engine, "x", Age, grounded="36 by threads").age)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert found == [36, 36, 36]


# --- refusals -----------------------------------------------------------------------------------------------


@for_each("target", [None, str, re.compile("[0-9]+"), sg.choice(["3", "4"]), sg.lark('start: "a"')])
def test_what_no_schema_says_is_refused(target: Any) -> None:
    for how in ({"grounded": "36"}, {"quotes": True}):
        with pytest.raises(OptionError, match="no values that a text could state") as caught:
            sg.run(silent(), "x", target, **how)
        assert caught.value.where == next(iter(how))


def test_missing_alone_is_refused() -> None:
    with pytest.raises(OptionError, match="has no effect without grounded=") as caught:
        sg.run(silent(), "x", Age, missing="free")
    assert caught.value.where == "missing"


@for_each("target", [bool, Literal["a", "b"], list[str], {"type": "object"}])
def test_a_type_without_a_value_that_a_text_states_is_told(target: Any) -> None:
    with pytest.warns(GroundedWarning, match="no value that a text could state"):
        ask("x", target, "{}", max_tokens=40)


# --- nothing stated -----------------------------------------------------------------------------------------


class Deep(BaseModel):
    one: Age
    day: dt.date | None = None


@for_each(
    ("target", "path", "kind"),
    [
        (Age, "/age", "number"),
        (Deep, "/one/age", "number"),
        (Annotated[list[Age], Field(min_length=1)], "/0/age", "number"),
        (tuple[int, str], "/0", "number"),
        (dt.date, "", "date"),
        (Annotated[str, Field(pattern="^[A-Z]{2}[0-9]+$")], "", "text of its pattern"),
        (Annotated[str, sg.Quote] | int, "", "states no words"),
        ({"$defs": {"n": {"$anchor": "q", "type": "string", "format": "date"}}, "$ref": "#q"}, "", "date"),
    ],
)
def test_the_error_names_the_value_and_no_token_is_drawn(target: Any, path: str, kind: str) -> None:
    text = "" if "Quote" in str(target) else "Nothing."
    with pytest.raises(NotStatedError, match=kind) as caught:
        sg.run(silent(), "x", target, grounded=text)
    error = caught.value
    assert (error.path, error.attempts, error.texts) == (path, 0, {"text": text})


@for_each(
    "target",
    [
        Annotated[set[int], Field(min_length=2)],
        Annotated[dict[str, dt.date], Field(min_length=1)],
        {"type": "integer", "not": {"const": 36}},
        {"type": "array", "items": {"type": "integer"}, "contains": {"const": 7}},
    ],
)
def test_too_few_values_for_a_schema_are_not_stated_ones_and_other_prompts_are_answered(target: Any) -> None:
    function = asked(target, model=told("[]")[0], grounded=True, max_tokens=60)
    found = function.batch(["36", "7, 8 and 9 on 9 October 2026"], errors="return")
    assert isinstance(found[0], NotStatedError) and not isinstance(found[1], Exception)
    assert "states too few values for #/" in str(found[0])
    with warnings.catch_warnings():
        warnings.simplefilter("error", GroundedWarning)
        assert function.using(missing="free")("36") is not None


def test_a_contradiction_of_the_schema_itself_is_told_as_such() -> None:
    schema = {"type": "integer", "minimum": 5, "maximum": 4}
    with pytest.raises(UnsatisfiableSchema):
        sg.run(silent(), "x", schema, grounded="4 and 5")


def test_the_beginning_of_an_address_is_no_address_of_the_text() -> None:
    assert str(ask("See https://a.org/b.", AnyUrl, '"https://a"')) == "https://a.org/b"
    assert str(ask("See https://a.org/b or http://c.de.", AnyUrl, '"http://c"')) == "http://c.de/"


def test_the_error_is_pickled_with_its_fields() -> None:
    with pytest.raises(NotStatedError) as caught:
        sg.run(silent(), "x", Age, grounded={"mail": "Nothing."})
    again = pickle.loads(pickle.dumps(caught.value))
    assert (str(again), again.path, again.texts) == (str(caught.value), "/age", {"mail": "Nothing."})


def test_a_long_word_is_shown_in_part() -> None:
    with pytest.raises(NotStatedError, match=r"The text 'w{57}\.\.\.' states"):
        sg.run(silent(), "x", Age, grounded="w" * 90)


def test_missing_free_lets_the_model_write_only_what_is_missing() -> None:
    class Bill(BaseModel):
        day: dt.date
        total: int

    said = '{"day": "2020-01-01", "total": 99}'
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = ask("It is 61.", Bill, said, missing="free")
        assert ask("Nothing.", Bill, said, missing="free") == Bill(day=dt.date(2020, 1, 1), total=99)
    assert found == Bill(total=61, day=dt.date(2020, 1, 1))


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int


class Dog(BaseModel):
    kind: Literal["dog"]
    name: str


class Pet(BaseModel):
    pet: Annotated[Cat | Dog, Field(discriminator="kind")]


class Node(BaseModel):
    value: int
    next: Node | None = None


class Defaults(BaseModel):
    age: int = 5
    day: dt.date = dt.date(2020, 1, 1)


@for_each(
    ("target", "said", "text", "value"),
    [
        (int | None, "9", "Nothing.", None),
        (list[int], "[9]", "Nothing.", []),
        (dict[str, int], '{"a": 9}', "Nothing.", {}),
        (Deep | None, '{"one": {"age": 9}}', "Nothing.", None),
        (Deep, '{"one": {"age": 9}, "day": "2020-01-01"}', "36", Deep(one=Age(age=36))),
        (int | dt.date, '"2020-01-01"', "36", 36),
        (Pet, '{"pet": {"kind": "cat", "lives": 9}}', "Nothing.", "dog"),
        (
            Pet,
            '{"pet": {"kind": "cat", "lives": 9}}',
            "It has seven lives.",
            Pet(pet=Cat(kind="cat", lives=7)),
        ),
        (Node, '{"value": 9, "next": {"value": 8, "next": null}}', "36", None),
        (Defaults, '{"age": 9, "day": "2020-02-02"}', "36", 36),
    ],
)
def test_optional_values_lists_and_alternatives(target: Any, said: str, text: str, value: Any) -> None:
    found = ask(text, target, said)
    if target is Node:
        while found is not None:
            assert found.value == 36
            found = found.next
    elif value == "dog":
        assert found.pet.kind == "dog"
    elif target is Defaults:
        assert found.age in (5, 36) and found.day == dt.date(2020, 1, 1)
    else:
        assert found == value


def test_a_default_may_be_left_out_where_nothing_is_stated() -> None:
    assert ask("Nothing.", Defaults, "{}") == Defaults()


class Room(BaseModel):
    seats: int


class Concluded(BaseModel):
    people: Annotated[int, sg.Inferred]
    room: Annotated[Room, sg.Inferred]
    years: Annotated[list[int], sg.Inferred()]
    age: int


def test_conclusions_are_free_with_all_that_is_inside_them() -> None:
    said = '{"people": 4, "room": {"seats": 5}, "years": [6], "age": 36}'
    assert json.loads(ask("36", Concluded, said).model_dump_json()) == json.loads(said)


# --- quotes -------------------------------------------------------------------------------------------------


@dataclasses.dataclass
class QuotedData:
    who: Annotated[str, sg.Quote]


class QuotedDict(TypedDict):
    who: Annotated[str, sg.Quote]


Q = Annotated[str, sg.Quote(words=2)]
SAID = "Harbour Books of Hull sells three maps."


def quotes_in(value: Any) -> list[str]:
    """Return the strings of a document but its keys."""
    if isinstance(value, dict | list):
        return [
            one for each in (value.values() if isinstance(value, dict) else value) for one in quotes_in(each)
        ]
    return [value] if isinstance(value, str) else []


@for_each(
    ("target", "said"),
    [
        (Q, '"Harbour Books"'),
        (list[Q], '["Harbour Books", "Leeds", "three maps"]'),
        (dict[str, Q], '{"a": "Leeds"}'),
        (Q | None, '"Leeds"'),
        (tuple[Q, int], '["Leeds", 3]'),
        (QuotedData, '{"who": "Leeds"}'),
        (QuotedDict, '{"who": "Leeds"}'),
        (Quoted, '{"who": "Harbour Books of Leeds"}'),
    ],
)
def test_a_quote_is_a_run_of_words_of_the_text_at_any_place(target: Any, said: str) -> None:
    found = sg.run.detailed(told(said)[0], SAID, target, max_tokens=60)
    quotes = quotes_in(json.loads(found.text))
    words = SAID.rstrip(".").split()
    runs = {" ".join(words[a:b]) for a in range(len(words)) for b in range(a + 1, len(words) + 1)}
    assert all(one.rstrip(".") in runs for one in quotes)
    if target not in (QuotedData, QuotedDict, Quoted):
        assert all(len(one.split()) <= 2 for one in quotes)
    assert found.evidence is not None


def test_quotes_makes_a_quote_of_each_free_string_and_of_no_other() -> None:
    class Both(BaseModel):
        kind: Literal["shop", "person"]
        count: int
        who: str

    said = '{"kind": "shop", "count": 9, "who": "Leeds"}'
    found = sg.run(told(said)[0], SAID, Both, quotes=True)
    assert found.who in SAID and (found.kind, found.count) == ("shop", 9)


def test_a_type_with_quotes_is_held_to_the_prompt_and_its_numbers_are_not() -> None:
    class Both(BaseModel):
        who: Annotated[str, sg.Quote]
        count: int

    found = sg.run(told('{"who": "Hull", "count": 9}')[0], SAID, Both)
    assert found == Both(who="Hull", count=9)
    assert sg.run(told('{"who": "Hull", "count": 9}')[0], SAID, Both, grounded="Hull, 4").count == 4


# --- servers, and models that fill masks --------------------------------------------------------------------


def test_a_server_is_sent_the_stated_values_and_no_keyword_of_ours() -> None:
    with serving(ADA36) as server:
        assert sg.run(server.model, "x", Person, grounded="Ada: 36 or 7", quotes=True).age == 36
    sent = server.bodies[0]["response_format"]["json_schema"]["schema"]
    assert sent["properties"]["age"] == {"enum": [36, 7]} and "x-" not in json.dumps(sent)


@for_each("how", [{"grounded": "Ada is 7"}, {"grounded": "Eve is 36", "quotes": True}])
def test_an_answer_of_a_server_is_judged_here(how: Any) -> None:
    with serving(ADA36) as server, pytest.raises(GenerationError, match="does not match the schema"):
        sg.run(server.model, "x", Person, attempts=1, **how)


def test_a_server_is_not_asked_where_nothing_is_stated() -> None:
    with serving(ADA36) as server:
        function = asked(Person, model=server.model, grounded=True)
        found = function.batch(["Ada, 36", "Ada"], errors="return")
        assert len(server.bodies) == 1 and isinstance(found[1], NotStatedError)
        with pytest.raises(NotStatedError):
            next(function.stream("Ada"))
        assert len(server.bodies) == 1


def test_a_server_is_asked_with_the_prompt_of_the_call_without() -> None:
    with serving(ADA36) as server:
        sg.run(server.model, "Who?", Person)
        sg.run(server.model, "Who?", Person, grounded="Ada, 36")
    first, second = server.bodies
    assert first["messages"] == second["messages"]


def filling() -> sg.Infilling:
    """Return a model that knows nothing: its logits are random, by the canvas."""
    symbols = [bytes((byte,)) for byte in range(256)] + [None] * 3

    def forward(ids: np.ndarray) -> np.ndarray:
        return np.random.default_rng(ids.tolist()).standard_normal((len(ids), 259))

    model = FunctionModel(forward, mask_id=258, vocab_size=259, context=400, null_id=257)
    return sg.Infilling(model, sg.Tokenizer.from_bytes(symbols, eos_token_id=[256]))


def test_infilling_fills_stated_values() -> None:
    found = sg.run.detailed(filling(), "x", Age, grounded="36 or 7", max_tokens=24)
    assert found.value.age in (36, 7) and found.evidence[0].places
    with pytest.raises(NotStatedError):
        sg.run(filling(), "x", Age, grounded="None.", max_tokens=24)


def test_infilling_refuses_quotes_by_the_name_of_their_place() -> None:
    with pytest.raises(UnsupportedError, match="#/properties/who"):
        sg.run(filling(), SAID, Quoted, max_tokens=24)


# --- the text of somebody else's model ----------------------------------------------------------------------


def test_outcome_of_finds_the_places_of_a_text_and_of_pieces() -> None:
    text = f"<think>7</think>```json\n{ADA36}\n```"
    whole = sg.outcome_of(text, Person, grounded={"mail": "Ada is 36."})
    pieces = [*sg.outcome_of(iter(re.findall("..?", text, re.S)), Person, grounded={"mail": "Ada is 36."})]
    assert whole.evidence == pieces[-1].outcome.evidence
    assert [(place.text, place.words) for one in whole.evidence for place in one.places] == [
        ("mail", "Ada"),
        ("mail", "36"),
    ]


def test_outcome_of_tells_values_that_no_text_states() -> None:
    found = sg.outcome_of(ADA36, Person, grounded="Ada is seven.")
    assert [len(one.places) for one in found.evidence] == [1, 0] and found.value.age == 36
    assert [one.places for one in sg.outcome_of(ADA36, Person, grounded="").evidence] == [(), ()]


@for_each("target", [str, None, re.compile("[0-9]+"), sg.choice(["36"])])
def test_outcome_of_refuses_texts_for_what_is_no_document(target: Any) -> None:
    with pytest.raises(OptionError, match="has no values"):
        sg.outcome_of("36", target, grounded="36")


def test_outcome_of_has_no_prompt_that_true_could_mean() -> None:
    with pytest.raises(OptionError, match="grounded=True needs a prompt") as caught:
        sg.outcome_of(ADA36, Person, grounded=True)  # type: ignore[call-overload]
    assert caught.value.where == "grounded"


# --- bad texts ----------------------------------------------------------------------------------------------


@for_each(
    "text", ["", " \n", "€", "30 February", "tomorrow", "Ada", "none of them", "Ce n'est non.", "Os livros"]
)
def test_texts_that_state_no_number(text: str) -> None:
    target = dt.date if "February" in text else Age
    with pytest.raises(NotStatedError):
        sg.run(silent(), "x", target, grounded=text)


@for_each(
    ("text", "value"),
    [("\u202e36\u202c", 36), ("36\u200f", 36), ("价格36元", 36), ("x" * 50_000 + " 36", 36)],
)
def test_texts_that_state_one(text: str, value: int) -> None:
    assert ask(text, Age, '{"age": 1}').age == value


def test_a_number_of_400_digits_is_stated_where_a_number_may_have_as_many() -> None:
    digits = "7" * 400
    how: Any = {"max_tokens": 999, "policies": {"numbers": "any"}}
    assert ask(f"It is {digits}.", Decimal, digits, **how) == Decimal(digits)
    with pytest.raises(NotStatedError, match=r"The text 'It is 7+\.\.\.' states"):
        sg.run(silent(), "x", Decimal, grounded=f"It is {digits}.")


def test_a_text_without_spaces_has_quotes_of_characters() -> None:
    text = "港口书店在赫尔出售三张地图" * 300
    found = sg.run(told(json.dumps({"who": "港口书店"}, ensure_ascii=False))[0], "x", Quoted, grounded=text)
    assert found.who and found.who in text


# --- laws ---------------------------------------------------------------------------------------------------

TYPES: list[tuple[Any, str]] = [
    (int, "9"),
    (float, "9.5"),
    (Decimal, "9.5"),
    (bool, "true"),
    (dt.date, '"2020-02-02"'),
    (dt.time, '"10:10:10"'),
    (dt.datetime, '"2020-02-02T10:10:10"'),
    (dt.timedelta, '"P1D"'),
    (int | None, "9"),
    (list[int], "[9, 8]"),
    (list[dt.date], '["2020-02-02"]'),
    (dict[str, int], '{"a": 9}'),
    (Literal["a", 7], "7"),
    (tuple[int, dt.date], '[9, "2020-02-02"]'),
    (int | str, "9"),
    (Age, '{"age": 9}'),
    (Person, ADA36),
    (Deep, '{"one": {"age": 9}, "day": "2020-02-02"}'),
    (Pet, '{"pet": {"kind": "cat", "lives": 9}}'),
    (Node, '{"value": 9, "next": null}'),
    (Defaults, '{"age": 9}'),
    (Concluded, '{"people": 4, "room": {"seats": 5}, "years": [6], "age": 36}'),
    (list[Age], '[{"age": 9}]'),
    (list[Age] | None, '[{"age": 9}]'),
    (Annotated[int, Field(ge=3, le=50)], "9"),
    (Annotated[str, Field(pattern="^[A-Z]{2}-[0-9]{3}$")], '"QQ-999"'),
    (list[Annotated[int, Field(multiple_of=2)]], "[8]"),
    (Quoted, '{"who": "Leeds"}'),
    (QuotedData, '{"who": "Leeds"}'),
    (QuotedDict, '{"who": "Leeds"}'),
]
FULL = "Ada has 36 and 7.5 on 9 October 2026 at 14:30 for 3 days, AB-123, 2026-10-09T14:30:00."


@pytest.fixture(scope="module")
def chat(tmp_path_factory: pytest.TempPathFactory) -> sg.Engine:
    return sg.Engine(str(write_chat_llama(tmp_path_factory.mktemp("chat"))))


@for_each("target", [target for target, _ in TYPES])
def test_the_prompt_is_that_of_the_call_without(chat: sg.Engine, target: Any) -> None:
    plain = asked(target, "What? {text}", model=chat)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", GroundedWarning)
        assert plain.using(grounded=FULL).prompt("It.") == plain.prompt("It.")


@for_each("target", [target for target, _ in TYPES])
def test_the_prompt_of_a_request_is_that_of_the_one_without(chat: sg.Engine, target: Any) -> None:
    form = form_of(target)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", GroundedWarning)
        held = narrow_task(WritingTask(form, TypedOptions(grounded=FULL)), source_of_prompt("What?")).form
    first, second = (
        chat.reading.read_request(sg.Request("What?", one.grammar, choices="whole")) for one in (form, held)
    )
    assert [*first.tokens] == [*second.tokens]


PIECES = ["36", "7.5", "eleven", "9 October 2026", "2025-01-31", "14:30", "AB-123", "QX-907", "some words"]


def numbers_in(text: str) -> set[Decimal]:
    """Return the numbers that a plain reader sees in the pieces of a text."""
    words = {Decimal(11)} if "eleven" in text else set[Decimal]()
    return words | {Decimal(one) for one in re.findall(r"\d+(?:\.\d+)?", text)}


DATES = {"9 October 2026": dt.date(2026, 10, 9), "2025-01-31": dt.date(2025, 1, 31)}


@pytest.mark.parametrize("seed", range(40))
def test_an_answer_is_of_its_type_and_its_numbers_and_dates_stand_in_the_text(seed: int) -> None:
    rng = random.Random(seed)
    chosen = rng.sample(PIECES, rng.randint(1, 6))
    text = " ; ".join(chosen)
    target, said = rng.choice([one for one in TYPES if one[0] not in (Concluded, dt.datetime, dt.timedelta)])
    cut = rng.randint(0, len(said))
    said = said[:cut] + rng.choice(["1", '"', "}", "]", "2020", ""]) + said[cut:]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = sg.run.detailed(told(said)[0], "x", target, grounded=text, max_tokens=80)
    except NotStatedError:
        return
    if found.error is not None and not isinstance(found.error, NotStatedError):
        raise found.error
    if found.error is not None:
        return
    numbers, days = numbers_in(text), {DATES[one] for one in chosen if one in DATES}
    for one in found.evidence or ():
        if isinstance(one.value, str) and re.fullmatch(r"\d{4}-\d\d-\d\d", one.value) and one.path != "/who":
            assert dt.date.fromisoformat(one.value) in days
        elif not isinstance(one.value, str) and target != Literal["a", 7]:
            assert Decimal(str(one.value)) in numbers


def test_the_text_of_a_pattern_that_a_chat_model_says_in_an_object_has_its_place() -> None:
    text = "Order AB-123 is late."
    form = form_of(re.compile(r"[A-Z]{2}-[0-9]+"), wrap="unlisted")
    assert form.is_text_in_string
    value = {"value": "AB-123"}
    outcome = judge_attempt(
        form, Result(json.dumps(value), FinishReason.STOP, [], [], Usage(), value=value), 1, None
    )
    found = with_evidence(outcome, form, stated_text((("mail", text),))).evidence
    assert found is not None
    assert [(one.path, one.value, [(at.start, at.end) for at in one.places]) for one in found] == [
        ("", "AB-123", [(6, 12)])
    ]
