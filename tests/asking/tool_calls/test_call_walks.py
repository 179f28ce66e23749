"""Random walks over the masks of every format: what the grammar lets through is read back, by two readers."""

from __future__ import annotations

import random
import sys
from pathlib import Path
from typing import Any

import plain_reader
import pytest
from for_each import for_each
from reply_texts import faults

import structgen as sg
from structgen.asking.tool_calls.format_rows import FORMATS

BENCH = str(Path(__file__).parents[3] / "bench")
sys.path.insert(0, BENCH)
try:
    import bench_tool_formats as bench
finally:
    sys.path.remove(BENCH)

SCHEMAS = {"search": bench.SEARCH, "move": bench.MOVE}


def some_of(brief: list[str]) -> list[Any]:
    """Return all formats, of which those that are not named are slow."""
    return [one if one in brief else pytest.param(one, marks=pytest.mark.slow) for one in FORMATS]


def read_twice(text: str, format: str) -> list[Any]:
    """Return the calls that structgen reads, which are those that the plain reader reads."""
    reply = bench.read_back(text, FORMATS[format], False)
    calls = [(call.name, dict(call.arguments)) for call in reply.calls]
    assert calls == plain_reader.PlainReader(text, format, SCHEMAS).calls(), text
    return calls


def walker_of(format: str, choice: str, parallel: Any = True, thinking: Any = False) -> Any:
    grammar = bench.grammar_of(FORMATS[format], choice, parallel, thinking)
    return bench.Walker(grammar, bench.vocabulary(FORMATS[format]))


@for_each("format", FORMATS)
def test_walks_are_read_back_by_both_readers(format: str) -> None:
    """Of a call that is required, and of one that is completed where it was half written; every third format
    may also call nothing."""
    choices = ["required", *(["auto"] if [*FORMATS].index(format) % 3 == 0 else [])]
    for choice in choices:
        walker = walker_of(format, choice)
        assert read_twice(walker.draw(random.Random(f"{format} {choice}")), format) or choice == "auto"
    compiled = walker_of(format, "required").compiled if choices[1:] else walker.compiled
    whole = compiled.completion(compiled.start)
    begun = whole[: len(whole) // 2]
    text = begun + compiled.completion(compiled.step_bytes(compiled.start, begun))
    assert len(bench.read_back(text.decode(), FORMATS[format], False).calls) == 1


@pytest.mark.slow
@pytest.mark.parametrize("format", FORMATS)
def test_walks_are_read_back_by_both_readers_whole(format: str) -> None:
    for choice in bench.CHOICES:
        for parallel in (True, False, 2):
            walker = walker_of(format, choice, parallel)
            source = random.Random(f"{format} {choice} {parallel}")
            for _ in range(20):
                calls = read_twice(walker.draw(source), format)
                assert len(calls) <= {True: 10**9, False: 1, 2: 2}[parallel]
                assert calls or choice == "auto"


THINKING = [name for name, row in FORMATS.items() if row.thinking]


@for_each("format", THINKING)
def test_walks_with_thoughts_are_read_back(format: str) -> None:
    thinking = (True, "auto")[THINKING.index(format) % 2]
    text = walker_of(format, "required", False, thinking).draw(random.Random(format))
    assert len(bench.read_back(text, FORMATS[format], thinking).calls) == 1


@pytest.mark.parametrize("count", [6, pytest.param(60, marks=pytest.mark.slow)])
@pytest.mark.parametrize("format", some_of(["qwen_3_coder", "deepseek_v3_1", "harmony"]))
def test_texts_of_xgrammar_are_ours_and_ours_are_its(format: str, count: int) -> None:
    pytest.importorskip("xgrammar")
    if format not in bench.peers() or format in ("gemma", "function_gemma"):
        pytest.skip("xgrammar does not build it, or writes it otherwise")
    outcome = bench.Outcome(format)
    bench.compared(outcome, format, count, 1)
    assert [row["texts"] >= count for row in outcome.rows.values()] == [True, True]
    assert outcome.faults == []


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
KINDS = 'either inner flag rows deep "s" any names word null "flag" "rows" "any"'.split()


@pytest.mark.parametrize("count", [1, pytest.param(25, marks=pytest.mark.slow)])
@pytest.mark.parametrize("format", some_of(["hermes", "qwen_3_coder", "gemma"]))
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
