"""Parts of replies in pieces: whatever the pieces, they join to the parts of the whole reply."""

from __future__ import annotations

import json
import random
import re
from typing import Any

import pytest
from for_each import for_each
from hypothesis import given, settings
from hypothesis import strategies as st
from reply_texts import TOOLS as NESTED
from reply_texts import reply
from test_call_formats import EXAMPLES, TOOLS

import structgen as sg
from structgen.asking.tool_calls.call_reader import parse_calls
from structgen.asking.tool_calls.call_writing import write_calls
from structgen.asking.tool_calls.format_rows import FORMATS
from structgen.asking.tool_calls.tool_definitions import read_tools
from structgen.decoding.engine.requests import FinishReason, Result, Step, Usage
from structgen.doors.serving.answer_shape import AnswerShape
from structgen.doors.serving.message_shape import MessageShape
from structgen.doors.serving.reply_parts import ReplyParts
from structgen.doors.serving.response_shape import ResponseShape
from structgen.doors.serving.served_model import ServedModel
from structgen.doors.serving.token_logprobs import chat_logprobs, text_logprobs

KNOWN = read_tools(TOOLS)


def result_of(text: str, thoughts: str = "") -> Result:
    return Result(text, FinishReason.STOP, [], [], Usage(), thoughts=thoughts)


def joined(parts: ReplyParts, text: str, cuts: list[int]) -> tuple[str, list[tuple[str, str]]]:
    """Return the text and the calls that the pieces of a reply join to."""
    found, calls = "", list[tuple[str, str]]()
    for deltas in (
        *(parts.read_growth(text[:at], "") for at in sorted(cuts)),
        parts.read_end(result_of(text)),
    ):
        for part, piece in deltas:
            if part.kind == "text":
                found += piece
            elif part.call == len(calls):
                assert not piece
                calls.append((part.name, ""))
            else:
                name, document = calls[part.call]
                calls[part.call] = name, document + piece
    return found, calls


@pytest.mark.parametrize("name", sorted(EXAMPLES))
@settings(max_examples=12)
@given(data=st.data())
def test_pieces_of_a_reply_with_calls_join_to_the_whole(name: str, data: st.DataObject) -> None:
    example, format = EXAMPLES[name], FORMATS[name]
    text = example if format.text or format.blocks else f"So: {example}"
    whole = parse_calls(text, format, tools=KNOWN, thinking=False)
    cuts = data.draw(st.lists(st.integers(0, len(text)), max_size=12))
    found, calls = joined(ReplyParts(format, KNOWN), text, cuts)
    assert found == whole.text.strip()
    assert calls == [(one.name, one.document) for one in whole.calls] and len(calls) == 1


@for_each("name", sorted(EXAMPLES))
def test_nested_arguments_and_marks_in_strings_come_as_calls_and_never_as_text(name: str) -> None:
    source = random.Random(f"parts {name}")
    text, calls, told = reply(source, name, 2)
    cuts = sorted(source.sample(range(len(text)), 40))
    found, read = joined(ReplyParts(FORMATS[name], read_tools(NESTED)), text, cuts)
    assert found == told.strip()
    assert [(one, json.loads(document)) for one, document in read] == calls


@for_each("name", sorted(EXAMPLES))
def test_ids_are_those_of_the_format_and_go_on_behind_earlier_calls(name: str) -> None:
    parts = ReplyParts(FORMATS[name], KNOWN, earlier=3)
    list(parts.read_end(result_of(EXAMPLES[name])))
    (part,) = parts.calls
    assert re.fullmatch(FORMATS[name].ids.replace("$name", "get_weather"), part.id)
    assert name not in ("kimi", "cohere") or part.id.endswith("3")


@pytest.mark.parametrize("name", ["hermes", "mistral", "openai-json", "qwen_3_coder", "gemma", "cohere"])
def test_the_input_of_a_custom_tool_comes_in_pieces(name: str) -> None:
    """Each character at once, and escapes as characters; of an input that stands elsewhere the whole."""
    said = "a 'b' \n<c> \u2028 {1, 2} \U0001f600"
    tools = read_tools([{"type": "custom", "name": "run"}])
    call = write_calls([sg.Call("run", {"input": said}, "call_0")], FORMATS[name])
    parts, found = ReplyParts(FORMATS[name], tools), [""]
    for at in range(1, len(call) + 1):
        found += [text for _, text in parts.read_growth(call[:at], "")]
    found += [text for _, text in parts.read_end(result_of(call))]
    assert "".join(found) == said and len(found) > len(said) // 2
    assert [(one.kind, one.text) for one in parts.calls] == [("custom", said)]


@given(st.text(max_size=30), st.lists(st.integers(0, 30), max_size=6))
def test_pieces_of_a_free_text_join_to_it(text: str, cuts: list[int]) -> None:
    assert joined(ReplyParts(), text, cuts) == (text, [])


def test_each_call_of_a_long_reply_is_told_once() -> None:
    text = "\n".join(EXAMPLES["hermes"].replace("Oslo", f"Oslo {at}") for at in range(40))
    found, calls = joined(ReplyParts(FORMATS["hermes"], KNOWN), text, list(range(len(text))))
    assert (found, len(calls), len(set(calls))) == ("", 40, 40)


@pytest.mark.parametrize("written", ["<think>\nHm. So.\n", "Hm. So.\n", "  Hm. So.  "])
@pytest.mark.parametrize("step", [1, 3, 99])
def test_thoughts_are_told_without_their_opening_tag(written: str, step: int) -> None:
    parts, told = ReplyParts(opening="<think>"), ""
    for end in range(step, len(written) + step, step):
        deltas = list(parts.read_growth("", written[:end]))
        assert {one.part.kind for one in deltas} <= {"thoughts"}
        told += "".join(one.text for one in deltas)
    assert told == "Hm. So."
    assert [one.part.kind for one in parts.read_end(result_of("x", written))] == ["text"]


@pytest.mark.parametrize("thoughts", ["", "Hm."])
@pytest.mark.parametrize(
    ("kind", "body", "begins", "holds"),
    [
        (ResponseShape, {"input": "x"}, "response.output_item.added", "output"),
        (
            MessageShape,
            {"messages": [{"role": "user", "content": "x"}], "max_tokens": 9},
            "content_block_start",
            "content",
        ),
    ],
)
def test_a_reply_without_text_has_the_same_parts_streamed_and_whole(
    engine: sg.Engine, kind: type[AnswerShape], body: Any, begins: str, holds: str, thoughts: str
) -> None:
    shape = kind(ServedModel(engine, "extract"), {"model": "extract", **body})
    reply, result = ReplyParts(), result_of("", thoughts)
    shape.replies = [reply]
    events = [*shape.piece_events(0, reply.read_end(result)), *shape.end_events(0, result)]
    begun = [one.get("item") or one["content_block"] for one in events if one["type"] == begins]
    whole = [one["type"] for one in shape.whole_body([result])[holds]]
    assert [one["type"] for one in begun] == whole and len(whole) == 1 + bool(thoughts)


@pytest.mark.parametrize("reason", [FinishReason.STOP, FinishReason.MAX_TOKENS])
def test_the_items_that_are_done_are_those_of_the_response(engine: sg.Engine, reason: FinishReason) -> None:
    shape = ResponseShape(ServedModel(engine, "extract"), {"model": "extract", "input": "x"})
    reply, result = ReplyParts(), Result("Hi", reason, [], [], Usage(), thoughts="Hm.")
    events = json.loads(
        json.dumps([*shape.piece_events(0, reply.read_end(result)), *shape.end_events(0, result)])
    )
    done = [one["item"] for one in events if one["type"] == "response.output_item.done"]
    assert done == events[-1]["response"]["output"] and len(done) == 2
    assert {one["status"] for one in done} == {events[-1]["response"]["status"]}


def test_tokens_without_a_chance_are_numbers_of_json() -> None:
    never = float("-inf")
    step = Step(5, never, -0.1, 0.2, 3, 5, likeliest=((6, -0.5), (7, never)))
    for shown in (chat_logprobs, text_logprobs):
        assert "-9999.0" in json.dumps(shown([step], lambda _: b"x", 2), allow_nan=False)
