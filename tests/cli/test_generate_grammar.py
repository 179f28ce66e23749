"""`structgen generate --grammar`: what a model writes is a text that lark accepts, within any budget."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import lark
import pytest
from typer.testing import CliRunner

from structgen.cli import app
from structgen.system.resources import grammar

pytest.importorskip("torch")

SUM = grammar("arithmetic")
PARSER = lark.Lark(SUM.read_text(encoding="utf-8"), parser="lalr", lexer="contextual")
PROMPT = ["-o", "device=cpu", "--prompt", "Zorvik ordered 3 lamps and 2 chairs."]


def generate(*arguments: str) -> Any:
    return CliRunner().invoke(app(), ["generate", "--grammar", str(SUM), *arguments])


@pytest.mark.parametrize("budget", [1, 2, 7, 40])
def test_a_text_is_accepted_within_its_budget(budget: int) -> None:
    done = generate(
        *PROMPT, "--temperature", "1", "--n", "3", "--seed", "5", "--json", "--max-tokens", str(budget)
    )
    assert done.exit_code == 0
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(found) == 3
    for one in found:
        PARSER.parse(one["text"])
        assert one["tokens"] <= budget


def test_a_stream_is_the_text() -> None:
    plain, streamed = (generate(*PROMPT, "--max-tokens", "12", *more) for more in ([], ["--stream"]))
    assert plain.stdout == streamed.stdout
    PARSER.parse(plain.stdout.rstrip("\n"))


def test_a_file_of_prompts_is_worked_through(tmp_path: Path) -> None:
    prompts, out = tmp_path / "prompts.jsonl", tmp_path / "out.jsonl"
    prompts.write_text('"one and two"\n"three"\n', encoding="utf-8")
    files = ["--prompts", str(prompts), "--out", str(out), "--grammar", str(SUM)]
    done = CliRunner().invoke(app(), ["bulk", "-o", "device=cpu", *files, "--max-tokens", "9"])
    assert done.exit_code == 0
    texts = [json.loads(line)["text"] for line in out.read_text(encoding="utf-8").splitlines()]
    assert len(texts) == 2
    for text in texts:
        PARSER.parse(text)


def test_banned_texts_stand_nowhere_in_the_document() -> None:
    schema = Path(__file__).parents[2] / "examples" / "lamp.schema.json"
    lamp = ["--schema", str(schema), "-o", "device=cpu", "--prompt", "Zorvik took a big lamp."]
    plain, banned = (
        CliRunner().invoke(app(), ["generate", *lamp, *more])
        for more in ([], ["-o", "without=Zorv", "-o", "without=size"])
    )
    assert "Zorv" in json.loads(plain.stdout)["customer"]
    assert banned.exit_code == 2  # the key "size" is required
    banned = CliRunner().invoke(app(), ["generate", *lamp, "-o", "without=Zorv"])
    assert "Zorv" not in json.loads(banned.stdout)["customer"]
