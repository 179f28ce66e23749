"""`sg.testing.Scripted`: who gets which reply, how replies are written, and what fails a test."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import pickle
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pydantic
import pytest
from for_each import for_each

import structgen as sg
from structgen.asking.tool_calls.format_rows import FORMATS
from structgen.decoding.engine.bulk_runs import run_bulk
from structgen.testing import Failure, Scripted, ScriptError


class Guest(pydantic.BaseModel):
    """Somebody."""

    name: str
    age: int


@dataclasses.dataclass
class Seat:
    """A place."""

    row: int
    guest: Guest


class Bill(pydantic.BaseModel):
    """What pydantic writes otherwise than its form has it: numbers, aliases, fields left out or computed."""

    amount: Decimal
    rate: float
    tiny: float
    note: str = pydantic.Field(exclude=True)
    paid: bool = pydantic.Field(serialization_alias="isPaid")

    @pydantic.computed_field  # type: ignore[prop-decorator]
    @property
    def due(self) -> bool:
        return not self.paid


class Spot(NamedTuple):
    """A named tuple, which pydantic writes as a list."""

    x: float
    label: str


BPE = Path(__file__).parents[2] / "data/bpe/tokenizer.json"
ADA = Guest(name="Ada", age=36)


def search(query: str) -> str:
    """Search the web."""
    return query


def call(name: str = "search", **arguments: Any) -> sg.Call:
    return sg.Call(name, arguments, "call_0")


# --- doors ------------------------------------------------------------------------------------------------


async def _arun(model: Scripted) -> Any:
    return await sg.arun(model, "Ada, 36", Guest)


async def _astream(model: Scripted) -> Any:
    return [part.value async for part in sg.arun(model, "Ada, 36", Guest, stream=True)][-1]


def _decorated(model: Scripted, how: str) -> Any:
    @sg.generate(model=model)
    def read(text: str) -> Guest:
        """Read {text}"""
        return sg.filled()

    if how == "stream":
        return [part.value for part in read.stream("Ada, 36")][-1]
    return read.batch(["Ada, 36"])[0] if how == "batch" else read("Ada, 36")


DOORS: dict[str, Callable[[Scripted], Any]] = {
    "run": lambda model: sg.run(model, "Ada, 36", Guest),
    "stream": lambda model: [part.value for part in sg.run(model, "Ada, 36", Guest, stream=True)][-1],
    "arun": lambda model: asyncio.run(_arun(model)),
    "astream": lambda model: asyncio.run(_astream(model)),
    "function": lambda model: _decorated(model, "call"),
    "function.stream": lambda model: _decorated(model, "stream"),
    "function.batch": lambda model: _decorated(model, "batch"),
    "engine": lambda model: model.generate(sg.Request("Ada, 36", Guest))[0].value,
    "sample": lambda model: sg.sample(model, "Ada, 36", Guest, n=1, max_tokens=90).values[0],
    "most_probable": lambda model: (
        sg.most_probable(model, "Ada, 36", Guest, k=1, max_tokens=90).texts[0].value
    ),
}


@for_each("door", DOORS)
def test_each_door_gives_the_reply_and_the_prompt_is_noted(door: str) -> None:
    with Scripted([ADA]) as model:
        assert DOORS[door](model) == ADA
    (prompt,) = model.asked
    assert "Ada, 36" in prompt and "{name: string, age: integer}" in prompt
    (request,) = model.requests
    assert request.language is not None and request.language.schema is not None


def test_an_extraction_of_two_pages_asks_twice() -> None:
    pages = {"Ada": [{"name": "Ada", "age": 36}], "Bob": [{"name": "Bob", "age": 7}]}

    def reply(prompt: str) -> Any:
        found = next(one for name, one in pages.items() if f"{name} is" in prompt)
        return {"items": found} if "items" in prompt else found[0]

    model = Scripted(reply)
    found = sg.extract(model, ["Ada is 36.", "Bob is 7."], Guest)
    assert {item.made.name for item in found} == {"Ada", "Bob"} and len(model.asked) >= 2


def test_infilling_says_that_it_does_not_take_the_model() -> None:
    with pytest.raises(sg.errors.OptionError, match="Scripted is not a masked-diffusion model"):
        sg.infill(Scripted(["x"]), grammar=sg.regex("x"), prompt="y")


# --- replies ----------------------------------------------------------------------------------------------

WRITTEN: list[tuple[Any, Any, Any]] = [
    (ADA, Guest, '{"name": "Ada", "age": 36}'),
    ({"age": 36, "name": "Ada"}, Guest, '{"name": "Ada", "age": 36}'),
    (Seat(3, ADA), Seat, '{"row": 3, "guest": {"name": "Ada", "age": 36}}'),
    (
        {"guest": {"age": 36, "name": "Ada"}, "row": 3},
        Seat,
        '{"row": 3, "guest": {"name": "Ada", "age": 36}}',
    ),
    ([ADA, {"age": 7, "name": "Bob"}], list[Guest], None),
    (36, int, None),
    (None, int | None, None),
    (Decimal("1.50"), Decimal, '{"value": 1.5}'),
    (3.0, float, '{"value": 3}'),
    (
        Bill(amount=Decimal("1.50"), rate=2.0, tiny=1e-7, note="n", paid=True),
        Bill,
        '{"amount": 1.5, "rate": 2, "tiny": 0.0000001, "note": "n", "paid": true}',
    ),
    ([{"age": 1, "name": "x"}, 2], tuple[Guest, int], '{"value": [{"name": "x", "age": 1}, 2]}'),
    ({"x": {"age": 1, "name": "x"}}, dict[str, Guest], '{"x": {"name": "x", "age": 1}}'),
    (Spot(1.0, "1e5"), Spot, '{"x": 1, "label": "1e5"}'),
    (b'{"name": "Ada", "age": 36}', Guest, '{"name": "Ada", "age": 36}'),
    (b"raw", str, "raw"),
    ("yes", Literal["yes", "no"], None),
    ("yes", sg.choice(["yes", "no"]), "yes"),
    ("2026-11-29", re.compile("[0-9-]{10}"), None),
    ("Ünïcödé\n{", str, "Ünïcödé\n{"),
    ({"a": "é"}, sg.json_schema({"properties": {"a": True}}, escapes="ascii"), '{"a": "\\u00e9"}'),
    ({"a": [1]}, sg.json_schema({}, whitespace="compact"), '{"a":[1]}'),
    ({"a": [1]}, sg.json_schema({}, whitespace=2), '{\n  "a": [\n    1\n  ]\n}'),
]


@for_each("reply, target, text", WRITTEN)
def test_an_object_is_written_as_its_form_has_it(reply: Any, target: Any, text: str | None) -> None:
    with Scripted([reply]) as model:
        outcome = sg.run(model, "?", target, detailed=True)
    assert text is None or outcome.result.text == text
    plain = target is int or target is Guest or isinstance(reply, str | None)
    assert not plain or outcome.value == (ADA if target is Guest else reply)


WRITABLE = [name for name in FORMATS if name not in ("harmony", "kimi_k3")]
"""In the first a call ends the reply; of the second `written_calls` does not write what its grammar has."""


@for_each("format", WRITABLE[::5])
def test_calls_are_written_in_the_format_of_the_request(format: str) -> None:
    check_calls(format)


def look(city: str, near: Guest | None = None, days: int = 1, ratio: float = 1.0) -> None:
    """Look at the sky."""


@for_each("format", ["hermes", "mistral", "qwen_3_coder"])
def test_a_text_may_stand_before_calls_whose_arguments_come_in_any_order(format: str) -> None:
    said = ["Let me see.", call("look", ratio=2.0, days=2, near=ADA, city="Oslo")]
    with Scripted([said]) as model:
        reply = sg.run(model, "?", tools=[look], tool_format=format, max_tokens=900)
    assert reply.text.startswith("Let me see.")
    assert reply.calls[0].value() == {"city": "Oslo", "near": ADA, "days": 2, "ratio": 2.0}
    assert list(reply.calls[0].arguments) == ["city", "near", "days", "ratio"]


def test_other_parts_beside_calls_are_refused() -> None:
    with pytest.raises(sg.errors.OptionError, match="may follow one text"):
        sg.run(Scripted([[call(query="a"), "and"]]), "?", tools=[search])


@pytest.mark.slow
@for_each("format", WRITABLE)
def test_calls_are_written_in_every_format(format: str) -> None:
    check_calls(format)


@pytest.mark.slow
@for_each("format", ["mistral", "hermes", "harmony"])
def test_calls_have_the_special_tokens_of_the_tokenizer_that_a_model_is_like(format: str) -> None:
    transformers, tokenizers = map(pytest.importorskip, ("transformers", "tokenizers"))
    specials = [
        "[TOOL_CALLS]",
        "[ARGS]",
        "<tool_call>",
        "</tool_call>",
        "<|channel|>",
        "<|message|>",
        "<|call|>",
    ]
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizers.Tokenizer.from_file(str(BPE)),
        eos_token="</s>",
        additional_special_tokens=specials,
    )
    with Scripted([call(query="x")], like=tokenizer) as model:
        outcome = sg.run(model, "Find x.", tools=[search], tool_format=format, detailed=True)
    assert [dict(one.arguments) for one in outcome.calls] == [{"query": "x"}]
    assert set(outcome.result.tokens) & set(map(tokenizer.convert_tokens_to_ids, specials))


def check_calls(format: str) -> None:
    with Scripted([[call(query="a"), call(query="b")], [call(name="unknown", query="a")]]) as model:
        reply = sg.run(model, "Find a and b.", tools=[search], tool_format=format, max_tokens=900)
        with pytest.raises(
            ScriptError, match="The form rejects"
        ):  # and is not said as the text of another format
            sg.run(model, "Find a and b.", tools=[search], tool_format=format, max_tokens=900)
        model.errors.clear()
    assert [(one.name, dict(one.arguments)) for one in reply.calls] == [
        ("search", {"query": "a"}),
        ("search", {"query": "b"}),
    ]


def test_an_exception_is_raised_and_the_next_request_goes_on() -> None:
    with Scripted([TimeoutError("slow"), "ok"]) as model:
        with pytest.raises(TimeoutError, match="slow"):
            sg.run(model, "?")
        assert sg.run(model, "?") == "ok"


@for_each("raised", [KeyboardInterrupt("stop"), SystemExit, TimeoutError])
def test_any_exception_is_raised_also_a_class(raised: Any) -> None:
    kind = raised if isinstance(raised, type) else type(raised)
    with Scripted([raised, "well"]) as model:
        with pytest.raises(kind):
            sg.run(model, "?")
        assert sg.run(model, "?") == "well"


def test_a_function_whose_iterator_ends_is_told_and_no_coroutine_waits_for_ever() -> None:
    rest = iter(["one"])
    model = Scripted(lambda _prompt: next(rest))
    assert sg.run(model, "?") == "one"

    async def ask() -> None:
        await asyncio.wait_for(sg.arun(model, "?"), 60)

    with pytest.raises(ScriptError, match="StopIteration"):
        asyncio.run(ask())


def test_a_failure_of_servers_is_refused() -> None:
    with pytest.raises(sg.errors.OptionError, match=r"replies\[0\]: A Failure is only for servers"):
        sg.run(Scripted([Failure(status=500)]), "?")


def test_values_that_repeat_themselves_are_said_to_their_end() -> None:
    many = ["ab"] * 300
    with Scripted([many]) as model:
        assert sg.run(model, "?", list[str], max_tokens=1000) == many


def test_thoughts_are_said_before_the_document() -> None:
    with Scripted(['Hm.</think>{"name": "Ada", "age": 36}', ADA]) as model:
        for thoughts in ("Hm.", ""):
            found = sg.run(model, "?", Guest, thinking=sg.Thinking(), detailed=True)
            assert (found.value, found.result.thoughts) == (ADA, thoughts)


def test_an_answer_that_the_prompt_begins_is_said_to_its_end() -> None:
    turns = [{"role": "user", "content": "?"}, {"role": "assistant", "content": '{"name": "A'}]
    with Scripted([ADA]) as model:
        assert sg.run(model, turns, Guest) == ADA


def test_a_stop_string_ends_a_reply() -> None:
    with Scripted(["one STOP two"]) as model:
        (result,) = model.generate(sg.Request("?", stop="STOP"))
    assert (result.text, result.stopped_by) == ("one ", "STOP")


def test_each_sample_of_a_request_has_its_own_reply() -> None:
    with Scripted(["one", "two"]) as model:
        results = model.generate(sg.Request("?", n=2))
    assert [(one.text, one.sample) for one in results] == [("one", 0), ("two", 1)]


def test_a_model_that_it_is_like_gives_its_tokens_and_prompts() -> None:
    with Scripted([ADA], like="structgen/extract") as model:
        assert sg.run(model, "Ada is 36.", Guest) == ADA
    assert model.asked == ["{name: string, age: integer}\nAda is 36.\n"]
    assert model.tokenizer == sg.Engine("structgen/extract").tokenizer


def test_a_tool_loop_reads_the_result_back() -> None:
    with Scripted([call(query="x"), "Found."]) as model:
        asked: list[Any] = [{"role": "user", "content": "Find x."}]
        reply = sg.run(model, asked, tools=[search])
        asked += [reply.message(), reply.calls[0].result("a result")]
        assert sg.run(model, asked, tools=[search]).text == "Found."
    assert model.asked[1].endswith("</tool_call>\n\ntool: a result\n\nassistant: ")


# --- what fails -------------------------------------------------------------------------------------------


def test_a_forbidden_reply_is_told_with_reply_place_expectation_and_prompt() -> None:
    model = Scripted(["ok", '{"name": "Ada", "age": "x"}'])
    sg.run(model, "?")
    with pytest.raises(ScriptError) as told:
        sg.run(model, "Read Ada.", Guest)
    said = str(told.value)
    assert told.value.where == "replies[1]" and isinstance(told.value, AssertionError)
    assert "unexpected '\"' at line 1, column 24" in said and "an integer" in said and "Read Ada." in said
    caret = said.split("\n")[1:3]
    assert caret[1].index("^") == caret[0].index('"x"')


def test_a_forbidden_object_is_not_said_inside_another() -> None:
    with pytest.raises(ScriptError, match="expected an integer"):
        sg.run(Scripted([{"x": "wrong"}]), "?", {"type": "object", "properties": {"x": {"type": "integer"}}})


def test_of_a_forbidden_object_the_writing_is_told_that_goes_the_furthest() -> None:
    with pytest.raises(ScriptError, match=r'\{"value": \[1, "two"\]\}'):
        sg.run(Scripted([[1, "two"]]), "?", list[int])
    with pytest.raises(ScriptError, match='column 2\n  "green"'):
        sg.run(Scripted(["green"]), "?", Literal["red", "blue"])


def test_a_reply_that_the_engine_goes_on_behind_is_told_with_the_character() -> None:
    model = Scripted(["abc"])
    with suppress(sg.StructgenError):
        sg.run(model, "?", sampling=sg.Sampling(min_tokens=5), max_tokens=9)
    with pytest.raises(ScriptError, match="at character 3:"):
        model.done()


def test_a_reply_that_ends_too_early_is_told() -> None:
    with pytest.raises(ScriptError, match="unexpected end of text at line 1, column 16"):
        sg.run(Scripted(['{"name": "Ada",']), "?", Guest)


def test_a_request_without_a_reply_is_told_with_its_number_and_prompt() -> None:
    model = Scripted(["one"])
    sg.run(model, "first")
    with pytest.raises(ScriptError, match=r"has 1 reply, and this is request 2.*second"):
        sg.run(model, "second")


def test_unused_replies_are_told_at_the_end_and_not_behind_another_error() -> None:
    unused = r"2 of the replies.*replies\[1\] 'two'; replies\[2\] 'three'"
    with pytest.raises(ScriptError, match=unused), Scripted(["one", "two", "three"]) as model:
        sg.run(model, "?")
    with pytest.raises(KeyError), Scripted(["one"]):
        raise KeyError


@for_each("target", [None, Guest])
def test_a_reply_that_is_too_long_is_told_with_both_numbers(target: Any) -> None:
    reply = Guest(name="A" * 500, age=1) if target else "A" * 524
    with pytest.raises(ScriptError, match=r"reply of 13[12] tokens is longer than max_tokens=120\."):
        sg.run(Scripted([reply]), "?", target, max_tokens=120)
    assert sg.run(Scripted([reply]), "?", target, max_tokens=132) == reply


def test_an_error_that_other_code_caught_is_raised_again_at_the_end() -> None:
    with pytest.raises(ScriptError, match="request 1"), Scripted([]) as model, suppress(sg.StructgenError):
        sg.run(model, "?")


def _fails(_prompt: str) -> str:
    raise AssertionError("it asks about Tom")


@for_each("replies", [[object()], [Failure(status=500)], _fails])
def test_a_fault_of_the_replies_that_other_code_caught_fails_the_block(replies: Any) -> None:
    model = Scripted(replies)
    with suppress(Exception):
        sg.run(model, "?")
    with pytest.raises((sg.errors.OptionError, AssertionError)):
        model.done()


def test_a_bias_that_changes_a_reply_is_told_with_the_character() -> None:
    model = Scripted(["abc"])
    (result,) = model.generate(
        sg.Request("?", max_tokens=5, sampling=sg.Sampling(logit_bias={ord("b"): -1e6}))
    )
    assert isinstance(result.error, ScriptError) and "left the reply at character 1" in str(result.error)


def test_a_banned_text_is_told_with_its_place() -> None:
    request = sg.Request("?", sampling=sg.Sampling(banned="bad"))
    with pytest.raises(ScriptError, match="column 7"):
        Scripted(["a babad"]).generate(request)


def test_parts_of_prompts_say_which_reply_is_whose() -> None:
    with Scripted({"Ada": ADA, "Bob": {"age": 7, "name": "Bob"}}) as model:
        assert [sg.run(model, f"{name}?", Guest).age for name in ("Bob", "Ada", "Bob")] == [7, 36, 7]
        for prompt, why in (("Cid?", "none of the parts"), ("Ada and Bob", "'Ada' and 'Bob'")):
            with pytest.raises(ScriptError, match=why):
                sg.run(model, prompt, Guest)
        model.errors.clear()
    with pytest.raises(ScriptError, match="replies\\['Ada'\\]"):
        Scripted({"Ada": ADA}).done()


@for_each("replies, why", [({1: "a"}, "parts of prompts"), ({"a", "b"}, "no order")])
def test_replies_without_an_order_are_refused(replies: Any, why: str) -> None:
    with pytest.raises(sg.errors.OptionError, match=why):
        Scripted(replies)


def test_a_reply_that_is_no_json_is_refused_with_its_place() -> None:
    deep: list[Any] = []
    for _ in range(5000):
        deep = [deep]
    for reply in (object(), b"\xff", deep, call(query=object())):
        with pytest.raises(sg.errors.OptionError, match=r"replies\[0\].*is not a JSON value"):
            sg.run(Scripted([reply]), "?", Guest)


# --- threads ----------------------------------------------------------------------------------------------


def test_threads_share_a_model_and_each_request_has_one_whole_reply() -> None:
    count, each = 4, 12
    texts = [f"reply {number} {'x' * (number % 7)}" for number in range(count * each)]
    model, found = Scripted(texts), list[str]()

    def ask() -> None:
        for _ in range(each):
            found.append(sg.run(model, "?"))

    threads = [threading.Thread(target=ask) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    model.done()
    assert sorted(found) == sorted(texts) and len(model.asked) == len(texts)


def test_calls_of_one_event_loop_have_the_replies_to_their_prompts() -> None:
    async def all_of(model: Scripted) -> list[str]:
        return await asyncio.gather(*(sg.arun(model, f"<{number}>") for number in range(30)))

    with Scripted(lambda prompt: f"to {prompt[prompt.index('<') :].split()[0]}") as model:
        assert asyncio.run(all_of(model)) == [f"to <{number}>" for number in range(30)]


def test_an_error_of_a_script_comes_out_of_another_process_as_it_was() -> None:
    error = pickle.loads(pickle.dumps(ScriptError("It is wrong.", where="replies[0]", cure="Correct it.")))
    assert (type(error), str(error)) == (ScriptError, "replies[0]: It is wrong. Correct it.")


def test_thoughts_that_are_too_long_are_told() -> None:
    with pytest.raises(ScriptError, match=r"thoughts of 25 tokens is longer than max_tokens=20"):
        sg.run(
            Scripted(["x" * 100 + "</think>a"]), "?", sg.choice(["a"]), thinking=sg.Thinking(max_tokens=20)
        )


def test_without_torch_the_error_names_what_is_missing() -> None:
    code = (
        "import sys\nsys.modules['torch'] = None\nimport structgen as sg\n"
        "try:\n    sg.testing.Scripted(['x'])\nexcept sg.StructgenError as error:\n    print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("testing.Scripted: A scripted model needs ")


def test_a_bulk_run_has_a_line_for_each_prompt_and_tells_a_forbidden_reply_at_the_end(tmp_path: Path) -> None:
    (tmp_path / "prompts.txt").write_text("Ada\nBob\nCid\n")
    results = tmp_path / "results.jsonl"
    form = sg.json_schema(Guest.model_json_schema())
    model = Scripted({"Ada": ADA, "Bob": "none", "Cid": {"name": "Cid", "age": 4}})
    run_bulk(model, tmp_path / "prompts.txt", results, lambda text: sg.Request(text, form))
    with pytest.raises(ScriptError, match=r"replies\['Bob'\]"):
        model.done()
    lines = sorted(map(json.loads, results.read_text().splitlines()), key=lambda line: line["line"])
    assert [line["text"] for line in lines if not line["error"]] == [
        '{"name": "Ada", "age": 36}',
        '{"name": "Cid", "age": 4}',
    ]
    assert "at line 1, column 1" in lines[1]["error"]
