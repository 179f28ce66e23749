"""`structgen generate --tools FILE`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

pytest.importorskip("torch")
pytest.importorskip("pydantic")

ROOT = Path(__file__).parents[2]
PROMPT = ["--prompt", "What is the weather in Oslo?"]
CALL = '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Oslo"}}\n</tool_call>\n'


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Return what runs the command in a folder that holds the tools."""
    from structgen.cli import app

    (tmp_path / "tools.json").write_text((ROOT / "examples/tools.json").read_text())
    (tmp_path / "broken.json").write_text('[\n {"name": }]')
    (tmp_path / "twice.json").write_text('{"tools": [{"name": "f"}, {"name": "f"}]}')
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(app(), ["generate", *arguments])


REQUIRED = ["--tools", "tools.json", "-o", "tool_choice=required", "-o", "parallel=false"]


@pytest.mark.parametrize("more", [[], ["--stream"]])
def test_the_reply_is_printed_as_it_was_written(run: Callable[..., Any], more: list[str]) -> None:
    done = run(*REQUIRED, *PROMPT, *more)
    assert (done.exit_code, done.stdout) == (0, CALL), done.stderr
    assert "was not trained for tools" in done.stderr


def test_json_has_texts_and_calls_apart(run: Callable[..., Any]) -> None:
    found = json.loads(run(*REQUIRED, *PROMPT, "--json").stdout)
    assert found["calls"] == [{"id": "call_0", "name": "get_weather", "arguments": {"city": "Oslo"}}]
    assert (found["texts"], found["text"], found["error"]) == (["", ""], CALL.strip(), None)


def test_the_name_of_a_tool_a_format_and_tools_on_the_command_line(run: Callable[..., Any]) -> None:
    tools = '[{"name": "first"}, {"name": "second", "parameters": {"type": "object", "properties": {}}}]'
    done = run("--tools", tools, "-o", "tool_choice=second", "-o", "tool_format=llama", *PROMPT)
    assert json.loads(done.stdout) == {"name": "second", "parameters": {}}


def test_none_is_text(run: Callable[..., Any]) -> None:
    done = run("--tools", "tools.json", "-o", "tool_choice=none", *PROMPT, "--json", "--max-tokens", "20")
    assert json.loads(done.stdout)["calls"] == []


def test_the_budget_closes_the_call(run: Callable[..., Any]) -> None:
    done = run(*REQUIRED, "--prompt", "Rio " * 60, "--max-tokens", "60", "--json")
    found = json.loads(done.stdout)
    assert done.exit_code == 0 and len(found["calls"]) == 1
    assert found["usage"]["tokens"] <= 60


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--tools", "absent.json"], "--tools: absent.json: No such file"),
        (["--tools", "broken.json"], "broken.json, line 2, column 11: It is no JSON"),
        (["--tools", "twice.json"], "twice.json, tools/1/name: A second tool is called 'f'"),
        (["--tools", "[3]"], "--tools, tools/0: A int is no tool"),
        (["--tools", "tools.json", "-o", "tool_choice=clock"], "-o tool_choice: No tool is called 'clock'"),
        (["--tools", "tools.json", "-o", "parallel=some"], "-o parallel: parallel is 'some'"),
        (["--tools", "tools.json", "-o", "tool_format=herms"], "-o tool_format: .*Write 'hermes'"),
        (["--tools", "tools.json", "--regex", "a"], "--regex: It has no meaning beside --tools"),
        (["--tools", "tools.json", "-o", "stop=a"], "-o stop: It has no meaning beside --tools"),
        (["-o", "tool_choice=auto"], "-o tool_choice: It needs tools"),
    ],
)
def test_bad_input_is_told_with_its_place(run: Callable[..., Any], arguments: list[str], said: str) -> None:
    import re

    done = run(*arguments, *PROMPT)
    assert done.exit_code == 2 and re.search(said, done.stderr), done.stderr
