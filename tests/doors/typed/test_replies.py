"""How typical replies of servers are read: the table of docs/typed-functions.md, row by row."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
from asked import ADA, Person, asked
from for_each import for_each
from openai_server import serving
from pydantic import BaseModel

import structgen as sg
from structgen.doors.typed.server_replies import ArrivingObject

PAGE = Path(__file__).parents[3] / "docs" / "typed-functions.md"
BO = '{"name": "Bo", "age": 7}'
PRETTY = json.dumps(json.loads(ADA), indent=2)
THOUGHT = 'The text says {"name": "Bo", "age": 7}, no: Ada.'

CASES: list[tuple[str, str, Any]] = [
    # the row, what becomes of it, the reply
    ("the document alone", "read", ADA),
    ("a fence: ` ```json `", "read", f"```json\n{PRETTY}\n```"),
    ("a fence with another word behind the marks", "read", f"```python\n{ADA}\n```\n"),
    ("a sentence before and after", "read", f"Sure! Here it is [1]: {ADA} Hope it helps :)"),
    ("`<think>...</think>`, then the document", "read", f"<think>\n{THOUGHT}\n</think>\n\n{ADA}"),
    ("`</think>` without `<think>`", "read", f"Okay. {THOUGHT}\n</think>\n```json\n{ADA}\n```"),
    ("a byte order mark before it", "read", f"\ufeff{ADA}"),
    ("the same document twice", "read", f"{ADA}\n\nAs asked:\n```json\n{PRETTY}\n```"),
    ("two JSON values, of which exactly one is valid", "read", f'A draft: {{"name": "Ada"}}. Done: {ADA}'),
    ("two valid documents", "asked again", f"{BO}\nNo, I mean:\n{ADA}"),
    ("`<think>` that is never closed", "asked again", f"<think>{THOUGHT} {ADA}"),
    ("comments, trailing commas", "asked again", '{"name": "Ada", "age": 36,} // an age'),
    ("typographic quotes", "asked again", "{“name”: “Ada”, “age”: 36}"),
    ("a document that breaks the schema", "asked again", '{"name": "Ada", "age": "36"}'),
    ("a list around the document", "asked again", f"[{ADA}]"),
    ("a call of a tool, as text", "asked again", f'{{"name": "person", "arguments": {ADA}}}'),
    ("a refusal, as text", "asked again", "I'm sorry, but I can't help with that."),
    ("an empty reply, or null", "asked again", None),
    ("a fence that is cut off", "error", {"content": f"```json\n{ADA[:-3]}", "finish_reason": "length"}),
    ("a refusal in the field `refusal`", "error", {"refusal": "I will not."}),
    ("a call of a tool in `tool_calls`", "error", {"finish_reason": "tool_calls", "tool_calls": []}),
]


def person_from(*replies: Any, **options: Any) -> tuple[Any, list[dict[str, Any]]]:
    with serving(*replies) as server:
        return sg.run(server.model, "Who?", Person, detailed=True, **options), server.bodies


@for_each(("row", "becomes", "reply"), CASES)
def test_a_typical_reply_becomes_what_the_table_says(row: str, becomes: str, reply: Any) -> None:
    outcome, bodies = person_from(reply, ADA)
    assert len(bodies) == len({body["seed"] for body in bodies}) == {"asked again": 2}.get(becomes, 1)
    assert (outcome.error is None) == (becomes != "error")
    if becomes != "error":
        assert outcome.value == Person(name="Ada", age=36)
    assert f"| {row} | {becomes} |" in PAGE.read_text(encoding="utf-8")


def test_the_table_has_no_other_rows() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert sum(page.count(f" | {becomes} |\n") for becomes in ("read", "asked again", "error")) == len(CASES)


def test_a_result_keeps_the_document_the_thoughts_and_the_whole_reply() -> None:
    reply = f"<think>\n{THOUGHT}\n</think>\nSure: {ADA}."
    result = person_from(reply)[0].result
    assert (result.text, result.thoughts, result.reply) == (ADA, THOUGHT, reply)


@pytest.mark.parametrize("key", ["reasoning_content", "reasoning"])
def test_thoughts_beside_a_message_in_parts_are_kept(key: str) -> None:
    parts = [{"type": "thinking", "thinking": []}, {"type": "text", "text": ADA}]
    found = person_from({"content": parts, key: "Hm."})[0]
    assert (found.value, found.result.thoughts) == (Person(name="Ada", age=36), "Hm.")


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        (f"{ADA} or {BO}", "has 2 different documents, and does not say which is meant"),
        (f"<think>{ADA}", "is thoughts alone: their tag is never closed"),
        (" \n", "is empty"),
        ("", "is empty"),
        ('{"name": "Ada", ', 'it ends too early at byte 16, where the key "age"'),
        ('Sure: {"name": "Ada"}!', '"," \\(the key "age" must still come\\)'),
    ],
)
def test_the_next_attempt_and_the_error_say_what_was_wrong(reply: str, told: str) -> None:
    outcome, bodies = person_from(reply, attempts=2)
    with pytest.raises(sg.errors.GenerationError, match=told):
        outcome.value  # noqa: B018
    assert "This answer was refused: " in bodies[1]["messages"][-1]["content"]
    # some servers refuse a message of the assistant without text
    assert [one["role"] for one in bodies[1]["messages"]] == ["user", *(["assistant"] * bool(reply)), "user"]


@for_each(
    ("target", "reply", "told"),
    [
        (int, "x", "'x' cannot come at byte 0, where an integer was expected"),
        ({"choice": ["red", "blue"]}, "purple", "'p' cannot come at byte 0, where .*blue.* was expected"),
        ({"choice": ["red", "blue"]}, '"re', "it ends too early at byte 3, where .*red.* was expected"),
        ({"choice": ["red", "blue"]}, '{"value": 5}', "'5' cannot come at byte 10, where .*red"),
    ],
)
def test_the_fault_of_a_text_without_its_object_is_its_own(target: Any, reply: str, told: str) -> None:
    with serving(reply) as server, pytest.raises(sg.errors.GenerationError, match=told):
        sg.run(server.model, "Which?", target, attempts=1)


def test_a_reply_that_is_cut_off_has_the_document_so_far() -> None:
    outcome, _ = person_from({"content": f"Sure!\n```json\n{ADA[:-3]}", "finish_reason": "length"})
    assert outcome.error is not None and "cut off" in str(outcome.error)
    assert (outcome.error.text, outcome.finish_reason) == (ADA[:-3], sg.FinishReason.MAX_TOKENS)


@pytest.mark.parametrize(
    "reply", ['{"value": 5}', "5", "```\n5\n```", "<think>2+3</think>\n5", 'So: {"value": 5}']
)
def test_a_number_is_read_in_its_object_and_by_itself(reply: str) -> None:
    with serving(reply, "x") as server:
        outcome = sg.run(server.model, "2 + 3?", int, detailed=True)
    assert (outcome.value, outcome.attempts, outcome.text) == (5, 1, '{"value": 5}')


@pytest.mark.parametrize("reply", ["It is 5.", "See [5].", "```\n5\n```\n```\n6\n```", "5 6"])
def test_a_number_or_a_list_in_a_sentence_is_asked_for_again(reply: str) -> None:
    with serving(reply, '{"value": [5]}') as server:
        assert sg.run(server.model, "Which?", list[int] if "[" in reply else int | list[int]) == [5]
        assert len(server.bodies) == 2
    assert ("inside of a sentence" in str(server.bodies[1]["messages"])) is ("[" in reply)


@pytest.mark.parametrize(
    "reply", ['{"value": "red"}', "red", '"red"\n', "```\nred\n```", "<think>red, blue</think> red"]
)
def test_a_choice_is_read_in_its_object_and_by_itself(reply: str) -> None:
    for target in ({"choice": ["red", "blue"]}, {"regex": "red|blue"}):
        with serving(reply, "x") as server:
            outcome = sg.run(server.model, "Which?", target, detailed=True)
        assert (outcome.value, outcome.attempts) == ("red", 1)


def test_the_object_that_was_asked_for_goes_before_a_text_that_any_pattern_takes() -> None:
    reply = '<think>Hm.</think>\n{"value": "red"}'
    with serving(reply) as server:
        assert sg.run(server.model, "Which?", {"regex": "(.|\n)*"}) == "red"


@pytest.mark.parametrize(
    "reply",
    ['{"value": "a"} or {"value": "b"}', "<think>Hm", "", {"content": None}],
    ids=str,
)
def test_a_pattern_that_takes_any_text_does_not_take_a_reply_without_an_answer(reply: Any) -> None:
    with serving(reply, '{"value": "red"}') as server:
        outcome = sg.run(server.model, "Which?", {"regex": "(.|\n)*"}, detailed=True)
    assert (outcome.value, outcome.attempts) == ("red", 2)


def test_an_empty_text_is_a_document_in_its_object() -> None:
    with serving('{"value": ""}', "x") as server:
        assert sg.run(server.model, "Which?", {"regex": "a*"}) == ""


def test_what_the_users_field_is_called_does_not_matter() -> None:
    class Priced(BaseModel):
        value: int

    class Named(BaseModel):
        name: str

    for reply in ('{"value": {"value": 5}}', '{"value": 5}'):
        with serving(reply) as server:
            assert sg.run(server.model, "Which?", Priced | Named) == Priced(value=5)


@pytest.mark.parametrize(
    ("reply", "pieces"),
    [
        (f"```json\n{ADA}\n```\nHope it helps.", True),
        (f"<think>{THOUGHT}\n{BO}</think>{ADA}\n", True),
        (f"Sure!\n\n{ADA}\n", True),
        (f"Sure: {ADA}.", False),
        (f"Hm: {THOUGHT}</think>Sure: {ADA}", False),
    ],
)
def test_a_stream_is_the_document_alone(reply: str, pieces: bool) -> None:
    with serving(reply) as server:
        partials = list(asked(Person, model=server.model).stream())
    assert partials[-1].text == ADA and partials[-1].result == Person(name="Ada", age=36)
    assert (len(partials) > 3) == pieces


def test_a_stream_of_items_may_begin_late() -> None:
    with serving(f'<think>x</think>\n```json\n{{"value": [{ADA}, {BO}]}}\n```') as server:
        assert [one.name for one in asked(Iterator[Person], model=server.model)()] == ["Ada", "Bo"]


@pytest.mark.parametrize("reply", [f"{BO}\n{ADA}", f'{{"name": "Ada"}}\n\n{ADA}', f"{ADA}</think>{BO}"])
def test_a_stream_that_began_with_another_object_is_an_error(reply: str) -> None:
    said = r"different documents|began with another object"
    with serving(reply) as server, pytest.raises(sg.errors.GenerationError, match=said):
        list(asked(Person, model=server.model).stream())


@for_each(
    ("reply", "found"),
    [
        ('{"a": "}```"}', '{"a": "}```"}'),
        ('x {"a": "}"} y', '{"a": "}"}'),
        ('{"x": {"a": 1},} {', None),
        ('[{"a": 1}', None),
        ('~~~\n{"a": 1}\n~~~~\n', '{"a": 1}'),
        ('```\n{"a": 1}', '{"a": 1}'),
        ('{"a": 1} {"a": 1.0}', None),
        ('He said "{" and: {"a": 1}', None),
        ('{"a": "</think>"}', '{"a": "</think>"}'),
        ('<think>a</think><think>b</think>{"a": 1}', '{"a": 1}'),
        ('[THINK]{"a": 2}[/THINK]{"a": 1}', '{"a": 1}'),
        ('{"a": ' * 5000, None),
        ("[" * 50_000 + "]" * 50_000 + '{"a": 1}', '{"a": 1}'),
        ('{"a": "\\', None),
    ],
)
def test_where_the_document_stands(reply: str, found: str | None) -> None:
    schema = {"properties": {"a": {}}, "required": ["a"], "additionalProperties": False, "type": "object"}
    outcome = sg.outcome_of(reply, schema)
    assert (outcome.text if outcome.error is None else None) == found


def test_a_reply_nested_deeper_than_python_reads_is_asked_for_again() -> None:
    deep = '{"value": ' + "[" * 20_000 + "]" * 20_000 + "}"
    with serving(deep, '{"value": ["S"]}') as server:
        assert sg.run(server.model, "Which?", list[Literal["S"]]) == ["S"]


PARTS = (
    *"<think> </think> [THINK] [/THINK] <thinking> ```json { } <b>".split(),
    *("Sure: ", "[1] ", "\n", " ", "\ufeff", ADA, BO, '{"name": "é\\u00e9 }"', '{"a": [1,', "x" * 30),
)


def begun_object(reply: str) -> str:
    """Return where the object of a reply begins, by its lines: the text from there on, or ""."""
    hidden, at = False, 0
    while at < len(reply):
        line = reply[at:].partition("\n")[0]
        closing = re.search(r"</(think|thinking|reasoning)>|\[/THINK\]", line)
        said = line if closing is None else line[: closing.start()]
        head = said.lstrip(" \t\r\ufeff")
        if head.startswith("{") and not hidden:
            return reply[at + len(said) - len(head) :]
        opening = re.match(r"<(think|thinking|reasoning)>|\[THINK\]", head)
        hidden = hidden or opening is not None or bool({"{", "["} & {*said})
        if closing is not None:
            hidden, at = False, at + closing.end()
        else:
            at += len(line) + 1
    return ""


def test_the_object_in_a_reply_is_found_wherever_its_pieces_are_cut() -> None:
    source = random.Random(7)
    for _ in range(200):
        reply = "".join(source.choices(PARTS, k=source.randrange(1, 9)))
        whole, cut, at = ArrivingObject(), ArrivingObject(), 0
        whole.add(reply)
        while at < len(reply):
            size = source.randrange(1, 9)
            before = cut.found
            cut.add(reply[at : at + size])
            at += size
            assert cut.found.startswith(before)
        assert (cut.found, cut.reply) == (whole.found, reply)
        rest = begun_object(reply)
        assert rest.startswith(whole.found) and bool(rest) == bool(whole.found)
