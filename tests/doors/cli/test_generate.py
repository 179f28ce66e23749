"""`structgen generate` with types, tools, guesses and grammars."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import lark
import pytest
from command_line import Result, commanded

from structgen.base.system.shipped_files import grammar_path

TYPES = """
from pydantic import BaseModel, field_validator

class Person(BaseModel):
    name: str
    age: int
    city: str

def delete_account(name: str, age: int) -> None:
    raise SystemExit("an account is deleted")

Names = list[str]

class Old(Person):
    @field_validator("age")
    @classmethod
    def _old(cls, value):
        if value < 200:
            raise ValueError("is young")
        return value
"""
ROOT = Path(__file__).parents[3]
PROMPT = ["--prompt", "Ada Lovelace, 36, lives in London."]


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a folder with a module, tools, a schema and a text to edit."""
    (tmp_path / "people_types.py").write_text(TYPES)
    (tmp_path / "tools.json").write_text((ROOT / "examples/tools.json").read_text())
    (tmp_path / "broken.json").write_text('[\n {"name": }]')
    (tmp_path / "twice.json").write_text('{"tools": [{"name": "f"}, {"name": "f"}]}')
    (tmp_path / "order.json").write_text(json.dumps(SCHEMA))
    (tmp_path / "old.json").write_text(OLD)
    monkeypatch.chdir(tmp_path)


def run(*arguments: str) -> Result:
    return commanded("generate", *arguments)


def run_order(*arguments: str, **more: Any) -> Result:
    base = ["--model", "structgen/extract", "--prompt", "Zorvik has paid."]
    return commanded("generate", *base, *arguments, **more)


def test_a_type_of_a_module() -> None:
    done = run("--type", "people_types:Person", *PROMPT)
    assert json.loads(done.stdout) == {"name": "Ada Lovelace", "age": 36, "city": "London"}
    assert done.exit_code == 0


def test_a_document_that_the_type_refuses_has_exit_status_1() -> None:
    done = run("--type", "people_types:Old", *PROMPT)
    assert (done.exit_code, json.loads(done.stdout)["age"]) == (1, 36)
    assert "is young" in done.stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--type", "people_types"], "people_types"),
        (["--type", "nothing:Person"], "nothing:Person"),
        (["--type", "./people_types.py:Person"], "Name the module: people_types:Person."),
        (["--type", "people_types:Nobody"], "people_types:Nobody"),
        (["--type", "people_types:delete_account"], "delete_account is a function, not a type"),
        (["--regex", "[0-9]+", "-o", "wrap=false"], "-o wrap: The option is for types. Add --type"),
        (["--type", "builtins:str", "-o", "wrap=true"], "no effect on free text"),
    ],
)
def test_what_is_no_type_of_a_document_has_exit_status_2(options: list[str], said: str) -> None:
    done = run(*options, *PROMPT)
    assert (done.exit_code, said in done.stderr) == (2, True)


NAMES = ["--type", "people_types:Names", "--prompt", "Priya, Jonas and Mei are coming to dinner."]


@pytest.mark.parametrize("more", [[], ["--stream"], ["-o", "wrap=true"]])
def test_a_document_that_is_no_object_is_printed_without_its_wrapper(more: list[str]) -> None:
    assert run(*NAMES, *more).stdout == '["Priya", "Jonas", "Mei"]\n'


def test_lines_of_json_have_the_text() -> None:
    found = json.loads(run(*NAMES, "--json").stdout)
    assert json.loads(found["text"]) == found["value"] == {"value": ["Priya", "Jonas", "Mei"]}


def test_the_bare_document_can_be_asked_for() -> None:
    found = json.loads(run(*NAMES, "-o", "wrap=false", "--max-tokens", "20", "--json").stdout)
    assert found["text"].startswith("[")


# --- tools --------------------------------------------------------------------------------------------------


QUESTION = ["--prompt", "What is the weather in Oslo?"]
CALL = '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Oslo"}}\n</tool_call>\n'


REQUIRED = ["--tools", "tools.json", "-o", "tool_choice=required", "-o", "parallel=false"]


@pytest.mark.parametrize("more", [[], ["--stream"]])
def test_the_reply_is_printed_as_it_was_written(more: list[str]) -> None:
    done = run(*REQUIRED, *QUESTION, *more)
    assert (done.exit_code, done.stdout) == (0, CALL), done.stderr


def test_json_has_texts_and_calls_apart() -> None:
    found = json.loads(run(*REQUIRED, *QUESTION, "--json").stdout)
    assert found["calls"] == [{"id": "call_0", "name": "get_weather", "arguments": {"city": "Oslo"}}]
    assert (found["texts"], found["text"], found["error"]) == (["", ""], CALL.strip(), None)


def test_the_name_of_a_tool_a_format_and_tools_on_the_command_line() -> None:
    tools = '[{"name": "first"}, {"name": "second", "parameters": {"type": "object", "properties": {}}}]'
    done = run("--tools", tools, "-o", "tool_choice=second", "-o", "tool_format=llama", *QUESTION)
    assert json.loads(done.stdout) == {"name": "second", "parameters": {}}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--tools", "absent.json"], "--tools: absent.json: No such file"),
        (["--tools", "broken.json"], "broken.json, line 2, column 11: The text is not JSON"),
        (["--tools", "twice.json"], "twice.json, tools/1/name: Two tools have the name 'f'"),
        (["--tools", "[3]"], "--tools, tools/0: int is not a tool"),
        (
            ["--tools", "tools.json", "-o", "tool_choice=clock"],
            "-o tool_choice: No tool has",
        ),
        (["--tools", "tools.json", "-o", "parallel=some"], "-o parallel must be True, False, .*, got 'some'"),
        (["--tools", "tools.json", "-o", "tool_format=herms"], "-o tool_format: .*Did you mean 'hermes'"),
        (["--tools", "tools.json", "--regex", "a"], "--regex: The option has no effect with --tools"),
        (["--tools", "tools.json", "-o", "stop=a"], "-o stop: The option has no effect with --tools"),
        (["-o", "tool_choice=auto"], "-o tool_choice: The option needs tools"),
    ],
)
def test_bad_tools_are_told_with_their_place(arguments: list[str], said: str) -> None:
    done = run(*arguments, *QUESTION)
    assert done.exit_code == 2 and re.search(said, done.stderr), done.stderr


# --- guesses ------------------------------------------------------------------------------------------------


SCHEMA = {
    "type": "object",
    "properties": {"customer": {"type": "string"}, "paid": {"type": "boolean"}},
    "required": ["customer", "paid"],
    "additionalProperties": False,
}
OLD = '{"customer": "Zorvik", "paid": false}'


@pytest.mark.parametrize(
    "options",
    [["-o", "speculation=auto"], ["-o", "edit=old.json"], ["-o", "draft_model=structgen/extract-draft"]],
    ids=lambda options: options[0],
)
def test_the_text_is_that_of_plain_decoding(options: list[str]) -> None:
    plain = run_order("--schema", "order.json", "-o", "speculation=off")
    drafted = run_order("--schema", "order.json", *options)
    assert drafted.exit_code == 0, drafted.output
    assert drafted.stdout == plain.stdout == '{"customer": "Zorvik", "paid": true}\n'


def test_the_text_to_edit_may_come_from_standard_input() -> None:
    assert run_order("--schema", "order.json", "-o", "edit=-", input=OLD).exit_code == 0


def test_usage_is_told_beside_the_text_and_in_json() -> None:
    done = run_order("--schema", "order.json", "-o", "usage=true")
    assert "tokens, " in done.stderr and "calls of the model" in done.stderr
    assert done.stdout == '{"customer": "Zorvik", "paid": true}\n'
    usage = json.loads(run_order("--schema", "order.json", "--json").stdout)["usage"]
    told = "accepted calls drafted prompt_tokens speculation tokens tokens_per_call"
    assert sorted(usage) == told.split()
    assert usage["tokens"] > 5
    assert usage["tokens_per_call"] == pytest.approx(usage["tokens"] / usage["calls"], abs=1e-3)


def test_a_file_of_prompts_may_go_on_with_other_guesses() -> None:
    """Guesses change no document, so that the results are of the same run_order."""

    Path("prompts").write_text('"Zorvik has paid."\n"Bo has not paid."\n')
    command = ["bulk", "--schema", "order.json", "--prompts", "prompts", "--out", "out"]
    first = commanded(*command, "-o", "speculation=off")
    assert first.exit_code == 0, first.output
    whole = Path("out").read_text()
    Path("out").write_text(whole.splitlines(keepends=True)[0])
    more = ["-o", "edit=old.json", "-o", "draft_model=structgen/extract-draft"]
    second = commanded(*command, *more)
    assert second.exit_code == 0, second.output
    assert sorted(Path("out").read_text().splitlines()) == sorted(whole.splitlines())


def test_a_file_of_prompts_is_not_begun_with_a_wrong_draft_model() -> None:

    Path("prompts").write_text('"Zorvik has paid."\n')
    command = ["bulk", "--prompts", "prompts", "--out", "out", "-o", "draft_model=no/folder"]
    done = commanded(*command)
    assert done.exit_code == 2 and not Path("out").exists()


# --- grammars -----------------------------------------------------------------------------------------------


SUM = grammar_path("arithmetic")
PARSER = lark.Lark(SUM.read_text(encoding="utf-8"), parser="lalr", lexer="contextual")
ORDERED = ["-o", "device=cpu", "--prompt", "Zorvik ordered 3 lamps and 2 chairs."]


def generate(*arguments: str) -> Any:
    return commanded("generate", "--grammar", str(SUM), *arguments)


@pytest.mark.parametrize("budget", [1, 2, 7, 40])
def test_a_text_is_accepted_within_its_budget(budget: int) -> None:
    done = generate(
        *ORDERED, "--temperature", "1", "--n", "3", "--seed", "5", "--json", "--max-tokens", str(budget)
    )
    assert done.exit_code == 0
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(found) == 3
    for one in found:
        PARSER.parse(one["text"])
        assert one["tokens"] <= budget
