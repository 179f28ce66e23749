"""The worked example at the door of the liveness of Lark grammars is true."""

from __future__ import annotations

from textwrap import dedent

import numpy as np
import pytest
from lark.indenter import Indenter

import structgen as sg
from structgen.grammars.lark_grammars import liveness
from structgen.grammars.lark_grammars.compiled.compiled_lark import CompiledLark
from structgen.grammars.lark_grammars.liveness.lark_liveness import LINE, PLAIN

assert liveness.__doc__ is not None
GRAMMAR = dedent(
    liveness.__doc__[liveness.__doc__.index("    start:") : liveness.__doc__.index("- *Context*")]
)
BYTES = sg.Tokenizer.from_bytes([*(bytes((one,)) for one in range(256)), None], eos_token_id=256)


class Blocks(Indenter):
    NL_type, INDENT_type, DEDENT_type, tab_len = "_NL", "_INDENT", "_DEDENT", 8
    OPEN_PAREN_types, CLOSE_PAREN_types = ["OPEN"], ["CLOSE"]


@pytest.fixture(scope="module")
def machine() -> CompiledLark:
    return CompiledLark(sg.lark(GRAMMAR, postlex=Blocks()), BYTES, None, False)


def frame_behind(machine: CompiledLark, text: bytes) -> int:
    """Return the topmost frame behind a text."""
    ((place, _lexeme, _column),) = machine.readings_of_state(machine.bytes_index(machine.start.index, text))
    answers = machine.answers
    stack = answers.liveness._frames.frames_of_stack(answers._parser_stack(place))
    assert stack is not None
    return int(stack[-1])


def test_contexts_carries_kinds_and_letters_are_those_of_the_example(machine: CompiledLark) -> None:
    letters, lexer = machine.answers.letters, machine.answers.lexer
    names = [one.name for one in machine.grammar.tables.terminals]
    newline = names.index("_NL")
    ignored = min(machine.grammar.tables.ignored_terminals)
    assert letters.rows.contexts == 5
    assert letters._separators == {
        lexer.classes[byte]: frozenset(range(5) if byte == ord(" ") else ()) for byte in b"\n \t"
    }
    assert len(letters.kinds) == 3 and letters.unsettled_bits == 0
    assert lexer.carry_after(letters.kinds[2], lexer.classes[ord(" ")]) < 0
    assert lexer.carry_after(letters.kinds[2], lexer.classes[ord("\n")]) < 0
    assert lexer.carry_after(letters.kinds[2], lexer.classes[ord("b")]) >= 0
    others = (names.index(one) for one in ("$END", "NAME", "EQUAL", "OPEN", "CLOSE"))
    assert {*letters.letters} == {*((one, 0) for one in others), (ignored, 0), (newline, 2)}
    ((_place, state, _column),) = machine.readings_of_state(machine.bytes_index(machine.start.index, b"a"))
    ((terminal, carry),) = lexer.states[state].ends
    assert names[terminal] == "NAME" and carry not in letters.kinds and lexer.carries[carry].guards
    told = [letters.letters[one] for one in letters.classes[letters.class_of(state)]]
    assert told == [(terminal, 0)]


def test_frames_exits_and_boundaries_are_those_of_the_example(machine: CompiledLark) -> None:
    liveness, tables, letters = machine.answers.liveness, machine.grammar.tables, machine.answers.letters
    names, frames = [one.name for one in tables.terminals], liveness._frames
    assert (len(tables.actions), len(frames.state)) == (16, 21)
    opened = [frame_behind(machine, text) for text in (b"a=b", b"a=(b", b"a=((b", b"a=(((b")]
    assert frames.brackets[opened].tolist() == [0, 1, 2, 2]
    assert set(map(len, frames.at.tolist())) == {3}
    kinds = len(letters.kinds)
    behind_line = liveness.boundary[letters.letters.index((names.index("_NL"), 2))]
    assert divmod(behind_line, kinds) == (LINE, 2)
    assert liveness.boundary[letters.letters.index((names.index("NAME"), 0))] == PLAIN * kinds
    for text, following in ((b"a=(b", ["_NL", "CLOSE"]), (b"a=((b", ["CLOSE"])):
        frame, letter = frame_behind(machine, text), letters.letters.index((names.index("NAME"), 0))
        variable = liveness._letter_variable[frame, letter]
        first, last = liveness._exit_at[frames.state[frame] : frames.state[frame] + 2]
        assert last - first == 1
        origin, depth = (liveness._parser[name][first] for name in ("exit_origin", "exit_depth"))
        assert (tables.nonterminals[origin], depth) == ("value", 0)
        (row,) = liveness._values[liveness._parser["value_at"][variable] :][:1]
        bits = np.unpackbits(row.view(np.uint8), bitorder="little")
        assert [names[liveness._terminal[one]] for one in np.flatnonzero(bits)] == following


def test_each_boundary_that_texts_of_the_example_reach_is_certain(machine: CompiledLark) -> None:
    liveness = machine.answers.liveness
    line = LINE * len(machine.answers.letters.kinds) + 2
    for text, boundary in ((b"a=", 0), (b"a=b", 0), (b"a=(b", 0), (b"a=(b)", 0), (b"a=b\nc", line)):
        frame = frame_behind(machine, text)
        state, is_inside = liveness._frames.state[frame], int(liveness._frames.brackets[frame] > 0)
        assert liveness.certain[state, boundary, is_inside]
    with pytest.raises(sg.errors.GrammarError, match="accepts no text"):
        sg.compile(sg.lark('start: A "a"\nA: /a+/\n'), BYTES)
