"""Drafts: which arrays are one, how they are cut to the grammar, fused and planned."""

from __future__ import annotations

import itertools
import random
from typing import Any

import numpy as np
import pytest
from draft_cases import GRAMMARS, Fixed, facts, of_machine, paths, tokenizer, trusts, view

import structgen as sg
from structgen.decoding.speculation.drafts.draft import NO_DRAFT, Draft, DraftTree
from structgen.decoding.speculation.planning.drafting import Drafting
from structgen.decoding.speculation.planning.speculator import plan_drafts


def random_draft(chooser: random.Random, nodes: int, vocabulary: int) -> Draft:
    tree, left = DraftTree(), dict.fromkeys(range(-1, nodes), 1.0)
    for _ in range(nodes):
        parent, token = chooser.randrange(-1, len(tree)) if len(tree) else -1, chooser.randrange(vocabulary)
        if 100 + token not in tree.children[parent + 1]:
            chance = left[parent] * chooser.uniform(0.3, 0.95)
            left[parent] -= chance
            tree.add_node(parent, 100 + token, chance)
    return tree.make_draft()


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
        ([2**40], [-1], [0.5], "not an int32"),
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
            tree.add_node(parent, token, 0.1)
        draft = tree.make_draft()
        tokens, state = matcher.tokens, matcher.state
        found = Drafting([Fixed(draft)], facts()).propose_tree(view(matcher, room=3), 99)
        assert (matcher.tokens, matcher.state) == (tokens, state)
        expected = set()
        for path in paths(draft):
            inside = [token for token in path if token < tokenizer().vocab_size]
            if inside == list(path) and len(path) <= 3 and matcher.accepts(path) == len(path):
                expected.add(path)
        assert paths(found) == expected
        kept, refused = kept + len(expected), refused + len(draft) - len(expected)
    assert kept > 50 and refused > 50


def test_nothing_comes_behind_the_end() -> None:
    end = tokenizer().eos_token_ids[0]
    draft = Draft(np.array([end, 3, 4]), np.array([-1, 0, -1]), np.array([0.5, 1.0, 0.5]))
    assert paths(Drafting([Fixed(draft)], facts()).propose_tree(view(None), 9)) == {(end,), (4,)}


def test_a_fused_tree_is_the_union_of_its_drafts() -> None:
    chooser = random.Random(2)
    for _ in range(200):
        drafts = [random_draft(chooser, chooser.randrange(8), 3) for _ in range(3)]
        fused = Drafting([Fixed(draft) for draft in drafts], facts()).propose_tree(view(None), 99)
        assert paths(fused) == set().union(*map(paths, drafts))


def test_of_more_nodes_than_are_wanted_the_likeliest_are_kept() -> None:
    draft = Draft(np.array([5, 6, 7, 8]), np.array([-1, -1, 1, 2]), np.array([0.3, 0.6, 0.9, 0.9]))
    drafting = Drafting([Fixed(draft)], facts())
    assert paths(drafting.propose_tree(view(None), 2)) == {(6,), (6, 7)}
    chain = Drafting([Fixed(draft)], facts(), chain=True)
    assert paths(chain.propose_tree(view(None), 9)) == {(6,), (6, 7), (6, 7, 8)}


def best_rate(trees: list[Draft], seconds: float, row: float) -> float:
    """Return the most expected tokens for their time, over all parts of the trees."""

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
    return max(
        (len(trees) + sum(one[1] for one in chosen)) / (seconds + row * sum(one[0] for one in chosen))
        for chosen in itertools.product(*of_each)
    )


def rate_of(drafts: list[Draft], seconds: float, row: float) -> float:
    expected = float(len(drafts))
    for draft in drafts:
        reached = [1.0]
        for parent, chance in zip(draft.parents.tolist(), draft.chances.tolist(), strict=True):
            reached.append(reached[parent + 1] * chance)
        expected += sum(reached) - 1.0
    return expected / (seconds + row * sum(map(len, drafts)))


def test_the_plan_is_the_best_of_all_parts() -> None:
    chooser = random.Random(3)
    sizes = set()
    for _ in range(120):
        trees = [random_draft(chooser, chooser.randrange(7), 3) for _ in range(chooser.choice([1, 1, 2]))]
        seconds, row = chooser.uniform(0.5, 2.0), chooser.choice([0.0, 0.05, 0.2, 0.6])
        found = plan_drafts(trees, seconds, row)
        assert all(paths(part) <= paths(tree) for part, tree in zip(found, trees, strict=True))
        assert rate_of(found, seconds, row) == pytest.approx(best_rate(trees, seconds, row), rel=1e-6)
        sizes.add(sum(map(len, found)))
    assert {0, 1, 2, 3, 4} <= sizes


def test_there_is_no_draft_where_rows_are_dear() -> None:
    draft = Draft.chain([1, 2, 3], 0.9)
    assert [len(one) for one in plan_drafts([draft], 1.0, 0.01)] == [3]
    assert [len(one) for one in plan_drafts([draft], 1.0, 1.0)] == [0]
    # of many requests each row brings less beside the pass
    assert [len(one) for one in plan_drafts([draft] * 8, 1.0, 0.12)] == [0] * 8
    assert plan_drafts([], 1.0, 0.1) == []


def test_trust_is_the_mean_of_what_was_right() -> None:
    drafter = Fixed(Draft.chain([101, 102, 103]))
    drafting = Drafting([drafter], facts())

    def trust_after(taken: list[int]) -> float:
        drafting.propose_tree(view(None), 9)
        drafting.observe_tokens(taken, 0)
        return trusts(drafting)["fixed"]

    # three of four at first; two right, one wrong
    assert trust_after([101, 102, 109]) == pytest.approx(5 / 7)
    # behind its end the draft guesses nothing
    assert trust_after([101, 102, 103, 104]) == pytest.approx(8 / 10)
    drafter.draft = NO_DRAFT
    assert trust_after([101]) == pytest.approx(8 / 10)
