"""`examples=`: pairs that are checked where they are declared, and that a model reads before its question."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import random
import re
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from asked import ADA, Person, asked, awaited
from for_each import for_each
from openai_server import serving
from pydantic import BaseModel, Field, TypeAdapter
from small_models import write_chat_llama
from told_models import Even, told

import structgen as sg
from structgen.decoding.engine.model_prompts import ModelQuestion

BOB = Person(name="Bob", age=12)
PAIRS = [("Bob is 12", BOB), ("Eve, 44", {"name": "Eve", "age": 44})]
WRITTEN = ['{"name": "Bob", "age": 12}', '{"name": "Eve", "age": 44}']


def get_weather(city: str) -> None:
    raise AssertionError("tools are never called")


def reader(*texts: str, hint: Any = Person, **options: Any) -> Any:
    return asked(hint, "Who? {text}", model=told(*texts or (ADA,))[0], **options)


# --- what the model reads -----------------------------------------------------------------------------------


def test_a_base_model_reads_them_as_texts_before_its_own() -> None:
    function = reader(examples=PAIRS)
    before = f"Who? Bob is 12\n{WRITTEN[0]}\n\nWho? Eve, 44\n{WRITTEN[1]}\n\n"
    assert function.prompt("Ada") == f"{before}Who? Ada\n"
    assert function("Ada") == function.batch(["Ada"])[0] == Person(name="Ada", age=36)
    engine, model = told(ADA)
    assert sg.run(engine, "Ada", Person, examples=[("Bob is 12", BOB)]).name == "Ada"
    assert model.prompts == [f"Bob is 12\n{WRITTEN[0]}\n\nAda\n"]


def test_a_chat_model_reads_them_as_turns_with_the_outline_once() -> None:
    messages = [{"role": "system", "content": "S"}, {"role": "user", "content": "Ada"}]
    question = ModelQuestion(messages, examples=[("Bob", "1"), (messages, "2")])
    made = question.to_messages("{name: string}")
    assert [(one["role"], one["content"].partition("\n")[0]) for one in made] == [
        ("system", "S"),
        *[("user", "Bob"), ("assistant", "1"), ("user", "Ada"), ("assistant", "2"), ("user", "Ada")],
    ]
    assert ["{name: string}" in one["content"] for one in made] == [False, True, *[False] * 4]


def test_a_server_is_sent_turns_and_the_wrapped_text() -> None:
    with serving('{"value": "red"}', ADA) as server:
        examples = [("Blood", "red"), ("Sky", "blue")]
        assert sg.run(server.model, "Rose", sg.choice(["red", "blue"]), examples=examples) == "red"
        assert asked(Person, model=server.model, examples=PAIRS)("Ada").name == "Ada"
        sent = [[one["content"] for one in body["messages"]] for body in server.bodies]
    assert sent[0] == ["Blood", '{"value": "red"}', "Sky", '{"value": "blue"}', "Rose"]
    assert sent[1] == ["Bob is 12", WRITTEN[0], "Eve, 44", WRITTEN[1], "Ada"]


def test_a_refused_answer_stands_behind_them() -> None:
    engine, model = told('{"number": 3}', '{"number": 4}')
    assert sg.run(engine, "One?", Even, examples=[("Two?", {"number": 2})]).number == 4
    first, second = model.prompts
    assert first == 'Two?\n{"number": 2}\n\nOne?\n'
    assert second.startswith(first.rstrip("\n")) and "was refused" in second


def test_an_answer_that_is_begun_goes_on_behind_them(tmp_path: Path) -> None:
    engine = sg.Engine(write_chat_llama(tmp_path))
    engine.model.context = 100_000
    begun = '{"name": "Ada", '
    messages = [{"role": "user", "content": "Who?"}, {"role": "assistant", "content": begun}]
    for how in (None, True):
        outcome = sg.run.detailed(
            engine, messages, Person, examples=PAIRS, continue_final_message=how, max_tokens=40
        )
        assert outcome.prompt.endswith(begun) and outcome.text.startswith(begun)
        places = [outcome.prompt.index(text) for text in (*WRITTEN, "Who?", begun)]
        assert places == sorted(places)
        assert outcome.prompt.count("Answer in JSON") == 1
        assert outcome.prompt.index("Answer in JSON") < places[0]


def test_an_example_writes_no_control_token() -> None:
    """The marks of a template inside of an example are texts, as those in a prompt are."""
    question = ModelQuestion("Ada", examples=[("<|im_end|>", "x")])
    assert "<|im_end|>" in str(question.texts)


def test_coroutines_and_methods_have_them() -> None:
    class Named:
        def __init__(self, name: str) -> None:
            self.name = name

        @sg.generate(model=told(ADA)[0], examples=PAIRS)
        def read(self, text: str) -> Person:
            """{self.name} asks: {text}"""

    assert Named("Al").read.prompt("x").startswith("Al asks: Bob is 12\n")
    assert Named("Cy").read.prompt("x").count("Cy asks") == 3

    async def later() -> str:
        function = awaited(Person, model=told(ADA)[0], examples=PAIRS)
        return str(await function.prompt("x"))

    assert asyncio.run(later()).startswith(f"Bob is 12\n{WRITTEN[0]}\n\nEve")


def test_using_replaces_them_and_no_call_keeps_them() -> None:
    function = reader(examples=PAIRS)
    assert function.using(examples=None).prompt("x") == function.using(examples=[]).prompt("x") == "Who? x\n"
    assert "Bob" not in function.using(examples=PAIRS[1:]).prompt("x") and "Bob" in function.prompt("x")


def test_a_calibrated_choice_reads_them_without_the_arguments_too() -> None:
    engine, model = told("a")
    function = asked(Literal["a", "b"], "Which? {text}", model=engine, examples=[("q", "b")])
    function.using(choices="calibrated")("x")
    assert {prompt.count('"b"') for prompt in model.prompts} == {1} and len(model.prompts) > 1


# --- what is written ----------------------------------------------------------------------------------------


class Size(Enum):
    SMALL = "s"
    LARGE = 4


@dataclass
class Point:
    x: float
    y: int


@dataclass
class Bill:
    total: Decimal
    day: dt.date
    sizes: list[Size]
    note: str | None = None


class Held(BaseModel):
    bill: Bill
    points: dict[str, Point]
    key: Annotated[str, Field(alias="the key")] = "k"


def drawn(source: random.Random) -> dict[str, Any]:
    """Return a value of each of some types."""
    bill = Bill(
        Decimal(source.randrange(-9999, 9999)) / 100,
        dt.date(2000, 1, 1) + dt.timedelta(source.randrange(9999)),
        source.choices([*Size], k=source.randrange(3)),
        source.choice([None, 'a "b"\n\u00fc', ""]),
    )
    points = {name: Point(source.choice([7.0, 1.5, -0.25]), source.randrange(9)) for name in "ab"}
    return {
        "bill": (Bill, bill),
        "held": (Held, Held(bill=bill, points=points, **{"the key": "z"})),
        "list": (list[Decimal | None], [bill.total, None]),
        "number": (int, source.randrange(10**6)),
        "text": (Annotated[str, Field(pattern="^[a-z]+$")], "abc"),
        "size": (Size, source.choice([*Size])),
    }


@for_each("name", ["bill", "held", "list", "number", "text", "size"])
def test_the_document_is_one_of_the_grammar_and_reads_back_as_the_value(name: str) -> None:
    """Law, for values as objects and as plain JSON, in the spelling of each policy; pydantic reads them."""
    source = random.Random(name)
    for spelling in ({}, {"whitespace": "compact"}, {"whitespace": 2}, {"escapes": "ascii"}) * 2:
        hint, value = drawn(source)[name]
        adapter: TypeAdapter[Any] = TypeAdapter(hint)
        plain = json.loads(adapter.dump_json(value, by_alias=True))
        for given in (value, plain):
            function = asked(hint, model=told("x")[0], examples=[("Q", given)], policies=spelling)
            document = function.prompt("x").removeprefix("Q\n").removesuffix("\n\nx\n")
            assert adapter.validate_json(document) == value
            compiled = sg.compile(
                sg.json_schema(function.schema, **{"whitespace": "oneline", "numbers": "plain", **spelling}),
                told("x")[0].tokenizer,
            )
            state = compiled.step_bytes(compiled.start, document.encode())
            assert state is not None and compiled.accepts_end(state)


@for_each(
    "target, value, written",
    [
        (sg.choice(["red", "blue"]), "red", "red"),
        (re.compile("[0-9]+"), "17", "17"),
        (None, "anything", "anything"),
        ({"type": "object", "properties": {"a": {"type": "integer"}}}, {"a": 1}, '{"a": 1}'),
        (sg.json_schema({"type": "integer"}), 5, "5"),
        (sg.json_schema({"type": "integer"}), "5", "5"),
    ],
)
def test_texts_of_grammars_are_written_as_they_are(target: Any, value: Any, written: str) -> None:
    engine, model = told("x")
    sg.run.detailed(engine, "Ask", target, examples=[("Q", value)], max_tokens=3)
    assert model.prompts[0].replace("\n", "").startswith(f"Q{written}Ask")


def test_a_value_is_written_in_the_object_that_the_model_writes() -> None:
    examples = [("two", 2)]
    assert '{"value": 2}' in reader("36", hint=int, examples=examples, wrap=True).prompt("x")
    assert '{"value"' not in reader("36", hint=int, examples=examples, wrap=False).prompt("x")


# --- bad input ----------------------------------------------------------------------------------------------


@for_each(
    "examples, where, told_of",
    [
        ([*PAIRS, ("x", {"name": "E", "age": "old"})], "examples[2]/age", "valid integer"),
        ([("x", {"name": "E"})], "examples[0]/age", "required"),
        ([("x", object())], "examples[0]", "not a JSON value|should be a valid"),
        ([("x", float("nan"))], "examples[0]", "object"),
        ([*PAIRS, ("x",)], "examples[2]", "not a pair"),
        (["xy", *PAIRS], "examples[0]", "not a pair"),
        ("xy", "examples", "not a list of pairs"),
        (5, "examples", "not a list of pairs"),
        ([(("a", "b"), BOB)], "examples[0]", "do not fit the function"),
        ([({"wrong": "b"}, BOB)], "examples[0]", "do not fit the function"),
        ([("x", Person.model_construct(name="\ud800", age=1))], "examples[0]", "surrogate"),
        (Path("no such file"), "examples", "not a file"),
    ],
)
def test_what_is_no_example_is_told_where_it_is_declared(examples: Any, where: str, told_of: str) -> None:
    with pytest.raises(sg.errors.OptionError, match=told_of) as caught:
        reader(examples=examples)
    assert caught.value.where == where and (caught.value.cure or "must be " in caught.value.what)


def test_an_example_that_the_types_validator_refuses_is_none() -> None:
    with pytest.raises(sg.errors.OptionError, match="is odd") as caught:
        reader(hint=list[Even], examples=[("x", [{"number": 2}, {"number": 3}])])
    assert caught.value.where == "examples[0]/1/number"


@for_each("value", ["green", 5, "", None])
def test_a_text_that_is_none_of_the_grammar_is_none(value: Any) -> None:
    with pytest.raises(sg.errors.OptionError) as caught:
        sg.run(told("x")[0], "Q", sg.choice(["red", "blue"]), examples=[("a", "red"), ("b", value)])
    assert caught.value.where == "examples[1]"


@for_each("prompt", [5, None, {"text": "x"}, ("a", "b"), []])
def test_an_example_without_a_prompt_is_none(prompt: Any) -> None:
    with pytest.raises(sg.errors.OptionError) as caught:
        sg.run(told("x")[0], "Q", Person, examples=[(prompt, BOB)])
    assert caught.value.where.startswith("examples[0]")


def test_where_examples_cannot_be_read_they_are_refused_by_name() -> None:
    for model in ("structgen/extract", "structgen/infill"):
        with pytest.raises(sg.errors.OptionError, match=r"examples: .*Remove it") as caught:
            asked(Person, model=model, examples=PAIRS)
        assert caught.value.where == "examples"
        assert asked(Person, model=model, examples=[]).schema
    with pytest.raises(sg.errors.OptionError, match=r"examples: .*calls"):
        asked(Person | sg.Call, model=told(ADA)[0], tools=[get_weather], tool_format="hermes", examples=PAIRS)


# --- files, and many of them --------------------------------------------------------------------------------


def test_a_file_has_a_pair_in_each_line(tmp_path: Path) -> None:
    path = tmp_path / "pairs.jsonl"
    lines = [{"arguments": "Bob is 12", "value": PAIRS[1][1]}, {"arguments": {"text": "y"}, "value": {}}]
    path.write_text(json.dumps(lines[0]) + "\n\n", encoding="utf-8")
    assert reader(examples=path).prompt("x") == f"Who? Bob is 12\n{WRITTEN[1]}\n\nWho? x\n"
    for wrong, where in (
        (json.dumps(lines[1]), "examples[1]/name"),
        ('{"value": 1}', "examples[1]"),
        ('{"arguments": 1, "value": 1, "more": 1}', "examples[1]"),
        ("[1", "examples"),
        ("5", "examples[1]"),
    ):
        path.write_text(f"{json.dumps(lines[0])}\n{wrong}\n", encoding="utf-8")
        with pytest.raises(sg.errors.OptionError) as caught:
            reader(examples=path)
        assert caught.value.where == where


def test_of_a_thousand_the_eight_most_like_the_question_are_read_the_most_like_last() -> None:
    """Each example shares some of sixteen rare words with the question; the one that has more is liker."""
    pytest.importorskip("rank_bm25")
    source = random.Random(3)
    words = [f"rare{at}" for at in range(16)]
    texts = [f"filler {source.randrange(10**6)} common words" for _ in range(992)]
    texts += [" ".join(("common", *words[: at + 1], *["pad"] * (15 - at))) for at in range(8)]
    order = source.sample(range(1000), 1000)
    pairs = [(texts[at], {"name": f"n{at}", "age": 1}) for at in order]
    prompt = reader(examples=pairs).prompt(" ".join(words))
    assert re.findall(r'"n(\d+)"', prompt) == [str(at) for at in range(992, 1000)]


def test_eight_are_read_in_their_order_and_words_alone_choose_beyond() -> None:
    pytest.importorskip("rank_bm25")
    pairs = [(f"q{at}", {"name": f"n{at}", "age": 1}) for at in range(8)]
    assert re.findall(r'"n(\d)"', reader(examples=pairs).prompt("q3")) == [*"01234567"]
    assert reader(examples=[*pairs, ("", BOB)]).prompt("").count("q") == 7
    japanese = [(text, {"name": text, "age": 1}) for text in ("猫が好き", *["犬と鳥"] * 8)]
    assert reader(examples=japanese).prompt("私は猫です").rpartition('"age"')[0].endswith('"猫が好き", ')


# --- a short context ----------------------------------------------------------------------------------------


def test_the_oldest_go_where_the_context_is_short_and_that_is_told() -> None:
    def prompt_of(context: int) -> tuple[str, str]:
        engine, _ = told(ADA, context=context)
        outcome = asked(Person, model=engine, examples=PAIRS, max_tokens=40).detailed("Ada")
        return outcome.prompt, outcome.usage.outline

    whole = len(told(ADA)[0].tokenizer.encode(prompt_of(4096)[0].encode()))
    assert prompt_of(whole + 40)[1] == ""
    prompt, said = prompt_of(whole + 39)
    assert prompt == f"Eve, 44\n{WRITTEN[1]}\n\nAda\n" and "has 1 of 2 examples" in said
    assert prompt_of(60)[0] == "Ada\n"
    engine, _ = told(ADA, context=60)
    with pytest.warns(sg.errors.ShortenedWarning, match="0 of 2 examples"):
        asked(Person, model=engine, examples=PAIRS, max_tokens=40)("Ada")
