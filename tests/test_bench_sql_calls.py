"""bench/sql_calls.py: its questions and its judge. And the law behind it: whatever a model writes into a
parameter that is SQL, SQLite's own parser takes, in a format with JSON and in one with raw strings."""

from __future__ import annotations

import random
import sqlite3
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pydantic")

import structgen as sg

sys.path.insert(0, str(Path(__file__).parents[1] / "bench"))

from sql_calls import is_sql, message, questions, run_query

SQLITE = pytest.mark.skipif(
    sqlite3.sqlite_version_info < (3, 39), reason="the grammar is that of SQLite 3.39 and later"
)
TOKENIZER = Path(__file__).parent / "data/bpe/tokenizer.json"
FORMATS = ["hermes", "qwen_3_coder"]


def test_each_question_is_another_one() -> None:
    assert len(set(questions(200))) == 200
    assert questions(200)[:20] == questions(20)


@pytest.mark.parametrize(
    ("query", "parsed", "explained"),
    [
        ("SELECT name FROM customers WHERE age > 3", True, True),
        ("SELECT name FROM customers; DELETE FROM orders;", True, True),
        ("EXPLAIN SELECT 1", True, True),
        ("SELECT name FROM nobody", True, False),
        ("SELECT 1; SELECT colour FROM customers", True, False),
        ("SELECT name FROM", False, False),
        ("SELECT name FROM customers WHERE WHERE", False, False),
        ("SELECT 1; SELEC 1", False, False),
        ("SELECT 'a", False, False),
        ("", False, True),
    ],
)
def test_a_name_that_is_not_there_is_no_fault_of_syntax(query: str, parsed: bool, explained: bool) -> None:
    assert is_sql(query) is parsed
    assert (not message(query)) is explained


def drawn(compiled: Any, chance: random.Random, most: int) -> str:
    """Return a text of random allowed tokens, completed after `most` of them."""
    state, text = compiled.start, b""
    for _ in range(most):
        tokens = [token for token in compiled.allowed(state) if compiled.tokenizer.token_bytes[token]]
        if not tokens:
            break
        token = chance.choice(tokens)
        text += compiled.tokenizer.token_bytes[token]
        state = compiled.step(state, token)
    return (text + compiled.completion(state)).decode()


@SQLITE
@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("count", [4, pytest.param(400, marks=pytest.mark.slow)])
def test_sqlite_takes_the_query_of_each_random_call(format: str, count: int) -> None:
    chance = random.Random(format)
    tools = sg.tools([run_query], format=format, tool_choice="required", parallel=False)
    compiled = sg.compile(tools, sg.Tokenizer.from_huggingface(TOKENIZER))
    for size in range(count):
        text = drawn(compiled, chance, 10 + size % 30)
        (call,) = sg.parse_calls(text, format=format, tools=[run_query]).calls
        assert set(call.value()) == {"query", "limit"}
        assert is_sql(call.value()["query"]), text
