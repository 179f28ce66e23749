"""Automata of recursive grammars, cut at a depth: every text that is short of the depth, and no other."""

from __future__ import annotations

import itertools

import lark
import numpy as np
import pytest
from enumerated import accepts
from for_each import for_each
from toy_models import byte_tokenizer as tokenizer
from toy_models import filled

import structgen as sg
from structgen.decoding.infilling.automata_of_grammars import STACKS, language_of
from structgen.decoding.infilling.token_automaton import token_automaton
from structgen.machines.core.compiled import CompiledGrammar


def stated(compiled: CompiledGrammar, text: bytes) -> bool:
    state: sg.core.State | None = compiled.start
    for byte in text:
        state = None if state is None else compiled.step_bytes(state, bytes((byte,)))
    return state is not None and compiled.accepts_end(state)


GRAMMARS = {
    "ebnf": (lambda: sg.ebnf('root ::= "(" root? ")" | "x" | root ";" root'), b"(x;)"),
    "lark": (lambda: sg.lark('start: "(" start ")" | "[" (start ";")* "]"'), b"(;[])"),
    "characters": (lambda: sg.lark('start: "(" start ")" | "x"', lexer="characters"), b"(x)"),
}


@pytest.mark.parametrize("name", GRAMMARS)
def test_a_cut_automaton_takes_every_text_below_its_depth_and_no_other(name: str) -> None:
    make, alphabet = GRAMMARS[name]
    compiled = sg.compile(make(), tokenizer(), store=False)
    taken: dict[int, set[bytes]] = {}
    for depth in (2, 4, 6):
        automaton = token_automaton(compiled.to_dfa(5_000, depth, minimal=True))
        taken[depth] = {
            text
            for size in range(6)
            for letters in itertools.product(alphabet, repeat=size)
            if accepts(automaton, list(text := bytes(letters)))
        }
        assert all(stated(compiled, text) for text in taken[depth])
    assert taken[2] <= taken[4] <= taken[6] and taken[2] < taken[6]
    short = {
        text
        for size in range(4)
        for letters in itertools.product(alphabet, repeat=size)
        if stated(compiled, text := bytes(letters))
    }
    assert short <= taken[6]


ROUND = 'start: "(" start? ")" | "[" start? "]"'
TREE = {"type": "array", "items": {"$ref": "#"}, "maxItems": 1}
PARTS = {
    "sequence": (sg.lark(ROUND), lambda part: sg.sequence("x", part, "y"), lambda text: b"x" + text + b"y"),
    "sequence of a schema": (
        sg.json_schema(TREE, whitespace="compact"),
        lambda part: sg.sequence("x", part),
        lambda text: b"x" + text,
    ),
    "either": (sg.lark(ROUND), lambda part: sg.either("x", part), lambda text: text),
    "repetition": (sg.lark(ROUND), lambda part: sg.sequence(part, part), lambda text: b"()" + text),
    "intersection": (
        sg.ebnf('root ::= "(" root? ")" | "[" root? "]"'),
        lambda part: part & sg.regex(r"[()\[\]]{0,12}"),
        lambda text: text,
    ),
    "without": (sg.lark(ROUND), lambda part: sg.without(part, ["x"]), lambda text: text),
    "in a string": (sg.lark('start: "(" start? ")"'), sg.in_json_string, lambda text: b'"' + text + b'"'),
    "bound": (
        sg.lark(ROUND),
        lambda part: sg.lark('start: "x" T\n%declare T', bind={"T": part}),
        lambda text: b"x" + text,
    ),
    "rules with a bound terminal": (
        sg.lark(ROUND + ' | "x"'),
        lambda part: sg.lark(ROUND + " | T\n%declare T", bind={"T": sg.literal("x")}),
        lambda text: text,
    ),
}


@for_each("name", PARTS)
def test_a_depth_cuts_a_part_as_it_cuts_the_grammar_by_itself(name: str) -> None:
    part, compose, written = PARTS[name]
    whole = language_of(compose(part), tokenizer(), "grammar", depth=3)
    alone = language_of(part, tokenizer(), "grammar", depth=3).automaton
    texts = [bytes(one) for size in range(1, 9) for one in itertools.product(b"([", repeat=size // 2)]
    texts = [one + bytes({40: 41, 91: 93}[byte] for byte in reversed(one)) for one in texts]
    taken = [accepts(alone, list(one)) for one in texts]
    assert any(taken) and not all(taken)
    assert [accepts(whole.automaton, list(written(one))) for one in texts] == taken
    assert whole.exactness == "depth<=3"


@pytest.mark.parametrize("name", GRAMMARS)
def test_without_a_depth_a_recursive_grammar_is_cut_at_one_or_refused_with_the_cure(name: str) -> None:
    make, _ = GRAMMARS[name]
    found = language_of(make(), tokenizer(), "grammar", max_states=300)
    (depth,) = (one for one in STACKS if found.exactness == f"depth<={one}")
    cut = language_of(make(), tokenizer(), "grammar", depth=depth).automaton
    assert np.array_equal(found.automaton.transitions, cut.transitions)
    with pytest.raises(sg.errors.OptionError, match=r"no automaton of at most 1 states.*Set depth="):
        language_of(make(), tokenizer(), "grammar", max_states=1)


def test_a_lark_grammar_without_recursion_has_an_automaton() -> None:
    grammar = sg.lark('start: WORD ("," WORD)*\nWORD: /[a-c]+/\n%ignore " "')
    compiled = sg.compile(grammar, tokenizer(), store=False)
    automaton = token_automaton(compiled.to_dfa(5_000, minimal=True))
    for size in range(6):
        for letters in itertools.product(b"a, ", repeat=size):
            assert accepts(automaton, list(letters)) == stated(compiled, bytes(letters))


@pytest.mark.parametrize(
    "schema",
    [
        {"enum": ["ab", "abc", 12, [1, None]]},
        {"anyOf": [{"type": "integer", "minimum": 5, "maximum": 60}, {"const": [5]}]},
    ],
)
def test_a_minimal_automaton_takes_the_same_tokens(schema: dict[str, object]) -> None:
    compiled = sg.compile(sg.json_schema(schema, whitespace="compact"), tokenizer(), store=False)
    whole, minimal = compiled.to_dfa(5_000), compiled.to_dfa(5_000, minimal=True)
    assert len(minimal) < len(whole)
    pairs = {(0, 0)}
    pending = [(0, 0)]
    while pending:
        one, other = pending.pop()
        assert whole.accepting[one] == minimal.accepting[other]
        for token in range(tokenizer().vocab_size):
            after = whole.step(one, token), minimal.step(other, token)
            assert (after[0] < 0) == (after[1] < 0)
            if after[0] >= 0 and after not in pairs:
                pairs.add(after)
                pending.append(after)
    assert len({other for _, other in pairs}) == len(minimal)


def test_a_grammar_with_special_tokens_has_no_automaton() -> None:
    grammar = sg.sequence(sg.literal("a"), sg.special(tokenizer().vocab_size - 2))
    with pytest.raises(sg.errors.OptionError, match="special tokens"):
        language_of(grammar, tokenizer(), "grammar")


@pytest.mark.parametrize("scheduler", ["auto", "left-to-right"])
def test_what_is_infilled_under_a_cut_grammar_is_parsed_by_lark(scheduler: str) -> None:
    source = 'start: "[" [start (", " start)*] "]" | NUMBER\nNUMBER: /[1-9][0-9]?/'
    grammar, parser = sg.lark(source), lark.Lark(source, parser="lalr")
    for seed in range(4):
        options = {"slots": 20, "length": "exact", "depth": 6, "temperature": 1.0}
        found = filled(grammar=grammar, seed=seed, scheduler=scheduler, **options)
        parser.parse(found.text)
        assert found.exactness == "depth<=6" and found.text.count("[") > 0
