"""A grammar that spells the text of a special token is told that the token exists."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import structgen as sg
from structgen.decoding.runs.resources import embedded_model

TAG = {
    "type": "structural_tag",
    "format": {
        "type": "tag",
        "begin": "[TOOL_CALLS]",
        "content": {"type": "regex", "pattern": "a"},
        "end": "",
    },
}


@pytest.fixture
def engine(tmp_path: Path) -> sg.Engine:
    shutil.copytree(embedded_model("structgen/extract"), tmp_path, dirs_exist_ok=True)
    file = tmp_path / "tokenizer.json"
    value = json.loads(file.read_text())
    value["added_tokens"][-1]["content"] = "[TOOL_CALLS]"
    file.write_text(json.dumps(value))
    engine = sg.Engine("structgen/extract")
    engine.name = str(tmp_path)
    return engine


@pytest.mark.parametrize(
    "grammar",
    [
        sg.structural_tag(TAG),
        "[TOOL_CALLS]" + sg.regex("a"),
        sg.regex(r"(?:\[TOOL_CALLS\])?a"),
        sg.ebnf('root ::= "[TOOL_CALLS]" [a-z]'),
        sg.lark('start: "[TOOL_CALLS]" /[a-z]/'),
    ],
    ids=["tag", "text", "regex", "ebnf", "lark"],
)
def test_a_tag_that_spells_a_special_token_warns_with_its_id(engine: sg.Engine, grammar: sg.Grammar) -> None:
    with pytest.warns(UserWarning, match=r"spells '\[TOOL_CALLS\]' .* write sg\.special\(\d+\)"):
        engine.compiled(grammar)


def test_another_tag_warns_of_nothing(engine: sg.Engine, recwarn: pytest.WarningsRecorder) -> None:
    engine.compiled("[TOOL_CALL]" + sg.regex("a"))
    assert not recwarn.list
