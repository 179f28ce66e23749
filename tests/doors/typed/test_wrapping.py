"""Documents that are no objects, asked for as the one member of an object."""

from __future__ import annotations

import asyncio
import datetime as dt
import enum
import json
import re
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any, Literal, Optional

import pytest
from asked import Person, asked, awaited, listed
from for_each import for_each
from pydantic import AfterValidator, BaseModel, Field, RootModel, TypeAdapter
from told_models import told
from typing_extensions import TypedDict

import structgen as sg
from structgen.asking.python_types.type_hints import read_type
from structgen.asking.python_types.type_places import TypeParts
from structgen.base.json_text.events import Place
from structgen.doors.typed.partial import Progress
from structgen.doors.typed.target_forms import form_of
from structgen.doors.typed.wrapping import Unwrapping, WrappedReader, unwrap_document, wrap_schema

ADA = "Ada is 36 years old."


class Size(enum.Enum):
    SMALL = "S"
    LARGE = "L"


class Held(TypedDict):
    value: int


class Node(BaseModel):
    name: str
    next: Node | None = None


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int


class Dog(BaseModel):
    kind: Literal["dog"]
    good: bool


def _even(value: int) -> int:
    if value % 2:
        raise ValueError("is odd")
    return value


Even = Annotated[int, AfterValidator(_even)]

BARE: list[tuple[Any, str]] = [
    (int, "36"),
    (float, "-1.5"),
    (bool, "true"),
    (Literal["a", "b"], '"b"'),
    (Size, '"L"'),
    (dt.date, '"2026-05-03"'),
    (Annotated[str, Field(max_length=9)], '"a } \\" \\\\"'),
    (Optional[int], "null"),  # noqa: UP045
    (int | str, '"{\\"value\\": 1}"'),
    (int | Held, '{"value": 3}'),
    (int | Held, "3"),
    (Annotated[Cat | Dog, Field(discriminator="kind")], '{"kind": "dog", "good": true}'),
    (list[Person], '[{"name": "Bo}", "age": 4}, {"name": "Cy", "age": 5}]'),
    (list[Node], '[{"name": "a", "next": {"name": "b", "next": null}}]'),
    (Optional[Node], '{"name": "a", "next": null}'),  # noqa: UP045
    (tuple[int, str], '[3, "x"]'),
    (set[Literal["a", "b"]], '["b", "a"]'),
    (RootModel[list[int]], "[1, 2]"),
    (list[dict[str, int]], '[{"value": 1}, {}]'),
]
OBJECTS: list[tuple[Any, str]] = [
    (Person, '{"name": "Bo", "age": 4}'),
    (Held, '{"value": 3}'),
    (Node, '{"name": "a"}'),
    (dict[str, int], '{"value": 1, "b": 2}'),
    (RootModel[dict[str, int]], '{"value": 1}'),
]


# --- which documents are wrapped ----------------------------------------------------------------------------


@for_each(("hint", "document"), BARE)
def test_a_wrapped_document_is_read_as_pydantic_reads_the_bare_one(hint: Any, document: str) -> None:
    text = f'{{"value": {document}}}'
    engine, model = told(text)
    outcome = asked(hint, model=engine, wrap=True, outline=True).detailed("x")
    assert outcome.text == text
    assert outcome.value == TypeAdapter(hint).validate_json(document)
    assert "{value: " in model.prompts[0]


@pytest.mark.parametrize(("hint", "document"), OBJECTS)
def test_a_document_that_is_an_object_is_not_wrapped(hint: Any, document: str) -> None:
    engine, _ = told(document)
    outcome = asked(hint, model=engine, wrap=True).detailed("x")
    assert outcome.text == document
    assert outcome.value == TypeAdapter(hint).validate_json(document)


def test_a_root_that_refers_to_an_object_over_two_references_is_not_wrapped() -> None:
    definitions = {"a": {"$ref": "#/$defs/b"}, "b": {"type": "object"}}
    schema = {"$ref": "#/$defs/a", "$defs": definitions}
    assert wrap_schema(schema) is schema


def test_other_models_are_not_asked_for_objects_by_default() -> None:
    engine, _ = told("36")
    assert asked(int, model=engine).detailed("x").text == "36"


@pytest.mark.parametrize("model", ["structgen/extract", "models/extract"])
def test_the_embedded_model_and_its_copies_are_asked_for_objects(model: str) -> None:
    number = asked(int, model=model)
    outcome = number.detailed(ADA)
    assert (outcome.text, outcome.value) == ('{"value": 36}', 36)
    assert number.schema["properties"] == {"value": {"type": "integer"}}
    assert not asked(int, model=model, wrap=False).detailed(ADA).text.startswith("{")


def test_infilling_fills_an_object() -> None:
    number = asked(int, model="structgen/infill")
    assert (number.detailed(ADA).text, number(ADA)) == ('{"value": 36}', 36)
    assert asked(int, model=sg.Infilling("structgen/infill"))(ADA) == 36


def test_run_wraps_types_alone() -> None:
    assert sg.run("structgen/extract", ADA, int) == 36
    for target in ({"type": "integer"}, sg.json_schema({"type": "integer"})):
        assert not sg.run.detailed("structgen/extract", ADA, target).text.startswith("{")


def test_a_free_text_stays_free() -> None:
    engine, _ = told("Hello.")
    assert sg.run(engine, "x", str) == "Hello."
    assert asked(str, model="structgen/extract").schema == {}


@pytest.mark.parametrize("target", [{"type": "integer"}, sg.regex("[0-9]+"), {"choice": ["a"]}, str, None])
def test_to_wrap_what_is_no_type_is_refused(target: Any) -> None:
    with pytest.raises(sg.errors.OptionError, match=r"wrap= has no effect on .*\. Remove wrap"):
        sg.run("structgen/extract", "x", target, wrap=True)


@pytest.mark.parametrize(
    "text",
    ['{"value": 3}', '\n{ "value"\t: 3 }\n', '{"v\\u0061lue":3}'],
)
def test_any_white_space_and_escapes_are_read(text: str) -> None:
    assert unwrap_document(text) == "3"


@pytest.mark.parametrize("text", ["3", '{"other": 3}', '[{"value": 3}]', '{"\\x": 3}', ""])
def test_a_text_that_has_no_wrapper_is_itself(text: str) -> None:
    assert unwrap_document(text) == text


@for_each("document", [document for _, document in BARE])
def test_the_pieces_of_a_document_are_the_document(document: str) -> None:
    inside, seen = Unwrapping(), ""
    for piece in f'{{"value": {document}}}':
        seen += inside.add_piece(piece)
        assert document.startswith(seen)
    assert seen + inside.add_piece(None) == document
    assert len(seen) >= len(document.rstrip("} "))


def test_definitions_stay_at_the_root() -> None:
    recursive = {"$ref": "#/$defs/A", "$defs": {"A": {"type": "array", "items": {"$ref": "#/$defs/A"}}}}
    for schema in (recursive, read_type(list[Node]).schema):
        made = wrap_schema(schema)
        assert made["$defs"] == schema["$defs"]
        assert "$defs" not in made["properties"]["value"]


# --- streams ------------------------------------------------------------------------------------------------


@for_each(("hint", "document"), [one for one in BARE if one[1][0] in '[{"'])
def test_partial_values_are_those_of_the_bare_document(hint: Any, document: str) -> None:
    """The reference: a stream of the bare document, character by character."""
    reader = read_type(hint)
    bare = Progress(TypeParts(reader.core_schema))
    inside = Progress(TypeParts(WrappedReader(reader).core_schema), wrapped=True)
    for piece in '{"value": ':
        assert inside.add_piece(piece).value is None
    for piece in document:
        one, other = bare.add_piece(piece), inside.add_piece(piece)
        assert (other.value, other.closed) == (one.value, one.closed)
    assert inside.add_piece("}").value == one.value
    assert other.value == one.value  # an old partial stays as it was


def test_a_stream_has_values_without_the_wrapper_and_its_text() -> None:
    names = asked(list[str], model="structgen/extract")
    *partials, last = list(names.stream("Bo lives in Rome."))
    assert last.result == names("Bo lives in Rome.")
    assert json.loads(last.text) == {"value": last.result}
    assert all(isinstance(one.value, list | None) for one in partials)


PEOPLE = '{"value": [{"name": "Bo}", "age": 4}, {"name": "Cy", "age": 5}]}'


def test_items_batches_and_coroutines_of_an_event_loop() -> None:
    people = asked(AsyncIterator[Person], model=told(PEOPLE)[0], wrap=True)
    assert [one.name for one in asyncio.run(listed(people("x")))] == ["Bo}", "Cy"]
    assert asked(int, model="structgen/extract").batch([ADA, "Bo is 4 years old."]) == [36, 4]
    age = awaited(int, model="structgen/extract")
    assert (asyncio.run(age(ADA)), asyncio.run(age.batch([ADA]))) == (36, [36])


def test_thoughts_come_before_the_object() -> None:
    engine, _ = told('Well.</think>{"value": 36}')
    outcome = asked(int, model=engine, wrap=True, thinking=sg.Thinking(max_tokens=50)).detailed("x")
    assert (outcome.result.thoughts, outcome.value) == ("Well.", 36)


# --- validators ---------------------------------------------------------------------------------------------


def test_the_place_of_a_fault_is_that_of_the_type() -> None:
    engine, model = told('{"value": [2, 4, 5]}')
    with pytest.raises(sg.errors.GenerationError, match="is odd") as caught:
        asked(list[Even], model=engine, wrap=True, attempts=2)("x")
    assert caught.value.where == "/2"
    assert caught.value.text == '{"value": [2, 4, 5]}'
    told_again = model.prompts[1].partition("This answer was refused:")[2]
    assert "/2: " in told_again and "value.2" not in told_again and "/value" not in told_again
    cause: BaseException | None = caught.value
    while cause is not None:
        assert "value.2" not in str(cause)
        cause = cause.__cause__


def test_a_stream_ends_at_a_part_that_the_type_refuses() -> None:
    engine, _ = told('{"value": [2, 5, 4]}')
    seen = []
    with pytest.raises(sg.errors.GenerationError, match="is odd"):
        for item in asked(Iterator[Even], model=engine, wrap=True)("x"):
            seen.append(item)
    assert seen == [2]


@pytest.mark.parametrize("method", [pytest.param("rejection", marks=pytest.mark.slow), "cars"])
def test_draws_are_values_of_the_type_that_its_validators_take(method: str) -> None:
    even = asked(Annotated[Even, Field(ge=0, le=9)], model="structgen/extract")
    found = even.sample(8, method=method, temperature=1.5)("Ada has 7 lamps.")
    assert len(found.values) == 8
    assert set(found.values) <= {0, 2, 4, 6, 8}
    assert [json.loads(text)["value"] for text in found.texts] == list(found.values)


def placed(path: tuple[str | int, ...]) -> Place:
    """Return a place by its path."""
    found = Place(None, "")
    for part in path:
        found = Place(found, part)
    return found


class Tree(BaseModel):
    size: Even
    parts: list[Tree] = []


@pytest.mark.parametrize(
    ("hint", "path", "document"),
    [
        (list[Even], (1,), "5"),
        (list[Even], (), "[2, 5]"),
        (list[Tree], (0, "parts", 0, "size"), "3"),
        (list[Tree], (0, "parts", 0), '{"size": 3}'),
    ],
)
def test_a_draw_is_refused_where_the_bare_one_would_be(
    hint: Any, path: tuple[Any, ...], document: str
) -> None:
    bare = read_type(hint)
    checks = [
        (sg.samplers.TypeChecker(bare), placed(path)),
        (sg.samplers.TypeChecker(WrappedReader(bare)), placed(("value", *path))),
    ]
    for wrong in (True, False):
        text = document if wrong else document.replace("5", "4").replace("3", "4")
        found = [check.closed(sg.samplers.ClosedValue(at, text.encode())) for check, at in checks]
        assert found == [not wrong] * 2


# --- how characters are written in the object that says a text ----------------------------------------------

WITHOUT_CJK = sg.Tokenizer.from_bytes(
    [*(bytes((byte,)) for byte in range(256) if byte not in "香😀".encode()), None],
    eos_token_id=256 - len(set("香😀".encode())),
)
WHOLE = sg.Tokenizer.from_bytes([*(bytes((byte,)) for byte in range(256)), None], eos_token_id=256)


@for_each("text", ["a\n", '\\"/', "\x01\x7f", "é香Z", "😀 a", "香\n"])
def test_a_character_that_the_vocabulary_writes_is_no_escape(text: str) -> None:
    form = form_of(sg.regex(re.escape(text)), wrap="unlisted")
    assert form.is_text_in_string
    plain, escaped = (json.dumps({"value": text}, ensure_ascii=ascii) for ascii in (False, True))
    for tokenizer in (WHOLE, WITHOUT_CJK):
        grammar = form.grammar_for(tokenizer)
        assert grammar is not None
        compiled = sg.compile(grammar, tokenizer, store=False)
        can_be_plain = not set(tokenizer.absent_bytes) & set(plain.encode())
        written = compiled.completion(compiled.start).decode()
        assert json.loads(written) == {"value": text}
        assert (written == plain) is can_be_plain
        for other in {plain, escaped}:
            state = compiled.step_bytes(compiled.start, other.encode())
            is_text = state is not None and compiled.accepts_end(state)
            assert is_text is ((other == plain) is can_be_plain or (plain == escaped))
