"""Each kind of target is taken at each door, means the same texts there, and the same value."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import pickle
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
import torch
from asked import asked
from asked import awaited as typed_coroutine
from for_each import for_each
from pydantic import AfterValidator, BaseModel
from told_models import TOKENIZER, Answer, Told, told

import structgen as sg
from structgen.asking.request_reading.targets import read_target
from structgen.decoding.engine.bulk_runs import run_bulk

pytestmark = pytest.mark.filterwarnings("ignore::structgen.errors.ShortenedWarning")

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name", "age"],
    "additionalProperties": False,
}


@dataclass
class Person:
    name: str
    age: int


class Answered(BaseModel):
    sure: bool
    size: Literal["S", "L"] | None = None


WORD = sg.regex("[a-z]{3}")
CASES: dict[str, tuple[Any, str, Any]] = {
    "pattern": (re.compile("[a-z]{3}"), "abc", "abc"),
    "pattern with flags": (re.compile("a b  # c", re.VERBOSE | re.ASCII), "ab", "ab"),
    "regex": (WORD, "abc", "abc"),
    "compiled": (sg.compile(WORD, TOKENIZER), "abc", "abc"),
    "choice": (sg.choice(["yes", "no"]), "no", "no"),
    "lark": (sg.lark('start: "a"+ "b"'), "aab", "aab"),
    "ebnf": (sg.ebnf('root ::= "a" [b-d]'), "ac", "ac"),
    "sequence": (sg.sequence("n: ", sg.regex("[0-9]+")), "n: 36", "n: 36"),
    "grammar of a schema": (sg.json_schema(SCHEMA), '{"name": "A", "age": 3}', {"name": "A", "age": 3}),
    "schema": (SCHEMA, '{"name": "A", "age": 3}', {"name": "A", "age": 3}),
    "any JSON": (True, "[1, null]", [1, None]),
    "schema of a number": ({"type": "integer", "maximum": 99}, "36", 36),
    "response_format": (
        {"type": "json_schema", "json_schema": {"name": "p", "schema": SCHEMA}},
        '{"name": "A", "age": 3}',
        {"name": "A", "age": 3},
    ),
    "structured_outputs": ({"regex": "[a-z]{3}"}, "abc", "abc"),
    "request": (sg.read_request({"structured_outputs": {"choice": ["yes", "no"]}}), "yes", "yes"),
    "dataclass": (Person, '{"name": "A", "age": 3}', Person("A", 3)),
    "model": (Answered, '{"sure": true, "size": "S"}', Answered(sure=True, size="S")),
    "Literal": (Literal["S", "L"], '"L"', "L"),
    "union": (int | str, '"x"', "x"),
    "optional": (Person | None, "null", None),
    "list": (list[int], "[1, 2]", [1, 2]),
    "date": (dt.date, '"2026-02-28"', dt.date(2026, 2, 28)),
    "free text": (str, "abc", "abc"),
}
HOW = sg.Sampling(temperature=0.0)
OPTIONS: dict[str, Any] = {"sampling": HOW, "max_tokens": 24}


def requested(engine: sg.Engine, target: Any) -> tuple[str, Any]:
    (result,) = engine.generate([sg.Request("Write.", target, choices="whole", **OPTIONS)])
    return result.text, result.value


def in_bulk(engine: sg.Engine, target: Any, folder: Path) -> tuple[str, Any]:
    (folder / "prompts.txt").write_text("Write.\n")
    request = sg.Request("x", target, choices="whole", **OPTIONS)
    run_bulk(engine, folder / "prompts.txt", folder / "out", lambda text: replace(request, prompt=text))
    line = json.loads((folder / "out").read_text())
    return line["text"], line["value"]


def decorated(engine: sg.Engine, target: Any) -> tuple[str, Any]:
    outcome = asked(Any, "Write.", model=engine, target=target, **OPTIONS).detailed()
    return outcome.text, outcome.value


def annotated(engine: sg.Engine, target: Any) -> tuple[str, Any]:
    outcome = asked(target, "Write.", model=engine, **OPTIONS).detailed()
    return outcome.text, outcome.value


def ran(engine: sg.Engine, target: Any) -> tuple[str, Any]:
    outcome = sg.run.detailed(engine, "Write.", target, **OPTIONS)
    assert sg.run(engine, "Write.", target, **OPTIONS) == outcome.value
    return outcome.text, outcome.value


def streamed(engine: sg.Engine, target: Any) -> tuple[str, Any]:
    *before, last = sg.run.stream(engine, "Write.", target, **OPTIONS)
    assert not any(partial.is_done for partial in before) and last.is_done
    assert all(last.text.startswith(partial.text) for partial in before)
    assert last.outcome.value == last.result == last.value
    return last.outcome.text, last.value


def awaited(engine: sg.Engine, target: Any) -> tuple[str, Any]:
    async def asked() -> sg.Outcome[Any]:
        whole = await sg.arun.detailed(engine, "Write.", target, **OPTIONS)
        partials = [one async for one in sg.arun.stream(engine, "Write.", target, **OPTIONS)]
        assert partials[-1].outcome.text == whole.text and partials[-1].result == whole.value
        return whole

    outcome = asyncio.run(asked())
    return outcome.text, outcome.value


DOORS: tuple[Callable[[sg.Engine, Any], tuple[str, Any]], ...] = (
    *(ran, streamed, awaited, decorated, annotated, requested),
)


class Noise(Told):
    """Wants a token that depends on all tokens before it."""

    def _logits(self, answer: Answer) -> torch.Tensor:
        seed = hash((*answer.tokens, answer.read)) & 0xFFFF
        return torch.randn(self.vocab_size, generator=torch.Generator().manual_seed(seed))

    def prefill(self, tokens: Sequence[int]) -> tuple[torch.Tensor, Answer]:
        answer = Answer(list(tokens))
        return self._logits(answer), answer


ENGINE = sg.Engine(Noise(), TOKENIZER)


@for_each("name", CASES)
def test_the_greedy_text_of_a_target_is_the_same_at_every_door(name: str, tmp_path: Path) -> None:
    target = CASES[name][0]
    text, value = ran(ENGINE, target)
    for door in DOORS:
        assert door(ENGINE, target) == (text, value), door.__name__
    if not isinstance(value, Person | BaseModel | dt.date):  # which JSON does not write
        (tmp_path / name).mkdir()
        assert in_bulk(ENGINE, target, tmp_path / name) == (text, value)


@for_each("name", CASES)
def test_the_value_of_a_text_is_the_same_at_every_door(name: str) -> None:
    target, text, value = CASES[name]
    engine, _ = told(text)
    for door in DOORS:
        assert door(engine, target) == (text, value), door.__name__
    if name != "free text":
        found = sg.sample(engine, "Write.", target, 1, method="importance", max_tokens=24)
        assert found.values == [value]


# --- what is no target --------------------------------------------------------------------------------------


def _called() -> None:
    raise AssertionError("a function is not called to read it as a type")


class Plain:
    """A class whose fields are not known."""


BAD = {
    "str": "[a-z]+",
    "bytes": b"{}",
    "int": 3,
    "float": 3.5,
    "list": ["yes", "no"],
    "tuple": (int, str),
    "set": {"yes"},
    "path": Path("schema.json"),
    "module": json,
    "function": _called,
    "method": "x".upper,
    "dict": {"colour": "red"},
    "class": Plain,
    "object": Plain(),
    "instance": Person("A", 3),
    "tool": {"name": "f", "inputSchema": {"type": "object"}},
    "pattern of bytes": re.compile(b"a"),
}


@for_each("name", BAD)
def test_what_is_no_target_has_one_error_at_every_door(name: str) -> None:
    bad, engine = BAD[name], ENGINE
    doors: dict[str, Callable[[], Any]] = {
        "target": lambda: sg.run(engine, "x", bad),
        "target of a coroutine": lambda: asyncio.run(sg.arun(engine, "x", bad)),  # type: ignore[arg-type]
        "grammar": lambda: sg.Request("x", bad),
        "grammar of draws": lambda: sg.sample(engine, "x", bad, 1),
        "target of a function": lambda: decorated(engine, bad),
    }
    if name != "str":  # which an annotation may be
        doors["return"] = lambda: annotated(engine, bad)
    told = set()
    for where, door in doors.items():
        with pytest.raises(sg.StructgenError) as caught:
            door()
        error = caught.value
        told.add((type(error), error.what, error.cure))
        assert error.cure or "must be " in error.what
        own = {"target", "grammar", "return"}
        assert error.where not in own or error.where == where.partition(" ")[0]
    assert len(told) == 1, told


@for_each("name", ["str", "int", "float", "list", "path"])
def test_the_error_says_what_is_taken(name: str) -> None:
    with pytest.raises(sg.errors.OptionError) as caught:
        read_target(BAD[name])
    for kind in ("a type", "re.compile", "JSON Schema", "sg.json_schema", "sg.regex", "sg.lark", "sg.choice"):
        assert kind in str(caught.value)


# --- requests -----------------------------------------------------------------------------------------------


def odd(number: int) -> int:
    if number % 2 == 0:
        raise ValueError("it is even")
    return number


def test_a_request_of_a_type_tells_what_its_validators_refuse() -> None:
    engine, _ = told("4")
    (result,) = engine.generate([sg.Request("x", Annotated[int, AfterValidator(odd)])])
    assert result.text == "4" and result.value is None
    assert isinstance(result.error, sg.errors.ValidatorError) and "even" in str(result.error)


def test_the_reader_of_a_type_goes_along_with_its_grammar() -> None:
    engine, _ = told('{"name": "A", "age": 3}')
    request = sg.Request("x", Person)
    for made in (pickle.loads(pickle.dumps(request)), replace(request, prompt="y")):
        assert engine.generate([made])[0].value == Person("A", 3)
    assert engine.generate([replace(request, grammar=SCHEMA)])[0].value == {"name": "A", "age": 3}


@for_each("free", [None, str, {"type": "text"}])
def test_draws_are_of_what_has_a_grammar(free: Any) -> None:
    with pytest.raises(sg.errors.OptionError, match="Free text has no constraint"):
        sg.sample(ENGINE, "x", free, 1)


def test_an_annotation_that_is_no_type_is_read_where_annotations_are_texts() -> None:
    @sg.generate(model=told("abc")[0])
    def write() -> WORD:  # type: ignore[valid-type]
        """Write."""

    assert write() == "abc"


# --- streams ------------------------------------------------------------------------------------------------


def test_a_stream_tells_an_outcome_s_failure_or_raises_it() -> None:
    even = Annotated[int, AfterValidator(odd)]
    engine, _ = told('{"numbers": [4, 5]}')

    class Numbers(BaseModel):
        numbers: list[even]  # type: ignore[valid-type]

    with pytest.raises(sg.errors.GenerationError, match="even"):
        list(sg.run.stream(engine, "x", Numbers))
    *_, last = sg.run.stream(engine, "x", Numbers, detailed=True)
    assert last.is_done and "even" in str(last.outcome.error) and last.outcome.text.endswith("5]}")
    with pytest.raises(sg.errors.GenerationError):
        _ = last.result


def test_a_stream_of_a_pattern_or_of_free_text_is_the_text_so_far() -> None:
    engine, _ = told("abc")
    for target in (re.compile("[a-z]{3}"), None):
        values = [partial.value for partial in sg.run.stream(engine, "x", target)]
        assert values[0] and values[-1] == "abc" and all("abc".startswith(value) for value in values)


def test_an_outcome_is_there_at_the_end_of_a_stream_alone() -> None:
    first, *_, last = sg.run.stream(told('{"name": "A", "age": 3}')[0], "x", Person, detailed=True)
    with pytest.raises(sg.errors.OptionError, match="has not ended"):
        _ = first.outcome
    assert last.outcome.usage.tokens and last.outcome.prompt.startswith("x")


def test_leaving_a_stream_cancels_its_text() -> None:
    async def asked(engine: sg.Engine) -> None:
        stream = sg.arun.stream(engine, "x", Person)
        async for _ in stream:
            break
        await stream.aclose()

    engine, model = told('{"name": "' + "A" * 400 + '", "age": 3}')
    partials = sg.run.stream(engine, "x", Person)
    next(partials)
    partials.close()  # type: ignore[attr-defined]
    asyncio.run(asked(engine))
    steps = model.steps
    assert sg.run(engine, "x", sg.choice(["yes", "no"])) and model.steps - steps < 20


@for_each("stream", [1, "yes", None])
def test_a_stream_is_asked_for_by_a_flag(stream: Any) -> None:
    if stream is None:
        assert sg.run(told("abc")[0], "x", WORD, stream=stream) == "abc"
        return
    with pytest.raises(sg.errors.OptionError, match="stream must be True or False"):
        sg.run(ENGINE, "x", WORD, stream=stream)


# --- values of texts that were shortened --------------------------------------------------------------------


LONG = '["a", "b", "c", "d", "e", "f", "g", "h"]'


def warned(call: Any) -> list[str]:
    """Return what a call warns of."""
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        call()
    assert all(one.category is sg.errors.ShortenedWarning and one.filename == __file__ for one in seen)
    return [str(one.message) for one in seen]


def test_a_function_warns_at_its_first_call_that_is_shortened() -> None:
    few = letters()
    (told_once,) = warned(lambda: (few(), few(), few.batch([()])))
    assert "truncated to fit max_tokens. Increase max_tokens=" in told_once
    assert warned(few) == []


def letters(hint: Any = list[str], make: Any = asked, **options: Any) -> Any:
    """Return a typed function whose model wants to write more than fits."""
    return make(hint, model=told(LONG)[0], **{"max_tokens": 8, **options})


@pytest.mark.parametrize(
    "call",
    [
        lambda: letters().batch([()]),
        lambda: list(letters().stream()),
        lambda: list(letters(Iterator[str])()),
        lambda: sg.run(told(LONG)[0], "Which?", list[str], max_tokens=8),
    ],
)
def test_each_way_to_a_value_warns(call: Any) -> None:
    assert len(warned(call)) == 1


def test_a_coroutine_warns() -> None:
    async def call() -> None:
        await letters(make=typed_coroutine)()

    assert len(warned(lambda: asyncio.run(call()))) == 1


def test_a_free_text_that_is_cut_off_warns() -> None:
    (said,) = warned(letters(str))
    assert "truncated at max_tokens" in said


def test_what_says_its_finish_reason_or_is_whole_does_not_warn() -> None:
    assert warned(lambda: letters().detailed()) == []
    assert warned(lambda: sg.run.detailed(told(LONG)[0], "x", list[str], max_tokens=8)) == []
    assert warned(letters(max_tokens=200)) == []


def test_a_filling_that_its_deadline_ended_names_the_timeout() -> None:
    (said,) = warned(lambda: sg.run("structgen/infill", "Ada, Bo and Cy are here.", list[str], timeout=1e-9))
    assert "truncated to fit timeout. Increase timeout=" in said
