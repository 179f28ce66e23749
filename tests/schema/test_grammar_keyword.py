"""`x-grammar` and `grammars=`: where grammars stand in a schema, what is refused, who holds the objects."""

from __future__ import annotations

import copy
import gc
import json
import pickle
import random
import re
import threading
from collections.abc import Callable, Iterator
from typing import Any

import jsonschema
import pytest
from compiled_texts import takes
from for_each import for_each

import structgen as sg
from structgen.base.system.public_calls import THIS_CALL
from structgen.schema.reading.string_grammars import object_keyword
from structgen.tokens.tokenizer import Tokenizer, byte_tokenizer

BYTES = byte_tokenizer()
ROUND = {"syntax": "ebnf", "definition": 'root ::= "(" root ")" | "x"'}
SHARP = {"syntax": "lark", "definition": 'start: "<" start ">" | "y"'}
DIGITS = {"syntax": "regex", "definition": "[0-9]{2}"}
DRAFTS = ("3", "4", "6", "7", "2019-09", "2020-12", "v1")


def is_round(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch(r"(\(*)x(\)*)", value) is not None and is_even(value)


def is_even(text: str) -> bool:
    return text.count("(") == text.count(")")


def of(schema: Any, **options: Any) -> sg.CompiledGrammar:
    return sg.compile(sg.json_schema(schema, **{**sg.WIDEST, **options}), BYTES)


def strings(grammar: Any, **others: Any) -> dict[str, Any]:
    return {"type": "string", "x-grammar": grammar, **others}


def values(draw: random.Random) -> list[Any]:
    texts = ["x", "(x)", "((x))", "(x", "x)", "y", "<y>", "12", "", "()", "(y)"]
    return [*draw.sample(texts, 6), 3, None]


# --- Where it stands ----------------------------------------------------------------------------------------


def random_schema(draw: random.Random, depth: int) -> tuple[Any, list[str]]:
    """Return a schema, and pointers of places in it that take strings."""
    kind = draw.choice(["string", "any"] if depth == 0 else ["object", "array", "anyOf", "string", "ref"])
    if kind == "string":
        return draw.choice([{"type": "string"}, {"type": ["string", "null"]}, {"maxLength": 4}]), [""]
    if kind == "any":
        return True, [""]
    if kind == "ref":
        return {"$ref": "#/$defs/It"}, []
    inner, found = random_schema(draw, depth - 1)
    if kind == "object":
        key = draw.choice(["a", "b/c", "d~e", "f g", "%41"])
        written = key.replace("~", "~0").replace("/", "~1").replace("%", "%25")
        return {"type": "object", "properties": {key: inner}}, [f"/properties/{written}{at}" for at in found]
    if kind == "array":
        return {"type": "array", "items": inner}, [f"/items{at}" for at in found]
    return {"anyOf": [{"type": "null"}, inner]}, [f"/anyOf/1{at}" for at in found]


def with_keyword(schema: Any, tokens: list[str], grammar: Any) -> Any:
    """Return a schema with the keyword at a place, by hand."""
    if not tokens:
        return {"x-grammar": grammar} if schema is True else {**schema, "x-grammar": grammar}
    key: Any = tokens[0].replace("~1", "/").replace("~0", "~").replace("%25", "%")
    if isinstance(schema, list):
        return [
            with_keyword(one, tokens[1:], grammar) if at == int(key) else one for at, one in enumerate(schema)
        ]
    return {**schema, key: with_keyword(schema[key], tokens[1:], grammar)}


def test_an_object_at_a_pointer_is_the_keyword_at_that_place() -> None:
    draw = random.Random(92)
    met = 0
    while met < 25:
        inner, places = random_schema(draw, draw.randrange(4))
        root = inner if inner is True else {**inner, "$defs": {"It": {"type": "string"}}}
        if not places:
            continue
        met += 1
        place = draw.choice(places)
        keyword = draw.choice([ROUND, SHARP, DIGITS])
        grammar = {"ebnf": sg.ebnf, "lark": sg.lark, "regex": sg.regex}[keyword["syntax"]](
            keyword["definition"]
        )
        by_hand = of(with_keyword(root, place.split("/")[1:], keyword))
        given = of(root, grammars={f"#{place}": grammar})
        for value in values(draw):
            for part in reversed(place.split("/")[1:]):
                plain = part.replace("~1", "/").replace("~0", "~").replace("%25", "%")
                value = (
                    [value]
                    if part == "items"
                    else {plain: value}
                    if part not in ("properties", "anyOf", "1")
                    else value
                )
            text = json.dumps(value)
            assert takes(given, text) is takes(by_hand, text), (root, place, text)


SCHEMA: dict[str, Any] = {
    "$defs": {
        "Q": {"type": "string"},
        "N": {"type": "integer"},
        "O": {"type": "object", "properties": {"x": {"type": "string"}}},
        "Unused": {"type": "string"},
    },
    "type": "object",
    "required": [],
    "properties": {
        "query": {"type": "string"},
        "limit": {"type": "integer"},
        "ref": {"$ref": "#/$defs/Q"},
        "number": {"$ref": "#/$defs/N"},
        "object": {"$ref": "#/$defs/O"},
        "either": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        "never": False,
        "constant": {"enum": [3, None]},
    },
}


@for_each(
    ("pointer", "said"),
    [
        (
            "#/properties/quer",
            r"#/properties is an object, and has no member 'quer'\. Did you mean 'query'\?",
        ),
        ("#/properties/either/anyOf/2", r"anyOf is an array, and has no member '2'"),
        ("#/properties/either/anyOf/00", r"anyOf is an array, and has no member '00'"),
        ("#/properties/query/type/0", r"#/properties/query/type is 'string', and has no member '0'"),
        ("#/properties", r"no effect at #/properties: no value is checked against it"),
        ("#/type", r"#/type is 'object', which is not a schema that allows a string"),
        ("#/required", r"#/required is an array, which is not a schema that allows a string"),
        ("#/$defs/Unused", r"no effect at #/\$defs/Unused: no value is checked against it"),
        ("#/properties/object/properties/x", r'the reference\. Name the place .*: "#/\$defs/O/properties/x"'),
        ("#/properties/limit", r"no effect at #/properties/limit: it applies to strings"),
        ("#/$defs/N", r"no effect at #/\$defs/N: it applies to strings"),
        ("#/properties/either/anyOf/1", r"no effect at #/properties/either/anyOf/1: it applies to strings"),
        ("#/properties/never", r"#/properties/never is false, which is not a schema that allows a string"),
        ("#/properties/constant", r"no effect at #/properties/constant: it applies to strings"),
        ("#", r"no effect at #: it applies to strings"),
        ("properties/query", r"'properties/query' is not a JSON Pointer"),
        ("#query", r"'#query' is not a JSON Pointer"),
    ],
)
def test_a_pointer_to_no_string_is_refused_with_what_is_there(pointer: str, said: str) -> None:
    with pytest.raises(sg.errors.SchemaError, match=said) as caught:
        sg.json_schema(SCHEMA, grammars={pointer: sg.literal("x")})
    assert caught.value.where == "grammars"
    assert re.search(r"Name the place", caught.value.cure)


@for_each(
    "pointer",
    ["#/properties/query", "/properties/query", "#/properties/ref", "#/$defs/Q", "#/$defs/O/properties/x"],
)
def test_a_pointer_to_a_string_holds(pointer: str) -> None:
    key = {"Q": "ref", "x": "object"}.get(pointer.rpartition("/")[2], pointer.rpartition("/")[2])
    compiled = of(SCHEMA, grammars={pointer: sg.ebnf(ROUND["definition"])})
    for text in ("(x)", "y"):
        value = {key: {"x": text} if key == "object" else text}
        assert takes(compiled, json.dumps(value)) is is_round(text)


def test_what_is_given_must_be_grammars_by_pointers() -> None:
    for wrong, said in (
        (sg.literal("x"), "grammars must be"),
        ({3: sg.literal("x")}, "grammars must be"),
        ({"#": 3}, "grammars, #: .*int is not a part of a grammar"),
    ):
        with pytest.raises(sg.errors.OptionError, match=said):
            sg.json_schema({"type": "string"}, grammars=wrong)  # type: ignore[arg-type]
    assert takes(of({"type": "string"}, grammars={"#": "a text"}), '"a text"')


@for_each("draft", DRAFTS)
def test_a_grammar_beside_another_one_holds_with_it_in_each_draft(draft: str) -> None:
    schema = strings({"syntax": "regex", "definition": "[a-m]+"})
    compiled = of(schema, draft=draft, grammars={"#": sg.regex("[k-z]+")})
    for text in ("km", "ka", "kz", ""):
        assert takes(compiled, json.dumps(text)) is (re.fullmatch("[k-m]+", text) is not None)


@for_each("draft", DRAFTS)
def test_beside_a_reference_it_counts_as_other_keywords_do(draft: str) -> None:
    hides = draft in ("3", "4", "6", "7")
    schema = {"properties": {"a": {"$ref": "#/definitions/Q", "x-grammar": ROUND}}, "definitions": {"Q": {}}}
    assert takes(of(schema, draft=draft), '{"a": "y"}') is hides
    held = {"#/properties/a": sg.ebnf(ROUND["definition"])}
    plain = {"properties": {"a": {"$ref": "#/definitions/Q"}}, "definitions": {"Q": {}}}
    if not hides:
        assert not takes(of(plain, draft=draft, grammars=held), '{"a": "y"}')
        return
    with pytest.raises(sg.errors.SchemaError, match=f"void next to .ref in draft {draft}"):
        of(plain, draft=draft, grammars=held)


# --- Who holds the objects ----------------------------------------------------------------------------------


def held() -> tuple[sg.JsonSchemaGrammar, str]:
    """Return a schema with a grammar object that nobody else holds."""
    schema = {"type": "object", "properties": {"q": {"type": "string"}, "r": {"type": "string"}}}
    grammar = sg.ebnf('root ::= "(" root ")" | "x"') + ""
    found = sg.json_schema(schema, grammars={"#/properties/q": grammar, "#/properties/r": grammar})
    return found, found.fingerprint


def test_a_schema_holds_its_grammars_in_all_of_its_copies() -> None:
    first, fingerprint = held()
    pickled = pickle.dumps(first)
    made = {
        "copy": copy.deepcopy(first),
        "without": sg.without(first, ["(("]),
        "under": first.under(first.policies),
        "bytes": first.without_bytes(frozenset(b"z")),
    }
    assert made["copy"].fingerprint == made["under"].fingerprint == fingerprint
    del first
    for name in list(made):
        gc.collect()
        compiled = sg.compile(made.pop(name), BYTES, store=False)
        assert takes(compiled, '{"q": "(x)", "r": "x"}') and not takes(compiled, '{"q": "(x)", "r": "y"}')
        assert takes(compiled, '{"q": "((x))"}') is (name != "without")
        del compiled
    gc.collect()
    again = pickle.loads(pickled)
    assert again.fingerprint == fingerprint and again.document().text_root is not None
    assert takes(sg.compile(again, BYTES), '{"q": "(x)"}')


@for_each("goes", [0, 1])
def test_of_equal_grammars_the_one_that_is_held_is_found(goes: int) -> None:
    both: list[Any] = [sg.regex("(ab)+"), sg.regex("(ab)+")]
    schemas = [{"type": "string", "x-grammar": object_keyword(one)} for one in both]
    assert schemas[0] == schemas[1]
    del both[goes]
    gc.collect()
    assert sg.json_schema(schemas[0]).report.enforced
    both.clear()
    gc.collect()
    with pytest.raises(sg.errors.SchemaError, match=r"does not have.*grammars="):
        sg.json_schema(schemas[0])


def test_one_object_serves_several_schemas_in_threads() -> None:
    grammar, faults = sg.lark('start: "(" start ")" | "x"'), list[Any]()

    def check(at: int) -> None:
        try:
            schema = {"type": "array", "items": {"type": "string"}, "maxItems": at + 1}
            compiled = sg.compile(sg.json_schema(schema, grammars={"#/items": grammar}), BYTES)
            for text in ('["(x)"]', '["((x)"]', '["x"]'):
                assert takes(compiled, text) is all(map(is_round, json.loads(text)))
        except BaseException as error:
            faults.append(error)

    threads = [threading.Thread(target=check, args=(at % 3,)) for at in range(6)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert not faults


# --- What is refused ----------------------------------------------------------------------------------------


@for_each(
    ("value", "where", "said"),
    [
        ("start: x", "#/x-grammar", "must be an object"),
        ([], "#/x-grammar", "must be an object"),
        ({}, "#/x-grammar/syntax", "got null"),
        ({"syntax": "larkk", "definition": "x"}, "#/x-grammar/syntax", "'larkk'.*lark, ebnf and regex"),
        ({"syntax": ["lark"], "definition": "x"}, "#/x-grammar/syntax", "an array"),
        ({"syntax": "lark"}, "#/x-grammar/definition", "must be a text, got null"),
        ({"syntax": "lark", "definition": 3}, "#/x-grammar/definition", "must be a text, got 3"),
        ({**ROUND, "strat": "a"}, "#/x-grammar/strat", "no member 'strat'. Did you mean 'start'"),
        ({**ROUND, "a/b": 1}, "#/x-grammar/a~1b", "no member 'a/b'"),
        (
            {**ROUND, "start": 3},
            "#/x-grammar/start",
            r"start must be the name of a rule, got 3\. Name a rule of a Lark or EBNF",
        ),
        (
            {**DIGITS, "start": "root"},
            "#/x-grammar/start",
            r"start must be the name of a rule, got 'root'\. Name a rule of a Lark or",
        ),
        (
            {"syntax": "object", "definition": "0"},
            "#/x-grammar/definition",
            "The schema refers to a grammar object that this process does not have",
        ),
    ],
)
def test_a_value_that_is_none_is_refused_at_its_place(value: Any, where: str, said: str) -> None:
    with pytest.raises(sg.errors.SchemaError, match=said) as caught:
        sg.json_schema({"type": "string", "x-grammar": value})
    assert caught.value.where == where


@for_each(
    "value",
    [
        {"syntax": "lark", "definition": 'start: "a" b'},
        {"syntax": "lark", "definition": "start: X\n%import .other.X"},
        {"syntax": "lark", "definition": "start: X\n%declare X"},
        {"syntax": "lark", "definition": 'a: "x"'},
        {"syntax": "ebnf", "definition": 'root ::= "a'},
        {"syntax": "ebnf", "definition": 'a ::= "x"'},
        {**SHARP, "start": "nothing"},
        {"syntax": "regex", "definition": "("},
        {"syntax": "regex", "definition": r"(a)\1"},
    ],
)
def test_a_definition_that_is_none_is_refused_at_its_place(value: Any) -> None:
    with pytest.raises(sg.StructgenError) as caught:
        sg.json_schema({"properties": {"q": {"type": "string", "x-grammar": value}}})
    assert caught.value.where.startswith("#/properties/q/x-grammar")
    assert caught.value.cure


def test_start_names_another_rule() -> None:
    definition = 'root ::= "a"\nother ::= "b" other | "c"'
    compiled = of(strings({"syntax": "ebnf", "definition": definition, "start": "other"}))
    assert takes(compiled, '"bbc"') and not takes(compiled, '"a"')


@for_each("syntax", ["lark", "ebnf"])
def test_no_file_is_opened(syntax: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("secret.lark", "secret.ebnf", "X.lark"):
        (tmp_path / name).write_text('start: "a"\nroot ::= "a"\n')
    for definition in ("secret.lark", "secret.ebnf", str(tmp_path / "secret.lark"), "%import .secret.start"):
        with pytest.raises(sg.StructgenError):
            sg.json_schema(strings({"syntax": syntax, "definition": definition}))


@for_each(
    ("schema", "where", "said"),
    [
        (
            {"type": "string", "not": strings(ROUND)},
            "#",
            "must not be a text of .*not, oneOf and if",
        ),
        ({"oneOf": [strings(ROUND), strings(SHARP)]}, "#", "must not be a text of "),
        (
            {"allOf": [strings(ROUND), strings(SHARP)]},
            "#/allOf/0, #/allOf/1",
            "neither is regular and small",
        ),
        (
            {"type": "object", "propertyNames": {"x-grammar": ROUND}},
            "#",
            "A key, .* not regular or is too large",
        ),
        (
            {"if": {"x-grammar": ROUND}, "then": {"maxLength": 3}, "else": {"minLength": 9}},
            "#",
            "must not be a text of",
        ),
        (
            {"type": "array", "contains": strings(ROUND), "maxContains": 1},
            "#/contains",
            "must not be a text of",
        ),
        (
            {"type": "array", "if": {"contains": strings(ROUND)}, "then": {"minItems": 2}},
            "#/if/contains",
            "must not be a text of",
        ),
        (
            {
                "properties": {"x": strings(ROUND), "z": True},
                "dependentSchemas": {"z": {"properties": {"x": strings(SHARP)}}},
            },
            "#",
            "neither is regular and small",
        ),
    ],
)
def test_what_is_not_offered_of_grammars_that_are_not_regular_is_refused(
    schema: Any, where: str, said: str
) -> None:
    with pytest.raises(sg.errors.UnsupportedError, match=said) as caught:
        of(schema)
    assert caught.value.where == where and caught.value.keyword == "x-grammar"


@for_each(
    ("grammar", "said"),
    [
        (sg.text(max_tokens=5), "counts tokens"),
        (sg.text() + sg.special(257), "special tokens"),
    ],
)
def test_tokens_are_not_told_by_the_bytes_of_a_string(grammar: Any, said: str) -> None:
    tokenizer = Tokenizer.from_bytes([*(bytes([byte]) for byte in range(256)), None, None], eos_token_id=256)
    schema = {"type": "object", "properties": {"q": {"type": "string"}}, "required": ["q"]}
    with pytest.raises(sg.errors.UnsupportedError, match=said) as caught:
        sg.compile(sg.json_schema(schema, grammars={"#/properties/q": grammar}), tokenizer)
    assert caught.value.where == "#/properties/q"


EMPTY = {"syntax": "ebnf", "definition": 'root ::= "a" root'}
NEVER = (
    EMPTY,
    {"syntax": "lark", "definition": 'start: "a" start'},
    {"syntax": "regex", "definition": "(?!)"},
)


@for_each("never", NEVER)
def test_a_grammar_without_texts_leaves_no_string(never: Any) -> None:
    for schema, where in (
        (strings(never), "#"),
        ({"type": "object", "properties": {"q": strings(never)}, "required": ["q"]}, "#/properties/q"),
        (strings(ROUND, enum=["y", "(x"]), "#"),
        (strings(ROUND, const="y"), "#"),
        (strings(ROUND, minLength=4, maxLength=4), "#"),
        (strings(ROUND, format="email"), "#"),
    ):
        with pytest.raises(sg.errors.UnsatisfiableSchema, match=r"x-grammar.*contradict") as caught:
            of(schema)
        assert caught.value.where == where
    assert takes(of({"anyOf": [strings(never), {"type": "null"}]}), "null")
    assert takes(of({"type": "object", "properties": {"q": strings(never)}}), "{}")


# --- Beside other keywords ----------------------------------------------------------------------------------

ENDS = {"syntax": "ebnf", "definition": 'root ::= "a" root "\\\\" | "\\"" | "a" root "\\n"'}


def is_of_ends(text: str) -> bool:
    count = len(text) - len(text.lstrip("a"))
    return re.fullmatch(rf'a{{{count}}}"[\\\n]{{{count}}}', text) is not None


@for_each("escapes", ["any", "canonical", "utf8", "ascii"])
def test_texts_that_end_in_a_quote_or_a_backslash_are_escaped(escapes: str) -> None:
    compiled = of(strings(ENDS), escapes=escapes)
    for text in ('"', 'a"\\', 'aa"\\\n', 'a"\n', 'a"', "a\\", ""):
        assert takes(compiled, json.dumps(text)) is is_of_ends(text)
    assert takes(of(strings({"syntax": "ebnf", "definition": 'root ::= ""'}), escapes=escapes), '""')


PREDICATES: dict[str, Callable[[str], bool]] = {
    ROUND["definition"]: is_round,
    SHARP["definition"]: lambda text: is_round(text.translate(str.maketrans("<>y()x", "()xzzz"))),
    DIGITS["definition"]: lambda text: re.fullmatch("[0-9]{2}", text) is not None,
    ENDS["definition"]: is_of_ends,
}


def is_valid(schema: Any, value: Any) -> bool:
    """Return what jsonschema says, to which these predicates tell the texts of the grammars."""

    def judged(_validator: Any, said: Any, text: Any, _schema: Any) -> Iterator[Any]:
        if isinstance(text, str) and not PREDICATES[said["definition"]](text):
            yield jsonschema.ValidationError("no text of the grammar")

    made = jsonschema.validators.extend(jsonschema.Draft202012Validator, {"x-grammar": judged})
    return made(schema).is_valid(value)


TREE = {"properties": {"a": strings(ROUND, default="y"), "n": {"$ref": "#/$defs/N"}}, "required": ["a"]}
SCHEMAS: list[Any] = [
    strings(ROUND),
    strings(SHARP),
    strings(ENDS),
    {"x-grammar": ROUND},
    strings(ROUND, enum=["x", "y", "((x))", 3]),
    strings(ROUND, const="(x)"),
    strings(ROUND, pattern=r"^\(+x"),
    strings(ROUND, minLength=4),
    strings(ROUND, maxLength=3),
    strings(ROUND, allOf=[{"x-grammar": ROUND}, {"maxLength": 3}]),
    {"oneOf": [strings(ROUND), {"type": "integer"}]},
    {"oneOf": [strings(DIGITS), {"type": "string", "maxLength": 2}]},
    {"anyOf": [strings(ROUND), strings(SHARP), strings(DIGITS)]},
    {"anyOf": [strings(ROUND, maxLength=1), strings(ROUND, minLength=5), strings(ROUND, pattern="^.x")]},
    {"if": {"type": "string"}, "then": {"x-grammar": ROUND}, "else": {"type": "integer"}},
    {"type": "string", "not": {"x-grammar": DIGITS}},
    {"type": "array", "items": strings(ROUND)},
    {"type": "array", "items": strings(ROUND), "uniqueItems": True, "minItems": 2},
    {"type": "array", "prefixItems": [strings(ROUND), strings(SHARP)], "items": strings(DIGITS)},
    {"type": "array", "contains": strings(ROUND)},
    {"type": "array", "contains": {"const": "x"}, "items": strings(ROUND), "maxContains": 1},
    {"type": "object", "propertyNames": {"x-grammar": DIGITS}},
    {"type": "object", "additionalProperties": strings(ROUND)},
    {"type": "object", "patternProperties": {"^a": strings(ROUND), "^[a-b]": {"maxLength": 3}}},
    {"type": "object", "dependentSchemas": {"a": {"properties": {"b": strings(ROUND)}}}},
    {"type": "object", "properties": {"a": True}, "unevaluatedProperties": strings(ROUND)},
    {"$defs": {"N": TREE}, "$ref": "#/$defs/N"},
]
TEXTS = ["x", "(x)", "((x))", "(x", "y", "<y>", "12", "", "()", '"', 'a"\\', 'a"\n', 'a"']
VALUES: list[Any] = [
    *(
        *TEXTS,
        3,
        None,
        [],
        ["x"],
        ["x", "x"],
        ["x", "(x)"],
        ["(x)", "<y>"],
        ["y", "x"],
        ["x", "y", "12"],
        [3],
    ),
    *({"12": 1}, {"x": 1}, {"a": "x"}, {"a": "y"}, {"a": "((x))"}, {"a": "(x)", "b": "x"}, {"b": "(x)"}),
    *({"a": 3, "b": "y"}, {"b": "y"}, {"a": "x", "n": {"a": "(x)"}}, {"a": "x", "n": {"a": "(x"}}),
    {"a": "x", "n": {}},
]


@for_each("schema", SCHEMAS)
def test_it_holds_beside_other_keywords(schema: Any) -> None:
    compiled = of(schema)
    for value in VALUES:
        assert takes(compiled, json.dumps(value)) is is_valid(schema, value), value
    smallest = json.loads(compiled.completion(compiled.start))
    assert is_valid(schema, smallest), smallest


def test_it_holds_beside_a_format_and_below_a_cap() -> None:
    dates = {"syntax": "ebnf", "definition": 'root ::= "2020-01-0" [0-9] | "(" root ")"'}
    compiled = of(strings(dates, format="date"))
    for text in ("2020-01-01", "2020-01-00", "(2020-01-01)"):
        assert takes(compiled, json.dumps(text)) is (text == "2020-01-01")
    capped = of(strings(ROUND), max_string=4)
    for text in ("x", "(x)", "((x))"):
        assert takes(capped, json.dumps(text)) is (len(text) <= 4)


def test_the_report_says_that_it_is_enforced_and_what_it_says_nothing_of() -> None:
    schema = {"properties": {"q": strings(ROUND), "n": {"type": "integer", "x-grammar": ROUND}}}
    report = sg.json_schema(schema).report
    assert [one.pointer for one in report.enforced if one.keyword == "x-grammar"] == ["#/properties/q"]
    assert [one.pointer for one in report.redundant if one.keyword == "x-grammar"] == ["#/properties/n"]


@for_each("draft", DRAFTS)
def test_each_draft_and_vocabulary_knows_it(draft: str) -> None:
    assert not takes(of(strings(ROUND), draft=draft), '"y"')
    if draft in ("2019-09", "2020-12"):
        meta = {
            "$schema": f"https://json-schema.org/draft/{draft}/schema",
            "$vocabulary": {f"https://json-schema.org/draft/{draft}/vocab/core": True},
        }
        schema = {"$schema": "http://example.org/meta", "x-grammar": ROUND, "type": "integer"}
        compiled = of(schema, resources={"http://example.org/meta": meta})
        assert takes(compiled, '"(x)"') and not takes(compiled, '"y"')


def test_a_server_of_openai_refuses_it_by_name() -> None:
    schema = {
        "type": "object",
        "properties": {"q": strings(ROUND)},
        "required": ["q"],
        "additionalProperties": False,
    }
    with pytest.raises(sg.errors.UnsupportedError, match="x-grammar is not among the supported") as caught:
        sg.json_schema(schema, **sg.OPENAI_STRICT)
    assert caught.value.keyword == "x-grammar"


@for_each("name", ["x-grammer", "xgrammar", "X-Grammar", "x_grammar", "x-gramar", "x-grammars", "grammar"])
def test_a_misspelt_keyword_is_told(name: str) -> None:
    schema = {"type": "object", "properties": {"q": {"type": "string", name: ROUND}}}
    with pytest.warns(sg.errors.SchemaWarning, match=f"#/properties/q/{name}: .*Did you mean .x-grammar"):
        sg.json_schema(schema)
    for other in ("x-order", "x-enum-names", "x-program"):
        assert sg.json_schema({"type": "string", other: ROUND}, strict=True)
    assert sg.json_schema({"type": "string", name: "a note"}, strict=True)


# --- Much of it, and few bytes ------------------------------------------------------------------------------

MEGABYTE = 1_000_000
LARGE = {
    "alternatives": ("ebnf", "root ::= " + " | ".join(f'"{at:07}"' for at in range(90_000))),
    "brackets": ("ebnf", "(" * MEGABYTE),
    "signs": ("lark", "%" * MEGABYTE),
    "groups": ("regex", "(" * MEGABYTE),
}
LARGER = {
    "rules": ("ebnf", "root ::= r0\n" + "".join(f'r{at} ::= "a" r{at + 1}\n' for at in range(50_000))),
    "a literal": ("ebnf", f'root ::= "{"a" * MEGABYTE}"'),
    "a terminal": ("lark", f'start: "{"a" * MEGABYTE}"'),
    "choices": ("lark", "start: " + " | ".join(f'"{at:07}"' for at in range(90_000))),
    "a pattern": ("regex", "a" * MEGABYTE),
    "a pattern of choices": ("regex", "|".join(f"{at:07}" for at in range(120_000))),
}


def refused_at_its_place(syntax: str, definition: str) -> None:
    schema = {
        "properties": {"q": {"type": "string", "x-grammar": {"syntax": syntax, "definition": definition}}}
    }
    with pytest.raises(sg.StructgenError) as caught:
        of({**schema, "required": ["q"], "type": "object"})
    assert caught.value.where.startswith("#/properties/q"), caught.value
    assert len(str(caught.value)) < 1_000


@for_each("name", LARGE)
def test_a_definition_of_a_megabyte_is_refused_at_its_place(name: str) -> None:
    refused_at_its_place(*LARGE[name])


@pytest.mark.slow
@pytest.mark.parametrize("name", LARGER)
def test_a_definition_that_is_read_is_bounded_by_the_work_of_a_call(name: str) -> None:
    refused_at_its_place(*LARGER[name])


def test_what_is_read_once_costs_each_call_the_same() -> None:
    definition = "root ::= " + " | ".join(f'"{at:05}"' for at in range(4_000))
    schema = strings({"syntax": "ebnf", "definition": definition})
    spent = []
    for _ in range(2):
        with THIS_CALL.begin_call(sg.Limits()):
            sg.json_schema(schema)
            spent.append(THIS_CALL.spent)
    assert spent[0] == spent[1] > 1_000


def language(schema: Any, tokens: list[bytes], **options: Any) -> dict[bytes, frozenset[int]] | str:
    """Return the allowed tokens at each prefix; the name of the error where there is none."""
    tokenizer = Tokenizer.from_bytes([*tokens, None], eos_token_id=len(tokens))
    try:
        compiled = sg.compile(sg.json_schema(schema, whitespace="compact", **options), tokenizer)
    except sg.StructgenError as error:
        return type(error).__name__
    found, mask = dict[bytes, frozenset[int]](), sg.allocate_mask(1, compiled.vocab_size)
    stack = [(compiled.start, b"")]
    while stack:
        state, text = stack.pop()
        compiled.fill(state, mask)
        found[text] = frozenset(map(int, mask.allowed()))
        for token in found[text] - {len(tokens)}:
            after = compiled.step(state, token)
            assert after is not None, (text, tokens[token])
            stack.append((after, text + tokens[token]))
    return found


def lacking(seed: int, cases: int) -> None:
    """Rules of a few texts are asked of strings over vocabularies of few bytes: their masks are those of the
    pattern of the same texts, which automata say."""
    draw = random.Random(seed)
    for _ in range(cases):
        words = [
            "".join(draw.choices('x"\\\n/é\x01ab', k=draw.randrange(3))) for _ in range(draw.randrange(1, 4))
        ]
        raw = [*(byte for byte in b'"\\nxa/u01f9ceEb' if byte == 34 or draw.random() < 0.85)]
        raw += [0xC3, 0xA9] * (draw.random() < 0.7)
        tokens = [bytes([byte]) for byte in raw]
        tokens += [bytes(draw.choices(raw, k=draw.randrange(2, 4))) for _ in range(draw.randrange(6))]
        tokens = list(dict.fromkeys(tokens))
        escapes = draw.choice(["canonical", "utf8", "ascii", "any"])
        rules = " | ".join('"' + "".join(f"\\U{ord(one):08x}" for one in word) + '"' for word in words)
        pattern = "|".join("".join(f"\\u{{{ord(one):x}}}" for one in word) for word in words)
        ours = language(
            strings({"syntax": "ebnf", "definition": f"root ::= {rules}"}), tokens, escapes=escapes
        )
        theirs = language({"type": "string", "pattern": f"^(?:{pattern})$"}, tokens, escapes=escapes)
        assert ours == theirs, (words, tokens, escapes)


def test_a_vocabulary_of_few_bytes_writes_what_it_writes_of_a_pattern() -> None:
    lacking(92, 20)


@pytest.mark.slow
def test_many_vocabularies_of_few_bytes_write_what_they_write_of_patterns() -> None:
    lacking(93, 1_000)


def test_a_character_that_no_escape_and_no_byte_writes_is_refused_by_name() -> None:
    line = {"syntax": "ebnf", "definition": 'root ::= "a" root "\\n" | "a\\n"'}
    tokenizer = Tokenizer.from_bytes([*(bytes([one]) for one in b'"a{}:'), None], eos_token_id=5)
    for escapes in ("any", "canonical", "utf8", "ascii"):
        with pytest.raises((sg.errors.TokenizerError, sg.errors.UnsatisfiableSchema)) as caught:
            sg.compile(sg.json_schema(strings(line), escapes=escapes), tokenizer)
        assert caught.value.cure
