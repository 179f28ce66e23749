"""Help fits 80 columns in a dumb terminal, has a line a command, and examples below each."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import click
import pytest
from command_line import GROUP, commanded
from for_each import for_each

from structgen.doors.cli import EXAMPLES, SUMMARIES

DUMB = {"TERM": "dumb", "NO_COLOR": "1"}


def shown(*arguments: str, columns: int = 80) -> list[str]:
    found = commanded(*arguments, "--help", env=DUMB, terminal_width=columns)
    assert found.exit_code == 0
    return found.stdout.splitlines()


@pytest.mark.parametrize("columns", [60, 80])
def test_each_command_has_one_whole_line(columns: int) -> None:
    lines = shown(columns=columns)
    for name, summary in SUMMARIES.items():
        assert [line.split(None, 1) for line in lines if line.startswith(f"  {name} ")] == [[name, summary]]
    assert len(SUMMARIES) == len(GROUP.commands)


@for_each("columns", [60, 80])
@for_each("command", [[], *([name] for name in SUMMARIES), ["store", "clear"]])
def test_no_line_is_longer_than_the_terminal(command: list[str], columns: int) -> None:
    assert max(map(len, shown(*command, columns=columns))) <= columns


@for_each("command", SUMMARIES)
def test_paragraphs_reflow_and_examples_stand_below(command: str) -> None:
    lines = shown(command)
    assert "  Examples:" in lines
    text = lines[2 : next(at for at, line in enumerate(lines) if line in ("Arguments:", "Options:"))]
    # a line that ends early ends its paragraph: the next word would not have fitted
    for line, after in pairwise(text):
        if line.strip() and after.strip():
            assert len(line) + 1 + len(after.split()[0]) > 78, (line, after)


@for_each("command", EXAMPLES)
def test_the_options_of_the_examples_exist(command: str) -> None:
    for example in EXAMPLES[command]:
        words = shlex.split(example.replace("\\\n", " ").partition("<")[0])
        assert words[0] == "structgen"
        found: click.Command = GROUP.commands[words[1]]
        if hasattr(found, "commands") and len(words) > 2:
            found = found.commands[words[2]]
        known = {name for parameter in found.params for name in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= known


ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Make a folder with the files that the examples name, for all of them in order: some read what another
    one wrote. The inner loops are there already, and the cache folder is its own."""
    folder = tmp_path_factory.mktemp("examples")
    order = (ROOT / "examples/order.schema.json").read_text()
    for name, text in {
        "order.schema.json": order,
        "a.json": (ROOT / "examples/order.json").read_text(),
        "b.json": (ROOT / "examples/order.json").read_text(),
        "year.txt": "2026",
        "query.lark": 'start: "select " NAME\nNAME: /[a-z]+/',
        "tools.json": (ROOT / "examples/tools.json").read_text(),
        "letter.txt": "Ada Brook, 36, lives in Leeds.",
        "people.py": "import pydantic\n\n\nclass Person(pydantic.BaseModel):\n    name: str\n",
        "in.jsonl": '"Ada bought 3 lamps."\n{"prompt": "Bob bought a chair."}\n',
        "requests.jsonl": '{"custom_id": "1", "url": "/v1/completions", "body": {"prompt": "Ada"}}',
        "person.schema.json": (ROOT / "examples/person.schema.json").read_text(),
        "form.txt": '{"name": {who}, "age": 36, "city": {city}}',
        "tokenizer.json": (ROOT / "tests/data/bpe/tokenizer.json").read_text(),
    }.items():
        (folder / name).write_text(text)
    (folder / "schemas").mkdir()
    (folder / "schemas/order.json").write_text(order)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("STRUCTGEN_CACHE", str(folder / "cache"))
        patch.setattr("structgen.doors.cli.warmup.compile_all", lambda *_, **__: None)
        yield folder


SLOW = ("maskbench", "warmup --tokenizer", "structgen sample --schema", "sample-report")
"""Examples that are run with the slow tests: they start processes, or fill tables."""


def examples() -> Iterator[Any]:
    for command, found in EXAMPLES.items():
        if command == "serve":
            continue  # it runs until it is stopped: test_serve_command.py
        for number, one in enumerate(found):
            marks = [pytest.mark.slow] if any(word in one for word in SLOW) else []
            yield pytest.param(one, id=f"{command} {number}", marks=marks)


@pytest.mark.parametrize("example", list(examples()))
def test_each_example_runs_as_it_stands(files: Path, example: str) -> None:
    if "llguidance" in example:
        pytest.importorskip("llguidance")
    command, _, source = example.replace("\\\n", " ").partition("<")
    given = (files / source.strip()).read_text() if source else None
    found = commanded(*shlex.split(command)[1:], input=given)
    assert found.exit_code == 0, found.output
    if "datetime:date" in example:
        assert found.stdout == '"2026-05-04"\n'
    if " infill " in example:
        assert found.stdout == '{"name": "Ada Lovelace", "age": 36, "city": "London"}\n'


def test_the_examples_stand_in_the_help_as_they_are() -> None:
    for command, examples in EXAMPLES.items():
        told = "\n".join(line.strip() for line in shown(command, columns=60))
        for example in examples:
            assert "\n".join(line.strip() for line in example.splitlines()) in told
