"""`json_schema` takes schemas in every form and with every option, and returns a value."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from structgen.base.limits import Limits
from structgen.errors import OptionError, SchemaError, UnsupportedError
from structgen.grammars.json_grammars.schema_grammar import JsonSchemaGrammar, json_schema
from structgen.schema.reading.policies import WIDEST

SCHEMA: dict[str, Any] = {"type": "object", "properties": {"b": {"minimum": 0.5}, "a": {"enum": ["é", None]}}}


class _Scalars:
    """Stands for both oracles: every scalar has the completion `0`."""

    def __getattr__(self, name: str) -> Any:
        return lambda *arguments: {0: b"0"}


def network(grammar: Any) -> Any:
    return grammar.make_network(_Scalars(), _Scalars())


def finish(network: Any) -> bytes:
    """Return the shortest document of a network."""
    text: bytes = network.finish_place(network.root)[0]
    return text


def test_a_dict_its_text_and_its_file_are_one_grammar(tmp_path: Path) -> None:
    path = tmp_path / "schema.json"
    path.write_text(json.dumps(SCHEMA, indent=4, ensure_ascii=False), encoding="utf-8")
    grammars = {json_schema(SCHEMA), json_schema(json.dumps(SCHEMA)), json_schema(path)}
    assert len(grammars) == 1


def test_a_file_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "schema.json"
    path.write_bytes(b"\xef\xbb\xbf{}")
    assert json_schema(path) == json_schema({})


def test_booleans_are_schemas() -> None:
    assert json_schema(True) == json_schema("true") != json_schema(False)


def test_the_grammar_does_not_see_later_changes_of_the_dict() -> None:
    schema: dict[str, Any] = {"properties": {"a": {"minimum": 1}}}
    grammar = json_schema(schema)
    before = grammar.fingerprint
    schema["properties"]["a"]["minimum"] = 2
    assert grammar.fingerprint == before == json_schema({"properties": {"a": {"minimum": 1}}}).fingerprint


@pytest.mark.parametrize(
    "change",
    [
        {"whitespace": "compact"},
        {"whitespace": 2},
        {"property_order": "any"},
        {"numbers": "plain"},
        {"escapes": "any"},
        {"formats": "annotate"},
        {"draft": "7"},
        {"limits": Limits(depth=7)},
    ],
)
def test_every_option_is_part_of_the_canonical_form(change: dict[str, Any]) -> None:
    assert json_schema(SCHEMA, **change) != json_schema(SCHEMA)


def test_the_order_of_members_is_part_of_the_canonical_form() -> None:
    assert json_schema({"properties": {"a": {}, "b": {}}}) != json_schema({"properties": {"b": {}, "a": {}}})


def test_a_draft_by_name_or_by_schema_is_the_same_grammar_up_to_the_text() -> None:
    declared = json_schema({"$schema": "http://json-schema.org/draft-07/schema#"})
    assert '"draft":"7"' in declared.canonical
    assert declared == json_schema({"$schema": "http://json-schema.org/draft-07/schema#"}, draft="7")


@pytest.mark.parametrize("text", ['{"a":1,"a":2,"minimum":1.50}', '{"$schema":"https://example.com/mine"}'])
def test_a_pickled_grammar_is_equal_and_reports_the_same(text: str) -> None:
    grammar = json_schema(text, **WIDEST, limits=Limits(depth=99))
    copy = pickle.loads(pickle.dumps(grammar))
    assert copy == grammar
    assert (copy.fingerprint, copy.limits, copy.policies) == (
        grammar.fingerprint,
        grammar.limits,
        grammar.policies,
    )
    assert copy.report == grammar.report


def test_another_process_has_the_same_fingerprint_and_loads_neither_numpy_nor_the_meta_schemas() -> None:
    program = (
        "import sys; from structgen.grammars.json_grammars.schema_grammar import json_schema; "
        "print(json_schema(sys.argv[1], whitespace='any').fingerprint, "
        "{'numpy', 'numba', 'jsonschema', 'referencing'} & set(sys.modules))"
    )
    text = json.dumps(SCHEMA)
    found = subprocess.run([sys.executable, "-c", program, text], capture_output=True, text=True, check=True)
    assert found.stdout == json_schema(text, whitespace="any").fingerprint + " set()\n"


@pytest.mark.parametrize(
    ("options", "where"),
    [
        ({"whitespace": True}, "whitespace"),
        ({"formats": "ignore"}, "formats"),
        ({"resources": ["a"]}, "resources"),
        ({"resources": {3: {}}}, "resources"),
        ({"resources": {"": {}}}, "resources"),
    ],
)
def test_an_unknown_option_value_is_refused_by_name(options: dict[str, Any], where: str) -> None:
    with pytest.raises(OptionError) as caught:
        json_schema({}, **options)
    assert caught.value.where == where


@pytest.mark.parametrize("schema", [None, 3, [], b"{}"])
def test_what_is_no_way_to_give_a_schema_is_refused(schema: Any) -> None:
    with pytest.raises(OptionError, match="schema"):
        json_schema(schema)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match=r"none\.json"):
        json_schema(tmp_path / "none.json")
    (tmp_path / "latin.json").write_bytes(b'{"title": "\xe9"}')
    with pytest.raises(SchemaError, match="Byte 11"):
        json_schema(tmp_path / "latin.json")


def test_an_unsupported_keyword_is_refused_when_compiled_not_when_read(unhandled: str) -> None:
    grammar = json_schema({"items": {unhandled: False}})
    with pytest.raises(UnsupportedError) as caught:
        network(grammar)
    assert (caught.value.keyword, caught.value.where) == (unhandled, f"#/items/{unhandled}")


@pytest.mark.parametrize(
    "resources",
    [
        {"https://example.com/a": {"type": "null"}},
        {"https://example.com/a#": '{"type": "null"}'},
        {"https://example.com/b": {"$defs": {"c": {"$id": "a", "type": "null"}}}},
        Registry().with_resource("https://example.com/a", DRAFT202012.create_resource({"type": "null"})),
    ],
)
def test_a_reference_leads_to_the_resources(resources: Any) -> None:
    grammar = json_schema({"$ref": "https://example.com/a"}, resources=resources)
    assert finish(network(grammar)) == b"null"


def test_a_reference_out_of_the_resources_is_refused_by_name() -> None:
    grammar = json_schema({"$ref": "https://example.com/a"}, resources={"https://example.com/b": True})
    with pytest.raises(UnsupportedError, match=r"https://example\.com/a.*resources="):
        network(grammar)


def test_a_registry_is_not_asked_to_fetch() -> None:
    def retrieve(uri: str) -> Any:
        raise AssertionError(uri)

    grammar = json_schema({"$ref": "https://example.com/a"}, resources=Registry(retrieve=retrieve))
    with pytest.raises(UnsupportedError, match="resources="):
        network(grammar)


def test_resources_that_are_used_are_part_of_the_grammar() -> None:
    def made(name: str, resources: Any) -> JsonSchemaGrammar:
        return json_schema({"$ref": f"https://example.com/{name}"}, resources=resources)

    both = {"https://example.com/a": {"type": "null"}, "https://example.com/b": {"type": "string"}}
    one = made("a", both)
    assert one == made("a", {"https://example.com/a": {"type": "null"}})
    assert one != made("a", {"https://example.com/a": {"type": "boolean"}})
    both["https://example.com/a"]["type"] = "boolean"
    again = pickle.loads(pickle.dumps(one))
    assert again == one
    assert finish(network(again)) == finish(network(one)) == b"null"


@pytest.mark.parametrize("resource", [3, None, [True], "{"])
def test_a_resource_that_is_no_schema_is_named(resource: Any) -> None:
    with pytest.raises((OptionError, SchemaError), match=r"example\.com/a"):
        json_schema({"$ref": "https://example.com/a"}, resources={"https://example.com/a": resource})


def test_a_resource_is_not_read_unless_a_reference_leads_there() -> None:
    network(json_schema({"type": "null"}, resources={"https://example.com/a": 3}))


def test_every_network_has_a_document_of_its_own() -> None:
    grammar = json_schema({"type": "null"})
    documents = [network(grammar).document for _ in range(3)]
    assert len({id(document) for document in documents}) == 3


def test_limits_given_to_a_network_stand_for_the_grammars_own() -> None:
    grammar = json_schema({"type": "null"})
    other = Limits(alternatives=3)
    made = grammar.make_network(_Scalars(), _Scalars(), other)  # type: ignore[arg-type]
    assert made.document.limits == other


def test_a_format_without_an_automaton_is_refused_by_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    from structgen.automata.formats import named_formats

    def refuse(name: str) -> None:
        raise UnsupportedError(f"The format {name!r} is not supported.", keyword="format")

    monkeypatch.setattr(named_formats, "require_known", refuse)
    grammar = json_schema({"properties": {"a": {"format": "idn-hostname"}}})
    with pytest.raises(UnsupportedError) as caught:
        network(grammar)
    assert (caught.value.keyword, caught.value.where) == ("format", "#/properties/a/format")


def test_a_path_given_as_a_text_is_told_how_to_be_read(tmp_path: Path) -> None:
    file = tmp_path / "order"
    file.write_text("{}")
    for text in ("examples/none.schema.json", str(file)):
        with pytest.raises(SchemaError) as caught:
            json_schema(text)
        assert str(caught.value).endswith(f"To read a file: sg.json_schema(pathlib.Path({text!r})).")
    with pytest.raises(SchemaError) as caught:
        json_schema("[none")
    assert "To read a file" not in str(caught.value)
