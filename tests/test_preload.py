"""`sg.preload`: after it, a first compilation loads neither a module nor machine code."""

from __future__ import annotations

import forked
import pytest
from long_waits import without_waits

import structgen as sg

USES = {
    "json": """sg.json_schema({"properties": {"a": {"type": "string", "pattern": "^a"}}}), b'{"a": "ab"}'""",
    "lark": "sg.lark('start: WORD+\\nWORD: /[a-z]+/\\n%ignore / +/'), b'ab cd'",
    "text": "sg.regex('(ab)+|c'), b'abab'",
}
LATER = """
import sys
import structgen as sg
import structgen.base.native.jit as jit

sg.preload(KIND)
loaded = []
jit.load = loaded.append
before = set(sys.modules)
tokenizer = sg.Tokenizer.from_bytes([bytes([i]) for i in range(256)] + [None], eos_token_id=256)
grammar, text = USE
compiled = sg.compile(grammar, tokenizer)
matcher, mask = sg.Matcher(compiled), sg.allocate_mask(1, 257)
for token in text:
    matcher.fill_mask(mask)
    matcher.advance(token)
matcher.fill_mask(mask)
print(sorted(set(sys.modules) - before), loaded)
"""


@pytest.mark.parametrize("kind", USES)
def test_a_first_compilation_afterwards_loads_nothing(kind: str) -> None:
    code = LATER.replace("KIND", repr(kind)).replace("USE", USES[kind])
    done = forked.run(code, ahead=forked.NUMPY)
    assert (done.stdout, without_waits(done.stderr)) == ("[] []\n", "")


def test_a_tokenizer_gets_its_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    tokenizer = sg.Tokenizer.from_bytes([bytes([i]) for i in range(256)] + [b"ab", None], eos_token_id=257)
    sg.preload("json", tokenizer=tokenizer)
    monkeypatch.setattr("structgen.tokens.vocabulary.Vocabulary._read_or_build", None)
    sg.compile(sg.json_schema(True), tokenizer)


def test_another_kind_is_refused() -> None:
    with pytest.raises(sg.errors.OptionError, match="Name some of 'json', 'lark', 'text', or none for all"):
        sg.preload("regex")  # type: ignore[arg-type]


def test_something_else_than_a_tokenizer_is_refused() -> None:
    with pytest.raises(sg.errors.OptionError, match="from_huggingface"):
        sg.preload("json", tokenizer="gpt2")  # type: ignore[arg-type]


def test_the_old_option_of_processes_warns_and_changes_nothing() -> None:
    with pytest.warns(FutureWarning, match="jobs of sg.preload has no effect") as caught:
        sg.preload("text", jobs=2)
    assert caught[0].filename == __file__
