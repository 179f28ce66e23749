"""Messages as models read them: contents in parts are texts, and nothing else is passed over."""

from __future__ import annotations

import random
from typing import Any

import pytest

import structgen as sg
from structgen.base.language.checks import read_messages

KINDS = (
    "image_url",
    "input_image",
    "input_audio",
    "audio_url",
    "video_url",
    "file",
    "input_file",
    "thinking",
    "x",
)
TEXTS = {"text": "text", "input_text": "text", "output_text": "text", "refusal": "refusal"}


@pytest.mark.parametrize("seed", range(60))
def test_parts_are_joined_by_line_ends_or_refused_by_type_and_place(seed: int) -> None:
    chance = random.Random(seed)
    messages, wanted, wrong = [], [], list[tuple[str, str]]()
    count = chance.randint(1, 5)
    for at in range(count):
        role = chance.choice(["user", "system", "assistant"])
        if chance.random() < 0.3:
            content: Any = chance.choice(["", "Hi", "a\nb"])
            wanted.append(content)
        else:
            content, said = [], []
            for number in range(chance.randint(0, 4)):
                if chance.random() < 0.1:
                    kind = chance.choice(KINDS)
                    content.append({"type": kind, "text": "x"})
                    wrong.append((f"messages[{at}].content[{number}]", kind))
                    continue
                kind = chance.choice([*TEXTS])
                said.append(chance.choice(["", "a", "ü b"]))
                content.append({"type": kind, TEXTS[kind]: said[-1], "cache_control": {"type": "ephemeral"}})
            # a last turn of the assistant is one text, which the answer may go on with
            wanted.append(("" if at == count - 1 and role == "assistant" else "\n").join(said))
        messages.append({"role": role, "content": content})
    if not wrong:
        assert [one["content"] for one in read_messages(messages)] == wanted
        return
    with pytest.raises(sg.errors.OptionError) as caught:
        read_messages(messages)
    assert caught.value.where == wrong[0][0] and repr(wrong[0][1]) in str(caught.value)


@pytest.mark.parametrize("beside", [*KINDS, "image", "source", "data"])
def test_what_stands_beside_the_text_of_a_part_is_refused_by_its_name(beside: str) -> None:
    part = {"type": "text", "text": "a", "annotations": [], beside: {"url": "z"}}
    with pytest.raises(sg.errors.OptionError, match=rf"content\[1\]: The member '{beside}' of a text"):
        read_messages([{"role": "user", "content": [{"type": "text", "text": "b"}, part]}])
    assert read_messages([{"role": "user", "content": [{**part, beside: None}]}])[0]["content"] == "a"


def test_ten_thousand_parts_are_one_text() -> None:
    parts = [{"type": "text", "text": str(at)} for at in range(10_000)]
    (found,) = read_messages([{"role": "user", "content": parts}])
    assert found["content"].split("\n") == [*map(str, range(10_000))]


CALL = {"type": "function", "function": {"name": "f", "arguments": "{}"}}
WRONG: list[Any] = [
    *({"role": "user", "content": one} for one in (None, 3, 1.5, True, {"type": "text", "text": "a"}, b"a")),
    *({"role": "user", "content": [one]} for one in ("a", None, 3, [], {}, {"text": "a"}, {"type": 3})),
    *({"role": "user", "content": [{"type": kind}]} for kind in TEXTS),
    {"role": "user", "content": [{"type": "text", "text": None}]},
    {"role": "assistant", "content": None},
    {"role": "assistant"},
    {"role": "assistant", "content": None, "tool_calls": []},
    {"role": 3, "content": "a"},
    {"content": "a"},
    {},
    "a",
    None,
]


@pytest.mark.parametrize("message", WRONG, ids=repr)
def test_what_is_no_message_is_refused_at_each_door(message: Any) -> None:
    messages = [{"role": "user", "content": "a"}, message]
    for door in (
        lambda: sg.Request(messages),
        lambda: sg.run("structgen/extract", messages, sg.choice(["a", "b"])),
        lambda: sg.run("openai:http://127.0.0.1:9/v1#none", messages, bool),
        lambda: read_messages(messages),
    ):
        with pytest.raises(sg.errors.OptionError, match=r"essage 1\b"):
            door()


def test_a_turn_of_calls_needs_no_content_and_old_calls_are_calls() -> None:
    new = {"role": "assistant", "content": None, "tool_calls": [CALL]}
    old = {"role": "assistant", "content": None, "function_call": CALL["function"]}
    assert [*read_messages([new, old])] == [{**new, "content": ""}, {**new, "content": ""}]


@pytest.mark.parametrize("wrong", [{"role": "user", "content": "a"}, [], "a", 3, None, b"a"])
def test_what_is_no_list_of_messages_is_refused(wrong: Any) -> None:
    with pytest.raises(sg.errors.OptionError, match=r"^messages must be a list of chat messages"):
        read_messages(wrong)
