"""Help fits 80 columns in a dumb terminal, has a line a command, and examples below each."""

from __future__ import annotations

import shlex
from itertools import pairwise

import click
import pytest
from typer.main import get_command
from typer.testing import CliRunner

from structgen.cli import EXAMPLES, SUMMARIES, app

DUMB = {"TERM": "dumb", "COLUMNS": "80", "NO_COLOR": "1"}


def shown(*arguments: str) -> list[str]:
    found = CliRunner().invoke(app(), [*arguments, "--help"], env=DUMB)
    assert found.exit_code == 0
    return found.stdout.splitlines()


def test_each_command_has_one_whole_line() -> None:
    lines = shown()
    for name, summary in SUMMARIES.items():
        assert [line.split(None, 1) for line in lines if line.startswith(f"  {name} ")] == [[name, summary]]
    assert len(SUMMARIES) == len(get_command(app()).commands)  # type: ignore[attr-defined]


@pytest.mark.parametrize("command", [[], *([name] for name in SUMMARIES), ["store", "clear"]], ids=" ".join)
def test_no_line_is_longer_than_eighty_columns(command: list[str]) -> None:
    assert max(map(len, shown(*command))) <= 80


@pytest.mark.parametrize("command", SUMMARIES)
def test_paragraphs_reflow_and_examples_stand_below(command: str) -> None:
    lines = shown(command)
    assert "  Examples:" in lines
    text = lines[2 : next(at for at, line in enumerate(lines) if line in ("Arguments:", "Options:"))]
    # a line that ends early ends its paragraph: the next word would not have fitted
    for line, after in pairwise(text):
        if line.strip() and after.strip():
            assert len(line) + 1 + len(after.split()[0]) > 78, (line, after)


@pytest.mark.parametrize("command", EXAMPLES)
def test_the_options_of_the_examples_exist(command: str) -> None:
    group = get_command(app())
    for example in EXAMPLES[command]:
        words = shlex.split(example.replace("\\\n", " ").partition("<")[0])
        assert words[0] == "structgen"
        found: click.Command = group.commands[words[1]]  # type: ignore[attr-defined]
        if hasattr(found, "commands") and len(words) > 2:
            found = found.commands[words[2]]
        known = {name for parameter in found.params for name in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= known
