"""`structgen explain` as a person meets it: exit status, sections, JSON, bad input."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from command_line import Result, commanded

from structgen.base.system.shipped_files import grammar_path

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
    return commanded("explain", "--schema", str(path), *options)


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
    assert "4 subschemas, " in text
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


# --- grammars of texts --------------------------------------------------------------------------------------


FAULTY = """
start: stmt+
stmt: "if" E "then" stmt ["else" stmt] | E ";" | X | Y | endless
idle: "y"
endless: "q" endless
E: /[ab]/
X: /[0-9]+/
Y: /[1-9]/
NEVER: "n"
%ignore " "
"""


def explain_grammar(path: Path | str, *options: str) -> Result:
    return commanded("explain", "--grammar", str(path), *options)


@pytest.fixture
def faulty(tmp_path: Path) -> Path:
    path = tmp_path / "faulty.lark"
    path.write_text(FAULTY)
    return path


def test_every_section(faulty: Path) -> None:
    result = explain_grammar(faulty, "--sentences", "2")
    assert result.exit_code == 1
    text = result.stdout
    assert text.startswith(f"{faulty}: a Lark grammar under LALR(1) with lark's contextual lexer\n")
    for section in (
        "Conflicts that lark resolves\n  before ELSE, lark goes on with\n"
        "      stmt: IF E THEN stmt • ELSE stmt\n"
        "    and does not reduce by\n      stmt: IF E THEN stmt •\n",
        "Rules that the start rule does not lead to\n  idle\n",
        "Rules that derive no text\n  endless\n",
        "Terminals of no use to a rule\n  NEVER\n",
        "Terminals that can never win\n  Y /[1-9]/: its texts become X /[0-9]+/\n",
        "A shortest text (1 bytes)\n  '0'\n",
        "Random texts\n",
    ):
        assert f"\n\n{section}" in text


def test_a_grammar_all_of_use_has_status_0_and_no_such_section() -> None:
    result = explain_grammar(grammar_path("json"))
    assert result.exit_code == 0
    assert "never" not in result.stdout and "Random" not in result.stdout


def test_json_has_all_of_a_grammar(faulty: Path) -> None:
    result = explain_grammar(faulty, "--json", "--sentences", "3", "--seed", "7")
    found = json.loads(result.stdout)
    assert [one["terminal"] for one in found["conflicts"]] == ["ELSE"]
    assert (found["unused_rules"], found["unproductive"], found["shortest"]) == (["idle"], ["endless"], "0")
    assert len(found["sentences"]) == 3 and found["costs"]["contexts"] > 1
    assert (
        json.loads(explain_grammar(faulty, "--json", "--sentences", "3", "--seed", "7").stdout)["sentences"]
        == (found["sentences"])
    )


RULES = """root ::= item ("," item)*
item ::= [0-9]+ | endless
idle ::= "y"
endless ::= "q" endless
"""


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    path = tmp_path / "list.gbnf"
    path.write_text(RULES)
    return path


def test_ebnf_is_told_by_its_rules(rules: Path) -> None:
    result = commanded("explain", "--grammar", str(rules), "--sentences", "2")
    assert result.exit_code == 1
    assert result.stdout.startswith(f"{rules}: a grammar of rules\n")
    for section in (
        "Rules that the start rule does not lead to\n  idle\n",
        "Rules that derive no text\n  endless\n",
        "A shortest text (1 bytes)\n  '0'\n",
        "Random texts\n",
    ):
        assert f"\n\n{section}" in result.stdout
    assert "Conflicts" not in result.stdout and "contexts" not in result.stdout


def test_a_lark_grammar_over_characters(faulty: Path) -> None:
    result = explain_grammar(faulty, "-o", "lexer=characters", "--json")
    found = json.loads(result.stdout)
    assert result.exit_code == 1
    assert (found["unused_rules"], found["unproductive"], found["shortest"]) == (["idle"], ["endless"], "0")
    assert (found["conflicts"], found["beaten"], found["costs"]["contexts"]) == ([], [], 0)


def test_a_regular_expression(rules: Path) -> None:
    result = commanded("explain", "--regex", r"\d{4}-\d{2}", "--sentences", "1")
    assert result.exit_code == 0
    assert result.stdout.startswith("\\d{4}-\\d{2}: a regular expression\n\nA shortest text (7 bytes)\n")


def test_a_terminal_that_nothing_makes_is_listed(tmp_path: Path) -> None:
    path = tmp_path / "never.lark"
    path.write_text('start: A | J\nA: "a"\n%declare J\n')
    result = commanded("explain", "--grammar", str(path))
    assert "Terminals that never come: they are declared, and nothing makes them\n  J\n" in result.stdout
