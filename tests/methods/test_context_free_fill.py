"""Filling under a context-free grammar without a depth: the chart against lists and the automaton."""

from __future__ import annotations

import ast
import functools
import itertools
import math

import numpy as np
import pytest
from for_each import for_each

pytest.importorskip("numba", reason="these methods are compiled")

from methods.byte_rules import Grammar, Rules
from methods.context_free_fill import NULL, OPEN, ContextFreeFill
from methods.lattice_sums import LatticeSums
from methods.token_pushdown import token_pushdown
from toy_models import byte_tokenizer

import structgen as sg
from structgen.decoding.infilling.automata_of_grammars import language_of
from structgen.decoding.infilling.lattice import Lattice, LatticeSlot
from structgen.errors import GrammarError

pytestmark = pytest.mark.usefixtures("chart_loops")
LISTS: Grammar = {"S": [[b"[", "L"], [b"a"]], "L": [[b"]"], ["S", "R"]], "R": [[b"]"], [b",", "S", "R"]]}
PALINDROMES: Grammar = {"P": [[b"ab"], [b"a", "P", b"a"], [b"b", "P", b"b"], [b"a", b"a"]]}
SUMS: Grammar = {
    "E": [["T"], ["T", b"+", "E"]],
    "T": [["N"], [b"(", "E", b")"]],
    "N": [[b"01"], [b"01", "N"]],
}
PAIRS: Grammar = {"Q": [[b"x"], [b"(", "Q", "Q", b")"], ["Z", "Q"]], "Z": [[b"z"], [b"z", "Z"]]}  # ambiguous
WORDS: Grammar = {"W": [[b"ab"], [b"a", b".", "W"]]}  # no call
GRAMMARS = {"S": LISTS, "P": PALINDROMES, "E": SUMS, "Q": PAIRS, "W": WORDS}
"""By their starts."""
TOKENS = {
    "S": (b"[", b"]", b"a", b",", b"[[", b"]]", b"a]", b",a", b"],["),
    "P": (b"a", b"b", b"ab", b"ba", b"aab", b"bb"),
    "E": (b"(", b")", b"+", b"0", b"1", b"((", b"))", b")+(", b"+0", b"1)"),
    "W": (b"a", b"b", b".", b"a.", b".a", b"a.b"),
    "Q": (b"x", b"z", b"(", b")", b"zz", b"x)", b"((", b"(x"),
}


@functools.cache
def derives(name: str, symbols: tuple[str | bytes, ...], text: bytes) -> bool:
    """Return whether symbols derive a text, by every way to cut it; `name`: of the grammar, in GRAMMARS."""
    if not symbols or not text:
        return not symbols and not text
    first, rest = symbols[0], symbols[1:]
    if isinstance(first, bytes):
        return text[0] in first and derives(name, rest, text[1:])
    ways = [tuple(one) for one in GRAMMARS[name][first]]
    cuts = (at for at in range(1, len(text) + 1) if derives(name, rest, text[at:]))
    return any(derives(name, one, text[:at]) for at in cuts for one in ways)


@functools.cache
def valid(name: str, tokens: tuple[bytes, ...], length: int) -> list[tuple[int, ...]]:
    """Return all sequences of so many tokens that are a text."""
    every = itertools.product(range(len(tokens)), repeat=length)
    return [one for one in every if derives(name, (name,), b"".join(tokens[t] for t in one))]


class Listed:
    """All valid fillings of a hole with their weights."""

    def __init__(
        self, name: str, tokens: tuple[bytes, ...], hole: list[int], logits: np.ndarray, least: int
    ) -> None:
        slots = len(hole)
        free = [at for at in range(slots) if hole[at] == OPEN]
        self.weights: dict[tuple[int, ...], float] = {}
        for some in (one for length in range(slots + 1) for one in valid(name, tokens, length)):
            filling = (*some, *(NULL,) * (slots - len(some)))
            fits = all(h in (OPEN, f) for h, f in zip(hole, filling, strict=True))
            if fits and all(at >= least for at in free if filling[at] == NULL):
                self.weights[filling] = math.fsum(logits[at, max(filling[at], -1)] for at in free)
        self.log_z = math.log(math.fsum(map(math.exp, self.weights.values()))) if self.weights else -math.inf
        self.marginals = np.zeros_like(logits)
        for filling, weight in self.weights.items():
            for at, token in enumerate(filling):
                self.marginals[at, max(token, -1)] += math.exp(weight - self.log_z)


def hole_of(name: str, slots: int, seed: int) -> tuple[Listed, ContextFreeFill]:
    """Return a hole in which some slots are fixed to those of a valid filling."""
    chance, tokens = np.random.default_rng(seed), TOKENS[name]
    logits, least = chance.standard_normal((slots, len(tokens) + 1)) * 2, int(chance.integers(1, slots + 1))
    hole = [OPEN] * slots
    listed = Listed(name, tokens, hole, logits, least)
    if seed % 2 and listed.weights:
        some = list(listed.weights)[int(chance.integers(len(listed.weights)))]
        hole = [int(one) if chance.random() < 0.4 else OPEN for one in some]
        listed = Listed(name, tokens, hole, logits, least)
    rules = Rules(GRAMMARS[name], name, one_derivation=name == "P")  # a palindrome has one middle
    return listed, ContextFreeFill(token_pushdown(rules, tokens), hole, logits, least)


@for_each("slots", [1, 2, 3, 4])
@for_each("name", "SPEW")
@for_each("seed", range(4))
def test_sums_are_those_of_all_listed_fillings(name: str, slots: int, seed: int) -> None:
    listed, fill = hole_of(name, slots, seed)
    assert fill.log_z() == pytest.approx(listed.log_z, abs=1e-9)
    if listed.weights:
        assert np.abs(fill.marginals() - listed.marginals).max() < 1e-9


@for_each("slots", [1, 3, 4])
@for_each("name", "SPEQW")
@for_each("seed", range(4))
def test_masks_and_the_best_filling_are_those_of_all_listed_ones(name: str, slots: int, seed: int) -> None:
    listed, fill = hole_of(name, slots, seed)
    assert np.array_equal(fill.masks(), listed.marginals > 0)
    if listed.weights:
        value, best = fill.best()
        assert value == pytest.approx(max(listed.weights.values()), abs=1e-9)
        assert listed.weights[tuple(best)] == pytest.approx(value, abs=1e-9)
    else:
        with pytest.raises(ValueError, match="No filling"):
            fill.best()


def test_equal_fillings_are_not_mixed() -> None:
    tokens = TOKENS["P"]
    tables = token_pushdown(Rules(PALINDROMES, "P"), tokens)
    value, best = ContextFreeFill(tables, [OPEN] * 4, np.zeros((4, len(tokens) + 1))).best()
    assert value == 0.0 and derives("P", ("P",), b"".join(tokens[one] for one in best))


@for_each("seed", range(6))
def test_any_tokens_of_masks_in_any_order_of_slots_end_in_a_text(seed: int) -> None:
    tokens = TOKENS["E"]
    tables = token_pushdown(Rules(SUMS, "E"), tokens)
    chance = np.random.default_rng(seed)
    fill = ContextFreeFill(tables, [OPEN] * 9, np.zeros((9, len(tokens) + 1)), 1)
    for slot in chance.permutation(9).tolist():
        token = int(chance.choice(np.flatnonzero(fill.masks()[slot])))
        fill.tokens[slot] = NULL if token == len(tokens) else token
    text = b"".join(tokens[one] for one in fill.tokens if one >= 0)
    ast.parse(text.replace(b"0", b"1").decode(), mode="eval")  # a sum for Python, too
    assert derives("E", ("E",), text)


def random_grammar(seed: int) -> tuple[str, tuple[bytes, ...]]:
    """Put a random grammar into GRAMMARS; return its start, and tokens."""
    chance, name = np.random.default_rng(seed), f"R{seed}"
    names = [name, "A", "B"]
    pick = [b"a", b"b", b"ab", b"(", *names]
    GRAMMARS[name] = {
        one: [
            [pick[chance.integers(4)]],
            *(
                [pick[chance.integers(4)], *(pick[n] for n in chance.integers(7, size=chance.integers(3)))]
                for _ in range(2)
            ),
        ]
        for one in names
    }
    return name, (b"a", b"b", b"(", b"aa", b"(a", b"ab(")


@for_each("seed", range(8))
def test_chart_list_and_automaton_agree_on_random_grammars_after_random_commits(seed: int) -> None:
    name, tokens = random_grammar(seed)
    chance, slots, rules = np.random.default_rng(seed), 4, Rules(GRAMMARS[name], name)
    logits = chance.standard_normal((slots, len(tokens) + 1)).astype(np.float32).astype(float) * 2
    fill = ContextFreeFill(token_pushdown(rules, tokens), [OPEN] * slots, logits, 1)
    written = "\n".join(
        f"{one} ::= "
        + " | ".join(
            " ".join(part if isinstance(part, str) else f"[{part.decode()}]" for part in some)
            for some in each
        )
        for one, each in GRAMMARS[name].items()
    )
    end = len(tokens)
    tokenizer = sg.Tokenizer.from_bytes([*tokens, None], eos_token_id=end)
    automaton = language_of(sg.ebnf(written, start=name), tokenizer, "grammar", depth=24).automaton
    lattice = Lattice(
        automaton,
        [LatticeSlot(OPEN, slot >= 1, slot == slots - 1) for slot in range(slots)],
        end_token=end,
        pad_token=end,
    )
    for slot in range(slots):
        lattice.set_logits(slot, logits[slot].astype(np.float32))
    for slot in (None, *chance.permutation(slots).tolist()):
        if slot is not None:
            token = int(chance.choice(np.flatnonzero(fill.masks()[slot])))
            fill.tokens[slot] = NULL if token == end else token
            lattice.commit_token(slot, fill.tokens[slot])
        listed = Listed(name, tokens, fill.tokens, logits, 1)
        assert np.array_equal(fill.masks(), listed.marginals > 0)
        assert fill.best()[0] == pytest.approx(max(listed.weights.values()), abs=1e-9)
        sums = LatticeSums(lattice)
        assert sums.best()[0][0] == pytest.approx(fill.best()[0], abs=1e-5)
        for one in lattice.open_slots.tolist():
            told = lattice.token_mask(one)[[*range(end), -1]]
            assert np.array_equal(fill.masks()[one], told)
        if rules.conflict is None:
            assert fill.log_z() == pytest.approx(listed.log_z, abs=1e-9)
            assert fill.log_z() == pytest.approx(sums.log_z(), abs=1e-5)
            assert np.abs(fill.marginals() - listed.marginals).max() < 1e-9


NESTED = 'start: v\n?v: STRING | "{" STRING ":" v "}"\nSTRING: /"[ab]*"/'
WRITTEN: Grammar = {
    "v": [[b'"', "s"], [b"{", b'"', "s", b":", "v", b"}"]],
    "s": [[b'"'], [b"ab", "s"]],
}


@pytest.mark.parametrize("slots", [2, 5, 9, 14])
def test_the_chart_and_the_automaton_of_a_deep_enough_cut_agree(slots: int) -> None:
    tokenizer = byte_tokenizer()
    automaton = language_of(sg.lark(NESTED), tokenizer, "grammar", depth=2 * slots + 4).automaton
    end = tokenizer.eos_token_ids[0]
    tokens = [b"" if one >= end else tokenizer.decode([one]) for one in range(tokenizer.vocab_size)]
    logits = np.random.default_rng(slots).standard_normal((slots, len(tokens) + 1)).astype(np.float32) * 3
    logits[:, -1] = logits[:, end]
    lattice = Lattice(
        automaton,
        [LatticeSlot(OPEN, slot >= 1, slot == slots - 1) for slot in range(slots)],
        end_token=end,
        pad_token=end,
    )
    for slot in range(slots):
        lattice.set_logits(slot, logits[slot, :-1])
    fill = ContextFreeFill(
        token_pushdown(Rules(WRITTEN, "v"), tokens), [OPEN] * slots, logits.astype(float), 1
    )
    order = np.random.default_rng(1).permutation(slots)[: slots - 1].tolist()
    for slot in (None, *order):  # at first, and after each commit
        if slot is not None:
            token = int(LatticeSums(lattice).best()[0][1][slot])
            lattice.commit_token(slot, token)
            fill.tokens[slot] = token
        sums = LatticeSums(lattice)
        assert fill.log_z() == pytest.approx(sums.log_z(), abs=1e-9)
        (value, best), (wanted, filling) = fill.best(), sums.best()[0]
        assert value == pytest.approx(wanted, abs=1e-5) and best == filling.tolist()
        masks, marginals = fill.masks(), fill.marginals()
        for row, one in enumerate(lattice.open_slots.tolist()):
            assert np.array_equal(masks[one], lattice.token_mask(one))
            assert np.abs(marginals[one] - sums.law(row)).max() < 1e-9


@pytest.mark.parametrize(
    ("grammar", "told"),
    [
        ({"S": [["S", b"a"], [b"a"]]}, "S begins with itself"),
        ({"S": [["A"]], "A": [["S", b"x"], [b"a"]]}, "begins with itself"),
        ({"S": [[b"a"], []]}, "S has an empty alternative"),
        ({"S": [[b"a", "T"]]}, "S names T, which has no rule"),
    ],
)
def test_a_grammar_that_cannot_be_read_from_the_left_is_refused(grammar: Grammar, told: str) -> None:
    with pytest.raises(GrammarError, match=told):
        Rules(grammar, "S")


@pytest.mark.parametrize("name", "QP")
def test_sums_are_refused_where_a_text_may_have_two_derivations(name: str) -> None:
    tables = token_pushdown(Rules(GRAMMARS[name], name), TOKENS[name])
    fill = ContextFreeFill(tables, [OPEN] * 3, np.zeros((3, len(TOKENS[name]) + 1)))
    for asked in (fill.log_z, fill.marginals):
        with pytest.raises(GrammarError, match=r"not LALR\(1\).*one_derivation=True"):
            asked()
    assert fill.masks().any() and fill.best()[0] == 0.0


@pytest.mark.parametrize("name", "SEW")
def test_no_conflict_is_found_where_each_text_has_one_derivation(name: str) -> None:
    assert Rules(GRAMMARS[name], name).conflict is None
