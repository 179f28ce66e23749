"""Drafts: which arrays are one, how they are cut to the grammar, fused and planned."""

from __future__ import annotations

import itertools
import random
from typing import Any

import numpy as np
import pytest
from draft_cases import COSTS, GRAMMARS, PERSON, compiled, of_machine, paths, tokenizer, view

import structgen as sg
from structgen.speculation.drafts.draft import NO_DRAFT, Draft, DraftTree
from structgen.speculation.drafts.drafter import allowed_part
from structgen.speculation.drafts.planner import fuse, plan
from structgen.speculation.planning.trust import Trust


def random_draft(chooser: random.Random, nodes: int, vocabulary: int) -> Draft:
    tree = DraftTree()
    for _ in range(nodes):
        parent = chooser.randrange(-1, len(tree)) if len(tree) else -1
        tree.add(parent, chooser.randrange(vocabulary), chooser.uniform(0.05, 1.0))
    return tree.shared()


@pytest.mark.parametrize(
    ("tokens", "parents", "chances", "said"),
    [
        ([1, 2], [-1], [0.5, 0.5], "2 tokens, 1 parents"),
        ([1, 2], [1, -1], [0.5, 0.5], "parent of node 0 is 1"),
        ([1, 2], [-1, -2], [0.5, 0.5], "parent of node 1 is -2"),
        ([1, -2], [-1, 0], [0.5, 0.5], "token of node 1 is -2"),
        ([1, 2], [-1, 0], [0.5, 0.0], "chance of node 1 is 0"),
        ([1, 2], [-1, 0], [0.5, np.nan], "chance of node 1 is nan"),
        ([1, 2], [-1, 0], [0.5, 1.5], "chance of node 1 is 1.5"),
        ([1, 1], [-1, -1], [0.5, 0.5], "so is an earlier node"),
        ([[1]], [-1], [0.5], "shape"),
        ([1.5], [-1], [0.5], "float64"),
        ([2**40], [-1], [0.5], "no int32"),
    ],
)
def test_what_is_no_tree_is_refused(tokens: Any, parents: Any, chances: Any, said: str) -> None:
    with pytest.raises(sg.StructgenError, match=said):
        Draft(np.array(tokens), np.array(parents), np.array(chances))


def test_a_draft_cannot_be_changed() -> None:
    tokens = np.array([1, 2], np.int32)
    draft = Draft(tokens, np.array([-1, 0], np.int32), np.ones(2, np.float32))
    tokens[0] = 7
    assert draft.tokens.tolist() == [1, 2]
    with pytest.raises(ValueError):
        draft.tokens[0] = 7


def test_accepted_is_the_longest_path_that_was_taken() -> None:
    draft = Draft(np.array([5, 6, 7, 8]), np.array([-1, -1, 1, 2]), np.full(4, 0.5))
    assert draft.accepted([6, 7, 9]) == 2
    assert draft.accepted([9]) == 0
    assert draft.accepted([6, 7, 8]) == 3
    assert draft.path(3) == [6, 7, 8]
    assert NO_DRAFT.accepted([1]) == 0


@pytest.mark.parametrize("machine", GRAMMARS)
def test_what_is_kept_is_what_the_matcher_takes(machine: str) -> None:
    """The oracle is Matcher.accepts, asked of every path of random trees at random places."""
    chooser = random.Random(1)
    grammar = of_machine(machine)
    kept = refused = 0
    for _ in range(30):
        matcher = sg.Matcher(grammar)
        for _ in range(chooser.randrange(12)):
            open_ = [token for token in grammar.allowed(matcher.state) if token not in grammar.end_tokens]
            matcher.advance(chooser.choice(open_))
        likely = grammar.allowed(matcher.state)
        tree = DraftTree()
        for _ in range(25):
            parent = chooser.randrange(-1, len(tree)) if len(tree) else -1
            pool = likely if parent < 0 else range(tokenizer().vocab_size)
            token = chooser.choice(pool) if chooser.random() < 0.7 else chooser.randrange(2100)
            tree.add(parent, token, 0.1)
        draft = tree.shared()
        tokens, state = matcher.tokens, matcher.state
        found = allowed_part(draft, view(matcher, room=3))
        assert (matcher.tokens, matcher.state) == (tokens, state)
        expected = set()
        for path in paths(draft):
            inside = [token for token in path if token < tokenizer().vocab_size]
            if inside == list(path) and len(path) <= 3 and matcher.accepts(path) == len(path):
                expected.add(path)
        assert paths(found) == expected
        kept, refused = kept + len(expected), refused + len(draft) - len(expected)
    assert kept > 50 and refused > 50


def test_a_share_of_refused_siblings_goes_to_the_others() -> None:
    ends = frozenset([9])
    free = view(None)
    free = type(free)((), None, 10, ends)
    draft = Draft(np.array([9, 3, 4]), np.array([-1, 0, -1]), np.array([0.5, 1.0, 0.5]))
    assert paths(allowed_part(draft, free)) == {(9,), (4,)}  # nothing comes behind the end
    matcher = sg.Matcher(compiled(PERSON))
    start = compiled(PERSON).allowed(matcher.state)[0]
    both = Draft(np.array([start, 0]), np.array([-1, -1]), np.array([0.25, 0.75]))
    found = allowed_part(both, view(matcher))
    assert found.tokens.tolist() == [start] and found.chances.tolist() == [1.0]


def test_a_fused_tree_is_the_union_of_its_drafts() -> None:
    chooser = random.Random(2)
    for _ in range(200):
        drafts = [random_draft(chooser, chooser.randrange(8), 3) for _ in range(3)]
        fused = fuse(drafts, [0.9, 0.5, 0.1])
        assert paths(fused) == set().union(*map(paths, drafts))
        sums: dict[int, float] = {}
        for parent, chance in zip(fused.parents.tolist(), fused.chances.tolist(), strict=True):
            sums[parent] = sums.get(parent, 0.0) + chance
        assert all(total <= 1.0 + 1e-6 for total in sums.values())


def best_rate(trees: list[Draft], costs: list[float], most: int) -> float:
    """Return the most expected tokens for their cost, over all parts of the trees."""

    def gain(tree: Draft, nodes: tuple[int, ...]) -> float:
        chances: dict[int, float] = {-1: 1.0}
        for node in nodes:
            parent = int(tree.parents[node])
            if parent not in chances:
                return -1.0  # its parent is not in the part
            chances[node] = chances[parent] * float(tree.chances[node])
        return sum(chances.values()) - 1.0

    of_each = []
    for tree in trees:
        parts = []
        for size in range(len(tree) + 1):
            for nodes in itertools.combinations(range(len(tree)), size):
                if (found := gain(tree, nodes)) >= 0.0:
                    parts.append((size, found))
        of_each.append(parts)
    best = 0.0
    for chosen in itertools.product(*of_each):
        size = sum(one[0] for one in chosen)
        rows = len(trees) + size
        if size <= most and rows <= len(costs):
            best = max(best, (len(trees) + sum(one[1] for one in chosen)) / costs[rows - 1])
    return best


def rate_of(drafts: list[Draft], costs: list[float]) -> float:
    expected = float(len(drafts))
    for draft in drafts:
        reached = [1.0]
        for parent, chance in zip(draft.parents.tolist(), draft.chances.tolist(), strict=True):
            reached.append(reached[parent + 1] * chance)
        expected += sum(reached) - 1.0
    return expected / costs[len(drafts) + sum(map(len, drafts)) - 1]


def test_the_plan_is_the_best_of_all_parts() -> None:
    chooser = random.Random(3)
    sizes = set()
    for _ in range(120):
        requests = chooser.choice([1, 1, 2])
        trees = [random_draft(chooser, chooser.randrange(7), 3) for _ in range(requests)]
        costs, cost = [], 1.0
        for _ in range(chooser.randrange(requests, 10)):
            costs.append(cost)
            cost += chooser.choice([0.0, 0.05, 0.2, 0.6])  # a curve with steps: not convex
        most = chooser.randrange(8)
        found = plan(trees, costs, most)
        assert sum(map(len, found)) <= most
        assert all(paths(part) <= paths(tree) for part, tree in zip(found, trees, strict=True))
        assert rate_of(found, costs) == pytest.approx(best_rate(trees, costs, most), rel=1e-6)
        sizes.add(sum(map(len, found)))
    assert {0, 1, 2, 3, 4} <= sizes


def test_there_is_no_draft_where_rows_are_dear() -> None:
    draft = Draft.chain([1, 2, 3], 0.9)
    assert [len(one) for one in plan([draft], COSTS, 8)] == [3]
    assert [len(one) for one in plan([draft], [1.0, 2.0, 3.0, 4.0], 8)] == [0]
    # the same curve is flat at first: alone a request drafts, among many it does not
    curve = [1.0] * 4 + [1.0 + rows for rows in range(1, 40)]
    assert [len(one) for one in plan([draft], curve, 8)] == [3]
    assert [len(one) for one in plan([draft] * 8, curve, 8)] == [0] * 8
    # more requests than the curve knows
    assert [len(one) for one in plan([draft] * 3, [1.0, 1.0], 8)] == [0] * 3
    assert plan([], COSTS, 8) == []


@pytest.mark.parametrize("costs", [[1.0, 0.0], [float("nan")], [1.0, float("inf")]])
def test_a_cost_curve_that_is_none_is_refused(costs: list[float]) -> None:
    with pytest.raises(sg.OptionError, match=r"costs.*finite numbers above 0\."):
        plan([NO_DRAFT], costs, 8)


def test_trust_is_the_mean_of_what_was_right() -> None:
    trust = Trust(3.0, 1.0)
    draft = Draft.chain([1, 2, 3])
    trust.learn(draft, [1, 2, 9])  # two right, one wrong
    assert trust.mean == pytest.approx(5 / 7)
    trust.learn(draft, [1, 2, 3, 4])  # behind its end the draft guesses nothing
    assert trust.mean == pytest.approx(8 / 10)
    trust.learn(NO_DRAFT, [1])
    assert trust.mean == pytest.approx(8 / 10)
