"""Random walks over the masks of every format: what the grammar lets through is read back, by two readers."""

from __future__ import annotations

import random
import sys
from pathlib import Path
from typing import Any

import plain_reader
import pytest
from reply_texts import faults

import structgen as sg
from structgen.tool_calls.format_rows import FORMATS

BENCH = str(Path(__file__).parents[2] / "bench")
sys.path.insert(0, BENCH)
try:
    import bench_tool_formats as bench
finally:
    sys.path.remove(BENCH)

SCHEMAS = {"search": bench.SEARCH, "move": bench.MOVE}


def read_twice(text: str, format: str) -> list[Any]:
    """Return the calls that structgen reads, which are those that the plain reader reads."""
    reply = bench.read_back(text, FORMATS[format], False)
    calls = [(call.name, dict(call.arguments)) for call in reply.calls]
    assert calls == plain_reader.PlainReader(text, format, SCHEMAS).calls(), text
    return calls


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("choice", ["auto", "required"])
def test_walks_are_read_back_by_both_readers(format: str, choice: str) -> None:
    grammar = bench.grammar_of(FORMATS[format], choice, True, False)
    walker = bench.Walker(grammar, bench.vocabulary(FORMATS[format]))
    source = random.Random(f"{format} {choice}")
    found = [read_twice(walker.draw(source), format) for _ in range(2)]
    assert choice == "auto" or all(found)


@pytest.mark.parametrize("format", [name for name, row in FORMATS.items() if row.thinking])
def test_walks_with_thoughts_are_read_back(format: str) -> None:
    for thinking in (True, "auto"):
        grammar = bench.grammar_of(FORMATS[format], "required", False, thinking)
        walker = bench.Walker(grammar, bench.vocabulary(FORMATS[format]))
        reply = bench.read_back(walker.draw(random.Random(format)), FORMATS[format], thinking)
        assert len(reply.calls) == 1


@pytest.mark.slow
@pytest.mark.parametrize("format", FORMATS)
def test_many_walks_are_read_back_by_both_readers(format: str) -> None:
    for choice in bench.CHOICES:
        for parallel in (True, False, 2):
            grammar = bench.grammar_of(FORMATS[format], choice, parallel, False)
            walker = bench.Walker(grammar, bench.vocabulary(FORMATS[format]))
            source = random.Random(f"{format} {choice} {parallel}")
            for _ in range(20):
                calls = read_twice(walker.draw(source), format)
                assert len(calls) <= {True: 10**9, False: 1, 2: 2}[parallel]
                assert calls or choice == "auto"


@pytest.mark.parametrize("format", ["qwen_3", "qwen_3_coder", "deepseek_v3_1", "harmony"])
def test_texts_of_xgrammar_are_ours_and_ours_are_its(format: str) -> None:
    pytest.importorskip("xgrammar")
    for row in bench.compared(format, 12, 1):
        assert row["texts"] and row["refused"] == []


@pytest.mark.slow
@pytest.mark.parametrize("format", [name for name in FORMATS if name not in ("gemma", "function_gemma")])
def test_many_texts_of_xgrammar_are_ours_and_ours_are_its(format: str) -> None:
    pytest.importorskip("xgrammar")
    if format not in bench.peers():
        pytest.skip("xgrammar does not build it")
    for row in bench.compared(format, 60, 2):
        assert row["texts"] and row["refused"] == []


@pytest.mark.parametrize("format", FORMATS)
def test_a_half_written_call_is_completed_to_a_call(format: str) -> None:
    tokens = bench.vocabulary(FORMATS[format])
    walker = bench.Walker(bench.grammar_of(FORMATS[format], "required", False, False), tokens)
    start = walker.compiled.start
    whole = walker.compiled.completion(start)
    half = walker.compiled.step_bytes(start, whole[: len(whole) // 2])
    text = whole[: len(whole) // 2] + walker.compiled.completion(half)
    assert len(bench.read_back(text.decode(), FORMATS[format], False).calls) == 1


EVERY = {
    "type": "object",
    "properties": {
        "either": {"type": ["string", "integer", "null"]},
        "inner": {
            "type": "object",
            "properties": {
                "flag": {"type": ["boolean", "null"]},
                "rows": {"type": "array", "items": {"type": "array", "items": {"type": ["number", "null"]}}},
                "deep": {
                    "type": "object",
                    "properties": {"s": {"type": ["string", "null"]}},
                    "additionalProperties": False,
                },
            },
            "additionalProperties": False,
        },
        "any": {
            "anyOf": [{"type": "object"}, {"type": "null"}, {"type": "array", "items": {"type": "string"}}]
        },
        "names": {"type": "object", "additionalProperties": {"type": "string"}},
        "word": {"enum": ["null", "5", "true", "[1]", ""]},
    },
    "required": ["either", "inner"],
    "additionalProperties": False,
}
KINDS = [
    "either",
    "inner",
    "flag",
    "rows",
    "deep",
    '"s"',
    "any",
    "names",
    "word",
    "null",
    '"flag"',
    '"rows"',
    '"any"',
]


BRIEF = ("hermes", "qwen_3_coder", "gemma")
"""Formats of three styles of arguments."""


@pytest.mark.parametrize("count", [1, pytest.param(25, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "format", [one if one in BRIEF else pytest.param(one, marks=pytest.mark.slow) for one in FORMATS]
)
def test_walks_of_every_type_are_read_back(format: str, count: int) -> None:
    """Draw texts whose arguments are of every type, read them back, and cut them anywhere."""
    tools = [{"type": "function", "function": {"name": "search", "parameters": EVERY}}]
    grammar = sg.tools(tools, format=format, tool_choice="required", parallel=2)
    walker = bench.Walker(grammar, list(dict.fromkeys([*bench.vocabulary(FORMATS[format]), *KINDS])))
    source = random.Random(f"every {format}")
    for _ in range(count):
        text = walker.draw(source)
        reply = sg.parse_calls(text, format, tools=tools)
        assert reply.calls and reply.complete and not reply.problems, text
        assert FORMATS[format].text or reply.text.strip() == ""
        for call in reply.calls:
            call.value()  # raises for arguments that the schema refuses
        assert list(faults(text, format, tools, step=1 + len(text) // 60)) == []
