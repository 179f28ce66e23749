"""`structgen check` and `structgen generate` with --regex and rules, as a person meets them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from structgen.cli import app


def check(text: str, *options: str) -> Result:
    return CliRunner().invoke(app(), ["check", *options], input=text)


def test_a_text_is_held_to_a_regular_expression() -> None:
    assert check("2024-01", "--regex", r"\d{4}-\d{2}").exit_code == 0
    result = check("2024/01", "--regex", r"\d{4}-\d{2}")
    assert result.exit_code == 1
    assert '1:5 (byte 4): "/" cannot come here' in result.stdout
    assert "a text that /" in result.stdout


def test_a_line_feed_at_the_end_is_named() -> None:
    """The hint is there only if the line feed is the only fault; the pattern that it proposes is right."""
    told = check("2024\n", "--regex", "[0-9]{4}").stdout
    assert "The text ends in a line feed. Remove it" in told
    assert told.splitlines()[-1].endswith(r"[0-9]{4}\n?")
    assert check("2024\n", "--regex", r"[0-9]{4}\n?").exit_code == 0
    assert check("a\n", "--regex", "a|b").stdout.endswith("(?:a|b)\\n?\n")
    for other in ("2024\n2025\n", "202\n", "2024 \n"):
        assert "line feed" not in check(other, "--regex", "[0-9]{4}").stdout


def test_a_text_is_held_to_rules(tmp_path: Path) -> None:
    rules = tmp_path / "list.gbnf"
    rules.write_text('root ::= item ("," item)*\nitem ::= [0-9]+', "utf-8")
    assert check("1,23,4", "--grammar", str(rules)).exit_code == 0
    result = check("1,,4", "--grammar", str(rules), "--json")
    assert result.exit_code == 1
    said = json.loads(result.stdout)
    assert (said["byte"], said["expected"][0]["what"]) == (2, "/[0-9]+/")
    assert check("7", "--grammar", str(rules), "-o", "start=item").exit_code == 0


def test_a_model_writes_what_matches(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    rules = tmp_path / "list.gbnf"
    rules.write_text('root ::= "<" [a-z]{2,5} ">"', "utf-8")
    prompt = ["generate", "-o", "device=cpu", "--prompt", "two lamps", "--max-tokens", "20"]
    for options, pattern in (
        (["--regex", r"[A-C]{3}-\d+"], r"[A-C]{3}-\d+"),
        (["--grammar", str(rules)], "<[a-z]{2,5}>"),
    ):
        result = CliRunner().invoke(app(), [*prompt, *options])
        assert result.exit_code == 0, result.stderr
        assert re.fullmatch(pattern, result.stdout.rstrip("\n"))
    assert CliRunner().invoke(app(), [*prompt, "--regex", "a", "--grammar", str(rules)]).exit_code == 2
