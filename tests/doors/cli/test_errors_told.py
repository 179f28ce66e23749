"""No mistake at the command line ends in a traceback: one line says what is wrong, where, and the cure."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from command_line import Result, commanded

import structgen as sg
from structgen.tokens.tokenizer import byte_tokenizer

LATIN = "Müller".encode("latin-1")
SCHEMA = {"type": "object", "properties": {"a": {"type": "boolean"}}, "required": ["a"]}


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a folder with a few files."""
    (tmp_path / "s.json").write_text(json.dumps(SCHEMA))
    (tmp_path / "broken.json").write_text('{"type": "object"')
    (tmp_path / "wrong.json").write_text('{"type": "objct"}')
    (tmp_path / "latin.json").write_bytes(b'{"const": "' + LATIN + b'"}')
    (tmp_path / "failing_types.py").write_text("raise RuntimeError('boo')")
    (tmp_path / "empty").mkdir()
    (tmp_path / "void").touch()
    (tmp_path / "list.json").write_text("[1]")
    (tmp_path / "back.json").write_text(r'{"type": "string", "pattern": "(a)\\1"}')
    (tmp_path / "broken.lark").write_text('start: "a')
    (tmp_path / "rule.lark").write_text('start: "a" b')
    (tmp_path / "one.lark").write_text('start: "a"')
    (tmp_path / "rule.gbnf").write_text("root ::= b")
    (tmp_path / "ranks.txt").write_text("hi\n")
    monkeypatch.chdir(tmp_path)


def run(*arguments: str, input: Any = None) -> Result:
    """Return how a command ends; nothing but SystemExit may come out."""
    found = commanded(*arguments, input=input)
    assert found.exception is None or isinstance(found.exception, SystemExit), found.exception
    return found


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["check", "--schema", "broken.json", "x"], "broken.json, line 1, column 18: This is not JSON"),
        (["check", "--schema", "wrong.json", "x"], "wrong.json, #/type: "),
        (["check", "--schema", "none.json", "x"], "none.json: The file cannot be read"),
        (["check", "--schema", "latin.json", "x"], "latin.json: Byte 12 of the file is not UTF-8"),
        (["check", "--schema", "s.json", "none.txt"], "none.txt: No such file or directory. Check the path."),
        (["check", "--schema", "s.json", "empty"], "empty: Is a directory. Name a file in it."),
        (["check", "--schema", "s.json", "-o", "resources=u:x=latin.json", "x"], "latin.json is not UTF-8"),
        (["check", "x"], "One of --schema, --type, --grammar, -o ebnf and --regex is needed."),
        (["explain"], "One of --schema, --type, --grammar, -o ebnf and --regex is needed."),
        (["check", "--regex", r"(a)\1", "x"], r"Write the texts out as alternatives, aa|bb for (a|b)\1"),
        (["check", "--regex", "(", "x"], "missing )"),
        (["check", "--schema", "list.json", "x"], "list.json, #: A schema must be an object, true or false"),
        (["check", "--schema", "void", "x"], "void, line 1, column 1: This is not JSON"),
        (["check", "--schema", "empty", "x"], "empty: The file cannot be read: Is a directory."),
        (
            ["check", "--schema", "back.json", "x"],
            r"back.json, #/pattern: A back-reference (\1) is not supported",
        ),
        (["check", "--schema", "s.json", "none/x.txt"], "The folder none does not exist: make it (mkdir -p)"),
        (["explain", "--schema", "list.json"], "list.json, #: A schema must be an object"),
        (["explain", "--schema", "void"], "void, line 1, column 1: This is not JSON"),
        (
            ["check", "--grammar", "broken.lark", "x"],
            "broken.lark, line 1, column 8: Syntax error in the grammar: Unexpected input",
        ),
        (
            ["check", "--grammar", "rule.lark", "x"],
            "rule.lark, line 1, column 12: lark rejects the grammar: Rule 'b' used but",
        ),
        (
            ["check", "--grammar", "void", "x"],
            "void: lark rejects the grammar: the rule start does not exist.",
        ),
        (["check", "--grammar", "none.lark", "x"], "none.lark: The file cannot be read: No such file"),
        (["check", "--grammar", "empty", "x"], "empty: The file cannot be read: Is a directory."),
        (["check", "--grammar", "latin.json", "x"], "latin.json: Byte 12 of the file is not UTF-8"),
        (
            ["check", "--grammar", "rule.gbnf", "x"],
            "rule.gbnf, line 1, column 10: The rule b is not defined.",
        ),
        (["check", "-o", "ebnf=void", "x"], "void, line 1, column 1: The grammar has no rule."),
        (["infill", "--schema", "broken.json"], "broken.json, line 1, column 18: This is not JSON"),
        (["infill", "--schema", "list.json"], "list.json, #: A schema must be an object, true or false"),
        (["infill", "--schema", "s.json", "--given", "latin.json"], "latin.json is not UTF-8"),
        (["generate", "--prompt", "x", "--schema", "broken.json"], "broken.json, line 1, column 18"),
        (["generate", "--prompt", "x", "--schema", "latin.json"], "latin.json: Byte 12"),
        (["generate", "--prompt", "x", "--type", "failing_types:A"], "Importing failing_types failed"),
        (
            ["generate", "--prompt", "x", "-o", "edit=latin.json"],
            "-o edit: Byte 12 of latin.json is not UTF-8",
        ),
        *(
            (["check", "--grammar", "one.lark", *options, "x"], message)
            for options, message in (
                (["--schema", "x.json"], "--grammar: Only one of --schema, --type, --grammar, -o ebnf and"),
                (["-o", "start=nowhere"], "Pass start= one of its rules: start"),
                (["-o", "postlex=perl"], "'perl' is not the name of a class. Write python, or module:Class."),
                (["-o", "postlex=no_such:X"], "'no_such:X' cannot be imported"),
                (["-o", "postlex=json:JSONDecoder"], "is not supported"),
            )
        ),
        *(
            (["explain", "--grammar", "one.lark", *options], "of texts has no outline and no keywords.")
            for options in (["--lines", "3"], ["--openai"], ["--prove"])
        ),
        (["explain", "--schema", "s.json", "--sentences", "3"], "Random texts need a grammar of texts."),
        (["generate", "--prompt", "x", "-o", "without=a"], "-o without: The option needs a schema"),
        (["generate", "--prompt", "x", "-o", "speculation=off", "-o", "edit=s.json"], "-o edit"),
        (["generate", "--prompt", "x", "-o", "speculation=on"], "speculation"),
        (["generate", "--prompt", "x", "-o", "edit=none.json"], "none.json"),
        (
            ["warmup", "--tokenizer", "ranks.txt"],
            "Pass a complete tokenizer.json, tekken.json or SentencePiece",
        ),
    ],
)
def test_the_message_names_the_file_and_the_cure(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    monkeypatch.setattr("structgen.doors.cli.warmup.compile_all", lambda *_: None)
    monkeypatch.setattr("structgen.preload", lambda *_, **__: None)
    found = run(*arguments)
    assert found.exit_code == 2
    assert message in found.stderr


@pytest.mark.parametrize(
    ("arguments", "option"),
    [
        (["generate", "--prompt", "-"], "--prompt"),
        (["generate", "--prompt", "x", "-o", "edit=-"], "-o edit"),
        (["infill", "--template", "-"], "--template -"),
    ],
)
def test_standard_input_that_is_not_utf8_is_told_with_the_byte(arguments: list[str], option: str) -> None:
    found = run(*arguments, input=LATIN)
    assert (found.exit_code, found.stdout) == (2, "")
    assert found.stderr.startswith(f"OptionError: {option}: Byte 1 of standard input is not UTF-8: 0xfc.")


def test_a_missing_schema_is_told_as_json_where_json_is_asked_for() -> None:
    found = run("check", "--schema", "broken.json", "--json", "x")
    error = json.loads(found.stdout)["error"]
    assert (error["kind"], error["where"]) == ("SchemaError", "broken.json, line 1, column 18")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["-o", "device=foo"], "torch has no device 'foo' here"),
        (["-o", "device=meta"], "device: torch has no device 'meta' here"),
        (["-o", "device=cuda"], "Use cpu, or remove it."),
        (["--model", "gpt2"], "hf download gpt2 --local-dir FOLDER"),
        (["--model", "meta-llama/Llama-3.2-1B"], "hf download meta-llama/Llama-3.2-1B --local-dir FOLDER"),
        (["--model", "empty"], "'empty' is not the folder of a model: it has no config.json."),
        (["--model", "./none/here"], "Check the path"),
        (["-o", "draft_model=gpt2"], "draft_model: The folder 'gpt2' does not exist"),
    ],
)
def test_a_model_or_a_device_that_is_not_there(options: list[str], message: str) -> None:
    if options[-1] == "cuda" and torch.cuda.is_available():
        pytest.skip("there is a GPU")
    found = run("generate", "--prompt", "x", *options)
    assert found.exit_code == 2
    assert message in found.stderr


@pytest.mark.parametrize(
    ("name", "kind", "where"),
    [
        ("broken.json", sg.errors.SchemaError, "broken.json, line 1, column 18"),
        ("wrong.json", sg.errors.SchemaError, "wrong.json, #/type"),
        ("back.json", sg.errors.RegexError, "back.json, #/pattern"),
        ("never.json", sg.errors.UnsatisfiableSchema, "never.json"),
    ],
)
def test_a_schema_that_was_read_from_a_path_is_named_by_the_library(
    name: str, kind: type[sg.StructgenError], where: str
) -> None:
    Path("never.json").write_text('{"allOf": [{"const": 1}, {"const": 2}]}')
    with pytest.raises(kind) as caught:
        sg.compile(sg.without(sg.json_schema(Path(name)), ["no"]), byte_tokenizer())
    assert caught.value.where.startswith(where)
    assert str(caught.value).startswith(where)


def test_a_schema_that_was_no_file_has_its_own_place_alone() -> None:
    with pytest.raises(sg.errors.SchemaError) as caught:
        sg.json_schema({"type": "objct"})
    assert caught.value.where == "#/type"


def test_infill_tells_how_to_mend_in_words_of_the_shell(tmp_path: Path) -> None:
    Path("letter.txt").write_text("You owe {sum: int, 1} euros, {name}.")
    Path("one.txt").write_text("You owe {sum: /[a-z]{30}/, 1} euros.")
    Path("city.json").write_text('{"type": "string", "enum": ["a long text with many tokens"]}')
    for options, cure in (
        (
            ["--template", "letter.txt"],
            "in the shell -o holes=name=FILE, or --schema or --grammar.",
        ),
        (["--template", "one.txt"], "--slots sum="),
        (["--schema", "city.json", "--prompt", "x", "--slots", "1"], "in the shell --slots text="),
    ):
        found = run("infill", *options)
        assert found.exit_code == 2
        assert cure in found.stderr
