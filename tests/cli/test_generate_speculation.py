"""`structgen generate` with guesses: the same texts, what they cost, and options that exclude each other."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

pytest.importorskip("torch")

SCHEMA = {
    "type": "object",
    "properties": {"customer": {"type": "string"}, "paid": {"type": "boolean"}},
    "required": ["customer", "paid"],
    "additionalProperties": False,
}
OLD = '{"customer": "Zorvik", "paid": false}'


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Return what runs the command in a folder with a schema and a text to edit."""
    from structgen.cli import app

    (tmp_path / "order.json").write_text(json.dumps(SCHEMA))
    (tmp_path / "old.json").write_text(OLD)
    monkeypatch.chdir(tmp_path)
    base = ["generate", "--model", "structgen/extract", "--prompt", "Zorvik has paid."]
    return lambda *arguments, **more: CliRunner().invoke(app(), [*base, *arguments], **more)


@pytest.mark.parametrize(
    "options",
    [["-o", "speculation=auto"], ["-o", "edit=old.json"], ["-o", "draft_model=structgen/extract-draft"]],
    ids=lambda options: options[0],
)
def test_the_text_is_that_of_plain_decoding(run: Callable[..., Any], options: list[str]) -> None:
    plain = run("--schema", "order.json", "-o", "speculation=off")
    drafted = run("--schema", "order.json", *options)
    assert drafted.exit_code == 0, drafted.output
    assert drafted.stdout == plain.stdout == '{"customer": "Zorvik", "paid": true}\n'


def test_the_text_to_edit_may_come_from_standard_input(run: Callable[..., Any]) -> None:
    assert run("--schema", "order.json", "-o", "edit=-", input=OLD).exit_code == 0


def test_usage_is_told_beside_the_text_and_in_json(run: Callable[..., Any]) -> None:
    done = run("--schema", "order.json", "-o", "usage=true")
    assert "tokens, " in done.stderr and "calls of the model" in done.stderr
    assert done.stdout == '{"customer": "Zorvik", "paid": true}\n'
    usage = json.loads(run("--schema", "order.json", "--json").stdout)["usage"]
    assert set(usage) == {
        "prompt_tokens",
        "tokens",
        "calls",
        "tokens_per_call",
        "drafted",
        "accepted",
        "speculation",
    }
    assert usage["tokens"] > 5
    assert usage["tokens_per_call"] == pytest.approx(usage["tokens"] / usage["calls"], abs=1e-3)


def test_a_file_of_prompts_may_go_on_with_other_guesses(run: Callable[..., Any]) -> None:
    """Guesses change no document, so that the results are of the same run."""
    from structgen.cli import app

    Path("prompts").write_text('"Zorvik has paid."\n"Bo has not paid."\n')
    command = ["bulk", "--schema", "order.json", "--prompts", "prompts", "--out", "out"]
    first = CliRunner().invoke(app(), [*command, "-o", "speculation=off"])
    assert first.exit_code == 0, first.output
    whole = Path("out").read_text()
    Path("out").write_text(whole.splitlines(keepends=True)[0])
    more = ["-o", "edit=old.json", "-o", "draft_model=structgen/extract-draft"]
    second = CliRunner().invoke(app(), [*command, *more])
    assert second.exit_code == 0, second.output
    assert sorted(Path("out").read_text().splitlines()) == sorted(whole.splitlines())


def test_a_file_of_prompts_is_not_begun_with_a_wrong_draft_model(run: Callable[..., Any]) -> None:
    from structgen.cli import app

    Path("prompts").write_text('"Zorvik has paid."\n')
    command = ["bulk", "--prompts", "prompts", "--out", "out", "-o", "draft_model=no/folder"]
    done = CliRunner().invoke(app(), command)
    assert done.exit_code == 2 and not Path("out").exists()
