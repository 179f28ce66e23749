"""`structgen explain` as a person meets it: exit status, sections, JSON, bad input."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from typer.testing import CliRunner, Result

from structgen.cli import app

SCHEMA = {
    "type": "object",
    "title": "a book",
    "properties": {
        "name": {"type": "string", "maxLength": 9},
        "tags": {"type": "array", "items": {"type": "string", "format": "bogus"}},
    },
    "required": ["name"],
    "additionalProperties": False,
    "x-mine": 1,
}


def explain(folder: Path, schema: Any, *options: str) -> Result:
    path = folder / "schema.json"
    path.write_text(schema if isinstance(schema, str) else json.dumps(schema))
    return CliRunner().invoke(app(), ["explain", "--schema", str(path), *options])


def report(folder: Path, schema: Any, *options: str) -> Any:
    return json.loads(explain(folder, schema, "--json", *options).stdout)


def test_the_whole_of_a_small_schema(tmp_path: Path) -> None:
    result = explain(tmp_path, SCHEMA)
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0] == f"{tmp_path / 'schema.json'}: JSON Schema draft 2020-12"
    start = lines.index("A document is")
    assert lines[start + 1 : start + 5] == [
        "the document       an object  (#)",
        '├── "name"         a string of at most 9 characters  (#/properties/name)',
        '└── "tags"?        an array  (#/properties/tags)',
        "    └── each item  a string  (#/properties/tags/items)",
    ]
    text = result.stdout
    assert "#  x-mine: unknown in draft 2020-12" in text
    assert "#/properties/tags/items  format: 'bogus' is not a format of JSON Schema" in text
    assert 'The smallest one (11 bytes)\n  {"name":""}' in text
    assert "ms to compile" in text
    assert "What can never hold" not in text


def test_what_can_never_hold_has_status_1(tmp_path: Path) -> None:
    result = explain(tmp_path, {"anyOf": [{"type": "null"}, {"enum": ["a"], "minLength": 2}]})
    assert result.exit_code == 1
    head, _, rest = result.stdout.partition("What can never hold\n")
    assert head
    line = '#/anyOf/1  this branch of anyOf: enum ["a"] and minLength 2 (#/anyOf/1) contradict each other'
    assert rest.splitlines()[0].strip() == line


def test_a_schema_without_documents_has_status_1(tmp_path: Path) -> None:
    result = explain(tmp_path, {"type": "string", "minLength": 2, "maxLength": 1})
    assert result.exit_code == 1
    assert "type string, minLength 2 and maxLength 1 (#) contradict each other" in result.stderr


def test_policies_are_those_of_check(tmp_path: Path) -> None:
    schema = {"type": "object", "properties": {"b": {}, "a": {}}, "required": ["a", "b"]}
    text = explain(tmp_path, schema, "-o", "whitespace=2", "-o", "property_order=declared").stdout
    assert "property_order=declared" in text
    assert '  {\n    "b": 0,\n    "a": 0\n  }' in text
    assert explain(tmp_path, schema, "-o", "numbers=roman").exit_code == 2


def test_json_has_all_of_it(tmp_path: Path) -> None:
    found = report(tmp_path, SCHEMA)
    assert [line["label"] for line in found["documents"]] == ["", '"name"', '"tags"', "each item"]
    assert [line["parent"] for line in found["documents"]] == [-1, 0, 0, 2]
    assert (found["smallest"], found["impossible"], found["complete"]) == ('{"name":""}', [], True)
    assert found["report"]["draft"] == "2020-12"
    assert found["costs"]["subschemas"] == 4


def test_lines_are_cut_and_counted(tmp_path: Path) -> None:
    schema = {"type": "object", "properties": {f"k{n}": {"type": "null"} for n in range(30)}}
    text = explain(tmp_path, schema, "--lines", "10").stdout
    assert '"k8"?' in text
    assert '"k9"?' not in text
    assert "and 22 more lines (--lines)" in text
