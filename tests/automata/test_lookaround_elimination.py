"""Look-arounds eliminated from programs: the strings are those of a backtracking matcher, and of Node."""

from __future__ import annotations

import itertools
import json
import random
import shutil
import subprocess

import pytest
from regex_twin import matches
from string_reader import StringReader

import structgen as sg
from structgen.automata.programs.instructions import Program
from structgen.automata.programs.lookaround_elimination import without_lookarounds
from structgen.automata.programs.thompson_construction import compile_pattern
from structgen.errors import RegexError
from structgen.language.ir import Pattern

_TEXTS = ["".join(letters) for size in range(6) for letters in itertools.product("ab-", repeat=size)]


def _pattern(draw: random.Random, depth: int = 0) -> str:
    kind = draw.random()
    if depth > 3 or kind < 0.3:
        return draw.choice(["a", "b", "-", ".", "[ab]", r"\b", r"\B", "^", "$", "", "a{2}", r"\w"])
    inner = _pattern(draw, depth + 1)
    if kind < 0.55:
        return inner + _pattern(draw, depth + 1)
    if kind < 0.7:
        return f"(?:{inner}){draw.choice(['*', '+', '?', '{1,2}', '{2,}'])}"
    if kind < 0.78:
        return f"(?:{inner}|{_pattern(draw, depth + 1)})"
    return f"({draw.choice(['?=', '?!', '?<=', '?<!'])}{inner})"


def _patterns(seed: int, count: int) -> list[str]:
    draw = random.Random(seed)
    found = (
        f"{draw.choice(['^', ''])}{_pattern(draw)}{_pattern(draw)}{draw.choice(['$', ''])}"
        for _ in range(count)
    )
    return sorted(set(found))


class Reader(StringReader):
    def __init__(self, source: str) -> None:
        super().__init__(Pattern(source))


@pytest.mark.parametrize("seed", range(3))
def test_patterns_mean_what_node_says(seed: int) -> None:
    if shutil.which("node") is None:
        pytest.skip("node, whose RegExp is the oracle, is not installed")
    script = (
        'const [ps, ts] = JSON.parse(require("fs").readFileSync(0, "utf8"));'
        "const row = (p) => { try { const r = new RegExp(p, 'u'); return ts.map((t) => r.test(t)); }"
        " catch (e) { return null; } }; process.stdout.write(JSON.stringify(ps.map(row)));"
    )
    patterns, texts = _patterns(seed, 60), _TEXTS[::3]
    done = subprocess.run(
        ["node", "-e", script],
        input=json.dumps([patterns, texts]),
        capture_output=True,
        text=True,
        check=True,
    )
    for pattern, row in zip(patterns, json.loads(done.stdout), strict=True):
        if row is None:
            continue
        try:
            reader = Reader(pattern)
        except RegexError as error:
            assert "look-behind" in str(error)
            continue
        assert [reader.accepts(text) for text in texts] == row, pattern


def test_a_backtracking_matcher_agrees() -> None:
    seen = 0
    for pattern in _patterns(7, 120):
        try:
            tree = compile_pattern(pattern)
            if not isinstance(tree, Program) or not tree.looks:
                continue
            plain = without_lookarounds(tree)
        except RegexError:
            continue
        assert not plain.looks
        seen += 1
        reader = Reader(pattern)
        for text in _TEXTS[::7]:
            assert reader.accepts(text) == matches(pattern, text), (pattern, text)
    assert seen > 30


def test_counts_beside_a_look_ahead_are_not_unrolled() -> None:
    tree = compile_pattern(r"^(.{1,63}\.){1,127}(?![0-9]*$)[a-z0-9-]+\.?$")
    assert isinstance(tree, Program)
    plain = without_lookarounds(tree)
    assert len(plain.code) < 100


@pytest.mark.parametrize(
    "pattern",
    [
        "a(?=(?:.*b){200})(?=(?:.*c){200})b.*",
        "(" + "|".join(f"a(?=.*{letter}.*a)" for letter in "mnopqrstuvwx") + ")*",
        "(.(?=.{1000}b))*c",
    ],
)
def test_look_arounds_that_multiply_are_refused_by_name(pattern: str) -> None:
    tokenizer = sg.Tokenizer.from_bytes([*(bytes((byte,)) for byte in range(256)), None], 256)
    with pytest.raises(sg.LimitError, match=r"look-arounds .* multiply.*Make the counts") as caught:
        sg.compile(sg.regex(pattern), tokenizer, store=False)
    assert caught.value.limit == "automaton_states"
