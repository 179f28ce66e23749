"""Prefix trees that are shared by runs."""

from __future__ import annotations

import pytest
from exact import ALIVE, END, TOKENIZER, Bigram

import structgen as sg

REGEX = sg.regex("[abc]{1,3}")


class Short:
    fingerprint = "shorter than 3"

    def viable(self, prefix):
        return len(prefix) < 3

    def final(self, text):
        return True


def draw(n, tree, model=None, prompt=(97,), grammar=REGEX, **options):
    options = {"method": "beams", "tokenizer": TOKENIZER, "name": "bigram", "max_tokens": 4} | options
    return sg.sample(model or Bigram(1, ALIVE), list(prompt), grammar, n, tree=tree, **options)


def nodes_of(tree):
    """Return all nodes of a tree."""
    found = [] if tree.root is None else [tree.root]
    for node in found:
        found += node.children.values()
    return found


@pytest.mark.parametrize(
    "other",
    [
        {"prompt": (98,)},
        {"temperature": 0.5},
        {"max_tokens": 3},
        {"name": "another"},
        {"grammar": sg.regex("[abc]{1,4}")},
        {"tokenizer": sg.Tokenizer.from_bytes([*TOKENIZER.token_bytes, b"ca"], eos_token_id=END)},
        {"checkers": [Short()]},
    ],
    ids=lambda one: next(iter(one)),
)
def test_a_tree_of_another_target_is_refused(other):
    tree = sg.samplers.PrefixTree()
    draw(5, tree)
    with pytest.raises(sg.errors.OptionError, match="another model, prompt"):
        draw(5, tree, **other)


def test_a_tree_is_used_by_one_run_at_a_time():
    tree = sg.samplers.PrefixTree()

    def model(ids):
        with pytest.raises(sg.errors.OptionError, match="Another run"):
            draw(1, tree)
        return Bigram(1, ALIVE)(ids)

    draw(3, tree, model)
    draw(3, tree)


def test_checkers_without_a_fingerprint_share_no_tree():
    class Unnamed:
        viable, final = Short.viable, Short.final

    with pytest.raises(sg.errors.OptionError, match="fingerprint"):
        draw(3, sg.samplers.PrefixTree(), checkers=[Unnamed()])
    assert max(map(len, draw(9, sg.samplers.PrefixTree(), checkers=[Short()]).texts)) < 3


@pytest.mark.parametrize("kept", [0, 1, 64])
def test_a_tree_takes_no_more_than_it_may(kept):
    tree = sg.samplers.PrefixTree(most=9000, kept=kept)
    for seed in range(8):
        draw(10, tree, method="importance", seed=seed)
        assert sum(node.nbytes for node in nodes_of(tree)) == tree.nbytes <= 9000


def test_a_tree_that_has_room_for_its_root_alone_keeps_no_more():
    tree = sg.samplers.PrefixTree(most=1, kept=0)
    draw(30, tree, method="importance")
    (root,) = nodes_of(tree)
    assert tree.nbytes == root.nbytes == 700
