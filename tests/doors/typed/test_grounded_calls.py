"""`grounded=` and `quotes=` beside `tools=` at the doors of Python: which text is meant, what may be called,
and where each argument stands. Of a model of this process, of our server, and of other people's."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import random
import warnings
from pathlib import Path
from typing import Annotated, Any

import pytest

pytest.importorskip("uvicorn")
pytest.importorskip("babel")
pytest.importorskip("text_to_num")

from asked import Person
from for_each import for_each
from openai_server import serving
from test_own_servers import Case, both_models

import structgen as sg
from structgen.base.errors import GenerationError, GroundedWarning, NotStatedError, OptionError
from structgen.testing import Scripted, ScriptError, server

TEXT = "Book a table for 4 on 3 May 2024, please. The name is Ada Moss."
USER = {"role": "user", "content": TEXT}
BOOKED = {"day": "2024-05-03", "guests": 4}


def book(day: dt.date, guests: int, name: Annotated[str, sg.Quote] = "") -> None:
    """Book a table."""
    raise AssertionError("tools are never called")


def cancel(code: Annotated[str, sg.Regex("[A-Z]{2}[0-9]{4}")]) -> None:
    """Cancel a booking."""
    raise AssertionError("tools are never called")


def clock() -> None:
    """Tell the time."""
    raise AssertionError("tools are never called")


def call_of(**arguments: Any) -> sg.Call:
    return sg.Call("book", {**BOOKED, **arguments}, "call_0")


def scripted(*replies: Any, like: Any = None) -> Scripted:
    return Scripted(replies, like=like)


def ask(
    model: Any, prompt: Any = None, target: Any = None, run: Any = sg.run.detailed, **options: Any
) -> Any:
    """Return the answer of a model, which may call the three tools."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        defaults = {"tools": [book, cancel, clock], "grounded": True, "tool_format": "hermes"}
        return run(model, [USER] if prompt is None else prompt, target, **{**defaults, **options})


def is_forbidden(reply: Any, *prompt: Any, **options: Any) -> bool:
    """Return whether the mask refuses a reply."""
    try:
        ask(scripted(reply), *prompt, **options)
    except ScriptError:
        return True
    return False


# --- the mask -----------------------------------------------------------------------------------------------


@for_each(
    ("reply", "forbidden"),
    [
        (call_of(), False),
        (call_of(guests=5), True),
        (call_of(day="2024-05-04"), True),
        (call_of(name="Ada Moss"), False),
        (call_of(name="Eve Moss"), True),
        (sg.Call("clock", {}, "call_0"), False),
        (sg.Call("cancel", {"code": "AB1234"}, "call_0"), True),
        ([call_of(), sg.Call("clock", {}, "call_1")], False),
        ([call_of(), call_of(guests=5)], True),
        ("Which code, please?", False),
    ],
)
def test_a_call_has_arguments_of_the_text(reply: Any, forbidden: bool) -> None:
    for parallel in (True, 2):
        assert is_forbidden(reply, parallel=parallel) is forbidden


@for_each("format", ["hermes", "qwen_3_coder", "gemma", "harmony", "glm_4_7"])
def test_in_each_format(format: str) -> None:
    assert not is_forbidden(call_of(name="Ada Moss"), tool_format=format)
    assert is_forbidden(call_of(guests=5), tool_format=format)


@for_each("quotes", [True, False])
def test_quotes_alone_hold_strings_and_no_numbers(quotes: bool) -> None:
    for name, is_quoted in (("Ada Moss", True), ("Eve Moss", False)):
        assert is_forbidden(call_of(guests=5, name=name), grounded=False, quotes=quotes) is not is_quoted


def test_missing_free_leaves_what_is_not_stated_free() -> None:
    assert not is_forbidden(sg.Call("cancel", {"code": "AB1234"}, "call_0"), missing="free")
    assert is_forbidden(call_of(guests=5), missing="free")


# --- which text ---------------------------------------------------------------------------------------------

RESULT = {"role": "tool", "tool_call_id": "a", "content": "There are 9 seats on 7 June 2025."}
CALLED = {
    "role": "assistant",
    "content": "",
    "tool_calls": [{"id": "a", "type": "function", "function": {"name": "clock", "arguments": "{}"}}],
}


@for_each(
    "turns",
    [
        [USER, CALLED, RESULT],
        [{"role": "system", "content": "There are 9 on 7 June 2025."}, USER],
        [{"role": "user", "content": "9 on 7 June 2025"}, {"role": "assistant", "content": "No."}, USER],
        [{"role": "user", "content": [{"type": "text", "text": TEXT}]}],
    ],
)
def test_it_is_the_last_turn_of_the_user_and_no_result_of_a_tool(turns: list[Any]) -> None:
    assert not is_forbidden(call_of(), turns)
    assert is_forbidden(call_of(guests=9), turns) and is_forbidden(call_of(day="2025-06-07"), turns)


def test_results_that_are_named_count() -> None:
    texts = {"request": TEXT, "seats": RESULT["content"]}
    assert not is_forbidden(call_of(guests=9, day="2025-06-07"), [USER, CALLED, RESULT], grounded=texts)
    outcome = ask(scripted(call_of(guests=9)), [USER, CALLED, RESULT], grounded=texts)
    places = [[place.text for place in one.places] for one in outcome.calls[0].evidence]
    assert places == [["request"], ["seats"]]


def test_a_prompt_of_results_alone_states_nothing() -> None:
    turns = [{**CALLED}, RESULT]
    assert is_forbidden(call_of(guests=9, day="2025-06-07"), turns)
    with pytest.raises(NotStatedError, match="The text is empty, and states no date for /day"):
        ask(scripted(), turns, sg.Call, run=sg.run, tools=[book])


def test_of_a_function_it_is_the_arguments() -> None:
    @sg.generate(
        model=scripted(call_of(), call_of(guests=9)), tools=[book], tool_format="hermes", grounded=True
    )
    def ask_for(request: str) -> sg.Call:
        """There are 9 seats. {request}"""
        return sg.filled()

    assert ask_for(TEXT).value()["guests"] == 4
    with pytest.raises(ScriptError):
        ask_for(TEXT)


# --- what is left out ---------------------------------------------------------------------------------------


def test_a_tool_that_is_left_out_is_told_and_prompts_stay() -> None:
    model = scripted(call_of(), call_of())
    with pytest.warns(GroundedWarning, match="The tool cancel is left out.* for /code") as caught:
        sg.run(model, [USER], tools=[book, cancel], tool_format="hermes", grounded=True)
    assert len(caught) == 1 and caught[0].filename == __file__
    sg.run(model, [USER], tools=[book, cancel], tool_format="hermes")
    assert model.asked[0] == model.asked[1]


@for_each("run", [sg.run, sg.run.stream])
def test_the_error_comes_where_nothing_is_left(run: Any) -> None:
    for target, options in (
        (sg.Call, {}),
        (sg.Reply, {"tool_choice": "required"}),
        (None, {"tool_choice": "book"}),
    ):
        with pytest.raises(NotStatedError, match="no date for /day") as caught:
            answer = ask(scripted(), "A table.", target, run=run, tools=[book, cancel], **options)
            list(answer)
        assert caught.value.where.startswith("the tool book")
    outcome = ask(scripted(), "A table.", sg.Call, tools=[book])
    assert isinstance(outcome.error, NotStatedError) and outcome.attempts == 0


def test_a_reply_that_may_be_text_is_text() -> None:
    assert ask(scripted("Which day?"), "A table.", str | sg.Call, run=sg.run, tools=[book]) == "Which day?"
    assert is_forbidden(call_of(), "A table.", str | sg.Call, tools=[book])


def test_an_embedded_model_writes_no_text_in_place_of_a_call() -> None:
    with pytest.raises(NotStatedError):
        ask("structgen/extract", "A table.", run=sg.run, tools=[book])


def test_an_answer_beside_calls_is_held_too() -> None:
    person = {"name": "Ada", "age": 4}
    assert ask(scripted(person), None, Person | sg.Call, run=sg.run) == Person(name="Ada", age=4)
    assert is_forbidden({**person, "age": 5}, None, Person | sg.Call)
    assert ask(scripted(call_of()), None, Person | sg.Call, run=sg.run).value() == {
        "day": dt.date(2024, 5, 3),
        "guests": 4,
    }
    # nobody states an age: a call is left
    assert is_forbidden(person, "Nothing.", Person | sg.Call)
    called = ask(scripted(sg.Call("clock", {}, "call_0")), "Nothing.", Person | sg.Call, run=sg.run)
    assert called.name == "clock"
    with pytest.raises(NotStatedError):
        ask(scripted(), "Nothing.", Person | sg.Call, run=sg.run, tools=[book])


def test_a_batch_has_the_tools_of_each_prompt() -> None:
    @sg.generate(
        model=scripted(call_of(), call_of(guests=7), call_of(guests=5)),
        tools=[book],
        tool_format="hermes",
        grounded=True,
    )
    def ask_for(request: str) -> sg.Call:
        """{request}"""
        return sg.filled()

    first, none, last = ask_for.batch([TEXT, "A table.", TEXT.replace("4 on", "7 on")], errors="return")
    assert (first.value()["guests"], last.value()["guests"]) == (4, 7)
    assert isinstance(none, NotStatedError)


def test_it_is_refused_for_free_text_and_missing_alone_is() -> None:
    with pytest.raises(OptionError, match="Free text has no values"):
        ask(scripted(), tool_choice="none")
    with pytest.raises(OptionError, match="no effect without grounded="):
        ask(scripted(), grounded=False, missing="free", tools=[clock])


# --- evidence -----------------------------------------------------------------------------------------------


def read_places(evidence: Any) -> list[Any] | None:
    if evidence is None:
        return None
    return [(one.path, one.value, [place.words for place in one.places]) for one in evidence]


def test_each_argument_has_its_places() -> None:
    outcome = ask(scripted([call_of(name="Ada Moss"), sg.Call("clock", {}, "call_1")]))
    expected = [
        ("day", "2024-05-03", ["3 May 2024"]),
        ("guests", 4, ["4"]),
        ("name", "Ada Moss", ["Ada Moss"]),
    ]
    assert read_places(outcome.calls[0].evidence) == [(f"/{key}", *rest) for key, *rest in expected]
    assert read_places(outcome.calls[1].evidence) == []
    # of all calls: a path begins with the number of the call
    assert read_places(outcome.evidence) == [(f"/0/{key}", *rest) for key, *rest in expected]
    assert "3 May 2024" in outcome.evidence.page() and dict(outcome.evidence.texts) == {"prompt": TEXT}


def test_a_call_has_its_evidence_at_each_door(tmp_path: Path) -> None:
    expected = [("/day", "2024-05-03", ["3 May 2024"]), ("/guests", 4, ["4"])]
    assert read_places(ask(scripted(call_of()), None, sg.Call, run=sg.run).evidence) == expected
    (first,) = ask(scripted(call_of()), None, list[sg.Call], run=sg.run)
    assert read_places(first.evidence) == expected
    *_, last = ask(scripted(call_of()), None, sg.Call, run=sg.run.stream)
    assert read_places(last.value.evidence) == expected
    assert read_places(asyncio.run(ask(scripted(call_of()), None, sg.Call, run=sg.arun)).evidence) == expected


def test_what_is_held_to_no_text_has_no_evidence() -> None:
    outcome = ask(scripted(call_of()), grounded=False, tools=[clock, cancel, plain_book])
    assert outcome.evidence is None and outcome.calls[0].evidence is None
    assert call_of().evidence is None
    outcome = ask(scripted("Which code?"))
    assert [*outcome.evidence] == []


def plain_book(day: dt.date, guests: int) -> None:
    """Book a table."""


plain_book.__name__ = "book"

CUSTOM = {
    "type": "custom",
    "custom": {
        "name": "order",
        "format": {"type": "grammar", "grammar": {"syntax": "regex", "definition": "[a-z]+ [0-9]+"}},
    },
}


def test_the_input_of_a_custom_tool_is_free_and_has_its_places() -> None:
    order = sg.Call("order", {"input": "table 9"}, "call_0")
    with pytest.warns(GroundedWarning, match="custom tool order is not restricted"):
        reply = sg.run(scripted(order), [USER], tools=[CUSTOM, book], tool_format="hermes", grounded=True)
    assert read_places(reply.calls[0].evidence) == [("/input", "table 9", [])]


# --- streams ------------------------------------------------------------------------------------------------


def test_a_stream_is_held_and_its_call_grows() -> None:
    partials = [*ask(scripted(call_of(name="Ada Moss")), None, sg.Call, run=sg.run.stream)]
    grown = [partial.value.arguments for partial in partials if partial.value is not None]
    assert grown[-1] == {**BOOKED, "name": "Ada Moss"}
    with pytest.raises(ScriptError):
        list(ask(scripted(call_of(guests=5)), None, sg.Call, run=sg.run.stream))


# --- servers ------------------------------------------------------------------------------------------------


def draw_case(chance: random.Random) -> tuple[Any, Any, dict[str, Any]]:
    """Return a random reply, target and options of a call."""
    guests, day = chance.choice((4, 4, 5)), chance.choice(("2024-05-03", "2024-05-03", "2024-05-04"))
    name = chance.choice(({}, {"name": "Ada Moss"}, {"name": "Eve"}))
    calls = [call_of(guests=guests, day=day, **name), sg.Call("clock", {}, "call_1")]
    reply = chance.choice((calls[0], calls[0], calls[1], calls, "Hello.", {"name": "Ada", "age": 4}))
    target = chance.choice((None, sg.Call, str | sg.Call, list[sg.Call], Person | sg.Call))
    options: dict[str, Any] = {"tools": chance.choice(([book], [book, clock], [book, cancel, clock]))}
    options["grounded"] = chance.choice((True, True, TEXT, {"a": TEXT, "b": "5 guests"}, False, "Nothing."))
    options["quotes"] = chance.random() < 0.3
    if options["grounded"] is not False and chance.random() < 0.3:
        options["missing"] = "free"
    if target is None:
        options["tool_choice"] = chance.choice(("auto", "required", "book"))
    return reply, target, options


def check_servers(seeds: range) -> set[Any]:
    outcomes = set()
    with both_models() as (ask_here, ask_server, models):
        for seed in seeds:
            reply, target, options = draw_case(random.Random(seed))
            case = Case([USER], target, {**options, "tool_format": "hermes", "attempts": 1}, reply)
            here, there = (read_answer(ask_model, case) for ask_model in (ask_here, ask_server))
            assert here == there, (seed, case)
            outcomes.add(here if isinstance(here, str) else "answered")
            for model in models:
                model.errors.clear()
    return outcomes


def read_answer(ask_model: Any, case: Case) -> Any:
    """Return the value of an answer and its places, or why there is none."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            outcome = ask_model(case)
            value = outcome.value
        except NotStatedError:
            return "not stated"
        except (ScriptError, sg.StructgenError):
            return "refused"
    calls = [(call.name, call.arguments, read_places(call.evidence)) for call in outcome.calls]
    answer = outcome.reply.text.strip() if outcome.reply is not None else value
    return answer, calls, read_places(outcome.evidence)


def test_a_served_call_is_the_one_of_this_process() -> None:
    assert check_servers(range(24)) == {"answered", "refused", "not stated"}


@pytest.mark.slow
def test_a_served_call_is_the_one_of_this_process_in_many_cases() -> None:
    assert "answered" in check_servers(range(100, 2100))


def test_our_server_gets_the_tools_as_they_are_and_the_texts() -> None:
    with server([call_of()]) as url:
        ask(url.model, tools=[book, cancel])
        (body,) = url.requests
    properties = body["tools"][0]["function"]["parameters"]["properties"]
    assert [one["function"]["name"] for one in body["tools"]] == ["book", "cancel"]
    assert body["grounded"] == {"prompt": TEXT} and "enum" not in properties["guests"]


def sent_call(**arguments: Any) -> dict[str, Any]:
    function = {"name": "book", "arguments": json.dumps({**BOOKED, **arguments})}
    return {
        "tool_calls": [{"id": "call_0", "type": "function", "function": function}],
        "finish_reason": "tool_calls",
    }


def test_another_server_is_sent_what_is_stated_and_judged_here() -> None:
    with serving(sent_call(guests=5), sent_call()) as other:
        outcome = ask(other.model, None, sg.Call, tools=[book, cancel], attempts=2, tool_choice="required")
    assert outcome.attempts == 2 and outcome.value.value() == {"day": dt.date(2024, 5, 3), "guests": 4}
    assert read_places(outcome.value.evidence) == [
        ("/day", "2024-05-03", ["3 May 2024"]),
        ("/guests", 4, ["4"]),
    ]
    (tool,) = other.bodies[0]["tools"]
    properties = tool["function"]["parameters"]["properties"]
    assert properties["guests"]["enum"] == [4] and "x-" not in json.dumps(tool)
    assert "grounded" not in other.bodies[0]
    with (
        serving(sent_call(guests=5)) as other,
        pytest.raises(GenerationError, match="match the schema"),
    ):
        ask(other.model, None, sg.Call, run=sg.run, tools=[book], attempts=1)


def test_another_server_s_call_of_a_tool_that_is_left_out_is_refused() -> None:
    function = {"name": "cancel", "arguments": '{"code": "AB1234"}'}
    call = {"tool_calls": [{"id": "call_0", "type": "function", "function": function}]}
    with serving(call) as other, pytest.raises(GenerationError, match="cancel"):
        ask(other.model, None, sg.Call, run=sg.run, tools=[book, cancel], attempts=1)


def test_a_quote_of_an_argument_in_other_typography_is_refused_and_not_repaired() -> None:
    prompt = [{"role": "user", "content": TEXT.replace("Ada Moss", "Ada O\u2019Moss")}]
    for name, is_right in (("Ada O\u2019Moss", True), ("Ada O'Moss", False)):
        with serving(sent_call(name=name)) as other:
            outcome = ask(other.model, prompt, sg.Call, tools=[book], attempts=1)
        assert (outcome.error is None) == is_right, name
        if is_right:
            assert outcome.value.value()["name"] == name
