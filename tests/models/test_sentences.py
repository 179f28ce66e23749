"""What the models are trained on: texts say the documents, schemas accept them, grammars write them so."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator

import jsonschema
import pytest
from data.everyday import Everyday
from data.scenes import expand, read_scenes
from data.sentences import Example, Examples, Shares, written
from data.values import Values
from data.words import Words, held_out, spelled

import structgen as sg
from structgen.asking.python_types.type_hints import read_type
from structgen.grammars.json_grammars.prompting import extraction_prompt

COUNT = 250


@pytest.fixture(scope="module")
def drawn() -> list[Example]:
    source = Examples(5)
    return [source.draw() for _ in range(COUNT)]


def test_documents_are_valid(drawn: list[Example]) -> None:
    for example in drawn:
        checker = jsonschema.Draft202012Validator.FORMAT_CHECKER
        jsonschema.Draft202012Validator(example.schema, format_checker=checker).validate(example.answer)


def test_the_grammar_writes_documents_as_the_models_do(drawn: list[Example]) -> None:
    tokenizer = sg.Tokenizer.from_bytes([bytes([byte]) for byte in range(256)] + [b"end"], eos_token_id=256)
    for example in drawn[:40]:
        grammar = sg.json_schema(example.schema, **{**sg.JSON_DUMPS, "escapes": "utf8"})
        matcher = sg.Matcher(sg.compile(grammar, tokenizer))
        document = written(example.answer).encode()
        assert matcher.accepts([*document, 256]) == len(document) + 1, document


def test_typed_functions_take_the_times_that_are_written() -> None:
    source, reader, told = Examples(5, shares=Shares(everyday=1.0)), read_type(dt.time), 0
    for example in (source.draw() for _ in range(COUNT * 4)):
        for key, schema in example.schema["properties"].items():
            if schema == {"type": "string", "format": "time"} and key in example.answer:
                told += 1
                text = written(example.answer[key])
                said = re.findall(r"\b(\d+)(?::(\d+))? ?(?:([ap])\.?m\b)?", example.text, re.IGNORECASE)
                found = reader.read_document(text)
                clocks = {(int(hour) % 12, int(minute or 0)) for hour, minute, _ in said}
                in_words = re.search(r"past|to |noon|mid|o'clock", example.text)
                assert in_words or (found.hour % 12, found.minute) in clocks, (example.text, text)
    assert told > COUNT / 10


def test_halves_of_the_day_are_told_apart() -> None:
    import random

    chance = random.Random(4)
    source = Everyday(words := Words(chance), Values(words))
    drawn = [value for value in (source._time() for _ in range(3000)) if value.type == "time"]
    halves = [value for value in drawn if re.search(r"\d ?[ap]\.?m", value.said, re.IGNORECASE)]
    assert len(halves) > 100
    for value in halves:
        plain = re.sub(r"[ .]", "", value.said).upper()
        form = "%I:%M%p" if ":" in plain else "%I%p"
        assert dt.datetime.strptime(plain, form).time().isoformat() == value.value


def test_a_value_alone_is_the_one_member_of_its_document() -> None:
    source, types = Examples(5, shares=Shares(everyday=0.4, alone=1.0)), set()
    for example in (source.draw() for _ in range(COUNT)):
        jsonschema.Draft202012Validator(example.schema).validate(example.answer)
        asked = example.schema.get("properties", {})
        if list(asked) == ["value"]:
            types.add("enum" if "enum" in asked["value"] else asked["value"].get("type"))
            assert list(example.answer) == ["value"]
    assert types >= {"integer", "number", "boolean", "enum", "array"}


def test_keys_of_a_tally_are_told() -> None:
    source, told = Examples(5, shares=Shares(everyday=1.0, alone=1.0)), 0
    for example in (source.draw() for _ in range(COUNT * 2)):
        if "properties" not in example.schema:
            told += 1
            assert all(key.lower() in example.text.lower() for key in example.answer), example
    assert told > COUNT / 20


def test_a_document_is_of_one_member_of_a_union() -> None:
    source, united = Examples(5, shares=Shares(everyday=1.0, unions=1.0)), 0
    for example in (source.draw() for _ in range(COUNT)):
        schema, answer = example.schema, example.answer
        if list(schema.get("properties", ())) == ["value"] and "anyOf" in schema["properties"]["value"]:
            schema, answer = schema["properties"]["value"], answer["value"]
        members = schema["anyOf"]
        united += len(members) > 1
        assert sum(jsonschema.Draft202012Validator(one).is_valid(answer) for one in members) == 1
        for at, one in enumerate(members):
            others = members[:at] + members[at + 1 :]
            assert all(set(one["required"]) - set(other["properties"]) for other in others)
    assert united > COUNT / 2


def test_copied_values_stand_in_the_text(drawn: list[Example]) -> None:
    told = 0
    for example in drawn:
        for path, kind in example.kinds.items():
            value = example.answer.get(path)
            if kind in ("name", "city") and isinstance(value, str):
                told += 1
                assert value in example.text
    assert told > COUNT / 2


def test_plain_sentences_say_their_documents() -> None:
    source = Examples(5, shares=Shares(plain=1.0))
    listed = 0
    for example in (source.draw() for _ in range(COUNT)):
        jsonschema.Draft202012Validator(example.schema).validate(example.answer)
        for path, kind in example.kinds.items():
            value = example.answer.get(path)
            if kind in ("item", "list") and value is not None:
                listed += isinstance(value, list)
                assert all(one in example.text for one in strings(value)), example
    assert listed > COUNT / 5


def strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | dict):
        for item in value.values() if isinstance(value, dict) else value:
            yield from strings(item)


@pytest.mark.parametrize("source", ["frames", "notes", "everyday"])
def test_sentences_without_a_template_tell_their_strings(source: str) -> None:
    examples = Examples(7)
    for _ in range(300):
        facts, text = getattr(examples, source).draw()
        for fact in facts.values():
            if fact.value.type not in ("date", "time") and fact.value.kind != "enum":
                missing = [said for said in strings(fact.value.value) if said.lower() not in text.lower()]
                assert not missing, (text, fact)


def test_held_out_names_are_never_in_training() -> None:
    import random

    known, unseen = Words(random.Random(1)), Words(random.Random(1), unseen=True)
    assert not any(held_out(known.made_up()) for _ in range(300))
    assert all(held_out(unseen.made_up()) for _ in range(30))


def test_prompt_is_outline_and_text(drawn: list[Example]) -> None:
    for example in drawn[:20]:
        assert extraction_prompt(example.schema, example.text).endswith(f"\n{example.text.strip()}\n")


def test_every_scene_says_each_of_its_slots() -> None:
    for scene in read_scenes():
        told = "".join(scene.mains + scene.extras)
        assert len(scene.mains) >= 4, scene.name
        assert [name for name in scene.slots if f"{{{name}}}" not in told] == [], scene.name


def test_templates_expand_to_text_and_slots() -> None:
    import random

    pieces = expand("(A|B) {name}[ and more], «{age}» .", random.Random(0))
    assert [piece for piece, is_slot in pieces if is_slot] == ["name", "age"]
    text = "".join(piece for piece, _ in pieces)
    assert text in {f"{start} name{more}, (age)." for start in "AB" for more in ("", " and more")}


def test_numbers_are_spelled_as_in_english() -> None:
    assert spelled(17) == "seventeen"
    assert spelled(42) == "forty-two"
    assert spelled(305) == "three hundred and five"
    assert len({spelled(number) for number in range(1000)}) == 1000
