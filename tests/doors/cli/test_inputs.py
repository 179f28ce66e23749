"""What the command line takes as input: schemas as text, pipes, plain prompts, files that are not there."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path

import pytest
from command_line import Result, commanded
from long_waits import without_waits

from structgen.decoding.engine import model_cards
from structgen.decoding.engine.bulk_runs import read_prompts
from structgen.doors.cli import app
from structgen.errors import ModelWarning, OptionError

PERSON = '{"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}'


def run(*arguments: str, text: str = "", **environment: str | None) -> Result:
    return commanded(*arguments, input=text, env=environment)


@pytest.mark.parametrize(
    ("schema", "text", "status"),
    [
        ('{"const": "http://a//b/"}', '"http://a//b/"', 0),
        (' {"type": "integer"}', "5", 0),
        ('{"type": "integer"}', '"5"', 1),
        ("true", "[1]", 0),
        ("false", "[1]", 2),
        ('{"type": ', "5", 2),
        ("no_such_file", "5", 2),
    ],
)
def test_a_schema_may_be_given_as_its_text(schema: str, text: str, status: int) -> None:
    assert run("check", "--schema", schema, text=text).exit_code == status


def test_a_file_whose_name_is_true_is_named_with_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "true").write_text('{"type": "integer"}')
    monkeypatch.chdir(tmp_path)
    assert run("check", "--schema", "./true", text='"x"').exit_code == 1
    assert run("check", "--schema", "true", text='"x"').exit_code == 0


def test_check_goes_on_after_a_file_that_is_missing(tmp_path: Path) -> None:
    good, bad = tmp_path / "good", tmp_path / "bad"
    good.write_text("1")
    bad.write_text("x")
    options = ["check", "--regex", "1"]
    done = run(*options, str(tmp_path / "none"), str(bad), str(good), str(tmp_path))
    assert done.exit_code == 2
    assert f"{good}: valid" in done.stdout and f"{bad}:1:1" in done.stdout
    assert f"{tmp_path / 'none'}: No such file" in done.stderr and "Is a directory" in done.stderr
    told = run(*options, "--json", str(tmp_path / "none"), str(good)).stdout.splitlines()
    assert [sorted(json.loads(line)) for line in told] == [["error"], ["text", "valid"]]


@pytest.mark.parametrize(
    ("environment", "has"),
    [
        ({}, False),
        ({"FORCE_COLOR": "1"}, True),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
        ({"FORCE_COLOR": "0"}, False),
    ],
)
def test_colours_are_chosen_by_the_environment(environment: dict[str, str], has: bool) -> None:
    unset: dict[str, str | None] = {"FORCE_COLOR": None, "NO_COLOR": None, **environment}
    plain = run("check", "--regex", "a+", text="ab", NO_COLOR="1").stdout
    shown = run("check", "--regex", "a+", text="ab", **unset).stdout
    assert ("\x1b[" in shown) == has
    assert re.sub(r"\x1b\[[0-9;]*m", "", shown) == plain


@pytest.mark.parametrize(
    ("name", "lines", "prompts"),
    [
        ("p.txt", 'Ada.\n\n"Hello", she said\r\n{no json\n', ["Ada.", '"Hello", she said', "{no json"]),
        ("p.prompts", "Ada is 36.\n{so}\n", ["Ada is 36.", "{so}"]),
        ("p.prompts", '\n"Ada"\n{"prompt": "Bob"}\n', ["Ada", "Bob"]),
        ("p.jsonl", '"Ada"\n', ["Ada"]),
        ("p.txt", "﻿Zoë\n", ["Zoë"]),
    ],
)  # fmt: skip
def test_prompts_are_plain_lines_or_json(tmp_path: Path, name: str, lines: str, prompts: list[str]) -> None:
    file = tmp_path / name
    file.write_bytes(lines.encode())
    assert [one.text for one in read_prompts(file)] == prompts


@pytest.mark.parametrize(
    ("name", "lines", "line"),
    [("p.jsonl", "Ada is 36.\n", 1), ("p.prompts", '{"prompt": "Ada"}\nAda is 36.\n', 2)],
)
def test_a_broken_line_of_json_is_an_error(tmp_path: Path, name: str, lines: str, line: int) -> None:
    file = tmp_path / name
    file.write_text(lines)
    with pytest.raises(OptionError, match=rf":{line}: The line is not JSON.*\.txt file"):
        list(read_prompts(file))


def test_a_pipe_is_the_prompt_and_an_empty_one_is_none() -> None:
    done = run("generate", "--schema", PERSON, "-o", "device=cpu", text="Ada is 36.\n")
    assert (done.exit_code, json.loads(done.stdout)) == (0, {"name": "Ada"})
    none = run("generate", "--schema", PERSON, text="\n")
    assert none.exit_code == 2 and "The prompt is missing" in none.stderr


def test_a_closed_input_is_no_prompt(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(SystemExit, match="2"):
        app()(["generate", "--schema", "true"])
    assert "--prompt" in capsys.readouterr().err


def test_the_small_model_warns_of_grammars_that_are_not_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    json_grammar = tmp_path / "list.lark"
    json_grammar.write_text('start: "[" NUMBER "]"\nNUMBER: /[0-9]/\n')
    common = ["generate", "-o", "device=cpu", "--max-tokens", "8", "--prompt", "3 lamps"]
    digit = tmp_path / "digit.gbnf"
    digit.write_text("root ::= [0-9]\n")

    def warned(*language: str) -> int:
        monkeypatch.setattr(model_cards, "_WARNED", set())
        with warnings.catch_warnings(record=True) as found:
            warnings.simplefilter("always")
            assert run(*common, *language).exit_code == 0
        return sum(one.category is ModelWarning for one in found)

    assert warned("--grammar", str(digit)) == 1
    assert warned("--grammar", str(json_grammar)) == 0
    assert warned("--regex", "[0-9]") == 1


def test_a_document_of_a_type_may_have_its_keys_in_any_order(tmp_path: Path) -> None:
    (tmp_path / "d.json").write_text('{"denominator":\n2, "numerator": 1}')
    assert run("check", "--type", f"{__name__}:Ratio", str(tmp_path / "d.json")).exit_code == 0


@dataclass
class Ratio:
    numerator: int
    denominator: int


def test_explain_reads_a_type_of_python() -> None:
    shown = run("explain", "--type", "datetime:date")
    assert shown.exit_code == 0 and shown.stdout.startswith("datetime:date: JSON Schema")
    assert max(map(len, shown.stdout.splitlines())) < 400
    wrong = run("explain", "--type", "datetime:date", "--schema", "true")
    assert wrong.exit_code == 2 and "--type: Only one of" in wrong.stderr
    assert "free text" in run("explain", "--type", "builtins:str").stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_complete_commands(
    shell: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    of_words = {"COMP_WORDS": "structgen ch", "COMP_CWORD": "1", "_TYPER_COMPLETE_ARGS": "structgen ch"}
    for name, value in {**of_words, "_TYPER_COMPLETE_FISH_ACTION": "get-args"}.items():
        monkeypatch.setenv(name, value)
    for wanted, told in (("complete", "check"), ("source", "_STRUCTGEN_COMPLETE")):
        monkeypatch.setenv("_STRUCTGEN_COMPLETE", f"{wanted}_{shell}")
        with pytest.raises(SystemExit):
            app()(prog_name="structgen")
        assert told in capsys.readouterr().out


def test_the_command_line_tells_the_log_of_first_compilations_off_a_terminal() -> None:
    code = """
import logging, sys
sys.argv = ["structgen", "--version"]
from structgen.doors.cli import main
assert logging.getLogger("structgen").level == logging.NOTSET
try:
    main()
except SystemExit:
    pass
from structgen.base.native.machine_code import tell_compiling
tell_compiling()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert without_waits(done.stderr).startswith("structgen: compiling the inner loops to machine code")
