"""Types as grammars of `sg.sample`: their validators are part of the law, and prune where a value closes."""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import json
import math
import random
from collections.abc import Iterator
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
import pydantic
import pytest
from asked import asked, awaited
from for_each import for_each
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    RootModel,
    TypeAdapter,
    ValidationInfo,
    field_validator,
    model_validator,
)
from typing_extensions import TypedDict

import structgen as sg
from structgen.asking.python_types.type_hints import read_type
from structgen.asking.python_types.type_places import PlaceValidators, is_refused
from structgen.asking.request_reading.targets import ReadTarget
from structgen.decoding.samplers.problem import read_grammar
from structgen.decoding.samplers.rows import FunctionRows
from structgen.decoding.samplers.target import Target

END = 256
TOKENIZER = sg.Tokenizer.from_bytes([*(bytes((byte,)) for byte in range(256)), None], eos_token_id=END)


def even(value: int) -> int:
    if value % 2:
        raise ValueError("odd")
    return value


def ascending(value: list[int]) -> list[int]:
    assert value == sorted(value), "not ascending"
    return value


class Pair(BaseModel):
    """Every kind of validator: of an annotation, of a field, of a field that is told of others, of the
    whole."""

    a: Annotated[Literal[0, 1, 2, 3], AfterValidator(even)]
    b: Literal[0, 1, 2, 3]
    c: Literal[0, 1, 2, 3]

    @field_validator("b")
    @classmethod
    def not_two(cls, value: int) -> int:
        if value == 2:
            raise ValueError("two")
        return value

    @field_validator("c")
    @classmethod
    def above_a(cls, value: int, info: ValidationInfo) -> int:
        if "a" in info.data and value <= info.data["a"]:
            raise ValueError("not above a")
        return value

    @model_validator(mode="after")
    def not_alike(self) -> Pair:
        if self.b == self.c:
            raise ValueError("b and c are alike")
        return self


def flat(ids: list[int]) -> np.ndarray:
    """A model that draws each token with a probability that depends on the last one."""
    row = np.random.default_rng(ids[-1] if ids else 0).normal(size=257)
    return row - np.logaddexp.reduce(row)


def target_of(wanted: Any) -> Target:
    grammar, read, checkers = read_grammar(wanted)
    compiled = sg.compile(grammar, TOKENIZER)
    rows = FunctionRows(flat, [], compiled.vocab_size, "flat")
    return Target(rows, compiled, max_tokens=400, checkers=checkers, read_value=read)


def refused_at(wanted: Any, document: bytes) -> bytes | None:
    """Return the text with which a document is ruled out; None where it is valid."""
    target = target_of(wanted)
    prefix = target.start()
    for byte in document:
        after = target.extend_prefix(prefix, byte)
        if after is None:
            return prefix.text + bytes((byte,))
        prefix = after
    return None if target.accepts_text(prefix) else prefix.text


def log_probability(document: bytes) -> float:
    ids = [*document, END]
    return sum(flat(ids[:at])[token] for at, token in enumerate(ids))


def test_the_law_of_a_type_is_that_of_what_pydantic_accepts():
    documents = {}
    for a, b, c in itertools.product(range(4), repeat=3):
        document = json.dumps({"a": a, "b": b, "c": c}).encode()
        try:
            documents[document] = Pair.model_validate_json(document)
        except pydantic.ValidationError:
            continue
    found = sg.sample(flat, [], Pair, 1000, tokenizer=TOKENIZER, name="flat", max_tokens=40, method="beams")
    assert found.statistics.stopped == "exhausted"
    assert {text.encode(): value for text, value in zip(found.texts, found.values, strict=True)} == documents
    for text, logprob in zip(found.texts, found.logprobs, strict=True):
        assert logprob == pytest.approx(log_probability(text.encode()), rel=1e-9)
    z = math.fsum(math.exp(log_probability(document)) for document in documents)
    assert found.log_z == pytest.approx(math.log(z), rel=1e-9)


@pytest.mark.parametrize("method", ["cars", "smc", "awrs", "masked", "importance"])
def test_every_method_draws_objects_that_the_type_accepts(method):
    options = {"tokenizer": TOKENIZER, "name": "flat", "max_tokens": 40, "budget": 3000}
    found = sg.sample(flat, [], Pair, 64 if method in ("smc", "awrs") else 4, method=method, **options)
    assert found.values
    assert all(isinstance(value, Pair) for value in found.values)


@pytest.mark.parametrize(
    ("document", "ruled_out"),
    [
        ('{"a": 1, "b": 0, "c": 3}', '{"a": 1,'),
        ('{"a": 2, "b": 2, "c": 3}', '{"a": 2, "b": 2,'),
        # told of `a`, so it waits until the object closes; the brace is forced once the digit is there
        ('{"a": 2, "b": 0, "c": 2}', '{"a": 2, "b": 0, "c": 2'),
        ('{"a": 2, "b": 3, "c": 3}', '{"a": 2, "b": 3, "c": 3'),
        ('{"a": 2, "b": 1, "c": 3}', None),
    ],
)
def test_a_validator_prunes_where_its_value_closes(document, ruled_out):
    found = refused_at(Pair, document.encode())
    assert found == (None if ruled_out is None else ruled_out.encode())


class Inner(BaseModel):
    model_config = ConfigDict(str_to_upper=True)
    n: Annotated[int, Field(ge=0, le=20), AfterValidator(even)]
    tags: Annotated[list[str], AfterValidator(lambda tags: tags)] = []

    @field_validator("tags")
    @classmethod
    def upper(cls, tags: list[str]) -> list[str]:
        if any(tag != tag.upper() for tag in tags):
            raise ValueError("the config of the model was lost")
        return tags


class Before(BaseModel):
    n: Annotated[int, AfterValidator(even)]

    @model_validator(mode="before")
    @classmethod
    def doubled(cls, value: Any) -> Any:
        return {**value, "n": 2 * value["n"]}


class Custom(BaseModel):
    n: Annotated[int, AfterValidator(even)]

    def __init__(self, **values: Any) -> None:
        super().__init__(n=values["n"] + 1)


@dataclasses.dataclass
class Data:
    x: Annotated[int, AfterValidator(even)]
    inner: list[Inner]


class Named(NamedTuple):
    x: Annotated[int, AfterValidator(even)]


class Tree(BaseModel):
    value: Annotated[int, AfterValidator(even)]
    children: list[Tree] = []


class Aliased(BaseModel):
    model_config = ConfigDict(populate_by_name=True)
    n: Annotated[int, AfterValidator(even)] = Field(alias="number")
    rest: dict[str, Annotated[int, AfterValidator(even)]]
    one: tuple[Annotated[int, AfterValidator(even)], str]
    many: tuple[Annotated[int, AfterValidator(even)], ...]
    both: Inner | Annotated[int, AfterValidator(even)]
    maybe: Annotated[int, AfterValidator(even)] | None = None
    lax: Annotated[int, BeforeValidator(lambda value: 2 * value), AfterValidator(even)]


class Dict(TypedDict):
    x: Annotated[int, AfterValidator(even)]


class Numbers(RootModel[list[Annotated[int, AfterValidator(even)]]]):
    pass


@for_each(
    ("hint", "path", "refused", "taken"),
    [
        (Pair, ("a",), "1", "2"),
        (Pair, ("b",), "2", "1"),
        (Data, ("x",), "1", "2"),
        (Data, ("inner", 3), '{"n": 1}', '{"n": 2, "tags": ["x"]}'),
        (Data, ("inner", 3, "n"), "1", "2"),
        (list[Inner], (0, "n"), "1", "2"),
        (list[Inner], (0,), '{"n": 1}', '{"n": 2}'),
        (Tree, ("children", 0, "children", 4, "value"), "1", "2"),
        (Tree, ("children", 0), '{"value": 2, "children": [{"value": 1}]}', '{"value": 2}'),
        (Aliased, ("number",), "1", "2"),
        (Aliased, ("rest", "anything"), "1", "2"),
        (Aliased, ("one", 0), "1", "2"),
        (Aliased, ("many", 7), "1", "2"),
        (Aliased, ("maybe",), "1", "null"),
        (Dict, ("x",), "1", "2"),
        (list[Dict], (4, "x"), "1", "2"),
        (Numbers, (2,), "1", "2"),
        (Numbers, (), "[2, 1]", "[2]"),
        (dict[str, Annotated[list[int], AfterValidator(ascending)]], ("k",), "[2, 1]", "[1, 2]"),
        (Annotated[list[int], AfterValidator(ascending)], (), "[2, 1]", "[1, 2]"),
    ],
)
def test_a_value_is_judged_by_its_own_validators(hint, path, refused, taken):
    validators = PlaceValidators(read_type(hint).core_schema)
    judge = validators.reader_at(path)
    assert judge is not None
    assert is_refused(judge, refused.encode())
    assert not is_refused(judge, taken.encode())
    assert validators.reader_at(path) is judge


@pytest.mark.parametrize(
    ("hint", "path"),
    [
        (Pair, ("c",)),  # told of other members
        (Before, ("n",)),  # another validator may change the document first
        (Custom, ("n",)),  # a constructor of its own may do so
        (Aliased, ("both", "n")),  # inside a union
        (Data, ("inner", 0, "tags", 0)),  # nothing of the type's own is asked
        (Named, ("x",)),
        (Pair, ("unknown",)),
        (Numbers, ("key",)),
        (Annotated[list[Annotated[int, AfterValidator(even)]], BeforeValidator(sorted)], (0,)),
    ],
)
def test_a_value_waits_where_its_document_alone_does_not_tell(hint, path):
    assert PlaceValidators(read_type(hint).core_schema).reader_at(path) is None


def random_value(chance: random.Random, schema: Any, defs: Any) -> Any:
    """Return a value of a JSON Schema, of the few keywords that the types here need."""
    if "$ref" in schema:
        return random_value(chance, defs[schema["$ref"].rpartition("/")[2]], defs)
    if "anyOf" in schema:
        return random_value(chance, chance.choice(schema["anyOf"]), defs)
    if "enum" in schema:
        return chance.choice(schema["enum"])
    match schema.get("type"):
        case "object" if "properties" in schema:
            return {
                key: random_value(chance, inner, defs)
                for key, inner in schema["properties"].items()
                if key in schema.get("required", ()) or chance.random() < 0.5
            }
        case "object":
            return {key: random_value(chance, schema["additionalProperties"], defs) for key in "xy"}
        case "array" if "prefixItems" in schema:
            return [random_value(chance, inner, defs) for inner in schema["prefixItems"]]
        case "array":
            items = range(chance.choice((0, 0, 1, 2)))
            return [random_value(chance, schema["items"], defs) for _ in items]
        case "integer":
            return chance.randrange(0, 6)
        case "null":
            return None
    return chance.choice(("x", "Y"))


def places(value: Any, path: tuple[str | int, ...] = ()) -> Any:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        yield from places(one, (*path, key))
    yield path, value


@pytest.mark.parametrize(
    "hint", [Pair, Data, Before, Custom, Tree, Aliased, Numbers, Named, list[Inner], Inner | Pair]
)
def test_what_refuses_a_part_refuses_the_whole(hint):
    """And the whole is refused by what stands at the root, exactly where pydantic refuses it."""
    reader = read_type(hint)
    validators, adapter, chance = PlaceValidators(reader.core_schema), TypeAdapter(hint), random.Random(5)
    seen = set()
    for _ in range(150):
        value = random_value(chance, reader.schema, reader.schema.get("$defs", {}))
        try:
            adapter.validate_json(json.dumps(value))
            whole = False
        except pydantic.ValidationError:
            whole = True
        seen.add(whole)
        parts = [
            (path, is_refused(judge, json.dumps(part).encode()))
            for path, part in places(value)
            if (judge := validators.reader_at(path)) is not None
        ]
        assert parts[-1] == ((), whole)
        assert whole or not any(refused for _, refused in parts)
    assert seen == {True, False} or hint in (Before, Custom)


def test_a_validator_that_raises_another_error_is_named():
    class Broken(BaseModel):
        n: Annotated[int, AfterValidator(lambda value: {}[value])]

    with pytest.raises(sg.StructgenError, match=r"TypeChecker raised KeyError.*at '/n'"):
        refused_at(Broken, b'{"n": 1}')


def test_a_validator_of_a_number_that_is_the_document_is_asked_at_its_end():
    options = {"tokenizer": TOKENIZER, "name": "flat", "max_tokens": 2}
    digit = Annotated[Literal[0, 1, 2, 13], AfterValidator(even)]
    assert sorted(sg.sample(flat, [], digit, 9, method="beams", **options).values) == [0, 2]


def test_a_type_has_a_grammar_of_its_own_too():
    reader = read_type(Pair)
    grammar = sg.json_schema(reader.schema, whitespace="compact")
    options = {"tokenizer": TOKENIZER, "name": "flat", "max_tokens": 40}
    found = sg.sample(flat, [], ReadTarget(grammar, reader), 3, **options)
    assert all(" " not in text for text in found.texts)
    assert all(isinstance(value, Pair) for value in found.values)


def test_a_checker_of_a_type_serves_a_schema():
    reader = read_type(Pair)
    grammar = sg.json_schema(reader.schema, **reader.policies)
    options = {"tokenizer": TOKENIZER, "name": "flat", "max_tokens": 40, "method": "beams"}
    typed = sg.sample(flat, [], Pair, 1000, **options)
    for given in (Pair, TypeAdapter(Pair), reader):
        found = sg.sample(flat, [], grammar, 1000, checkers=[sg.samplers.TypeChecker(given)], **options)
        assert sorted(found.texts) == sorted(typed.texts)
        assert all(isinstance(value, dict) for value in found.values)


def test_a_tree_serves_runs_of_one_type_alone():
    def odd(value: int) -> int:
        if value % 2 == 0:
            raise ValueError("even")
        return value

    digit = Literal[0, 1, 2, 3]
    options = {"tokenizer": TOKENIZER, "name": "flat", "max_tokens": 9}
    tree = sg.samplers.PrefixTree()
    for _ in range(2):
        sg.sample(flat, [], list[Annotated[digit, AfterValidator(even)]], 3, tree=tree, **options)
    with pytest.raises(sg.errors.OptionError, match="another model, prompt"):
        sg.sample(flat, [], list[Annotated[digit, AfterValidator(odd)]], 3, tree=tree, **options)


# --- draws from typed functions -----------------------------------------------------------------------------


MODEL = "structgen/extract-draft"


class Paid(BaseModel):
    paid: bool


@sg.generate(model=MODEL)
def verdict() -> Paid:
    """Zorvik has paid."""


@sg.generate(model=MODEL)
def paid(text: str, *, n: int = 3) -> Paid:
    """{text}"""


@sg.generate(model=MODEL)
async def at_once() -> Literal["yes", "no"]:
    """Did Zorvik pay?"""


class Reader:
    text = "Zorvik has paid."

    @sg.generate(model=MODEL)
    def paid(self) -> Paid:
        """{self.text}"""


def test_a_function_without_parameters_gives_its_draws_at_once() -> None:
    found = verdict.sample(4, method="importance", seed=3)
    assert isinstance(found, sg.Samples)
    assert len(found) == 4
    assert all(isinstance(one, Paid) for one in found)
    assert 0 <= found.expectation(lambda one: one.paid)[0] <= 1


def test_a_function_with_parameters_takes_them_in_a_second_call() -> None:
    """Even one whose parameter has the name of an option of the sampler."""
    sampler = paid.sample(4, method="importance", seed=3)
    assert "call it with these arguments" in repr(sampler)
    found = sampler("Zorvik has paid.", n=7)
    assert found.texts == verdict.sample(4, method="importance", seed=3).texts


def test_the_draws_are_those_of_the_prompt_and_the_grammar() -> None:
    found = verdict.sample(4, method="cars", seed=5)
    grammar = sg.json_schema(verdict.schema, **read_type(Paid).policies)
    direct = sg.sample(MODEL, verdict.prompt(), grammar, 4, method="cars", seed=5, max_tokens=512)
    assert set(found.texts) <= {'{"paid": true}', '{"paid": false}'}
    assert found.texts == direct.texts


def test_a_method_is_bound_to_its_instance() -> None:
    assert Reader().paid.sample(3, seed=1).texts == verdict.sample(3, seed=1).texts


def test_a_coroutine_function_gives_draws_once_awaited() -> None:
    later = awaited(Literal["yes", "no"], model=MODEL)

    async def both() -> tuple[Any, Any]:
        return await later.sample(3, method="importance")("Did Zorvik pay?"), await at_once.sample(2)

    found, others = asyncio.run(both())
    assert set(found.values) | set(others.values) <= {"yes", "no"}
    assert len(found) == 3


def test_every_option_arrives(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = {}

    def sample(model: Any, prompt: Any, grammar: Any, n: int, **options: Any) -> Any:
        seen.update(options, n=n)

    monkeypatch.setattr("structgen.decoding.samplers.sample.sample", sample)
    checker, tree = object(), sg.samplers.PrefixTree()
    options = {
        "method": "cars",
        "budget": 5,
        "seconds": 2.5,
        "until": 0.1,
        "seed": 3,
        "temperature": 0.7,
        "max_tokens": 9,
        "tree": tree,
        "progress": print,
    }
    verdict.sample(7, checkers=[checker], **options)  # type: ignore[call-overload]
    assert seen == {**options, "n": 7, "checkers": [checker], "name": MODEL}


@pytest.mark.parametrize(
    ("hint", "options", "said"),
    [
        (Iterator[int], {"model": MODEL}, r"Iterator.*Annotate list\[T\]"),
        (str, {"model": MODEL}, "Free text"),
        (Paid, {"model": "openai:http://localhost:9#gpt"}, "model: A server returns texts"),
        (Paid, {"model": MODEL, "thinking": sg.Thinking(until="</think>", max_tokens=5)}, "thinking"),
    ],
)
def test_what_has_no_such_law_is_refused(hint: Any, options: Any, said: str) -> None:
    with pytest.raises(sg.StructgenError, match=said):
        asked(hint, **options).sample(3)("Zorvik")


def test_options_that_mean_nothing_are_refused() -> None:
    with pytest.raises(sg.errors.OptionError, match="temperature"):
        verdict.sample(3, temperature=0)
    with pytest.raises(sg.errors.OptionError, match=r"sample has no option 'metod'\. Did you mean method\?"):
        verdict.sample(3, metod="cars")  # type: ignore[call-arg]
