"""Counted parts that may be empty: simplified and ranked, their automata are small, and so is the work, which
is counted in steps while it is done."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest
from regex_twin import ends

import structgen as sg
from structgen.automata.numbers.number_pool import NumberPool
from structgen.automata.regex.ecma_syntax import parse_ecma
from structgen.automata.strings import formula_automata, string_pool, threads
from structgen.automata.strings import patterns as pattern_automata
from structgen.automata.strings.automata import Automaton
from structgen.automata.strings.patterns import automaton_of
from structgen.automata.strings.string_pool import StringPool
from structgen.base.language.ir import Any_, Length, Pattern, Spec
from structgen.base.language.number_ranges import interval
from structgen.base.limits import DEFAULT, Limits
from structgen.base.system.public_calls import THIS_CALL, Stop, WorkStopped
from structgen.doors.serving.served_model import LIMITS
from structgen.errors import LimitError, UnsatisfiableSchema
from structgen.tokens.tokenizer import byte_tokenizer

BYTES = byte_tokenizer()
FEW = replace(LIMITS, oracle_steps=LIMITS.oracle_steps // 5)
BODIES = "a? a?b? a?|b? a?(?:b|c?) (?:a?b?){3} a|aa a?|bc (?:ab?){0,2} a*b? (?:a?b){0,2}c?".split()
COUNTS = ["{%d}", "{0,%d}", "{2,%d}"]
LARGE = [f"^(?:{body}){count % 500}$" for body in BODIES for count in COUNTS]
NESTED = [
    f"^(?:(?:{body}){inner}){outer}$"
    for body in BODIES
    for inner, outer in (("{0,20}", "{25}"), ("{20}", "{0,25}"), ("{3}|c{5}", "{25}"))
]
CLASS = LARGE + NESTED
"""Sixty patterns: counted optional parts, unions, counts in counts."""


def drawn(draw: random.Random, depth: int) -> str:
    kind = draw.random()
    if not depth or kind < 0.2:
        return draw.choice(["a", "b", "c", "[ab]", "aa", "ab"])
    parts = [drawn(draw, depth - 1) for _ in range(draw.randint(2, 3))]
    if kind < 0.6:
        return f"(?:{'|'.join(parts)})" if kind < 0.4 else "".join(parts)
    least = draw.randint(0, 3)
    most = max(1, least + draw.randint(0, 3))
    counts = ["?", "?", "*", "+", f"{{{least},{most}}}", f"{{{most}}}", f"{{0,{most}}}", f"{{{least},}}"]
    return f"(?:{parts[0]}){draw.choice(counts)}"


def same(one: Automaton, other: Automaton) -> bool:
    return np.array_equal(one.trans, other.trans) and np.array_equal(one.accept, other.accept)


@pytest.mark.parametrize("seed", range(3))
def test_a_pattern_means_the_same_written_out_and_to_re(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    draw = random.Random(seed)
    texts = ["".join(draw.choices("abc", k=draw.randint(0, 6))) for _ in range(40)]
    sources = []
    for _ in range(120):
        look, end = draw.choice(["", "", "", "(?=a|b)"]), draw.choice(["", "", "", "(?:^|a)?"])
        body = f"{look}{drawn(draw, 3)}{end}"
        sources.append(draw.choice([f"^(?:{body})$", f"^(?:{body})$", body]))
    made = [automaton_of(parse_ecma(source)) for source in sources]
    monkeypatch.setattr(pattern_automata, "simplify_tree", lambda tree: tree)
    monkeypatch.setattr(threads.PatternInstructions, "_rank_copies", lambda self, copies: None)
    for source, one in zip(sources, made, strict=True):
        assert same(one, automaton_of(parse_ecma(source))), source
        found = re.compile(source.replace("$", r"\Z"))
        for text in texts:
            assert bool(one.outcome_of(text)) == (found.search(text) is not None), (source, text)


@pytest.mark.parametrize(
    ("source", "states"),
    [
        ("^(a?){5000}$", 5_001),
        ("^(a?b?){3000}$", 6_001),
        ("^(a|aa){4000}$", 8_001),
        ("^((a?){70}){70}$", 4_901),
        ("^(a?|b?|cd){1500}$", None),
        ("^((a?b?){60}c?){40}$", None),
        ("^" + "a?" * 3000 + "$", 3_001),
    ],
)
def test_what_has_a_small_minimal_automaton_is_no_matter_of_the_count(
    source: str, states: int | None
) -> None:
    with THIS_CALL.begin_call(LIMITS):
        made = automaton_of(parse_ecma(source))
    assert made.states == states or states is None


def forget() -> None:
    """Have nothing held of the calls before."""
    for held in (formula_automata.HELD, string_pool.HELD):
        held.clear()
    string_pool._free_string.cache_clear()


def is_made_within_the_steps_of_a_request(source: str) -> None:
    draw = random.Random(source)
    with THIS_CALL.begin_call(LIMITS):
        pool = StringPool(LIMITS)
        state = pool.start(Spec((Pattern(source),)), min)
        assert THIS_CALL.spent < LIMITS.oracle_steps // 2
    tree = parse_ecma(source)
    for size in (1, 2, 3, 5, 9, 30, 70):
        text = "".join(draw.choices("abc", draw.choice([(9, 1, 0), (3, 3, 0), (4, 1, 1)]), k=size))
        at = state
        for byte in text.encode():
            at = int(pool.trans[at, byte]) if at >= 0 else at
        assert (at >= 0 and pool.outcome[at] >= 0) == (len(text) in ends(tree, text, {0})), text


def has_one_answer_and_its_steps_where_its_parts_are_held(source: str) -> None:
    more = ({"maxLength": 40}, {"minLength": 3}, {"not": {"pattern": "cc"}})[CLASS.index(source) % 3]
    value = {"type": "string", "pattern": source, **more}
    whole = {"type": "object", "properties": {"k": value}, "required": ["k"]}
    schema = sg.json_schema(whole, limits=LIMITS)
    answers = []
    for _ in range(2):
        try:
            sg.compile(schema, BYTES, store=False, first_mask=False)
            answers.append((THIS_CALL.spent, ""))
        except UnsatisfiableSchema:
            answers.append((THIS_CALL.spent, "no document"))
    assert answers[0] == answers[1]
    assert 0 < answers[0][0] <= LIMITS.oracle_steps


@pytest.mark.parametrize("sources", [CLASS[1::4], pytest.param(CLASS, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "law", [is_made_within_the_steps_of_a_request, has_one_answer_and_its_steps_where_its_parts_are_held]
)
def test_a_pattern_of_the_class(law: Callable[[str], None], sources: list[str]) -> None:
    for source in sources:
        forget()
        law(source)


HARD = [
    "^(.(?=.{1000}b))*c",
    "^(ab|abab){4000}$",
    "^" + "a?b?" * 400 + "$",
    "^(" + "|".join(f"w{at * 7919 % 9973}x{at}" for at in range(300)) + "){60}$",
    "".join(chr(0x4E00 + at) for at in range(9_000)),
]


@pytest.mark.parametrize("source", HARD)
def test_what_takes_more_is_refused_by_name_within_the_steps(source: str) -> None:
    few = replace(LIMITS, oracle_steps=LIMITS.oracle_steps // 20)
    with THIS_CALL.begin_call(few), pytest.raises(LimitError) as caught:
        StringPool(few).start(Spec((Pattern(source),)), min)
    assert caught.value.limit in ("oracle_steps", "automaton_states")
    assert THIS_CALL.spent <= few.oracle_steps


def test_the_strings_of_one_call_share_its_steps_and_equal_parts_count_once() -> None:
    def spent(*specs: Spec) -> int:
        with THIS_CALL.begin_call(FEW):
            pool = StringPool(FEW)
            for spec in specs:
                pool.start(spec, min)
        return THIS_CALL.spent

    pattern = Pattern("^(a?b?){400}$")
    alone, bounded = Spec((pattern,)), Spec((pattern, Length(2, 40)))
    assert spent(alone) == spent(alone, alone)
    assert spent(alone) < spent(alone, bounded) < 2 * spent(bounded)
    many = [Spec((Pattern(f"^(a?b?){{{400 + at}}}$"),)) for at in range(200)]
    for _ in range(2):
        with pytest.raises(LimitError, match=r"within the work of one call") as caught:
            spent(*many)
        assert caught.value.limit == "oracle_steps" and THIS_CALL.spent == FEW.oracle_steps


def test_a_stop_ends_the_work_at_its_next_step() -> None:
    stop, steps = Stop(), []
    work = THIS_CALL.count_work

    def counted(numbers: int) -> None:
        work(numbers)
        steps.append(numbers)
        if len(steps) == 3:
            stop.set()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(THIS_CALL), "count_work", lambda _self, numbers: counted(numbers))
        with pytest.raises(WorkStopped):
            THIS_CALL.run_until(stop, lambda: automaton_of(parse_ecma("^(a?b?){3000}$")))
    assert len(steps) == 3
    assert not THIS_CALL.stop.flag[0]


@pytest.mark.parametrize("count", [2, 3, 8])
def test_bounds_of_numbers_cost_as_many_steps_where_they_are_held(count: int) -> None:
    bounds = (interval(Decimal(at) / 4 - 3, Decimal(at)) for at in range(count))
    spec, limits = Spec((Any_(tuple(bounds)),)), Limits(number_chars=4_000 + count)
    forget()
    spent = []
    for _ in range(3):
        with THIS_CALL.begin_call(LIMITS):
            for _ in range(2):  # in one call it counts once
                NumberPool("bounded", limits).start(spec, min)
        spent.append(THIS_CALL.spent)
    assert spent == [spent[0]] * 3
    assert spent[0] > 0


GRAMMARS = {
    "schema": lambda limits: sg.json_schema(
        {"type": "string", "pattern": "^(ab){3}c?xyz{4}$"}, limits=limits
    ),
    "listed": lambda limits: sg.json_schema({"enum": [f"word {at}" for at in range(90)]}, limits=limits),
    "numbers": lambda limits: sg.json_schema({"multipleOf": 7, "not": {"multipleOf": 9}}, limits=limits),
    "regex": lambda limits: sg.regex("(ax){9}c*d{2,8}(u|v){9}", limits=limits),
    "choice": lambda limits: sg.choice([f"word {at}" for at in range(90)], limits=limits),
    "ebnf": lambda limits: sg.ebnf('root ::= [a-z]{5,40} "b" root | "q"{3,9}', limits=limits),
    "characters": lambda limits: sg.lark(
        "start: A B\nA: /[a-z]{4}x{3,9}/\nB: /x{3}y*z/", lexer="characters", limits=limits
    ),
}


@pytest.mark.parametrize("before", GRAMMARS)
def test_the_limits_of_a_call_are_those_of_its_grammar_and_not_of_the_call_before(before: str) -> None:
    one_step = Limits(oracle_steps=1)
    for kind, make in GRAMMARS.items():
        with pytest.raises(LimitError) as caught:
            sg.compile(GRAMMARS[before](one_step), BYTES, store=False)
        assert caught.value.limit == "oracle_steps"
        assert sg.compile(make(None), BYTES, store=False).limits == DEFAULT, kind


@pytest.mark.parametrize("body", ["a", "[ab]c", "ab|c"])
def test_each_nesting_of_plus_adds_as_many_instructions_as_the_one_before(body: str) -> None:
    pattern, sizes = body, []
    for depth in range(9):
        pattern = f"(?:(?:{pattern})+{chr(ord('d') + depth)})"
        instructions = threads.PatternInstructions()
        instructions.emit_node(parse_ecma(pattern), 0)
        sizes.append(len(instructions.code))
    assert len(set(np.diff(sizes).tolist())) == 1
