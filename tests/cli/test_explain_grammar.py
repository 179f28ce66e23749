"""`structgen explain --grammar` as a person meets it: sections, JSON, exit status, options of no use."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from structgen.cli import app
from structgen.system.resources import grammar

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


def explain(path: Path | str, *options: str) -> Result:
    return CliRunner().invoke(app(), ["explain", "--grammar", str(path), *options])


@pytest.fixture
def faulty(tmp_path: Path) -> Path:
    path = tmp_path / "faulty.lark"
    path.write_text(FAULTY)
    return path


def test_every_section(faulty: Path) -> None:
    result = explain(faulty, "--sentences", "2")
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
        "What it costs\n",
    ):
        assert f"\n\n{section}" in text


def test_a_grammar_all_of_use_has_status_0_and_no_such_section() -> None:
    result = explain(grammar("json"))
    assert result.exit_code == 0
    assert "never" not in result.stdout and "Random" not in result.stdout


def test_json_has_all_of_it(faulty: Path) -> None:
    result = explain(faulty, "--json", "--sentences", "3", "--seed", "7")
    found = json.loads(result.stdout)
    assert [one["terminal"] for one in found["conflicts"]] == ["ELSE"]
    assert (found["unused_rules"], found["unproductive"], found["shortest"]) == (["idle"], ["endless"], "0")
    assert len(found["sentences"]) == 3 and found["costs"]["contexts"] > 1
    assert (
        json.loads(explain(faulty, "--json", "--sentences", "3", "--seed", "7").stdout)["sentences"]
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
    result = CliRunner().invoke(app(), ["explain", "--grammar", str(rules), "--sentences", "2"])
    assert result.exit_code == 1
    assert result.stdout.startswith(f"{rules}: a grammar of rules\n")
    for section in (
        "Rules that the start rule does not lead to\n  idle\n",
        "Rules that derive no text\n  endless\n",
        "A shortest text (1 bytes)\n  '0'\n",
        "Random texts\n",
        "What it costs\n",
    ):
        assert f"\n\n{section}" in result.stdout
    assert "Conflicts" not in result.stdout and "contexts" not in result.stdout


def test_an_error_in_ebnf_has_its_line_and_column(rules: Path) -> None:
    rules.write_text('root ::= "a"\n  | item)\nitem ::= "b"\n')
    result = CliRunner().invoke(app(), ["explain", "--grammar", str(rules)])
    assert result.exit_code == 2
    assert "line 2, column 9" in result.stderr


def test_a_lark_grammar_over_characters(faulty: Path) -> None:
    result = explain(faulty, "-o", "lexer=characters", "--json")
    found = json.loads(result.stdout)
    assert result.exit_code == 1
    assert (found["unused_rules"], found["unproductive"], found["shortest"]) == (["idle"], ["endless"], "0")
    assert (found["conflicts"], found["beaten"], found["costs"]["contexts"]) == ([], [], 0)


def test_a_regular_expression(rules: Path) -> None:
    result = CliRunner().invoke(app(), ["explain", "--regex", r"\d{4}-\d{2}", "--sentences", "1"])
    assert result.exit_code == 0
    assert result.stdout.startswith("\\d{4}-\\d{2}: a regular expression\n\nA shortest text (7 bytes)\n")


def test_a_terminal_that_nothing_makes_is_listed(tmp_path: Path) -> None:
    path = tmp_path / "never.lark"
    path.write_text('start: A | J\nA: "a"\n%declare J\n')
    result = CliRunner().invoke(app(), ["explain", "--grammar", str(path)])
    assert "Terminals that never come: they are declared, and nothing makes them\n  J\n" in result.stdout
