"""`Annotated[str, grammar]`: a string of a type is a text of a grammar, at each place of each type."""

from __future__ import annotations

import gc
import itertools
import json
import pickle
import random
import re
from datetime import date
from typing import Annotated, Any, Literal

import jsonschema
import pydantic
import pytest
from annotated_types import MaxLen, MinLen
from compiled_texts import takes
from for_each import for_each
from grammar_places import GRAMMARS, OTHERS, PLACES, TEXTS
from pydantic import Field, StringConstraints, TypeAdapter, ValidationError

import structgen as sg
from structgen.asking.python_types.type_hints import TypeReader, read_type
from structgen.base.limits import Limits
from structgen.schema.reading.string_grammars import grammar_of
from structgen.tokens.tokenizer import byte_tokenizer

BYTES = byte_tokenizer()
MADE = {name: make() for name, (make, _) in GRAMMARS.items()}


def compiled_of(reader: TypeReader[Any]) -> sg.CompiledGrammar:
    return sg.compile(sg.json_schema(reader.schema, **reader.policies), BYTES)


def accepted(reader: TypeReader[Any], document: str) -> bool:
    """Tell whether a type reads a document; the schema, compiled, has to say the same."""
    try:
        reader.read_document(document)
    except sg.errors.ValidatorError:
        return False
    return True


def sample(texts: list[str], predicate: Any, rng: random.Random) -> list[str]:
    """Return some texts, with those that a predicate takes among them, as far as there are some."""
    good = [text for text in texts if predicate(text)]
    return [*rng.sample(good, min(4, len(good))), *rng.sample(texts, 6)]


RNG = random.Random(92)
PAIRS = [*zip(itertools.cycle(PLACES), [*GRAMMARS, *RNG.sample(list(GRAMMARS), 5)], strict=False)]
EVERY = list(itertools.product(PLACES, GRAMMARS))


def check_place(place: str, name: str) -> None:
    make, document = PLACES[place]
    predicate = GRAMMARS[name][1]
    reader = read_type(make(Annotated[str, MADE[name]]))
    compiled = compiled_of(reader)
    for text in sample(TEXTS, predicate, random.Random(f"{place} {name}")):
        written = document.format(json.dumps(text, ensure_ascii=False))
        assert takes(compiled, written) is predicate(text), text
        assert accepted(reader, written) is predicate(text), text


@for_each(("place", "name"), PAIRS)
def test_a_string_of_a_type_is_a_text_of_its_grammar(place: str, name: str) -> None:
    check_place(place, name)


@pytest.mark.slow
@for_each(("place", "name"), EVERY)
def test_a_string_of_a_type_is_a_text_of_its_grammar_everywhere(place: str, name: str) -> None:
    check_place(place, name)


@for_each("name", list(GRAMMARS))
def test_the_keyword_of_a_grammar_is_read_back_as_its_texts(name: str) -> None:
    make, predicate = GRAMMARS[name]
    grammar = make()
    again = sg.compile(grammar_of(json.loads(json.dumps(grammar.keyword)), "#", Limits(), {}), BYTES)
    assert [text for text in TEXTS if takes(again, text)] == [text for text in TEXTS if predicate(text)]


def test_grammars_with_a_text_say_it_and_all_others_name_an_object() -> None:
    said = {name: made.keyword["syntax"] for name, made in MADE.items()}
    texts = {"regex", "choice", "literal", "sequence of patterns", "union", "repeated", "ECMA"}
    texts |= {"ebnf", "ebnf with a start", "lark", "lark that imports"}
    assert {name for name, syntax in said.items() if syntax != "object"} == texts
    assert said["ebnf"] == said["ebnf with a start"] == "ebnf" and said["lark that imports"] == "lark"
    assert sg.choice(map(str, range(10_000))).keyword["syntax"] == "object"
    assert sg.regex("a", limits=Limits(depth=9)).keyword["syntax"] == "object"


def random_pattern(rng: random.Random, depth: int = 3) -> str:
    atoms = [
        "a",
        "b",
        r"\d",
        r"\w",
        ".",
        "[^a]",
        r"\.",
        r"\\",
        "[a-c(]",
        "é",
        r"\n",
        r"\-",
        "[-x]",
        "😀",
        r"\s",
        " ",
    ]
    if depth == 0 or rng.random() < 0.3:
        return rng.choice(atoms)
    one, other = (random_pattern(rng, depth - 1) for _ in range(2))
    forms = (one + other, f"(?:{one}|{other})", f"(?:{one}){rng.choice(['*', '+', '?', '{1,2}', '{2}'])}")
    return rng.choice(forms)


def test_random_patterns_say_texts_that_python_and_ecma_read_alike() -> None:
    rng = random.Random(5)
    letters = 'ab(.\\-x1 é\n😀"'
    texts = ["", *letters, *map("".join, itertools.product(letters, repeat=2))]
    for _ in range(40):
        source = random_pattern(rng)
        schema = TypeAdapter(Annotated[str, sg.regex(source)]).json_schema()
        wanted = [text for text in texts if re.fullmatch(source, text, re.ASCII)]
        pattern = schema["pattern"]
        # `$` of Python's re may stand before a last line break
        assert [text for text in texts if re.search(f"{pattern[:-1]}\\Z", text)] == wanted, source
        for form in ({"pattern": pattern}, {"x-grammar": schema["x-grammar"]}):
            compiled = sg.compile(sg.json_schema({"type": "string", **form}, escapes="any"), BYTES)
            assert [text for text in texts if takes(compiled, json.dumps(text))] == wanted, source


@for_each(("one", "other"), [pair for name in OTHERS for pair in [(name, "union"), ("regex", name)]])
def test_two_grammars_of_which_one_is_regular_hold_both(one: str, other: str) -> None:
    reader = read_type(Annotated[str, MADE[one], MADE[other]])
    compiled = compiled_of(reader) if any(both(one, other)) else None
    for text, holds in zip(TEXTS, both(one, other), strict=True):
        if compiled is not None and (holds or len(text) < 2):
            assert takes(compiled, json.dumps(text)) is holds, text
            assert accepted(reader, json.dumps(text)) is holds, text


def both(one: str, other: str) -> list[bool]:
    return [GRAMMARS[one][1](text) and GRAMMARS[other][1](text) for text in TEXTS]


@for_each("name", ["ebnf", "lark", "spans", "choice", "regex"])
def test_what_stands_beside_a_grammar_holds_too_in_any_order(name: str) -> None:
    predicate, rng = GRAMMARS[name][1], random.Random(name)
    # of two of one kind pydantic takes the last
    beside: list[list[tuple[Any, Any]]] = [
        [(Field(max_length=3), lambda text: len(text) <= 3), (MaxLen(4), lambda text: len(text) <= 4)],
        [(Field(min_length=1), lambda text: len(text) >= 1), (MinLen(2), lambda text: len(text) >= 2)],
        [
            (Field(pattern="^[^b]"), lambda text: text[:1] not in ("", "b")),
            (StringConstraints(pattern="x|b"), lambda text: "x" in text or "b" in text),
        ],
        [(sg.Regex("[^a][^]*"), lambda text: text[:1] not in ("", "a"))],
        [("the surname", lambda _text: True)],
        [(sg.regex(r"(?s)[^\n].*"), lambda text: text[:1] not in ("", "\n"))],
    ]
    for _ in range(8):
        held = list(map(rng.choice, rng.sample(beside, 3)))
        metadata = [one for one, _ in held]
        metadata.insert(rng.randrange(4), MADE[name])
        good = [text for text in TEXTS if predicate(text) and all(holds(text) for _, holds in held)]
        reader = read_type(Annotated[(str, *metadata)])
        if good:
            compiled = compiled_of(reader)
            checked = [text for text in TEXTS if takes(compiled, json.dumps(text, ensure_ascii=False))]
            assert checked == good, metadata
        if not any(isinstance(one, sg.Regex) for one in metadata):  # which is no validator
            assert [text for text in TEXTS if accepted(reader, json.dumps(text))] == good, metadata


class Two(pydantic.BaseModel):
    plain: str
    query: Annotated[str, MADE["ebnf"], MADE["spans"]]


def test_two_grammars_that_are_not_regular_are_refused_with_the_field() -> None:
    with pytest.raises(
        sg.errors.UnsupportedError, match=r"#/properties/query.*neither is regular and small"
    ) as caught:
        compiled_of(read_type(Two))
    assert caught.value.keyword == "x-grammar" and caught.value.cure


@for_each(
    ("hint", "good", "bad"),
    [
        (Annotated[str | None, MADE["ebnf"]], ['"(x)"', "null"], ['"("']),
        (Annotated[int | str, MADE["ebnf"]], ['"(x)"', "7"], ['"("']),
        (Annotated[Literal["ab", "(x)", "b"], MADE["choice"]], ['"ab"', '"(x)"'], ['"b"', '""']),
        (Annotated[date, sg.regex("2.*")], ['"2024-01-02"'], ['"1999-01-02"']),
        (Annotated[bytes, MADE["ebnf"]], ['"(x)"'], ['"("']),
        (dict[Annotated[str, MADE["regex"]], int], ['{"ab": 1}'], ['{"x": 1}']),
        (dict[Annotated[str, MADE["regex"], MADE["union"]], int], ['{"aa": 1}'], ['{"ab": 1}', '{"x": 1}']),
        (dict[Annotated[str, MADE["regex"], Field(pattern="b")], int], ['{"ab": 1}'], ['{"a": 1}']),
        (list[Annotated[str, MADE["ebnf"]] | Literal["no"]], ['["no", "x"]'], ['["n"]']),
        (Annotated[Any, MADE["ebnf"]], ['"x"', "[1]"], ['"y"']),
    ],
)  # fmt: skip
def test_a_grammar_beside_a_type_with_strings_is_enforced(hint: Any, good: list[str], bad: list[str]) -> None:
    reader = read_type(hint)
    compiled = compiled_of(reader)
    for document in good + bad:
        assert takes(compiled, document) is accepted(reader, document) is (document in good), document


SAID = Annotated[str, MADE["ebnf"]]


class Extra(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, SAID]


@for_each(
    ("hint", "good", "bad"),
    [
        (Extra, '{"a": "(x)"}', '{"a": "(x"}'),
        (Annotated[int, pydantic.BeforeValidator(len, json_schema_input_type=SAID)], '"(x)"', '"(x"'),
    ],
)
def test_a_grammar_at_a_place_that_pydantic_alone_knows_is_enforced(hint: Any, good: str, bad: str) -> None:
    compiled = compiled_of(read_type(hint))
    assert takes(compiled, good) and not takes(compiled, bad)


def test_the_field_of_a_grammar_that_is_refused_is_named() -> None:
    class Row(pydantic.BaseModel):
        name: Annotated[str, MADE["ebnf"]]
        count: list[Annotated[int, MADE["ebnf"]]]

    with pytest.raises(sg.errors.UnsupportedError, match=r"Row\.count"):
        read_type(dict[str, Row])


@for_each("metadata", [(MADE["ebnf"],), (MADE["ebnf"], MADE["union"])])
def test_keys_of_a_dict_that_are_not_regular_are_refused_by_name(metadata: tuple[Any, ...]) -> None:
    with pytest.raises(sg.errors.UnsupportedError, match=r"not regular or is too large"):
        takes(compiled_of(read_type(dict[Annotated[(str, *metadata)], int])), '{"x": 1}')


@for_each("name", list(GRAMMARS))
def test_pydantic_itself_judges_the_strings(name: str) -> None:
    adapter: TypeAdapter[Any] = TypeAdapter(list[Annotated[str, MADE[name]]])
    predicate = GRAMMARS[name][1]
    for text in sample(TEXTS, predicate, random.Random(name)):
        try:
            adapter.validate_python([text])
        except ValidationError as error:
            assert not predicate(text)
            (told,) = error.errors()
            assert told["type"] == "x-grammar" and told["loc"] == (0,)
            line, column = map(int, re.findall(r"line (\d+), column (\d+)", told["msg"])[0])
            lines = text.split("\n")
            assert 1 <= line <= len(lines) and 1 <= column <= len(lines[line - 1]) + 1
        else:
            assert predicate(text)


def test_the_place_of_a_fault_is_where_no_text_goes_on() -> None:
    """The oracle lists the texts of a finite grammar."""
    texts = ["aé\nb(x)", "aé\nba", "aé\n\n", "x"]
    adapter: TypeAdapter[Any] = TypeAdapter(Annotated[str, sg.choice(texts)])
    begun = {text[:end] for text in texts for end in range(len(text) + 1)}
    for wrong in ("aé\nbx", "aé", "aéé", "", "y", "aé\nb(x)x", "aé\n\n\n", "é"):
        with pytest.raises(ValidationError) as caught:
            adapter.validate_python(wrong)
        lived = max((wrong[:end] for end in range(len(wrong) + 1) if wrong[:end] in begun), key=len)
        place = f"line {lived.count(chr(10)) + 1}, column {len(lived.rpartition(chr(10))[2]) + 1}:"
        assert place in str(caught.value), wrong


def test_what_a_string_is_read_from_is_judged_too() -> None:
    adapter: TypeAdapter[Any] = TypeAdapter(Annotated[str, MADE["ebnf"]])
    assert adapter.validate_python(b"(x)") == "(x)"
    for wrong in (b"(x", "(x", 5):
        with pytest.raises(ValidationError):
            adapter.validate_python(wrong)


class Held(pydantic.BaseModel):
    query: Annotated[str, sg.substring_of("abx")]
    name: Annotated[str, sg.regex("[a-c]+")] = "a"


def test_model_json_schema_writes_the_keyword_and_a_pattern() -> None:
    schema = Held.model_json_schema()["properties"]
    assert schema["query"]["x-grammar"]["syntax"] == "object" and "pattern" not in schema["query"]
    assert schema["name"]["x-grammar"] == {"syntax": "regex", "definition": "[a-c]+"}
    assert schema["name"]["pattern"] == "^(?:[a-c]+)$"


def test_a_type_holds_its_grammars_while_its_schema_is_in_flight() -> None:
    def reader_of(text: str) -> TypeReader[Any]:
        return read_type(list[Annotated[str, sg.substring_of(text)]])

    readers = [reader_of("abx"), reader_of("abx")]
    del readers[1]
    gc.collect()
    assert takes(compiled_of(readers[0]), '["bx"]')
    grammar = sg.json_schema(readers[0].schema, **readers[0].policies)
    readers.clear()
    gc.collect()
    assert takes(sg.compile(grammar, BYTES), '["bx"]')


def test_a_reader_is_pickled_with_its_grammars() -> None:
    reader = pickle.loads(pickle.dumps(read_type(list[Annotated[str, MADE["spans"]]])))
    assert takes(compiled_of(reader), '["(x)"]') and not accepted(reader, '["xx"]')


def test_one_grammar_at_two_places_and_two_equal_ones() -> None:
    again = GRAMMARS["ebnf"][0]()
    reader = read_type(
        tuple[Annotated[str, MADE["ebnf"]], Annotated[str, MADE["ebnf"]], Annotated[str, again]]
    )
    assert takes(compiled_of(reader), '["x", "(x)", "x"]')
    same = read_type(Annotated[str, MADE["ebnf"], again])  # which is one condition
    assert takes(compiled_of(same), '"(x)"') and not takes(compiled_of(same), '"(x"')


def test_texts_that_were_read_before_use_up_nothing_of_a_later_one() -> None:
    limits = Limits(parser_states=300)
    rules = sg.ebnf('root ::= "x" | "(" root ")" | "[" root "]"', limits=limits)
    adapter = TypeAdapter(Annotated[str, rules])
    rng = random.Random(3)
    for _ in range(100):
        text = "".join(rng.choices("([", k=12))
        adapter.validate_python(text + "x" + text[::-1].translate({ord("("): ")", ord("["): "]"}))


@for_each("beside", [{"minLength": 16}, {"maxLength": 17}, {"pattern": "^[a-m]"}, {"not": {"pattern": "z"}}])
def test_other_conditions_hold_beside_a_choice_of_many_texts(beside: dict[str, Any]) -> None:
    rng = random.Random(7)
    texts = ["".join(rng.choices("abcmnz/", k=rng.randrange(14, 20))) for _ in range(6_000)]
    schema = {"type": "string", **beside}
    compiled = sg.compile(sg.json_schema(schema, grammars={"#": sg.choice(texts)}), BYTES)
    judge = jsonschema.Draft202012Validator(schema)
    for text in [*texts[:300], *(text + "a" for text in texts[:50])]:
        assert takes(compiled, json.dumps(text)) is (text in texts and judge.is_valid(text)), text
