"""The states of lexemes that were kept: a lexer that goes on from them does what the first one does, with
states that were met and with others."""

from __future__ import annotations

import numpy as np
import pytest
from test_lexeme_rows import GRAMMARS, tables_of

from structgen.lark_grammars.lexer import kept_lexemes
from structgen.lark_grammars.lexer.contextual_lexer import Lexer
from structgen.lark_grammars.lexer.kept_lexemes import decode_lexemes, encode_lexemes
from structgen.lark_grammars.lexer.lexemes import DEAD
from structgen.native.array_file import DamagedArrays, decode_arrays, encode_arrays

pytestmark = pytest.mark.filterwarnings("error::structgen.errors.StoreWarning")
"""A kept file that is whole is never told to be damaged."""
_MOST = 300


def local(name: str) -> Lexer:
    lexer = Lexer(tables_of(name))
    if not lexer.is_local:
        pytest.skip("its lexemes ask what was before them")
    return lexer


def hold(first: Lexer, lexer: Lexer, starts: list[int]) -> None:
    """Assert that two lexers do the same, from the same states on; new ones may have other numbers."""
    pairs = dict.fromkeys((start, start) for start in starts)
    pending = list(pairs)
    for at in range(_MOST):
        if at == len(pending):
            return
        one, other = pending[at]
        assert lexer.states[other] == first.states[one]
        row = list(zip(first.row(one), lexer.row(other), strict=True))
        assert all(here.sources == there.sources for here, there in row)
        met = [(here.after, there.after) for here, there in row]
        assert all(min(pair) >= 0 or pair[0] == pair[1] for pair in met)
        pending += [pair for pair in dict.fromkeys(met) if min(pair) >= 0 and pair not in pairs]
        pairs |= dict.fromkeys(met)
        assert lexer.end(other) == first.end(one)
        assert lexer.viable_terminals(other) == first.viable_terminals(one)
        here, there = lexer.without_slot(other), first.without_slot(one)
        assert min(here, there) >= 0 or here == there == DEAD
        assert here == DEAD or lexer.states[here] == first.states[there]
        assert lexer.endings(other, 32) == first.endings(one, 32)


@pytest.mark.parametrize("met", [0, 3])
@pytest.mark.parametrize("name", [*GRAMMARS, "json", "sql", "python", "python (lark's)"])
def test_a_lexer_goes_on_from_states_that_were_kept(name: str, met: int) -> None:
    first = local(name)
    starts = [first.start(one, first.initial_look_behind()) for one in range(len(first.tables.contexts))]
    first.explore(starts, met)
    kept = encode_lexemes(first, "more", [1])
    second, third = Lexer(first.tables), Lexer(first.tables)
    assert decode_lexemes(kept, second) == ["more", [1]]
    # what nobody has asked for is handed on
    decode_lexemes(encode_lexemes(second), third)
    for lexer in (second, third):
        assert lexer.starts == first.starts
        assert lexer.states == first.states
    for lexer in (second, third):
        hold(first, lexer, starts)


@pytest.mark.parametrize("missing", ["items", "said", "starts"])
def test_an_array_that_is_missing_is_damage(missing: str) -> None:
    first = local("json")
    arrays = decode_arrays(encode_lexemes(first), kept_lexemes._KIND, "").arrays
    del arrays[missing]
    data = np.frombuffer(b"".join(encode_arrays(kept_lexemes._KIND, "", {}, arrays)), np.uint8)
    with pytest.raises(DamagedArrays):
        decode_lexemes(data, Lexer(first.tables))
