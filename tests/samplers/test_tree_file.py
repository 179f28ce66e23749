"""Prefix trees that are shared by runs and kept in files."""

from __future__ import annotations

import random

import numpy as np
import pytest
from exact import ALIVE, END, TOKENIZER, Bigram

import structgen as sg
from structgen.native.array_file import decode_arrays, encode_arrays
from structgen.samplers import tree_file
from structgen.samplers.tree_file import _listed
from structgen.system.file_locks import exclusive

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


def spread(tree):
    nodes, children = _listed(tree)
    fields = ("tokens", "probabilities", "uppers", "lowers", "end", "end_upper", "rest", "upper", "lower")
    return [[np.asarray(getattr(node, name)).tolist() for name in fields] for node in nodes], children


def test_a_tree_that_was_saved_is_read_as_it_was(tmp_path):
    tree = sg.samplers.PrefixTree(kept=3)
    draw(40, tree)
    tree.save(tmp_path / "tree")
    again = sg.samplers.PrefixTree.load(tmp_path / "tree")
    assert spread(again) == spread(tree)
    assert (again.fingerprint, again.kept, again.nbytes) == (tree.fingerprint, tree.kept, tree.nbytes)


def test_an_empty_tree_is_kept_too(tmp_path):
    sg.samplers.PrefixTree().save(tmp_path / "tree")
    assert sg.samplers.PrefixTree.load(tmp_path / "tree").bracket == (0.0, 1.0)


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


def test_a_damaged_file_is_an_error_that_names_it(tmp_path):
    tree = sg.samplers.PrefixTree()
    draw(30, tree)
    path = tmp_path / "tree"
    tree.save(path)
    whole = path.read_bytes()
    chance = random.Random(1)
    for _ in range(150):
        damaged = bytearray(whole)
        if chance.random() < 0.3:
            del damaged[chance.randrange(len(whole)) :]
        else:
            damaged[chance.randrange(len(whole))] ^= 1 << chance.randrange(8)
        path.write_bytes(damaged)
        with pytest.raises(sg.StructgenError) as caught:
            sg.samplers.PrefixTree.load(path)
        assert caught.value.where == str(path)


def test_the_archive_that_an_earlier_version_wrote_is_refused(tmp_path):
    np.savez(tmp_path / "tree.npz", tokens=np.arange(3))
    with pytest.raises(sg.StructgenError, match="another version of structgen"):
        sg.samplers.PrefixTree.load(tmp_path / "tree.npz")


@pytest.mark.parametrize(
    ("name", "value"),
    [("uppers", 1.5), ("probabilities", -0.1), ("children", 9), ("counts", 7), ("tokens", -4)],
)
def test_numbers_out_of_range_are_refused(tmp_path, name, value):
    tree = sg.samplers.PrefixTree()
    draw(30, tree)
    path = tmp_path / "tree"
    tree.save(path)
    content = np.frombuffer(bytearray(path.read_bytes()), np.uint8)
    numbers, arrays = decode_arrays(content, tree_file._KIND, "")
    arrays[name].flat[-1] = value
    path.write_bytes(encode_arrays(tree_file._KIND, "", numbers, arrays))
    with pytest.raises(sg.StructgenError, match="out of range"):
        sg.samplers.PrefixTree.load(path)


def test_a_file_that_cannot_be_written_leaves_nothing_behind(tmp_path):
    (tmp_path / "tree").mkdir()
    with pytest.raises(OSError):
        sg.samplers.PrefixTree().save(tmp_path / "tree")
    assert [path.name for path in tmp_path.iterdir()] == ["tree"]


def test_what_another_process_has_saved_is_not_overwritten(tmp_path):
    path = tmp_path / "tree"
    tree = sg.samplers.PrefixTree()
    draw(5, tree)
    tree.save(path)
    mine, theirs = sg.samplers.PrefixTree.load(path), sg.samplers.PrefixTree.load(path)
    draw(20, theirs)
    theirs.save(path)
    saved = path.read_bytes()
    with pytest.raises(sg.errors.OptionError, match="another process") as caught:
        mine.save(path)
    assert caught.value.where == str(path)
    assert path.read_bytes() == saved
    theirs.save(path)
    mine.save(path, overwrite=True)
    assert spread(sg.samplers.PrefixTree.load(path)) == spread(mine)


def test_a_new_tree_does_not_replace_a_file_by_accident(tmp_path):
    path = tmp_path / "tree"
    path.write_bytes(b"what somebody else has written")
    with pytest.raises(sg.errors.OptionError, match="overwrite=True"):
        sg.samplers.PrefixTree().save(path)
    assert path.read_bytes() == b"what somebody else has written"
    assert [one.name for one in tmp_path.iterdir() if "lock" not in one.name] == ["tree"]


def test_two_processes_do_not_save_at_once(tmp_path):
    path = tmp_path / "tree"
    with exclusive(tmp_path / ".tree.lock") as is_alone:
        assert is_alone
        with pytest.raises(sg.errors.OptionError, match="Another process is saving"):
            sg.samplers.PrefixTree().save(path)
    assert not path.exists()
    sg.samplers.PrefixTree().save(path)


@pytest.mark.parametrize("kept", [0, 1, 64])
def test_a_tree_takes_no_more_than_it_may(kept):
    tree = sg.samplers.PrefixTree(most=9000, kept=kept)
    for seed in range(8):
        draw(10, tree, method="importance", seed=seed)
        assert sum(node.nbytes for node in _listed(tree)[0]) == tree.nbytes <= 9000


def test_a_tree_that_has_room_for_its_root_alone_keeps_no_more():
    tree = sg.samplers.PrefixTree(most=1, kept=0)
    draw(30, tree, method="importance")
    (root,) = _listed(tree)[0]
    assert tree.nbytes == root.nbytes == 700
