"""The instructions of a lexer's patterns as arrays: a lexer made of them does what one does that has read the
patterns."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_lexeme_rows import GRAMMARS, tables_of

from structgen.automata.unicode.charsets import union
from structgen.automata.unicode.utf8 import DONE, ByteNode, interned, node_of
from structgen.lark_grammars.lexer.contextual_lexer import Lexer
from structgen.lark_grammars.lexer.regex_instructions import runs_of

_LAST = 0x10FFFF
CHARACTERS = st.lists(st.tuples(st.integers(0, _LAST), st.integers(0, 5000)), min_size=1, max_size=6)


def lexers(name: str) -> tuple[Lexer, Lexer]:
    """Return a lexer that reads the patterns of a grammar, and one that has them from the first."""
    tables = tables_of(name)
    own = replace(tables, patterns=None)
    return Lexer(own), Lexer(replace(tables, patterns=Lexer(own).patterns()))


@pytest.mark.parametrize("name", [*GRAMMARS, "json", "sql", "python"])
def test_a_lexer_goes_on_from_kept_patterns(name: str) -> None:
    first, second = lexers(name)
    contexts = range(len(first.tables.contexts))
    assert second.classes == first.classes
    assert second.is_local == first.is_local
    starts = [
        [lexer.start(one, lexer.initial_look_behind()) for one in contexts] for lexer in (first, second)
    ]
    assert starts[0] == starts[1]
    for lexer in (first, second):
        lexer.explore(starts[0], 300)
    assert second.states == first.states
    assert [second.row(state) for state in starts[0]] == [first.row(state) for state in starts[0]]


@pytest.mark.parametrize("name", ["json", "sql", "python"])
def test_what_is_known_of_instructions_is_kept(name: str) -> None:
    first, second = lexers(name)
    count = len(second.tables.patterns.code) if second.tables.patterns else 0
    assert count == first.program.code.count > 0
    for one in ("reach", "node_of", "match_of"):
        said = [[getattr(lexer.program, one)(at) for at in range(count)] for lexer in (first, second)]
        assert said[0] == said[1]
    assert all(second.program.code[at] == first.program.code[at] for at in range(count))
    assert second.shortest_lengths() == first.shortest_lengths()
    made = zip(first.patterns(), second.patterns(), strict=True)
    assert all(map(np.array_equal, *zip(*made, strict=True)))


def test_an_instruction_that_is_not_there_is_an_error() -> None:
    _first, second = lexers("json")
    with pytest.raises(KeyError):
        second.program.code[second.program.code.count]
    with pytest.raises(KeyError):
        second.program.code[-1]


@given(CHARACTERS)
def test_a_node_is_that_of_its_runs(some: list[tuple[int, int]]) -> None:
    pending: list[ByteNode] = [node_of(union((low, min(low + size, _LAST)) for low, size in some))]
    while pending:
        node = pending.pop()
        assert interned(tuple(runs_of(node))) is node
        pending += [after for after in set(node.after) if after is not None and after is not DONE]
