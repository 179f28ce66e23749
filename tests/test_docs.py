"""What docs/ shows is what happens: the corners of JSON Schema, and every piece of code with its output."""

from __future__ import annotations

import contextlib
import io
import json
import re
import shlex
from dataclasses import fields
from importlib.util import find_spec
from pathlib import Path

import jsonschema_rs
import pytest
from typer.testing import CliRunner

import structgen as sg
from structgen.cli import app
from structgen.cli.tokens import byte_tokenizer

ROOT = Path(__file__).parent.parent
SCHEMAS = (ROOT / "docs/json-schema.md").read_text(encoding="utf-8")
GRAMMARS = (ROOT / "docs/grammars.md").read_text(encoding="utf-8")
LIMITS = (ROOT / "docs/limits.md").read_text(encoding="utf-8")
COMPOSITION = (ROOT / "docs/composition.md").read_text(encoding="utf-8")
CORNERS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in SCHEMAS.partition("## Corners")[2].partition("\n## ")[0].splitlines()
    if line.startswith("| `{")
]


def test_the_corners_are_read() -> None:
    assert len(CORNERS) > 15


@pytest.mark.parametrize(("schema", "documents", "said"), CORNERS)
def test_corners(schema: str, documents: str, said: str) -> None:
    value = json.loads(schema.strip("`"))
    grammar = sg.json_schema(value, **sg.WIDEST)
    if said.startswith("refused"):
        with pytest.raises(sg.UnsatisfiableSchema):
            sg.compile(grammar, byte_tokenizer())
        return
    compiled = sg.compile(grammar, byte_tokenizer())
    texts = re.findall("`([^`]+)`", documents)
    assert texts and said.startswith(("valid", "not valid"))
    for text in texts:
        state = compiled.step_bytes(compiled.start, text.encode())
        accepted = state is not None and compiled.accepts_end(state)
        assert accepted is said.startswith("valid"), text
        assert jsonschema_rs.validator_for(value).is_valid(json.loads(text)) is accepted, text


SAMPLERS = (ROOT / "docs/samplers.md").read_text(encoding="utf-8")
SPECULATION = (ROOT / "docs/speculation.md").read_text(encoding="utf-8")
PAGES = {
    "json-schema": SCHEMAS,
    "limits": LIMITS,
    "grammars": GRAMMARS,
    "composition": COMPOSITION,
    "samplers": SAMPLERS,
    "speculation": SPECULATION,
}


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
def test_code_prints_what_is_shown(page: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    shown = re.findall(r"```python\n(.*?)```\n```\n(.*?)```", page, re.S)
    assert shown
    for code, output in shown:
        if "sg.Engine" in code and find_spec("torch") is None:
            continue
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(code, "docs", "exec"), {})
        assert printed.getvalue() == output


def test_check_of_a_grammar_prints_what_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    block = re.search(r"\$ structgen (check --grammar [^\n]*)\n(.*?)```", GRAMMARS, re.S)
    assert block is not None
    assert CliRunner().invoke(app(), block[1].split()).stdout == block[2]


def test_generate_with_guesses_prints_what_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")
    monkeypatch.chdir(ROOT)
    shown = re.findall(r"\$ structgen (generate [^\n]*)\n(.*?\n)(?=\$|```)", SPECULATION, re.S)
    assert len(shown) == 2
    for command, output in shown:
        assert CliRunner().invoke(app(), shlex.split(command)).stdout == output


def test_every_option_of_speculation_is_described_with_its_default() -> None:
    rows = re.findall(r"^\| `(\w+)` \| `?([^|`]+)`? \|", SPECULATION, re.M)
    told = {name: default for name, default in rows if name in sg.Speculation.__dataclass_fields__}
    for field in fields(sg.Speculation):
        assert told[field.name].strip() == repr(field.default).replace("'", '"')


def test_every_limit_is_described_with_its_default() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| ([^|]+) \|", LIMITS, re.M))
    for field in fields(sg.Limits):
        shown = rows[field.name].strip()
        assert shown == (f"{field.default:,}" if isinstance(field.default, int) else f'`"{field.default}"`')
